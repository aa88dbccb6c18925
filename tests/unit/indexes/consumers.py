"""What the consumers' indexes are made of, in tests: payments, settlement lines, payouts, merchants and users."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.contracts import PAYOUTS, SETTLEMENT_LINES
from paylake.indexes.payments import Sources
from tests import builders
from tests.builders import frame, rows

DAY = date(2026, 3, 31)
PAYMENTS = (
    "transaction_id string, business_date date, user_id string, merchant_id string, channel string, payment_system string, "
    "country string, amount decimal(18,4), currency string, paid_at timestamp, payment_status string, kind string, "
    "difference_amount decimal(18,4)"
)
PAYMENT: dict[str, Any] = {
    "user_id": "u1", "merchant_id": "m1", "channel": "CARD", "payment_system": "VISA", "country": "IN",
    "amount": Decimal("100.0000"), "currency": "INR", "paid_at": datetime(2026, 3, 31, 12, 0, tzinfo=UTC),
    "payment_status": "SUCCESS", "kind": None, "difference_amount": None,
}  # fmt: skip
MERCHANTS = (
    "merchant_id string, merchant_name string, category string, risk_level string, country string, valid_from timestamp, "
    "valid_to timestamp"
)
USERS = "user_id string, home_country string, valid_from timestamp, valid_to timestamp"
LONG_AGO, LAST_MINUTE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 3, 31, 23, 59, tzinfo=UTC)
MIDNIGHT = datetime(2026, 4, 1, tzinfo=UTC)


def at(clock: str, days: int = 0) -> datetime:
    """A time of the business date, or of some days before it."""
    time = datetime.fromisoformat(f"{DAY}T{clock}").replace(tzinfo=UTC)
    return time - timedelta(days=days)


def money(text: str) -> Decimal:
    """An amount with four decimals."""
    return Decimal(text).quantize(Decimal("0.0001"))


def payments(spark: SparkSession, *overrides: dict[str, Any]) -> DataFrame:
    """One payment per override; its business date is that of its time, its identifier its place."""
    filled = []
    for number, said in enumerate(overrides):
        row = {"transaction_id": f"t{number}", **PAYMENT, **said}
        filled.append({"business_date": row["paid_at"].date(), **row})
    return frame(spark, PAYMENTS, *([row[name] for name in names(PAYMENTS)] for row in filled))


def names(schema: str) -> list[str]:
    """The columns of a schema as text."""
    return [column.split()[0] for column in schema.replace("(18,4)", "").split(", ")]


def sources(spark: SparkSession, *paid: dict[str, Any], lines: tuple[dict[str, Any], ...] = (),
            payouts: tuple[dict[str, Any], ...] = ()) -> Sources:  # fmt: skip
    """The sources of the business date; the merchant m1 and the customer u1 changed within it."""
    merchants = frame(
        spark, MERCHANTS,
        ("m1", "Old Tea", "grocery", "LOW", "IN", LONG_AGO, LAST_MINUTE),
        ("m1", "Tea House", "dining", "HIGH", "IN", LAST_MINUTE, MIDNIGHT),
        ("m1", "Tea Palace", "travel", "LOW", "IN", MIDNIGHT, None),
        ("m2", "Books", "books", "LOW", "GB", LONG_AGO, None),
    )  # fmt: skip
    users = frame(spark, USERS, ("u1", "DE", LONG_AGO, LAST_MINUTE), ("u1", "IN", LAST_MINUTE, None))
    return builders.sources(
        spark,
        DAY,
        payments=payments(spark, *paid),
        settlement_lines=rows(spark, SETTLEMENT_LINES, *lines),
        payouts=rows(spark, PAYOUTS, *payouts),
        merchants=merchants,
        users=users,
    )


def in_another_order(given: Sources) -> Sources:
    """The same sources, with their rows in another order and in other partitions."""
    turned = {
        name: getattr(given, name).orderBy(F.reverse(column))
        for name, column in (("payments", "transaction_id"), ("settlement_lines", "line"), ("merchants", "merchant_name"))
    }
    return replace(given, **turned)
