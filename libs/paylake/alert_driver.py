"""The alert channel's edge: what it knows from the lake, the query from Kafka to Kafka, and how that runs and stops."""

from __future__ import annotations

import inspect
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter

from paylake import alert_probe, tables
from paylake.alert_probe import Probe
from paylake.columns.identifiers import hmac_pads
from paylake.contracts import (
    FRAUD_PARTIAL,
    LEDGER_ENTRIES,
    LOCATIONS,
    MERCHANT_INDEX,
    MERCHANTS,
    POLICIES,
    USER_SPEND_INDEX,
    USERS,
)
from paylake.contracts.topics import FRAUD_ALERTS, FRAUD_DECISIONS, GATEWAY, PG_TRANSACTIONS
from paylake.errors import SettingsError, SourceError
from paylake.fraud import alert_rules, alert_subjects
from paylake.settings import KafkaSettings
from paylake.streams import BROKER_FAULTS, Stop
from paylake.topics import end_offsets

log = logging.getLogger(__name__)

AUTO, REAL_TIME, MICRO_BATCH = MODES = ("auto", "real-time", "micro-batch")
LEAST_COMMIT = timedelta(seconds=5)
"""Spark's least duration of a real-time batch (`spark.sql.streaming.realTimeMode.minBatchDuration`)."""


@dataclass(frozen=True)
class AlertPlan:
    """How the query reads and runs.

    `commit_every` is how often real-time mode writes its offsets down: a crash repeats what came since. `stop_after` None
    means: until asked to stop. `available_now` reads what waits in micro-batches, and ends.
    """

    checkpoint: str
    mode: str = AUTO
    starting_offsets: str = "latest"
    available_now: bool = False
    commit_every: timedelta = timedelta(minutes=5)
    stop_after: timedelta | None = None
    patience: timedelta = timedelta(minutes=10)


@dataclass(frozen=True)
class Known:
    """What is known when the query starts; frames of literal rows, since real-time mode reads no table."""

    users: DataFrame
    merchants: DataFrame
    places: DataFrame
    cards: DataFrame
    context: DataFrame
    """One row: the topic, the keyed hash's pads, and the limits that concern everybody."""


def known(spark: SparkSession, lake: str, token_key: bytes, as_of: datetime) -> Known:
    """What the lake says as of a time of customers, merchants, places and cards; nothing of what is not there yet."""
    since = as_of - alert_subjects.HISTORY
    policies = alert_subjects.active(tables.read_or_empty(spark, lake, POLICIES), as_of)
    entries = _payments(spark, lake, since)
    usual_of_users = alert_subjects.usual_of_users(tables.read_or_empty(spark, lake, USER_SPEND_INDEX), since.date())
    usual_of_merchants = alert_subjects.usual_of_merchants(tables.read_or_empty(spark, lake, MERCHANT_INDEX), since.date())
    users = alert_subjects.in_force(tables.read_or_empty(spark, lake, USERS), as_of)
    merchants = alert_subjects.in_force(tables.read_or_empty(spark, lake, MERCHANTS), as_of)
    locations = alert_subjects.in_force(tables.read_or_empty(spark, lake, LOCATIONS), as_of)
    devices = alert_subjects.devices(entries)
    inner, outer = hmac_pads(token_key)
    pads = spark.createDataFrame([(PG_TRANSACTIONS, bytearray(inner), bytearray(outer))], _CONTEXT_DDL)
    limits = alert_subjects.limits_of_everybody(policies)
    return Known(
        users=literal(alert_subjects.users(users, policies, devices, usual_of_users, as_of.date())),
        merchants=literal(alert_subjects.merchants(merchants, policies, usual_of_merchants)),
        places=literal(alert_subjects.places(locations, policies)),
        cards=literal(alert_subjects.usual_of_cards(entries)),
        context=literal(pads.join(limits, how="left").select(*pads.columns, F.struct("limits").alias("everybody"))),
    )


_CONTEXT_DDL = "topic string, inner_pad binary, outer_pad binary"


def _payments(spark: SparkSession, lake: str, since: datetime) -> DataFrame:
    """The gateway's payments since a time, from whichever of the two streams has written them."""
    columns = ("user_id", "device_id", "card_token", "amount", "currency", "status", "recorded_at")
    found = tables.read_or_empty(spark, lake, LEDGER_ENTRIES).where(F.col("source") == GATEWAY).select(*columns)
    if found.isEmpty():
        found = tables.read_or_empty(spark, lake, FRAUD_PARTIAL).select(*columns)
    return found.where(F.col("recorded_at") >= F.lit(since))


