"""A stream outlives its broker: for a while it waits, and then it says so in a sentence."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from paylake import broker
from paylake.simulation import Plan, publish
from paylake.token_key import create_key_file
from tests.slow import support

AWAY_S = 120.0
"""How long the broker is away: the two minutes of the promise."""

PATIENCE = "600s"

GIVES_UP_WITHIN_S = 540.0
"""Spark asks the broker three times for a minute each before a failure is seen at all, and the second failure ends it."""

MORNING = Plan(payments=300, seed=31, chaos=0.3, span=timedelta(hours=6))
NOON = Plan(payments=300, seed=32, chaos=0.3, span=timedelta(hours=6), start=datetime(2026, 1, 15, 7, tzinfo=UTC))


@pytest.mark.thorough
def test_a_stream_goes_on_by_itself_when_its_broker_comes_back(spark: SparkSession, tmp_path: Path) -> None:
    folder, key, lake = tmp_path / "broker", tmp_path / "token.key", str(tmp_path / "lake")
    create_key_file(key)
    with support.kafka_with_topics(folder) as cluster:
        kafka = cluster.kafka
        first = publish(MORNING, kafka).records
        argv = support.stream(kafka, lake, key, "--interval", "1s", "--patience", PATIENCE)
        with support.command(*argv, log=tmp_path / "stream.log") as stream:
            stream.wait_until(lambda: stream.records() == first, f"{first} records were taken")
            broker.stop(folder)
            time.sleep(AWAY_S)
            assert stream.process.poll() is None, stream.text
            assert broker.start(folder).kafka == kafka
            everything = first + publish(NOON, kafka).records
            stream.wait_until(lambda: stream.records() == everything, f"{everything} records were taken")
            stream.signal(signal.SIGTERM)
            assert stream.wait(120) in (0, 128 + signal.SIGTERM), stream.text
        support.stream_here(spark, kafka, lake, key, "--ticks", "elsewhere")

        undisturbed = str(tmp_path / "undisturbed")
        support.stream_here(spark, kafka, undisturbed, key, "--ticks", "elsewhere")
    contents = support.stream_contents(spark, lake)
    assert contents == support.stream_contents(spark, undisturbed)
    assert contents["ledger_entries"][0] == everything


@pytest.mark.thorough
def test_a_broker_that_stays_away_longer_than_the_patience_ends_the_stream_with_a_sentence(tmp_path: Path) -> None:
    folder, key, lake = tmp_path / "broker", tmp_path / "token.key", str(tmp_path / "lake")
    create_key_file(key)
    with support.kafka_with_topics(folder) as cluster:
        argv = support.stream(cluster.kafka, lake, key, "--interval", "1s", "--patience", "5s")
        records = publish(MORNING, cluster.kafka).records
        with support.command(*argv, log=tmp_path / "stream.log") as stream:
            stream.wait_until(lambda: stream.records() == records, f"{records} records were taken")
            broker.stop(folder)
            assert stream.wait(GIVES_UP_WITHIN_S) == 1, stream.text
            assert stream.left_behind() == []
    assert stream.text.strip().splitlines()[-1] == (
        "paylake: The Kafka broker has been away for 5 s; start it, and start the job again: it goes on where it stopped."
    )
    assert "Traceback" not in stream.text


def test_a_broker_that_was_never_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    folder, key, lake = tmp_path / "broker", tmp_path / "token.key", str(tmp_path / "lake")
    create_key_file(key)
    with support.kafka_with_topics(folder) as cluster:
        kafka = cluster.kafka
    argv = support.stream(kafka, lake, key, "--available-now", "--patience", "5s")
    with support.command(*argv, log=tmp_path / "stream.log") as stream:
        assert stream.wait(GIVES_UP_WITHIN_S) == 1, stream.text
    last = stream.text.strip().splitlines()[-1]
    assert last.startswith("paylake: ")
    assert "broker" in last
    assert "Traceback" not in stream.text
