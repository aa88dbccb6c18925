"""A ledger's record: from the bytes of a Kafka value to a typed entry, or to a reason why not."""

from __future__ import annotations

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


def lookup(table: dict[str, str], key: Column) -> Column:
    """What a table of the contracts says of a key; null where it says nothing."""
    literals = F.create_map(*(F.lit(text) for text in chain.from_iterable(table.items())))
    return F.try_element_at(literals, key)


def parse_records(records: DataFrame) -> DataFrame:
    """One row per Kafka record: the entry's columns, what is left of the payload, and the checks that it failed.

    `records` has Kafka's columns and the context's `inner_pad` and `outer_pad` (the keyed hash's pads), `generation` and
    `batch`. No card number leaves this function.
    """
    size = F.coalesce(F.octet_length("value"), F.lit(0))
    # as a list of one: the parser would take a first object and drop whatever follows it without a word; what is no
    # UTF-8 it replaces, as `make_valid_utf8` would (which costs as much as the parsing)
    text = F.concat(F.lit("["), F.col("value").cast("string"), F.lit("]"))
    listed = F.from_json(F.when(size <= MAX_RECORD_BYTES, text), ArrayType(RECORD))
    decoded = records.select(
        "topic", "partition", "offset", "generation", "batch", "inner_pad", "outer_pad", "value",
        F.col("timestamp").alias("recorded_at"),
        size.alias("payload_bytes"),
        F.when(F.size(listed) == 1, F.try_element_at(listed, F.lit(1))).alias("sent"),
    )  # fmt: skip
    sent = {name: F.col(f"sent.{name}") for name in RECORD.names}
    digits = identifiers.card_digits(sent["card_number"])
    amount = money.exact_money(sent["amount"], MONEY)
    currency = F.upper(F.trim(sent["currency"]))
    typed = decoded.select(
        "topic", "partition", "offset", "generation", "batch", "recorded_at", "payload_bytes", "value",
        F.to_date("recorded_at").alias("ingest_date"),
        lookup(TOPIC_LEDGERS, F.col("topic")).alias("source"),
        *(_text(sent[name], name).alias(name) for name in SENT_AS_IS),
        _only(amount, ~identifiers.names_a_card(sent["amount"])).alias("amount"),
        _only(currency, currency.rlike(r"^[A-Z]{3}\z")).alias("currency"),
        lookup(STATUS_SPELLINGS, F.upper(F.trim(sent["status"]))).alias("status"),
        time.instant(sent["timestamp"]).alias("event_at"),
        F.when(digits.isNotNull(), identifiers.hmac_sha256(F.col("inner_pad"), F.col("outer_pad"), digits))
        .alias("card_token"),
        F.left(digits, F.lit(6)).alias("card_bin"),
        F.right(digits, F.lit(4)).alias("card_last4"),
        _unreadable(sent, digits).alias(FAILED_CHECKS),
    )  # fmt: skip
    return _redacted(with_failed_checks(typed, LEDGER_ENTRIES))


def _only(value: Column, condition: Column) -> Column:
    """The value where the condition holds; null, and so rejected, elsewhere."""
    return F.when(condition, value)


def _text(sent: Column, name: str) -> Column:
    """A text as sent; an identifier only where it is a word, and a place only where it is one."""
    if name in IDENTIFIERS:
        return _only(sent, sent.rlike(WORD))
    return _only(sent, sent.rlike(PLACE)) if name == "released_from" else sent


def _unreadable(sent: dict[str, Column], digits: Column) -> Column:
    """Why the text of a record could not be read as a ledger's record."""
    size = F.col("payload_bytes")
    free_text = F.concat_ws("|", *(sent[name] for name in SENT_AS_IS if name != "released_from"))
    return names.that_hold({
        "record_empty": size == 0,
        "record_oversized": size > MAX_RECORD_BYTES,
        "json_malformed": (size > 0) & (size <= MAX_RECORD_BYTES) & F.col("sent").isNull(),
        "card_number_malformed": sent["card_number"].isNotNull() & digits.isNull(),
        "card_number_in_text": identifiers.names_a_card(free_text),
    })  # fmt: skip


def _redacted(flagged: DataFrame) -> DataFrame:
    """Rejected rows keep their payload, masked and cut; accepted rows keep none. Rejected free text is masked too."""
    is_rejected = F.size(FAILED_CHECKS) > 0
    text = F.make_valid_utf8(F.col("value").cast("string"))
    # a tick of many partitions is long, and has to stay whole: it goes to the driver and rests nowhere
    payload = F.when(F.col("topic") == CLOCK, text).otherwise(F.left(identifiers.masked(text), F.lit(MAX_PAYLOAD_CHARS)))
    masks = {
        name: F.when(is_rejected & identifiers.names_a_card(F.col(name)), identifiers.masked(F.col(name)))
        .otherwise(F.col(name))
        for name in SENT_AS_IS
    }  # fmt: skip
    return flagged.withColumns({**masks, "payload": F.when(is_rejected, payload)}).drop("value")