def literal(rows: DataFrame) -> DataFrame:
    """The rows as part of the plan: of all ways to hold a frame, real-time mode admits this one only (and plain files)."""
    return rows.sparkSession.createDataFrame(rows.toArrow(), rows.schema)


def output(records: DataFrame, known: Known) -> DataFrame:
    """The Kafka records to publish for the gateway's records: `topic`, `key`, `value`."""
    in_context = records.join(F.broadcast(known.context), on="topic", how="inner")
    pads_only = in_context.drop("everybody")
    payments = alert_rules.payments(pads_only)
    joined = (
        payments.join(F.broadcast(known.context.select("topic", "everybody")), on="topic", how="left")
        .join(F.broadcast(known.users), on="user_id", how="left")
        .join(F.broadcast(known.merchants), on="merchant_id", how="left")
        .join(F.broadcast(known.cards), on="card_token", how="left")
        .withColumn("jurisdiction", F.coalesce("country", "user.home_country"))
        .join(F.broadcast(known.places), on="jurisdiction", how="left")
    )
    return alert_rules.published(alert_rules.decided(joined))


def has_real_time() -> bool:
    """True where this PySpark can start a query in real-time mode."""
    return "realTime" in inspect.signature(DataStreamWriter.trigger).parameters


def mode_of(plan: AlertPlan, real_time: bool, master: str, partitions: int) -> str:
    """The mode to run in; SettingsError where the one that was asked for cannot be had.

    A bounded run is a micro-batch: real-time mode knows no end of what waits.
    """
    if plan.available_now:
        if plan.mode == REAL_TIME:
            raise SettingsError("--available-now ends with what waits, and real-time mode never does: use --stop-after 30s.")
        return MICRO_BATCH
    if plan.mode == MICRO_BATCH:
        return MICRO_BATCH
    if not real_time:
        if plan.mode == REAL_TIME:
            raise SettingsError("--mode real-time needs PySpark 4.2 or later; leave --mode out to run in micro-batches.")
        log.warning("This PySpark has no real-time mode (4.2 has): alerts come in micro-batches, in some 0.3 s.")
        return MICRO_BATCH
    if plan.commit_every < LEAST_COMMIT:
        raise SettingsError(f"--commit-every: {plan.commit_every.total_seconds():g}s is less than 5s, Spark's least.")
    cores = re.fullmatch(r"local\[(\d+)(?:,\d+)?\]", master)
    if master == "local" or (cores and int(cores[1]) < partitions):
        raise SettingsError(
            f"Real-time mode holds a core for each of the {partitions} partitions of {PG_TRANSACTIONS}, and the session "
            f"{master} has fewer: set PAYLAKE_MASTER=local[{2 * partitions}], or use --mode micro-batch."
        )
    return REAL_TIME


def start(spark: SparkSession, kafka: KafkaSettings, known: Known, plan: AlertPlan, mode: str) -> StreamingQuery:
    """Start the query in a mode; it writes to both topics, at least once."""
    records = (
        spark.readStream.format("kafka")
        .options(**kafka.spark_options())
        .option("subscribe", PG_TRANSACTIONS)
        .option("startingOffsets", plan.starting_offsets)
        # alerts on what Kafka no longer holds would come days late: go on with what is there
        .option("failOnDataLoss", "false")
        # the defaults of a minute and more would hide a broker's absence for minutes
        .option("kafka.request.timeout.ms", 10_000)
        .option("kafka.default.api.timeout.ms", 15_000)
        .load()
    )
    writer = (
        output(records, known)
        .writeStream.format("kafka")
        .options(**kafka.spark_options())
        .option("checkpointLocation", plan.checkpoint)
        .outputMode("update")
    )
    if plan.available_now:
        return writer.trigger(availableNow=True).start()
    if mode == REAL_TIME:
        # the stubs of PySpark 4.2 do not know the keyword that its function has
        trigger = cast(Callable[..., DataStreamWriter], writer.trigger)
        return trigger(realTime=f"{int(plan.commit_every.total_seconds())} seconds").start()
    return writer.option("asyncProgressTrackingEnabled", "true").trigger(processingTime="0 seconds").start()


