"""The environment with the releases that EMR runs, in which the nightly jobs have to give the same."""

from __future__ import annotations

from pathlib import Path

from paylake.jars import find_jars
from tests.slow import support

PYTHON = support.ROOT / ".venv-emr" / "bin" / "python"


def test_the_twin_is_of_the_releases_that_emr_runs(tmp_path: Path) -> None:
    said = "import pyspark, importlib.metadata as m; print(pyspark.__version__, m.version('delta-spark'))"
    with support.command(PYTHON, "-c", said, log=tmp_path / "said.log") as twin:
        assert twin.wait(60) == 0, twin.text
    assert twin.text.split() == ["4.0.2", "4.0.1"]
    assert {"delta-spark_2.13-4.0.1.jar", "spark-sql-kafka-0-10_2.13-4.0.2.jar"} <= {
        jar.name for jar in find_jars("emr").glob("*.jar")
    }
