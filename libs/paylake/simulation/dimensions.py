"""Who pays whom, where and with what: customers, merchants, cities, devices, UPI ids and test cards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from faker import Faker


@dataclass(frozen=True)
class Country:
    """A country of the mix: its currency and how its clocks and amounts look.

    `weight` is its share of `--currencies mix`; `median` and `least` are amounts in major units.
    """

    code: str
    currency: str
    exponent: int
    utc_offset: str
    locale: str
    weight: int
    median: int
    least: int = 10


COUNTRIES: tuple[Country, ...] = (
    Country("IN", "INR", 2, "+05:30", "en_IN", 40, 900),
    Country("US", "USD", 2, "-05:00", "en_US", 20, 45),
    Country("GB", "GBP", 2, "+00:00", "en_GB", 12, 38),
    Country("DE", "EUR", 2, "+01:00", "de_DE", 8, 42),
    Country("SG", "SGD", 2, "+08:00", "en_US", 8, 60),
    Country("AE", "AED", 2, "+04:00", "en_US", 6, 160),
    Country("AU", "AUD", 2, "+11:00", "en_AU", 6, 65),
    Country("JP", "JPY", 0, "+09:00", "ja_JP", 0, 5000, least=100),
    Country("KW", "KWD", 3, "+03:00", "en_US", 0, 14),
)
"""The mix of requirements 2.5, and two countries without weight whose currencies have 0 and 3 decimals."""

CITIES: dict[str, tuple[str, ...]] = {
    "SG": ("Singapore",),
    "AE": ("Dubai", "Abu Dhabi", "Sharjah"),
    "KW": ("Kuwait City", "Hawalli"),
}
"""City states and countries for which no list of names ships with Faker."""

INDIAN_BANKS: tuple[str, ...] = ("SBIN", "HDFC", "ICIC", "UTIB", "KKBK", "PUNB", "BARB", "YESB")
UPI_HANDLES: tuple[str, ...] = ("oksbi", "okhdfcbank", "okicici", "okaxis", "ybl", "paytm")

CARD_NETWORKS: dict[str, tuple[str, ...]] = {
    "VISA": ("411111", "400000", "401288"),
    "MasterCard": ("555555", "510510"),
    "AMEX": ("378282", "371449"),
}
"""Payment system -> the issuer prefixes of its published test cards; no other card is ever generated."""

FIRST_USER, LAST_USER = 1000, 9999
CITIES_PER_COUNTRY = 40
MERCHANTS = 400
NAMES_PER_LOCALE = 250


@dataclass(frozen=True)
class BankProfile:
    """A bank that produces payments on its own: how many a second, for whom, and how its amounts spread."""

    bank_id: str
    per_second: float
    first_user: int
    last_user: int


BANKS: tuple[BankProfile, ...] = (
    BankProfile("BANK_A", per_second=50, first_user=1000, last_user=4999),
    BankProfile("BANK_B", per_second=30, first_user=5000, last_user=9999),
)
"""The producers of requirement A15; adding a bank is one entry."""


@dataclass(frozen=True)
class Customer:
    """A payer, with one card, one device and one home, as people mostly have."""

    user_id: str
    name: str
    country: int
    city: str
    bank_id: str
    device_id: str
    upi_id: str
    card_number: str
    card_network: str


@dataclass(frozen=True)
class Merchant:
    """A payee (requirement B3)."""

    merchant_id: str
    merchant_name: str
    category: str
    risk_level: str


@dataclass(frozen=True, eq=False)
class Dimensions:
    """Everybody that a simulation knows; the same seed gives the same people. Compared by identity."""

    customers: tuple[Customer, ...]
    merchants: tuple[Merchant, ...]


def check_digit(digits: str) -> str:
    """The digit that makes `digits` plus itself pass the Luhn check."""
    doubled = [int(d) * (2 if place % 2 == 0 else 1) for place, d in enumerate(reversed(digits))]
    return str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


def test_card(network: str, rng: np.random.Generator) -> str:
    """A card number of a published test range that passes Luhn: 15 digits for AMEX, else 16."""
    prefixes = CARD_NETWORKS[network]
    prefix = prefixes[rng.integers(len(prefixes))]
    length = 15 if network == "AMEX" else 16
    free = "".join(map(str, rng.integers(0, 10, length - len(prefix) - 1)))
    return prefix + free + check_digit(prefix + free)


def countries_of(currencies: str) -> dict[int, float]:
    """Index into COUNTRIES -> share of the payments, for `INR`, `mix` or codes with commas between.

    Raises ValueError for a currency that no country of the list has.
    """
    if currencies == "mix":
        chosen = {i: float(c.weight) for i, c in enumerate(COUNTRIES) if c.weight}
    else:
        known = {c.currency: i for i, c in enumerate(COUNTRIES)}
        asked = [code.strip().upper() for code in currencies.split(",")]
        unknown = [code for code in asked if code not in known]
        if unknown:
            raise ValueError(f"currencies: {unknown[0]!r} is not 'mix' nor one of {', '.join(known)}")
        chosen = {known[code]: 1.0 for code in asked}
    return {i: weight / sum(chosen.values()) for i, weight in chosen.items()}


@lru_cache(maxsize=8)
def build_dimensions(seed: int, currencies: str) -> Dimensions:
    """The customers (users 1000 to 9999) and merchants of a seed."""
    shares = countries_of(currencies)
    rng = np.random.default_rng([seed, 1])
    homes = rng.choice(list(shares), size=LAST_USER - FIRST_USER + 1, p=list(shares.values()))
    names = {i: _names(i, seed) for i in shares}
    cities = {i: cities_of(i, seed) for i in shares}
    customers = tuple(
        _customer(FIRST_USER + n, int(home), names[int(home)], cities[int(home)], rng) for n, home in enumerate(homes)
    )
    return Dimensions(customers, _merchants(seed, next(iter(shares)), rng))


def _faker(country: int, seed: int) -> Faker:
    fake = Faker(COUNTRIES[country].locale)
    fake.seed_instance(seed * 100 + country)
    return fake


def _names(country: int, seed: int) -> list[tuple[str, str]]:
    fake = _faker(country, seed)
    return [(fake.first_name(), fake.last_name()) for _ in range(NAMES_PER_LOCALE)]


def cities_of(country: int, seed: int) -> tuple[str, ...]:
    """The cities of a country, by its index in COUNTRIES."""
    code = COUNTRIES[country].code
    fake = _faker(country, seed)
    return CITIES.get(code) or tuple(fake.city() for _ in range(CITIES_PER_COUNTRY))


def _customer(
    user: int, country: int, names: list[tuple[str, str]], cities: tuple[str, ...], rng: np.random.Generator
) -> Customer:
    pick = rng.integers(0, 1 << 30, 6)
    first, last = names[pick[0] % len(names)][0], names[pick[1] % len(names)][1]
    network = ("VISA", "VISA", "MasterCard", "MasterCard", "AMEX")[pick[2] % 5]
    ascii_name = "".join(c for c in first.lower() if c.isascii() and c.isalpha()) or "user"
    return Customer(
        user_id=str(user),
        name=f"{first} {last}",
        country=country,
        city=cities[pick[3] % len(cities)],
        bank_id=INDIAN_BANKS[pick[4] % len(INDIAN_BANKS)] if COUNTRIES[country].code == "IN" else "INTL",
        device_id=f"dev-{rng.integers(1 << 48):012x}",
        upi_id=f"{ascii_name}{user}@{UPI_HANDLES[pick[5] % len(UPI_HANDLES)]}",
        card_number=test_card(network, rng),
        card_network=network,
    )


def _merchants(seed: int, country: int, rng: np.random.Generator) -> tuple[Merchant, ...]:
    fake = _faker(country, seed + 1)
    categories = ("grocery", "fuel", "travel", "utilities", "electronics", "dining", "pharmacy", "gaming")
    levels = ("LOW", "LOW", "LOW", "MEDIUM", "MEDIUM", "HIGH")
    return tuple(
        Merchant(
            merchant_id=f"MCH-{'ABCD'[n % 4]}{n:04d}",
            merchant_name=fake.company(),
            category=categories[rng.integers(len(categories))],
            risk_level=levels[rng.integers(len(levels))],
        )
        for n in range(MERCHANTS)
    )
