"""Figures of the Fraud Detection Handbook on the same data (Le Borgne et al., 2022, chapters 3, 5 and 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Published(NamedTuple):
    """AUC, average precision and card precision at 100, as printed."""

    auc: float
    average_precision: float
    card_precision: float


SINGLE_SPLIT: Mapping[str, Published] = {
    "logistic regression": Published(0.871, 0.606, 0.291),
    "decision tree of depth 2": Published(0.763, 0.496, 0.241),
    "decision tree": Published(0.788, 0.309, 0.243),
    "random forest": Published(0.867, 0.658, 0.287),
    "XGBoost": Published(0.862, 0.639, 0.273),
    "isolation forest": Published(0.808, 0.164, 0.190),
}
"""Protocol A: a training from 2018-07-25, library defaults. The isolation forest is of 10 trees, on the validation split."""

FOLDS: Mapping[str, Published] = {
    "logistic regression": Published(0.868, 0.623, 0.297),
    "random forest": Published(0.870, 0.678, 0.299),
    "XGBoost, exact": Published(0.871, 0.687, 0.303),
}
"""Protocol B: means of four folds from 2018-07-25, with the parameters that the validation chose."""

BEST = Published(0.879, 0.694, 0.305)
"""Protocol B: the best published figure of each measure, of three different models."""
