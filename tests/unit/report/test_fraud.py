"""The report's figures of fraud, from a few scored payments whose truth is known."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from paylake.contracts import FRAUD_PARTIAL
from paylake.report.fraud import (
    BUDGET,
    Alerts,
    FraudFigures,
    FraudScore,
    Prevented,
    ScenarioScore,
    TypeScore,
    _of_order,
    fraud_figures,
)
from tests.builders import frame, rows

TRUTH = "transaction_id string, fraud_scenario string"


def scored(spark: SparkSession, *payments: tuple[str, float, str, str]):  # type: ignore[no-untyped-def]
    decisions = {"normal": "APPROVE", "suspicious": "REVIEW", "fraudulent": "DECLINE"}
    reason = {"code": "NIGHT", "text": "x", "feature": "is_night", "observed": 1.0, "baseline": None}
    said = [
        {"transaction_id": t, "score": s, "anomaly_type": kind, "decision": decisions[kind], "currency": currency,
         "reasons": [] if kind == "normal" else [reason], "model_name": "m", "model_version": "3"}
        for t, s, kind, currency in payments
    ]  # fmt: skip
    return rows(spark, FRAUD_PARTIAL, *said)


@pytest.mark.spark
def test_flagged_payments_are_held_against_the_truth_per_type_campaign_and_currency(spark: SparkSession) -> None:
    payments = scored(
        spark,
        ("a", 0.9, "fraudulent", "INR"), ("b", 0.8, "suspicious", "USD"), ("c", 0.7, "suspicious", "INR"),
        ("d", 0.1, "normal", "INR"), ("e", 0.0, "normal", "INR"),
    )  # fmt: skip
    truth = frame(spark, TRUTH, ("a", "CARD_TESTING"), ("b", "CARD_TESTING"), ("c", None), ("d", "MULE_FAN_IN"), ("e", None))
    alerts = Alerts(5, 2, 14.0, 23.0, 24.0, 1000)
    assert fraud_figures(payments, truth, alerts) == FraudFigures(
        by_type={"normal": 2, "suspicious": 2, "fraudulent": 1},
        reasons=(("The payment comes at night.", 3),),
        models=("m 3",),
        score=FraudScore(
            average_precision=pytest.approx((1 + 1 + 3 / 4) / 3),
            recall_in_budget=pytest.approx(2 / 3),
            types=(TypeScore("normal", 2, 1), TypeScore("suspicious", 2, 1), TypeScore("fraudulent", 1, 1)),
            scenarios=(ScenarioScore("CARD_TESTING", 2, 2), ScenarioScore("MULE_FAN_IN", 1, 0)),
            prevented=(
                Prevented("INR", Decimal("200.0000"), Decimal("100.0000")),
                Prevented("USD", Decimal("100.0000"), Decimal(0)),
            ),
        ),
        alerts=alerts,
    )


@pytest.mark.spark
def test_without_scored_payments_there_are_no_figures(spark: SparkSession) -> None:
    assert fraud_figures(scored(spark).limit(0), None) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40))
def test_average_precision_and_recall_are_those_of_scikit_learn(payments: list[tuple[int, bool]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="the extra `fraud` is not installed")
    score, is_fraud = zip(*payments, strict=True)
    steps = [
        (sum(s == one for s in score), sum(bad for s, bad in payments if s == one))
        for one in sorted(set(score), reverse=True)
    ]
    average, within = _of_order(steps)
    if any(is_fraud):
        assert average == pytest.approx(metrics.average_precision_score(is_fraud, score))
    if any(is_fraud) and not all(is_fraud):
        good, bad, _ = metrics.roc_curve(is_fraud, score, drop_intermediate=False)
        assert within == pytest.approx(bad[good <= BUDGET].max())
