"""What is known of payments' fraud: the score that stands, what an outside service says since, and who says what it was."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.fraud import (
    FRAUD_INDEX,
    FRAUD_SCORE_CHANGES,
    LABEL_SOURCES,
    NORMAL,
    PAYMENT_FIELDS,
    SCORE_FIELDS,
)
from paylake.indexes.payments import Sources
from paylake.indexes.versions import content

SCORED = (*(f.name for f in (*PAYMENT_FIELDS, *SCORE_FIELDS)), "features", "recorded_at")
"""What the indexes say of a scored payment, by its columns in fraud_partial."""


def first_scores(scores: DataFrame) -> DataFrame:
    """One row per scored payment: of several rows of `fraud_partial` the first by generation and batch stands."""
    in_turn = Window.partitionBy("transaction_id").orderBy("generation", "batch")
    return scores.withColumn("_nth", F.row_number().over(in_turn)).where("_nth = 1").select(*SCORED)


def signals_once(signals: DataFrame) -> DataFrame:
    """One row per signal of `fraud_signals`, at its first arrival; a `fraud_id` that says something new says that alone."""
    said = ("fraud_score", "reason_code")
    arrived = signals.groupBy("transaction_id", "fraud_id", *said).agg(F.min("recorded_at").alias("recorded_at"))
    last = F.max(F.struct("recorded_at", *said)).alias("last")
    return arrived.groupBy("transaction_id", "fraud_id").agg(last).select("transaction_id", "fraud_id", "last.*")


def standing_labels(labels: DataFrame) -> DataFrame:
    """One row per payment of which `labels` say something: by the source of highest precedence, there the latest known.

    Of equals the first by its text. A later label of a source replaces an earlier one; the order of arrival does not matter.
    """
    place = F.array_position(F.array(*map(F.lit, LABEL_SOURCES)), F.col("source"))
    known = labels.withColumns({"place": place, "before": -F.unix_micros("known_at")})
    standing = F.min(F.struct("place", "before", "label", "source", "known_at")).alias("standing")
    return (
        known.groupBy("transaction_id")
        .agg(standing)
        .select(
            "transaction_id",
            F.col("standing.label").alias("label"),
            F.col("standing.source").alias("label_source"),
            F.col("standing.known_at").alias("label_known_at"),
        )
    )


def fraud_index(sources: Sources) -> DataFrame:
    """One row per scored payment of the business date that is not normal, breaks a rule, or has a signal or a label.

    The columns are the content of `fraud_index`; the payment's own are those with which it was scored, and amounts are in
    its currency. What is said of a payment that is not scored yet has its row once it is.
    """
    known = (
        _of_date(sources)
        .join(sources.scores, on="transaction_id")
        .join(_latest(sources.signals), on="transaction_id", how="left")
        .join(sources.labels, on="transaction_id", how="left")
    )
    is_told = (F.col("anomaly_type") != NORMAL) | (F.size("rules") > 0)
    is_told = is_told | F.col("signal_at").isNotNull() | F.col("label").isNotNull()
    return content(known.where(is_told), FRAUD_INDEX)


def fraud_score_changes(sources: Sources) -> DataFrame:
    """One row per signal on a payment of the business date that changed the outside service's score; the first one does.

    The columns are the content of `fraud_score_changes`. Signals follow each other by arrival, then by identifier.
    """
    in_turn = Window.partitionBy("transaction_id").orderBy("recorded_at", "fraud_id")
    of_date = sources.signals.join(_of_date(sources), on="transaction_id")
    followed = of_date.withColumns({
        "changed_at": F.col("recorded_at"),
        "score_before": F.lag("fraud_score").over(in_turn),
        "score_after": F.col("fraud_score"),
    })  # fmt: skip
    return content(followed.where("score_before IS NULL OR score_before <> score_after"), FRAUD_SCORE_CHANGES)


def _of_date(sources: Sources) -> DataFrame:
    of_date = F.col("business_date") == F.lit(sources.business_date)
    return sources.payments.where(of_date).select("transaction_id", "business_date")


def _latest(signals: DataFrame) -> DataFrame:
    last = F.max(F.struct("recorded_at", "fraud_id", "fraud_score", "reason_code")).alias("last")
    return (
        signals.groupBy("transaction_id")
        .agg(last)
        .select(
            "transaction_id",
            F.col("last.fraud_score").alias("signal_score"),
            F.col("last.reason_code").alias("signal_reason_code"),
            F.col("last.recorded_at").alias("signal_at"),
        )
    )
