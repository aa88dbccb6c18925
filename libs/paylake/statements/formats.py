"""The formats of banks' and processors' files: which one a file has, and how it is read."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable

from paylake.statements import mapped, tabular
from paylake.statements.mapping import Mapping
from paylake.statements.model import Parsed, Parser, UnreadableFile

MODULES = {
    "camt": "paylake.statements.camt",
    "mt940": "paylake.statements.mt940",
    "bai2": "paylake.statements.bai2",
    "ofx": "paylake.statements.ofx",
    "adyen": "paylake.statements.adyen",
    "stripe": "paylake.statements.stripe",
    "paypal": "paylake.statements.paypal",
    "checkout": "paylake.statements.checkout",
}
"""Format -> the module whose `parse` reads it; imported when it is needed, as some bring large libraries."""
MAPPED = "mapped"
"""Any CSV or Excel file, by a mapping."""

_HEAD = 64 * 1024
_CONTENTS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("camt", lambda head: bool(re.search(r"urn:iso:std:iso:20022:tech:xsd:camt\.05[234]\.|<(\w+:)?BkToCstmr\w+", head))),
    ("ofx", lambda head: bool(re.search(r"^\s*OFXHEADER\s*:|<\?OFX\b|<OFX>", head, re.IGNORECASE))),
    ("mt940", lambda head: bool(re.search(r"^\s*\{1:|^:(20|25|28C?|60[FM]|61):", head, re.M))),
    ("bai2", lambda head: bool(re.match(r"\s*01,[^,\r\n]*,[^,\r\n]*,\d{6},\d{0,4},", head))),
    ("paypal", lambda head: bool(re.match(r'\s*"?[RS]H"?[,\t|]', head)) and bool(re.search(r'^"?CH"?[,\t|]', head, re.M))),
    ("adyen", lambda head: _names(head, "Merchant Account", "Batch Number", "Net Currency")),
    ("adyen", lambda head: _names(head, "Merchant Account", "Record Type", "Payable (SC)")),
    ("stripe", lambda head: _names(head, "balance_transaction_id", "reporting_category")),
    ("checkout", lambda head: _names(head, "Payout ID", "Net In Holding Currency")),
)
_NAMES: tuple[tuple[str, str], ...] = (
    ("camt", r"camt[._-]?05[234]"),
    ("mt940", r"mt94[02]|\.(sta|940|942)$"),
    ("bai2", r"bai2?\b|\.bai2?$"),
    ("ofx", r"\.(ofx|qfx)$"),
    ("adyen", r"^(adyen_)?(settlement_detail|payments?_accounting)"),
    ("stripe", r"stripe|^payout_reconciliation|^balance_transactions"),
    ("paypal", r"^(paypal|stl[-_.]\d)"),
    ("checkout", r"^(checkout|settlement-breakdown)"),
)


def detect(name: str, data: bytes) -> str:
    """The format of a file by its content, else by its name; UnreadableFile lists the formats where neither tells."""
    try:
        head = tabular.decode(data[:_HEAD])
    except UnreadableFile:
        # a text of several bytes a character may be cut within one; a workbook is no text at all
        head = data[:_HEAD].decode("latin-1")
    head = head.lstrip("\ufeff")
    for found, holds in _CONTENTS:
        if holds(head):
            return found
    for found, pattern in _NAMES:
        if re.search(pattern, name.rsplit("/", 1)[-1], re.IGNORECASE):
            return found
    raise UnreadableFile(
        f"{name or 'The file'} has no format that is known by content or name; known are {', '.join((*MODULES, MAPPED))}. "
        "Name the format, or for another CSV or Excel file give a mapping."
    )


def parse(name: str, data: bytes, mapping: Mapping | None = None) -> Parsed:
    """What a file holds, read by a mapping where one is given and else by the format that `detect` finds."""
    if mapping is not None:
        return mapped.parse(data, mapping)
    return parser(detect(name, data))(data)


def parser(format_name: str) -> Parser:
    """The function that reads a format; UnreadableFile lists the formats where there is none of that name."""
    if format_name not in MODULES:
        raise UnreadableFile(
            f"There is no format {format_name!r}; known are {', '.join(MODULES)}, and {MAPPED} with a mapping."
        )
    try:
        module = importlib.import_module(MODULES[format_name])
    except ModuleNotFoundError as error:
        if error.name != MODULES[format_name]:
            raise
        raise UnreadableFile(f"Format {format_name} is known but cannot be read by this release.") from None
    found: Parser = module.parse
    return found


def _names(head: str, *columns: str) -> bool:
    """Whether the first line that says anything names all columns."""
    line = next((line for line in head.splitlines() if line.strip()), "")
    named = {cell.strip().strip('"').strip() for cell in re.split(r"[,;\t|]", line)}
    return named >= set(columns)
