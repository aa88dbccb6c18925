"""The one place that builds a SparkSession, and the one way a job starts."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from py4j.java_gateway import JavaPackage
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from paylake.errors import PaylakeError, SettingsError
from paylake.jars import jar_folder
from paylake.settings import parse_settings

Settings = TypeVar("Settings")

CONFIG: dict[str, str] = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.parquet.compression.codec": "zstd",
    # the default is INT96, which is deprecated, has no statistics, and is slow to write
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # the default of 50 partitions makes the snapshot of every small table slow
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.execution.pythonUDF.arrow.enabled": "true",
    "spark.redaction.regex": "(?i)secret|password|passphrase|token|credential|access[.]?key|jaas",
    "spark.ui.showConsoleProgress": "false",
    # a micro-batch runs more than the default's 100 generated classes, so that each would be compiled anew every time
    # (measured: 69 compilations per batch, 5 with this)
    "spark.sql.codegen.cache.maxEntries": "4000",
    # a commit of `open_items` says how far the stream has come, also where it held nothing before and holds nothing now
    "spark.databricks.delta.skipRecordingEmptyCommits": "false",
    # wider rows than the default's 100 fields would be planned without whole-stage code, and have their code written
    # anew in every task (measured: half of what a small batch's tasks did)
    "spark.sql.codegen.maxFields": "2000",
    # what is cached is read once or twice and dropped: looking for the best encoding costs more than it saves
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
    # a walk over every deep projection that finds nothing
    "spark.sql.execution.removeRedundantProjects": "false",
    # a page is the least that each sort and each hash table of a task holds; the default grows with the heap to 64 MB, and
    # a task of a wide plan with a dozen of them fails for want of memory
    "spark.buffer.pageSize": "2m",
    # by default, S3A meets "slow down" with twenty waits of which each is twice the last: days. After these, a job says so
    "spark.hadoop.fs.s3a.retry.throttle.limit": "7",
    # looks up the caller's line for each column expression: ten calls to the JVM in place of one
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}

CLASS_ARCHIVE = "spark.jsa"
"""Beside the jars' folders: the classes that `make dev-setup` archived, so that sessions start sooner."""

# generated classes fill the default of 240 MB for compiled code (measured: half of it after ten batches); a method of more
# than 8,000 bytes, as the decision's, would be interpreted for ever (measured: a third of the decision's time)
JVM_OPTIONS = "-XX:-DontCompileHugeMethods -XX:+UseParallelGC -XX:ReservedCodeCacheSize=512m"

LOCAL_CONFIG: dict[str, str] = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "3g",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    # vacuum lists folders in jobs of up to 10,000 tasks otherwise
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
}
"""What suits one machine; a cluster's spark-submit says otherwise."""


def local_jars(*sets: str) -> list[str]:
    """The jar files of these sets that Maven left on this machine; empty on a cluster, whose image has its own."""
    folders = (jar_folder(name) for name in sets)
    return [str(jar) for folder in folders if folder is not None for jar in sorted(folder.glob("*.jar"))]


def _jvm_options() -> str:
    """The options of a local session's JVM; one that cannot use the archive starts without it, and says nothing."""
    jars = jar_folder("spark")
    archive = jars.parent / CLASS_ARCHIVE if jars is not None else None
    shared = f' "-XX:SharedArchiveFile={archive}" -Xlog:cds*=off' if archive is not None and archive.exists() else ""
    log_settings = Path(__file__).with_name("log4j2.properties").as_uri()
    return f"{JVM_OPTIONS} -Dlog4j2.configurationFile={log_settings}{shared}"


def build_session(name: str, config: Mapping[str, str] | None = None, jar_sets: Sequence[str] = ("spark",)) -> SparkSession:
    """The SparkSession of a job: paylake's settings, under those that spark-submit was given, under `config`."""
    builder = SparkSession.builder.appName(name)
    jars = local_jars(*jar_sets)
    under_submit = "PYSPARK_GATEWAY_PORT" in os.environ
    settings = dict(CONFIG)
    if not under_submit:
        builder = builder.master(os.environ.get("PAYLAKE_MASTER", "local[*]"))
        # models run in Python workers: in this interpreter, where the package is, and not in the first of the path
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        settings |= LOCAL_CONFIG | {"spark.driver.extraJavaOptions": _jvm_options()}
        if memory := os.environ.get("PAYLAKE_DRIVER_MEMORY"):
            settings["spark.driver.memory"] = memory
    if jars:
        settings["spark.jars"] = ",".join(jars)
    for key, value in {**settings, **(config or {})}.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    if under_submit:
        _need_delta(spark)
    # what fails is raised, and told in a sentence; the log would add a stack trace to it
    spark.sparkContext.setLogLevel("FATAL")
    return spark


def _need_delta(spark: SparkSession) -> None:
    """SettingsError where spark-submit brought no Delta: jars that the session names come too late for that."""
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    if isinstance(jvm.io.delta.sql.DeltaSparkSessionExtension, JavaPackage):
        raise SettingsError(
            'Delta is not on Spark\'s class path: add --jars "$(ls jars/spark/*.jar | paste -sd, -)" to spark-submit; '
            "on EMR, the jars of /usr/share/aws/delta/lib."
        )


def silence_failed_queries() -> None:
    """Spark logs a query that it cannot answer with a stack; whoever calls this tells the same in a sentence."""
    for noisy in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(noisy).disabled = True


def log_to_stderr() -> None:
    """Our own progress and warnings, a line each; of the libraries only what matters to a reader."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("kafka").setLevel(logging.WARNING)
    # it logs what a batch raises with its stack, before we say the same in a sentence
    logging.getLogger("py4j").setLevel(logging.CRITICAL + 1)


def run(main: Callable[[SparkSession, Settings], None], kind: type[Settings], argv: Sequence[str] | None = None) -> None:
    """Run a job as a script: settings from flags and environment, a session, one sentence for what went wrong."""
    log_to_stderr()
    try:
        settings = parse_settings(kind, argv)
        main(build_session(kind.__name__.removesuffix("Settings")), settings)
    except SettingsError as error:
        sys.exit(f"paylake: {error}")
    except PaylakeError as error:
        print(f"paylake: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
