"""Cash: what counts as it, on which business day it counts, and which rules a person's cash meets.

Cash of a day without business counts on the next business day (31 CFR 1010.313(b)); which days those are, the calendar of
the currency's rail says. A rule over a calendar month takes the payment's own date. A person is a user: whoever handles the
cash.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.compliance import (
    CASH_CHANNEL,
    CASH_IN,
    CASH_OUT,
    CASH_POINT_TYPES,
    CASH_POINTS,
    CASH_TYPES,
    HAPPENED,
    PAID_BACK_TYPES,
    Measure,
    Rule,
)
from paylake.contracts.compliance import Window as Over
from paylake.indexes.compliance_rules import exceeds, rules_on, with_rules
from paylake.indexes.payments import Sources
from paylake.indexes.policy_flags import with_user
from paylake.resolution.ageing import by_settlement_rule

LONGEST_CLOSURE_DAYS = 15
"""No rail rests longer."""

_OUT_TYPES = tuple(t for t, way in {**CASH_TYPES, **CASH_POINT_TYPES}.items() if way == CASH_OUT)


def cash_direction() -> Column:
    """IN or OUT for a payment of cash, by its channel and type; null for every other one."""
    kind, channel = F.upper("type"), F.upper("channel")
    case = F.when(kind.isin(*CASH_TYPES), F.when(kind.isin(*_OUT_TYPES), CASH_OUT).otherwise(CASH_IN))
    case = case.when(
        channel.isin(*CASH_POINTS) & kind.isin(*CASH_POINT_TYPES),
        F.when(kind.isin(*_OUT_TYPES), CASH_OUT).otherwise(CASH_IN),
    )
    runs_to_user = F.coalesce(is_paid_to_user(), F.lit(False))
    return case.when(channel == CASH_CHANNEL, F.when(runs_to_user, CASH_OUT).otherwise(CASH_IN))


def is_paid_to_user() -> Column:
    """True where money runs from the merchant to the user; null where a payment has no type."""
    return F.upper("type").isin(*PAID_BACK_TYPES, *_OUT_TYPES)


def with_cash_day(payments: DataFrame, sources: Sources) -> DataFrame:
    """The payments with `cash_day`, the business day on which their cash counts: their own date, or the next open one."""
    first, last = F.lit(sources.business_date - timedelta(days=31)), sources.business_date + timedelta(LONGEST_CLOSURE_DAYS)
    onwards = Window.partitionBy("rail").orderBy(F.desc("day"))
    counts_on = F.min(F.when(F.col("is_business_day"), F.col("day"))).over(onwards)
    days = sources.business_days.where(F.col("day").between(first, F.lit(last))).select(
        F.col("rail").alias("_rail"), F.col("day").alias("_day"), counts_on.alias("cash_day")
    )
    on = (F.col("_rail") == by_settlement_rule("rail")) & (F.col("_day") == F.col("business_date"))
    return payments.join(F.broadcast(days), on=on, how="left").drop("_rail", "_day")


def measured(sources: Sources, rules: Iterable[Rule]) -> DataFrame:
    """One row per user, currency, direction and rule on cash: what the rule measures on the date, and whether it `fires`.

    A rule fires on each date that adds to what it measures, and on no other: neither does a weekend repeat what Friday told.
    """
    today = F.lit(sources.business_date)
    found = rules_on(sources.business_date, rules, Measure.CASH_SUM, Measure.JUST_BELOW)
    paid = sources.payments.where(F.col("payment_status").isin(*HAPPENED)).withColumn("direction", cash_direction())
    cash = with_cash_day(with_user(paid.where("direction IS NOT NULL"), sources), sources)
    ruled = with_rules(cash, found)
    day = Window.partitionBy("user_id", "currency", "direction", "rule.label", "cash_day")
    is_month = F.col("rule.window") == Over.CALENDAR_MONTH.value
    counts_on = F.when(is_month, F.col("business_date")).otherwise(F.col("cash_day"))
    since = (
        F.when(is_month, F.trunc(today, "month"))
        .when(F.col("rule.window") == Over.BUSINESS_DAY.value, today)
        .when(F.col("rule.window") == Over.DAYS.value, F.date_sub(today, F.col("rule.days") - 1))
    )
    is_sum = F.col("rule.measure") == Measure.CASH_SUM.value
    of_window = (
        ruled.withColumns({"day_amount": F.sum("amount").over(day), "counts_on": counts_on})
        .where(F.col("counts_on").between(since, today))
        .withColumns({"is_below": _in_band(F.col("amount")), "is_day_below": _in_band(F.col("day_amount"))})
        .where(is_sum | F.col("is_below") | F.col("is_day_below"))
    )
    is_new = F.col("counts_on") == today
    sums = of_window.groupBy("user_id", "currency", "direction", "rule").agg(
        F.sum("amount").alias("amount"),
        F.count(F.when(F.col("is_below"), 1)).alias("payment_count"),
        F.count(F.when(F.col("is_below") & is_new, 1)).alias("new_count"),
        F.size(F.collect_set(F.when(F.col("is_day_below"), F.col("cash_day")))).alias("day_count"),
        F.max(is_new).alias("is_new"),
        F.min("business_date").alias("first_date"),
        F.max("business_date").alias("last_date"),
        F.array_sort(F.collect_set("transaction_id")).alias("transaction_ids"),
    )
    is_met = F.when(is_sum, exceeds(F.col("amount"), F.col("rule"))).otherwise(
        F.greatest("payment_count", "day_count") >= F.col("rule.least_count")
    )
    ends_on = F.when(is_month, F.last_day(today)).otherwise(today)
    return sums.withColumns({
        "fires": F.col("is_new") & is_met,
        "due_on": F.date_add(ends_on, F.col("rule.due_days")),
    })  # fmt: skip


def _in_band(amount: Column) -> Column:
    """True from a rule's floor up to its threshold, which is not exceeded; false for a rule without a floor."""
    return F.coalesce((amount >= F.col("rule.floor")) & ~exceeds(amount, F.col("rule")), F.lit(False))
