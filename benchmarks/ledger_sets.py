"""Ledgers, statements and payouts made from simulated payments, with the truth of each entry kept apart.

The truth says what a person who knows what happened would expect: with whom an entry belongs, or why it cannot be matched.
It is stated here, class by class, and never computed by the engine's own rules. Money is whole minor units.
"""

from __future__ import annotations

import random
import string
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from paylake.contracts.currencies import minor_units
from paylake.simulation import Plan, generate
from paylake.simulation.payouts import FEES

FIRST_DAY = date(2026, 1, 5)
TOLERATED = 5
"""Minor units that the shipped rule sets tolerate."""
COST_PER_ORDER = 33
"""What a payout costs for each order in it, in minor units, by the rule set of orders, gateway and payouts."""

BANK: Mapping[str, float] = {
    "rounded": 0.02, "over": 0.01, "under": 0.01, "other_currency": 0.005,
    "only_reference": 0.03, "id_damaged": 0.02, "reference_damaged_too": 0.015, "no_reference": 0.007,
    "only_reference_and_off": 0.005, "not_yet_at_the_bank": 0.02, "bank_only": 0.02, "lookalikes": 0.01,
    "posted_twice": 0.015, "posted_twice_differently": 0.005, "booked_twice": 0.005, "rounded_and_posted_twice": 0.003,
    "id_used_again": 0.005, "id_used_again_and_off": 0.002, "unreadable": 0.003, "reference_of_another": 0.003,
    "paid_in_two": 0.005, "two_paid_in_one": 0.005, "paid_in_two_and_off": 0.002, "off_against_each_other": 0.002,
}  # fmt: skip
"""Ledger and bank statement: class -> share of the payments."""
ACQUIRER: Mapping[str, float] = {
    "rounded": 0.02, "over": 0.01, "under": 0.01, "other_currency": 0.005, "authorisation_damaged": 0.01,
    "order_damaged": 0.01, "not_yet_settled": 0.02, "acquirer_only": 0.02, "settled_twice": 0.01,
    "settled_again_in_another_batch": 0.005, "fee_off": 0.02, "fee_off_by_one": 0.005, "fee_missing": 0.01,
    "fee_only": 0.01, "unreadable": 0.002, "captured_in_two": 0.005,
}  # fmt: skip
"""Ledger and acquirer with fees: class -> share of the sales."""
DISPUTES: Mapping[str, float] = {
    "not_booked": 0.02, "not_disputed": 0.02, "off": 0.01, "sent_twice": 0.01, "other_currency": 0.005,
}  # fmt: skip
"""Class -> share of the chargebacks, of which there is one for each sale, so that every source is large."""
SALES: Mapping[str, float] = {
    "rounded": 0.02, "over": 0.01, "under": 0.01, "other_currency": 0.003, "not_captured": 0.02, "no_order": 0.01,
    "captured_twice": 0.01,
}  # fmt: skip
"""Orders, gateway and payouts: class -> share of the orders."""
PAYOUTS: Mapping[str, float] = {
    "rounded": 0.02, "short": 0.015, "short_by_far": 0.005, "over": 0.01, "instalment": 0.02, "of_two_currencies": 0.01,
    "names_a_line_that_is_late": 0.015, "order_damaged": 0.015, "not_paid": 0.03, "of_unknown_orders": 0.02,
    "paid_in_two": 0.01, "paid_twice": 0.01,
}  # fmt: skip
"""Class -> share of the payouts."""

Row = dict[str, str | None]
Member = tuple[str, str]
"""A source and an entry's identifier in it."""


class Expected(NamedTuple):
    """What is true of an entry in a stage: the reason why it is open, or the name of the group that it belongs to."""

    reason: str
    group: str


class Payment(NamedTuple):
    """What really happened."""

    minor: int
    currency: str
    day: date


