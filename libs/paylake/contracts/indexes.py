"""What a nightly run recomputes, proves and publishes."""

from __future__ import annotations

from pyspark.sql.types import ArrayType, BooleanType, DateType, DoubleType, LongType, StringType, TimestampType

from paylake.contracts.reconciliation import DECISION_CHECKS, DECISION_FIELDS, ITEM_FIELDS
from paylake.contracts.resolution import BREAK_FIELDS, LIFE_FIELDS, State
from paylake.contracts.statements import LINE_MONEY
from paylake.contracts.table import MONEY, MONEY_SUM, Check, Field, TableContract, one_of

QUARANTINED_LEGS = Field(
    "quarantined_legs", ArrayType(StringType()), "Ledgers whose record of the transaction lies in quarantine."
)
PROVISIONAL_OR_FINAL = Check("finality_known", "finality IN ('provisional', 'final')")

VERSION_FIELDS: tuple[Field, ...] = (
    Field("content_hash", LongType(), "Hash of everything that the version says."),
    Field("valid_from", TimestampType(), "When the version became known: the run's time.", lineage=True),
    Field("valid_to", TimestampType(), "When a later version replaced it; null for the current one.",
          nullable=True, lineage=True),
    Field("is_current", BooleanType(), "No later version replaces it.", lineage=True),
    Field("run_id", StringType(), "Run that wrote the version.", lineage=True),
    Field("closed_by_run_id", StringType(), "Run that replaced the version.", nullable=True, lineage=True),
)  # fmt: skip
"""What makes a row a version: as of a time, the one with valid_from <= time and no valid_to, or a later one."""


def versioned(
    name: str,
    doc: str,
    fields: tuple[Field, ...],
    key: tuple[str, ...],
    partition_by: tuple[str, ...] = (),
    checks: tuple[Check, ...] = (),
) -> TableContract:
    """The contract of a published index: one row per version of what `key` names."""
    return TableContract(name, "final", doc, (*fields, *VERSION_FIELDS), (*key, "valid_from"), partition_by, checks)


BATCH_INDEX = TableContract(
    name="batch_index",
    layer="final",
    doc="One row per transaction of a business date, recomputed from raw history.",
    fields=(
        *ITEM_FIELDS,
        *DECISION_FIELDS,
        QUARANTINED_LEGS,
        Field("finality", StringType(), "final, or provisional while a leg may still come."),
    ),
    key=("transaction_id",),
    partition_by=("business_date",),
    checks=(*DECISION_CHECKS, PROVISIONAL_OR_FINAL),
)

RECONCILIATION_INDEX = TableContract(
    name="reconciliation_index",
    layer="final",
    doc="One row per version of a transaction's published result.",
    fields=(
        Field("recon_id", StringType(), "Deterministic identifier of the economic event."),
        *ITEM_FIELDS,
        *DECISION_FIELDS,
        QUARANTINED_LEGS,
        Field("finality", StringType(), "final, or provisional while a leg may still come."),
        Field("decided_by", StringType(), "batch (recomputed) or stream (provisional only).", lineage=True),
        *VERSION_FIELDS,
    ),
    key=("recon_id", "valid_from"),
    partition_by=("business_date",),
    checks=(*DECISION_CHECKS, PROVISIONAL_OR_FINAL),
)  # fmt: skip

