"""Sources of the compliance index: a test names only the payments, users and policies that it is about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from paylake.indexes.payments import Sources
from tests import builders

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
VALID = "valid_from timestamp, valid_to timestamp"

PAYMENTS = (
    "transaction_id string, business_date date, user_id string, merchant_id string, type string, channel string, "
    "payment_system string, bank_id string, city string, country string, amount decimal(18,4), currency string, "
    "paid_at timestamp, payment_status string, status string, kind string, reason string, severity string, "
    "difference_amount decimal(18,4), risk_score int, finality string"
)
USERS = (
    "user_id string, home_country string, home_city string, kyc_status string, kyc_level string, kyc_expires_on date, "
    f"risk_rating string, is_pep boolean, onboarding_date date, {VALID}, is_current boolean"
)
MERCHANTS = (
    "merchant_id string, merchant_name string, category string, mcc string, risk_level string, onboarding_date date, "
    f"country string, psp string, {VALID}, is_current boolean"
)
LOCATIONS = (
    f"location_id string, city string, country string, risk_level string, utc_offset string, {VALID}, is_current boolean"
)
POLICIES = (
    "policy_id string, policy_type string, rule_description string, subject_type string, subject_id string, "
    "jurisdiction string, limit_amount decimal(18,4), limit_currency string, rule_version string, active_flag boolean, "
    f"{VALID}, is_current boolean"
)

PAYMENT = {
    "user_id": "u", "merchant_id": "m", "type": "PAYMENT", "channel": "NETBANKING", "bank_id": "BANK_A", "city": "Reno",
    "country": "US", "currency": "USD", "payment_status": "SUCCESS", "risk_score": 0,
}  # fmt: skip
USER = {
    "home_country": "US", "kyc_status": "VERIFIED", "kyc_level": "full", "risk_rating": "LOW", "is_pep": False,
    "valid_from": LONG_AGO,
}  # fmt: skip
MERCHANT = {"merchant_id": "m", "risk_level": "LOW", "country": "US", "valid_from": LONG_AGO}
LOCATION = {"location_id": "l", "city": "Reno", "country": "US", "risk_level": "LOW", "valid_from": LONG_AGO}
POLICY = {"jurisdiction": "*", "rule_version": "1", "active_flag": True, "valid_from": LONG_AGO}


def at(day: date, time: str = "12:00:00") -> datetime:
    """A time of a day, UTC."""
    return datetime.fromisoformat(f"{day}T{time}+00:00")


def paid(transaction_id: str, day: date, amount: str, time: str = "12:00:00", **more: Any) -> dict[str, Any]:
    """A payment of a date, in USD and in the US unless told otherwise."""
    said = {"transaction_id": transaction_id, "business_date": day, "amount": Decimal(amount), "paid_at": at(day, time)}
    return {**PAYMENT, **said, **more}


def cash(transaction_id: str, day: date, amount: str, time: str = "12:00:00", **more: Any) -> dict[str, Any]:
    """A deposit of cash at a branch."""
    return paid(transaction_id, day, amount, time, **{"type": "DEPOSIT", "channel": "BRANCH", **more})


def sources(
    spark: SparkSession,
    day: date,
    payments: list[dict[str, Any]],
    users: tuple[dict[str, Any], ...] = (),
    merchants: tuple[dict[str, Any], ...] = (MERCHANT,),
    policies: tuple[dict[str, Any], ...] = (),
    locations: tuple[dict[str, Any], ...] = (LOCATION,),
    closed: tuple[date, ...] = (),
) -> Sources:
    """What the builders take; who pays is a verified user of the US, unless told otherwise."""
    named = {u["user_id"] for u in users}
    others = ({"user_id": u} for u in sorted({p["user_id"] for p in payments} - named))
    near = [day + timedelta(days=n) for n in range(-31, 16)]
    rails = ("FEDERAL_RESERVE", "INDIA", "TARGET", "WEEKDAYS")
    days = [(rail, d, d.weekday() < 5 and d not in closed, 0) for rail in rails for d in near]

    def frame(schema: str, default: dict[str, Any], rows: Any) -> Any:
        names = [part.split()[0] for part in schema.replace("(18,4)", "").split(", ")]
        return spark.createDataFrame([tuple({**default, **row}.get(n) for n in names) for row in rows], schema)

    return builders.sources(
        spark,
        day,
        payments=frame(PAYMENTS, {}, [p for p in payments if p["business_date"] <= day]),
        merchants=frame(MERCHANTS, MERCHANT, merchants),
        users=frame(USERS, USER, (*users, *others)),
        locations=frame(LOCATIONS, LOCATION, locations),
        policies=frame(POLICIES, POLICY, policies),
        business_days=spark.createDataFrame(
            days, "rail string, day date, is_business_day boolean, business_days_passed int"
        ),
    )
