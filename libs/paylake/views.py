"""The consumers' views over a lake, in Spark."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from paylake import tables
from paylake.contracts import (
    ALL,
    BREAKS,
    RECONCILIATION_INDEX,
    RUN_CONTROLS,
)
from paylake.contracts.table import TableContract
from paylake.contracts.view import View
from paylake.contracts.views import VIEWS

WRITTEN_NIGHTLY = (RECONCILIATION_INDEX, BREAKS, RUN_CONTROLS)
"""Without these a lake has published nothing."""


def read(spark: SparkSession, lake: str, view: View) -> DataFrame:
    """The view's rows; SourceError where a table that every nightly run writes is not there. Others count as empty."""
    sources: dict[str, Any] = {
        source.name: _table(spark, lake, source) if isinstance(source, TableContract) else read(spark, lake, source)
        for source in view.reads
    }
    return spark.sql(view.body, **sources)


def register(spark: SparkSession, lake: str) -> tuple[str, ...]:
    """Name the lake's tables, and the views over them, in the session; what a lake does not hold yet is left out.

    A view needs the tables that every nightly run writes; of others, such as those of files, it sees no row until they come.
    """
    frames = {c.name: tables.read(spark, lake, c) for c in ALL if tables.exists(spark, lake, c)}
    shown = dict(frames)
    empty = {c.name: spark.createDataFrame([], c.schema) for c in ALL if c not in WRITTEN_NIGHTLY}
    for view in VIEWS:
        known = {**empty, **shown}
        sources: dict[str, Any] = {source.name: known[source.name] for source in view.reads if source.name in known}
        if len(sources) == len(view.reads):
            shown[view.name] = spark.sql(view.body, **sources)
    for name, frame in shown.items():
        frame.createOrReplaceTempView(name)
    return tuple(shown) if frames else ()


def _table(spark: SparkSession, lake: str, contract: TableContract) -> DataFrame:
    if contract in WRITTEN_NIGHTLY or tables.exists(spark, lake, contract):
        return tables.read(spark, lake, contract)
    return spark.createDataFrame([], contract.schema)
