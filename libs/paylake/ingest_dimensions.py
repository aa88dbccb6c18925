"""Files of dimensions into the lake: every record delivered or quarantined, and the type 2 tables derived from them.

A dimension's table is a function of all its deliveries, and is written anew when it says something else. So files may come
in any order, be repeated or correct each other, and what a crash left undone the next file of the dimension does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from paylake import record_files, tables
from paylake.contracts.dimensions import DIMENSION_DELIVERIES, DIMENSIONS, DIMENSIONS_QUARANTINE
from paylake.contracts.table import FAILED_CHECKS, TableContract
from paylake.dimensions import history
from paylake.dimensions.as_of import holds
from paylake.dimensions.parsing import IS_DELETED, parse, required_columns, sent_columns
from paylake.errors import SettingsError, SourceError
from paylake.ingest import Incoming
from paylake.quality import split

RECORDS_AT_ONCE = 1_000_000
"""Records that are held in memory and written together; a file with more is taken alone."""
EXAMPLES_PER_FILE = 5

NAMES = tuple(contract.name for contract in DIMENSIONS)
_RECORDS = StructType(
    [
        StructField("file_sha256", StringType()),
        StructField("file_name", StringType()),
        StructField("line", IntegerType()),
        StructField("row", StringType()),
    ]
)


@dataclass(frozen=True)
class Rejected:
    """A record in quarantine: where it stands, what it says as far as that can be told, and the checks that it failed."""

    line: int
    row: dict[str, str] | None
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Ingested:
    """What became of a file: its records are accepted or quarantined; `recorded` ones said what was not known."""

    name: str
    dimension: str
    records: int
    quarantined: int
    recorded: int
    ignored: tuple[str, ...]
    examples: tuple[Rejected, ...]

    @property
    def accepted(self) -> int:
        """The records that are not in quarantine."""
        return self.records - self.quarantined


@dataclass(frozen=True)
class _Taken:
    """A file read, and its columns found to be enough."""

    file: Incoming
    contract: TableContract
    records: tuple[tuple[str, str, int, str | None], ...]
    ignored: tuple[str, ...]


def dimension_of(name: str) -> TableContract:
    """The dimension that a file's name begins with; SettingsError where it begins with none."""
    found = next((contract for contract in DIMENSIONS if name.lower().startswith(contract.name)), None)
    if found is None:
        raise SettingsError(
            f"{name} begins with no dimension's name ({', '.join(NAMES)}); rename it, or say which with --dimension."
        )
    return found


def dimension_named(name: str) -> TableContract:
    """The dimension of a name; SettingsError for any other word."""
    found = next((contract for contract in DIMENSIONS if contract.name == name), None)
    if found is None:
        raise SettingsError(f"{name!r} is not a dimension; there are {', '.join(NAMES)}.")
    return found


def ingest(
    spark: SparkSession,
    lake: str,
    files: Iterable[Incoming],
    dimension: str | None = None,
    delivered_at: datetime | None = None,
) -> list[Ingested]:
    """What became of each file, in their order; the same bytes twice are one file.

    `delivered_at` is for records that do not say it. Raises SettingsError or SourceError for a file of no dimension, or
    without the columns that its dimension needs; files before it may have been taken then.
    """
    order: list[str] = []
    done: dict[str, Ingested] = {}
    for together in _batches(_taken(files, dimension, delivered_at)):
        order += [one.file.sha256 for one in together]
        for contract in DIMENSIONS:
            if of_one := [one for one in together if one.contract is contract]:
                done |= _write(spark, lake, contract, of_one)
    return [done[sha256] for sha256 in order]


def known_versions(
    spark: SparkSession, lake: str, identifier: str, dimension: str | None = None, at: datetime | None = None
) -> list[tuple[TableContract, Row]]:
    """The versions of an id, or the one that held at a time, of one dimension or of all; in order of time."""
    asked = DIMENSIONS if dimension is None else (dimension_named(dimension),)
    found = [contract for contract in asked if tables.exists(spark, lake, contract)]
    if not found:
        raise SourceError(
            f"The lake {lake} holds no {dimension or 'dimensions'} yet; `paylake dimensions ingest FILE` takes the first."
        )
    versions: list[tuple[TableContract, Row]] = []
    for contract in found:
        rows = tables.read(spark, lake, contract).where(F.col(history.id_column(contract)) == identifier)
        if at is not None:
            rows = rows.where(holds(F.lit(at), F.col("valid_from"), F.col("valid_to")))
        versions += [(contract, row) for row in rows.orderBy("valid_from").collect()]
    return versions


def _taken(files: Iterable[Incoming], dimension: str | None, delivered_at: datetime | None) -> Iterator[_Taken]:
    seen: set[str] = set()
    for file in files:
        if file.sha256 not in seen:
            seen.add(file.sha256)
            contract = dimension_named(dimension) if dimension else dimension_of(file.name)
            yield _read(file, contract, delivered_at)


