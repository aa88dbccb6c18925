"""The whole way once, as a user goes it: a real broker, the stream's process, the nightly jobs, a published index."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from paylake import tables
from paylake.contracts import (
    AGGREGATE_INDEX,
    BATCH_INDEX,
    LEDGER_ENTRIES,
    OPEN_ITEMS,
    OPERATIONS_RECONCILE_LEDGERS,
    QUARANTINE,
    RECONCILIATION_INDEX,
    RECONCILIATION_PARTIAL,
    RUN_CONTROLS,
)
from paylake.contracts.topics import TOPIC_LEDGERS
from paylake.report.score import score
from paylake.simulation import generate
from paylake.simulation.faults import DISORDER, DUPLICATE, LATE, MALFORMED
from tests.jobs.conftest import PipelineRun
from tests.slow import support
from tests.slow.support import DAY, PLACE

REASONS = {
    "bad_json": {"json_malformed"},
    "wrong_type": {"amount_present"},
    "missing_field": {"amount_present", "currency_present", "status_present", "event_at_present"},
    "unknown_status": {"status_present"},
    "absurd_amount": {"amount_plausible", "amount_present"},
    "absurd_date": {"event_at_plausible"},
    "oversized": {"record_oversized"},
    "null": {"record_empty"},
}
"""Kind of malformed record -> checks of which at least one must be named."""


@dataclass(frozen=True)
class Sent:
    """Everything that the simulation delivered, and what it says was wrong with it."""

    deliveries: pa.Table
    faults: list[dict[str, Any]]

    @property
    def malformed(self) -> dict[tuple[str, str], str]:
        """Topic and transaction -> the kind of bad record that came in the good one's place."""
        return {(f["topic"], f["transaction_id"]): f["fault"] for f in self.faults if f["fault"] in MALFORMED}

    def good(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Topic and content of each record that nobody damaged."""
        bad = self.malformed
        for row in self.deliveries.to_pylist():
            if (row["topic"], row["transaction_id"]) not in bad or _is_second(row, bad):
                yield row["topic"], json.loads(row["value"])


def _is_second(row: dict[str, Any], bad: dict[tuple[str, str], str]) -> bool:
    """A conflicting duplicate is good, also where the first posting was damaged: it alone can still be read."""
    kind = bad[(row["topic"], row["transaction_id"])]
    if kind in ("null", "bad_json", "oversized"):
        try:
            return len(row["value"] or b"") < 10_000 and bool(json.loads(row["value"] or b""))
        except ValueError:
            return False
    record = json.loads(row["value"])
    amount, status, at = record.get("amount"), record.get("status"), record.get("timestamp", "")
    is_damaged = (
        not isinstance(amount, str) or amount.startswith("1000000000000000") or status in (None, "FLUX")
        or "currency" not in record or not at.startswith("2026")
    )  # fmt: skip
    return not is_damaged


@pytest.fixture(scope="module")
def sent(pipeline_run: PipelineRun) -> Sent:
    chunks = list(generate(pipeline_run.plan))
    deliveries = pa.concat_tables([chunk.deliveries for chunk in chunks])
    faults = pq.read_table(pipeline_run.place / "truth" / "faults").to_pylist()
    return Sent(deliveries, faults)


def truth(spark: SparkSession, run: PipelineRun) -> DataFrame:
    return spark.read.parquet(str(run.place / "truth" / "payments"))


def test_every_fault_that_can_be_simulated_was(sent: Sent) -> None:
    kinds = {fault["fault"] for fault in sent.faults}
    assert {DUPLICATE, DISORDER, LATE} < kinds
    assert len(kinds & set(MALFORMED)) >= 6


def test_every_record_that_was_sent_lies_in_the_lake_once(
    spark: SparkSession, pipeline_run: PipelineRun, sent: Sent
) -> None:
    entries = tables.read(spark, pipeline_run.lake, LEDGER_ENTRIES)
    quarantine = tables.read(spark, pipeline_run.lake, QUARANTINE)
    everything = entries.select(*PLACE).unionByName(quarantine.select(*PLACE))

    assert everything.count() == everything.distinct().count() == pipeline_run.totals.records == len(sent.deliveries)
    assert {tuple(r) for r in everything.groupBy("topic").count().collect()} == set(
        Counter(sent.deliveries["topic"].to_pylist()).items()
    )
    assert quarantine.count() == len(sent.malformed)


def test_what_lies_in_the_lake_is_what_was_sent(spark: SparkSession, pipeline_run: PipelineRun, sent: Sent) -> None:
    rows = tables.read(spark, pipeline_run.lake, LEDGER_ENTRIES).select(
        "topic", "transaction_id", "currency", "amount", "event_at"
    )
    found = Counter(
        (r["topic"], r["transaction_id"], r["currency"], r["amount"], r["event_at"].astimezone(UTC)) for r in rows.collect()
    )
    assert found == Counter(
        (topic, r["transaction_id"], r["currency"], Decimal(r["amount"]), _at(r)) for topic, r in sent.good()
    )


def _at(record: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(record["timestamp"]).astimezone(UTC)


def test_each_kind_of_malformed_record_is_quarantined_with_its_reason(
    spark: SparkSession, pipeline_run: PipelineRun, sent: Sent
) -> None:
    quarantine = tables.read(spark, pipeline_run.lake, QUARANTINE)
    named = quarantine.where("transaction_id IS NOT NULL").collect()
    seen = set()
    for row in named:
        kind = sent.malformed[(row["topic"], row["transaction_id"])]
        assert REASONS[kind] & set(row["_failed_checks"]), (kind, row["_failed_checks"])
        seen.add(kind)
    nameless = [set(r["_failed_checks"]) for r in quarantine.where("transaction_id IS NULL").collect()]
    for kind in ("null", "oversized"):
        expected = sum(k == kind for k in sent.malformed.values())
        assert sum(bool(REASONS[kind] & checks) for checks in nameless) == expected, kind
    assert seen >= {"unknown_status", "absurd_date"}


def test_the_stream_and_the_published_index_agree_with_the_truth(spark: SparkSession, pipeline_run: PipelineRun) -> None:
    payments = truth(spark, pipeline_run)
    streamed = score(support.decisions(spark, pipeline_run.lake), payments)
    assert streamed.is_perfect, [k for k in streamed.kinds if not k.expected == k.predicted == k.right]
    assert (streamed.overall.precision, streamed.overall.recall) == (1.0, 1.0)
    assert len(streamed.kinds) >= 9

    of_day = payments.where(f"business_date = DATE'{DAY}' OR business_date IS NULL")
    published = score(tables.read(spark, pipeline_run.lake, AGGREGATE_INDEX), of_day)
    assert published.is_perfect, [k for k in published.kinds if not k.expected == k.predicted == k.right]


def test_no_payment_that_a_ledger_misses_is_called_matched(spark: SparkSession, pipeline_run: PipelineRun) -> None:
    missing = truth(spark, pipeline_run).where("gateway_amount IS NULL OR core_amount IS NULL OR mobile_amount IS NULL")
    found = support.decisions(spark, pipeline_run.lake).join(missing.select("transaction_id"), "transaction_id")
    assert found.count() > 50
    assert found.where("status = 'MATCHED'").count() == 0


def test_the_controls_close_to_the_last_decimal(spark: SparkSession, pipeline_run: PipelineRun, sent: Sent) -> None:
    postings: dict[tuple[str, str, str, Decimal], list[datetime]] = defaultdict(list)
    for topic, record in sent.good():
        posting = (TOPIC_LEDGERS[topic], record["transaction_id"], record["currency"], Decimal(record["amount"]))
        postings[posting].append(_at(record))
    of_day = {posting: times for posting, times in postings.items() if min(times).date() == DAY}
    records: Counter[tuple[str, str]] = Counter()
    amounts: Counter[tuple[str, str]] = Counter()
    again: Counter[tuple[str, str]] = Counter()
    for (source, _, currency, amount), times in of_day.items():
        records[(source, currency)] += 1
        amounts[(source, currency)] += amount  # type: ignore[assignment]
        again[(source, currency)] += len(times) - 1

    controls = tables.read(spark, pipeline_run.lake, RUN_CONTROLS).collect()
    proofs = [row for row in controls if row["row_kind"] == "PROOF"]
    inside = {
        (r["source"], r["currency"]): (
            r["matched_records"] + r["broken_records"] + r["pending_records"],
            r["matched_amount"] + r["broken_amount"] + r["pending_amount"],
            r["redelivered_records"],
        )
        for r in proofs
    }
    assert inside == {key: (records[key], amounts[key], again[key]) for key in records}
    assert sum(again.values()) > 50
    assert {row["outcome"] for row in controls} <= {"closed", "closed with exceptions"}
    assert {r["outcome"] for r in controls if r["row_kind"] == "OFFSETS"} == {"closed"}
    assert [r["row_kind"] for r in controls].count("PUBLISHED") == 1
    assert [r for r in controls if r["row_kind"] == "DIFFERENCE"] == []


@pytest.mark.thorough
@pytest.mark.slow
def test_a_second_night_without_news_writes_nothing(spark: SparkSession, pipeline_run: PipelineRun, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    shutil.copytree(pipeline_run.lake, lake)
    contracts = (BATCH_INDEX, RECONCILIATION_INDEX, AGGREGATE_INDEX, RUN_CONTROLS)
    before = [tables.last_commit(spark, lake, c).version for c in contracts]

    support.nightly_here(spark, pipeline_run.kafka, lake)

    assert [tables.last_commit(spark, lake, c).version for c in contracts] == before


def test_the_stream_ends_well_and_leaves_no_process_and_nothing_pending(
    spark: SparkSession, pipeline_run: PipelineRun
) -> None:
    assert (pipeline_run.stream_exit, pipeline_run.left_behind) == (0, ())
    assert tables.read(spark, pipeline_run.lake, OPEN_ITEMS).where("status = 'PENDING'").count() == 0
    minutes = tables.read(spark, pipeline_run.lake, OPERATIONS_RECONCILE_LEDGERS).groupBy().sum("records").first()
    assert minutes is not None
    assert minutes[0] == pipeline_run.totals.records


def test_a_checkpoint_that_lost_its_last_commit_adds_no_row_and_loses_none(
    spark: SparkSession, pipeline_run: PipelineRun, tmp_path: Path
) -> None:
    lake = str(tmp_path / "lake")
    shutil.copytree(pipeline_run.lake, lake)
    contents = support.stream_contents(spark, lake)
    rows = tables.read(spark, lake, RECONCILIATION_PARTIAL).count()
    folder = tmp_path / "lake" / "checkpoints" / "reconcile_ledgers" / "generation=1" / "commits"
    entries = sorted((p for p in folder.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
    assert len(entries) >= 2
    entries[-1].unlink()
    (folder / f".{entries[-1].name}.crc").unlink(missing_ok=True)

    support.stream_here(spark, pipeline_run.kafka, lake, pipeline_run.key, "--ticks", "elsewhere")

    assert support.stream_contents(spark, lake) == contents
    assert tables.read(spark, lake, RECONCILIATION_PARTIAL).count() == rows
