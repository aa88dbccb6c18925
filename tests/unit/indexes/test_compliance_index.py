"""What the compliance index says of users and merchants: one run over many people, each in a case of their own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from paylake.contracts import COMPLIANCE_INDEX
from paylake.contracts.compliance import RULES
from paylake.indexes.compliance_index import aml_alert, compliance_index
from paylake.indexes.payments import Sources
from paylake.indexes.versions import VERSION_COLUMNS, with_news
from tests.builders import NOON, day, rows
from tests.unit.indexes.compliance_sources import cash, paid, sources

MONDAY = day("2026-03-30")
SUNDAY, SATURDAY, FRIDAY, THURSDAY = (MONDAY - timedelta(days=n) for n in (1, 2, 3, 4))

PEOPLE = {
    "exactly the threshold": [cash("e1", MONDAY, "4000.00"), cash("e2", MONDAY, "6000.00")],
    "a cent above it": [cash("a1", MONDAY, "4000.00"), cash("a2", MONDAY, "6000.01")],
    "in and out apart": [cash("i1", MONDAY, "9000.00"), cash("i2", MONDAY, "8000.00", type="WITHDRAWAL", channel="ATM")],
    "over a weekend": [cash("w1", SATURDAY, "6000.00"), cash("w2", SUNDAY, "5000.00")],
    "on Friday": [cash("f1", FRIDAY, "20000.00"), cash("f2", MONDAY, "10.00")],
    "in two currencies": [cash("c1", MONDAY, "9000.00"), cash("c2", MONDAY, "9000.00", currency="EUR")],
    "elsewhere": [cash("x1", MONDAY, "20000.00", country="GB")],
    "failed": [cash("g1", MONDAY, "20000.00", payment_status="FAILED")],
    "a month in India": [
        cash("m0", day("2026-02-28"), "900000.00", country="IN", currency="INR"),
        cash("m1", day("2026-03-01"), "600000.00", country="IN", currency="INR"),
        cash("m2", MONDAY, "400000.01", country="IN", currency="INR"),
    ],
    "three just below": [cash(f"s{n}", MONDAY - timedelta(days=n), "9500.00") for n in (0, 4, 6)],
    "two and one long ago": [cash(f"l{n}", MONDAY - timedelta(days=n), "9500.00") for n in (0, 4, 7)],
    "days just below": [
        cash(f"d{n}-{part}", MONDAY - timedelta(days=n), "3200.00") for n in (0, 4, 5) for part in ("a", "b", "c")
    ],
    "no cash today": [
        *(cash(f"n{n}", MONDAY - timedelta(days=n), "9500.00") for n in (3, 4, 5)), paid("n9", MONDAY, "1.00"),
    ],
    "fans out": [paid(f"o{n}", MONDAY, "5.00" if n else "100.00", merchant_id=f"m{n % 3}") for n in range(5)],
    "sends far": [paid("t1", MONDAY, "3000.00", type="TRANSFER"), paid("t2", MONDAY, "2999.99", type="TRANSFER")],
    "in a burst": [
        paid("b0", MONDAY - timedelta(days=29), "1.00"), paid("b1", THURSDAY, "1.00"),
        paid("b2", SUNDAY, "1.00", "11:00:00.000001"), paid("b3", MONDAY, "50.00", "10:00:00"),
        paid("b4", MONDAY, "100.00", "10:59:59.999999"), paid("b5", MONDAY, "10.00", "11:00:00"),
        paid("b6", MONDAY, "10.00", "23:00:00"), paid("b7", MONDAY - timedelta(days=30), "1.00"),
    ],
    "sends to nobody known": [paid("k1", MONDAY, "3000.00", type="TRANSFER", merchant_id="m1")],
}  # fmt: skip


def everybody() -> list[dict[str, Any]]:
    """Every payment, with its person."""
    return [{**payment, "user_id": person} for person, payments in PEOPLE.items() for payment in payments]


def said(found: list[Row], *columns: str) -> dict[str, tuple[Any, ...]]:
    """Some columns of the users' rows, by user and currency."""
    return {f"{r['entity_id']}, {r['currency']}": tuple(r[c] for c in columns) for r in found if r["entity_type"] == "USER"}


