"""From the bytes of a record to a typed entry, or to a reason why not; and no card number on either side."""

from __future__ import annotations

import hmac
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.columns.identifiers import hmac_pads
from paylake.contracts import LEDGER_ENTRIES, QUARANTINE
from paylake.contracts.table import FAILED_CHECKS
from paylake.contracts.taxonomy import STATUS_SPELLINGS
from paylake.contracts.topics import CLOCK, LEDGER_TOPICS
from paylake.payments.parsing import MAX_PAYLOAD_CHARS, MAX_RECORD_BYTES, parse_records
from paylake.quality import conform, split
from paylake.reconciliation.clock import Tick
from tests.builders import LEFT_OUT, NOON, kafka_rows, record

KEY = b"thirty-two-bytes-of-a-secret-key"
VISA, AMEX = "4111111111111111", "378282246310005"
SEPARATED = "4111 1111 1111 1111"

NOTHING_READ = [
    *(
        f"{name}_present"
        for name in ("transaction_id", "user_id", "merchant_id", "amount", "currency", "status", "event_at")
    ),
    "transaction_id_shape", "amount_positive", "amount_plausible", "currency_known", "status_known",
    "event_at_plausible",
]  # fmt: skip
NO_AMOUNT = ["amount_present", "amount_positive", "amount_plausible"]
NO_STATUS = ["status_present", "status_known"]
NO_TIME = ["event_at_present", "event_at_plausible"]

GOOD: dict[str, tuple[bytes, dict[str, Any]]] = {
    "as the ledger's example": (record(), {"amount": Decimal("100.0000"), "source": "gateway"}),
    "an amount as a JSON number": (record(amount=100.5), {"amount": Decimal("100.5000")}),
    "a small amount": (record(amount="0.0001"), {"amount": Decimal("0.0001")}),
    "a currency in lower case": (record(currency=" inr "), {"currency": "INR"}),
    "a status of the ledger's own": (record(status=" settled "), {"status": "SUCCESS"}),
    "a time at another offset": (
        record(timestamp="2026-03-31T17:30:00+05:30"),
        {"event_at": datetime(2026, 3, 31, 12)},
    ),
    "a time before midnight here and after it there": (
        record(timestamp="2026-04-01T00:15:00+05:30"),
        {"event_at": datetime(2026, 3, 31, 18, 45)},
    ),
    "a user as a number": (record(user_id=1017), {"user_id": "1017"}),
    "no optional field": (
        record(**dict.fromkeys(("type", "channel", "upi_id", "bank_id", "city", "country"), LEFT_OUT)),
        {"type": None, "channel": None, "upi_id": None, "bank_id": None, "city": None, "country": None},
    ),
    "an optional field that is null": (record(city=None), {"city": None}),
    "a field that nobody knows": (record(loyalty="gold"), {"city": "Pune"}),
    "a name in another script": (record(city="पुणे"), {"city": "पुणे"}),
    "a card": (
        record(card_number=VISA, channel="CARD"),
        {
            "card_token": hmac.new(KEY, VISA.encode(), "sha256").hexdigest(),
            "card_bin": "411111",
            "card_last4": "1111",
        },
    ),
    "a card with separators": (
        record(card_number=SEPARATED),
        {"card_token": hmac.new(KEY, VISA.encode(), "sha256").hexdigest(), "card_last4": "1111"},
    ),
    "as large as a record may be": (
        record(padding="")[:-2] + b"x" * (MAX_RECORD_BYTES - len(record(padding=""))) + b'"}',
        {"transaction_id": "t1"},
    ),
    "a correction": (record(released_from="pg-transactions/0/7"), {"released_from": "pg-transactions/0/7"}),
}
"""What is accepted -> the record, and what becomes of it."""

