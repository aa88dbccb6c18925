"""What a reader of the views sees while a run is not published, and once it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from paylake import tables, views
from paylake.contracts import AGGREGATE_INDEX, BREAKS, BUSINESS_DAYS, RECONCILIATION_INDEX, RUN_CONTROLS, TableContract
from paylake.contracts.views import (
    V_AGGREGATE_INDEX,
    V_DAILY_PROOF,
    V_MATCH_RATE,
    V_OPEN_BREAKS,
    V_PUBLISHED_RUNS,
    V_RECONCILIATION_INDEX,
)
from paylake.indexes import breaks
from paylake.resolution.calendars import business_day_rows
from tests.builders import NOON, as_dicts, by_key, day, legs, rows

MONDAY, TUESDAY = day("2026-03-30"), day("2026-03-31")
HUNDRED, NINETY, TEN, ZERO = (Decimal(text) for text in ("100.0000", "90.0000", "10.0000", "0.0000"))


def run(number: int, at: datetime, **columns: Any) -> dict[str, Any]:
    """A row of a Tuesday's run."""
    return {"run_id": f"2026-03-31-{number:03d}", "business_date": TUESDAY, "run_at": at, **columns}


FIRST, SECOND, CRASHED = "2026-03-31-001", "2026-03-31-002", "2026-03-31-003"
PUBLISHED = {"row_kind": "PUBLISHED", "source": "all", "currency": "-"}
PUBLISHES_CRASHED = run(3, NOON + timedelta(hours=3), **PUBLISHED)
CONTROLS = (
    {"run_id": "2026-03-30-001", "business_date": MONDAY, "run_at": NOON - timedelta(days=1), **PUBLISHED},
    run(1, NOON - timedelta(hours=1), received_records=7, outcome="failed"),
    run(1, NOON, received_records=8),
    run(1, NOON, **PUBLISHED),
    run(2, NOON + timedelta(hours=1), received_records=9, control_records=9, control_amount=HUNDRED),
    run(2, NOON + timedelta(hours=1), source="core", received_records=10),
    run(2, NOON + timedelta(hours=1), row_kind="OFFSETS", source="t/0", currency="-"),
    run(2, NOON + timedelta(hours=1), **PUBLISHED),
    run(3, NOON + timedelta(hours=2), received_records=11),
)

UNDER = {
    "status": "MISMATCH", "kind": "AMOUNT_MISMATCH", "reason": "AMOUNT_UNDER", "reasons": ["AMOUNT_UNDER"],
    "family": "AMOUNT", "severity": "High", "owner": "finance operations",
    **legs(core={"amount": NINETY}), "difference_amount": TEN,
}  # fmt: skip
NO_GATEWAY = {
    "status": "MISSING_PG", "kind": "MISSING_PG", "reason": "MISSING_IN_GATEWAY", "reasons": ["MISSING_IN_GATEWAY"],
    "family": "PRESENCE", "severity": "High", "owner": "gateway operations",
    **legs(gateway=None, core={"currency": "USD"}, mobile={"currency": "USD"}),
}  # fmt: skip
MATCHED = {"status": "MATCHED", **legs()}


def version(recon_id: str, run_id: str, closed_by: str | None = None, **columns: Any) -> dict[str, Any]:
    """A version of a transaction of Tuesday, unless told otherwise."""
    return {
        "recon_id": recon_id, "transaction_id": f"of {recon_id}", "business_date": TUESDAY, "run_id": run_id,
        "is_current": closed_by is None, "valid_to": closed_by and NOON, "closed_by_run_id": closed_by, **columns,
    }  # fmt: skip


VERSIONS = (
    version("seen", FIRST, **MATCHED),
    version("replaced", FIRST, SECOND, **MATCHED),
    version("replaced", SECOND, **{**MATCHED, "status": "PENDING"}),
    version("closed by the crash", FIRST, CRASHED, **UNDER),
    version("closed by the crash", CRASHED, **MATCHED),
    version("new in the crash", CRASHED, **MATCHED),
    version("of monday", "2026-03-30-001", business_date=MONDAY, **NO_GATEWAY),
)


