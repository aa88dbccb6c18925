"""Sends a simulation to Kafka: records in order of arrival, then the control totals and the tick."""

from __future__ import annotations

import json
import multiprocessing
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from numpy.typing import NDArray

from paylake.contracts.topics import CLOCK, CONTROLS, LEDGER_TOPICS, PG_TRANSACTIONS
from paylake.errors import SourceError
from paylake.settings import KafkaSettings
from paylake.simulation.controls import ControlTotal, OpenControls
from paylake.simulation.generation import Chunk, generate
from paylake.simulation.plan import Plan
from paylake.simulation.truth import FAULTS_SCHEMA, PAYMENTS_SCHEMA

Progress = Callable[[int, int], None]

TRUTH_ROWS = 200_000
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


@dataclass(frozen=True)
class Totals:
    """What was sent, and how long it took."""

    payments: int
    records: int
    seconds: float
    interrupted: bool = False

    def __str__(self) -> str:
        how = "stopped after" if self.interrupted else "sent"
        rate = self.records / self.seconds if self.seconds else 0
        what = f"{self.payments:,} payments, {self.records:,} records"
        return f"{how} {what} in {self.seconds:.1f} s ({rate:,.0f}/s)"


class Sender:
    """A producer of ledger records. A record that could not be delivered surfaces at the next flush."""

    def __init__(self, kafka: KafkaSettings, linger_ms: int = 50) -> None:
        self._producer = _connected(KafkaProducer, kafka, linger_ms=linger_ms, **PRODUCER_OPTIONS)
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


class Announcer:
    """Writes control totals and ticks, once every producer has flushed what comes before them."""

    def __init__(self, kafka: KafkaSettings, producers: int = 1) -> None:
        self._lock = threading.Lock()
        self._reached_ms = [0] * producers
        self._running = set(range(producers))
        self._announced_ms = 0
        self._controls = OpenControls()
        self._producer = _connected(KafkaProducer, kafka, linger_ms=0, acks="all", retries=10)
        self._consumer = _connected(KafkaConsumer, kafka)
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


class TruthWriter:
    """Writes the truth as Parquet under `<folder>/payments` and `<folder>/faults`, replacing any older."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._schemas = {"payments": PAYMENTS_SCHEMA, "faults": FAULTS_SCHEMA}
        self._kept: dict[str, list[pa.Table]] = {name: [] for name in self._schemas}
        self._parts = dict.fromkeys(self._schemas, 0)
        for name in self._schemas:
            (folder / name).mkdir(parents=True, exist_ok=True)
            for part in (folder / name).glob("part-*.parquet"):
                part.unlink()

    def add(self, chunk: Chunk) -> None:
        """Keep the truth of a chunk; any thread may add."""
        with self._lock:
            for name, rows in (("payments", chunk.payments), ("faults", chunk.faults)):
                self._kept[name].append(rows)
                if sum(map(len, self._kept[name])) >= TRUTH_ROWS:
                    self._write(name)

    def close(self) -> None:
        """Write the rest; a table without rows gets one empty part, so that it can be read."""
        for name, kept in self._kept.items():
            if sum(map(len, kept)) or not self._parts[name]:
                self._write(name)

    def _write(self, name: str) -> None:
        rows = pa.concat_tables([self._schemas[name].empty_table(), *self._kept[name]])
        pq.write_table(rows, self._folder / name / f"part-{self._parts[name]}.parquet")
        self._parts[name] += 1
        self._kept[name] = []


def publish(plan: Plan, kafka: KafkaSettings, truth_dir: Path | None = None, progress: Progress | None = None) -> Totals:
    """Send the whole plan as fast as it goes, and write its truth under `truth_dir`.

    `progress` is called with the payments done and the payments planned. Ctrl-C ends it early and cleanly.
    Raises SourceError when Kafka cannot be reached or refuses a record.
    """
    if plan.processes > 1 and not plan.topic:
        return _publish_in_parallel(plan, kafka, truth_dir, progress)
    with ExitStack() as stack:
        sender = Sender(kafka)
        stack.callback(sender.close)
        announcer = None if plan.topic else Announcer(kafka)
        if announcer is not None:
            stack.callback(announcer.close)
        truth = None if truth_dir is None else TruthWriter(truth_dir)
        if truth is not None:
            stack.callback(truth.close)
        started, payments, records = time.perf_counter(), 0, 0
        try:
            for chunk in generate(plan):
                deliveries = single_stream(chunk.deliveries, plan.topic) if plan.topic else chunk.deliveries
                sender.send(deliveries)
                sender.flush()
                if announcer is not None:
                    announcer.reached(0, chunk.as_of, chunk.controls, chunk.is_last)
                if truth is not None:
                    truth.add(chunk)
                payments, records = payments + len(chunk.payments), records + len(deliveries)
                if progress is not None:
                    progress(payments, plan.payments)
        except KeyboardInterrupt:
            return Totals(payments, records, time.perf_counter() - started, interrupted=True)
        return Totals(payments, records, time.perf_counter() - started)


def single_stream(deliveries: pa.Table, topic: str) -> pa.Table:
    """The gateway's records alone, as a stream of payments on `topic`."""
    gateway = deliveries.filter(pc.equal(deliveries["topic"], PG_TRANSACTIONS))
    return gateway.set_column(0, deliveries.schema.field("topic"), pa.array([topic] * len(gateway), pa.string()))


