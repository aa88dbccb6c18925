"""A proof closes when every sum is accounted for, and fails on any difference in any place."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from paylake.contracts import LEDGER_ENTRIES, QUARANTINE
from paylake.indexes.proof import CLOSED, EXCEPTIONS, FAILED, Proof, Sum, postings, prove, rejected
from tests.builders import NOON, as_dicts, rows

KEY = ("core", "INR")
CLASSES = ("matched", "broken", "pending")

amounts = st.decimals(min_value=0, max_value=10**12, places=4).map(lambda d: d.quantize(Decimal("0.0001")))
sums = st.builds(Sum, st.integers(min_value=0, max_value=10**6), amounts)


def sum_of(records: int, amount: str = "0") -> Sum:
    return Sum(records, Decimal(amount).quantize(Decimal("0.0001")))


def proved(control: Sum, booked: Sum, bad: Sum | None = None, unreadable: int = 0) -> Proof:
    (found,) = prove(
        {KEY: control}, {(*KEY, "matched"): booked}, {KEY: booked}, {}, {KEY: bad} if bad else {}, {"core": unreadable}
    )
    return found


@given(classes=st.tuples(sums, sums, sums), bad=sums, again=sums)
def test_a_proof_closes_when_every_sum_is_accounted_for(classes: tuple[Sum, Sum, Sum], bad: Sum, again: Sum) -> None:
    booked = classes[0] + classes[1] + classes[2]
    by_class = {(*KEY, name): s for name, s in zip(CLASSES, classes, strict=True)}
    (found,) = prove({KEY: booked + bad}, by_class, {KEY: booked}, {KEY: again}, {KEY: bad}, {})
    assert found.outcome == CLOSED
    assert found.received == booked + bad + again


@given(
    classes=st.tuples(sums, sums, sums),
    change=st.builds(
        Sum,
        st.sampled_from([-1, 0, 1]),
        st.decimals(min_value=-1000, max_value=1000, places=4).filter(lambda d: d != 0),
    ),
    where=st.sampled_from(["control", "booked", "class"]),
    which=st.sampled_from(CLASSES),
)
def test_a_proof_fails_on_any_difference_in_any_place(
    classes: tuple[Sum, Sum, Sum], change: Sum, where: str, which: str
) -> None:
    whole = classes[0] + classes[1] + classes[2]
    by_class = {(*KEY, name): s for name, s in zip(CLASSES, classes, strict=True)}
    control, booked = {KEY: whole}, {KEY: whole}
    if where == "class":
        by_class[(*KEY, which)] += change
    elif where == "booked":
        booked[KEY] += change
    else:
        control[KEY] += change
    (found,) = prove(control, by_class, booked, {}, {}, {})
    assert found.outcome == FAILED
    assert found.note


@pytest.mark.parametrize(
    ("control", "booked", "bad", "unreadable", "outcome", "note"),
    [
        ((3, "30"), (3, "30"), (0, "0"), 0, CLOSED, None),
        ((3, "30"), (2, "20"), (1, "10"), 0, CLOSED, None),
        ((3, "30"), (3, "29.99"), (0, "0"), 0, FAILED, "amount differs from the control total by INR 0.01"),
        ((3, "30"), (2, "19.99"), (1, "10"), 0, FAILED, "amount differs from the control total by INR 0.01"),
        ((3, "30"), (2, "19.99"), (1, "10"), 5, FAILED, "amount differs from the control total by INR 0.01"),
        ((3, "30"), (3, "29.99"), (2, "10"), 5, FAILED, "amount differs from the control total by INR 0.01"),
        ((3, "30"), (2, "20"), (0, "0"), 0, FAILED, "1 records of INR 10.00 were booked but never received"),
        ((3, "30"), (1, "10"), (1, "10"), 0, FAILED, "1 records of INR 10.00 were booked but never received"),
        ((3, "30"), (4, "40"), (0, "0"), 0, FAILED, "1 records more than the source booked"),
        ((3, "30"), (3, "30"), (2, "7"), 0, CLOSED, "2 rejected records beyond the control total"),
        ((3, "30"), (2, "20"), (0, "0"), 1, EXCEPTIONS,
         "1 records lie in quarantine with no amount that can be trusted (INR 10.00 in all)"),
        ((3, "30"), (2, "20"), (2, "17"), 0, EXCEPTIONS,
         "1 of the 2 rejected records were not booked, and nothing says which"),
    ],
)  # fmt: skip
def test_what_a_difference_is_called(
    control: tuple[int, str], booked: tuple[int, str], bad: tuple[int, str], unreadable: int, outcome: str, note: str | None
) -> None:
    found = proved(sum_of(*control), sum_of(*booked), sum_of(*bad), unreadable)
    assert (found.outcome, found.note) == (outcome, note)


@pytest.mark.parametrize(
    ("currency", "short", "told"),
    [
        ("JPY", "12000", "JPY 12,000"),
        ("KWD", "1.5", "KWD 1.500"),
        ("INR", "0.0050", "INR 0.005"),
        ("INR", "1e6", "INR 1,000,000.00"),
    ],
)
def test_an_amount_is_told_with_its_currencys_decimals(currency: str, short: str, told: str) -> None:
    key, booked = ("gateway", currency), sum_of(1, "2000000")
    control = Sum(booked.records, booked.amount + Decimal(short))
    (found,) = prove({key: control}, {(*key, "matched"): booked}, {key: booked}, {}, {}, {})
    assert found.note == f"amount differs from the control total by {told}"


def test_a_source_without_a_control_total_fails() -> None:
    (found,) = prove({}, {(*KEY, "matched"): sum_of(1, "5")}, {KEY: sum_of(1, "5")}, {}, {}, {})
    assert (found.outcome, found.note) == (FAILED, "the source published no control total")


def test_a_rejected_posting_counts_once_and_not_at_all_where_it_was_accepted_too(spark: SparkSession) -> None:
    booked = postings(rows(spark, LEDGER_ENTRIES, {"transaction_id": "accepted", "event_at": NOON}))
    readable = {
        "source": "gateway", "currency": "INR", "event_at": NOON, "recorded_at": NOON, "_failed_checks": ["status_present"],
    }  # fmt: skip
    absurd = {**readable, "transaction_id": "absurd", "amount": Decimal("9.0000"), "_failed_checks": ["amount_plausible"]}
    quarantine = rows(
        spark,
        QUARANTINE,
        {**readable, "transaction_id": "accepted", "amount": Decimal("100.0000"), "offset": 1},
        {**readable, "transaction_id": "twice", "amount": Decimal("7.0000"), "offset": 2},
        {**readable, "transaction_id": "twice", "amount": Decimal("7.0000"), "offset": 3},
        {**absurd, "offset": 4},
        {**absurd, "offset": 5},
    )
    assert as_dicts(rejected(quarantine, booked, NOON.date())) == [
        {"source": "gateway", "currency": "-", "records": 2, "amount": None},
        {"source": "gateway", "currency": "INR", "records": 1, "amount": Decimal("7.0000")},
    ]
