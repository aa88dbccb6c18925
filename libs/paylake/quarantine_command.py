"""`paylake quarantine list|show|release`: what could not be accepted, why, and how it enters again."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake import tables
from paylake.contracts import LEDGER_ENTRIES, QUARANTINE
from paylake.contracts.table import FAILED_CHECKS
from paylake.contracts.topics import TOPIC_LEDGERS
from paylake.errors import SettingsError, SourceError
from paylake.indexes.batch_index import unreleased
from paylake.payments.release import Place, corrected
from paylake.session import build_session
from paylake.settings import KafkaSettings, parse_settings, setting


@dataclass(frozen=True, kw_only=True)
class QuarantineSettings(KafkaSettings):
    """List, show and release quarantined records; a released record is sent to its topic again, corrected."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "paylake quarantine list --lake build/demo/lake",
        "paylake quarantine show --record cbs-transactions/0/17",
        'paylake quarantine release --record cbs-transactions/0/17 --correct \'{"status": "SUCCESS"}\'',
    )

    lake: str = setting("build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",))
    record: str = setting("", "place of a record: topic/partition/offset")
    correct: str = setting("{}", "JSON object with the fields to put right; null leaves a field out")
    ingest_date: date | None = setting(None, "list only the records of this ingest date")
    limit: int = setting(50, "how many records to list")
    dry_run: bool = setting(False, "show what would be sent, and send nothing")


ACTIONS = ("list", "show", "release")


def main(argv: Sequence[str]) -> int:
    """Run one action; the exit code is 0 when it is done."""
    action, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else ("", argv)
    settings = parse_settings(QuarantineSettings, rest, prog=f"paylake quarantine {action or '|'.join(ACTIONS)}")
    if action not in ACTIONS:
        raise SettingsError(f"paylake quarantine knows {', '.join(ACTIONS)}, but not {action or 'nothing'!r}.")
    spark = build_session("quarantine")
    {"list": _list, "show": _show, "release": _release}[action](spark, settings)
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _list(spark: SparkSession, settings: QuarantineSettings) -> None:
    waiting = _waiting(spark, settings.lake)
    if settings.ingest_date:
        waiting = waiting.where(F.col("ingest_date") == F.lit(settings.ingest_date))
    total = waiting.count()
    rows = waiting.orderBy("topic", "partition", "offset").limit(settings.limit).collect()
    _say(f"{total} records in quarantine that nothing has replaced; {len(rows)} shown.")
    for r in rows:
        place = Place(r["topic"], r["partition"], r["offset"])
        reasons = ", ".join(r[FAILED_CHECKS])
        _say(f"{place!s:<32} {r['recorded_at']:%Y-%m-%d %H:%M:%S}  {r['transaction_id'] or '-':<36}  {reasons}")


def _show(spark: SparkSession, settings: QuarantineSettings) -> None:
    row = _one(_waiting(spark, settings.lake), Place.parse(settings.record))
    for name, value in row.items():
        if value is not None:
            _say(f"{name:<16} {value}")


def _release(spark: SparkSession, settings: QuarantineSettings) -> None:
    from kafka import KafkaProducer

    place = Place.parse(settings.record)
    row = _one(_waiting(spark, settings.lake), place)
    record = corrected(row, settings.correct, place)
    if place.topic not in TOPIC_LEDGERS:
        raise SourceError(f"{place.topic} carries no ledger's records, so nothing can be released to it.")
    if "transaction_id" not in record:
        raise SettingsError("The record names no transaction_id; state it in --correct.")
    shown = {k: ("[card number]" if k == "card_number" else v) for k, v in record.items()}
    if settings.dry_run:
        _say(f"would send to {place.topic}: {json.dumps(shown)}")
        return
    producer = KafkaProducer(**settings.client_options(), acks="all")
    try:
        sent_ms = int(row["recorded_at"].timestamp() * 1000)  # its own time: it is late, and not new
        producer.send(
            place.topic, key=record["transaction_id"].encode(), value=json.dumps(record).encode(), timestamp_ms=sent_ms
        ).get(timeout=30)
    finally:
        producer.close()
    _say(f"released {place}: sent to {place.topic} as {json.dumps(shown)}")


def _waiting(spark: SparkSession, lake: str) -> DataFrame:
    return unreleased(tables.read(spark, lake, QUARANTINE), tables.read(spark, lake, LEDGER_ENTRIES))


def _one(rows: DataFrame, place: Place) -> dict[str, Any]:
    found = rows.where(
        (F.col("topic") == place.topic) & (F.col("partition") == place.partition) & (F.col("offset") == place.offset)
    ).collect()
    if not found:
        raise SourceError(f"No record at {place} waits in quarantine; `paylake quarantine list` shows those that do.")
    return found[0].asDict(recursive=True)
