"""One micro-batch of the ledgers' stream: records in; entries, open items and decisions out, each at most once.

The order of the writes carries the correctness (design decision 3). First the raw rows, which a replay repeats without
effect; while they are written, it is decided what they mean, which writes nothing. Then `open_items`, with what is open
and what this batch decided, in one commit whose metadata says so. Last the decisions, copied from that commit and never
computed again, so that no crash, changed setting or new release between two writes can lose a decision or make two.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from pyspark import inheritable_thread_target
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from paylake import tables
from paylake.claims import Claim
from paylake.columns.hashing import content_hash
from paylake.columns.identifiers import hmac_pads
from paylake.contracts import LEDGER_ENTRIES, OPEN_ITEMS, QUARANTINE, RECONCILIATION_PARTIAL
from paylake.contracts.table import FAILED_CHECKS
from paylake.contracts.topics import CLOCK, LEDGERS
from paylake.errors import SourceError
from paylake.indexes.comparison import latest_decisions
from paylake.payments.parsing import parse_records
from paylake.reconciliation import items
from paylake.reconciliation.clock import Clock, Ends, Tick, has_read
from paylake.reconciliation.decisions import decide, is_complete
from paylake.reconciliation.overdue import DUE_TYPE, due_by_ledger, is_overdue
from paylake.reconciliation.rules import Rules
from paylake.stream_state import StreamState

log = logging.getLogger(__name__)

CONTEXT_DDL = f"inner_pad binary, outer_pad binary, generation int, batch bigint, clock timestamp, due {DUE_TYPE}"

Step = Callable[[str], None]
"""Called after each named step of a batch, so that a test can crash there."""


@dataclass(frozen=True)
class Horizon:
    """How long the stream waits (`missing_after`), resolves late legs (`late_window`) and knows decisions (`remember`)."""

    missing_after: timedelta = timedelta(seconds=30)
    late_window: timedelta = timedelta(hours=24)
    remember: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class TopicCount:
    """What a batch read of a topic; arrivals are Kafka timestamps in epoch milliseconds (median, 5 %, 1 %)."""

    topic: str
    records: int
    rejected: int
    arrivals_ms: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class BatchReport:
    """What a batch did: records by topic, and the seconds of each step."""

    generation: int
    batch: int
    topics: tuple[TopicCount, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """Records of the ledgers' topics."""
        return sum(t.records for t in self.topics if t.topic != CLOCK)


