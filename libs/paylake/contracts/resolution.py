"""How a break ends: its states, what moves it between them, what a resolution may be, and the audit log of it all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pyspark.sql.types import DateType, IntegerType, LongType, StringType, TimestampType

from paylake.contracts.table import MONEY, Check, Field, TableContract, one_of


class State(StrEnum):
    """Where a break is in its life."""

    OPEN = "OPEN"
    SUGGESTED = "SUGGESTED"
    IN_REVIEW = "IN_REVIEW"
    RESOLVED = "RESOLVED"
    WRITTEN_OFF = "WRITTEN_OFF"
    REOPENED = "REOPENED"


ENDED: tuple[State, ...] = (State.RESOLVED, State.WRITTEN_OFF)
"""The states in which nobody has to act on a break any more."""


class ActKind(StrEnum):
    """What somebody does; AUTO_RESOLVE is the switch's own, the others are people's."""

    PROPOSE = "propose"
    APPROVE = "approve"
    REJECT = "reject"
    REOPEN = "reopen"
    REPLAY = "replay"
    CLOSE_PERIOD = "close_period"
    AUTO_RESOLVE = "auto_resolve"


MOVES: dict[ActKind, tuple[State, ...]] = {
    ActKind.PROPOSE: (State.OPEN, State.REOPENED, State.SUGGESTED),
    ActKind.APPROVE: (State.SUGGESTED, State.IN_REVIEW, State.REOPENED),
    ActKind.REJECT: (State.SUGGESTED, State.IN_REVIEW),
    ActKind.REOPEN: (State.RESOLVED, State.WRITTEN_OFF),
    ActKind.REPLAY: (State.OPEN, State.REOPENED, State.SUGGESTED, State.IN_REVIEW),
    ActKind.AUTO_RESOLVE: (State.SUGGESTED,),
}
"""Act on a break -> the states in which it may be done."""


@dataclass(frozen=True)
class Resolution:
    """A way to end a break, and the state in which it ends."""

    name: str
    ends_in: State
    doc: str


RESOLUTIONS: dict[str, Resolution] = {
    r.name: r
    for r in (
        Resolution("ACCEPT_GATEWAY", State.RESOLVED, "What the gateway says counts."),
        Resolution("ACCEPT_CORE", State.RESOLVED, "What core banking says counts."),
        Resolution("ACCEPT_MOBILE", State.RESOLVED, "What the mobile app says counts."),
        Resolution("ACCEPT_ROUNDING", State.RESOLVED, "The difference is one of rounding."),
        Resolution("ACCEPT_FEE", State.RESOLVED, "The difference is a fee within its schedule."),
        Resolution("CORRECTED", State.RESOLVED, "The cause was put right elsewhere, as the note says."),
        Resolution("IGNORE", State.RESOLVED, "The difference needs no action."),
        Resolution("WRITE_OFF", State.WRITTEN_OFF, "The amount is given up."),
    )
}
"""What a person may propose; a policy proposes some of them."""

LEDGERS_AGREE, ADJUSTED = "LEDGERS_AGREE", "ADJUSTED"
"""How a run ends a break: its legs agree now; or they do, but its period is closed, and an adjustment says so."""

SWITCH = "switch:auto-resolve"
"""Who has decided where the switch applied a policy's proposal."""

ENTRIES = ("ACT", "REFUSED", "COMMIT")

AUDIT_LOG = TableContract(
    name="audit_log",
    layer="final",
    doc="One row per act, refused act and commit of the nightly run, each chained to the one before by its hash.",
    fields=(
        Field("sequence", LongType(), "Number of the row, from 1, without a gap."),
        Field("entry", StringType(), "ACT, REFUSED (an act that was not applied) or COMMIT (what a run wrote)."),
        Field("act_id", StringType(), "Act, or run and table of a commit; each appears once."),
        Field("act", StringType(), "What was done: propose, approve, reject, reopen, replay, close_period, … or commit."),
        Field("subject", StringType(), "Break, closed date, or table."),
        Field("who", StringType(), "Person, policy or job that did it."),
        Field("at", TimestampType(), "When it was done."),
        Field("why", StringType(), "Reason given; REFUSED: why it was not applied."),
        Field("before", StringType(), "JSON of what was changed, as it was.", nullable=True),
        Field("after", StringType(), "JSON of the same, as it became.", nullable=True),
        Field("amount", MONEY, "Amount of the break.", nullable=True),
        Field("currency", StringType(), "Its currency.", nullable=True),
        Field("rule_version", StringType(), "Version of the rules of resolution."),
        Field("run_id", StringType(), "Run that wrote the row."),
        Field("business_date", DateType(), "Business date of the break or the commit.", nullable=True),
        Field("table_version", LongType(), "COMMIT: version of the table.", nullable=True),
        Field("row_count", LongType(), "COMMIT: rows of the business date.", nullable=True),
        Field("sums", StringType(), "COMMIT: JSON of each amount's sum, by currency.", nullable=True),
        Field("content_hash", StringType(), "COMMIT: order-free hash of the rows of the business date.", nullable=True),
        Field("previous_hash", StringType(), "Hash of the row before; 64 zeros for the first."),
        Field("hash", StringType(), "SHA-256 of the previous hash and this row."),
    ),
    key=("sequence",),
    checks=(
        Check("entry_known", one_of("entry", ENTRIES)),
        Check("act_known", one_of("act", [*(k.value for k in ActKind), "commit"])),
        Check("hashed", "length(hash) = 64 AND length(previous_hash) = 64"),
    ),
)

