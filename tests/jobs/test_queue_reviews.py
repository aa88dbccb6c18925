"""A queue from a lake: the same payments give the same rows, whatever their order, and a second run changes nothing."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.batch import queue_reviews
from paylake import review_queue, tables
from paylake.contracts import FRAUD_PARTIAL, FRAUD_REVIEW_QUEUE
from paylake.contracts.table import FAILED_CHECKS
from paylake.errors import SourceError
from paylake.fraud.features import FEATURES_VERSION, NAMES
from paylake.quality import with_failed_checks
from paylake.review_queue_command import ReviewQueueSettings
from tests.builders import as_dicts, rows

DATE = date(2026, 3, 31)
MIDNIGHT = datetime(2026, 3, 31, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEARNT = 120


def vector(number: int) -> np.ndarray[Any, Any]:
    """Features of a usual payment."""
    return np.random.default_rng(number).lognormal(size=len(NAMES)).round(3)


def wild(**features: float) -> np.ndarray[Any, Any]:
    """Features of a payment like no other."""
    found = np.full(len(NAMES), 900.0)
    found[[NAMES.index(name) for name in features]] = list(features.values())
    return found


def scored(spark: SparkSession, *said: dict[str, Any]) -> DataFrame:
    """Rows of fraud_partial: `at` hours after the date's midnight, at the next offset; the rest as in any other test."""
    told = []
    for number, one in enumerate(said):
        at = MIDNIGHT + one.get("at", 1) * HOUR
        told.append({
            "transaction_id": f"t{number}", "user_id": "u0", "score": 0.01, "anomaly_type": "normal",
            "features_version": FEATURES_VERSION, "generation": 1, "batch": 1, "offset": number, "recorded_at": at,
            "ingest_date": at.date(), "event_at": at, "amount": Decimal("100.0000"), "features": vector(number).tolist(),
            **{name: value for name, value in one.items() if name != "at"},
        })  # fmt: skip
    frame = spark.createDataFrame(pa.Table.from_pylist(told))
    return rows(spark, FRAUD_PARTIAL, {}).drop(*frame.columns).crossJoin(frame).coalesce(1)


BEFORE = [{"at": -30, "user_id": f"u{number % 12}", "transaction_id": f"b{number}"} for number in range(LEARNT)]
OF_DATE: list[dict[str, Any]] = [
    {"transaction_id": "strange", "user_id": "u1", "features": wild(is_night=1).tolist(), "amount": Decimal("75.5000")},
    # arrived a second time, and is queued once; the supervised model of then said other
    {"transaction_id": "strange", "user_id": "u1", "features": wild().tolist(), "batch": 2, "score": 0.02},
    {"transaction_id": "newcomer", "user_id": "nobody", "features": wild(user_gap=0).tolist(), "at": 2},
    {"transaction_id": "flagged", "user_id": "u1", "features": wild().tolist(), "anomaly_type": "suspicious"},
    {"transaction_id": "usual", "user_id": "u2", "features": np.ones(len(NAMES)).tolist()},
    {"transaction_id": "old", "user_id": "u2", "features": wild().tolist(), "features_version": "0ld"},
    # a record of yesterday's payment
    {"transaction_id": "b3", "user_id": "u3", "features": wild().tolist(), "batch": 3},
    {"transaction_id": "tomorrow", "user_id": "u3", "features": wild().tolist(), "at": 25},
]


def written(spark: SparkSession, lake: str, *frames: DataFrame) -> None:
    tables.create(spark, lake, FRAUD_PARTIAL)
    for frame in frames:
        tables.append(frame, lake, FRAUD_PARTIAL)


def read(spark: SparkSession, lake: str) -> list[dict[str, Any]]:
    """The queue, with the checks that its rows fail."""
    found = with_failed_checks(tables.read(spark, lake, FRAUD_REVIEW_QUEUE), FRAUD_REVIEW_QUEUE)
    return as_dicts(found.withColumn("event_at", F.col("event_at").cast("string")))


def row(**said: Any) -> dict[str, Any]:
    return {
        "ingest_date": DATE, "merchant_id": "m1", "currency": "INR", "amount": Decimal("100.0000"),
        "event_at": "2026-03-31 01:00:00", "anomaly_score": Decimal("1.000000"), "anomaly_type": "fraudulent",
        "spoken_by": ["isolation forest"], "fraud_score": 0.01, "model_name": "x", "model_version": "x",
        "features_version": FEATURES_VERSION, FAILED_CHECKS: [], **said,
    }  # fmt: skip