@dataclass
class LedgerStream:
    """The stream's place in the lake and its state; `process` moves it on by one micro-batch."""

    spark: SparkSession
    lake: str
    rules: Rules
    horizon: Horizon
    token_key: bytes
    state: StreamState = field(default_factory=StreamState)
    after_step: Step = lambda step: None
    claim: Claim | None = None
    """The driver's right to commit; None where a test is the only driver."""
    _is_whole: bool = True
    """False from a batch's first write to its last: where it failed in between, only the lake knows how far it came."""
    is_lost: bool = False
    """The stream has written before, but `open_items` is gone: only `rebuild` may go on."""

    def load_state(self) -> StreamState:
        """Create the stream's tables where needed, and take the state from the last commit of `open_items`."""
        tables.create(self.spark, self.lake, LEDGER_ENTRIES, QUARANTINE, OPEN_ITEMS, RECONCILIATION_PARTIAL)
        if not self._take_state() and not tables.read(self.spark, self.lake, LEDGER_ENTRIES).isEmpty():
            self.is_lost = self._has_decided()
            if not self.is_lost:
                # the first batch of all died before it committed, and a new checkpoint may cut another first batch
                self.next_generation()
        return self.state

    def _has_decided(self) -> bool:
        """More was written than a first batch writes before its commit."""
        later_rows = tables.read(self.spark, self.lake, LEDGER_ENTRIES).where("generation > 1 OR batch > 0")
        return not (later_rows.isEmpty() and tables.read(self.spark, self.lake, RECONCILIATION_PARTIAL).isEmpty())

    def _take_state(self) -> bool:
        """Go by the last commit of `open_items`; False where there is none yet."""
        commit = tables.last_commit(self.spark, self.lake, OPEN_ITEMS)
        if commit.metadata is None:
            return False
        self.state = StreamState.from_metadata(commit.metadata)
        return True

    def process(self, records: DataFrame, batch: int, ends: Ends) -> BatchReport:
        """Take one micro-batch, whose records end before `ends`; a batch that was taken already only says its decisions.

        Raises SourceError where the batch does not follow the lake's state: then another checkpoint wrote to it.
        """
        timer = Timer(self.after_step)
        if self.claim is not None:
            self.claim.check()
        if not self._is_whole:  # a retry of the same query: same checkpoint, same generation
            self._take_state()
        self._is_whole = False
        if self.state.batch == batch and has_read(ends, self.state.ends) and has_read(self.state.ends, ends):
            self._append_decisions(batch)
            timer.step("decisions appended")
            self._is_whole = True
            return BatchReport(self.state.generation, batch, (), timer.seconds)
        if self.state.batch != batch - 1:
            raise SourceError(
                f"Batch {batch} of the checkpoint does not follow batch {self.state.batch} of {self.lake}: checkpoint and "
                f"lake do not belong together. Run `paylake stream --recover` to go on from the lake's offsets."
            )
        context = self._context(batch, self.state.clock)
        parsed = parse_records(records.crossJoin(F.broadcast(context))).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            topics, ticks = _summary(parsed)
            timer.step("records parsed")
            clock = self.state.clock.advance(ticks, ends, self.horizon.missing_after)
            ledgers = [t for t in topics if t.topic != CLOCK]
            has_entries, has_rejected = any(t.records > t.rejected for t in ledgers), any(t.rejected for t in ledgers)
            entries, rejected = _accepted(parsed) if has_entries else None, _rejected(parsed) if has_rejected else None
            state = self.state.after(batch, ends, clock, self.rules.version)
            with ThreadPoolExecutor(1) as beside:
                append = inheritable_thread_target(self.spark)(self._append_records)
                appended = beside.submit(append, entries, rejected, batch, timer)
                # computed once, for both writes; a cached frame would be computed again, since the first makes it stale
                decided = self._decide(entries, batch, state).localCheckpoint()
                appended.result()
            timer.step("items decided")
            self._commit_items(decided.coalesce(1), state)
            timer.step("items committed")
            self.state = state
            self._append_decisions(batch, decided)
            timer.step("decisions appended")
        finally:
            parsed.unpersist()
        self._is_whole = True
        return BatchReport(self.state.generation, batch, tuple(topics), timer.seconds)

    def _commit_items(self, items: DataFrame, state: StreamState) -> None:
        """The commit that decides; Delta leaves it out where another driver has claimed the stream, and the claim tells."""
        txn = None if self.claim is None else self.claim.next_txn()
        tables.overwrite(items, self.lake, OPEN_ITEMS, state.to_metadata(), txn)
        if self.claim is not None:
            self.claim.check()

    def _append_records(self, entries: DataFrame | None, rejected: DataFrame | None, batch: int, timer: Timer) -> None:
        """The raw rows, where there are any: an append of nothing would be a commit all the same."""
        if entries is not None:
            tables.append(entries, self.lake, LEDGER_ENTRIES, self._txn(LEDGER_ENTRIES.name, batch))
        timer.step("entries appended")
        if rejected is not None:
            tables.append(rejected, self.lake, QUARANTINE, self._txn(QUARANTINE.name, batch))
        timer.step("quarantine appended")

    def _txn(self, table: str, batch: int) -> tables.Txn:
        return tables.Txn(f"{table}/reconcile_ledgers/{self.state.generation}", batch)

    def _context(self, batch: int, clock: Clock) -> DataFrame:
        """One row with what changes from batch to batch.

        A column and not a literal: the generated code stays the same for every batch, and no plan shows the key.
        """
        inner, outer = hmac_pads(self.token_key)
        due = due_by_ledger(clock.due(self.horizon.missing_after))
        row = (bytearray(inner), bytearray(outer), self.state.generation, batch, clock.now, due)
        return self.spark.createDataFrame([row], CONTEXT_DDL)

    def _decide(self, entries: DataFrame | None, batch: int, state: StreamState) -> DataFrame:
        open_items = tables.read(self.spark, self.lake, OPEN_ITEMS).where("is_open")
        partial_items = items.from_state(open_items)
        if entries is not None:
            fresh = items.from_entries(entries)
            partial_items = fresh.unionByName(partial_items)
            # from the clock before the batch: a batch may move it by hours, as when it catches up
            remembered = self._remembered(entries, self.state.clock)
            if remembered is not None:
                partial_items = partial_items.unionByName(items.from_state(remembered))
        return self._judged(partial_items, batch, state)

    def _judged(self, partial_items: DataFrame, batch: int, state: StreamState) -> DataFrame:
        """What is open, and what is decided anew, once these parts of items are combined."""
        context = self._context(batch, state.clock).select("generation", "batch", "clock", "due")
        combined = items.combine(partial_items).crossJoin(F.broadcast(context))
        # what was declared missing stays so until its leg comes, also under a longer deadline
        waited_out = is_overdue() | (F.col("missing_since").isNotNull() & ~is_complete())
        decided = decide(combined.withColumn("is_overdue", waited_out), self.rules)
        return with_stream_columns(decided, self.horizon).transform(only_open_or_decided)

    def _remembered(self, entries: DataFrame, clock: Clock) -> DataFrame | None:
        """Decisions of the last while on transactions that the batch names again; None where there are none.

        Only the key column of the last while is scanned; the wide rows are read only for the few batches that hold hits.
        """
        closed = tables.read(self.spark, self.lake, RECONCILIATION_PARTIAL).where("NOT is_open")
        if clock.now is not None:
            # whole minutes: a literal that changes with every batch would have the scan compiled anew each time
            since = (clock.now - self.horizon.remember).replace(second=0, microsecond=0)
            closed = closed.where(F.col("decided_at").isNull() | (F.col("decided_at") >= F.lit(since)))
        named = entries.select("transaction_id")
        hits = closed.join(F.broadcast(named), "transaction_id", "left_semi")
        keys = hits.select("transaction_id", "generation", "batch", "ingest_date")
        found = keys.agg(
            F.count("*").alias("n"), F.min("batch").alias("low"), F.max("batch").alias("high"),
            F.min("ingest_date").alias("first"), F.max("ingest_date").alias("last"),
        ).first()  # fmt: skip
        assert found is not None
        if not found["n"]:
            return None
        latest = keys.groupBy("transaction_id").agg(F.max(F.struct("generation", "batch")).alias("at"))
        latest = latest.select("transaction_id", "at.generation", "at.batch")
        near = closed.where(_between("batch", found["low"], found["high"])).where(
            _between("ingest_date", found["first"], found["last"])
        )
        return near.join(F.broadcast(latest), ["transaction_id", "generation", "batch"], "left_semi")

    def rebuild(self) -> None:
        """Make `open_items` anew from raw history, where it is lost, and go on from there with a new generation.

        What is incomplete waits again, until ticks say that it has waited long enough. A decision that
        `reconciliation_partial` still holds is not said again.
        """
        starts, ends = self._whole_history()
        entries, partial, nothing = (
            tables.read(self.spark, self.lake, contract) for contract in (LEDGER_ENTRIES, RECONCILIATION_PARTIAL, OPEN_ITEMS)
        )
        generations = entries.select("generation").unionByName(partial.select("generation"))
        used = generations.agg(F.max("generation").alias("n")).first()
        assert used is not None
        self.state = StreamState((used["n"] or 0) + 1, 0, starts, ends, Clock(), self.rules.version)
        said = items.from_state(latest_decisions(partial, nothing))
        judged = self._judged(items.from_entries(entries).unionByName(said), 0, self.state)
        self._commit_items(judged.localCheckpoint(), self.state)
        self.next_generation()
        self.is_lost = False

    def _whole_history(self) -> tuple[Ends, Ends]:
        """The first offsets that raw history holds, and those before which it holds everything.

        A last batch with a gap may have died between its two appends: it is removed, and read again as a whole.
        """
        place = ("topic", "partition", "offset", "generation", "batch")
        raw = [tables.read(self.spark, self.lake, contract).select(*place) for contract in (LEDGER_ENTRIES, QUARANTINE)]
        places = raw[0].unionByName(raw[1]).localCheckpoint()
        last = places.agg(F.max(F.struct("generation", "batch")).alias("at")).first()
        assert last is not None
        generation, batch = last["at"]
        is_last = (F.col("generation") == generation) & (F.col("batch") == batch)
        found = places.groupBy("topic", "partition").agg(
            F.min("offset").alias("first"), F.max("offset").alias("last"), F.count_if(is_last).alias("n"),
            F.coalesce(F.max(F.when(~is_last, F.col("offset"))), F.min("offset") - 1).alias("before"),
        ).collect()  # fmt: skip
        is_torn = any(r["n"] and r["n"] != r["last"] - r["before"] for r in found)
        if is_torn:
            for contract in (LEDGER_ENTRIES, QUARANTINE):
                tables.delete_where(self.spark, self.lake, contract, f"generation = {generation} AND batch = {batch}")
        starts: dict[str, dict[int, int]] = {}
        ends: dict[str, dict[int, int]] = {}
        for r in found:
            starts.setdefault(r["topic"], {})[r["partition"]] = r["first"]
            ends.setdefault(r["topic"], {})[r["partition"]] = r["before" if is_torn else "last"] + 1
        return starts, ends

    def next_generation(self) -> None:
        """Go on with a new checkpoint: say what was decided, remove what was appended beyond it, and commit the new state.

        The commit makes the generation's number, and with it the names of its transactions, one that nobody used before.
        """
        if self.state.batch >= 0:
            self._append_decisions(self.state.batch)
        beyond = (
            f"generation > {self.state.generation} OR (generation = {self.state.generation} AND batch > {self.state.batch})"
        )
        for contract in (LEDGER_ENTRIES, QUARANTINE):
            tables.delete_where(self.spark, self.lake, contract, beyond)
        self.state = self.state.next_generation()
        waiting = tables.read(self.spark, self.lake, OPEN_ITEMS).where("is_open").withColumn("is_decided", F.lit(False))
        self._commit_items(waiting.coalesce(1), self.state)

    def _append_decisions(self, batch: int, items: DataFrame | None = None) -> None:
        """Say what the last commit of `open_items` decided; a second time has no effect."""
        items = tables.read(self.spark, self.lake, OPEN_ITEMS) if items is None else items
        decided = items.where("is_decided")
        decided = decided.withColumn("ingest_date", F.to_date("last_recorded_at"))
        tables.append(decided, self.lake, RECONCILIATION_PARTIAL, self._txn(RECONCILIATION_PARTIAL.name, batch))


