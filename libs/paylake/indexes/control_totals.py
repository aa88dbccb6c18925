"""The sources' own control totals, as they publish them."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from paylake.columns.money import exact_money
from paylake.columns.time import instant
from paylake.contracts.ledger_entries import CONTROL_TOTALS
from paylake.contracts.table import MONEY_SUM
from paylake.quality import Checked, check

STATEMENT = StructType(
    [StructField(name, StringType()) for name in ("source", "currency", "hour", "amount")]
    + [StructField("records", LongType())]
)


def parse_control_totals(records: DataFrame) -> Checked:
    """One row per source, currency and hour: the latest statement of it; and the records that state none."""
    sent = F.from_json(F.make_valid_utf8(F.col("value").cast("string")), STATEMENT)
    stated = records.select("offset", sent.alias("sent")).select(
        "sent.source",
        "sent.currency",
        instant(F.col("sent.hour")).alias("hour"),
        "sent.records",
        exact_money(F.col("sent.amount"), MONEY_SUM).alias("amount"),
        "offset",
    )
    checked = check(stated, CONTROL_TOTALS)
    newest = Window.partitionBy(*CONTROL_TOTALS.key).orderBy(F.desc("offset"))
    latest = checked.accepted.withColumn("_nth", F.row_number().over(newest)).where("_nth = 1").drop("_nth")
    return Checked(latest, checked.rejected)
