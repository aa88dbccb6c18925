"""ISO 20022 camt.052 (intraday report), camt.053 (statement) and camt.054 (notification), in all versions.

Versions differ in namespaces and in where a few elements lie; elements are found by their local names, and so a file is
read in any version and in any envelope. A reversal's CdtDbtInd is the direction of the reversing entry itself (ISO 20022,
ReversalIndicator: with CRDT the original operation was a debit), so the sign never depends on RvslInd.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from lxml import etree

from paylake.contracts.statements import BOOKED, INFORMATION, PENDING
from paylake.statements.model import Parsed, Statement, StatementLine, UnreadableFile
from paylake.statements.proof import Control, prove_statement, total
from paylake.statements.reading import Fault, exact_amount, identifier, known_currency, one_line

FORMATS = {"Stmt": "camt.053", "Rpt": "camt.052", "Ntfctn": "camt.054"}
"""What a file calls its statements -> the message that it is."""
PARENTS = re.compile(r"(BkToCstmrStmt|BkToCstmrAcctRpt|BkToCstmrDbtCdtNtfctn)(V[0-9]{2})?")
STATUSES = {"BOOK": BOOKED, "PDNG": PENDING, "FUTR": PENDING, "INFO": INFORMATION}
"""FUTR (from version 4 on) is an entry of a later day: as provisional as a pending one."""
SIGNS = {"CRDT": 1, "DBIT": -1}
NAMES = ("{}/Nm", "{}/Pty/Nm", "{}/Agt/FinInstnId/Nm", "Ultmt{}/Nm", "Ultmt{}/Pty/Nm")
"""Where the name of a debtor or creditor lies, until version 7 and after it."""
DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T.*|Z|[+-][0-9]{2}:[0-9]{2})?", re.DOTALL)


@dataclass(frozen=True)
class Balance:
    """A balance as stated; negative in debit."""

    code: str
    currency: str | None
    amount: Decimal
    day: date | None


@dataclass
class Reading:
    """What was read of one statement so far, and what could not be."""

    lines: list[StatementLine] = field(default_factory=list)
    entries: list[StatementLine] = field(default_factory=list)
    credits: set[int] = field(default_factory=set)
    balances: list[Balance] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def parse(data: bytes) -> Parsed:
    """The statements of a camt file: a line per entry, or per payment of an entry that is split up completely."""
    root = _root(data)
    statements: list[Statement] = []
    lines: list[StatementLine] = []
    names: list[str] = []
    numbers = 0
    for element in _statements(root):
        entries = list(_children(element, "Ntry"))
        statement, read = _statement(element, len(statements) + 1, numbers)
        numbers += len(entries)
        statements.append(statement)
        lines.extend(read)
        names.append(FORMATS[_name(element)])
    if not statements:
        raise UnreadableFile("The file is XML, but holds no statement, report or notification (Stmt, Rpt or Ntfctn).")
    return Parsed(format=names[0], statements=tuple(statements), statement_lines=tuple(lines))


def _root(data: bytes) -> etree._Element:
    """The document's root; refuses what is no XML, and any document type: no bank sends one, and entities hide in it."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableFile(f"The file is not well-formed XML: {one_line(str(error))}.") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableFile("The file declares a document type (DOCTYPE), which a camt message never does.")
    return root


def _statements(root: etree._Element) -> Iterator[etree._Element]:
    """The statements in the order of the file, in any envelope, or as the root itself."""
    for element in root.iter():
        parent = element.getparent()
        if _name(element) in FORMATS and (parent is None or PARENTS.fullmatch(_name(parent))):
            yield element


def _name(element: etree._Element) -> str:
    """An element's name without its namespace; empty for a processing instruction."""
    tag: object = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    return element.iterchildren(f"{{*}}{name}")


def _find(element: etree._Element | None, path: str) -> etree._Element | None:
    """The first element at a path of local names."""
    for name in path.split("/"):
        element = None if element is None else next(_children(element, name), None)
    return element


