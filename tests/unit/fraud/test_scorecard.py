"""The scorecard, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from paylake.fraud.explanations import reasons
from paylake.fraud.features import NAMES
from paylake.fraud.scorecard import BASE, POINTS, Scorecard


def row(**known: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """One payment of which only some features are known."""
    matrix = np.full((1, len(NAMES)), np.nan)
    for name, value in known.items():
        matrix[0, NAMES.index(name)] = value
    return matrix


def test_it_gives_points_to_features_that_there_are() -> None:
    assert [p.feature for p in POINTS if p.feature not in NAMES] == []


def test_of_what_is_not_known_it_says_nothing() -> None:
    card = Scorecard()
    assert card.contributions(row()).tolist() == [[0.0] * len(NAMES)]
    assert card.scores(row()).tolist() == pytest.approx([1 / (1 + np.exp(-BASE))])


def test_points_of_one_feature_add_up_as_it_grows() -> None:
    points = [Scorecard().contributions(row(user_amount_ratio=r)).sum() for r in (2.9, 3, 10, 50)]
    assert points == [0.0, 1.5, 2.5, 6.0]


def test_a_blacklisted_payment_is_suspicious_and_a_usual_one_normal() -> None:
    card = Scorecard()
    usual = row(user_amount_ratio=1, user_count_1m=1, is_night=1, is_abroad=0, is_blacklisted=0)
    assert card.scores(usual)[0] < card.thresholds.suspicious
    assert card.scores(row(is_blacklisted=1, is_night=0))[0] >= card.thresholds.suspicious
    assert card.scores(row(is_blacklisted=1, limit_ratio=3, is_night=1))[0] >= card.thresholds.fraudulent


def test_its_points_are_its_reasons() -> None:
    card, matrix = Scorecard(), row(user_amount_ratio=60, user_usual_amount=12.5, is_night=1)
    assert reasons(matrix, card.contributions(matrix)) == [
        [
            {
                "code": "AMOUNT_UNUSUAL",
                "text": "The amount is far from what the customer usually pays.",
                "feature": "user_amount_ratio",
                "observed": 60.0,
                "baseline": 12.5,
            },
            {"code": "NIGHT", "text": "The payment comes at night.", "feature": "is_night", "observed": 1.0,
             "baseline": None},
        ]
    ]  # fmt: skip
