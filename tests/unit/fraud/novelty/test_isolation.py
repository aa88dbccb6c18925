"""The isolation forest: its sign, its share, its seed."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest as Forest

from paylake.errors import SettingsError
from paylake.fraud.features import NAMES
from paylake.fraud.novelty import isolation
from paylake.fraud.novelty.isolation import train_isolation_forest
from paylake.fraud.novelty.vectors import SEEN, Scale, Vectors, in_order


def payments(count: int = 600, seed: int = 0) -> Vectors:
    """Payments that are all alike, but for the last one, which is far from them in every feature."""
    matrix = np.random.default_rng(seed).lognormal(size=(count, len(NAMES)), sigma=0.3)
    matrix[-1] = 1_000.0
    return in_order(matrix, np.arange(count))


def test_the_payment_that_is_unlike_the_others_has_the_largest_error() -> None:
    of = payments()
    model = train_isolation_forest(of)
    errors = model.errors(of)
    assert int(errors.argmax()) == len(of) - 1
    assert np.array_equal(errors, -model.decisions(of))


def test_numpy_says_what_scikit_learn_says(monkeypatch: pytest.MonkeyPatch) -> None:
    # in more than one go
    monkeypatch.setattr(isolation, "AT_ONCE", 100)
    of = payments()
    scale = Scale.of(of.matrix)
    # few and equal payments: leaves hold one, two and many
    forest = Forest(n_estimators=30, max_samples=64, contamination=0.1, random_state=5)
    forest.fit(np.repeat(scale(of.matrix)[:40], 5, axis=0))
    ours = isolation.flattened(scale, forest)
    assert np.abs(ours.decisions(of) - forest.decision_function(scale(of.matrix))).max() < 1e-9


@pytest.mark.parametrize("contamination", [0.1, 0.25])
def test_the_share_of_contamination_lies_above_nothing(contamination: float) -> None:
    errors = train_isolation_forest(payments(), contamination).errors(payments())
    assert (errors > 0).mean() == pytest.approx(contamination, abs=0.005)


def test_the_same_seed_gives_the_same_forest_and_another_seed_another() -> None:
    of = payments()
    first, again, other = (train_isolation_forest(of, seed=seed).errors(of) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_payment_of_which_little_is_known_is_unusual_where_most_is_known_of_others() -> None:
    of = payments()
    is_bare = np.arange(len(of)) % 50 == 0
    matrix = np.where(is_bare[:, None], np.nan, of.matrix)
    gaps = Vectors(matrix, matrix, of.before)
    errors = train_isolation_forest(gaps).errors(gaps)
    assert errors[is_bare].min() > np.quantile(errors[~is_bare], 0.95)


def test_the_residuals_are_deviations_from_the_mean() -> None:
    of = payments()
    found = train_isolation_forest(of).residuals(of)
    assert found.shape == (len(of), len(SEEN))
    assert found[-1].min() > 5


def test_no_payment_has_no_error() -> None:
    of = payments()
    assert train_isolation_forest(of).errors(of.taken(np.zeros(0, np.int64))).shape == (0,)


@pytest.mark.parametrize("contamination", [0, 0.6])
def test_a_contamination_that_is_no_share_is_refused(contamination: float) -> None:
    with pytest.raises(SettingsError, match="is not above 0 and at most 0.5; 0.1 is one payment in ten"):
        train_isolation_forest(payments(), contamination)
