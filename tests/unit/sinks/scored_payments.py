"""Scored payments as plain rows: a test names only what it is about."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from paylake.contracts import FRAUD_PARTIAL
from paylake.fraud.features import FEATURES_VERSION, NAMES
from tests.builders import NOON, default

NAN = float("nan")
REASON = {"code": "VELOCITY", "text": "Too often.", "feature": "user_count_1h", "observed": 9.0, "baseline": NAN}


def vector(**known: float) -> list[float]:
    """A vector of which only these features are known."""
    return [known.get(name, NAN) for name in NAMES]


def scored(transaction_id: str = "t1", *, after: float = 0, **columns: Any) -> dict[str, Any]:
    """A row of FRAUD_PARTIAL that arrived so many seconds after noon."""
    defaults = {f.name: default(FRAUD_PARTIAL, f) for f in FRAUD_PARTIAL.fields}
    said = {
        "transaction_id": transaction_id, "generation": 0, "batch": 0, "partition": 0, "offset": 0,
        "recorded_at": NOON + timedelta(seconds=after), "features": vector(), "features_version": FEATURES_VERSION,
    }  # fmt: skip
    assert not columns.keys() - defaults.keys()
    return {**defaults, **said, **columns}


def alerting(transaction_id: str = "t1", **columns: Any) -> dict[str, Any]:
    """The same, of a payment that looks like fraud."""
    said = {"anomaly_type": "fraudulent", "decision": "DECLINE", "score": 0.97, "reasons": [REASON]}
    return scored(transaction_id, **{**said, **columns})