def write(spark: SparkSession, lake: str, contract: TableContract, *overrides: dict[str, Any]) -> None:
    """Append rows to a table, which is made where it is not there."""
    tables.create(spark, lake, contract)
    tables.append(rows(spark, contract, *overrides).coalesce(1), lake, contract)


@pytest.fixture
def crashed(spark: SparkSession, lake: str) -> str:
    """A lake whose third run of Tuesday wrote everything but its last row."""
    write(spark, lake, RUN_CONTROLS, *CONTROLS)
    write(spark, lake, RECONCILIATION_INDEX, *VERSIONS)
    of_crash = {"break_id": "b1", "recon_id": "closed by the crash", "kind": "AMOUNT_MISMATCH", "amount": Decimal(1)}
    resolved = {"state": "RESOLVED", "opened_by_run_id": FIRST, "resolved_by_run_id": CRASHED}
    monday = {"break_id": "b2", "recon_id": "of monday", "kind": "MISSING_PG", "opened_by_run_id": "2026-03-30-001"}
    write(spark, lake, BREAKS, {**of_crash, **resolved}, monday)
    return lake


def test_what_a_crashed_run_wrote_is_not_seen_and_what_it_closed_is(spark: SparkSession, crashed: str) -> None:
    assert as_dicts(views.read(spark, crashed, V_RECONCILIATION_INDEX), "recon_id", "run_id", "status") == [
        {"recon_id": "closed by the crash", "run_id": FIRST, "status": "MISMATCH"},
        {"recon_id": "of monday", "run_id": "2026-03-30-001", "status": "MISSING_PG"},
        {"recon_id": "replaced", "run_id": SECOND, "status": "PENDING"},
        {"recon_id": "seen", "run_id": FIRST, "status": "MATCHED"},
    ]
    aggregate = views.read(spark, crashed, V_AGGREGATE_INDEX)
    assert aggregate.columns == [*AGGREGATE_INDEX.columns, "resolved_status"]
    assert sorted(by_key(aggregate)) == ["of closed by the crash", "of of monday", "of replaced", "of seen"]
    write(spark, crashed, RUN_CONTROLS, PUBLISHES_CRASHED)
    assert as_dicts(views.read(spark, crashed, V_RECONCILIATION_INDEX), "recon_id", "run_id") == [
        {"recon_id": "closed by the crash", "run_id": CRASHED},
        {"recon_id": "new in the crash", "run_id": CRASHED},
        {"recon_id": "of monday", "run_id": "2026-03-30-001"},
        {"recon_id": "replaced", "run_id": SECOND},
        {"recon_id": "seen", "run_id": FIRST},
    ]
    assert [r["break_id"] for r in views.read(spark, crashed, V_OPEN_BREAKS).collect()] == ["b2"]


def test_a_date_stands_by_its_last_published_run(spark: SparkSession, crashed: str) -> None:
    assert as_dicts(views.read(spark, crashed, V_PUBLISHED_RUNS), "run_id", "is_last") == [
        {"run_id": "2026-03-30-001", "is_last": True},
        {"run_id": FIRST, "is_last": False},
        {"run_id": SECOND, "is_last": True},
    ]
    proof = views.read(spark, crashed, V_DAILY_PROOF)
    assert as_dicts(proof, "run_id", "source", "currency", "received_records", "control_records", "control_amount") == [
        {"run_id": SECOND, "source": "core", "currency": "INR", "received_records": 10, "control_records": None,
         "control_amount": None},
        {"run_id": SECOND, "source": "gateway", "currency": "INR", "received_records": 9, "control_records": 9,
         "control_amount": HUNDRED},
    ]  # fmt: skip


