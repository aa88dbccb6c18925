"""The bytes of the records: one compact JSON text per posting, with its fields always in the same order."""

from __future__ import annotations

import itertools
import json
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paylake.contracts.topics import LEDGERS
from paylake.simulation.chaos import STATUSES, Ints
from paylake.simulation.dimensions import COUNTRIES, Customer, Dimensions
from paylake.simulation.faults import Postings
from paylake.simulation.payments import CHANNELS, NETWORKS, TYPES, TruePayments, World

SPELLINGS: dict[str, dict[str, tuple[str, str]]] = {
    "gateway": {
        "SUCCESS": ("CAPTURED", "SUCCESS"),
        "FAILED": ("DECLINED", "FAILED"),
        "PENDING": ("CREATED", "PENDING"),
        "PROCESSING": ("AUTHORIZED", "PROCESSING"),
    },
    "core": {
        "SUCCESS": ("POSTED", "SETTLED"),
        "FAILED": ("REJECTED", "FAILED"),
        "PENDING": ("INITIATED", "PENDING"),
        "PROCESSING": ("IN_PROGRESS", "PROCESSING"),
    },
    "mobile": {
        "SUCCESS": ("SUCCESS", "COMPLETED"),
        "FAILED": ("FAILED", "ERROR"),
        "PENDING": ("PENDING", "INITIATED"),
        "PROCESSING": ("PROCESSING", "IN_PROGRESS"),
    },
}
"""Ledger -> status -> how that ledger writes it."""


def record_values(payments: TruePayments, people: Dimensions, postings: Postings, bank_id: str | None = None) -> pa.Array:
    """The JSON text of each posting as UTF-8 bytes (binary, never null)."""
    payment = postings.payment
    home = payments.country[payment]
    choice = (postings.at_ms & 1) if len(payment) else payment
    opening = (postings.currency * len(LEDGERS) + postings.ledger) * len(STATUSES) + postings.status
    customer = payments.customer * len(CHANNELS) + payments.channel
    merchant = payments.merchant * len(TYPES) + payments.type
    closing = payments.network * 256 + payments.host
    return pc.binary_join_element_wise(
        '{"transaction_id":"',
        pa.array(payments.ids[payment]).cast(pa.string()),
        '","amount":"',
        amount_texts(postings.minor, np.array([c.exponent for c in COUNTRIES])[postings.currency]),
        _take(_openings(), opening * 2 + choice),
        _local_times(postings.at_ms, home),
        _take(_offsets(), home),
        *_persons(payments, people, bank_id, customer, payment),
        _take(_merchants(people), merchant[payment]),
        _take(_addresses(), closing[payment]),
        "",
    ).cast(pa.binary())


def _persons(
    payments: TruePayments, people: Dimensions, bank_id: str | None, customer: Ints, payment: Ints
) -> tuple[pa.Array, ...]:
    """Who pays, where and on what device: each customer's own, or what the payment's circumstances say."""
    around = payments.circumstances
    if around is None:
        return (_take(_customers(people, bank_id), customer[payment]),)
    return (
        _take(_payers(people, bank_id), customer[payment]),
        _take(_places(around.world), around.place[payment]),
        _take(_devices(around.world), around.device[payment]),
    )


def amount_texts(minor: Ints, exponent: Ints) -> pa.Array:
    """Amounts as decimal strings with exactly their currency's decimals (text, never null)."""
    texts = pa.nulls(len(minor), pa.string())
    for places in np.unique(exponent):
        whole = pa.array(minor // 10**places).cast(pa.string())
        rest = pc.utf8_lpad(pa.array(minor % 10**places).cast(pa.string()), int(places), padding="0")
        text = pc.binary_join_element_wise(whole, rest, ".") if places else whole
        texts = pc.if_else(pa.array(exponent == places), text, texts)
    return texts


def _local_times(at_ms: Ints, country: Ints) -> pa.Array:
    """Wall-clock times at the country's offset, to the millisecond, without the offset."""
    offset_ms = np.array([_offset_ms(c.utc_offset) for c in COUNTRIES])[country]
    return pc.strftime(pa.array(at_ms + offset_ms).cast(pa.timestamp("ms")), "%Y-%m-%dT%H:%M:%S")


def _offset_ms(text: str) -> int:
    hours, minutes = int(text[1:3]), int(text[4:6])
    return (1 if text[0] == "+" else -1) * (hours * 60 + minutes) * 60_000


def _take(fragments: pa.Array, index: Ints) -> pa.Array:
    return fragments.take(pa.array(index))


def _inside(**fields: Any) -> str:
    """The fields as they stand in the middle of a JSON object."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))[1:-1]


@lru_cache(maxsize=1)
def _openings() -> pa.Array:
    return pa.array(
        f'",{_inside(currency=country.currency, status=spelling)},"timestamp":"'
        for country, ledger, status in itertools.product(COUNTRIES, LEDGERS, STATUSES)
        for spelling in SPELLINGS[ledger][status]
    )


@lru_cache(maxsize=1)
def _offsets() -> pa.Array:
    return pa.array([f'{country.utc_offset}",' for country in COUNTRIES])


@lru_cache(maxsize=8)
def _customers(people: Dimensions, bank_id: str | None) -> pa.Array:
    return pa.array(
        _inside(
            user_id=customer.user_id,
            channel=channel,
            **_instrument(customer, channel),
            bank_id=bank_id or customer.bank_id,
            city=customer.city,
            country=COUNTRIES[customer.country].code,
            device_id=customer.device_id,
        )
        + ","
        for customer, channel in itertools.product(people.customers, CHANNELS)
    )


@lru_cache(maxsize=8)
def _payers(people: Dimensions, bank_id: str | None) -> pa.Array:
    return pa.array(
        _inside(
            user_id=customer.user_id,
            channel=channel,
            **_instrument(customer, channel),
            bank_id=bank_id or customer.bank_id,
        )
        + ","
        for customer, channel in itertools.product(people.customers, CHANNELS)
    )


@lru_cache(maxsize=8)
def _places(world: World) -> pa.Array:
    return pa.array(_inside(city=city, country=country) + "," for city, country in world.places)


@lru_cache(maxsize=8)
def _devices(world: World) -> pa.Array:
    return pa.array(_inside(device_id=device) + "," for device in world.devices)


def _instrument(customer: Customer, channel: str) -> dict[str, str]:
    """What the customer pays with on this channel."""
    match channel:
        case "CARD":
            return {"payment_system": customer.card_network, "card_number": customer.card_number}
        case "UPI":
            return {"payment_system": "UPI", "upi_id": customer.upi_id}
        case _:
            return {"payment_system": channel}


@lru_cache(maxsize=8)
def _merchants(people: Dimensions) -> pa.Array:
    return pa.array(
        _inside(merchant_id=merchant.merchant_id, type=type_) + ","
        for merchant, type_ in itertools.product(people.merchants, TYPES)
    )


@lru_cache(maxsize=1)
def _addresses() -> pa.Array:
    return pa.array(
        _inside(ip_address=f"{network}.{host}") + "}" for network, host in itertools.product(NETWORKS, range(256))
    )
