"""Suites say what the contracts say, find what is broken, and end on pages that stand alone."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import LongType, StringType

from paylake import tables
from paylake.contracts import ALL, BUSINESS_DAYS, STATEMENT_FILES, STATEMENT_LINES, TableContract
from paylake.contracts.table import Action, Check, Field
from paylake.errors import SettingsError
from paylake.expectations import PUBLISHED, Result, published, suite_of, validate
from tests.builders import as_dicts, day, rows

AT = datetime(2026, 3, 31, 22, 0, tzinfo=UTC)
FEES = TableContract(
    name="fees",
    layer="raw",
    doc="One row per fee.",
    fields=(
        Field("fee_id", LongType(), "Identifier of the fee."),
        Field("line", LongType(), "Line of the invoice."),
        Field("note", StringType(), "What the scheme says.", nullable=True),
    ),
    key=("fee_id", "line"),
    checks=(Check("note_is_a_code", "note RLIKE '^[A-Z]{3}$'"), Check("note_short", "length(note) < 4", Action.WARN)),
)


def test_a_suite_says_what_the_contract_says() -> None:
    suite = suite_of(FEES)
    told = [(e.expectation_type, e.severity.value, e.meta["check"], e.description) for e in suite.expectations]
    assert suite.name == "fees"
    assert told == [
        ("expect_table_columns_to_match_ordered_list", "critical", "columns",
         "The columns are those of the contract, in its order."),
        ("unexpected_rows_expectation", "critical", "key_unique", "key_unique: no two rows share a key (fee_id, line)."),
        ("expect_column_values_to_not_be_null", "critical", "fee_id_present",
         "fee_id is never null. Identifier of the fee."),
        ("expect_column_values_to_not_be_null", "critical", "line_present", "line is never null. Line of the invoice."),
        ("unexpected_rows_expectation", "critical", "note_is_a_code", "note_is_a_code: note RLIKE '^[A-Z]{3}$'"),
        ("unexpected_rows_expectation", "warning", "note_short", "note_short: length(note) < 4"),
    ]  # fmt: skip
    columns, key, _, line, code, _ = suite.expectations
    assert columns.column_list == ["fee_id", "line", "note"]
    assert key.unexpected_rows_query == (
        "SELECT fee_id, line, count(*) AS rows FROM {batch} GROUP BY fee_id, line HAVING count(*) > 1"
    )
    assert line.column == "line"
    assert code.unexpected_rows_query == "SELECT * FROM {batch} WHERE NOT coalesce((note RLIKE '^[A-Z]{{3}}$'), false)"


@pytest.mark.parametrize("contract", ALL, ids=lambda c: c.name)
def test_no_promise_of_a_table_is_left_out(contract: TableContract) -> None:
    told = [e.meta["check"] for e in suite_of(contract).expectations]
    assert told == ["columns", "key_unique", *(c.name for c in contract.all_checks)]


def test_consumers_see_the_tables_that_the_views_show() -> None:
    assert {"reconciliation_index", "aggregate_index", "breaks", "run_controls"} <= {c.name for c in PUBLISHED}
    assert "batch_index" not in {c.name for c in PUBLISHED}


def test_a_broken_promise_is_found_named_and_told_on_pages_that_stand_alone(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monday, tuesday = {"day": day("2026-03-30")}, {"day": day("2026-03-31")}
    days = rows(spark, BUSINESS_DAYS, monday, tuesday, tuesday, {"rail": "secret river"})
    assert validate({BUSINESS_DAYS: days}, tmp_path / "out", AT) == (
        Result("business_days", 4, 8, failed=("key_unique", "rail_known"), warned=()),
    )
    docs = tmp_path / "out" / "data_docs"
    pages = {
        path.relative_to(docs).as_posix(): path.read_text(encoding="utf-8") for path in docs.rglob("*") if path.is_file()
    }
    result = "validations/business_days/published/20260331T220000.000000Z/lake-business_days.html"
    assert sorted(pages) == ["expectations/business_days.html", "index.html", result]
    assert f'<a href="{result}">business_days</a>' in pages["index.html"]
    assert "rail_known: rail IN (" in pages[result]
    assert [name for name, page in pages.items() if "<script" in page or "http" in page or "secret river" in page] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]
    assert list((tmp_path / "home").iterdir()) == []
    assert spark.catalog.listTables() == []
    assert capfd.readouterr().out == ""


@pytest.mark.slow
def test_lines_of_a_file_that_is_not_posted_are_not_published(spark: SparkSession, lake: str) -> None:
    tables.create(spark, lake, STATEMENT_FILES, STATEMENT_LINES)
    files = ({"file_sha256": "a"}, {"file_sha256": "b", "state": "QUARANTINED"})
    tables.append(rows(spark, STATEMENT_FILES, *files), lake, STATEMENT_FILES)
    tables.append(rows(spark, STATEMENT_LINES, {"file_sha256": "a"}, {"file_sha256": "b"}), lake, STATEMENT_LINES)
    assert as_dicts(published(spark, lake, STATEMENT_LINES), "file_sha256") == [{"file_sha256": "a"}]


@pytest.mark.parametrize("missing", ["great_expectations", "grpc"])
def test_what_is_not_installed_is_told_in_a_sentence(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        if missing == "grpc":
            raise SystemExit("Skipping doctests: No module named 'grpc'")
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("paylake.expectations.importlib.import_module", refuse)
    with pytest.raises(SettingsError, match=r"Data Docs need Great Expectations: .*paylake\[quality\]"):
        suite_of(FEES)


def test_nobody_loads_great_expectations_who_does_not_ask_for_it() -> None:
    code = "import sys, paylake.quality_command, paylake.gate; print('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