BREAKS = TableContract(
    name="breaks",
    layer="final",
    doc="One row per break and its life: when it is due, what is proposed, who decided.",
    fields=(
        Field("break_id", StringType(), "Deterministic identifier of the break."),
        Field("recon_id", StringType(), "Economic event that is broken."),
        Field("transaction_id", StringType(), "Identifier of the payment."),
        Field("business_date", DateType(), "Business date of the transaction."),
        Field("kind", StringType(), "Kind of break (taxonomy)."),
        Field("family", StringType(), "Family of the primary reason."),
        Field("reason", StringType(), "Primary reason by precedence."),
        Field("reasons", ArrayType(StringType()), "Every reason that holds."),
        Field("severity", StringType(), "Low, Medium, High or Critical."),
        Field("owner", StringType(), "Who acts on it."),
        Field(
            "amount",
            MONEY,
            "Amount at risk: the difference of the legs; nothing for a drift of time; else the whole payment.",
        ),
        Field("currency", StringType(), "Currency of the amount: the gateway's, else core's, else mobile's."),
        QUARANTINED_LEGS,
        *BREAK_FIELDS,
        Field("state", StringType(), "OPEN, SUGGESTED, IN_REVIEW, RESOLVED, WRITTEN_OFF or REOPENED."),
        *LIFE_FIELDS,
        Field("sla_due_at", TimestampType(), "By when somebody has to act on it, by its severity."),
        Field("opened_at", TimestampType(), "Time of the run that first found it."),
        Field("resolved_at", TimestampType(), "Time of the run or act that ended it.", nullable=True),
        Field("reopened_at", TimestampType(), "Time of the run or act that last reopened it.", nullable=True),
        Field("opened_by_run_id", StringType(), "Run that first found it."),
        Field("resolved_by_run_id", StringType(), "Run that no longer found it, or that applied the act.", nullable=True),
        Field(
            "reopened_by_run_id",
            StringType(),
            "Run that found other facts after it had ended, or that applied the act.",
            nullable=True,
        ),
        Field("act_sequence", LongType(), "Row of audit_log with the last act on it; 0 before the first.", lineage=True),
    ),
    key=("break_id",),
    partition_by=("business_date",),
    checks=(
        Check("state_known", one_of("state", [s.value for s in State])),
        Check("amount_not_negative", "amount >= 0"),
    ),
)

AGGREGATED_FIELDS: tuple[Field, ...] = (
    Field("policy_ids", ArrayType(StringType()), "Policies that concern the payment; null without a flag.", nullable=True),
    Field("policy_flags", ArrayType(StringType()), "Their flags, as transaction_flags has them.", nullable=True),
    Field("compliance_flag", StringType(), "HIGH_RISK, REQUIRES_KYC, or null.", nullable=True),
    Field("kyc_status", StringType(), "The user's KYC status as of the payment, where it has a flag.", nullable=True),
    Field("psp", StringType(), "Processor that settled the sale; null while none has.", nullable=True),
    Field("payout_id", StringType(), "Payout that pays it; the first by name where it is paid in parts.", nullable=True),
    Field("settled_currency", StringType(), "Currency in which it was settled; null across currencies.", nullable=True),
    Field("settled_amount", LINE_MONEY, "What was settled of it before fees, in settled_currency.", nullable=True),
    Field("settled_fee_amount", LINE_MONEY, "Fees taken from it, in settled_currency.", nullable=True),
    Field("fraud_score", DoubleType(), "Probability of fraud from 0 to 1, as scored on arrival; null where not scored.",
          nullable=True),
    Field("fraud_anomaly_type", StringType(), "normal, suspicious or fraudulent, as scored.", nullable=True),
    Field("fraud_decision", StringType(), "APPROVE, REVIEW or DECLINE, as scored.", nullable=True),
    Field("fraud_model_version", StringType(), "Version of the model that scored it.", nullable=True),
    Field("fraud_features_version", StringType(), "Version of the features' definitions.", nullable=True),
    Field("fraud_features", ArrayType(DoubleType()), "The very features that the score was made of, in the order of "
          "fraud_features_version; NaN where one was not known.", nullable=True),
    Field("fraud_arrived_at", TimestampType(), "When the scored record arrived, UTC: the features know nothing later.",
          nullable=True),
    Field("label", StringType(), "FRAUD or GENUINE, as known to the run; null for a payment of which nobody has said.",
          nullable=True),
    Field("label_source", StringType(), "Who says so: ANALYST, CHARGEBACK or ISSUER_REPORT.", nullable=True),
    Field("label_known_at", TimestampType(), "When the source came to know, UTC.", nullable=True),
)  # fmt: skip
"""What the aggregate says of a transaction beside its reconciliation: policies, settlement, and what models learn from."""

FRAUD_COLUMNS: dict[str, str] = {
    "fraud_score": "score",
    "fraud_anomaly_type": "anomaly_type",
    "fraud_decision": "decision",
    "fraud_model_version": "model_version",
    "fraud_features_version": "features_version",
    "fraud_features": "features",
    "fraud_arrived_at": "recorded_at",
}
"""Columns of the aggregate -> columns of fraud_partial from which they are taken."""

