"""The live features: by hand, and beside a loop over every payment and all that arrived before it."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paylake.fraud.features import FEATURES, NAMES
from paylake.fraud.replay import replayed
from tests.unit.fraud.payment_rows import START, payments

DAY = 86_400


def column(table: pa.Table, name: str, labels: pa.Table | None = None) -> list[Any]:
    found = replayed(table, labels)[:, NAMES.index(name)].tolist()
    return [None if math.isnan(value) else round(value, 9) for value in found]


def labels(*rows: dict[str, Any]) -> pa.Table:
    kinds = [("user_id", pa.string()), ("merchant_id", pa.string()), ("recorded_at", pa.timestamp("us", "UTC")),
             ("counts_from", pa.timestamp("us", "UTC"))]  # fmt: skip
    times = {"recorded_at", "counts_from"}
    data = [{k: START + timedelta(seconds=v) if k in times else v for k, v in row.items()} for row in rows]
    return pa.Table.from_pylist(data, pa.schema(kinds))


def test_every_feature_has_a_name_of_its_own_and_one_way_to_be_computed() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert [f.name for f in FEATURES if (f.looks is None) == (f.alone is None)] == []
    assert [f.name for f in FEATURES if f.baseline and f.baseline not in NAMES] == []


def test_a_burst_of_six_in_sixty_seconds_is_seen_wherever_it_begins() -> None:
    table = payments(*({"at": 55 + 11 * n} for n in range(7)))
    assert column(table, "user_count_1m") == [1, 2, 3, 4, 5, 6, 6]


def test_a_window_ends_with_the_payment_and_does_not_hold_its_beginning() -> None:
    table = payments({"at": 0}, {"at": 300}, {"at": 300.001})
    assert column(table, "user_count_5m") == [1, 1, 2]


def test_what_is_usual_leaves_the_payment_itself_out() -> None:
    table = payments({"amount": 100}, {"amount": 100}, {"amount": 10_000}, {"amount": 100, "currency": "USD"})
    assert column(table, "user_amount_ratio") == [None, 1.0, pytest.approx(math.exp(9.21 - 4.615), rel=0.01), None]
    assert column(table, "user_usual_amount")[1] == pytest.approx(100, rel=0.01)


def test_a_new_device_has_no_payments_and_an_unnamed_one_says_nothing() -> None:
    table = payments({}, {}, {"device_id": "d2"}, {"device_id": None}, {"device_id": "d2"})
    assert column(table, "user_device_count") == [0, 1, 0, None, 1]
    assert column(table, "device_age") == [0.0, round(60 / DAY, 9), 0.0, None, round(120 / DAY, 9)]


def test_countries_of_an_hour() -> None:
    table = payments({}, {"country": "GB"}, {"country": "GB"}, {"at": 3700})
    assert column(table, "user_countries_1h") == [1, 2, 2, 2]
    assert column(table, "user_country_change") == [None, 1, 0, 1]


def test_a_late_payment_counts_as_of_when_it_arrived_and_changes_nothing_before() -> None:
    in_time = payments({"at": 0}, {"at": 1000}, {"at": 1001})
    late = payments({"at": 0}, {"at": 1000}, {"at": 500, "arrived": 1000.5}, {"at": 1001})
    assert column(in_time, "user_count_1m") == [1, 1, 2]
    assert column(late, "user_count_1m") == [1, 1, 2, 3]


def test_a_clock_that_runs_ahead_does_not_stop_the_customers_windows() -> None:
    table = payments({"at": 80_000, "arrived": 0}, {"at": 10}, {"at": 5000})
    assert column(table, "user_gap") == [None, 10.0, 4990.0]


def test_a_fraud_counts_from_its_time_on_for_its_merchant_and_its_customer() -> None:
    known = labels({"user_id": "u1", "merchant_id": "m1", "recorded_at": 100, "counts_from": 7 * DAY})
    table = payments({"at": 0}, {"at": 7 * DAY - 1}, {"at": 7 * DAY}, {"at": 9 * DAY, "user_id": "u2"}, {"at": 60 * DAY})
    assert column(table, "merchant_frauds_7d", known) == [0, 0, 1, 1, 0]
    assert column(table, "user_frauds_30d", known) == [0, 0, 1, 0, 0]
    assert column(table, "merchant_since_fraud", known) == [None, None, 0, 2, 53]


def test_a_label_that_has_not_arrived_is_not_known_though_its_time_has_come() -> None:
    known = labels({"user_id": "u1", "merchant_id": "m1", "recorded_at": 5000, "counts_from": 10})
    assert column(payments({"at": 0}, {"at": 4999}, {"at": 5000}), "merchant_frauds_7d", known) == [0, 0, 1]


EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.integers(0, 3 * DAY),
            "user_id": st.sampled_from(["u1", "u2"]),
            "merchant_id": st.sampled_from(["m1", "m2"]),
            "device_id": st.sampled_from(["d1", "d2", None]),
            "amount": st.sampled_from(["1", "100", "5000.25"]),
            "currency": st.sampled_from(["INR", "USD"]),
            "status": st.sampled_from(["SUCCESS", "FAILED"]),
            "type": st.sampled_from(["PAYMENT", "REFUND"]),
        }
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(0, 40_000))
def test_features_are_what_a_loop_over_all_that_arrived_before_finds(events: list[dict[str, Any]], lateness: int) -> None:
    table = payments(*({**e, "arrived": 3 * DAY + lateness * (n % 2) + n * 1000} for n, e in enumerate(events)))
    table = table.sort_by("recorded_at")
    rows = table.to_pylist()
    clocks: dict[str, Any] = {}
    latest = rows[0]["recorded_at"]
    for row in rows:
        latest = max(latest, row["recorded_at"])
        seen = max(min(row["event_at"], row["recorded_at"]), latest - timedelta(days=1))
        row["seen"] = clocks[row["user_id"]] = max(seen, clocks.get(row["user_id"], seen))
    for n, row in enumerate(rows):
        before = [r for r in rows[:n] if r["user_id"] == row["user_id"]]
        inside = [r for r in [*before, row] if r["seen"] > row["seen"] - timedelta(hours=24)]
        row["user_count_24h"] = len(inside)
        row["user_devices_24h"] = len({r["device_id"] for r in inside} - {None})
        row["user_declines_24h"] = sum(r["status"] == "FAILED" for r in inside[:-1])
        row["user_merchant_count"] = sum(r["merchant_id"] == row["merchant_id"] for r in before)
        row["user_refunds_7d"] = sum(r["type"] == "REFUND" for r in [*before, row])
        row["user_gap"] = (row["seen"] - before[-1]["seen"]).total_seconds() if before else None
        row["user_spent_24h"] = float(sum(r["amount"] for r in inside if r["currency"] == row["currency"]))
    for name in ("user_count_24h", "user_devices_24h", "user_declines_24h", "user_merchant_count", "user_refunds_7d",
                 "user_gap", "user_spent_24h"):  # fmt: skip
        assert column(table, name) == [row[name] for row in rows], name


@settings(max_examples=30, deadline=None)
@given(EVENTS, st.integers(1, 13))
def test_a_payment_is_not_changed_by_what_arrives_after_it(events: list[dict[str, Any]], cut: int) -> None:
    table = payments(*events).sort_by("recorded_at")
    np.testing.assert_array_equal(replayed(table)[:cut], replayed(table.slice(0, cut)))
