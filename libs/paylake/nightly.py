"""The nightly run's effects: which rows it reads, in which order it writes, and what makes it publish or fail.

Rows that are used again are checkpointed, not cached: plans over them stay short, and a write to a table that they were
read from leaves them as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake import consumers, run_controls, tables
from paylake.consumers import Index
from paylake.contracts import (
    ADJUSTMENTS,
    AGGREGATE_INDEX,
    AUDIT_LOG,
    BATCH_INDEX,
    BREAKS,
    BUSINESS_DAYS,
    CONTROL_TOTALS,
    FRAUD_INDEX,
    LEDGER_ENTRIES,
    OPEN_ITEMS,
    QUARANTINE,
    RECONCILIATION_INDEX,
    RECONCILIATION_PARTIAL,
    RUN_CONTROLS,
    TRANSACTION_FLAGS,
)
from paylake.contracts.resolution import ADJUSTED, ActKind
from paylake.contracts.topics import CONTROLS, TOPIC_LEDGERS
from paylake.errors import ControlError
from paylake.gate import refuse_unless_kept
from paylake.indexes import breaks, comparison, proof, versions
from paylake.indexes.adjustments import adjustments
from paylake.indexes.batch_index import batch_index, dated, recompute, unreleased
from paylake.indexes.control_totals import parse_control_totals
from paylake.indexes.proof import OffsetCount, OffsetProof, Proof, Sum
from paylake.reconciliation.clock import Clock, Ends
from paylake.reconciliation.overdue import DUE_TYPE, due_by_ledger
from paylake.reconciliation.rules import Rules
from paylake.reference_tables import reference
from paylake.run_controls import Pin, Run
from paylake.settings import KafkaSettings

log = logging.getLogger(__name__)

A_DAY = timedelta(days=1)


def ingest_control_totals(spark: SparkSession, lake: str, kafka: KafkaSettings) -> None:
    """Take the sources' control totals from their topic; a later statement corrects an earlier one."""
    tables.create(spark, lake, CONTROL_TOTALS)
    records = (
        spark.read.format("kafka")
        .options(**kafka.spark_options())
        .option("subscribe", CONTROLS)
        .option("startingOffsets", "earliest")
        .load()
    )
    totals = parse_control_totals(records).accepted
    known = tables.read(spark, lake, CONTROL_TOTALS)
    news = totals.join(known, on=list(CONTROL_TOTALS.columns[:-1]), how="left_anti")
    if news.isEmpty():
        return
    on = " AND ".join(f"t.{k} = s.{k}" for k in CONTROL_TOTALS.key)
    update = {c: f"s.{c}" for c in ("records", "amount", "offset")}
    tables.merge(news, lake, CONTROL_TOTALS, on=on, update=update)


def build_batch_index(spark: SparkSession, lake: str, business_date: date, rules: Rules, missing_after: timedelta) -> bool:
    """Recompute a business date from raw history; False where that gives what is there already."""
    pin = Pin.latest(spark, lake)
    tables.create(spark, lake, BATCH_INDEX, RECONCILIATION_INDEX)
    entries = read_until(tables.read(spark, lake, LEDGER_ENTRIES), pin.state.ends)
    bad = read_until(tables.read(spark, lake, QUARANTINE), pin.state.ends)
    unclosed = tables.read(spark, lake, OPEN_ITEMS, pin.version).where("is_open").select("transaction_id")
    near = F.col("ingest_date").between(F.lit(business_date - A_DAY), F.lit(business_date + A_DAY))
    wanted = entries.where(near).unionByName(
        entries.where(~near).join(F.broadcast(unclosed), on="transaction_id", how="left_semi")
    )
    clock: Clock = pin.state.clock
    due = spark.createDataFrame([(due_by_ledger(clock.due(missing_after)),)], f"due {DUE_TYPE}")
    decided = dated(recompute(wanted, due, rules), _final_dates(spark, lake, business_date))
    decided = decided.where(F.col("business_date") == F.lit(business_date))
    index = batch_index(decided, unreleased(bad, entries)).localCheckpoint()
    known = tables.read(spark, lake, BATCH_INDEX).where(F.col("business_date") == F.lit(business_date))
    if _same(index, known, BATCH_INDEX.columns):
        return False
    metadata = {**pin.state.to_metadata(), "pinned": pin.version}
    tables.replace_where(index, lake, BATCH_INDEX, f"business_date = DATE'{business_date}'", metadata)
    return True


