"""How the stream runs, minute by minute."""

from __future__ import annotations

from pyspark.sql.types import DoubleType, IntegerType, LongType, StringType, TimestampType

from paylake.contracts.indexes import versioned
from paylake.contracts.table import Check, Field, TableContract

OPERATIONS_RECONCILE_LEDGERS = TableContract(
    name="operations_reconcile_ledgers",
    layer="partial",
    doc="One row per minute of a topic, as one run of the streaming job saw it.",
    fields=(
        Field("minute", TimestampType(), "Start of the minute in which the batches ended, UTC."),
        Field("topic", StringType(), "Kafka topic."),
        Field("generation", IntegerType(), "Generation of the stream's checkpoint."),
        Field("first_batch", LongType(), "First micro-batch of the minute."),
        Field("last_batch", LongType(), "Last micro-batch of the minute."),
        Field("batches", LongType(), "Number of micro-batches."),
        Field("records", LongType(), "Records read from the topic."),
        Field("rejected", LongType(), "Records sent to quarantine."),
        Field("lag", LongType(), "Records that waited in the topic at the end of the minute."),
        Field(
            "latency_p50_ms",
            DoubleType(),
            "Median time from arrival to decision, over records.",
            nullable=True,
        ),
        Field("latency_p95_ms", DoubleType(), "95th percentile of that time.", nullable=True),
        Field("latency_p99_ms", DoubleType(), "99th percentile of that time.", nullable=True),
        Field("batch_ms", LongType(), "Time spent in the batches, in milliseconds."),
        Field("records_per_second", DoubleType(), "Records per second of batch time."),
    ),
    key=("minute", "topic", "generation", "first_batch"),
    checks=(Check("counts_not_negative", "records >= 0 AND rejected >= 0 AND rejected <= records"),),
)

OPERATIONS_INDEX = versioned(
    name="operations_index",
    doc="One row per version of an hour of a topic: what the streaming job read, rejected and left waiting, and how fast.",
    fields=(
        Field("hour", TimestampType(), "Start of the hour in which the batches ended, UTC."),
        Field("job", StringType(), "Streaming job."),
        Field("topic", StringType(), "Kafka topic."),
        Field("batches", LongType(), "Number of micro-batches."),
        Field("records", LongType(), "Records read from the topic."),
        Field("rejected", LongType(), "Records sent to quarantine."),
        Field("largest_lag", LongType(), "Most records that waited in the topic at the end of a minute."),
        Field("latency_p50_ms", LongType(), "Mean of the minutes' medians, weighed by their records.", nullable=True),
        Field("latency_p95_ms", LongType(), "Worst minute's 95th percentile from arrival to decision.", nullable=True),
        Field("latency_p99_ms", LongType(), "Worst minute's 99th percentile.", nullable=True),
        Field("batch_ms", LongType(), "Time spent in the batches, in milliseconds."),
    ),
    key=("hour", "job", "topic"),
    checks=(Check("counts_not_negative", "records >= 0 AND rejected >= 0 AND rejected <= records"),),
)
