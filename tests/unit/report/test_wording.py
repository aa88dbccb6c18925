"""How money, shares and names read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from paylake.report.wording import duration, headline, label, money, percent


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1234567.8900", "INR", "₹ 12,34,567.89"),
        ("-1234567.8900", "INR", "-₹ 12,34,567.89"),
        ("0.0000", "INR", "₹ 0.00"),
        ("0.0050", "INR", "₹ 0.005"),
        ("1234567.8900", "USD", "$1,234,567.89"),
        ("1234567.8900", "GBP", "£1,234,567.89"),
        ("1234567.8900", "EUR", "€1,234,567.89"),
        ("1234567.8900", "AUD", "A$1,234,567.89"),
        ("1234567.8900", "SGD", "SGD 1,234,567.89"),
        ("1234567.8900", "AED", "AED 1,234,567.89"),
        ("1234567.0000", "JPY", "¥1,234,567"),
        ("1234.5670", "KWD", "KWD 1,234.567"),
        ("123456789012345678901234.5600", "INR", "₹ 1,23,45,67,89,01,23,45,67,89,01,234.56"),
    ],
)
def test_money_reads_in_its_currency_s_own_convention_and_loses_no_digit(amount: str, currency: str, expected: str) -> None:
    assert money(Decimal(amount), currency).replace("\u00a0", " ") == expected


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("12345678.9000", "INR", "₹ 1.23 crore"),
        ("99999.9900", "INR", "₹ 99,999.99"),
        ("100000.0000", "INR", "₹ 1.00 lakh"),
        ("9999999.9900", "INR", "₹ 99.99 lakh"),
        ("12345678.9000", "USD", "$12.34 million"),
        ("2500000000.0000", "JPY", "¥2.50 billion"),
        ("999999.0000", "USD", "$999,999.00"),
    ],
)
def test_large_amounts_read_in_words_and_are_never_rounded_up(amount: str, currency: str, expected: str) -> None:
    assert headline(Decimal(amount), currency).replace("\u00a0", " ") == expected


def test_only_a_whole_is_a_hundred_percent() -> None:
    assert percent(999_999, 1_000_000) == "99.99%"
    assert percent(Decimal("10.00"), Decimal("10.0000")) == "100.00%"
    assert percent(0, 7) == "0.00%"


def test_a_share_of_nothing_is_not_a_number() -> None:
    assert percent(0, 0) == "none"
    assert percent(0, 0, empty=1.0) == "100.00%"


def test_names_and_durations_read_like_words() -> None:
    assert label("MISSING_PG") == "Missing gateway"
    assert label("AMOUNT_OVER") == "Amount over"
    assert [duration(ms) for ms in (0.4, 999.4, 61_250.0, None)] == ["0 ms", "999 ms", "61.25 s", "not measured"]
