"""The sources' own control totals, as they publish them."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from paylake.columns.identifiers import masked
from paylake.columns.money import exact_money
from paylake.columns.time import instant
from paylake.contracts.ledger_entries import CONTROL_TOTALS
from paylake.contracts.table import FAILED_CHECKS, MONEY_SUM
from paylake.payments.landing import REJECTED
from paylake.quality import Checked, check, with_failed_checks

STATEMENT = StructType(
    [StructField(name, StringType()) for name in ("source", "currency", "hour", "amount")]
    + [StructField("records", LongType())]
)


def parse_control_totals(records: DataFrame) -> Checked:
    """One row per source, currency and hour: the latest statement of it; and the records that state none."""
    checked = check(_stated(records).drop("text"), CONTROL_TOTALS)
    newest = Window.partitionBy(*CONTROL_TOTALS.key).orderBy(F.desc("offset"))
    latest = checked.accepted.withColumn("_nth", F.row_number().over(newest)).where("_nth = 1").drop("_nth")
    return Checked(latest, checked.rejected)


def landed_totals(lines: DataFrame) -> DataFrame:
    """One row per statement of history, as `payments.landing.landed` has records; `booked_at` is its hour.

    What states no total lands masked and apart. No later statement is left out here: which one counts, their order says.
    """
    flagged = with_failed_checks(_stated(lines.withColumnRenamed("line", "offset")), CONTROL_TOTALS)
    is_rejected = F.size(FAILED_CHECKS) > 0
    hour = F.date_format("hour", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'")
    statement = F.struct("source", "currency", hour.alias("hour"), F.col("amount").cast("string").alias("amount"), "records")
    value = F.when(is_rejected, masked(F.col("text"))).otherwise(F.to_json(statement))
    return flagged.select(
        F.encode(F.concat_ws("|", "source", "currency", hour), "UTF-8").alias("key"),
        F.encode(value, "UTF-8").alias("value"),
        F.when(~is_rejected, F.col("hour")).alias("booked_at"),
        F.col("offset").alias("line"),
        F.when(is_rejected, REJECTED).otherwise(F.to_date("hour").cast("string")).alias("event_date"),
    )


def _stated(records: DataFrame) -> DataFrame:
    """What each record states, typed, and its text."""
    text = F.make_valid_utf8(F.col("value").cast("string"))
    decoded = records.select("offset", text.alias("text"), F.from_json(text, STATEMENT).alias("sent"))
    return decoded.select(
        "sent.source",
        "sent.currency",
        instant(F.col("sent.hour")).alias("hour"),
        "sent.records",
        exact_money(F.col("sent.amount"), MONEY_SUM).alias("amount"),
        "offset",
        "text",
    )
