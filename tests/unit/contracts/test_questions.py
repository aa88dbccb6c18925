"""The questions as data: named, documented, over views alone, and read by another dialect."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from paylake.contracts.questions import QUESTIONS, TEAMS, Question, questions_page
from paylake.contracts.views import VIEWS
from paylake.sql_command import SqlSettings
from tests.other_engine import answer, connect

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "questions.md"

every_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.name)


@pytest.fixture(scope="module")
def athena() -> duckdb.DuckDBPyConnection:
    """Every view, over empty tables."""
    return connect()


def test_every_team_asks_and_no_two_questions_share_a_name() -> None:
    assert {q.team for q in QUESTIONS} == set(TEAMS)
    assert len({q.name for q in QUESTIONS}) == len(QUESTIONS)


@every_question
def test_a_question_is_named_and_asked_in_words(question: Question) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", question.name)
    assert re.fullmatch(r"[A-Z].*[.?]", question.asks)


@every_question
def test_a_question_reads_views_alone_and_puts_its_rows_in_order(question: Question) -> None:
    read = set(re.findall(r"(?:FROM|JOIN)\s+(\w+)", question.sql))
    assert read - {view.name for view in VIEWS} == set()
    assert "\nORDER BY" in question.sql
    assert not re.search(r"[{};]|SELECT \*", question.sql)


@every_question
def test_a_question_uses_no_word_of_one_dialect_alone(question: Question) -> None:
    of_one = (
        r"\b(QUALIFY|DATE_?(DIFF|ADD|SUB)|(ARRAY_)?CONTAINS|COUNT_IF|STRING|VARCHAR|CURRENT_\w+|NOW)\b|`|\"|GROUP BY ALL"
    )
    assert re.findall(of_one, question.sql, re.IGNORECASE) == []


@every_question
def test_a_question_sums_no_amount_across_currencies(question: Question) -> None:
    if re.search(r"SUM\([^)]*amount", question.sql):
        groups = re.findall(r"GROUP BY (.*)", question.sql)
        assert groups
        assert [group for group in groups if "currency" not in group] == []


@every_question
def test_another_dialect_answers_over_an_empty_lake(question: Question, athena: duckdb.DuckDBPyConnection) -> None:
    assert answer(athena, question.sql) == []


def test_another_dialect_answers_every_query_that_the_documentation_shows(athena: duckdb.DuckDBPyConnection) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))]
    shown = [query for text in (*texts, *SqlSettings.EXAMPLES) for query in re.findall(r'paylake sql "([^"]+)"', text)]
    assert len(shown) > 3
    assert [query for query in shown if answer(athena, query)] == []


def test_the_page_of_the_questions_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == questions_page(QUESTIONS), "run `make dictionary`"


def test_the_page_shows_each_question_below_its_team_with_its_query() -> None:
    asked = Question(TEAMS[0], "what_is", "What is?", "SELECT 1", must_be_empty=True)
    assert questions_page([asked]).split("make dictionary` writes it anew.\n", 1)[1] == (
        "\n## Finance\n\n### `what_is`\n\nWhat is? No row is good news.\n\n```sql\nSELECT 1\n```\n"
    )
