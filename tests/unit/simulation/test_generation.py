"""A simulated day as it reaches the topics: reproducible, in order, complete, and its sources' totals."""

import hashlib
import ipaddress
import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from paylake.contracts.taxonomy import STATUS_SPELLINGS
from paylake.contracts.topics import LEDGER_TOPICS, TOPIC_LEDGERS
from paylake.simulation import FaultRates, Plan, generate
from paylake.simulation.faults import MALFORMED
from paylake.simulation.records import SPELLINGS

FIELDS = {
    "transaction_id", "user_id", "merchant_id", "amount", "currency", "status", "timestamp", "type",
    "channel", "payment_system", "bank_id", "city", "country", "device_id", "ip_address",
}  # fmt: skip


def digest(plan: Plan) -> str:
    rows = pa.concat_tables([chunk.deliveries for chunk in generate(plan)])
    return hashlib.sha256(repr(rows.to_pylist()).encode()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    plan = Plan(payments=500, chaos=0.4, faults=FaultRates(0.05, 0.05, 0.05, 0.05), tick_every=timedelta(hours=2))
    assert digest(plan) == digest(plan)
    assert digest(plan) != digest(replace(plan, seed=plan.seed + 1))


def test_a_day_has_at_most_three_hundred_ticks_and_the_last_comes_two_minutes_after_it() -> None:
    chunks = list(generate(Plan(payments=50)))
    assert len(chunks) <= 300
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].as_of == datetime(2026, 1, 16, 0, 2, tzinfo=UTC)
    assert sum(len(chunk.payments) for chunk in chunks) == 50


def test_records_come_in_order_of_arrival_and_never_after_their_tick(rough_day: Any) -> None:
    arrivals = [row["timestamp"] for row in rough_day.deliveries]
    assert arrivals == sorted(arrivals)
    before = rough_day.plan.start
    for chunk in rough_day.chunks:
        for row in chunk.deliveries.to_pylist():
            assert before < row["timestamp"] <= chunk.as_of
        before = chunk.as_of


def test_a_record_has_every_field_and_says_money_as_text(calm_day: Any) -> None:
    for row in calm_day.deliveries:
        record = json.loads(row["value"])
        instrument = {"CARD": {"card_number"}, "UPI": {"upi_id"}}.get(record["channel"], set())
        assert set(record) == FIELDS | instrument
        assert row["key"].decode() == row["transaction_id"] == record["transaction_id"]
        assert Decimal(record["amount"]) >= 10
        assert len(record["amount"].split(".")[1]) == 2
        assert record["timestamp"].endswith("+05:30")
        assert not ipaddress.ip_address(record["ip_address"]).is_global
        assert b" :" not in row["value"]


@pytest.mark.parametrize(("currency", "decimals"), [("JPY", 0), ("KWD", 3), ("EUR", 2)])
def test_amounts_have_their_currency_s_decimals(currency: str, decimals: int) -> None:
    (chunk, *_) = generate(
        Plan(
            payments=200,
            currencies=currency,
            chaos=0.3,
            weights={"AMOUNT_MISMATCH": 1},
            tick_every=timedelta(days=1),
        )
    )
    for row in chunk.deliveries.to_pylist():
        amount = Decimal(json.loads(row["value"])["amount"])
        assert amount.as_tuple().exponent == -decimals
    for row in chunk.payments.to_pylist():
        differs = row["gateway_amount"] != row["core_amount"]
        assert differs == (row["chaos_type"] == "AMOUNT_MISMATCH")


def test_every_spelling_of_a_status_means_that_status() -> None:
    for spellings in SPELLINGS.values():
        for status, written in spellings.items():
            assert {STATUS_SPELLINGS[spelling] for spelling in written} == {status}


