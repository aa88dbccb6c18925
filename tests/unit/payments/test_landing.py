"""A landed record is parsed to what the record itself was parsed to; and no card number lands."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.columns.identifiers import hmac_pads
from paylake.contracts.table import FAILED_CHECKS
from paylake.payments.landing import REJECTED, dated, landed
from paylake.payments.parsing import parse_history, parse_records
from tests.builders import NOON, kafka_rows, record
from tests.unit.payments.test_parsing import BAD, GOOD, KEY, LEAKS, VISA, card_in, in_order, parsed

SINCE, UNTIL = datetime(2000, 1, 1, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)
CONTEXT = "inner_pad binary, outer_pad binary, generation int, batch bigint"
LATER = datetime(2026, 11, 20, 9, tzinfo=UTC)
"""When landed records are sent to Kafka."""
NAIVE_NOON = NOON.replace(tzinfo=None)


CARDS: dict[str, tuple[bytes, list[str]]] = {
    "a card in groups, rejected": (record(card_number="4111 1111 1111 1111", status="FLUX"), []),
    "a card in a field that nobody knows, rejected": (record(loyalty=VISA, status="FLUX"), []),
    "a card in what is no JSON": (b"card " + VISA.encode(), []),
    "a card in a text, in groups, rejected": (LEAKS["separated in a text of a rejected record"], []),
    "a card in a field that nobody knows": (record(loyalty=VISA), []),
}
"""Further places of a card number; the last record is accepted."""


def context(spark: SparkSession, key: bytes = KEY) -> DataFrame:
    return F.broadcast(spark.createDataFrame([(*map(bytearray, hmac_pads(key)), 1, 7)], CONTEXT))


def land(spark: SparkSession, *records: bytes | None) -> list[dict[str, Any]]:
    """What lands of the records, in their order, those without a time filed at noon."""
    history = parse_history(kafka_rows(spark, *records).coalesce(1).crossJoin(context(spark)), SINCE, UNTIL)
    rows = landed(history.crossJoin(context(spark).select("inner_pad", "outer_pad")))
    return [row.asDict() for row in dated(rows.withColumn("filed_at", F.lit(NOON))).collect()]


def sent_later(spark: SparkSession, values: list[bytes], key: bytes = KEY) -> list[dict[str, Any]]:
    """What parsing gives for landed records that come months later."""
    rows = kafka_rows(spark, *({"value": bytes(value), "timestamp": LATER} for value in values))
    return in_order(parse_records(rows.crossJoin(context(spark, key))))


def test_a_landed_record_is_parsed_to_what_the_record_itself_was_and_holds_no_card_number(spark: SparkSession) -> None:
    records = {name: value for known in (GOOD, BAD, CARDS) for name, (value, _) in known.items()}
    live = in_order(parsed(spark, *records.values()))
    rows = land(spark, *records.values())
    replayed = sent_later(spark, [row["value"] for row in rows])
    for name, one, other in zip(records, live, replayed, strict=True):
        is_plausible = one["event_at"] is not None and 2000 <= one["event_at"].year < 2027
        recorded_at = one["event_at"] if is_plausible else NAIVE_NOON
        learned = {"recorded_at": recorded_at, "ingest_date": recorded_at.date(), "arrived_at": LATER.replace(tzinfo=None)}
        # of an accepted record nobody asks how long it was
        length = {} if one[FAILED_CHECKS] else {"payload_bytes": other["payload_bytes"]}
        assert other == {**one, **learned, **length}, name
    assert [row["event_date"] for row in rows[: len(GOOD)]] == ["2026-03-31"] * len(GOOD)
    assert {row["event_date"] for row in rows[len(GOOD) : -1]} == {REJECTED}
    assert [name for name, row in zip(records, rows, strict=True) if card_in(row["value"].decode())] == []


def test_what_was_accepted_counts_only_under_the_key_that_it_landed_under(spark: SparkSession) -> None:
    (row,) = land(spark, record(card_number=VISA))
    (found,) = sent_later(spark, [row["value"]], key=b"another-key-of-thirty-two-bytes!")
    assert (found[FAILED_CHECKS], found["card_token"]) == (["landed_seal_wrong", "event_at_plausible"], None)


def test_what_was_landed_cannot_be_changed_dated_back_or_freed_of_its_reasons(spark: SparkSession) -> None:
    good, bad = land(spark, record(), record(status="FLUX"))
    said = json.loads(good["value"])
    forged = [
        {**said, "amount": "999.0000"},
        {**said, "timestamp": "2020-01-01T00:00:00.000000Z"},
        {**said, "_landed": {**said["_landed"], "recorded_at": "2020-01-01T00:00:00.000000Z"}},
        {**said, "_landed": {"recorded_at": "2020-01-01T00:00:00.000000Z"}},
        {**json.loads(bad["value"]), "status": "SUCCESS", "_landed": {}},
    ]
    found = sent_later(spark, [json.dumps(record).encode() for record in forged])
    assert ["landed_seal_wrong" in row[FAILED_CHECKS] for row in found] == [True] * len(forged)
    assert {row["recorded_at"] for row in found} == {LATER.replace(tzinfo=None)}
