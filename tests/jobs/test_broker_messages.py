"""What the stream makes of messages that come in an unlucky order or shape."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession

from paylake import nightly, tables
from paylake.contracts import RECONCILIATION_PARTIAL
from paylake.contracts.topics import CBS_TRANSACTIONS, CLOCK, MOBILE_TRANSACTIONS, PG_TRANSACTIONS, TOPIC_LEDGERS
from paylake.payments.parsing import parse_records
from paylake.reconcile import Horizon, LedgerStream
from paylake.reconciliation.clock import Ends, Tick
from paylake.reconciliation.rules import Rules
from tests.builders import NOON, kafka_rows, record

KEY = b"0123456789abcdef" * 4
ONE_EACH = {PG_TRANSACTIONS: {0: 1}, CBS_TRANSACTIONS: {0: 1}, MOBILE_TRANSACTIONS: {0: 1}}

FORGOTTEN = (
    "LedgerStream._remembered counts back from the clock after the batch: where a batch moves the clock by more than "
    "--remember (a stream that catches up), a redelivery of what the batch before decided is taken for a new payment"
)
CUT = (
    "ticks reach _summary through the payload, which parse_records cuts at 4,000 characters: where a topic has some 80 "
    "partitions, no tick is JSON any more, and time stands still"
)

STARTS = (
    "nobody sets StreamState.starts, so the proof of the offsets begins at 0: where retention removed records before the "
    "stream's first start, every nightly run fails over them"
)

UUIDS = (
    "names_a_card takes digits behind a letter, in groups with dashes, for a card number: one UUID in 25,000 has a "
    "right prefix and check digit by chance, and all legs of its payment are rejected as card_number_in_text"
)


def message(topic: str, offset: int, at: datetime = NOON) -> dict[str, object]:
    return {"topic": topic, "offset": offset, "value": record(), "timestamp": at}


def tick(offset: int, as_of: datetime, ends: Ends) -> dict[str, object]:
    return {"topic": CLOCK, "offset": offset, "value": Tick(as_of, ends).to_json().encode(), "timestamp": as_of}


def messages(spark: SparkSession, *rows: dict[str, object]) -> DataFrame:
    return kafka_rows(spark, *rows)


def versions(spark: SparkSession, lake: str) -> list[tuple[int, str]]:
    rows = tables.read(spark, lake, RECONCILIATION_PARTIAL).select("version", "status").orderBy("version").collect()
    return [(row["version"], row["status"]) for row in rows]


@pytest.mark.parametrize(
    "pause",
    [
        timedelta(minutes=10),
        pytest.param(
            timedelta(hours=2),
            marks=pytest.mark.xfail(
                raises=AssertionError,
                reason=FORGOTTEN,
            ),
        ),
    ],
)
def test_a_redelivery_is_harmless_however_far_its_batch_moves_the_clock(
    spark: SparkSession, lake: str, pause: timedelta
) -> None:
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


@pytest.mark.parametrize(
    "partitions",
    [
        8,
        pytest.param(
            128,
            marks=pytest.mark.xfail(
                raises=AssertionError,
                reason=CUT,
            ),
        ),
    ],
)
def test_a_tick_counts_however_many_partitions_it_names(spark: SparkSession, lake: str, partitions: int) -> None:
    ends = {topic: dict.fromkeys(range(partitions), 1_000_000_000) for topic in TOPIC_LEDGERS}
    stream = LedgerStream(spark, lake, Rules(), Horizon(), KEY)
    stream.load_state()

    stream.process(messages(spark, tick(0, NOON, ends)), 0, ends)

    assert stream.state.clock.now == NOON


@pytest.mark.xfail(raises=AssertionError, reason=STARTS)
def test_records_that_were_gone_before_the_stream_began_are_no_gaps(spark: SparkSession, lake: str) -> None:
    stream = LedgerStream(spark, lake, Rules(), Horizon(), KEY)
    stream.load_state()
    first, ends = 1_000, {PG_TRANSACTIONS: {0: 1_001}}

    stream.process(messages(spark, message(PG_TRANSACTIONS, first)), 0, ends)

    proofs = nightly._prove_offsets(spark, lake, nightly.Pin.latest(spark, lake), ())
    assert [(p.topic, p.outcome, p.gaps) for p in proofs] == [(PG_TRANSACTIONS, "closed", 0)]


@pytest.mark.xfail(raises=AssertionError, reason=UUIDS)
def test_a_uuid_is_no_card_number(spark: SparkSession) -> None:
    named = {"transaction_id": "edfa4917-1789-4837-9f28-30cf6c2cfdec"}
    stream = LedgerStream(spark, "", Rules(), Horizon(), KEY)
    rows = kafka_rows(spark, record(), record(**named)).crossJoin(stream._context(0, stream.state.clock))

    parsed = {row["offset"]: row for row in parse_records(rows).collect()}

    assert (parsed[0]["transaction_id"], parsed[0]["_failed_checks"]) == ("t1", [])
    assert (parsed[1]["transaction_id"], parsed[1]["_failed_checks"]) == (named["transaction_id"], [])
