"""The only Kafka and checkpoint code of Spark: what is read, how a query starts, runs, and stops."""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException, StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from paylake.contracts.topics import CLOCK, TOPIC_LEDGERS
from paylake.errors import PaylakeError, SourceError
from paylake.reconciliation.clock import Ends, Tick
from paylake.settings import KafkaSettings

log = logging.getLogger(__name__)

ProcessBatch = Callable[[DataFrame, int, Ends], None]

READ_TOPICS = (*TOPIC_LEDGERS, CLOCK)
BROKER_FAULTS = (
    "TimeoutException",
    "DisconnectException",
    "BrokerNotAvailable",
    "NetworkException",
    "Connection refused",
)
STORAGE_FAULTS = ("Service: S3, Status Code: 5", "Unable to execute HTTP request")
"""What S3's client says of faults that may pass by themselves, once it has tried in vain for minutes."""
AWAY = {"The lake's storage": STORAGE_FAULTS, "The Kafka broker": BROKER_FAULTS}
"""Who may be away for a while, and how its absence is told; storage first, since a refused connection names no one."""


@dataclass(frozen=True)
class StreamPlan:
    """How a query reads and runs. `interval` None means: read what is there, then end."""

    checkpoint: str
    starting_offsets: str = "earliest"
    max_offsets_per_trigger: int | None = None
    interval: timedelta | None = timedelta(seconds=1)
    fail_on_data_loss: bool = True
    topics: tuple[str, ...] = READ_TOPICS


@dataclass(frozen=True)
class Reading:
    """How long a driver reads, in which batches, after how many it maintains its tables, and when it gives up."""

    available_now: bool = False
    interval: timedelta = timedelta(seconds=1)
    max_offsets_per_trigger: int | None = None
    fail_on_data_loss: bool = True
    patience: timedelta = timedelta(minutes=10)
    maintain_every: int = 200


def read_topics(spark: SparkSession, kafka: KafkaSettings, plan: StreamPlan) -> DataFrame:
    """One row per Kafka record of the plan's topics."""
    reader = (
        spark.readStream.format("kafka")
        .options(**kafka.spark_options())
        .option("subscribe", ",".join(plan.topics))
        .option("startingOffsets", plan.starting_offsets)
        .option("failOnDataLoss", str(plan.fail_on_data_loss).lower())
        # the defaults of a minute and more would hide a broker's absence for minutes
        .option("kafka.request.timeout.ms", 10_000)
        .option("kafka.default.api.timeout.ms", 15_000)
    )
    if plan.max_offsets_per_trigger:
        reader = reader.option("maxOffsetsPerTrigger", plan.max_offsets_per_trigger)
    return reader.load()


def start(spark: SparkSession, kafka: KafkaSettings, plan: StreamPlan, process: ProcessBatch, stop: Stop) -> StreamingQuery:
    """Start the query; every micro-batch goes to `process` with its number and the offsets at which it ends.

    Once asked to stop, no further batch begins: it fails before it has read or written anything, and the next start takes
    it as it was planned.
    """

    def take(batch: DataFrame, number: int) -> None:
        if stop.asked.is_set():
            raise StopAsked(number)
        process(batch, number, batch_ends(spark, plan.checkpoint, number, plan.topics))

    writer = read_topics(spark, kafka, plan).writeStream.foreachBatch(take).option("checkpointLocation", plan.checkpoint)
    if plan.interval is None:
        return writer.trigger(availableNow=True).start()
    return writer.trigger(processingTime=f"{int(plan.interval.total_seconds() * 1000)} milliseconds").start()


def batch_ends(spark: SparkSession, checkpoint: str, batch: int, topics: tuple[str, ...] = READ_TOPICS) -> Ends:
    """The offsets before which a micro-batch ends, as its checkpoint planned them: also where it read nothing.

    The clock is left out: who reads it again reads the same ticks.
    """
    text = _read_text(spark, f"{checkpoint}/offsets/{batch}")
    planned = (line for line in reversed(text.splitlines()) if any(f'"{t}"' in line for t in topics))
    offsets: dict[str, dict[str, int]] = json.loads(next(planned, "{}"))
    return {t: {int(p): o for p, o in parts.items()} for t, parts in offsets.items() if t in topics and t != CLOCK}


def _read_text(spark: SparkSession, path: str) -> str:
    """A small file of any storage that Hadoop knows, without the Spark job that reading a frame would be."""
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    place = jvm.org.apache.hadoop.fs.Path(path)
    file = place.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()).open(place)
    try:
        return str(jvm.org.apache.commons.io.IOUtils.toString(file, "UTF-8"))
    finally:
        file.close()


def offsets_json(ends: Ends, others: Mapping[str, Mapping[int, int]]) -> str:
    """Kafka source's starting offsets: `ends`, and -2 (the earliest) for partitions that only `others` names."""
    topics = sorted({*ends, *others})
    known = {t: {**dict.fromkeys(others.get(t, {}), -2), **ends.get(t, {})} for t in topics}
    return json.dumps({t: {str(p): o for p, o in sorted(parts.items())} for t, parts in known.items()})


class StopAsked(Exception):
    """A batch was about to begin after the stream was asked to stop."""


