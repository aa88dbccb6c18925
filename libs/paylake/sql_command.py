"""`paylake sql`: a question to a lake, and the answer as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from paylake.contracts.questions import QUESTIONS, TEAMS
from paylake.errors import SettingsError, SourceError
from paylake.session import build_session, silence_failed_queries
from paylake.settings import parse_settings, setting
from paylake.views import register

READS = ("SELECT", "WITH", "SHOW", "DESCRIBE")
WIDEST = 80


@dataclass(frozen=True, kw_only=True)
class SqlSettings:
    """Ask a lake in SQL: its tables go by their names, and the views over published runs begin with v_.

    `SHOW TABLES` lists them; docs/data_dictionary.md says what each holds. What each team asks most has a name already:
    docs/questions.md shows the queries. Nothing can be written.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        'paylake sql "SELECT * FROM v_match_rate ORDER BY business_date, currency" --lake build/demo/lake',
        'paylake sql "SELECT owner, severity, count(*) FROM v_open_breaks GROUP BY owner, severity"',
        "paylake sql \"SELECT * FROM v_aggregate_index WHERE transaction_id = 't1'\" --vertical",
        "paylake sql --questions",
        "paylake sql --question open_breaks_by_reason --lake build/demo/lake",
    )

    statement: str = setting("", "What to ask, which may also stand without the flag: SELECT, WITH, SHOW or DESCRIBE.")
    question: str | None = setting(
        None, "Ask a question that has a name, in place of a statement.", choices=tuple(q.name for q in QUESTIONS)
    )
    questions: bool = setting(False, "List the questions that have a name, and ask nothing.")
    lake: str = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE", aliases="--output_path")
    limit: int = setting(50, "How many rows to show.")
    vertical: bool = setting(False, "Show each column on its own line, for rows that are too wide.")


def main(argv: Sequence[str]) -> int:
    """`paylake sql STATEMENT`."""
    rest = ["--statement", *argv] if argv and not argv[0].startswith("-") else argv
    settings = parse_settings(SqlSettings, rest, prog="paylake sql")
    if settings.questions:
        _list_questions()
        return 0
    statement = _statement(settings)
    if not statement.upper().startswith(READS):
        raise SettingsError(f"paylake sql only reads: a statement begins with {', '.join(READS[:-1])} or {READS[-1]}.")
    spark = build_session("sql")
    if not register(spark, settings.lake):
        raise SourceError(f"There is no table in the lake {settings.lake}; `paylake stream` writes the first ones.")
    silence_failed_queries()
    try:
        _answer(spark, statement).show(settings.limit, truncate=WIDEST, vertical=settings.vertical)
    except PySparkException as error:
        said = str(error).strip().splitlines()[0].rstrip("; ")
        raise SettingsError(f"Spark cannot answer this: {said}") from None
    return 0


def _statement(settings: SqlSettings) -> str:
    """The SQL that the settings ask for; SettingsError where they ask for none, or for two things."""
    named = next((q.sql for q in QUESTIONS if q.name == settings.question), "")
    if bool(named) == bool(settings.statement.strip()):
        raise SettingsError(
            "paylake sql answers one thing: a statement, or --question with a name that `paylake sql --questions` lists."
        )
    return named or settings.statement.strip().rstrip("; \n")


def _list_questions() -> None:
    width = max(len(q.name) for q in QUESTIONS)
    for team in TEAMS:
        print(f"{team}:")
        for q in (q for q in QUESTIONS if q.team == team):
            print(f"  {q.name:{width}}  {q.asks}{' No row is good news.' if q.must_be_empty else ''}")


def _answer(spark: SparkSession, statement: str) -> DataFrame:
    if statement.upper().startswith("WITH"):
        spark.sql(f"SELECT * FROM (\n{statement}\n)")  # WITH may also begin an INSERT, but not where a query must stand
    return spark.sql(statement)
