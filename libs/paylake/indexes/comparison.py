"""Stream and batch on the same closed date: which transactions differ, and why."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.reconciliation import LEG_FIELDS
from paylake.contracts.topics import LEDGERS

COMPARED = ("status", "kind", "reasons", *(f.name for f in LEG_FIELDS if not f.lineage))


def latest_decisions(partial: DataFrame, open_items: DataFrame) -> DataFrame:
    """One row per transaction: what the stream last said of it, or that it still waits."""
    newest = Window.partitionBy("transaction_id").orderBy(F.desc("generation"), F.desc("batch"))
    said = partial.withColumn("_nth", F.row_number().over(newest)).where("_nth = 1").drop("_nth", "ingest_date")
    waiting = open_items.where("status = 'PENDING'").select(*said.columns)
    return said.unionByName(waiting)


def differences(batch_index: DataFrame, stream: DataFrame) -> DataFrame:
    """One row per transaction of the batch index that the stream sees differently, with the reason why."""
    left, right = batch_index.alias("batch"), stream.alias("stream")
    same = [F.col(f"batch.{name}").eqNullSafe(F.col(f"stream.{name}")) for name in COMPARED]
    agrees = same[0]
    for one in same[1:]:
        agrees = agrees & one
    legs = {
        side: sum((F.col(f"{side}.{ledger}_amount").isNotNull().cast("int") for ledger in LEDGERS), F.lit(0))
        for side in ("batch", "stream")
    }
    unknown = F.col("stream.transaction_id").isNull()
    why = (
        F.when(unknown, "the stream has not seen the transaction")
        .when(F.col("batch.rule_version") != F.col("stream.rule_version"), "decided by other rules")
        .when(legs["batch"] > legs["stream"], "a leg came after the late window of the stream")
        .when(legs["batch"] == legs["stream"], "a record came after the stream had forgotten the decision")
        .when(legs["batch"] < legs["stream"], "the stream holds a leg that raw history does not")
    )
    joined = left.join(right, on=F.col("batch.transaction_id") == F.col("stream.transaction_id"), how="left")
    return joined.where(unknown | ~agrees).select(
        F.col("batch.transaction_id").alias("transaction_id"),
        F.col("batch.kind").alias("batch_kind"),
        F.col("stream.kind").alias("stream_kind"),
        why.alias("why"),
    )
