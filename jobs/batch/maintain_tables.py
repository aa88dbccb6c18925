"""Keep the batch side's tables small and no longer than their policies say, and erase the customers who asked for it."""

from __future__ import annotations

import logging

from pyspark.sql import SparkSession

from paylake import maintain_command
from paylake.maintain_command import MaintainTablesSettings
from paylake.session import run


def main(spark: SparkSession, settings: MaintainTablesSettings) -> None:
    """Do what is due, and say it; a second time nothing is."""
    for line in maintain_command.work(spark, settings):
        logging.getLogger(__name__).info("%s", line)


if __name__ == "__main__":
    run(main, MaintainTablesSettings)