def _read(file: Incoming, contract: TableContract, delivered_at: datetime | None) -> _Taken:
    found = record_files.read(file.name, file.data)
    known = sent_columns(contract)
    given = {*found.columns, *(("delivered_at",) if delivered_at else ())}
    # a file of ends need not say anything else; a record of it that ends nothing is quarantined for what it lacks
    needed = (*contract.key, "delivered_at") if IS_DELETED in given else required_columns(contract)
    if missing := [name for name in needed if name not in given]:
        hint = "; or say --delivered-at for the whole file" if missing == ["delivered_at"] else ""
        raise SourceError(
            f"{file.name} lacks {'the column' if len(missing) == 1 else 'the columns'} {', '.join(missing)}, which "
            f"{contract.name} need{hint}; it has {', '.join(found.columns) or 'none'}."
        )
    otherwise = {"delivered_at": delivered_at.isoformat()} if delivered_at else {}
    records = tuple((file.sha256, file.name, one.line, _row(one.values, known, otherwise)) for one in found.records)
    return _Taken(file, contract, records, tuple(name for name in found.columns if name not in known))


def _row(values: Mapping[str, str | None] | None, known: Sequence[str], otherwise: Mapping[str, str]) -> str | None:
    """The columns that the dimension knows, as a JSON object of texts; whatever else the file says is not taken along."""
    if values is None:
        return None
    said = {name: values.get(name) or otherwise.get(name) for name in known}
    text = json.dumps({name: value for name, value in said.items() if value is not None}, ensure_ascii=False)
    return text.encode(errors="replace").decode()


def _batches(taken: Iterable[_Taken]) -> Iterator[list[_Taken]]:
    waiting: list[_Taken] = []
    for one in taken:
        if waiting and sum(len(w.records) for w in waiting) + len(one.records) > RECORDS_AT_ONCE:
            yield waiting
            waiting = []
        waiting.append(one)
    if waiting:
        yield waiting


def _write(spark: SparkSession, lake: str, contract: TableContract, taken: Sequence[_Taken]) -> dict[str, Ingested]:
    """What became of some files of one dimension, by their SHA-256."""
    tables.create(spark, lake, contract, DIMENSION_DELIVERIES, DIMENSIONS_QUARANTINE)
    records = spark.createDataFrame([row for one in taken for row in one.records], _RECORDS)
    flagged = parse(records, contract).persist()
    try:
        accepted, rejected = split(flagged)
        refused = _count(rejected)
        examples = _quarantine(spark, lake, contract, rejected) if refused else {}
        recorded = _record(spark, lake, contract, accepted)
    finally:
        flagged.unpersist()
    _derive(spark, lake, contract, is_changed=bool(recorded))
    return {
        one.file.sha256: Ingested(
            name=one.file.name,
            dimension=contract.name,
            records=len(one.records),
            quarantined=refused.get(one.file.sha256, 0),
            recorded=recorded.get(one.file.sha256, 0),
            ignored=one.ignored,
            examples=tuple(examples.get(one.file.sha256, ())),
        )
        for one in taken
    }


def _quarantine(spark: SparkSession, lake: str, contract: TableContract, rejected: DataFrame) -> dict[str, list[Rejected]]:
    """Quarantine what is not there yet, and say what the first records of each file are there for."""
    rows = rejected.select(F.lit(contract.name).alias("dimension"), *DIMENSIONS_QUARANTINE.columns[1:])
    there = tables.read(spark, lake, DIMENSIONS_QUARANTINE).select(*DIMENSIONS_QUARANTINE.key)
    added = rows.join(there, on=list(DIMENSIONS_QUARANTINE.key), how="left_anti")
    if not added.isEmpty():
        tables.append(added, lake, DIMENSIONS_QUARANTINE)
    in_line = Window.partitionBy("file_sha256").orderBy(F.col("line").asc())
    first = rows.withColumn("place", F.row_number().over(in_line)).where(F.col("place") <= EXAMPLES_PER_FILE)
    found: dict[str, list[Rejected]] = {}
    for row in first.orderBy("file_sha256", "line").collect():
        said = json.loads(row["row"]) if row["row"] is not None else None
        found.setdefault(row["file_sha256"], []).append(Rejected(row["line"], said, tuple(row[FAILED_CHECKS])))
    return found


def _record(spark: SparkSession, lake: str, contract: TableContract, accepted: DataFrame) -> dict[str, int]:
    """Write down what was not known, and say how many deliveries that were of each file."""
    news = history.news(history.deliveries(accepted, contract), _deliveries(spark, lake, contract))
    counted = _count(news)
    if counted:
        # the first condition lets Delta leave the other dimensions' files alone
        same = (f"t.`{name}` = s.`{name}`" for name in DIMENSION_DELIVERIES.key)
        on = " AND ".join((f"t.dimension = '{contract.name}'", *same))
        tables.merge(news, lake, DIMENSION_DELIVERIES, on=on, update={name: f"s.`{name}`" for name in history.SAID_AT})
    return counted


def _derive(spark: SparkSession, lake: str, contract: TableContract, *, is_changed: bool) -> None:
    """Bring the dimension's table to what its deliveries say; nothing is written where it says that already."""
    versions = history.versions(_deliveries(spark, lake, contract), contract)
    if not is_changed:
        written = tables.content_hash(tables.read(spark, lake, contract), contract.columns)
        is_changed = written != tables.content_hash(versions, contract.columns)
    if is_changed:
        tables.overwrite(versions, lake, contract)


def _deliveries(spark: SparkSession, lake: str, contract: TableContract) -> DataFrame:
    return tables.read(spark, lake, DIMENSION_DELIVERIES).where(F.col("dimension") == contract.name)


def _count(rows: DataFrame) -> dict[str, int]:
    return {row["file_sha256"]: row["count"] for row in rows.groupBy("file_sha256").count().collect()}
