"""What is known of one customer's risk, from the payments that were scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median_low
from typing import Any

import pyarrow as pa

from paylake.contracts.fraud import FRAUD, FRAUDULENT, NORMAL, REASON_CODES, REASON_TEXTS, SUSPICIOUS

LATELY = timedelta(days=30)
"""How far back the risk looks; the rest of the profile looks at all payments."""
HIGH, MEDIUM, LOW, UNKNOWN = "HIGH", "MEDIUM", "LOW", "UNKNOWN"

Row = dict[str, Any]


def risk_profile(user_id: str, payments: pa.Table, as_of: datetime) -> dict[str, Any]:
    """The profile of a customer as of a time, ready for JSON.

    `payments` has rows of fraud_partial, of which transaction_id, user_id, amount, currency, seen_at, score, anomaly_type,
    reasons, device_id and country are read, and generation, batch and `label` where they are there. Rows of other customers
    and later ones do not count, and of several rows of a payment the first by generation and batch stands. The order of the
    rows does not matter.

    `risk_score` is the highest score of the last 30 days, 1 with a known fraud among them. `risk_level` is HIGH with a fraud
    or a fraudulent payment in these days, MEDIUM with a suspicious one, else LOW; without a payment in them the score is 0.
    `known_frauds` is None where the table has no labels. `usual_amounts` is the median per currency, in its major units (of
    two middle amounts the lower). A customer without a payment is UNKNOWN, with no score.
    """
    rows = _first_ones(row for row in payments.to_pylist() if row["user_id"] == user_id and row["seen_at"] <= as_of)
    lately = [row for row in rows if row["seen_at"] > as_of - LATELY]
    has_labels = "label" in payments.column_names
    return {
        "user_id": user_id,
        "as_of": _said(as_of),
        "risk_score": _score(lately) if rows else None,
        "risk_level": _level(lately) if rows else UNKNOWN,
        "payments": len(rows),
        "flagged": sum(row["anomaly_type"] != NORMAL for row in rows),
        "known_frauds": sum(map(_is_fraud, rows)) if has_labels else None,
        "usual_amounts": _usual_amounts(rows),
        "unusual_patterns": _patterns(rows),
        "device_fingerprints": _devices(rows),
        "countries": sorted({row["country"] for row in rows if row["country"]}),
        "last_seen": _said(max(row["seen_at"] for row in rows)) if rows else None,
    }


def _first_ones(rows: Iterable[Row]) -> list[Row]:
    """One row per payment: a batch that was scored twice says the same payment twice."""
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda r: (r["transaction_id"], r.get("generation") or 0, r.get("batch") or 0)):
        found.setdefault(row["transaction_id"], row)
    return list(found.values())


def _is_fraud(row: Row) -> bool:
    return row.get("label") == FRAUD


def _score(rows: Sequence[Row]) -> float:
    return max((1.0 if _is_fraud(row) else float(row["score"]) for row in rows), default=0.0)


def _level(rows: Sequence[Row]) -> str:
    kinds = {FRAUDULENT if _is_fraud(row) else row["anomaly_type"] for row in rows}
    return HIGH if FRAUDULENT in kinds else MEDIUM if SUSPICIOUS in kinds else LOW


def _usual_amounts(rows: Sequence[Row]) -> dict[str, str]:
    """Decimal text by currency."""
    amounts: dict[str, list[Decimal]] = {}
    for row in rows:
        amounts.setdefault(row["currency"], []).append(row["amount"])
    return {currency: str(median_low(amounts[currency])) for currency in sorted(amounts)}


def _patterns(rows: Sequence[Row]) -> list[str]:
    """The reasons in words with the number of payments that gave them, the most frequent first."""
    counts = Counter(code for row in rows for code in {one["code"] for one in row["reasons"] or ()})
    order = sorted(counts, key=lambda code: (-counts[code], REASON_CODES.index(code)))
    return [f"{REASON_TEXTS[code]} ({_payments(counts[code])})" for code in order]


def _payments(count: int) -> str:
    return "1 payment" if count == 1 else f"{count:,} payments"


def _devices(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One row per device, the one that was used last first."""
    seen: dict[str, list[datetime]] = {}
    for row in rows:
        if row["device_id"]:
            seen.setdefault(row["device_id"], []).append(row["seen_at"])
    order = sorted(seen, key=lambda device: (-max(seen[device]).timestamp(), device))
    return [
        {
            "device_id": device,
            "first_seen": _said(min(seen[device])),
            "last_seen": _said(max(seen[device])),
            "payments": len(seen[device]),
        }
        for device in order
    ]


def _said(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
