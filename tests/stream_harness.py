"""An in-memory Kafka for the ledgers' stream: a log of records and ticks, readers that slice it, crashes at named steps."""

from __future__ import annotations

import json
import shutil
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType, IntegerType, LongType

from paylake import tables
from paylake.contracts import CONTROL_TOTALS, OPEN_ITEMS, RECONCILIATION_PARTIAL
from paylake.contracts.table import TableContract
from paylake.contracts.topics import CLOCK, LEDGER_TOPICS, LEDGERS, TOPIC_LEDGERS
from paylake.indexes.comparison import latest_decisions
from paylake.indexes.control_totals import parse_control_totals
from paylake.nightly import Run, build_batch_index, build_final_aggregate
from paylake.quality import audit, findings
from paylake.reconcile import BatchReport, Horizon, LedgerStream
from paylake.reconciliation.clock import Ends, Tick
from paylake.reconciliation.rules import Rules
from paylake.simulation import FaultRates, Plan, generate
from tests.builders import NOON, RECORD

KEY = b"a key for tests only"
STEPS = ("records parsed", "entries appended", "quarantine appended", "items committed", "decisions appended")
KAFKA_ARROW = pa.schema(
    [
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True)
class Record:
    """A record as Kafka stores it, and what its source says that it booked with it (None: nothing new)."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    key: bytes
    value: bytes | None
    booking: tuple[str, str, datetime, Decimal] | None = None


@dataclass
class Log:
    """What the topics hold, in order of arrival."""

    partitions: int = 2
    records: list[Record] = field(default_factory=list)
    _next: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    _booked: set[tuple[str, str, str, Decimal]] = field(default_factory=set)

    def send(self, topic: str, value: bytes | None, at: datetime, key: bytes = b"", *, partition: int | None = None,
             booking: tuple[str, str, datetime, Decimal] | None = None) -> Record:  # fmt: skip
        """Append a record to its partition, which the key gives unless told otherwise."""
        if partition is None:
            partition = 0 if topic == CLOCK else zlib.crc32(key) % self.partitions
        offset = self._next[topic, partition]
        self._next[topic, partition] = offset + 1
        self.records.append(Record(topic, partition, offset, at, key, value, booking))
        return self.records[-1]

    def post(self, ledger: str, transaction_id: str = "t1", amount: str = "100.00", *, at: datetime | str = NOON,
             arrives: datetime | None = None, partition: int | None = None, damaged: bytes | None = None,
             **fields: Any) -> Record:  # fmt: skip
        """A ledger's record. The source counts a transaction's amount and currency once, also where it arrives `damaged`."""
        booked_at = datetime.fromisoformat(at) if isinstance(at, str) else at
        content = {
            **RECORD, "transaction_id": transaction_id, "amount": amount,
            "timestamp": at if isinstance(at, str) else at.isoformat(), **fields,
        }  # fmt: skip
        posting = (ledger, transaction_id, content["currency"], Decimal(amount))
        booking = None if posting in self._booked else (ledger, content["currency"], booked_at, Decimal(amount))
        self._booked.add(posting)
        value = json.dumps(content).encode() if damaged is None else damaged
        key = transaction_id.encode()
        return self.send(LEDGER_TOPICS[ledger], value, arrives or booked_at, key, partition=partition, booking=booking)

    def pay(self, transaction_id: str, *, without: Sequence[str] = (), **parts: Any) -> None:
        """All three legs alike, but for the ledgers it is `without`."""
        for ledger in LEDGERS:
            if ledger not in without:
                self.post(ledger, transaction_id, **parts)

    def ends(self) -> dict[str, dict[int, int]]:
        """Where the ledgers' topics end now."""
        return {topic: {p: self._next[topic, p] for p in range(self.partitions)} for topic in TOPIC_LEDGERS}

    def tick(self, as_of: datetime, *, closing: bool = False) -> Record:
        """Say on the clock topic that the topics end here."""
        return self.send(CLOCK, Tick(as_of, self.ends(), closing).to_json().encode(), as_of, b"tick")

    def controls(self) -> list[tuple[str, str, datetime, int, Decimal]]:
        """What the sources say they booked: source, currency, hour, records, amount."""
        records: Counter[tuple[str, str, datetime]] = Counter()
        amounts: dict[tuple[str, str, datetime], Decimal] = defaultdict(Decimal)
        for source, currency, at, amount in (r.booking for r in self.records if r.booking):
            hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            records[source, currency, hour] += 1
            amounts[source, currency, hour] += amount
        return [(*key, n, amounts[key]) for key, n in sorted(records.items())]

    def close(self) -> Record:
        """The closing tick, as the driver writes it: after everything has waited its time out."""
        ticks = [Tick.from_json(r.value.decode()).as_of for r in self.records if r.topic == CLOCK and r.value]
        return self.tick((max(ticks) if ticks else NOON) + Horizon().missing_after, closing=True)


@dataclass
class Reader:
    """A consumer's place in the log. Every batch ends at the offsets it says, whatever it left unread."""

    log: Log
    position: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def take(self, most: int | None = None, *, leaving: Iterable[tuple[str, int]] = ()) -> tuple[list[Record], Ends]:
        """The next records in order of arrival, at most so many, but for the partitions that answer too slowly."""
        slow = set(leaving)
        waiting = [
            r
            for r in self.log.records
            if r.offset >= self.position[r.topic, r.partition] and (r.topic, r.partition) not in slow
        ]
        taken = waiting[:most]
        for r in taken:
            self.position[r.topic, r.partition] = r.offset + 1
        return taken, self.ends()

    def ends(self) -> Ends:
        """The offsets before which this reader has read everything."""
        return {t: {p: self.position[t, p] for p in range(self.log.partitions)} for t in TOPIC_LEDGERS}

    @staticmethod
    def at(log: Log, ends: Ends, clock: int = 0) -> Reader:
        """A reader that goes on from given offsets, as a new checkpoint does."""
        position = {(topic, p): o for topic, parts in ends.items() for p, o in parts.items()}
        return Reader(log, defaultdict(int, {**position, (CLOCK, 0): clock}))


class Crash(Exception):
    """The process is gone."""


def frame_of(spark: SparkSession, records: Sequence[Record]) -> DataFrame:
    """Records as Kafka's source gives them."""
    columns = {name: [getattr(r, name) for r in records] for name in KAFKA_ARROW.names}
    return spark.createDataFrame(pa.table(columns, schema=KAFKA_ARROW))


def open_stream(spark: SparkSession, lake: str, rules: Rules | None = None, horizon: Horizon | None = None) -> LedgerStream:
    """A new process on the lake: nothing is known but what the lake says."""
    stream = LedgerStream(spark, lake, rules or Rules(), horizon or Horizon(), KEY)
    stream.load_state()
    return stream


def feed(stream: LedgerStream, records: Sequence[Record], ends: Ends, batch: int | None = None) -> BatchReport:
    """One micro-batch; the next one, unless the checkpoint says another number."""
    number = stream.state.batch + 1 if batch is None else batch
    return stream.process(frame_of(stream.spark, records), number, ends)


def run(stream: LedgerStream, log: Log, batch_sizes: Iterable[int] | None = None, reader: Reader | None = None) -> None:
    """Feed what the reader has not read, in batches of these sizes, over and over; in one batch where none is given."""
    reader = reader or Reader(log)
    sizes: Iterator[int | None] = cycle(batch_sizes) if batch_sizes else count(len(log.records))  # type: ignore[assignment]
    while any(r.offset >= reader.position[r.topic, r.partition] for r in log.records):
        feed(stream, *reader.take(next(sizes)))


def crash(stream: LedgerStream, step: str, records: Sequence[Record], ends: Ends) -> None:
    """Feed a micro-batch to a process that dies right after the step."""

    def die(name: str) -> None:
        if name == step:
            raise Crash(step)

    stream.after_step = die
    try:
        feed(stream, records, ends)
    except Crash:
        return
    raise AssertionError(f"there is no step {step!r}")


def latest(spark: SparkSession, lake: str) -> DataFrame:
    """One row per transaction: what the stream says of it now."""
    return latest_decisions(tables.read(spark, lake, RECONCILIATION_PARTIAL), tables.read(spark, lake, OPEN_ITEMS))


def state_hash(spark: SparkSession, lake: str) -> tuple[int, str]:
    """An order-free hash of what the stream says now, but for how it learned it."""
    return tables.content_hash(latest(spark, lake), RECONCILIATION_PARTIAL.content_columns)


def write_controls(spark: SparkSession, lake: str, totals: Iterable[tuple[str, str, datetime, int, Decimal]]) -> None:
    """The sources' own totals, by way of the statements in which they publish them."""
    statements = [
        {"source": s, "currency": c, "hour": hour.isoformat(), "records": n, "amount": str(amount)}
        for s, c, hour, n, amount in totals
    ]
    write_statements(spark, lake, [json.dumps(s).encode() for s in statements])


def write_statements(spark: SparkSession, lake: str, values: Sequence[bytes]) -> None:
    """Take over control totals as the topic carries them, in place of those that are there."""
    tables.create(spark, lake, CONTROL_TOTALS)
    columns = {"value": pa.array(values, pa.binary()), "offset": pa.array(range(len(values)), pa.int64())}
    tables.overwrite(parse_control_totals(spark.createDataFrame(pa.table(columns))).accepted, lake, CONTROL_TOTALS)


def copied(lake: str, place: Path) -> str:
    """A copy of a lake, to be harmed or continued apart."""
    shutil.copytree(lake, place)
    return str(place)


@dataclass(frozen=True)
class Simulated:
    """A simulated day in a lake: streamed up to the closing tick, with control totals, before any nightly run."""

    lake: str
    log: Log
    truth: Mapping[str, Mapping[str, Any]]
    business_date: date


_SIMULATED: dict[Path, Simulated] = {}

PLAN = Plan(
    payments=1500,
    seed=11,
    chaos=0.4,
    currencies="mix",
    tick_every=timedelta(minutes=15),
    faults=FaultRates(duplicates=0.1, disorder=0.2, lateness=0.05, malformed=0.03),
)


def simulated(spark: SparkSession, root: Path) -> Simulated:
    """The simulated day, made once per run of the tests; nobody may write to its lake."""
    if root not in _SIMULATED:
        lake, log, truth, statements = str(root / "simulated"), Log(), {}, []
        for chunk in generate(PLAN):
            for row in chunk.deliveries.to_pylist():
                log.send(row["topic"], row["value"], row["timestamp"], row["key"])
            truth |= {row["transaction_id"]: row for row in chunk.payments.to_pylist()}
            statements += [total.value for total in chunk.controls]
            log.tick(chunk.as_of)
        log.close()
        run(open_stream(spark, lake), log, [1700])
        write_statements(spark, lake, statements)
        _SIMULATED[root] = Simulated(lake, log, truth, PLAN.start.date())
    return _SIMULATED[root]


_PUBLISHED: dict[Path, tuple[Simulated, list[Run]]] = {}


def simulated_and_published(spark: SparkSession, root: Path) -> tuple[Simulated, list[Run]]:
    """A copy of the simulated day with the nightly runs of its date and of the next one; nobody may write to its lake."""
    if root not in _PUBLISHED:
        day = simulated(spark, root)
        lake, runs = copied(day.lake, root / "published"), []
        for n in range(2):
            at = day.business_date + timedelta(days=n)
            build_batch_index(spark, lake, at, Rules(), Horizon().missing_after)
            runs.append(build_final_aggregate(spark, lake, at, datetime(2026, 1, 18, n, tzinfo=UTC)))
        _PUBLISHED[root] = replace(day, lake=lake), runs
    return _PUBLISHED[root]


def versions_of(spark: SparkSession, lake: str, transaction_id: str) -> list[tuple[int, str, str | None, bool]]:
    """What the stream has said of a transaction: version, status, kind, whether it was late."""
    rows = tables.read(spark, lake, RECONCILIATION_PARTIAL).where(F.col("transaction_id") == transaction_id)
    return [
        (r["version"], r["status"], r["kind"], r["is_late"])
        for r in rows.orderBy("generation", "batch").select("version", "status", "kind", "is_late").collect()
    ]


def assert_as_promised(spark: SparkSession, lake: str, contract: TableContract) -> None:
    """The table on disk is what its contract says: columns, types, words, partitions, reader, and every check."""
    place = tables.location(lake, contract)
    on_disk = spark.read.format("delta").load(place)
    described = [(f.name, f.dataType.simpleString(), f.metadata.get("comment")) for f in on_disk.schema]
    promised = [(f.name, f.type.simpleString(), f.doc.replace("'", "’")) for f in contract.fields]
    assert described == promised
    detail = spark.sql(f"DESCRIBE DETAIL delta.`{place}`").first()
    assert detail is not None
    assert (detail["minReaderVersion"], detail["partitionColumns"]) == (1, list(contract.partition_by))
    (audited,) = audit(on_disk, contract).collect()
    assert findings(audited, contract) == ()


def assert_equal_sums(spark: SparkSession, lake: str, contract: TableContract) -> None:
    """Rows, and the sum of every number, as delta-rs reads them, are those that Spark reads."""
    from deltalake import DeltaTable

    numbers = [f.name for f in contract.fields if isinstance(f.type, DecimalType | LongType | IntegerType)]
    df = spark.read.format("delta").load(tables.location(lake, contract))
    sums = [F.sum(F.col(name).cast("decimal(38,4)")).alias(name) for name in numbers]
    by_spark = df.agg(F.count("*").alias("rows_"), *sums).first()
    assert by_spark is not None
    table = DeltaTable(tables.location(lake, contract)).to_pyarrow_table()
    assert table.schema.names == list(contract.columns)
    found = {name: sum(v for v in table[name].to_pylist() if v is not None) for name in numbers}
    assert {"rows_": len(table), **found} == {k: v if v is not None else 0 for k, v in by_spark.asDict().items()}
    assert len(table) > 0
