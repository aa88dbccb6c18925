"""BAI2 (cash management balance reporting), read here because the libraries refuse legal variants.

A file (01/99) holds groups (02/98) of accounts (03/49) with entries (16); 88 continues any of them. Amounts have no decimal
point: the currency's minor units say where it is. Records end with a slash, with the line, or both, and some banks write
several to a line or break one over lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from paylake.contracts.currencies import minor_units
from paylake.contracts.statements import BOOKED, INFORMATION
from paylake.statements.model import Parsed, Statement, StatementLine, UnreadableFile
from paylake.statements.proof import Control, prove_statement, total
from paylake.statements.reading import Fault, identifier, known_currency, one_line

RECORD = re.compile(r"\s*(?:(01|02|03|16|49|88|98|99),|(88):)(.*)", re.DOTALL)
"""The start of a record; a bank was seen to write a colon after 88."""
NEXT_ON_THE_LINE = re.compile(r"(?<=/)\s+(?=(?:01|02|03|16|49|88|98|99),)")
GOES_ON = "\n"
"""Marks a field that starts a continuation: text goes on there without a comma."""
WHOLE = re.compile(r"([+-]?)([0-9]{1,18})")
OPENING, CLOSING = "010", "015"
TOTALS = {"100": ("credits", 1), "400": ("debits", -1)}
"""Summary codes -> what they are the sum and the number of, and its sign."""
NOT_POSTED = {"2": "deletes what was sent before", "4": "is only a test"}
"""A group's status -> why its entries are no new ones. 1 is an update, 3 a correction."""
AVAILABILITY = {"S": 3, "V": 2}
"""Type of funds -> how many fields follow it; D states their number itself."""


class Record(NamedTuple):
    """A record with its continuations: code, fields, its number in the file, and how many records it is made of."""

    code: str
    fields: list[str]
    number: int
    size: int


class Summary(NamedTuple):
    """A balance or total of an account's record 03."""

    code: str
    amount: int
    items: int | None


@dataclass
class Account:
    """The records of an account, and what its trailer is checked with."""

    header: Record
    entries: list[Record] = field(default_factory=list)
    trailer: Record | None = None


@dataclass
class Group:
    """The accounts of a group, and of how many records it is made."""

    header: Record
    size: int
    accounts: list[Account] = field(default_factory=list)
    trailer: Record | None = None


def parse(data: bytes) -> Parsed:
    """The accounts of a BAI2 file, each a statement, and a line per entry, numbered by its record in the file.

    A trailer of a group or of the file that disagrees is held against each of its accounts: none of them can be trusted.
    """
    records = list(_records(data))
    if not records or records[0].code != "01":
        raise UnreadableFile("The file does not start with a BAI2 file header (01).")
    groups, trailer = _structure(records)
    if not any(group.accounts for group in groups):
        raise UnreadableFile("The file has a BAI2 header (01), but no account (03) inside a group (02).")
    broken: list[str] = [] if trailer else ["the file has no trailer (99)"]
    totals, size = _sum_of(group.trailer for group in groups), sum(record.size for record in records)
    controls = _controls(trailer, "file", "99", totals, len(groups), size, broken)
    statements: list[Statement] = []
    lines: list[StatementLine] = []
    for group in groups:
        if not group.accounts:  # its trailer has no account of its own to be held against
            controls.extend(_group_controls(group, broken))
    for group in groups:
        faults = [*broken, *_group_faults(group)]
        of_group = _group_controls(group, faults)
        for account in group.accounts:
            statement, read = _statement(account, group, len(statements) + 1, faults, [*of_group, *controls])
            statements.append(statement)
            lines.extend(read)
    return Parsed(format="bai2", statements=tuple(statements), statement_lines=tuple(lines))


def _records(data: bytes) -> Iterator[Record]:
    """The records, each with its continuations (88) and the lines that belong to it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    raw: list[list[str]] = []
    for line in re.split(r"\r\n|\n|\r", text):
        for part in NEXT_ON_THE_LINE.split(line):
            if found := RECORD.fullmatch(part):
                raw.append([found[1] or found[2], found[3]])
            elif raw and part.strip():
                raw[-1][1] += " " + part
    current: Record | None = None
    for number, (code, body) in enumerate(raw, start=1):
        fields = _ended(body).split(",")
        if code == "88" and current is not None:
            current.fields.extend([GOES_ON + fields[0], *fields[1:]])
            current = current._replace(size=current.size + 1)
            continue
        if current is not None:
            yield current
        current = Record(code, fields, number, 1)
    if current is not None:
        yield current


def _ended(body: str) -> str:
    """A record's fields without the slash that ends them."""
    return body.rstrip().removesuffix("/")


