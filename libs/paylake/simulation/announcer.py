"""Control totals and ticks: what is said about the records, once they have arrived."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from datetime import UTC, datetime

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from paylake.contracts.topics import CLOCK, CONTROLS, LEDGER_TOPICS
from paylake.settings import KafkaSettings
from paylake.simulation.controls import ControlTotal, OpenControls
from paylake.simulation.sender import WAIT_S, connected


class Announcer:
    """Writes control totals and ticks, once every producer has flushed what comes before them."""

    def __init__(self, kafka: KafkaSettings, producers: int = 1) -> None:
        self._lock = threading.Lock()
        self._reached_ms = [0] * producers
        self._running = set(range(producers))
        self._announced_ms = 0
        self._controls = OpenControls()
        self._producer = connected(KafkaProducer, kafka, linger_ms=0, acks="all", retries=10)
        self._consumer = connected(KafkaConsumer, kafka)
        self._ledger_partitions = [
            TopicPartition(topic, partition)
            for topic in LEDGER_TOPICS.values()
            for partition in sorted(self._consumer.partitions_for_topic(topic) or ())
        ]

    def reached(self, producer: int, as_of: datetime, controls: Iterable[ControlTotal], is_last: bool) -> None:
        """Producer number `producer` has flushed everything that arrives by `as_of`."""
        with self._lock:
            self._controls.add(controls)
            self._reached_ms[producer] = round(as_of.timestamp() * 1000)
            if is_last:
                self._running.discard(producer)
            still = [self._reached_ms[i] for i in self._running] or [max(self._reached_ms)]
            if min(still) > self._announced_ms or not self._running:
                self._announced_ms = min(still)
                self._announce(is_over=not self._running)

    def close(self) -> None:
        self._producer.close(timeout=WAIT_S)
        self._consumer.close()

    def _announce(self, is_over: bool) -> None:
        for total in self._controls.close(None if is_over else self._announced_ms):
            self._producer.send(CONTROLS, total.value, total.key, timestamp_ms=self._announced_ms)
        ends: dict[str, dict[str, int]] = {topic: {} for topic in LEDGER_TOPICS.values()}
        for place, offset in self._consumer.end_offsets(self._ledger_partitions).items():
            ends[place.topic][str(place.partition)] = offset
        self._producer.send(CLOCK, tick(self._announced_ms, ends), b"tick", timestamp_ms=self._announced_ms)
        self._producer.flush(timeout=WAIT_S)


def tick(as_of_ms: int, ends: dict[str, dict[str, int]]) -> bytes:
    """The message that says: as of this time, the ends of the ledger partitions were these offsets."""
    as_of = datetime.fromtimestamp(as_of_ms / 1000, UTC).isoformat()
    return json.dumps({"as_of": as_of, "ends": ends, "closing": False}, separators=(",", ":")).encode()
