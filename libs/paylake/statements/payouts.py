"""From settlement lines to payouts with their proof: do the components come to what the processor says it pays?

A line's amounts are signed as they change the balance that the processor keeps for the merchant. So a payout's own line
takes its amount out (negative), and in a payout that is proved all its lines, the payout's own with them, sum to zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from paylake.contracts.statements import (
    CHARGEBACK,
    CHARGEBACK_REVERSAL,
    CONTROL_TOTAL_MISMATCH,
    CORRECTION,
    FEE,
    FX,
    NO_CONTROL,
    PAYOUT,
    PAYOUT_MISSING,
    PAYOUT_NOT_TIED,
    PROVED,
    REFUND,
    REFUND_REVERSAL,
    RESERVE_HELD,
    RESERVE_RELEASED,
    SALE,
    SCHEMA_INVALID,
    UNKNOWN,
    UNKNOWN_TYPE,
    UNPROVED,
)
from paylake.statements.model import Payout, SettlementLine

ZERO = Decimal(0)


def reserve_type(amount: Decimal | int) -> str:
    """What a movement of the reserve is, where the processor has one word for both directions: its sign tells."""
    return RESERVE_HELD if amount < 0 else RESERVE_RELEASED


Batch = tuple[str, str]
"""A payout_id and a currency."""


@dataclass(frozen=True)
class _Break:
    reason: str
    detail: str


def payouts(
    lines: Iterable[SettlementLine],
    *,
    paid_on: Mapping[Batch, date] | None = None,
    states_payouts: bool = True,
    control: str | None = None,
) -> tuple[Payout, ...]:
    """One payout per payout_id and currency, in that order; lines without a payout_id stay open and are in none.

    `paid_on` says when each payout is paid. Where a format has no payout lines (`states_payouts`) nothing can be missing,
    and a payout without one is NO_CONTROL. `control` is the sentence that says how a control total of the file differs
    from its rows: it breaks every payout of the file.
    """
    groups: dict[Batch, list[SettlementLine]] = defaultdict(list)
    for line in lines:
        if line.payout_id is not None:
            groups[line.payout_id, line.currency].append(line)
    return tuple(
        _payout(ordinal, sorted(groups[key], key=lambda line: line.line), (paid_on or {}).get(key), states_payouts, control)
        for ordinal, key in enumerate(sorted(groups), 1)
    )


def last_days(stated: Iterable[tuple[str | None, str, date | None]]) -> dict[Batch, date]:
    """The last day that is stated for each payout; a line that states none, or is in no payout, says nothing."""
    found: dict[Batch, date] = {}
    for payout_id, currency, day in stated:
        if payout_id is not None and day is not None:
            found[payout_id, currency] = max(day, found.get((payout_id, currency), day))
    return found


def _payout(
    ordinal: int, lines: list[SettlementLine], paid_on: date | None, states_payouts: bool, control: str | None
) -> Payout:
    """The payout of its lines, which share payout_id and currency and stand in the file's order."""
    stated = [line for line in lines if line.type == PAYOUT]
    known = [line for line in lines if line.type != UNKNOWN]
    components = {
        "sales_amount": _sum(lines, SALE),
        "refunds_amount": _sum(lines, REFUND, REFUND_REVERSAL),
        "chargebacks_amount": _sum(lines, CHARGEBACK, CHARGEBACK_REVERSAL),
        "fees_amount": _sum(lines, FEE) - sum((line.fee_amount for line in known), ZERO),
        "reserve_amount": _sum(lines, RESERVE_HELD, RESERVE_RELEASED),
        "corrections_amount": _sum(lines, CORRECTION, FX),
        "unknown_amount": sum((line.net_amount for line in lines if line.type == UNKNOWN), ZERO),
    }
    expected = sum(components.values(), ZERO)
    payout_amount = -_sum(lines, PAYOUT) if stated else None
    difference = _difference(payout_amount, expected, states_payouts)
    found = _break(lines, expected, payout_amount, difference, states_payouts, control)
    accounts = sorted({line.account for line in lines if line.account})
    return Payout(
        statement=ordinal,
        psp=lines[0].psp,
        account=accounts[0] if len(accounts) == 1 else None,
        payout_id=lines[0].payout_id or "",
        currency=lines[0].currency,
        payout_date=paid_on,
        lines=len(lines) - len(stated),
        **components,
        expected_amount=expected,
        payout_amount=payout_amount,
        difference_amount=difference,
        proof=UNPROVED if found else PROVED if difference is not None else NO_CONTROL,
        reason=found.reason if found else None,
        detail=found.detail if found else None,
    )


def _sum(lines: Iterable[SettlementLine], *types: str) -> Decimal:
    return sum((line.amount for line in lines if line.type in types), ZERO)


def _difference(payout_amount: Decimal | None, expected: Decimal, states_payouts: bool) -> Decimal | None:
    """Stated minus expected. Where a format has payout lines, a batch that comes to nothing is paid by having none."""
    if payout_amount is not None:
        return payout_amount - expected
    return ZERO if states_payouts and expected == 0 else None


def _break(
    lines: list[SettlementLine],
    expected: Decimal,
    payout_amount: Decimal | None,
    difference: Decimal | None,
    states_payouts: bool,
    control: str | None,
) -> _Break | None:
    """Why a payout is not proved: the first reason that applies, in the order of PROOF_REASONS."""
    currency, payout_id = lines[0].currency, lines[0].payout_id
    for line in lines:
        if line.net_amount != line.amount - line.fee_amount:
            off = line.net_amount - (line.amount - line.fee_amount)
            return _Break(
                SCHEMA_INVALID,
                f"Line {line.line} states net {line.net_amount} {currency}, and amount {line.amount} less fee "
                f"{line.fee_amount} is {line.amount - line.fee_amount}: {off} differs; ask {line.psp} for a correct report.",
            )
    unknown = sorted({line.psp_type for line in lines if line.type == UNKNOWN})
    if unknown:
        where = next(line.line for line in lines if line.type == UNKNOWN)
        return _Break(
            UNKNOWN_TYPE,
            f"No format knows the type {', '.join(map(repr, unknown))} (first on line {where}): "
            "find out what it is before anything is posted.",
        )
    if control is not None:
        return _Break(CONTROL_TOTAL_MISMATCH, control)
    if difference:
        return _Break(
            PAYOUT_NOT_TIED,
            f"Payout {payout_id} states {payout_amount} {currency}, and its lines come to {expected}: "
            f"{difference} differs; look for lines that the report lacks.",
        )
    if difference is None and states_payouts:
        return _Break(
            PAYOUT_MISSING,
            f"Payout {payout_id} has no line that says what is paid; its lines come to {expected} {currency}. "
            "Ask for the whole report.",
        )
    return None
