"""What treasury reads of published versions."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from paylake.contracts import (
    BUSINESS_DAYS,
    RUN_CONTROLS,
    SETTLEMENT_SCHEDULE,
    STATEMENT_FILES,
    STATEMENT_LINES,
    STATEMENTS,
    TableContract,
)
from paylake.contracts.view import View
from paylake.contracts.views import (
    V_CASH_DUE,
    V_CASH_POSITION,
    V_FORECAST_ERROR,
    V_IN_TRANSIT,
    V_MISSING_PAYOUTS,
    V_PSP_PUNCTUALITY,
    V_RESERVE_LADDER,
    V_SETTLEMENT_SCHEDULE,
)
from paylake.resolution.calendars import business_day_rows
from tests.builders import NOON, as_dicts, day, rows

WEDNESDAY, THURSDAY = day("2026-04-01"), day("2026-04-02")
"""The Friday and the Monday after are closed in TARGET."""

FIRST, SECOND, CRASHED = "2026-04-01-001", "2026-04-02-001", "2026-04-03-001"
TIMES = {FIRST: NOON, SECOND: NOON + timedelta(days=1), CRASHED: NOON + timedelta(days=2)}
RUNS = [
    {"run_id": run, "business_date": of, "run_at": TIMES[run], "row_kind": "PUBLISHED", "source": "all", "currency": "-"}
    for run, of in ((FIRST, WEDNESDAY), (SECOND, THURSDAY))
]


def expected(
    schedule_id: str, net: str, value_date: str, run: str = SECOND, closed_by: str | None = None, **columns: Any
) -> dict[str, Any]:
    """A version of a reported payout that is to come, unless told otherwise."""
    return {
        "schedule_id": schedule_id, "payout_id": schedule_id, "psp": "acq", "account": "shop", "currency": "EUR",
        "bank_rail": "TARGET", "expected_value_date": day(value_date), "expected_net_amount": Decimal(net), "days_late": 0,
        "valid_from": TIMES[run], "run_id": run, "is_current": closed_by is None, "closed_by_run_id": closed_by,
        "valid_to": closed_by and TIMES[closed_by], **columns,
    }  # fmt: skip


def received(schedule_id: str, net: str, actual: str, value_date: str, **columns: Any) -> dict[str, Any]:
    """A reported payout for which something came."""
    return expected(schedule_id, net, value_date, state="RECEIVED", actual_amount=Decimal(actual), **columns)


CALCULATED = {"confidence": "CALCULATED", "payout_id": None, "account": None}
RELEASE = {"kind": "RESERVE_RELEASE", "reserve_release_date": day("2026-04-08")}
SALES = {"sales_from": day("2026-03-30"), "sales_to": day("2026-03-30")}
VERSIONS = (
    expected("today", "10", "2026-04-02", state="IN_TRANSIT"),
    expected("next", "20", "2026-04-07"),
    expected("next, by the terms", "5", "2026-04-07", **CALCULATED),
    expected("next, held", "7", "2026-04-07", state="ON_HOLD", closed_by=CRASHED),
    expected("unpublished", "1000", "2026-04-07", run=CRASHED),
    expected("the tenth day", "30", "2026-04-20"),
    expected("beyond", "1000", "2026-04-21"),
    expected("release", "4", "2026-04-08", actual_amount=Decimal(1), **RELEASE),
    expected("release due", "2", "2026-04-01", state="LATE", days_late=1, **{**RELEASE, "reserve_release_date": WEDNESDAY}),
    expected("late", "11", "2026-03-30", state="LATE", days_late=3),
    expected("missing", "12", "2026-03-20", state="MISSING", days_late=9),
    expected("returned", "13", "2026-03-31", state="RETURNED", actual_amount=Decimal(0), days_late=2),
    received("in time", "100", "100", "2026-04-01", **SALES),
    received("late but there", "50", "50", "2026-04-01", **{**SALES, "days_late": 1}) | {"state": "LATE"},
    received("short", "60", "45", "2026-04-01", currency="USD") | {"state": "SHORT"},
    expected("of the day", "90", "2026-04-01", run=FIRST, closed_by=SECOND, **CALCULATED, **SALES),
    expected("of the day, held", "75", "2026-04-01", run=FIRST, closed_by=SECOND, **CALCULATED, **SALES),
)


@pytest.fixture(scope="module")
def lake(spark: SparkSession) -> dict[str, DataFrame]:
    near = [r for r in business_day_rows() if day("2026-03-01") <= r[1] <= day("2026-05-31")]
    posted = {"value_date": THURSDAY, "file_sha256": "f", "statement": 1, "currency": "EUR", "account": "DE1"}
    balances = {"file_sha256": "f", "statement": 1, "currency": "EUR", "account": "DE1", "closing_date": THURSDAY}
    of: dict[TableContract, DataFrame] = {
        RUN_CONTROLS: rows(spark, RUN_CONTROLS, *RUNS),
        SETTLEMENT_SCHEDULE: rows(spark, SETTLEMENT_SCHEDULE, *VERSIONS),
        BUSINESS_DAYS: spark.createDataFrame(near, BUSINESS_DAYS.schema),
        STATEMENT_FILES: rows(spark, STATEMENT_FILES, {"file_sha256": "f"}),
        STATEMENTS: rows(
            spark, STATEMENTS,
            {**balances, "opening_balance": Decimal(100), "closing_balance": Decimal(125)},
            {**balances, "file_sha256": "quarantined", "closing_balance": Decimal(1)},
        ),
        STATEMENT_LINES: rows(
            spark, STATEMENT_LINES,
            {**posted, "line": 1, "amount": Decimal(30)},
            {**posted, "line": 2, "amount": Decimal(-10)},
            {**posted, "line": 3, "amount": Decimal(5), "value_date": day("2026-04-07")},
            {**posted, "line": 4, "amount": Decimal(1000), "status": "PENDING"},
        ),
    }  # fmt: skip
    return {contract.name: frame for contract, frame in of.items()}


def shown(spark: SparkSession, lake: dict[str, DataFrame], view: View) -> DataFrame:
    """The view over frames."""
    reads: dict[str, Any] = {
        source.name: shown(spark, lake, source) if isinstance(source, View) else lake[source.name] for source in view.reads
    }
    return spark.sql(view.body, **reads)


def test_cash_due_is_by_value_date_and_never_nets_a_later_day_into_an_earlier_one(
    spark: SparkSession, lake: dict[str, DataFrame]
) -> None:
    found = shown(spark, lake, V_CASH_DUE).orderBy("value_date", "account").collect()
    assert [tuple(r) for r in found] == [
        (THURSDAY, 0, THURSDAY, "acq", "shop", "EUR", 10, 0, 0, 0),
        (THURSDAY, 1, day("2026-04-07"), "acq", None, "EUR", 0, 5, 0, 0),
        (THURSDAY, 1, day("2026-04-07"), "acq", "shop", "EUR", 20, 0, 7, 0),
        (THURSDAY, 2, day("2026-04-08"), "acq", "shop", "EUR", 0, 0, 0, 3),
        (THURSDAY, 10, day("2026-04-20"), "acq", "shop", "EUR", 30, 0, 0, 0),
    ]


def test_what_is_on_its_way_and_what_is_missing(spark: SparkSession, lake: dict[str, DataFrame]) -> None:
    assert {r["payout_id"] for r in shown(spark, lake, V_IN_TRANSIT).collect()} == {"today", "late"}
    assert {r["payout_id"] for r in shown(spark, lake, V_MISSING_PAYOUTS).collect()} == {"missing", "returned"}
    current = {r["schedule_id"] for r in shown(spark, lake, V_SETTLEMENT_SCHEDULE).collect()}
    assert current == {v["schedule_id"] for v in VERSIONS} - {"unpublished", "of the day", "of the day, held"}


def test_reserves_stand_by_release_date_with_what_is_left(spark: SparkSession, lake: dict[str, DataFrame]) -> None:
    found = shown(spark, lake, V_RESERVE_LADDER)
    assert as_dicts(found, "reserve_release_date", "held_amount", "outstanding_amount", "due_amount") == [
        {"reserve_release_date": WEDNESDAY, "held_amount": 2, "outstanding_amount": 2, "due_amount": 2},
        {"reserve_release_date": day("2026-04-08"), "held_amount": 4, "outstanding_amount": 3, "due_amount": 0},
    ]


def test_punctuality_counts_what_is_due(spark: SparkSession, lake: dict[str, DataFrame]) -> None:
    found = [tuple(r) for r in shown(spark, lake, V_PSP_PUNCTUALITY).orderBy("currency").collect()]
    assert found == [
        ("acq", "EUR", 6, 2, 1, 0, 2, Decimal("0.166667"), Decimal("2.500000")),
        ("acq", "USD", 1, 1, 1, 1, 0, Decimal("1.000000"), Decimal("0.000000")),
    ]


def test_a_forecast_is_what_stood_before_the_report(spark: SparkSession, lake: dict[str, DataFrame]) -> None:
    # 165 was expected of the sales day, and 150 came
    found = [tuple(r) for r in shown(spark, lake, V_FORECAST_ERROR).collect()]
    assert found == [("acq", 1, Decimal("0.100000"), Decimal("0.100000"))]


def test_a_cash_position_keeps_apart_what_is_booked_for_later(spark: SparkSession, lake: dict[str, DataFrame]) -> None:
    columns = (
        "opening_balance", "receipts_amount", "disbursements_amount", "closing_balance", "pending_amount",
        "available_balance", "is_last",
    )  # fmt: skip
    assert [tuple(r) for r in shown(spark, lake, V_CASH_POSITION).select(*columns).collect()] == [
        (100, 35, 10, 125, 5, 120, True)
    ]
