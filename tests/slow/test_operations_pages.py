"""What docs/operations promises of a lake that has lost something, was wronged, or goes to another version and back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from paylake import nightly, tables, views
from paylake.contracts import (
    AGGREGATE_INDEX,
    ALL,
    BATCH_INDEX,
    BREAKS,
    FRAUD_PARTIAL,
    FRAUD_PROFILES,
    FRAUD_QUARANTINE,
    FRAUD_SIGNALS,
    LABELS,
    LEDGER_ENTRIES,
    OPEN_ITEMS,
    QUARANTINE,
    RECONCILIATION_INDEX,
    RECONCILIATION_PARTIAL,
    RUN_CONTROLS,
)
from paylake.contracts.table import Field, TableContract
from paylake.contracts.views import VIEWS
from paylake.contracts.views.auditors import V_REPORTED_VERSIONS
from paylake.contracts.views.published import V_RECONCILIATION_INDEX
from paylake.errors import SourceError
from paylake.judges import Judges
from paylake.reconcile import Horizon, LedgerStream
from paylake.reconciliation.rules import Rules
from paylake.run_controls import Run
from paylake.score_stream import ScoreStream
from paylake.token_key import create_key_file
from tests import stream_harness as harness
from tests.builders import NOON, rows
from tests.slow import support
from tests.slow.support import said
from tests.stream_harness import Log, Reader, copied, crash, feed, open_stream, run, state_hash, write_controls
from tests.unit.test_documented_commands import PAGES, commands_of

D = date(2026, 3, 31)
WRONG = Rules(amount_tolerance={"INR": Decimal(60)})
WIDENED = (LEDGER_ENTRIES, QUARANTINE, OPEN_ITEMS, RECONCILIATION_PARTIAL, BATCH_INDEX, RECONCILIATION_INDEX, BREAKS,
           AGGREGATE_INDEX, RUN_CONTROLS)  # fmt: skip


def at(hour: int) -> datetime:
    return datetime(2026, 4, 2, hour, tzinfo=UTC)


def payments_of_a_day() -> Log:
    """Payments that agree, differ, wait for a leg, came twice, or cannot be read; in three parts, with a tick each."""
    log = Log()
    for n in range(3):
        now = NOON + timedelta(minutes=n)
        for partition in range(log.partitions):
            log.post("core", f"damaged {n}", damaged=b'{"transaction_id": "da', at=now, partition=partition)
        for i in range(12):
            log.pay(f"matched {n}.{i}", at=now)
        log.post("gateway", f"off {n}", at=now)
        log.post("core", f"off {n}", amount="150.00", at=now)
        log.post("mobile", f"off {n}", at=now)
        log.pay(f"missing {n}", without=["core"], at=now)
        log.post("gateway", f"waits {n}", at=now)
        if n:
            log.post("core", f"waits {n - 1}", at=now)
            log.post("mobile", f"waits {n - 1}", at=now)
            log.post("mobile", f"matched {n - 1}.0", at=now - timedelta(minutes=1))
        log.tick(now + timedelta(seconds=40))
    return log


SIZES = [50, 50, 500]


@pytest.fixture(scope="module")
def log() -> Log:
    return payments_of_a_day()


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, log: Log, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The lake of a stream that nobody disturbed, with the sources' control totals."""
    lake = str(tmp_path_factory.mktemp("undisturbed") / "lake")
    run(open_stream(spark, lake), log, SIZES)
    write_controls(spark, lake, log.controls())
    return lake


def night(spark: SparkSession, lake: str, hour: int, rules: Rules | None = None) -> Run:
    """A nightly run of the day, at an hour, without the consumers' indexes."""
    nightly.build_batch_index(spark, lake, D, rules or Rules(), Horizon().missing_after)
    return nightly.build_final_aggregate(spark, lake, D, at(hour))


