"""How long each table's rows are kept and why, where a customer stands in them, who maintains them, and the log of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pyspark.sql.types import DateType, LongType, StringType

from paylake.contracts.table import Check, Field, TableContract, one_of
from paylake.errors import ContractError

LEAST_VACUUM_HOURS = 168
"""Files that a version of the last seven days needs are left: whoever reads for hours, or looks back, still finds them."""


class Writer(StrEnum):
    """Who writes a table, and so who alone maintains it."""

    BATCH = "batch jobs"
    RECONCILE = "reconcile_ledgers"
    SCORE = "score_transactions"


class Erasure(StrEnum):
    """What becomes of a customer's row: gone, or kept for its amounts under a name that leads to nobody."""

    DELETE = "DELETE"
    PSEUDONYMISE = "PSEUDONYMISE"


class Action(StrEnum):
    """What maintenance does."""

    ERASE = "ERASE"
    RETAIN = "RETAIN"
    COMPACT = "COMPACT"
    VACUUM = "VACUUM"
    VERIFY = "VERIFY"
    CLOSE = "CLOSE"


class Stage(StrEnum):
    """A row of the log is written before an action and after it; a crash leaves the first alone."""

    BEGUN = "BEGUN"
    DONE = "DONE"


@dataclass(frozen=True)
class Personal:
    """Where a customer stands in a row: in a column, as its value or `in_text` among other words.

    `where` (SQL) narrows the rows; `clears` are further columns that become null when the customer is pseudonymised.
    """

    column: str
    erasure: Erasure
    where: str = "true"
    in_text: bool = False
    clears: tuple[str, ...] = ()


@dataclass(frozen=True)
class Upkeep:
    """The policy of one table. Rows older than `keep_days` by the column `aged_by` go; without them, none does.

    A book (an accounting record, or a proof of one) is never shortened by a job. `hash_of` names the table of whose rows
    `content_hash` speaks, where it is not the table itself.
    """

    table: str
    because: str
    writer: Writer = Writer.BATCH
    aged_by: str | None = None
    keep_days: int | None = None
    is_book: bool = False
    personal: tuple[Personal, ...] = ()
    hash_of: str | None = None

    def __post_init__(self) -> None:
        """Refuse a policy that could take what has to stay, at import."""
        if (self.aged_by is None) != (self.keep_days is None):
            raise ContractError(f"{self.table}: name both the column by which its rows age and the days, or neither.")
        if self.is_book and self.keep_days is not None:
            raise ContractError(f"{self.table} is a book: no job shortens it; leave keep_days out.")
        if self.keep_days is not None and self.keep_days < 1:
            raise ContractError(f"{self.table}: rows are kept for a day at least, not {self.keep_days}.")


BOOK = "Accounting record: kept as the law asks, and shortened by no job."
PROOF = "Proof of what was published."
REFERENCE = "Small, and data of the code or of an owner: kept whole."
BY_ITS_DRIVER = "Belongs to the driver of its stream."

_USER = (Personal("user_id", Erasure.PSEUDONYMISE),)
_ENTITY = (Personal("entity_id", Erasure.PSEUDONYMISE, where="entity_type = 'USER'"),)
_SENT = ("card_token", "card_bin", "card_last4", "upi_id", "device_id", "ip_address")


def _kept(table: str, because: str, *personal: Personal, is_book: bool = True, hash_of: str | None = None) -> Upkeep:
    return Upkeep(table, because, is_book=is_book, personal=personal, hash_of=hash_of)


def _aged(table: str, column: str, days: int, because: str, *personal: Personal) -> Upkeep:
    return Upkeep(table, because, aged_by=column, keep_days=days, personal=personal)


def _streamed(table: str, writer: Writer, *personal: Personal) -> Upkeep:
    return Upkeep(table, BY_ITS_DRIVER, writer, personal=personal)


