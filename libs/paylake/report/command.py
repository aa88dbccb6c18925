"""`paylake report`: reads a lake, writes report.html and summary.json, and says the main figures."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake import tables, views
from paylake.contracts.fraud import FRAUD_PARTIAL
from paylake.contracts.indexes import RUN_CONTROLS
from paylake.contracts.operations import OPERATIONS_RECONCILE_LEDGERS
from paylake.contracts.views.aggregate import V_AGGREGATE_INDEX
from paylake.contracts.views.finance import V_OPEN_BREAKS
from paylake.errors import SourceError
from paylake.report import figures as of
from paylake.report.controls import latest_controls
from paylake.report.figures import Figures
from paylake.report.fraud import Alerts, FraudFigures, fraud_figures
from paylake.report.page import render
from paylake.report.score import score
from paylake.report.speed import stream_speed
from paylake.report.summary import print_summary, summary_json
from paylake.session import build_session
from paylake.settings import parse_settings, setting

__all__ = ["ReportSettings", "collect_figures", "main", "print_summary", "write_report"]

ITEMS_PER_CURRENCY = 5
DATA_DOCS = "data_docs/index.html"


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """Write report.html and summary.json about a business date that a nightly run has closed.

    With the truth of a simulation, the report also scores what was found against it.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake report --business-date 2026-03-31",
        "paylake report --lake s3a://ledgers/lake --out /tmp/report",
        "paylake report --truth build/truth",
    )

    lake: str = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE", aliases="--output_path")
    business_date: date | None = setting(None, "Business date; without it the latest run's.")
    truth: Path | None = setting(None, "Folder of a simulation's truth, as `paylake simulate --truth` wrote it.")
    out: Path = setting(Path("build/report"), "Folder to write to.")


def collect_figures(
    spark: SparkSession,
    lake: str,
    business_date: date | None,
    truth: DataFrame | None,
    timings: Mapping[str, float],
    alerts: Alerts | None = None,
) -> Figures:
    """The figures of a business date (None: the latest run's), as its latest run and its published rows say.

    `truth` has one row per true payment (transaction_id, expected_kind, business_date, fraud_scenario). `timings` is
    stage -> seconds; `alerts` is what the alert job published, and how fast.
    Raises SourceError where the lake has no run of the date.
    """
    proved = latest_controls(tables.read(spark, lake, RUN_CONTROLS), business_date)
    if proved is None:
        wanted = f"of {business_date.isoformat()} " if business_date else ""
        raise SourceError(f"The lake {lake} has no nightly run {wanted}to report on; run `paylake nightly` first.")
    run = proved.run
    on_date = F.col("business_date") == F.lit(run.business_date)
    transactions = views.read(spark, lake, V_AGGREGATE_INDEX).where(on_date)
    breaks = views.read(spark, lake, V_OPEN_BREAKS).where(on_date)
    pinned = (F.col("generation") == run.stream_generation) & (F.col("first_batch") <= run.stream_batch)
    return Figures(
        lake=lake,
        controls=proved,
        match_rates=of.match_rates(transactions),
        breaks=of.open_breaks(breaks),
        hours=of.breaks_by_hour(transactions),
        top_items=of.top_open_items(breaks, transactions, ITEMS_PER_CURRENCY),
        speed=stream_speed(tables.read(spark, lake, OPERATIONS_RECONCILE_LEDGERS).where(pinned)),
        # a payment that no ledger shows has no date, and must be absent from every one
        score=None if truth is None else score(transactions, truth.where(on_date | F.col("business_date").isNull())),
        seconds=dict(timings),
        fraud=_fraud(spark, lake, run.business_date, truth, alerts),
    )


def _fraud(
    spark: SparkSession, lake: str, business_date: date, truth: DataFrame | None, alerts: Alerts | None
) -> FraudFigures | None:
    """What the scored payments of the date say; None where nothing scored any."""
    if not tables.exists(spark, lake, FRAUD_PARTIAL):
        return None
    scored = tables.read(spark, lake, FRAUD_PARTIAL).where(F.col("ingest_date") == F.lit(business_date))
    return fraud_figures(scored, truth if truth is not None and "fraud_scenario" in truth.columns else None, alerts)


def write_report(figures: Figures, out_dir: Path) -> Path:
    """Write report.html and summary.json to the folder, and return the page's path.

    The page links to the Data Docs that `paylake quality` has written to the same folder.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / "summary.json").write_text(summary_json(figures), encoding="utf-8")
    page = out_dir / "report.html"
    has_docs = (out_dir / DATA_DOCS).is_file()
    page.write_text(render(figures, DATA_DOCS if has_docs else None), encoding="utf-8")
    return page


def main(argv: list[str]) -> int:
    """`paylake report`."""
    settings = parse_settings(ReportSettings, argv, prog="paylake report")
    truth = None if settings.truth is None else settings.truth / "payments"
    if truth is not None and not truth.is_dir():
        raise SourceError(f"There is no truth in {settings.truth}; `paylake simulate --truth` writes it.")
    spark = build_session("report")
    payments = None if truth is None else spark.read.parquet(str(truth))
    found = collect_figures(spark, settings.lake, settings.business_date, payments, {})
    page = write_report(found, settings.out)
    sys.stdout.write(f"{print_summary(found)}\nWrote {page} and {settings.out / 'summary.json'}.\n")
    return 0
