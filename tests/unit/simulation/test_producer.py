"""What the producer works out before it sends, and one round through a real broker."""

import json
import os
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.partitioner.default import murmur2

from paylake import broker
from paylake.contracts.topics import CLOCK, CONTROLS, FRAUD_LABELS_TOPIC, FRAUD_SIGNALS_TOPIC, LEDGER_TOPICS, TOPICS
from paylake.errors import SourceError
from paylake.settings import KafkaSettings
from paylake.simulation import FaultRates, Plan, SimulationControl, generate, perform, publish
from paylake.simulation.announcer import tick
from paylake.simulation.arrivals import gateway_arrivals
from paylake.simulation.feed_publisher import publish_feed
from paylake.simulation.fraud_feed import feed_deliveries, fraud_labels, fraud_signals
from paylake.simulation.sender import key_hashes
from paylake.topics import TopicSpec, create_topics

PLAN = Plan(payments=300, chaos=0.3, faults=FaultRates(0.05, 0.05, 0.05, 0.05), tick_every=timedelta(hours=6))


def test_hashes_are_those_of_kafka_s_own_partitioner() -> None:
    (chunk, *_) = generate(PLAN)
    keys = chunk.deliveries["key"]
    assert key_hashes(keys).tolist() == [murmur2(key) & 0x7FFFFFFF for key in keys.to_pylist()]


def test_a_tick_says_as_of_when_the_ends_were_what() -> None:
    said = json.loads(tick(1_768_435_500_000, {"pg-transactions": {"0": 3, "1": 4}}))
    assert said == {
        "as_of": "2026-01-15T00:05:00+00:00",
        "ends": {"pg-transactions": {"0": 3, "1": 4}},
        "closing": False,
    }


def test_a_broker_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(SourceError, match="no Kafka broker answers at 127.0.0.1:1 "):
        publish(PLAN, KafkaSettings(bootstrap_servers="127.0.0.1:1"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> broker.Cluster:
    with broker.running(tmp_path_factory.mktemp("kafka")) as cluster:
        specs = {name: TopicSpec(topic.partitions) for name, topic in TOPICS.items()}
        create_topics(cluster.kafka, specs)
        yield cluster  # type: ignore[misc]


def read(kafka: KafkaSettings, topic: str) -> list[object]:
    """What lies in a topic, up to its ends: a pause of the broker is no end."""
    consumer = KafkaConsumer(**kafka.client_options(), auto_offset_reset="earliest", consumer_timeout_ms=30_000)
    try:
        places = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        consumer.assign(places)
        waiting = sum(consumer.end_offsets(places).values())
        return [message for _, message in zip(range(waiting), consumer, strict=False)]
    finally:
        consumer.close()


def ledger_records(kafka: KafkaSettings) -> int:
    consumer = KafkaConsumer(**kafka.client_options())
    places = [TopicPartition(t, p) for t in LEDGER_TOPICS.values() for p in consumer.partitions_for_topic(t)]
    ends: dict[TopicPartition, int] = consumer.end_offsets(places)
    consumer.close()
    return sum(ends.values())


def test_what_was_generated_arrives_with_its_ticks_totals_and_truth(cluster: broker.Cluster, tmp_path: Path) -> None:
    seen: list[int] = []
    totals = publish(PLAN, cluster.kafka, tmp_path, lambda done, planned: seen.append(done))
    planned = list(generate(PLAN))
    rows = pa.concat_tables([chunk.deliveries for chunk in planned]).to_pylist()
    assert (totals.payments, totals.records) == (300, len(rows))
    assert seen[-1] == 300

    for topic in LEDGER_TOPICS.values():
        got = [(m.key, m.value, m.timestamp) for m in read(cluster.kafka, topic)]  # type: ignore[attr-defined]
        sent = [(r["key"], r["value"], round(r["timestamp"].timestamp() * 1000)) for r in rows if r["topic"] == topic]
        assert Counter(got) == Counter(sent)

    ticks = [json.loads(m.value) for m in read(cluster.kafka, CLOCK)]  # type: ignore[attr-defined]
    assert [datetime.fromisoformat(t["as_of"]) for t in ticks] == [chunk.as_of for chunk in planned]
    assert sum(sum(ends.values()) for ends in ticks[-1]["ends"].values()) == len(rows)
    for said, chunk_end in zip(ticks, range(1, len(planned) + 1), strict=True):
        arrived = sum(len(chunk.deliveries) for chunk in planned[:chunk_end])
        assert sum(sum(ends.values()) for ends in said["ends"].values()) == arrived

    controls = [m.value for m in read(cluster.kafka, CONTROLS)]  # type: ignore[attr-defined]
    assert controls == [total.value for chunk in planned for total in chunk.controls]
    assert pq.read_table(tmp_path / "payments") == pa.concat_tables([c.payments for c in planned])
    assert pq.read_table(tmp_path / "faults") == pa.concat_tables([c.faults for c in planned])
    assert os.listdir(tmp_path / "payments") == ["part-0.parquet"]


def test_several_processes_send_the_same_records_as_one(cluster: broker.Cluster, tmp_path: Path) -> None:
    before = ledger_records(cluster.kafka)
    totals = publish(replace(PLAN, processes=2), cluster.kafka, tmp_path)
    rows = pa.concat_tables([chunk.deliveries for chunk in generate(PLAN)])
    assert (totals.payments, totals.records) == (300, len(rows))
    assert ledger_records(cluster.kafka) - before == len(rows)
    assert pq.read_table(tmp_path / "payments").num_rows == 300


def test_what_others_say_of_frauds_arrives_at_simulated_times(cluster: broker.Cluster) -> None:
    plan = replace(PLAN, payments=3_000, fraud=0.05, seed=5, faults=FaultRates())
    payments = gateway_arrivals(plan)
    rows = feed_deliveries(fraud_labels(payments, plan.seed), fraud_signals(payments, plan.seed)).to_pylist()
    in_time = [row for row in rows if row["timestamp"] < plan.start + timedelta(days=20)]
    assert 0 < len(in_time) < len(rows)
    assert publish_feed(plan, cluster.kafka, until=plan.start + timedelta(days=20)) == len(in_time)
    for topic in (FRAUD_SIGNALS_TOPIC, FRAUD_LABELS_TOPIC):
        said = [(m.key, m.value, m.timestamp) for m in read(cluster.kafka, topic)]  # type: ignore[attr-defined]
        of_topic = [row for row in in_time if row["topic"] == topic]
        assert said == [(r["key"], r["value"], round(r["timestamp"].timestamp() * 1000)) for r in of_topic]
    rest = publish_feed(plan, cluster.kafka, since=plan.start + timedelta(days=20))
    assert rest == len(rows) - len(in_time)


def test_banks_in_real_time_share_one_clock(cluster: broker.Cluster, tmp_path: Path) -> None:
    started = len(read(cluster.kafka, CLOCK))
    plan = Plan(tick_every=timedelta(milliseconds=500))
    totals = perform(plan, cluster.kafka, SimulationControl(), tps=200, limit=200, truth_dir=tmp_path)
    assert totals.payments == 200
    assert not totals.interrupted
    said = [json.loads(m.value)["as_of"] for m in read(cluster.kafka, CLOCK)[started:]]  # type: ignore[attr-defined]
    assert 2 <= len(said) <= 6
    assert said == sorted(said)
    assert pq.read_table(tmp_path / "payments").num_rows == 200
