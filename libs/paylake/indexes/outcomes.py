"""What became of payments, and what a dimension said at the end of a business date: shared by the consumers' indexes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.contracts.merchants import APPROVED, DECLINED, REVERSED


def is_approved() -> Column:
    return F.col("payment_status").isin(*APPROVED)


def is_declined() -> Column:
    return F.col("payment_status").isin(*DECLINED)


def is_reversed() -> Column:
    return F.col("payment_status").isin(*REVERSED)


def count_where(condition: Column) -> Column:
    return F.count(F.when(condition, F.lit(1)))


def sum_where(condition: Column, amount: str = "amount") -> Column:
    """The sum of the rows for which the condition holds; zero where there are none."""
    return F.coalesce(F.sum(F.when(condition, F.col(amount))), F.lit(0))


def share(part: str | Column, whole: str | Column) -> Column:
    """One count or sum over another, exactly; null where there is nothing to divide by."""
    # two whole numbers would divide to a binary fraction
    dividend, divisor = (_exact(value) for value in (part, whole))
    return dividend / F.when(divisor != 0, divisor)


def _exact(value: str | Column) -> Column:
    return (F.col(value) if isinstance(value, str) else value).cast("decimal(30,6)")


def at_the_end_of(day: date, dimension: DataFrame) -> DataFrame:
    """What a dimension said in the last moment of a date, UTC: one row per key."""
    end = F.lit(datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC))
    return dimension.where((F.col("valid_from") < end) & (F.col("valid_to").isNull() | (F.col("valid_to") >= end)))
