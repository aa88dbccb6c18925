"""Files of banks and processors in the lake: posted when proved, else quarantined; taken once, whatever happens between."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.batch import ingest_statements
from paylake import ingest as ingestion
from paylake import ingest_command, tables
from paylake.contracts import ALL, SETTLEMENT_LINES, STATEMENT_FILES, STATEMENT_LINES, STATEMENTS
from paylake.contracts.table import TableContract
from paylake.contracts.views import VIEWS
from paylake.errors import SettingsError
from paylake.statements import formats
from paylake.views import register

MT940 = (
    ":20:REF1\r\n:25:10020030/1234567\r\n:28C:5/1\r\n:60F:C260301EUR100,00\r\n:61:2603030302C12,50NTRFREF-1//BANK-1\r\n"
    ":86:RENT MAY, CARD 4111111111111111\r\n:62F:C260302EUR{closing}\r\n-\r\n"
)
STRIPE = (
    "balance_transaction_id,created,automatic_payout_effective_at,currency,gross,fee,net,reporting_category,automatic_payout_id,"
    "customer_facing_amount\n"
    "txn_1,2026-03-01 10:00:00,2026-03-04 00:00:00,eur,25,0.95,24.05,charge,po_1,25\n"
    "txn_2,2026-03-04 00:00:00,2026-03-04 00:00:00,eur,-24.05,0,-24.05,payout,po_1,\n"
)
FILES = {
    "proved.sta": MT940.format(closing="112,50"),
    "short.sta": MT940.format(closing="112,49"),
    "payout.csv": STRIPE,
    "no file of ours.bin": "\x00\x01\x02",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "incoming"
    place.mkdir()
    for name, text in FILES.items():
        (place / name).write_bytes(text.encode())
    return place


def states(spark: SparkSession, lake: str) -> dict[tuple[str, str], str | None]:
    rows = tables.read(spark, lake, STATEMENT_FILES).collect()
    return {(row["file_name"], row["state"]): row["reason"] for row in rows}


def take(spark: SparkSession, lake: str, folder: Path) -> None:
    ingest_statements.main(spark, ingest_statements.IngestStatementsSettings(files=str(folder), lake=lake))


def versions(spark: SparkSession, lake: str) -> dict[str, int]:
    return {
        c.name: spark.sql(f"DESCRIBE HISTORY delta.`{tables.location(lake, c)}`").count()
        for c in ALL
        if tables.exists(spark, lake, c)
    }


def test_files_are_posted_or_quarantined_and_taken_once(spark: SparkSession, lake: str, folder: Path) -> None:
    take(spark, lake, folder)
    assert states(spark, lake) == {
        ("proved.sta", "POSTED"): None,
        ("short.sta", "QUARANTINED"): "BALANCE_PROOF_FAILED",
        ("payout.csv", "POSTED"): None,
        ("no file of ours.bin", "QUARANTINED"): "SCHEMA_INVALID",
    }
    proofs = {row["proof"]: row["difference_amount"] for row in tables.read(spark, lake, STATEMENTS).collect()}
    assert proofs == {"PROVED": Decimal(0), "UNPROVED": Decimal("-0.01")}

    register(spark, lake)
    posted = spark.sql("SELECT amount, remittance FROM v_statement_lines").collect()
    assert [(row["amount"], row["remittance"]) for row in posted] == [(Decimal("12.5"), "RENT MAY, CARD [masked]")]
    assert spark.sql("SELECT count(*) FROM v_settlement_lines").collect()[0][0] == 2

    before = versions(spark, lake)
    take(spark, lake, folder)
    assert versions(spark, lake) == before


@pytest.mark.slow
def test_a_person_accepts_a_file_with_a_reason(spark: SparkSession, lake: str, folder: Path) -> None:
    take(spark, lake, folder)
    (waiting,) = (r for r in ingestion.quarantined(spark, lake).collect() if r["file_name"] == "short.sta")
    sha256 = waiting["file_sha256"]
    with pytest.raises(SettingsError, match="Who accepts it, and why"):
        ingestion.accept(spark, lake, sha256[:10], "", "because")
    ingestion.accept(spark, lake, sha256[:10], "asha", "the bank confirmed it")
    register(spark, lake)
    # both files tell the same entry of the same account, which is one entry
    assert spark.sql("SELECT count(*) FROM v_statement_lines").collect()[0][0] == 1
    (again,) = spark.sql("SELECT * FROM v_repeated_lines").collect()
    assert (again["file_kind"], again["amount"], again["own_reference"]) == ("STATEMENT", Decimal("12.5"), "BANK-1")
    with pytest.raises(SettingsError, match="nothing waits for a word"):
        ingestion.accept(spark, lake, sha256, "asha", "again")
    with pytest.raises(SettingsError, match="names 0 files"):
        ingestion.accept(spark, lake, "0000", "asha", "which?")


@pytest.mark.slow
def test_equal_entries_of_one_file_are_two_and_of_two_files_one_and_another_amount_is_a_conflict(
    spark: SparkSession, lake: str, folder: Path
) -> None:
    line = ":61:2603030302C{amount}NTRFREF-{n}//{own}\r\n"

    def statement(number: int, *lines: str, closing: str) -> bytes:
        head = f":20:R{number}\r\n:25:10020030/1234567\r\n:28C:{number}/1\r\n:60F:C260301EUR100,00\r\n"
        return (head + "".join(lines) + f":62F:C260302EUR{closing}\r\n-\r\n").encode()

    twice = [line.format(amount="5,00", n=1, own="B1")] * 2
    for old in folder.iterdir():
        old.unlink()
    (folder / "a.sta").write_bytes(statement(1, *twice, closing="110,00"))
    (folder / "b.sta").write_bytes(statement(2, *twice, line.format(amount="7,00", n=2, own="B2"), closing="117,00"))
    (folder / "c.sta").write_bytes(statement(3, line.format(amount="7,50", n=2, own="B2"), closing="107,50"))
    take(spark, lake, folder)
    register(spark, lake)
    counted = spark.sql("SELECT CAST(amount AS STRING) a FROM v_statement_lines ORDER BY 1").collect()
    assert [r["a"] for r in counted] == ["5.000000", "5.000000", "7.000000", "7.500000"]
    assert spark.sql("SELECT * FROM v_repeated_lines").count() == 2
    (conflict,) = spark.sql("SELECT * FROM v_conflicting_lines").collect()
    assert conflict.asDict() == {
        "file_kind": "STATEMENT", "account": "10020030/1234567", "own_reference": "B2", "files": 2,
        "smallest_amount": Decimal("7.000000"), "largest_amount": Decimal("7.500000"), "currency": "EUR",
    }  # fmt: skip


@pytest.mark.slow
def test_a_crash_before_the_files_row_loses_and_doubles_nothing(
    spark: SparkSession, lake: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ingestion._insert

    def dies(spark: SparkSession, lake: str, contract: TableContract, rows: list[tuple[Any, ...]]) -> None:
        if contract is STATEMENT_FILES:
            raise RuntimeError("killed")
        kept(spark, lake, contract, rows)

    monkeypatch.setattr(ingestion, "_insert", dies)
    with pytest.raises(RuntimeError, match="killed"):
        take(spark, lake, folder)
    register(spark, lake)
    assert spark.sql("SELECT count(*) FROM v_statement_lines").collect()[0][0] == 0
    monkeypatch.setattr(ingestion, "_insert", kept)
    take(spark, lake, folder)
    assert tables.read(spark, lake, STATEMENT_LINES).count() == 2
    assert tables.read(spark, lake, SETTLEMENT_LINES).count() == 2
    assert len(states(spark, lake)) == len(FILES)


def test_the_command_says_what_became_of_each_file(
    spark: SparkSession, lake: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ingest_command.main([str(folder), "--lake", lake]) == 0
    said = capsys.readouterr().out
    assert "leave -0.01 EUR of the closing balance 112.49 unexplained" in said
    assert "2 quarantined, 2 posted." in said
    assert ingest_command.main([str(folder / "payout.csv"), "--lake", lake]) == 0
    assert "1 seen before." in capsys.readouterr().out
    assert ingest_command.main(["list", "--lake", lake]) == 0
    assert "2 files in quarantine." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "Which files?"),
        (["nowhere.xml"], "nowhere.xml is not there"),
        (["--format", "cobol", "a"], "is not expected here"),
        ([__file__, "--format", "cobol"], "cobol"),
        ([__file__, "--mapping", "nowhere.yaml"], "nowhere.yaml is no file"),
    ],
)
def test_a_wrong_command_is_told_before_anything_starts(argv: list[str], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        ingest_command.main(argv)
    assert said in str(error.value)


def test_every_view_over_files_shows_posted_ones_only() -> None:
    over_files = {c.name for c in ingestion.OF_FILES if c is not STATEMENT_FILES}
    shown = [view for view in VIEWS if over_files & {source.name for source in view.reads}]
    assert len(shown) == 6
    assert all("'POSTED', 'ACCEPTED'" in view.body for view in shown)


def test_formats_have_parsers_that_refuse_in_a_sentence() -> None:
    for name in formats.MODULES:
        with pytest.raises(ValueError, match=r"\S") as error:
            formats.parser(name)(b"\x00")
        assert "\n" not in str(error.value)
