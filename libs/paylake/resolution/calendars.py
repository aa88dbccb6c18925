"""Business days of the rails (reconciliation rule 9).

* TARGET: the ECB's closing days.
* FEDERAL_RESERVE: the Reserve Banks' holidays. One that falls on a Sunday is kept on Monday; one that falls on a Saturday is
  not kept on Friday, other than the federal holiday (the Reserve Banks' published holiday schedule).
* INDIA: Sundays, the second and fourth Saturday (Reserve Bank of India, since 2015-09-01) and the public holidays of
  Maharashtra, where the clearing banks sit, with 1 April, on which banks close their accounts. Feasts that follow the moon
  are announced late, so that the days of coming years are the best estimate.
* WEEKDAYS: Monday to Friday.

A payment on a day without settlement is taken up on the next business day: T+n counts from there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache

import holidays

from paylake.contracts.calendars import (
    AGE_BUCKETS,
    FIRST_DAY,
    LAST_DAY,
    OLDEST_BUCKET,
    OTHER_SETTLEMENT,
    SETTLEMENT_RULES,
    Rail,
    SettlementRule,
)
from paylake.errors import ContractError

A_DAY = timedelta(days=1)
SATURDAY, SUNDAY = 5, 6
YEARS = range(FIRST_DAY.year, LAST_DAY.year + 1)


def is_business_day(rail: Rail, day: date) -> bool:
    """True where money settles on the day; ContractError outside the years that the calendars cover."""
    days = business_days(rail)
    return days[_up_to(days, day) - 1] == day


def settlement_date(rail: Rail, day: date, n: int) -> date:
    """T+n: n business days after the day, or after the next business day where it is none itself."""
    days = business_days(rail)
    _up_to(days, day)
    return days[bisect_left(days, day) + n]


def age_business_days(rail: Rail, expected: date, as_of: date) -> int:
    """How many business days have passed since the expected settlement date; 0 until then."""
    days = business_days(rail)
    return max(_up_to(days, as_of) - _up_to(days, expected), 0)


def age_bucket(age: int) -> str:
    """The bucket of an age in business days (reconciliation rule 28)."""
    return next((name for last, name in AGE_BUCKETS if age <= last), OLDEST_BUCKET)


def settlement_rule(currency: str, day: date) -> SettlementRule:
    """The rule by which a payment of the day settles."""
    known = [rule for rule in SETTLEMENT_RULES if rule.currency == currency and rule.since <= day]
    return max(known, key=lambda rule: rule.since, default=OTHER_SETTLEMENT)


def business_day_rows() -> list[tuple[str, date, bool, int]]:
    """The rows of `business_days`: rail, day, whether it is a business day, and how many have passed."""
    rows = []
    for rail in Rail:
        open_days, passed = set(business_days(rail)), 0
        for day in _days():
            passed += day in open_days
            rows.append((rail.value, day, day in open_days, passed))
    return rows


@cache
def business_days(rail: Rail) -> tuple[date, ...]:
    """Every business day of the rail within the covered years, in order."""
    closed = _CLOSED[rail]()
    return tuple(day for day in _days() if day not in closed)


def _days() -> list[date]:
    return [FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]


def _up_to(days: tuple[date, ...], day: date) -> int:
    """How many of the business days lie up to the day, itself included."""
    if not FIRST_DAY < day <= LAST_DAY:
        raise ContractError(f"The calendars cover {FIRST_DAY} to {LAST_DAY}, but not {day}; extend contracts/calendars.py.")
    return bisect_right(days, day)


def _weekend() -> set[date]:
    return {day for day in _days() if day.weekday() in (SATURDAY, SUNDAY)}


def _target() -> set[date]:
    return _weekend() | set(holidays.financial_holidays("XECB", years=YEARS))


def _federal_reserve() -> set[date]:
    return _weekend() | set(holidays.financial_holidays("XFED", years=YEARS))


def _india() -> set[date]:
    public = set(holidays.country_holidays("IN", subdiv="MH", years=YEARS))
    accounts_close = {date(year, 4, 1) for year in YEARS}
    return {day for day in _days() if _bank_is_closed_in_india(day)} | public | accounts_close


def _bank_is_closed_in_india(day: date) -> bool:
    return day.weekday() == SUNDAY or (day.weekday() == SATURDAY and (day.day - 1) // 7 + 1 in (2, 4))


_CLOSED: Mapping[Rail, Callable[[], set[date]]] = {
    Rail.TARGET: _target,
    Rail.FEDERAL_RESERVE: _federal_reserve,
    Rail.INDIA: _india,
    Rail.WEEKDAYS: _weekend,
}
