"""Publish a date's merchant totals, customer profiles and operations figures to Redis and DynamoDB."""

from __future__ import annotations

import logging

from pyspark.sql import SparkSession

from paylake import publish_serving_command
from paylake.publish_serving_command import PublishServingSettings
from paylake.session import run


def main(spark: SparkSession, settings: PublishServingSettings) -> None:
    """Read what is published, and write what is newer."""
    logging.getLogger(__name__).info("%s", publish_serving_command.work(spark, settings))


if __name__ == "__main__":
    run(main, PublishServingSettings)
