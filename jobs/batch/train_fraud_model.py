"""Train a model of fraud on what was known at a time, and let it reign if it wins."""

from __future__ import annotations

import logging

from pyspark.sql import SparkSession

from paylake import train_command
from paylake.session import run
from paylake.train_command import TrainSettings


def main(spark: SparkSession, settings: TrainSettings) -> None:
    """Train, judge, register and perhaps promote; or judge what there is."""
    logging.getLogger(__name__).info("%s", train_command.work_of(settings)(spark, settings))


if __name__ == "__main__":
    run(main, TrainSettings)
