"""`paylake quality`: a table on the terminal, pages in a folder, and an exit code that a scheduler can act on."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from paylake import tables
from paylake.cli import main
from paylake.contracts import BUSINESS_DAYS
from tests.builders import day, rows


@pytest.mark.slow
def test_tables_that_keep_their_promises_and_one_that_does_not(
    spark: SparkSession, lake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.create(spark, lake, BUSINESS_DAYS)
    tables.append(rows(spark, BUSINESS_DAYS, {}), lake, BUSINESS_DAYS)
    asked = ["quality", "--lake", lake, "--out", str(tmp_path / "out")]
    assert main(asked) == 0
    assert capsys.readouterr().out.splitlines() == [
        "table                  rows  expectations  failed",
        "business_days             1             8       0",
        f"Wrote {tmp_path / 'out' / 'data_docs' / 'index.html'}.",
    ]
    tables.append(rows(spark, BUSINESS_DAYS, {"rail": "RIVER", "day": day("2026-04-01")}), lake, BUSINESS_DAYS)
    assert main([*asked, "--tables", "business_days"]) == 1
    assert "business_days             2             8       1  rail_known" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "code", "sentence"),
    [
        ((), 1, "There is no published table in the lake"),
        (("--tables", "breaks"), 1, "There is no table breaks in the lake"),
        (("--tables", "brakes"), 2, "--tables: 'brakes' is not a table; there are ledger_entries, "),
    ],
)
def test_what_is_not_there_is_one_line(
    asked: tuple[str, ...], code: int, sentence: str, spark: SparkSession, lake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quality", "--lake", lake, *asked]) == code
    assert sentence in capsys.readouterr().err


def test_a_table_of_an_older_release_is_named_in_a_sentence(
    spark: SparkSession, lake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tables.location(lake, BUSINESS_DAYS)
    spark.sql(f"CREATE TABLE delta.`{place}` (rail STRING, day DATE) USING DELTA")
    assert main(["quality", "--lake", lake]) == 1
    shown = capsys.readouterr().err
    assert "has not the columns of its contract; the job that writes it adds them" in shown
    assert "is_business_day" in shown
