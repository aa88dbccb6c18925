"""What has changed in a closed period since: rows to book in the open one; what was published stays as it is."""

from __future__ import annotations

from datetime import date, datetime
from itertools import chain

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.contracts.resolution import ADJUSTMENTS
from paylake.contracts.topics import LEDGERS
from paylake.quality import conform

NO_MONEY = "none"
"""The source of an adjustment that changes a status and no amount."""


def adjustments(
    latest: DataFrame, published: DataFrame, known: DataFrame, open_date: date, run_id: str, run_at: datetime
) -> DataFrame:
    """One row per ledger's amount by which the latest results differ from the published versions, as adjusted so far.

    `known` are the adjustments of the same original date. A change of the status alone is a row of no amount.
    """
    before = published.select("recon_id", *(F.col(c).alias(f"_{c}") for c in _COMPARED), F.col("run_id").alias("_run_id"))
    booked = known.groupBy("recon_id").agg(
        F.count("*").alias("_booked"), F.max_by("content_hash", F.struct("run_at", "content_hash")).alias("_last_hash")
    )
    compared = latest.join(before, on="recon_id", how="left").join(booked, on="recon_id", how="left")
    # what the lake has said of the transaction so far: in the published version, or in the last adjustment
    said = F.coalesce("_last_hash", "_content_hash")
    changed = compared.where(~F.col("content_hash").eqNullSafe(said))
    money = changed.select("recon_id", F.explode(_legs()).alias("m")).select("recon_id", "m.*")
    already = known.select("recon_id", "source", "currency", (-F.col("amount")).alias("amount"))
    of_changed = already.join(changed.select("recon_id"), on="recon_id", how="left_semi").where(F.col("source") != NO_MONEY)
    nets = money.unionByName(of_changed).groupBy("recon_id", "source", "currency").agg(F.sum("amount").alias("amount"))
    nets = nets.where("amount <> 0")
    no_money = changed.join(nets.select("recon_id"), on="recon_id", how="left_anti").select(
        "recon_id", F.lit(NO_MONEY).alias("source"), _first("currency").alias("currency"), F.lit(0).alias("amount")
    )
    rows = nets.unionByName(no_money).join(changed.drop("source", "currency", "amount"), on="recon_id")
    number = F.coalesce("_booked", F.lit(0)).cast("string")
    name = F.concat_ws("|", "recon_id", F.col("content_hash").cast("string"), "source", "currency", number)
    return conform(
        rows.select(
            F.left(F.sha2(name, 256), F.lit(32)).alias("adjustment_id"),
            F.lit(open_date).alias("business_date"),
            F.col("business_date").alias("original_business_date"),
            "recon_id", "transaction_id",
            F.col("_run_id").alias("original_run_id"),
            F.col("_content_hash").alias("original_content_hash"),
            "content_hash", "source", "amount", "currency",
            F.col("_status").alias("status_before"),
            F.col("status").alias("status_after"),
            F.lit(run_id).alias("run_id"),
            F.lit(run_at).alias("run_at"),
        ),
        ADJUSTMENTS,
    )  # fmt: skip


_COMPARED = ("content_hash", "status", *(f"{ledger}_{part}" for ledger in LEDGERS for part in ("amount", "currency")))


def _legs() -> Column:
    """What to take away and what to add, per ledger and currency, to come from the published legs to the latest ones."""
    pairs = (
        (
            _leg(ledger, F.col(f"_{ledger}_currency"), -F.col(f"_{ledger}_amount")),
            _leg(ledger, F.col(f"{ledger}_currency"), F.col(f"{ledger}_amount")),
        )
        for ledger in LEDGERS
    )
    return F.filter(F.array(*chain.from_iterable(pairs)), lambda leg: leg["amount"].isNotNull())


def _leg(ledger: str, currency: Column, amount: Column) -> Column:
    return F.struct(F.lit(ledger).alias("source"), currency.alias("currency"), amount.alias("amount"))


def _first(part: str) -> Column:
    return F.coalesce(*(F.col(f"{ledger}_{part}") for ledger in LEDGERS))
