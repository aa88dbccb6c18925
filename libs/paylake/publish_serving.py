"""Published figures for dashboards and applications: read from the lake row by row, written to Redis and DynamoDB."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice
from typing import Any, Protocol

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import TimestampType

from paylake import run_controls, tables, views
from paylake.contracts.views.published import V_PUBLISHED_RUNS
from paylake.errors import SourceError
from paylake.serving import dynamodb_items, redis_items
from paylake.serving.items import SUBJECTS, Item, Subject, item, withdrawn
from paylake.sinks.redis_client import sentences
from paylake.sinks.servers import Away, Server, client_library, patiently

AT_ONCE = 1_000
"""Items that the driver holds."""
WRITERS = 16
"""Requests to DynamoDB at a time: each waits for a few milliseconds."""
TO_THE_MICROSECOND = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
TO_THE_SECOND = "yyyy-MM-dd'T'HH:mm:ss'Z'"


class Target(Protocol):
    """Where items are published to. It raises SourceError where it cannot be used, after its patience."""

    @property
    def name(self) -> str:
        """Its name for people."""

    def put(self, items: Sequence[Item]) -> int:
        """Write the items that are newer than what is there; returns how many those were."""

    def close(self) -> None:
        """End its connections."""


@dataclass
class Published:
    """What became of the items, by target and subject."""

    written: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def told(self) -> str:
        """A line for each target and subject."""
        lines = (
            f"{target}, {subject}: {self.written[target, subject]} written, "
            f"{seen - self.written[target, subject]} already as new"
            for (target, subject), seen in self.seen.items()
        )
        return "\n".join(lines)


def publish(spark: SparkSession, lake: str, business_date: date, targets: Sequence[Target]) -> Published:
    """Bring what is published of a date to the targets; repeated, it changes nothing.

    Raises SourceError where no run of the date is published, or where a target cannot be used.
    """
    if not run_controls.published(spark, lake, business_date):
        raise SourceError(f"No run of {business_date} is published in the lake {lake}; run `paylake nightly` for it first.")
    done = Published()
    for subject in SUBJECTS:
        for target in targets:
            done.seen[target.name, subject.name] = 0
        for items in _some(_items(spark, lake, subject, business_date)):
            for target in targets:
                done.written[target.name, subject.name] += target.put(items)
                done.seen[target.name, subject.name] += len(items)
    return done


# --- the lake ---


def _items(spark: SparkSession, lake: str, subject: Subject, business_date: date) -> Iterator[Item]:
    """What the published runs say of a date, and then what they have taken back of it."""
    in_scope = _in_scope(subject, business_date)
    current = views.read(spark, lake, subject.view).where(in_scope)
    columns = (*subject.columns, "valid_from")
    for row in current.select(*_as_text(current, columns)).toLocalIterator():
        yield item(subject, row.asDict())
    gone = taken_back(spark, lake, subject, current, in_scope)
    for row in gone.select(*_as_text(gone, gone.columns)).toLocalIterator():
        yield withdrawn(subject, row.asDict())


def taken_back(spark: SparkSession, lake: str, subject: Subject, current: DataFrame, in_scope: Column) -> DataFrame:
    """Keys that a published run closed and none says again: the key's columns, and `valid_from`, when it was closed."""
    key = [subject.owner, *subject.place_columns]
    runs = views.read(spark, lake, V_PUBLISHED_RUNS).select(F.col("run_id").alias("closed_by_run_id")).distinct()
    closed = tables.read_or_empty(spark, lake, subject.contract).where(in_scope).join(runs, on="closed_by_run_id")
    last = closed.groupBy(*key).agg(F.max("valid_to").alias("valid_from"))
    return last.join(current.select(*key), on=key, how="left_anti")


def _in_scope(subject: Subject, business_date: date) -> Column:
    """The rows of a date; of figures by the hour, its hours and those since, which no other run may publish."""
    when = F.col(subject.place_columns[0])
    day = F.lit(business_date)
    return when == day if subject.place_columns[0] == "business_date" else when >= day.cast("timestamp")


def _as_text(rows: DataFrame, names: Sequence[str]) -> list[Column]:
    """The columns, times as text in UTC: Python's times would be those of the driver's own zone."""
    moments = {f.name for f in rows.schema.fields if isinstance(f.dataType, TimestampType)}
    exact = {"valid_from"}
    return [
        F.date_format(name, TO_THE_MICROSECOND if name in exact else TO_THE_SECOND).alias(name)
        if name in moments
        else F.col(name)
        for name in names
    ]


