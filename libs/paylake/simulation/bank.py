"""What the bank books for the payouts, and what goes wrong on the way: damaged references, merged and split credits.

The truth of every entry is kept apart: which payouts it pays, and what was done to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

import numpy as np
from lxml import etree

from paylake.contracts.currencies import minor_units
from paylake.errors import SettingsError
from paylake.simulation.payouts import Payout, business_day, plain

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
PROCESSOR = "EXAMPLE PROCESSOR"
CLEAN = "none"
CREDIT_CODE, CHARGE_CODE = ("PMNT", "RCDT", "ESCT"), ("ACMT", "MDOP", "CHRG")
"""ISO 20022 bank transaction codes: a credit transfer received, a charge of the account."""


@dataclass(frozen=True)
class DamageRates:
    """How much of the bank's statement is damaged: shares of the payouts (0 to 1), and at least one where not 0.

    A payout is damaged in one way at most. Orphans are credits for payouts that nobody knows, charges are lines of the
    bank's own; both come in addition, as many as the share of the payouts says.
    """

    lost_character: float = 0.05
    truncated: float = 0.05
    no_reference: float = 0.05
    merged: float = 0.05
    split: float = 0.05
    short: float = 0.05
    duplicated: float = 0.05
    late: float = 0.05
    orphan: float = 0.05
    charge: float = 0.05

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise SettingsError(f"damage, {name}: {value} is not between 0 and 1.")


NO_DAMAGE = DamageRates(**{field.name: 0 for field in fields(DamageRates)})
"""Everything ties out."""


@dataclass(frozen=True)
class Entry:
    """An entry of the bank's statement: `minor` is negative for a debit; `payout_ids` and `damage` are its truth."""

    reference: str
    currency: str
    minor: int
    day: date
    remittance: str
    code: tuple[str, str, str] = CREDIT_CODE
    payout_ids: tuple[str, ...] = ()
    damage: str = CLEAN


@dataclass(frozen=True)
class Account:
    """A day of one account: what it held before, and what was booked."""

    currency: str
    opening_minor: int
    entries: tuple[Entry, ...]

    @property
    def closing_minor(self) -> int:
        return self.opening_minor + sum(entry.minor for entry in self.entries)


def booked(rng: np.random.Generator, payouts: Sequence[Payout], rates: DamageRates) -> list[Entry]:
    """What the bank books for the payouts, in the order of its days and numbers."""
    damage = _damages(rng, payouts, rates)
    entries = [entry for payout in payouts if payout.minor for entry in _entries(rng, payout, damage, payouts)]
    for n in range(_how_many(rates.orphan, len(payouts))):
        like = payouts[int(rng.integers(len(payouts)))]
        unknown = f"PO-{like.sales_day:%Y%m%d}-{like.currency}-{80 + n:02d}"
        minor = abs(like.minor) * int(rng.integers(20, 90)) // 100 + 1
        entries.append(Entry("", like.currency, minor, like.value_date, _text(unknown), damage="orphan"))
    for _ in range(_how_many(rates.charge, len(payouts))):
        like = payouts[int(rng.integers(len(payouts)))]
        minor = -int(rng.integers(100, 2_500))
        entries.append(
            Entry("", like.currency, minor, like.value_date, "ACCOUNT CHARGES", code=CHARGE_CODE, damage="charge")
        )
    entries.sort(key=lambda entry: (entry.day, entry.currency))
    return [replace(entry, reference=f"BK{entry.day:%Y%m%d}{n:06d}") for n, entry in enumerate(entries, 1)]


def accounts(rng: np.random.Generator, entries: Iterable[Entry]) -> Iterator[tuple[date, list[Account]]]:
    """The statement of each day: an account per currency that has an entry on any day, opened where it was closed."""
    known = list(entries)
    held = {c: int(rng.integers(10**6, 10**8)) for c in sorted({entry.currency for entry in known})}
    for day in sorted({entry.day for entry in known}):
        found = []
        for currency in held:
            of_day = tuple(entry for entry in known if (entry.day, entry.currency) == (day, currency))
            found.append(Account(currency, held[currency], of_day))
            held[currency] = found[-1].closing_minor
        yield day, found


def camt(day: date, accounts: Sequence[Account]) -> bytes:
    """The accounts' statements of a day as camt.053.001.08."""
    at = f"{day.isoformat()}T23:59:59Z"
    prefixes: Any = {None: NAMESPACE}
    root = etree.Element(f"{{{NAMESPACE}}}Document", nsmap=prefixes)
    message = _add(root, "BkToCstmrStmt")
    header = _add(message, "GrpHdr")
    _add(header, "MsgId", f"PAYLAKE-{day:%Y%m%d}")
    _add(header, "CreDtTm", at)
    for account in accounts:
        _statement(_add(message, "Stmt"), day, at, account)
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text


def _how_many(share: float, count: int) -> int:
    return max(1, round(share * count)) if share and count else 0


