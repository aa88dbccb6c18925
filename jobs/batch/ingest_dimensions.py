"""Take the files of dimensions that lie in a folder or under an object prefix: merchants, users, locations, policies."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake.ingest import incoming_below
from paylake.ingest_dimensions import NAMES, ingest
from paylake.session import run
from paylake.settings import setting


@dataclass(frozen=True, kw_only=True)
class IngestDimensionsSettings:
    """Record what the files say, quarantine what breaks its contract, and bring the type 2 tables up to date."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "spark-submit jobs/batch/ingest_dimensions.py --files s3a://bucket/incoming/dimensions",
    )

    files: str = setting(help="folder or s3a:// prefix of the files; it is read with all folders below it")
    lake: str = setting(
        "build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",), aliases=("--output_path",)
    )
    dimension: str | None = setting(None, "read every file as this one, in place of going by the names", choices=NAMES)
    delivered_at: datetime | None = setting(None, "when the source delivered records that do not say it")


def main(spark: SparkSession, settings: IngestDimensionsSettings) -> None:
    """Take the files; a second time, when none says anything new, writes nothing."""
    files = incoming_below(spark, settings.files)
    log = logging.getLogger(__name__)
    for one in ingest(spark, settings.lake, files, settings.dimension, settings.delivered_at):
        report = log.warning if one.quarantined else log.info
        report("%s: %d %s, %d quarantined, %d recorded", one.name, one.records, one.dimension, one.quarantined, one.recorded)


if __name__ == "__main__":
    run(main, IngestDimensionsSettings)
