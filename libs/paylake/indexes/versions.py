"""Versions of what is published: what a run adds, and which versions it closes."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.columns.hashing import content_hash
from paylake.contracts.indexes import AGGREGATE_INDEX, FRAUD_COLUMNS, RECONCILIATION_INDEX, VERSION_FIELDS
from paylake.contracts.table import TableContract
from paylake.quality import conform

VERSION_COLUMNS = tuple(f.name for f in VERSION_FIELDS)

SAID = tuple(name for name in RECONCILIATION_INDEX.content_columns if name not in ("recon_id", "content_hash"))
"""The columns of a transaction whose content makes a version."""


class Changes(NamedTuple):
    """What a run changes: versions to add, and the recon_ids whose current version it closes."""

    added: DataFrame
    closed: DataFrame


def recon_id(transaction_id: Column) -> Column:
    """The identifier of the economic event: the same in every run."""
    return F.left(F.sha2(F.concat(F.lit("transaction|"), transaction_id), 256), F.lit(32))


def merged(batch_index: DataFrame, stream: DataFrame) -> DataFrame:
    """One row per transaction, its latest state: recomputed where it was, else as the stream says, provisionally."""
    recomputed = batch_index.withColumn("decided_by", F.lit("batch"))
    only_streamed = (
        stream.join(batch_index.select("transaction_id"), on="transaction_id", how="left_anti")
        .withColumns({
            "quarantined_legs": F.array().cast("array<string>"),
            "finality": F.lit("provisional"),
            "decided_by": F.lit("stream"),
        })
        .select(*recomputed.columns)
    )  # fmt: skip
    return with_content(recomputed.unionByName(only_streamed))


def with_content(rows: DataFrame) -> DataFrame:
    """The rows with their economic event's identifier and the hash of what they say."""
    return rows.withColumn("recon_id", recon_id(F.col("transaction_id"))).withColumn("content_hash", content_hash(*SAID))


def changes(latest: DataFrame, current: DataFrame, run_id: str, run_at: datetime) -> Changes:
    """The versions that differ from the current ones, and what they replace; a transaction that is gone is closed."""
    known = current.select("recon_id", F.col("content_hash").alias("_known_hash"))
    compared = latest.join(known, on="recon_id", how="full_outer")
    is_gone = F.col("transaction_id").isNull()
    is_changed = ~is_gone & ~F.col("content_hash").eqNullSafe(F.col("_known_hash"))
    added = compared.where(is_changed).withColumns({
        "valid_from": F.lit(run_at),
        "valid_to": F.lit(None).cast("timestamp"),
        "is_current": F.lit(True),
        "run_id": F.lit(run_id),
        "closed_by_run_id": F.lit(None).cast("string"),
    })  # fmt: skip
    closed = compared.where((is_gone | is_changed) & F.col("_known_hash").isNotNull()).select("recon_id")
    return Changes(conform(added, RECONCILIATION_INDEX), closed)


def content(rows: DataFrame, contract: TableContract) -> DataFrame:
    """What an index says, in its contract's columns and types, without those that make it a version."""
    said = (f for f in contract.fields if f.name not in VERSION_COLUMNS)
    return rows.select(*(F.col(f.name).cast(f.type).alias(f.name) for f in said))


def with_news(latest: DataFrame, known: DataFrame, contract: TableContract, run_id: str, run_at: datetime) -> DataFrame:
    """Every version of an index as a run leaves it; `is_news` marks those that the run adds or closes.

    `latest` is one row per key, as the index should say it now; `known` are all its versions so far. A key that is gone
    is closed. The order of rows does not matter, and what says the same is no news.
    """
    key = contract.key[:-1]
    now = content(latest, contract)
    said = now.columns
    now = now.withColumn("content_hash", content_hash(*said)).withColumn("_found", F.lit(True))
    current = known.where("is_current").withColumn("_known", F.lit(True))
    both = now.alias("n").join(current.select(*key, "content_hash", "_known").alias("k"), on=list(key), how="full_outer")
    differs = F.coalesce(F.col("n.content_hash") != F.col("k.content_hash"), F.lit(True))
    added = both.where(F.col("_found") & differs).select(
        *(c if c in key else F.col(f"n.{c}") for c in said),
        F.col("n.content_hash"),
        F.lit(run_at).cast("timestamp").alias("valid_from"),
        F.lit(None).cast("timestamp").alias("valid_to"),
        F.lit(True).alias("is_current"),
        F.lit(run_id).alias("run_id"),
        F.lit(None).cast("string").alias("closed_by_run_id"),
    )
    gone = both.where(F.col("_known") & differs).select(*key, F.lit(True).alias("is_news"))
    old = known.where("is_current").join(gone, on=list(key), how="left")
    is_news = F.coalesce("is_news", F.lit(False))
    kept = old.withColumns({
        "valid_to": F.when(is_news, F.lit(run_at)),
        "is_current": ~is_news,
        "closed_by_run_id": F.when(is_news, F.lit(run_id)),
        "is_news": is_news,
    })  # fmt: skip
    past = known.where("NOT is_current").withColumn("is_news", F.lit(False))
    return added.withColumn("is_news", F.lit(True)).unionByName(kept).unionByName(past)


def aggregate(
    current: DataFrame, flags: DataFrame, settlement_lines: DataFrame, scores: DataFrame, fraud: DataFrame
) -> DataFrame:
    """One row per transaction, its latest state, for every consumer.

    `flags` has the columns of transaction_flags, one row per flagged transaction; `settlement_lines` those of its contract.
    `scores` is one row per scored payment with columns of fraud_partial, `fraud` has those of fraud_index.
    """
    sales = settlement_lines.where("type = 'SALE' AND merchant_reference IS NOT NULL")
    settled = sales.groupBy(F.col("merchant_reference").alias("transaction_id")).agg(
        F.min("psp").alias("psp"),
        F.min("payout_id").alias("payout_id"),
        *(
            F.when(F.min("currency") == F.max("currency"), value).alias(name)
            for name, value in {
                "settled_currency": F.min("currency"),
                "settled_amount": F.sum("amount"),
                "settled_fee_amount": F.sum("fee_amount"),
            }.items()
        ),
    )
    flagged = flags.select("transaction_id", "policy_ids", "policy_flags", "compliance_flag", "kyc_status")
    # most scored payments are normal and have no row in fraud_index; a label always has one
    scored = scores.select("transaction_id", *(F.col(of).alias(name) for name, of in FRAUD_COLUMNS.items()))
    labelled = fraud.select("transaction_id", "label", "label_source", "label_known_at")
    whole = reduce(lambda rows, one: rows.join(one, on="transaction_id", how="left"), (flagged, settled, scored, labelled),
                   current)  # fmt: skip
    return conform(whole, AGGREGATE_INDEX)
