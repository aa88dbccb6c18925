"""The layers that the images are made of, built once, whatever the number of processes that run the tests."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.deploy.support import ROOT, SPARK_HOME, command, run

IMAGES = ("streaming", "batch")


@pytest.fixture(scope="session")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Image -> its jars, fetched and checked as its build does it."""
    command("mvn", "install Maven, 3.8 or newer.")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, done = shared / "fetched", shared / "fetched.done"
    with (shared / "fetched.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            for image in IMAGES:
                run(ROOT / "docker" / "jars" / "fetch.sh", image, folder / image)
            done.touch()
    return {image: folder / image for image in IMAGES}


@pytest.fixture(scope="session")
def spark_home(fetched: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The streaming image's Spark: PySpark's own, with the image's jars merged into it."""
    home = tmp_path_factory.mktemp("image") / "pyspark"
    home.mkdir()
    for part in SPARK_HOME.iterdir():
        if part.name == "jars":
            (home / "jars").mkdir()
            for jar in part.iterdir():
                (home / "jars" / jar.name).symlink_to(jar)
        else:
            (home / part.name).symlink_to(part)
    run(ROOT / "docker" / "jars" / "merge.sh", fetched["streaming"], home / "jars")
    return home
