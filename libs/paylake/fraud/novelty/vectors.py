"""What novelty models see of payments: the features that are compared, on one scale, and what a customer paid before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paylake.fraud.features import NAMES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS = 5
"""Payments of a customer after which the next one can be foretold."""
FARTHEST = 8.0
"""Standard deviations beyond which a value is not farther away: one wild number must not drown the others."""

NOT_COMPARED = ("amount", "user_spent_1m", "user_spent_5m", "user_spent_24h", "user_usual_amount", "merchant_usual_amount")
"""Amounts in a currency's units: without a label to hold on to, a payment in yen would look like a fraud in euro."""
SEEN: tuple[str, ...] = tuple(name for name in NAMES if name not in NOT_COMPARED)
_SEEN = np.array([NAMES.index(name) for name in SEEN])


@dataclass(frozen=True)
class Vectors:
    """Payments to be looked at, and what their customers paid before.

    `matrix` has a row per payment, in the order of `features.NAMES`, NaN where a feature is not known. `before` has a row
    per payment too: where in `earlier` the STEPS payments of the same customer stand that came before, oldest first; -1
    where there are not as many.
    """

    matrix: Floats
    earlier: Floats
    before: Ints

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def has_history(self) -> NDArray[np.bool_]:
        """True for each payment that has all STEPS payments before it."""
        return np.asarray((self.before >= 0).all(axis=1))

    def taken(self, rows: NDArray[Any]) -> Vectors:
        """Those payments, with the same history."""
        return Vectors(self.matrix[rows], self.earlier, self.before[rows])


def in_order(matrix: Floats, user: Ints) -> Vectors:
    """Payments in order of arrival, each with those of the same customer (by number) that stand before it."""
    order = np.argsort(user, kind="stable")
    place = np.arange(len(user))
    first = np.searchsorted(user[order], user[order], side="left")
    wanted = place[:, None] - np.arange(STEPS, 0, -1)
    before = np.full((len(user), STEPS), -1, np.int64)
    before[order] = np.where(wanted >= first[:, None], order[np.maximum(wanted, 0)], -1)
    return Vectors(matrix, matrix, before)


def just_one(vector: Floats, history: Floats) -> Vectors:
    """One payment, and the features of its customer's payments before it, oldest first, a row each."""
    latest = np.asarray(history, float).reshape(-1, len(NAMES))[-STEPS:]
    before = np.arange(STEPS) if len(latest) == STEPS else np.full(STEPS, -1)
    return Vectors(np.asarray(vector, float).reshape(1, -1), latest, before[None, :].astype(np.int64))


@dataclass(frozen=True)
class Scale:
    """What is usual of each feature of SEEN: mean and deviation of its size, on a logarithmic scale."""

    mean: Floats
    deviation: Floats

    @staticmethod
    def of(matrix: Floats) -> Scale:
        """The scale of the payments that are learnt from; one that never varies or is never known deviates by 1."""
        sizes = _sizes(matrix)
        count = np.maximum((~np.isnan(sizes)).sum(axis=0), 1)
        mean = np.nansum(sizes, axis=0) / count
        deviation = np.sqrt(np.nansum((sizes - mean) ** 2, axis=0) / count)
        return Scale(mean, np.where(deviation > 1e-9, deviation, 1.0))

    def __call__(self, matrix: Floats) -> NDArray[np.float32]:
        """The standardised values, 0 where one is not known, and behind them as many columns that are 1 there."""
        scores = (_sizes(matrix) - self.mean) / self.deviation
        is_missing = np.isnan(scores)
        known = np.clip(np.where(is_missing, 0.0, scores), -FARTHEST, FARTHEST)
        return np.concatenate([known, is_missing], axis=1).astype(np.float32)

    def residuals(self, matrix: Floats) -> Floats:
        """The standardised values alone."""
        return self(matrix)[:, : len(SEEN)].astype(float)


def _sizes(matrix: Floats) -> Floats:
    seen = np.where(np.isfinite(matrix), matrix, np.nan)[:, _SEEN]
    return np.asarray(np.sign(seen) * np.log1p(np.abs(seen)))
