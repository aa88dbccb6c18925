"""Puts ledger records on their topics through one producer, with the partitions that Kafka itself would choose."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from kafka import KafkaProducer
from kafka.errors import KafkaError
from numpy.typing import NDArray

from paylake.errors import SourceError
from paylake.settings import KafkaSettings

WAIT_S = 60.0
PRODUCER_OPTIONS: dict[str, object] = {
    "acks": "all",
    "retries": 10,
    "batch_size": 256 * 1024,
    "max_block_ms": 30_000,
    "max_request_size": 8 * 1024 * 1024,
    # Without a native module the client sums checksums byte by byte in Python: compressing first is cheaper.
    "compression_type": None if find_spec("crc32c") else "gzip",
}


class Sender:
    """A producer of ledger records. A record that could not be delivered surfaces at the next flush."""

    def __init__(self, kafka: KafkaSettings, linger_ms: int = 50) -> None:
        self._producer = connected(KafkaProducer, kafka, linger_ms=linger_ms, **PRODUCER_OPTIONS)
        self._partitions: dict[str, int] = {}
        self._failure: Exception | None = None

    def send(self, deliveries: pa.Table) -> None:
        """Send records of DELIVERIES_SCHEMA in their order; returns before they have arrived."""
        topics = deliveries["topic"].to_pylist()
        keys = deliveries["key"].to_pylist()
        partitions = self.partitions(deliveries)
        stamps = deliveries["timestamp"].cast(pa.int64()).to_pylist()
        values = deliveries["value"].to_pylist()
        send, failed = self._producer.send, self._failed
        try:
            for topic, key, value, partition, stamp in zip(topics, keys, values, partitions, stamps, strict=True):
                send(topic, value, key, None, partition, stamp).add_errback(failed)
        except KafkaError as error:
            raise SourceError(f"Kafka does not take records any more: {error}.") from None

    def partitions(self, deliveries: pa.Table) -> list[int]:
        """The partition of each record: what Kafka's default partitioner gives."""
        hashes = key_hashes(deliveries["key"])
        partitions = np.zeros(len(hashes), np.int64)
        for topic in pc.unique(deliveries["topic"]).to_pylist():
            count = self._count(topic)
            here = pc.equal(deliveries["topic"], topic).to_numpy()
            partitions[here] = hashes[here] % count
        result: list[int] = partitions.tolist()
        return result

    def flush(self) -> None:
        """Wait until everything has arrived. Raises SourceError if something has not."""
        try:
            self._producer.flush(timeout=WAIT_S)
        except KafkaError as error:
            raise SourceError(f"Kafka did not take the records within {WAIT_S:.0f} s: {error}.") from error
        if self._failure is not None:
            raise SourceError(f"Kafka refused a record: {self._failure}.") from self._failure

    def close(self) -> None:
        self._producer.close(timeout=WAIT_S)

    def _failed(self, error: Exception) -> None:
        self._failure = error

    def _count(self, topic: str) -> int:
        if topic not in self._partitions:
            try:
                self._partitions[topic] = len(self._producer.partitions_for(topic) or (0,))
            except KafkaError:
                raise SourceError(f"there is no topic {topic}: create the topics with `paylake topics create`.") from None
        return self._partitions[topic]


def key_hashes(keys: pa.ChunkedArray) -> NDArray[np.int64]:
    """Kafka's positive murmur2 hash of keys that are all 36 bytes long, for all of them at once."""
    raw = b"".join(keys.to_pylist())
    words = np.frombuffer(raw, "<u4").reshape(len(keys), 9)
    multiplier = np.uint32(0x5BD1E995)
    state = np.full(len(keys), 0x9747B28C ^ 36, np.uint32)
    for i in range(words.shape[1]):
        word = words[:, i] * multiplier
        word = (word ^ (word >> np.uint32(24))) * multiplier
        state = state * multiplier ^ word
    state = (state ^ (state >> np.uint32(13))) * multiplier
    state ^= state >> np.uint32(15)
    return (state & np.uint32(0x7FFFFFFF)).astype(np.int64)


def connected(client: type[Any], kafka: KafkaSettings, **options: object) -> Any:
    """A client of the broker that the settings name. Raises SourceError if nobody answers."""
    try:
        return client(**kafka.client_options(), **options)
    except KafkaError as error:
        raise SourceError(
            f"no Kafka broker answers at {kafka.bootstrap_servers} ({type(error).__name__}): "
            "start one with `paylake broker start`, or set --bootstrap-servers."
        ) from None
