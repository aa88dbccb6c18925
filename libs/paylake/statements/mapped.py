"""Any CSV or Excel file of a bank or a processor, read by a mapping that says which column means what.

Nothing is guessed: a column that is missing, a date of another form, or a currency that was not promised refuses the file,
with the line and the column.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from paylake.contracts.statements import (
    BALANCE_PROOF_FAILED,
    CHARGEBACK,
    CHARGEBACK_REVERSAL,
    FEE,
    NO_CONTROL,
    PAYOUT,
    PROVED,
    REFUND,
    REFUND_REVERSAL,
    RESERVE_HELD,
    RESERVE_RELEASED,
    SALE,
    UNKNOWN,
    UNPROVED,
)
from paylake.statements.mapping import (
    ARRIVING,
    BANK_STATEMENT,
    BANK_TEXTS,
    BY_TYPE,
    CREDITS_POSITIVE,
    DEBITS_POSITIVE,
    NEGATIVE,
    REPORT_TEXTS,
    Mapping,
)
from paylake.statements.model import Parsed, SettlementLine, Statement, StatementLine, UnreadableFile
from paylake.statements.payouts import last_days, payouts
from paylake.statements.tabular import ZERO, Row, Table, read_table
from paylake.statements.values import in_utc, listed, read_time

DIRECTIONS = {
    **dict.fromkeys((SALE, REFUND_REVERSAL, CHARGEBACK_REVERSAL, RESERVE_RELEASED), 1),
    **dict.fromkeys((REFUND, CHARGEBACK, FEE, RESERVE_HELD), -1),
}
"""Which way a line of a type moves the balance, where the report writes every amount without a sign."""
_WORKBOOK_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d")


def parse(data: bytes, mapping: Mapping) -> Parsed:
    """What a file holds by a mapping; UnreadableFile where the file is not what the mapping promises."""
    table = read_table(data, delimiter=mapping.delimiter, sheet=mapping.sheet, skip_lines=mapping.skip_lines)
    table.require(mapping.columns.values(), f"Mapping {mapping.name}")
    rows = tuple(_MappedRow(row, mapping, table) for row in table.rows)
    return _bank_statement(rows, mapping) if mapping.kind == BANK_STATEMENT else _settlement_report(rows, mapping)


@dataclass(frozen=True)
class _MappedRow:
    """A row, read by what its columns mean."""

    row: Row
    mapping: Mapping
    table: Table

    def text(self, meaning: str) -> str | None:
        column = self.mapping.columns.get(meaning)
        return self.row.text(column) if column else None

    def texts(self, meanings: tuple[str, ...]) -> dict[str, Any]:
        return {meaning: self.text(meaning) for meaning in meanings}

    def amount(self, meaning: str) -> Decimal | None:
        column = self.mapping.columns.get(meaning)
        return self.row.amount(column, self.mapping.decimal, self.mapping.thousands) if column else None

    def required_amount(self, meaning: str) -> Decimal:
        return self.row.required_amount(self.mapping.columns[meaning], self.mapping.decimal, self.mapping.thousands)

    @property
    def account(self) -> str | None:
        return self.text("account") or self.mapping.account

    @property
    def currency(self) -> str:
        column, promised = self.mapping.columns.get("currency"), self.mapping.currency
        if column is None:
            return promised or ""
        stated = self.row.currency(column)
        if promised is not None and stated != promised:
            self.row.refuse(column, f"says {stated}, and the mapping promises {promised} on every line")
        return stated

    def time(self, meaning: str) -> datetime | None:
        """The time as stated; a workbook's cell that is a date has its own form."""
        column = self.mapping.columns.get(meaning)
        stated = self.row.text(column) if column else None
        if column is None or stated is None:
            return None
        for form in _WORKBOOK_FORMS if self.table.is_workbook else ():
            try:
                return read_time(stated, form)
            except ValueError:
                continue
        try:
            return read_time(stated, self.mapping.date_format)
        except ValueError as error:
            self.row.refuse(column, str(error))

    def day(self, meaning: str) -> date | None:
        found = self.time(meaning)
        return found.date() if found else None


def _bank_statement(rows: tuple[_MappedRow, ...], mapping: Mapping) -> Parsed:
    """One statement per account and currency, in that order."""
    groups: dict[tuple[str, str], list[_MappedRow]] = defaultdict(list)
    for row in rows:
        groups[row.account or "", row.currency].append(row)
    statements, lines = [], []
    for ordinal, key in enumerate(sorted(groups), 1):
        entries = [_entry(row, ordinal) for row in groups[key]]
        lines += entries
        statements.append(_statement(ordinal, groups[key], entries))
    lines.sort(key=lambda line: line.line)
    return Parsed(format=mapping.name, statements=tuple(statements), statement_lines=tuple(lines))


def _entry(row: _MappedRow, statement: int) -> StatementLine:
    if not row.text("date"):
        row.row.refuse(row.mapping.columns["date"], "is blank, and every entry has a date")
    return StatementLine(
        line=row.row.line,
        statement=statement,
        account=row.account,
        currency=row.currency,
        amount=_change(row),
        booking_date=row.day("date"),
        value_date=row.day("value_date"),
        **row.texts(BANK_TEXTS),
    )


