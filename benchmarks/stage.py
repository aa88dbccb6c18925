"""What the measurements of the stream share: a broker with paylake's topics, a session, a driver on a fresh lake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from benchmarks import harness
from paylake import broker
from paylake.contracts.topics import TOPICS
from paylake.ledger_driver import LedgerDriver
from paylake.reconcile import BatchReport, Horizon
from paylake.reconciliation.rules import Rules
from paylake.session import build_session
from paylake.settings import KafkaSettings
from paylake.token_key import create_key_file
from paylake.topics import TopicSpec, create_topics

NO_KAFKA = KafkaSettings(bootstrap_servers="127.0.0.1:1")
"""For a driver whose records come from frames: it never asks a broker."""


@contextmanager
def kafka_at(folder: Path) -> Iterator[broker.Cluster]:
    """A broker with paylake's topics."""
    with broker.running(folder) as cluster:
        create_topics(cluster.kafka, {name: TopicSpec(topic.partitions) for name, topic in TOPICS.items()})
        yield cluster


def session(name: str) -> SparkSession:
    """paylake's own session, with a longer memory of what its batches took."""
    warehouse = str(harness.OUT / "work" / "warehouse")
    more = {"spark.sql.streaming.numRecentProgressUpdates": "1000", "spark.sql.warehouse.dir": warehouse}
    return build_session(f"bench-{name}", more)


def driver(spark: SparkSession, folder: Path, kafka: KafkaSettings = NO_KAFKA) -> LedgerDriver:
    """paylake's own driver on a fresh lake, with the settings that the job has."""
    key = folder / "token.key"
    create_key_file(key)
    return LedgerDriver.open(spark, kafka, str(folder / "lake"), "", str(key), Rules(), Horizon())


def recently(span: timedelta) -> datetime:
    """A start of simulated time, so that a payment's time is plausible beside a Kafka timestamp of today."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - span


def batch_row(report: BatchReport, seconds: float) -> dict[str, Any]:
    """A batch as the results hold it."""
    steps = {name: round(value, 4) for name, value in report.seconds.items()}
    return {"batch": report.batch, "records": report.records, "seconds": round(seconds, 4), "steps": steps}
