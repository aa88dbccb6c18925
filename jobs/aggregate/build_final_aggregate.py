"""Merge what the stream said with what raw history gives, prove the totals, and publish."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake import consumers, nightly, resolutions, run_controls
from paylake.reference_tables import REFERENCE_TABLES, reference
from paylake.resolutions import LimitSettings
from paylake.session import run
from paylake.settings import setting


@dataclass(frozen=True, kw_only=True)
class BuildFinalAggregateSettings(LimitSettings):
    """Write the final indexes of one business date, publish them if their totals close, and apply what people decided."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "spark-submit jobs/aggregate/build_final_aggregate.py --business-date 2026-01-15",
    )

    business_date: date = setting(help="the business date to close")
    lake: str = setting(
        "build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",), aliases=("--output_path",)
    )
    run_at: datetime | None = setting(None, "time of the run that versions carry; default: now")
    indexes: tuple[str, ...] = setting(
        ("all",), "consumers' indexes to make beside the reconciliation: all, none, or their names"
    )
    transactional_topics: tuple[str, ...] = setting((), "topics written in transactions, whose markers take offsets")


def main(spark: SparkSession, settings: BuildFinalAggregateSettings) -> None:
    """Close the date; fails, and publishes nothing, where its totals do not close."""
    run_at = settings.run_at or datetime.now(UTC)
    for contract in REFERENCE_TABLES:
        reference(spark, settings.lake, contract)
    done = nightly.build_final_aggregate(
        spark,
        settings.lake,
        settings.business_date,
        run_at,
        settings.transactional_topics,
        consumers.named(settings.indexes),
    )
    log = logging.getLogger(__name__)
    log.info(
        "run %s: %s, %s\n%s",
        done.run_id,
        done.outcome,
        "published" if done.changed else "no news",
        run_controls.proof_table(done),
    )
    settled = resolutions.settle(spark, settings.lake, settings.business_date, done.run_id, run_at, settings.limits())
    log.info(
        "breaks: %d acts applied, %d refused, %d resolved by policy; %d rows on commits in audit_log",
        settled.applied,
        settled.refused,
        settled.auto_resolved,
        settled.commits,
    )
    for why, count in done.differences.items():
        log.warning("stream and batch differ in %d transactions: %s", count, why)


if __name__ == "__main__":
    run(main, BuildFinalAggregateSettings)
