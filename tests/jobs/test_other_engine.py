"""Every view, and every query that the documentation shows, says the same in an engine that knows nothing of Spark."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession

from paylake import views
from paylake.contracts.questions import QUESTIONS
from paylake.contracts.views import VIEWS
from tests.other_engine import Rows, answer, comparable, connect

pytestmark = pytest.mark.slow


def rows(df: DataFrame) -> Rows:
    """What Spark says, to be compared."""
    return comparable([row.asDict(recursive=True) for row in df.collect()])


def test_every_view_shows_what_spark_shows(spark: SparkSession, business_lake: str) -> None:
    athena = connect(business_lake)
    by_athena = {view.name: comparable(answer(athena, f"SELECT * FROM {view.name}")) for view in VIEWS}
    by_spark = {view.name: rows(views.read(spark, business_lake, view)) for view in VIEWS}
    assert by_athena == by_spark
    # of the views that are there already, only this one has nothing to show where stream and batch agree
    assert {name for name, found in by_athena.items() if not found} >= {"v_run_differences"}


def test_every_question_is_answered_as_spark_answers_it(spark: SparkSession, business_lake: str) -> None:
    athena = connect(business_lake)
    views.register(spark, business_lake)
    by_athena = {question.name: comparable(answer(athena, question.sql)) for question in QUESTIONS}
    assert by_athena == {question.name: rows(spark.sql(question.sql)) for question in QUESTIONS}
