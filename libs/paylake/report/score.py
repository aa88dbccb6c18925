"""How right paylake was about simulated payments, of which the truth is known."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

NONE = "NONE"
INVISIBLE = "INVISIBLE"


@dataclass(frozen=True)
class KindScore:
    """One kind of break: payments that have it in truth, payments said to have it, and those in both."""

    kind: str
    expected: int
    predicted: int
    right: int

    @property
    def precision(self) -> float:
        """Share of what was said that is true; where nothing was said, 1 if nothing was to be said, else 0."""
        return self.right / self.predicted if self.predicted else float(self.expected == 0)

    @property
    def recall(self) -> float:
        """Share of the truth that was said; where nothing was to be said, 1 if nothing was said, else 0."""
        return self.right / self.expected if self.expected else float(self.predicted == 0)


@dataclass(frozen=True)
class Score:
    """Every kind, NONE for no break among them. `strangers` were predicted, though no record of them was readable."""

    kinds: tuple[KindScore, ...]
    strangers: int

    @property
    def overall(self) -> KindScore:
        """All breaks together: every kind except NONE."""
        broken = [k for k in self.kinds if k.kind != NONE]
        return KindScore(
            "overall",
            sum(k.expected for k in broken),
            sum(k.predicted for k in broken),
            sum(k.right for k in broken),
        )

    @property
    def is_perfect(self) -> bool:
        """Every payment was given its true kind, and no other payment was given any."""
        return not self.strangers and all(k.expected == k.predicted == k.right for k in self.kinds)


def score(predicted: DataFrame, truth: DataFrame) -> Score:
    """Compare `predicted` (transaction_id, kind; null is NONE) with `truth` (transaction_id, expected_kind).

    A transaction predicted twice counts twice, and at most once as right. One that the truth calls INVISIBLE is
    expected to be absent.
    """
    said = predicted.select(
        "transaction_id",
        F.coalesce("kind", F.lit(NONE)).alias("kind"),
        F.lit(1).alias("predicted"),
        F.lit(0).alias("expected"),
    )
    true = truth.where(F.col("expected_kind") != INVISIBLE).select(
        "transaction_id",
        F.col("expected_kind").alias("kind"),
        F.lit(0).alias("predicted"),
        F.lit(1).alias("expected"),
    )
    answers = (
        said.unionByName(true)
        .groupBy("transaction_id", "kind")
        .agg(F.sum("predicted").alias("predicted"), F.sum("expected").alias("expected"))
    )
    rows = (
        answers.groupBy("kind")
        .agg(
            F.sum("expected").alias("expected"),
            F.sum("predicted").alias("predicted"),
            F.sum(F.least("expected", "predicted")).alias("right"),
        )
        .orderBy("kind")
        .collect()
    )
    per_transaction = answers.groupBy("transaction_id").agg(F.sum("expected").alias("expected"))
    strangers = per_transaction.where("expected = 0").count()
    kinds = sorted((KindScore(**r.asDict()) for r in rows), key=lambda k: (k.kind == NONE, k.kind))
    return Score(tuple(kinds), strangers)
