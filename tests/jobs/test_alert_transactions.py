"""The alert channel from Kafka to Kafka, with a real broker: in micro-batches, and in real-time mode."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from paylake import alert_driver, broker, tables
from paylake.alert_driver import MICRO_BATCH, REAL_TIME, AlertPlan, mode_of
from paylake.broker import Cluster
from paylake.contracts import POLICIES
from paylake.contracts.topics import FRAUD_ALERTS, FRAUD_DECISIONS, PG_TRANSACTIONS, TOPICS
from paylake.errors import SettingsError, SourceError
from paylake.settings import KafkaSettings
from paylake.topics import TopicSpec, create_topics
from tests.builders import NOON, record, rows

KEY = b"0123456789abcdef" * 4
CARD = "4111111111111111"
EXPECTED = {"t0": "DECLINE", "t1": "APPROVE", "t2": "REVIEW", "t3": "APPROVE", "t4": "DECLINE"}
LISTED = ("t0", "t4")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with broker.running(tmp_path_factory.mktemp("alerts")) as running:
        create_topics(running.kafka, {name: TopicSpec(topic.partitions) for name, topic in TOPICS.items()})
        yield running


@pytest.fixture
def listed(spark: SparkSession, lake: str) -> str:
    """A lake that holds a blacklist and nothing else."""
    policy = {"policy_type": "BLACKLIST", "subject_type": "USER", "subject_id": "listed", "active_flag": True}
    tables.create(spark, lake, POLICIES)
    tables.append(rows(spark, POLICIES, {**policy, "valid_from": NOON - timedelta(days=1)}), lake, POLICIES)
    return lake


def send(kafka: KafkaSettings, prefix: str) -> None:
    """Five payments, one of which nobody can read, and a record that is none."""
    from kafka import KafkaProducer

    producer = KafkaProducer(**kafka.client_options())
    for name, decision in EXPECTED.items():
        how = {"amount": "-5"} if decision == "REVIEW" else {}
        user = "listed" if name in LISTED else "u1"
        payment = record(transaction_id=f"{prefix}{name}", user_id=user, card_number=CARD, **how)
        producer.send(PG_TRANSACTIONS, payment, name.encode())
    producer.send(PG_TRANSACTIONS, b"no json", b"t9")
    producer.close()


def heard(kafka: KafkaSettings, prefix: str) -> tuple[dict[str, list[tuple[str, str]]], str]:
    """Topic -> transaction and decision, event by event, of the payments of a prefix; and the text of all that was said."""
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        FRAUD_DECISIONS, FRAUD_ALERTS, **kafka.client_options(), auto_offset_reset="earliest", consumer_timeout_ms=3000
    )
    events: dict[tuple[str, str], tuple[str, str]] = {}
    text = ""
    for found in consumer:
        said = json.loads(found.value)
        text += found.value.decode() + "\n"
        if said["transaction_id"].startswith(prefix):
            transaction = said["transaction_id"].removeprefix(prefix)
            events[(found.topic, said["event_id"])] = (transaction, said["decision"])
    consumer.close()
    by_topic = {t: sorted(v for (topic, _), v in events.items() if topic == t) for t in (FRAUD_DECISIONS, FRAUD_ALERTS)}
    return by_topic, text


def expected() -> dict[str, list[tuple[str, str]]]:
    return {FRAUD_DECISIONS: sorted(EXPECTED.items()), FRAUD_ALERTS: [(name, EXPECTED[name]) for name in LISTED]}


@pytest.mark.slow
def test_what_waits_is_decided_once_and_a_second_run_adds_nothing(
    spark: SparkSession, cluster: Cluster, listed: str, tmp_path: Path
) -> None:
    send(cluster.kafka, "waits-")
    plan = AlertPlan(str(tmp_path / "checkpoint"), starting_offsets="earliest", available_now=True)
    for _ in range(2):
        alert_driver.run(spark, cluster.kafka, listed, KEY, plan, NOON)
    said, text = heard(cluster.kafka, "waits-")
    assert said == expected()
    assert CARD not in text
    assert Counter(topic for topic, found in said.items() for _ in found) == {FRAUD_DECISIONS: 5, FRAUD_ALERTS: 2}


@pytest.mark.slow
@pytest.mark.parametrize("mode", [REAL_TIME, pytest.param(MICRO_BATCH, marks=pytest.mark.thorough)])
def test_a_running_query_decides_on_what_comes(
    spark: SparkSession, cluster: Cluster, listed: str, tmp_path: Path, mode: str
) -> None:
    if mode == REAL_TIME and not alert_driver.has_real_time():
        pytest.skip("this PySpark has no real-time mode")
    plan = AlertPlan(str(tmp_path / "checkpoint"), starting_offsets="earliest", commit_every=timedelta(seconds=10))
    query = alert_driver.start(spark, cluster.kafka, alert_driver.known(spark, listed, KEY, NOON), plan, mode)
    send(cluster.kafka, f"{mode}-")
    deadline = time.monotonic() + 180
    said: dict[str, Any] = {}
    while said != expected() and query.isActive and time.monotonic() < deadline:
        said, text = heard(cluster.kafka, f"{mode}-")
    query.stop()
    assert said == expected()
    assert CARD not in text


def test_a_broker_that_is_away_is_a_sentence(spark: SparkSession, lake: str) -> None:
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(SourceError, match="no Kafka broker answered"):
        alert_driver.run(spark, nowhere, lake, KEY, AlertPlan("checkpoint"), NOON)


def test_the_mode_is_what_this_spark_and_this_machine_can_do(caplog: pytest.LogCaptureFixture) -> None:
    cases = [
        (AlertPlan("c"), True, "local[4]"), (AlertPlan("c"), True, "yarn"), (AlertPlan("c", MICRO_BATCH), True, "local[1]"),
        (AlertPlan("c", available_now=True), True, "local[4]"), (AlertPlan("c"), False, "local[4]"),
    ]  # fmt: skip
    found = [mode_of(plan, has, master, 2) for plan, has, master in cases]
    assert found == [REAL_TIME, REAL_TIME, MICRO_BATCH, MICRO_BATCH, MICRO_BATCH]
    assert "no real-time mode" in caplog.text


@pytest.mark.parametrize(
    ("plan", "has_real_time", "master", "words"),
    [
        (AlertPlan("c", REAL_TIME), False, "local[4]", "PySpark 4.2"),
        (AlertPlan("c"), True, "local[1]", "PAYLAKE_MASTER=local"),
        (AlertPlan("c", REAL_TIME, available_now=True), True, "local[4]", "--stop-after"),
        (AlertPlan("c", commit_every=timedelta(seconds=1)), True, "local[4]", "--commit-every"),
    ],
)
def test_a_mode_that_cannot_be_had_is_a_sentence(plan: AlertPlan, has_real_time: bool, master: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        mode_of(plan, has_real_time, master, 2)
