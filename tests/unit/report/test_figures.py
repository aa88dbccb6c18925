"""Figures from a few literal rows: counts and sums per currency, proofs, speed, score."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from paylake.contracts.indexes import AGGREGATE_INDEX, BREAKS, RUN_CONTROLS
from paylake.contracts.operations import OPERATIONS_RECONCILE_LEDGERS
from paylake.report.controls import Tally, latest_controls
from paylake.report.figures import (
    AmountAtRisk,
    BreakCount,
    HourCount,
    Leg,
    MatchRate,
    amounts_at_risk,
    breaks_by_hour,
    kind_rows,
    match_rates,
    open_breaks,
    top_open_items,
)
from paylake.report.score import KindScore, score
from paylake.report.speed import Latency, stream_speed
from tests.builders import NOON, day, frame, rows
from tests.builders import legs as all_columns

HUNDRED = Decimal("100.0000")


def legs(**of: dict[str, Any] | None) -> dict[str, Any]:
    """The legs without where they came from, which the aggregate does not keep."""
    return {name: value for name, value in all_columns(**of).items() if name in AGGREGATE_INDEX.columns}


@pytest.fixture
def transactions(spark: SparkSession) -> DataFrame:
    """Two rupee payments, of which one lacks the gateway's leg, and one whose ledgers name two currencies."""
    broken = {"status": "MISSING_PG", "kind": "MISSING_PG", "reason": "MISSING_IN_GATEWAY", "severity": "High"}
    at_nine = datetime(2026, 3, 31, 9, 59, 59, tzinfo=UTC)
    return rows(
        spark,
        AGGREGATE_INDEX,
        {"transaction_id": "t1", "status": "MATCHED", **legs()},
        {"transaction_id": "t2", **broken, **legs(gateway=None, core={"amount": Decimal("0.0100"), "at": at_nine})},
        {
            "transaction_id": "t3",
            "status": "MISMATCH",
            "kind": "CURRENCY_MISMATCH",
            "reason": "CURRENCY_MISMATCH",
            **legs(gateway={"currency": "USD", "amount": Decimal("7.0000")}),
        },
    )


def test_match_rate_is_per_currency_and_takes_the_first_leg_that_there_is(transactions: DataFrame) -> None:
    assert match_rates(transactions) == (
        MatchRate("INR", 2, 1, Decimal("100.0100"), HUNDRED),
        MatchRate("USD", 1, 0, Decimal("7.0000"), Decimal("0.0000")),
    )


def test_hours_are_those_of_the_booking_and_leave_matched_payments_out(transactions: DataFrame) -> None:
    assert breaks_by_hour(transactions) == (
        HourCount(9, "MISSING_IN_GATEWAY", 1),
        HourCount(12, "CURRENCY_MISMATCH", 1),
    )


def a_break(**columns: Any) -> dict[str, Any]:
    return {
        "kind": "AMOUNT_MISMATCH", "reason": "AMOUNT_OVER", "reasons": ["AMOUNT_OVER"], "severity": "High",
        "owner": "finance", "currency": "INR", "amount": HUNDRED, **columns,
    }  # fmt: skip


def test_open_breaks_are_counted_and_never_summed_across_currencies(spark: SparkSession) -> None:
    found = open_breaks(
        rows(
            spark,
            BREAKS,
            a_break(),
            a_break(amount=Decimal("0.0100")),
            a_break(currency="USD"),
            a_break(kind="FRAUD_ATTEMPT", severity="Critical"),
        )
    )
    assert found == (
        BreakCount("FRAUD_ATTEMPT", "AMOUNT_OVER", "Critical", "finance", "INR", 1, HUNDRED),
        BreakCount("AMOUNT_MISMATCH", "AMOUNT_OVER", "High", "finance", "INR", 2, Decimal("100.0100")),
        BreakCount("AMOUNT_MISMATCH", "AMOUNT_OVER", "High", "finance", "USD", 1, HUNDRED),
    )
    assert amounts_at_risk(found) == (
        AmountAtRisk("INR", "Critical", 1, HUNDRED),
        AmountAtRisk("INR", "High", 2, Decimal("100.0100")),
        AmountAtRisk("USD", "High", 1, HUNDRED),
    )
    (fraud, mismatch) = kind_rows(found)
    assert (fraud.kind, fraud.breaks, fraud.amounts) == ("FRAUD_ATTEMPT", 1, {"INR": HUNDRED})
    assert (mismatch.breaks, mismatch.amounts) == (3, {"INR": Decimal("100.0100"), "USD": HUNDRED})


