"""What the stream makes of messages that come in an unlucky order or shape."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession

from paylake import tables
from paylake.contracts import RECONCILIATION_PARTIAL
from paylake.contracts.topics import CBS_TRANSACTIONS, CLOCK, MOBILE_TRANSACTIONS, PG_TRANSACTIONS, TOPIC_LEDGERS
from paylake.reconcile import Horizon, LedgerStream
from paylake.reconciliation.clock import Ends, Tick
from paylake.reconciliation.rules import Rules
from tests.builders import NOON, kafka_rows, record

pytestmark = pytest.mark.slow

KEY = b"0123456789abcdef" * 4
ONE_EACH = {PG_TRANSACTIONS: {0: 1}, CBS_TRANSACTIONS: {0: 1}, MOBILE_TRANSACTIONS: {0: 1}}


def message(topic: str, offset: int, at: datetime = NOON) -> dict[str, object]:
    return {"topic": topic, "offset": offset, "value": record(), "timestamp": at}


def tick(offset: int, as_of: datetime, ends: Ends) -> dict[str, object]:
    return {"topic": CLOCK, "offset": offset, "value": Tick(as_of, ends).to_json().encode(), "timestamp": as_of}


def messages(spark: SparkSession, *rows: dict[str, object]) -> DataFrame:
    return kafka_rows(spark, *rows)


def versions(spark: SparkSession, lake: str) -> list[tuple[int, str]]:
    rows = tables.read(spark, lake, RECONCILIATION_PARTIAL).select("version", "status").orderBy("version").collect()
    return [(row["version"], row["status"]) for row in rows]


def test_a_redelivery_is_harmless_however_far_its_batch_moves_the_clock(spark: SparkSession, lake: str) -> None:
    pause = timedelta(hours=2)  # more than what is remembered: a stream that catches up moves so far in one batch
    stream = LedgerStream(spark, lake, Rules(), Horizon(remember=timedelta(hours=1)), KEY)
    stream.load_state()
    legs = (message(topic, 0) for topic in TOPIC_LEDGERS)
    stream.process(messages(spark, *legs, tick(0, NOON + timedelta(seconds=1), ONE_EACH)), 0, ONE_EACH)
    assert versions(spark, lake) == [(1, "MATCHED")]

    again = {**ONE_EACH, MOBILE_TRANSACTIONS: {0: 2}}
    redelivered = message(MOBILE_TRANSACTIONS, 1, NOON + timedelta(seconds=6))
    stream.process(messages(spark, redelivered, tick(1, NOON + pause, again)), 1, again)
    stream.process(messages(spark, tick(2, NOON + pause + timedelta(minutes=1), again)), 2, again)

    assert versions(spark, lake) == [(1, "MATCHED")]


def test_a_tick_counts_however_many_partitions_it_names(spark: SparkSession, lake: str) -> None:
    ends = {topic: dict.fromkeys(range(128), 1_000_000_000) for topic in TOPIC_LEDGERS}
    stream = LedgerStream(spark, lake, Rules(), Horizon(), KEY)
    stream.load_state()

    stream.process(messages(spark, tick(0, NOON, ends)), 0, ends)

    assert stream.state.clock.now == NOON
