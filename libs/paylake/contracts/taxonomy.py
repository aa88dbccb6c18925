"""The words of reconciliation: payment statuses, break reasons, kinds of break, and what each means to whom.

`KINDS` is the one table from which every other spelling is looked up: what the simulation injects (chaos type), what
the index says (status, kind), why (reasons, family), how bad (severity) and who acts (owner).
Sources: requirements 2.1, 2.5 and A6 to A12; the families and their precedence follow the break taxonomy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The status of a reconciled transaction (requirements 2.1)."""

    PENDING = "PENDING"
    MATCHED = "MATCHED"
    MISMATCH = "MISMATCH"
    WARNING = "WARNING"
    MISSING_PG = "MISSING_PG"
    MISSING_CBS = "MISSING_CBS"
    MISSING_MOBILE = "MISSING_MOBILE"
    CRITICAL_MISSING = "CRITICAL_MISSING"
    AUTO_RESOLVED = "AUTO_RESOLVED"
    MANUALLY_RESOLVED = "MANUALLY_RESOLVED"
    IGNORED = "IGNORED"


class Severity(StrEnum):
    """How bad a break is (requirements A6 to A12)."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"
    CRITICAL = "Critical"


SLA_HOURS: dict[Severity, int] = {Severity.CRITICAL: 4, Severity.HIGH: 24, Severity.MEDIUM: 72, Severity.LOW: 168}
"""Severity -> hours within which somebody has to act on a break, from the run that found it."""


class Family(StrEnum):
    """The family of a break, in order of precedence: the first that applies gives the primary reason."""

    IDENTITY = "IDENTITY"
    CURRENCY = "CURRENCY"
    PRESENCE = "PRESENCE"
    AMOUNT = "AMOUNT"
    STATUS = "STATUS"
    DATE = "DATE"


@dataclass(frozen=True)
class Kind:
    """A kind of break. `reasons` are those that it shows; the first one is its primary reason."""

    name: str
    reasons: tuple[str, ...]
    status: Status
    family: Family
    severity: Severity
    owner: str
    doc: str


DUPLICATE_POSTING = "DUPLICATE_POSTING"
CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
MISSING_IN_GATEWAY = "MISSING_IN_GATEWAY"
MISSING_IN_CORE = "MISSING_IN_CORE"
MISSING_IN_MOBILE = "MISSING_IN_MOBILE"
AMOUNT_OVER = "AMOUNT_OVER"
AMOUNT_UNDER = "AMOUNT_UNDER"
STATUS_MISMATCH = "STATUS_MISMATCH"
DATE_DRIFT = "DATE_DRIFT"

REASONS: tuple[str, ...] = (
    DUPLICATE_POSTING,
    CURRENCY_MISMATCH,
    MISSING_IN_GATEWAY,
    MISSING_IN_CORE,
    MISSING_IN_MOBILE,
    AMOUNT_OVER,
    AMOUNT_UNDER,
    STATUS_MISMATCH,
    DATE_DRIFT,
)
"""Every reason, in order of precedence: the first that holds is the primary reason."""

KINDS: tuple[Kind, ...] = (
    Kind(
        "DUPLICATE_POSTING", (DUPLICATE_POSTING,), Status.MISMATCH, Family.IDENTITY, Severity.HIGH, "ledger operations",
        "One ledger booked the payment twice, with different amounts or currencies.",
    ),
    Kind(
        "CURRENCY_MISMATCH", (CURRENCY_MISMATCH,), Status.MISMATCH, Family.CURRENCY, Severity.HIGH, "ledger operations",
        "The ledgers name different currencies; nothing is compared across them.",
    ),
    Kind(
        "CRITICAL_MISSING", (MISSING_IN_GATEWAY, MISSING_IN_CORE, MISSING_IN_MOBILE), Status.CRITICAL_MISSING,
        Family.PRESENCE, Severity.CRITICAL, "incident management", "Only one ledger knows the payment.",
    ),
    Kind(
        "MISSING_PG", (MISSING_IN_GATEWAY,), Status.MISSING_PG, Family.PRESENCE, Severity.HIGH, "gateway operations",
        "The gateway has no record of the payment.",
    ),
    Kind(
        "MISSING_CBS", (MISSING_IN_CORE,), Status.MISSING_CBS, Family.PRESENCE, Severity.HIGH, "core banking operations",
        "The payment vanished in core banking.",
    ),
    Kind(
        "MISSING_MOBILE", (MISSING_IN_MOBILE,), Status.MISSING_MOBILE, Family.PRESENCE, Severity.MEDIUM,
        "mobile operations", "The payment was not synchronised to the mobile app.",
    ),
    Kind(
        "FRAUD_ATTEMPT", (AMOUNT_OVER, AMOUNT_UNDER), Status.MISMATCH, Family.AMOUNT, Severity.CRITICAL, "fraud desk",
        "The amounts differ by more than ten times the smallest.",
    ),
    Kind(
        "TRIPLE_MISMATCH", (AMOUNT_OVER, AMOUNT_UNDER), Status.MISMATCH, Family.AMOUNT, Severity.CRITICAL,
        "finance operations", "All three ledgers name different amounts.",
    ),
    Kind(
        "AMOUNT_MISMATCH", (AMOUNT_OVER, AMOUNT_UNDER), Status.MISMATCH, Family.AMOUNT, Severity.HIGH,
        "finance operations", "One ledger's amount differs beyond the tolerance.",
    ),
    Kind(
        "STATUS_MISMATCH", (STATUS_MISMATCH,), Status.MISMATCH, Family.STATUS, Severity.MEDIUM, "payment operations",
        "The ledgers report conflicting states.",
    ),
    Kind(
        "TIMESTAMP_DRIFT", (DATE_DRIFT,), Status.WARNING, Family.DATE, Severity.LOW, "platform engineering",
        "The ledgers' times drift apart, and nothing else.",
    ),
)  # fmt: skip

KIND: dict[str, Kind] = {kind.name: kind for kind in KINDS}

MISSING_IN: dict[str, str] = {
    "gateway": MISSING_IN_GATEWAY,
    "core": MISSING_IN_CORE,
    "mobile": MISSING_IN_MOBILE,
}
"""Ledger -> the reason that says its leg is missing."""

FAMILY_OF_REASON: dict[str, Family] = {
    reason: next(kind.family for kind in KINDS if reason in kind.reasons) for reason in REASONS
}

OTHER_SPELLINGS: dict[str, str] = {
    "MISSING_IN_LEDGER": MISSING_IN_CORE,
    "MISSING_IN_BANK": MISSING_IN_MOBILE,
    "TIMESTAMP_DRIFT": DATE_DRIFT,
    "WRONG_CURRENCY": CURRENCY_MISMATCH,
    "CONFLICTING_DUPLICATE": DUPLICATE_POSTING,
}
"""Other names in use for a reason -> the reason."""

PAYMENT_STATUSES: tuple[str, ...] = (
    "PENDING", "PROCESSING", "SUCCESS", "FAILED", "REVERSED", "REFUNDED", "CHARGEBACK",
)  # fmt: skip
"""The life of a payment in its written order: a later one is an update of an earlier one."""

STATUS_SPELLINGS: dict[str, str] = {
    **{status: status for status in PAYMENT_STATUSES},
    "INITIATED": "PENDING",
    "CREATED": "PENDING",
    "AUTHORIZED": "PROCESSING",
    "AUTHORISED": "PROCESSING",
    "IN_PROGRESS": "PROCESSING",
    "CAPTURED": "SUCCESS",
    "COMPLETED": "SUCCESS",
    "POSTED": "SUCCESS",
    "SETTLED": "SUCCESS",
    "PAID": "SUCCESS",
    "SUCCEEDED": "SUCCESS",
    "DECLINED": "FAILED",
    "REJECTED": "FAILED",
    "ERROR": "FAILED",
    "CANCELLED": "REVERSED",
    "VOIDED": "REVERSED",
    "REFUND": "REFUNDED",
    "DISPUTED": "CHARGEBACK",
}
"""What a ledger writes (upper case) -> the payment status it means."""
