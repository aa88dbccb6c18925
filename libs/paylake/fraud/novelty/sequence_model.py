"""The sequence model: a payment is unusual where the customer's last five do not lead to it. Keras trains, numpy runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paylake.errors import SourceError
from paylake.fraud.novelty.autoencoder import BATCH, RATE, Singles, drawn, keras_on_jax
from paylake.fraud.novelty.vectors import SEEN, STEPS, Floats, Ints, Scale, Vectors

UNITS, EPOCHS = 32, 8
MOST = 40_000
"""Payments that are foretold in training; of more, as many are drawn."""
AT_ONCE = 8_192
"""Payments that are foretold in one go: their histories are five times as large."""


@dataclass(frozen=True)
class SequenceModel:
    """A trained gated recurrent unit (GRU) and the layer that foretells the next payment.

    `kernel` and `recurrent` hold the update gate, the reset gate and the candidate beside each other, `bias` a row for each
    of the two.
    """

    scale: Scale
    kernel: Singles
    recurrent: Singles
    bias: Singles
    out_kernel: Singles
    out_bias: Singles
    name: str = "sequence model"

    def errors(self, of: Vectors) -> Floats:
        """The mean squared difference of payment and forecast; NaN for a customer with fewer than STEPS before."""
        found = np.full(len(of), np.nan)
        for rows, seen, foretold in self._foretold(of):
            found[rows] = np.square(seen - foretold).mean(axis=1)
        return found

    def residuals(self, of: Vectors) -> Floats:
        """What was seen less what was foretold; 0 without a forecast."""
        width = len(SEEN)
        found = np.zeros((len(of), width))
        for rows, seen, foretold in self._foretold(of):
            found[rows] = np.where(seen[:, width:] > 0, 0.0, (seen - foretold)[:, :width])
        return found

    def foretold(self, histories: Singles) -> Singles:
        """The next standardised payment after each history: payments, then steps, then features."""
        state = np.zeros((len(histories), len(self.recurrent)), np.float32)
        for step in range(histories.shape[1]):
            update, reset, new = np.split(histories[:, step] @ self.kernel + self.bias[0], 3, axis=1)
            old_update, old_reset, old = np.split(state @ self.recurrent + self.bias[1], 3, axis=1)
            kept = _sigmoid(update + old_update)
            state = kept * state + (1 - kept) * np.tanh(new + _sigmoid(reset + old_reset) * old)
        return np.asarray(state @ self.out_kernel + self.out_bias, np.float32)

    def _foretold(self, of: Vectors) -> list[tuple[Ints, Singles, Singles]]:
        """Rows that have a history, each with what was seen and what was foretold."""
        known = np.flatnonzero(of.has_history)
        found = []
        for rows in np.array_split(known, max(1, -(-len(known) // AT_ONCE))) if len(known) else ():
            foretold = self.foretold(histories(of, rows, self.scale))
            found.append((rows, self.scale(of.matrix[rows]), foretold))
        return found


def histories(of: Vectors, rows: NDArray[np.int64], scale: Scale) -> Singles:
    """The standardised payments before each of the rows: payments, then steps, then features."""
    earlier = scale(of.earlier[of.before[rows].ravel()])
    return earlier.reshape(len(rows), STEPS, -1)


def train_sequence_model(of: Vectors, seed: int = 0, epochs: int = EPOCHS) -> SequenceModel:
    """The model of payments that have a history; SourceError where none has one, SettingsError without the extra.

    The same arguments give the same model.
    """
    known = np.flatnonzero(of.has_history)
    if not len(known):
        raise SourceError(f"No customer has more than {STEPS} payments, so nothing can be foretold; wait for more payments.")
    rows = drawn(known, MOST, seed)
    scale = Scale.of(of.matrix)
    seen = scale(of.matrix[rows])
    net = recurrent_net(seen.shape[1], seed)
    net.fit(histories(of, rows, scale), seen, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0)
    kernel, recurrent, bias, out_kernel, out_bias = (np.asarray(one, np.float32) for one in net.get_weights())
    return SequenceModel(scale, kernel, recurrent, bias, out_kernel, out_bias)


def recurrent_net(width: int, seed: int) -> Any:
    """The untrained net, compiled."""
    keras = keras_on_jax()
    start = keras.initializers
    net = keras.Sequential(
        [
            keras.Input((STEPS, width)),
            keras.layers.GRU(UNITS, kernel_initializer=start.GlorotUniform(seed=seed),
                             recurrent_initializer=start.Orthogonal(seed=seed + 1)),
            keras.layers.Dense(width, kernel_initializer=start.GlorotUniform(seed=seed + 2)),
        ]
    )  # fmt: skip
    net.compile(optimizer=keras.optimizers.Adam(RATE), loss="mse")
    return net


def _sigmoid(values: Singles) -> Singles:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))), np.float32)
