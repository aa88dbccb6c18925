"""The scorecard: points for what is plainly odd about a payment, where no model is registered. It needs no library."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from paylake.fraud.features import FEATURES_VERSION, NAMES
from paylake.fraud.scorer import Floats, Thresholds


@dataclass(frozen=True)
class Points:
    """`points` of log-odds for a payment whose feature is at least `least`; one that is not known says nothing."""

    feature: str
    least: float
    points: float


BASE = -6.0
"""Log-odds of a payment about which nothing is odd."""

POINTS: tuple[Points, ...] = (
    Points("is_blacklisted", 1, 7.0),
    Points("limit_ratio", 1, 3.0),
    Points("user_frauds_30d", 1, 2.5),
    Points("merchant_frauds_7d", 1, 1.5),
    Points("country_risk", 2, 1.0),
    Points("merchant_risk", 2, 0.5),
    Points("is_night", 1, 0.25),
    Points("user_amount_ratio", 3, 1.5),
    Points("user_amount_ratio", 10, 1.0),
    Points("user_amount_ratio", 50, 3.5),
    Points("merchant_amount_deviation", 4, 1.5),
    Points("is_round", 1, 1.0),
    Points("is_transfer", 1, 1.5),
    Points("is_refund", 1, 1.5),
    Points("user_refunds_7d", 2, 1.0),
    Points("user_refunds_7d", 4, 3.0),
    Points("user_count_1m", 6, 1.0),
    Points("user_count_5m", 3, 1.0),
    Points("user_declines_10m", 1, 1.0),
    Points("user_countries_24h", 2, 3.0),
    Points("user_devices_24h", 2, 0.5),
    Points("card_count_10m", 2, 1.5),
    Points("card_count_10m", 4, 2.5),
    Points("card_declines_1h", 2, 2.5),
    Points("card_users_24h", 2, 1.5),
    Points("device_users_24h", 2, 2.5),
)
"""The first lines by judgement; the others near a logistic regression on simulated payments, rounded. Nothing in them is
learnt from real frauds: a model that is should reign as soon as there are labels.
"""


@dataclass(frozen=True)
class Scorecard:
    """A Scorer of points: each row's log-odds are BASE and the points of what is odd about it."""

    points: tuple[Points, ...] = POINTS
    name: str = "scorecard"
    version: str = "1"
    features_version: str = FEATURES_VERSION
    thresholds: Thresholds = field(default_factory=lambda: Thresholds(suspicious=0.15, fraudulent=0.75))

    def scores(self, matrix: Floats) -> Floats:
        """The probability of each row, from 0 to 1, by judgement: nobody has calibrated it."""
        columns, least, points = self._columns
        return np.asarray(1.0 / (1.0 + np.exp(-(BASE + (matrix[:, columns] >= least) @ points))))

    def contributions(self, matrix: Floats) -> Floats:
        """The points of each feature of each row."""
        columns, least, points = self._columns
        found: NDArray[np.float64] = np.zeros((len(matrix), len(NAMES)))
        for number, column in enumerate(columns.tolist()):
            found[:, column] += np.where(matrix[:, column] >= least[number], points[number], 0.0)
        return found

    @cached_property
    def _columns(self) -> tuple[NDArray[np.int64], Floats, Floats]:
        """Each line's column, least value and points."""
        columns = np.array([NAMES.index(one.feature) for one in self.points], dtype=np.int64)
        return columns, np.array([one.least for one in self.points]), np.array([one.points for one in self.points])
