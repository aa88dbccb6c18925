"""Erasing customers: the requests in a lake, taking a customer out of a table, and looking into every file for what is left.

A request is an object under `acts/erasures/` and names the customer; it goes when nothing of them is left.
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake import audit, storage, tables
from paylake.contracts import ALL, AUDIT_LOG
from paylake.contracts.maintenance import UPKEEP, Upkeep
from paylake.contracts.table import TableContract
from paylake.errors import ControlError
from paylake.indexes.versions import SAID, VERSION_COLUMNS
from paylake.maintenance.erasing import Request, holds, instead, stands_in

FOLDER = "acts/erasures"
LOG = "/_delta_log/"
STALE = "t.recon_id = s.recon_id AND t.content_hash <> s.content_hash"


def ask(spark: SparkSession, lake: str, request: Request) -> None:
    """Store a request; SourceError where it cannot be written."""
    storage.create_once(spark, _place(lake, request.request_id), json.dumps(request.to_json(), indent=1, sort_keys=True))


def requests(spark: SparkSession, lake: str) -> list[Request]:
    """The requests that are not done, in the order in which they were asked."""
    names = sorted(storage.names(spark, f"{_root(lake)}/{FOLDER}"))
    found = [Request.from_json(storage.read_json(spark, _place(lake, name))) for name in names]
    return sorted(found, key=lambda r: (r.at, r.request_id))


def forget(spark: SparkSession, lake: str, request: Request) -> None:
    """Remove a request that is done, and with it the last that names the customer."""
    storage.remove(spark, _place(lake, request.request_id))


def rows_of(spark: SparkSession, lake: str, contract: TableContract, request: Request) -> DataFrame:
    """The rows of a table in which the customer stands."""
    one = F.broadcast(_one(spark, request).alias("s"))
    either = " OR ".join(f"({holds(personal)})" for personal in UPKEEP[contract.name].personal)
    return tables.read(spark, lake, contract).alias("t").join(one, F.expr(either)).select("t.*")


def audited_dates(rows: DataFrame, contract: TableContract) -> list[date]:
    """The business dates of which the audit log has to say something new when these rows change."""
    if contract not in audit.AUDITED:
        return []
    return sorted(row[0] for row in rows.select("business_date").distinct().collect())


def refuse_unless_whole(spark: SparkSession, lake: str, contract: TableContract, dates: list[date]) -> None:
    """ControlError where the table is not as the audit log says: an erasure would hide that."""
    if not dates or not tables.exists(spark, lake, AUDIT_LOG):
        return
    said = audit.last_commits(audit.rows(spark, lake))
    now = audit.contents(spark, lake, contract, dates)
    wrong = [day for day in dates if (row := said.get((contract.name, day))) and not audit.agrees(row, now.get(day))]
    if wrong:
        raise ControlError(
            f"{contract.name} of {wrong[0]} is not as the audit log says, and an erasure would hide it; "
            "see `paylake audit verify` first."
        )


def erase(spark: SparkSession, lake: str, contract: TableContract, request: Request) -> None:
    """Take the customer out of a table's rows; totals by currency stay where rows are kept, or ControlError."""
    upkeep = UPKEEP[contract.name]
    before = totals(spark, lake, contract) if is_kept(upkeep) else None
    one = _one(spark, request)
    for personal in upkeep.personal:
        change = instead(personal, contract, _hashed(contract, upkeep))
        if change is None:
            tables.delete_joined(one, lake, contract, holds(personal))
        else:
            tables.update_joined(one, lake, contract, holds(personal), change)
    if before is not None and totals(spark, lake, contract) != before:
        raise ControlError(f"{contract.name} has other totals by currency after an erasure than before; restore it.")


def follow_hashes(spark: SparkSession, lake: str, contract: TableContract, request: Request) -> None:
    """Give the rows that speak of another table's version the hash that it has now; nothing where they have it."""
    source = next((c for c in ALL if c.name == UPKEEP[contract.name].hash_of), None)
    if source is None or not tables.exists(spark, lake, source):
        return
    of_customer = F.col("user_id") == F.lit(request.token)
    said = tables.read(spark, lake, source).where("is_current").where(of_customer).select("recon_id", "content_hash")
    stale = said.alias("s").join(tables.read(spark, lake, contract).alias("t"), F.expr(STALE))
    if not stale.isEmpty():
        tables.update_joined(said, lake, contract, STALE, {"content_hash": "s.content_hash"})