@dataclass
class Timer:
    """Seconds per named step."""

    after_step: Step
    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.monotonic)

    def step(self, name: str) -> None:
        """The step of this name is done."""
        now = time.monotonic()
        self.seconds[name] = now - self._last
        self._last = now
        self.after_step(name)


def with_stream_columns(decided: DataFrame, horizon: Horizon) -> DataFrame:
    """The decided items with the stream's own columns: is it new, is it open, is it late, which version is it."""
    said = [f"{ledger}_{part}" for ledger in LEDGERS for part in ("amount", "currency", "status", "at", "is_duplicated")]
    said += ["described_by", *items.FACTS]
    is_settled = F.col("status") != "PENDING"
    late_s = int(horizon.late_window.total_seconds())
    gives_up = F.col("clock") >= F.timestamp_add("SECOND", F.lit(late_s), F.col("missing_since"))
    return (
        decided.withColumns({
            "prior_hash": F.col("decision_hash"),
            "prior_missing_since": F.col("missing_since"),
        })
        .withColumns({
            "decision_hash": F.when(is_settled, content_hash("status", "kind", "reasons", *said)),
            "missing_since": F.coalesce("missing_since", F.when(F.col("is_overdue"), F.col("clock"))),
            "is_late": F.coalesce("is_late", F.lit(False)) | (is_complete() & F.col("prior_missing_since").isNotNull()),
        })
        .withColumn("is_decided", is_settled & ~F.col("decision_hash").eqNullSafe(F.col("prior_hash")))
        .withColumns({
            "is_open": ~is_complete() & ~F.coalesce(gives_up, F.lit(False)),
            "version": F.coalesce("version", F.lit(0)) + F.col("is_decided").cast("int"),
            "decided_at": F.when(F.col("is_decided"), F.col("clock")).otherwise(F.col("decided_at")),
        })
    )  # fmt: skip


