"""The consumers' views over a lake, in Spark."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from paylake import tables
from paylake.contracts import ALL
from paylake.contracts.table import TableContract
from paylake.contracts.view import View
from paylake.contracts.views import VIEWS


def read(spark: SparkSession, lake: str, view: View) -> DataFrame:
    """The view's rows; SourceError where a table that it reads is not there."""
    sources: dict[str, Any] = {
        source.name: tables.read(spark, lake, source) if isinstance(source, TableContract) else read(spark, lake, source)
        for source in view.reads
    }
    return spark.sql(view.body, **sources)


def register(spark: SparkSession, lake: str) -> tuple[str, ...]:
    """Name the lake's tables, and the views over them, in the session; what a lake does not hold yet is left out."""
    frames = {c.name: tables.read(spark, lake, c) for c in ALL if tables.exists(spark, lake, c)}
    for view in VIEWS:
        sources: dict[str, Any] = {source.name: frames[source.name] for source in view.reads if source.name in frames}
        if len(sources) == len(view.reads):
            frames[view.name] = spark.sql(view.body, **sources)
    for name, frame in frames.items():
        frame.createOrReplaceTempView(name)
    return tuple(frames)
