"""True payments, drawn in bulk: what really happened, before any ledger writes it down."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from paylake.simulation.dimensions import COUNTRIES, FIRST_USER, LAST_USER, BankProfile, Dimensions

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

CHANNELS: tuple[str, ...] = ("UPI", "CARD", "NETBANKING", "WALLET")
UPI, CARD, NETBANKING, WALLET = range(len(CHANNELS))
INDIAN_CHANNELS = (0.55, 0.25, 0.12, 0.08)
OTHER_CHANNELS = (0.0, 0.8, 0.1, 0.1)

TYPES: tuple[str, ...] = ("PAYMENT", "BILL_PAYMENT", "TRANSFER", "REFUND")
PAYMENT, BILL_PAYMENT, TRANSFER, REFUND = range(len(TYPES))
TYPE_SHARES = (0.8, 0.12, 0.08)
"""Of the first three types: there are refunds only where customers have habits."""

FAILED_SHARE = 0.03
LARGEST_MAJOR = 5_000_000

HOURLY: tuple[int, ...] = (2, 1, 2, 4, 6, 8, 9, 9, 8, 8, 8, 9, 9, 8, 8, 9, 9, 8, 7, 6, 5, 4, 3, 2)
"""How busy each hour of the day is, in UTC."""

BANK_AMOUNTS: tuple[tuple[float, int, int], ...] = ((0.80, 1, 100), (0.15, 100, 500), (0.05, 500, 10_000))
"""Share, from, to in major units: how the bank producers' amounts spread (requirements A15)."""

NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
"""The three networks that are reserved for documentation (RFC 5737)."""


@dataclass(frozen=True, eq=False)
class World:
    """What people use and where they are: (city, country code) per place, an identifier per device. Compared by identity."""

    places: tuple[tuple[str, str], ...]
    devices: tuple[str, ...]


@dataclass(frozen=True)
class Circumstances:
    """Where and with what each payment was made, where that is not always the customer's home and device.

    `place` and `device` are indexes of the world's; `scenario` is one of the campaigns' names, -1 for a genuine payment.
    """

    place: Ints
    device: Ints
    scenario: Ints
    world: World


@dataclass(frozen=True)
class TruePayments:
    """What really happened: one entry per payment in each array, ordered by time.

    `minor` is the amount in minor units; `customer`, `merchant` and `country` are indexes of the dimensions.
    """

    ids: NDArray[np.bytes_]
    at_ms: NDArray[np.int64]
    minor: NDArray[np.int64]
    country: NDArray[np.int64]
    customer: NDArray[np.int64]
    merchant: NDArray[np.int64]
    channel: NDArray[np.int64]
    type: NDArray[np.int64]
    network: NDArray[np.int64]
    host: NDArray[np.int64]
    is_failed: NDArray[np.bool_]
    circumstances: Circumstances | None = None

    @property
    def count(self) -> int:
        return len(self.at_ms)

    def taken(self, places: Ints) -> TruePayments:
        """The payments at the given places, in their order."""
        around = self.circumstances
        if around is not None:
            around = replace(
                around, place=around.place[places], device=around.device[places], scenario=around.scenario[places]
            )
        arrays = {f.name: getattr(self, f.name)[places] for f in fields(self) if f.name != "circumstances"}
        return TruePayments(**arrays, circumstances=around)


def draw_payments(
    rng: np.random.Generator, at_ms: NDArray[np.int64], people: Dimensions, bank: BankProfile | None
) -> TruePayments:
    """A payment for each of the given times."""
    count = len(at_ms)
    homes = _homes(people)
    first, last = (bank.first_user, bank.last_user) if bank else (FIRST_USER, LAST_USER)
    customer = rng.integers(first - FIRST_USER, last - FIRST_USER + 1, count)
    country = homes[customer]
    popularity = 1 / np.arange(1, len(people.merchants) + 1)
    in_india = country == 0
    channel = np.where(in_india, rng.choice(4, count, p=INDIAN_CHANNELS), rng.choice(4, count, p=OTHER_CHANNELS))
    return TruePayments(
        ids=uuids(rng, count),
        at_ms=at_ms,
        minor=_bank_amounts(rng, country) if bank else _amounts(rng, country),
        country=country,
        customer=customer,
        merchant=rng.choice(len(people.merchants), count, p=popularity / popularity.sum()),
        channel=channel,
        type=rng.choice(len(TYPE_SHARES), count, p=TYPE_SHARES),
        network=rng.integers(0, len(NETWORKS), count),
        host=rng.integers(1, 255, count),
        is_failed=rng.random(count) < FAILED_SHARE,
    )


def uuids(rng: np.random.Generator, count: int) -> NDArray[np.bytes_]:
    """Random ids in the form of a version 4 UUID, 36 ASCII characters each."""
    raw = np.frombuffer(rng.bytes(16 * count), np.uint8).reshape(count, 16).copy()
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    hexed = np.empty((count, 32), np.uint8)
    hexed[:, 0::2], hexed[:, 1::2] = digits[raw >> 4], digits[raw & 15]
    text = np.full((count, 36), ord("-"), np.uint8)
    text[:, [i for i in range(36) if i not in (8, 13, 18, 23)]] = hexed
    return text.view("S36").reshape(count)


def _homes(people: Dimensions) -> NDArray[np.int64]:
    return np.array([customer.country for customer in people.customers], np.int64)


def _amounts(rng: np.random.Generator, country: NDArray[np.int64]) -> NDArray[np.int64]:
    """Log-normal amounts in minor units, with a tail of lakhs."""
    unit, least = units(country)
    median = np.array([c.median for c in COUNTRIES])[country]
    drawn = np.rint(median * np.exp(rng.normal(0, 1.4, len(country))) * unit).astype(np.int64)
    clipped: NDArray[np.int64] = np.clip(drawn, least * unit, LARGEST_MAJOR * unit)
    return clipped


def _bank_amounts(rng: np.random.Generator, country: NDArray[np.int64]) -> NDArray[np.int64]:
    """Amounts in minor units as BANK_AMOUNTS spreads them, raised to the least that chaos can still break."""
    unit, least = units(country)
    band = rng.choice(len(BANK_AMOUNTS), len(country), p=[share for share, _, _ in BANK_AMOUNTS])
    low = np.array([low for _, low, _ in BANK_AMOUNTS])[band]
    high = np.array([high for _, _, high in BANK_AMOUNTS])[band]
    raised: NDArray[np.int64] = np.maximum(rng.integers(low * unit, high * unit, endpoint=True), least * unit)
    return raised


def units(country: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Minor units per major unit, and the least amount in major units, per payment."""
    unit = np.array([10**c.exponent for c in COUNTRIES], np.int64)[country]
    least = np.array([c.least for c in COUNTRIES], np.int64)[country]
    return unit, least