def _structure(records: list[Record]) -> tuple[list[Group], Record | None]:
    """The records as groups of accounts. A record out of its place is an error of the whole file."""
    groups: list[Group] = []
    group: Group | None = None
    account: Account | None = None
    trailer: Record | None = None
    for record in records[1:]:
        if trailer is not None:
            raise UnreadableFile(f"Record {record.number} ({record.code}) follows the file's trailer (99).")
        if record.code == "02" and group is None:
            group = Group(record, size=0)
            groups.append(group)
        elif record.code == "03" and group is not None and account is None:
            account = Account(record)
            group.accounts.append(account)
        elif record.code == "16" and account is not None:
            account.entries.append(record)
        elif record.code == "49" and account is not None:
            account.trailer, account = record, None
        elif record.code == "98" and group is not None and account is None:
            group.trailer, group = record, None
        elif record.code == "99" and group is None:
            trailer = record
        else:
            raise UnreadableFile(f"Record {record.number} ({record.code}) is out of its place in the file.")
        if groups and trailer is None:
            groups[-1].size += record.size
    return groups, trailer


def _group_faults(group: Group) -> list[str]:
    status = _at(group.header.fields, 2)
    faults = [] if group.trailer else [f"the group of record {group.header.number} has no trailer (98)"]
    return faults + ([f"the group of record {group.header.number} {NOT_POSTED[status]}"] if status in NOT_POSTED else [])


def _at(fields: list[str], index: int) -> str:
    return fields[index].strip() if index < len(fields) else ""


def _whole(text: str) -> int:
    found = WHOLE.fullmatch(text)
    if not found:
        raise Fault(f"has `{text[:40]}` instead of an amount or a number")
    return int(found[1] + found[2])


def _sum_of(trailers: Iterable[Record | None]) -> int:
    """What trailers state in all; one that is unreadable is a fault of its own account or group."""
    amount = 0
    for trailer in trailers:
        try:
            amount += _whole(_at(trailer.fields, 0)) if trailer else 0
        except Fault:
            continue
    return amount


def _controls(
    trailer: Record | None, name: str, code: str, amount: int, parts: int, size: int, faults: list[str]
) -> list[Control]:
    """What a trailer of a group or of the file states: the sum of the totals inside, their number, and the records."""
    if trailer is None:
        return []
    try:
        return [
            Control(what=f"the control total of the {name} ({code})", stated=_whole(_at(trailer.fields, 0)), read=amount),
            Control(what=f"the number of parts of the {name} ({code})", stated=_whole(_at(trailer.fields, 1)), read=parts),
            Control(what=f"the number of records of the {name} ({code})", stated=_whole(_at(trailer.fields, 2)), read=size),
        ]
    except Fault as fault:
        faults.append(f"the trailer of the {name} ({code}) {fault}")
        return []


def _group_controls(group: Group, faults: list[str]) -> list[Control]:
    totals = _sum_of(account.trailer for account in group.accounts)
    return _controls(group.trailer, "group", "98", totals, len(group.accounts), group.size, faults)


def _statement(
    account: Account, group: Group, ordinal: int, faults: list[str], controls: list[Control]
) -> tuple[Statement, list[StatementLine]]:
    """An account as a statement with its proof, and its lines."""
    faults = list(faults)
    name = _at(account.header.fields, 0) or None
    # the standard's default where neither the account nor the group states one
    currency = _at(account.header.fields, 1) or _at(group.header.fields, 5) or "USD"
    as_of = _as_of(group, faults)
    summaries: list[Summary] = []
    lines: list[StatementLine] = []
    amounts: list[int] = []
    try:
        known_currency(currency)
        summaries = _summaries(account.header.fields[2:])
    except Fault as fault:
        faults.append(f"the account of record {account.header.number} {fault}")
    else:
        for record in account.entries:
            try:
                line = _line(record, ordinal, name, currency, as_of)
                amounts.append(_whole(_at(record.fields, 1) or "0"))
                lines.append(line)
            except Fault as fault:
                faults.append(f"the entry of record {record.number} {fault}")
    booked = [one for one in lines if one.status == BOOKED]
    balances = {one.code: _money(one.amount, currency) for one in summaries}
    entries_amount = total(one.amount for one in booked)
    opening, closing = balances.get(OPENING), balances.get(CLOSING)
    own = _account_controls(account, summaries, amounts, faults) + _total_controls(summaries, booked, currency)
    proof = prove_statement(
        currency=currency,
        opening=opening,
        closing=closing,
        entries_amount=entries_amount,
        must_balance=True,
        controls=own + controls,
        faults=faults,
    )
    return Statement(
        statement=ordinal,
        statement_id=None,
        account=name,
        currency=currency,
        opening_date=as_of if opening is not None else None,
        closing_date=as_of if closing is not None else None,
        opening_balance=opening,
        closing_balance=closing,
        entries=len(booked),
        entries_amount=entries_amount,
        difference_amount=proof.difference_amount,
        proof=proof.proof,
        reason=proof.reason,
        detail=proof.detail,
    ), lines