UPKEEP: dict[str, Upkeep] = {
    upkeep.table: upkeep
    for upkeep in (
        _streamed("ledger_entries", Writer.RECONCILE, Personal("user_id", Erasure.PSEUDONYMISE, clears=_SENT)),
        _streamed(
            "quarantine", Writer.RECONCILE,
            Personal("user_id", Erasure.PSEUDONYMISE, clears=(*_SENT, "payload")),
            Personal("payload", Erasure.PSEUDONYMISE, in_text=True),
        ),
        _streamed("open_items", Writer.RECONCILE, *_USER),
        _streamed("reconciliation_partial", Writer.RECONCILE, *_USER),
        _streamed("operations_reconcile_ledgers", Writer.RECONCILE),
        _streamed("fraud_signals", Writer.SCORE),
        _streamed("labels", Writer.SCORE, *_USER),
        _streamed("fraud_quarantine", Writer.SCORE, Personal("payload", Erasure.DELETE, in_text=True)),
        _streamed(
            "fraud_partial", Writer.SCORE,
            Personal("user_id", Erasure.PSEUDONYMISE, clears=("card_token", "device_id")),
        ),
        _streamed("fraud_profiles", Writer.SCORE, Personal("key", Erasure.DELETE, where="role = 'USER'")),
        _kept("control_totals", PROOF),
        _kept("statement_files", BOOK),
        _kept("statements", BOOK),
        _kept(
            "statement_lines", BOOK,
            Personal("counterparty", Erasure.PSEUDONYMISE, in_text=True),
            Personal("remittance", Erasure.PSEUDONYMISE, in_text=True),
        ),
        _kept("payouts", BOOK),
        _kept("settlement_lines", BOOK),
        _kept("merchants", REFERENCE, is_book=False),
        _kept(
            "users", "History of who a customer was, as of each payment.", Personal("user_id", Erasure.DELETE),
            is_book=False,
        ),
        _kept("locations", REFERENCE, is_book=False),
        _kept(
            "policies", REFERENCE,
            Personal("subject_id", Erasure.PSEUDONYMISE, where="subject_type = 'USER'"), is_book=False,
        ),
        _kept(
            "dimension_deliveries", "What the history of the dimensions is made from.",
            Personal("id", Erasure.DELETE, where="dimension = 'users'"),
            Personal("attributes", Erasure.PSEUDONYMISE, where="dimension = 'policies'", in_text=True), is_book=False,
        ),
        _kept(
            "dimensions_quarantine", "Waits to be put right by its owner; it names no date.",
            Personal("row", Erasure.DELETE, in_text=True), is_book=False,
        ),
        _aged("operations_index", "hour", 400, "A year and a month, to compare with the same month."),
        _aged("batch_index", "business_date", 400, "Working table: raw history gives it again at any time.", *_USER),
        _kept("reconciliation_index", BOOK, *_USER),
        _kept("breaks", BOOK),
        _kept("aggregate_index", BOOK, *_USER, hash_of="reconciliation_index"),
        _kept("run_controls", PROOF),
        _kept("audit_log", PROOF),
        _kept("adjustments", BOOK),
        _kept("compliance_rules", REFERENCE, is_book=False),
        _kept("transaction_flags", "Records of compliance.", is_book=True),
        _kept("compliance_index", "Records of compliance: their figures stay.", *_ENTITY),
        _kept("aml_alert", "Records of compliance: their figures stay.", *_ENTITY),
        _kept("merchant_index", BOOK),
        _aged(
            "user_spend_index", "business_date", 730, "A profile of a customer: two years of habits suffice.",
            Personal("user_id", Erasure.DELETE),
        ),
        _aged("fraud_index", "business_date", 1095, "Three years: chargebacks come late, and models learn from it.", *_USER),
        _aged("fraud_score_changes", "business_date", 730, "Two years, to see how scores moved."),
        _aged(
            "fraud_review_queue", "ingest_date", 180, "Half a year: what nobody has looked at by then nobody will.",
            Personal("user_id", Erasure.DELETE),
        ),
        _kept("settlement_schedule", BOOK),
        _kept("settlement_fees", REFERENCE, is_book=False),
        _kept("monitoring_programmes", REFERENCE, is_book=False),
        _kept("business_days", REFERENCE, is_book=False),
        _kept("reconciled_entries", PROOF),
        _kept("reconciliation_proof", PROOF),
        _kept("table_maintenance", PROOF),
    )
}  # fmt: skip
"""Table -> its policy; every table has one."""

TABLE_MAINTENANCE = TableContract(
    name="table_maintenance",
    layer="final",
    doc="One row before and one after each action of maintenance on a table. Of restricted tables no row is counted.",
    fields=(
        Field("action_id", StringType(), "Deterministic identifier of the action."),
        Field("stage", StringType(), "BEGUN (written before the action) or DONE (written after it)."),
        Field("as_of", DateType(), "Business date as of which the tables were maintained."),
        Field("table_name", StringType(), "Table; of VERIFY and CLOSE all that were looked at, as *."),
        Field("action", StringType(), "ERASE, RETAIN, COMPACT, VACUUM, VERIFY (no byte is left) or CLOSE (request done)."),
        Field("request_id", StringType(), "Request of erasure; null for the others.", nullable=True),
        Field("policy", StringType(), "Policy that asks for it."),
        Field("rows_before", LongType(), "Rows of the table before.", nullable=True),
        Field("rows_after", LongType(), "DONE: rows after.", nullable=True),
        Field("files_before", LongType(), "Files of the table before; VACUUM: all that lie in its folder.", nullable=True),
        Field("files_after", LongType(), "DONE: the same after.", nullable=True),
        Field("bytes_before", LongType(), "Bytes of these files before.", nullable=True),
        Field("bytes_after", LongType(), "DONE: the same after.", nullable=True),
        Field("version_before", LongType(), "Version of the table before.", nullable=True),
        Field("version_after", LongType(), "DONE: version after.", nullable=True),
        Field("outcome", StringType(), "What was to be done, or came of it; names no customer."),
        Field("detail", StringType(), "JSON of what a repetition has to know, and of the evidence.", nullable=True),
    ),
    key=("action_id", "stage"),
    checks=(
        Check("action_known", one_of("action", [a.value for a in Action])),
        Check("stage_known", one_of("stage", [s.value for s in Stage])),
    ),
    properties={"delta.appendOnly": "true"},
)
