"""`paylake review-queue`: a date's payments that look unlike the others, queued for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake import review_queue
from paylake.errors import SettingsError
from paylake.fraud.novelty.channel import has_neural
from paylake.session import build_session
from paylake.settings import parse_settings, setting


@dataclass(frozen=True, kw_only=True)
class ReviewQueueSettings:
    """Queue the payments of a date that look unlike the others and that the supervised model finds normal.

    An isolation forest, an autoencoder and a sequence model learn, without labels, from the scored payments of the days
    before, and say how unusual each payment of the date is. The most unusual ones are written to fraud_review_queue, and one
    place in five is kept for customers of whom little is known. The two neural models need the extra `novelty`; without it
    the isolation forest speaks alone. Where the days before hold too few payments, the earlier half of the date's own is
    learnt from too, and not queued. A second run with the same payments changes nothing.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake review-queue --lake build/lake --date 2026-03-31",
        "paylake review-queue --date 2026-03-31 --learn-days 7 --most 20 --no-neural",
        'paylake sql "SELECT * FROM fraud_review_queue ORDER BY ingest_date, rank"',
    )

    lake: str = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE", aliases="--output_path")
    date: dt.date = setting(help="Date of arrival, UTC, whose payments are looked at.")
    learn_days: int = setting(30, "How many days before it are learnt from.")
    most: int = setting(100, "How many payments are queued at most.")
    neural: bool = setting(True, "Let the neural models speak too, where they are installed.")

    def __post_init__(self) -> None:
        for name in ("learn_days", "most"):
            if getattr(self, name) < 1:
                flag = "--" + name.replace("_", "-")
                raise SettingsError(f"{flag}: {getattr(self, name)} is less than 1; for example {flag} 30.")


def main(argv: Sequence[str]) -> int:
    """`paylake review-queue`."""
    settings = parse_settings(ReviewQueueSettings, argv, prog="paylake review-queue")
    print(work(build_session("review queue"), settings))
    return 0


def work(spark: SparkSession, settings: ReviewQueueSettings) -> str:
    """Write the queue; returns what to tell the person who asked."""
    queue = review_queue.queue_reviews(
        spark, settings.lake, settings.date, settings.learn_days, settings.most, settings.neural and has_neural()
    )
    return review_queue.told(queue, settings.learn_days)
