"""`paylake reconcile`: what somebody meets who tries it with files of their own."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from pyspark.sql import SparkSession

from paylake import reconcile_command
from paylake.errors import PaylakeError, SettingsError

LEDGER = "ledger_entry_id,end_to_end_id,amount,currency,posted_at,reference\n"
BANK = "bank_entry_id;end_to_end_id;amount;currency;booking_date;reference\n"
GOOD = {
    "ledger": LEDGER + "l1,E1,10.00,EUR,2026-03-01T09:00:00Z,R1\nl2,E2,20.00,EUR,2026-03-01,R2\n",
    "bank": BANK + "b1;E1;10.00;EUR;2026-03-01;R1\nb2;E2;20.04;EUR;2026-03-02;R2\nb3;E3;5.00;EUR;2026-03-02;R3\n",
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with both files."""
    for name, text in GOOD.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def reconcile(files: Path, *more: str, rules: str = "ledger_and_bank_statement") -> int:
    sources = [f"--source={name}={files / name}.csv" for name in GOOD]
    return reconcile_command.main([rules, *sources, "--out", str(files / "out"), *more])


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_two_files_are_reconciled(spark: SparkSession, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reconcile(files) == 0
    said = capsys.readouterr().out
    assert "1  same end-to-end id, same amount" in said
    assert "1  same end-to-end id, within tolerance; difference €0.04" in said
    assert "1  open: MISSING_IN_LEDGER (1 of bank)" in said
    assert "closes by count and amount" in said
    assert [r["entry_id"] for r in rows(files / "out" / "breaks.csv")] == ["b3"]
    assert sorted(r["entry_id"] for r in rows(files / "out" / "matches.csv")) == ["b1", "b2", "l1", "l2"]
    assert json.loads((files / "out" / "proof.json").read_text())["closes"] is True
    assert "Every entry is accounted for." in (files / "out" / "report.html").read_text()


def test_an_excel_file_is_a_source_like_any_other(
    spark: SparkSession, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (BANK.strip().split(";"), ["b1", "E1", 10, "EUR", datetime(2026, 3, 1), "R1"],
                ["b2", "E2", 20.04, "EUR", datetime(2026, 3, 2), "R2"]):  # fmt: skip
        book.active.append(row)
    book.save(files / "bank.xlsx")
    sources = [f"--source=ledger={files / 'ledger.csv'}", f"--source=bank={files / 'bank.xlsx'}"]
    assert reconcile_command.main(["ledger_and_bank_statement", *sources, "--out", str(files / "out")]) == 0
    said = capsys.readouterr().out
    assert "1  same end-to-end id, same amount" in said
    assert "1  same end-to-end id, within tolerance; difference €0.04" in said
    assert rows(files / "out" / "breaks.csv") == []
    (files / "bank.xlsx").write_bytes(b"no workbook at all")
    with pytest.raises(PaylakeError, match="bank.xlsx"):
        reconcile_command.main(["ledger_and_bank_statement", *sources, "--out", str(files / "out")])


def test_a_dry_run_writes_nothing(spark: SparkSession, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reconcile(files, "--dry-run") == 0
    assert not (files / "out").exists()
    assert "Nothing was written" in capsys.readouterr().out


def test_rows_that_cannot_be_read_are_listed_and_the_rest_goes_on(spark: SparkSession, files: Path) -> None:
    bad = "b4;E4;1.234,00;EUR;2026-03-02;R4\nb5;E5;1.00;EUR\nb6;E6;1.00;XXX;2026-03-02;R6\n"
    (files / "bank.csv").write_bytes(b"\xef\xbb\xbf" + (GOOD["bank"] + bad).encode())
    assert reconcile(files) == 0
    found = {r["entry_id"]: r["detail"] for r in rows(files / "out" / "rejected.csv")}
    assert found["b4"] == "the amount cannot be read"
    assert "the row does not have the columns of the first line" in found["b5"]
    assert found["b6"] == "the currency is unknown"
    assert len(rows(files / "out" / "matches.csv")) == 4


def bank(line: str, header: str = BANK) -> str:
    return header + line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bank("b1;E1;10.00;EUR;2026-03-01;R1\n", BANK.replace("end_to_end_id", "e2e")),
         "source bank, key end_to_end_id: 'end_to_end_id' cannot be read over"),
        (bank("b1;E1;10.00;EUR;31/03/2026;R1\n"), "the first date is '31/03/2026': name the date_format of the source"),
        (bank("b1;E1;1.234,00;EUR;2026-03-01;R1\n"), "the first amount is '1.234,00': write amounts with a point"),
        (bank("b1;E1;10.00;Euro;2026-03-01;R1\n"), "it must be an ISO 4217 code"),
        ("", "is empty; it needs a first line with the names of its columns"),
        (bank("", BANK.replace("reference", "amount")), "has the column 'amount' twice"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_told_in_a_sentence_that_teaches(
    spark: SparkSession, files: Path, text: str, said: str
) -> None:
    (files / "bank.csv").write_text(text, encoding="utf-8")
    with pytest.raises(PaylakeError) as error:
        reconcile(files)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (files / "out").exists()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "Which rule set?"),
        (["nowhere.yaml"], "nowhere.yaml is no file, and none of"),
        (["three_ledgers", "--source", "gateway"], "is not name=path"),
        (["three_ledgers", "--source", "bank=a.csv"], "has no such source; it has gateway, core, mobile"),
        (["three_ledgers", "--source", "gateway=a.csv", "--source", "core=b.csv"], "The source 'mobile' has no file"),
    ],
)
def test_a_wrong_command_is_told_before_anything_starts(argv: list[str], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        reconcile_command.main(argv)
    assert said in str(error.value)


def test_the_rule_sets_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert reconcile_command.main(["--list"]) == 0
    assert reconcile_command.main(["three_ledgers", "--show"]) == 0
    said = capsys.readouterr().out
    assert "orders_gateway_payouts" in said
    assert "name: three ledgers" in said


@pytest.mark.parametrize("text", ["[]", "[{broken", "no json at all\n"])
def test_a_json_file_without_a_readable_object_is_named(spark: SparkSession, files: Path, text: str) -> None:
    (files / "bank.json").write_text(text, encoding="utf-8")
    sources = [f"--source=ledger={files / 'ledger.csv'}", f"--source=bank={files / 'bank.json'}"]
    with pytest.raises(PaylakeError, match=r"bank\.json holds no JSON object that can be read"):
        reconcile_command.main(["ledger_and_bank_statement", *sources])


def test_a_file_that_is_not_there_is_named(spark: SparkSession, files: Path) -> None:
    (files / "bank.csv").unlink()
    with pytest.raises(PaylakeError, match=r"bank\.csv is not there"):
        reconcile(files)
