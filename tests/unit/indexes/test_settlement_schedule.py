"""What treasury expects, when, how sure, and what the bank has credited for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.contracts import BUSINESS_DAYS, PAYOUTS, SETTLEMENT_LINES, SETTLEMENT_SCHEDULE, STATEMENT_LINES, STATEMENTS
from paylake.contracts.calendars import Rail
from paylake.contracts.settlement import COMPONENTS, SettlementTerms
from paylake.indexes.payments import Sources
from paylake.indexes.settlement_schedule import settlement_schedule
from paylake.indexes.versions import VERSION_COLUMNS
from paylake.quality import failed_checks
from paylake.resolution.calendars import business_day_rows
from tests.builders import as_dicts, day, frame, rows

PAYMENT = (
    "transaction_id string, merchant_id string, channel string, payment_system string, amount decimal(18,4), "
    "currency string, paid_at timestamp, payment_status string"
)
MERCHANT = "merchant_id string, psp string, valid_from timestamp, valid_to timestamp"
POLICY = (
    "policy_type string, subject_type string, subject_id string, active_flag boolean, valid_from timestamp, valid_to timestamp"
)

TARGET = SettlementTerms(
    "acq", "EUR", Rail.TARGET, Rail.TARGET, 2, 150, 25, "test", cut_off_minutes=17 * 60, time_zone="Europe/Berlin",
    reserve_basis_points=500, reserve_days=90, settles=("CARD",),
)  # fmt: skip
ACROSS = SettlementTerms("acq", "USD", Rail.FEDERAL_RESERVE, Rail.TARGET, 2, 0, 0, "test", settles=("*",))
OTHER = SettlementTerms("*", "*", Rail.WEEKDAYS, Rail.WEEKDAYS, 1, 100, 1, "test")
TERMS = (TARGET, ACROSS, OTHER)

AS_OF = day("2026-04-10")
"""A Friday; the Friday and the Monday before it were Good Friday and Easter Monday."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def payment(transaction_id: str, amount: str, paid_at: str, **columns: Any) -> tuple[Any, ...]:
    given = {
        "transaction_id": transaction_id, "merchant_id": "m1", "channel": "CARD", "payment_system": "VISA",
        "amount": Decimal(amount), "currency": "EUR", "paid_at": at(paid_at), "payment_status": "SUCCESS", **columns,
    }  # fmt: skip
    return tuple(given.values())


def payout(payout_id: str, net: str, payout_date: str, **columns: Any) -> dict[str, Any]:
    """A reported payout of sales alone, unless told otherwise."""
    nothing = dict.fromkeys(
        ("refunds_amount", "chargebacks_amount", "fees_amount", "reserve_amount", "corrections_amount", "unknown_amount"),
        Decimal(0),
    )
    return {
        "file_sha256": f"r{payout_id}", "psp": "acq", "account": "shop", "payout_id": payout_id, "currency": "EUR",
        "payout_date": day(payout_date), "lines": 1, **nothing, "sales_amount": Decimal(net), "expected_amount": Decimal(net),
        "payout_amount": Decimal(net), **columns,
    }  # fmt: skip


def line(payout_id: str | None, **columns: Any) -> dict[str, Any]:
    """A line of a payout's report."""
    return {"file_sha256": f"r{payout_id}", "payout_id": payout_id, "currency": "EUR", **columns}


def entry(number: int, amount: str, remittance: str, value_date: str = "2026-04-08", **columns: Any) -> dict[str, Any]:
    """A booked entry of the bank's statement."""
    return {
        "file_sha256": "s1", "line": number, "part": 0, "account": "DE1", "currency": "EUR", "amount": Decimal(amount),
        "value_date": day(value_date), "booking_date": day(value_date), "remittance": remittance, **columns,
    }  # fmt: skip


@pytest.fixture(scope="module")
def business_days(spark: SparkSession) -> DataFrame:
    near = [row for row in business_day_rows() if date(2026, 1, 1) <= row[1] <= date(2026, 12, 31)]
    return spark.createDataFrame(near, BUSINESS_DAYS.schema).coalesce(1)


def sources(spark: SparkSession, business_days: DataFrame, business_date: date = AS_OF, **given: Any) -> Sources:
    """What a builder gets, with what a test gives."""
    nothing = frame(spark, "x int")
    return Sources(
        business_date=business_date,
        payments=frame(spark, PAYMENT, *given.get("payments", ())),
        settlement_lines=rows(spark, SETTLEMENT_LINES, *given.get("lines", ())),
        payouts=rows(spark, PAYOUTS, *given.get("payouts", ())),
        statements=rows(spark, STATEMENTS),
        statement_lines=rows(spark, STATEMENT_LINES, *given.get("entries", ())),
        merchants=frame(spark, MERCHANT, *given.get("merchants", ())),
        users=nothing,
        locations=nothing,
        policies=frame(spark, POLICY, *given.get("policies", ())),
        business_days=business_days,
        operations=nothing,
    )


def test_try(spark: SparkSession, business_days: DataFrame) -> None:
    got = settlement_schedule(
        sources(
            spark, business_days,
            payments=[payment("t1", "100", "2026-04-02T14:59:59"), payment("t2", "50", "2026-04-02T15:00:00")],
            payouts=[payout("PO-000001", "100", "2026-04-03")],
            entries=[entry(1, "100", "/PAYOUT/po-000001/X")],
        ),
        TERMS,
    )  # fmt: skip
    for r in as_dicts(got):
        print(r)
