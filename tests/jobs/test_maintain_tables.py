"""Maintenance through real Delta: fewer files, no row too old, no byte of an erased customer; and nothing a second time."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable as OtherReader
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake import audit, maintain, maintain_erasure, tables
from paylake.columns.hashing import content_hash
from paylake.contracts import (
    AGGREGATE_INDEX,
    AUDIT_LOG,
    BATCH_INDEX,
    COMPLIANCE_INDEX,
    DIMENSIONS_QUARANTINE,
    LEDGER_ENTRIES,
    RECONCILIATION_INDEX,
    TABLE_MAINTENANCE,
    USER_SPEND_INDEX,
)
from paylake.contracts.table import TableContract
from paylake.errors import ControlError, SourceError
from paylake.indexes.versions import SAID, recon_id
from paylake.maintain import maintain as maintained
from paylake.maintenance.erasing import Request
from tests.builders import NOON, as_dicts, rows

AS_OF = date(2026, 3, 31)
BEFORE, OLD = AS_OF - timedelta(days=1), AS_OF - timedelta(days=731)
ASHA, BEN = "cust-0001", "cust-00012"
GONE = "nothing of the customer is left in the lake, and the request is gone."
REQUEST = Request("ab" * 16, ASHA, "dpo", NOON, "ticket 4711")


def fill(spark: SparkSession, lake: str, contract: TableContract, *given: dict[str, Any]) -> None:
    """A commit with a file for each row."""
    tables.create(spark, lake, contract)
    spark.conf.set("spark.sql.files.maxRecordsPerFile", 1)
    if given:
        tables.append(rows(spark, contract, *given).coalesce(1), lake, contract)
    spark.conf.unset("spark.sql.files.maxRecordsPerFile")


def payment(number: int, user: str, **columns: Any) -> dict[str, Any]:
    said = {"transaction_id": f"t{number}", "user_id": user, "business_date": BEFORE, "is_current": True}
    return {**said, "gateway_currency": "INR", "recon_id": f"r{number}", "content_hash": number, **columns}


def versions(spark: SparkSession, lake: str, *contracts: TableContract) -> list[int]:
    return [tables.latest_version(spark, lake, contract) for contract in contracts]


def said(spark: SparkSession, lake: str) -> list[tuple[Any, ...]]:
    """The log of maintenance, without its figures."""
    log = tables.read(spark, lake, TABLE_MAINTENANCE).orderBy("as_of", "table_name", "action", "stage")
    return [tuple(row) for row in log.select("table_name", "action", "stage").collect()]


def done(spark: SparkSession, lake: str) -> dict[tuple[str, str], Any]:
    log = tables.read(spark, lake, TABLE_MAINTENANCE).where("stage = 'DONE'").collect()
    return {(row["table_name"], row["action"]): row for row in log}


def files(lake: str, contract: TableContract) -> list[Path]:
    return sorted(Path(tables.location(lake, contract)).rglob("*.parquet"))


def names_somebody(lake: str, somebody: str) -> list[str]:
    """The files anywhere in a lake that hold a name: every byte is looked at, and what is packed is unpacked."""
    name = re.compile(rf"(?<![\w-]){re.escape(somebody)}(?![\w-])")
    found = []
    for path in (p for p in Path(lake).rglob("*") if p.is_file()):
        text = path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            text += str(pq.ParquetFile(path).read().to_pylist()) + str(pq.ParquetFile(path).metadata.to_dict())
        if name.search(text):
            found.append(path.relative_to(lake).as_posix())
    return sorted(found)


def grow_old(spark: SparkSession, lake: str, days: int) -> None:
    """Make everything in a lake as if it had been written some days ago."""
    for path in (p for p in Path(lake).rglob("*") if p.is_file()):
        if "_delta_log" in path.parts and path.suffix == ".json":
            text = path.read_text(encoding="utf-8")
            back = re.sub(
                r'"deletionTimestamp":(\d+)', lambda m: f'"deletionTimestamp":{int(m[1]) - days * 86_400_000}', text
            )
            path.write_text(back, encoding="utf-8")
            path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
        when = time.time() - days * 86_400
        os.utime(path, (when, when))
    spark.sparkContext._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]


OF_DAY = {"business_date": BEFORE, "is_current": True}
PROFILES = ({"user_id": ASHA, **OF_DAY}, {"user_id": BEN, **OF_DAY}, {"user_id": BEN, **OF_DAY, "business_date": OLD})


@pytest.fixture(scope="module")
def profiles(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Habits of two customers, some of them too old, and what the audit log says of them."""
    lake = str(tmp_path_factory.mktemp("profiles"))
    fill(spark, lake, USER_SPEND_INDEX, *PROFILES)
    fill(spark, lake, AUDIT_LOG)
    audit.record_commits(spark, lake, [OLD, BEFORE], "r1", NOON, "v1")
    return lake


