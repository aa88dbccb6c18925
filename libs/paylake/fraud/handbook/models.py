"""The models that are compared, by name: how each is made, and what it sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from paylake.fraud.handbook.protocol import WEEK, Split

SEED = 0
FINE_BINS = 1024
"""Bins of a feature: the default of 256 loses the tail of the amounts, where the frauds are."""


@dataclass(frozen=True)
class Model:
    """How a model is made, which features it sees, and how many days it learns from."""

    make: Callable[[], Any]
    features: str = "base"
    train_days: int = WEEK

    def scores(self, features: NDArray[np.float32], label: NDArray[np.int64], cut: Split) -> NDArray[np.float64]:
        """The scores of the tested transactions, after training; a higher score means fraud."""
        model = self.make()
        if isinstance(model, IsolationForest):
            # it does not know what is missing
            known = np.nan_to_num(features, nan=-1.0)
            return -np.asarray(model.fit(known[cut.train]).score_samples(known[cut.test]))
        model.fit(features[cut.train], label[cut.train])
        return np.asarray(model.predict_proba(features[cut.test])[:, 1], dtype=float)


def _xgboost(**parameters: Any) -> Callable[[], Any]:
    return lambda: XGBClassifier(random_state=SEED, n_jobs=2, **parameters)


def _scaled(**parameters: Any) -> Callable[[], Any]:
    return lambda: make_pipeline(StandardScaler(), LogisticRegression(random_state=SEED, max_iter=1000, **parameters))


def _forest(**parameters: Any) -> Callable[[], Any]:
    return lambda: RandomForestClassifier(random_state=SEED, n_jobs=2, **parameters)


def _isolation() -> Any:
    return IsolationForest(random_state=SEED, n_jobs=2)


SINGLE_SPLIT: Mapping[str, Model] = {
    "logistic regression": Model(_scaled()),
    "decision tree of depth 2": Model(lambda: DecisionTreeClassifier(max_depth=2, random_state=SEED)),
    "decision tree": Model(lambda: DecisionTreeClassifier(random_state=SEED)),
    "random forest": Model(_forest()),
    "XGBoost": Model(_xgboost()),
    "isolation forest": Model(_isolation),
}
"""Protocol A: the libraries' defaults."""

FOLDS: Mapping[str, Model] = {
    "logistic regression": Model(_scaled(C=100)),
    "random forest": Model(_forest(max_depth=20)),
    "XGBoost, 256 bins": Model(_xgboost(max_depth=3, learning_rate=0.1, n_estimators=100, max_bin=256)),
    "XGBoost, 4096 bins": Model(_xgboost(max_depth=3, learning_rate=0.1, n_estimators=100, max_bin=4096)),
    "XGBoost, exact": Model(_xgboost(max_depth=3, learning_rate=0.1, n_estimators=100, tree_method="exact")),
    "isolation forest": Model(_isolation, features="extended"),
}
"""Protocol B: the handbook's models with its parameters, and what binning changes."""

_SHALLOW = {"max_depth": 3, "learning_rate": 0.1, "n_estimators": 100}
_SLOW = {"max_depth": 4, "learning_rate": 0.05, "n_estimators": 200, "min_child_weight": 5, "subsample": 0.8,
         "colsample_bytree": 0.5}  # fmt: skip
_DEEP = {"max_depth": 6, "learning_rate": 0.05, "n_estimators": 200, "min_child_weight": 5, "subsample": 0.8,
         "colsample_bytree": 0.5}  # fmt: skip

CANDIDATES: Mapping[str, Model] = {
    f"{name}, {days} days": Model(_xgboost(max_bin=FINE_BINS, **parameters), "extended", days)
    for name, parameters in (("shallow", _SHALLOW), ("slow", _SLOW), ("deep", _DEEP))
    for days in (WEEK, 4 * WEEK)
}
"""Ours: XGBoost on the extended features. Earlier folds choose one for each fold."""

BLENDS = (0.2, 0.5)
"""Shares of the isolation forest's ranks in a blend with the chosen model's."""


def best(averages: Mapping[str, float]) -> str:
    """The name with the highest average; of equal ones the first."""
    return max(averages, key=lambda name: averages[name])