def _text(element: etree._Element | None, *paths: str) -> str | None:
    """The text at the first of some paths that has any, in one line."""
    for path in paths:
        found = _find(element, path)
        if found is not None and (text := one_line(found.text)):
            return text
    return None


def _day(element: etree._Element, name: str) -> date | None:
    """A date, or the date of a time as the bank wrote it: the bank's own day, whatever its distance from UTC."""
    text = _text(element, f"{name}/Dt", f"{name}/DtTm")
    if text is None:
        return None
    found = DAY.fullmatch(text)
    try:
        return date.fromisoformat(found[1] if found else text)
    except ValueError:
        raise Fault(f"has `{text[:40]}` for a date ({name})") from None


def _sign(element: etree._Element, otherwise: str | None = None) -> int:
    mark = _text(element, "CdtDbtInd") or otherwise
    if mark not in SIGNS:
        raise Fault(f"has `{mark or 'nothing'}` instead of CRDT or DBIT")
    return SIGNS[mark]


def _amount(element: etree._Element | None, sign: int) -> Decimal:
    amount = exact_amount(None if element is None else element.text)
    return amount if sign > 0 else -amount


def _statement(element: etree._Element, ordinal: int, numbers: int) -> tuple[Statement, list[StatementLine]]:
    """A statement with its proof, and its lines; entries are numbered through the file, after the first `numbers`."""
    account = _text(element, "Acct/Id/IBAN", "Acct/Id/Othr/Id", "Acct/Id/PrtryAcct/Id", "Acct/Id/BBAN", "Acct/Id/UPIC")
    reading = Reading()
    for balance in _children(element, "Bal"):
        try:
            reading.balances.append(_balance(balance))
        except Fault as fault:
            reading.faults.append(f"a balance {fault}")
    for number, entry in enumerate(_children(element, "Ntry"), start=numbers + 1):
        _read_entry(reading, entry, number, ordinal, account)
    opening, closing = _ends(reading.balances)
    currency = _text(element, "Acct/Ccy") or next(
        (one.currency for one in (opening, closing, *reading.balances, *reading.entries) if one is not None), None
    )
    _check_currencies(reading, currency, opening, closing)
    counted = [one for one in reading.entries if one.currency == currency]
    net, controls = _summary(element, counted, reading)
    booked = [one for one in counted if one.status == BOOKED]
    entries_amount = total(one.amount for one in booked)
    comparable = {one.currency for one in (opening, closing) if one is not None} <= {currency}
    proof = prove_statement(
        currency=currency,
        opening=opening.amount if opening and comparable else None,
        closing=closing.amount if closing and comparable else None,
        entries_amount=entries_amount,
        must_balance=_name(element) == "Stmt",
        net=net,
        controls=controls,
        faults=reading.faults,
    )
    return Statement(
        statement=ordinal,
        statement_id=_text(element, "Id"),
        account=account,
        currency=currency,
        sequence=_sequence(element),
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
    ), reading.lines


def _sequence(element: etree._Element) -> str | None:
    number = _text(element, "ElctrncSeqNb", "LglSeqNb")
    page = _text(element, "StmtPgntn/PgNb", "RptPgntn/PgNb", "NtfctnPgntn/PgNb")
    return "/".join(part for part in (number, page) if part) or None


def _balance(element: etree._Element) -> Balance:
    amount = _find(element, "Amt")
    return Balance(
        code=_text(element, "Tp/CdOrPrtry/Cd", "Tp/CdOrPrtry/Prtry", "Tp/Cd") or "",
        currency=None if amount is None else amount.get("Ccy"),
        amount=_amount(amount, _sign(element)),
        day=_day(element, "Dt"),
    )


