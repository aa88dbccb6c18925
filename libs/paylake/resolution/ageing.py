"""When a break's money was to settle, and by when somebody has to act: columns, by a small table of business days."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.contracts.calendars import OTHER_SETTLEMENT, SETTLEMENT_RULES
from paylake.contracts.taxonomy import SLA_HOURS


def with_settlement(breaks: DataFrame, business_days: DataFrame) -> DataFrame:
    """The breaks (with `currency`, `business_date`) and the rail and date on which their money was to settle."""
    open_days = business_days.where("is_business_day").select(
        F.col("rail").alias("_rail"),
        F.col("business_days_passed").alias("_nth"),
        F.col("day").alias("expected_settlement_date"),
    )
    days = business_days.select(
        F.col("rail").alias("_of"),
        F.col("day").alias("_day"),
        # the number of the first business day that is not before the day
        (F.col("business_days_passed") + F.when(F.col("is_business_day"), 0).otherwise(1)).alias("_number"),
    )
    lag = breaks.withColumns({"rail": by_settlement_rule("rail"), "_lag": by_settlement_rule("days")})
    numbered = lag.join(
        F.broadcast(days), on=(F.col("_of") == F.col("rail")) & (F.col("_day") == F.col("business_date")), how="left"
    )
    settled = numbered.join(
        F.broadcast(open_days),
        on=(F.col("_rail") == F.col("rail")) & (F.col("_nth") == F.col("_number") + F.col("_lag")),
        how="left",
    )
    return settled.drop("_lag", "_of", "_day", "_number", "_rail", "_nth")


def sla_due_at(opened_at: Column, severity: Column) -> Column:
    """By when somebody has to act on a break: hours that pass on holidays too, since losses do."""
    hours = F.when(F.lit(False), 0)
    for name, limit in SLA_HOURS.items():
        hours = hours.when(severity == name.value, limit)
    return F.timestamp_add("HOUR", hours, opened_at)


def by_settlement_rule(attribute: str) -> Column:
    """The `rail` or the `days` of the settlement rule that holds for a row's currency and business_date: its latest one."""
    rules = sorted(SETTLEMENT_RULES, key=lambda rule: rule.since, reverse=True)
    return reduce(
        lambda case, rule: case.when(
            (F.col("currency") == rule.currency) & (F.col("business_date") >= F.lit(rule.since)),
            F.lit(getattr(rule, attribute)),
        ),
        rules,
        F.when(F.lit(False), F.lit(None)),
    ).otherwise(F.lit(getattr(OTHER_SETTLEMENT, attribute)))
