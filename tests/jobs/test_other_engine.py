"""Every view, and every query that the documentation shows, says the same in an engine that knows nothing of Spark."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession

from paylake import views
from paylake.contracts import ALL
from paylake.contracts.questions import QUESTIONS
from paylake.contracts.views import VIEWS
from tests import builders
from tests.other_engine import answer, comparable, connect, full_rows, insert, spark_rows

pytestmark = pytest.mark.slow


def test_every_view_shows_what_spark_shows(spark: SparkSession, business_lake: str) -> None:
    athena = connect(business_lake)
    by_athena = {view.name: comparable(answer(athena, f"SELECT * FROM {view.name}")) for view in VIEWS}
    by_spark = {view.name: comparable(spark_rows(views.read(spark, business_lake, view))) for view in VIEWS}
    assert by_athena == by_spark
    assert len([name for name, found in by_athena.items() if found]) >= 17, "the lake has too little to show"


def test_every_view_shows_the_same_of_a_full_row_in_each_table(spark: SparkSession) -> None:
    """What the lake does not hold, such as a table of a job that it does not run, is compared by a row of the builders."""
    athena = connect()
    frames: dict[str, Any] = {}
    for contract in ALL:
        content = full_rows(contract)
        insert(athena, contract, *content)
        frames[contract.name] = builders.rows(spark, contract, *content)
    for view in VIEWS:
        frames[view.name] = spark.sql(view.body, **{source.name: frames[source.name] for source in view.reads})
    by_athena = {view.name: comparable(answer(athena, f"SELECT * FROM {view.name}")) for view in VIEWS}
    assert by_athena == {view.name: comparable(spark_rows(frames[view.name])) for view in VIEWS}
    assert by_athena["v_open_breaks"] != []


def test_every_question_is_answered_as_spark_answers_it(spark: SparkSession, business_lake: str) -> None:
    athena = connect(business_lake)
    views.register(spark, business_lake)
    by_athena = {question.name: comparable(answer(athena, question.sql)) for question in QUESTIONS}
    assert by_athena == {question.name: comparable(spark_rows(spark.sql(question.sql))) for question in QUESTIONS}
