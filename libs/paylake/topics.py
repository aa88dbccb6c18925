"""Topics and their offsets, in whichever cluster a KafkaSettings names."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError, NoBrokersAvailable, TopicAlreadyExistsError

from paylake.errors import SourceError
from paylake.settings import KafkaSettings

ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True)
class TopicSpec:
    """How a topic is created. Without a replication factor: 3, or fewer where there are fewer brokers."""

    partitions: int
    replication_factor: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)


class TopicsMade(NamedTuple):
    """Topic names by what `create_topics` found."""

    created: tuple[str, ...]
    existing: tuple[str, ...]


def create_topics(kafka: KafkaSettings, topics: Mapping[str, TopicSpec]) -> TopicsMade:
    """Create those of `topics` that do not exist, and wait until all of them can be used.

    Raises SourceError if the cluster does not answer, refuses, or has a topic with another number of
    partitions; in the last case nothing is created.
    """
    with client(KafkaAdminClient, kafka, ANSWER_WITHIN_S) as admin:
        found = _partitions(admin, topics)
        for name, partitions in found.items():
            if partitions != topics[name].partitions:
                raise SourceError(
                    f"the topic {name} at {kafka.bootstrap_servers} has {partitions} partition(s), not "
                    f"{topics[name].partitions}: delete it, or correct its contract, before going on."
                )
        replicas = min(3, len(admin.describe_cluster()["brokers"]))
        for name in sorted(topics.keys() - found.keys()):
            spec = topics[name]
            factor = spec.replication_factor or replicas
            new = NewTopic(name, spec.partitions, factor, topic_configs=dict(spec.config))
            with suppress(TopicAlreadyExistsError):  # someone else was faster, which is as good
                admin.create_topics([new], timeout_ms=int(ANSWER_WITHIN_S * 1000))
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while missing := sorted(topics.keys() - _partitions(admin, topics).keys()):
            if time.monotonic() > deadline:
                raise SourceError(
                    f"{kafka.bootstrap_servers} did not show the new topic {missing[0]} within "
                    f"{ANSWER_WITHIN_S:.0f} s: see the brokers' logs."
                )
            time.sleep(0.05)
    return TopicsMade(tuple(sorted(topics.keys() - found.keys())), tuple(sorted(found)))


def end_offsets(kafka: KafkaSettings, topics: Iterable[str]) -> dict[str, dict[int, int]]:
    """Topic -> partition -> the offset that its next record gets. Raises SourceError for an unknown topic."""
    return _offsets(kafka, topics, KafkaConsumer.end_offsets)


def first_offsets(kafka: KafkaSettings, topics: Iterable[str]) -> dict[str, dict[int, int]]:
    """Topic -> partition -> the offset of the first record that it still holds. Raises SourceError likewise."""
    return _offsets(kafka, topics, KafkaConsumer.beginning_offsets)


def cluster_id(kafka: KafkaSettings) -> str:
    """The identifier that the cluster gave itself: the same at whichever of its brokers one asks."""
    with client(KafkaAdminClient, kafka, ANSWER_WITHIN_S) as admin:
        return str(admin.describe_cluster()["cluster_id"])


def _offsets(kafka: KafkaSettings, topics: Iterable[str], which: Callable[..., Any]) -> dict[str, dict[int, int]]:
    with client(KafkaConsumer, kafka, ANSWER_WITHIN_S) as consumer:
        offsets: dict[str, dict[int, int]] = {}
        for topic in topics:
            partitions = consumer.partitions_for_topic(topic)
            if not partitions:
                raise SourceError(f"there is no topic {topic} at {kafka.bootstrap_servers}: run `paylake topics create`.")
            found = which(consumer, [TopicPartition(topic, number) for number in sorted(partitions)])
            offsets[topic] = {part.partition: found[part] for part in sorted(found)}
    return offsets


def _partitions(admin: KafkaAdminClient, topics: Iterable[str]) -> dict[str, int]:
    """Topic -> number of partitions, for those that exist and whose every partition has a leader."""
    present = sorted(set(admin.list_topics()) & set(topics))
    described = admin.describe_topics(present) if present else []
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in described
        if topic["error_code"] == 0 and all(part["leader"] >= 0 for part in topic["partitions"])
    }


@contextmanager
def client(kind: Callable[..., Any], kafka: KafkaSettings, within_s: float) -> Iterator[Any]:
    """A client of kafka-python whose failures come out as one sentence, in bounded time."""
    milliseconds = int(within_s * 1000)
    # The library warns about each refused connection; what matters of them is in the error.
    library, level = logging.getLogger("kafka"), logging.getLogger("kafka").level
    library.setLevel(logging.CRITICAL)
    client = None
    try:
        client = kind(
            **kafka.client_options(),
            request_timeout_ms=milliseconds,
            api_version_auto_timeout_ms=milliseconds // 2,
        )
        yield client
    except (NoBrokersAvailable, OSError):
        raise SourceError(
            f"no Kafka broker answered at {kafka.bootstrap_servers}: "
            "start one with `paylake broker start`, or set KAFKA_BOOTSTRAP_SERVERS."
        ) from None
    except KafkaError as error:
        raise SourceError(
            f"Kafka at {kafka.bootstrap_servers} did not do as asked ({error}): see the brokers' logs."
        ) from None
    finally:
        if client is not None:
            client.close()
        library.setLevel(level)
