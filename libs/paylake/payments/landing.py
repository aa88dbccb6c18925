"""Records from history: as they land, and as they are sent to their topic later.

A landed record is a ledger's record again, in JSON, with what parsing made of it: `parse_records` gives the same row for
it as for the record that was read. Its field `_landed` comes first and says what the record itself no longer can: when it
was recorded, and its card's token, since a card number never lands. A record that was rejected lands redacted, with its
reasons. What was accepted is sealed with the key of the card tokens, so that nobody else can date a record back, and a
landing zone of another key is noticed.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.contracts.table import FAILED_CHECKS
from paylake.payments.parsing import ENVELOPE, SENT_AS_IS, seal

REJECTED = "rejected"
"""In place of a date: where records lie that could not be accepted."""


def landed(parsed: DataFrame) -> DataFrame:
    """One row per record that `parse_history` read: its key, its landed bytes, when it was booked, and where it lies.

    `parsed` has its output and the key's `inner_pad` and `outer_pad`. `booked_at` is null where no plausible time can be
    read. `event_date` is the text of the booking date, or `rejected`.
    """
    is_rejected = F.size(FAILED_CHECKS) > 0
    record = {
        **{name: F.col(name) for name in (*SENT_AS_IS, "currency", "status")},
        "amount": F.col("amount").cast("string"),
        "timestamp": iso_text(F.col("event_at")),
    }
    envelope = {
        "recorded_at": iso_text(F.col("recorded_at")),
        **{name: F.col(name) for name in ("card_token", "card_bin", "card_last4")},
    }
    sealed = F.when(~is_rejected, seal(F.col("topic"), record, envelope))
    reasons = {
        "failed_checks": F.when(is_rejected, F.array_join(FAILED_CHECKS, ",")),
        "payload": F.when(is_rejected, F.col("payload")),
        "payload_bytes": F.when(is_rejected, F.col("payload_bytes")),
    }
    # the envelope comes first: the parser knows by it that the record may be larger than a ledger's own
    value = F.struct(_struct({**envelope, "seal": sealed, **reasons}).alias(ENVELOPE), *_columns(record))
    return parsed.select(
        "topic",
        F.encode("transaction_id", "UTF-8").alias("key"),
        F.encode(F.to_json(value), "UTF-8").alias("value"),
        F.col("recorded_at").alias("booked_at"),
        F.col("offset").alias("line"),
        F.when(is_rejected, REJECTED).otherwise(F.to_date("recorded_at").cast("string")).alias("event_date"),
    )


def dated(records: DataFrame) -> DataFrame:
    """Landed records, of which those without a time of their own say that they were recorded at `filed_at`."""
    text = F.col("value").cast("string")
    start = f'{{"{ENVELOPE}":{{'
    said = F.concat(
        F.lit(f'{start}"recorded_at":"'), iso_text(F.col("filed_at")), F.lit('",'), F.substr(text, F.lit(len(start) + 1))
    )
    is_undated = F.col("booked_at").isNull() & F.startswith(text, F.lit(start))
    return records.withColumns({
        "value": F.when(is_undated, F.encode(said, "UTF-8")).otherwise(F.col("value")),
        "booked_at": F.coalesce("booked_at", "filed_at"),
    })  # fmt: skip


def iso_text(at: Column) -> Column:
    """An instant as ISO 8601 text in UTC, to the microsecond."""
    return F.date_format(at, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'")


def _columns(values: dict[str, Column]) -> list[Column]:
    return [column.alias(name) for name, column in values.items()]


def _struct(values: dict[str, Column]) -> Column:
    return F.struct(*_columns(values))
