"""Business days of the rails, against the dates that the central banks publish."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from paylake.contracts.calendars import FIRST_DAY, LAST_DAY, Rail
from paylake.errors import ContractError
from paylake.resolution.calendars import (
    age_bucket,
    age_business_days,
    business_day_rows,
    is_business_day,
    settlement_date,
    settlement_rule,
)


@pytest.mark.parametrize(
    ("rail", "day", "n", "expected"),
    [
        (Rail.TARGET, "2026-04-02", 2, "2026-04-08"),  # Good Friday and Easter Monday lie between
        (Rail.TARGET, "2026-04-02", 0, "2026-04-02"),
        (Rail.TARGET, "2026-04-04", 0, "2026-04-07"),  # a Saturday is taken up on the next business day
        (Rail.TARGET, "2026-12-24", 1, "2026-12-28"),
        (Rail.FEDERAL_RESERVE, "2026-07-02", 1, "2026-07-03"),  # 4 July is a Saturday: Friday is open
        (Rail.FEDERAL_RESERVE, "2027-07-02", 1, "2027-07-06"),  # 4 July is a Sunday: Monday is closed
        (Rail.FEDERAL_RESERVE, "2026-11-25", 1, "2026-11-27"),
        (Rail.INDIA, "2026-01-09", 1, "2026-01-12"),  # the second Saturday
        (Rail.INDIA, "2026-01-16", 1, "2026-01-17"),  # the third Saturday is a business day
        (Rail.INDIA, "2026-01-23", 1, "2026-01-27"),  # fourth Saturday, Sunday, Republic Day
        (Rail.INDIA, "2026-03-30", 1, "2026-04-02"),  # Mahavir Jayanti, then the banks close their accounts
        (Rail.WEEKDAYS, "2026-04-02", 1, "2026-04-03"),
    ],
)
def test_money_settles_n_business_days_later(rail: Rail, day: str, n: int, expected: str) -> None:
    assert settlement_date(rail, date.fromisoformat(day), n) == date.fromisoformat(expected)


def test_the_ecbs_closing_days_of_2026_are_the_published_ones() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    closed = [day for day in days if day.weekday() < 5 and not is_business_day(Rail.TARGET, day)]
    assert closed == [date(2026, 1, 1), date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1), date(2026, 12, 25)]


def test_an_age_counts_completed_business_days_and_starts_on_the_expected_date() -> None:
    def age(as_of: date) -> int:
        return age_business_days(Rail.TARGET, date(2026, 4, 2), as_of)

    found = {day: age(date(2026, 4, day)) for day in (1, 2, 3, 6, 7, 8, 11)}
    assert found == {1: 0, 2: 0, 3: 0, 6: 0, 7: 1, 8: 2, 11: 4}


@pytest.mark.parametrize(
    ("ages", "bucket"),
    [((0, 1), "0-1"), ((2, 3), "2-3"), ((4, 7), "4-7"), ((8, 30), "8-30"), ((31, 60), "31-60"), ((61, 90), "61-90"),
     ((91, 400), ">90")],
)  # fmt: skip
def test_every_age_has_a_bucket(ages: tuple[int, int], bucket: str) -> None:
    assert {age_bucket(age) for age in ages} == {bucket}


def test_each_currency_settles_on_its_rail_and_others_on_weekdays() -> None:
    found = {c: settlement_rule(c, date(2026, 1, 5)) for c in ("EUR", "INR", "USD", "JPY")}
    assert {c: (r.rail, r.days) for c, r in found.items()} == {
        "EUR": (Rail.TARGET, 2), "INR": (Rail.INDIA, 1), "USD": (Rail.FEDERAL_RESERVE, 2), "JPY": (Rail.WEEKDAYS, 2),
    }  # fmt: skip


def test_a_day_outside_the_covered_years_is_refused_in_a_sentence() -> None:
    with pytest.raises(ContractError, match="cover 2020-01-01 to 2035-12-31, but not 2036-01-01"):
        settlement_date(Rail.TARGET, date(2036, 1, 1), 0)


def test_the_table_has_every_rail_and_day_and_its_counts_only_grow() -> None:
    rows = business_day_rows()
    assert len(rows) == len(Rail) * ((LAST_DAY - FIRST_DAY).days + 1)
    target = [(day, is_open, passed) for rail, day, is_open, passed in rows if rail == "TARGET"]
    assert all(b[2] - a[2] == int(b[1]) for a, b in zip(target, target[1:], strict=False))
    assert dict((day, is_open) for day, is_open, _ in target)[date(2026, 4, 3)] is False
