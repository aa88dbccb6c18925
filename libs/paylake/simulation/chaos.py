"""One true payment becomes three ledger legs, and chaos breaks some of them in a known way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from paylake.contracts.topics import LEDGERS
from paylake.simulation.dimensions import COUNTRIES
from paylake.simulation.payments import TruePayments

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

GATEWAY, CORE, MOBILE = range(len(LEDGERS))

CLEAN = "NONE"
WEIGHTS: Mapping[str, float] = {
    "MISSING_CBS": 20,
    "MISSING_MOBILE": 15,
    "AMOUNT_MISMATCH": 20,
    "STATUS_MISMATCH": 15,
    "FRAUD_ATTEMPT": 10,
    "TIMESTAMP_DRIFT": 10,
    "TRIPLE_MISMATCH": 10,
    "MISSING_PG": 4,
    "CURRENCY_MISMATCH": 4,
    "DUPLICATE_POSTING": 4,
}
"""Chaos type -> weight: the seven of requirements 2.5 keep their ratio, and three more are rare."""

TYPES: tuple[str, ...] = (CLEAN, *WEIGHTS)
"""Every chaos type; arrays hold a type as its index here."""
TYPE: dict[str, int] = {name: code for code, name in enumerate(TYPES)}

STATUSES: tuple[str, ...] = ("SUCCESS", "FAILED", "PENDING", "PROCESSING")
"""The payment statuses that legs show; arrays hold a status as its index here."""
SUCCESS, FAILED, PENDING, PROCESSING = range(len(STATUSES))

TOLERANCE_MINOR = 1
"""A difference counts as injected only beyond one minor unit: 0.01 where a currency has two decimals."""
JITTER_MS = 2_000
SPREADS: dict[str, tuple[float, float]] = {
    "amount": (0.85, 0.95),
    "fraud": (50, 200),
    "triple_core": (0.7, 0.9),
    "triple_mobile": (1.1, 1.3),
    "second_posting": (0.5, 0.9),
}
"""What chaos multiplies an amount by, from and to (requirements 2.5)."""
DRIFT_S: dict[int, tuple[int, int]] = {CORE: (10, 120), MOBILE: (5, 60)}


@dataclass(frozen=True)
class Legs:
    """What the three ledgers booked: arrays of shape (3, payments) in the order of LEDGERS.

    `currency` is the index in COUNTRIES of the country whose currency the leg names. `at_ms` is the event
    time that the record states, `known_ms` when the ledger really knew. `second_minor` is the amount of a
    conflicting second posting, 0 where there is none.
    """

    present: Bools
    minor: Ints
    currency: Ints
    status: Ints
    at_ms: Ints
    known_ms: Ints
    second_minor: Ints
    second_at_ms: Ints


def chaos_types(rng: np.random.Generator, count: int, rate: float, weights: Mapping[str, float]) -> Ints:
    """The chaos type of each payment, as an index into TYPES; `rate` of them are not clean."""
    total = sum(weights.values())
    share = rate if total else 0.0
    odds = [1 - share, *(share * weights.get(name, 0) / (total or 1) for name in WEIGHTS)]
    return rng.choice(len(TYPES), size=count, p=odds).astype(np.int64)


def project(rng: np.random.Generator, payments: TruePayments) -> Legs:
    """The three legs of undisturbed payments: equal but for a jitter in time of less than two seconds."""
    shape = (len(LEDGERS), payments.count)
    at_ms = payments.at_ms + rng.integers(0, JITTER_MS, shape)
    nothing = np.zeros(shape, np.int64)
    return Legs(
        present=np.ones(shape, np.bool_),
        minor=np.tile(payments.minor, (len(LEDGERS), 1)),
        currency=np.tile(payments.country, (len(LEDGERS), 1)),
        status=np.tile(np.where(payments.is_failed, FAILED, SUCCESS), (len(LEDGERS), 1)),
        at_ms=at_ms,
        known_ms=at_ms.copy(),
        second_minor=nothing,
        second_at_ms=nothing.copy(),
    )


def break_legs(rng: np.random.Generator, legs: Legs, types: Ints, strain: Floats) -> Legs:
    """The legs after chaos. `strain` (0 to 1 per payment) says how far a drift goes within its range."""
    present, minor, currency = legs.present.copy(), legs.minor.copy(), legs.currency.copy()
    status, at_ms = legs.status.copy(), legs.at_ms.copy()

    present[CORE] &= types != TYPE["MISSING_CBS"]
    present[MOBILE] &= types != TYPE["MISSING_MOBILE"]
    present[GATEWAY] &= types != TYPE["MISSING_PG"]

    for name, ledger, spread in (
        ("AMOUNT_MISMATCH", CORE, "amount"),
        ("FRAUD_ATTEMPT", CORE, "fraud"),
        ("TRIPLE_MISMATCH", CORE, "triple_core"),
        ("TRIPLE_MISMATCH", MOBILE, "triple_mobile"),
    ):
        hit = types == TYPE[name]
        minor[ledger, hit] = scaled(rng, minor[ledger, hit], SPREADS[spread])

    hit = types == TYPE["STATUS_MISMATCH"]
    status[CORE, hit] = _other_status(rng, status[CORE, hit])
    hit = types == TYPE["CURRENCY_MISMATCH"]
    currency[CORE, hit] = _other_currency(rng, currency[CORE, hit])

    hit = types == TYPE["TIMESTAMP_DRIFT"]
    for ledger, (least, most) in DRIFT_S.items():
        at_ms[ledger, hit] += (1000 * (least + (most - least) * strain[hit])).astype(np.int64)

    second_minor, second_at_ms = legs.second_minor.copy(), legs.second_at_ms.copy()
    (twice,) = np.nonzero(types == TYPE["DUPLICATE_POSTING"])
    ledger_of = rng.integers(0, len(LEDGERS), len(twice))
    second_minor[ledger_of, twice] = scaled(rng, minor[ledger_of, twice], SPREADS["second_posting"])
    second_at_ms[ledger_of, twice] = at_ms[ledger_of, twice] + rng.integers(1_000, 3_001, len(twice))
    return replace(
        legs, present=present, minor=minor, currency=currency, status=status, at_ms=at_ms,
        second_minor=second_minor, second_at_ms=second_at_ms,
    )  # fmt: skip


def scaled(rng: np.random.Generator, minor: Ints, spread: tuple[float, float]) -> Ints:
    """Amounts times a random factor of `spread`, in whole minor units, each beyond the tolerance."""
    result = minor.copy()
    redraw = np.arange(len(minor))
    while len(redraw):
        factor = rng.uniform(*spread, len(redraw))
        result[redraw] = np.rint(minor[redraw] * factor).astype(np.int64)
        redraw = redraw[np.abs(result[redraw] - minor[redraw]) <= TOLERANCE_MINOR]
    return result


def _other_status(rng: np.random.Generator, status: Ints) -> Ints:
    """A status that is not the given one, of PENDING, FAILED and PROCESSING."""
    wrong = np.array([PENDING, PROCESSING, FAILED])
    choices = np.where(status == FAILED, 2, 3)
    return wrong[rng.integers(0, choices)]


def _other_currency(rng: np.random.Generator, currency: Ints) -> Ints:
    """Another currency of the mix, as its country's index; the same digits remain an amount there."""
    mixed = [i for i, country in enumerate(COUNTRIES) if country.weight]
    result = currency.copy()
    for home in np.unique(currency):
        others = [i for i in mixed if i != home]
        hit = currency == home
        result[hit] = rng.choice(others, size=int(hit.sum()))
    return result
