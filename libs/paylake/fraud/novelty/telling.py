"""Which features of a payment are worth a word: those that are unlike the others, where the word is true."""

from __future__ import annotations

import numpy as np

from paylake.fraud.features import NAMES
from paylake.fraud.novelty.vectors import SEEN, Floats

LEAST_UNUSUAL, LEAST_UNEXPECTED = 1.0, 0.5
"""Standard deviations, from what is usual and from what a model expects, from which on a feature is worth a word."""

TELLS_BY_MUCH = frozenset(
    {
        "user_count_1m", "user_count_2m", "user_count_5m", "user_count_1h", "user_count_24h", "user_count_7d",
        "user_count_30d", "user_amount_ratio", "user_amount_ratio_ever", "user_amount_deviation", "user_tests_10m",
        "user_declines_10m", "user_declines_24h", "user_refunds_7d", "user_refund_share_30d", "user_merchants_1h",
        "user_countries_1h", "user_countries_24h", "user_same_amount_10m", "user_frauds_30d", "merchant_count_1h",
        "merchant_count_24h", "merchant_users_1h", "merchant_burst", "merchant_amount_deviation", "merchant_declines_1h",
        "merchant_tests_10m", "merchant_frauds_1d", "merchant_frauds_7d", "merchant_frauds_30d",
        "merchant_fraud_share_30d", "card_count_10m", "card_count_24h", "card_merchants_1h", "card_declines_1h",
        "device_count_1h", "device_users_24h", "is_night", "is_refund", "is_abroad", "country_risk", "merchant_risk",
        "user_risk", "user_unverified", "is_blacklisted", "limit_ratio",
    }
)  # fmt: skip
"""Features whose reason is true of a payment that has more of them than others."""
TELLS_BY_LITTLE = frozenset({"user_amount_ratio", "user_amount_ratio_ever", "user_amount_deviation",
                             "merchant_amount_deviation", "user_gap"})  # fmt: skip
"""Those whose reason is true of a payment that has less."""
TELLS_BY_NONE = frozenset({"user_merchant_count", "user_device_count"})
"""Those whose reason is true of a payment that has none at all. The rest is seen, but gives no reason."""


def telling(matrix: Floats, deviations: Floats, residuals: Floats) -> Floats:
    """What each feature of NAMES says for its reason, a column each: its squared residual, where the text is true.

    `deviations` are those from what is usual, and decide whether it is; `residuals` those from what a model expects of just
    this payment. Both have a column per feature of SEEN.
    """
    weight = np.zeros((len(matrix), len(NAMES)))
    for number, name in enumerate(SEEN):
        column, far, unexpected = NAMES.index(name), deviations[:, number], residuals[:, number]
        is_much = (far >= LEAST_UNUSUAL) & (unexpected >= LEAST_UNEXPECTED)
        is_little = (far <= -LEAST_UNUSUAL) & (unexpected <= -LEAST_UNEXPECTED)
        holds = np.zeros(len(matrix), bool)
        if name in TELLS_BY_MUCH:
            holds |= is_much & (matrix[:, column] > 0)
        if name in TELLS_BY_LITTLE:
            holds |= is_little
        if name in TELLS_BY_NONE:
            holds |= is_little & (matrix[:, column] == 0)
        weight[:, column] = np.where(holds, unexpected**2, 0.0)
    return weight
