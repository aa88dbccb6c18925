"""A transaction with its three legs side by side: open, provisional, recomputed, final."""

from __future__ import annotations

from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DateType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from paylake.contracts.table import MONEY, Check, Field, TableContract
from paylake.contracts.taxonomy import KIND, REASONS, Status
from paylake.contracts.topics import LEDGERS

DISCREPANCY = StructType(
    [
        StructField("field", StringType()),
        *(StructField(ledger, StringType()) for ledger in LEDGERS),
        StructField("severity", StringType()),
    ]
)

IDENTITY_FIELDS: tuple[Field, ...] = (
    Field("transaction_id", StringType(), "Identifier of the payment, the same in every ledger."),
    Field("business_date", DateType(), "Date of the gateway's leg, else core's, else mobile's, UTC."),
)

FACT_FIELDS: tuple[Field, ...] = (
    Field("described_by", StringType(), "Ledger whose record gives the descriptive columns."),
    Field("user_id", StringType(), "Customer who pays."),
    Field("merchant_id", StringType(), "Merchant who is paid."),
    Field("type", StringType(), "Type of transaction.", nullable=True),
    Field("channel", StringType(), "Payment channel.", nullable=True),
    Field("payment_system", StringType(), "Scheme.", nullable=True),
    Field("bank_id", StringType(), "Bank that sent the payment.", nullable=True),
    Field("city", StringType(), "City of the payment.", nullable=True),
    Field("country", StringType(), "ISO 3166 code of the payment's country.", nullable=True),
)


def leg_fields(ledger: str) -> tuple[Field, ...]:
    """The columns of one ledger's leg; all null where the ledger has none."""
    of = f"the {ledger}'s leg"
    return (
        Field(f"{ledger}_amount", MONEY, f"Amount of {of}.", nullable=True),
        Field(f"{ledger}_currency", StringType(), f"Currency of {of}.", nullable=True),
        Field(f"{ledger}_status", StringType(), f"Most advanced status of {of}.", nullable=True),
        Field(f"{ledger}_at", TimestampType(), f"When {of} was booked, UTC.", nullable=True),
        Field(f"{ledger}_partition", IntegerType(), f"Kafka partition of {of}.", nullable=True, lineage=True),
        Field(f"{ledger}_offset", LongType(), f"Kafka offset of {of}.", nullable=True, lineage=True),
        Field(f"{ledger}_is_duplicated", BooleanType(), "The ledger posted other amounts or currencies too.", nullable=True),
    )  # fmt: skip


LEG_FIELDS: tuple[Field, ...] = tuple(f for ledger in LEDGERS for f in leg_fields(ledger))

DECISION_FIELDS: tuple[Field, ...] = (
    Field("status", StringType(), "Status of the transaction (taxonomy)."),
    Field("kind", StringType(), "Kind of break (taxonomy); null when there is none.", nullable=True),
    Field("reason", StringType(), "Primary reason by precedence; null when there is none.", nullable=True),
    Field("reasons", ArrayType(StringType()), "Every reason that holds, in order of precedence."),
    Field("family", StringType(), "Family of the primary reason.", nullable=True),
    Field("severity", StringType(), "Low, Medium, High or Critical; null when there is no break.", nullable=True),
    Field("owner", StringType(), "Who acts on the break.", nullable=True),
    Field("discrepancies", ArrayType(DISCREPANCY), "Each field that differs, with what each ledger says."),
    Field("difference_amount", MONEY, "Largest less smallest amount of the legs; null across currencies.", nullable=True),
    Field("currency", StringType(), "Currency of the legs; null where they disagree.", nullable=True),
    Field("risk_score", IntegerType(), "0 (none) to 100, by the ladder of the risk points."),
    Field("risk_class", StringType(), "Class of the risk; null when there is no break.", nullable=True),
    Field("risk_points", StringType(), "The rung of the ladder that gave the score.", nullable=True),
    Field("rule_version", StringType(), "Version of the rules that decided.", lineage=True),
)  # fmt: skip

STREAM_FIELDS: tuple[Field, ...] = (
    Field("version", IntegerType(), "Number of the transaction's decision, from 1; 0 before the first.", lineage=True),
    Field("is_open", BooleanType(), "A leg is still awaited: within its deadline, or within the late window.", lineage=True),
    Field("is_late", BooleanType(), "A leg came after its deadline.", lineage=True),
    Field("missing_since", TimestampType(), "Tick at which a leg was declared missing.", nullable=True, lineage=True),
    Field("decided_at", TimestampType(), "Tick as of which the decision was made.", nullable=True, lineage=True),
    Field("decision_hash", LongType(), "Hash of the legs, the facts and the decision last said; null before the first.",
          nullable=True, lineage=True),
    Field("first_recorded_at", TimestampType(), "Kafka timestamp of the first record.", lineage=True),
    Field("last_recorded_at", TimestampType(), "Kafka timestamp of the last record, a redelivery included.", lineage=True),
    Field("generation", IntegerType(), "Generation of the stream's checkpoint.", lineage=True),
    Field("batch", LongType(), "Micro-batch of the decision.", lineage=True),
)  # fmt: skip

ITEM_FIELDS = (*IDENTITY_FIELDS, *FACT_FIELDS, *LEG_FIELDS)

DECISION_CHECKS: tuple[Check, ...] = (
    Check("status_known", f"status IN ({', '.join(repr(s.value) for s in Status)})"),
    Check("kind_known", f"kind IS NULL OR kind IN ({', '.join(repr(k) for k in KIND)})"),
    Check("reason_known", f"reason IS NULL OR reason IN ({', '.join(repr(r) for r in REASONS)})"),
    Check("has_a_leg", " OR ".join(f"{ledger}_amount IS NOT NULL" for ledger in LEDGERS)),
    Check("risk_in_range", "risk_score BETWEEN 0 AND 100"),
)

OPEN_ITEMS = TableContract(
    name="open_items",
    layer="partial",
    doc="One row per transaction that awaits a leg, and per transaction that the last batch decided.",
    fields=(
        *ITEM_FIELDS,
        *DECISION_FIELDS,
        *STREAM_FIELDS,
        Field("is_decided", BooleanType(), "The last batch decided the row, or decided it anew.", lineage=True),
    ),
    key=("transaction_id",),
    checks=DECISION_CHECKS,
    properties={
        "delta.deletedFileRetentionDuration": "interval 1 days",
        "delta.logRetentionDuration": "interval 1 days",
        # one file, always read whole
        "delta.dataSkippingNumIndexedCols": "0",
    },
)

RECONCILIATION_PARTIAL = TableContract(
    name="reconciliation_partial",
    layer="partial",
    doc="One row per version of a transaction's provisional result; consumers read the latest version.",
    fields=(
        *ITEM_FIELDS,
        *DECISION_FIELDS,
        *STREAM_FIELDS,
        Field("ingest_date", DateType(), "Date of last_recorded_at, UTC.", lineage=True),
    ),
    key=("transaction_id", "generation", "batch"),
    partition_by=("ingest_date",),
    checks=DECISION_CHECKS,
    # statistics of the first 32 columns, which nobody skips files by, would cost every small commit
    properties={"delta.dataSkippingStatsColumns": "decided_at,batch"},
)
