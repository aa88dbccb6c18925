"""The scores' stream: features as they were known, the same again from history, each record at most once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from paylake import tables
from paylake.contracts import FRAUD_PARTIAL, FRAUD_PROFILES, FRAUD_QUARANTINE, FRAUD_SIGNALS, LABELS
from paylake.errors import SourceError
from paylake.fraud.arrivals import recomputed
from paylake.fraud.features import NAMES
from tests.builders import as_dicts
from tests.score_harness import crash, label, open_scores, pay, score, score_all, scored, signal, vectors
from tests.stream_harness import Log, assert_as_promised

pytestmark = pytest.mark.spark
DAY = 86_400


def weeks_of_payments() -> Log:
    """Three weeks of three customers, with a burst, late and repeated records, a new device, frauds that become known."""
    log = Log()
    for n in range(24):
        pay(log, f"t{n:02}", after=n * DAY * 0.9, user_id=f"u{n % 3}", merchant_id=f"m{n % 2}", amount=f"{100 + n}.00",
            device_id="d9" if n == 20 else f"d{n % 3}", country="GB" if n == 13 else "IN")  # fmt: skip
        if n in (3, 7):
            label(log, f"t{n:02}", after=n * DAY * 0.9 + 3600)
        if n == 15:
            for burst in range(6):
                country = "GB" if burst == 3 else "IN"
                after = n * DAY * 0.9 + 10 * burst
                pay(log, f"b{burst}", after=after, user_id="u0", amount="5.00", status="FAILED", country=country)
        if n == 16:
            pay(log, "late", after=13 * DAY * 0.9, late=3 * DAY * 0.9, user_id="u1")
            pay(log, "t16", after=n * DAY * 0.9 + 5, user_id="u1", merchant_id="m0", status="CAPTURED")
    return log


@pytest.mark.slow
def test_what_was_logged_comes_out_again_whatever_the_batches_and_days_folded(spark: SparkSession, tmp_path: Path) -> None:
    log, lake = weeks_of_payments(), str(tmp_path)
    score_all(open_scores(spark, lake), log, [9, 14])
    stream = open_scores(spark, lake)
    assert tables.read(spark, lake, FRAUD_PROFILES).count() > 0
    logged = scored(spark, lake)
    again = recomputed(logged, stream.labels(), stream.dimensions())
    ids, expected = vectors(logged)
    assert vectors(again)[0] == ids == sorted({*(f"t{n:02}" for n in range(24)), *(f"b{n}" for n in range(6)), "late"})
    np.testing.assert_allclose(vectors(again)[1], expected, rtol=1e-9, atol=1e-9)
    for name in ("user_count_1m", "user_countries_24h", "merchant_frauds_30d", "user_device_count", "user_amount_ratio"):
        assert len(set(np.nan_to_num(expected[:, NAMES.index(name)], nan=-1).tolist())) > 1, f"{name} says nothing here"
    for contract in (FRAUD_PARTIAL, FRAUD_PROFILES, LABELS):
        assert_as_promised(spark, lake, contract)


@pytest.mark.slow
def test_a_crash_after_any_step_changes_nothing(spark: SparkSession, tmp_path: Path) -> None:
    log = Log()
    pay(log, "t1")
    signal(log, "f1", "t1", 0.9)
    label(log, "t1", after=60)
    log.post("gateway", "bad", amount="-5")
    whole = open_scores(spark, str(tmp_path / "whole"))
    score(whole, log.records)
    lake = str(tmp_path / "crashed")
    for step in ("signals appended", "labels appended", "features found", "payments scored"):
        crash(open_scores(spark, lake), step, log.records)
    crash(open_scores(spark, lake), "scores committed", log.records)
    again = open_scores(spark, lake)
    assert again.state.batch == 0
    assert again.state.generation == 1, "the start after a first batch that died reads with a new checkpoint, once"
    again.process(spark.createDataFrame([], "value binary"), 0, again.state.ends)
    for contract in (FRAUD_PARTIAL, FRAUD_SIGNALS, LABELS, FRAUD_QUARANTINE):
        here, there = (tables.read(spark, one, contract).select(*contract.content_columns) for one in (lake, whole.lake))
        # as text: what is not known is no number, and so equals nothing
        assert repr(as_dicts(here)) == repr(as_dicts(there)), contract.name
        assert here.count() == 1


@pytest.mark.slow
def test_a_recovered_stream_reads_again_what_it_had_not_scored(spark: SparkSession, tmp_path: Path) -> None:
    log, lake = Log(), str(tmp_path)
    score(open_scores(spark, lake), [pay(log, "t1")])
    crash(open_scores(spark, lake), "signals appended", [pay(log, "t2", after=9), signal(log, "f1", "t2", 0.5)])
    stream = open_scores(spark, lake)
    stream.next_generation()
    assert tables.read(spark, lake, FRAUD_SIGNALS).count() == 0
    stream = open_scores(spark, lake)
    assert (stream.state.generation, stream.state.batch) == (1, -1)
    score(stream, log.records[1:])
    assert as_dicts(scored(spark, lake), "transaction_id", "generation") == [
        {"transaction_id": "t1", "generation": 0},
        {"transaction_id": "t2", "generation": 1},
    ]
    assert tables.read(spark, lake, FRAUD_SIGNALS).count() == 1


def test_a_checkpoint_of_another_lake_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    log = Log()
    stream = open_scores(spark, str(tmp_path))
    with pytest.raises(SourceError, match="do not belong together"):
        stream.process(spark.createDataFrame([], "value binary"), 5, {})
    pay(log, "t1")


def test_what_cannot_be_read_is_kept_with_its_reason_and_the_rest_is_scored(spark: SparkSession, tmp_path: Path) -> None:
    log, lake = Log(), str(tmp_path)
    pay(log, "good", device_id=None, user_id="nobody knows")
    pay(log, "negative", amount="-1.00")
    log.post("gateway", "x", damaged=b"{")
    signal(log, "f1", "good", 7)
    signal(log, "", "good", "much")
    label(log, "good", after=1, word="MAYBE")
    label(log, "never seen", after=2)
    report = score(open_scores(spark, lake), log.records)
    assert (report.payments, report.signals, report.labels, report.rejected) == (1, 0, 1, 5)
    (row,) = scored(spark, lake).collect()
    assert (row["transaction_id"], row["anomaly_type"], row["model_name"]) == ("good", "normal", "scorecard")
    assert np.isnan(row["features"][NAMES.index("user_device_count")])
    reasons = {(r["topic"], *sorted(r["_failed_checks"])) for r in tables.read(spark, lake, FRAUD_QUARANTINE).collect()}
    assert reasons == {
        ("pg-transactions", "amount_positive"),
        ("pg-transactions", *sorted(next(iter({tuple(r[1:]) for r in reasons if "json_malformed" in r})))),
        ("fraud-signals", "fraud_score_share"),
        ("fraud-signals", "fraud_id_shape", "fraud_score_present", "fraud_score_share"),
        ("fraud-labels", "label_known"),
    }
    (unattached,) = tables.read(spark, lake, LABELS).collect()
    assert (unattached["transaction_id"], unattached["user_id"], unattached["counts_from"]) == ("never seen", None, None)
    assert_as_promised(spark, lake, FRAUD_QUARANTINE)
