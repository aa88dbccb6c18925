"""Decide on every payment the moment it arrives, and publish alerts on those that look like fraud."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake import alert_driver
from paylake.alert_driver import AUTO, MODES, AlertPlan
from paylake.health import HealthSettings, watched
from paylake.session import run
from paylake.settings import KafkaSettings, setting
from paylake.token_key import read_key


@dataclass(frozen=True, kw_only=True)
class AlertTransactionsSettings(KafkaSettings, HealthSettings):
    """Read the gateway's topic; write fraud-decisions and fraud-alerts, at least once: take each event id once.

    Customers, merchants, places, policies, devices and usual amounts are read from the lake at the start; start the job
    anew after a nightly run. Real-time mode holds one core per partition of the topic.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "PAYLAKE_MASTER=local[4] python jobs/streaming/alert_transactions.py --lake build/lake",
        "python jobs/streaming/alert_transactions.py --available-now --starting-offsets earliest",
    )

    lake: str = setting("build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",))
    checkpoint: str = setting("", "folder of the checkpoint; default: LAKE/checkpoints/alert_transactions")
    token_key: str = setting(
        "build/token.key",
        "file of the card tokens' secret key, or aws-secret:NAME",
        env=("PAYLAKE_TOKEN_KEY_FILE",),
    )
    mode: str = setting(AUTO, "real-time mode where this Spark has it, or micro-batches", choices=MODES)
    starting_offsets: str = setting("latest", "where a new checkpoint begins", choices=("latest", "earliest"))
    available_now: bool = setting(False, "take what waits in the topic, in micro-batches, and end")
    commit_every: timedelta = setting(
        timedelta(minutes=5), "time between real-time mode's commits: a crash sends what came since again; at least 5s"
    )
    stop_after: timedelta = setting(timedelta(0), "end after this time; 0s: run until asked to stop")
    patience: timedelta = setting(timedelta(minutes=10), "how long a broker may be away before the job gives up")


def main(spark: SparkSession, settings: AlertTransactionsSettings) -> None:
    """Run the query to its end, or until SIGTERM."""
    plan = AlertPlan(
        checkpoint=settings.checkpoint or f"{settings.lake.rstrip('/')}/checkpoints/alert_transactions",
        mode=settings.mode,
        starting_offsets=settings.starting_offsets,
        available_now=settings.available_now,
        commit_every=settings.commit_every,
        stop_after=settings.stop_after or None,
        patience=settings.patience,
    )
    with watched(spark, settings, "alert_transactions", batch=settings.commit_every):
        alert_driver.run(spark, settings, settings.lake, read_key(settings.token_key), plan, as_of=datetime.now(UTC))


if __name__ == "__main__":
    run(main, AlertTransactionsSettings)
