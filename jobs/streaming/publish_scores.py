"""Publish scored payments to places outside the lake: features and alerts to Redis, all payments to PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake.health import HealthSettings, watched
from paylake.publish_driver import PublishPlan, publish
from paylake.session import run
from paylake.settings import setting
from paylake.sinks.postgres_sink import PostgresSink
from paylake.sinks.redis_client import URL_VARIABLES
from paylake.sinks.redis_sink import RedisSink
from paylake.sinks.servers import Sink


# without a repr, which would show a URL's password
@dataclass(frozen=True, kw_only=True, repr=False)
class PublishScoresSettings(HealthSettings):
    """Follow the lake's scored payments, and publish them: features and alerts to Redis, all of them to PostgreSQL.

    Scoring never waits for it. Each server keeps its own place in the lake's table, so that one that was away takes later
    what it missed. What is published twice has no effect. The live channel of alerts reaches who listens at that moment, and
    says one again where Redis lost it in a crash: take it as said at least once, and read the stream for what was missed.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "paylake publish-scores --redis redis://127.0.0.1:6379/0",
        "paylake publish-scores --redis redis://127.0.0.1 --postgres postgresql://paylake@127.0.0.1/paylake",
        "paylake publish-scores --lake build/lake --postgres postgresql://paylake@127.0.0.1/paylake --available-now",
    )

    lake: str = setting("build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",))
    redis: str = setting("", "URL of the Redis server to publish features and alerts to", env=URL_VARIABLES)
    redis_password: str | None = setting(
        None, "Password for Redis, in place of the URL's", env="PAYLAKE_REDIS_PASSWORD", secret=True
    )
    redis_iam: str = setting(
        "", "ElastiCache group that the URL's user logs in to by its role, without a password", env=("PAYLAKE_REDIS_IAM",)
    )
    region: str = setting("", "AWS region of that group", env=("AWS_REGION", "AWS_DEFAULT_REGION"))
    postgres: str = setting(
        "", "URL of the PostgreSQL database to publish all payments to", env=("PAYLAKE_POSTGRES_URL", "POSTGRES_URL")
    )
    postgres_password: str | None = setting(
        None, "Password for PostgreSQL, in place of the URL's", env="PAYLAKE_POSTGRES_PASSWORD", secret=True
    )
    checkpoint: str = setting("", "folder of the checkpoints; default: LAKE/checkpoints/publish_scores")
    time_to_live: timedelta = setting(
        timedelta(days=30), "how long Redis keeps the features of a key without payments, and knows an alert"
    )
    alerts_kept: int = setting(10_000, "alerts that the stream of Redis keeps")
    postgres_partitions: int = setting(16, "partitions, by customer, that the table is created with")
    available_now: bool = setting(False, "publish what the lake holds, and end")
    interval: timedelta = setting(timedelta(seconds=1), "time between looks at the lake")
    max_files_per_trigger: int = setting(20, "files of the lake that a micro-batch takes at most")
    patience: timedelta = setting(timedelta(minutes=1), "how long a server may be away before the job gives up")

    def __post_init__(self) -> None:
        """Refuse settings that publish nowhere, or make no sense."""
        if not self.redis and not self.postgres:
            raise ValueError("Name a place to publish to: --redis URL, --postgres URL, or both.")
        for name, most in (("alerts_kept", 10_000_000), ("postgres_partitions", 1_000), ("max_files_per_trigger", 10_000)):
            if not 1 <= getattr(self, name) <= most:
                flag = "--" + name.replace("_", "-")
                raise ValueError(f"{flag}: {getattr(self, name)} is not from 1 to {most}; leave {flag} out.")

    def sinks(self) -> list[Sink]:
        """The chosen places; SettingsError where a URL is none, or a library is not installed."""
        sinks: list[Sink] = []
        if self.redis:
            sinks.append(
                RedisSink.of(
                    self.redis, self.redis_password, self.time_to_live, self.alerts_kept, self.redis_iam, self.region
                )
            )
        if self.postgres:
            sinks.append(PostgresSink.of(self.postgres, self.postgres_password, self.postgres_partitions))
        return sinks


def main(spark: SparkSession, settings: PublishScoresSettings) -> None:
    """Publish until all is published, or until SIGTERM."""
    plan = PublishPlan(
        checkpoints=settings.checkpoint or f"{settings.lake.rstrip('/')}/checkpoints/publish_scores",
        available_now=settings.available_now,
        interval=settings.interval,
        max_files_per_trigger=settings.max_files_per_trigger,
        patience=settings.patience,
    )
    sinks = settings.sinks()
    names = [sink.name for sink in sinks]
    with watched(spark, settings, "publish_scores", batch=settings.interval, names=names) as series:
        publish(spark, settings.lake, sinks, plan, series)


if __name__ == "__main__":
    run(main, PublishScoresSettings)
