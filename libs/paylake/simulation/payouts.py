"""What a processor settles: the lines of each payout, its fees, and what is paid in the end.

Money is whole minor units throughout, and every share is rounded half up. A payout's lines come to what it pays, exactly:
sales less fees, refunds, chargebacks and the reserve held, and the reserve released on top.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paylake.contracts.currencies import minor_units
from paylake.simulation.chaos import STATUSES, SUCCESS, Bools, Ints

Times: TypeAlias = NDArray[np.datetime64]
Texts: TypeAlias = NDArray[Any]

SETTLES = STATUSES[SUCCESS]
"""How a payment ended that is settled."""
OPENS_S, CLOSES_S = 6 * 3600, 22 * 3600
"""Seconds of the processor's local day between which it books sales: no clock change falls into them."""
BASIS = 10_000
"""Basis points of the whole."""


@dataclass(frozen=True)
class Fee:
    """What a sale costs: a share in basis points, and a fixed amount in minor units of its currency."""

    basis_points: int
    fixed_minor: int


FEES: Mapping[str, Fee] = {
    "INR": Fee(200, 300), "USD": Fee(290, 30), "GBP": Fee(150, 20), "EUR": Fee(140, 25), "SGD": Fee(340, 50),
    "AED": Fee(290, 100), "AUD": Fee(175, 30), "JPY": Fee(360, 0), "KWD": Fee(250, 100),
}  # fmt: skip
OTHER_FEE = Fee(290, 30)


@dataclass(frozen=True)
class Terms:
    """What is agreed with the processor. Shares are in basis points, days are business days."""

    fees: Mapping[str, Fee] = field(default_factory=lambda: FEES)
    refunds: int = 150
    chargebacks: int = 10
    chargeback_fixed_fees: int = 50
    """What a chargeback costs, as a multiple of the sale's fixed fee, or of one major unit where that is larger."""
    reserve: int = 500
    cut_offs: int = 1
    """Payouts of a currency and sales day."""
    split_payouts: int = 1_500
    """How many payouts the processor pays as two, in basis points."""
    paid_after_days: int = 1
    value_after_days: int = 2


@dataclass(frozen=True)
class Payout:
    """A payout: what it pays in minor units, when the processor sends it, and when the bank should credit it."""

    payout_id: str
    currency: str
    minor: int
    sales_day: date
    paid_on: date
    value_date: date


@dataclass(frozen=True)
class Report:
    """A payout with its lines, as the mapping `example_processor` reads them."""

    payout: Payout
    lines: pa.Table


def settled(payments: pa.Table, business_date: date, seed: int, terms: Terms) -> Iterator[Report]:
    """The processor's report of each payout of the day's payments that succeeded, by currency and number.

    `payments` are rows of the simulation's truth; their order does not matter.
    """
    known = payments.filter(
        (pc.field("business_date") == pa.scalar(business_date, pa.date32())) & (pc.field("outcome") == SETTLES)
    ).select(["transaction_id", "amount", "currency"])
    known = known.sort_by("transaction_id")
    for number, currency in enumerate(sorted(known["currency"].unique().to_pylist())):
        rows = known.filter(pc.field("currency") == currency)
        rng = np.random.default_rng([seed, business_date.toordinal(), number, 3])
        yield from _payouts_of(rng, rows, currency, business_date, terms)


def half_up(minor: Ints, basis_points: int) -> Ints:
    """A share of amounts that are not negative, in whole minor units."""
    return (minor * basis_points * 2 + BASIS) // (2 * BASIS)


def fees(minor: Ints, fee: Fee) -> Ints:
    """What each sale costs."""
    return half_up(minor, fee.basis_points) + fee.fixed_minor


def plain(minor: Ints, exponent: int) -> pa.Array:
    """Minor units as people write amounts: 12.30, and -5 in a currency without decimals."""
    words = np.empty((len(minor), 2), np.int64)
    words[:, 0], words[:, 1] = minor, minor >> 63
    exact = pa.Array.from_buffers(pa.decimal128(18, exponent), len(minor), [None, pa.py_buffer(words)])
    return exact.cast(pa.string())


def _payouts_of(rng: np.random.Generator, rows: pa.Table, currency: str, day: date, terms: Terms) -> Iterator[Report]:
    """The payouts of a currency: its sales in the order of their times, cut at each cut-off."""
    exponent = minor_units(currency)
    exact = pc.multiply(rows["amount"], pa.scalar(10**exponent, pa.decimal128(6, 0)))
    minor = exact.cast(pa.int64()).to_numpy()
    order = rng.permutation(len(minor))
    at_s = np.sort(rng.integers(OPENS_S, CLOSES_S, len(minor)))
    edges = np.linspace(OPENS_S, CLOSES_S, terms.cut_offs + 1).astype(np.int64)
    pieces: list[slice] = []
    for since, until in zip(np.searchsorted(at_s, edges[:-1]), np.searchsorted(at_s, edges[1:]), strict=True):
        middle = (since + until) // 2
        is_split = until - since > 1 and rng.integers(BASIS) < terms.split_payouts
        pieces += [slice(since, middle), slice(middle, until)] if is_split else [slice(since, until)]
    ids = rows["transaction_id"].to_numpy(zero_copy_only=False)
    for number, part in enumerate((part for part in pieces if part.stop > part.start), 1):
        chosen = order[part]
        payout_id = f"PO-{day:%Y%m%d}-{currency}-{number:02d}"
        yield _report(rng, payout_id, currency, day, terms, ids[chosen], minor[chosen], at_s[part])


