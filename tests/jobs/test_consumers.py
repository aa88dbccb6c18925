"""The consumers' indexes in a run: published with it, unchanged by a rerun, unseen where a run crashed."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake import consumers, nightly, tables, views
from paylake.consumers import INDEXES, Changes
from paylake.contracts import (
    AGGREGATE_INDEX,
    FRAUD_INDEX,
    FRAUD_PARTIAL,
    FRAUD_SCORE_CHANGES,
    FRAUD_SIGNALS,
    LABELS,
    MERCHANT_INDEX,
    MERCHANTS,
    RUN_CONTROLS,
)
from paylake.contracts.views.aggregate import V_AGGREGATE_INDEX
from paylake.contracts.views.merchants import V_MERCHANT_DAILY, V_USER_SPEND
from tests.builders import as_dicts, rows
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


@pytest.mark.thorough
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


FRAUD = ("fraud_score", "fraud_decision", "fraud_features", "label", "label_source")


def aggregated(spark: SparkSession, lake: str) -> dict[str, tuple[object, ...]]:
    """What the aggregate says of each payment's fraud."""
    return {
        r["transaction_id"]: tuple(r[name] for name in FRAUD) for r in tables.read(spark, lake, AGGREGATE_INDEX).collect()
    }


def test_models_learn_from_the_score_that_came_first_and_from_labels_as_of_the_run(spark: SparkSession, lake: str) -> None:
    said = aggregated(spark, lake)
    assert {name: said[name] for name in ("off", "double a", "good 0", "good 2")} == {
        "off": (0.95, "DECLINE", [1.0, 0.25], "FRAUD", "CHARGEBACK"),
        "double a": (0.9, "DECLINE", [1.0, 0.25], "GENUINE", "ANALYST"),
        "good 0": (0.1, "APPROVE", [1.0, 0.25], None, None),
        "good 2": (None,) * 5,
    }


def test_a_label_that_comes_late_makes_one_new_version_and_a_run_that_publishes_it(spark: SparkSession, lake: str) -> None:
    before = aggregated(spark, lake)
    tables.append(rows(spark, LABELS, {"transaction_id": "yen", "label": "FRAUD", "source": "ANALYST"}), lake, LABELS)
    assert aggregated(spark, lake) == before
    run = publish(spark, lake)
    assert (run.changed, run.run_id) == (True, f"{D}-003")
    versions = tables.read(spark, lake, FRAUD_INDEX).where(f"run_id = '{run.run_id}' OR closed_by_run_id IS NOT NULL")
    assert as_dicts(versions, "transaction_id", "label", "is_current", "run_id") == [
        {"transaction_id": "yen", "label": "FRAUD", "is_current": True, "run_id": run.run_id},
        {"transaction_id": "yen", "label": None, "is_current": False, "run_id": SECOND},
    ]
    now = (0.7, "REVIEW", [1.0, 0.25], "FRAUD", "ANALYST")
    assert aggregated(spark, lake) == {**before, "yen": now}


@pytest.mark.thorough
def test_a_lake_without_scores_has_an_empty_index_and_nulls_in_the_aggregate(spark: SparkSession, lake: str) -> None:
    for contract in (FRAUD_PARTIAL, FRAUD_SIGNALS, LABELS, FRAUD_INDEX, FRAUD_SCORE_CHANGES):
        shutil.rmtree(Path(lake) / contract.path)
    assert publish(spark, lake).changed
    assert set(aggregated(spark, lake).values()) == {(None,) * 5}
    for contract in (FRAUD_INDEX, FRAUD_SCORE_CHANGES):
        assert as_dicts(tables.read(spark, lake, contract)) == []
    shown = views.read(spark, lake, V_AGGREGATE_INDEX).select("transaction_id", *FRAUD)
    assert {tuple(row)[1:] for row in shown.collect()} == {(None,) * 5}
    spent = views.read(spark, lake, V_USER_SPEND).select("scored", "doubtful", "fraudulent", "highest_score", "known_frauds")
    assert {tuple(row) for row in spent.collect()} == {(0, 0, 0, None, 0)}


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
