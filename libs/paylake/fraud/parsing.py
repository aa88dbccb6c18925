"""Signals and labels: from the bytes of a Kafka value to a typed row, or to a reason why not."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType, StructField, StructType

from paylake.columns import identifiers, names, time
from paylake.contracts.fraud import FRAUD_SIGNALS, LABELS
from paylake.contracts.table import FAILED_CHECKS, TableContract
from paylake.quality import with_failed_checks

MAX_BYTES = 16 * 1024
MAX_PAYLOAD_CHARS = 4000

SIGNAL = StructType(
    [StructField(name, StringType()) for name in ("fraud_id", "transaction_id", "fraud_score", "reason_code")]
)
LABEL = StructType([StructField(name, StringType()) for name in ("transaction_id", "label", "source", "known_at")])


def parse_signals(records: DataFrame) -> DataFrame:
    """One row per Kafka record of the signals' topic: the signal's columns, the payload, and the checks that it failed."""
    sent = _sent(records, SIGNAL)
    typed = sent.withColumns({
        **{name: F.col(f"sent.{name}") for name in ("fraud_id", "transaction_id", "reason_code")},
        "fraud_score": F.col("sent.fraud_score").try_cast("double"),
        "event_date": F.to_date("recorded_at"),
    })  # fmt: skip
    return _checked(typed, FRAUD_SIGNALS)


def parse_labels(records: DataFrame) -> DataFrame:
    """One row per Kafka record of the labels' topic, likewise; whose payment it concerns is not known yet."""
    sent = _sent(records, LABEL)
    typed = sent.withColumns({
        "transaction_id": F.col("sent.transaction_id"),
        "label": F.upper(F.trim("sent.label")),
        "source": F.upper(F.trim("sent.source")),
        "known_at": time.instant(F.col("sent.known_at")),
        "user_id": F.lit(None).cast("string"),
        "merchant_id": F.lit(None).cast("string"),
        "counts_from": F.lit(None).cast("timestamp"),
    })  # fmt: skip
    return _checked(typed, LABELS)


def _sent(records: DataFrame, shape: StructType) -> DataFrame:
    size = F.coalesce(F.octet_length("value"), F.lit(0))
    value = F.col("value").cast("string")
    # as a list of one: the parser would take a first object and drop whatever follows it without a word
    listed = F.from_json(F.when(size <= MAX_BYTES, F.concat(F.lit("["), value, F.lit("]"))), ArrayType(shape))
    return records.select(
        "topic", "partition", "offset", "generation", "batch",
        F.col("timestamp").alias("recorded_at"),
        F.to_date("timestamp").alias("ingest_date"),
        F.make_valid_utf8(value).alias("payload"),
        F.when(F.size(listed) == 1, F.try_element_at(listed, F.lit(1))).alias("sent"),
    )  # fmt: skip


def _checked(typed: DataFrame, contract: TableContract) -> DataFrame:
    """The rows with the checks that they fail; a rejected one keeps its payload, masked and cut."""
    said = [f"sent.{name}" for name in typed.schema["sent"].dataType.fieldNames()]  # type: ignore[attr-defined]
    unreadable = names.that_hold({
        "json_malformed": F.col("sent").isNull(),
        "card_number_in_text": identifiers.names_a_card(F.concat_ws("|", *said)),
    })  # fmt: skip
    checked = with_failed_checks(typed.withColumn(FAILED_CHECKS, unreadable), contract)
    return checked.drop("sent").withColumn("payload", _masked(F.col("payload")))


def _masked(payload: Column) -> Column:
    masked = F.left(identifiers.masked(payload), F.lit(MAX_PAYLOAD_CHARS))
    return F.when(F.size(FAILED_CHECKS) > 0, masked)