@pytest.fixture(scope="module")
def payments(spark: SparkSession, profiles: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Beside them crowded days before and on the business date, and a table of a streaming job."""
    lake = str(tmp_path_factory.mktemp("payments"))
    shutil.copytree(profiles, lake, dirs_exist_ok=True)
    fill(spark, lake, BATCH_INDEX, *({"user_id": ASHA, "business_date": day} for day in (BEFORE, AS_OF) for _ in range(4)))
    fill(spark, lake, LEDGER_ENTRIES, *({"offset": n, "user_id": ASHA} for n in range(5)))
    return lake


def copy(lake: str, to: Path) -> str:
    """A lake of a test's own."""
    return str(shutil.copytree(lake, to / "lake"))


def test_crowded_days_become_one_file_old_rows_go_a_stream_keeps_its_tables_and_a_crash_changes_nothing(
    spark: SparkSession, payments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, act = copy(payments, tmp_path), maintain._do
    before = as_dicts(tables.read(spark, lake, BATCH_INDEX), "user_id", "business_date")
    streamed = versions(spark, lake, LEDGER_ENTRIES)
    would = maintained(spark, lake, AS_OF, dry_run=True)
    assert would == [
        "would delete 1 rows of user_spend_index with business_date < DATE'2024-03-31'",
        "would compact batch_index, business_date IN (DATE'2026-03-30')",
    ]
    assert not tables.exists(spark, lake, TABLE_MAINTENANCE)

    def crash_at_the_second(*given: Any) -> Any:
        if given[2].action.value == "COMPACT":
            raise KeyboardInterrupt
        return act(*given)

    with monkeypatch.context() as patched:
        patched.setattr(maintain, "_do", crash_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            maintained(spark, lake, AS_OF)
    assert {stage for _, _, stage in said(spark, lake)} == {"BEGUN"}
    assert sorted(maintained(spark, lake, AS_OF)) == sorted(line.removeprefix("would ") for line in would)
    assert said(spark, lake) == [
        ("batch_index", "COMPACT", "BEGUN"), ("batch_index", "COMPACT", "DONE"),
        ("user_spend_index", "RETAIN", "BEGUN"), ("user_spend_index", "RETAIN", "DONE"),
    ]  # fmt: skip
    told = done(spark, lake)
    row = told["batch_index", "COMPACT"]
    assert (row["files_before"], row["files_after"], row["rows_before"], row["rows_after"]) == (8, 5, 8, 8)
    row = told["user_spend_index", "RETAIN"]
    assert (row["rows_before"], row["rows_after"], row["version_before"], row["version_after"]) == (3, 2, 1, 2)
    active = tables.data_files(spark, lake, BATCH_INDEX)
    assert [sum(f"={day}/" in path for path in active) for day in (BEFORE, AS_OF)] == [1, 4]
    assert as_dicts(tables.read(spark, lake, BATCH_INDEX), "user_id", "business_date") == before
    assert OtherReader(tables.location(lake, BATCH_INDEX)).to_pyarrow_table().num_rows == len(before)
    assert {row[0] for row in tables.read(spark, lake, USER_SPEND_INDEX).select("business_date").collect()} == {BEFORE}
    assert audit.faults(spark, lake) == []
    # a second time nothing is due, and nothing is written
    now = versions(spark, lake, BATCH_INDEX, USER_SPEND_INDEX, TABLE_MAINTENANCE, AUDIT_LOG)
    assert maintained(spark, lake, AS_OF) == ["Nothing is due."]
    assert versions(spark, lake, BATCH_INDEX, USER_SPEND_INDEX, TABLE_MAINTENANCE, AUDIT_LOG) == now
    assert versions(spark, lake, LEDGER_ENTRIES) == streamed


@pytest.fixture
def lake_of_people(spark: SparkSession, lake: str) -> str:
    """Two customers in every kind of table: kept for its amounts, deleted, free text, restricted, and a stream's."""
    hashed = rows(
        spark, RECONCILIATION_INDEX, payment(1, ASHA), payment(2, BEN), payment(3, ASHA, gateway_amount=Decimal(7))
    )
    tables.create(spark, lake, RECONCILIATION_INDEX)
    hashed = hashed.withColumns({"recon_id": recon_id(hashed.transaction_id), "content_hash": content_hash(*SAID)})
    tables.append(hashed.coalesce(1), lake, RECONCILIATION_INDEX)
    tables.create(spark, lake, AGGREGATE_INDEX)
    merged = hashed.withColumn("policy_ids", F.lit(None).cast("array<string>"))
    known = {c for c in merged.columns if c in AGGREGATE_INDEX.columns}
    missing = [f for f in AGGREGATE_INDEX.fields if f.name not in known]
    merged = merged.select(*known, *(F.lit(None).cast(f.type).alias(f.name) for f in missing))
    tables.append(merged.coalesce(1), lake, AGGREGATE_INDEX)
    bad = ['{"user_id":"cust-0001","kyc":1}', '{"user_id":"cust-00012"}']
    fill(spark, lake, DIMENSIONS_QUARANTINE, *({"row": text, "line": n} for n, text in enumerate(bad)))
    fill(spark, lake, COMPLIANCE_INDEX, {"entity_id": ASHA, **OF_DAY}, {"entity_id": BEN, **OF_DAY})
    fill(spark, lake, AUDIT_LOG)
    audit.record_commits(spark, lake, [BEFORE], "r1", NOON, "v1")
    return lake


@pytest.mark.slow
@pytest.mark.thorough
def test_of_an_erased_customer_no_byte_is_left_and_no_total_moves(spark: SparkSession, lake_of_people: str) -> None:
    lake = lake_of_people
    people = (RECONCILIATION_INDEX, AGGREGATE_INDEX, COMPLIANCE_INDEX)
    totals = [maintain_erasure.totals(spark, lake, contract) for contract in people]
    fill(spark, lake, LEDGER_ENTRIES, {"user_id": ASHA})
    streamed = versions(spark, lake, LEDGER_ENTRIES)
    maintain_erasure.ask(spark, lake, REQUEST)
    assert len(names_somebody(lake, ASHA)) > 10
    lines = maintained(spark, lake, AS_OF, purge_now=True)
    left = [path for path in names_somebody(lake, ASHA) if not path.startswith("raw/ledger_entries/")]
    assert left == [f"acts/erasures/{REQUEST.request_id}.json"]
    assert lines[-1].endswith("done for the batch side; waits for the drivers of ledger_entries (reconcile_ledgers).")
    assert versions(spark, lake, LEDGER_ENTRIES) == streamed
    assert [maintain_erasure.totals(spark, lake, contract) for contract in people] == totals
    assert len(names_somebody(lake, BEN)) > 4
    index = {row["transaction_id"]: row for row in tables.read(spark, lake, RECONCILIATION_INDEX).collect()}
    assert [index[f"t{n}"]["user_id"] for n in (1, 2, 3)] == [REQUEST.token, BEN, REQUEST.token]
    # the hash speaks of what is there now: of the old one, the customer could be guessed
    now = tables.read(spark, lake, RECONCILIATION_INDEX).where(content_hash(*SAID) == F.col("content_hash"))
    merged = {row["transaction_id"]: row for row in tables.read(spark, lake, AGGREGATE_INDEX).collect()}
    assert {r["transaction_id"]: r["content_hash"] for r in now.collect()} == {
        t: r["content_hash"] for t, r in merged.items()
    }
    assert audit.faults(spark, lake) == []
    told = done(spark, lake)
    row = told["reconciliation_index", "ERASE"]
    assert (row["outcome"], row["policy"]) == ("erase 2 rows of reconciliation_index", "PSEUDONYMISE")
    assert (row["version_before"], row["version_after"], row["rows_before"], row["rows_after"]) == (1, 2, 3, 3)
    assert told["dimensions_quarantine", "ERASE"]["rows_after"] == 1
    assert told["compliance_index", "ERASE"]["rows_before"] is told["compliance_index", "ERASE"]["version_after"] is None
    assert json.loads(told["*", "VERIFY"]["detail"])["files_with_customer"] == 0
    # the driver of the stream has done its part: the last that names the customer goes
    shutil.rmtree(tables.location(lake, LEDGER_ENTRIES))
    batch = (*people, DIMENSIONS_QUARANTINE)
    before = versions(spark, lake, *batch)
    assert maintained(spark, lake, AS_OF)[-1].endswith(GONE)
    assert names_somebody(lake, ASHA) == []
    assert versions(spark, lake, *batch) == before
    assert json.loads(done(spark, lake)["*", "CLOSE"]["detail"])["why"] == "ticket 4711"


@pytest.mark.slow
def test_old_files_of_an_erased_customer_go_after_seven_days_also_where_a_run_crashed(
    spark: SparkSession, profiles: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = copy(profiles, tmp_path)
    maintain_erasure.ask(spark, lake, REQUEST)

    def crash(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(audit, "record_maintenance", crash)
        with pytest.raises(KeyboardInterrupt):
            maintained(spark, lake, AS_OF)
    assert audit.faults(spark, lake) != []
    gone_by = AS_OF + timedelta(days=8)
    assert maintained(spark, lake, AS_OF)[-1] == (
        f"Request {REQUEST.request_id}: rows are erased; their old files go from {gone_by} on."
    )
    assert audit.faults(spark, lake) == []
    assert len(names_somebody(lake, ASHA)) > 1
    # what was deleted still lies there, until no version of seven days needs it
    assert len(files(lake, USER_SPEND_INDEX)) == 3
    grow_old(spark, lake, days=8)
    assert maintained(spark, lake, gone_by)[-1].endswith(GONE)
    assert names_somebody(lake, ASHA) == []
    assert len([path for path in files(lake, USER_SPEND_INDEX) if "_delta_log" not in path.parts]) == 1
    assert [row["user_id"] for row in tables.read(spark, lake, USER_SPEND_INDEX).collect()] == [BEN]


def test_an_erasure_hides_no_fault(spark: SparkSession, profiles: str, tmp_path: Path) -> None:
    lake = copy(profiles, tmp_path)
    tables.delete_where(spark, lake, USER_SPEND_INDEX, f"user_id = '{BEN}' AND business_date = DATE'{BEFORE}'")
    maintain_erasure.ask(spark, lake, REQUEST)
    with pytest.raises(ControlError, match="user_spend_index of 2026-03-30 is not as the audit log says"):
        maintained(spark, lake, AS_OF)


def test_a_folder_without_tables_is_said_to_be_none(spark: SparkSession, lake: str) -> None:
    with pytest.raises(SourceError, match="There are no tables of batch jobs"):
        maintained(spark, lake, AS_OF)
