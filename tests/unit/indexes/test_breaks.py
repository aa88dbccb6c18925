"""What a run makes of a break that is new, known, in review, ended, or gone; and a rerun makes nothing of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.contracts import BREAKS, BUSINESS_DAYS, RECONCILIATION_INDEX
from paylake.indexes import breaks
from paylake.resolution.calendars import business_day_rows
from tests.builders import NOON, by_key, day, legs, rows

NINETY = Decimal("90.0000")
BROKEN = {
    "kind": "AMOUNT_MISMATCH", "family": "AMOUNT", "reason": "AMOUNT_UNDER", "reasons": ["AMOUNT_UNDER"],
    "status": "MISMATCH", "severity": "High", "owner": "finance operations", "risk_class": "SKIMMING", "risk_score": 40,
    "business_date": day("2026-03-30"), **legs(core={"amount": NINETY}), "difference_amount": Decimal("10.0000"),
}  # fmt: skip
MISSING = {
    **BROKEN, "kind": "MISSING_CBS", "family": "PRESENCE", "reason": "MISSING_IN_CORE", "reasons": ["MISSING_IN_CORE"],
    **legs(core=None), "risk_class": "DATA_LOSS", "risk_score": 90, "severity": "Critical",
}  # fmt: skip
LATER = NOON + timedelta(days=1)


@pytest.fixture(scope="module")
def days(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(business_day_rows(), BUSINESS_DAYS.schema)


def latest(spark: SparkSession, **of: dict[str, Any]) -> DataFrame:
    return rows(spark, RECONCILIATION_INDEX, *({"recon_id": key, "transaction_id": key, **row} for key, row in of.items()))


def first_run(spark: SparkSession, days: DataFrame, **of: dict[str, Any]) -> DataFrame:
    return breaks.news(latest(spark, **of), rows(spark, BREAKS), days, "run-1", NOON)


def changed(known: DataFrame, **columns: Any) -> DataFrame:
    """The known breaks as acts left them."""
    return known.withColumns({name: F.lit(value) for name, value in columns.items()}).select(*BREAKS.columns)


def test_a_new_break_is_due_dated_and_suggested(spark: SparkSession, days: DataFrame) -> None:
    found = by_key(first_run(spark, days, a=BROKEN, b=MISSING, c={"status": "MATCHED", **legs()}))
    said = ("state", "rail", "expected_settlement_date", "suggested_resolution", "escalated_for", "opened_by_run_id")
    assert {key: tuple(row[c] for c in said) for key, row in found.items()} == {
        # 31 March is Mahavir Jayanti, and on 1 April the banks of India close their accounts
        "a": ("SUGGESTED", "INDIA", day("2026-04-02"), "ACCEPT_GATEWAY", None, "run-1"),
        "b": ("OPEN", "INDIA", day("2026-04-02"), None, "risk of 90", "run-1"),
    }
    due = {key: row["sla_due_at"] - row["opened_at"] for key, row in found.items()}
    assert due == {"a": timedelta(hours=24), "b": timedelta(hours=4)}


def test_a_rerun_has_no_news_whatever_the_state(spark: SparkSession, days: DataFrame) -> None:
    known = first_run(spark, days, a=BROKEN).persist()
    again = latest(spark, a=BROKEN)
    states = [("SUGGESTED", None), ("IN_REVIEW", None), ("RESOLVED", "ACCEPT_GATEWAY"), ("WRITTEN_OFF", "WRITE_OFF"),
              ("REOPENED", None)]  # fmt: skip
    for state, resolution in states:
        news = breaks.news(again, changed(known, state=state, resolution=resolution), days, "run-2", LATER)
        assert news.collect() == [], state


def test_a_rejected_suggestion_is_not_made_again(spark: SparkSession, days: DataFrame) -> None:
    known = first_run(spark, days, a=BROKEN)
    rejected = known.withColumn("rejected_suggestion_id", F.col("suggestion_id")).withColumn("state", F.lit("OPEN"))
    assert breaks.news(latest(spark, a=BROKEN), rejected, days, "run-2", LATER).collect() == []


def test_a_break_whose_ledgers_agree_ends_and_one_that_comes_back_is_reopened(spark: SparkSession, days: DataFrame) -> None:
    known = first_run(spark, days, a=BROKEN)
    ended = breaks.news(latest(spark, a={"status": "MATCHED", **legs()}), known, days, "run-2", LATER)
    said = ("state", "resolution", "resolved_by_run_id", "reopened_by_run_id", "opened_by_run_id")
    assert [tuple(r[c] for c in said) for r in ended.collect()] == [("RESOLVED", "LEDGERS_AGREE", "run-2", None, "run-1")]
    back = breaks.news(latest(spark, a=BROKEN), ended, days, "run-3", LATER)
    assert [tuple(r[c] for c in said) for r in back.collect()] == [("REOPENED", None, None, "run-3", "run-1")]


def test_a_decision_stands_until_the_facts_change(spark: SparkSession, days: DataFrame) -> None:
    known = first_run(spark, days, a=BROKEN)
    decided = changed(known, state="RESOLVED", resolution="CORRECTED", maker="asha", checker="ben")
    more = {**BROKEN, **legs(core={"amount": Decimal("80.0000")}), "difference_amount": Decimal("20.0000")}
    (row,) = breaks.news(latest(spark, a=more), decided, days, "run-2", LATER).collect()
    assert (row["state"], row["amount"], row["maker"], row["resolution"]) == ("REOPENED", Decimal("20.0000"), None, None)
    in_review = changed(known, state="IN_REVIEW", proposal_id="p1", proposed_resolution="CORRECTED", maker="asha")
    (row,) = breaks.news(latest(spark, a=more), in_review, days, "run-2", LATER).collect()
    assert (row["state"], row["proposal_id"], row["maker"]) == ("SUGGESTED", None, None)


def test_money_that_comes_after_a_write_off_ends_the_break_as_agreed(spark: SparkSession, days: DataFrame) -> None:
    known = changed(first_run(spark, days, b=MISSING), state="WRITTEN_OFF", resolution="WRITE_OFF")
    agreed = latest(spark, b={"status": "MATCHED", **legs()})
    (row,) = breaks.news(agreed, known, days, "run-2", LATER).collect()
    assert (row["state"], row["resolution"]) == ("RESOLVED", "LEDGERS_AGREE")