AGGREGATE_INDEX = TableContract(
    name="aggregate_index",
    layer="final",
    doc="One row per transaction: its latest state, money, risk, policy flags, settlement, and what models of fraud learn "
    "from, for every consumer.",
    fields=(
        *(f for f in ITEM_FIELDS if not f.lineage),
        *(f for f in DECISION_FIELDS if f.name != "discrepancies"),
        QUARANTINED_LEGS,
        Field("finality", StringType(), "final, or provisional while a leg may still come."),
        *AGGREGATED_FIELDS,
        Field("recon_id", StringType(), "Economic event in reconciliation_index."),
        Field("content_hash", LongType(), "Hash of the version in reconciliation_index."),
        Field("run_id", StringType(), "Run that wrote the row.", lineage=True),
    ),
    key=("transaction_id",),
    partition_by=("business_date",),
    checks=(*DECISION_CHECKS, PROVISIONAL_OR_FINAL),
)

RUN_CONTROLS = TableContract(
    name="run_controls",
    layer="final",
    doc=(
        "One row per proof of a run (of totals per source and currency, of offsets per topic-partition) and per reason why "
        "stream and batch differ; and, last, one row that publishes the run."
    ),
    fields=(
        Field("run_id", StringType(), "Run, as business date and number."),
        Field("business_date", DateType(), "Business date that the run closes."),
        Field(
            "row_kind",
            StringType(),
            "PROOF (a source and currency), OFFSETS (a topic-partition), DIFFERENCE (of stream and batch) or PUBLISHED.",
        ),
        Field(
            "source",
            StringType(),
            "Ledger, topic/partition, or why stream and batch differ; 'all' for PUBLISHED.",
        ),
        Field("currency", StringType(), "ISO 4217 code; '-' where the row has no money."),
        Field("run_at", TimestampType(), "Time of the run."),
        Field("control_records", LongType(), "Records that the source says it booked.", nullable=True),
        Field("control_amount", MONEY_SUM, "Amount that the source says it booked.", nullable=True),
        Field("received_records", LongType(), "Records received: accepted, redelivered and rejected."),
        Field("received_amount", MONEY_SUM, "Amount of the records received, as far as it can be read."),
        Field("matched_records", LongType(), "Postings of matched transactions."),
        Field("matched_amount", MONEY_SUM, "Their amount."),
        Field("broken_records", LongType(), "Postings of broken transactions; DIFFERENCE: transactions that differ."),
        Field("broken_amount", MONEY_SUM, "Their amount."),
        Field("pending_records", LongType(), "Postings of transactions that are still open."),
        Field("pending_amount", MONEY_SUM, "Their amount."),
        Field("redelivered_records", LongType(), "Records that repeat or update a posting."),
        Field("redelivered_amount", MONEY_SUM, "Their amount."),
        Field(
            "rejected_records",
            LongType(),
            "Postings that lie in quarantine alone, with a trustworthy amount; OFFSETS: all records in quarantine.",
        ),
        Field("rejected_amount", MONEY_SUM, "Their amount."),
        Field("unreadable_records", LongType(), "Records in quarantine whose amount cannot be trusted."),
        Field("first_offset", LongType(), "OFFSETS: first offset that the proof covers.", nullable=True),
        Field("end_offset", LongType(), "OFFSETS: offset after the last one covered.", nullable=True),
        Field("gap_records", LongType(), "OFFSETS: offsets without a record.", nullable=True),
        Field("outcome", StringType(), "closed, closed with exceptions, or failed."),
        Field(
            "note",
            StringType(),
            "What does not close, or why that is in order; PUBLISHED: how many transactions differ.",
            nullable=True,
        ),
        Field("stream_generation", LongType(), "Generation of the stream that was pinned."),
        Field("stream_batch", LongType(), "Micro-batch of the stream that was pinned."),
    ),
    key=("run_id", "run_at", "row_kind", "source", "currency"),
    checks=(
        Check("row_kind_known", "row_kind IN ('PROOF', 'OFFSETS', 'DIFFERENCE', 'PUBLISHED')"),
        Check("outcome_known", "outcome IN ('closed', 'closed with exceptions', 'failed')"),
    ),
)
