"""Simulated records as the frames that Kafka's source would give, for measurements that need no broker."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from paylake.contracts.topics import CLOCK, TOPIC_LEDGERS
from paylake.reconciliation.clock import Ends, Tick

PARTITIONS = 2
SCHEMA = pa.schema(
    [
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("topic", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("timestamp", pa.timestamp("us", "UTC")),
    ]
)


@dataclass
class Feed:
    """Gives every record its place in its topic, and every batch the tick that says what had arrived by then."""

    spark: SparkSession
    ends: dict[str, dict[int, int]] = field(default_factory=lambda: {t: {0: 0, 1: 0} for t in TOPIC_LEDGERS})
    ticks: int = 0

    def batch(self, deliveries: pa.Table, as_of: datetime, place: Path | None = None) -> tuple[DataFrame, Ends]:
        """The deliveries as a batch, and the offsets before which it ends; a large one goes through a file at `place`."""
        rows = pa.concat_tables([self._placed(deliveries), self._tick(as_of)])
        ends = {topic: dict(parts) for topic, parts in self.ends.items()}
        if place is None:
            return self.spark.createDataFrame(rows), ends
        place.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, place, row_group_size=50_000)
        return self.spark.read.parquet(str(place)), ends

    def _placed(self, deliveries: pa.Table) -> pa.Table:
        keys = deliveries["key"].to_pylist()
        partition = np.array([zlib.crc32(key) % PARTITIONS for key in keys], np.int32)
        topics = np.array(deliveries["topic"].to_pylist(), dtype=object)
        offset = np.zeros(len(keys), np.int64)
        for topic, ends in self.ends.items():
            for number in ends:
                here = (topics == topic) & (partition == number)
                offset[here] = ends[number] + np.arange(here.sum())
                ends[number] += int(here.sum())
        columns = [deliveries["key"], deliveries["value"], deliveries["topic"], pa.array(partition), pa.array(offset)]
        return pa.table([*columns, deliveries["timestamp"].cast(SCHEMA.field("timestamp").type)], schema=SCHEMA)

    def _tick(self, as_of: datetime) -> pa.Table:
        said = Tick(as_of, self.ends).to_json().encode()
        self.ticks += 1
        return pa.table([[b"tick"], [said], [CLOCK], [0], [self.ticks - 1], [as_of]], schema=SCHEMA)
