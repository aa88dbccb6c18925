"""Whether a bank's statement proves itself: its balances explain its entries, and what it counts is what was read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from paylake.contracts.statements import (
    BALANCE_PROOF_FAILED,
    CONTROL_TOTAL_MISMATCH,
    NO_CONTROL,
    PROVED,
    SCHEMA_INVALID,
    UNPROVED,
)
from paylake.statements.model import UnreadableFile

LARGEST = Decimal(10) ** 18
"""The first amount that the contracts' DECIMAL(24,6) does not hold."""
EXACT_DIGITS = 60
"""Enough for any sum of amounts: Python's own 28 digits would round the sum of many large ones."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """A count, sum or trailer that a file states, beside what was read.

    `what` is a clause such as `the sum of the credits (90C)`.
    """

    what: str
    stated: Decimal | int
    read: Decimal | int

    @property
    def agrees(self) -> bool:
        """True where what was read is what is stated."""
        return self.stated == self.read

    @property
    def difference(self) -> Decimal:
        """What is stated minus what was read."""
        with localcontext(prec=EXACT_DIGITS):
            return Decimal(self.stated) - Decimal(self.read)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The verdict on a statement; see the contract `statements` for each field."""

    difference_amount: Decimal | None
    proof: str
    reason: str | None = None
    detail: str | None = None


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum of some amounts of one currency; raises UnreadableFile where no column of the lake could hold it."""
    with localcontext(prec=EXACT_DIGITS):
        amount = sum(amounts, Decimal(0))
    if abs(amount) >= LARGEST:
        raise UnreadableFile("The amounts of the file add up to more than 18 digits, which no account has.")
    return amount


def plain(amount: Decimal | int) -> str:
    """An amount or a count as people write it: 0.05, and never 5E-2."""
    return f"{amount:f}" if isinstance(amount, Decimal) else str(amount)


def prove_statement(
    *,
    currency: str | None,
    opening: Decimal | None,
    closing: Decimal | None,
    entries_amount: Decimal,
    must_balance: bool,
    net: Control | None = None,
    controls: Iterable[Control] = (),
    faults: Sequence[str] = (),
) -> Proof:
    """The verdict on one statement, with the first reason that applies, in the order of PROOF_REASONS.

    `faults` are clauses that say what could not be read. `net` states what all entries come to, for formats without
    balances; it only proves a statement that no balance proves. A format that `must_balance` and does not is unproved.
    The source of the rule: opening balance + booked entries = closing balance (OPBD/CLBD, 60F/62F, 010/015).
    """
    stated = [*controls, *([net] if net else [])]
    wrong = [control for control in stated if not control.agrees]
    if opening is not None and closing is not None:
        with localcontext(prec=EXACT_DIGITS):
            difference: Decimal | None = closing - opening - entries_amount
    else:
        difference = net.difference if net else None

    def unproved(reason: str, detail: str) -> Proof:
        return Proof(difference_amount=difference, proof=UNPROVED, reason=reason, detail=detail)

    if faults:
        return unproved(SCHEMA_INVALID, _first_of(faults))
    if wrong:
        return unproved(CONTROL_TOTAL_MISMATCH, _first_of([_disagreement(control, currency) for control in wrong]))
    if must_balance and (opening is None or closing is None):
        lacking = " and ".join(n for n, b in (("opening", opening), ("closing", closing)) if b is None)
        return unproved(BALANCE_PROOF_FAILED, f"The statement has no {lacking} balance, so nothing proves its entries.")
    if difference is None:
        return Proof(difference_amount=None, proof=NO_CONTROL)
    if difference:
        return unproved(
            BALANCE_PROOF_FAILED,
            f"Opening balance {plain(opening or Decimal(0))} and entries of {plain(entries_amount)} leave "
            f"{plain(difference)} {currency} of the closing balance {plain(closing or Decimal(0))} unexplained.",
        )
    return Proof(difference_amount=difference, proof=PROVED)


def _disagreement(control: Control, currency: str | None) -> str:
    unit = f" {currency}" if currency and isinstance(control.read, Decimal) else ""
    return (
        f"{control.what} is stated as {plain(control.stated)}{unit} but comes to {plain(control.read)}{unit}, "
        f"a difference of {plain(control.difference)}{unit}"
    )


def _first_of(clauses: Sequence[str]) -> str:
    """The first clause as a sentence, and how many others there are."""
    more = f" (and {len(clauses) - 1} more)" if len(clauses) > 1 else ""
    return f"{clauses[0][0].upper()}{clauses[0][1:]}{more}."
