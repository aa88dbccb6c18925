"""Records of long ago: landed as Parquet without card numbers, and replayed to the ledgers' topics later.

`<landing>/<topic>/event_date=…/file=…` holds the records of one file that were booked on a date; those that were rejected
lie apart, under `event_date=rejected`. A file counts as landed once `<landing>/_files/<SHA-256>.json` says so, and its day
as replayed to a cluster once `<landing>/_replayed/<cluster>/<date>/<SHA-256>.json` does: each is written last, so that
whatever was interrupted is done again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from functools import reduce
from itertools import chain

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, DataType, DecimalType, DoubleType, FloatType, StringType, TimestampType

from paylake import storage
from paylake.columns.identifiers import hmac_pads
from paylake.contracts.topics import CONTROLS, LEDGER_TOPICS
from paylake.errors import ContractError, SourceError
from paylake.indexes.control_totals import landed_totals
from paylake.payments.landing import REJECTED, dated, iso_text, landed
from paylake.payments.parsing import RECORD, parse_history
from paylake.settings import KafkaSettings
from paylake.storage import Stored
from paylake.topics import cluster_id, end_offsets

log = logging.getLogger(__name__)

CONTROL_TOTALS = "controls"
SOURCES: dict[str, str] = {**LEDGER_TOPICS, CONTROL_TOTALS: CONTROLS}
"""What a file may hold (a ledger's records, or the ledgers' control totals) -> the topic that it is for."""

LINES, PARQUET = (".json", ".jsonl", ".ndjson"), ".parquet"
COMPRESSED = (".gz", ".bz2", ".zst")
SLICE_RECORDS = 250_000
"""Records that one task sorts by booking time and sends."""
LANDED_DDL = "key binary, value binary, booked_at timestamp, line bigint, event_date string, file string"
SINK_OPTIONS = {
    "kafka.acks": "all",
    "kafka.linger.ms": "20",
    "kafka.batch.size": "524288",
    "kafka.buffer.memory": "134217728",
}


@dataclass(frozen=True)
class LandedFile:
    """What landed of a file: its records by date, those that were rejected, and when its records were booked."""

    name: str
    sha256: str
    topic: str
    blank: int
    records: int
    rejected: int
    days: dict[str, int] = field(default_factory=dict)
    """Booking date -> records, the rejected ones included."""
    filed_at: str | None = None
    """Under which time a record that names none is filed."""
    landed_at: str = ""
    is_new: bool = True


@dataclass(frozen=True)
class ReplayedDay:
    """What of a booking date was sent: its files, and how many records; nothing where all had been sent before."""

    day: date
    files: int
    records: int


@dataclass(frozen=True)
class Landing:
    """A landing zone, and how records land in it."""

    spark: SparkSession
    root: str
    token_key: bytes
    since: datetime
    until: datetime
    filed_on: date | None = None
    """The booking date of records that name none; without it, the middle of their file's booking times."""

    def land(self, paths: Sequence[str], source: str, now: datetime) -> Iterator[LandedFile]:
        """Land files and folders of one ledger, file by file; one that was landed before is only named.

        Raises SourceError for what is no file of records, cannot be read, or was landed as another ledger's.
        """
        found = list(chain.from_iterable(storage.files(self.spark, path) for path in paths))
        for file in found:
            kind_of(file)
        known, topic = storage.names(self.spark, f"{self.root}/_files"), SOURCES[source]
        for file in found:
            sha256 = storage.sha256(self.spark, file.path)
            if sha256 in known:
                before = LandedFile(**storage.read_json(self.spark, f"{self.root}/_files/{sha256}.json"))
                if before.records and before.topic != topic:
                    raise SourceError(f"{file.path} was landed before, for {before.topic}; a file is of one ledger only.")
                yield LandedFile(file.name, sha256, topic, 0, before.records, before.rejected, is_new=False)
                continue
            done = self._land(file, sha256, topic, now)
            known.add(sha256)
            yield done

    def _land(self, file: Stored, sha256: str, topic: str, now: datetime) -> LandedFile:
        # what an interrupted landing of the same file has left
        storage.remove(self.spark, f"{self.root}/{topic}/event_date=*/file={sha256}")
        seen = Observation("read")
        try:
            lines = self._read(file).observe(seen, F.count("*").alias("lines"), F.count_if(~_is_record()).alias("blank"))
            rows = self._landed(lines.where(_is_record()), topic)
            _write(rows.withColumn("file", F.lit(sha256)), f"{self.root}/{topic}")
        except (PySparkException, Py4JJavaError) as error:
            raise SourceError(
                f"{file.path} cannot be read to its end ({_sentence(error)}); nothing of it counts as landed."
            ) from error
        said = self._counted(file, sha256, topic, seen.get["blank"], now)
        if said.records + said.blank != seen.get["lines"]:
            raise ContractError(
                f"{file.path} has {seen.get['lines']:,} lines, but {said.records:,} landed and {said.blank:,} are blank; "
                "nothing of it counts as landed: land it again."
            )
        storage.write_json(self.spark, f"{self.root}/_files/{sha256}.json", asdict(said))
        return said

    def _read(self, file: Stored) -> DataFrame:
        """One row per line or Parquet row: the bytes of its record."""
        if kind_of(file) == PARQUET:
            rows = self.spark.read.parquet(file.path)
            return rows.select(as_record(rows, file.path).cast("binary").alias("value"))
        return self.spark.read.text(file.path, lineSep="\n").select(F.col("value").cast("binary").alias("value"))

    def _landed(self, lines: DataFrame, topic: str) -> DataFrame:
        numbered = lines.withColumns({"line": F.monotonically_increasing_id(), "topic": F.lit(topic)})
        if topic == CONTROLS:
            return landed_totals(numbered)
        # a column and not a literal: no plan shows the key
        pads = F.broadcast(
            self.spark.createDataFrame(
                [[bytearray(p) for p in hmac_pads(self.token_key)]], "inner_pad binary, outer_pad binary"
            )
        )
        nowhere = {"partition": F.lit(0), "generation": F.lit(0), "batch": F.lit(0).cast("bigint")}
        records = numbered.withColumnRenamed("line", "offset").withColumns(
            {**nowhere, "timestamp": F.lit(None).cast("timestamp")}
        )
        parsed = parse_history(records.crossJoin(pads), self.since, self.until)
        return landed(parsed.crossJoin(pads))

    def _counted(self, file: Stored, sha256: str, topic: str, blank: int, now: datetime) -> LandedFile:
        """What lies there of a file now."""
        found = _landed_rows(self.spark, self.root, topic, [f"event_date=*/file={sha256}"])
        if found is None:
            return LandedFile(file.name, sha256, topic, blank, 0, 0, landed_at=now.isoformat())
        is_rejected = F.col("event_date") == REJECTED
        of_day = found.groupBy(F.to_date("booked_at").cast("string").alias("day")).agg(
            F.count("*").alias("records"), F.count_if(is_rejected).alias("rejected")
        )
        middle = found.agg(F.timestamp_micros(F.percentile_approx(F.unix_micros("booked_at"), 0.5, 100)).alias("at"))
        row = middle.select(iso_text(F.col("at")).alias("at"), F.to_date("at").cast("string").alias("day")).first()
        assert row is not None
        counts = of_day.collect()
        if self.filed_on is not None:
            filed_at, filed_on = f"{self.filed_on}T12:00:00+00:00", str(self.filed_on)
        elif row["at"]:
            filed_at, filed_on = row["at"], row["day"]
        else:  # no booking time in the whole file
            filed_at, filed_on = now.isoformat(), f"{now:%Y-%m-%d}"
        days: dict[str, int] = {}
        for r in counts:
            day = r["day"] or filed_on
            days[day] = days.get(day, 0) + r["records"]
        return LandedFile(
            file.name, sha256, topic, blank,
            records=sum(r["records"] for r in counts), rejected=sum(r["rejected"] for r in counts),
            days=dict(sorted(days.items())), filed_at=filed_at, landed_at=now.isoformat(),
        )  # fmt: skip