class Block(NamedTuple):
    """Lines of one type, side by side: unsigned amounts, as the mapping says, so that a cost makes a debit larger."""

    word: str
    gross: Ints
    fee: Ints
    net: Ints
    booked: Times
    payment: Texts
    order: Texts


def _report(
    rng: np.random.Generator, payout_id: str, currency: str, day: date, terms: Terms, ids: Texts, minor: Ints, at_s: Ints
) -> Report:
    """The report of one payout over its sales, which are in the order of their times."""
    fee, one_major = terms.fees.get(currency, OTHER_FEE), 10 ** minor_units(currency)
    paid_on = business_day(day, terms.paid_after_days)
    drawn = rng.integers(0, BASIS, len(minor))
    is_refunded: Bools = drawn < terms.refunds
    is_charged_back: Bools = ~is_refunded & (drawn < terms.refunds + terms.chargebacks)
    is_whole = rng.integers(0, 2, len(minor)) == 1
    refunds, charged = np.where(is_whole, minor, (minor + 1) // 2)[is_refunded], minor[is_charged_back]
    dispute_fees = np.full(len(charged), max(fee.fixed_minor * terms.chargeback_fixed_fees, one_major), np.int64)
    costs = fees(minor, fee)
    held = half_up(minor.sum(keepdims=True), terms.reserve)
    references = np.array([f"P{payout_id[3:]}-{n:07d}" for n in range(1, len(minor) + 1)], object)

    def of_sales(word: str, amounts: Ints, fee_amounts: Ints, which: Bools, sign: int, seconds: Ints) -> Block:
        booked = np.datetime64(day, "s") + seconds.astype("timedelta64[s]")
        return Block(word, amounts, fee_amounts, amounts + sign * fee_amounts, booked, references[which], ids[which])

    def of_payout(word: str, amount: Ints) -> Block:
        nobody = np.full(len(amount), None, object)
        return Block(word, amount, 0 * amount, amount, np.full(len(amount), paid_on, "datetime64[s]"), nobody, nobody)

    in_the_evening = np.full(len(minor), CLOSES_S + 1800, np.int64)
    credits = [
        of_sales("Sale", minor, costs, np.ones(len(minor), np.bool_), -1, at_s),
        of_payout("Reserve released", held * rng.integers(80, 121, 1) // 100),
    ]
    debits = [
        of_sales("Refund", refunds, 0 * refunds, is_refunded, 1, in_the_evening[is_refunded]),
        of_sales("Chargeback", charged, dispute_fees, is_charged_back, 1, in_the_evening[is_charged_back]),
        of_payout("Transfer fee", np.array([max(fee.fixed_minor, one_major // 4)], np.int64)),
        of_payout("Reserve held", held),
    ]
    paid = int(sum(block.net.sum() for block in credits) - sum(block.net.sum() for block in debits))
    blocks = [credits[0], *debits, credits[1], of_payout("Transfer", np.array([paid], np.int64))]
    payout = Payout(payout_id, currency, paid, day, paid_on, business_day(day, terms.value_after_days))
    return Report(payout, _lines(payout, blocks))


def _lines(payout: Payout, blocks: Sequence[Block]) -> pa.Table:
    """The rows of a report, with its own names of columns; a line of nothing is no line."""
    words = np.concatenate([np.full(len(block.gross), block.word, object) for block in blocks])
    gross, fee, net, booked, payment, order = (np.concatenate([b[n] for b in blocks]) for n in range(1, len(Block._fields)))
    exponent, count = minor_units(payout.currency), len(words)
    lines = pa.table({
        "Type": pa.array(words, pa.string()),
        "Batch": pa.repeat(payout.payout_id, count),
        "Currency": pa.repeat(payout.currency, count),
        "Gross": plain(gross, exponent),
        "Fee": plain(fee, exponent),
        "Net": plain(net, exponent),
        "Booked": pa.array(booked).cast(pa.string()),
        "Payment": pa.array(payment, pa.string()),
        "Event": pa.array([f"E{payout.payout_id[3:]}-{n:07d}" for n in range(1, count + 1)]),
        "Order": pa.array(order, pa.string()),
        "Method": pa.array([None if one is None else "card" for one in order], pa.string()),
    })  # fmt: skip
    return lines.filter(pa.array(gross != 0))


def business_day(day: date, n: int) -> date:
    """So many weekdays later, from the next weekday on where the day is none itself; the bank keeps no holidays."""
    return date.fromisoformat(str(np.busday_offset(np.datetime64(day), n, roll="forward")))
