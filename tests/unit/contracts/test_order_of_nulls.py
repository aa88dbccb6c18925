"""No view and no question leaves to the engine where nulls come: Spark sorts them first, Athena last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from paylake.contracts import ALL
from paylake.contracts.questions import QUESTIONS
from paylake.contracts.views import VIEWS


@pytest.fixture
def asked(spark: SparkSession) -> dict[str, tuple[str, DataFrame]]:
    """Every view and question: its SQL, and its plan over empty tables, whose columns may be null as contracts say."""
    frames: dict[str, Any] = {contract.name: spark.createDataFrame([], contract.schema) for contract in ALL}
    shown: dict[str, tuple[str, DataFrame]] = {}
    for view in VIEWS:
        shown[view.name] = (view.body, spark.sql(view.body, **{source.name: frames[source.name] for source in view.reads}))
        # what reads it sees its columns, and not its plan
        frames[view.name] = spark.createDataFrame([], shown[view.name][1].schema)
    for name, frame in frames.items():
        frame.createOrReplaceTempView(name)
    return {**shown, **{question.name: (question.sql, spark.sql(question.sql)) for question in QUESTIONS}}


def test_wherever_rows_are_put_in_an_order_it_says_where_nulls_come(asked: dict[str, tuple[str, DataFrame]]) -> None:
    left = {name: sorted(_left_to_the_engine(sql, frame)) for name, (sql, frame) in asked.items()}
    assert {name: columns for name, columns in left.items() if columns} == {}


def _left_to_the_engine(sql: str, frame: DataFrame) -> set[str]:
    """The columns that may be null, that Spark puts nulls first of, and of which the SQL does not say so."""
    first = {column.rpartition(".")[2] for column in _nulls_first(frame._jdf.queryExecution().analyzed())}
    return {column for column in first if f"{column} NULLS FIRST" not in sql}


def _nulls_first(plan: Any) -> Iterator[str]:
    """The expressions that may be null and by which a plan sorts so that nulls come first."""
    orders = {"Sort": "order", "Window": "orderSpec"}
    if plan.nodeName() in orders:
        for order in _items(getattr(plan, orders[plan.nodeName()])()):
            if order.child().nullable() and order.nullOrdering().toString() == "NullsFirst":
                yield order.child().sql()
    for child in _items(plan.children()):
        yield from _nulls_first(child)


def _items(of: Any) -> Iterator[Any]:
    """What a sequence of Scala holds."""
    return (of.apply(n) for n in range(of.size()))
