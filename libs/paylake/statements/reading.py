"""What all formats read alike: exact amounts, known currencies, text in one line."""

from __future__ import annotations

import re
from decimal import Decimal

from paylake.contracts.currencies import CURRENCIES

_AMOUNT = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,6})0*)?\.?")
_KNOWN = frozenset(CURRENCIES)
_ABSENT = frozenset({"NOTPROVIDED", "NOT PROVIDED", "NONREF"})
"""Words that ISO 20022 and SWIFT put where a reference is required and there is none."""


class Fault(ValueError):
    """A part of a file that cannot be read. Its text is a clause that follows the name of the part."""


def one_line(*texts: str | None) -> str | None:
    """Texts in one line, with single blanks; None where nothing is left.

    >>> one_line(" RENT ", None, "MAY\\n 2026")
    'RENT MAY 2026'
    """
    # control characters would survive as text, and NUL breaks many readers
    joined = " ".join(text for text in texts if text)
    if not joined.isprintable():
        joined = "".join(c if c.isprintable() else " " for c in joined)
    return " ".join(joined.split()) or None


def identifier(text: str | None) -> str | None:
    """A reference in one line; None where it says that there is none."""
    line = one_line(text)
    return None if line is None or line.upper() in _ABSENT else line


def exact_amount(text: str | None) -> Decimal:
    """The unsigned amount that a text with a decimal point states; raises Fault where it is none, or has a sign.

    It must fit the contracts' DECIMAL(24,6) exactly: nothing is rounded.
    """
    found = _AMOUNT.fullmatch((text or "").strip())
    if not found:
        raise Fault(f"has the amount {_quoted(text)}, which is not a number of at most 18 digits and 6 decimals")
    whole, fraction = found.groups()
    return Decimal(f"{whole}.{fraction}" if fraction else whole)


def known_currency(code: str | None) -> str:
    """An ISO 4217 code that is in use; raises Fault for any other."""
    if code not in _KNOWN:
        raise Fault(f"is in {_quoted(code)}, which is not a currency in use")
    return code


def _quoted(text: str | None) -> str:
    return "nothing" if not text or not text.strip() else f"`{(one_line(text) or '')[:40]}`"
