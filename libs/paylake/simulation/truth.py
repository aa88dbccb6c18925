"""What is true of every simulated payment: from what was injected, never from a comparison of paylake's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paylake.contracts.taxonomy import (
    AMOUNT_OVER,
    AMOUNT_UNDER,
    CURRENCY_MISMATCH,
    DATE_DRIFT,
    DUPLICATE_POSTING,
    KIND,
    MISSING_IN,
    REASONS,
    STATUS_MISMATCH,
    Status,
)
from paylake.contracts.topics import LEDGER_TOPICS, LEDGERS
from paylake.simulation.campaigns import CAMPAIGNS
from paylake.simulation.chaos import CORE, FAILED, GATEWAY, MOBILE, STATUSES, SUCCESS, TYPE, TYPES, Bools, Ints, Legs
from paylake.simulation.dimensions import COUNTRIES
from paylake.simulation.faults import Deliveries, Postings
from paylake.simulation.payments import TruePayments

MONEY = pa.decimal128(18, 4)
SCALE = 4
INVISIBLE = "INVISIBLE"
DRIFT_TOLERANCE_MS = 5_000
DAY_MS = 86_400_000

PAYMENTS_SCHEMA = pa.schema(
    [
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("chaos_type", pa.string(), nullable=False),
        pa.field("expected_kind", pa.string(), nullable=False),
        pa.field("expected_status", pa.string()),
        pa.field("expected_reasons", pa.list_(pa.string()), nullable=False),
        pa.field("legs_affected", pa.list_(pa.string()), nullable=False),
        pa.field("amount", MONEY, nullable=False),
        pa.field("currency", pa.string(), nullable=False),
        pa.field("gateway_amount", MONEY),
        pa.field("core_amount", MONEY),
        pa.field("mobile_amount", MONEY),
        pa.field("business_date", pa.date32()),
        pa.field("is_late", pa.bool_(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("fraud_scenario", pa.string()),
    ]
)
"""One row per true payment. `expected_status` and `business_date` are null where no leg is visible.

