"""Why a payment got its score: a model's contributions as up to four reasons that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paylake.contracts.fraud import MOST_REASONS, REASON_CODES, REASON_TEXTS
from paylake.fraud.features import FEATURES, Feature

DIGITS = 6
"""Contributions are compared to this many digits: the order of adding them up must not decide."""


def reasons(
    matrix: NDArray[np.float64],
    contributions: NDArray[np.float64],
    most: int = MOST_REASONS,
    features: Sequence[Feature] = FEATURES,
) -> list[list[dict[str, Any]]]:
    """For each row its reasons, the strongest first: code, text, feature, observed and baseline.

    The features of one reason count together, and only reasons that speak for fraud are given. `feature` is the one of them
    that says most; `baseline` is what is usual for it. Both are None where they are not known, in the feature's unit.
    """
    codes = [code for code in REASON_CODES if any(f.reason == code for f in features)]
    member = np.array([[f.reason == code for code in codes] for f in features], dtype=float).reshape(
        len(features), len(codes)
    )
    weight = np.round(np.asarray(contributions, float), DIGITS)
    families = np.round(weight @ member, DIGITS)
    names = [f.name for f in features]
    found = []
    for row, said, family in zip(np.asarray(matrix, float), weight, families, strict=True):
        strongest = [number for number in np.argsort(-family, kind="stable").tolist() if family[number] > 0][:most]
        found.append([_reason(codes[number], row, said, features, names) for number in strongest])
    return found


def _reason(
    code: str, row: NDArray[np.float64], said: NDArray[np.float64], features: Sequence[Feature], names: Sequence[str]
) -> dict[str, Any]:
    mine = [(-said[number], feature.name) for number, feature in enumerate(features) if feature.reason == code]
    name = min(mine)[1]
    baseline = features[names.index(name)].baseline
    return {
        "code": code,
        "text": REASON_TEXTS[code],
        "feature": name,
        "observed": _known(row[names.index(name)]),
        "baseline": _known(row[names.index(baseline)]) if baseline in names else None,
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
