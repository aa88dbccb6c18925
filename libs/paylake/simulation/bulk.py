"""Bulk loads: a simulation is written to Parquet, and Spark's Kafka sink sends it, on all cores.

The sink cannot set timestamps, so a record bears the time of its sending; the ticks keep simulated time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from paylake.settings import KafkaSettings
from paylake.simulation.announcer import Announcer
from paylake.simulation.generation import DELIVERIES_SCHEMA, Chunk, generate
from paylake.simulation.plan import Plan
from paylake.simulation.totals import Progress, Totals
from paylake.simulation.truth_writer import TruthWriter

CHUNK_RECORDS = 500_000
ROW_GROUP = 25_000
PRODUCER_OPTIONS = {
    "kafka.acks": "all",
    "kafka.linger.ms": "20",
    "kafka.batch.size": "524288",
    "kafka.buffer.memory": "134217728",
    "kafka.max.request.size": "8388608",
}


def load(
    spark: SparkSession,
    plan: Plan,
    kafka: KafkaSettings,
    folder: Path,
    progress: Progress | None = None,
    chunk_records: int = CHUNK_RECORDS,
) -> Totals:
    """Write the plan's records to `<folder>/deliveries`, its truth to `<folder>/truth`, and send the records.

    Chunks of at least `chunk_records` go out in order of arrival, with a tick after each; within a chunk the
    order of a topic's records is Spark's. The seconds are those of the sending alone.
    """
    seconds, payments, records = 0.0, 0, 0
    truth = TruthWriter(folder / "truth")
    announcer = Announcer(kafka)
    try:
        for number, group in enumerate(_groups(generate(plan), chunk_records)):
            path = _write(group, folder / "deliveries" / f"chunk-{number:05d}.parquet")
            for chunk in group:
                truth.add(chunk)
            started = time.perf_counter()
            _send(spark, path, kafka)
            seconds += time.perf_counter() - started
            controls = tuple(chain.from_iterable(chunk.controls for chunk in group))
            announcer.reached(0, group[-1].as_of, controls, group[-1].is_last)
            payments += sum(len(chunk.payments) for chunk in group)
            records += sum(len(chunk.deliveries) for chunk in group)
            if progress is not None:
                progress(payments, plan.payments)
    finally:
        truth.close()
        announcer.close()
    return Totals(payments, records, seconds)


def _groups(chunks: Iterable[Chunk], least: int) -> Iterator[list[Chunk]]:
    """Neighbouring chunks of together at least so many records."""
    group: list[Chunk] = []
    for chunk in chunks:
        group.append(chunk)
        if chunk.is_last or sum(len(c.deliveries) for c in group) >= least:
            yield group
            group = []


def _write(group: list[Chunk], path: Path) -> Path:
    """One file of DELIVERIES_SCHEMA, in row groups so small that every core gets some."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pa.concat_tables([DELIVERIES_SCHEMA.empty_table(), *(chunk.deliveries for chunk in group)])
    pq.write_table(rows, path, row_group_size=ROW_GROUP)
    return path


def _send(spark: SparkSession, path: Path, kafka: KafkaSettings) -> None:
    records = spark.read.parquet(str(path)).select("topic", "key", "value")
    records.write.format("kafka").options(**kafka.spark_options(), **PRODUCER_OPTIONS).save()
