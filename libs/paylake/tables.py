"""The only Delta code: where a table lies, and every way it is read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from delta.tables import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.columns import hashing
from paylake.contracts.table import TableContract, sql_text
from paylake.errors import ContractError, SourceError
from paylake.quality import conform


@dataclass(frozen=True)
class Txn:
    """An append that can be repeated: a second one with the same application and version, or a lower one, is skipped."""

    app_id: str
    version: int


@dataclass(frozen=True)
class Commit:
    """A commit of a table: its version, and what its writer said about it."""

    version: int
    metadata: dict[str, Any] | None
    first_said: int = field(default=-1, compare=False)
    """The version that said it first."""


FIRST_SAID = "first_said"


def location(lake: str, contract: TableContract) -> str:
    """Where the table lies: an absolute folder, since Delta takes a relative one for a name, or an object prefix."""
    root = lake if "://" in lake else str(Path(lake).absolute())
    return f"{root.rstrip('/')}/{contract.path}"


def exists(spark: SparkSession, lake: str, contract: TableContract) -> bool:
    """True where the table has been created."""
    return DeltaTable.isDeltaTable(spark, location(lake, contract))


def create(spark: SparkSession, lake: str, *contracts: TableContract) -> None:
    """Create the tables that are not there, and add the columns that a contract has gained.

    Raises ContractError where a column on disk has another type: that is no additive change.
    """
    for contract in contracts:
        place = location(lake, contract)
        if not exists(spark, lake, contract):
            spark.sql(contract.delta_ddl(place))
            continue
        on_disk = {f.name: f.dataType for f in spark.read.format("delta").load(place).schema}
        for f in contract.fields:
            if f.name in on_disk and on_disk[f.name].simpleString() != f.type.simpleString():
                raise ContractError(
                    f"{contract.name}.{f.name} is {on_disk[f.name].simpleString()} at {place}, but the contract says "
                    f"{f.type.simpleString()}; migrate the table or name the column anew."
                )
        for f in contract.fields:
            if f.name not in on_disk:
                spark.sql(
                    f"ALTER TABLE delta.`{place}` ADD COLUMNS (`{f.name}` {f.type.simpleString()} COMMENT {sql_text(f.doc)})"
                )


def read(spark: SparkSession, lake: str, contract: TableContract, version: int | None = None) -> DataFrame:
    """The table, latest or at a version, with the contract's columns; SourceError where it is not there."""
    reader = spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    try:
        return conform(reader.load(location(lake, contract)), contract)
    except AnalysisException as error:
        if exists(spark, lake, contract):
            raise
        raise SourceError(
            f"There is no table {contract.name} in the lake {lake}; run the job that writes it first."
        ) from error


def read_or_empty(spark: SparkSession, lake: str, contract: TableContract) -> DataFrame:
    """The table as `read` gives it; no rows where it is not there."""
    return read(spark, lake, contract) if exists(spark, lake, contract) else spark.createDataFrame([], contract.schema)


