"""The Kafka topics: which ledger speaks on which, and how each is created."""

from __future__ import annotations

from dataclasses import dataclass

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Topic:
    """How a topic is created; `ledger` names the source whose records it carries, if it carries a ledger's."""

    doc: str
    partitions: int
    ledger: str | None = None
    retention_ms: int = 7 * DAY_MS


GATEWAY, CORE, MOBILE = LEDGERS = ("gateway", "core", "mobile")

PG_TRANSACTIONS = "pg-transactions"
CBS_TRANSACTIONS = "cbs-transactions"
MOBILE_TRANSACTIONS = "mobile-transactions"
CLOCK = "paylake-clock"
CONTROLS = "paylake-controls"
FRAUD_SIGNALS_TOPIC = "fraud-signals"
FRAUD_LABELS_TOPIC = "fraud-labels"
FRAUD_ALERTS = "fraud-alerts"
FRAUD_DECISIONS = "fraud-decisions"

TOPICS: dict[str, Topic] = {
    PG_TRANSACTIONS: Topic("Records of the payment gateway.", partitions=2, ledger=GATEWAY),
    CBS_TRANSACTIONS: Topic("Records of the core banking ledger.", partitions=2, ledger=CORE),
    MOBILE_TRANSACTIONS: Topic("Records of the mobile banking app.", partitions=2, ledger=MOBILE),
    CLOCK: Topic("Ticks: as of a time, the ends of every ledger partition were these offsets.", partitions=1),
    CONTROLS: Topic("Control totals that each source publishes per currency and hour.", partitions=1),
    FRAUD_SIGNALS_TOPIC: Topic("Scores of an outside inference service.", partitions=1),
    FRAUD_LABELS_TOPIC: Topic(
        "What somebody says of a payment later: chargebacks, analysts, issuers' reports.", partitions=1
    ),
    FRAUD_ALERTS: Topic("Payments that look like fraud, with reasons, within milliseconds.", partitions=2),
    FRAUD_DECISIONS: Topic("What the gateway should do with a payment, for its final authorisation.", partitions=2),
}

REPLAY_SUFFIX = "-replay"
"""What a ledger's topic is called further where it takes records that it is missing."""

LEDGER_TOPICS: dict[str, str] = {t.ledger: name for name, t in TOPICS.items() if t.ledger}
"""Ledger -> its topic."""

TOPIC_LEDGERS: dict[str, str] = {name: ledger for ledger, name in LEDGER_TOPICS.items()}
"""Topic -> its ledger."""