ADJUSTMENTS = TableContract(
    name="adjustments",
    layer="final",
    doc="One row per amount by which a transaction of a closed period has changed since: booked in the open period.",
    fields=(
        Field("adjustment_id", StringType(), "Deterministic identifier of the adjustment."),
        Field("business_date", DateType(), "Open business date on which the adjustment is booked."),
        Field("original_business_date", DateType(), "Closed business date of the transaction."),
        Field("recon_id", StringType(), "Economic event that is adjusted."),
        Field("transaction_id", StringType(), "Identifier of the payment."),
        Field("original_run_id", StringType(), "Run whose published version is adjusted.", nullable=True),
        Field("original_content_hash", LongType(), "Hash of that version; null where there was none.", nullable=True),
        Field("content_hash", LongType(), "Hash of what the transaction says now."),
        Field("source", StringType(), "Ledger whose leg changed; 'none' where only the status did."),
        Field("amount", MONEY, "What to add to the published amount; negative where it is to be lowered."),
        Field("currency", StringType(), "Currency of the amount."),
        Field("status_before", StringType(), "Status as published; null where there was none.", nullable=True),
        Field("status_after", StringType(), "Status now."),
        Field("run_id", StringType(), "Run that found the difference.", lineage=True),
        Field("run_at", TimestampType(), "Time of the run.", lineage=True),
    ),
    key=("adjustment_id",),
    partition_by=("business_date",),
    checks=(Check("booked_later", "business_date > original_business_date"),),
)

BREAK_FIELDS: tuple[Field, ...] = (
    Field("risk_score", IntegerType(), "0 to 100, by the ladder of the risk points."),
    Field("risk_class", StringType(), "Class of the risk."),
    Field("rail", StringType(), "Calendar on which the money settles."),
    Field("expected_settlement_date", DateType(), "Date on which the money was to settle, in business days of the rail."),
    Field("suggestion_id", StringType(), "Identifier of what a policy proposes; null without.", nullable=True),
    Field("suggested_resolution", StringType(), "What the policy proposes.", nullable=True),
    Field("suggested_by", StringType(), "Policy, as policy:name.", nullable=True),
    Field("suggestion_evidence", StringType(), "What the proposal rests on.", nullable=True),
    Field("suggestion_basis_points", IntegerType(), "Confidence of the proposal, 0 to 10,000.", nullable=True),
    Field("escalated_for", StringType(), "Why a person has to look at it; null where none has to.", nullable=True),
)
"""What a run says of a break, beside what it is."""

LIFE_FIELDS: tuple[Field, ...] = (
    Field("proposal_id", StringType(), "Act that proposed what is in review.", nullable=True),
    Field("proposed_resolution", StringType(), "What a person proposed.", nullable=True),
    Field("maker", StringType(), "Who proposed the resolution.", nullable=True),
    Field("checker", StringType(), "Who approved or rejected it.", nullable=True),
    Field("resolution", StringType(), "How the break ended; null while it has not.", nullable=True),
    Field("resolution_note", StringType(), "Reason of the last act.", nullable=True),
    Field(
        "rejected_suggestion_id", StringType(), "Policy's proposal that a person rejected: not made again.", nullable=True
    ),
    Field("replayed_to", StringType(), "Ledger to which the missing record was sent again.", nullable=True),
)
"""What acts change."""

BREAK_EXPORT: tuple[str, ...] = (
    "break_id",
    "transaction_id",
    "business_date",
    "kind",
    "reason",
    "severity",
    "owner",
    "amount",
    "currency",
    "state",
    "resolution",
    "expected_settlement_date",
    "age_bucket",
    "sla_due_at",
)
"""The 14 columns of the export, in order (requirements 2.6, C15)."""