def append(
    df: DataFrame,
    lake: str,
    contract: TableContract,
    txn: Txn | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Append rows, and say in the commit what they are; with a `txn`, at most once."""
    writer = conform(df, contract).write.format("delta").mode("append")
    if metadata is not None:
        writer = writer.option("userMetadata", json.dumps(metadata, sort_keys=True))
    if txn is not None:
        writer = writer.option("txnAppId", txn.app_id).option("txnVersion", txn.version)
    writer.save(location(lake, contract))


def overwrite(
    df: DataFrame,
    lake: str,
    contract: TableContract,
    metadata: Mapping[str, Any] | None = None,
    txn: Txn | None = None,
) -> None:
    """Replace the table's rows, and say in the commit what they are; with a `txn`, at most once."""
    writer = conform(df, contract).write.format("delta").mode("overwrite")
    if metadata is not None:
        writer = writer.option("userMetadata", json.dumps(metadata, sort_keys=True))
    if txn is not None:
        writer = writer.option("txnAppId", txn.app_id).option("txnVersion", txn.version)
    writer.save(location(lake, contract))


def replace_where(
    df: DataFrame,
    lake: str,
    contract: TableContract,
    predicate: str,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Replace the rows for which `predicate` holds; every new row must fulfil it too."""
    writer = conform(df, contract).write.format("delta").mode("overwrite").option("replaceWhere", predicate)
    if metadata is not None:
        writer = writer.option("userMetadata", json.dumps(metadata, sort_keys=True))
    writer.save(location(lake, contract))


def merge(changes: DataFrame, lake: str, contract: TableContract, *, on: str, update: Mapping[str, str] | None) -> None:
    """Insert the rows that are new by `on` (over `t` and `s`); update those that are known, by column -> expression."""
    builder = DeltaTable.forPath(changes.sparkSession, location(lake, contract)).alias("t").merge(changes.alias("s"), on)
    if update is not None:
        builder = builder.whenMatchedUpdate(set=dict(update))
    builder.whenNotMatchedInsert(values={name: f"s.`{name}`" for name in contract.columns}).execute()


def delete_where(spark: SparkSession, lake: str, contract: TableContract, predicate: str) -> None:
    """Delete the rows for which `predicate` holds."""
    DeltaTable.forPath(spark, location(lake, contract)).delete(predicate)


def last_commit(spark: SparkSession, lake: str, contract: TableContract) -> Commit:
    """The latest commit that carries a writer's words; maintenance commits in between carry none.

    Words that were said again count as of when they were first said: newer ones may have come meanwhile.
    """
    table = DeltaTable.forPath(spark, location(lake, contract))
    for history in (table.history(20), table.history()):  # the last few nearly always tell
        rows = history.select("version", "userMetadata").orderBy(F.desc("version")).collect()
        said = [_commit(row["version"], json.loads(row["userMetadata"])) for row in rows if row["userMetadata"]]
        if said:
            return max(said, key=lambda commit: (commit.first_said, commit.version))
    return Commit(rows[0]["version"], None)


def _commit(version: int, words: dict[str, Any]) -> Commit:
    first = words.pop(FIRST_SAID, version)
    return Commit(version, words, first)


def again(commit: Commit) -> dict[str, Any] | None:
    """The words of a commit, to be said again by a later one."""
    return None if commit.metadata is None else {**commit.metadata, FIRST_SAID: commit.first_said}


def compact(spark: SparkSession, lake: str, contract: TableContract, where: str | None = None) -> None:
    """Merge small files into large ones; readers and idempotent appends are not disturbed."""
    table = DeltaTable.forPath(spark, location(lake, contract)).optimize()
    (table.where(where) if where else table).executeCompaction()


def vacuum(spark: SparkSession, lake: str, contract: TableContract, hours: int | None = None) -> None:
    """Remove files that no version of the last `hours` needs; without them, within the table's own retention.

    With 0 a query that reads an older version fails, and nobody can look back; Delta's own guard is lifted for that.
    """
    guard = "spark.databricks.delta.retentionDurationCheck.enabled"
    before = spark.conf.get(guard, "true") or "true"
    try:
        if hours == 0:
            spark.conf.set(guard, "false")
        DeltaTable.forPath(spark, location(lake, contract)).vacuum(hours)
    finally:
        spark.conf.set(guard, before)


def has_old_files(spark: SparkSession, lake: str, contract: TableContract, hours: int) -> bool:
    """True where `vacuum` would remove anything; nothing is changed."""
    return not spark.sql(f"VACUUM delta.`{location(lake, contract)}` RETAIN {hours} HOURS DRY RUN").isEmpty()


def data_files(spark: SparkSession, lake: str, contract: TableContract) -> list[str]:
    """The paths of the files of the latest version."""
    return spark.read.format("delta").load(location(lake, contract)).inputFiles()


def row_count(spark: SparkSession, lake: str, contract: TableContract) -> int:
    """The rows of the latest version, as its log says: no data is read."""
    return spark.read.format("delta").load(location(lake, contract)).count()


def delete_joined(one: DataFrame, lake: str, contract: TableContract, on: str) -> None:
    """Delete the rows that meet a frame by `on` (over `t` and `s`); the log says nothing of what stands in the frame."""
    table = DeltaTable.forPath(one.sparkSession, location(lake, contract)).alias("t")
    table.merge(one.alias("s"), on).whenMatchedDelete().execute()


def update_joined(one: DataFrame, lake: str, contract: TableContract, on: str, update: Mapping[str, str]) -> None:
    """Change the rows that meet a frame by `on` (over `t` and `s`), by column -> expression."""
    table = DeltaTable.forPath(one.sparkSession, location(lake, contract)).alias("t")
    table.merge(one.alias("s"), on).whenMatchedUpdate(set=dict(update)).execute()


def checkpoint(spark: SparkSession, lake: str, contract: TableContract) -> int:
    """Commit nothing but a mark, and write the whole state beside it; gives the version, before which no log is needed.

    The mark is a commit of its own, so that the last log file holds nothing of what was removed.
    """
    place = location(lake, contract)
    version = latest_version(spark, lake, contract) + 1
    spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES ('paylake.history_from' = '{version}')")
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, place).checkpoint()
    return version


def content_hash(df: DataFrame, columns: tuple[str, ...]) -> tuple[int, str]:
    """The number of rows and an order-free hash of the columns: equal contents, in any order, have equal hashes."""
    row_hash = hashing.content_hash(*columns).cast("decimal(38,0)")
    row = df.agg(F.count("*").alias("n"), F.sum(row_hash).alias("h")).first()
    assert row is not None
    return row["n"], str(row["h"])


def committed_at(spark: SparkSession, lake: str, contract: TableContract) -> datetime:
    """When the table's latest commit was made, as its log says."""
    row = DeltaTable.forPath(spark, location(lake, contract)).history(1).select(F.unix_micros("timestamp")).first()
    assert row is not None
    return datetime.fromtimestamp(row[0] / 1_000_000, UTC)


def latest_version(spark: SparkSession, lake: str, contract: TableContract) -> int:
    """The number of the table's latest commit."""
    row = DeltaTable.forPath(spark, location(lake, contract)).history(1).select("version").first()
    assert row is not None
    return int(row["version"])