BAD: dict[str, tuple[bytes | None, list[str]]] = {
    "null": (None, ["record_empty", *NOTHING_READ]),
    "nothing": (b"", ["record_empty", *NOTHING_READ]),
    "no JSON": (b"BOOKED 100.00 INR", ["json_malformed", *NOTHING_READ]),
    "JSON that was cut": (record()[:60], ["json_malformed", *NOTHING_READ]),
    "JSON that is no object": (b"[]", ["json_malformed", *NOTHING_READ]),
    "two records in an array": (
        b"[" + record() + b"," + record(transaction_id="t2") + b"]",
        ["json_malformed", *NOTHING_READ],
    ),
    "bytes that are no text": (b"\x00\xff\xfe\x80", ["json_malformed", *NOTHING_READ]),
    "an empty object": (b"{}", NOTHING_READ),
    "an object for an amount": (record(amount={"value": "100.00"}), NO_AMOUNT),
    "a list for an amount": (record(amount=["100.00"]), NO_AMOUNT),
    "a truth for an amount": (record(amount=True), NO_AMOUNT),
    "a word for an amount": (record(amount="hundred"), NO_AMOUNT),
    "an amount in another notation": (record(amount="1e3"), NO_AMOUNT),
    "an amount that is not exact": (record(amount="10.00005"), NO_AMOUNT),
    "no amount": (record(amount=LEFT_OUT), NO_AMOUNT),
    "no transaction": (
        record(transaction_id=LEFT_OUT),
        ["transaction_id_present", "transaction_id_shape"],
    ),
    "no user": (record(user_id=None), ["user_id_present"]),
    "no merchant": (record(merchant_id=LEFT_OUT), ["merchant_id_present"]),
    "no currency": (record(currency=LEFT_OUT), ["currency_present", "currency_known"]),
    "no status": (record(status=None), NO_STATUS),
    "no time": (record(timestamp=LEFT_OUT), NO_TIME),
    "an unknown status": (record(status="FLUX"), NO_STATUS),
    "an unknown currency": (record(currency="XXX"), ["currency_known"]),
    "an absurd amount": (record(amount="1000000000000.00"), ["amount_plausible"]),
    "an amount beyond the type": (record(amount="1000000000000000.00"), NO_AMOUNT),
    "no money": (record(amount="0.00"), ["amount_positive"]),
    "a negative amount": (record(amount="-1.00"), ["amount_positive"]),
    "a date long ago": (record(timestamp="1900-03-31T12:00:00Z"), ["event_at_plausible"]),
    "a date to come": (record(timestamp="2999-03-31T12:00:00Z"), ["event_at_plausible"]),
    "a time without an offset": (record(timestamp="2026-03-31T12:00:00"), NO_TIME),
    "oversized": (record(padding="x" * MAX_RECORD_BYTES), ["record_oversized", *NOTHING_READ]),
    "an identifier that is too long": (record(transaction_id="t" * 65), ["transaction_id_shape"]),
    "a card number that is none": (record(card_number="4111"), ["card_number_malformed"]),
    "a card number in a text": (record(city=f"Pune {VISA}"), ["card_number_in_text"]),
    "a card number for a user": (record(user_id=AMEX), ["card_number_in_text"]),
    "two faults": (record(status="FLUX", amount="0"), ["status_present", "amount_positive", "status_known"]),
}
"""What is rejected -> the record, and every reason."""


def parsed(spark: SparkSession, *records: bytes | None | dict[str, Any]) -> DataFrame:
    """The records as a micro-batch parses them."""
    pads = tuple(bytearray(pad) for pad in hmac_pads(KEY))
    context = spark.createDataFrame([(*pads, 1, 7)], "inner_pad binary, outer_pad binary, generation int, batch bigint")
    return parse_records(kafka_rows(spark, *records).crossJoin(F.broadcast(context)))


def in_order(df: DataFrame) -> list[dict[str, Any]]:
    """The parsed records as they were sent."""
    return [r.asDict() for r in sorted(df.collect(), key=lambda r: r["offset"])]


def test_a_record_in_any_valid_spelling_is_an_entry(spark: SparkSession) -> None:
    actual = in_order(parsed(spark, *(value for value, _ in GOOD.values())))
    for name, row in zip(GOOD, actual, strict=True):
        expected = {FAILED_CHECKS: [], "payload": None, "transaction_id": "t1", **GOOD[name][1]}
        assert {column: row[column] for column in expected} == expected, name


