"""`paylake publish-serving`: published figures for whoever reads them by key."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake.publish_serving import DynamoTables, RedisItems, Target, publish
from paylake.session import build_session, log_to_stderr
from paylake.settings import parse_settings, setting
from paylake.sinks.redis_client import URL_VARIABLES, connected


# without a repr, which would show a URL's password
@dataclass(frozen=True, kw_only=True, repr=False)
class PublishServingSettings:
    """Publish a date's merchant totals, customer profiles and operations figures to Redis, to DynamoDB, or to both.

    It reads what nightly runs have published. Each item carries the time at which it became known: a run that is repeated,
    or an older one that comes late, changes nothing. What a run has taken back is taken back here too. Figures of operations
    are those of the date's hours and of all since. DynamoDB's tables are PREFIX with merchant-totals, user-profiles and
    operations behind it; Terraform makes them.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake publish-serving --business-date 2026-03-31 --redis redis://127.0.0.1:6379/0",
        "paylake publish-serving --business-date 2026-03-31 --dynamodb paylake-dev- --region eu-central-1",
        "paylake publish-serving --business-date 2026-03-31 --redis rediss://paylake-dev-serving@cache.example:6379 "
        "--redis-iam paylake-dev --region eu-central-1",
    )

    lake: str = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE")
    business_date: dt.date = setting(help="Business date whose figures are published.", aliases="--business_date")
    redis: str = setting("", "URL of the Redis server.", env=URL_VARIABLES)
    redis_password: str | None = setting(
        None, "Password for Redis, in place of the URL's", env="PAYLAKE_REDIS_PASSWORD", secret=True
    )
    redis_iam: str = setting(
        "", "ElastiCache group that the URL's user logs in to by its role, without a password.", env="PAYLAKE_REDIS_IAM"
    )
    dynamodb: str = setting("", "How the names of DynamoDB's tables begin.", env="PAYLAKE_DYNAMODB_PREFIX")
    region: str = setting("", "AWS region of either.", env=("AWS_REGION", "AWS_DEFAULT_REGION"))
    time_to_live: dt.timedelta = setting(dt.timedelta(days=400), "How long an item is kept once it is written.")
    patience: dt.timedelta = setting(dt.timedelta(minutes=1), "How long a server may be away before the job gives up.")

    def __post_init__(self) -> None:
        """Refuse settings that publish nowhere."""
        if not self.redis and not self.dynamodb:
            raise ValueError("Name a place to publish to: --redis URL, --dynamodb PREFIX, or both.")
        if self.dynamodb and not self.region:
            raise ValueError(
                "--region is required with --dynamodb: set it, for example --region eu-central-1, or AWS_REGION."
            )
        if self.time_to_live < dt.timedelta(days=1):
            raise ValueError("--time-to-live is less than a day; leave it out, or say for example --time-to-live 30d.")

    def targets(self, now: float) -> list[Target]:
        """The chosen places; `now` is in seconds since 1970. SettingsError for a URL that is none, or a missing library."""
        targets: list[Target] = []
        if self.redis:
            server, client = connected(self.redis, self.redis_password, self.redis_iam, self.region)
            targets.append(RedisItems(server, client, int(self.time_to_live.total_seconds()), self.patience))
        if self.dynamodb:
            expires_at = int(now + self.time_to_live.total_seconds())
            targets.append(DynamoTables.of(self.dynamodb, self.region, expires_at, self.patience))
        return targets


def main(argv: Sequence[str]) -> int:
    """`paylake publish-serving`."""
    settings = parse_settings(PublishServingSettings, argv, prog="paylake publish-serving")
    targets = settings.targets(time.time())  # a wrong URL is told before Spark starts
    log_to_stderr()
    print(work(build_session("publish serving"), settings, targets))
    return 0


def work(spark: SparkSession, settings: PublishServingSettings, targets: Sequence[Target] | None = None) -> str:
    """Publish; returns what to tell the person who asked."""
    targets = settings.targets(time.time()) if targets is None else targets
    try:
        return publish(spark, settings.lake, settings.business_date, targets).told()
    finally:
        for target in targets:
            target.close()