def build_final_aggregate(
    spark: SparkSession,
    lake: str,
    business_date: date,
    run_at: datetime,
    transactional: Iterable[str] = (),
    indexes: Collection[Index] = (),
) -> Run:
    """Merge, prove, write versions, and publish with the last row; a date without news writes nothing.

    A date of a closed period stays as it was published: what differs is booked as adjustments in the open period.
    `indexes` are made, and published, beside the reconciliation's own.
    Raises ControlError where the totals do not close, with a table of the differences, or where rows break what their
    tables promise: then nothing is published.
    """
    tables.create(spark, lake, RECONCILIATION_INDEX, BREAKS, AGGREGATE_INDEX, RUN_CONTROLS, AUDIT_LOG, ADJUSTMENTS)
    days = reference(spark, lake, BUSINESS_DAYS)
    pin = Pin.latest(spark, lake)
    of_date = F.col("business_date") == F.lit(business_date)
    batch = tables.read(spark, lake, BATCH_INDEX).where(of_date)
    stream = dated(_stream(spark, lake, pin, business_date), _final_dates(spark, lake, business_date)).localCheckpoint()
    latest = versions.merged(batch, stream.where(of_date)).localCheckpoint()
    published = run_controls.published(spark, lake, business_date)
    closed_until = closed_until_date(spark, lake)
    if published and closed_until is not None and business_date <= closed_until:
        return _adjust(spark, lake, business_date, latest, days, f"{published[-1]}-adjusted", run_at, closed_until)
    why = {r["why"]: r["count"] for r in comparison.differences(batch, stream).groupBy("why").count().collect()}
    index = latest.select(*_PROVED).unionByName(
        stream.join(latest.select("transaction_id"), on="transaction_id", how="left_anti").select(*_PROVED)
    )
    proofs = _prove(spark, lake, business_date, pin, index)
    offsets = _prove_offsets(spark, lake, pin, transactional)
    # a run that crashed before it published has left rows under this number: they are adopted, not doubled
    run_id = f"{business_date}-{len(published) + 1:03d}"
    outcome = proof.outcome_of([*proofs, *offsets])
    run = Run(run_id, outcome, outcome != proof.FAILED, True, tuple(proofs), tuple(offsets), why)
    rows = run_controls.control_rows(run, business_date, run_at, pin)
    if outcome == proof.FAILED:
        run_controls.append(spark, lake, rows)
        raise ControlError(f"Run {run_id} does not close, and nothing is published:\n{run_controls.proof_table(run)}")
    current = tables.read(spark, lake, RECONCILIATION_INDEX).where(of_date & F.col("is_current"))
    found = versions.changes(latest, current, run_id, run_at)
    added, closed = found.added.localCheckpoint(), found.closed.localCheckpoint()
    known_breaks = tables.read(spark, lake, BREAKS).where(of_date)
    news = breaks.news(latest, known_breaks, days, run_id, run_at).localCheckpoint()
    # what a crashed run left is no news by its content, and has to be published all the same
    is_left = ~F.col("run_id").isin(published) if published else F.lit(True)
    more = consumers.changes(spark, lake, indexes, business_date, latest, days, run_id, run_at)
    changed = not (added.isEmpty() and closed.isEmpty() and news.isEmpty() and current.where(is_left).isEmpty())
    # it is made anew by every run that publishes; one that was lost has to be, too
    is_lost = tables.read(spark, lake, AGGREGATE_INDEX).where(of_date).isEmpty() and not latest.isEmpty()
    changed = changed or more.is_awaited or is_lost
    if not changed and published and run_controls.already_proved(spark, lake, published[-1], rows):
        return replace(run, run_id=published[-1], changed=False)
    if changed:
        made = {change.index.contract: change.rows.where("is_current") for change in more.by_index}
        refuse_unless_kept({RECONCILIATION_INDEX: added, BREAKS: news, **made})
        flags, lines = more.current(TRANSACTION_FLAGS), more.sources.settlement_lines
        scores, fraud = more.sources.scores, more.current(FRAUD_INDEX)
        aggregated = versions.aggregate(latest.withColumn("run_id", F.lit(run_id)), flags, lines, scores, fraud)
        tables.replace_where(aggregated, lake, AGGREGATE_INDEX, f"business_date = DATE'{business_date}'")
        consumers.write(lake, business_date, more)
        _write_versions(lake, business_date, added, closed, run_id, run_at)
        _write_breaks(news, lake)
    run_controls.append(spark, lake, [*rows, run_controls.published_row(run, business_date, run_at, pin)])
    return run


