"""Items: one row per transaction with the legs seen so far, combined in any order to the same row.

A leg is the ledger's first posting by a written total order (booking time, currency, amount, partition, offset) with the
most advanced status that the ledger gave it. Another amount or currency of the same ledger marks the leg duplicated.
`combine` is associative and commutative, so batches of any size and order give the same items.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.contracts.reconciliation import FACT_FIELDS
from paylake.contracts.taxonomy import PAYMENT_STATUSES
from paylake.contracts.topics import LEDGERS

FACTS = tuple(f.name for f in FACT_FIELDS if f.name != "described_by")
PRIOR = ("version", "missing_since", "decision_hash", "is_late", "decided_at")
"""What a transaction's earlier decision left behind; null for one that has none."""


def _rank(status: Column) -> Column:
    return F.array_position(F.array(*(F.lit(s) for s in PAYMENT_STATUSES)), status).cast("int")


def _posting(at: str, currency: str, amount: str, partition: str, offset: str) -> Column:
    """A posting whose natural order is the written total order."""
    return F.struct(
        F.col(at).alias("at"), F.col(currency).alias("currency"), F.col(amount).alias("amount"),
        F.col(partition).alias("partition"), F.col(offset).alias("offset"),
    )  # fmt: skip


def _facts(rank: Column) -> Column:
    """The descriptive columns, ordered so that the gateway's come first, then core's, then mobile's."""
    return F.struct(rank.alias("rank"), *(F.col(name) for name in FACTS))


def from_entries(entries: DataFrame) -> DataFrame:
    """One row per ledger entry, in the shape that `combine` takes."""
    legs: list[Column | str] = []
    for ledger in LEDGERS:
        is_leg = F.col("source") == ledger
        legs += [
            F.when(is_leg, _posting("event_at", "currency", "amount", "partition", "offset")).alias(f"{ledger}_posting"),
            F.when(is_leg, _rank(F.col("status"))).alias(f"{ledger}_rank"),
            F.when(is_leg, F.xxhash64("currency", "amount")).alias(f"{ledger}_value"),
            F.lit(None).cast("boolean").alias(f"{ledger}_is_duplicated"),
        ]
    source_rank = F.array_position(F.array(*(F.lit(ledger) for ledger in LEDGERS)), F.col("source")).cast("int")
    return entries.select(
        "transaction_id",
        _facts(source_rank).alias("facts"),
        *legs,
        F.lit(None).cast("int").alias("version"),
        F.lit(None).cast("timestamp").alias("missing_since"),
        F.lit(None).cast("bigint").alias("decision_hash"),
        F.lit(None).cast("boolean").alias("is_late"),
        F.lit(None).cast("timestamp").alias("decided_at"),
        F.col("recorded_at").alias("first_recorded_at"),
        F.col("recorded_at").alias("last_recorded_at"),
    )


def from_state(rows: DataFrame) -> DataFrame:
    """One row per transaction of `open_items` or `reconciliation_partial`, in the shape that `combine` takes."""
    legs: list[Column | str] = []
    for ledger in LEDGERS:
        at, currency, amount, partition, offset = (
            f"{ledger}_{part}" for part in ("at", "currency", "amount", "partition", "offset")
        )
        is_leg = F.col(amount).isNotNull()
        legs += [
            F.when(is_leg, _posting(at, currency, amount, partition, offset)).alias(f"{ledger}_posting"),
            F.when(is_leg, _rank(F.col(f"{ledger}_status"))).alias(f"{ledger}_rank"),
            F.when(is_leg, F.xxhash64(currency, amount)).alias(f"{ledger}_value"),
            f"{ledger}_is_duplicated",
        ]
    described_by = F.array_position(F.array(*(F.lit(ledger) for ledger in LEDGERS)), F.col("described_by")).cast("int")
    return rows.select(
        "transaction_id",
        _facts(described_by).alias("facts"),
        *legs,
        *PRIOR,
        "first_recorded_at",
        "last_recorded_at",
    )


def combine(partial_items: DataFrame) -> DataFrame:
    """One row per transaction: identity, facts, legs, and what an earlier decision left behind."""
    aggregates = [F.min("facts").alias("facts")]
    for ledger in LEDGERS:
        value = f"{ledger}_value"
        aggregates += [
            F.min(f"{ledger}_posting").alias(f"{ledger}_posting"),
            F.max(f"{ledger}_rank").alias(f"{ledger}_rank"),
            (F.coalesce(F.max(f"{ledger}_is_duplicated"), F.lit(False)) | (F.min(value) < F.max(value)))
            .alias(f"{ledger}_is_duplicated"),
        ]  # fmt: skip
    aggregates += [F.max(name).alias(name) for name in PRIOR]
    aggregates += [
        F.min("first_recorded_at").alias("first_recorded_at"),
        F.max("last_recorded_at").alias("last_recorded_at"),
    ]
    # a transaction's legs lie in different topics, so that combining them before the shuffle only adds a sort
    return _flat(partial_items.repartition("transaction_id").groupBy("transaction_id").agg(*aggregates))


def _flat(combined: DataFrame) -> DataFrame:
    statuses = F.array(*(F.lit(s) for s in PAYMENT_STATUSES))
    ledgers = F.array(*(F.lit(ledger) for ledger in LEDGERS))
    legs: list[Column | str] = []
    for ledger in LEDGERS:
        posting, rank = f"{ledger}_posting", F.col(f"{ledger}_rank")
        legs += [
            F.col(f"{posting}.amount").alias(f"{ledger}_amount"),
            F.col(f"{posting}.currency").alias(f"{ledger}_currency"),
            F.when(rank.isNotNull(), F.try_element_at(statuses, rank)).alias(f"{ledger}_status"),
            F.col(f"{posting}.at").alias(f"{ledger}_at"),
            F.col(f"{posting}.partition").alias(f"{ledger}_partition"),
            F.col(f"{posting}.offset").alias(f"{ledger}_offset"),
            F.when(F.col(posting).isNotNull(), F.col(f"{ledger}_is_duplicated")).alias(f"{ledger}_is_duplicated"),
        ]
    booked_at = F.coalesce(*(F.col(f"{ledger}_posting.at") for ledger in LEDGERS))
    return combined.select(
        "transaction_id",
        F.to_date(booked_at).alias("business_date"),
        F.element_at(ledgers, F.col("facts.rank")).alias("described_by"),
        *(F.col(f"facts.{name}").alias(name) for name in FACTS),
        *legs,
        *PRIOR,
        "first_recorded_at",
        "last_recorded_at",
    )
