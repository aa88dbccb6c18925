"""OFX 1 (SGML) and 2 (XML): statements of bank and card accounts, as banks offer them for download.

The library `ofxtools` reads the header and the tags. Its own conversion to values refuses a whole file for one field of one
entry, and so the values are read here. The format has a closing balance (LEDGERBAL) and no opening one: nothing proves it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from io import BytesIO
from xml.etree.ElementTree import Element

from ofxtools.Parser import OFXTree

from paylake.contracts.currencies import minor_units
from paylake.contracts.statements import BOOKED, PENDING
from paylake.statements.model import Parsed, Statement, StatementLine, UnreadableFile
from paylake.statements.proof import prove_statement, total
from paylake.statements.reading import Fault, exact_amount, identifier, known_currency, one_line

STATEMENTS = ("STMTRS", "CCSTMTRS")
ENTRIES = {"STMTTRN": BOOKED, "STMTTRNP": PENDING}
END = re.compile(rb"</OFX>[\s\x00\x1a]*\Z")
"""SGML lets a reader close what is open, so a file that was cut off looks whole without this."""
AMOUNT = re.compile(r"([+-]?)([0-9]+)(?:([.,])([0-9]*))?")
TIME = re.compile(r"([0-9]{8})([0-9]{4}([0-9]{2}(\.[0-9]{1,3})?)?)?(\[[^\]]*\])?")


def parse(data: bytes) -> Parsed:
    """The statements of an OFX file, and a line per entry, numbered through the file."""
    root = _root(data)
    statements: list[Statement] = []
    lines: list[StatementLine] = []
    entries = 0
    found = [element for element in root.iter() if element.tag in STATEMENTS]
    faults: list[str] = []
    # the library passes over a tag that it cannot read, and with it an entry, without a word
    stated = len(re.findall(rb"<\s*STMTTRNP?\s*>", data, re.IGNORECASE))
    read = sum(1 for element in found for one in element.iter() if one.tag in ENTRIES)
    if stated != read:
        faults.append(f"the file has {stated} entries (STMTTRN), of which {read} are readable")
    if not END.search(data):
        faults.append("the file ends before its last tag (</OFX>)")
    for element in found:
        statement, read_lines = _statement(element, len(statements) + 1, entries, faults)
        entries += sum(1 for one in element.iter() if one.tag in ENTRIES)
        statements.append(statement)
        lines.extend(read_lines)
    if not statements:
        raise UnreadableFile("The file is OFX, but holds no statement of a bank or card account (STMTRS, CCSTMTRS).")
    return Parsed(format="ofx", statements=tuple(statements), statement_lines=tuple(lines))


def _root(data: bytes) -> Element:
    """The tree of tags. The library raises errors of many kinds on malformed files, and all mean the same here."""
    if b"OFXHEADER" not in data:
        raise UnreadableFile("The file has no OFX header (OFXHEADER).")
    escaped = _escaped(data)
    try:
        root = OFXTree().parse(BytesIO(escaped))
    except Exception as error:
        said = (one_line(str(error)) or type(error).__name__)[:120]
        raise UnreadableFile(f"The file is no readable OFX: {said}.") from None
    if root is None or root.tag != "OFX":
        raise UnreadableFile("The file is no readable OFX: its outermost tag is not OFX.")
    return root


def _escaped(data: bytes) -> bytes:
    """The file with the text of its CDATA escaped: the library takes all from the first to the last on a line for one."""
    first, *sections = data.split(b"<![CDATA[")
    parts = [first]
    for section in sections:
        text, end, after = section.partition(b"]]>")
        if not end:
            raise UnreadableFile("The file is no readable OFX: a CDATA section has no end.")
        parts.extend([text.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;"), after])
    return b"".join(parts)


def _text(element: Element, *paths: str) -> str | None:
    """The text at the first of some paths that has any, in one line."""
    for path in paths:
        if text := one_line(html.unescape(element.findtext(path) or "")):
            return text
    return None


def _amount(text: str | None, currency: str) -> Decimal:
    """A signed amount. The decimal sign may be a comma: one that could part thousands is refused."""
    found = AMOUNT.fullmatch(text or "")
    if not found or (found[3] == "," and len(found[4]) > minor_units(currency)):
        raise Fault(f"has `{(text or 'nothing')[:40]}` for an amount")
    amount = exact_amount(f"{found[2]}.{found[4]}" if found[4] else found[2])
    return -amount if found[1] == "-" else amount


def _day(text: str | None) -> date | None:
    """The date of a time as the bank wrote it: the bank's own day, whatever its distance from UTC."""
    if text is None:
        return None
    found = TIME.fullmatch(text)
    try:
        return date.fromisoformat(found[1] if found else text[:40])
    except ValueError:
        raise Fault(f"has `{text[:40]}` for a date") from None


