"""The autoencoder: a payment is unusual where it cannot be told again from a few numbers. Keras trains it, numpy runs it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paylake.errors import SettingsError
from paylake.fraud.novelty.vectors import SEEN, Floats, Scale, Vectors

Singles = NDArray[np.float32]

LAYERS = (32, 8, 32)
"""Units of the layers between a payment and itself; the middle one is all that is left of it."""
EPOCHS, BATCH, RATE = 12, 256, 2e-3
MOST = 100_000
"""Payments that are learnt from; of more, as many are drawn."""


@dataclass(frozen=True)
class Autoencoder:
    """A trained net: of each layer its kernel and bias."""

    scale: Scale
    layers: tuple[tuple[Singles, Singles], ...]
    name: str = "autoencoder"

    def errors(self, of: Vectors) -> Floats:
        """The mean squared difference of what was seen and what was told again, over values and marks of missing ones."""
        seen = self.scale(of.matrix)
        return np.asarray(np.square(seen - self.told(seen)).mean(axis=1), float)

    def residuals(self, of: Vectors) -> Floats:
        """What was seen less what was told again."""
        seen = self.scale(of.matrix)
        width = len(SEEN)
        return np.where(seen[:, width:] > 0, 0.0, (seen - self.told(seen))[:, :width]).astype(float)

    def told(self, seen: Singles) -> Singles:
        """The standardised payments as the net tells them again."""
        for kernel, bias in self.layers[:-1]:
            seen = np.maximum(seen @ kernel + bias, 0)
        kernel, bias = self.layers[-1]
        return np.asarray(seen @ kernel + bias, np.float32)


def train_autoencoder(of: Vectors, seed: int = 0, epochs: int = EPOCHS) -> Autoencoder:
    """The net of payments; SettingsError where the extra `novelty` is missing. The same arguments give the same net."""
    scale = Scale.of(of.matrix)
    seen = scale(of.matrix[drawn(np.arange(len(of)), MOST, seed)])
    net = dense_net(seen.shape[1], seed)
    net.fit(seen, seen, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0)
    weights = [np.asarray(one, np.float32) for one in net.get_weights()]
    return Autoencoder(scale, tuple(zip(weights[::2], weights[1::2], strict=True)))


def dense_net(width: int, seed: int) -> Any:
    """The untrained net, compiled."""
    keras = keras_on_jax()
    net = keras.Sequential([keras.Input((width,))])
    for number, units in enumerate((*LAYERS, width)):
        is_last = number == len(LAYERS)
        start = keras.initializers.GlorotUniform(seed=seed + number)
        net.add(keras.layers.Dense(units, activation=None if is_last else "relu", kernel_initializer=start))
    net.compile(optimizer=keras.optimizers.Adam(RATE), loss="mse")
    return net


def drawn(rows: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """At most so many of the rows, in an order drawn by the seed."""
    return np.random.default_rng(seed).permutation(rows)[:most]


def keras_on_jax() -> Any:
    """Keras on JAX and the processor alone; SettingsError where the extra is missing, or Keras runs on something else."""
    # read once, when Keras is first imported
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    _refuse_unless_jax(os.environ.setdefault("KERAS_BACKEND", "jax"))
    try:
        import jax  # noqa: F401 - said to be missing in the same sentence
        import keras
    except ModuleNotFoundError as error:
        raise SettingsError(f"The neural models take {error.name}: pip install 'paylake[novelty]'.") from None
    _refuse_unless_jax(keras.backend.backend())
    return keras


def _refuse_unless_jax(backend: str) -> None:
    if backend != "jax":
        raise SettingsError(f"The neural models are trained on JAX, but Keras runs on {backend}: set KERAS_BACKEND=jax.")
