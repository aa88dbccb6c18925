"""Measures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from paylake.fraud.handbook import measures
from tests.unit.fraud.handbook.builders import transactions


def test_a_card_that_was_found_is_not_looked_at_again() -> None:
    day = np.array([0, 0, 0, 1, 1, 1])
    card = np.array([1, 2, 3, 1, 2, 3])
    label = np.array([1, 0, 0, 1, 1, 0])
    score = np.array([0.9, 0.8, 0.1, 0.9, 0.2, 0.1])
    # day 0: cards 1 and 2, of which 1 is bad; day 1 without card 1: cards 2 and 3, of which 2 is bad
    assert measures.card_precision(day, card, label, score, most=2) == 0.5


def test_a_card_counts_by_its_highest_score_and_its_worst_label() -> None:
    day, card = np.zeros(3, dtype=int), np.array([1, 1, 2])
    label, score = np.array([1, 0, 0]), np.array([0.1, 0.9, 0.5])
    assert measures.card_precision(day, card, label, score, most=1) == 1.0


def test_of_equal_scores_the_lower_card_counts() -> None:
    day, card, score = np.zeros(2, dtype=int), np.array([2, 1]), np.array([0.5, 0.5])
    assert measures.card_precision(day, card, np.array([1, 0]), score, most=1) == 0.0


def test_recall_stays_within_its_false_positives() -> None:
    label = np.array([0] * 98 + [1, 1])
    score = np.concatenate((np.linspace(0, 0.5, 97), [0.8], [0.9, 0.6]))
    assert measures.recall(label, score, 0.01) == 0.5
    assert measures.recall(label, score, 0.021) == 1.0


def test_a_fraud_on_a_terminal_without_a_known_one_cannot_be_told() -> None:
    bad = {"is_fraud": 1, "fraud_scenario": 2}
    of = transactions({"day": 0, **bad}, {"day": 6, **bad}, {"day": 10, **bad}, {"day": 50, **bad},
                      {"day": 51, "is_fraud": 1, "fraud_scenario": 3})  # fmt: skip
    assert measures.recall_ceiling(of, np.arange(5)) == pytest.approx(2 / 5)


def test_ranks_do_not_depend_on_the_scale() -> None:
    assert measures.ranks(np.array([3.0, 1.0, 100.0])).tolist() == [0.5, 0.0, 1.0]
