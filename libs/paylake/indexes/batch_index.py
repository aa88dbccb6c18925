"""A business date recomputed from raw history, by the same functions as the stream."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from paylake.contracts.indexes import BATCH_INDEX
from paylake.quality import conform
from paylake.reconciliation import items
from paylake.reconciliation.decisions import decide
from paylake.reconciliation.overdue import is_overdue
from paylake.reconciliation.rules import Rules


def recompute(entries: DataFrame, due: DataFrame, rules: Rules) -> DataFrame:
    """One row per transaction with its decision; `due` is one row that says which offsets have waited long enough."""
    combined = items.combine(items.from_entries(entries)).crossJoin(F.broadcast(due))
    return decide(combined.withColumn("is_overdue", is_overdue()), rules)


def dated(decided: DataFrame, fixed_dates: DataFrame) -> DataFrame:
    """The transactions with their business date: of one that was final before, it stays what it was (`fixed_dates`)."""
    fixed = fixed_dates.select("transaction_id", F.col("business_date").alias("_fixed_date"))
    known = decided.join(F.broadcast(fixed), on="transaction_id", how="left")
    return known.withColumn("business_date", F.coalesce("_fixed_date", "business_date")).drop("_fixed_date")


def batch_index(decided: DataFrame, quarantined: DataFrame) -> DataFrame:
    """One row per transaction of the date, with the ledgers whose record of it lies in quarantine."""
    legs = quarantined.groupBy("transaction_id").agg(F.sort_array(F.collect_set("source")).alias("quarantined_legs"))
    with_legs = decided.join(F.broadcast(legs), on="transaction_id", how="left")
    return conform(
        with_legs.withColumns({
            "quarantined_legs": F.coalesce("quarantined_legs", F.array().cast("array<string>")),
            "finality": F.when(F.col("status") == "PENDING", "provisional").otherwise("final"),
        }),
        BATCH_INDEX,
    )  # fmt: skip


def unreleased(quarantine: DataFrame, entries: DataFrame) -> DataFrame:
    """The quarantined records that no corrected record has replaced."""
    place = F.concat_ws("/", "topic", "partition", "offset")
    released = entries.where("released_from IS NOT NULL").select("released_from").distinct()
    return quarantine.withColumn("released_from", place).join(F.broadcast(released), "released_from", "left_anti")