def differing(found: dict[str, tuple[Any, ...]], usual: tuple[Any, ...]) -> dict[str, tuple[Any, ...]]:
    """What is not as usual."""
    return {key: values for key, values in found.items() if values != usual}


@pytest.fixture(scope="module")
def of_monday(spark: SparkSession) -> Sources:
    return sources(spark, MONDAY, everybody())


@pytest.fixture(scope="module")
def index(of_monday: Sources) -> list[Row]:
    return compliance_index(of_monday).collect()


def test_cash_above_the_threshold_is_reported_per_person_currency_and_business_day(index: list[Row]) -> None:
    found = said(index, "cash_in_amount", "cash_out_amount", "ctr_required", "ctr_due_on")
    by_day = {key: values for key, values in found.items() if "India" not in key}
    zero = Decimal("0.0000")
    assert differing(by_day, (zero, zero, False, None)) == {
        "exactly the threshold, USD": (Decimal("10000.0000"), zero, False, None),
        "a cent above it, USD": (Decimal("10000.0100"), zero, True, day("2026-04-14")),
        "in and out apart, USD": (Decimal("9000.0000"), Decimal("8000.0000"), False, None),
        "over a weekend, USD": (Decimal("11000.0000"), zero, True, day("2026-04-14")),
        "on Friday, USD": (Decimal("10.0000"), zero, False, None),
        "in two currencies, USD": (Decimal("9000.0000"), zero, False, None),
        "in two currencies, EUR": (Decimal("9000.0000"), zero, False, None),
        "elsewhere, USD": (Decimal("20000.0000"), zero, False, None),
        "three just below, USD": (Decimal("9500.0000"), zero, False, None),
        "two and one long ago, USD": (Decimal("9500.0000"), zero, False, None),
        "days just below, USD": (Decimal("9600.0000"), zero, False, None),
    }


def test_a_rule_over_a_calendar_month_sums_the_month_and_is_due_after_it(index: list[Row]) -> None:
    found = said(index, "cash_in_amount", "month_cash_in_amount", "ctr_required", "ctr_due_on", "rule_ids")
    assert found["a month in India, INR"] == (
        Decimal("400000.0100"), Decimal("1000000.0100"), True, day("2026-04-15"), ["IN_CTR/1"],
    )  # fmt: skip


def test_structuring_is_suspected_where_cash_stays_just_below_the_threshold_and_goes_on_today(index: list[Row]) -> None:
    found = said(index, "just_below_threshold_count", "structuring_suspected")
    assert differing(found, (0, False)) == {
        "in and out apart, USD": (1, False),
        "in two currencies, USD": (1, False),
        "three just below, USD": (1, True),
        "two and one long ago, USD": (1, False),
        "days just below, USD": (0, True),
    }


def test_the_travel_rule_begins_at_its_amount_and_is_complete_where_both_ends_are_known(index: list[Row]) -> None:
    found = said(index, "travel_rule_count", "travel_rule_required", "travel_rule_complete")
    assert differing(found, (0, False, None)) == {
        "sends far, USD": (1, True, True),
        "sends to nobody known, USD": (1, True, False),
    }


def test_counterparties_are_counted_on_both_sides(index: list[Row]) -> None:
    found = {
        (r["entity_id"], r["currency"]): (r["counterparties_in_count"], r["counterparties_out_count"])
        for r in index
        if r["entity_id"] in ("fans out", "m", "m1")
    }
    # of m's payers in USD, one's payment failed, and one paid them nothing on the date
    assert found == {
        ("fans out", "USD"): (0, 3), ("m1", "USD"): (2, 0), ("m", "USD"): (12, 1), ("m", "EUR"): (1, 0),
        ("m", "INR"): (1, 0),
    }  # fmt: skip


def test_windows_slide_by_event_time_and_reach_into_the_date_before(index: list[Row]) -> None:
    found = said(
        index, "payment_count", "amount", "largest_1h_count", "largest_1h_amount", "largest_24h_count",
        "largest_24h_amount", "last_7d_count", "last_7d_amount", "last_30d_count", "last_30d_amount",
    )  # fmt: skip
    amounts = {key: [v if isinstance(v, int) else str(v) for v in values] for key, values in found.items()}
    assert amounts["in a burst, USD"] == [
        4, "170.0000", 2, "150.0000", 4, "170.0000", 6, "172.0000", 7, "173.0000",
    ]  # fmt: skip


