"""The consumers' indexes in a run: published with it, unchanged by a rerun, unseen where a run crashed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake import consumers, nightly, tables, views
from paylake.consumers import INDEXES, Changes
from paylake.contracts import AGGREGATE_INDEX, MERCHANT_INDEX, MERCHANTS, RUN_CONTROLS
from paylake.contracts.views.aggregate import V_AGGREGATE_INDEX
from paylake.contracts.views.merchants import V_MERCHANT_DAILY
from tests.builders import as_dicts
from tests.business_lake import SECOND, D
from tests.stream_harness import Crash, copied

pytestmark = pytest.mark.slow

LATER = datetime(2026, 4, 11, 1, tzinfo=UTC)


@pytest.fixture
def lake(business_lake: str, tmp_path: Path) -> str:
    """A copy of the business lake that a test may write to."""
    return copied(business_lake, tmp_path / "copy")


def publish(spark: SparkSession, lake: str) -> nightly.Run:
    return nightly.build_final_aggregate(spark, lake, D, LATER, indexes=INDEXES)


def newest(spark: SparkSession, lake: str) -> dict[str, int]:
    """The version of each table that a run may write."""
    contracts = [index.contract for index in INDEXES] + [AGGREGATE_INDEX, RUN_CONTROLS]
    return {c.name: tables.latest_version(spark, lake, c) for c in contracts}


def test_a_rerun_without_news_writes_nothing(spark: SparkSession, lake: str) -> None:
    before = newest(spark, lake)
    run = publish(spark, lake)
    assert (run.run_id, run.changed) == (SECOND, False)
    assert newest(spark, lake) == before


def test_a_later_run_of_an_earlier_date_leaves_what_is_as_of_the_last_one(spark: SparkSession, lake: str) -> None:
    whole = [index.contract for index in INDEXES if not index.is_dated]
    before = {c.name: tables.latest_version(spark, lake, c) for c in whole}
    assert "settlement_schedule" in before
    run = nightly.build_final_aggregate(spark, lake, D - timedelta(days=1), LATER, indexes=INDEXES)
    assert run.published
    assert {c.name: tables.latest_version(spark, lake, c) for c in whole} == before


def test_the_aggregate_says_in_its_table_what_its_view_says(spark: SparkSession, lake: str) -> None:
    said = [c for c in AGGREGATE_INDEX.columns if c != "run_id"]
    assert as_dicts(tables.read(spark, lake, AGGREGATE_INDEX), *said) == as_dicts(
        views.read(spark, lake, V_AGGREGATE_INDEX), *said
    )
    columns = ("transaction_id", "resolved_status", "compliance_flag", "psp", "settled_amount")
    shown = {r["transaction_id"]: r for r in views.read(spark, lake, V_AGGREGATE_INDEX).select(*columns).collect()}
    assert shown["off"]["resolved_status"] == "MANUALLY_RESOLVED"
    assert shown["good 1"]["compliance_flag"] == "REQUIRES_KYC"
    assert shown["double a"]["compliance_flag"] == "HIGH_RISK"
    assert (shown["good 0"]["psp"], str(shown["good 0"]["settled_amount"])) == ("example_processor", "100.000000")


def test_news_in_files_alone_make_a_run_publish_and_a_crash_before_that_shows_nothing(
    spark: SparkSession, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def name(spark: SparkSession, lake: str) -> set[str]:
        of_m1 = views.read(spark, lake, V_MERCHANT_DAILY).where("merchant_id = 'm1' AND currency = 'INR'")
        return {r["merchant_name"] for r in of_m1.collect()}

    assert name(spark, lake) == {"Tea House"}
    renamed = tables.read(spark, lake, MERCHANTS).withColumn(
        "merchant_name", F.when(F.col("merchant_id") == "m1", "Coffee House").otherwise(F.col("merchant_name"))
    )
    tables.overwrite(renamed.localCheckpoint(), lake, MERCHANTS)
    real = consumers.write

    def dies_after(lake: str, business_date: object, found: Changes) -> None:
        real(lake, D, found)
        raise Crash("after the indexes, before the run is published")

    monkeypatch.setattr(consumers, "write", dies_after)
    with pytest.raises(Crash):
        publish(spark, lake)
    assert name(spark, lake) == {"Tea House"}
    current = tables.read(spark, lake, MERCHANT_INDEX).where("is_current AND merchant_id = 'm1' AND currency = 'INR'")
    assert [r["merchant_name"] for r in current.collect()] == ["Coffee House"]
    monkeypatch.setattr(consumers, "write", real)
    assert publish(spark, lake).changed
    assert name(spark, lake) == {"Coffee House"}
