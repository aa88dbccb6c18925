"""SWIFT MT940 (customer statement) and MT942 (interim report).

The library `mt-940` reads the structured text of :86:. Fields, amounts, marks and dates are read here, because version
5.1.1 does not read them exactly: it takes 12 from `12.50`, cuts balances after 16 characters, reads a balance without a
currency as one in "currency" 105, takes reversed credits (RC) as credits unless told otherwise, knows no expected entries
(EC, ED), refuses a whole file for one malformed field, and takes bytes that name a file for that file.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from mt940.models import Transactions
from mt940.options import Options
from mt940.processors import transaction_details_post_processor
from mt940.tags import TAG_BY_ID

from paylake.contracts.statements import BOOKED, PENDING
from paylake.statements.model import Parsed, Statement, StatementLine, UnreadableFile
from paylake.statements.proof import Control, prove_statement, total
from paylake.statements.reading import Fault, exact_amount, identifier, known_currency, one_line

FIELD = re.compile(r":(20|21|25P?|28C?|34F|13D?|60[FM]?|61|62[FM]?|64|65|86|90[CD]|NS):(.*)", re.DOTALL)
"""A line that starts a field. Other lines that look like one, such as `:12:30`, are wrapped text."""
END = re.compile(r"-(\}.*|\x03)?")
BALANCE = re.compile(r"([CD])([0-9]{6})([A-Z]{3})([0-9,]+)")
SUMS = re.compile(r"([0-9]{1,5})([A-Z]{3})([0-9,]+)")
ENTRY = re.compile(
    r"(?P<day>[0-9]{6})(?P<entry_day>[0-9]{4}|\s{4})?(?P<mark>[RE]?[CD])[A-Z]?\s?(?P<amount>[0-9]+(?:,[0-9]*)?)"
    r"(?:(?P<code>[A-Z][A-Z0-9 ]{3})(?P<reference>.*))?"
)
WRAPPED = 64
"""From this length on a line of :86: is full, and the next one goes on in the middle of a word."""
ELSEWHERE = frozenset({"KREF+", "KREF", "EREF+", "EREF"})
"""What :61: says instead of a reference that stands in :86:."""
SLASHED = re.compile(r"/(EREF|NAME|REMI)/(.*?)(?=/[A-Z]{4}/|$)")
LABEL = re.compile(r"[A-Z]{4}:")
"""A bank's own label in a structured text, which the library leaves at the end of the value before it."""


class Tagged(NamedTuple):
    """A field of a message: its tag, its lines, and the number of the first in the file."""

    tag: str
    lines: list[str]
    number: int

    @property
    def text(self) -> str:
        """Its lines, with line ends between them."""
        return "\n".join(self.lines)


class Balance(NamedTuple):
    """A balance as stated; negative in debit."""

    currency: str
    amount: Decimal
    day: date