def test_a_row_says_who_the_entity_is_at_the_end_of_the_date(index: list[Row]) -> None:
    (row,) = (r.asDict() for r in index if r["entity_id"] == "fans out")
    expected = {
        "entity_type": "USER", "entity_id": "fans out", "business_date": MONDAY, "currency": "USD",
        "kyc_status": "VERIFIED", "kyc_level": "full", "kyc_expires_on": None, "is_kyc_expired": False,
        "risk_rating": "LOW", "is_pep": False, "country": "US", "country_risk": "LOW", "payment_count": 5,
        "round_amount_ratio": Decimal("0.200000"), "policy_ids": [], "policy_flags": [], "compliance_flag": None,
        "rule_ids": [],
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert list(row) == [c for c in COMPLIANCE_INDEX.columns if c not in VERSION_COLUMNS]


def test_an_alert_names_what_it_rests_on_once_for_each_person(of_monday: Sources) -> None:
    found = {r["entity_id"]: r.asDict() for r in aml_alert(of_monday).collect()}
    said_of = ("direction", "first_date", "last_date", "payment_count", "day_count", "amount", "transaction_ids", "rule_ids")
    below = {person: [alert[c] for c in said_of] for person, alert in found.items()}
    assert below == {
        "three just below": [
            "IN", day("2026-03-24"), MONDAY, 3, 3, Decimal("28500.0000"), ["s0", "s4", "s6"],
            ["US_SAR/1", "US_STRUCTURING/1"],
        ],
        "days just below": [
            "IN", day("2026-03-25"), MONDAY, 0, 3, Decimal("28800.0000"),
            [f"d{n}-{part}" for n in (0, 4, 5) for part in ("a", "b", "c")], ["US_SAR/1", "US_STRUCTURING/1"],
        ],
    }  # fmt: skip
    assert {alert["is_sar_candidate"] for alert in found.values()} == {True}
    assert len({alert["alert_id"] for alert in found.values()}) == 2


def test_the_order_of_payments_changes_no_alert(spark: SparkSession, of_monday: Sources) -> None:
    turned = sources(spark, MONDAY, everybody()[::-1])
    assert sorted(aml_alert(turned).collect()) == sorted(aml_alert(of_monday).collect())


@pytest.mark.slow
def test_the_order_of_payments_is_no_news_to_the_index(spark: SparkSession, index: list[Row]) -> None:
    again = compliance_index(sources(spark, MONDAY, everybody()[::-1]))
    known = with_news(
        spark.createDataFrame(index, again.schema), rows(spark, COMPLIANCE_INDEX), COMPLIANCE_INDEX, "run-1", NOON
    )
    found = with_news(again, known.drop("is_news"), COMPLIANCE_INDEX, "run-2", NOON).where("is_news")
    assert found.select("entity_id", "run_id").collect() == []


@pytest.mark.slow
def test_a_rule_changes_on_its_date_and_money_counts_by_the_rule_of_the_date(spark: SparkSession) -> None:
    (rule,) = (r for r in RULES if r.rule_id == "US_CTR")
    changed = (replace(rule, until=MONDAY), replace(rule, version="2", since=MONDAY, amount=Decimal(5_000)))
    payments = [cash("c1", FRIDAY, "7000.00"), cash("c2", MONDAY, "7000.00")]
    of_dates = {date: sources(spark, date, payments) for date in (FRIDAY, MONDAY)}
    found = {date: said(compliance_index(of, changed).collect(), "rule_ids") for date, of in of_dates.items()}
    assert found == {FRIDAY: {"u, USD": ([],)}, MONDAY: {"u, USD": (["US_CTR/2"],)}}


@pytest.mark.slow
def test_cash_of_a_day_without_business_is_told_by_the_next_business_day(spark: SparkSession) -> None:
    found = compliance_index(sources(spark, SATURDAY, [cash("c1", SATURDAY, "11000.00")])).collect()
    assert said(found, "cash_in_amount", "cash_out_amount", "ctr_required") == {"u, USD": (None, None, False)}
