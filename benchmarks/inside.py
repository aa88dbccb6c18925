"""What Spark does inside a batch besides the records' own work: jobs, compiled classes, and the planner's phases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pyspark.sql import SparkSession

PHASES = ("parsing", "analysis", "optimization", "planning")


class Inside:
    """Counts from now on; it must be there before a query starts, since a query takes its listeners along."""

    def __init__(self, spark: SparkSession) -> None:
        from py4j.java_gateway import java_import
        from pyspark.java_gateway import ensure_callback_server_started

        self._spark, self._totals = spark, Counter[str]()
        jvm = spark.sparkContext._jvm
        assert jvm is not None
        assert spark.sparkContext._gateway is not None
        ensure_callback_server_started(spark.sparkContext._gateway)  # type: ignore[no-untyped-call]
        java_import(jvm, "org.apache.spark.sql.catalyst.expressions.codegen.CodeGenerator")
        self._generator = jvm.CodeGenerator
        self._metrics = jvm.org.apache.spark.metrics.source.CodegenMetrics
        self._listener = _Listener(self._totals)
        spark._jsparkSession.listenerManager().register(self._listener)

    def read(self) -> dict[str, float]:
        """Totals so far."""
        context = self._spark.sparkContext._jsc.sc()
        context.listenerBus().waitUntilEmpty()
        return {
            "jobs": context.dagScheduler().numTotalJobs(),
            "commands": self._totals["commands"],
            "classes compiled": self._metrics.METRIC_COMPILATION_TIME().getCount(),
            "compilation": self._generator.compileTime() / 1e9,
            **{phase: self._totals[phase] / 1000 for phase in PHASES},
        }


def per_batch(before: Mapping[str, float], after: Mapping[str, float], batches: int) -> dict[str, float]:
    """What a batch did on average."""
    return {name: round((after[name] - before[name]) / max(batches, 1), 4) for name in after}


class _Listener:
    """Adds up the phases of every command that ends."""

    def __init__(self, totals: Counter[str]) -> None:
        self._totals = totals

    def onSuccess(self, function: str, execution: Any, nanoseconds: int) -> None:
        self._totals["commands"] += 1
        entries = execution.tracker().phases().iterator()
        while entries.hasNext():
            entry = entries.next()
            self._totals[entry._1()] += entry._2().endTimeMs() - entry._2().startTimeMs()

    def onFailure(self, function: str, execution: Any, error: Any) -> None:
        self._totals["failed"] += 1

    class Java:
        implements = ["org.apache.spark.sql.util.QueryExecutionListener"]
