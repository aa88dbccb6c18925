"""What treasury expects, when, how sure, and what the bank has credited for it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from paylake.contracts import BUSINESS_DAYS, PAYOUTS, SETTLEMENT_LINES, SETTLEMENT_SCHEDULE, STATEMENT_LINES, STATEMENTS
from paylake.contracts.calendars import Rail
from paylake.contracts.settlement import SettlementTerms
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
    "policy_type string, subject_type string, subject_id string, active_flag boolean, valid_from timestamp, "
    "valid_to timestamp"
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
        "payout_date": day(payout_date), "lines": 1, **nothing,
        "sales_amount": Decimal(net), "expected_amount": Decimal(net),
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
        scores=nothing,
        signals=nothing,
        labels=nothing,
    )


PAYMENTS = (
    payment("on the cut-off's near side", "100", "2026-04-02T14:59:59"),
    payment("rounded up", "33.33", "2026-04-01T15:00:00"),
    payment("on the cut-off's far side", "50", "2026-04-02T15:00:00"),
    payment("paid out", "1000", "2026-04-02T10:00:00"),
    payment("reported and in no payout", "10", "2026-04-08T10:00:00"),
    payment("failed", "1000", "2026-04-08T10:00:00", payment_status="FAILED"),
    payment("of a held merchant", "20", "2026-04-08T10:00:00", merchant_id="m2"),
    payment("across rails", "40", "2026-04-02T10:00:00", currency="USD", channel="UPI"),
    payment("in whole yen", "1050", "2026-04-09T23:59:59", currency="JPY", merchant_id="m3"),
    payment("of a sales day that began before the payments", "1000", "2026-03-11T10:00:00"),
    payment("of the first whole sales day", "200", "2026-03-11T16:00:00"),
)
MERCHANTS = (
    ("m3", "acq", at("2020-01-01T00:00:00"), at("2026-04-01T00:00:00")),
    ("m3", "other", at("2026-04-01T00:00:00"), None),
)
POLICIES = (
    ("BLACKLIST", "MERCHANT", "m2", True, at("2026-04-10T12:00:00"), None),
    ("BLACKLIST", "MERCHANT", "m1", False, at("2026-01-01T00:00:00"), None),
    ("BLACKLIST", "MERCHANT", "m1", True, at("2026-01-01T00:00:00"), at("2026-04-10T00:00:00")),
    ("BLACKLIST", "MERCHANT", "m3", True, at("2026-04-11T00:00:00"), None),
)
WITH_RESERVE = {"reserve_amount": Decimal(-10), "expected_amount": Decimal(90), "payout_amount": Decimal(90)}
REPORTED = (
    payout("PO-IN-TWO", "100", "2026-04-08"),
    payout("PO-IN-TWO", "99", "2026-04-08", file_sha256="an earlier, shorter report", lines=0),
    payout("PO-LATE", "100", "2026-04-06"),
    payout("PO-SHORT", "100", "2026-04-08"),
    payout("PO-TWICE", "100", "2026-04-08"),
    payout("PO-BACK", "100", "2026-04-08"),
    payout("PO-SENT", "100", "2026-04-09"),
    payout("PO-OVERDUE", "100", "2026-04-07"),
    payout("PO-MISSING", "100", "2026-03-27"),
    payout("PO-WEEKEND", "100", "2026-04-11"),
    payout("PO-PAIR-1", "100", "2026-04-08"),
    payout("PO-PAIR-2", "70", "2026-04-08"),
    payout("PO-OPEN-1", "100", "2026-04-10"),
    payout("PO-OPEN-2", "70", "2026-04-10"),
    payout("PO-1234", "100", "2026-04-10"),
    payout("PO-12345", "100", "2026-04-08"),
    payout("7", "100", "2026-04-08"),
    payout("8", "100", "2026-04-10"),
    payout("PO-DEBIT", "-30", "2026-04-08"),
    payout("PO-NOTHING", "0", "2026-04-10", payout_amount=None),
    payout("PO-RESERVE-1", "100", "2026-01-07", **WITH_RESERVE),
    payout("PO-RESERVE-2", "100", "2026-01-08", **WITH_RESERVE),
    payout("PO-RELEASE", "4", "2026-04-08", sales_amount=Decimal(0), reserve_amount=Decimal(4)),
)
LINES = (
    line("PO-IN-TWO", merchant_reference="paid out"),
    line(None, merchant_reference="reported and in no payout"),
    line("PO-RESERVE-1", type="SALE", created_at=at("2026-01-04T15:59:59")),
    line("PO-RESERVE-1", type="RESERVE_HELD", amount=Decimal(-10), created_at=at("2026-01-07T09:00:00")),
    line("PO-RESERVE-2", type="SALE", created_at=at("2026-01-05T15:59:59")),
    line("PO-RESERVE-2", type="RESERVE_HELD", amount=Decimal(-10)),
    line("PO-RELEASE", type="RESERVE_RELEASED", amount=Decimal(4)),
)
ENTRIES = (
    entry(1, "60", "PAYOUT/PO-IN-TWO/1 OF 2"),
    entry(2, "40", "po-in-two"),
    entry(3, "100", "PO-LATE", "2026-04-09"),
    entry(4, "90", "PO-SHORT"),
    entry(5, "100", "PO-TWICE", bank_reference="b5"),
    entry(6, "100", "PO-TWICE", bank_reference="b6"),
    entry(5, "100", "PO-TWICE", bank_reference="b5", file_sha256="the same, intraday"),
    entry(7, "100", "PO-BACK"),
    entry(8, "-100", "RETURN OF PO-BACK", "2026-04-09"),
    entry(9, "100", "amount and date alone", "2026-04-09"),
    entry(10, "100", "PO-WEEKEND", "2026-04-13"),
    entry(11, "170", "PO-PAIR-1 PO-PAIR-2"),
    entry(12, "150", "PO-OPEN-1 PO-OPEN-2"),
    entry(13, "100", "PO-12345", reference="XPO-1234", end_to_end_id="PO-1234-5"),
    entry(14, "100", "BATCH 7 SHOP"),
    entry(15, "100", "BATCH 8"),
    entry(16, "-30", "PO-DEBIT"),
    entry(17, "100", "PO-SENT", status="PENDING"),
    entry(18, "100", "PO-SENT", currency="USD"),
    entry(19, "90", "PO-RESERVE-1", "2026-01-07"),
    entry(20, "90", "PO-RESERVE-2", "2026-01-08"),
    entry(21, "4", "PO-RELEASE"),
)


def given(spark: SparkSession, business_days: DataFrame) -> Sources:
    return sources(
        spark, business_days, payments=PAYMENTS, merchants=MERCHANTS, policies=POLICIES, payouts=REPORTED, lines=LINES,
        entries=ENTRIES,
    )  # fmt: skip


@pytest.fixture(scope="module")
def schedule(spark: SparkSession, business_days: DataFrame) -> list[dict[str, Any]]:
    return as_dicts(settlement_schedule(given(spark, business_days), TERMS))


def test_the_rows_keep_the_contract(spark: SparkSession, schedule: list[dict[str, Any]]) -> None:
    said = [f for f in SETTLEMENT_SCHEDULE.columns if f not in VERSION_COLUMNS]
    assert list(schedule[0]) == said
    assert len({row["schedule_id"] for row in schedule}) == len(schedule)
    found = rows(spark, SETTLEMENT_SCHEDULE, *schedule).select(failed_checks(SETTLEMENT_SCHEDULE).alias("failed"))
    assert {tuple(row["failed"]) for row in found.collect()} == {()}


def test_what_became_of_each_reported_payout(schedule: list[dict[str, Any]]) -> None:
    seen = {
        row["payout_id"]: (row["state"], row["expected_value_date"].isoformat(), row["actual_amount"], row["days_late"],
                           row["statement_entries"], row["statement_line"])
        for row in schedule
        if row["confidence"] == "CONFIRMED" and row["kind"] == "PAYOUT"
    }  # fmt: skip
    assert seen == {
        "PO-IN-TWO": ("RECEIVED", "2026-04-08", Decimal(100), 0, 2, 2),
        "PO-LATE": ("LATE", "2026-04-07", Decimal(100), 2, 1, 3),
        "PO-SHORT": ("SHORT", "2026-04-08", Decimal(90), 0, 1, 4),
        "PO-TWICE": ("OVER", "2026-04-08", Decimal(200), 0, 2, 6),
        "PO-BACK": ("RETURNED", "2026-04-08", Decimal(0), 2, 2, 8),
        "PO-SENT": ("IN_TRANSIT", "2026-04-09", None, 1, 0, None),
        "PO-OVERDUE": ("LATE", "2026-04-07", None, 3, 0, None),
        "PO-MISSING": ("MISSING", "2026-03-27", None, 8, 0, None),
        "PO-WEEKEND": ("EXPECTED", "2026-04-13", None, 0, 0, None),
        "PO-PAIR-1": ("RECEIVED", "2026-04-08", Decimal(100), 0, 1, 11),
        "PO-PAIR-2": ("RECEIVED", "2026-04-08", Decimal(70), 0, 1, 11),
        "PO-OPEN-1": ("IN_TRANSIT", "2026-04-10", None, 0, 0, None),
        "PO-OPEN-2": ("IN_TRANSIT", "2026-04-10", None, 0, 0, None),
        "PO-1234": ("IN_TRANSIT", "2026-04-10", None, 0, 0, None),
        "PO-12345": ("RECEIVED", "2026-04-08", Decimal(100), 0, 1, 13),
        "7": ("RECEIVED", "2026-04-08", Decimal(100), 0, 1, 14),
        "8": ("IN_TRANSIT", "2026-04-10", None, 0, 0, None),
        "PO-DEBIT": ("RECEIVED", "2026-04-08", Decimal(-30), 0, 1, 16),
        "PO-NOTHING": ("RECEIVED", "2026-04-10", None, 0, 0, None),
        "PO-RESERVE-1": ("RECEIVED", "2026-01-07", Decimal(90), 0, 1, 19),
        "PO-RESERVE-2": ("RECEIVED", "2026-01-08", Decimal(90), 0, 1, 20),
        "PO-RELEASE": ("RECEIVED", "2026-04-08", Decimal(4), 0, 1, 21),
    }


def test_what_payments_and_terms_give(schedule: list[dict[str, Any]]) -> None:
    seen = [
        (row["psp"], row["currency"], row["sales_to"].isoformat(), row["expected_value_date"].isoformat(), row["state"],
         row["days_late"], row["payments"],
         *(str(row[c].normalize()) for c in ("gross_amount", "fees_amount", "reserve_held_amount", "expected_net_amount")))
        for row in schedule
        if row["confidence"] == "CALCULATED" and row["kind"] == "PAYOUT"
    ]  # fmt: skip
    assert sorted(seen) == [
        ("acq", "EUR", "2026-03-12", "2026-03-16", "MISSING", 17, 1, "2E+2", "-3.25", "-1E+1", "186.75"),
        # T+2 in TARGET from the Thursday before Easter is the Wednesday after it
        ("acq", "EUR", "2026-04-02", "2026-04-08", "LATE", 2, 2, "133.33", "-2.5", "-6.67", "124.16"),
        ("acq", "EUR", "2026-04-03", "2026-04-09", "LATE", 1, 1, "5E+1", "-1", "-2.5", "46.5"),
        ("acq", "EUR", "2026-04-08", "2026-04-10", "EXPECTED", 0, 1, "1E+1", "-0.4", "-0.5", "9.1"),
        ("acq", "EUR", "2026-04-08", "2026-04-10", "ON_HOLD", 0, 1, "2E+1", "-0.55", "-1", "18.45"),
        # the Federal Reserve is open on Good Friday and Easter Monday, and the bank is not
        ("acq", "USD", "2026-04-02", "2026-04-08", "LATE", 2, 1, "4E+1", "0", "0", "4E+1"),
        ("other", "JPY", "2026-04-09", "2026-04-10", "EXPECTED", 0, 1, "1.05E+3", "-12", "0", "1038"),
    ]


def test_reserves_are_due_on_open_days_and_what_is_released_counts_for_the_oldest(schedule: list[dict[str, Any]]) -> None:
    seen = [
        (row["payout_id"], row["sales_to"].isoformat(), row["expected_value_date"].isoformat(), row["state"],
         row["expected_net_amount"], row["actual_amount"], row["days_late"])
        for row in schedule
        if row["kind"] == "RESERVE_RELEASE" and row["confidence"] == "CONFIRMED"
    ]  # fmt: skip
    assert sorted(seen) == [
        ("PO-RESERVE-1", "2026-01-04", "2026-04-07", "SHORT", Decimal(10), Decimal(4), 3),
        ("PO-RESERVE-2", "2026-01-05", "2026-04-07", "LATE", Decimal(10), None, 3),
    ]
    held = {row["schedule_id"]: row for row in schedule if row["kind"] == "PAYOUT" and row["reserve_held_amount"]}
    released = [row for row in schedule if row["kind"] == "RESERVE_RELEASE"]
    assert sum(row["reserve_held_amount"] for row in held.values()) == -sum(row["expected_net_amount"] for row in released)
    assert len(held) == len(released)


@pytest.mark.slow
def test_the_same_in_any_order_gives_the_same(
    spark: SparkSession, business_days: DataFrame, schedule: list[dict[str, Any]]
) -> None:
    turned = sources(
        spark, business_days.repartition(3), payments=PAYMENTS[::-1], merchants=MERCHANTS[::-1], policies=POLICIES[::-1],
        payouts=REPORTED[::-1], lines=LINES[::-1], entries=ENTRIES[::-1],
    )  # fmt: skip
    assert as_dicts(settlement_schedule(turned, TERMS)) == schedule