@dataclass
class Reading:
    """What was read of one message so far, and what could not be."""

    texts: dict[str, str] = field(default_factory=dict)
    balances: dict[str, Balance] = field(default_factory=dict)
    sums: dict[str, tuple[int, Decimal]] = field(default_factory=dict)
    currencies: list[str] = field(default_factory=list)
    entries: list[tuple[Tagged, list[Tagged]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def parse(data: bytes) -> Parsed:
    """The statements of a SWIFT file, each message one, and a line per :61:, numbered by its line in the file."""
    statements: list[Statement] = []
    lines: list[StatementLine] = []
    faults: list[str] = []
    interim = True
    for message in _messages(data):
        reading = _read(message)
        is_interim = not reading.balances and bool(reading.sums or {"34F", "13D"} & reading.texts.keys())
        interim = interim and is_interim
        statement, read = _statement(reading, len(statements) + 1, is_interim)
        statements.append(statement)
        lines.extend(read)
        faults.extend(reading.faults)
    if not statements:
        raise UnreadableFile("The file has no line that starts a SWIFT field such as :20: or :60F:.")
    if not lines and all(one.opening_balance is None and one.closing_balance is None for one in statements):
        because = f": {faults[0]}" if faults else ""
        raise UnreadableFile(
            f"The file has SWIFT fields, but no balance (:60F:, :62F:) and no entry (:61:) is readable{because}."
        )
    return Parsed(format="mt942" if interim else "mt940", statements=tuple(statements), statement_lines=tuple(lines))


def _decoded(data: bytes) -> str:
    """UTF-8 where it is; else Latin-1, in which European banks write, and which any bytes are."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _messages(data: bytes) -> Iterator[list[Tagged]]:
    """The messages of a file: from :20:, or from what follows a message's end, to the next one."""
    message: list[Tagged] = []
    is_open = False
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", _decoded(data)), start=1):
        line = raw.partition("{4:")[2] if raw.startswith("{") else raw
        if END.fullmatch(line.rstrip(" ")):
            if message:
                yield message
            message, is_open = [], False
        elif found := FIELD.fullmatch(line):
            if found[1] == "20" and message:
                yield message
                message = []
            message.append(Tagged(found[1], [found[2]], number))
            is_open = True
        elif is_open:
            message[-1].lines.append(line)
    if message:
        yield message


def _read(message: list[Tagged]) -> Reading:
    """The fields of a message, by what they are for."""
    reading = Reading()
    details: list[Tagged] | None = None
    for one in message:
        if one.tag == "61":
            details = []
            reading.entries.append((one, details))
        elif one.tag in ("86", "NS"):
            if details is not None:
                details.append(one)
        else:
            details = None
            try:
                _read_field(reading, one)
            except Fault as fault:
                reading.faults.append(f"field :{one.tag}: in line {one.number} {fault}")
    return reading


def _read_field(reading: Reading, one: Tagged) -> None:
    """Add a field that is about the statement as a whole."""
    text = one_line(one.text) or ""
    kind = one.tag[:2]
    if kind in ("60", "62"):
        if kind in reading.balances:
            raise Fault("is the second of its kind in one statement")
        reading.balances[kind] = _balance(text)
    elif kind == "90":
        found = SUMS.fullmatch(text)
        if not found:
            raise Fault(f"is `{text[:40]}`, which is not a number of entries, a currency and a sum")
        reading.currencies.append(known_currency(found[2]))
        reading.sums[one.tag] = int(found[1]), _amount(found[3])
    elif one.tag == "25" and "25" in reading.texts:
        raise Fault("names a second account in one statement")
    else:
        reading.texts.setdefault("25" if one.tag == "25P" else one.tag, text)


def _amount(text: str) -> Decimal:
    return exact_amount(text.replace(",", "."))


def _balance(text: str) -> Balance:
    found = BALANCE.fullmatch(text)
    if not found:
        raise Fault(f"is `{text[:40]}`, which is not a mark, a date, a currency and an amount")
    amount = _amount(found[4])
    return Balance(known_currency(found[3]), amount if found[1] == "C" else -amount, _day(found[2]))


def _day(text: str) -> date:
    """A date of six digits. Banks that count 30 days a month write 30 February: its last day."""
    year, month, day = 2000 + int(text[:2]), int(text[2:4]), int(text[4:])
    if month == 2 and day <= 30:
        day = min(day, calendar.monthrange(year, 2)[1])
    try:
        return date(year, month, day)
    except ValueError:
        raise Fault(f"has `{text}` for a date") from None


def _entry_day(text: str | None, value_date: date) -> date | None:
    """The booking date of four digits, in the year that brings it next to the value date."""
    if not text or not text.strip():
        return None
    years = (
        f"{year % 100:02}" for year in (value_date.year, value_date.year + 1, value_date.year - 1) if 2000 <= year < 2100
    )
    return min((_day(year + text) for year in years), key=lambda day: abs(day - value_date))


def _statement(reading: Reading, ordinal: int, is_interim: bool) -> tuple[Statement, list[StatementLine]]:
    """A message as a statement with its proof, and its lines."""
    opening, closing = reading.balances.get("60"), reading.balances.get("62")
    stated = [one.currency for one in (opening, closing) if one] + reading.currencies
    floor = reading.texts.get("34F", "")[:3]
    currency = stated[0] if stated else floor if floor.isalpha() and floor.isascii() else None
    reading.faults.extend(f"the statement is in {currency} and in {other}" for other in stated if other != currency)
    lines = list(_lines(reading, ordinal, currency))
    booked = [one for one in lines if one.status == BOOKED]
    entries_amount = total(one.amount for one in booked)
    is_comparable = len(set(stated)) <= 1
    net, controls = _sums(reading, lines)
    proof = prove_statement(
        currency=currency,
        opening=opening.amount if opening and is_comparable else None,
        closing=closing.amount if closing and is_comparable else None,
        entries_amount=entries_amount,
        must_balance=not is_interim,
        net=net,
        controls=controls,
        faults=reading.faults,
    )
    return Statement(
        statement=ordinal,
        statement_id=reading.texts.get("20") or None,
        account=reading.texts.get("25") or None,
        currency=currency,
        sequence=reading.texts.get("28C") or reading.texts.get("28") or None,
        opening_date=opening.day if opening else None,
        closing_date=closing.day if closing else None,
        opening_balance=opening.amount if opening else None,
        closing_balance=closing.amount if closing else None,
        entries=len(booked),
        entries_amount=entries_amount,
        difference_amount=proof.difference_amount,
        proof=proof.proof,
        reason=proof.reason,
        detail=proof.detail,
    ), lines


def _sums(reading: Reading, lines: list[StatementLine]) -> tuple[Control | None, list[Control]]:
    """What 90C and 90D state of the entries, expected ones included, and their net where both sides are stated."""
    sides = {
        "90C": [one.amount for one in lines if one.amount >= 0],
        "90D": [-one.amount for one in lines if one.amount < 0],
    }
    controls: list[Control] = []
    for tag, (count, amount) in sorted(reading.sums.items()):
        side = "credits" if tag == "90C" else "debits"
        controls.append(Control(what=f"the number of {side} ({tag})", stated=count, read=len(sides[tag])))
        controls.append(Control(what=f"the sum of the {side} ({tag})", stated=amount, read=total(sides[tag])))
    if not reading.sums or any(amounts and tag not in reading.sums for tag, amounts in sides.items()):
        return None, controls
    credits, debits = (reading.sums[tag][1] if tag in reading.sums else Decimal(0) for tag in ("90C", "90D"))
    read = total(sides["90C"]) - total(sides["90D"])
    return Control(what="the net of the entries (90C, 90D)", stated=credits - debits, read=read), controls


def _lines(reading: Reading, ordinal: int, currency: str | None) -> Iterator[StatementLine]:
    """The entries that are readable; the others are added to the faults."""
    for one, details in reading.entries:
        try:
            yield _line(one, details, ordinal, reading.texts.get("25") or None, currency)
        except Fault as fault:
            reading.faults.append(f"the entry in line {one.number} {fault}")


def _line(one: Tagged, details: list[Tagged], ordinal: int, account: str | None, currency: str | None) -> StatementLine:
    first, *supplement = one.lines
    if supplement and re.fullmatch(r"[0-9]{6,10}[RECD]{1,2}[A-Z]?", first):
        first += supplement.pop(0)  # wrapped before the amount
    found = ENTRY.fullmatch(first.rstrip())
    if not found:
        raise Fault(f"is `{(one_line(first) or '')[:40]}`, which is not a date, a mark, an amount and a code")
    if currency is None:
        raise Fault("has no currency: no balance of its statement is readable")
    amount = _amount(found["amount"])
    mark = found["mark"]
    # a reversed credit leaves the account as a debit does, and the other way round
    is_credit = mark in ("C", "EC", "RD")
    value_date = _day(found["day"])
    reference, _, bank_reference = (found["reference"] or "").partition("//")
    said = _said(details)
    return StatementLine(
        line=one.number,
        statement=ordinal,
        account=account,
        currency=known_currency(currency),
        amount=amount if is_credit else -amount,
        is_reversal=mark.startswith("R"),
        status=PENDING if mark.startswith("E") else BOOKED,
        booking_date=_entry_day(found["entry_day"], value_date),
        value_date=value_date,
        transaction_code=one_line(found["code"]),
        end_to_end_id=identifier(said.get("end_to_end_id")),
        reference=identifier(said.get("reference") if reference.strip() in ELSEWHERE else reference),
        bank_reference=identifier(bank_reference),
        counterparty=one_line(said.get("counterparty")),
        remittance=one_line(said.get("remittance")) or one_line(*supplement),
    )


def _said(details: list[Tagged]) -> dict[str, str]:
    """What the texts of an entry (:86:, or :NS: where a bank uses that) say: structured, slashed or free."""
    text = " ".join(_unwrapped(one.lines) for one in details if one.tag == "86")
    if not text.strip():
        marked = (line for one in details for line in one.lines)
        return {"remittance": " ".join(re.sub(r"^[0-9]{2}", "", line) for line in marked)}
    if re.match(r"[0-9]{3}\?[0-9]{2}", text):
        joined = {"transaction_details": "".join("".join(one.lines) for one in details if one.tag == "86")}
        parts = transaction_details_post_processor(Transactions(options=Options.all()), TAG_BY_ID[86], joined, dict(joined))
        purpose = parts.get("purpose") or parts.get("posting_text")
        said = {
            "end_to_end_id": LABEL.split(parts.get("end_to_end_reference") or "")[0],
            "counterparty": parts.get("applicant_name"),
            "reference": parts.get("customer_reference"),
            "remittance": purpose,
        }
        return {key: value for key, value in said.items() if value}
    slashed = dict(SLASHED.findall(text))
    return {
        "end_to_end_id": slashed.get("EREF", ""),
        "counterparty": slashed.get("NAME", ""),
        "remittance": slashed.get("REMI") or text,
    }


def _unwrapped(lines: list[str]) -> str:
    """The lines of a text as one: a full line runs on, a shorter one ends with a word."""
    return "".join(line if len(line) >= WRAPPED else f"{line} " for line in lines)
