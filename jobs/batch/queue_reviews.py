"""Queue the payments of a date that look unlike the others, for people to review."""

from __future__ import annotations

import logging

from pyspark.sql import SparkSession

from paylake import review_queue_command
from paylake.review_queue_command import ReviewQueueSettings
from paylake.session import run


def main(spark: SparkSession, settings: ReviewQueueSettings) -> None:
    """Learn what is usual, say what is not, and write it."""
    logging.getLogger(__name__).info("%s", review_queue_command.work(spark, settings))


if __name__ == "__main__":
    run(main, ReviewQueueSettings)