def kind_of(file: Stored) -> str:
    """`.parquet`, or `.json` for lines of JSON; SourceError for a file that is neither."""
    name = file.name.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    if name.endswith(LINES):
        return LINES[0]
    if file.name.lower().endswith(PARQUET):
        return PARQUET
    raise SourceError(
        f"{file.path} is no file of records: it must end in {', '.join(LINES)} (also with {', '.join(COMPRESSED)}) or "
        f"{PARQUET}."
    )


def as_record(rows: DataFrame, path: str) -> Column:
    """A Parquet row as the JSON text of a record; SourceError where its columns cannot be a record's."""
    found = {f.name: f.dataType for f in rows.schema}
    if not found.keys() & {*RECORD.names}:
        raise SourceError(f"{path} has no column of a record ({', '.join(RECORD.names[:3])}, …); its columns are "
                          f"{', '.join(found)[:200]}.")  # fmt: skip
    if inexact := [name for name, kind in found.items() if name == "amount" and isinstance(kind, FloatType | DoubleType)]:
        raise SourceError(
            f"{path}: {inexact[0]} is a binary fraction, which holds no exact money; write it as decimal or text."
        )
    return F.to_json(F.struct(*(_as_text(name, kind).alias(name) for name, kind in found.items())))


def _as_text(name: str, kind: DataType) -> Column:
    column = F.col(f"`{name}`")
    if isinstance(kind, TimestampType):
        return iso_text(column)
    if isinstance(kind, BinaryType | DecimalType | StringType):
        return column.cast("string")
    return column


def _is_record() -> Column:
    """False for a line of nothing but spaces, which holds no record; a null has no line either."""
    return F.coalesce(F.col("value").cast("string").rlike(r"\S"), F.lit(False))