def is_kept(upkeep: Upkeep) -> bool:
    """True where no row goes, only the customer's name in it."""
    return all(personal.erasure.value == "PSEUDONYMISE" for personal in upkeep.personal)


def totals(spark: SparkSession, lake: str, contract: TableContract) -> str:
    """The rows of a table and the sum of each amount by its currency, as JSON."""
    amounts = {f.name: audit.currency_of(f.name, contract) for f in contract.fields if f.name.endswith("amount")}
    currencies = sorted(set(amounts.values()))
    grouped = tables.read(spark, lake, contract).groupBy(*currencies)
    said: dict[str, Any] = {"rows": 0, **{name: {} for name in amounts}}
    for row in grouped.agg(F.count("*").alias("_rows"), *(F.sum(name).alias(f"_{name}") for name in amounts)).collect():
        said["rows"] += row["_rows"]
        for name, currency in amounts.items():
            if (amount := row[f"_{name}"]) is not None:
                code = str(row[currency])
                said[name][code] = said[name].get(code, Decimal(0)) + amount
    return json.dumps(said, sort_keys=True, default=str)


def remains(spark: SparkSession, lake: str, contract: TableContract, request: Request) -> list[str]:
    """The files below a table's folder in which the customer still stands: data, change data, statistics of the log."""
    found = storage.everything(spark, tables.location(lake, contract))
    parquet = [f.path for f in found if f.path.endswith(".parquet")]
    data = [path for path in parquet if LOG not in path]
    states = [path for path in parquet if LOG in path]
    # what Spark passes over by its name holds versions and settings, and no statistics
    texts = [f.path for f in found if LOG in f.path and f.name.endswith((".json", ".crc")) and f.name[:1] not in "._"]
    said = []
    if data:
        rows = spark.read.option("mergeSchema", "true").parquet(*data)
        said.append(rows.select(F.to_json(F.struct("*")).alias("text"), "_metadata.file_path"))
    said += [
        spark.read.parquet(path).select(F.to_json(F.struct("*")).alias("text"), F.lit(path).alias("file_path"))
        for path in states
    ]
    if texts:
        said.append(spark.read.text(texts).select(F.col("value").alias("text"), "_metadata.file_path"))
    if not said:
        return []
    one = F.broadcast(_one(spark, request).alias("s"))
    everything = reduce(DataFrame.unionByName, said)
    hits = everything.join(one, F.expr(stands_in("text"))).select("file_path").distinct().collect()
    return sorted(row["file_path"] for row in hits)


def purge(spark: SparkSession, lake: str, contract: TableContract, request: Request, at_once: bool) -> list[str]:
    """Remove what an erasure left behind, as far as it may go; gives the files in which the customer still stands.

    Old data files go when they are seven days old, or at once. When none is left, the log's entries on them go too, since
    they hold the least and the greatest value of each file; the versions that they tell of cannot be read any more.
    """
    left = remains(spark, lake, contract, request)
    if not left:
        return []
    if at_once:
        tables.vacuum(spark, lake, contract, hours=0)
    elif any(LOG not in path for path in left):
        return left
    _shorten_log(spark, lake, contract, tables.checkpoint(spark, lake, contract))
    return remains(spark, lake, contract, request)


def _shorten_log(spark: SparkSession, lake: str, contract: TableContract, version: int) -> None:
    """Remove the log before a checkpoint, oldest first, so that a crash leaves a log that can be read."""
    folder = f"{tables.location(lake, contract)}{LOG}"
    for file in storage.everything(spark, folder):
        if file.name[:20].isdigit() and int(file.name[:20]) < version:
            storage.remove(spark, file.path)


def _hashed(contract: TableContract, upkeep: Upkeep) -> tuple[str, ...]:
    """The columns of which a row's content_hash speaks; none where it has none, or another table's."""
    if "content_hash" not in contract.columns or "valid_from" not in contract.columns or upkeep.hash_of is not None:
        return ()
    if contract.name == "reconciliation_index":
        return SAID
    return tuple(name for name in contract.columns if name not in VERSION_COLUMNS)


def _one(spark: SparkSession, request: Request) -> DataFrame:
    return spark.createDataFrame([(request.subject, request.token)], "_subject string, _token string")


def _root(lake: str) -> str:
    return lake.rstrip("/") if "://" in lake else str(Path(lake).absolute())


def _place(lake: str, name: str) -> str:
    return f"{_root(lake)}/{FOLDER}/{name}.json"
