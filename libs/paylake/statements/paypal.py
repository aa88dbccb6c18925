"""PayPal: the settlement report (STL). Rows of two letters, in sections of one account and day.

SH begins a section and states its account and days, CH names the columns of its rows, SB is a transaction, SF totals a
currency, SC counts the rows of the section; RF and RC do the same for the report. RH, FH and FF frame the files. Amounts
are unsigned, in minor units, with CR or DR beside them. A fee in DR lessens the balance.

A batch is a section and a currency: PayPal has no smaller one. What an automatic sweep (T0401) pays must be what the batch
comes to. A withdrawal by hand cannot be tied to transactions, so it stays open, and a batch without a sweep has no control
but its totals. The totals must agree with the rows, or the file is cut off or changed: then no batch of it is proved.
A report that PayPal splits into several files is joined before it is read, as its totals stand in the last one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from paylake.contracts.currencies import minor_units
from paylake.contracts.statements import (
    CHARGEBACK,
    CHARGEBACK_REVERSAL,
    CORRECTION,
    FEE,
    FX,
    PAYOUT,
    REFUND,
    REFUND_REVERSAL,
    SALE,
    UNKNOWN,
)
from paylake.statements.model import Parsed, SettlementLine, UnreadableFile
from paylake.statements.payouts import Batch, payouts, reserve_type
from paylake.statements.tabular import Row, csv_rows, decode
from paylake.statements.values import MAX_WHOLE_DIGITS

PSP = "paypal"
FORM = "%Y/%m/%d %H:%M:%S %z"
WITHOUT_DECIMALS = frozenset({"HUF", "JPY", "TWD"})
"""Currencies that PayPal keeps without decimals; HUF and TWD have two by ISO 4217."""

SWEEP = "T0401"
CODES = {
    "T1101": CORRECTION,
    "T1106": CHARGEBACK,
    "T1107": REFUND,
    "T1108": FEE,
    "T1109": FEE,
    "T1113": REFUND,
    "T1115": REFUND_REVERSAL,
    "T1201": CHARGEBACK,
    "T1202": CHARGEBACK_REVERSAL,
    "T1205": CHARGEBACK_REVERSAL,
    "T1207": CHARGEBACK,
    "T1208": CHARGEBACK_REVERSAL,
}
"""Transaction event code -> what the line is. T1101 brings a withdrawal back that the bank returned."""
HOLDS = frozenset({"T1105", "T1110", "T1111"})
"""Codes that hold money back or release it, beside groups T15 and T21."""
GROUPS = {
    "T00": SALE,
    "T01": FEE,
    "T02": FX,
    "T04": PAYOUT,
    **dict.fromkeys(("T03", "T05", "T06", "T07", "T08", "T09", "T10", "T11", "T12", "T14", "T19", "T20", "T22"), CORRECTION),
}
"""First letters of a code -> what its group is. A payment (T00) that is sent, not received, is a correction."""

COLUMNS = (
    "Transaction ID", "Invoice ID", "PayPal Reference ID", "PayPal Reference ID Type", "Transaction Event Code",
    "Transaction Completion Date", "Transaction Debit or Credit", "Gross Transaction Amount", "Gross Transaction Currency",
    "Fee Debit or Credit", "Fee Amount", "Fee Currency",
)  # fmt: skip
_FRAMES = frozenset({"RH", "FH", "FF"})


@dataclass
class _Totals:
    """Credits and debits of gross amounts and fees, in minor units."""

    gross: dict[str, int] = field(default_factory=lambda: {"CR": 0, "DR": 0})
    fee: dict[str, int] = field(default_factory=lambda: {"CR": 0, "DR": 0})


@dataclass
class _Counted:
    """What the rows of a section or of the report come to, beside what its footers say."""

    what: str
    rows: int = 0
    totals: dict[str, _Totals] = field(default_factory=lambda: defaultdict(_Totals))
    footers: set[str] = field(default_factory=set)


@dataclass
class _Section:
    account: str
    last_day: date
    counted: _Counted
    columns: tuple[str, ...] = ()

    @property
    def batch(self) -> str:
        return f"{self.account}/{self.last_day.isoformat()}"


class _Reader:
    """Reads the rows in their order; `control` is the first total or count that differs from the rows."""

    def __init__(self) -> None:
        self.lines: list[SettlementLine] = []
        self.paid_on: dict[Batch, date] = {}
        self.control: str | None = None
        self.report = _Counted("report")
        self.section: _Section | None = None

    def read(self, line: int, cells: list[str]) -> None:
        word = cells[0]
        if word == "SH":
            self.end_section()
            self.section = _section(line, cells)
        elif word == "CH":
            self.open_section(line).columns = tuple(cells)
        elif word == "SB":
            self.transaction(line, cells)
        elif word in ("SF", "RF"):
            self.check_totals(line, cells, self.open_section(line).counted if word == "SF" else self.report)
        elif word in ("SC", "RC"):
            self.check_count(line, cells, self.open_section(line).counted if word == "SC" else self.report)
        elif word not in _FRAMES:
            raise UnreadableFile(f"Line {line} begins with {word!r}, which is no row of a PayPal settlement report.")

    def open_section(self, line: int) -> _Section:
        if self.section is None:
            raise UnreadableFile(f"Line {line} stands before the first SH row: the beginning of the report is missing.")
        return self.section

    def end_section(self) -> None:
        if self.section is not None:
            counted = self.section.counted
            for currency in sorted(counted.totals.keys() - counted.footers):
                self.differ(f"The {counted.what} has no SF row for {currency}: the file is cut off; ask for it again.")

    def differ(self, sentence: str) -> None:
        self.control = self.control or sentence

    def transaction(self, line: int, cells: list[str]) -> None:
        section = self.open_section(line)
        if missing := [name for name in COLUMNS if name not in section.columns]:
            raise UnreadableFile(f"Line {line} follows no CH row that names the columns {', '.join(missing)}.")
        if len(cells) <= max(section.columns.index(name) for name in COLUMNS):
            raise UnreadableFile(f"Line {line} has only {len(cells)} cells: it is cut off; ask for the file again.")
        row = Row(line, dict(zip(section.columns, cells, strict=False)))
        currency = row.currency("Gross Transaction Currency")
        gross_mark, gross = _marked(row, "Transaction Debit or Credit", "Gross Transaction Amount")
        fee_mark, fee = _marked(row, "Fee Debit or Credit", "Fee Amount")
        if fee and row.currency("Fee Currency") != currency:
            row.refuse("Fee Currency", f"differs from {currency}, and a fee is taken in the currency of its payment")
        for counted in (section.counted, self.report):
            counted.rows += 1
            counted.totals[currency].gross[gross_mark] += gross
            counted.totals[currency].fee[fee_mark] += fee
        found = _line(row, section, currency, gross if gross_mark == "CR" else -gross, fee if fee_mark == "DR" else -fee)
        self.lines.append(found)
        if found.type == PAYOUT and found.payout_id:
            self.paid_on[found.payout_id, currency] = section.last_day

    def check_totals(self, line: int, cells: list[str], counted: _Counted) -> None:
        if len(cells) < 6 or not all(map(_is_whole, cells[2:6])):
            raise UnreadableFile(f"Line {line} must state a currency and four totals in minor units.")
        currency, totals = cells[1], counted.totals[cells[1]]
        counted.footers.add(currency)
        stated = [int(cell) for cell in cells[2:6]]
        # files differ in which of the two fee totals stands first
        as_rows = [totals.gross["CR"], totals.gross["DR"], *sorted(totals.fee.values())]
        if [*stated[:2], *sorted(stated[2:])] != as_rows:
            self.differ(
                f"Line {line} states credits {stated[0]}, debits {stated[1]} and fees {stated[2]} and {stated[3]} in minor "
                f"units of {currency}, and the {counted.what} comes to {as_rows[0]}, {as_rows[1]}, {as_rows[2]} and "
                f"{as_rows[3]}; ask for the file again."
            )

    def check_count(self, line: int, cells: list[str], counted: _Counted) -> None:
        if len(cells) < 2 or not _is_whole(cells[1]):
            raise UnreadableFile(f"Line {line} must state a number of rows.")
        if int(cells[1]) != counted.rows:
            self.differ(
                f"Line {line} counts {cells[1]} rows, and the {counted.what} has {counted.rows}; ask for the file again."
            )


def parse(data: bytes) -> Parsed:
    """The report; UnreadableFile where its rows do not have the structure of one."""
    reader = _Reader()
    for line, cells in _rows(data):
        reader.read(line, cells)
    if reader.section is None:
        raise UnreadableFile("The file has no SH row, so it is no PayPal settlement report.")
    reader.end_section()
    found = payouts(reader.lines, paid_on=reader.paid_on, states_payouts=False, control=reader.control)
    return Parsed(format="paypal", payouts=found, settlement_lines=tuple(reader.lines))


def _rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank."""
    return ((line, cells) for line, cells in csv_rows(decode(data)) if any(cells))


