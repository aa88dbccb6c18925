"""The columns say what the calendars say."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake.contracts import BUSINESS_DAYS
from paylake.resolution.ageing import sla_due_at, with_settlement
from paylake.resolution.calendars import business_day_rows, settlement_date, settlement_rule
from tests.builders import NOON, day, frame

DAYS = [day(d) for d in ("2026-04-02", "2026-04-03", "2026-04-04", "2026-01-24", "2026-07-03", "2026-12-31")]
CURRENCIES = ("EUR", "INR", "USD", "JPY")


def test_the_expected_settlement_date_is_the_calendars(spark: SparkSession) -> None:
    pairs = list(product(CURRENCIES, DAYS))
    breaks = frame(spark, "currency string, business_date date", *pairs)
    days = spark.createDataFrame(business_day_rows(), BUSINESS_DAYS.schema)
    found = with_settlement(breaks, days)
    assert found.columns == ["currency", "business_date", "rail", "expected_settlement_date"]
    rules = {pair: settlement_rule(*pair) for pair in pairs}
    expected = {(*p, r.rail.value, settlement_date(r.rail, p[1], r.days)) for p, r in rules.items()}
    assert {tuple(row) for row in found.collect()} == expected


def test_the_worse_a_break_the_sooner_somebody_has_to_act(spark: SparkSession) -> None:
    rows = frame(spark, "severity string, at timestamp", *((s, NOON) for s in ("Critical", "High", "Medium", "Low")))
    due = rows.select("severity", sla_due_at(F.col("at"), F.col("severity")).alias("due")).collect()
    at = NOON.replace(tzinfo=None)
    assert {r["severity"]: r["due"] - at for r in due} == {
        "Critical": timedelta(hours=4), "High": timedelta(hours=24),
        "Medium": timedelta(hours=72), "Low": timedelta(hours=168),
    }  # fmt: skip
