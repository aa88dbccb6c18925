"""Reasons, by hand, over a few features."""

from __future__ import annotations

import numpy as np
import pytest

from paylake.contracts.fraud import REASON_TEXTS
from paylake.fraud.explanations import reasons
from paylake.fraud.features import Feature

FEATURES = (
    Feature("night", "PAYMENT", "", "NIGHT"),
    Feature("ratio", "USER", "", "AMOUNT_UNUSUAL", baseline="usual"),
    Feature("usual", "USER", "", "AMOUNT_UNUSUAL"),
    Feature("count_1h", "USER", "", "VELOCITY"),
    Feature("count_24h", "USER", "", "VELOCITY"),
    Feature("abroad", "PAYMENT", "", "COUNTRY_MISMATCH"),
)
NAMES = [f.name for f in FEATURES]


def said(values: dict[str, float], weights: dict[str, float], most: int = 4) -> list[tuple[object, ...]]:
    """Code, feature, observed and baseline of a payment's reasons; what is not named is not known, and weighs nothing."""
    matrix = np.array([[values.get(name, np.nan) for name in NAMES]])
    weight = np.array([[weights.get(name, 0.0) for name in NAMES]])
    (found,) = reasons(matrix, weight, most, FEATURES)
    assert all(one["text"] == REASON_TEXTS[one["code"]] for one in found)
    return [(one["code"], one["feature"], one["observed"], one["baseline"]) for one in found]


def test_features_of_one_reason_count_together_and_the_strongest_is_shown() -> None:
    found = said({"count_1h": 3, "count_24h": 9, "night": 1}, {"count_1h": 0.4, "count_24h": 0.5, "night": 0.8})
    assert found == [("VELOCITY", "count_24h", 9.0, None), ("NIGHT", "night", 1.0, None)]


def test_what_speaks_against_fraud_is_no_reason() -> None:
    assert said({"night": 1, "ratio": 2}, {"night": -0.5, "ratio": 1.0, "usual": -1.0}) == []


def test_what_was_observed_stands_beside_what_is_usual() -> None:
    assert said({"ratio": 60, "usual": 12.5}, {"ratio": 2}) == [("AMOUNT_UNUSUAL", "ratio", 60.0, 12.5)]


def test_what_is_not_known_is_none() -> None:
    assert said({}, {"ratio": 2}) == [("AMOUNT_UNUSUAL", "ratio", None, None)]


def test_equal_reasons_stand_in_the_order_of_the_vocabulary() -> None:
    found = said({}, {"night": 1, "abroad": 1, "count_1h": 1, "ratio": 1})
    assert [code for code, *_ in found] == ["AMOUNT_UNUSUAL", "VELOCITY", "COUNTRY_MISMATCH", "NIGHT"]


def test_no_more_than_asked_for() -> None:
    assert len(said({}, {"night": 1, "abroad": 1, "count_1h": 1, "ratio": 1}, most=2)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_features_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, weights = rng.normal(size=(20, len(NAMES))), np.round(rng.normal(size=(20, len(NAMES))), 1)
    order = rng.permutation(len(NAMES))
    shuffled = tuple(FEATURES[number] for number in order)
    assert reasons(matrix[:, order], weights[:, order], 4, shuffled) == reasons(matrix, weights, 4, FEATURES)
