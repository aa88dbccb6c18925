"""The classic rules, over the features: what flags a payment whatever a model says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from paylake.contracts.fraud import RuleLimits
from paylake.fraud.features import NAMES
from paylake.fraud.sequences import Floats

HARD = frozenset({"BLACKLISTED"})
"""Rules that make a payment fraudulent by themselves."""
RAISING = frozenset({"POLICY_LIMIT", "VELOCITY", "RAPID_SUCCESSION", "MANY_COUNTRIES", "CARD_TESTING"})
"""Rules that make a payment suspicious; of the others the row only tells."""

RULE_FEATURES: Mapping[str, str] = {
    "BLACKLISTED": "is_blacklisted",
    "POLICY_LIMIT": "limit_ratio",
    "AMOUNT_LIMIT": "amount",
    "VELOCITY": "user_count_2m",
    "RAPID_SUCCESSION": "user_count_1m",
    "CARD_TESTING": "user_tests_10m",
    "DUPLICATE_AMOUNT": "user_same_amount_10m",
    "MANY_COUNTRIES": "user_countries_1h",
}
"""Rule -> the feature that it looks at."""


def broken(matrix: Floats, currency: NDArray[np.object_], limits: RuleLimits) -> Mapping[str, NDArray[np.bool_]]:
    """Rule -> which payments break it; what is not known breaks no rule."""
    column = {rule: matrix[:, NAMES.index(name)] for rule, name in RULE_FEATURES.items()}
    amount = np.array([limits.amount_of(str(one)) for one in currency.tolist()], dtype=float)
    with np.errstate(invalid="ignore"):
        return {
            "BLACKLISTED": column["BLACKLISTED"] > 0,
            "POLICY_LIMIT": column["POLICY_LIMIT"] > 1,
            "AMOUNT_LIMIT": column["AMOUNT_LIMIT"] > amount,
            "VELOCITY": column["VELOCITY"] > limits.payments,
            "RAPID_SUCCESSION": column["RAPID_SUCCESSION"] >= limits.rapid,
            "CARD_TESTING": column["CARD_TESTING"] >= limits.card_tests,
            "DUPLICATE_AMOUNT": column["DUPLICATE_AMOUNT"] >= limits.duplicates,
            "MANY_COUNTRIES": column["MANY_COUNTRIES"] > limits.countries,
        }
