"""Delta tables: as their contracts say, open to every reader, written at most once, and telling what they are."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable as OtherReader
from deltalake import write_deltalake
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql.types import LongType, StringType

from paylake import tables
from paylake.contracts import ALL, LEDGER_ENTRIES, OPEN_ITEMS
from paylake.contracts.table import Check, Field, TableContract, sql_text
from paylake.errors import ContractError, SourceError
from tests.builders import as_dicts, frame, rows

NOTES = TableContract(
    name="notes",
    layer="raw",
    doc="One row per note.",
    fields=(
        Field("note_id", LongType(), "Identifier of the note."),
        Field("text", StringType(), "What it says.", nullable=True),
    ),
    key=("note_id",),
    checks=(Check("note_id_positive", "note_id > 0"),),
)


@pytest.fixture(scope="module")
def all_tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake in which every table was created."""
    lake = str(tmp_path_factory.mktemp("lake"))
    tables.create(spark, lake, *ALL)
    return lake


@pytest.fixture
def notes(spark: SparkSession, lake: str) -> str:
    """A lake with a table of notes that holds two of them, one of them null."""
    tables.append(rows(spark, NOTES, {"note_id": 1, "text": "one"}, {"note_id": 2}), lake, NOTES)
    return lake


def read(spark: SparkSession, lake: str) -> list[tuple[Any, ...]]:
    """The notes, in order."""
    return sorted(tuple(row) for row in tables.read(spark, lake, NOTES).collect())


@pytest.mark.parametrize("contract", ALL, ids=lambda c: c.name)
def test_a_table_on_disk_equals_its_contract(spark: SparkSession, all_tables: str, contract: TableContract) -> None:
    place = tables.location(all_tables, contract)
    on_disk = spark.read.format("delta").load(place).schema
    assert [(f.name, f.dataType) for f in on_disk] == [(f.name, f.type) for f in contract.fields]
    assert [sql_text(f.metadata["comment"]) for f in on_disk] == [sql_text(f.doc) for f in contract.fields]
    other = OtherReader(place)
    assert [(f.name, f.nullable) for f in other.schema().fields] == [(f.name, f.nullable) for f in contract.fields]
    assert other.protocol().min_reader_version == 1
    assert other.metadata().partition_columns == list(contract.partition_by)
    assert contract.properties.items() <= other.metadata().configuration.items()


def test_another_reader_finds_the_same_rows_and_sums(spark: SparkSession, lake: str) -> None:
    entries = [
        {"offset": 1, "amount": Decimal("0.0001"), "city": "पुणे"},
        {"offset": 2, "amount": Decimal("999999999999.9999"), "ingest_date": date(2026, 4, 1)},
        {"offset": 3, "amount": Decimal("12.3400"), "event_at": datetime(2026, 3, 29, 1, 0, 0, 1)},
    ]
    tables.create(spark, lake, LEDGER_ENTRIES)
    tables.append(rows(spark, LEDGER_ENTRIES, *entries), lake, LEDGER_ENTRIES)
    there = OtherReader(tables.location(lake, LEDGER_ENTRIES)).to_pyarrow_table().sort_by("offset")
    here = as_dicts(tables.read(spark, lake, LEDGER_ENTRIES).orderBy("offset"))
    assert sum(there["amount"].to_pylist()) == Decimal("1000000000012.3400")
    named = ("offset", "amount", "city", "ingest_date", "card_token")
    in_order = sorted(here, key=lambda row: row["offset"])
    assert there.select(named).to_pylist() == [{name: row[name] for name in named} for row in in_order]
    instants = [at.replace(tzinfo=None) for at in there["event_at"].to_pylist()]
    assert instants == [row["event_at"] for row in in_order]


def test_a_required_column_cannot_be_written_null(spark: SparkSession, lake: str) -> None:
    tables.create(spark, lake, NOTES)
    with pytest.raises(Exception, match="note_id"):
        tables.append(rows(spark, NOTES, {"note_id": None}), lake, NOTES)
    assert read(spark, lake) == []


def test_creating_a_table_again_changes_nothing(spark: SparkSession, lake: str) -> None:
    assert not tables.exists(spark, lake, NOTES)
    tables.create(spark, lake, NOTES)
    tables.create(spark, lake, NOTES)
    assert tables.exists(spark, lake, NOTES)
    assert tables.last_commit(spark, lake, NOTES) == tables.Commit(0, None)


def test_a_column_that_a_contract_gains_is_added_and_null_in_old_rows(spark: SparkSession, notes: str) -> None:
    gained = dataclasses.replace(NOTES, fields=(*NOTES.fields, Field("by", StringType(), "Author.", nullable=True)))
    tables.create(spark, notes, gained)
    tables.append(rows(spark, gained, {"note_id": 3, "by": "me"}), notes, gained)
    found = sorted(tuple(row) for row in tables.read(spark, notes, gained).collect())
    assert found == [(1, "one", None), (2, None, None), (3, None, "me")]


def test_a_column_of_another_type_is_refused_in_one_sentence(spark: SparkSession, notes: str) -> None:
    changed = dataclasses.replace(NOTES, fields=(NOTES.fields[0], Field("text", LongType(), "A number.", nullable=True)))
    with pytest.raises(ContractError, match=r"notes.text is string at .* but the contract says bigint; migrate"):
        tables.create(spark, notes, changed)