@dataclass
class DataSet:
    """The rows of each source, in no order, and the truth of each (stage, source, entry)."""

    rules: str
    sources: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    truth: dict[tuple[str, str, str], Expected] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def book(self, source: str, key: str, row: Row) -> Member:
        """Add a row; its identifier is the next of its source."""
        entry_id = f"{source[:3].upper()}-{len(self.sources[source]) + 1:08d}"
        self.sources[source].append({key: entry_id, **row})
        return source, entry_id

    def belong(self, stage: str, *members: Member) -> None:
        """The members are one group."""
        for source, entry_id in members:
            self.truth[stage, source, entry_id] = Expected("", f"{members[0]}")

    def open(self, stage: str, reason: str, *members: Member) -> None:
        """The members are open, for a reason."""
        for source, entry_id in members:
            self.truth[stage, source, entry_id] = Expected(reason, "")

    def shuffled(self, rng: random.Random) -> DataSet:
        """The same with each source's rows in another order."""
        for rows in self.sources.values():
            rng.shuffle(rows)
        return self


def payments(count: int, seed: int, currencies: str) -> list[Payment]:
    """True payments of the simulation, spread over three weeks."""
    rng = random.Random(seed)
    rows = (row for chunk in generate(Plan(payments=count, seed=seed, chaos=0, currencies=currencies))
            for row in chunk.payments.select(["amount", "currency"]).to_pylist())  # fmt: skip
    return [
        Payment(int(row["amount"].scaleb(minor_units(row["currency"]))), row["currency"],
                FIRST_DAY + timedelta(days=rng.randrange(21)))
        for row in rows
    ]  # fmt: skip


def said(minor: int, currency: str) -> str:
    """An amount as a file states it."""
    return f"{Decimal(minor).scaleb(-minor_units(currency)):f}"


def classes_of(rng: random.Random, shares: Mapping[str, float], count: int) -> Iterator[str]:
    """A class for each of so many; most are clean."""
    names, weights = ["clean", *shares], [1 - sum(shares.values()), *shares.values()]
    yield from rng.choices(names, weights, k=count)