_PROVED = ("transaction_id", "status", "gateway_amount", "core_amount", "mobile_amount")


def read_until(rows: DataFrame, ends: Ends) -> DataFrame:
    """The rows of the ledgers' topics before the offsets to which the stream has committed."""
    is_read = F.lit(False)
    for topic, partitions in ends.items():
        if topic in TOPIC_LEDGERS:
            for partition, end in partitions.items():
                is_read = is_read | ((F.col("topic") == topic) & (F.col("partition") == partition) & (F.col("offset") < end))
    return rows.where(is_read)


def _final_dates(spark: SparkSession, lake: str, business_date: date) -> DataFrame:
    """The final transactions around a date: a leg that comes later may not move one to another date."""
    return (
        tables.read(spark, lake, RECONCILIATION_INDEX)
        .where("is_current AND finality = 'final'")
        .where(F.col("business_date").between(F.lit(business_date - A_DAY), F.lit(business_date + A_DAY)))
    )


def _stream(spark: SparkSession, lake: str, pin: Pin, business_date: date) -> DataFrame:
    """What the stream says of the transactions around a date, as of the pin."""
    generation, batch = pin.state.generation, pin.state.batch
    until = (F.col("generation") < generation) | ((F.col("generation") == generation) & (F.col("batch") <= batch))
    partial = tables.read(spark, lake, RECONCILIATION_PARTIAL).where(
        until & (F.col("ingest_date") >= F.lit(business_date - A_DAY))
    )
    return comparison.latest_decisions(partial, tables.read(spark, lake, OPEN_ITEMS, pin.version))


def _prove(spark: SparkSession, lake: str, business_date: date, pin: Pin, index: DataFrame) -> list[Proof]:
    entries = read_until(tables.read(spark, lake, LEDGER_ENTRIES), pin.state.ends)
    window = entries.where(F.col("ingest_date") >= F.lit(business_date - A_DAY))
    booked = proof.postings(window).where(F.col("posting_date") == F.lit(business_date))
    classes: dict[tuple[str, str, str], Sum] = {}
    totals: dict[tuple[str, str], Sum] = {}
    redelivered: dict[tuple[str, str], Sum] = {}
    for r in proof.accounted(booked, index).collect():
        key = (r["source"], r["currency"])
        classes[(*key, r["class"])] = Sum(r["records"], r["index_amount"])
        totals[key] = totals.get(key, Sum()) + Sum(r["records"], r["booked_amount"])
        again = Sum(r["redelivered_records"], r["redelivered_amount"])
        redelivered[key] = redelivered.get(key, Sum()) + again
    bad = unreleased(read_until(tables.read(spark, lake, QUARANTINE), pin.state.ends), entries)
    rejected, unreadable = {}, {}
    for r in proof.rejected(bad, booked, business_date).collect():
        if r["currency"] == "-":
            unreadable[r["source"]] = r["records"]
        else:
            rejected[(r["source"], r["currency"])] = Sum(r["records"], r["amount"])
    day = F.to_date("hour") == F.lit(business_date)
    stated = tables.read(spark, lake, CONTROL_TOTALS).where(day).groupBy("source", "currency")
    control = {
        (r["source"], r["currency"]): Sum(r["n"], r["a"])
        for r in stated.agg(F.sum("records").alias("n"), F.sum("amount").cast("decimal(28,4)").alias("a")).collect()
    }
    return proof.prove(control, classes, totals, redelivered, rejected, unreadable)


