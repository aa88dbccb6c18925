"""Scored payments whose frauds some features tell, by seed."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from paylake.fraud.features import NAMES
from paylake.fraud.training import BAD, NEVER, NOBODY_SAID, Blocks, Examples, Recipe

START_MS = 1_700_006_400_000
"""A midnight, UTC."""
DAY_MS = 86_400_000
TELLING = (NAMES.index("user_amount_ratio"), NAMES.index("user_count_1h"))

QUICK = Recipe(trees=12, max_bin=32, learning_rate=0.3)
DAYS = Blocks(train=timedelta(days=4), test=timedelta(days=1), maturity=timedelta(0))


def examples(count: int = 4_000, days: int = 8, seed: int = 0, labels_late_by: timedelta = timedelta(0)) -> Examples:
    """Payments spread over the days; a twelfth of the values is not known; about one in twenty is fraud."""
    rng = np.random.default_rng(seed)
    matrix = rng.lognormal(size=(count, len(NAMES)))
    told = np.log(matrix[:, TELLING[0]]) + np.log(matrix[:, TELLING[1]])
    is_fraud = rng.random(count) < 1 / (1 + np.exp(-(-5.0 + 2.0 * told)))
    matrix[rng.random(matrix.shape) < 1 / 12] = np.nan
    at_ms = np.sort(rng.integers(0, days * DAY_MS, count)) + START_MS
    late_ms = round(labels_late_by.total_seconds() * 1000)
    return Examples(
        matrix=matrix,
        features_at_ms=at_ms,
        at_ms=at_ms,
        label=np.where(is_fraud, BAD, NOBODY_SAID),
        known_at_ms=np.where(is_fraud, at_ms + late_ms, NEVER),
        units=rng.integers(1_0000, 500_0000, count),
        currency=np.where(rng.random(count) < 0.5, "EUR", "INR"),
        user=rng.integers(0, count // 10, count),
        weight=np.ones(count),
    )


def end_of(days: int) -> int:
    """The moment after so many days, in milliseconds."""
    return START_MS + days * DAY_MS
