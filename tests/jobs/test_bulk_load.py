"""A bulk load through Spark's Kafka sink sends the records of the plan, with ticks between its chunks."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kafka import KafkaConsumer
from pyspark.sql import SparkSession

from paylake import broker
from paylake.contracts.topics import CLOCK, LEDGER_TOPICS, TOPICS
from paylake.simulation import FaultRates, Plan, generate
from paylake.simulation.bulk import load
from paylake.simulation.sender import Sender
from paylake.topics import TopicSpec, create_topics

pytestmark = pytest.mark.spark

PLAN = Plan(payments=400, chaos=0.3, faults=FaultRates(0.05, 0.05, 0.05, 0.05), tick_every=timedelta(hours=6))


def test_a_bulk_load_sends_the_plan_s_records_and_ticks(spark: SparkSession, tmp_path: Path) -> None:
    with broker.running(tmp_path / "kafka") as cluster:
        specs = {name: TopicSpec(topic.partitions) for name, topic in TOPICS.items()}
        create_topics(cluster.kafka, specs)
        totals = load(spark, PLAN, cluster.kafka, tmp_path, chunk_records=500)

        planned = list(generate(PLAN))
        rows = pa.concat_tables([chunk.deliveries for chunk in planned])
        assert (totals.payments, totals.records) == (400, len(rows))
        consumer = KafkaConsumer(
            *LEDGER_TOPICS.values(), CLOCK,
            **cluster.kafka.client_options(), auto_offset_reset="earliest", consumer_timeout_ms=1_500,
        )  # fmt: skip
        messages = list(consumer)
        consumer.close()
        sender = Sender(cluster.kafka)
        partitions = sender.partitions(rows)
        sender.close()

    got = Counter((m.topic, m.partition, m.key, m.value) for m in messages if m.topic != CLOCK)
    sent = zip(rows["topic"].to_pylist(), partitions, rows["key"].to_pylist(), rows["value"].to_pylist(), strict=True)
    assert got == Counter(sent)
    ticks = [json.loads(m.value) for m in messages if m.topic == CLOCK]
    assert len(ticks) > 1
    assert sum(sum(ends.values()) for ends in ticks[-1]["ends"].values()) == len(rows)
    assert pq.read_table(tmp_path / "truth" / "payments").num_rows == 400