def _some(items: Iterator[Item]) -> Iterator[list[Item]]:
    while found := list(islice(items, AT_ONCE)):
        yield found


# --- Redis ---


@dataclass
class RedisItems:
    """Items as hashes in one Redis server."""

    server: Server
    client: Any = field(repr=False)
    seconds_to_live: int
    patience: timedelta
    name: str = "Redis"

    def put(self, items: Sequence[Item]) -> int:
        """Write what is newer, in one round trip."""
        return patiently(lambda: self._put(items), self.server, self.patience, threading.Event())

    def close(self) -> None:
        """End the connections."""
        self.client.close()

    def _put(self, items: Sequence[Item]) -> int:
        with sentences(self.server):
            pipeline = self.client.pipeline(transaction=False)
            script = self.client.register_script(redis_items.IF_NEWER)
            for one in items:
                keys, arguments = redis_items.arguments(one, self.seconds_to_live)
                script(keys=keys, args=arguments, client=pipeline)
            answers = pipeline.execute(raise_on_error=False)
            # the library's own error would quote the command
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            return sum(answers)


# --- DynamoDB ---


@dataclass
class DynamoTables:
    """Items in DynamoDB's tables of a prefix: one conditional PutItem each, several at a time."""

    client: Any = field(repr=False)
    server: Server
    prefix: str
    expires_at: int
    patience: timedelta
    name: str = "DynamoDB"

    @staticmethod
    def of(prefix: str, region: str, expires_at: int, patience: timedelta) -> DynamoTables:
        """The tables whose names begin with `prefix`; SettingsError where boto3 is not installed."""
        library = client_library("boto3", "serving")
        config = client_library("botocore.config", "serving").Config(
            max_pool_connections=WRITERS,
            connect_timeout=5,
            read_timeout=5,
            retries={"mode": "standard", "total_max_attempts": 3},
        )
        client = library.client("dynamodb", region_name=region, config=config)
        address = client.meta.endpoint_url.partition("//")[2]
        host, _, port = address.partition(":")
        return DynamoTables(client, Server("DynamoDB", host, int(port or 443)), prefix, expires_at, patience)

    def put(self, items: Sequence[Item]) -> int:
        """Write what is newer."""
        left, written = list(items), 0
        with ThreadPoolExecutor(WRITERS, thread_name_prefix="paylake-dynamodb") as pool:

            def put_what_is_left() -> None:
                nonlocal left, written
                reasons: list[Away] = []
                answers = list(pool.map(lambda one: self._put_unless(reasons, one), left))
                written += answers.count(True)
                left = [one for one, answer in zip(left, answers, strict=True) if answer is None]
                if reasons:
                    raise reasons[0]

            patiently(put_what_is_left, self.server, self.patience, threading.Event())
        return written

    def close(self) -> None:
        """End the connections."""
        self.client.close()

    def _put_unless(self, reasons: list[Away], one: Item) -> bool | None:
        """Write an item, as `_put` does; None where the table is away, or was for another item: it would be for this too."""
        if reasons:
            return None
        try:
            return self._put(dynamodb_items.arguments(one, self.prefix, self.expires_at))
        except Away as error:
            reasons.append(error)
            return None

    def _put(self, asked: Mapping[str, Any]) -> bool:
        """Write one item; false where what is there is as new."""
        errors = client_library("botocore.exceptions", "serving")
        table = asked["TableName"]
        try:
            self.client.put_item(**asked)
        except errors.ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                return False
            if code in PASSING:
                raise Away(code) from None
            if code == "ResourceNotFoundException":
                raise SourceError(
                    f"{self.server} has no table {table}; see --dynamodb and --region, and that the stack is applied."
                ) from None
            raise SourceError(f"{self.server} refuses what is written to {table} ({code}); see the role's rights.") from None
        except errors.NoCredentialsError:
            raise SourceError("There are no credentials of AWS here; run with a role, or set AWS_PROFILE.") from None
        except (errors.HTTPClientError, errors.ConnectionError):
            raise Away("no connection") from None
        return True


PASSING = frozenset({
    "InternalServerError", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ServiceUnavailable",
    "ThrottlingException",
})  # fmt: skip
"""Refusals of DynamoDB that pass."""