def test_clean_legs_lie_within_two_seconds_and_say_the_same(calm_day: Any) -> None:
    legs = defaultdict(list)
    for row in calm_day.deliveries:
        legs[row["transaction_id"]].append(json.loads(row["value"]))
    assert len(legs) == calm_day.plan.payments
    for records in legs.values():
        times = [datetime.fromisoformat(record["timestamp"]) for record in records]
        assert len(records) == 3
        assert max(times) - min(times) < timedelta(seconds=2)
        assert len({record["amount"] for record in records}) == 1
        assert len({STATUS_SPELLINGS[record["status"]] for record in records}) == 1


def test_control_totals_are_what_the_sources_booked_once_each(calm_day: Any) -> None:
    booked: Counter[tuple[str, str, str]] = Counter()
    amounts: Counter[tuple[str, str, str]] = Counter()
    for row in calm_day.deliveries:
        record = json.loads(row["value"])
        hour = datetime.fromisoformat(record["timestamp"]).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        key = (TOPIC_LEDGERS[row["topic"]], record["currency"], hour.isoformat())
        booked[key] += 1
        amounts[key] += Decimal(record["amount"])
    messages = [json.loads(total.value) for chunk in calm_day.chunks for total in chunk.controls]
    said = {(m["source"], m["currency"], m["hour"]): (m["records"], Decimal(m["amount"])) for m in messages}
    assert len(said) == len(messages)
    assert said == {key: (booked[key], amounts[key]) for key in booked}


def test_some_payments_of_the_last_second_have_legs_on_the_next_day(calm_day: Any) -> None:
    days = defaultdict(set)
    for row in calm_day.deliveries:
        at = datetime.fromisoformat(json.loads(row["value"])["timestamp"]).astimezone(UTC)
        days[row["transaction_id"]].add(at.date().isoformat())
    over_midnight = [key for key, seen in days.items() if len(seen) == 2]
    assert 1 <= len(over_midnight) <= 5
    assert {truth["business_date"].isoformat() for truth in calm_day.payments.values()} <= {
        "2026-01-15",
        "2026-01-16",
    }


def test_redeliveries_and_bad_records_leave_the_control_totals_alone(rough_day: Any) -> None:
    bad = Counter(fault["fault"] for fault in rough_day.faults)
    said = sum(total.records for chunk in rough_day.chunks for total in chunk.controls)
    assert said == len(rough_day.deliveries) - bad["duplicate"]


def test_an_hour_is_announced_only_once_it_is_over(rough_day: Any) -> None:
    for chunk in rough_day.chunks[:-1]:
        for total in chunk.controls:
            assert datetime.fromisoformat(total.hour) + timedelta(hours=1) <= chunk.as_of


def test_every_fault_is_counted_once(rough_day: Any) -> None:
    counted = Counter(fault["fault"] for fault in rough_day.faults)
    assert set(MALFORMED) | {"duplicate", "disorder", "late"} == set(counted)
    seen = Counter((row["topic"], row["key"], row["value"]) for row in rough_day.deliveries)
    assert sum(n - 1 for n in seen.values()) == counted["duplicate"]
    assert sum(row["value"] is None for row in rough_day.deliveries) == counted["null"]
    assert sum(len(row["value"] or b"") > 300_000 for row in rough_day.deliveries) == counted["oversized"]
    malformed = [fault["transaction_id"] for fault in rough_day.faults if fault["fault"] in MALFORMED]
    assert len(malformed) == len(set(malformed))
    assert {fault["topic"] for fault in rough_day.faults} == set(LEDGER_TOPICS.values())


def test_a_late_leg_makes_its_payment_late_and_changes_nothing_else() -> None:
    plan = Plan(payments=500, chaos=0.0, faults=FaultRates(lateness=0.2), tick_every=timedelta(hours=1))
    rows = pa.concat_tables([chunk.payments for chunk in generate(plan)]).to_pylist()
    assert {row["expected_kind"] for row in rows} == {"NONE"}
    assert 60 <= sum(row["is_late"] for row in rows) <= 140
