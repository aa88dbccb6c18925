"""How fast the stream worked, from the rows that it wrote about itself."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class Latency:
    """Time from arrival to decision in milliseconds: the records' mean of the medians, the worst of the tails."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True)
class TopicSpeed:
    """One topic: records read, those rejected, those that still waited at the end."""

    topic: str
    records: int
    rejected: int
    lag: int
    latency: Latency


@dataclass(frozen=True)
class StreamSpeed:
    """All topics; `busy_seconds` is time spent in batches, which read the topics together."""

    topics: tuple[TopicSpeed, ...]
    busy_seconds: float
    latency: Latency

    @property
    def records(self) -> int:
        """Records read."""
        return sum(t.records for t in self.topics)

    @property
    def events_per_second(self) -> float:
        """Records per second of batch time; 0 where nothing ran."""
        return self.records / self.busy_seconds if self.busy_seconds else 0.0


def stream_speed(operations: DataFrame) -> StreamSpeed:
    """The speed over all the rows given, which are to be of one generation of the stream."""
    has_latency = F.col("latency_p50_ms").isNotNull()
    rows = (
        operations.groupBy("topic")
        .agg(
            F.sum("records").alias("records"),
            F.sum("rejected").alias("rejected"),
            F.max_by("lag", F.struct("minute", "first_batch")).alias("lag"),
            F.sum(F.col("latency_p50_ms") * F.col("records")).alias("weighted"),
            F.sum(F.when(has_latency, F.col("records"))).alias("weight"),
            F.max("latency_p95_ms").alias("p95"),
            F.max("latency_p99_ms").alias("p99"),
        )
        .orderBy("topic")
        .collect()
    )
    # every topic of a minute reports the time of the same batches: it is counted once
    per_topic = operations.groupBy("minute", "topic").agg(F.sum("batch_ms").alias("batch_ms"))
    per_minute = per_topic.groupBy("minute").agg(F.max("batch_ms").alias("batch_ms"))
    busy = per_minute.agg(F.coalesce(F.sum("batch_ms"), F.lit(0)).alias("ms")).collect()[0]["ms"]
    topics = tuple(
        TopicSpeed(
            r["topic"],
            r["records"],
            r["rejected"],
            r["lag"],
            Latency(r["weighted"] / r["weight"] if r["weight"] else None, r["p95"], r["p99"]),
        )
        for r in rows
    )
    weight = sum(r["weight"] or 0 for r in rows)
    whole = Latency(
        sum(r["weighted"] or 0.0 for r in rows) / weight if weight else None,
        max((r["p95"] for r in rows if r["p95"] is not None), default=None),
        max((r["p99"] for r in rows if r["p99"] is not None), default=None),
    )
    return StreamSpeed(topics, busy / 1000, whole)
