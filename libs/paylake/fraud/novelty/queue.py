"""The channel's own queue: payments that it alone finds unusual."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from paylake.contracts.fraud import NORMAL
from paylake.fraud.novelty.channel import SUSPICIOUS_FROM

SCORED_SCHEMA = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("user_id", pa.string()),
        ("anomaly_score", pa.float64()),
        ("anomaly_type", pa.string()),
    ]
)
"""One row per payment: `anomaly_score` is this channel's, `anomaly_type` what the supervised model found."""

QUEUE_SCHEMA = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("user_id", pa.string()),
        ("anomaly_score", pa.float64()),
        ("known_payments", pa.int64()),
    ]
)
"""One row per payment that somebody should look at, the most unusual first."""


def review_queue(scores: pa.Table, known: Mapping[str, int], most: int) -> pa.Table:
    """The payments (QUEUE_SCHEMA) that only this channel finds unusual, at most `most`, the most unusual first.

    `scores` has SCORED_SCHEMA; the supervised model's own finds have a queue already. Of scores that are equal to a
    hundredth, customers of whom fewer payments are `known` come first: of them the supervised model knows least. A customer
    who is not named there has none. The order of the rows does not matter.
    """
    rows = [
        {**row, "known_payments": known.get(row["user_id"], 0)}
        for row in scores.select(SCORED_SCHEMA.names).to_pylist()
        if row["anomaly_type"] == NORMAL and row["anomaly_score"] is not None and row["anomaly_score"] >= SUSPICIOUS_FROM
    ]
    rows.sort(key=lambda row: (-round(row["anomaly_score"], 2), row["known_payments"], row["transaction_id"]))
    return pa.Table.from_pylist([{n: row[n] for n in QUEUE_SCHEMA.names} for row in rows[: max(most, 0)]], QUEUE_SCHEMA)
