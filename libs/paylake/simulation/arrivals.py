"""The gateway's payments as one table in memory, in order of arrival, without Kafka or JSON: for training and benchmarks."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from paylake.simulation.attacks import Attacks
from paylake.simulation.chaos import GATEWAY, STATUSES
from paylake.simulation.dimensions import COUNTRIES, Dimensions, build_dimensions
from paylake.simulation.faults import Postings, deliver
from paylake.simulation.generation import block_rng, book, latest_ms
from paylake.simulation.payments import CARD, CHANNELS, TYPES, Ints, TruePayments, World
from paylake.simulation.plan import Plan, Step, planned_steps
from paylake.simulation.records import record_values
from paylake.simulation.truth import MONEY, fraud_scenarios, money

INSTANT = pa.timestamp("us", "UTC")

ARRIVALS_SCHEMA = pa.schema(
    [
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("merchant_id", pa.string(), nullable=False),
        pa.field("amount", MONEY, nullable=False),
        pa.field("currency", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("channel", pa.string(), nullable=False),
        pa.field("card_token", pa.string()),
        pa.field("device_id", pa.string(), nullable=False),
        pa.field("city", pa.string(), nullable=False),
        pa.field("country", pa.string(), nullable=False),
        pa.field("event_at", INSTANT, nullable=False),
        pa.field("recorded_at", INSTANT, nullable=False),
        pa.field("fraud_scenario", pa.string()),
    ]
)
"""One row per payment of which a good gateway record arrived, as the first of them says, in order of arrival.

`amount` is in major units of `currency`, `status` normalised, `card_token` a hash, null without a card. `event_at` is when
the gateway says it booked the payment, `recorded_at` the record's arrival. `fraud_scenario` is truth: no record says it.
"""


def gateway_arrivals(plan: Plan) -> pa.Table:
    """The payments of a plan as its gateway's records tell of them (ARRIVALS_SCHEMA), and the truth of their fraud."""
    attacks = Attacks(plan)
    blocks = [_arrivals(plan, number, step, attacks) for number, step in enumerate(planned_steps(plan))]
    arrived = pa.concat_tables([ARRIVALS_SCHEMA.empty_table(), *blocks])
    recorded_us = arrived["recorded_at"].cast(pa.int64()).to_numpy()
    return arrived.take(pa.array(np.argsort(recorded_us, kind="stable"))).combine_chunks()


def _arrivals(plan: Plan, number: int, step: Step, attacks: Attacks) -> pa.Table:
    rng, people = block_rng(plan, number), build_dimensions(plan.seed, plan.currencies)
    booked = book(plan, step, rng, plan.last_ms, attacks)
    postings = booked.postings
    # The damage to a record depends on its text: only then is the text worth its time.
    is_damaged = bool(booked.odds.malformed.any())
    values = record_values(booked.payments, people, postings) if is_damaged else pa.nulls(postings.count, pa.binary())
    deliveries = deliver(rng, postings, values, booked.odds, latest_ms(plan.last_ms))
    good = (postings.ledger[deliveries.posting] == GATEWAY) & ~deliveries.is_malformed[deliveries.posting]
    posting, arrival_ms = deliveries.posting[good], deliveries.arrival_ms[good]
    order = np.argsort(arrival_ms, kind="stable")
    first = order[np.sort(np.unique(postings.payment[posting[order]], return_index=True)[1])]
    return _rows(booked.payments, people, postings, posting[first], np.minimum(arrival_ms[first], plan.last_ms))


def _rows(payments: TruePayments, people: Dimensions, postings: Postings, posting: Ints, arrival_ms: Ints) -> pa.Table:
    payment, currency = postings.payment[posting], postings.currency[posting]
    made = payments.taken(payment)
    place, device, world = _circumstances(made, people)
    exponent = np.array([country.exponent for country in COUNTRIES])
    columns = {
        "transaction_id": pa.array(made.ids).cast(pa.string()),
        "user_id": _taken(_texts(people).users, made.customer),
        "merchant_id": _taken(_texts(people).merchants, made.merchant),
        "amount": money(postings.minor[posting], exponent[currency]),
        "currency": _taken(pa.array([country.currency for country in COUNTRIES]), currency),
        "status": _taken(pa.array(STATUSES), postings.status[posting]),
        "type": _taken(pa.array(TYPES), made.type),
        "channel": _taken(pa.array(CHANNELS), made.channel),
        "card_token": _texts(people).tokens.take(pa.array(made.customer, mask=made.channel != CARD)),
        "device_id": _taken(_surroundings(world).devices, device),
        "city": _taken(_surroundings(world).cities, place),
        "country": _taken(_surroundings(world).countries, place),
        "event_at": _instants(postings.at_ms[posting]),
        "recorded_at": _instants(arrival_ms),
        "fraud_scenario": fraud_scenarios(made),
    }
    return pa.table(columns, schema=ARRIVALS_SCHEMA)


def _circumstances(payments: TruePayments, people: Dimensions) -> tuple[Ints, Ints, World]:
    """Place and device of each payment; each customer's own where none are said."""
    around = payments.circumstances
    if around is None:
        return payments.customer, payments.customer, _homes(people)
    return around.place, around.device, around.world


class _Texts(NamedTuple):
    users: pa.Array
    merchants: pa.Array
    tokens: pa.Array


class _Surroundings(NamedTuple):
    cities: pa.Array
    countries: pa.Array
    devices: pa.Array


@lru_cache(maxsize=8)
def _texts(people: Dimensions) -> _Texts:
    return _Texts(
        users=pa.array([customer.user_id for customer in people.customers]),
        merchants=pa.array([merchant.merchant_id for merchant in people.merchants]),
        tokens=pa.array([hashlib.sha256(customer.card_number.encode()).hexdigest() for customer in people.customers]),
    )


@lru_cache(maxsize=8)
def _surroundings(world: World) -> _Surroundings:
    cities, countries = zip(*world.places, strict=True)
    return _Surroundings(pa.array(cities), pa.array(countries), pa.array(world.devices))


@lru_cache(maxsize=8)
def _homes(people: Dimensions) -> World:
    places = tuple((customer.city, COUNTRIES[customer.country].code) for customer in people.customers)
    return World(places, tuple(customer.device_id for customer in people.customers))


def _taken(texts: pa.Array, index: Ints) -> pa.Array:
    return texts.take(pa.array(index))


def _instants(at_ms: Ints) -> pa.Array:
    return pa.array(at_ms * 1000).cast(INSTANT)