def test_a_whole_entry_is_what_the_record_said(spark: SparkSession) -> None:
    (actual,) = in_order(conform(split(parsed(spark, record())).accepted, LEDGER_ENTRIES))
    assert actual == {
        "topic": "pg-transactions", "partition": 0, "offset": 0, "recorded_at": NOON.replace(tzinfo=None),
        "ingest_date": NOON.date(), "source": "gateway", "transaction_id": "t1", "user_id": "u1",
        "merchant_id": "m1", "amount": Decimal("100.0000"), "currency": "INR", "status": "SUCCESS",
        "event_at": NOON.replace(tzinfo=None), "type": "PURCHASE", "channel": "UPI", "payment_system": "UPI",
        "card_token": None, "card_bin": None, "card_last4": None, "upi_id": "asha@bank", "bank_id": "BANK_A",
        "city": "Pune", "country": "IN", "device_id": "d1", "ip_address": "203.0.113.7", "released_from": None,
        "generation": 1, "batch": 7,
    }  # fmt: skip


def test_a_malformed_record_says_every_reason_and_keeps_its_payload(spark: SparkSession) -> None:
    actual = in_order(parsed(spark, *(value for value, _ in BAD.values())))
    for name, row in zip(BAD, actual, strict=True):
        value, reasons = BAD[name]
        assert row[FAILED_CHECKS] == reasons, name
        assert row["payload_bytes"] == len(value or b""), name
        if value is None:
            assert row["payload"] is None
        elif re.search(rb"[0-9]{12}", value):
            assert "[masked]" in row["payload"], name
            assert not re.search(r"[0-9]{12}", row["payload"]), name
        elif name != "bytes that are no text":
            assert row["payload"] == value.decode()[:MAX_PAYLOAD_CHARS], name


def test_every_record_is_on_exactly_one_side(spark: SparkSession) -> None:
    values = [*(value for value, _ in GOOD.values()), *(value for value, _ in BAD.values())]
    accepted, rejected = split(parsed(spark, *values))
    sides = accepted.select("offset", F.lit("accepted").alias("side")).union(
        rejected.select("offset", F.lit("rejected").alias("side"))
    )
    expected = ["accepted"] * len(GOOD) + ["rejected"] * len(BAD)
    assert sorted(tuple(row) for row in sides.collect()) == list(enumerate(expected))


def test_every_ledgers_topic_and_every_status_spelling_is_understood(spark: SparkSession) -> None:
    sent = [
        {"topic": topic, "value": record(status=spelling.lower())}
        for topic in LEDGER_TOPICS.values()
        for spelling in STATUS_SPELLINGS
    ]
    expected = [(ledger, status, []) for ledger in LEDGER_TOPICS for status in STATUS_SPELLINGS.values()]
    actual = in_order(parsed(spark, *sent))
    assert [(r["source"], r["status"], r[FAILED_CHECKS]) for r in actual] == expected


def test_a_record_of_a_foreign_topic_is_rejected(spark: SparkSession) -> None:
    (actual,) = in_order(parsed(spark, {"topic": "somebody-elses"}))
    assert actual[FAILED_CHECKS] == ["source_present", "source_known"]


def test_the_ingest_date_is_the_utc_date_of_the_kafka_record(spark: SparkSession) -> None:
    (actual,) = in_order(parsed(spark, {"timestamp": datetime(2026, 3, 31, 23, 59, 59, 999999)}))
    assert actual["ingest_date"] == datetime(2026, 3, 31).date()


def test_both_sides_fit_their_tables_without_any_data(spark: SparkSession) -> None:
    accepted, rejected = split(parsed(spark))
    for side, contract in ((accepted, LEDGER_ENTRIES), (rejected, QUARANTINE)):
        planned = conform(side, contract).schema
        assert [(f.name, f.dataType) for f in planned] == [(f.name, f.type) for f in contract.fields]


