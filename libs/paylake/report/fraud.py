"""What the scored payments of a date say of fraud, and how right they are where the truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from paylake.contracts.fraud import ANOMALY_TYPES, DECLINE, NORMAL, REASON_TEXTS

BUDGET = 0.021
"""The share of good payments that may be flagged, at which requirement L3 asks how many frauds are found."""


@dataclass(frozen=True)
class ScenarioScore:
    """A kind of fraud: its payments that were scored, and those of them that were flagged."""

    scenario: str
    frauds: int
    flagged: int


@dataclass(frozen=True)
class TypeScore:
    """An anomaly type: its payments, and the true frauds among them."""

    anomaly_type: str
    payments: int
    frauds: int


@dataclass(frozen=True)
class Prevented:
    """Money of true frauds in one currency: of all of them, and of those that were to be declined."""

    currency: str
    amount: Decimal
    prevented_amount: Decimal


@dataclass(frozen=True)
class FraudScore:
    """Flagged payments (suspicious and fraudulent) and scores, held against the truth; shares from 0 to 1.

    `recall_in_budget` is the share of frauds with a score above that of all but BUDGET of the good payments.
    """

    average_precision: float
    recall_in_budget: float
    types: tuple[TypeScore, ...]
    scenarios: tuple[ScenarioScore, ...]
    prevented: tuple[Prevented, ...]

    @property
    def frauds(self) -> int:
        """True frauds that were scored."""
        return sum(one.frauds for one in self.types)

    @property
    def flagged(self) -> int:
        """Payments that are not normal."""
        return sum(one.payments for one in self.types if one.anomaly_type != NORMAL)

    @property
    def right(self) -> int:
        """True frauds among them."""
        return sum(one.frauds for one in self.types if one.anomaly_type != NORMAL)

    @property
    def precision(self) -> float:
        """The share of flagged payments that are frauds; 1 where none is flagged."""
        return self.right / self.flagged if self.flagged else 1.0

    @property
    def recall(self) -> float:
        """The share of frauds that are flagged; 1 where there are none."""
        return self.right / self.frauds if self.frauds else 1.0


@dataclass(frozen=True)
class Alerts:
    """What the alert job published: alerts among decisions, and milliseconds from a payment's arrival to its decision."""

    decisions: int
    alerts: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    rate: int
    """Payments a second at which the times were taken."""


@dataclass(frozen=True)
class FraudFigures:
    """Scored payments by anomaly type, why they were flagged, who scored them, and the alert job's figures, if one ran."""

    by_type: Mapping[str, int]
    reasons: tuple[tuple[str, int], ...]
    models: tuple[str, ...]
    score: FraudScore | None
    alerts: Alerts | None = None

    @property
    def scored(self) -> int:
        """Payments that were scored."""
        return sum(self.by_type.values())

    @property
    def flagged(self) -> int:
        """Of these, suspicious or fraudulent ones."""
        return self.scored - self.by_type.get(NORMAL, 0)


def fraud_figures(scored: DataFrame, truth: DataFrame | None, alerts: Alerts | None = None) -> FraudFigures | None:
    """The figures of scored payments (`fraud_partial`); None where there are none.

    `truth` has transaction_id and fraud_scenario, which is null for good payments.
    """
    kinds = scored.groupBy("anomaly_type").agg(
        F.count("*").alias("n"), F.collect_set(F.concat_ws(" ", "model_name", "model_version")).alias("models")
    )
    rows = kinds.collect()
    if not rows:
        return None
    by_type = {kind: sum(r["n"] for r in rows if r["anomaly_type"] == kind) for kind in ANOMALY_TYPES}
    codes = scored.select(F.explode("reasons.code").alias("code")).groupBy("code").count().collect()
    reasons = sorted(((REASON_TEXTS.get(r["code"], r["code"]), r["count"]) for r in codes), key=lambda r: (-r[1], r[0]))
    models = sorted({model for r in rows for model in r["models"]})
    score = None if truth is None else _score(scored, truth)
    return FraudFigures(by_type, tuple(reasons), tuple(models), score, alerts)


def _score(scored: DataFrame, truth: DataFrame) -> FraudScore:
    told = scored.join(truth.select("transaction_id", "fraud_scenario"), "transaction_id").select(
        "score", "amount", "currency", "anomaly_type", "fraud_scenario",
        F.col("fraud_scenario").isNotNull().alias("is_fraud"),
        (F.col("anomaly_type") != NORMAL).alias("is_flagged"),
        (F.col("decision") == DECLINE).alias("is_declined"),
    )  # fmt: skip
    scenarios = (
        told.where("is_fraud").groupBy("fraud_scenario").agg(F.count("*").alias("n"), F.count_if("is_flagged").alias("hit"))
    )
    money = (
        told.where("is_fraud")
        .groupBy("currency")
        .agg(F.sum("amount").alias("all"), F.sum(F.when(F.col("is_declined"), F.col("amount"))).alias("prevented"))
    )
    # one row per distinct score: enough for every measure of an order, and few beside the payments
    steps = (
        told.groupBy("score")
        .agg(F.count("*").alias("n"), F.count_if("is_fraud").alias("bad"))
        .orderBy(F.desc("score"))
        .collect()
    )
    types = {
        r["anomaly_type"]: r
        for r in told.groupBy("anomaly_type").agg(F.count("*").alias("n"), F.count_if("is_fraud").alias("bad")).collect()
    }
    average, within = _of_order([(r["n"], r["bad"]) for r in steps])
    return FraudScore(
        average_precision=average,
        recall_in_budget=within,
        types=tuple(TypeScore(kind, types[kind]["n"], types[kind]["bad"]) for kind in ANOMALY_TYPES if kind in types),
        scenarios=tuple(
            ScenarioScore(r["fraud_scenario"], r["n"], r["hit"]) for r in scenarios.orderBy("fraud_scenario").collect()
        ),
        prevented=tuple(
            Prevented(r["currency"], r["all"], r["prevented"] or Decimal(0)) for r in money.orderBy("currency").collect()
        ),
    )


def _of_order(steps: list[tuple[int, int]]) -> tuple[float, float]:
    """Average precision, and the recall within BUDGET, of payments and frauds per score, from the highest score down.

    Average precision is the sum over the scores of precision times the step in recall, as scikit-learn defines it.
    """
    frauds, good = sum(bad for _, bad in steps), sum(n - bad for n, bad in steps)
    found, flagged, average, within = 0, 0, 0.0, 0.0
    for n, bad in steps:
        found, flagged = found + bad, flagged + n
        average += bad / frauds * found / flagged if frauds else 0.0
        if frauds and flagged - found <= BUDGET * good:
            within = found / frauds
    return average, within
