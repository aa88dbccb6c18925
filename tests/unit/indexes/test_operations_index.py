"""The service level by the hour: sums where sums mean something, the worst minute where they do not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pyspark.sql import SparkSession

from paylake.contracts import OPERATIONS_RECONCILE_LEDGERS
from paylake.indexes.operations_index import operations_index
from tests.builders import NOON, as_dicts, rows, sources

HOUR = NOON.replace(tzinfo=None)
"""As Spark gives a time back."""


def test_an_hour_sums_its_minutes_and_keeps_the_worst_tail(spark: SparkSession) -> None:
    def minute(n: int, records: int, p50: float | None, p99: float | None, **columns: Any) -> dict[str, Any]:
        return {
            "minute": NOON + timedelta(minutes=n), "topic": "pg-transactions", "records": records, "rejected": 1,
            "batches": 2, "lag": n, "batch_ms": 500, "first_batch": n, "latency_p50_ms": p50, "latency_p95_ms": p99,
            "latency_p99_ms": p99, **columns,
        }  # fmt: skip

    operations = rows(
        spark,
        OPERATIONS_RECONCILE_LEDGERS,
        minute(0, 100, 10.0, 90.0),
        minute(5, 300, 30.0, 70.5),
        minute(7, 50, None, None),
        minute(61, 10, 4.0, 5.0),
    )
    assert as_dicts(operations_index(sources(spark, operations=operations)).orderBy("hour")) == [
        {"hour": HOUR, "job": "reconcile_ledgers", "topic": "pg-transactions", "batches": 6, "records": 450, "rejected": 3,
         "batch_ms": 1500, "largest_lag": 7, "latency_p50_ms": 25, "latency_p95_ms": 90, "latency_p99_ms": 90},
        {"hour": HOUR + timedelta(hours=1), "job": "reconcile_ledgers", "topic": "pg-transactions", "batches": 2,
         "records": 10, "rejected": 1, "batch_ms": 500, "largest_lag": 61, "latency_p50_ms": 4, "latency_p95_ms": 5,
         "latency_p99_ms": 5},
    ]  # fmt: skip
