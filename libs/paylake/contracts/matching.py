"""What a reconciliation by a rule set says: one row per entry of a source, and the proof that none was lost."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql.types import ArrayType, BooleanType, DateType, LongType, StringType

from paylake.contracts.statements import LINE_MONEY
from paylake.contracts.table import Check, Field, TableContract, one_of
from paylake.contracts.taxonomy import Severity

MATCHED, MATCHED_WITH_TOLERANCE, PARTIAL = "MATCHED", "MATCHED_WITH_TOLERANCE", "PARTIAL"
SUGGESTED, BREAK, EXCLUDED, REJECTED = "SUGGESTED", "BREAK", "EXCLUDED", "REJECTED"
STATUSES = (MATCHED, MATCHED_WITH_TOLERANCE, PARTIAL, SUGGESTED, BREAK, EXCLUDED, REJECTED)
"""What becomes of an entry. EXCLUDED: the rule set leaves it out of the stage. REJECTED: it cannot be read."""
GROUPED = (MATCHED, MATCHED_WITH_TOLERANCE, PARTIAL)


@dataclass(frozen=True)
class Reason:
    """Why entries do not match; `family` and precedence follow the break taxonomy."""

    family: str
    severity: Severity
    owner: str
    doc: str


REASONS: dict[str, Reason] = {
    "SCHEMA_INVALID": Reason("DATA", Severity.HIGH, "data engineering", "The entry cannot be read."),
    "AMBIGUOUS_MATCH": Reason(
        "IDENTITY", Severity.HIGH, "reconciliation desk", "Several entries could be the counterpart; nobody guesses."
    ),
    "DUPLICATE_POSTING": Reason(
        "IDENTITY", Severity.HIGH, "ledger operations", "The source has booked the same key more than once."
    ),
    "CURRENCY_MISMATCH": Reason(
        "CURRENCY", Severity.HIGH, "ledger operations", "The key agrees and the currency does not; nothing is summed."
    ),
    "UNKNOWN_REFERENCE": Reason("PRESENCE", Severity.HIGH, "settlement desk", "It names something that nobody knows."),
    "ORPHAN_PAYOUT": Reason("PRESENCE", Severity.HIGH, "treasury", "Money was paid out, or came in, for no known line."),
    "MISSING": Reason("PRESENCE", Severity.HIGH, "settlement desk", "The other side has no entry under any of its keys."),
    "BATCH_INCOMPLETE": Reason("BATCH", Severity.HIGH, "settlement desk", "Some of the lines that it names are not there."),
    "PARTIAL": Reason("BATCH", Severity.MEDIUM, "settlement desk", "A part of what is due was paid; the rest stays open."),
    "PAYOUT_SHORT": Reason("BATCH", Severity.HIGH, "treasury", "Less was paid than the lines come to."),
    "PAYOUT_OVER": Reason("BATCH", Severity.HIGH, "treasury", "More was paid than the lines come to."),
    "AMOUNT_OVER": Reason("AMOUNT", Severity.HIGH, "finance operations", "The other side books more than the first source."),
    "AMOUNT_UNDER": Reason(
        "AMOUNT", Severity.HIGH, "finance operations", "The other side books less than the first source."
    ),
    "FEE_VARIANCE": Reason("AMOUNT", Severity.MEDIUM, "finance operations", "The fee is not the one that was invoiced."),
    "DATE_DRIFT": Reason(
        "DATE", Severity.LOW, "platform engineering", "Key and amount agree, but the dates lie too far apart for the rule."
    ),
}
"""Reason -> what it means, in order of precedence. MISSING is written MISSING_IN_ and the source's name."""

_AMOUNT = "In major units of `currency`, as the rule set reads the source."

RECONCILED_ENTRIES = TableContract(
    name="reconciled_entries",
    layer="final",
    doc="One row per entry of a source in a stage of a reconciliation: what it was matched with, or why it is open. "
    "`paylake reconcile` writes it as CSV files; no job keeps it in the lake yet.",
    fields=(
        Field("stage", StringType(), "Stage of the rule set: within it an entry belongs to one group at most."),
        Field("source", StringType(), "Source, as the rule set names it."),
        Field("entry_id", StringType(), "The source's own identifier of the entry."),
        Field("row", LongType(), "1 for the entry; more where the source has its identifier again.", lineage=True),
        Field("currency", StringType(), "ISO 4217 code; null where it cannot be read.", nullable=True),
        Field("amount", LINE_MONEY, _AMOUNT, nullable=True),
        Field("entry_date", DateType(), "Date of the entry, in the source's time zone.", nullable=True),
        Field("status", StringType(), "What became of it."),
        Field("tier", StringType(), "Tier of the cascade that matched it.", nullable=True),
        Field("match_id", StringType(), "Group that it belongs to: the same for all its members.", nullable=True),
        Field("reason", StringType(), "Primary reason of a break, by precedence.", nullable=True),
        Field("reasons", ArrayType(StringType()), "Every reason that holds."),
        Field("difference_amount", LINE_MONEY, "What the group's other side has less or more than its first source.",
              nullable=True),
        Field("is_duplicated", BooleanType(), "The source has further entries with its key."),
        Field("detail", StringType(), "What to know of it, in a sentence.", nullable=True),
    ),
    key=("stage", "source", "entry_id", "row"),
    checks=(
        Check("status_known", one_of("status", STATUSES)),
        Check("grouped_or_open", f"({one_of('status', GROUPED)}) <= (match_id IS NOT NULL)"),
        Check("open_for_a_reason", "(status IN ('BREAK', 'REJECTED', 'PARTIAL', 'SUGGESTED')) = (reason IS NOT NULL)"),
    ),
)  # fmt: skip

RECONCILIATION_PROOF = TableContract(
    name="reconciliation_proof",
    layer="final",
    doc="One row per stage, source and currency: what came in, and what became of it, by count and by amount. "
    "`paylake reconcile` writes it into proof.json; no job keeps it in the lake yet.",
    fields=(
        Field("stage", StringType(), "Stage of the rule set."),
        Field("source", StringType(), "Source, as the rule set names it."),
        Field("currency", StringType(), "ISO 4217 code; '-' where it cannot be read."),
        Field("in_records", LongType(), "Entries that the source holds."),
        Field("in_amount", LINE_MONEY, "Their sum, as far as amounts can be read."),
        *(
            field
            for status in STATUSES
            for field in (
                Field(f"{status.lower()}_records", LongType(), f"Entries that are {status}."),
                Field(f"{status.lower()}_amount", LINE_MONEY, "Their sum."),
            )
        ),
        Field("closes", BooleanType(), "What came in is what came out, by count and by amount."),
    ),
    key=("stage", "source", "currency"),
    checks=(Check("closes", "closes"),),
)
