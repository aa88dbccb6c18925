"""Records as the ledgers sent them, and those that could not be accepted."""

from __future__ import annotations

from pyspark.sql.types import DateType, IntegerType, LongType, StringType, TimestampType

from paylake.contracts.currencies import CURRENCIES
from paylake.contracts.table import MONEY, MONEY_SUM, Check, Field, TableContract, one_of
from paylake.contracts.taxonomy import PAYMENT_STATUSES
from paylake.contracts.topics import LEDGERS

LEDGER_ENTRIES = TableContract(
    name="ledger_entries",
    layer="raw",
    doc="One row per record that a ledger sent, typed and with its card number replaced by a token.",
    fields=(
        Field("topic", StringType(), "Kafka topic that carried the record."),
        Field("partition", IntegerType(), "Kafka partition.", lineage=True),
        Field("offset", LongType(), "Kafka offset within the partition.", lineage=True),
        Field("recorded_at", TimestampType(),
              "Timestamp of the Kafka record, UTC; of a record from history, when its ledger booked it."),
        Field("ingest_date", DateType(), "Date of recorded_at, UTC."),
        Field("source", StringType(), "Ledger that sent the record: gateway, core or mobile."),
        Field("transaction_id", StringType(), "Identifier of the payment, the same in every ledger."),
        Field("user_id", StringType(), "Customer who pays."),
        Field("merchant_id", StringType(), "Merchant who is paid."),
        Field("amount", MONEY, "Booked amount, in major units of `currency`."),
        Field("currency", StringType(), "ISO 4217 code."),
        Field("status", StringType(), "Payment status, normalised from the ledger's own spelling."),
        Field("event_at", TimestampType(), "When the ledger says it booked the payment, UTC."),
        Field("type", StringType(), "Type of transaction as sent.", nullable=True),
        Field("channel", StringType(), "Payment channel as sent (UPI, CARD, …).", nullable=True),
        Field("payment_system", StringType(), "Scheme as sent (VISA, UPI, …).", nullable=True),
        Field("card_token", StringType(), "Keyed hash (HMAC-SHA-256) of the card number.", nullable=True),
        Field("card_bin", StringType(), "First six digits of the card number.", nullable=True),
        Field("card_last4", StringType(), "Last four digits of the card number.", nullable=True),
        Field("upi_id", StringType(), "UPI address of the payer.", nullable=True),
        Field("bank_id", StringType(), "Bank that sent the payment.", nullable=True),
        Field("city", StringType(), "City of the payment.", nullable=True),
        Field("country", StringType(), "ISO 3166 code of the payment's country.", nullable=True),
        Field("device_id", StringType(), "Device of the customer.", nullable=True),
        Field("ip_address", StringType(), "Address of the customer.", nullable=True),
        Field("released_from", StringType(), "topic/partition/offset of the quarantined record that this one corrects.",
              nullable=True, lineage=True),
        Field("generation", IntegerType(), "Generation of the stream's checkpoint that wrote the row.", lineage=True),
        Field("batch", LongType(), "Micro-batch that wrote the row.", lineage=True),
    ),
    key=("topic", "partition", "offset"),
    partition_by=("ingest_date",),
    checks=(
        Check("source_known", one_of("source", LEDGERS)),
        Check("transaction_id_shape", "length(transaction_id) BETWEEN 1 AND 64"),
        Check("amount_positive", "amount > 0"),
        Check("amount_plausible", "amount < 1000000000000"),
        Check("currency_known", one_of("currency", CURRENCIES)),
        Check("status_known", one_of("status", PAYMENT_STATUSES)),
        Check("event_at_plausible",
              "event_at BETWEEN recorded_at - INTERVAL '30' DAY AND recorded_at + INTERVAL '1' DAY"),
    ),
    # statistics of the first 32 columns, which nobody skips files by, would cost every commit
    properties={"delta.dataSkippingStatsColumns": "partition,offset,recorded_at,event_at"},
)  # fmt: skip

QUARANTINE = LEDGER_ENTRIES.quarantine(
    key=("topic", "partition", "offset"),
    extra=(
        Field(
            "payload",
            StringType(),
            "What was sent, with card numbers masked, cut at 4,000 characters.",
            nullable=True,
        ),
        Field(
            "payload_bytes",
            LongType(),
            "Length of what was sent, in bytes; null where nothing was.",
            nullable=True,
        ),
    ),
    partition_by=("ingest_date",),
)

CONTROL_TOTALS = TableContract(
    name="control_totals",
    layer="raw",
    doc="One row per hour of a source and currency: how much the source says it booked.",
    fields=(
        Field("source", StringType(), "Ledger that publishes the total."),
        Field("currency", StringType(), "ISO 4217 code."),
        Field("hour", TimestampType(), "Start of the hour of the source's own booking times, UTC."),
        Field("records", LongType(), "Postings that the source booked; a redelivery is no posting."),
        Field("amount", MONEY_SUM, "Sum of their amounts."),
        Field(
            "offset",
            LongType(),
            "Kafka offset of the statement: a later one corrects an earlier one.",
            lineage=True,
        ),
    ),
    key=("source", "currency", "hour"),
    checks=(
        Check("source_known", one_of("source", LEDGERS)),
        Check("currency_known", one_of("currency", CURRENCIES)),
        Check("records_not_negative", "records >= 0"),
    ),
)
