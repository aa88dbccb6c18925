"""Take the files of banks and processors that lie in a folder or under an object prefix."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake.ingest import incoming_below, ingest
from paylake.ingest_command import parser
from paylake.session import run
from paylake.settings import setting


@dataclass(frozen=True, kw_only=True)
class IngestStatementsSettings:
    """Read, prove and post every file that was not taken before; what does not prove is quarantined."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "spark-submit jobs/batch/ingest_statements.py --files s3a://bucket/incoming/bank",
    )

    files: str = setting(help="folder or s3a:// prefix of the files; it is read with all folders below it")
    lake: str = setting(
        "build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",), aliases=("--output_path",)
    )
    mapping: Path | None = setting(None, "YAML that says what the columns of CSV or Excel files mean")


def main(spark: SparkSession, settings: IngestStatementsSettings) -> None:
    """Take the files; a second time, when none is new, writes nothing."""
    files = incoming_below(spark, settings.files)
    taken = ingest(spark, settings.lake, files, parser(None, settings.mapping))
    states = Counter(one.state or "seen before" for one in taken)
    log = logging.getLogger(__name__)
    for one in taken:
        if one.reason:
            log.warning("%s is quarantined: %s", one.file.name, one.detail)
    log.info("files: %s", ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "none")


if __name__ == "__main__":
    run(main, IngestStatementsSettings)
