"""A mapping: what the columns of one kind of CSV or Excel file mean, read from YAML and checked before any file is read.

Folder `mappings` holds examples. An error names the key, what it says and what is allowed.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, get_type_hints

import yaml

from paylake.contracts.statements import LINE_TYPES
from paylake.errors import SettingsError
from paylake.statements.tabular import KNOWN_CURRENCIES
from paylake.statements.values import in_utc, listed

BANK_STATEMENT, SETTLEMENT_REPORT = "bank_statement", "settlement_report"
CREDITS_POSITIVE, DEBITS_POSITIVE, BY_TYPE = "credits_positive", "debits_positive", "by_type"
LEAVING, ARRIVING = "leaving", "arriving"
POSITIVE, NEGATIVE = "positive", "negative"

BANK_TEXTS = ("transaction_code", "end_to_end_id", "reference", "bank_reference", "counterparty", "remittance")
_BALANCES = ("balance", "opening_balance", "closing_balance")
REPORT_TEXTS = ("psp_reference", "line_reference", "merchant_reference", "payment_method", "detail")
COLUMNS = {
    BANK_STATEMENT: ("date", "value_date", "amount", "debit", "credit", "currency", "account", *_BALANCES, *BANK_TEXTS),
    SETTLEMENT_REPORT: ("type", "payout_id", "gross", "fee", "net", "currency", "account", "created_at", *REPORT_TEXTS),
}
"""What a column can mean, by kind of file."""
CHOICES = {
    "kind": tuple(COLUMNS),
    "sign": (CREDITS_POSITIVE, DEBITS_POSITIVE, BY_TYPE),
    "fees": (POSITIVE, NEGATIVE),
    "payouts": (LEAVING, ARRIVING),
    "decimal": (".", ","),
    "thousands": ("", ".", ",", " ", "'"),
}


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """How to read one kind of file. Each field is a key of the YAML file."""

    name: str
    """Who reports, such as example_bank: the format's name, and the processor's."""
    kind: str
    """`bank_statement` or `settlement_report`."""
    columns: dict[str, str]
    """What a column means -> its name in the file; see COLUMNS."""
    date_format: str
    """Form of every date, as strptime writes it: `%d.%m.%Y`. In workbooks cells that are dates need none."""
    time_zone: str = "UTC"
    """Zone of `created_at`, such as Europe/Berlin."""
    currency: str | None = None
    """ISO 4217 code of every line. With a column too, each line must say the same."""
    account: str | None = None
    """Account of every line, where no column says so."""
    decimal: str = "."
    thousands: str = ""
    delimiter: str | None = None
    """What separates columns; without it the line of names tells."""
    sheet: str | None = None
    """Sheet of a workbook; without it the first one."""
    skip_lines: int = 0
    """Lines before the one that names the columns."""
    sign: str = CREDITS_POSITIVE
    """`credits_positive`, `debits_positive`, or `by_type` where a report writes no signs."""
    fees: str = POSITIVE
    """Sign of a fee that lessens the payout."""
    payouts: str = LEAVING
    """Whether the payout's own rows say what leaves the balance or what arrives at the bank."""
    types: dict[str, str] = field(default_factory=dict)
    """The report's word -> type of line; a word that is not here is UNKNOWN."""


def read_mapping(text: str) -> Mapping:
    """The mapping that a YAML text states; SettingsError says what is wrong with it, and what is allowed."""
    try:
        stated = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"The mapping is no YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(stated, dict):
        raise SettingsError("The mapping must be a list of keys and values, beginning with name, kind and columns.")
    known = {f.name: f for f in fields(Mapping)}
    if unknown := [str(key) for key in stated if key not in known]:
        raise SettingsError(f"The mapping has the unknown key {listed(unknown)}; known are {listed(known)}.")
    if missing := [name for name, f in known.items() if _is_required(f) and name not in stated]:
        raise SettingsError(f"The mapping lacks {listed(missing)}.")
    for name, value in stated.items():
        _check_kind_of(name, value)
    mapping = Mapping(**stated)
    for complaint in (_complaint_of_columns(mapping), _complaint_of_values(mapping)):
        if complaint:
            raise SettingsError(f"Mapping {mapping.name}: {complaint}.")
    return mapping


