"""How customers behave of their own: favourite merchants, own amounts, hours, devices and journeys.

They are drawn only where a plan has fraud: what is unusual for a customer can then be told from what is usual, though not
always. People buy a fridge, travel, change phones, pay again what was declined and all run to the same sale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from paylake.simulation.dimensions import COUNTRIES, FIRST_USER, BankProfile, Country, build_dimensions, cities_of
from paylake.simulation.payments import (
    CHANNELS,
    FAILED_SHARE,
    INDIAN_CHANNELS,
    LARGEST_MAJOR,
    NETWORKS,
    OTHER_CHANNELS,
    TRANSFER,
    TYPES,
    Circumstances,
    Floats,
    Ints,
    TruePayments,
    World,
    units,
    uuids,
)

FAVOURITES = 8
FAVOURITE_SHARE = 0.8
SECOND_DEVICE_SHARE = 0.03
TRAVEL_SHARE = 0.01
JOURNEY_MS = 3 * 86_400_000
ONE_OFF_SHARE, ONE_OFF_FACTORS = 0.01, (4, 60)
TYPE_SHARES = (0.79, 0.12, 0.08, 0.01)
"""Of TYPES: refunds happen now and then."""
ROUND_SHARE = 0.4
"""Of the transfers, those of a round amount."""
AGAIN_SHARE, AGAIN_MS = 0.008, (10_000, 300_000)
"""Payments that are made again shortly after, often because the first was declined."""
SALE_HOURS, SALE_SHARE, SALE_MERCHANTS = 0.05, 0.04, 200
"""Share of the hours with a sale, of all payments that go there then, and the merchants who hold one."""
FRAUDSTERS_DEVICES = 4096


@dataclass(frozen=True, eq=False)
class Habits:
    """What is usual for each customer; arrays of one entry per customer, unless said otherwise. Compared by identity.

    `level` is the median amount in major units, `spread` the deviation of its logarithm. `by_hour` has a row per hour of
    the day in UTC: the running total of who pays then, up to 1. `abroad` says per country where its places start and end.
    """

    homes: Ints
    favourites: Ints
    level: Floats
    spread: Floats
    by_hour: Floats
    active: Floats
    popularity: Floats
    abroad: tuple[tuple[int, int], ...]
    world: World

    @property
    def customers(self) -> int:
        return len(self.homes)

    @property
    def merchants(self) -> int:
        return len(self.popularity)

    @property
    def fraudsters_devices(self) -> int:
        """The index of the first device that belongs to no customer."""
        return 2 * self.customers


@lru_cache(maxsize=8)
def build_habits(seed: int, currencies: str) -> Habits:
    """The habits of the customers of a seed; the same people as build_dimensions gives."""
    people = build_dimensions(seed, currencies)
    rng = np.random.default_rng([seed, 5])
    count = len(people.customers)
    homes = np.array([customer.country for customer in people.customers], np.int64)
    popularity = 1 / np.arange(1, len(people.merchants) + 1)
    running = np.cumsum(popularity / popularity.sum())
    activity = np.exp(rng.normal(0, 0.8, count))
    usual_h = rng.normal(14, 3.5, count) - np.array([offset_h(country) for country in COUNTRIES])[homes]
    away_h = np.abs((np.arange(24)[:, None] - usual_h[None, :] + 12) % 24 - 12)
    by_hour = np.cumsum(activity * (0.03 + np.exp(-((away_h / 4) ** 2))), axis=1)
    places = [(customer.city, COUNTRIES[customer.country].code) for customer in people.customers]
    abroad = []
    for number, country in enumerate(COUNTRIES):
        there = [(city, country.code) for city in cities_of(number, seed)]
        abroad.append((len(places), len(places) + len(there)))
        places += there
    others = rng.integers(0, 1 << 48, count + FRAUDSTERS_DEVICES)
    devices = [customer.device_id for customer in people.customers] + [f"dev-{number:012x}" for number in others]
    return Habits(
        homes=homes,
        favourites=picked(running, rng.random((count, FAVOURITES))),
        level=np.array([c.median for c in COUNTRIES])[homes] * np.exp(rng.normal(0, 0.7, count)),
        spread=rng.uniform(0.4, 0.9, count),
        by_hour=by_hour / by_hour[:, -1:],
        active=np.cumsum(activity / activity.sum()),
        popularity=running,
        abroad=tuple(abroad),
        world=World(tuple(places), tuple(devices)),
    )


def draw_usual(
    rng: np.random.Generator, at_ms: Ints, until_ms: int, habits: Habits, seed: int, bank: BankProfile | None = None
) -> TruePayments:
    """A payment for each of the given times, made by people of habits; those made again come somewhat later.

    None comes at `until_ms` or after it. They are not in order of time.
    """
    count = len(at_ms)
    customer = _who(rng, at_ms, habits, customers_of(bank))
    country = habits.homes[customer]
    type_ = rng.choice(len(TYPES), count, p=TYPE_SHARES)
    in_india = country == 0
    channels = len(CHANNELS)
    drawn = TruePayments(
        ids=uuids(rng, count),
        at_ms=at_ms,
        minor=_amounts(rng, customer, type_, habits),
        country=country,
        customer=customer,
        merchant=_where(rng, at_ms, customer, habits, seed),
        channel=np.where(
            in_india, rng.choice(channels, count, p=INDIAN_CHANNELS), rng.choice(channels, count, p=OTHER_CHANNELS)
        ),
        type=type_,
        network=rng.integers(0, len(NETWORKS), count),
        host=rng.integers(1, 255, count),
        is_failed=rng.random(count) < FAILED_SHARE,
        circumstances=Circumstances(
            place=_places(rng, at_ms, customer, habits, seed),
            device=customer + habits.customers * (rng.random(count) < SECOND_DEVICE_SHARE),
            scenario=np.full(count, -1, np.int64),
            world=habits.world,
        ),
    )
    return _some_again(rng, drawn, until_ms)


def in_range(major: Floats, country: Ints) -> Ints:
    """Amounts in major units as whole minor ones, neither below the least nor above the largest of all payments."""
    unit, least = units(country)
    clipped: Ints = np.clip(np.rint(major * unit).astype(np.int64), least * unit, LARGEST_MAJOR * unit)
    return clipped


def round_steps(country: Ints) -> Floats:
    """The power of ten nearest to what is usual in the country, in major units: what people round to."""
    steps: Floats = 10.0 ** np.rint(np.log10([c.median for c in COUNTRIES]))
    return steps[country]


def _who(rng: np.random.Generator, at_ms: Ints, habits: Habits, among: slice) -> Ints:
    hour = at_ms // 3_600_000 % 24
    lot = rng.random(len(at_ms))
    customer = np.empty(len(at_ms), np.int64)
    for each in np.unique(hour):
        now = hour == each
        customer[now] = picked(habits.by_hour[each], lot[now], among)
    return customer


def _where(rng: np.random.Generator, at_ms: Ints, customer: Ints, habits: Habits, seed: int) -> Ints:
    count = len(at_ms)
    favourite = np.minimum(rng.geometric(0.3, count) - 1, FAVOURITES - 1)
    usual = habits.favourites[customer, favourite]
    merchant = np.where(rng.random(count) < FAVOURITE_SHARE, usual, picked(habits.popularity, rng.random(count)))
    hour = at_ms // 3_600_000
    at_sale = (_lots(seed, 1, hour) < SALE_HOURS) & (rng.random(count) < SALE_SHARE)
    return np.where(at_sale, (_lots(seed, 2, hour) * SALE_MERCHANTS).astype(np.int64), merchant)


def _amounts(rng: np.random.Generator, customer: Ints, type_: Ints, habits: Habits) -> Ints:
    count, country = len(customer), habits.homes[customer]
    major = habits.level[customer] * np.exp(habits.spread[customer] * rng.normal(0, 1, count))
    least, most = ONE_OFF_FACTORS
    is_large = rng.random(count) < ONE_OFF_SHARE
    major = np.where(is_large, major * np.exp(rng.uniform(math.log(least), math.log(most), count)), major)
    step = round_steps(country)
    is_round = (type_ == TRANSFER) & (rng.random(count) < ROUND_SHARE)
    return in_range(np.where(is_round, np.maximum(np.rint(major / step), 1) * step, major), country)


def _places(rng: np.random.Generator, at_ms: Ints, customer: Ints, habits: Habits, seed: int) -> Ints:
    """Home, or for three days in a row a city of one other country."""
    journey = at_ms // JOURNEY_MS * habits.customers + customer
    further = 1 + (_lots(seed, 4, journey) * (len(COUNTRIES) - 1)).astype(np.int64)
    country = (habits.homes[customer] + further) % len(COUNTRIES)
    first, end = np.array(habits.abroad).T
    away = first[country] + (_lots(seed, 5, journey) * (end - first)[country]).astype(np.int64)
    return np.where(_lots(seed, 3, journey) < TRAVEL_SHARE, away, customer)


def _some_again(rng: np.random.Generator, drawn: TruePayments, until_ms: int) -> TruePayments:
    """Some payments become another attempt at an earlier one, with other identifiers."""
    firsts, again = rng.permutation(drawn.count)[: 2 * round(drawn.count * AGAIN_SHARE)].reshape(2, -1)
    again_ms = drawn.at_ms[firsts] + rng.integers(*AGAIN_MS, len(firsts))
    fits = again_ms < until_ms
    firsts, again, again_ms = firsts[fits], again[fits], again_ms[fits]
    source = np.arange(drawn.count)
    source[again] = firsts
    is_failed, at_ms = drawn.is_failed.copy(), drawn.at_ms.copy()
    at_ms[again] = again_ms
    is_failed[firsts] |= rng.random(len(firsts)) < 0.6
    same = drawn.taken(source)
    return replace(same, ids=drawn.ids, at_ms=at_ms, is_failed=is_failed)


def customers_of(bank: BankProfile | None) -> slice:
    """The customers of a bank, or all of them, by index."""
    return slice(None) if bank is None else slice(bank.first_user - FIRST_USER, bank.last_user - FIRST_USER + 1)


def picked(running: Floats, lot: Floats, among: slice = slice(None)) -> Ints:
    """The entry that each lot (0 to 1) falls on, where the shares of all entries run up to 1; only some may be chosen."""
    first, end, _ = among.indices(len(running))
    low = running[first - 1] if first else 0.0
    found = np.searchsorted(running, low + lot * (running[end - 1] - low), side="right")
    chosen: Ints = np.clip(found, first, end - 1).astype(np.int64)
    return chosen


def _lots(seed: int, stream: int, key: Ints) -> Floats:
    """A number from 0 to 1 per key, the same wherever the key comes up again (splitmix64)."""
    mixed = key.astype(np.uint64) + np.uint64((seed * 8 + stream) * 0x9E3779B97F4A7C15 % (1 << 64))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)) / float(1 << 53)


def offset_h(country: Country) -> float:
    """How many hours the country's clocks are ahead of UTC."""
    sign = -1 if country.utc_offset[0] == "-" else 1
    return sign * (int(country.utc_offset[1:3]) + int(country.utc_offset[4:6]) / 60)
