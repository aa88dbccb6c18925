"""Every view, and every query that the documentation shows, says the same in an engine that knows nothing of Spark."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DecimalType

from paylake import views
from paylake.contracts import ALL
from paylake.contracts.questions import QUESTIONS
from paylake.contracts.table import TableContract
from paylake.contracts.views import VIEWS
from tests import builders
from tests.other_engine import Rows, answer, comparable, connect, insert

pytestmark = pytest.mark.slow


BESIDE: dict[str, list[dict[str, Any]]] = {
    "run_controls": [{"row_kind": kind} for kind in ("PUBLISHED", "OFFSETS", "DIFFERENCE")],
    "audit_log": [{"sequence": 2, "entry": "COMMIT"}],
    "breaks": [{"break_id": "ended", "recon_id": "ended", "state": "RESOLVED"}],
    "statement_files": [{"file_sha256": "another", "state": "QUARANTINED"}],
}
"""Rows without which a view has nothing to show: table -> what they say otherwise than the full row."""


def full_row(contract: TableContract) -> dict[str, Any]:
    """A row with a value in every column; nothing has replaced it."""
    filled = {f.name: builders.BY_NAME.get(f.name, builders.BY_TYPE[type(f.type)]) for f in contract.fields if f.nullable}
    ratios = {f.name for f in contract.fields if isinstance(f.type, DecimalType) and f.type.precision - f.type.scale < 3}
    filled |= dict.fromkeys(ratios & filled.keys(), Decimal("0.5"))
    return {name: value for name, value in filled.items() if name not in ("valid_to", "closed_by_run_id", "released_from")}


def rows(df: DataFrame) -> Rows:
    """What Spark says, to be compared."""
    return comparable([row.asDict(recursive=True) for row in df.collect()])


def test_every_view_shows_what_spark_shows(spark: SparkSession, business_lake: str) -> None:
    athena = connect(business_lake)
    by_athena = {view.name: comparable(answer(athena, f"SELECT * FROM {view.name}")) for view in VIEWS}
    by_spark = {view.name: rows(views.read(spark, business_lake, view)) for view in VIEWS}
    assert by_athena == by_spark
    assert len([name for name, found in by_athena.items() if found]) >= 17, "the lake has too little to show"


def test_every_view_shows_the_same_of_a_full_row_in_each_table(spark: SparkSession) -> None:
    """What the lake does not hold, such as a table of a job that it does not run, is compared by a row of the builders."""
    athena = connect()
    frames: dict[str, Any] = {}
    for contract in ALL:
        content = [full_row(contract), *({**full_row(contract), **row} for row in BESIDE.get(contract.name, ()))]
        insert(athena, contract, *content)
        frames[contract.name] = builders.rows(spark, contract, *content)
    for view in VIEWS:
        frames[view.name] = spark.sql(view.body, **{source.name: frames[source.name] for source in view.reads})
    by_athena = {view.name: comparable(answer(athena, f"SELECT * FROM {view.name}")) for view in VIEWS}
    assert by_athena == {view.name: rows(frames[view.name]) for view in VIEWS}
    assert by_athena["v_open_breaks"] != []


def test_every_question_is_answered_as_spark_answers_it(spark: SparkSession, business_lake: str) -> None:
    athena = connect(business_lake)
    views.register(spark, business_lake)
    by_athena = {question.name: comparable(answer(athena, question.sql)) for question in QUESTIONS}
    assert by_athena == {question.name: rows(spark.sql(question.sql)) for question in QUESTIONS}
