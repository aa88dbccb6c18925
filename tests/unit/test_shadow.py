"""Champion and challenger side by side, on payments that both scored."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from paylake.contracts import FRAUD_PARTIAL
from paylake.shadow import Shadow, _pairs, table
from tests.builders import frame, rows

LABELS = "transaction_id string, label string"


@pytest.mark.spark
def test_the_two_are_compared_on_what_both_scored_and_judged_on_what_has_a_label(spark: SparkSession) -> None:
    scored = rows(spark, FRAUD_PARTIAL, *(
        {"transaction_id": t, "score": s, "challenger_score": c, "model_version": "1", "challenger_version": version}
        for t, s, c, version in (
            ("a", 0.9, 0.8, "2"), ("b", 0.6, 0.1, "2"), ("c", 0.5, 0.7, "2"), ("d", 0.0, 0.0, "2"), ("e", 0.2, 0.3, "3"),
            ("f", 0.9, 0.9, "1"),
        )
    ))  # fmt: skip
    labels = frame(spark, LABELS, ("a", "FRAUD"), ("b", "GENUINE"), ("c", "FRAUD"), ("stranger", "FRAUD"))
    first, second = _pairs(scored, labels)
    assert first == Shadow("1", "2", 4, pytest.approx(0.2), 3, 2, (pytest.approx((1 + 2 / 3) / 2), 1.0), (0.5, 1.0))
    assert second == Shadow("1", "3", 1, pytest.approx(0.1), 0, 0, None, None)
    assert table([first, second]).splitlines() == [
        "champion 1 and challenger 2: 4 payments scored by both, 0.2000 apart in the mean",
        "3 of them have a label, 2 say fraud",
        "  average precision: 0.833 and 1.000",
        "  recall at 2.1 % flagged: 0.500 and 1.000",
        "champion 1 and challenger 3: 1 payments scored by both, 0.1000 apart in the mean",
        "0 of them have a label, 0 say fraud",
        "  average precision: cannot be told yet",
        "  recall at 2.1 % flagged: cannot be told yet",
    ]
