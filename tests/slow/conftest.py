"""Every test of this folder is slow; those that read the same waiting records share one broker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from paylake.settings import KafkaSettings
from paylake.simulation import FaultRates, Plan, publish
from paylake.token_key import create_key_file
from tests.slow import support
from tests.slow.support import Contents

PLAN = Plan(payments=800, seed=23, chaos=0.4, faults=FaultRates(0.05, 0.05, 0.02, 0.02))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@dataclass(frozen=True)
class Waiting:
    """Records that wait in the topics, and what a stream that nobody disturbs makes of them."""

    kafka: KafkaSettings
    records: int
    key: Path
    undisturbed_lake: str
    contents: Contents


@pytest.fixture(scope="session")
def waiting(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waiting]:
    """A broker with a simulated day in its topics, and an undisturbed stream's lake."""
    place = tmp_path_factory.mktemp("waiting")
    key, lake = place / "token.key", str(place / "lake")
    create_key_file(key)
    with support.kafka_with_topics(place / "broker") as cluster:
        totals = publish(PLAN, cluster.kafka, place / "truth")
        support.stream_here(spark, cluster.kafka, lake, key, "--ticks", "elsewhere")
        contents = support.stream_contents(spark, lake)
        assert contents["ledger_entries"][0] + contents["quarantine"][0] == totals.records
        yield Waiting(cluster.kafka, totals.records, key, lake, contents)