def _money(minor: int, currency: str) -> Decimal:
    """An amount of minor units in the currency's own unit, exactly."""
    return Decimal(minor).scaleb(-minor_units(currency))


def _as_of(group: Group, faults: list[str]) -> date | None:
    text = _at(group.header.fields, 3)
    try:
        return _day(text) if text else None
    except Fault as fault:
        faults.append(f"the group of record {group.header.number} {fault}")
        return None


def _day(text: str) -> date:
    if not re.fullmatch("[0-9]{6}", text):
        raise Fault(f"has `{text[:40]}` for a date")
    try:
        return datetime.strptime(f"20{text}", "%Y%m%d").date()
    except ValueError:
        raise Fault(f"has `{text}` for a date") from None


def _after_funds(fields: list[str], index: int) -> int:
    """Where the fields go on after the type of funds at `index` and the availability that belongs to it."""
    kind = _at(fields, index)
    if kind == "D":
        return index + 2 + 2 * abs(_whole(_at(fields, index + 1) or "0"))
    return index + 1 + AVAILABILITY.get(kind, 0)


def _summaries(fields: list[str]) -> list[Summary]:
    """The balances and totals of an account: code, amount, number of items and type of funds, each."""
    found: list[Summary] = []
    index = 0
    while index < len(fields):
        code, amount, count = (_at(fields, index + place) for place in range(3))
        if code and amount:
            found.append(Summary(code, _whole(amount), _whole(count) if count else None))
        index = _after_funds(fields, index + 3)
    return found


def _line(record: Record, ordinal: int, account: str | None, currency: str, as_of: date | None) -> StatementLine:
    """An entry: code, amount, type of funds with its availability, the bank's and the customer's reference, text."""
    fields = record.fields
    code = _at(fields, 0)
    sign = _sign(code)
    amount = _money(_whole(_at(fields, 1) or ("0" if sign == 0 else "")), currency)
    after = _after_funds(fields, 2)
    value_date = _at(fields, 3) if _at(fields, 2) == "V" else ""
    return StatementLine(
        line=record.number,
        statement=ordinal,
        account=account,
        currency=currency,
        amount=-amount if sign < 0 else amount,
        status=BOOKED if sign else INFORMATION,
        booking_date=as_of,
        value_date=_day(value_date) if value_date else None,
        transaction_code=code,
        reference=identifier(_at(fields, after + 1)),
        bank_reference=identifier(_at(fields, after)),
        remittance=one_line(",".join(fields[after + 2 :]).replace(f",{GOES_ON}", " ")),
    )


def _sign(code: str) -> int:
    """1 for a credit, -1 for a debit, 0 for text without money, by the standard's ranges of codes."""
    if re.fullmatch("[0-9]{3}", code):
        number = int(code)
        if 101 <= number <= 399 or 920 <= number <= 959:
            return 1
        if 401 <= number <= 699 or 960 <= number <= 999:
            return -1
        if number == 890:
            return 0
    raise Fault(f"has the code `{code[:40]}`, which is neither a credit nor a debit")


def _account_controls(account: Account, summaries: list[Summary], amounts: list[int], faults: list[str]) -> list[Control]:
    """What an account's trailer states: the sum of every amount above it, as written, and the number of records."""
    if account.trailer is None:
        faults.append(f"the account of record {account.header.number} has no trailer (49)")
        return []
    try:
        stated, count = (_whole(_at(account.trailer.fields, place)) for place in range(2))
    except Fault as fault:
        faults.append(f"the trailer (49) of record {account.trailer.number} {fault}")
        return []
    written = sum(one.amount for one in summaries) + sum(amounts)
    records = account.header.size + sum(record.size for record in account.entries) + account.trailer.size
    return [
        Control(what="the control total of the account (49)", stated=stated, read=written),
        Control(what="the number of records of the account (49)", stated=count, read=records),
    ]


def _total_controls(summaries: list[Summary], booked: list[StatementLine], currency: str) -> list[Control]:
    """What the summary codes 100 and 400 state of the credits and debits that follow."""
    controls: list[Control] = []
    for one in summaries:
        if one.code in TOTALS:
            name, sign = TOTALS[one.code]
            amounts = [abs(line.amount) for line in booked if _sign(line.transaction_code or "") == sign]
            stated = _money(one.amount, currency)
            controls.append(Control(what=f"the sum of the {name} ({one.code})", stated=stated, read=total(amounts)))
            if one.items is not None:
                controls.append(Control(what=f"the number of {name} ({one.code})", stated=one.items, read=len(amounts)))
    return controls
