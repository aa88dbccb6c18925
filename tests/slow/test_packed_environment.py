"""The environment of `paylake deploy package`, unpacked by EMR's Spark release, runs a job of the night there."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from paylake.contracts import DIMENSION_DELIVERIES, DIMENSIONS_QUARANTINE, MERCHANTS
from paylake.deployment.release import ARCHITECTURES, manifest_of
from paylake.jars import find_jars
from tests.jobs.test_ingest_dimensions import FILES
from tests.slow import support

TWIN = support.ROOT / ".venv-emr"
WITHIN_S = 600.0

UNPACK = """
import sys
from pyspark.java_gateway import launch_gateway
jvm = launch_gateway().jvm
jvm.org.apache.spark.util.Utils.unpack(jvm.java.io.File(sys.argv[1]), jvm.java.io.File(sys.argv[2]))
"""
"""What spark.archives does with the archive."""


@pytest.mark.thorough
def test_an_entry_script_runs_with_nothing_but_spark_and_the_environment(tmp_path: Path) -> None:
    architecture = next(name for name, machine in ARCHITECTURES.items() if machine == platform.machine())
    interpreter = str(Path(sys.base_prefix, "bin", "python3.11").resolve())
    argv = ("deploy", "package", "--out", tmp_path, "--architecture", architecture, "--interpreter", interpreter)
    with support.command(*support.paylake(*argv), log=tmp_path / "package.log") as package:
        assert package.wait(WITHIN_S) == 0, package.text
    release = tmp_path / "0.1.0"
    manifest = manifest_of((release / "manifest.json").read_text(encoding="utf-8"), "here")
    assert manifest.environment == f"environment-{architecture}.tar.gz"
    assert len(manifest.jars) == 5

    done = subprocess.run(
        [TWIN / "bin" / "python", "-c", UNPACK, release / manifest.environment, tmp_path / "environment"],
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (tmp_path / "incoming").mkdir()
    for name, text in FILES.items():
        (tmp_path / "incoming" / name).write_text(text, encoding="utf-8")

    # as on EMR: Spark's own Python, Delta's from its jar, and all else from the environment
    spark = TWIN / "lib" / "python3.11" / "site-packages" / "pyspark"
    delta = {jar.name.split("_2.13")[0].rsplit("-4", 1)[0]: jar for jar in find_jars("emr").glob("delta-*.jar")}
    jars = [*delta.values(), *(release / jar for jar in manifest.jars)]
    python = "./environment/bin/python"
    done = subprocess.run(
        [
            spark / "bin" / "spark-submit", "--master", "local[2]", "--driver-memory", "1g",
            "--jars", ",".join(map(str, jars)), "--py-files", f"local://{delta['delta-spark']}",
            release / "batch" / "ingest_dimensions.py",
            "--files", str(tmp_path / "incoming"), "--lake", str(tmp_path / "lake"),
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=WITHIN_S, check=False,
        env={
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "SPARK_HOME": str(spark), "PYSPARK_PYTHON": python,
            "PYSPARK_DRIVER_PYTHON": python, "PAYLAKE_JARS": str(tmp_path / "none"),
            **{name: value for name, value in os.environ.items() if name == "JAVA_HOME"},
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "merchants_1.csv: 3 merchants, 2 quarantined, 1 recorded" in done.stdout, done.stderr[-3000:]
    for contract in (MERCHANTS, DIMENSION_DELIVERIES, DIMENSIONS_QUARANTINE):
        assert list((tmp_path / "lake" / contract.path / "_delta_log").glob("*.json")), contract.name
