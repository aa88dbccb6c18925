"""`paylake sql`: what is asked is answered, and nothing else is done."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from paylake import tables
from paylake.cli import main
from paylake.contracts import BREAKS, RUN_CONTROLS
from paylake.contracts.questions import QUESTIONS, TEAMS
from tests.builders import rows


def test_a_question_is_answered_over_the_tables_that_are_there_and_the_views_over_them(
    spark: SparkSession, lake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.create(spark, lake, RUN_CONTROLS)
    published = {"row_kind": "PUBLISHED", "source": "all", "currency": "-"}
    tables.append(rows(spark, RUN_CONTROLS, {"run_id": "r1"}, {"run_id": "r1", **published}), lake, RUN_CONTROLS)
    asked = "WITH r AS (SELECT * FROM v_published_runs) SELECT count(*) AS runs, max(run_at) AS latest FROM r;"
    assert main(["sql", asked, "--lake", lake]) == 0
    assert "|   1|2026-03-31 12:00:00|" in capsys.readouterr().out
    assert main(["sql", "SHOW TABLES", "--lake", lake, "--vertical"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in ("run_controls", "v_published_runs", "v_daily_proof") if name not in shown] == []
    assert "v_match_rate" not in shown


def test_a_question_that_has_a_name_is_asked_by_it(
    spark: SparkSession, lake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.create(spark, lake, RUN_CONTROLS)
    difference = {"row_kind": "DIFFERENCE", "source": "late leg", "currency": "-", "broken_records": 3}
    published = {"row_kind": "PUBLISHED", "source": "all", "currency": "-"}
    tables.append(rows(spark, RUN_CONTROLS, difference, published), lake, RUN_CONTROLS)
    assert main(["sql", "--question", "stream_and_batch", "--lake", lake]) == 0
    assert "|late leg|           3|" in capsys.readouterr().out


def test_the_questions_that_have_a_name_are_listed_by_team(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "--questions"]) == 0
    shown = capsys.readouterr().out
    assert "\ncompliance and auditors:\n" in shown
    assert "  resolved_alone  " in shown
    assert len(shown.splitlines()) == len(QUESTIONS) + len(TEAMS)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "paylake sql answers one thing: a statement, or --question with a name that `paylake sql --questions` lists."),
        (["SELECT 1", "--question", "match_rate"], "paylake sql answers one thing"),
        (["--question", "match_rates"], "--question: 'match_rates' is not one of daily_proof_fails"),
    ],
)
def test_nothing_or_two_things_asked_is_one_line(argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", *argv]) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("SELECT * FROM nothing", "Spark cannot answer this: [TABLE_OR_VIEW_NOT_FOUND]"),
        ("SELECT FORM", "Spark cannot answer this: [UNRESOLVED_COLUMN"),
        ("SELECT 1; DROP VIEW breaks", "Spark cannot answer this: [PARSE_SYNTAX_ERROR]"),
        ("WITH r AS (SELECT 1 AS one) INSERT INTO breaks SELECT * FROM r", "Spark cannot answer this: [PARSE_SYNTAX_ERROR]"),
        ("SELECT 1 / 0", "Spark cannot answer this: [DIVIDE_BY_ZERO]"),
        ("DELETE FROM breaks", "paylake sql only reads: a statement begins with SELECT, WITH, SHOW or DESCRIBE."),
    ],
)
def test_a_bad_statement_is_one_line_and_exit_code_2(
    statement: str, sentence: str, spark: SparkSession, lake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.create(spark, lake, BREAKS)
    assert main(["sql", statement, "--lake", lake]) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count("\n") == 1


def test_a_lake_without_tables_is_named(spark: SparkSession, lake: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "SHOW TABLES", "--lake", lake]) == 1
    assert f"There is no table in the lake {lake}" in capsys.readouterr().err
