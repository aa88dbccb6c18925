"""Delivery faults: what happens to a good posting on its way, each one counted in the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paylake.simulation.chaos import Bools, Floats, Ints, Legs

LATENESS_MS = (120_000, 1_800_000)
DISORDER_MS = (500, 5_000)
REDELIVERY_MS = (500, 20_000)
LATENCY_MS = (50, 500)

OVERSIZED_BYTES = 300_000
MALFORMED: tuple[str, ...] = (
    "bad_json", "wrong_type", "missing_field", "unknown_status",
    "absurd_amount", "absurd_date", "oversized", "null",
)  # fmt: skip
"""The kinds of malformed record. Each replaces the good one, so the leg never reaches its ledger's reader."""
DUPLICATE, DISORDER, LATE = "duplicate", "disorder", "late"


@dataclass(frozen=True)
class FaultRates:
    """How often a delivery goes wrong: per record for duplicates and disorder, else per payment."""

    duplicates: float = 0.0
    disorder: float = 0.0
    lateness: float = 0.0
    malformed: float = 0.0


@dataclass(frozen=True)
class Odds:
    """The probability of each fault for each payment; scenarios raise it for some."""

    duplicates: Floats
    disorder: Floats
    lateness: Floats
    malformed: Floats

    @staticmethod
    def of(rates: FaultRates, count: int) -> Odds:
        return Odds(*(np.full(count, getattr(rates, name)) for name in Odds.__dataclass_fields__))

    def raised(self, fault: str, where: Bools, probability: float) -> Odds:
        changed = np.where(where, np.maximum(getattr(self, fault), probability), getattr(self, fault))
        return replace(self, **{fault: changed})


@dataclass(frozen=True)
class Postings:
    """What the sources booked: one entry per record in each array; `payment` and `ledger` say whose it is."""

    payment: Ints
    ledger: Ints
    minor: Ints
    currency: Ints
    status: Ints
    at_ms: Ints
    sent_ms: Ints
    is_second: Bools

    @property
    def count(self) -> int:
        return len(self.payment)


@dataclass(frozen=True)
class Deliveries:
    """What reached the topics: one entry per record; `posting` says which posting it carries, well or badly.

    `is_malformed` and `first_ms` (the first arrival) are per posting; `faults` has a row per faulty delivery.
    """

    posting: Ints
    arrival_ms: Ints
    values: pa.Array
    is_malformed: Bools
    first_ms: Ints
    fault_posting: Ints
    fault_kind: list[str]
    fault_detail: list[str]


def postings_of(rng: np.random.Generator, legs: Legs) -> Postings:
    """Every record that the three sources wrote; a conflicting second posting is one of its own."""
    ledger, payment = np.nonzero(legs.present)
    again, paid_again = np.nonzero(legs.second_minor)
    ledgers, payments = np.concatenate([ledger, again]), np.concatenate([payment, paid_again])
    second_wait = legs.second_at_ms[again, paid_again] - legs.at_ms[again, paid_again]
    waited = np.concatenate([np.zeros(len(ledger), np.int64), second_wait])
    return Postings(
        payment=payments,
        ledger=ledgers,
        minor=np.concatenate([legs.minor[ledger, payment], legs.second_minor[again, paid_again]]),
        currency=legs.currency[ledgers, payments],
        status=legs.status[ledgers, payments],
        at_ms=legs.at_ms[ledgers, payments] + waited,
        sent_ms=legs.known_ms[ledgers, payments] + waited + rng.integers(*LATENCY_MS, len(payments)),
        is_second=np.arange(len(payments)) >= len(ledger),
    )


