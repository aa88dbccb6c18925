"""Recompute a business date from raw history, with the same functions as the stream."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake import nightly
from paylake.session import run
from paylake.settings import KafkaSettings, setting
from paylake.tolerances import ToleranceSettings


@dataclass(frozen=True, kw_only=True)
class BuildBatchIndexSettings(KafkaSettings, ToleranceSettings):
    """Take the sources' control totals, and recompute one business date into batch_index."""

    EXAMPLES: ClassVar[tuple[str, ...]] = ("spark-submit jobs/batch/build_batch_index.py --business-date 2026-01-15",)

    business_date: date = setting(help="the business date to recompute")
    lake: str = setting(
        "build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",), aliases=("--output_path",)
    )
    missing_after: timedelta = setting(timedelta(seconds=30), "how long a leg may be missing before it is a break")


def main(spark: SparkSession, settings: BuildBatchIndexSettings) -> None:
    """Recompute the date; a second time without news writes nothing."""
    rules = settings.rules()
    nightly.ingest_control_totals(spark, settings.lake, settings)
    changed = nightly.build_batch_index(spark, settings.lake, settings.business_date, rules, settings.missing_after)
    logging.getLogger(__name__).info("batch_index of %s: %s", settings.business_date, "written" if changed else "no news")


if __name__ == "__main__":
    run(main, BuildBatchIndexSettings)
