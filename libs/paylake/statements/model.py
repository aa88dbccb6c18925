"""What every format is read into. Field for field the contracts' rows, without the file's own columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from paylake.contracts.statements import BOOKED


@dataclass(frozen=True, kw_only=True)
class StatementLine:
    """An entry of a bank statement; see the contract `statement_lines` for each field."""

    line: int
    part: int = 0
    statement: int
    account: str | None
    currency: str
    amount: Decimal
    is_reversal: bool = False
    status: str = BOOKED
    booking_date: date | None = None
    value_date: date | None = None
    transaction_code: str | None = None
    end_to_end_id: str | None = None
    reference: str | None = None
    bank_reference: str | None = None
    counterparty: str | None = None
    remittance: str | None = None


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement of a bank's file with its proof; see the contract `statements`."""

    statement: int
    statement_id: str | None = None
    account: str | None
    currency: str | None
    sequence: str | None = None
    opening_date: date | None = None
    closing_date: date | None = None
    opening_balance: Decimal | None = None
    closing_balance: Decimal | None = None
    entries: int
    entries_amount: Decimal
    difference_amount: Decimal | None
    proof: str
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class SettlementLine:
    """A line of a processor's report; see the contract `settlement_lines`."""

    line: int
    psp: str
    account: str | None = None
    payout_id: str | None
    type: str
    psp_type: str
    currency: str
    amount: Decimal
    fee_amount: Decimal
    net_amount: Decimal
    gross_currency: str | None = None
    gross_amount: Decimal | None = None
    exchange_rate: Decimal | None = None
    created_at: datetime | None = None
    psp_reference: str | None = None
    line_reference: str | None = None
    merchant_reference: str | None = None
    payment_method: str | None = None
    detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Payout:
    """A payout of a processor's report with its proof; see the contract `payouts`."""

    statement: int
    psp: str
    account: str | None
    payout_id: str
    currency: str
    payout_date: date | None = None
    lines: int
    sales_amount: Decimal
    refunds_amount: Decimal
    chargebacks_amount: Decimal
    fees_amount: Decimal
    reserve_amount: Decimal
    corrections_amount: Decimal
    unknown_amount: Decimal
    expected_amount: Decimal
    payout_amount: Decimal | None
    difference_amount: Decimal | None
    proof: str
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """What a file holds. A bank's file fills the first two, a processor's report the last two."""

    format: str
    statements: tuple[Statement, ...] = ()
    statement_lines: tuple[StatementLine, ...] = ()
    payouts: tuple[Payout, ...] = ()
    settlement_lines: tuple[SettlementLine, ...] = ()


class UnreadableFile(ValueError):
    """A file that a format cannot read at all. Its text is a sentence that says what is wrong, and where."""


Parser = Callable[[bytes], Parsed]
"""A format: from a file's bytes to what it holds; raises UnreadableFile, and nothing else."""