def deliver(rng: np.random.Generator, postings: Postings, values: pa.Array, odds: Odds, last_ms: int) -> Deliveries:
    """The records as they arrive, none after `last_ms`; `values` are the good records, one per posting."""
    payment = postings.payment
    arrival_ms = postings.sent_ms.copy()

    (shuffled,) = np.nonzero(rng.random(postings.count) < odds.disorder[payment])
    moved_ms = rng.integers(*DISORDER_MS, len(shuffled))
    arrival_ms[shuffled] += moved_ms

    late = _one_per_payment(rng, payment, odds.lateness)
    late = late[last_ms - arrival_ms[late] >= LATENESS_MS[0]]
    in_time_ms = arrival_ms[late]
    arrival_ms[late] = np.minimum(in_time_ms + rng.integers(*LATENESS_MS, len(late)), last_ms)

    damaged = _one_per_payment(rng, payment, odds.malformed)
    kinds = [MALFORMED[i] for i in rng.integers(0, len(MALFORMED), len(damaged))]
    replaced = [damage(values[int(i)].as_py(), kind, rng) for i, kind in zip(damaged, kinds, strict=True)]
    is_malformed = np.zeros(postings.count, np.bool_)
    is_malformed[damaged] = True

    (again,) = np.nonzero((rng.random(postings.count) < odds.duplicates[payment]) & ~is_malformed)
    again_ms = np.minimum(arrival_ms[again] + rng.integers(*REDELIVERY_MS, len(again)), last_ms)

    return Deliveries(
        posting=np.concatenate([np.arange(postings.count), again]),
        arrival_ms=np.concatenate([arrival_ms, again_ms]),
        values=_with_replaced(values, is_malformed, [value for value, _ in replaced]).take(
            pa.array(np.concatenate([np.arange(postings.count), again]))
        ),
        is_malformed=is_malformed,
        first_ms=arrival_ms,
        fault_posting=np.concatenate([shuffled, late, damaged, again]),
        fault_kind=[DISORDER] * len(shuffled) + [LATE] * len(late) + kinds + [DUPLICATE] * len(again),
        fault_detail=[
            *(f"{ms} ms" for ms in moved_ms),
            *(f"{ms} ms" for ms in arrival_ms[late] - in_time_ms),
            *(detail for _, detail in replaced),
            *(f"{ms} ms" for ms in again_ms - arrival_ms[again]),
        ],
    )


def damage(value: bytes, kind: str, rng: np.random.Generator) -> tuple[bytes | None, str]:
    """The malformed record that takes the good one's place, and what is wrong with it."""
    record: dict[str, Any] = json.loads(value)
    match kind:
        case "null":
            return None, "tombstone"
        case "bad_json":
            cut = int(rng.integers(1, len(value)))
            return value[:cut], f"cut after {cut} bytes"
        case "wrong_type":
            record["amount"], detail = {"value": record["amount"]}, "amount is an object"
        case "missing_field":
            field = str(rng.choice(["amount", "currency", "status", "timestamp"]))
            del record[field]
            detail = field
        case "unknown_status":
            record["status"], detail = "FLUX", "status FLUX"
        case "absurd_amount":
            record["amount"], detail = "1000000000000000.00", "amount 10^15"
        case "absurd_date":
            year = str(rng.choice(["1900", "2999"]))
            record["timestamp"], detail = year + record["timestamp"][4:], f"year {year}"
        case "oversized":
            record["padding"], detail = "x" * OVERSIZED_BYTES, f"{OVERSIZED_BYTES} bytes of padding"
        case _:
            raise AssertionError(kind)
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(), detail


def _one_per_payment(rng: np.random.Generator, payment: Ints, odds: Floats) -> Ints:
    """One posting, picked at random, of each payment that the odds hit; in order of position."""
    order = rng.permutation(len(payment))
    payments, first = np.unique(payment[order], return_index=True)
    hit = rng.random(len(payments)) < odds[payments]
    return np.sort(order[first[hit]])


def _with_replaced(values: pa.Array, where: Bools, replacements: list[bytes | None]) -> pa.Array:
    """`values`, with those at `where` replaced in order of position."""
    if not replacements:
        return values
    return pc.replace_with_mask(values, pa.array(where), pa.array(replacements, values.type))