def card_in(text: str) -> bool:
    """True where a text holds one of the test's card numbers, however separated."""
    bare = re.sub(r"[^0-9]", "", text)
    return VISA in bare or AMEX in bare


def cards_kept(spark: SparkSession, *records: bytes) -> dict[int, list[str]]:
    """Record -> the columns in which a card number can still be read, digit by digit."""
    found = {}
    for row in in_order(parsed(spark, *records)):
        found[row["offset"]] = [name for name, value in row.items() if card_in(str(value))]
    return {offset: columns for offset, columns in found.items() if columns}


def test_no_card_number_is_left_where_it_was_sent_in_its_field_or_plain(spark: SparkSession) -> None:
    texts = ("transaction_id", "user_id", "merchant_id", "type", "channel", "payment_system", "upi_id",
             "bank_id", "city", "country", "device_id", "ip_address")  # fmt: skip
    records = [
        record(card_number=VISA),
        record(card_number=AMEX),
        record(card_number=SEPARATED),
        record(card_number=SEPARATED, status="FLUX"),
        record(card_number="4111/1111/1111/1111"),
        record(card_number=[VISA]),
        record(loyalty=VISA, status="FLUX"),
        record(card_number=VISA)[:-5],
        b"card " + SEPARATED.encode(),
        record(padding="x" * MAX_RECORD_BYTES, card_number=SEPARATED),
        *(record(**{name: VISA}) for name in texts),
        *(record(**{name: f"paid with {AMEX}"}) for name in texts),
    ]
    assert cards_kept(spark, *records) == {}


LEAKS = {
    "separated in a text of an accepted record": record(city=SEPARATED),
    "separated in a text of a rejected record": record(city=SEPARATED, status="FLUX"),
    "in a longer word of a text": record(device_id=f"card{VISA}"),
    "for a currency": record(currency=VISA),
    "for the record that this one corrects": record(released_from=VISA),
    "with two spaces between its groups": record(card_number=SEPARATED.replace(" ", "  "), status="FLUX"),
    "in a text of two bytes per character": record(card_number=VISA).decode().encode("utf-16-le"),
}


@pytest.mark.parametrize("sent", LEAKS.values(), ids=LEAKS)
def test_no_card_number_is_left_wherever_it_was_sent(spark: SparkSession, sent: bytes) -> None:
    assert cards_kept(spark, sent) == {}


def test_a_card_number_of_fourteen_digits_is_no_amount(spark: SparkSession) -> None:
    (actual,) = in_order(parsed(spark, record(amount="30569309025904")))
    assert actual["amount"] is None


def test_a_second_record_behind_the_first_is_not_lost(spark: SparkSession) -> None:
    sent = (record() + record(transaction_id="t2"), record() + b" and so on")
    assert [bool(row[FAILED_CHECKS]) for row in in_order(parsed(spark, *sent))] == [True, True]


def test_an_identifier_is_a_word(spark: SparkSession) -> None:
    sent = (
        record(transaction_id={"id": "t1"}),
        record(merchant_id=["m1"]),
        record(transaction_id="  "),
        record(user_id=""),
    )
    assert [bool(row[FAILED_CHECKS]) for row in in_order(parsed(spark, *sent))] == [True] * 4


def test_a_tick_over_many_partitions_survives_the_parser(spark: SparkSession) -> None:
    ends = {topic: {p: 1_000_000_000 + p for p in range(100)} for topic in LEDGER_TOPICS.values()}
    tick = Tick(NOON, ends)
    (actual,) = in_order(parsed(spark, {"topic": CLOCK, "value": tick.to_json().encode()}))
    assert Tick.from_json(actual["payload"]) == tick


def test_a_byte_that_is_no_text_is_replaced_and_the_rest_of_the_record_stands(spark: SparkSession) -> None:
    (row,) = parsed(spark, record(city="Kochi").replace(b"Kochi", b"Ko\xffchi")).collect()
    assert (row["city"], row["amount"], row[FAILED_CHECKS]) == ("Ko\ufffdchi", Decimal("100.0000"), [])
