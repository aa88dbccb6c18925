"""Thresholds, money and curves, by hand."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from paylake.fraud import judging
from paylake.fraud.judging import Costs, Money
from paylake.fraud.scorer import Thresholds

LABEL = np.array([1, 0, 1, 0, 0, 0, 0, 0])
SCORES = np.array([0.9, 0.8, 0.7, 0.4, 0.3, 0.2, 0.1, 0.0])
UNITS = np.array([500, 10, 300, 10, 10, 10, 10, 10]) * 10_000
EUR = np.full(8, "EUR")
CHEAP = Costs(loss=1.0, chargeback_fee=0.0, margin=0.0, friction=1.0, review=0.1)


def test_the_line_is_drawn_where_declining_pays_most() -> None:
    # a good payment of 10 lost for a fraud of 300 caught
    assert judging.thresholds(LABEL, SCORES, UNITS, EUR, CHEAP, budget=1.0) == Thresholds(0.7, 0.7)
    # ten thousand times the payment for each annoyed customer: decline only what is surely fraud, look at the next two
    dear = Costs(loss=1.0, chargeback_fee=0.0, margin=0.0, friction=10_000.0, review=0.1)
    assert judging.thresholds(LABEL, SCORES, UNITS, EUR, dear, budget=1.0) == Thresholds(0.7, 0.9)


def test_the_budget_of_false_positives_holds_against_all_gains() -> None:
    # of six good payments none may be flagged: both lines lie above the highest of them
    cuts = judging.thresholds(LABEL, SCORES, UNITS, EUR, CHEAP, budget=0.0)
    assert cuts.suspicious == cuts.fraudulent
    assert 0.8 < cuts.suspicious < 0.9


def test_nothing_is_declined_where_declining_never_pays() -> None:
    label = np.array([0, 0, 1])
    cuts = judging.thresholds(label, np.array([0.9, 0.8, 0.1]), np.array([1, 1, 1]) * 10_000, EUR[:3],
                              Costs(friction=1_000.0, review=1_000.0), budget=1.0)  # fmt: skip
    assert cuts == Thresholds(1.0, 1.0)


def test_a_currency_counts_by_its_payments_and_not_by_its_amounts() -> None:
    label, scores = np.array([1, 0, 0, 1, 0, 0]), np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    units = np.array([90, 10, 10, 90, 10, 10]) * 10_000
    both = np.array(["EUR"] * 3 + ["IDR"] * 3)
    costs = Costs(loss=1.0, chargeback_fee=0.0, margin=0.0, friction=1.0, review=10.0)
    same = judging.thresholds(label, scores, units, both, costs, 1.0)
    in_rupiah = np.where(both == "IDR", units * 16_000, units)
    assert judging.thresholds(label, scores, in_rupiah, both, costs, 1.0) == same == Thresholds(0.6, 0.6)


def test_money_is_told_per_currency_and_never_added() -> None:
    currency = np.array(["EUR", "EUR", "INR", "INR", "EUR", "EUR", "INR", "INR"])
    assert judging.money(LABEL, SCORES, UNITS, currency, Thresholds(0.7, 0.85), CHEAP) == (
        Money("EUR", Decimal(500), Decimal(500), Decimal(500), pytest.approx(1 - 1 / 500)),
        Money("INR", Decimal(300), Decimal(0), Decimal(300), pytest.approx(1 - 1 / 300)),
    )


def test_folds_add_up_per_currency() -> None:
    first = Money("EUR", Decimal("10.50"), Decimal(5), Decimal(6), 0.5)
    other = Money("INR", Decimal(1), Decimal(1), Decimal(1), 1.0)
    assert judging.added([(first,), (first, other)]) == (
        Money("EUR", Decimal("21.00"), Decimal(10), Decimal(12), 0.5),
        other,
    )


def test_measures_at_the_lines() -> None:
    found = judging.measured(LABEL, SCORES, np.arange(8), np.arange(8), Thresholds(0.3, 0.8))
    assert found == pytest.approx(
        {
            "auc": 11 / 12, "average_precision": (1 + 2 / 3) / 2, "recall_at_1_percent": 0.5, "recall_at_2_1_percent": 0.5,
            "card_precision_at_100": 0.02, "calibration_error": (0.1 + 0.8 + 0.3 + 0.4 + 0.3 + 0.2 + 0.1) / 8,
            "recall_suspicious": 1.0, "false_positives_suspicious": 0.5, "precision_suspicious": 0.4,
            "recall_fraudulent": 0.5, "false_positives_fraudulent": 1 / 6, "precision_fraudulent": 0.5,
        }
    )  # fmt: skip


def test_redrawn_tests_lie_around_the_measured_one() -> None:
    rng = np.random.default_rng(0)
    label = (rng.random(5_000) < 0.05).astype(np.int64)
    scores = rng.random(5_000) + label * 0.4
    measured = judging.measured(label, scores, np.zeros(5_000, np.int64), np.arange(5_000), Thresholds(1, 1))
    mean, low, high = judging.intervals([measured], [(label, scores)], seed=0)["average_precision"]
    assert mean == measured["average_precision"]
    assert low < mean < high < low + 0.2


def test_the_curves_hold_every_payment_once() -> None:
    found = judging.curves(LABEL, SCORES)
    assert sum(count for *_, count in found.calibration) == 8
    assert found.precision_recall[-1] == (0.9, 1.0, 0.5)
    assert found.precision_recall[0] == (0.0, 0.25, 1.0)