def test_a_table_that_is_not_there_is_a_source_error_in_one_sentence(spark: SparkSession, lake: str) -> None:
    with pytest.raises(SourceError, match="There is no table notes in the lake .*; run the job that writes it first"):
        tables.read(spark, lake, NOTES)


def test_a_frame_without_a_column_of_the_contract_is_not_written(spark: SparkSession, notes: str) -> None:
    with pytest.raises(AnalysisException, match="text"):
        tables.append(frame(spark, "note_id bigint", [9]), notes, NOTES)
    assert read(spark, notes) == [(1, "one"), (2, None)]


def test_an_append_of_one_version_happens_once(spark: SparkSession, notes: str) -> None:
    def append(note_id: int, app_id: str, version: int) -> None:
        tables.append(rows(spark, NOTES, {"note_id": note_id}), notes, NOTES, tables.Txn(app_id, version))

    append(10, "job/1", 5)
    append(11, "job/1", 5)
    append(12, "job/1", 4)
    append(13, "job/1", 6)
    append(14, "job/2", 5)
    assert [note for note, _ in read(spark, notes)] == [1, 2, 10, 13, 14]


def test_an_overwrite_says_in_its_commit_what_it_is_and_maintenance_does_not_hide_it(
    spark: SparkSession, notes: str
) -> None:
    said = {"batch": 7, "ends": {"pg-transactions": {"0": 12}}}
    tables.overwrite(rows(spark, NOTES, {"note_id": 3}), notes, NOTES, said)
    assert read(spark, notes) == [(3, None)]
    version = tables.last_commit(spark, notes, NOTES).version
    tables.append(rows(spark, NOTES, {"note_id": 4}), notes, NOTES)
    tables.compact(spark, notes, NOTES)
    tables.vacuum(spark, notes, NOTES)
    assert tables.last_commit(spark, notes, NOTES) == tables.Commit(version, said)
    assert read(spark, notes) == [(3, None), (4, None)]
    assert [tuple(row) for row in tables.read(spark, notes, NOTES, version).collect()] == [(3, None)]


def test_what_a_commit_says_is_found_behind_many_silent_ones(spark: SparkSession, notes: str) -> None:
    said = {"batch": 7}
    tables.overwrite(rows(spark, NOTES, {"note_id": 3}), notes, NOTES, said)
    nothing = pa.table({"note_id": pa.array([], pa.int64()), "text": pa.array([], pa.string())})
    for _ in range(20):
        write_deltalake(tables.location(notes, NOTES), nothing, mode="append")
    assert tables.last_commit(spark, notes, NOTES).metadata == said


def test_rows_are_replaced_deleted_and_merged_where_a_predicate_says(spark: SparkSession, notes: str) -> None:
    tables.replace_where(rows(spark, NOTES, {"note_id": 2, "text": "two"}), notes, NOTES, "note_id = 2")
    assert read(spark, notes) == [(1, "one"), (2, "two")]
    with pytest.raises(Exception, match="note_id"):
        tables.replace_where(rows(spark, NOTES, {"note_id": 5}), notes, NOTES, "note_id = 2")
    changes = rows(spark, NOTES, {"note_id": 2, "text": "new"}, {"note_id": 3, "text": None})
    tables.merge(changes, notes, NOTES, on="t.note_id = s.note_id", update=None)
    assert read(spark, notes) == [(1, "one"), (2, "two"), (3, None)]
    tables.merge(changes, notes, NOTES, on="t.note_id = s.note_id", update={"text": "s.text"})
    assert read(spark, notes) == [(1, "one"), (2, "new"), (3, None)]
    tables.delete_where(spark, notes, NOTES, "text IS NULL")
    assert read(spark, notes) == [(1, "one"), (2, "new")]


def test_a_contents_hash_is_free_of_order_and_sees_every_difference(spark: SparkSession) -> None:
    def hashed(*data: tuple[int | None, str | None]) -> tuple[int, str]:
        return tables.content_hash(frame(spark, "a int, b string", *data), ("a", "b"))

    one = hashed((1, "x"), (2, None), (2, None))
    assert one == hashed((2, None), (1, "x"), (2, None))
    others = [hashed((1, "x"), (2, None)), hashed((1, "x"), (2, None), (2, "")), hashed((1, "x"), (1, "x"), (2, None))]
    assert one not in others


def test_a_contents_hash_sees_a_value_move_to_the_next_column(spark: SparkSession) -> None:
    here, there = frame(spark, "a string, b string", ["x", None]), frame(spark, "a string, b string", [None, "x"])
    assert tables.content_hash(here, ("a", "b")) != tables.content_hash(there, ("a", "b"))


def test_a_table_lies_below_the_lake_whatever_the_lake_ends_with() -> None:
    assert tables.location("/lake/", OPEN_ITEMS) == tables.location("/lake", OPEN_ITEMS) == "/lake/partial/open_items"
    assert tables.location("s3a://bucket/prefix", OPEN_ITEMS) == "s3a://bucket/prefix/partial/open_items"


def test_an_empty_folder_is_no_table(spark: SparkSession, lake: str) -> None:
    Path(tables.location(lake, NOTES)).mkdir(parents=True)
    assert not tables.exists(spark, lake, NOTES)


def test_a_relative_lake_is_the_folder_below_the_current_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert tables.location("build/lake", LEDGER_ENTRIES) == f"{tmp_path}/build/lake/raw/ledger_entries"
    assert tables.location("s3a://bucket/lake/", LEDGER_ENTRIES) == "s3a://bucket/lake/raw/ledger_entries"
