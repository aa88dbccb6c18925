"""The driver of the ledgers' stream: checkpoint and generation, ticks, recovery, maintenance, its own service level."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from paylake import claims, operations, streams, tables
from paylake.contracts import (
    LEDGER_ENTRIES,
    OPEN_ITEMS,
    OPERATIONS_RECONCILE_LEDGERS,
    QUARANTINE,
    RECONCILIATION_PARTIAL,
)
from paylake.contracts.topics import TOPIC_LEDGERS
from paylake.errors import PaylakeError, SourceError
from paylake.reconcile import BatchReport, Horizon, LedgerStream
from paylake.reconciliation.clock import Ends, later
from paylake.reconciliation.rules import Rules
from paylake.settings import KafkaSettings
from paylake.stream_upkeep import StreamUpkeep
from paylake.token_key import read_key
from paylake.topics import cluster_id, end_offsets, first_offsets

log = logging.getLogger(__name__)

FLUSH_OPERATIONS_S = 60
APPENDED = (LEDGER_ENTRIES, QUARANTINE, RECONCILIATION_PARTIAL, OPERATIONS_RECONCILE_LEDGERS)


@dataclass(frozen=True)
class Schedule(streams.Reading):
    """When the driver reads, ticks, maintains and gives up."""

    driver_ticks: bool = True
    tick_every: timedelta = timedelta(seconds=1)


@dataclass
class LedgerDriver:
    """One driver writes one lake's stream tables; a second one on the same tables would lose data (design decision 6)."""

    stream: LedgerStream
    kafka: KafkaSettings
    checkpoints: str
    on_batch: Callable[[BatchReport, float], None] = lambda report, seconds: None
    _ended: list[operations.Ended] = field(default_factory=list)
    _flushed_at: float = field(default_factory=time.monotonic)
    _schedule: Schedule = Schedule()

    def __post_init__(self) -> None:
        """What was kept up last is known to the process alone: each begins with all of it."""
        self._upkeep = StreamUpkeep(self.stream.spark, self.stream.lake, APPENDED, OPEN_ITEMS)

    @staticmethod
    def open(
        spark: SparkSession,
        kafka: KafkaSettings,
        lake: str,
        checkpoint: str,
        token_key: str,
        rules: Rules,
        horizon: Horizon,
    ) -> LedgerDriver:
        """The driver, with its tables created and its state taken from the lake."""
        stream = LedgerStream(spark, lake, rules, horizon, read_key(token_key))
        with streams.storage_told(lake):
            tables.create(spark, lake, OPEN_ITEMS)
            stream.claim = claims.of_this_process(spark, lake, OPEN_ITEMS)
            stream.load_state()
            tables.create(spark, lake, OPERATIONS_RECONCILE_LEDGERS)
        return LedgerDriver(stream, kafka, checkpoint or f"{lake.rstrip('/')}/checkpoints/reconcile_ledgers")

    @property
    def checkpoint(self) -> str:
        """The checkpoint of the generation: a new generation never reads an old one's."""
        return f"{self.checkpoints}/generation={self.stream.state.generation}"

    def recover(self) -> None:
        """Go on from the offsets of the last commit of `open_items`, with a new checkpoint.

        What appends wrote beyond that commit is removed, since the records will be read again; what the commit decided
        and did not yet say is said. Where `open_items` is lost too, it is made anew from raw history.
        """
        state = self.stream.state
        if self.stream.is_lost:
            self.stream.rebuild()
        elif state.batch < 0 and not state.ends:
            raise SourceError(f"The lake {self.stream.lake} holds no stream to recover; start it without --recover.")
        else:
            self.stream.next_generation()
        log.info("Recovering: generation %d goes on from the lake's offsets.", self.stream.state.generation)

    def run(self, schedule: Schedule) -> None:
        """Read until asked to stop; or, available now, what waits, then a closing tick and what it decides."""
        self._schedule = schedule
        if self.stream.is_lost:
            raise SourceError(
                f"The lake {self.stream.lake} has lost partial/open_items. Bring it back, or run "
                "`paylake stream --recover`, which makes it anew from raw history."
            )
        self._note_cluster(schedule.fail_on_data_loss)
        if not self.stream.state.ends:
            # the proof of the offsets counts from what the topics still held at the very first start
            starts = first_offsets(self.kafka, list(TOPIC_LEDGERS))
            self.stream.state = replace(self.stream.state, starts=starts)
        stop = streams.Stop().on_signals()
        plan = streams.StreamPlan(
            checkpoint=self.checkpoint,
            starting_offsets=self._starting_offsets(),
            max_offsets_per_trigger=schedule.max_offsets_per_trigger,
            interval=None if schedule.available_now else schedule.interval,
            fail_on_data_loss=schedule.fail_on_data_loss,
        )

        def query() -> StreamingQuery:
            return streams.start(self.stream.spark, self.kafka, plan, self._take, stop)

        with streams.storage_told(self.stream.lake):
            try:
                with ExitStack() as running:
                    if schedule.driver_ticks and not schedule.available_now:
                        running.enter_context(streams.Clockwork(self.kafka, schedule.tick_every))
                    streams.run_until_done(query, stop, schedule.patience)
                if schedule.available_now and not stop.asked.is_set():
                    self._close()
                    streams.run_until_done(query, stop, schedule.patience)
            except PaylakeError:
                if self.stream.claim is not None:  # it may have failed by what another driver wrote
                    self.stream.claim.check()
                raise
            finally:
                stop.restore()
                self._flush_operations()

    def _note_cluster(self, is_strict: bool) -> None:
        """Another cluster gives the same offsets to other records: the lake would skip some, and take others twice."""
        cluster, known = cluster_id(self.kafka), self.stream.state.cluster
        if known and cluster != known:
            said = (
                f"The lake {self.stream.lake} was read from the Kafka cluster {known}, and {self.kafka.bootstrap_servers} "
                f"is the cluster {cluster}, whose offsets count other records."
            )
            if is_strict:
                raise SourceError(f"{said} Name the lake's own cluster, or give the other one a lake of its own.")
            log.warning("%s It is read all the same, as --no-fail-on-data-loss says.", said)
        self.stream.state = replace(self.stream.state, cluster=cluster)

    def _starting_offsets(self) -> str:
        ends = self.stream.state.ends
        if not ends:
            return "earliest"
        return streams.offsets_json(ends, end_offsets(self.kafka, list(streams.READ_TOPICS)))

    def _close(self) -> None:
        """The closing tick: as of when everything that was read has waited its time out."""
        state, wait = self.stream.state, self.stream.horizon.missing_after
        known = [t.as_of for t in (*state.clock.counted, *state.clock.pending)]
        last = max(known) if known else datetime.now(UTC)
        streams.write_tick(self.kafka, as_of=last + wait, closing=True)

    def _take(self, records: DataFrame, batch: int, ends: Ends) -> None:
        began = time.monotonic()
        report = self.stream.process(records, batch, ends)
        seconds = time.monotonic() - began
        ended = operations.Ended(report, int(time.time() * 1000), int(seconds * 1000))
        self._ended.append(ended)
        self.on_batch(report, seconds)
        log.info("batch %d: %d records in %.1f s", batch, report.records, seconds)
        if time.monotonic() - self._flushed_at > FLUSH_OPERATIONS_S:
            self._flush_operations()
        if self._schedule.maintain_every and batch % self._schedule.maintain_every == self._schedule.maintain_every - 1:
            self.maintain()

    def _flush_operations(self) -> None:
        live = self._schedule.driver_ticks and not self._schedule.available_now
        if self._ended:
            self._ended[-1] = replace(self._ended[-1], lag=self._lag())
        rows = operations.minutes(self._ended, live)
        self._ended, self._flushed_at = [], time.monotonic()
        if rows:
            contract = OPERATIONS_RECONCILE_LEDGERS
            data = [tuple(row[name] for name in contract.columns) for row in rows]
            df = self.stream.spark.createDataFrame(data, contract.schema)
            tables.append(df, self.stream.lake, contract)

    def _lag(self) -> dict[str, int]:
        """Topic -> records that wait; warns where that is four fifths of all that it still holds."""
        topics = list(TOPIC_LEDGERS)
        try:
            ends, first = end_offsets(self.kafka, topics), first_offsets(self.kafka, topics)
        except SourceError as error:  # the figures can wait for a broker that is away
            log.warning("%s", error)
            return {}
        read = later(first, self.stream.state.ends)
        lag = {t: sum(end - read[t][p] for p, end in ends[t].items()) for t in topics}
        for topic, waiting in lag.items():
            held = sum(end - first[topic][p] for p, end in ends[topic].items())
            if waiting > 1000 and waiting > 0.8 * held:
                log.warning(
                    "%s: %d of the %d records that it holds are not read yet; its retention may take them.",
                    topic,
                    waiting,
                    held,
                )
        return lag

    def maintain(self) -> None:
        """Keep the stream's tables small, and erase who asked for it; SourceError where another driver has taken over."""
        if self.stream.claim is not None:
            self.stream.claim.check()
        self._upkeep.between_batches(datetime.now(UTC).date())
