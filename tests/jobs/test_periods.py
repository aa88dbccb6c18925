"""A closed period stays as it was published, to the byte; what comes late is booked in the open one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from paylake import audit, breaks, nightly, resolutions, tables, views
from paylake.contracts import ADJUSTMENTS, AGGREGATE_INDEX, BREAKS, RECONCILIATION_INDEX, RUN_CONTROLS
from paylake.contracts.resolution import ActKind
from paylake.contracts.views import V_AGGREGATE_INDEX, V_BREAK_AGEING, V_DAILY_PROOF, V_MATCH_RATE, V_OPEN_BREAKS
from paylake.reconcile import Horizon
from paylake.reconciliation.rules import Rules
from paylake.resolution.acts import Act
from paylake.resolution.life import Limits
from tests.builders import NOON, as_dicts, day
from tests.stream_harness import Log, Reader, feed, open_stream, write_controls

D, OPEN_DATE = day("2026-03-31"), day("2026-04-01")
PUBLISHED = (RECONCILIATION_INDEX, AGGREGATE_INDEX, RUN_CONTROLS)
FIGURES = (V_AGGREGATE_INDEX, V_DAILY_PROOF, V_MATCH_RATE)


def night(spark: SparkSession, lake: str, n: int) -> tuple[nightly.Run, resolutions.Settled]:
    at = datetime(2026, 4, 2, n, tzinfo=UTC)
    nightly.build_batch_index(spark, lake, D, Rules(), Horizon().missing_after)
    run = nightly.build_final_aggregate(spark, lake, D, at)
    return run, resolutions.settle(spark, lake, D, run.run_id, at, Limits())


def files(lake: str) -> dict[str, bytes]:
    """The published tables, byte by byte, with their logs."""
    places = [Path(tables.location(lake, contract)) for contract in PUBLISHED]
    return {str(p): p.read_bytes() for place in places for p in sorted(place.rglob("*")) if p.is_file()}


def figures(spark: SparkSession, lake: str) -> list[list[dict[str, Any]]]:
    return [as_dicts(views.read(spark, lake, view)) for view in FIGURES]


def life(spark: SparkSession, lake: str) -> dict[str, tuple[str, str | None]]:
    rows = tables.read(spark, lake, BREAKS).collect()
    return {r["transaction_id"]: (r["state"], r["resolution"]) for r in rows}


@pytest.mark.slow
@pytest.mark.slow
def test_a_leg_that_comes_after_the_close_is_an_adjustment_and_no_published_byte_changes(
    spark: SparkSession, lake: str
) -> None:
    log = Log()
    log.pay("matched")
    log.pay("late", without=["core"], amount="12.34")
    log.post("gateway", "off", amount="500.00")
    log.post("core", "off", amount="450.00")
    log.post("mobile", "off", amount="500.00")
    log.tick(NOON)
    log.tick(NOON + timedelta(seconds=40))
    reader = Reader(log)
    feed(open_stream(spark, lake), *reader.take())
    write_controls(spark, lake, log.controls())
    run, settled = night(spark, lake, 1)
    assert (run.run_id, settled.commits) == (f"{D}-001", 4)
    assert life(spark, lake) == {"late": ("OPEN", None), "off": ("SUGGESTED", None)}
    ageing = as_dicts(views.read(spark, lake, V_BREAK_AGEING), "transaction_id", "expected_settlement_date", "age_bucket")
    # holidays on 31 March and 1 April: taken up on the 2nd; Good Friday is one too, and the first Saturday is none
    assert ageing == [
        {"transaction_id": name, "expected_settlement_date": day("2026-04-04"), "age_bucket": "0-1"}
        for name in ("late", "off")
    ]
    (off,) = [r for r in tables.read(spark, lake, BREAKS).collect() if r["transaction_id"] == "off"]
    breaks.do(spark, lake, Act(ActKind.APPROVE, off["break_id"], "asha", NOON, "core repeats the fee"), Limits())
    breaks.do(spark, lake, Act(ActKind.CLOSE_PERIOD, f"{D}", "ben", NOON, "month end"), Limits())
    assert night(spark, lake, 2)[1].applied == 2
    assert [r["transaction_id"] for r in views.read(spark, lake, V_OPEN_BREAKS).collect()] == ["late"]
    before, said = files(lake), figures(spark, lake)

    log.post("core", "late", amount="12.34", arrives=NOON + timedelta(minutes=5))
    log.tick(NOON + timedelta(minutes=6))
    feed(open_stream(spark, lake), *Reader.at(log, reader.ends(), reader.position["paylake-clock", 0]).take())
    write_controls(spark, lake, log.controls())
    run, _ = night(spark, lake, 3)
    assert (run.run_id, run.outcome, run.changed) == (f"{D}-001-adjusted", "period closed", True)
    assert files(lake) == before
    assert figures(spark, lake) == said
    columns = ("business_date", "original_business_date", "original_run_id", "transaction_id", "source", "amount",
               "currency", "status_before", "status_after")  # fmt: skip
    assert [tuple(r.values()) for r in as_dicts(tables.read(spark, lake, ADJUSTMENTS), *columns)] == [
        (OPEN_DATE, D, f"{D}-001", "late", "core", Decimal("12.3400"), "INR", "MISSING_CBS", "MATCHED")
    ]
    assert life(spark, lake) == {"late": ("RESOLVED", "ADJUSTED"), "off": ("RESOLVED", "ACCEPT_GATEWAY")}
    assert views.read(spark, lake, V_OPEN_BREAKS).collect() == []
    run, settled = night(spark, lake, 4)
    assert (run.changed, settled) == (False, resolutions.Settled(0, 0, 0, 0))
    assert audit.faults(spark, lake) == []
