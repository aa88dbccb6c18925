"""Control totals of a reconciliation: what the sources hold is what became of it, by count and by amount."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from paylake.contracts.matching import RECONCILIATION_PROOF, STATUSES
from paylake.contracts.statements import LINE_MONEY
from paylake.quality import conform

UNREADABLE = "-"


def prove(entries: DataFrame, reconciled: DataFrame) -> DataFrame:
    """One row per stage, source and currency, from two sides: the entries as they were read, and as they came out.

    No sum crosses currencies; entries without a readable amount count without one.
    """
    keys = ("stage", "source", "currency")
    said = F.coalesce("currency", F.lit(UNREADABLE)).alias("currency")
    zero = F.lit(0).cast(LINE_MONEY)
    came = (
        entries.select("stage", "source", said, "amount")
        .groupBy(*keys)
        .agg(F.count(F.lit(1)).alias("in_records"), F.coalesce(F.sum("amount"), zero).alias("in_amount"))
    )
    parts = []
    for status in STATUSES:
        amount = F.when(F.col("status") == status, F.col("amount"))
        parts += [
            F.count(F.when(F.col("status") == status, 1)).alias(f"{status.lower()}_records"),
            F.coalesce(F.sum(amount), zero).alias(f"{status.lower()}_amount"),
        ]
    went = reconciled.select("stage", "source", said, "amount", "status").groupBy(*keys).agg(*parts)
    totals = came.join(went, list(keys), "full").na.fill(0)
    filled = totals.withColumns({
        name: F.coalesce(name, zero) for name in totals.columns if name.endswith("_amount")
    })  # fmt: skip
    records = sum((F.col(f"{s.lower()}_records") for s in STATUSES), F.lit(0))
    amounts = sum((F.col(f"{s.lower()}_amount") for s in STATUSES), F.lit(0))
    closes = (F.col("in_records") == records) & (F.col("in_amount") == amounts)
    return conform(filled.withColumn("closes", closes), RECONCILIATION_PROOF)
