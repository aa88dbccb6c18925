"""A ledger's record: from the bytes of a Kafka value to a typed entry, or to a reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import chain

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType, StructField, StructType

from paylake.columns import identifiers, money, names, time
from paylake.contracts.ledger_entries import LEDGER_ENTRIES
from paylake.contracts.table import FAILED_CHECKS, MONEY
from paylake.contracts.taxonomy import STATUS_SPELLINGS
from paylake.contracts.topics import CLOCK, TOPIC_LEDGERS
from paylake.quality import with_failed_checks

MAX_RECORD_BYTES = 64 * 1024
MAX_PAYLOAD_CHARS = 4000

SENT_AS_IS = (
    "transaction_id", "user_id", "merchant_id", "type", "channel", "payment_system", "upi_id", "bank_id", "city",
    "country", "device_id", "ip_address", "released_from",
)  # fmt: skip
IDENTIFIERS = ("transaction_id", "user_id", "merchant_id")
WORD = r"^[A-Za-z0-9][A-Za-z0-9 ._:@/+=-]{0,255}\z"
"""What an identifier may look like: no JSON, and not blank."""
PLACE = r"^[a-z-]{1,64}/\d{1,5}/\d{1,11}\z"
"""Where a released record lay: topic/partition/offset."""

RECORD = StructType(
    [StructField(name, StringType()) for name in (*SENT_AS_IS, "amount", "currency", "status", "timestamp", "card_number")]
)
"""The record's fields, all as text: what a text means is decided by us, exactly, and not by a lenient cast."""

ENVELOPE = "_landed"
"""The field in which a record from history brings along what was found when it landed (see `payments/landing.py`)."""
LANDED = StructType(
    [
        StructField(name, StringType())
        for name in (
            "recorded_at", "card_token", "card_bin", "card_last4", "seal", "failed_checks", "payload", "payload_bytes",
        )
    ]
)  # fmt: skip
LANDED_START = f'{{"{ENVELOPE}":'
MAX_LANDED_BYTES = 4 * MAX_RECORD_BYTES
"""A rejected record lands with its fields and its payload, each escaped, and may be so much larger than it was."""


def lookup(table: dict[str, str], key: Column) -> Column:
    """What a table of the contracts says of a key; null where it says nothing."""
    literals = F.create_map(*(F.lit(text) for text in chain.from_iterable(table.items())))
    return F.try_element_at(literals, key)


def parse_records(records: DataFrame) -> DataFrame:
    """One row per Kafka record: the entry's columns, what is left of the payload, and the checks that it failed.

    `records` has Kafka's columns and the context's `inner_pad` and `outer_pad` (the keyed hash's pads), `generation` and
    `batch`. A record from history may bring along what was found when it landed. No card number leaves this function.
    """
    decoded = _decoded(records)
    landed_at = F.when(F.col("is_trusted"), time.instant(F.col("landed.recorded_at")))
    return _typed(decoded.withColumn("recorded_at", F.coalesce(landed_at, "arrived_at")))


def parse_history(records: DataFrame, since: datetime, until: datetime) -> DataFrame:
    """One row per record of long ago, as `parse_records` gives it: it was recorded when it was booked.

    A booking time outside `since` to `until` is no plausible one: such a record is rejected, and `recorded_at` is null.
    """
    booked_at = time.instant(F.col("sent.timestamp"))
    is_plausible = booked_at.between(F.lit(since), F.lit(until))
    typed = _typed(_decoded(records).withColumn("recorded_at", F.when(is_plausible, booked_at)))
    # when it was recorded is ours to find, and no fault of the record's
    ours = F.array(F.lit("recorded_at_present"), F.lit("ingest_date_present"))
    return typed.withColumn(FAILED_CHECKS, F.array_except(FAILED_CHECKS, ours))


def seal(topic: Column, record: Mapping[str, Column], landed: Mapping[str, Column]) -> Column:
    """The keyed hash by which a record from history shows that it landed under this key, as it now stands."""
    parts = [topic, *(record[n] for n in ("transaction_id", "amount", "currency", "timestamp"))]
    parts += [landed[n] for n in ("recorded_at", "card_token", "card_bin", "card_last4")]
    text = F.concat_ws("|", *(F.coalesce(part, F.lit("")) for part in parts))
    return identifiers.hmac_sha256(F.col("inner_pad"), F.col("outer_pad"), text)


def _decoded(records: DataFrame) -> DataFrame:
    """The records with their fields as sent, and whether what they brought along from their landing can be trusted.

    A record that was rejected when it landed needs no seal: all that it can reach is the quarantine.
    """
    size = F.coalesce(F.octet_length("value"), F.lit(0))
    value = F.col("value").cast("string")
    limit = F.when(F.startswith(value, F.lit(LANDED_START)), MAX_LANDED_BYTES).otherwise(MAX_RECORD_BYTES)
    # as a list of one: the parser would take a first object and drop whatever follows it without a word; what is no
    # UTF-8 it replaces, as `make_valid_utf8` would (which costs as much as the parsing)
    text = F.concat(F.lit("["), value, F.lit("]"))
    schema = StructType([*RECORD.fields, StructField(ENVELOPE, LANDED)])
    listed = F.from_json(F.when(size <= limit, text), ArrayType(schema))
    decoded = records.select(
        "topic", "partition", "offset", "generation", "batch", "inner_pad", "outer_pad", "value",
        F.col("timestamp").alias("arrived_at"),
        size.alias("payload_bytes"),
        (size > limit).alias("is_oversized"),
        F.when(F.size(listed) == 1, F.try_element_at(listed, F.lit(1))).alias("sent"),
    )  # fmt: skip
    record = {name: F.col(f"sent.{name}") for name in RECORD.names}
    landed = {name: F.col(f"sent.{ENVELOPE}.{name}") for name in LANDED.names}
    is_landed = F.col(f"sent.{ENVELOPE}").isNotNull()
    is_sealed = landed["seal"] == seal(F.col("topic"), record, landed)
    is_trusted = is_landed & (landed["failed_checks"].isNotNull() | F.coalesce(is_sealed, F.lit(False)))
    return decoded.select(
        "*", F.col(f"sent.{ENVELOPE}").alias("landed"), is_landed.alias("is_landed"), is_trusted.alias("is_trusted")
    )


