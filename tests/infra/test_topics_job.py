"""The job of the topics, on a real broker: it makes what the contracts name, once, and refuses what differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from infra.jobs import create_topics
from infra.jobs.create_topics import CreateTopicsSettings
from paylake import broker
from paylake.contracts.topics import TOPICS, Topic
from paylake.errors import SourceError

pytestmark = [pytest.mark.infra, pytest.mark.spark]


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[CreateTopicsSettings]:
    """A broker of its own, without any topic."""
    with broker.running(tmp_path / "broker") as cluster:
        yield CreateTopicsSettings(bootstrap_servers=cluster.bootstrap_servers, replication=1)


def test_it_makes_every_topic_once_and_refuses_one_that_differs(spark: SparkSession, settings: CreateTopicsSettings) -> None:
    create_topics.main(spark, settings)
    admin = create_topics.connect(spark, settings)
    made = create_topics.partitions(admin)
    admin.close()
    assert made == {name: topic.partitions for name, topic in create_topics.wanted().items()}
    assert set(TOPICS) < set(made)

    create_topics.main(spark, settings)

    patched = {**create_topics.wanted(), "paylake-clock": Topic("Ticks.", partitions=2)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(create_topics, "wanted", lambda: patched)
        with pytest.raises(SourceError, match=r"paylake-clock at .* has 1 partition\(s\), not 2"):
            create_topics.main(spark, settings)


def test_what_differs_is_found_among_what_is_there() -> None:
    wanted = {"a": Topic("A.", partitions=2), "b": Topic("B.", partitions=1)}
    assert create_topics.differing({"a": 1, "b": 1, "c": 7}, wanted) == {"a": 1}
