"""How figures read: money in its currency's own convention, shares that never round up to certainty, plain names."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from babel.numbers import format_currency, get_currency_symbol

from paylake.contracts.currencies import minor_units

INDIAN = "¤\u00a0#,##,##0.00"
CRORE, LAKH = Decimal(10) ** 7, Decimal(10) ** 5
UNITS: dict[bool, tuple[tuple[Decimal, str], ...]] = {
    True: ((CRORE, "crore"), (LAKH, "lakh")),
    False: ((Decimal(10) ** 9, "billion"), (Decimal(10) ** 6, "million")),
}
"""Is Indian -> the words for large amounts, the largest first."""

LOCALES: dict[str, str] = {
    "AED": "en_AE",
    "AUD": "en_AU",
    "CAD": "en_CA",
    "CHF": "en_CH",
    "EUR": "en_IE",
    "GBP": "en_GB",
    "INR": "en_IN",
    "JPY": "ja_JP",
    "SGD": "en_SG",
    "USD": "en_US",
    "ZAR": "en_ZA",
}
"""Currency -> the locale whose convention it follows; English conventions where it is not here."""

ABBREVIATIONS: dict[str, str] = {"pg": "gateway", "cbs": "core banking"}


def money(amount: Decimal, currency: str) -> str:
    """The exact amount: with the currency's decimals, or with more where the amount has more.

    >>> money(Decimal("1234567.8900"), "INR").replace(chr(160), " ")
    '₹ 12,34,567.89'
    >>> money(Decimal("0.0050"), "INR").replace(chr(160), " ")
    '₹ 0.005'
    """
    whole, _, fraction = f"{amount:f}".partition(".")
    has_more = len(fraction.rstrip("0")) > minor_units(currency)
    return _format(amount, currency, exact=has_more)


def headline(amount: Decimal, currency: str) -> str:
    """The amount in words that are read at a glance, to two decimals of the word.

    >>> headline(Decimal("12345678.90"), "INR").replace(chr(160), " ")
    '₹ 1.23 crore'
    """
    for unit, word in UNITS[currency == "INR"]:
        if abs(amount) >= unit:
            scaled = (amount / unit).quantize(Decimal("0.01"), ROUND_DOWN)
            return f"{_format(scaled, currency, digits=False)}\u00a0{word}"
    return money(amount, currency)


def _format(amount: Decimal, currency: str, *, exact: bool = False, digits: bool = True) -> str:
    locale = LOCALES.get(currency, "en")
    text: str = format_currency(
        amount,
        currency,
        format=INDIAN if currency == "INR" else None,
        locale=locale,
        currency_digits=digits,
        decimal_quantization=not exact,
    )
    # several countries write a bare $: on a page with many currencies each keeps a sign of its own
    symbol = get_currency_symbol(currency, "en")
    return text.replace(get_currency_symbol(currency, locale), symbol + "\u00a0" * symbol[-1].isalpha(), 1)


def percent(part: int | Decimal, whole: int | Decimal, empty: float | None = None) -> str:
    """A share with two decimals, cut and not rounded, so that only a whole is 100.00%.

    >>> percent(199_999, 200_000), percent(0, 0)
    ('99.99%', 'none')
    """
    if not whole:
        return "none" if empty is None else f"{empty:.2%}"
    share = Decimal(part) * 100 / Decimal(whole)
    return f"{share.quantize(Decimal('0.01'), ROUND_DOWN)}%"


def label(name: str) -> str:
    """A name of the taxonomy for people.

    >>> label("MISSING_IN_CORE"), label("MISSING_CBS")
    ('Missing in core', 'Missing core banking')
    """
    words = [ABBREVIATIONS.get(word, word) for word in name.lower().split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def duration(milliseconds: float | None) -> str:
    """A time that reads well at its size.

    >>> duration(12.3), duration(8250.0), duration(None)
    ('12 ms', '8.25 s', 'not measured')
    """
    if milliseconds is None:
        return "not measured"
    return f"{milliseconds:,.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:,.2f} s"