@pytest.fixture(scope="module")
def published(spark: SparkSession, undisturbed: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same with the day published."""
    lake = copied(undisturbed, tmp_path_factory.mktemp("published") / "lake")
    assert night(spark, lake, 1).run_id == f"{D}-001"
    return lake


def lose(lake: str, *contracts: TableContract) -> None:
    for contract in contracts:
        shutil.rmtree(tables.location(lake, contract))


# Disaster recovery: the stream's tables


def rebuilt(spark: SparkSession, lake: str) -> LedgerStream:
    """The stream after `--recover` on a lake that has lost its open items."""
    stream = open_stream(spark, lake)
    assert stream.is_lost
    stream.rebuild()
    return open_stream(spark, lake)


@pytest.mark.parametrize(
    "also",
    [
        pytest.param((), id="open items", marks=pytest.mark.thorough),
        pytest.param((RECONCILIATION_PARTIAL,), id="and decisions"),
    ],
)
def test_lost_open_items_are_made_anew_from_raw_history(
    spark: SparkSession, log: Log, undisturbed: str, tmp_path: Path, also: tuple[TableContract, ...]
) -> None:
    lake, reader = str(tmp_path / "lake"), Reader(log)
    stream = open_stream(spark, lake)
    for size in SIZES[:2]:
        feed(stream, *reader.take(size))
    kept = said(spark, lake, LEDGER_ENTRIES)
    lose(lake, OPEN_ITEMS, *also)

    stream = rebuilt(spark, lake)

    assert said(spark, lake, LEDGER_ENTRIES) == kept
    assert stream.state.ends == reader.ends()
    run(stream, log, reader=Reader.at(log, stream.state.ends))
    assert state_hash(spark, lake) == state_hash(spark, undisturbed)
    assert tables.read(spark, lake, RECONCILIATION_PARTIAL).count() == (
        tables.read(spark, undisturbed, RECONCILIATION_PARTIAL).count()
    )


@pytest.mark.thorough
def test_a_batch_that_died_between_its_appends_is_read_again_as_a_whole(
    spark: SparkSession, log: Log, undisturbed: str, tmp_path: Path
) -> None:
    lake, reader = str(tmp_path / "lake"), Reader(log)
    stream = open_stream(spark, lake)
    feed(stream, *reader.take(SIZES[0]))
    read = reader.ends()
    crash(stream, "entries appended", *reader.take(SIZES[1]))
    tables.delete_where(spark, lake, QUARANTINE, "batch = 1")  # in case it was faster
    lose(lake, OPEN_ITEMS)

    stream = rebuilt(spark, lake)

    assert stream.state.ends == read
    run(stream, log, reader=Reader.at(log, stream.state.ends))
    assert state_hash(spark, lake) == state_hash(spark, undisturbed)
    for contract in (LEDGER_ENTRIES, QUARANTINE):
        assert said(spark, lake, contract) == said(spark, undisturbed, contract)


def test_lost_scores_never_cost_the_labels_that_came(spark: SparkSession, lake: str) -> None:
    tables.create(spark, lake, LABELS, FRAUD_SIGNALS, FRAUD_QUARANTINE, FRAUD_PARTIAL, FRAUD_PROFILES)
    known = [{"transaction_id": f"t{batch}", "generation": 0, "batch": batch, "offset": batch} for batch in range(2)]
    tables.append(rows(spark, LABELS, *known), lake, LABELS)
    lose(lake, FRAUD_PARTIAL)
    with pytest.raises(SourceError, match="has lost partial/fraud_partial.*raw/labels and raw/fraud_quarantine away too"):
        ScoreStream(spark, lake, harness.KEY, Judges()).load_state()
    assert tables.read(spark, lake, LABELS).count() == 2


def test_a_stream_without_its_open_items_or_on_another_cluster_ends_with_a_sentence(
    spark: SparkSession, undisturbed: str, tmp_path: Path
) -> None:
    lake, key = copied(undisturbed, tmp_path / "lake"), tmp_path / "token.key"
    create_key_file(key)
    with support.kafka_with_topics(tmp_path / "broker") as cluster:
        state = tables.last_commit(spark, lake, OPEN_ITEMS).metadata
        assert state is not None
        items = tables.read(spark, lake, OPEN_ITEMS).localCheckpoint()
        tables.overwrite(items, lake, OPEN_ITEMS, {**state, "cluster": "another one"})
        with pytest.raises(SourceError, match="read from the Kafka cluster another one, and 127.0.0.1.*other records. Name"):
            support.stream_here(spark, cluster.kafka, lake, key)
        lose(lake, OPEN_ITEMS)
        with pytest.raises(
            SourceError, match="has lost partial/open_items.*`paylake stream --recover`, which makes it anew"
        ):
            support.stream_here(spark, cluster.kafka, lake, key)
    assert said(spark, lake, LEDGER_ENTRIES) == said(spark, undisturbed, LEDGER_ENTRIES)


# Disaster recovery: final tables

COMPUTED = (BATCH_INDEX, AGGREGATE_INDEX)
HISTORY = (RECONCILIATION_INDEX, BREAKS, RUN_CONTROLS)


@pytest.mark.thorough
def test_computed_tables_that_are_lost_are_made_anew_by_the_next_run(
    spark: SparkSession, published: str, tmp_path: Path
) -> None:
    lake = copied(published, tmp_path / "lake")
    lose(lake, *COMPUTED)
    assert night(spark, lake, 2).run_id == f"{D}-002"
    for contract in COMPUTED:
        assert said(spark, lake, contract) == said(spark, published, contract)
    assert reported(spark, lake) == reported(spark, published)
    assert not night(spark, lake, 3).changed


def test_without_their_history_the_tables_say_what_is_so_now_and_nothing_of_before(
    spark: SparkSession, published: str, tmp_path: Path
) -> None:
    lake = copied(published, tmp_path / "lake")
    lose(lake, *HISTORY)
    assert night(spark, lake, 2).run_id == f"{D}-001"
    assert reported(spark, lake) == reported(spark, published)
    assert tables.read(spark, lake, RECONCILIATION_INDEX).where(F.col("valid_from") < F.lit(at(2))).isEmpty()


# Rollback


def reported(spark: SparkSession, lake: str) -> tuple[int, str]:
    """What consumers see of the day."""
    return tables.content_hash(views.read(spark, lake, V_RECONCILIATION_INDEX), RECONCILIATION_INDEX.content_columns)


def test_a_wrong_run_is_superseded_by_a_right_one_and_remains_to_be_seen(
    spark: SparkSession, published: str, tmp_path: Path
) -> None:
    lake = copied(published, tmp_path / "lake")
    assert night(spark, lake, 2, WRONG).run_id == f"{D}-002"
    assert reported(spark, lake) != reported(spark, published)

    assert night(spark, lake, 3).run_id == f"{D}-003"

    assert reported(spark, lake) == reported(spark, published)
    assert said(spark, lake, AGGREGATE_INDEX) == said(spark, published, AGGREGATE_INDEX)
    shown = views.read(spark, lake, V_REPORTED_VERSIONS).where("transaction_id = 'off 1'").orderBy("reported_from")
    assert [(r["status"], r["run_id"], r["replaced_by_run_id"]) for r in shown.collect()] == [
        ("MISMATCH", f"{D}-001", f"{D}-002"), ("MATCHED", f"{D}-002", f"{D}-003"), ("MISMATCH", f"{D}-003", None),
    ]  # fmt: skip


def test_a_table_that_was_harmed_by_hand_is_restored_to_the_version_before(
    spark: SparkSession, published: str, tmp_path: Path
) -> None:
    lake = copied(published, tmp_path / "lake")
    good = {contract: tables.latest_version(spark, lake, contract) for contract in (BREAKS, RECONCILIATION_INDEX)}
    for contract, version in good.items():
        tables.delete_where(spark, lake, contract, "transaction_id LIKE 'off%'")
        assert said(spark, lake, contract) != said(spark, published, contract)
        spark.sql(f"RESTORE TABLE delta.`{tables.location(lake, contract)}` TO VERSION AS OF {version}")
        assert said(spark, lake, contract) == said(spark, published, contract)
    assert not night(spark, lake, 2).changed


# Upgrade


@pytest.mark.thorough
def test_a_release_goes_on_with_tables_that_a_later_one_has_widened(
    spark: SparkSession, log: Log, undisturbed: str, published: str, tmp_path: Path
) -> None:
    lake, reader = str(tmp_path / "lake"), Reader(log)
    feed(open_stream(spark, lake), *reader.take(SIZES[0]))
    tables.create(spark, lake, BATCH_INDEX, RECONCILIATION_INDEX, BREAKS, AGGREGATE_INDEX, RUN_CONTROLS)
    column = Field("of_a_later_release", StringType(), "What this release knows nothing of.", nullable=True)
    for contract in WIDENED:
        tables.create(spark, lake, replace(contract, fields=(*contract.fields, column)))

    run(open_stream(spark, lake), log, SIZES[1:], reader)
    write_controls(spark, lake, log.controls())
    assert night(spark, lake, 1).run_id == f"{D}-001"

    assert state_hash(spark, lake) == state_hash(spark, undisturbed)
    assert reported(spark, lake) == reported(spark, published)
    assert said(spark, lake, AGGREGATE_INDEX) == said(spark, published, AGGREGATE_INDEX)


# What the pages ask


def test_every_query_of_a_page_is_one_that_spark_can_answer(spark: SparkSession) -> None:
    known: dict[str, Any] = {c.name: spark.createDataFrame([], c.schema) for c in ALL}
    for view in VIEWS:
        known[view.name] = spark.sql(view.body, **{source.name: known[source.name] for source in view.reads})
    for name, frame in known.items():
        frame.createOrReplaceTempView(name)
    asked = [words[2] for page in PAGES for words in commands_of(page.read_text(encoding="utf-8"))
             if words[:2] == ["paylake", "sql"] and len(words) > 2 and not words[2].startswith("-")]  # fmt: skip
    assert len(asked) > 10
    for statement in asked:
        assert spark.sql(statement).columns, statement