def _ends(balances: list[Balance]) -> tuple[Balance | None, Balance | None]:
    """The booked balances before and after the entries.

    A statement of several days has a pair for each: the first and the last count. A page in the middle has interim
    balances (ITBD) instead, of which a single one is the end that is lacking.
    """
    by_day = sorted(balances, key=lambda one: one.day or date.min)

    def coded(code: str) -> list[Balance]:
        return [one for one in by_day if one.code == code]

    opening = next(iter(coded("OPBD") + coded("PRCD")), None)
    closing = next(reversed(coded("CLBD")), None)
    interim = coded("ITBD")
    if opening is None and interim and (closing is not None or len(interim) > 1):
        opening = interim[0]
    if closing is None and opening is not None and interim:
        closing = interim[-1]
    return opening, closing


def _check_currencies(reading: Reading, currency: str | None, opening: Balance | None, closing: Balance | None) -> None:
    for name, balance in (("opening", opening), ("closing", closing)):
        if balance is not None and balance.currency != currency:
            reading.faults.append(f"the {name} balance is in {balance.currency or 'no currency'}, the account in {currency}")
    for entry in reading.entries:
        if entry.currency != currency:
            reading.faults.append(f"entry {entry.line} is in {entry.currency}, the account in {currency}")


def _summary(
    element: etree._Element, entries: list[StatementLine], reading: Reading
) -> tuple[Control | None, list[Control]]:
    """What TxsSummry states of all entries (net), and the counts and sums of its parts. ISO: of any status."""
    summary = _find(element, "TxsSummry")
    credits = [one.amount for one in entries if one.line in reading.credits]
    debits = [-one.amount for one in entries if one.line not in reading.credits]
    controls: list[Control] = []
    sums: dict[str, Decimal] = {}
    net: Control | None = None
    parts = {"TtlNtries": credits + debits, "TtlCdtNtries": credits, "TtlDbtNtries": debits}
    try:
        for name, amounts in parts.items():
            part = _find(summary, name)
            if count := _text(part, "NbOfNtries"):
                if not re.fullmatch(r"[0-9]{1,15}", count):
                    raise Fault(f"has `{count[:40]}` for a number of entries")
                controls.append(Control(what=f"the number of entries ({name})", stated=int(count), read=len(amounts)))
            if (text := _text(part, "Sum")) is not None:
                sums[name] = exact_amount(text)
                controls.append(Control(what=f"the sum of the entries ({name})", stated=sums[name], read=total(amounts)))
        read = total(credits) - total(debits)
        all_entries = _find(summary, "TtlNtries")
        stated = _find(all_entries, "TtlNetNtry")
        if stated is not None:
            net = _net(_amount(_find(stated, "Amt"), _sign(stated)), read)
        elif all_entries is not None and _find(all_entries, "TtlNetNtryAmt") is not None:
            net = _net(_amount(_find(all_entries, "TtlNetNtryAmt"), _sign(all_entries)), read)
        elif (
            (credits or debits or sums)
            and (not credits or "TtlCdtNtries" in sums)
            and (not debits or "TtlDbtNtries" in sums)
        ):
            net = _net(sums.get("TtlCdtNtries", Decimal(0)) - sums.get("TtlDbtNtries", Decimal(0)), read)
    except Fault as fault:
        reading.faults.append(f"the summary (TxsSummry) {fault}")
    return net, controls


def _net(stated: Decimal, read: Decimal) -> Control:
    return Control(what="the net of the entries (TxsSummry)", stated=stated, read=read)


def _read_entry(reading: Reading, entry: etree._Element, number: int, ordinal: int, account: str | None) -> None:
    """Add an entry's lines to what was read, or say why it could not be."""
    try:
        whole = _entry(entry, number, ordinal, account)
    except Fault as fault:
        reading.faults.append(f"entry {number} {fault}")
        return
    days: dict[str, date | None] = {"BookgDt": None, "ValDt": None}
    for name in days:
        try:
            days[name] = _day(entry, name)
        except Fault as fault:
            reading.faults.append(f"entry {number} {fault}")
    whole = replace(whole, booking_date=days["BookgDt"], value_date=days["ValDt"])
    reading.entries.append(whole)
    if _sign(entry) > 0:
        reading.credits.add(number)
    reading.lines.extend(_split(entry, whole))


