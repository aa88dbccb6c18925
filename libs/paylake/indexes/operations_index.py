"""The streaming jobs' service level, hour by hour."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.contracts.operations import OPERATIONS_RECONCILE_LEDGERS
from paylake.indexes.payments import Sources

JOB = OPERATIONS_RECONCILE_LEDGERS.name.removeprefix("operations_")


def operations_index(sources: Sources) -> DataFrame:
    """One row per hour, job and topic; percentiles of minutes do not add up, so the tails are the worst minute's."""

    def ms(name: str) -> Column:
        return F.col(name).cast("decimal(18,3)")

    counted = F.when(F.col("latency_p50_ms").isNotNull(), F.col("records"))
    return sources.operations.groupBy(F.date_trunc("hour", "minute").alias("hour"), F.lit(JOB).alias("job"), "topic").agg(
        *(F.sum(name).alias(name) for name in ("batches", "records", "rejected", "batch_ms")),
        F.max("lag").alias("largest_lag"),
        # exact, since the sum of binary fractions depends on their order
        (F.sum(ms("latency_p50_ms") * counted) / F.sum(F.nullif(counted, F.lit(0)))).cast("long").alias("latency_p50_ms"),
        F.max(ms("latency_p95_ms")).cast("long").alias("latency_p95_ms"),
        F.max(ms("latency_p99_ms")).cast("long").alias("latency_p99_ms"),
    )