def _section(line: int, cells: list[str]) -> _Section:
    """What an SH row begins: the account, and the last day of the section in the report's own time zone."""
    account = cells[3] if len(cells) > 3 else ""
    if not account:
        raise UnreadableFile(f"Line {line}: an SH row must state its first and last moment, and the account.")
    try:
        last_day = datetime.strptime(cells[2], FORM).date()
    except ValueError:
        raise UnreadableFile(f"Line {line}: {cells[2]!r} is not a moment of the form {FORM!r}.") from None
    return _Section(account, last_day, _Counted(f"section of {account} for {last_day.isoformat()}"))


def _is_whole(text: str) -> bool:
    """Whether a text is a whole number of digits that an amount may have."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_WHOLE_DIGITS


def _marked(row: Row, mark: str, amount: str) -> tuple[str, int]:
    """Whether a cell is a credit or a debit, and its minor units; a blank cell is nothing."""
    stated = row.text(amount)
    if stated is None:
        return "CR", 0
    if not _is_whole(stated):
        row.refuse(amount, f"says {stated!r}, and amounts are whole numbers of minor units")
    marked = row.text(mark)
    if marked not in ("CR", "DR"):
        if int(stated):
            row.refuse(mark, f"says {marked!r}, and must say CR or DR")
        marked = "CR"
    return marked, int(stated)


def _line(row: Row, section: _Section, currency: str, gross: int, fee: int) -> SettlementLine:
    """An SB row: one transaction. `gross` and `fee` are in minor units, the fee positive where it lessens the balance."""
    places = 0 if currency in WITHOUT_DECIMALS else minor_units(currency)
    amount, fee_amount = Decimal(gross).scaleb(-places), Decimal(fee).scaleb(-places)
    code = row.required("Transaction Event Code")
    kind = _type(code, gross)
    refers = kind != SALE and row.text("PayPal Reference ID Type") == "TXN"
    return SettlementLine(
        line=row.line,
        psp=PSP,
        account=section.account,
        payout_id=None if kind == PAYOUT and code != SWEEP else section.batch,
        type=kind,
        psp_type=code,
        currency=currency,
        amount=amount,
        fee_amount=fee_amount,
        net_amount=amount - fee_amount,
        created_at=row.moment("Transaction Completion Date", FORM, "UTC"),
        psp_reference=(row.text("PayPal Reference ID") if refers else None) or row.text("Transaction ID"),
        line_reference=row.text("Transaction ID"),
        merchant_reference=row.text("Invoice ID") or row.text("Custom Field"),
        detail=row.text("Bank Reference ID"),
    )


def _type(code: str, gross: int) -> str:
    """What a transaction event code is in the one vocabulary."""
    if code in HOLDS or code.startswith(("T15", "T21")):
        return reserve_type(gross)
    kind = CODES.get(code) or GROUPS.get(code[:3], UNKNOWN)
    return CORRECTION if kind == SALE and gross < 0 else kind
