"""Payments as the consumers' indexes count them: one amount, one currency, one time for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.contracts.topics import LEDGERS


@dataclass(frozen=True)
class Sources:
    """What the consumers' indexes of a business date are made of; every frame holds published or posted rows only.

    `payments` are those of the date, of the 30 days before it, and older ones that settlement lines of the date name.
    `settlement_lines`, `payouts`, `statements` and `statement_lines` have the columns of their contracts and come from files
    that are posted or accepted. The dimensions are whole histories. `scores`, `signals` and `labels` are of payments of the
    date, as `first_scores`, `signals_once` and `standing_labels` give them; they have no row where nothing is scored.
    """

    business_date: date
    payments: DataFrame
    settlement_lines: DataFrame
    payouts: DataFrame
    statements: DataFrame
    statement_lines: DataFrame
    merchants: DataFrame
    users: DataFrame
    locations: DataFrame
    policies: DataFrame
    business_days: DataFrame
    operations: DataFrame
    scores: DataFrame
    signals: DataFrame
    labels: DataFrame


def payments(current: DataFrame) -> DataFrame:
    """One row per transaction of current versions: who paid whom, when, how much, and what came of it.

    `amount`, `currency`, `paid_at` and `payment_status` are the gateway's, else core's, else mobile's.
    """
    return current.select(
        "transaction_id", "business_date", "user_id", "merchant_id", "type", "channel", "payment_system", "bank_id", "city",
        "country", _first("amount").alias("amount"), _first("currency").alias("currency"), _first("at").alias("paid_at"),
        _first("status").alias("payment_status"), "status", "kind", "reason", "severity", "difference_amount", "risk_score",
        "finality",
    )  # fmt: skip


def _first(part: str) -> Column:
    # a leg is there or not as a whole
    return F.coalesce(*(F.col(f"{ledger}_{part}") for ledger in LEDGERS))
