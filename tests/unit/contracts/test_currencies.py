"""ISO 4217: codes and minor units."""

from __future__ import annotations

import re

import pytest

from paylake.contracts.currencies import CURRENCIES, OTHER_MINOR_UNITS, minor_units


def test_codes_are_three_capital_letters_and_named_once() -> None:
    assert [c for c in CURRENCIES if not re.fullmatch(r"[A-Z]{3}", c)] == []
    assert len(set(CURRENCIES)) == len(CURRENCIES)


def test_currencies_with_other_minor_units_are_currencies() -> None:
    assert set(OTHER_MINOR_UNITS) <= set(CURRENCIES)
    assert set(OTHER_MINOR_UNITS.values()) == {0, 3, 4}


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("INR", 2), ("USD", 2), ("JPY", 0), ("KRW", 0), ("ISK", 0), ("KWD", 3), ("BHD", 3), ("CLF", 4)],
)
def test_minor_units_follow_the_standard(currency: str, digits: int) -> None:
    assert minor_units(currency) == digits