@pytest.mark.slow
def test_the_queue_of_a_date_is_written_once_and_is_the_same_in_any_order(
    spark: SparkSession, lake: str, caplog: pytest.LogCaptureFixture
) -> None:
    frame = scored(spark, *BEFORE, *OF_DATE)
    written(spark, lake, frame)
    settings = ReviewQueueSettings(lake=lake, date=DATE, learn_days=7, most=10, neural=False)
    with caplog.at_level(logging.INFO):
        queue_reviews.main(spark, settings)
    assert "2026-03-31: 2 of 4 payments are queued, 1 of them of newcomers; 120 payments of the 7 days" in caplog.text
    assert "Only the isolation forest speaks" in caplog.text

    found = read(spark, lake)
    why = [one.pop("explanation") for one in found]
    assert all(text.endswith("Judged by the isolation forest.") for text in why)
    assert found == sorted(
        [
            row(rank=2, transaction_id="strange", user_id="u1", known_payments=10, is_newcomer=False,
                amount=Decimal("75.5000")),
            row(rank=1, transaction_id="newcomer", user_id="nobody", known_payments=0, is_newcomer=True,
                event_at="2026-03-31 02:00:00"),
        ],
        key=repr,
    )  # fmt: skip

    # the same payments backwards, and in two parts
    version = tables.latest_version(spark, lake, FRAUD_REVIEW_QUEUE)
    tables.overwrite(frame.orderBy(F.desc("offset")), lake, FRAUD_PARTIAL)
    review_queue.queue_reviews(spark, lake, DATE, 7, 10, with_neural=False, at_once=3)
    assert tables.latest_version(spark, lake, FRAUD_REVIEW_QUEUE) == version


def test_without_days_before_the_later_half_of_the_date_is_queued(spark: SparkSession, lake: str) -> None:
    early = [{"at": 1, "user_id": f"u{number % 12}", "transaction_id": f"e{number}"} for number in range(LEARNT)]
    late = [{"at": 9, "user_id": f"u{number % 12}", "transaction_id": f"l{number}"} for number in range(LEARNT)]
    late[5]["features"] = early[7]["features"] = wild().tolist()
    written(spark, lake, scored(spark, *early, *late))
    queue = review_queue.queue_reviews(spark, lake, DATE, 7, 1, with_neural=False)
    assert (queue.apart, queue.learnt, queue.said_of) == (True, LEARNT, LEARNT)
    told = [(one["ingest_date"], one["transaction_id"], one["rank"], one["known_payments"]) for one in read(spark, lake)]
    assert told == [(DATE, "l5", 1, 10)]


def test_of_many_payments_whole_customers_are_learnt_from(spark: SparkSession, lake: str) -> None:
    before = scored(spark, *BEFORE)
    counts = review_queue._counts(before)
    learnt = review_queue._to_learn(before, counts, 70)
    users = learnt["user_id"].to_pylist()
    assert {users.count(user) for user in users} == {10}
    assert 60 <= len(users) <= 70
    assert learnt["offset"].to_pylist() == sorted(learnt["offset"].to_pylist())
    assert review_queue._to_learn(before.orderBy(F.desc("offset")), counts, 70) == learnt


def test_a_payment_knows_the_customers_five_before_it_also_of_days_before(spark: SparkSession) -> None:
    before = scored(spark, *({"at": -30, "features": [float(n)] * len(NAMES)} for n in range(8)))
    asked = scored(spark, {"transaction_id": "a", "batch": 2, "features": [50.0] * len(NAMES)},
                   {"transaction_id": "b", "batch": 2, "user_id": "new"})  # fmt: skip
    ((payments, of),) = review_queue._parts(before, asked, 1, has_sequences=True)
    assert payments["transaction_id"].to_pylist() == ["a", "b"]
    assert of.matrix[0, 0] == 50
    assert of.earlier[of.before[0], 0].tolist() == [3, 4, 5, 6, 7]
    assert of.has_history.tolist() == [True, False]
    assert payments["known_payments"].to_pylist() == [8, 0]


def test_what_is_missing_is_said_in_a_sentence(spark: SparkSession, lake: str) -> None:
    with pytest.raises(SourceError, match="There is no table fraud_partial in the lake"):
        review_queue.queue_reviews(spark, lake, DATE, 7, 10)
    written(spark, lake, scored(spark, *BEFORE[:20], OF_DATE[5]))
    with pytest.raises(SourceError, match="No payment that arrived on 2026-03-31 was scored with the features of now"):
        review_queue.queue_reviews(spark, lake, DATE, 7, 10)
    with pytest.raises(SourceError, match="takes 100 payments to learn, but in the 7 days before 2026-03-29 and the"):
        review_queue.queue_reviews(spark, lake, date(2026, 3, 29), 7, 10)
    assert not tables.exists(spark, lake, FRAUD_REVIEW_QUEUE)
