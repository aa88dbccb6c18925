"""The nightly jobs under the releases that EMR runs, on a lake that the newer stream wrote."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from paylake import pipeline, tables
from paylake.contracts import (
    AGGREGATE_INDEX,
    BATCH_INDEX,
    BREAKS,
    COMPLIANCE_INDEX,
    CONTROL_TOTALS,
    MERCHANT_INDEX,
    OPERATIONS_INDEX,
    RECONCILIATION_INDEX,
    RUN_CONTROLS,
    SETTLEMENT_SCHEDULE,
    USER_SPEND_INDEX,
)
from paylake.jars import find_jars
from tests.slow import support
from tests.slow.conftest import Waiting

PYTHON = support.ROOT / ".venv-emr" / "bin" / "python"


@pytest.fixture(scope="session")
def jars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The twin's jars under the name by which a session asks for them."""
    folder = tmp_path_factory.mktemp("jars")
    (folder / "spark").symlink_to(find_jars("emr"))
    return folder


def test_the_twin_is_of_the_releases_that_emr_runs(tmp_path: Path) -> None:
    said = "import pyspark, importlib.metadata as m; print(pyspark.__version__, m.version('delta-spark'))"
    with support.command(PYTHON, "-c", said, log=tmp_path / "said.log") as twin:
        assert twin.wait(60) == 0, twin.text
    assert twin.text.split() == ["4.0.2", "4.0.1"]
    assert {"delta-spark_2.13-4.0.1.jar", "spark-sql-kafka-0-10_2.13-4.0.2.jar"} <= {
        jar.name for jar in find_jars("emr").glob("*.jar")
    }


def test_the_nightly_jobs_of_the_twin_write_what_the_newer_release_writes(
    spark: SparkSession, waiting: Waiting, jars: Path, tmp_path: Path
) -> None:
    theirs, ours = (str(tmp_path / name) for name in ("theirs", "ours"))
    for lake in (theirs, ours):
        shutil.copytree(waiting.undisturbed_lake, lake, ignore=shutil.ignore_patterns("checkpoints", "final"))
    day = ("--lake", theirs, "--business-date", support.DAY.isoformat())
    batch = (*day, "--bootstrap-servers", waiting.kafka.bootstrap_servers)
    jobs = {pipeline.BATCH_JOB: batch, pipeline.AGGREGATE_JOB: (*day, "--run-at", support.RUN_AT)}
    for job, flags in jobs.items():
        with support.command(PYTHON, f"jobs/{job}", *flags, log=tmp_path / "emr.log", jars=jars) as twin:
            assert twin.wait() == 0, twin.text
            assert twin.left_behind() == []
    support.nightly_here(spark, waiting.kafka, ours, "all")

    of_consumers = (COMPLIANCE_INDEX, MERCHANT_INDEX, USER_SPEND_INDEX, SETTLEMENT_SCHEDULE, OPERATIONS_INDEX)
    for contract in (
        CONTROL_TOTALS,
        BATCH_INDEX,
        RECONCILIATION_INDEX,
        BREAKS,
        AGGREGATE_INDEX,
        RUN_CONTROLS,
        *of_consumers,
    ):
        written, expected = (
            tables.content_hash(tables.read(spark, lake, contract), contract.columns) for lake in (theirs, ours)
        )
        assert written == expected, contract.name
        assert expected[0] > 0, contract.name

    support.nightly_here(spark, waiting.kafka, theirs)
    assert tables.last_commit(spark, theirs, RECONCILIATION_INDEX).version == 1, "the newer release found news"