def _account(element: Element) -> str | None:
    """The account as stated; a card's account is its number, of which only the last four digits may be kept."""
    card = _text(element, "CCACCTFROM/ACCTID")
    if card is None:
        return _text(element, "BANKACCTFROM/ACCTID")
    return f"{'*' * max(len(card) - 4, 0)}{card[-4:]}"


def _statement(element: Element, ordinal: int, entries: int, faults: list[str]) -> tuple[Statement, list[StatementLine]]:
    """A statement with its proof, and its lines; entries are numbered through the file, after the first `entries`."""
    faults = list(faults)
    account = _account(element)
    currency = _text(element, "CURDEF")
    lines: list[StatementLine] = []
    closing: Decimal | None = None
    closing_date: date | None = None
    try:
        known = known_currency(currency)
    except Fault as fault:
        faults.append(f"statement {ordinal} {fault}")
    else:
        lines.extend(_lines(element, ordinal, entries, account, known, faults))
        try:
            if (balance := element.find("LEDGERBAL")) is not None:
                closing_date = _day(_text(balance, "DTASOF"))
                closing = _amount(_text(balance, "BALAMT"), known)
        except Fault as fault:
            faults.append(f"the ledger balance of statement {ordinal} {fault}")
    booked = [one for one in lines if one.status == BOOKED]
    entries_amount = total(one.amount for one in booked)
    proof = prove_statement(
        currency=currency,
        opening=None,
        closing=closing,
        entries_amount=entries_amount,
        must_balance=False,
        faults=faults,
    )
    return Statement(
        statement=ordinal,
        account=account,
        currency=currency,
        closing_date=closing_date,
        closing_balance=closing,
        entries=len(booked),
        entries_amount=entries_amount,
        difference_amount=proof.difference_amount,
        proof=proof.proof,
        reason=proof.reason,
        detail=proof.detail,
    ), lines


def _lines(
    element: Element, ordinal: int, entries: int, account: str | None, currency: str, faults: list[str]
) -> Iterator[StatementLine]:
    """The entries that are readable; the others are added to the faults."""
    found = [one for one in element.iter() if one.tag in ENTRIES]
    for number, entry in enumerate(found, start=entries + 1):
        try:
            yield _line(entry, number, ordinal, account, currency)
        except Fault as fault:
            faults.append(f"entry {number} {fault}")


def _line(entry: Element, number: int, ordinal: int, account: str | None, currency: str) -> StatementLine:
    if _text(entry, "CORRECTFITID"):
        raise Fault("corrects an earlier entry (CORRECTFITID), which changes what was reported before")
    if other := _text(entry, "CURRENCY/CURSYM"):
        raise Fault(f"is in {other}, the account in {currency}")
    name, memo = _text(entry, "NAME", "PAYEE/NAME"), _text(entry, "MEMO")
    return StatementLine(
        line=number,
        statement=ordinal,
        account=account,
        currency=currency,
        amount=_amount(_text(entry, "TRNAMT"), currency),
        status=ENTRIES[entry.tag],
        booking_date=_day(_text(entry, "DTPOSTED")),
        value_date=_day(_text(entry, "DTAVAIL")),
        transaction_code=_text(entry, "TRNTYPE"),
        reference=identifier(_text(entry, "REFNUM", "CHECKNUM")),
        bank_reference=identifier(_text(entry, "FITID")),
        counterparty=name,
        remittance=memo,
    )
