"""How a customer paid on a date: what is counted, how declines follow each other, and what is unlike the days before."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from paylake.contracts import FRAUD_PARTIAL, LABELS, USER_SPEND_INDEX
from paylake.indexes.fraud_index import first_scores, standing_labels
from paylake.indexes.payments import Sources
from paylake.indexes.user_spend_index import user_spend_index
from paylake.indexes.versions import VERSION_COLUMNS
from paylake.quality import failed_checks
from tests.builders import as_dicts, rows
from tests.unit.indexes.consumers import DAY, at, in_another_order, money, sources

SAID = {f.name: f for f in USER_SPEND_INDEX.fields if f.name not in VERSION_COLUMNS}
FAILED = {"payment_status": "FAILED"}

SPENT = [
    {"user_id": "u1", **said}
    for said in (
        {"amount": money("10"), "paid_at": at("03:59:59"), "channel": "UPI"},
        {"amount": money("30"), "paid_at": at("05:00"), "merchant_id": "m2", "payment_status": "REFUNDED"},
        {"amount": money("20"), "paid_at": at("04:59:59"), "country": "SG"},
        {"amount": money("500"), "merchant_id": "m3", "country": None, "payment_status": "PENDING"},
        {"amount": money("400"), **FAILED},
        {"amount": money("7"), "paid_at": at("23:00"), "currency": "USD", "merchant_id": "m2"},
        # 60 in the 30 days before, the first of them 30 days ago: 2 a day
        {"amount": money("15"), "paid_at": at("12:00", days=6)},
        {"amount": money("25"), "paid_at": at("12:00", days=7)},
        {"amount": money("20"), "paid_at": at("12:00", days=30)},
        {"amount": money("90"), "paid_at": at("12:00", days=30), **FAILED},
        {"amount": money("1000"), "paid_at": at("12:00", days=31), "merchant_id": "m2"},
    )
]
DECLINED = [
    {"user_id": "u2", "merchant_id": "m9", "amount": money("5"), **said}
    for said in (
        # three within an hour, over midnight and over two hours of the clock
        {"paid_at": at("23:40", days=1), **FAILED},
        {"paid_at": at("00:20"), **FAILED},
        {"paid_at": at("00:40"), **FAILED},
        {"paid_at": at("00:45"), "payment_status": "PENDING"},
        {"paid_at": at("01:20:00.000001"), **FAILED},
        {"paid_at": at("02:00")},
        {"paid_at": at("02:00:01"), **FAILED},
    )
]
NEVER_APPROVED = [{"user_id": "u3", "merchant_id": "m1", "paid_at": at("09:00"), **FAILED}]
SILENT = [{"user_id": "u4", "paid_at": at("12:00", days=1)}]
Found = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def given(spark: SparkSession) -> Sources:
    return sources(spark, *SPENT, *DECLINED, *NEVER_APPROVED, *SILENT)


@pytest.fixture(scope="module")
def found(given: Sources) -> Found:
    """The index of the date, by customer and currency."""
    rows = as_dicts(user_spend_index(given))
    keyed = {(row["user_id"], row["currency"]): row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


def test_a_row_says_what_was_paid_where_and_how_that_compares(found: Found) -> None:
    rupees = {
        "user_id": "u1", "business_date": DAY, "currency": "INR", "home_country": "IN", "attempts": 5, "approved": 3,
        "approved_amount": money("60"), "declined": 1, "declined_amount": money("400"),
        "largest_ticket_amount": money("30"), "merchants": 3, "new_merchants": 2, "categories": 2, "countries": 2,
        # 30 in each: the first by name
        "channels": 2, "top_category": "books", "abroad": 1, "at_night": 2, "night_share": Decimal("0.400000"),
        "max_consecutive_declines": 1, "most_declines_in_an_hour": 1, "repeated_declines": 0,
        "is_declined_repeatedly": False, "spend_7_days_amount": money("75"), "spend_30_days_amount": money("100"),
        "ratio_to_own_mean": Decimal("30.000000"), "last_paid_at": at("05:00").replace(tzinfo=None),
        "scored": 0, "doubtful": 0, "fraudulent": 0, "highest_score": None, "known_frauds": 0,
    }  # fmt: skip
    assert found["u1", "INR"] == rupees
    assert found["u1", "USD"] == {
        **rupees, "currency": "USD", "attempts": 1, "approved": 1, "approved_amount": money("7"), "declined": 0,
        "declined_amount": money("0"), "largest_ticket_amount": money("7"), "merchants": 1, "new_merchants": 1,
        "categories": 1, "countries": 1, "channels": 1, "abroad": 0, "at_night": 0, "night_share": Decimal("0.000000"),
        "max_consecutive_declines": 0, "most_declines_in_an_hour": 0, "spend_7_days_amount": money("7"),
        "spend_30_days_amount": money("7"), "ratio_to_own_mean": None, "last_paid_at": at("23:00").replace(tzinfo=None),
    }  # fmt: skip


def test_declines_repeat_within_any_hour_by_their_times(found: Found) -> None:
    said = (
        "declined",
        "max_consecutive_declines",
        "most_declines_in_an_hour",
        "repeated_declines",
        "is_declined_repeatedly",
    )
    # 23:40, 00:20 and 00:40 are an hour; 01:20 and a microsecond has 00:40 in its own, and no longer 00:20
    assert tuple(found["u2", "INR"][name] for name in said) == (4, 3, 3, 1, True)


def test_who_never_paid_has_nothing_to_compare_with(found: Found) -> None:
    said = ("approved", "largest_ticket_amount", "top_category", "home_country", "ratio_to_own_mean", "last_paid_at")
    assert tuple(found["u3", "INR"][name] for name in said) == (0, None, None, None, None, None)


def test_a_row_counts_what_looked_like_fraud_and_what_was(spark: SparkSession, given: Sources) -> None:
    """The payments are named by their place: 0 to 4 are of u1 in rupees, 5 in dollars, 6 of days before; 18 is u3's."""
    scores = [
        {"transaction_id": f"t{number}", "anomaly_type": kind, "score": score}
        for number, kind, score in (
            (0, "normal", 0.1), (1, "suspicious", 0.7), (2, "fraudulent", 0.6), (5, "fraudulent", 0.9),
            (6, "fraudulent", 1.0),
        )
    ]  # fmt: skip
    labels = [
        {"transaction_id": f"t{number}", "label": word}
        for number, word in ((1, "FRAUD"), (2, "GENUINE"), (5, "FRAUD"), (6, "FRAUD"), (18, "FRAUD"))
    ]
    told = replace(
        given,
        scores=first_scores(rows(spark, FRAUD_PARTIAL, *scores)),
        labels=standing_labels(rows(spark, LABELS, *labels)),
    )
    said = ("user_id", "currency", "scored", "doubtful", "fraudulent", "highest_score", "known_frauds")
    assert sorted(tuple(row.values()) for row in as_dicts(user_spend_index(told), *said)) == [
        ("u1", "INR", 3, 1, 1, 0.7, 1), ("u1", "USD", 1, 0, 1, 0.9, 1), ("u2", "INR", 0, 0, 0, None, 0),
        ("u3", "INR", 0, 0, 0, None, 1),
    ]  # fmt: skip


def test_only_customers_of_the_date_have_a_row(found: Found) -> None:
    assert sorted(found) == [("u1", "INR"), ("u1", "USD"), ("u2", "INR"), ("u3", "INR")]


def test_every_row_keeps_the_contract_once_it_is_a_version(spark: SparkSession, found: Found) -> None:
    said = StructType([field for field in USER_SPEND_INDEX.schema if field.name in SAID])
    rows = spark.createDataFrame([tuple(row[name] for name in SAID) for row in found.values()], said)
    of_versions = {f"{name}_present" for name in VERSION_COLUMNS}
    versions = rows.selectExpr("*", *(f"NULL AS {name}" for name in VERSION_COLUMNS))
    failed = {name for row in versions.select(failed_checks(USER_SPEND_INDEX)).collect() for name in row[0]}
    assert failed - of_versions == set()


def test_rows_in_another_order_say_the_same(given: Sources, found: Found) -> None:
    again = as_dicts(user_spend_index(in_another_order(given)))
    assert sorted(again, key=repr) == sorted(found.values(), key=repr)
