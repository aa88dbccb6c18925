"""What is known of a transaction when it is decided, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paylake.fraud.handbook import features
from tests.unit.fraud.handbook.builders import transactions


def last(found: features.Features) -> dict[str, float]:
    return {name: float(values[-1]) for name, values in found.items()}


def test_the_base_features_of_one_transaction() -> None:
    found = last(
        features.base(
            transactions(
                {"day": 0, "is_fraud": 1},  # at the terminal, 13 days before: known
                {"day": 8, "is_fraud": 1},  # 5 days before: not known yet
                {"day": 12, "hour": 13, "amount_cents": 3000, "terminal_id": 2},
                {"day": 13, "hour": 6, "amount_cents": 2000},
            )
        )
    )
    assert found == {
        "amount": 20.0, "is_weekend": 1.0, "is_night": 1.0,
        "customer_count_1d": 2, "customer_mean_1d": 25.0, "customer_count_7d": 3, "customer_mean_7d": 20.0,
        "customer_count_30d": 4, "customer_mean_30d": 17.5,
        "terminal_count_1d": 0, "terminal_risk_1d": 0.0, "terminal_count_7d": 1, "terminal_risk_7d": 1.0,
        "terminal_count_30d": 1, "terminal_risk_30d": 1.0,
    }  # fmt: skip


def test_there_are_fifteen_base_features_and_twenty_seven_more() -> None:
    one = transactions({})
    assert len(features.base(one)) == 15
    assert list(features.extended(one))[:15] == list(features.base(one))
    assert len(features.extended(one)) == 42
    assert features.matrix(features.extended(one)).shape == (1, 42)


def test_the_first_transaction_of_a_card_and_a_terminal_has_nothing_to_compare_with() -> None:
    found = last(features.extended(transactions({})))
    unknown = {name for name, value in found.items() if math.isnan(value)}
    assert unknown == {
        "amount_to_mean_30d", "amount_z_30d", "amount_to_mean_90d", "amount_z_90d", "amount_to_mean_ever", "amount_z_ever",
        "customer_mean_ever", "seconds_since_last", "terminal_risk_14d_21d", "terminal_risk_21d_35d",
        "seconds_since_first_fraud", "seconds_since_last_fraud", "terminal_label_1", "terminal_label_2", "terminal_label_3",
    }  # fmt: skip


def test_an_amount_is_measured_by_its_customers_earlier_ones() -> None:
    found = last(
        features.extended(
            transactions(
                {"day": 0, "amount_cents": 500}, {"day": 40, "amount_cents": 1000}, {"day": 41, "amount_cents": 3000},
                {"day": 41, "hour": 13, "amount_cents": 8000},
            )
        )
    )  # fmt: skip
    assert found["amount_to_mean_30d"] == 4.0
    assert found["amount_z_30d"] == pytest.approx((8000 - 2000) / 1000)
    assert found["amount_to_mean_ever"] == pytest.approx(8000 / 1500)
    assert found["customer_mean_ever"] == 15.0
    assert (found["customer_big_1d"], found["customer_big_14d"]) == (2, 2)
    assert found["seconds_since_last"] == 3600


def test_a_terminals_frauds_count_once_their_labels_are_a_week_old() -> None:
    rows = [{"day": 0, "is_fraud": 1}, {"day": 10, "is_fraud": 1}, {"day": 11}, {"day": 20, "is_fraud": 1}, {"day": 25}]
    found = last(features.extended(transactions(*rows)))
    assert [found[f"terminal_frauds_7d_{d}d"] for d in (8, 10, 14, 21, 28, 35)] == [0, 0, 0, 1, 2, 2]
    assert (found["seconds_since_first_fraud"], found["seconds_since_last_fraud"]) == (25 * 86400, 15 * 86400)
    assert [found[f"terminal_label_{n}"] for n in (1, 2, 3)] == [0, 1, 1]
    assert (found["terminal_risk_14d_21d"], found["terminal_risk_21d_35d"]) == (0.5, 1.0)
    assert found["terminal_volume_30d"] == 5


@pytest.mark.parametrize("label", [0, 1])
def test_no_feature_knows_a_label_that_is_younger_than_a_week(label: int) -> None:
    """The leak that a test has to see: a label of yesterday changes nothing, one of last week does."""

    def told(day: int) -> np.ndarray:  # type: ignore[type-arg]
        rows = [{"day": 0}, {"day": day, "is_fraud": label}, {"day": 20}]
        return features.matrix(features.extended(transactions(*rows)))[-1]

    def good(day: int) -> np.ndarray:  # type: ignore[type-arg]
        return features.matrix(features.extended(transactions({"day": 0}, {"day": day}, {"day": 20})))[-1]

    assert np.array_equal(told(14), good(14), equal_nan=True)
    assert np.array_equal(told(13), good(13), equal_nan=True) is (label == 0)


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows = [{"transaction_id": n, "day": n // 3, "amount_cents": 100 * n, "is_fraud": n % 2} for n in range(12)]
    there, back = (features.matrix(features.extended(transactions(*some))) for some in (rows, rows[::-1]))
    assert np.array_equal(there, back, equal_nan=True)
