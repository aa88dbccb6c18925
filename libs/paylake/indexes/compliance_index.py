"""The compliance index: who a user or merchant is, how their money moved, which rules it met; and the alerts of suspicion.

Everything is of one currency, since nothing is summed across currencies: a threshold in USD concerns USD alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.compliance import (
    AML_ALERT,
    CASH_IN,
    CASH_OUT,
    COMPLIANCE_INDEX,
    HAPPENED,
    HIGH_RISK,
    MERCHANT,
    OWN_MESSAGE_CHANNELS,
    REQUIRES_KYC,
    RULES,
    STRUCTURING,
    TRANSFER_TYPES,
    USER,
    Measure,
    Rule,
)
from paylake.indexes import cash
from paylake.indexes.compliance_rules import as_struct, exceeds, rules_on, with_rules
from paylake.indexes.payments import Sources
from paylake.indexes.policy_flags import is_expired, is_identified, transaction_flags, with_parties
from paylake.indexes.versions import content

ENTITY = ("entity_type", "entity_id", "currency")
A_DAY = timedelta(days=1)
HOUR_MICROS, DAY_MICROS = 3_600_000_000, 86_400_000_000
RISK_ORDER = {"LOW": 1, "MEDIUM": 2, "HIGH": 3}


def compliance_index(sources: Sources, rules: Iterable[Rule] = RULES) -> DataFrame:
    """One row per user or merchant and currency with a payment, or with cash that counts, on the business date.

    The columns are the content of `compliance_index`. A payment that did not take place is flagged, but not counted.
    """
    rules = tuple(rules)
    sides = _sides(cash.with_cash_day(sources.payments, sources))
    rows = _totals(sides, sources, rules)
    for found in (_of_date(sides, sources, rules), _cash_rules(sources, rules)):
        rows = rows.join(found, on=list(ENTITY), how="left")
    is_user = F.col("entity_type") == USER
    none = F.array().cast("array<string>")
    counts = ("largest_1h_count", "largest_24h_count", "travel_rule_count", "just_below_threshold_count")
    sums = ("largest_1h_amount", "largest_24h_amount")
    flags = ("ctr_required", "structuring_suspected", "is_high_risk", "requires_kyc")
    complete = rows.withColumns({
        **{name: F.coalesce(name, F.lit(0)) for name in (*counts, *sums)},
        **{name: F.coalesce(name, F.lit(False)) for name in flags},
        **{name: F.coalesce(name, none) for name in ("policy_ids", "policy_flags")},
        "rule_ids": F.array_sort(F.concat(F.coalesce("cash_rule_ids", none), F.coalesce("travel_rule_ids", none))),
        "business_date": F.lit(sources.business_date),
    }).withColumns({
        "travel_rule_required": F.col("travel_rule_count") > 0,
        "compliance_flag": F.when(F.col("is_high_risk"), HIGH_RISK).when(is_user & F.col("requires_kyc"), REQUIRES_KYC),
    })  # fmt: skip
    return content(_with_entity(complete, sources), COMPLIANCE_INDEX)


def aml_alert(sources: Sources, rules: Iterable[Rule] = RULES) -> DataFrame:
    """One row per user, currency, direction and rule that sees cash split below a threshold, as `aml_alert` says it."""
    rules = tuple(rules)
    split = cash.measured(sources, rules).where(F.col("fires") & (F.col("rule.measure") == Measure.JUST_BELOW.value))
    fired = split.withColumns({
        "business_date": F.lit(sources.business_date),
        "alert_kind": F.lit(STRUCTURING),
        "entity_type": F.lit(USER),
        "entity_id": F.col("user_id"),
    })  # fmt: skip
    identity = ("alert_kind", "entity_type", "entity_id", "currency", "direction", "rule.rule_id", "business_date")
    reports = _reports(sources, rules)
    return content(
        fired.withColumns({
            "alert_id": F.left(F.sha2(F.concat_ws("|", *identity), 256), F.lit(32)),
            "is_sar_candidate": F.size(reports) > 0,
            "rule_ids": F.array_sort(F.concat(F.array("rule.label"), reports)),
        }),
        AML_ALERT,
    )  # fmt: skip


def _reports(sources: Sources, rules: Iterable[Rule]) -> Column:
    """The rules on reports of suspicious activity whose sum a suspicion reaches, where they hold where it arose."""
    suspicious = [as_struct(rule) for rule in rules_on(sources.business_date, rules, Measure.SUSPICIOUS_SUM)]

    def is_reached(rule: Column) -> Column:
        is_there = F.arrays_overlap(F.col("rule.jurisdictions"), rule["jurisdictions"])
        return (rule["currency"] == F.col("currency")) & is_there & exceeds(F.col("amount"), rule)

    if not suspicious:
        return F.array().cast("array<string>")
    return F.transform(F.filter(F.array(*suspicious), is_reached), lambda rule: rule["label"])


def _sides(payments: DataFrame) -> DataFrame:
    """Each payment twice: as the user sees it and as the merchant does, with who stands against them."""
    to_user = F.coalesce(cash.is_paid_to_user(), F.lit(False))

    def side(kind: str, entity: str, counterparty: str, is_paid: Column) -> Column:
        return F.struct(
            F.lit(kind).alias("entity_type"), F.col(entity).alias("entity_id"),
            F.col(counterparty).alias("counterparty"), is_paid.alias("is_paid"),
        )  # fmt: skip

    both = F.array(side(USER, "user_id", "merchant_id", to_user), side(MERCHANT, "merchant_id", "user_id", ~to_user))
    return payments.select(
        "transaction_id", "business_date", "currency", "amount", "paid_at", "cash_day",
        cash.cash_direction().alias("direction"),
        F.coalesce(F.col("payment_status").isin(*HAPPENED), F.lit(False)).alias("happened"),
        F.inline(both),
    )  # fmt: skip


def _totals(sides: DataFrame, sources: Sources, rules: Iterable[Rule]) -> DataFrame:
    """One row per entity and currency of the date: its payments of 1, 7 and 30 dates, its cash, its counterparties."""
    today = F.lit(sources.business_date)
    happened, way = F.col("happened"), F.col("direction")
    of_date = F.col("business_date") == today
    of_week, of_thirty = (F.col("business_date") > F.date_sub(today, days) for days in (7, 30))
    of_month = F.col("business_date").between(F.trunc(today, "month"), today)
    # on a date without business it is true of no payment, and on every other one of each payment of the date
    counts_today = F.coalesce(F.col("cash_day") == today, F.lit(False))
    is_open = F.max(counts_today)
    unit = _round_unit(sources, rules)
    ratio = _count(happened & of_date & (F.col("amount") % unit == 0)).cast("decimal(20,6)") / F.nullif(
        _count(happened & of_date & unit.isNotNull()), F.lit(0)
    )
    totals = sides.groupBy(*ENTITY).agg(
        F.max(of_date | (counts_today & way.isNotNull())).alias("is_of_date"),
        _count(happened & of_date).alias("payment_count"),
        _sum(happened & of_date).alias("amount"),
        _count(happened & of_week).alias("last_7d_count"),
        _sum(happened & of_week).alias("last_7d_amount"),
        _count(happened & of_thirty).alias("last_30d_count"),
        _sum(happened & of_thirty).alias("last_30d_amount"),
        F.when(is_open, _sum(happened & counts_today & (way == CASH_IN))).alias("cash_in_amount"),
        F.when(is_open, _sum(happened & counts_today & (way == CASH_OUT))).alias("cash_out_amount"),
        _sum(happened & of_month & (way == CASH_IN)).alias("month_cash_in_amount"),
        _sum(happened & of_month & (way == CASH_OUT)).alias("month_cash_out_amount"),
        ratio.alias("round_amount_ratio"),
        _others(happened & of_date & F.col("is_paid")).alias("counterparties_in_count"),
        _others(happened & of_date & ~F.col("is_paid")).alias("counterparties_out_count"),
    )
    return totals.where("is_of_date")


def _of_date(sides: DataFrame, sources: Sources, rules: Iterable[Rule]) -> DataFrame:
    """One row per entity and currency with a payment on the date: its busiest hours, its flags, its travel rule."""
    today = F.lit(sources.business_date)
    # a payment of the date may have been booked some hours before its midnight
    running = _running(sides.where(F.col("business_date") >= F.date_sub(today, 2)))
    flags = transaction_flags(sources, rules).drop("business_date", "kyc_status")
    of_date = running.where(F.col("business_date") == today).join(flags, on="transaction_id", how="left")
    marked = of_date.join(_transfers(sources, rules), on="transaction_id", how="left")
    travels = F.col("happened") & F.col("travel_rule_id").isNotNull()
    return marked.groupBy(*ENTITY).agg(
        *(
            F.max(F.when(F.col("happened"), F.col(f"{what}_{name}"))).alias(f"largest_{name}_{column}")
            for name in ("1h", "24h")
            for what, column in (("count", "count"), ("sum", "amount"))
        ),
        _union("policy_ids"),
        _union("policy_flags"),
        F.max(F.coalesce(F.col("compliance_flag") == HIGH_RISK, F.lit(False))).alias("is_high_risk"),
        F.max(F.coalesce(F.array_contains("policy_flags", REQUIRES_KYC), F.lit(False))).alias("requires_kyc"),
        _count(travels).alias("travel_rule_count"),
        F.min(F.when(travels, F.col("is_named"))).alias("travel_rule_complete"),
        F.collect_set(F.when(travels, F.col("travel_rule_id"))).alias("travel_rule_ids"),
    )


def _running(sides: DataFrame) -> DataFrame:
    """The payments with count and sum of those of their entity in the hour and the 24 hours up to them, with themselves.

    Each payment is added when it happens and taken away when it leaves a window, so that one running total per window says
    what is in it: a sliding frame would add up a busy merchant's day anew for each payment.
    """
    windows = {"1h": HOUR_MICROS, "24h": DAY_MICROS}
    comes = F.struct(F.lit(0).cast("long").alias("after"), *(F.lit(1).alias(name) for name in windows))
    leaves = (
        F.struct(F.lit(micros).cast("long").alias("after"), *(F.lit(-1 if n == name else 0).alias(n) for n in windows))
        for name, micros in windows.items()
    )
    moves = sides.select("*", F.inline(F.array(comes, *leaves)))
    by_time = Window.partitionBy(*ENTITY).orderBy(F.unix_micros("paid_at") + F.col("after"))
    amount = F.when(F.col("happened"), F.col("amount")).otherwise(F.lit(0))
    signs = {name: F.when(F.col("happened"), F.col(name)).otherwise(0) for name in windows}
    return moves.withColumns({
        **{f"count_{name}": F.sum(sign).over(by_time) for name, sign in signs.items()},
        **{
            f"sum_{name}": F.sum(F.when(sign > 0, amount).when(sign < 0, -amount).otherwise(F.lit(0))).over(by_time)
            for name, sign in signs.items()
        },
    }).where("after = 0")  # fmt: skip


def _transfers(sources: Sources, rules: Iterable[Rule]) -> DataFrame:
    """One row per transfer of the date that the travel rule concerns, and whether both its ends can be named."""
    of_date = F.col("business_date") == F.lit(sources.business_date)
    own_message = F.coalesce(F.upper("channel").isin(*OWN_MESSAGE_CHANNELS), F.lit(False))
    transfers = sources.payments.where(of_date & F.upper("type").isin(*TRANSFER_TYPES) & ~own_message)
    ruled = with_rules(with_parties(transfers, sources), rules_on(sources.business_date, rules, Measure.TRANSFER))
    is_named = is_identified(F.col("business_date")) & F.col("bank_id").isNotNull() & F.col("merchant_risk").isNotNull()
    return (
        ruled.where(exceeds(F.col("amount"), F.col("rule")))
        .groupBy("transaction_id")
        .agg(F.min("rule.label").alias("travel_rule_id"), F.min(is_named).alias("is_named"))
    )


def _cash_rules(sources: Sources, rules: Iterable[Rule]) -> DataFrame:
    """One row per user and currency whose cash a rule looks at: what is just below, reported or suspected."""
    found = cash.measured(sources, rules)
    is_report = F.col("rule.measure") == Measure.CASH_SUM.value
    fires = F.col("fires")
    return found.groupBy(F.lit(USER).alias("entity_type"), F.col("user_id").alias("entity_id"), "currency").agg(
        F.sum(F.when(~is_report, F.col("new_count"))).alias("just_below_threshold_count"),
        F.max(fires & is_report).alias("ctr_required"),
        F.min(F.when(fires & is_report, F.col("due_on"))).alias("ctr_due_on"),
        F.max(fires & ~is_report).alias("structuring_suspected"),
        F.collect_set(F.when(fires, F.col("rule.label"))).alias("cash_rule_ids"),
    )


def _with_entity(rows: DataFrame, sources: Sources) -> DataFrame:
    """The rows with who the user or the merchant was at the end of the business date."""
    end = datetime.combine(sources.business_date + A_DAY, time(), UTC) - timedelta(microseconds=1)
    users = sources.users.select(
        F.col("user_id").alias("entity_id"), F.lit(USER).alias("entity_type"), F.col("home_country").alias("country"),
        "kyc_status", "kyc_level", "kyc_expires_on", "risk_rating", "is_pep", "valid_from", "valid_to",
    )  # fmt: skip
    merchants = sources.merchants.select(
        F.col("merchant_id").alias("entity_id"), F.lit(MERCHANT).alias("entity_type"), "country",
        F.col("risk_level").alias("risk_rating"), "valid_from", "valid_to",
    )  # fmt: skip
    is_valid = (F.col("valid_from") <= F.lit(end)) & F.coalesce(F.col("valid_to") > F.lit(end), F.lit(True))
    known = users.unionByName(merchants, allowMissingColumns=True).where(is_valid)
    order = F.create_map(*(F.lit(part) for pair in RISK_ORDER.items() for part in pair))
    risks = sources.locations.where(is_valid).groupBy("country").agg(
        F.max_by("risk_level", order[F.col("risk_level")]).alias("country_risk")
    )  # fmt: skip
    found = rows.join(F.broadcast(known.drop("valid_from", "valid_to")), on=["entity_type", "entity_id"], how="left")
    expired = found.withColumn("is_kyc_expired", is_expired(F.col("business_date")))
    return expired.join(F.broadcast(risks), on="country", how="left")


def _round_unit(sources: Sources, rules: Iterable[Rule]) -> Column:
    """What a round amount of the row's currency is a multiple of; null where no rule says."""
    unit = F.when(F.lit(False), F.lit(None).cast("decimal(18,4)"))
    for rule in rules_on(sources.business_date, rules, Measure.ROUND_AMOUNT):
        unit = unit.when(F.col("currency") == rule.currency, F.lit(rule.amount).cast("decimal(18,4)"))
    return unit


def _count(holds: Column) -> Column:
    return F.count(F.when(holds, 1))


def _sum(holds: Column) -> Column:
    return F.sum(F.when(holds, F.col("amount")).otherwise(F.lit(0)))


def _others(holds: Column) -> Column:
    return F.size(F.collect_set(F.when(holds, F.col("counterparty"))))


def _union(lists: str) -> Column:
    return F.array_sort(F.array_distinct(F.flatten(F.collect_list(lists)))).alias(lists)