def test_top_items_are_the_largest_open_ones_per_currency_with_their_legs(
    spark: SparkSession, transactions: DataFrame
) -> None:
    breaks = rows(
        spark,
        BREAKS,
        a_break(break_id="b1", transaction_id="t2", quarantined_legs=["gateway"]),
        a_break(break_id="b2", transaction_id="unknown", amount=Decimal(99)),
        a_break(break_id="b3", transaction_id="t3", amount=Decimal(98)),
        a_break(break_id="b5", transaction_id="t3", amount=Decimal(1), currency="USD"),
    )
    items = top_open_items(breaks, transactions, per_currency=2)
    assert [(i.transaction_id, i.currency, i.amount) for i in items] == [
        ("t2", "INR", HUNDRED), ("unknown", "INR", Decimal(99)), ("t3", "USD", Decimal(1)),
    ]  # fmt: skip
    assert items[0].legs[:2] == (
        Leg("gateway", None, None, None, None),
        Leg("core", Decimal("0.0100"), "INR", "SUCCESS", "2026-03-31 09:59:59.000"),
    )
    assert items[0].quarantined_legs == ("gateway",)
    assert items[1].merchant_id is None
    assert all(leg.amount is None for leg in items[1].legs)


# --- controls ---

RUN = {"run_id": "r1", "business_date": day("2026-03-31"), "run_at": NOON}


def test_a_run_has_its_proofs_offsets_and_differences(spark: SparkSession) -> None:
    controls = rows(
        spark,
        RUN_CONTROLS,
        {**RUN, "source": "core", "received_records": 3, "received_amount": Decimal(5), "control_records": 3,
         "control_amount": Decimal(5)},
        {**RUN, "source": "gateway", "received_records": 3},
        {**RUN, "row_kind": "OFFSETS", "source": "t/0", "received_records": 6, "rejected_records": 2},
        {**RUN, "row_kind": "OFFSETS", "source": "t/1", "received_records": 1, "rejected_records": 0, "gap_records": 4},
        {**RUN, "row_kind": "DIFFERENCE", "source": "came late", "broken_records": 9},
        {**RUN, "row_kind": "PUBLISHED", "source": "all", "currency": "-"},
    )  # fmt: skip
    found = latest_controls(controls, day("2026-03-31"))
    assert found is not None
    assert found.are_closed
    assert (found.run.run_id, found.run.published_run_id, found.run.run_at) == ("r1", "r1", "2026-03-31 12:00:00.000")
    assert [(p.source, p.control) for p in found.proofs] == [("gateway", None), ("core", Tally(3, Decimal(5)))]
    offsets = found.offsets
    assert (offsets.partitions, offsets.records, offsets.quarantined, offsets.gaps) == (2, 7, 2, 4)
    assert found.differences == {"came late": 9}


def test_a_failed_attempt_is_told_from_the_one_that_took_its_number(spark: SparkSession) -> None:
    failed = [{**RUN, "outcome": "failed"}, {**RUN, "row_kind": "OFFSETS", "source": "t/0", "outcome": "failed"}]
    later = {**RUN, "run_at": NOON + timedelta(hours=1)}
    after_failure = latest_controls(rows(spark, RUN_CONTROLS, *failed))
    repaired = latest_controls(rows(spark, RUN_CONTROLS, *failed, later, {**later, "row_kind": "PUBLISHED"}))
    assert after_failure is not None
    assert repaired is not None
    assert not after_failure.are_closed
    assert after_failure.failed == ("gateway INR", "t/0")
    assert after_failure.run.published_run_id is None
    assert repaired.are_closed
    assert len(repaired.proofs) == 1


def test_a_failure_after_a_published_run_points_to_that_run(spark: SparkSession) -> None:
    second = {**RUN, "run_id": "r2", "run_at": NOON + timedelta(hours=1), "outcome": "failed"}
    other_date = {**RUN, "business_date": day("2026-04-01"), "run_id": "r9", "run_at": NOON + timedelta(days=1)}
    controls = rows(spark, RUN_CONTROLS, RUN, {**RUN, "row_kind": "PUBLISHED"}, second, other_date)
    of_date, latest = latest_controls(controls, day("2026-03-31")), latest_controls(controls)
    assert of_date is not None
    assert latest is not None
    assert (of_date.run.run_id, of_date.run.is_published, of_date.run.published_run_id) == ("r2", False, "r1")
    assert latest.run.run_id == "r9"
    assert latest_controls(controls, day("2020-01-01")) is None


