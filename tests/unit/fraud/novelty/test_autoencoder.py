"""The autoencoder: numpy says what Keras says, a seed gives one net, and what does not go together stands out."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from paylake.errors import SettingsError
from paylake.fraud.features import NAMES
from paylake.fraud.novelty import autoencoder
from paylake.fraud.novelty.autoencoder import Autoencoder, train_autoencoder
from paylake.fraud.novelty.vectors import SEEN, Scale, Vectors, in_order

takes_keras = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("keras", "jax")),
    reason="The neural models are trained with Keras on JAX: pip install 'paylake[novelty]'.",
)
A, B = NAMES.index("user_count_1h"), NAMES.index("user_count_24h")


def payments(count: int = 1_500) -> Vectors:
    """Payments that differ in two features, which always rise together."""
    matrix = np.zeros((count, len(NAMES)))
    matrix[:, A] = matrix[:, B] = np.random.default_rng(0).integers(0, 50, count)
    return in_order(matrix, np.arange(count))


def apart() -> Vectors:
    """Two payments of usual values, of which the second one's do not go together."""
    matrix = np.zeros((2, len(NAMES)))
    matrix[:, A], matrix[:, B] = (10, 40), (10, 2)
    return in_order(matrix, np.arange(2))


@takes_keras
def test_what_does_not_go_together_stands_out_though_each_value_is_usual() -> None:
    model = train_autoencoder(payments())
    together, not_together = model.errors(apart())
    assert not_together > 5 * together
    residuals = model.residuals(apart())[1]
    assert set(np.argsort(-np.abs(residuals))[:2]) == {SEEN.index("user_count_1h"), SEEN.index("user_count_24h")}
    assert residuals[SEEN.index("user_count_1h")] > 0 > residuals[SEEN.index("user_count_24h")]


@takes_keras
def test_numpy_says_what_keras_says() -> None:
    of = payments()
    seen = Scale.of(of.matrix)(of.matrix)
    net = autoencoder.dense_net(seen.shape[1], seed=3)
    weights = [np.asarray(one, np.float32) for one in net.get_weights()]
    model = Autoencoder(Scale.of(of.matrix), tuple(zip(weights[::2], weights[1::2], strict=True)))
    assert np.abs(model.told(seen) - np.asarray(net.predict(seen, verbose=0))).max() < 1e-4


@takes_keras
def test_the_same_seed_gives_the_same_net_and_another_seed_another() -> None:
    of = payments(300)
    first, again, other = (train_autoencoder(of, seed, epochs=1).errors(of) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_another_backend_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(SettingsError, match="trained on JAX, but Keras runs on torch: set KERAS_BACKEND=jax"):
        autoencoder.keras_on_jax()


def test_a_missing_library_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(SettingsError, match=r"The neural models take jax: pip install 'paylake\[novelty\]'"):
        autoencoder.keras_on_jax()


def test_an_error_is_the_mean_square_of_what_was_not_told_again() -> None:
    width = 2 * len(SEEN)
    silent = Autoencoder(Scale(np.zeros(len(SEEN)), np.ones(len(SEEN))), ((np.zeros((width, width)), np.zeros(width)),))
    matrix = np.zeros((2, len(NAMES)))
    matrix[0, A], matrix[1, B] = np.expm1(3.0), np.nan
    of = in_order(matrix, np.arange(2))
    assert silent.errors(of).tolist() == pytest.approx([9 / width, 1 / width])
    # of what is not known nothing is said
    assert silent.residuals(of).sum(axis=1).tolist() == pytest.approx([3, 0])