def _damages(rng: np.random.Generator, payouts: Sequence[Payout], rates: DamageRates) -> dict[str, tuple[str, str | None]]:
    """Payout -> what happens to its credit, and of a merged one the payout that it is merged with."""
    free = [payouts[i] for i in rng.permutation(len(payouts)) if payouts[i].minor > 1]
    found: dict[str, tuple[str, str | None]] = {}
    for _ in range(_how_many(rates.merged, len(payouts))):
        pair = next(((a, b) for i, a in enumerate(free) for b in free[i + 1 :] if a.currency == b.currency), None)
        if pair is None:
            break
        first, second = sorted(pair, key=lambda payout: payout.payout_id)
        found[first.payout_id], found[second.payout_id] = ("merged", second.payout_id), ("merged", None)
        free = [payout for payout in free if payout not in pair]
    for name in ("short", "late", "split", "duplicated", "lost_character", "truncated", "no_reference"):
        for payout in free[: _how_many(getattr(rates, name), len(payouts))]:
            found[payout.payout_id] = (name, None)
            free.remove(payout)
    return found


def _entries(
    rng: np.random.Generator, payout: Payout, damages: dict[str, tuple[str, str | None]], payouts: Sequence[Payout]
) -> list[Entry]:
    """The entries of one payout; a merged one is booked with the first of the two."""
    kind, partner = damages.get(payout.payout_id, (CLEAN, None))
    plain_one = Entry(
        "", payout.currency, payout.minor, payout.value_date, _text(payout.payout_id), payout_ids=(payout.payout_id,),
        damage=kind,
    )  # fmt: skip
    if kind == "merged":
        other = next((p for p in payouts if p.payout_id == partner), None)
        if other is None:
            return []
        both = (payout.payout_id, other.payout_id)
        return [replace(plain_one, minor=payout.minor + other.minor, remittance=_text(" ".join(both)), payout_ids=both)]
    if kind == "split":
        part = max(1, payout.minor * int(rng.integers(20, 81)) // 100)
        return [replace(plain_one, minor=part), replace(plain_one, minor=payout.minor - part)]
    if kind == "short":
        lacking = max(1, payout.minor * int(rng.integers(1, 4)) // 100)
        return [replace(plain_one, minor=payout.minor - lacking)]
    if kind == "duplicated":
        return [plain_one, plain_one]
    if kind == "late":
        return [replace(plain_one, day=business_day(payout.value_date, 1))]
    if kind in ("lost_character", "truncated", "no_reference"):
        return [replace(plain_one, remittance=_text(_damaged(rng, payout.payout_id, kind)))]
    return [plain_one]


def _damaged(rng: np.random.Generator, reference: str, kind: str) -> str:
    """A reference as it came through; which character is lost is drawn, the first two excepted."""
    if kind == "no_reference":
        return ""
    if kind == "truncated":
        return reference[: int(rng.integers(6, len(reference)))]
    lost = int(rng.integers(2, len(reference)))
    return reference[:lost] + reference[lost + 1 :]


def _text(reference: str) -> str:
    return " ".join(filter(None, (PROCESSOR, "PAYOUT", reference)))


def _add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", attrib=attributes)
    element.text = text
    return element


def _statement(parent: etree._Element, day: date, at: str, account: Account) -> None:
    _add(parent, "Id", f"STMT-{day:%Y%m%d}-{account.currency}")
    _add(parent, "ElctrncSeqNb", f"{day:%j}".lstrip("0"))
    _add(parent, "CreDtTm", at)
    whose = _add(parent, "Acct")
    _add(_add(_add(whose, "Id"), "Othr"), "Id", f"PAYLAKE-{account.currency}")
    _add(whose, "Ccy", account.currency)
    for code, minor in (("OPBD", account.opening_minor), ("CLBD", account.closing_minor)):
        balance = _add(parent, "Bal")
        _add(_add(_add(balance, "Tp"), "CdOrPrtry"), "Cd", code)
        _amount(balance, minor, account.currency)
        _add(_add(balance, "Dt"), "Dt", day.isoformat())
    for entry in account.entries:
        _entry(_add(parent, "Ntry"), entry)


def _entry(parent: etree._Element, entry: Entry) -> None:
    _add(parent, "NtryRef", entry.reference)
    _amount(parent, entry.minor, entry.currency)
    _add(_add(parent, "Sts"), "Cd", "BOOK")
    for name in ("BookgDt", "ValDt"):
        _add(_add(parent, name), "Dt", entry.day.isoformat())
    _add(parent, "AcctSvcrRef", entry.reference)
    domain, family, sub_family = entry.code
    code = _add(_add(parent, "BkTxCd"), "Domn")
    _add(code, "Cd", domain)
    kind = _add(code, "Fmly")
    _add(kind, "Cd", family)
    _add(kind, "SubFmlyCd", sub_family)
    details = _add(_add(parent, "NtryDtls"), "TxDtls")
    _add(_add(details, "Refs"), "EndToEndId", "NOTPROVIDED")
    if entry.code == CREDIT_CODE:
        _add(_add(_add(_add(details, "RltdPties"), "Dbtr"), "Pty"), "Nm", PROCESSOR)
    _add(_add(details, "RmtInf"), "Ustrd", entry.remittance)


def _amount(parent: etree._Element, minor: int, currency: str) -> None:
    stated = plain(np.array([abs(minor)], np.int64), minor_units(currency))[0].as_py()
    _add(parent, "Amt", stated, Ccy=currency)
    _add(parent, "CdtDbtInd", "DBIT" if minor < 0 else "CRDT")
