"""Files of dimensions in the lake: every record delivered or quarantined, taken in any order, and once."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.batch import ingest_dimensions as job
from paylake import dimensions_command, ingest_dimensions, tables
from paylake.contracts import DIMENSION_DELIVERIES, DIMENSIONS_QUARANTINE, MERCHANTS
from paylake.contracts.table import FAILED_CHECKS
from paylake.errors import SettingsError, SourceError
from paylake.ingest import Incoming
from paylake.simulation.dimension_files import CHANGED, write_dimensions
from tests.builders import as_dicts

HEADER = "merchant_id,merchant_name,category,risk_level,onboarding_date,country,valid_from,delivered_at,owner\n"
FIRST = HEADER + (
    "m1,Asha Stores,grocery,LOW,2025-01-31,IN,2025-01-31,2026-03-30T00:00:00Z,Asha Rao\n"
    "m2,Bus & Co,travel,HIGH,2025-02-30,IN,2025-02-28,2026-03-30T00:00:00Z,Ben\n"
    "m3,cut off\n"
)
CHANGE = HEADER + "m1,Asha Stores,grocery,HIGH,2025-01-31,IN,2026-03-31T12:00:00Z,2026-03-31T12:05:00Z,Asha Rao\n"
CORRECTION = (
    '{"merchant_id": "m1", "merchant_name": "Asha Stores", "category": "grocery", "risk_level": "MEDIUM", '
    '"onboarding_date": "2025-01-31", "country": "IN", "valid_from": "2025-01-31", "delivered_at": "2026-03-30T09:00:00Z"}\n'
)
FILES = {"merchants_1.csv": FIRST, "merchants_2.csv": CHANGE, "merchants_3.jsonl": CORRECTION}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "incoming"
    place.mkdir()
    for name, text in FILES.items():
        (place / name).write_text(text, encoding="utf-8")
    return place


def incoming(*names: str) -> list[Incoming]:
    return [Incoming(name, FILES[name].encode()) for name in names]


def history(spark: SparkSession, lake: str) -> list[dict[str, Any]]:
    return as_dicts(tables.read(spark, lake, MERCHANTS))


def versions(spark: SparkSession, lake: str) -> list[int]:
    return [tables.latest_version(spark, lake, c) for c in (MERCHANTS, DIMENSION_DELIVERIES, DIMENSIONS_QUARANTINE)]


@pytest.mark.slow
def test_files_are_taken_once_and_an_id_is_shown_as_of_a_time(
    spark: SparkSession, lake: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job.main(spark, job.IngestDimensionsSettings(files=str(folder), lake=lake))
    rows = tables.read(spark, lake, MERCHANTS).orderBy("valid_from").collect()
    noon = datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert [(r["merchant_id"], r["risk_level"], r["valid_to"] and r["valid_to"].astimezone(UTC)) for r in rows] == [
        ("m1", "MEDIUM", noon),
        ("m1", "HIGH", None),
    ]
    waiting = tables.read(spark, lake, DIMENSIONS_QUARANTINE).orderBy("line").collect()
    assert [(r["line"], r[FAILED_CHECKS]) for r in waiting] == [
        (3, ["onboarding_date_unreadable"]),
        (4, ["record_unreadable"]),
    ]
    assert "Ben" not in waiting[0]["row"]

    before = versions(spark, lake)
    assert dimensions_command.main(["ingest", str(folder / "merchants_1.csv"), "--lake", lake]) == 0
    assert versions(spark, lake) == before
    said = capsys.readouterr().out
    assert "merchants_1.csv: 3 merchants, 1 accepted (0 recorded, 1 known already), 2 in quarantine." in said
    assert "line 3: onboarding_date '2025-02-30' is not a date such as 2026-03-31\n" in said
    assert "line 4: it has more or fewer cells than there are columns" in said
    assert "not taken along: owner." in said

    assert dimensions_command.main(["show", "m1", "--lake", lake, "--as-of", "2026-03-31T11:00:00+00:00"]) == 0
    shown = capsys.readouterr().out
    assert "risk_level       MEDIUM\n" in shown
    assert "1 version of m1 as of 2026-03-31T11:00:00+00:00." in shown
    assert dimensions_command.main(["show", "m1", "--lake", lake, "--as-of", "2024-03-31T11:00:00+00:00"]) == 1
    assert "0 versions" in capsys.readouterr().out
    with pytest.raises(SourceError, match="holds no users yet"):
        dimensions_command.main(["show", "m1", "--lake", lake, "--dimension", "users"])


@pytest.mark.thorough
@pytest.mark.slow
def test_files_are_taken_in_any_order_and_any_grouping(spark: SparkSession, lake: str, tmp_path: Path) -> None:
    ingest_dimensions.ingest(spark, lake, incoming(*FILES))
    other = str(tmp_path / "other")
    for name in reversed(FILES):
        ingest_dimensions.ingest(spark, other, incoming(name))
    assert history(spark, other) == history(spark, lake)


@pytest.mark.thorough
@pytest.mark.slow
def test_what_a_simulation_delivers_is_accepted_whole(spark: SparkSession, lake: str, tmp_path: Path) -> None:
    paths = write_dimensions(7, "mix", date(2026, 1, 15), tmp_path / "files")
    taken = ingest_dimensions.ingest(spark, lake, [Incoming(path.name, path.read_bytes()) for path in paths])
    assert [(one.name, one.quarantined, one.recorded == one.records) for one in taken] == [
        ("users.csv", 0, True), ("merchants.csv", 0, True), ("locations.csv", 0, True), ("policies.csv", 0, True),
    ]  # fmt: skip
    assert tables.read(spark, lake, MERCHANTS).where("NOT is_current").count() == CHANGED


@pytest.mark.slow
def test_what_a_crash_left_undone_the_next_file_mends(
    spark: SparkSession, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(tables, "overwrite", dies)
        with pytest.raises(RuntimeError, match="killed"):
            ingest_dimensions.ingest(spark, lake, incoming("merchants_1.csv"))
    assert history(spark, lake) == []
    (again,) = ingest_dimensions.ingest(spark, lake, incoming("merchants_1.csv"))
    assert (again.accepted, again.recorded) == (1, 0)
    assert [row["merchant_id"] for row in history(spark, lake)] == ["m1"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "needs one more word"),
        (["ingest"], "Which files?"),
        (["ingest", "nowhere.csv"], "nowhere.csv is not there"),
        (["ingest", "x.csv", "--dimension", "banks"], "'banks' is not one of merchants, users, locations, policies"),
        (["ingest", "x.csv", "--delivered-at", "today"], "'today' is not a time with an offset"),
        (["show"], "Which one?"),
        (["show", "m1", "--as-of", "2026-03-31"], "'2026-03-31' is not a time with an offset"),
    ],
)
def test_a_wrong_command_is_told_before_anything_starts(argv: list[str], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        dimensions_command.main(argv)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("banks.csv", "id\n1\n", "banks.csv begins with no dimension's name (merchants, users, locations, policies)"),
        ("merchants.csv", HEADER.replace("risk_level", "risk"), "merchants.csv lacks the column risk_level, which merchants "
         "need; it has merchant_id, merchant_name, category, risk, "),
        ("merchants.csv", HEADER.replace("delivered_at", "at"), "or say --delivered-at for the whole file"),
        ("merchants.csv", "merchant_id,is_deleted\n", "lacks the columns valid_from, delivered_at"),
        ("merchants.jsonl", "no json\n", "it has none."),
        ("merchants.doc", "x", "merchants.doc is no file that can be read here"),
    ],
)  # fmt: skip
def test_a_file_that_says_too_little_is_refused_in_a_sentence(name: str, text: str, said: str) -> None:
    with pytest.raises((SettingsError, SourceError)) as error:
        list(ingest_dimensions._taken([Incoming(name, text.encode())], None, None))
    assert said in str(error.value)


def test_a_file_without_delivery_times_may_be_given_one_and_the_same_bytes_are_taken_once() -> None:
    text = "merchant_id,valid_from,is_deleted\nm1,2026-03-31,true\n"
    files = [Incoming("merchants_ended.csv", text.encode()), Incoming("merchants_again.csv", text.encode())]
    (taken,) = ingest_dimensions._taken(files, None, datetime(2026, 3, 31, tzinfo=UTC))
    assert [row[2:] for row in taken.records] == [
        (2, '{"merchant_id": "m1", "valid_from": "2026-03-31", "delivered_at": "2026-03-31T00:00:00+00:00", '
            '"is_deleted": "true"}'),
    ]  # fmt: skip


def test_files_are_written_together_up_to_a_number_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_dimensions, "RECORDS_AT_ONCE", 3)
    taken = ingest_dimensions._taken(incoming(*FILES), None, None)
    assert [[one.file.name for one in together] for together in ingest_dimensions._batches(taken)] == [
        ["merchants_1.csv"],
        ["merchants_2.csv", "merchants_3.jsonl"],
    ]
