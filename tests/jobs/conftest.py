"""One real run from Kafka to a published index, shared by the tests that look at what it left."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from paylake.settings import KafkaSettings
from paylake.simulation import FaultRates, Plan, Totals, publish
from paylake.token_key import create_key_file
from tests.business_lake import build
from tests.slow import support

PLAN = Plan(payments=1_200, seed=11, chaos=0.4, faults=FaultRates(0.05, 0.05, 0.02, 0.03))


@dataclass(frozen=True)
class PipelineRun:
    """What was sent, where everything lies, and what was said meanwhile."""

    plan: Plan
    totals: Totals
    kafka: KafkaSettings
    place: Path
    stream_exit: int
    left_behind: tuple[int, ...]

    @property
    def lake(self) -> str:
        """The lake, with the stream's checkpoint in it."""
        return str(self.place / "lake")

    @property
    def key(self) -> Path:
        """The file of the card tokens' key."""
        return self.place / "token.key"

    @property
    def event_logs(self) -> list[Path]:
        """What Spark wrote of the stream's plans and jobs."""
        return [path for path in (self.place / "events").rglob("*") if path.is_file()]

    @property
    def logs(self) -> list[Path]:
        """What the stream's process and the nightly jobs said."""
        return [self.place / "stream.log", self.place / "nightly.log"]


@pytest.fixture(scope="session")
def pipeline_run(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineRun]:
    """Broker, simulation, `paylake stream` as a process of its own, and the nightly jobs' `main`."""
    place = tmp_path_factory.mktemp("pipeline")
    (place / "events").mkdir()
    lake, key = str(place / "lake"), place / "token.key"
    create_key_file(key)
    with support.kafka_with_topics(place / "broker") as cluster:
        totals = publish(PLAN, cluster.kafka, place / "truth")
        events = {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": (place / "events").as_uri(),
            "spark.eventLog.compress": "false",
            "spark.eventLog.rolling.enabled": "false",
        }
        argv = support.stream(cluster.kafka, lake, key, "--available-now")
        with support.command(*argv, log=place / "stream.log", conf=events) as stream:
            exit_code = stream.wait()
            left_behind = tuple(stream.left_behind())
            assert exit_code == 0, stream.text
        with _written_to(place / "nightly.log"):
            support.nightly_here(spark, cluster.kafka, lake)
        yield PipelineRun(PLAN, totals, cluster.kafka, place, exit_code, left_behind)


@pytest.fixture(scope="session")
def business_lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The lake with known content (`tests/business_lake.py`); nobody may write to it."""
    lake = str(tmp_path_factory.mktemp("business") / "lake")
    build(spark, lake)
    return lake


class _written_to:
    """Everything that Python logs in the block goes to a file too, as on a terminal at its usual level."""

    def __init__(self, path: Path) -> None:
        self._handler = logging.FileHandler(path, encoding="utf-8")

    def __enter__(self) -> None:
        root = logging.getLogger()
        self._level = root.level
        root.addHandler(self._handler)
        root.setLevel(logging.INFO)

    def __exit__(self, *exc: object) -> None:
        logging.getLogger().removeHandler(self._handler)
        logging.getLogger().setLevel(self._level)
        self._handler.close()