# --- speed ---


def test_speed_counts_the_time_that_topics_share_once(spark: SparkSession) -> None:
    second = NOON + timedelta(minutes=1)
    speed = stream_speed(
        rows(
            spark,
            OPERATIONS_RECONCILE_LEDGERS,
            {"minute": NOON, "topic": "a", "records": 100, "rejected": 1, "batch_ms": 2000, "lag": 50,
             "latency_p50_ms": 10.0, "latency_p95_ms": 20.0, "latency_p99_ms": 30.0},
            {"minute": NOON, "topic": "b", "records": 300, "rejected": 0, "batch_ms": 2000, "lag": 0},
            {"minute": second, "topic": "a", "records": 300, "rejected": 0, "batch_ms": 500, "lag": 7,
             "latency_p50_ms": 50.0, "latency_p95_ms": 90.0, "latency_p99_ms": 99.0},
        )
    )  # fmt: skip
    assert speed.busy_seconds == 2.5
    assert speed.events_per_second == 280.0
    assert speed.latency == Latency(40.0, 90.0, 99.0)
    a, b = speed.topics
    assert (a.records, a.rejected, a.lag, a.latency) == (400, 1, 7, Latency(40.0, 90.0, 99.0))
    assert (b.records, b.latency) == (300, Latency(None, None, None))


def test_a_stream_that_never_ran_has_no_speed(spark: SparkSession) -> None:
    speed = stream_speed(rows(spark, OPERATIONS_RECONCILE_LEDGERS, {}).limit(0))
    assert (speed.topics, speed.records, speed.events_per_second) == ((), 0, 0.0)
    assert speed.latency == Latency(None, None, None)


# --- score ---


def test_score_counts_what_is_right_missed_and_invented(spark: SparkSession) -> None:
    predicted = frame(
        spark,
        "transaction_id string, kind string",
        ("right", "MISSING_CBS"),
        ("wrong", "MISSING_PG"),
        ("alarm", "MISSING_CBS"),
        ("fine", None),
        ("ghost", None),
        ("invented", "MISSING_CBS"),
    )
    truth = frame(
        spark,
        "transaction_id string, expected_kind string",
        ("right", "MISSING_CBS"),
        ("wrong", "MISSING_CBS"),
        ("alarm", "NONE"),
        ("fine", "NONE"),
        ("ghost", "INVISIBLE"),
        ("absent", "INVISIBLE"),
        ("lost", "STATUS_MISMATCH"),
    )
    found = score(predicted, truth)
    assert found.kinds == (
        KindScore("MISSING_CBS", expected=2, predicted=3, right=1),
        KindScore("MISSING_PG", expected=0, predicted=1, right=0),
        KindScore("STATUS_MISMATCH", expected=1, predicted=0, right=0),
        KindScore("NONE", expected=2, predicted=2, right=1),
    )
    assert found.strangers == 2
    assert found.overall == KindScore("overall", expected=3, predicted=4, right=1)
    assert (found.overall.precision, found.overall.recall) == (0.25, pytest.approx(1 / 3))
    assert not found.is_perfect


def test_a_payment_reported_twice_is_not_right_twice(spark: SparkSession) -> None:
    predicted = frame(spark, "transaction_id string, kind string", ("t", "MISSING_PG"), ("t", "MISSING_PG"))
    found = score(predicted, frame(spark, "transaction_id string, expected_kind string", ("t", "MISSING_PG")))
    assert found.kinds == (KindScore("MISSING_PG", expected=1, predicted=2, right=1),)


def test_nothing_to_find_and_nothing_found_is_perfect(spark: SparkSession) -> None:
    predicted = frame(spark, "transaction_id string, kind string", ("t", None))
    found = score(predicted, frame(spark, "transaction_id string, expected_kind string", ("t", "NONE")))
    assert found.is_perfect
    assert (found.overall.precision, found.overall.recall) == (1.0, 1.0)


@pytest.mark.parametrize(("expected", "predicted", "ratios"), [(0, 0, (1.0, 1.0)), (5, 0, (0.0, 0.0)), (0, 5, (0.0, 0.0))])
def test_ratios_are_defined_where_one_side_is_empty(expected: int, predicted: int, ratios: tuple[float, float]) -> None:
    kind = KindScore("K", expected, predicted, 0)
    assert (kind.precision, kind.recall) == ratios