class Stop:
    """Set by SIGTERM or SIGINT: the running batch ends, and then the query."""

    def __init__(self) -> None:
        """Not asked to stop yet."""
        self.asked = threading.Event()
        self._before: dict[int, Any] = {}

    def on_signals(self) -> Stop:
        """React to SIGTERM and SIGINT; only the main thread may."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._asked)
        return self

    def restore(self) -> None:
        """Leave the signals to whoever had them before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _asked(self, number: int, frame: FrameType | None) -> None:
        log.info("Asked to stop (%s): the running batch ends first.", signal.Signals(number).name)
        self.asked.set()


def run_until_done(query_of: Callable[[], StreamingQuery], stop: Stop, patience: timedelta) -> None:
    """Run a query to its end or until asked to stop; start it anew while broker or storage is away, for `patience` at most.

    Raises PaylakeError for a failure that waiting cannot mend.
    """
    away_since: float | None = None
    while not stop.asked.is_set():
        try:
            query = query_of()
            while not query.awaitTermination(1):
                if stop.asked.is_set():
                    _stop_between_batches(query)
                    return
                if query.lastProgress is not None:  # a batch, or a look for one, has come through
                    away_since = None
            return
        except (PySparkException, Py4JJavaError) as error:  # the latter where the query could not even start
            text = str(error)
            if StopAsked.__name__ in text:
                return
            away = next((who for who, faults in AWAY.items() if any(fault in text for fault in faults)), None)
            if away is None:
                if not isinstance(error, StreamingQueryException):
                    raise
                raise _in_a_sentence(error) from error
            now = time.monotonic()
            away_since = away_since or now
            if now - away_since > patience.total_seconds():
                raise SourceError(
                    f"{away} has been away for {patience.total_seconds():.0f} s; start it, and start the job again: it goes "
                    f"on where it stopped."
                ) from error
            log.warning("%s does not answer; trying again.", away)
            stop.asked.wait(2)


@contextmanager
def storage_told(lake: str) -> Iterator[None]:
    """Raise SourceError, in place of what Spark raises, where the lake's storage does not answer."""
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        if not any(fault in str(error) for fault in STORAGE_FAULTS):
            raise
        raise SourceError(
            f"The storage of {lake} does not answer; start the job again once it does: it goes on where it stopped."
        ) from error


def _stop_between_batches(query: StreamingQuery, limit_s: float = 120) -> None:
    """Stop a query once its running batch has ended, or after the limit: a replay repeats a batch without effect."""
    deadline = time.monotonic() + limit_s
    while query.isActive and query.status["isTriggerActive"] and time.monotonic() < deadline:
        time.sleep(0.05)
    query.stop()


def _in_a_sentence(error: StreamingQueryException) -> PaylakeError:
    """What failed, without the stack: our own sentence where the batch raised one."""
    text = str(error)
    for line in text.splitlines():
        for name in ("SourceError", "ContractError", "ControlError"):
            if f"paylake.errors.{name}: " in line:
                return SourceError(line.split(f"paylake.errors.{name}: ", 1)[1].strip())
    if "data may have been lost" in text or "OffsetOutOfRange" in text or "KAFKA_DATA_LOSS" in text:
        return SourceError(
            "Kafka no longer holds records that the stream has not read: its retention was shorter than the lag. Restore "
            "the topic, or accept the loss in writing and start with --recover --no-fail-on-data-loss."
        )
    return SourceError(f"The stream failed: {_raised(text) or text.strip().splitlines()[0][:500]}")


def _raised(text: str) -> str:
    """The exception at the end of a Python stack; empty where there is none."""
    _, _, stack = text.partition("Traceback (most recent call last):\n")
    return next((line[:500] for line in stack.splitlines() if line and not line[0].isspace()), "")


class Clockwork:
    """Writes ticks: as of the wall clock's time, the ends of the ledgers' topics were these (for a live stream)."""

    def __init__(self, kafka: KafkaSettings, every: timedelta) -> None:
        """Not ticking yet."""
        self.kafka = kafka
        self.every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="paylake-clock", daemon=True)

    def __enter__(self) -> Clockwork:
        """Start ticking."""
        self._thread.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        """Stop ticking."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.wait(self.every.total_seconds()):
            try:
                write_tick(self.kafka, as_of=datetime.now(UTC))
            except Exception as error:  # the broker may be away: the next tick says as much as the missed one
                log.warning("No tick was written (%s); trying again.", type(error).__name__)


def write_tick(kafka: KafkaSettings, as_of: datetime, closing: bool = False) -> Tick:
    """Ask the broker for the ends of the ledgers' topics, and say them on the clock topic."""
    from kafka import KafkaProducer

    from paylake.topics import end_offsets

    tick = Tick(as_of, end_offsets(kafka, list(TOPIC_LEDGERS)), closing)
    producer = KafkaProducer(**kafka.client_options(), acks="all")
    try:
        stamp_ms = int(as_of.timestamp() * 1000)
        producer.send(CLOCK, key=b"tick", value=tick.to_json().encode(), timestamp_ms=stamp_ms).get(timeout=30)
    finally:
        producer.close()
    return tick
