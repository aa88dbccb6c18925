"""Sending a missing record to a ledger again: once, on its replay topic, with a key by which a second one is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from paylake import breaks, tables
from paylake.act_store import ActExists
from paylake.contracts import LEDGER_ENTRIES
from paylake.contracts.topics import LEDGER_TOPICS, LEDGERS, REPLAY_SUFFIX, TOPICS
from paylake.errors import SettingsError, SourceError
from paylake.resolution.acts import Act
from paylake.resolution.life import Limits
from paylake.settings import KafkaSettings
from paylake.topics import TopicSpec, create_topics

SENT = (
    "transaction_id", "user_id", "merchant_id", "currency", "status", "type", "channel", "payment_system", "upi_id",
    "bank_id", "city", "country", "device_id", "ip_address",
)  # fmt: skip
"""What a replayed record says as the ledger that has it said it; a card's number is in no lake, and so not in it."""


def replayed(spark: SparkSession, lake: str, kafka: KafkaSettings, act: Act, limits: Limits, resend: bool = False) -> str:
    """Write the act, and send the missing record of its break; gives the topic.

    Raises SettingsError where that was done before: `resend` repeats a sending that failed, under the same key.
    """
    record = record_of(spark, lake, breaks.shown(spark, lake, act.subject)["transaction_id"], act)
    try:
        breaks.do(spark, lake, act, limits)
    except ActExists:
        if not resend:
            raise SettingsError(
                f"The record of break {act.subject} was replayed to {act.ledger} already; where sending it failed, "
                "--resend sends it again under the same key."
            ) from None
    return send(kafka, act, record)


def topic_of(ledger: str) -> str:
    """The topic on which a ledger takes records that it is missing."""
    return LEDGER_TOPICS[ledger] + REPLAY_SUFFIX


def record_of(spark: SparkSession, lake: str, transaction_id: str, act: Act) -> dict[str, Any]:
    """The record to send, as the gateway, else core, else mobile has it; SourceError where none of them does."""
    found = tables.read(spark, lake, LEDGER_ENTRIES).where(F.col("transaction_id") == transaction_id)
    instants = found.withColumn("timestamp", F.date_format("event_at", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"))
    rows = instants.where(F.col("source") != act.ledger).orderBy("event_at", "topic", "partition", "offset").collect()
    if not rows:
        raise SourceError(f"No other ledger has a record of {transaction_id}, so there is nothing to replay.")
    first: Row = min(rows, key=lambda row: LEDGERS.index(row["source"]))
    said = {name: first[name] for name in SENT if first[name] is not None}
    return {
        **said, "amount": str(first["amount"]), "timestamp": first["timestamp"], "idempotency_key": act.act_id,
        "replayed_from": f"{first['topic']}/{first['partition']}/{first['offset']}",
    }  # fmt: skip


def send(kafka: KafkaSettings, act: Act, record: Mapping[str, Any]) -> str:
    """Send the record to the ledger's replay topic, which is made where it is not there; gives the topic."""
    from kafka import KafkaProducer

    from paylake.simulation.sender import connected

    ledger = str(act.ledger)
    topic, of = topic_of(ledger), TOPICS[LEDGER_TOPICS[ledger]]
    create_topics(kafka, {topic: TopicSpec(of.partitions, None, {"retention.ms": str(of.retention_ms)})})
    producer = connected(KafkaProducer, kafka, acks="all")
    try:
        headers = [("idempotency-key", act.act_id.encode())]
        key, value = str(record["transaction_id"]).encode(), json.dumps(record, sort_keys=True).encode()
        producer.send(topic, key=key, value=value, headers=headers).get(timeout=30)
    finally:
        producer.close()
    return topic
