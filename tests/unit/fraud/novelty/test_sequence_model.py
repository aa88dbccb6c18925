"""The sequence model: numpy says what Keras says, and only of customers with five payments before."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from paylake.errors import SourceError
from paylake.fraud.features import NAMES
from paylake.fraud.novelty import sequence_model
from paylake.fraud.novelty.channel import WEIGHTS, train_channel
from paylake.fraud.novelty.sequence_model import SequenceModel, histories, train_sequence_model
from paylake.fraud.novelty.vectors import SEEN, STEPS, Scale, Vectors, in_order, just_one

takes_keras = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("keras", "jax")),
    reason="The neural models are trained with Keras on JAX: pip install 'paylake[novelty]'.",
)
TURNS = NAMES.index("is_abroad")


def payments(count: int = 3_000, users: int = 100) -> Vectors:
    """Customers who pay at home and abroad by turns."""
    user = np.arange(count) % users
    matrix = np.zeros((count, len(NAMES)))
    matrix[:, TURNS] = (np.arange(count) // users + user) % 2
    return in_order(matrix, user)


@takes_keras
def test_a_payment_out_of_turn_is_unusual_though_each_one_alone_is_usual() -> None:
    model = train_sequence_model(payments())
    history = np.zeros((STEPS, len(NAMES)))
    history[:, TURNS] = (0, 1, 0, 1, 0)
    home, abroad = np.zeros(len(NAMES)), np.zeros(len(NAMES))
    abroad[TURNS] = 1
    in_turn, out_of_turn = (model.errors(just_one(vector, history))[0] for vector in (abroad, home))
    assert out_of_turn > 5 * in_turn
    assert int(np.abs(model.residuals(just_one(home, history))[0]).argmax()) == SEEN.index("is_abroad")


@takes_keras
def test_numpy_says_what_keras_says() -> None:
    of = in_order(np.random.default_rng(0).lognormal(size=(200, len(NAMES))), np.arange(200) % 20)
    scale = Scale.of(of.matrix)
    seen = histories(of, np.flatnonzero(of.has_history), scale)
    net = sequence_model.recurrent_net(seen.shape[2], seed=3)
    # biases begin at 0: other ones show where each belongs
    net.set_weights([w + np.random.default_rng(1).normal(scale=0.3, size=w.shape) for w in net.get_weights()])
    model = SequenceModel(scale, *(np.asarray(one, np.float32) for one in net.get_weights()))
    assert np.abs(model.foretold(seen) - np.asarray(net.predict(seen, verbose=0))).max() < 1e-4


@takes_keras
def test_the_same_seed_gives_the_same_model_and_another_seed_another() -> None:
    of = payments(800)
    first, again, other = (train_sequence_model(of, seed, epochs=1).errors(of) for seed in (1, 1, 2))
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)


@takes_keras
def test_the_channel_has_three_models_and_says_which_of_them_spoke() -> None:
    of = payments(1_200)
    channel = train_channel(of)
    said = channel.say(of)
    assert list(said.by_model) == list(WEIGHTS)
    assert said.speakers(0) == ("isolation forest", "autoencoder")
    assert said.speakers(len(of) - 1) == tuple(WEIGHTS)


def silent_model() -> SequenceModel:
    """One that always foretells the mean."""
    width = 2 * len(SEEN)
    return SequenceModel(
        Scale(np.zeros(len(SEEN)), np.ones(len(SEEN))), np.zeros((width, 6)), np.zeros((2, 6)), np.zeros((2, 6)),
        np.zeros((2, width)), np.zeros(width),
    )  # fmt: skip


def test_a_customer_with_fewer_than_five_payments_before_gets_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    # in more than one go
    monkeypatch.setattr(sequence_model, "AT_ONCE", 2)
    matrix = np.zeros((12, len(NAMES)))
    matrix[:, TURNS] = np.expm1(3.0)
    of = in_order(matrix, np.array([0] * 8 + [1] * 4))
    found = silent_model().errors(of)
    expected = [np.nan] * 5 + [9 / (2 * len(SEEN))] * 3 + [np.nan] * 4
    assert found.tolist() == pytest.approx(expected, nan_ok=True)
    assert silent_model().residuals(of).sum(axis=1).tolist() == pytest.approx([0] * 5 + [3] * 3 + [0] * 4)


def test_without_any_history_nothing_can_be_foretold() -> None:
    of = in_order(np.zeros((10, len(NAMES))), np.arange(10))
    assert np.isnan(silent_model().errors(of)).all()
    with pytest.raises(SourceError, match="No customer has more than 5 payments"):
        train_sequence_model(of)
