"""What every test shares: one Spark session per process, a fresh lake per test, and an order that fails fast."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from pyspark.sql import SparkSession
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"

# the same examples in every run, and no deadline on a machine that others use too
settings.register_profile("paylake", derandomize=True, database=None, deadline=None)
settings.load_profile("paylake")


# a shell that runs tests in the background has them ignore an interrupt, and so would every command that they start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

COSTLY = ("waiting", "pipeline_run", "business_lake", "day", "books", "disturbed", "undisturbed", "story")
"""Fixtures of a minute and more. The tests that use one begin first, since they end last."""

SAME_PROCESS = {
    "tests/jobs/test_cards.py": "tests/jobs/test_kafka_to_index.py",
    "tests/jobs/test_consumers.py": "tests/jobs/test_business_questions.py",
    "tests/jobs/test_other_engine.py": "tests/jobs/test_business_questions.py",
}
"""Files that share a fixture of minutes; else each file goes to whichever process is free."""


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Which tests stay together when several processes share them."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return SAME_PROCESS.get(file, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Asked by xdist in the process that spreads the tests."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use Spark, and run the others first: what fails in a moment should."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.spark)
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[bool, bool, int]:
    slow, spark = (item.get_closest_marker(name) is not None for name in ("slow", "spark"))
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return slow, spark, next((n for n, name in enumerate(COSTLY) if name in fixtures), len(COSTLY))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one session of the process, as small as the frames; tests reset it (see below) and never restart it."""
    from paylake.session import build_session

    place = tmp_path_factory.mktemp("spark")
    session = build_session(
        "tests",
        {
            "spark.master": "local[2]",
            "spark.ui.enabled": "false",
            "spark.driver.memory": "2g",
            "spark.sql.shuffle.partitions": "2",
            # the default of 10,000 tasks makes Delta's vacuum of two files last a minute
            "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
            "spark.sql.warehouse.dir": str(place / "warehouse"),
            "spark.local.dir": str(place / "local"),
        },
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def _settings_at_start(spark: SparkSession) -> dict[str, str]:
    return dict(spark.conf.getAll)


@pytest.fixture(autouse=True)
def _reset_spark(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that used Spark: no query, no cache, no view, and every setting as it was."""
    if "spark" not in request.fixturenames:
        yield
        return
    session: SparkSession = request.getfixturevalue("spark")
    at_start: dict[str, str] = request.getfixturevalue("_settings_at_start")
    yield
    for query in session.streams.active:
        query.stop()
    session.catalog.clearCache()
    for view in session.sql("SHOW VIEWS").collect():
        session.catalog.dropTempView(view["viewName"])
    now = dict(session.conf.getAll)
    for key in {*now, *at_start}:
        if now.get(key) == at_start.get(key) or not session.conf.isModifiable(key):
            continue
        if key in at_start:
            session.conf.set(key, at_start[key])
        else:
            session.conf.unset(key)


@pytest.fixture
def lake(tmp_path: Path) -> str:
    """The root of an empty lake."""
    return str(tmp_path / "lake")


@pytest.fixture(scope="session")
def shared_data() -> Callable[..., Path]:
    """Where a file of the reference data lies; a test that asks for one that is not there is skipped."""

    def find(*parts: str) -> Path:
        path = SHARED_DATA.joinpath(*parts)
        if not path.exists():
            pytest.skip(f"needs the reference data: {Path(*parts)}")
        return path

    return find