def test_open_breaks_are_what_was_published_with_their_age_at_the_last_published_date(
    spark: SparkSession, crashed: str
) -> None:
    found = views.read(spark, crashed, V_OPEN_BREAKS)
    assert as_dicts(found, "break_id", "kind", "amount", "currency", "opened_by_run_id", "as_of_date", "age_days") == [
        {"break_id": "b1", "kind": "AMOUNT_MISMATCH", "amount": TEN, "currency": "INR", "opened_by_run_id": FIRST,
         "as_of_date": TUESDAY, "age_days": 0},
        {"break_id": "b2", "kind": "MISSING_PG", "amount": HUNDRED, "currency": "USD",
         "opened_by_run_id": "2026-03-30-001", "as_of_date": TUESDAY, "age_days": 1},
    ]  # fmt: skip


def test_match_rate_is_per_date_and_currency_by_count_and_by_amount(spark: SparkSession, crashed: str) -> None:
    small = version("small", SECOND, status="MATCHED", **legs(gateway={"amount": TEN}))
    write(spark, crashed, RECONCILIATION_INDEX, small, version("dollars", SECOND, **NO_GATEWAY))
    assert as_dicts(views.read(spark, crashed, V_MATCH_RATE).orderBy("business_date", "currency")) == [
        rate(MONDAY, "USD", (1, 0), (HUNDRED, ZERO), ("0.000000", "0.000000")),
        rate(TUESDAY, "INR", (4, 2), (Decimal("310.0000"), Decimal("110.0000")), ("0.500000", "0.354839")),
        rate(TUESDAY, "USD", (1, 0), (HUNDRED, ZERO), ("0.000000", "0.000000")),
    ]


def rate(
    date: Any, currency: str, count: tuple[int, int], amount: tuple[Decimal, Decimal], share: tuple[str, str]
) -> dict[str, Any]:
    """A row of v_match_rate."""
    return {
        "business_date": date, "currency": currency, "transactions": count[0], "matched_transactions": count[1],
        "amount": amount[0], "matched_amount": amount[1],
        "match_rate_by_count": Decimal(share[0]), "match_rate_by_amount": Decimal(share[1]),
    }  # fmt: skip


def test_a_break_says_in_the_view_what_the_nightly_run_wrote_of_it(spark: SparkSession, lake: str) -> None:
    drift = {"status": "WARNING", "kind": "TIMESTAMP_DRIFT", "reasons": ["DATE_DRIFT"], "family": "DATE", **legs()}
    twice = {"status": "MISMATCH", "kind": "DUPLICATE_POSTING", "reasons": ["DUPLICATE_POSTING", "AMOUNT_UNDER"],
             "family": "IDENTITY", **legs(core={"amount": NINETY}), "difference_amount": TEN}  # fmt: skip
    broken = [
        version(name, FIRST, severity="High", reason="x", owner="x", risk_class="x", **columns)
        for name, columns in {
            "a": {k: v for k, v in UNDER.items() if k not in ("severity", "reason", "owner")},
            "b": {k: v for k, v in NO_GATEWAY.items() if k not in ("severity", "reason", "owner")},
            "c": drift,
            "d": twice,
        }.items()
    ]
    write(spark, lake, RUN_CONTROLS, run(1, NOON, **PUBLISHED))
    write(spark, lake, RECONCILIATION_INDEX, *broken)
    latest = tables.read(spark, lake, RECONCILIATION_INDEX)
    tables.create(spark, lake, BREAKS)
    days = spark.createDataFrame(business_day_rows(), BUSINESS_DAYS.schema)
    tables.append(breaks.news(latest, tables.read(spark, lake, BREAKS), days, FIRST, NOON), lake, BREAKS)
    seen, written = views.read(spark, lake, V_OPEN_BREAKS), tables.read(spark, lake, BREAKS)
    both = [c for c in written.columns if c in seen.columns]
    assert {c for c in written.columns if c not in both} == {
        "checker", "resolution", "resolution_note", "rejected_suggestion_id", "replayed_to", "resolved_at", "reopened_at",
        "resolved_by_run_id", "reopened_by_run_id", "act_sequence",
    }  # fmt: skip
    assert as_dicts(seen, *both) == as_dicts(written, *both)
    assert {r["amount"] for r in seen.collect()} == {TEN, HUNDRED, ZERO}
