"""Follows `fraud_partial` and publishes its rows: one query and one checkpoint per sink, so that none waits for another."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.storagelevel import StorageLevel

from paylake import tables
from paylake.contracts import FRAUD_PARTIAL
from paylake.errors import PaylakeError, SourceError
from paylake.health_metrics import Series
from paylake.quality import conform
from paylake.sinks.arrivals import Row
from paylake.sinks.servers import Asked, Away, Sink, patiently
from paylake.streams import Stop, StopAsked, run_until_done

log = logging.getLogger(__name__)

ROWS_FETCHED = 40_000
"""Rows that the driver holds at once: some 800 bytes each."""
ROWS_PUBLISHED = 4_000
"""Rows of one call of a sink, as Python objects."""


@dataclass(frozen=True)
class PublishPlan:
    """How the table is followed. `patience` is how long a server may be away before the job gives up."""

    checkpoints: str
    available_now: bool = False
    interval: timedelta = timedelta(seconds=1)
    max_files_per_trigger: int = 20
    patience: timedelta = timedelta(minutes=1)


def publish(spark: SparkSession, lake: str, sinks: Sequence[Sink], plan: PublishPlan, series: Series) -> None:
    """Publish what the lake holds and, unless available now, what comes, until asked to stop; the series say how it goes.

    Raises SourceError where there are no scores, or where a sink cannot be used: with available now, the others have then
    taken all that there is.
    """
    if not tables.exists(spark, lake, FRAUD_PARTIAL):
        raise SourceError(f"The lake {lake} holds no scores to publish; run `paylake score` first.")
    stop = Stop().on_signals()
    failures = []
    try:
        with ThreadPoolExecutor(len(sinks), thread_name_prefix="paylake-publish") as pool:
            for done in as_completed([pool.submit(_follow, spark, lake, sink, plan, stop, series) for sink in sinks]):
                try:
                    done.result()
                except PaylakeError as error:
                    failures.append(str(error))
                    if not plan.available_now:
                        stop.asked.set()
                except BaseException:
                    stop.asked.set()
                    raise
    finally:
        stop.restore()
        for sink in sinks:
            sink.close()
    if failures:
        raise SourceError(" ".join(failures))


def _follow(spark: SparkSession, lake: str, sink: Sink, plan: PublishPlan, stop: Stop, series: Series) -> None:
    try:
        patiently(sink.prepare, sink.server, plan.patience, stop.asked)
    except Asked:
        return
    run_until_done(lambda: _start(spark, lake, sink, plan, stop, series), stop, plan.patience)


def _start(spark: SparkSession, lake: str, sink: Sink, plan: PublishPlan, stop: Stop, series: Series) -> StreamingQuery:
    def take(batch: DataFrame, number: int) -> None:
        began, count = time.monotonic(), 0
        for rows in chunks(batch):
            if stop.asked.is_set():
                raise StopAsked(number)
            try:
                patiently(lambda rows=rows: _written(sink, rows, series), sink.server, plan.patience, stop.asked)  # type: ignore[misc]
            except Asked:
                raise StopAsked(number) from None
            count += len(rows)
        log.info("%s: batch %d, %d payments in %.1f s", sink.name, number, count, time.monotonic() - began)

    followed = (
        spark.readStream.format("delta")
        # rows that are rewritten or deleted later were published as they arrived
        .option("skipChangeCommits", "true")
        .option("maxFilesPerTrigger", plan.max_files_per_trigger)
        .load(tables.location(lake, FRAUD_PARTIAL))
    )
    writer = conform(followed, FRAUD_PARTIAL).writeStream.queryName(sink.name).foreachBatch(take)
    writer = writer.option("checkpointLocation", f"{plan.checkpoints.rstrip('/')}/{sink.name}")
    if plan.available_now:
        return writer.trigger(availableNow=True).start()
    return writer.trigger(processingTime=f"{int(plan.interval.total_seconds() * 1000)} milliseconds").start()


def _written(sink: Sink, rows: Sequence[Row], series: Series) -> None:
    try:
        sink.publish(rows)
    except (Away, PaylakeError):
        series.not_published(sink.name)
        raise
    series.took_published(sink.name, len(rows), max(row["recorded_at"] for row in rows))


def chunks(batch: DataFrame, rows_fetched: int = ROWS_FETCHED) -> Iterator[Sequence[Row]]:
    """A batch's rows, a few thousand at a time.

    A compacted file may hold millions of rows, which Arrow would bring to the driver all at once: such a batch is kept on
    disk and fetched in parts.
    """
    parts = math.ceil(batch.count() / rows_fetched)
    if parts <= 1:
        yield from _rows(batch)
        return
    kept = batch.persist(StorageLevel.DISK_ONLY)
    try:
        for part in range(parts):
            yield from _rows(kept.where(F.pmod(F.xxhash64("transaction_id"), F.lit(parts)) == part))
    finally:
        kept.unpersist()


def _rows(frame: DataFrame) -> Iterator[Sequence[Row]]:
    for some in frame.toArrow().to_batches(max_chunksize=ROWS_PUBLISHED):
        if some.num_rows:
            yield some.to_pylist()