`outcome` is SUCCESS or FAILED: how the payment really ended, whatever the ledgers wrote. Only success is ever settled.
`fraud_scenario` is the campaign that the payment belongs to; null for a genuine payment.
"""

FAULTS_SCHEMA = pa.schema(
    [
        pa.field("topic", pa.string(), nullable=False),
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("fault", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)
"""One row per faulty delivery."""

CHAOS_LEGS: dict[str, tuple[int, ...]] = {
    "MISSING_PG": (GATEWAY,),
    "MISSING_CBS": (CORE,),
    "MISSING_MOBILE": (MOBILE,),
    "AMOUNT_MISMATCH": (CORE,),
    "STATUS_MISMATCH": (CORE,),
    "FRAUD_ATTEMPT": (CORE,),
    "CURRENCY_MISMATCH": (CORE,),
    "TIMESTAMP_DRIFT": (CORE, MOBILE),
    "TRIPLE_MISMATCH": (CORE, MOBILE),
}
"""Chaos type -> the legs that it breaks; a duplicate posting breaks the leg that it repeats."""


@dataclass(frozen=True)
class _Arrived:
    """The legs that arrived well: arrays of shape (3, payments); values hold only where `has`."""

    has: Bools
    has_second: Bools
    minor: Ints
    currency: Ints
    status: Ints
    at_ms: Ints


def payment_truth(
    payments: TruePayments,
    types: Ints,
    legs: Legs,
    postings: Postings,
    deliveries: Deliveries,
    missing_after_ms: int,
) -> pa.Table:
    """One row per payment (PAYMENTS_SCHEMA): what was injected, and what must be found."""
    arrived = _arrived(payments.count, postings, deliveries)
    reasons = _reasons(arrived)
    kind = _kinds(arrived, reasons)
    exponent = np.array([c.exponent for c in COUNTRIES])
    columns = {
        "transaction_id": pa.array(payments.ids).cast(pa.string()),
        "chaos_type": pa.array(TYPES).take(pa.array(types)),
        "expected_kind": pa.array(kind),
        "expected_status": pa.array([_status_of(name) for name in kind], pa.string()),
        "expected_reasons": _lists(reasons, REASONS),
        "legs_affected": _lists(_affected(types, legs, postings, deliveries), LEDGERS),
        "amount": money(payments.minor, exponent[payments.country]),
        "currency": pa.array([c.currency for c in COUNTRIES]).take(pa.array(payments.country)),
        **{
            f"{ledger}_amount": money(arrived.minor[i], exponent[arrived.currency[i]], arrived.has[i])
            for i, ledger in enumerate(LEDGERS)
        },
        "business_date": _business_dates(arrived),
        "is_late": pa.array(_is_late(payments.count, postings, deliveries, missing_after_ms)),
        "outcome": pa.array(STATUSES).take(pa.array(np.where(payments.is_failed, FAILED, SUCCESS))),
        "fraud_scenario": fraud_scenarios(payments),
    }
    return pa.table(columns, schema=PAYMENTS_SCHEMA)


def fraud_scenarios(payments: TruePayments) -> pa.Array:
    """The campaign that each payment belongs to (text); null for a genuine payment."""
    around = payments.circumstances
    if around is None:
        return pa.nulls(payments.count, pa.string())
    return pa.array(CAMPAIGNS).take(pa.array(around.scenario, mask=around.scenario < 0))


def fault_truth(payments: TruePayments, postings: Postings, deliveries: Deliveries) -> pa.Table:
    """One row per faulty delivery (FAULTS_SCHEMA)."""
    posting = deliveries.fault_posting
    columns = {
        "topic": topics_of(postings.ledger[posting]),
        "transaction_id": pa.array(payments.ids[postings.payment[posting]]).cast(pa.string()),
        "fault": pa.array(deliveries.fault_kind, pa.string()),
        "detail": pa.array(deliveries.fault_detail, pa.string()),
    }
    return pa.table(columns, schema=FAULTS_SCHEMA)


def topics_of(ledger: Ints) -> pa.Array:
    """The topic of each ledger index."""
    return pa.array([LEDGER_TOPICS[name] for name in LEDGERS]).take(pa.array(ledger))


def money(minor: Ints, exponent: Ints, valid: Bools | None = None) -> pa.Array:
    """Minor units as exact DECIMAL(18,4) amounts; null where not `valid`."""
    unscaled = minor * 10 ** (SCALE - exponent)
    words = np.empty((len(minor), 2), np.int64)
    words[:, 0], words[:, 1] = unscaled, unscaled >> 63
    mask = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(MONEY, len(minor), [mask, pa.py_buffer(words)])


def _arrived(count: int, postings: Postings, deliveries: Deliveries) -> _Arrived:
    """A leg is its first posting that arrived well."""
    shape = (len(LEDGERS), count)
    good = ~deliveries.is_malformed
    (second,) = np.nonzero(good & postings.is_second)
    (first,) = np.nonzero(good & ~postings.is_second)

    def spread(values: Ints) -> Ints:
        result = np.zeros(shape, np.int64)
        for rows in (second, first):
            result[postings.ledger[rows], postings.payment[rows]] = values[rows]
        return result

    seen = np.zeros((2, *shape), np.bool_)
    for place, rows in enumerate((first, second)):
        seen[place, postings.ledger[rows], postings.payment[rows]] = True
    return _Arrived(
        has=np.logical_or(*seen),
        has_second=np.logical_and(*seen),
        minor=spread(postings.minor),
        currency=spread(postings.currency),
        status=spread(postings.status),
        at_ms=spread(postings.at_ms),
    )


def _reasons(arrived: _Arrived) -> Bools:
    """Which reasons hold: shape (payments, reasons), in the order of REASONS.

    The injected values speak for themselves: amounts differ only where chaos made them differ, and beyond the
    tolerance. Amounts are compared with the gateway's, or with the core's where the gateway's did not arrive.
    """
    has, count = arrived.has, arrived.has.sum(axis=0)
    reference = np.argmax(has, axis=0)
    each = np.arange(has.shape[1])
    one_currency = ~_differ(arrived.currency, has)
    difference = np.where(has & one_currency, arrived.minor - arrived.minor[reference, each], 0)
    found = {
        DUPLICATE_POSTING: arrived.has_second.any(axis=0),
        CURRENCY_MISMATCH: ~one_currency,
        AMOUNT_OVER: (difference > 0).any(axis=0),
        AMOUNT_UNDER: (difference < 0).any(axis=0),
        STATUS_MISMATCH: _differ(arrived.status, has),
        DATE_DRIFT: _spread(arrived.at_ms, has) > DRIFT_TOLERANCE_MS,
        **{MISSING_IN[ledger]: ~has[i] & (count > 0) for i, ledger in enumerate(LEDGERS)},
    }
    return np.stack([found[reason] for reason in REASONS], axis=1)


def _kinds(arrived: _Arrived, reasons: Bools) -> NDArray[np.str_]:
    """The kind that each payment must be given: the first that applies, in the order of precedence."""
    reason = {name: reasons[:, i] for i, name in enumerate(REASONS)}
    missing = (~arrived.has).sum(axis=0)
    least = np.where(arrived.has, arrived.minor, np.iinfo(np.int64).max).min(axis=0)
    amount_differs = reason[AMOUNT_OVER] | reason[AMOUNT_UNDER]
    gateway, core, mobile = arrived.minor
    cases: list[tuple[Bools, str]] = [
        (missing == len(LEDGERS), INVISIBLE),
        (reason[DUPLICATE_POSTING], DUPLICATE_POSTING),
        (reason[CURRENCY_MISMATCH], CURRENCY_MISMATCH),
        (missing == len(LEDGERS) - 1, "CRITICAL_MISSING"),
        (reason[MISSING_IN["gateway"]], "MISSING_PG"),
        (reason[MISSING_IN["core"]], "MISSING_CBS"),
        (reason[MISSING_IN["mobile"]], "MISSING_MOBILE"),
        (amount_differs & (_spread(arrived.minor, arrived.has) > 10 * least), "FRAUD_ATTEMPT"),
        (amount_differs & (gateway != core) & (core != mobile) & (gateway != mobile), "TRIPLE_MISMATCH"),
        (amount_differs, "AMOUNT_MISMATCH"),
        (reason[STATUS_MISMATCH], "STATUS_MISMATCH"),
        (reason[DATE_DRIFT], "TIMESTAMP_DRIFT"),
    ]
    return np.select([case for case, _ in cases], [name for _, name in cases], TYPES[TYPE["NONE"]])


def _status_of(kind: str) -> str | None:
    if kind == INVISIBLE:
        return None
    return KIND[kind].status.value if kind in KIND else Status.MATCHED.value


def _differ(values: Ints, has: Bools) -> Bools:
    return _spread(values, has) > 0


def _spread(values: Ints, has: Bools) -> Ints:
    """Largest less smallest of the legs that arrived; not above zero where fewer than two did."""
    largest = np.where(has, values, np.iinfo(np.int64).min // 4).max(axis=0)
    smallest = np.where(has, values, np.iinfo(np.int64).max // 4).min(axis=0)
    spread: Ints = largest - smallest
    return spread


def _affected(types: Ints, legs: Legs, postings: Postings, deliveries: Deliveries) -> Bools:
    """Which legs chaos broke or a malformed record replaced: shape (payments, ledgers)."""
    affected = (legs.second_minor > 0).T
    for name, broken in CHAOS_LEGS.items():
        for ledger in broken:
            affected[types == TYPE[name], ledger] = True
    bad = deliveries.is_malformed
    affected[postings.payment[bad], postings.ledger[bad]] = True
    return affected


def _business_dates(arrived: _Arrived) -> pa.Array:
    """The UTC date of the gateway's event time, else the core's, else the mobile's."""
    reference = np.argmax(arrived.has, axis=0)
    at_ms = arrived.at_ms[reference, np.arange(arrived.has.shape[1])]
    return pa.array((at_ms // DAY_MS).astype(np.int32), mask=~arrived.has.any(axis=0)).cast(pa.date32())


def _is_late(count: int, postings: Postings, deliveries: Deliveries, missing_after_ms: int) -> Bools:
    """Whether a leg arrived more than the deadline after the payment's first."""
    good = ~deliveries.is_malformed
    first = np.full(count, np.iinfo(np.int64).max)
    last = np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(first, postings.payment[good], deliveries.first_ms[good])
    np.maximum.at(last, postings.payment[good], deliveries.first_ms[good])
    seen = last >= first
    return seen & (np.where(seen, last, 0) - np.where(seen, first, 0) > missing_after_ms)


def _lists(matrix: Bools, names: tuple[str, ...]) -> pa.Array:
    """Per row the names whose column is set, in their order."""
    chosen = np.nonzero(matrix)[1]
    offsets = np.concatenate([[0], np.cumsum(matrix.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(names).take(pa.array(chosen)))
