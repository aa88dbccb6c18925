"""Which flags a transaction gets, as of its own time; each user is a case of their own."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from paylake.contracts import TRANSACTION_FLAGS
from paylake.contracts.compliance import FLAGS
from paylake.indexes.policy_flags import transaction_flags
from paylake.indexes.versions import VERSION_COLUMNS
from tests.builders import by_key, day
from tests.unit.indexes.compliance_sources import LOCATION, LONG_AGO, MERCHANT, at, paid, sources

LEAP_DAY = day("2028-02-29")
YESTERDAY, TOMORROW = LEAP_DAY - timedelta(days=1), LEAP_DAY + timedelta(days=1)
NOON = at(LEAP_DAY)

USERS = (
    {"user_id": "pending", "kyc_status": "PENDING"},
    {"user_id": "expires on the leap day", "kyc_expires_on": LEAP_DAY},
    {"user_id": "expired before it", "kyc_expires_on": YESTERDAY},
    {"user_id": "verified at noon", "kyc_status": "NONE", "valid_to": NOON},
    {"user_id": "verified at noon", "kyc_status": "VERIFIED", "valid_from": NOON},
    {"user_id": "abroad", "home_country": "IN", "kyc_status": "REJECTED"},
    {"user_id": "exposed", "is_pep": True, "risk_rating": "HIGH"},
)
MERCHANTS = (MERCHANT, {"merchant_id": "casino", "risk_level": "HIGH"})
LOCATIONS = (LOCATION, {**LOCATION, "city": "Vegas", "risk_level": "HIGH"})
POLICIES = (
    {"policy_id": "kyc in the US", "policy_type": "KYC", "subject_type": "ALL", "jurisdiction": "US"},
    {"policy_id": "from noon", "policy_type": "BLACKLIST", "subject_type": "USER", "subject_id": "listed at noon",
     "valid_from": NOON},
    {"policy_id": "until yesterday", "policy_type": "BLACKLIST", "subject_type": "USER", "subject_id": "was listed",
     "valid_from": LONG_AGO, "valid_to": at(LEAP_DAY, "00:00:00")},
    {"policy_id": "suspended", "policy_type": "BLACKLIST", "subject_type": "USER", "subject_id": "was listed",
     "active_flag": False},
    {"policy_id": "bad shop", "policy_type": "BLACKLIST", "subject_type": "MERCHANT", "subject_id": "shop"},
    {"policy_id": "limit", "policy_type": "REGIONAL_LIMIT", "subject_type": "COUNTRY", "subject_id": "US",
     "limit_amount": Decimal(500), "limit_currency": "USD"},
    {"policy_id": "watch", "policy_type": "AML", "subject_type": "ALL", "limit_amount": Decimal(900),
     "limit_currency": "USD"},
    {"policy_id": "words", "policy_type": "AML", "subject_type": "ALL"},
)  # fmt: skip

PAID: dict[str, dict[str, Any]] = {
    "plain": {},
    "pending": {},
    "expires on the leap day": {},
    "expired before it": {},
    "verified at noon": {},
    "nobody known": {},
    "abroad": {"country": "IN"},
    "listed at noon": {},
    "was listed": {},
    "buys there": {"merchant_id": "shop"},
    "exposed": {"merchant_id": "casino", "city": "Vegas"},
    "scores 80": {"risk_score": 80},
    "scores 81": {"risk_score": 81},
    "reaches the limit": {"amount": Decimal(500)},
    "stays below it": {"amount": Decimal("499.99")},
    "in other money": {"amount": Decimal(5000), "currency": "EUR"},
    "reaches both": {"amount": Decimal(900)},
}
"""User -> what is particular of their payment at noon."""


def of_date(spark: SparkSession, date: date) -> dict[str, dict[str, Any]]:
    """The flags of everybody's payment at noon of a date, and of one payment a moment before."""
    payments = [{**paid(user, date, "1.00"), "user_id": user, **more} for user, more in PAID.items()]
    payments += [
        {**paid(f"{user}, a moment before", date, "1.00", "11:59:59.999999"), "user_id": user}
        for user in ("listed at noon", "verified at noon")
    ]
    known = {u["user_id"] for u in USERS}
    plain = tuple({"user_id": user} for user in PAID if user not in {*known, "nobody known"})
    stranger = {"user_id": "nobody known", "valid_to": LONG_AGO + timedelta(days=1)}
    given = sources(spark, date, payments, (*USERS, *plain, stranger), MERCHANTS, POLICIES, LOCATIONS)
    return by_key(transaction_flags(given))


@pytest.fixture(scope="module")
def flags(spark: SparkSession) -> dict[str, dict[str, Any]]:
    return of_date(spark, LEAP_DAY)


def test_a_payment_is_flagged_by_what_held_at_its_own_time(flags: dict[str, dict[str, Any]]) -> None:
    found = {key: (row["policy_flags"], row["policy_ids"], row["compliance_flag"]) for key, row in flags.items()}
    required = (["REQUIRES_KYC"], ["kyc in the US"], "REQUIRES_KYC")
    assert found == {
        "pending": required,
        "expired before it": required,
        "verified at noon, a moment before": required,
        "nobody known": required,
        "listed at noon": (["BLACKLIST_USER"], ["from noon"], "HIGH_RISK"),
        "buys there": (["BLACKLIST_MERCHANT"], ["bad shop"], "HIGH_RISK"),
        "exposed": (["HIGH_RISK_LOCATION", "HIGH_RISK_MERCHANT", "HIGH_RISK_USER", "PEP"], [], None),
        "scores 81": (["HIGH_RISK_SCORE"], [], "HIGH_RISK"),
        "reaches the limit": (["REGIONAL_LIMIT"], ["limit"], None),
        "reaches both": (["AML_LIMIT", "REGIONAL_LIMIT"], ["limit", "watch"], None),
    }


def test_the_kyc_status_is_that_of_the_payment(flags: dict[str, dict[str, Any]]) -> None:
    keys = ("pending", "expired before it", "verified at noon, a moment before", "nobody known")
    assert [flags[key]["kyc_status"] for key in keys] == ["PENDING", "VERIFIED", "NONE", None]


def test_every_flag_is_a_word_of_the_contract_and_every_column_its_content(flags: dict[str, dict[str, Any]]) -> None:
    assert {flag for row in flags.values() for flag in row["policy_flags"]} <= FLAGS.keys()
    content = [c for c in TRANSACTION_FLAGS.columns if c not in VERSION_COLUMNS]
    assert list(flags["pending"]) == content


def test_an_identification_ends_with_its_last_day_also_where_that_is_the_leap_day(spark: SparkSession) -> None:
    after = of_date(spark, TOMORROW)
    assert after["expires on the leap day"]["compliance_flag"] == "REQUIRES_KYC"