def _write(rows: DataFrame, place: str) -> None:
    columns = [F.col(name) for name in ("key", "value", "booked_at", "line", "event_date", "file")]
    rows.select(*columns).write.partitionBy("event_date", "file").mode("append").parquet(place)


def _landed_rows(spark: SparkSession, root: str, topic: str, parts: Sequence[str]) -> DataFrame | None:
    """The landed rows of some folders of a topic; None where none of them is there."""
    base = f"{root}/{topic}"
    if not (there := [f"{base}/{part}" for part in parts if storage.exists(spark, f"{base}/{part}")]):
        return None
    return spark.read.schema(LANDED_DDL).option("basePath", base).parquet(*there)


# --- replay ---


@dataclass(frozen=True)
class Replay:
    """A landing zone, and the cluster that its records are sent to."""

    spark: SparkSession
    root: str
    kafka: KafkaSettings
    again: bool = False

    def days(self, first: date | None, last: date | None) -> Iterator[ReplayedDay]:
        """Send the landed records of the booking dates `first` to `last`, day by day; what was sent before is left out.

        Raises SourceError where nothing landed for these dates, or the cluster cannot be reached.
        """
        files = [f for f in landed_files(self.spark, self.root) if f.records]
        wanted = sorted({d for f in files for d in map(date.fromisoformat, f.days) if _is_within(d, first, last)})
        if not wanted:
            raise SourceError(f"{self.root} holds no landed records of these dates; `paylake ingest-to-s3` lands them.")
        end_offsets(self.kafka, list(SOURCES.values()))
        cluster = cluster_id(self.kafka)
        for day in wanted:
            done = f"{self.root}/_replayed/{cluster}/{day}"
            sent = set() if self.again else storage.names(self.spark, done)
            new = [f for f in files if str(day) in f.days and f.sha256 not in sent]
            for_day = sum(f.days[str(day)] for f in new)
            if new:
                self._send(day, new, max(1, -(-for_day // SLICE_RECORDS)))
            for file in new:
                said = {"name": file.name, "topic": file.topic, "records": file.days[str(day)]}
                storage.write_json(self.spark, f"{done}/{file.sha256}.json", said)
            yield ReplayedDay(day, len(new), for_day)

    def _send(self, day: date, files: Sequence[LandedFile], slices: int) -> None:
        """All records of a day in the order of their booking, of all ledgers together, so that legs come side by side."""
        rows = reduce(
            DataFrame.unionByName, chain.from_iterable(self._rows(day, topic, files) for topic in SOURCES.values())
        )
        in_time = rows.repartitionByRange(slices, "booked_at").sortWithinPartitions("booked_at", "landed_at", "line")
        try:
            send(in_time.select("topic", "key", "value"), self.kafka)
        except (PySparkException, Py4JJavaError) as error:
            raise SourceError(
                f"Kafka at {self.kafka.bootstrap_servers} did not take the records of {day} ({_sentence(error)}); run the "
                "command again: it goes on with this day, and what comes twice does no harm."
            ) from error

    def _rows(self, day: date, topic: str, files: Iterable[LandedFile]) -> Iterator[DataFrame]:
        of_topic = [f for f in files if f.topic == topic]
        if not of_topic:
            return
        about = [(f.sha256, f.filed_at, f.landed_at) for f in of_topic]
        known = F.broadcast(self.spark.createDataFrame(about, "file string, filed_at string, landed_at string"))
        for place in (str(day), REJECTED):
            found = _landed_rows(self.spark, self.root, topic, [f"event_date={place}/file={f.sha256}" for f in of_topic])
            if found is not None:
                filed = dated(found.join(known, "file").withColumn("filed_at", F.col("filed_at").cast("timestamp")))
                of_day = filed.where(F.to_date("booked_at") == F.lit(day))
                yield of_day.select(F.lit(topic).alias("topic"), "key", "value", "booked_at", "landed_at", "line")


def landed_files(spark: SparkSession, root: str) -> list[LandedFile]:
    """Every file that has landed, in the order of their names."""
    found = (storage.read_json(spark, f"{root}/_files/{name}.json") for name in storage.names(spark, f"{root}/_files"))
    return sorted((LandedFile(**said) for said in found), key=lambda f: (f.name, f.sha256))


def send(records: DataFrame, kafka: KafkaSettings) -> None:
    """Send rows of topic, key and value, each task's in their order."""
    records.write.format("kafka").options(**kafka.spark_options(), **SINK_OPTIONS).save()


def _is_within(day: date, first: date | None, last: date | None) -> bool:
    return (first is None or day >= first) and (last is None or day <= last)


def _sentence(error: PySparkException | Py4JJavaError) -> str:
    """What failed, without the stack: the innermost cause where Spark names one."""
    if isinstance(error, Py4JJavaError):
        return storage.reason(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return [type(error).__name__, *lines[:1], *causes][-1][:200]