def _typed(decoded: DataFrame) -> DataFrame:
    """The decoded records' typed columns and failed checks, without anything that could hold a card number."""
    sent = {name: F.col(f"sent.{name}") for name in RECORD.names}
    digits = identifiers.card_digits(sent["card_number"])
    amount = money.exact_money(sent["amount"], MONEY)
    currency = F.upper(F.trim(sent["currency"]))
    typed = decoded.select(
        "topic", "partition", "offset", "generation", "batch", "recorded_at", "arrived_at", "landed", "value",
        F.coalesce(F.col("landed.payload_bytes").try_cast("int"), "payload_bytes").alias("payload_bytes"),
        F.to_date("recorded_at").alias("ingest_date"),
        lookup(TOPIC_LEDGERS, F.col("topic")).alias("source"),
        *(_text(sent[name], name).alias(name) for name in SENT_AS_IS),
        _only(amount, ~identifiers.names_a_card(sent["amount"])).alias("amount"),
        _only(currency, currency.rlike(r"^[A-Z]{3}\z")).alias("currency"),
        lookup(STATUS_SPELLINGS, F.upper(F.trim(sent["status"]))).alias("status"),
        time.instant(sent["timestamp"]).alias("event_at"),
        F.when(digits.isNotNull(), identifiers.hmac_sha256(F.col("inner_pad"), F.col("outer_pad"), digits))
        .otherwise(_landed("card_token", r"^[0-9a-f]{64}\z")).alias("card_token"),
        F.coalesce(F.left(digits, F.lit(6)), _landed("card_bin", r"^\d{6}\z")).alias("card_bin"),
        F.coalesce(F.right(digits, F.lit(4)), _landed("card_last4", r"^\d{4}\z")).alias("card_last4"),
        _unreadable(sent, digits).alias(FAILED_CHECKS),
    )  # fmt: skip
    return _redacted(_with_reasons(typed)).drop("landed")


def _with_reasons(typed: DataFrame) -> DataFrame:
    """The rows with the checks that they fail; of a record that was rejected when it landed, those that it failed then."""
    checked = with_failed_checks(typed, LEDGER_ENTRIES)
    said = F.split("landed.failed_checks", ",")
    return checked.withColumn(FAILED_CHECKS, F.coalesce(said, FAILED_CHECKS))


def _landed(name: str, shape: str) -> Column:
    """What a trusted record says of its card, where it has the shape of it."""
    said = F.col(f"landed.{name}")
    return F.when(F.col("is_trusted") & said.rlike(shape), said)


def _only(value: Column, condition: Column) -> Column:
    """The value where the condition holds; null, and so rejected, elsewhere."""
    return F.when(condition, value)


def _text(sent: Column, name: str) -> Column:
    """A text as sent; an identifier only where it is a word, and a place only where it is one."""
    if name in IDENTIFIERS:
        # what was masked when it landed stays, so that the quarantine shows it
        return _only(sent, sent.rlike(WORD) | F.col("landed.failed_checks").isNotNull())
    return _only(sent, sent.rlike(PLACE)) if name == "released_from" else sent


def _unreadable(sent: dict[str, Column], digits: Column) -> Column:
    """Why the text of a record could not be read as a ledger's record."""
    size, is_oversized = F.col("payload_bytes"), F.col("is_oversized")
    free_text = F.concat_ws("|", *(sent[name] for name in SENT_AS_IS if name != "released_from"))
    return names.that_hold({
        "record_empty": size == 0,
        "record_oversized": is_oversized,
        "json_malformed": (size > 0) & ~is_oversized & F.col("sent").isNull(),
        "landed_seal_wrong": F.col("is_landed") & ~F.col("is_trusted"),
        "card_number_malformed": sent["card_number"].isNotNull() & digits.isNull(),
        "card_number_in_text": identifiers.names_a_card(free_text),
    })  # fmt: skip


def _redacted(flagged: DataFrame) -> DataFrame:
    """Rejected rows keep their payload, masked and cut; accepted rows keep none. Rejected free text is masked too."""
    is_rejected = F.size(FAILED_CHECKS) > 0
    value = F.make_valid_utf8(F.col("value").cast("string"))
    text = F.when(F.col("landed.failed_checks").isNotNull(), F.col("landed.payload")).otherwise(value)
    # a tick of many partitions is long, and has to stay whole: it goes to the driver and rests nowhere
    payload = F.when(F.col("topic") == CLOCK, text).otherwise(F.left(identifiers.masked(text), F.lit(MAX_PAYLOAD_CHARS)))
    masks = {
        name: F.when(is_rejected & identifiers.names_a_card(F.col(name)), identifiers.masked(F.col(name)))
        .otherwise(F.col(name))
        for name in SENT_AS_IS
    }  # fmt: skip
    return flagged.withColumns({**masks, "payload": F.when(is_rejected, payload)}).drop("value")
