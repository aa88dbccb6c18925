"""What a text states, exactly: amounts as people write them in many countries, and times of any zone."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MAX_WHOLE_DIGITS, MAX_DECIMALS = 15, 6
"""What an amount may have: six decimals as the contracts keep, and so few digits that no sum of a file is cut."""
ISO = "YYYY-MM-DD HH:MM:SS"
"""The form of a time in ISO 8601: with a blank or a T, with or without fractions of a second and a zone."""

_HOURS = {
    "UTC": 0, "GMT": 0, "WET": 0, "BST": 1, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3,
    "NST": "-3:30", "NDT": "-2:30", "ADT": -3, "EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7,
    "PST": -8, "AKDT": -8, "AKST": -9, "HST": -10, "BRT": -3, "BRST": -2,
    "SGT": 8, "HKT": 8, "AWST": 8, "JST": 9, "KST": 9, "ACST": "9:30", "ACDT": "10:30", "AEST": 10, "AEDT": 11,
    "NZST": 12, "NZDT": 13,
}  # fmt: skip
"""Abbreviation -> hours ahead of UTC. CST and CDT are those of North America; IST and AST are several zones, so unknown."""


_PLAIN = re.compile(rf"[0-9]{{1,{MAX_WHOLE_DIGITS}}}(\.[0-9]{{1,{MAX_DECIMALS}}})?")


def exact_amount(text: str, decimal: str = ".", thousands: str = "") -> Decimal:
    """The amount that a text states, exactly; ValueError says what is wrong with it.

    A minus may stand before or after the digits, and brackets mean minus. Thousands separators must stand where they
    belong (in threes, or as in 12,34,567.00), so that 1,5 is never read as 15.
    """
    if decimal == "." and _PLAIN.fullmatch(text):
        return Decimal(text)  # nearly every amount of a processor: half the time of reading its report
    bare = text.strip().replace("\u2212", "-")
    sign = ""
    if bare.startswith("(") and bare.endswith(")"):
        sign, bare = "-", bare[1:-1].strip()
    elif bare.startswith(("-", "+")):
        sign, bare = bare[0], bare[1:].lstrip()
    elif bare.endswith("-"):
        sign, bare = "-", bare[:-1].rstrip()
    match = _amount(decimal, thousands).fullmatch(bare)
    if match is None or not any(match.groups()):
        with_thousands = f"thousands separator {thousands!r}" if thousands else "no thousands separator"
        raise ValueError(f"says {text!r}, which is no amount with decimal separator {decimal!r} and {with_thousands}")
    whole = re.sub("[^0-9]", "", match[1] or "").lstrip("0")
    fraction = match[2] or ""
    if len(whole) > MAX_WHOLE_DIGITS or len(fraction.rstrip("0")) > MAX_DECIMALS:
        raise ValueError(
            f"says {text!r}, and an amount has at most {MAX_WHOLE_DIGITS} digits and {MAX_DECIMALS} decimals: "
            "round it where it was computed"
        )
    amount = Decimal(f"{whole or 0}.{fraction[:MAX_DECIMALS] or 0}" if fraction else whole or "0")
    return -amount if sign == "-" else amount


@cache
def _amount(decimal: str, thousands: str) -> re.Pattern[str]:
    """The digits before the decimal separator, and those after it."""
    return re.compile(rf"({_whole(thousands)})?(?:{re.escape(decimal)}([0-9]+))?")


def _whole(thousands: str) -> str:
    if not thousands:
        return "[0-9]+"
    between = "[ \u00a0\u202f]" if thousands == " " else re.escape(thousands)
    in_threes = f"[0-9]{{1,3}}(?:{between}[0-9]{{3}})+"
    in_lakhs = f"[0-9]{{1,2}}(?:{between}[0-9]{{2}})+{between}[0-9]{{3}}"
    return f"[0-9]+|{in_threes}|{in_lakhs}"


def read_time(text: str, form: str) -> datetime:
    """The local time that a text states in a form of strptime or in ISO; ValueError shows both."""
    try:
        return datetime.fromisoformat(text) if form == ISO else datetime.strptime(text, form)
    except ValueError:
        raise ValueError(f"says {text!r}, which is not a date of the form {form!r}") from None


def in_utc(local: datetime, zone: str) -> datetime:
    """A local time of a zone, such as PST or Europe/Berlin, in UTC; ValueError for a zone that nobody knows.

    An abbreviation states its distance from UTC, so that it is exact in the night when clocks change. A zone by name does
    not: an hour that comes twice is taken as its first, and one that is left out as if clocks had not yet changed.
    """
    try:
        return (local if local.tzinfo is not None else local.replace(tzinfo=_zone(zone))).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"has the time {local.isoformat()}, which no calendar has in UTC") from None


def _zone(zone: str) -> timezone | ZoneInfo:
    hours = _HOURS.get(zone.upper())
    if isinstance(hours, int):
        return timezone(timedelta(hours=hours))
    if isinstance(hours, str):
        whole, minutes = hours.split(":")
        sign = -1 if whole.startswith("-") else 1
        return timezone(sign * timedelta(hours=abs(int(whole)), minutes=int(minutes)))
    try:
        # names without a slash that the database has, such as IST or Cuba, are not what a report means by them
        if "/" in zone:
            return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    known = listed(sorted(_HOURS))
    raise ValueError(f"has the time zone {zone!r}, which is not known; known are names such as Europe/Berlin, and {known}")


def listed(names: Collection[str]) -> str:
    """Names as part of a sentence."""
    return ", ".join(name if name else "(blank)" for name in names) or "none"
