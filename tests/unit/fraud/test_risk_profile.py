"""A customer's profile, whole, from a few payments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from paylake.contracts.fraud import REASON_TEXTS
from paylake.fraud.risk_profile import risk_profile
from paylake.fraud.scoring import REASON_ARROW

AS_OF = datetime(2026, 3, 31, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("transaction_id", "user_id", "currency", "anomaly_type", "device_id", "country")),
        ("amount", pa.decimal128(18, 4)),
        ("seen_at", pa.timestamp("us", "UTC")),
        ("score", pa.float64()),
        ("reasons", pa.list_(REASON_ARROW)),
        ("generation", pa.int32()),
        ("batch", pa.int64()),
        ("label", pa.string()),
    ]
)


def scored(*rows: dict[str, Any]) -> pa.Table:
    """Payments of one customer, a row each; `day` is that of March, `said` are the codes of the reasons."""
    return pa.Table.from_pylist([_row(number, row) for number, row in enumerate(rows)], SCHEMA)


def _row(number: int, said: dict[str, Any]) -> dict[str, Any]:
    row = {"day": 30, "said": (), "amount": 100, **said}
    reasons = [{"code": code, "text": REASON_TEXTS[code]} for code in row.pop("said")]
    return {
        "transaction_id": f"t{number}", "user_id": "u1", "currency": "EUR", "anomaly_type": "normal", "device_id": "d1",
        "country": "IE", "score": 0.01, "generation": 1, "batch": 1, "label": None,
        "seen_at": datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=row.pop("day") - 1), "reasons": reasons,
        **row, "amount": Decimal(str(row["amount"])),
    }  # fmt: skip


PAYMENTS = scored(
    {"day": 2, "amount": "10.50"},
    {"day": 3, "amount": 20, "device_id": None},
    {"day": 4, "amount": 5000, "currency": "INR", "country": "IN"},
    {"day": 20, "amount": 40, "score": 0.4, "anomaly_type": "suspicious", "said": ("NIGHT", "NEW_DEVICE"),
     "device_id": "d2"},
    {"day": 21, "amount": 30, "score": 0.9, "anomaly_type": "fraudulent", "said": ("NEW_DEVICE",), "device_id": "d2",
     "country": None},
    {"day": 22, "label": "GENUINE", "user_id": "u2"},
)  # fmt: skip


def test_a_profile_says_everything_of_one_customer_and_nothing_of_another() -> None:
    assert risk_profile("u1", PAYMENTS, AS_OF) == {
        "user_id": "u1",
        "as_of": "2026-03-31T00:00:00+00:00",
        "risk_score": 0.9,
        "risk_level": "HIGH",
        "payments": 5,
        "flagged": 2,
        "known_frauds": 0,
        "usual_amounts": {"EUR": "20.0000", "INR": "5000.0000"},
        "unusual_patterns": [
            "The customer never used this device before. (2 payments)",
            "The payment comes at night. (1 payment)",
        ],
        "device_fingerprints": [
            {"device_id": "d2", "first_seen": "2026-03-20T00:00:00+00:00", "last_seen": "2026-03-21T00:00:00+00:00",
             "payments": 2},
            {"device_id": "d1", "first_seen": "2026-03-02T00:00:00+00:00", "last_seen": "2026-03-04T00:00:00+00:00",
             "payments": 2},
        ],
        "countries": ["IE", "IN"],
        "last_seen": "2026-03-21T00:00:00+00:00",
    }  # fmt: skip


def test_the_order_of_the_rows_does_not_matter() -> None:
    backwards = PAYMENTS.take(list(range(PAYMENTS.num_rows))[::-1])
    assert risk_profile("u1", backwards, AS_OF) == risk_profile("u1", PAYMENTS, AS_OF)


def test_an_unknown_customer_gets_an_answer() -> None:
    assert risk_profile("nobody", PAYMENTS, AS_OF) == {
        "user_id": "nobody", "as_of": "2026-03-31T00:00:00+00:00", "risk_score": None, "risk_level": "UNKNOWN",
        "payments": 0, "flagged": 0, "known_frauds": 0, "usual_amounts": {}, "unusual_patterns": [],
        "device_fingerprints": [], "countries": [], "last_seen": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "score", "level"),
    [
        (({},), 0.01, "LOW"),
        (({"score": 0.3, "anomaly_type": "suspicious"}, {}), 0.3, "MEDIUM"),
        (({"label": "FRAUD"},), 1.0, "HIGH"),
        (({"score": 0.4, "anomaly_type": "suspicious", "label": "GENUINE"},), 0.4, "MEDIUM"),
        # 31 days before: the risk has passed, the payment still counts
        (({"score": 0.9, "anomaly_type": "fraudulent", "day": 0},), 0.0, "LOW"),
    ],
)
def test_the_risk_is_that_of_the_last_thirty_days(rows: tuple[dict[str, Any], ...], score: float, level: str) -> None:
    found = risk_profile("u1", scored(*rows), AS_OF)
    assert (found["risk_score"], found["risk_level"], found["payments"]) == (score, level, len(rows))


def test_later_payments_are_not_known_yet() -> None:
    found = risk_profile("u1", PAYMENTS, datetime(2026, 3, 20, tzinfo=UTC))
    assert (found["payments"], found["risk_level"], found["last_seen"]) == (4, "MEDIUM", "2026-03-20T00:00:00+00:00")


def test_a_payment_that_was_scored_twice_counts_once_as_it_was_first() -> None:
    twice = scored({"transaction_id": "t", "batch": 2, "score": 0.8, "anomaly_type": "fraudulent"}, {"transaction_id": "t"})
    found = risk_profile("u1", twice, AS_OF)
    assert (found["payments"], found["risk_score"]) == (1, 0.01)


def test_without_labels_frauds_are_not_known() -> None:
    found = risk_profile("u1", PAYMENTS.drop_columns(["label"]), AS_OF)
    assert (found["known_frauds"], found["risk_score"]) == (None, 0.9)