def _is_required(declared: Any) -> bool:
    return declared.default is MISSING and declared.default_factory is MISSING


def _check_kind_of(name: str, value: object) -> None:
    hint = get_type_hints(Mapping)[name]
    if hint == dict[str, str]:
        right = isinstance(value, dict) and all(isinstance(x, str) for pair in value.items() for x in pair)
        what = "names and texts (put quotes around a name such as 'no' or '1')"
    elif hint is int:
        right, what = isinstance(value, int) and not isinstance(value, bool) and value >= 0, "a whole number"
    else:
        right, what = isinstance(value, str), "a text (put quotes around it)"
    if not right:
        raise SettingsError(f"The mapping's {name} is {value!r}, and must be {what}.")


def _complaint_of_values(mapping: Mapping) -> str | None:
    """What is wrong with a single value, if anything."""
    for name, choices in CHOICES.items():
        if (value := getattr(mapping, name)) not in choices:
            return f"{name} is {value!r}, and must be one of {', '.join(map(repr, choices))}"
    if mapping.decimal == mapping.thousands:
        return f"decimal and thousands are both {mapping.decimal!r}"
    if mapping.delimiter is not None and (len(mapping.delimiter) != 1 or mapping.delimiter in '"\r\n'):
        return f"delimiter is {mapping.delimiter!r}, and must be one character such as ';'"
    if mapping.currency is not None and mapping.currency not in KNOWN_CURRENCIES:
        return f"currency is {mapping.currency!r}, which is no ISO 4217 code such as EUR"
    if wrong := sorted(set(mapping.types.values()) - set(LINE_TYPES)):
        return f"types names {listed(wrong)}, and known are {listed(LINE_TYPES)}"
    try:
        day = datetime(2026, 12, 31, 13, 45, 59, tzinfo=UTC)
        datetime.strptime(day.strftime(mapping.date_format), mapping.date_format)
        in_utc(datetime(2026, 12, 31), mapping.time_zone)
    except ValueError as error:
        return f"date_format or time_zone cannot be used ({error})"
    return None


def _complaint_of_columns(mapping: Mapping) -> str | None:
    """What is wrong with the columns together, if anything."""
    if mapping.kind not in COLUMNS:
        return f"kind is {mapping.kind!r}, and must be one of {listed(COLUMNS)}"
    named = mapping.columns.keys()
    if unknown := sorted(named - set(COLUMNS[mapping.kind])):
        return f"columns names {listed(unknown)}, and a {mapping.kind} knows {listed(COLUMNS[mapping.kind])}"
    if "currency" not in named and mapping.currency is None:
        return "give currency, or the column that says it under columns"
    if mapping.kind == BANK_STATEMENT:
        return _complaint_of_bank(mapping)
    if "type" not in named or not mapping.types:
        return "a settlement_report needs a column for type, and types that says what its words mean"
    if not named & {"gross", "net"}:
        return "a settlement_report needs a column for gross or net"
    return None


def _complaint_of_bank(mapping: Mapping) -> str | None:
    named = mapping.columns.keys()
    if "date" not in named:
        return "a bank_statement needs a column for date"
    if ("amount" in named) == ({"debit", "credit"} <= named) or len(named & {"debit", "credit"}) == 1:
        return "a bank_statement needs a column for amount, or one for debit and one for credit"
    if mapping.sign == BY_TYPE:
        return "sign by_type is for a settlement_report"
    if len(named & {"opening_balance", "closing_balance"}) == 1:
        return "give opening_balance and closing_balance, or neither"
    return None