def _prove_offsets(spark: SparkSession, lake: str, pin: Pin, transactional: Iterable[str]) -> list[OffsetProof]:
    ends = {t: p for t, p in pin.state.ends.items() if t in TOPIC_LEDGERS}
    rows = proof.offset_counts(
        read_until(tables.read(spark, lake, LEDGER_ENTRIES), ends),
        read_until(tables.read(spark, lake, QUARANTINE), ends),
    )
    counts = OffsetCount.by_partition(rows.collect())
    return proof.prove_offsets(counts, pin.state.starts, ends, transactional)


def _same(left: DataFrame, right: DataFrame, columns: tuple[str, ...]) -> bool:
    return tables.content_hash(left, columns) == tables.content_hash(right, columns)


def _write_versions(
    lake: str, business_date: date, added: DataFrame, closed: DataFrame, run_id: str, run_at: datetime
) -> None:
    """Close the versions that are replaced, and add the new ones, in one commit."""
    closing = closed.select(
        *(F.lit(None).cast(f.type).alias(f.name) for f in RECONCILIATION_INDEX.fields),
        F.col("recon_id").alias("_closes"),
    ).withColumns({"valid_to": F.lit(run_at), "run_id": F.lit(run_id)})
    source = added.withColumn("_closes", F.lit(None).cast("string")).unionByName(closing)
    on = f"t.recon_id = s._closes AND t.is_current AND t.business_date = DATE'{business_date}'"
    update = {"valid_to": "s.valid_to", "is_current": "false", "closed_by_run_id": "s.run_id"}
    tables.merge(source, lake, RECONCILIATION_INDEX, on=on, update=update)


def _write_breaks(news: DataFrame, lake: str) -> None:
    tables.merge(news, lake, BREAKS, on="t.break_id = s.break_id", update={c: f"s.`{c}`" for c in BREAKS.columns})


def _adjust(
    spark: SparkSession,
    lake: str,
    business_date: date,
    latest: DataFrame,
    days: DataFrame,
    run_id: str,
    run_at: datetime,
    closed_until: date,
) -> Run:
    """Book what differs from a closed date's published versions in the open period; its breaks go on living."""
    of_date = F.col("business_date") == F.lit(business_date)
    current = tables.read(spark, lake, RECONCILIATION_INDEX).where(of_date & F.col("is_current"))
    known = tables.read(spark, lake, ADJUSTMENTS).where(F.col("original_business_date") == F.lit(business_date))
    found = adjustments(latest, current, known, closed_until + A_DAY, run_id, run_at).localCheckpoint()
    known_breaks = tables.read(spark, lake, BREAKS).where(of_date)
    news = breaks.news(latest, known_breaks, days, run_id, run_at, agreed=ADJUSTED).localCheckpoint()
    is_adjusted, is_news = not found.isEmpty(), not news.isEmpty()
    if is_adjusted:
        tables.append(found, lake, ADJUSTMENTS)
    if is_news:
        _write_breaks(news, lake)
    return Run(run_id, "period closed", False, is_adjusted or is_news, (), (), {})


def closed_until_date(spark: SparkSession, lake: str) -> date | None:
    """The last business date of the closed period, by the acts that were applied; None where none is closed."""
    acts = tables.read(spark, lake, AUDIT_LOG).where(
        (F.col("entry") == "ACT") & (F.col("act") == ActKind.CLOSE_PERIOD.value)
    )
    row = acts.agg(F.max(F.to_date("subject")).alias("until")).first()
    return row["until"] if row is not None else None