def off_by(rng: random.Random, minor: int) -> int:
    """A difference beyond the tolerance: often just beyond it, never the whole amount."""
    return TOLERATED + 1 if rng.random() < 0.2 else TOLERATED + 1 + rng.randrange(max(1, minor // 10))


def signed(rng: random.Random, most: int) -> int:
    """A difference of 1 to `most`, up or down."""
    return rng.choice((-1, 1)) * rng.randint(1, most)


def damaged(rng: random.Random, reference: str) -> str:
    """The reference with a character lost, replaced or swapped with its neighbour, or with its end cut off."""
    place = rng.randrange(4, len(reference) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return reference[:place] + reference[place + 1 :]
    if kind == 1:
        return reference[:place] + rng.choice("#?*") + reference[place + 1 :]
    if kind == 2:
        return reference[: len(reference) - rng.randint(1, 4)]
    if reference[place] == reference[place + 1]:
        return reference[:place] + reference[place + 1 :]
    return reference[:place] + reference[place + 1] + reference[place] + reference[place + 2 :]


def token(rng: random.Random, length: int) -> str:
    """A random reference of capital letters and digits."""
    return "".join(rng.choices(string.ascii_uppercase + string.digits, k=length))


def another_currency(rng: random.Random, currency: str, known: Sequence[str]) -> str:
    """A different currency of the same data set."""
    return rng.choice([c for c in known if c != currency])


def ledger_and_bank(count: int, seed: int) -> DataSet:
    """The general ledger against the bank's statement: about `count` entries on each side."""
    rng, data = random.Random(f"bank-{seed}"), DataSet("ledger_and_bank_statement")
    true = payments(count, seed, "INR,USD,EUR,JPY,KWD")
    known = sorted({payment.currency for payment in true})
    stage = "payments"
    settled: list[str] = []

    def ledger(p: Payment, e2e: str | None, reference: str | None, minor: int | None = None, amount: str = "") -> Member:
        return data.book("ledger", "ledger_entry_id", {
            "amount": amount or said(p.minor if minor is None else minor, p.currency), "currency": p.currency,
            "posted_at": p.day.isoformat(), "end_to_end_id": e2e, "reference": reference,
        })  # fmt: skip

    def bank(
        p: Payment, e2e: str | None, reference: str | None, minor: int | None = None, currency: str = "", later: int = 0
    ) -> Member:
        day = p.day + timedelta(days=later)
        return data.book("bank", "bank_entry_id", {
            "amount": said(p.minor if minor is None else minor, currency or p.currency), "currency": currency or p.currency,
            "booking_date": day.isoformat(), "end_to_end_id": e2e, "reference": reference,
        })  # fmt: skip

    for number, (p, kind) in enumerate(zip(true, classes_of(rng, BANK, count), strict=True)):
        data.classes[kind] += 1
        e2e, reference = f"E2E-{p.day:%y%m%d}-{token(rng, 10)}", f"INV-{number:06d}-{token(rng, 4)}"
        lag = rng.choice((0, 0, 1, 1, 2, 4))
        if kind == "bank_only":
            data.open(stage, "MISSING_IN_LEDGER", bank(p, e2e, reference))
            continue
        if kind == "unreadable":
            data.open(stage, "SCHEMA_INVALID", ledger(p, e2e, reference, amount=rng.choice(("n/a", "1,234.50", "12.3.4"))))
            data.open(stage, "MISSING_IN_LEDGER", bank(p, e2e, reference, later=lag))
            continue
        mine = ledger(p, e2e, reference)
        if kind == "not_yet_at_the_bank":
            data.open(stage, "MISSING_IN_BANK", mine)
        elif kind == "rounded":
            data.belong(stage, mine, bank(p, e2e, reference, p.minor + signed(rng, TOLERATED), later=lag))
        elif kind in ("over", "under", "only_reference_and_off"):
            up = kind == "over" or (kind != "under" and rng.random() < 0.5)
            minor = p.minor + (1 if up else -1) * off_by(rng, p.minor)
            theirs = bank(p, None if kind == "only_reference_and_off" else e2e, reference, minor, later=lag)
            data.open(stage, "AMOUNT_OVER" if up else "AMOUNT_UNDER", mine, theirs)
        elif kind == "other_currency":
            theirs = bank(p, e2e, reference, currency=another_currency(rng, p.currency, known), later=lag)
            data.open(stage, "CURRENCY_MISMATCH", mine, theirs)
        elif kind in ("only_reference", "id_damaged"):
            data.belong(stage, mine, bank(p, None if kind == "only_reference" else damaged(rng, e2e), reference, later=lag))
        elif kind in ("reference_damaged_too", "no_reference"):
            # one who reads it may see whose it is, but no rule may decide it: a suggestion at most
            broken = damaged(rng, reference) if kind == "reference_damaged_too" else None
            data.open(stage, "MISSING_IN_BANK", mine)
            data.open(stage, "MISSING_IN_LEDGER", bank(p, rng.choice((None, damaged(rng, e2e))), broken, later=lag))
        elif kind == "lookalikes":
            # another payment of the same amount and day: nothing says that they belong together, and they do not
            data.open(stage, "MISSING_IN_BANK", mine)
            theirs = bank(p, f"E2E-{p.day:%y%m%d}-{token(rng, 10)}", f"INV-{count + number:06d}-{token(rng, 4)}")
            data.open(stage, "MISSING_IN_LEDGER", theirs)
        elif kind in ("posted_twice", "rounded_and_posted_twice", "posted_twice_differently"):
            minor = p.minor + (signed(rng, TOLERATED) if kind == "rounded_and_posted_twice" else 0)
            data.belong(stage, mine, bank(p, e2e, reference, minor, later=lag))
            second = minor + (off_by(rng, p.minor) if kind == "posted_twice_differently" else 0)
            again = bank(p, e2e, reference, second, later=lag + rng.randrange(3))
            data.open(stage, "DUPLICATE_POSTING", again)
        elif kind == "booked_twice":
            data.open(stage, "DUPLICATE_POSTING", ledger(p, e2e, reference))
            data.belong(stage, mine, bank(p, e2e, reference, later=lag))
        elif kind in ("id_used_again", "id_used_again_and_off"):
            # the payer uses one end-to-end id for two invoices of different amounts
            other = Payment(p.minor + 1_000 + rng.randrange(p.minor), p.currency, p.day)
            reference_of_other = f"INV-{2 * count + number:06d}-{token(rng, 4)}"
            also = ledger(other, e2e, reference_of_other)
            data.belong(stage, mine, bank(p, e2e, reference, later=lag))
            if kind == "id_used_again":
                data.belong(stage, also, bank(other, e2e, reference_of_other, later=lag))
            else:
                theirs = bank(other, e2e, reference_of_other, other.minor + off_by(rng, 1_000), later=lag)
                data.open(stage, "AMOUNT_OVER", also, theirs)
        elif kind == "paid_in_two":
            part = p.minor * rng.randint(20, 80) // 100
            rest = bank(p, e2e, reference, p.minor - part, later=lag + rng.randrange(2))
            data.belong(stage, mine, bank(p, e2e, reference, part, later=lag), rest)
        elif kind == "paid_in_two_and_off":
            # which of the two is wrong, or whether one is a duplicate, cannot be known
            part, lacking = p.minor * rng.randint(20, 40) // 100, off_by(rng, p.minor)
            both = bank(p, e2e, reference, part, later=lag), bank(p, e2e, reference, p.minor - part - lacking, later=lag)
            data.open(stage, "AMBIGUOUS_MATCH", mine, *both)
        elif kind == "off_against_each_other":
            # the sums agree and neither amount does: no reason to call it settled
            other = Payment(p.minor + 1_000 + rng.randrange(p.minor), p.currency, p.day)
            by = TOLERATED + rng.randint(1, min(900, p.minor // 10))
            also = ledger(other, e2e, f"INV-{4 * count + number:06d}-{token(rng, 4)}")
            both = bank(p, e2e, None, p.minor + by, later=lag), bank(other, e2e, None, other.minor - by, later=lag)
            data.open(stage, "AMBIGUOUS_MATCH", mine, also, *both)
        elif kind == "two_paid_in_one":
            other = Payment(p.minor + 1_000 + rng.randrange(p.minor), p.currency, p.day)
            also = ledger(other, e2e, f"INV-{3 * count + number:06d}-{token(rng, 4)}")
            data.belong(stage, mine, also, bank(p, e2e, reference, p.minor + other.minor, later=lag))
        elif kind == "reference_of_another" and settled:
            # by rule 13 the same key with other content is a potential duplicate
            data.open(stage, "MISSING_IN_BANK", mine)
            data.open(stage, "DUPLICATE_POSTING", bank(p, None, settled.pop(), p.minor + 7, later=9))
        else:
            data.belong(stage, mine, bank(p, e2e, reference, later=lag))
            settled.append(reference)
    return data.shuffled(rng)


def ledger_and_acquirer(count: int, seed: int) -> DataSet:
    """Card sales against the acquirer's settlement, its fees against the invoice, chargebacks against the disputes."""
    rng, data = random.Random(f"acquirer-{seed}"), DataSet("ledger_and_acquirer")
    true = payments(count, seed, "INR,USD,EUR,JPY,KWD")
    known = sorted({payment.currency for payment in true})
    for number, (p, kind) in enumerate(zip(true, classes_of(rng, ACQUIRER, count), strict=True)):
        data.classes[kind] += 1
        _sale(rng, data, p, kind, f"ORD-{seed}-{number:07d}-{token(rng, 3)}", token(rng, 8), known)
    for number, (p, kind) in enumerate(zip(true, classes_of(rng, DISPUTES, count), strict=True)):
        data.classes[f"chargeback_{kind}"] += 1
        _chargeback(rng, data, p, kind, f"ORD-{seed}-{number + count:07d}-{token(rng, 3)}", token(rng, 8), known)
    return data.shuffled(rng)


def _ledger_row(p: Payment, minor: int, order: str, code: str) -> Row:
    return {"order_id": order, "amount": said(minor, p.currency), "currency": p.currency,
            "occurred_at": f"{p.day}T10:11:00Z", "authorization_code": code}  # fmt: skip


def _sale(rng: random.Random, data: DataSet, p: Payment, kind: str, order: str, code: str, known: Sequence[str]) -> None:
    fee = max(1, p.minor * FEES[p.currency].basis_points // 10_000 + FEES[p.currency].fixed_minor)
    batch = f"SET-{p.day:%y%m%d}"

    def acquirer(minor: int, order: str = order, code: str = code, batch: str = batch, **more: str) -> Member:
        return data.book("acquirer", "acquirer_tx_id", {
            "order_id": order, "gross_amount": said(minor, p.currency), "net_amount": said(minor - fee, p.currency),
            "fee_amount": said(fee, p.currency), "currency": p.currency, "authorization_code": code, "settlement_id": batch,
            "settlement_date": (p.day + timedelta(days=2)).isoformat(), **more,
        })  # fmt: skip

    def invoice(amount: int, order: str = order) -> Member:
        return data.book("fees", "fee_id", {
            "order_id": order, "fee_amount": said(amount, p.currency), "charged_at": f"{p.day}T23:00:00Z",
            "settlement_id": batch,
        })  # fmt: skip

    if kind == "fee_only":
        # an invoice of a sale that was never settled
        data.open("fees", "MISSING_IN_ACQUIRER", invoice(fee))
        kind = "not_yet_settled"
    mine = None
    if kind != "acquirer_only":
        mine = data.book("ledger", "ledger_tx_id", _ledger_row(p, p.minor, order, code))
    if kind == "not_yet_settled" and mine:
        data.open("sales", "MISSING_IN_ACQUIRER", mine)
        return
    if kind == "order_damaged":
        order = damaged(rng, order)
    change = {"rounded": signed(rng, TOLERATED), "over": off_by(rng, p.minor), "under": -off_by(rng, p.minor)}
    if kind == "captured_in_two" and mine:
        part = p.minor * rng.randint(30, 70) // 100
        data.belong("sales", mine, acquirer(part), acquirer(p.minor - part))
        captures = [("acquirer", row["acquirer_tx_id"] or "") for row in data.sources["acquirer"][-2:]]
        for capture in captures:
            data.belong("fees", capture, invoice(fee))
        return
    theirs = acquirer(
        p.minor + change.get(kind, 0), order,
        damaged(rng, code) if kind == "authorisation_damaged" else code,
        **({"currency": another_currency(rng, p.currency, known)} if kind == "other_currency" else {}),
        **({"gross_amount": "n/a"} if kind == "unreadable" else {}),
    )  # fmt: skip
    if mine is None:
        data.open("sales", "MISSING_IN_LEDGER", theirs)
    elif kind in ("authorisation_damaged", "order_damaged", "unreadable"):
        data.open("sales", "MISSING_IN_ACQUIRER", mine)
        data.open("sales", "SCHEMA_INVALID" if kind == "unreadable" else "MISSING_IN_LEDGER", theirs)
    elif kind in ("over", "under", "other_currency"):
        reason = {"over": "AMOUNT_OVER", "under": "AMOUNT_UNDER"}.get(kind, "CURRENCY_MISMATCH")
        data.open("sales", reason, mine, theirs)
    else:
        data.belong("sales", mine, theirs)
    if kind in ("settled_twice", "settled_again_in_another_batch"):
        is_same = kind == "settled_twice"
        again = acquirer(p.minor, batch=batch if is_same else f"{batch}-B", settlement_date=str(p.day + timedelta(days=3)))
        data.open("sales", "DUPLICATE_POSTING", again)
        data.open("fees", "DUPLICATE_POSTING" if is_same else "MISSING_IN_FEES", again)
    if kind == "fee_missing":
        data.open("fees", "MISSING_IN_FEES", theirs)
    elif kind in ("fee_off", "fee_off_by_one"):
        difference = 1 if kind == "fee_off_by_one" else rng.randint(2, 50)
        data.open("fees", "FEE_VARIANCE", theirs, invoice(fee + difference))
    else:
        data.belong("fees", invoice(fee, order), theirs)


def _chargeback(
    rng: random.Random, data: DataSet, p: Payment, kind: str, order: str, code: str, known: Sequence[str]
) -> None:
    def dispute(minor: int, currency: str = p.currency, later: int = 0) -> Member:
        return data.book("disputes", "chargeback_id", {
            "order_id": order, "amount": said(-minor, currency), "currency": currency, "authorization_code": code,
            "occurred_at": f"{p.day + timedelta(days=later)}T10:00:00Z",
        })  # fmt: skip

    if kind == "not_booked":
        data.open("chargebacks", "MISSING_IN_LEDGER", dispute(p.minor))
        return
    mine = data.book("ledger", "ledger_tx_id", _ledger_row(p, -p.minor, order, code))
    if kind == "not_disputed":
        data.open("chargebacks", "MISSING_IN_DISPUTES", mine)
    elif kind == "off":
        # of a debit, more is less: -12.00 is less than -10.00
        by = signed(rng, 40)
        data.open("chargebacks", "AMOUNT_UNDER" if by > 0 else "AMOUNT_OVER", mine, dispute(p.minor + by))
    elif kind == "other_currency":
        currency = another_currency(rng, p.currency, known)
        data.open("chargebacks", "CURRENCY_MISMATCH", mine, dispute(p.minor, currency))
    else:
        data.belong("chargebacks", mine, dispute(p.minor))
        if kind == "sent_twice":
            data.open("chargebacks", "DUPLICATE_POSTING", dispute(p.minor, later=2))


@dataclass(frozen=True)
class Line:
    """A gateway transaction that waits for its payout, with the postings of it that are duplicates."""

    member: Member
    order: str
    net: int
    payment: Payment
    duplicates: tuple[Member, ...] = ()


def orders_and_payouts(count: int, seed: int) -> DataSet:
    """Orders of a marketplace, the gateway's transactions, and payouts of one to three of them: `count` payouts about."""
    rng, data = random.Random(f"payouts-{seed}"), DataSet("orders_gateway_payouts")
    true = payments(2 * count, seed, "INR,USD,EUR,GBP")
    known = sorted({payment.currency for payment in true})
    waiting: dict[str, list[Line]] = defaultdict(list)
    for number, (p, kind) in enumerate(zip(true, classes_of(rng, SALES, len(true)), strict=True)):
        data.classes[kind] += 1
        line = _order(rng, data, p, kind, f"ORD-{seed}-{number:07d}-{token(rng, 3)}", known)
        if line is not None:
            waiting[line.payment.currency].append(line)
    made = 0
    for currency in sorted(waiting):
        lines = waiting[currency]
        while lines:
            made += 1
            (kind,) = classes_of(rng, PAYOUTS, 1)
            taken = [lines.pop() for _ in range(min(rng.choice((1, 2, 2, 2, 3)), len(lines)))]
            others = [pool for other, pool in sorted(waiting.items()) if other > currency and pool]
            if kind == "of_two_currencies" and others:
                taken.append(others[0].pop())
            elif kind == "of_two_currencies":
                kind = "clean"
            data.classes[f"payout_{kind}"] += 1
            _payout(rng, data, kind, taken, seed, made)
    return data.shuffled(rng)


def _order(rng: random.Random, data: DataSet, p: Payment, kind: str, order: str, known: Sequence[str]) -> Line | None:
    currency = another_currency(rng, p.currency, known) if kind == "other_currency" else p.currency
    change = {"rounded": signed(rng, TOLERATED), "over": off_by(rng, p.minor), "under": -off_by(rng, p.minor)}
    gross = p.minor + change.get(kind, 0)
    # half of the amount at most: a payout that is nothing or less is no payout
    fee = min(gross // 2, gross * FEES[currency].basis_points // 10_000 + FEES[currency].fixed_minor)

    def gateway(later: int = 0) -> Member:
        return data.book("gateway", "gateway_tx_id", {
            "order_id": order, "gross_amount": said(gross, currency), "fee_amount": said(fee, currency),
            "net_amount": said(gross - fee, currency), "currency": currency,
            "captured_at": f"{p.day + timedelta(days=later)}T12:17:00Z",
        })  # fmt: skip

    if kind == "no_order":
        theirs = gateway()
        data.open("sales", "MISSING_IN_ORDERS", theirs)
        return Line(theirs, order, gross - fee, p._replace(currency=currency))
    data.book("orders", "order_id", {"order_id": order, "gross_amount": said(p.minor, p.currency),
                                            "currency": p.currency, "order_date": f"{p.day}T11:00:00Z"})  # fmt: skip
    mine = ("orders", order)
    if kind == "not_captured":
        data.open("sales", "MISSING_IN_GATEWAY", mine)
        return None
    theirs = gateway()
    reason = {"over": "AMOUNT_OVER", "under": "AMOUNT_UNDER", "other_currency": "CURRENCY_MISMATCH"}.get(kind)
    if reason:
        data.open("sales", reason, mine, theirs)
    else:
        data.belong("sales", mine, theirs)
    again: tuple[Member, ...] = ()
    if kind == "captured_twice":
        again = (gateway(rng.randrange(2)),)
        data.open("sales", "DUPLICATE_POSTING", *again)
    return Line(theirs, order, gross - fee, p._replace(currency=currency), again)


def _payout(rng: random.Random, data: DataSet, kind: str, lines: Sequence[Line], seed: int, number: int) -> None:
    """A payout of some lines, or what went wrong with it; a duplicate of a line is paid by nobody."""
    currency, stage = lines[0].payment.currency, "payouts"
    due = sum(line.net - COST_PER_ORDER for line in lines)
    day = max(line.payment.day for line in lines) + timedelta(days=3)
    members = [line.member for line in lines]
    for line in lines:
        data.open(stage, "DUPLICATE_POSTING", *line.duplicates)

    def pay(minor: int, orders: Sequence[str], later: int = 0) -> Member:
        named = list(orders)
        rng.shuffle(named)
        return data.book("payouts", "payout_id", {
            "amount": said(minor, currency), "currency": currency, "included_order_ids": "|".join(named),
            "payout_date": (day + timedelta(days=later)).isoformat(),
        })  # fmt: skip

    orders = [line.order for line in lines]
    if kind == "not_paid":
        for line in lines:
            data.open(stage, "MISSING_IN_PAYOUTS", line.member)
    elif kind == "of_unknown_orders":
        unknown = [f"ORD-{seed}-{9_000_000 + number}-{token(rng, 3)}" for _ in lines]
        data.open(stage, "ORPHAN_PAYOUT", pay(due, unknown))
        data.open(stage, "MISSING_IN_PAYOUTS", *members)
    elif kind in ("short", "short_by_far", "over", "instalment"):
        # an instalment is about 65 % of what the lines come to before the payout's own cost
        percent = {"short": (70, 97), "short_by_far": (5, 40), "over": (103, 130), "instalment": (50, 64)}[kind]
        before = due + COST_PER_ORDER * len(lines)
        paid = before * rng.randint(*percent) // 100
        if kind == "short":
            paid = min(paid, due - off_by(rng, due))
        reason = {"over": "PAYOUT_OVER", "instalment": "PARTIAL"}.get(kind, "PAYOUT_SHORT")
        data.open(stage, reason, pay(paid, orders), *members)
    elif kind == "of_two_currencies":
        data.open(stage, "CURRENCY_MISMATCH", pay(due, orders), *members)
    elif kind == "names_a_line_that_is_late":
        late = f"ORD-{seed}-{8_000_000 + number}-{token(rng, 3)}"
        data.open(stage, "BATCH_INCOMPLETE", pay(due + rng.randint(500, 90_000), [*orders, late]), *members)
    elif kind == "order_damaged":
        hit = rng.randrange(len(lines))
        named = [damaged(rng, order) if n == hit else order for n, order in enumerate(orders)]
        data.open(stage, "MISSING_IN_PAYOUTS", members[hit])
        found = [member for n, member in enumerate(members) if n != hit]
        data.open(stage, "BATCH_INCOMPLETE" if found else "ORPHAN_PAYOUT", pay(due, named), *found)
    elif kind == "paid_in_two":
        part = due * rng.randint(20, 80) // 100
        data.belong(stage, pay(part, orders), pay(due - part, orders, later=rng.randrange(4)), *members)
    else:
        rounding = signed(rng, TOLERATED) if kind == "rounded" else 0
        data.belong(stage, pay(due + rounding, orders), *members)
        if kind == "paid_twice":
            data.open(stage, "DUPLICATE_POSTING", pay(due, orders, later=1))


SETS: Mapping[str, Callable[[int, int], DataSet]] = {
    "ledger_and_bank_statement": ledger_and_bank,
    "ledger_and_acquirer": ledger_and_acquirer,
    "orders_gateway_payouts": orders_and_payouts,
}
"""Rule set -> what makes its data, of so many entries per source and a seed."""