@dataclass(frozen=True)
class AlertFigures:
    """What became of the payments that waited, and how fast one is decided that has just come."""

    decisions: int
    alerts: int
    latency: Probe

    def as_dict(self) -> dict[str, Any]:
        """For `summary.json`."""
        ms = {name: round(getattr(self.latency, f"{name}_ms"), 1) for name in ("p50", "p95", "p99")}
        return {"alerts": self.alerts, "alert_latency_ms": ms}


def alerts_of(
    spark: SparkSession,
    kafka: KafkaSettings,
    lake: str,
    token_key: bytes,
    folder: Path,
    as_of: datetime,
    rate: int = 1_000,
    seconds: float = 10,
) -> AlertFigures:
    """Decide on the payments that wait in the topic, and then probe the running query with payments at a constant rate.

    The counts are of what waited. The probe's payments go to the gateway's topic: take what else is to be read of it first.
    """
    topics = [FRAUD_DECISIONS, FRAUD_ALERTS]
    before = end_offsets(kafka, topics)
    waiting = AlertPlan(str(folder / "checkpoint"), starting_offsets="earliest", available_now=True)
    run(spark, kafka, lake, token_key, waiting, as_of)
    after = end_offsets(kafka, topics)
    count = {t: sum(after[t].values()) - sum(before[t].values()) for t in topics}
    partitions = len(end_offsets(kafka, [PG_TRANSACTIONS])[PG_TRANSACTIONS])
    live = AlertPlan(str(folder / "probe"))
    mode = mode_of(live, has_real_time(), spark.sparkContext.master or "", partitions)
    query = start(spark, kafka, known(spark, lake, token_key, as_of), live, mode)
    try:
        alert_probe.await_decisions(kafka)
        found = alert_probe.probe(kafka, rate, seconds, warm_up=5, folder=folder)
    finally:
        query.stop()
    return AlertFigures(count[FRAUD_DECISIONS], count[FRAUD_ALERTS], found)


def run(spark: SparkSession, kafka: KafkaSettings, lake: str, token_key: bytes, plan: AlertPlan, as_of: datetime) -> None:
    """Publish decisions and alerts until asked to stop, or to the plan's own end.

    What is known is read once: start the job anew to have it read again. Raises SourceError where the broker is away at
    the start, or stays away for longer than the plan's patience.
    """
    ends = end_offsets(kafka, [PG_TRANSACTIONS, FRAUD_DECISIONS, FRAUD_ALERTS])
    mode = mode_of(plan, has_real_time(), spark.sparkContext.master or "", len(ends[PG_TRANSACTIONS]))
    subjects = known(spark, lake, token_key, as_of)
    stop = Stop().on_signals()
    try:
        _run_until_done(lambda: start(spark, kafka, subjects, plan, mode), stop, plan)
    finally:
        stop.restore()


def _run_until_done(query_of: Callable[[], StreamingQuery], stop: Stop, plan: AlertPlan) -> None:
    """Run the query; start it anew while the broker is away, for the plan's patience at most."""
    ends_at = None if plan.stop_after is None else time.monotonic() + plan.stop_after.total_seconds()
    away_since: float | None = None
    while not stop.asked.is_set():
        try:
            query = query_of()
            log.info("Alerts are on.")
            while not query.awaitTermination(1):
                if stop.asked.is_set() or (ends_at is not None and time.monotonic() >= ends_at):
                    # at once: a batch of real-time mode ends in minutes, and what is sent again is known by its event id
                    query.stop()
                    return
                if query.lastProgress is not None:
                    away_since = None
            return
        except StreamingQueryException as error:
            _raise_unless_away(error)
            now = time.monotonic()
            away_since = away_since or now
            if now - away_since > plan.patience.total_seconds():
                raise SourceError(
                    f"The Kafka broker has been away for {plan.patience.total_seconds():.0f} s; start it, and start the job "
                    "again: it goes on where it stopped."
                ) from error
            log.warning("The Kafka broker does not answer; trying again.")
            stop.asked.wait(2)


def _raise_unless_away(error: StreamingQueryException) -> None:
    text = str(error)
    if not any(fault in text for fault in BROKER_FAULTS):
        raise SourceError(f"The alert stream failed: {text.strip().splitlines()[0][:500]}") from error
