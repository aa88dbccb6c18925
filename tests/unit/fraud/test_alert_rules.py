"""What the alert channel says of a payment: what it reads, which signs show, what follows from them."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from paylake import alert_driver
from paylake.columns.identifiers import hmac_pads
from paylake.contracts import LEDGER_ENTRIES, LOCATIONS, MERCHANTS, POLICIES, USER_SPEND_INDEX, USERS
from paylake.contracts.fraud import FRAUDULENT, NORMAL, REASON_CODES, SUSPICIOUS
from paylake.contracts.topics import FRAUD_ALERTS, FRAUD_DECISIONS
from paylake.fraud import alert_rules, alert_subjects
from tests.builders import LEFT_OUT, NOON, TODAY, frame, kafka_rows, record, rows

KEY = b"0123456789abcdef" * 4
CARD = "4111111111111111"
LONG_AGO = NOON - timedelta(days=365)


def policy(subject_type: str, subject_id: str | None, **more: Any) -> dict[str, Any]:
    what: dict[str, Any] = {"policy_type": "BLACKLIST", "active_flag": True, "valid_from": LONG_AGO}
    return {**what, "subject_type": subject_type, "subject_id": subject_id, **more}


def limit(subject_type: str, subject_id: str | None, amount: str, **more: Any) -> dict[str, Any]:
    of = {"policy_type": "REGIONAL_LIMIT", "limit_amount": Decimal(amount), "limit_currency": "INR"}
    return policy(subject_type, subject_id, **of, **more)


@pytest.fixture(scope="module")
def known(spark: SparkSession) -> alert_driver.Known:
    policies = alert_subjects.active(
        rows(
            spark, POLICIES,
            policy("USER", "listed"),
            policy("USER", "suspended", active_flag=False),
            policy("USER", "over", valid_to=NOON),
            policy("MERCHANT", "listed-there", jurisdiction="US"),
            policy("COUNTRY", "KP"),
            limit("USER", "limited", "500"),
            limit("COUNTRY", "SG", "900", jurisdiction="SG"),
            limit("ALL", None, "99999"),
        ),
        NOON,
    )  # fmt: skip
    users = rows(
        spark, USERS,
        {"user_id": "u1", "home_country": "IN", "valid_from": LONG_AGO},
        {"user_id": "u2", "home_country": "IN", "valid_from": LONG_AGO, "risk_rating": "HIGH"},
        {"user_id": "u3", "home_country": "KP", "valid_from": LONG_AGO},
    )  # fmt: skip
    merchants = rows(spark, MERCHANTS, {"merchant_id": "m2", "valid_from": LONG_AGO, "risk_level": "HIGH"})
    places = rows(spark, LOCATIONS, {"city": "Ahmedabad", "valid_from": LONG_AGO, "risk_level": "HIGH"})
    paid = {"user_id": "u1", "device_id": "d1", "card_token": token(CARD), "status": "SUCCESS", "amount": Decimal("200")}
    entries = rows(spark, LEDGER_ENTRIES, *([paid] * alert_subjects.LEAST_PAYMENTS))
    spent = {"user_id": "u1", "is_current": True, "business_date": TODAY, "approved": 5, "approved_amount": Decimal("500")}
    usual = alert_subjects.usual_of_users(rows(spark, USER_SPEND_INDEX, spent), TODAY)
    inner, outer = hmac_pads(KEY)
    schema = "topic string, inner_pad binary, outer_pad binary, everybody struct<limits:map<string,decimal(18,4)>>"
    context = ("pg-transactions", bytearray(inner), bytearray(outer), ({"*|INR": Decimal("99999")},))
    return alert_driver.Known(
        alert_subjects.users(users, policies, alert_subjects.devices(entries), usual, TODAY).localCheckpoint(),
        alert_subjects.merchants(merchants, policies, usual.where("false").withColumnRenamed("user_id", "merchant_id")),
        alert_subjects.places(places, policies).localCheckpoint(),
        alert_subjects.usual_of_cards(entries).localCheckpoint(),
        frame(spark, schema, context),
    )


def token(number: str) -> str:
    import hashlib
    import hmac

    return hmac.new(KEY, number.encode(), hashlib.sha256).hexdigest()


def said(known: alert_driver.Known, records: DataFrame) -> list[tuple[str, dict[str, Any]]]:
    """Topic and content of what is published, in a stable order."""
    found = alert_driver.output(records, known).collect()
    return sorted(((r["topic"], json.loads(r["value"])) for r in found), key=lambda s: (s[1]["event_id"], s[0]))


PLAIN: dict[str, Any] = {
    "user_id": "u1", "merchant_id": "m1", "amount": "150.00", "currency": "INR", "country": "IN", "city": "Pune",
    "device_id": "d1", "timestamp": "2026-03-31T17:30:00+05:30", "card_number": LEFT_OUT, "upi_id": LEFT_OUT,
}  # fmt: skip

SHOWN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, []),
    "a listed customer": ({"user_id": "listed"}, ["BLACKLISTED"]),
    "a suspended policy": ({"user_id": "suspended"}, []),
    "a policy that is over": ({"user_id": "over"}, []),
    "listed elsewhere": ({"merchant_id": "listed-there"}, []),
    "listed here": ({"merchant_id": "listed-there", "country": "US"}, ["BLACKLISTED", "COUNTRY_MISMATCH"]),
    "a listed home": ({"user_id": "u3", "country": LEFT_OUT}, ["BLACKLISTED"]),
    "at the limit": ({"user_id": "limited", "amount": "500"}, ["POLICY_LIMIT"]),
    "below the limit": ({"user_id": "limited", "amount": "499.99"}, []),
    "another currency": ({"user_id": "limited", "amount": "500", "currency": "USD"}, []),
    "a country's limit": ({"user_id": "new", "country": "SG", "amount": "900"}, ["POLICY_LIMIT"]),
    "everybody's limit": ({"user_id": "new", "amount": "99999"}, ["POLICY_LIMIT"]),
    "four times": ({"amount": "400"}, []),
    "more than four times": ({"amount": "400.01"}, ["AMOUNT_UNUSUAL"]),
    "more than ten times": ({"amount": "1000.01"}, ["AMOUNT_LIMIT", "AMOUNT_UNUSUAL"]),
    "ten times the card's": ({"user_id": "new", "amount": "2000.01", "card_number": CARD}, ["AMOUNT_LIMIT"]),
    "a new device": ({"device_id": "d2"}, ["NEW_DEVICE"]),
    "no device": ({"device_id": LEFT_OUT}, []),
    "an unknown customer": ({"user_id": "nobody", "device_id": "d2", "country": "US"}, []),
    "a risky place": ({"city": "Ahmedabad"}, ["COUNTRY_RISK"]),
    "risky parties": ({"user_id": "u2", "merchant_id": "m2"}, ["MERCHANT_RISK", "CUSTOMER_RISK"]),
    "at night": ({"timestamp": "2026-03-31T04:59:59+05:30"}, ["NIGHT"]),
    "in the morning": ({"timestamp": "2026-03-31T05:00:00+05:30"}, []),
}  # fmt: skip


def test_every_sign_shows_where_it_should_and_nowhere_else(spark: SparkSession, known: alert_driver.Known) -> None:
    values = [record(**{**PLAIN, "transaction_id": name.replace("'", " "), **how}) for name, (how, _) in SHOWN.items()]
    found = {
        alert["transaction_id"]: [r["code"] for r in alert["reasons"]]
        for topic, alert in said(known, kafka_rows(spark, *values))
        if topic == FRAUD_DECISIONS
    }
    assert found == {name.replace("'", " "): codes for name, (_, codes) in SHOWN.items()}


def test_a_decision_says_everything_and_an_alert_says_the_same(spark: SparkSession, known: alert_driver.Known) -> None:
    strange = record(**{
        **PLAIN, "transaction_id": "t2", "amount": "1000.01", "device_id": "d2", "country": "US", "card_number": CARD,
        "timestamp": "2026-03-31T02:00:00+05:30",
    })  # fmt: skip
    odds = 10 * 8 * 5 * 4 * 2 / 200
    common = {"scored_by": "scorecard", "rules_version": "1", "arrived_at": "2026-03-31T12:00:00.000Z"}
    texts = alert_rules.TEXTS
    second = {
        "event_id": "pg-transactions/0/1", "transaction_id": "t2", "user_id": "u1", "merchant_id": "m1",
        "amount": "1000.0100", "currency": "INR", "score": round(odds / (1 + odds), 6), "anomaly_type": FRAUDULENT,
        "decision": "DECLINE",
        "reasons": [
            {"code": code, "text": texts[code]}
            for code in ("AMOUNT_LIMIT", "NEW_DEVICE", "COUNTRY_MISMATCH", "AMOUNT_UNUSUAL")
        ],
        **common,
    }  # fmt: skip
    first = {
        "event_id": "pg-transactions/0/0", "transaction_id": "t1", "user_id": "u1", "merchant_id": "m1",
        "amount": "150.0000", "currency": "INR", "score": 0.004975, "anomaly_type": NORMAL, "decision": "APPROVE",
        "reasons": [], **common,
    }  # fmt: skip
    plain = record(**{**PLAIN, "transaction_id": "t1"})
    assert said(known, kafka_rows(spark, plain, strange)) == [
        (FRAUD_DECISIONS, first), (FRAUD_ALERTS, second), (FRAUD_DECISIONS, second),
    ]  # fmt: skip


BAD: dict[str, dict[str, Any]] = {
    "negative": {"amount": "-5.00"},
    "no number": {"amount": "many"},
    "too exact": {"amount": "1.00001"},
    "no currency of the world": {"currency": "XXQ"},
    "no time": {"timestamp": "yesterday"},
    "no offset": {"timestamp": "2026-03-31T17:30:00"},
    "no customer": {"user_id": LEFT_OUT},
    "no merchant": {"merchant_id": " "},
    "half a card": {"card_number": "4111"},
    "a card for a name": {"user_id": CARD},
    "a card for an amount": {"amount": "36227206271667"},
}


def test_what_cannot_be_read_is_reviewed_and_says_nothing_more(spark: SparkSession, known: alert_driver.Known) -> None:
    values = [record(**{**PLAIN, "transaction_id": name, **how}) for name, how in BAD.items()]
    reason = {"code": "UNREADABLE", "text": alert_rules.TEXTS["UNREADABLE"]}
    common = {"decision": "REVIEW", "reasons": [reason], "scored_by": "scorecard", "rules_version": "1"}
    expected = {
        name: (FRAUD_DECISIONS, {
            **common, "event_id": f"pg-transactions/0/{offset}", "transaction_id": name,
            "arrived_at": "2026-03-31T12:00:00.000Z",
        })
        for offset, name in enumerate(BAD)
    }  # fmt: skip
    found = said(known, kafka_rows(spark, *values))
    assert {content["transaction_id"]: (topic, content) for topic, content in found} == expected
    assert len(found) == len(expected)


def test_what_names_no_transaction_is_left_to_the_quarantine(spark: SparkSession, known: alert_driver.Known) -> None:
    bad = (
        None, b"", b"no json", b"[]", b"null", b"42", b'{"transaction_id":', b"\xff\xfe", record(transaction_id=CARD),
        record(transaction_id=LEFT_OUT), record(transaction_id="t" * 65), record() + record(),
        record(city="x" * (64 * 1024)),
    )  # fmt: skip
    assert said(known, kafka_rows(spark, *bad)) == []


def test_no_card_number_and_no_key_leave(spark: SparkSession, known: alert_driver.Known) -> None:
    names = ("user_id", "merchant_id", "amount", "currency", "device_id", "city", "country", "timestamp", "card_number")
    values = [record(**{**PLAIN, "transaction_id": f"t{n}", name: CARD}) for n, name in enumerate(names)]
    published = alert_driver.output(kafka_rows(spark, *values), known)
    text = "\n".join(str(row.asDict()) for row in published.collect())
    assert text.count("event_id") >= len(names)
    assert CARD not in text
    assert token(CARD) not in text
    plan = published._jdf.queryExecution().toString()
    pads = [form for pad in hmac_pads(KEY) for form in (pad.hex(), pad.hex().upper(), repr(pad), str(list(pad)))]
    assert [form for form in (KEY.decode(), *pads) if form in plan] == []


def test_the_policies_decide_where_they_must(spark: SparkSession, known: alert_driver.Known) -> None:
    listed = record(**{**PLAIN, "transaction_id": "t1", "user_id": "listed"})
    limited = record(**{**PLAIN, "transaction_id": "t2", "user_id": "limited", "amount": "500"})
    found = [
        (a["transaction_id"], topic, a["anomaly_type"], a["decision"])
        for topic, a in said(known, kafka_rows(spark, listed, limited))
    ]
    assert found == [
        ("t1", FRAUD_ALERTS, FRAUDULENT, "DECLINE"), ("t1", FRAUD_DECISIONS, FRAUDULENT, "DECLINE"),
        ("t2", FRAUD_ALERTS, SUSPICIOUS, "REVIEW"), ("t2", FRAUD_DECISIONS, SUSPICIOUS, "REVIEW"),
    ]  # fmt: skip


def test_the_scorecard_speaks_the_contract_and_is_in_order() -> None:
    ratios = list(alert_rules.LIKELIHOOD_RATIOS.items())
    assert [code for code, _ in ratios if code not in REASON_CODES] == []
    assert ratios == sorted(ratios, key=lambda item: -item[1])
    assert all(math.log(ratio) > 0 for _, ratio in ratios)
