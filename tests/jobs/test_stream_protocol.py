"""The stream's protocol: whatever dies between two writes, or is lost, every record counts once and stays decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from paylake import tables
from paylake.contracts import LEDGER_ENTRIES, OPEN_ITEMS, QUARANTINE, RECONCILIATION_PARTIAL
from paylake.contracts.table import TableContract
from paylake.contracts.topics import LEDGER_TOPICS
from paylake.errors import ContractError, SourceError
from paylake.indexes import proof
from paylake.ledger_driver import LedgerDriver
from paylake.payments import parsing
from paylake.reconciliation.rules import Rules
from paylake.settings import KafkaSettings
from paylake.stream_state import StreamState
from tests import stream_harness as harness
from tests.builders import NOON, as_dicts
from tests.stream_harness import Log, Reader, Simulated, crash, feed, open_stream, run, state_hash, versions_of

STREAM_TABLES = (LEDGER_ENTRIES, QUARANTINE, OPEN_ITEMS, RECONCILIATION_PARTIAL)


def after(minutes: float = 0, seconds: float = 0) -> datetime:
    return NOON + timedelta(minutes=minutes, seconds=seconds)


@pytest.fixture(scope="module")
def day(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return harness.simulated(spark, tmp_path_factory.getbasetemp())


# Crash and replay


def offset_proofs(spark: SparkSession, lake: str, starts: Any, ends: Any) -> list[proof.OffsetProof]:
    entries, bad = (tables.read(spark, lake, t) for t in (LEDGER_ENTRIES, QUARANTINE))
    rows = proof.offset_counts(entries, bad).collect()
    counts = proof.OffsetCount.by_partition(rows)
    return proof.prove_offsets(counts, starts, ends)


STRICT, LENIENT = Rules(), Rules(amount_tolerance={"INR": Decimal(5)})
COMMITTED = harness.STEPS.index("items committed")
"""From this step on, a batch is decided, and a restart with other rules changes nothing of it."""


def crash_log() -> tuple[Log, list[int]]:
    """Six batches, each with a payment of every sort: matched, off by 1.00, incomplete, redelivered, malformed."""
    log, sizes = Log(), []
    for n in range(len(harness.STEPS) + 1):
        before = len(log.records)
        log.pay(f"matched {n}", at=after(minutes=n))
        log.post("gateway", f"off {n}", at=after(minutes=n))
        log.post("core", f"off {n}", amount="101.00", at=after(minutes=n))
        log.post("mobile", f"off {n}", at=after(minutes=n))
        log.post("gateway", f"incomplete {n}", at=after(minutes=n))
        if n:
            log.post("core", f"incomplete {n - 1}", at=after(minutes=n))
            log.post("mobile", f"matched {n - 1}", at=after(minutes=n - 1))
        log.post("core", f"malformed {n}", damaged=b'{"transaction_id": "mal', at=after(minutes=n))
        log.tick(after(minutes=n))
        sizes.append(len(log.records) - before)
    return log, sizes


@pytest.fixture(scope="module")
def disturbed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[dict[str, Any]]]]:
    """Two runs over one log: one undisturbed, and one that dies in batch n after step n and restarts with other rules."""
    log, sizes = crash_log()
    root = tmp_path_factory.mktemp("crashes")
    undisturbed, crashing = str(root / "undisturbed"), str(root / "crashing")
    rules = [STRICT if n % 2 else LENIENT for n in range(len(sizes) + 1)]

    stream, reader = open_stream(spark, undisturbed), Reader(log)
    for n, size in enumerate(sizes):
        stream.rules = rules[n] if n >= COMMITTED else rules[n + 1]
        feed(stream, *reader.take(size))

    reader = Reader(log)
    for n, size in enumerate(sizes):
        records, ends = reader.take(size)
        if n < len(harness.STEPS):
            crash(open_stream(spark, crashing, rules[n]), harness.STEPS[n], records, ends)
        stream = open_stream(spark, crashing, rules[n + 1] if n < len(harness.STEPS) else rules[n])
        feed(stream, records, ends, batch=n)
    before = {t.name: tables.last_commit(spark, crashing, t) for t in STREAM_TABLES}
    feed(stream, records, ends, batch=n)
    assert {t.name: tables.last_commit(spark, crashing, t) for t in STREAM_TABLES} == before
    return {t.name: [as_dicts(tables.read(spark, lake, t)) for lake in (undisturbed, crashing)] for t in STREAM_TABLES}


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "step"), list(enumerate([*harness.STEPS, "none"])))
@pytest.mark.parametrize("table", ["ledger_entries", "quarantine", "reconciliation_partial"])
def test_a_crash_after_a_step_neither_loses_nor_doubles_a_row(
    disturbed: dict[str, list[list[dict[str, Any]]]], table: str, batch: int, step: str
) -> None:
    undisturbed, crashed = ([r for r in rows if r["batch"] == batch] for rows in disturbed[table])
    assert crashed == undisturbed
    assert undisturbed


@pytest.mark.slow
def test_after_all_crashes_the_open_items_are_those_of_an_undisturbed_run(
    disturbed: dict[str, list[list[dict[str, Any]]]],
) -> None:
    undisturbed, crashed = disturbed["open_items"]
    assert crashed == undisturbed
    assert undisturbed


@pytest.mark.slow
def test_the_rules_of_the_restart_decide_only_what_was_not_committed(
    disturbed: dict[str, list[list[dict[str, Any]]]],
) -> None:
    _, crashed = disturbed["reconciliation_partial"]
    decided = {
        r["transaction_id"]: (r["rule_version"], r["status"]) for r in crashed if r["transaction_id"].startswith("off")
    }
    by_strict, by_lenient = (STRICT.version, "MISMATCH"), (LENIENT.version, "MATCHED")
    expected = [by_strict, by_lenient, by_strict, by_strict, by_lenient, by_strict]
    assert decided == {f"off {n}": verdict for n, verdict in enumerate(expected)}


@pytest.mark.slow
def test_a_new_rule_version_in_mid_stream_decides_later_batches_alone(
    disturbed: dict[str, list[list[dict[str, Any]]]],
) -> None:
    undisturbed, _ = disturbed["reconciliation_partial"]
    versions = {r["batch"]: r["rule_version"] for r in undisturbed if r["transaction_id"].startswith("matched")}
    assert set(versions.values()) == {STRICT.version, LENIENT.version}
    assert [r["version"] for r in undisturbed if r["transaction_id"].startswith("off")] == [1] * 6


def test_a_batch_that_does_not_follow_the_lakes_state_says_how_to_recover(spark: SparkSession, lake: str) -> None:
    stream = open_stream(spark, lake)
    with pytest.raises(SourceError, match="--recover"):
        feed(stream, [], {}, batch=1)
    stream.state = replace(stream.state, batch=5)
    with pytest.raises(SourceError, match="--recover"):
        feed(stream, [], {}, batch=4)


# Recovery without a checkpoint


def recovered(spark: SparkSession, lake: str) -> harness.LedgerStream:
    """A new process that is told to recover."""
    stream = open_stream(spark, lake)
    LedgerDriver(stream, KafkaSettings(), f"{lake}/checkpoints").recover()
    return stream


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Log, tuple[int, str]]:
    log, _ = crash_log()
    log.close()
    lake = str(tmp_path_factory.mktemp("undisturbed") / "lake")
    run(open_stream(spark, lake), log)
    return log, state_hash(spark, lake)


def assert_recovered(spark: SparkSession, lake: str, log: Log, expected: tuple[int, str]) -> None:
    sent = sorted((r.topic, r.partition, r.offset) for r in log.records if r.topic in LEDGER_TOPICS.values())
    place = ("topic", "partition", "offset")
    kept = [tuple(r) for t in (LEDGER_ENTRIES, QUARANTINE) for r in tables.read(spark, lake, t).select(*place).collect()]
    assert sorted(kept) == sent
    assert state_hash(spark, lake) == expected
    proofs = offset_proofs(spark, lake, {}, log.ends())
    assert {(p.outcome, p.gaps) for p in proofs} == {("closed", 0)}


@pytest.mark.slow
def test_a_lost_checkpoint_after_a_crash_between_two_writes_loses_and_doubles_nothing(
    spark: SparkSession, lake: str, undisturbed: tuple[Log, tuple[int, str]]
) -> None:
    log, expected = undisturbed
    stream, reader = open_stream(spark, lake), Reader(log)
    feed(stream, *reader.take(20))
    crash(stream, "entries appended", *reader.take(15))
    stream = recovered(spark, lake)
    assert (stream.state.generation, stream.state.batch) == (2, -1)
    feed(stream, *(reader := Reader.at(log, stream.state.ends)).take(9))
    crash(stream, "items committed", *reader.take(11))
    stream = recovered(spark, lake)
    assert (stream.state.generation, stream.state.batch) == (3, -1)
    run(stream, log, reader=Reader.at(log, stream.state.ends))
    assert_recovered(spark, lake, log, expected)


@pytest.mark.slow
def test_a_second_lost_checkpoint_before_the_first_commit_of_a_recovery_loses_nothing(
    spark: SparkSession, lake: str, undisturbed: tuple[Log, tuple[int, str]]
) -> None:
    log, expected = undisturbed
    stream, reader = open_stream(spark, lake), Reader(log)
    feed(stream, *reader.take(20))
    stream = recovered(spark, lake)
    crash(stream, "entries appended", *reader.take(5))
    stream = recovered(spark, lake)
    run(stream, log, reader=Reader.at(log, stream.state.ends))
    assert_recovered(spark, lake, log, expected)


@pytest.mark.slow
def test_a_lost_checkpoint_before_the_first_commit_of_all_loses_nothing(
    spark: SparkSession, lake: str, undisturbed: tuple[Log, tuple[int, str]]
) -> None:
    log, expected = undisturbed
    crash(open_stream(spark, lake), "entries appended", *Reader(log).take(5))
    run(open_stream(spark, lake), log)
    assert_recovered(spark, lake, log, expected)


def test_a_stream_that_has_read_only_ticks_goes_on_where_it_was(spark: SparkSession, lake: str) -> None:
    log = Log()
    log.tick(NOON)
    stream = open_stream(spark, lake)
    feed(stream, log.records, log.ends())
    feed(stream, [], log.ends())
    assert open_stream(spark, lake).state == stream.state
    assert (stream.state.batch, stream.state.clock.now) == (1, NOON)


def test_a_first_batch_that_is_tried_again_by_its_process_keeps_its_generation(spark: SparkSession, lake: str) -> None:
    log = Log()
    log.pay("t1")
    stream = open_stream(spark, lake)
    crash(stream, "entries appended", log.records, log.ends())
    stream.after_step = lambda step: None
    feed(stream, log.records, log.ends(), batch=0)
    assert (stream.state.generation, stream.state.batch) == (1, 0)
    assert tables.read(spark, lake, LEDGER_ENTRIES).count() == 3
    assert versions_of(spark, lake, "t1") == [(1, "MATCHED", None, False)]


def test_a_lake_without_a_stream_cannot_be_recovered(spark: SparkSession, lake: str) -> None:
    with pytest.raises(SourceError, match="without --recover"):
        recovered(spark, lake)


# Change, and what lies on disk


@pytest.mark.slow
def test_a_column_that_a_contract_gained_is_added_and_filled_from_then_on(spark: SparkSession, lake: str) -> None:
    older = replace(LEDGER_ENTRIES, fields=tuple(f for f in LEDGER_ENTRIES.fields if f.name != "device_id"))
    tables.create(spark, lake, older)
    log = Log()
    log.post("gateway", "before")
    row = parsing.parse_records(
        harness.frame_of(spark, log.records).crossJoin(
            spark.createDataFrame([(bytearray(64), bytearray(64), 1, 0)],
                                  "inner_pad binary, outer_pad binary, generation int, batch bigint")
        )
    )  # fmt: skip
    tables.append(row, lake, older)
    tables.create(spark, lake, OPEN_ITEMS)
    taken = StreamState(batch=0, ends=log.ends())
    tables.overwrite(tables.read(spark, lake, OPEN_ITEMS), lake, OPEN_ITEMS, taken.to_metadata())
    log.post("gateway", "after")
    feed(open_stream(spark, lake), log.records[1:], log.ends())
    found = as_dicts(tables.read(spark, lake, LEDGER_ENTRIES), "transaction_id", "device_id")
    assert found == [
        {"transaction_id": "after", "device_id": "d1"},
        {"transaction_id": "before", "device_id": None},
    ]
    assert versions_of(spark, lake, "after") == []


def test_a_column_of_another_type_is_refused_with_both_types(spark: SparkSession, lake: str) -> None:
    spark.sql(f"CREATE TABLE delta.`{tables.location(lake, LEDGER_ENTRIES)}` (offset STRING) USING DELTA")
    with pytest.raises(ContractError, match="offset is string .* says bigint"):
        tables.create(spark, lake, LEDGER_ENTRIES)


@pytest.mark.parametrize("contract", STREAM_TABLES, ids=lambda c: c.name)
def test_a_table_of_the_stream_is_on_disk_as_its_contract_says(
    spark: SparkSession, day: Simulated, contract: TableContract
) -> None:
    harness.assert_as_promised(spark, day.lake, contract)


@pytest.mark.parametrize("contract", STREAM_TABLES, ids=lambda c: c.name)
def test_an_independent_reader_finds_equal_sums_in_a_table_of_the_stream(
    spark: SparkSession, day: Simulated, contract: TableContract
) -> None:
    harness.assert_equal_sums(spark, day.lake, contract)


@pytest.mark.slow
def test_a_batch_with_redeliveries_leaves_nothing_in_the_cache(spark: SparkSession, lake: str) -> None:
    spark.catalog.clearCache()
    cache = spark._jsparkSession.sharedState().cacheManager()
    log = Log()
    log.pay("t1")
    stream, reader = open_stream(spark, lake), Reader(log)
    feed(stream, *reader.take())
    assert cache.isEmpty()
    log.post("mobile", "t1")
    feed(stream, *reader.take())
    assert cache.isEmpty()
