"""Create the Kafka topics that the contracts name, with the client that speaks MSK's IAM: the one in Spark's JVM.

The cluster makes no topic by itself, and `paylake topics create` speaks through a client without IAM. This job runs where
the nightly jobs run; a second run finds all there and changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from paylake.contracts.topics import LEDGER_TOPICS, REPLAY_SUFFIX, TOPICS, Topic
from paylake.errors import SourceError
from paylake.session import run
from paylake.settings import KafkaSettings, setting

ANSWER_WITHIN_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class CreateTopicsSettings(KafkaSettings):
    """Create every topic that is missing; fail where one has another number of partitions."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "spark-submit infra/jobs/create_topics.py --bootstrap-servers b-1.example:9098 "
        "--security-protocol SASL_SSL --sasl-mechanism AWS_MSK_IAM",
    )

    replication: int = setting(3, "copies of each record; no more than there are brokers")


def wanted() -> dict[str, Topic]:
    """Every topic of the contracts, and for each ledger the one that takes records replayed to it."""
    replays = {
        f"{name}{REPLAY_SUFFIX}": Topic(
            f"Records that {ledger} is missing.", TOPICS[name].partitions, retention_ms=TOPICS[name].retention_ms
        )
        for ledger, name in LEDGER_TOPICS.items()
    }
    return {**TOPICS, **replays}


def differing(present: Mapping[str, int], topics: Mapping[str, Topic]) -> dict[str, int]:
    """Topics that are there with another number of partitions than their contract says, and how many they have."""
    return {name: n for name, n in present.items() if name in topics and n != topics[name].partitions}


def main(spark: SparkSession, settings: CreateTopicsSettings) -> None:
    """Create what is missing; raises SourceError where the cluster refuses, or a topic is not as its contract says."""
    topics = wanted()
    log = logging.getLogger(__name__)
    admin = connect(spark, settings)
    try:
        present = partitions(admin)
        if wrong := differing(present, topics):
            name, found = sorted(wrong.items())[0]
            raise SourceError(
                f"the topic {name} at {settings.bootstrap_servers} has {found} partition(s), not "
                f"{topics[name].partitions}: delete it, or correct its contract, before going on."
            )
        missing = {name: topic for name, topic in topics.items() if name not in present}
        _create(spark, admin, missing, settings.replication)
    except Py4JJavaError as error:
        cause = error.java_exception.getCause() or error.java_exception
        raise SourceError(f"Kafka at {settings.bootstrap_servers} refused: {cause.getMessage()}") from None
    finally:
        admin.close()
    log.info("topics: %d created, %d were there", len(missing), len(topics) - len(missing))


def _jvm(spark: SparkSession) -> Any:
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    return jvm


def connect(spark: SparkSession, settings: KafkaSettings) -> Any:
    """A client of Spark's JVM that administers the cluster; whoever takes it closes it."""
    config = _jvm(spark).java.util.HashMap()
    for name, value in settings.spark_options().items():
        config.put(name.removeprefix("kafka."), value)
    config.put("request.timeout.ms", str(ANSWER_WITHIN_MS))
    config.put("default.api.timeout.ms", str(ANSWER_WITHIN_MS))
    return _jvm(spark).org.apache.kafka.clients.admin.AdminClient.create(config)


def partitions(admin: Any) -> dict[str, int]:
    """Topic -> how many partitions it has, of all that are there."""
    names = admin.listTopics().names().get()
    described = admin.describeTopics(names).allTopicNames().get()
    return {str(name): int(described[name].partitions().size()) for name in described}


def _create(spark: SparkSession, admin: Any, topics: Mapping[str, Topic], replication: int) -> None:
    jvm = _jvm(spark)
    new = jvm.java.util.ArrayList()
    for name, topic in sorted(topics.items()):
        one = jvm.org.apache.kafka.clients.admin.NewTopic(name, topic.partitions, replication)
        config = jvm.java.util.HashMap()
        config.put("retention.ms", str(topic.retention_ms))
        new.add(one.configs(config))
    admin.createTopics(new).all().get()


if __name__ == "__main__":
    run(main, CreateTopicsSettings)