def tick(as_of_ms: int, ends: dict[str, dict[str, int]]) -> bytes:
    """The message that says: as of this time, the ends of the ledger partitions were these offsets."""
    as_of = datetime.fromtimestamp(as_of_ms / 1000, UTC).isoformat()
    return json.dumps({"as_of": as_of, "ends": ends, "closing": False}, separators=(",", ":")).encode()


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


def _connected(client: type[Any], kafka: KafkaSettings, **options: object) -> Any:
    try:
        return client(**kafka.client_options(), **options)
    except KafkaError as error:
        raise SourceError(
            f"no Kafka broker answers at {kafka.bootstrap_servers} ({type(error).__name__}): "
            "start one with `paylake broker start`, or set --bootstrap-servers."
        ) from None


# --- several processes ---


@dataclass(frozen=True)
class _Report:
    """A worker's message: it has flushed what comes before `as_of`, or it failed."""

    worker: int
    as_of: datetime
    payments: int = 0
    records: int = 0
    controls: tuple[ControlTotal, ...] = ()
    is_last: bool = False
    failure: str = ""


def _publish_in_parallel(plan: Plan, kafka: KafkaSettings, truth_dir: Path | None, progress: Progress | None) -> Totals:
    """Each process generates everything and sends some partitions, so that order per partition holds."""
    context = multiprocessing.get_context("spawn")
    reports: Queue[_Report] = context.Queue()
    workers = [
        context.Process(target=_work, args=(number, plan, kafka, truth_dir, reports), daemon=True)
        for number in range(plan.processes)
    ]
    announcer = Announcer(kafka, plan.processes)
    started, payments, records, running = time.perf_counter(), 0, 0, len(workers)
    try:
        for worker in workers:
            worker.start()
        while running:
            try:
                report = reports.get(timeout=1)
            except queue.Empty:
                if any(worker.exitcode for worker in workers):
                    raise SourceError("a process of the simulation died; see its message above.") from None
                continue
            if report.failure:
                raise SourceError(report.failure)
            announcer.reached(report.worker, report.as_of, report.controls, report.is_last)
            payments, records = payments + report.payments, records + report.records
            running -= report.is_last
            if progress is not None:
                progress(payments, plan.payments)
    except KeyboardInterrupt:
        return Totals(payments, records, time.perf_counter() - started, interrupted=True)
    finally:
        for worker in workers:
            if running and worker.is_alive():
                worker.terminate()
            if worker.pid is not None:
                worker.join()
        announcer.close()
    return Totals(payments, records, time.perf_counter() - started)


def _work(number: int, plan: Plan, kafka: KafkaSettings, truth_dir: Path | None, reports: Queue[_Report]) -> None:
    """What one process does: the first one also keeps the truth and reports what is to be announced."""
    is_first = number == 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group, and the parent ends us
    topics = list(LEDGER_TOPICS.values())
    try:
        sender = Sender(kafka)
        truth = TruthWriter(truth_dir) if is_first and truth_dir is not None else None
        for chunk in generate(plan):
            topic = pc.index_in(chunk.deliveries["topic"], pa.array(topics)).to_numpy()
            place = topic + len(topics) * np.array(sender.partitions(chunk.deliveries), np.int64)
            mine = chunk.deliveries.filter(pa.array(place % plan.processes == number))
            sender.send(mine)
            sender.flush()
            if truth is not None:
                truth.add(chunk)
                if chunk.is_last:
                    truth.close()
            reports.put(
                _Report(
                    worker=number,
                    as_of=chunk.as_of,
                    payments=len(chunk.payments) if is_first else 0,
                    records=len(mine),
                    controls=chunk.controls if is_first else (),
                    is_last=chunk.is_last,
                )
            )
        sender.close()
    except SourceError as error:
        reports.put(_Report(number, plan.start, failure=str(error)))