def only_open_or_decided(decided: DataFrame) -> DataFrame:
    """The rows that stay in `open_items`.

    The partition number is not deterministic to the optimiser, which therefore leaves the filter where it stands. Pushed
    down, it would repeat the whole decision once per use, as a plan of five megabytes (measured: 20 s per batch).
    """
    held = decided.withColumn("_partition", F.spark_partition_id())
    return held.where((F.col("is_open") | F.col("is_decided")) & (F.col("_partition") >= 0))


def _between(column: str, low: int | date | datetime, high: int | date | datetime) -> Column:
    return F.col(column).between(F.lit(low), F.lit(high))


def _accepted(parsed: DataFrame) -> DataFrame:
    return parsed.where((F.col("topic") != CLOCK) & (F.size(FAILED_CHECKS) == 0))


def _rejected(parsed: DataFrame) -> DataFrame:
    return parsed.where((F.col("topic") != CLOCK) & (F.size(FAILED_CHECKS) > 0))


def _summary(parsed: DataFrame) -> tuple[list[TopicCount], list[Tick]]:
    """The counts by topic, and the ticks; this first action also fills the cache that the writes read."""
    is_tick = F.col("topic") == CLOCK
    arrivals = F.percentile_approx(F.unix_millis("arrived_at"), [0.5, 0.05, 0.01], 1000)
    rows = (
        parsed.groupBy("topic")
        .agg(
            F.count("*").alias("records"),
            F.count(F.when(F.size(FAILED_CHECKS) > 0, 1)).alias("rejected"),
            arrivals.alias("arrivals"),
            # a tick has no source, so the parser rejects it, and keeps its text
            F.collect_list(F.when(is_tick, F.col("payload"))).alias("ticks"),
        )
        .collect()
    )
    rows.sort(key=lambda row: str(row["topic"]))
    ticks: list[Tick] = []
    for text in (text for row in rows for text in row["ticks"]):
        try:
            ticks.append(Tick.from_json(text))
        except SourceError as error:
            log.warning("%s", error)
    counts = [TopicCount(r["topic"], r["records"], r["rejected"], tuple(r["arrivals"])) for r in rows]
    return counts, ticks
