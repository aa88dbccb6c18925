"""Topics and offsets, asked of a broker that really runs and of one that is away."""

from __future__ import annotations

import time

import pytest

from paylake import topics
from paylake.broker import Cluster
from paylake.errors import SourceError
from paylake.settings import KafkaSettings
from paylake.topics import TopicSpec, create_topics, end_offsets


def test_topics_are_created_once(cluster: Cluster) -> None:
    wanted = {"ledger": TopicSpec(3, config={"retention.ms": "3600000"}), "clock": TopicSpec(1)}
    assert create_topics(cluster.kafka, wanted) == (("clock", "ledger"), ())
    assert create_topics(cluster.kafka, wanted) == ((), ("clock", "ledger"))


def test_a_topic_with_other_partitions_is_an_error_and_nothing_is_created(cluster: Cluster) -> None:
    create_topics(cluster.kafka, {"narrow": TopicSpec(1)})
    with pytest.raises(SourceError, match=r"narrow at .* has 1 partition\(s\), not 2"):
        create_topics(cluster.kafka, {"narrow": TopicSpec(2), "another": TopicSpec(1)})
    with pytest.raises(SourceError, match="there is no topic another"):
        end_offsets(cluster.kafka, ["another"])


def test_a_cluster_that_is_away_is_named_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert topics.ANSWER_WITHIN_S <= 10
    monkeypatch.setattr(topics, "ANSWER_WITHIN_S", 1.0)
    before = time.monotonic()
    with pytest.raises(SourceError, match="no Kafka broker answered at 127.0.0.1:1:"):
        end_offsets(KafkaSettings(bootstrap_servers="127.0.0.1:1"), ["any"])
    assert time.monotonic() - before < 5
