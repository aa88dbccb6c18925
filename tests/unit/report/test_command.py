"""`paylake report` on a small lake."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from paylake import tables
from paylake.contracts.indexes import BREAKS, RECONCILIATION_INDEX, RUN_CONTROLS
from paylake.contracts.operations import OPERATIONS_RECONCILE_LEDGERS
from paylake.errors import SourceError
from paylake.report.command import collect_figures, main
from tests.builders import NOON, day, frame, rows

BROKEN = {"kind": "MISSING_PG", "reason": "MISSING_IN_GATEWAY", "reasons": ["MISSING_IN_GATEWAY"], "severity": "High"}


@pytest.fixture(scope="module")
def closed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake whose 31 March is published, with a matched and a broken payment, and one of another date."""
    lake = str(tmp_path_factory.mktemp("lake"))
    march, april = {"business_date": day("2026-03-31"), "run_id": "r1"}, {"business_date": day("2026-04-01")}
    contents = {
        RECONCILIATION_INDEX: (
            {**march, "transaction_id": "t1", "status": "MATCHED", "gateway_currency": "INR", "gateway_at": NOON},
            {**march, "transaction_id": "t2", "status": "MISSING_PG", **BROKEN, "gateway_amount": None,
             "core_amount": Decimal(40), "core_currency": "INR", "core_at": NOON},
            {**april, "transaction_id": "t3", "status": "MATCHED", "gateway_currency": "INR", "run_id": "unpublished"},
        ),
        BREAKS: (
            {"business_date": day("2026-03-31"), "transaction_id": "t2", **BROKEN, "amount": Decimal(40),
             "opened_by_run_id": "r1"},
        ),
        RUN_CONTROLS: (
            {**march, "run_at": NOON, "stream_generation": 2, "stream_batch": 9},
            {**march, "run_at": NOON, "stream_generation": 2, "stream_batch": 9, "row_kind": "PUBLISHED"},
            {**april, "run_at": NOON + timedelta(days=1), "run_id": "r2", "outcome": "failed"},
        ),
        OPERATIONS_RECONCILE_LEDGERS: (
            {"generation": 2, "first_batch": 9, "records": 600, "batch_ms": 2000},
            {"generation": 2, "first_batch": 10, "records": 70_000},
            {"generation": 1, "first_batch": 1, "records": 80_000},
        ),
    }  # fmt: skip
    for contract, overrides in contents.items():
        tables.create(spark, lake, contract)
        tables.append(rows(spark, contract, *overrides).coalesce(1), lake, contract)
    return lake


def test_figures_are_those_of_the_date_its_published_run_and_the_stream_that_it_pinned(
    spark: SparkSession, closed: str
) -> None:
    truth = frame(
        spark,
        "transaction_id string, expected_kind string, business_date date",
        ("t1", "NONE", day("2026-03-31")),
        ("t2", "MISSING_PG", day("2026-03-31")),
        ("t3", "AMOUNT_MISMATCH", day("2026-04-01")),
        ("t4", "INVISIBLE", None),
    )
    figures = collect_figures(spark, closed, day("2026-03-31"), truth, {"stream": 1.5})
    assert (figures.payments, figures.matched, figures.open_breaks) == (2, 1, 1)
    assert figures.speed.events_per_second == 300.0
    assert figures.score is not None
    assert figures.score.is_perfect
    assert figures.seconds == {"stream": 1.5}
    assert figures.top_items[0].legs[1].amount == Decimal("40.0000")


def test_the_command_reports_on_the_latest_run_also_where_it_failed(
    closed: str, spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--lake", closed, "--out", str(tmp_path / "out")]) == 0
    written = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert (written["run_id"], written["controls_closed"], written["payments"]) == ("r2", False, 0)
    assert "No figures of this date are published" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "NOT CLOSED for gateway INR" in capsys.readouterr().out


def test_what_is_missing_is_named(closed: str, spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no nightly run of 2020-01-01"):
        collect_figures(spark, closed, day("2020-01-01"), None, {})
    with pytest.raises(SourceError, match="There is no truth in"):
        main(["--lake", closed, "--truth", str(tmp_path / "nowhere")])
    with pytest.raises(SourceError, match="run_controls"):
        collect_figures(spark, str(tmp_path / "empty"), None, None, {})
