"""The rails on which money settles, which currency settles on which and when, and the table of their business days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from pyspark.sql.types import BooleanType, DateType, IntegerType, StringType

from paylake.contracts.table import Check, Field, TableContract, one_of


class Rail(StrEnum):
    """A calendar of business days; WEEKDAYS stands for the rails whose holidays nobody has told us."""

    TARGET = "TARGET"
    INDIA = "INDIA"
    FEDERAL_RESERVE = "FEDERAL_RESERVE"
    WEEKDAYS = "WEEKDAYS"


@dataclass(frozen=True)
class SettlementRule:
    """A payment in `currency` settles `days` business days of `rail` after its own; for payments from `since` on."""

    currency: str
    rail: Rail
    days: int
    since: date


FIRST_DAY, LAST_DAY = date(2020, 1, 1), date(2035, 12, 31)
"""The days that the calendars cover."""

SETTLEMENT_RULES: tuple[SettlementRule, ...] = (
    SettlementRule("EUR", Rail.TARGET, 2, FIRST_DAY),
    SettlementRule("INR", Rail.INDIA, 1, FIRST_DAY),
    SettlementRule("USD", Rail.FEDERAL_RESERVE, 2, FIRST_DAY),
)
"""When a currency settles; a later rule of the same currency replaces an earlier one from its first day on."""

OTHER_SETTLEMENT = SettlementRule("-", Rail.WEEKDAYS, 2, FIRST_DAY)
"""When every other currency settles."""

AGE_BUCKETS: tuple[tuple[int, str], ...] = (
    (1, "0-1"), (3, "2-3"), (7, "4-7"), (30, "8-30"), (60, "31-60"), (90, "61-90"),
)  # fmt: skip
"""The last age of a bucket, in business days, and its name (reconciliation rule 28)."""

OLDEST_BUCKET = ">90"
"""What is older than every bucket: reviewed for being written off."""

BUSINESS_DAYS = TableContract(
    name="business_days",
    layer="final",
    doc="One row per rail and calendar day: whether money settles on it, and how many business days have passed by then.",
    fields=(
        Field("rail", StringType(), "Calendar: TARGET, INDIA, FEDERAL_RESERVE, or WEEKDAYS where none is known."),
        Field("day", DateType(), "Calendar day."),
        Field("is_business_day", BooleanType(), "Money settles on the day."),
        Field("business_days_passed", IntegerType(), f"Business days from {FIRST_DAY} up to the day, itself included."),
    ),
    key=("rail", "day"),
    checks=(Check("rail_known", one_of("rail", [r.value for r in Rail])), Check("counted", "business_days_passed >= 0")),
)
