"""Entries become items: three legs side by side, the same in every order and every grouping."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.contracts import LEDGER_ENTRIES, OPEN_ITEMS
from paylake.contracts.reconciliation import ITEM_FIELDS
from paylake.contracts.topics import LEDGERS
from paylake.reconciliation.items import PRIOR, combine, from_entries, from_state
from tests.builders import NOON, by_key, leg, no_leg, rows

PART_NAMES = ("amount", "currency", "status", "at", "partition", "offset", "is_duplicated")


def entry(source: str, seconds: float = 0, **parts: Any) -> dict[str, Any]:
    """A ledger's entry, booked and recorded some seconds after noon."""
    at = (NOON + timedelta(seconds=seconds)).replace(tzinfo=None)
    return {"source": source, "partition": 0, "offset": 0, "event_at": at, "recorded_at": at, **parts}


def items_of(spark: SparkSession, *entries: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Transaction -> the item that its entries make."""
    return by_key(combine(from_entries(rows(spark, LEDGER_ENTRIES, *entries))))


def leg_of(item: dict[str, Any], ledger: str = "core") -> dict[str, Any]:
    """One ledger's leg of an item, without the ledger's name."""
    return {name: item[f"{ledger}_{name}"] for name in PART_NAMES}


def test_three_entries_make_one_item_with_three_legs(spark: SparkSession) -> None:
    actual = items_of(
        spark,
        entry("mobile", 3, offset=7, status="SUCCESS", user_id="of mobile"),
        entry("gateway", 1, partition=1, offset=5, amount=Decimal("10.0000"), channel="UPI", city=None),
        entry("core", -1, offset=6, currency="USD", status="PENDING", city="of core"),
    )
    noon = NOON.replace(tzinfo=None)
    assert actual == {
        "t1": {
            "transaction_id": "t1", "business_date": noon.date(), "described_by": "gateway", "user_id": "u1",
            "merchant_id": "m1", "type": None, "channel": "UPI", "payment_system": None, "bank_id": None,
            "city": None, "country": None,
            **leg("gateway", amount=Decimal("10.0000"), at=noon + timedelta(seconds=1), partition=1, offset=5),
            **leg("core", currency="USD", status="PENDING", at=noon - timedelta(seconds=1), offset=6),
            **leg("mobile", at=noon + timedelta(seconds=3), offset=7),
            **dict.fromkeys(PRIOR),
            "first_recorded_at": noon - timedelta(seconds=1),
            "last_recorded_at": noon + timedelta(seconds=3),
        }
    }  # fmt: skip


def test_a_ledger_without_an_entry_has_a_leg_of_nulls(spark: SparkSession) -> None:
    item = items_of(spark, entry("mobile"))["t1"]
    assert {k: item[k] for k in no_leg("gateway")} == no_leg("gateway")
    assert {k: item[k] for k in no_leg("core")} == no_leg("core")
    assert item["described_by"] == "mobile"


def test_the_business_date_is_that_of_the_gateway_else_core_else_mobile(spark: SparkSession) -> None:
    evening, night = datetime(2026, 3, 31, 23, 59, 59, 999999), datetime(2026, 4, 1)
    times = {
        "g": {"gateway": night, "core": evening, "mobile": evening},
        "c": {"core": evening, "mobile": night},
        "m": {"mobile": night},
    }
    entries = [entry(ledger, transaction_id=t, event_at=at) for t, of in times.items() for ledger, at in of.items()]
    dates = {t: item["business_date"] for t, item in items_of(spark, *entries).items()}
    assert dates == {"g": night.date(), "c": evening.date(), "m": night.date()}


def test_later_records_of_a_ledger_update_conflict_or_repeat(spark: SparkSession) -> None:
    first = entry("core", 0, offset=1, status="PENDING")
    later: dict[str, list[dict[str, Any]]] = {
        "alone": [],
        "further on": [entry("core", 1, offset=2, status="SUCCESS")],
        "further back": [entry("core", 1, offset=2, status="REVERSED"), entry("core", 2, offset=3)],
        "repeated": [{**first, "offset": 2}, {**first, "offset": 9, "partition": 1}],
        "another amount": [entry("core", 1, offset=2, status="PENDING", amount=Decimal("100.0001"))],
        "another currency": [entry("core", 1, offset=2, status="PENDING", currency="USD")],
        "booked earlier": [entry("core", -1, offset=2, status="PENDING", amount=Decimal(5))],
        "another amount in another ledger": [entry("mobile", 1, offset=2, amount=Decimal(5))],
    }
    entries = [{**e, "transaction_id": name} for name, more in later.items() for e in (first, *more)]
    actual = {name: leg_of(item) for name, item in items_of(spark, *entries).items()}
    alone = leg_of(leg("core", status="PENDING", at=NOON.replace(tzinfo=None), offset=1))
    assert actual == {
        "alone": alone,
        "further on": {**alone, "status": "SUCCESS"},
        "further back": {**alone, "status": "REVERSED"},
        "repeated": alone,
        "another amount": {**alone, "is_duplicated": True},
        "another currency": {**alone, "is_duplicated": True},
        "booked earlier": {
            **alone,
            "amount": Decimal("5.0000"),
            "at": NOON.replace(tzinfo=None) - timedelta(seconds=1),
            "offset": 2,
            "is_duplicated": True,
        },
        "another amount in another ledger": alone,
    }


def random_case(rng: random.Random, case: int) -> list[dict[str, Any]]:
    """Some entries of one transaction: updates, conflicts, repetitions, ties in time; and nulls."""
    entries = [
        entry(
            rng.choice(LEDGERS),
            rng.choice((0, 0, 1, -3, 86_400)),
            transaction_id=f"case {case}",
            partition=rng.randrange(2),
            offset=offset,
            amount=Decimal(rng.choice(("100.0000", "100.0000", "0.0100", "250.5000"))),
            currency=rng.choice(("INR", "INR", "INR", "KWD")),
            status=rng.choice(("PENDING", "PROCESSING", "SUCCESS", "FAILED", "CHARGEBACK")),
            channel=rng.choice((None, "UPI", "CARD")),
            payment_system=rng.choice((None, "UPI")),
            user_id=rng.choice(("u1", "u2")),
        )
        for offset in range(rng.randint(1, 7))
    ]
    return entries + rng.choices(entries, k=rng.randrange(3))


def test_any_order_and_grouping_of_entries_makes_the_same_items(spark: SparkSession) -> None:
    rng = random.Random(20260331)
    cases = {f"case {i}": random_case(rng, i) for i in range(120)}
    batches: list[list[dict[str, Any]]] = [[], [], []]
    for entries in cases.values():
        order = rng.sample(entries, len(entries))
        for e in order:
            rng.choice(batches).append(e)
    at_once = combine(from_entries(rows(spark, LEDGER_ENTRIES, *(e for of in cases.values() for e in of))))
    parts = [from_entries(rows(spark, LEDGER_ENTRIES, *batch)) for batch in batches]
    # ((a + b) + c) and (a + (b + c)), as micro-batches would, through the state that they leave
    left = reduce(lambda state, part: combine(from_state(state).unionByName(part)), parts[1:], combine(parts[0]))
    right = combine(parts[0].unionByName(from_state(combine(parts[1].unionByName(from_state(combine(parts[2])))))))
    again = combine(from_state(left).unionByName(parts[2]).unionByName(parts[0]))
    found = tagged(at_once=at_once, left=left, right=right, again=again)
    expected = found["at_once"]
    assert set(expected) == set(cases)
    assert any(item["core_is_duplicated"] for item in expected.values())
    assert any(item["gateway_amount"] is None for item in expected.values())
    for way in ("left", "right", "again"):
        assert found[way] == expected, way


def tagged(**frames: DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """Name of a frame -> transaction -> row, in one action."""
    united = reduce(DataFrame.unionByName, (df.withColumn("_way", F.lit(way)) for way, df in frames.items()))
    found: dict[str, dict[str, dict[str, Any]]] = {way: {} for way in frames}
    for row in united.collect():
        content = row.asDict(recursive=True)
        of_way = found[content.pop("_way")]
        assert content["transaction_id"] not in of_way
        of_way[content["transaction_id"]] = content
    return found


def test_what_a_state_says_comes_back_from_it_unchanged(spark: SparkSession) -> None:
    said = {
        "version": 3, "missing_since": NOON, "decision_hash": -(2**62), "is_late": True, "decided_at": NOON,
        "first_recorded_at": NOON, "last_recorded_at": NOON + timedelta(hours=1), "channel": None, "city": "Pune",
    }  # fmt: skip
    state = rows(
        spark,
        OPEN_ITEMS,
        {"transaction_id": "whole", **leg("gateway", is_duplicated=True), **leg("core"), **leg("mobile"), **said},
        {"transaction_id": "one leg", "described_by": "mobile", **no_leg("gateway"), **leg("mobile"), **said},
        {"transaction_id": "undecided", **leg("gateway"), "version": 0},
    )
    kept = [*(f.name for f in ITEM_FIELDS), *PRIOR, "first_recorded_at", "last_recorded_at"]
    assert by_key(combine(from_state(state))) == by_key(state.select(kept))


def test_an_entry_after_a_decision_keeps_what_the_decision_left_behind(spark: SparkSession) -> None:
    left_behind = {"version": 2, "decision_hash": 7, "is_late": False, "decided_at": NOON, "missing_since": None}
    state = rows(spark, OPEN_ITEMS, {**leg("gateway"), **left_behind})
    fresh = rows(spark, LEDGER_ENTRIES, entry("mobile", 5, offset=4))
    item = by_key(combine(from_state(state).unionByName(from_entries(fresh))))["t1"]
    noon = NOON.replace(tzinfo=None)
    assert {name: item[name] for name in PRIOR} == {**left_behind, "decided_at": noon}
    assert (item["gateway_offset"], item["mobile_offset"], item["core_offset"]) == (0, 4, None)
    assert (item["first_recorded_at"], item["last_recorded_at"]) == (noon, noon + timedelta(seconds=5))


def test_the_plan_gives_an_items_columns_without_any_data(spark: SparkSession) -> None:
    planned = combine(from_entries(rows(spark, LEDGER_ENTRIES)).unionByName(from_state(rows(spark, OPEN_ITEMS)))).schema
    of = {f.name: f.type for f in OPEN_ITEMS.fields}
    expected = [*(f.name for f in ITEM_FIELDS), *PRIOR, "first_recorded_at", "last_recorded_at"]
    assert [(f.name, f.dataType) for f in planned] == [(name, of[name]) for name in expected]
