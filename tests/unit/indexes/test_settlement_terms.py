"""Terms as data, sales days around cut-offs, value dates on days on which both rails are open, rounding."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake.contracts import BUSINESS_DAYS
from paylake.contracts.calendars import Rail
from paylake.contracts.currencies import CURRENCIES
from paylake.contracts.settlement import ANY, SETTLEMENT_TERMS, SettlementTerms
from paylake.indexes.settlement_terms import (
    TERMS_TYPE,
    cut_off_at,
    half_up,
    sales_day,
    settled_by,
    terms_rows,
    two_rail_days,
    with_terms,
    with_value_date,
)
from paylake.resolution.calendars import business_day_rows
from tests.builders import day, frame

EXACT = SettlementTerms("acq", "EUR", Rail.TARGET, Rail.TARGET, 2, 0, 0, "test", since=day("2026-01-01"), settles=("VISA",))
LATER = SettlementTerms("acq", "EUR", Rail.TARGET, Rail.TARGET, 1, 0, 0, "test", since=day("2026-04-01"))
ANY_CURRENCY = SettlementTerms("acq", ANY, Rail.WEEKDAYS, Rail.WEEKDAYS, 3, 0, 0, "test", settles=("CARD",))
ANY_PSP = SettlementTerms(ANY, "EUR", Rail.WEEKDAYS, Rail.WEEKDAYS, 4, 0, 0, "test")
LAST = SettlementTerms(ANY, ANY, Rail.WEEKDAYS, Rail.WEEKDAYS, 5, 0, 0, "test")
TERMS = (LATER, EXACT, ANY_CURRENCY, ANY_PSP, LAST)


def test_terms_name_a_source_a_known_zone_and_each_processor_and_currency_once_a_day() -> None:
    assert [t for t in SETTLEMENT_TERMS if not (t.source.endswith(".") and len(t.source) > 20)] == []
    assert {str(ZoneInfo(t.time_zone)) for t in SETTLEMENT_TERMS} == {t.time_zone for t in SETTLEMENT_TERMS}
    assert {t.currency for t in SETTLEMENT_TERMS} <= {ANY, *CURRENCIES}
    assert len({(t.psp, t.currency, t.since) for t in SETTLEMENT_TERMS}) == len(SETTLEMENT_TERMS)
    assert (ANY, ANY) in {(t.psp, t.currency) for t in SETTLEMENT_TERMS}
    assert [t for t in SETTLEMENT_TERMS if t.pays_on is not None and not 1 <= t.pays_on <= 31] == []


def test_terms_hold_until_the_next_of_their_processor_and_currency_and_the_first_for_all_time_before() -> None:
    names = [part.split()[0] for part in TERMS_TYPE.split(", ")]
    held = [dict(zip(names, row, strict=True)) for row in terms_rows(TERMS)]
    assert [(r["terms_key"], r["since"], r["until"], r["days"]) for r in held if r["terms_key"] == "acq|EUR"] == [
        ("acq|EUR", date.min, day("2026-04-01"), 2),
        ("acq|EUR", day("2026-04-01"), date.max, 1),
    ]


def test_the_rule_is_told_in_a_line() -> None:
    assert LAST.rule == "T+5 WEEKDAYS+WEEKDAYS, sales until 24:00 UTC"
    anchored = SettlementTerms("a", "EUR", Rail.TARGET, Rail.INDIA, 2, 0, 0, "t", 31 * 60, "Europe/Paris", pays_on=31)
    assert anchored.rule == "T+2 TARGET+INDIA, on day 31 of the month, sales until 31:00 Europe/Paris"


def test_the_most_exact_terms_of_the_day_count(spark: SparkSession) -> None:
    rows = frame(
        spark, "psp string, currency string, day date",
        ("acq", "EUR", day("2026-03-31")), ("acq", "EUR", day("2026-04-01")), ("acq", "USD", day("2026-04-01")),
        ("new", "EUR", day("2026-04-01")), ("new", "USD", day("2026-04-01")),
    )  # fmt: skip
    found = with_terms(rows, F.col("day"), TERMS).select("psp", "currency", "days")
    assert sorted(tuple(r) for r in found.collect()) == [
        ("acq", "EUR", 1), ("acq", "EUR", 2), ("acq", "USD", 3), ("new", "EUR", 4), ("new", "USD", 5),
    ]  # fmt: skip


def test_a_payment_goes_to_its_merchants_processor_else_to_the_first_that_claims_it(spark: SparkSession) -> None:
    rows = frame(
        spark, "of string, currency string, payment_system string, channel string",
        ("own", "EUR", "VISA", "CARD"), (None, "EUR", "VISA", "UPI"), (None, "USD", "VISA", "UPI"),
        (None, "USD", "VISA", "CARD"), (None, "EUR", None, None),
    )  # fmt: skip
    found = rows.select(settled_by(F.col("of"), TERMS).alias("psp")).collect()
    assert [r["psp"] for r in found] == ["own", "acq", "unassigned", "acq", "unassigned"]


BERLIN = "Europe/Berlin"
MIDNIGHT, FIVE_PM, SEVEN_AM, HALF_PAST_TWO = 24 * 60, 17 * 60, 31 * 60, 26 * 60 + 30
CUT_OFFS = (
    (BERLIN, FIVE_PM, "2026-04-10T14:59:59", "2026-04-10"),
    (BERLIN, FIVE_PM, "2026-04-10T15:00:00", "2026-04-11"),
    (BERLIN, FIVE_PM, "2026-01-30T15:59:59", "2026-01-30"),
    (BERLIN, FIVE_PM, "2026-01-31T16:00:00", "2026-02-01"),
    (BERLIN, SEVEN_AM, "2026-03-01T05:59:59", "2026-02-28"),
    (BERLIN, SEVEN_AM, "2026-03-01T06:00:00", "2026-03-01"),
    ("UTC", MIDNIGHT, "2026-12-31T23:59:59", "2026-12-31"),
    ("UTC", MIDNIGHT, "2027-01-01T00:00:00", "2027-01-01"),
    ("Asia/Kolkata", MIDNIGHT, "2026-03-30T18:29:59", "2026-03-30"),
    ("Asia/Kolkata", MIDNIGHT, "2026-03-30T18:30:00", "2026-03-31"),
    # the night of 29 March has no half past two: the day ends when the clock shows half past three
    (BERLIN, HALF_PAST_TWO, "2026-03-29T01:29:59", "2026-03-28"),
    (BERLIN, HALF_PAST_TWO, "2026-03-29T01:30:00", "2026-03-29"),
    # the night of 25 October has two: the first ends the day, also for what is paid at a quarter past two again
    (BERLIN, HALF_PAST_TWO, "2026-10-25T00:29:59", "2026-10-24"),
    (BERLIN, HALF_PAST_TWO, "2026-10-25T00:30:00", "2026-10-25"),
    (BERLIN, HALF_PAST_TWO, "2026-10-25T01:15:00", "2026-10-25"),
)


def test_a_sales_day_ends_at_its_cut_off_to_the_second(spark: SparkSession) -> None:
    rows = frame(
        spark, "time_zone string, cut_off_minutes int, at timestamp",
        *((zone, minutes, datetime.fromisoformat(at).replace(tzinfo=UTC)) for zone, minutes, at, _ in CUT_OFFS),
    )  # fmt: skip
    dated = rows.withColumn("day", sales_day(F.col("at"))).withColumns({
        "ends": cut_off_at(F.col("day")), "begins": cut_off_at(F.date_sub("day", 1)),
    })  # fmt: skip
    found = dated.withColumn("is_within", (F.col("at") >= F.col("begins")) & (F.col("at") < F.col("ends"))).collect()
    assert [(r["day"].isoformat(), r["is_within"]) for r in found] == [(expected, True) for *_, expected in CUT_OFFS]


def test_value_dates_are_days_on_which_both_rails_are_open(spark: SparkSession) -> None:
    near = [r for r in business_day_rows() if date(2026, 1, 1) <= r[1] <= date(2026, 6, 30)]
    both = (TERMS[0], SettlementTerms("us", "USD", Rail.FEDERAL_RESERVE, Rail.TARGET, 2, 0, 0, "test"))
    days = two_rail_days(spark.createDataFrame(near, BUSINESS_DAYS.schema).coalesce(1), both)
    expected = (
        ("TARGET+TARGET", None, "2026-04-02", 2, "2026-04-08"),
        ("FEDERAL_RESERVE+TARGET", None, "2026-04-02", 1, "2026-04-07"),
        ("FEDERAL_RESERVE+TARGET", None, "2026-05-22", 1, "2026-05-26"),
        ("TARGET+TARGET", None, "2026-04-04", 0, "2026-04-07"),
        ("TARGET+TARGET", None, "2026-04-04", 2, "2026-04-09"),
        ("TARGET+TARGET", 31, "2026-02-10", 2, "2026-03-02"),
        ("TARGET+TARGET", 30, "2026-04-27", 2, "2026-04-30"),
        ("TARGET+TARGET", 5, "2026-03-05", 2, "2026-04-07"),
    )
    asked = frame(
        spark, "rails string, pays_on int, _base date, _after int, n int",
        *((rails, anchor, day(base), after, n) for n, (rails, anchor, base, after, _) in enumerate(expected)),
    )  # fmt: skip
    found = {r["n"]: r["expected_value_date"].isoformat() for r in with_value_date(asked, days).collect()}
    assert found == dict(enumerate(e[-1] for e in expected))


def test_halves_are_rounded_up_to_the_minor_unit_of_the_currency(spark: SparkSession) -> None:
    amounts = (
        ("0.005", "EUR"),
        ("0.004999", "EUR"),
        ("10.5", "JPY"),
        ("0.0005", "KWD"),
        ("0.00005", "CLF"),
        ("-0.005", "EUR"),
    )
    rows = frame(spark, "amount decimal(24,6), currency string", *((Decimal(amount), code) for amount, code in amounts))
    found = rows.select(half_up(F.col("amount"), F.col("currency")).alias("amount")).collect()
    assert [str(r["amount"].normalize()) for r in found] == ["0.01", "0", "11", "0.001", "0.0001", "-0.01"]