def _entry(entry: etree._Element, number: int, ordinal: int, account: str | None) -> StatementLine:
    amount = _find(entry, "Amt")
    currency = known_currency(None if amount is None else amount.get("Ccy"))
    # a text until version 4, a choice of code or the bank's own word after it
    status = _text(entry, "Sts", "Sts/Cd")
    if status not in STATUSES:
        raise Fault(f"has the status `{status or _text(entry, 'Sts/Prtry') or 'nothing'}`, which is not BOOK, PDNG or INFO")
    return StatementLine(
        line=number,
        statement=ordinal,
        account=account,
        currency=currency,
        amount=_amount(amount, _sign(entry)),
        is_reversal=_text(entry, "RvslInd") in ("true", "1"),
        status=STATUSES[status],
        transaction_code=_code(entry),
        reference=identifier(_text(entry, "NtryRef")),
        bank_reference=identifier(_text(entry, "AcctSvcrRef")),
        remittance=_text(entry, "AddtlNtryInf"),
    )


def _split(entry: etree._Element, whole: StatementLine) -> list[StatementLine]:
    """The entry's payments where they add up to it exactly; else the entry, with what its only payment says."""
    payments = [payment for details in _children(entry, "NtryDtls") for payment in _children(details, "TxDtls")]
    mark = "CRDT" if _text(entry, "CdtDbtInd") == "CRDT" else "DBIT"
    amounts = [_payment_amount(payment, whole.currency, mark) for payment in payments]
    known = [amount for amount in amounts if amount is not None]
    if payments and len(known) == len(payments) and total(known) == whole.amount:
        return [
            replace(_detailed(whole, payment), part=part, amount=amount)
            for part, (payment, amount) in enumerate(zip(payments, known, strict=True), start=1)
        ]
    return [_detailed(whole, payments[0])] if len(payments) == 1 else [whole]


def _payment_amount(payment: etree._Element, currency: str, mark: str) -> Decimal | None:
    """What a payment adds to its entry; None where it does not say so in the entry's currency."""
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):  # from version 3 on, and before
        amount = _find(payment, path)
        if amount is not None and amount.get("Ccy") == currency:
            try:
                return _amount(amount, _sign(payment, mark))
            except Fault:
                return None
    return None


def _detailed(whole: StatementLine, payment: etree._Element) -> StatementLine:
    """The line with what a payment says of itself; the entry's own words where it says nothing."""
    # a reversal names the parties in the roles of the original payment
    other = "Dbtr" if (whole.amount > 0) != whole.is_reversal else "Cdtr"
    parties = _find(payment, "RltdPties")
    remittance = _find(payment, "RmtInf")
    unstructured = [] if remittance is None else [one.text for one in _children(remittance, "Ustrd")]
    return replace(
        whole,
        transaction_code=_code(payment) or whole.transaction_code,
        end_to_end_id=identifier(_text(payment, "Refs/EndToEndId")),
        reference=identifier(
            _text(payment, "RmtInf/Strd/CdtrRefInf/Ref", "RmtInf/Strd/CdtrRefInf/CdtrRef", "Refs/InstrId", "Refs/PmtInfId")
        )
        or whole.reference,
        bank_reference=identifier(_text(payment, "Refs/AcctSvcrRef")) or whole.bank_reference,
        counterparty=_text(
            parties,
            f"{other}/Nm",
            f"{other}/Pty/Nm",
            f"{other}/Agt/FinInstnId/Nm",
            f"Ultmt{other}/Nm",
            f"Ultmt{other}/Pty/Nm",
        ),
        remittance=one_line(*unstructured) or _text(payment, "RmtInf/Strd/AddtlRmtInf", "AddtlTxInf") or whole.remittance,
    )


def _code(element: etree._Element) -> str | None:
    """The bank transaction code as domain-family-subfamily, or the bank's own."""
    domain = [_text(element, f"BkTxCd/Domn/{path}") for path in ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd")]
    return "-".join(part for part in domain if part) or _text(element, "BkTxCd/Prtry/Cd")