def _change(row: _MappedRow) -> Decimal:
    """How an entry changes the account. A debit column may write its amounts with or without a minus."""
    if "amount" in row.mapping.columns:
        amount = row.required_amount("amount")
        return amount if row.mapping.sign == CREDITS_POSITIVE else -amount
    debit, credit = row.amount("debit"), row.amount("credit")
    if bool(debit) and bool(credit) or (debit is None and credit is None):
        row.row.refuse(row.mapping.columns["debit"], "and the credit column must state one amount, and state both or none")
    return (credit or ZERO) - abs(debit or ZERO)


def _statement(ordinal: int, rows: list[_MappedRow], entries: list[StatementLine]) -> Statement:
    """A statement with its proof: opening balance and entries come to the closing balance."""
    booked = sum((entry.amount for entry in entries), ZERO)
    opening, closing = _balances(rows, entries)
    difference = None if opening is None or closing is None else closing - (opening + booked)
    days = [entry.booking_date for entry in entries if entry.booking_date]
    currency = entries[0].currency
    return Statement(
        statement=ordinal,
        account=entries[0].account,
        currency=currency,
        opening_date=min(days),
        closing_date=max(days),
        opening_balance=opening,
        closing_balance=closing,
        entries=len(entries),
        entries_amount=booked,
        difference_amount=difference,
        proof=NO_CONTROL if difference is None else UNPROVED if difference else PROVED,
        reason=BALANCE_PROOF_FAILED if difference else None,
        detail=(
            f"Opening balance {opening} {currency} and entries of {booked} come to {(opening or ZERO) + booked}, and the "
            f"closing balance is {closing}: {difference} differs; ask for the whole statement."
            if difference
            else None
        ),
    )


def _balances(rows: list[_MappedRow], entries: list[StatementLine]) -> tuple[Decimal | None, Decimal | None]:
    """The balances before the first entry and after the last one; null where the file states none."""
    columns = rows[0].mapping.columns
    if "opening_balance" in columns:
        return _only(rows, "opening_balance"), _only(rows, "closing_balance")
    if "balance" not in columns:
        return None, None
    running = [row.required_amount("balance") for row in rows]
    oldest_first = (running[0] - entries[0].amount, running[-1])
    newest_first = (running[-1] - entries[-1].amount, running[0])
    first, last = entries[0].booking_date, entries[-1].booking_date
    if first and last and first != last:
        return oldest_first if first < last else newest_first
    # all on one day: the order in which the balances run is the one that they prove
    booked = sum((entry.amount for entry in entries), ZERO)
    return newest_first if newest_first[0] + booked == newest_first[1] else oldest_first


def _only(rows: list[_MappedRow], meaning: str) -> Decimal | None:
    """A balance that the rows repeat, or that one of them states."""
    stated = {amount for row in rows if (amount := row.amount(meaning)) is not None}
    if len(stated) > 1:
        found = listed([str(amount) for amount in sorted(stated)])
        raise UnreadableFile(
            f"Column {rows[0].mapping.columns[meaning]!r} states {found}, and a statement has one {meaning}: "
            "map a running balance as balance."
        )
    return next(iter(stated), None)


def _settlement_report(rows: tuple[_MappedRow, ...], mapping: Mapping) -> Parsed:
    known = {word.casefold(): kind for word, kind in mapping.types.items()}
    lines = tuple(_settled(row, known) for row in rows)
    paid_on = last_days(
        (line.payout_id, line.currency, row.day("created_at"))
        for row, line in zip(rows, lines, strict=True)
        if line.type == PAYOUT
    )
    found = payouts(lines, paid_on=paid_on, states_payouts=PAYOUT in mapping.types.values())
    return Parsed(format=mapping.name, payouts=found, settlement_lines=lines)


def _settled(row: _MappedRow, known: dict[str, str]) -> SettlementLine:
    word = row.row.required(row.mapping.columns["type"])
    kind = known.get(word.casefold(), UNKNOWN)
    gross, fee, net = _amounts(row, kind)
    local = row.time("created_at")
    return SettlementLine(
        line=row.row.line,
        psp=row.mapping.name,
        account=row.account,
        payout_id=row.text("payout_id"),
        type=kind,
        psp_type=word,
        currency=row.currency,
        amount=gross,
        fee_amount=fee,
        net_amount=net,
        created_at=in_utc(local, row.mapping.time_zone) if local else None,
        **row.texts(REPORT_TEXTS),
    )


def _amounts(row: _MappedRow, kind: str) -> tuple[Decimal, Decimal, Decimal]:
    """Amount, fee and net of a line, signed as they change the balance; what no column states follows from the others."""
    gross, net = (_signed(row.amount(meaning), row.mapping, kind) for meaning in ("gross", "net"))
    stated_fee = row.amount("fee")
    if gross is None and net is None:
        row.row.refuse(
            row.mapping.columns.get("net") or row.mapping.columns["gross"], "is blank, and a line must say an amount"
        )
    fee = None if stated_fee is None else -stated_fee if row.mapping.fees == NEGATIVE else stated_fee
    if gross is not None and net is not None:
        return gross, gross - net if fee is None else fee, net
    fee = fee or ZERO
    return (gross, fee, gross - fee) if gross is not None else ((net or ZERO) + fee, fee, net or ZERO)


def _signed(amount: Decimal | None, mapping: Mapping, kind: str) -> Decimal | None:
    if amount is None:
        return None
    if kind == PAYOUT and mapping.payouts == ARRIVING:
        return -amount
    if mapping.sign == BY_TYPE:
        return amount * DIRECTIONS.get(kind, -1 if kind == PAYOUT else 1)
    return -amount if mapping.sign == DEBITS_POSITIVE else amount
