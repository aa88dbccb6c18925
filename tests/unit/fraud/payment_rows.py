"""A few payments as they arrive at the gateway, with what a test says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
"""A Monday, ten o'clock."""

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("transaction_id", "user_id", "merchant_id", "currency", "status", "type",
                                           "channel", "card_token", "device_id", "city", "country")),
        ("amount", pa.decimal128(18, 4)),
        ("event_at", pa.timestamp("us", "UTC")),
        ("recorded_at", pa.timestamp("us", "UTC")),
    ]
)  # fmt: skip


def payments(*rows: dict[str, Any]) -> pa.Table:
    """Each row `at` seconds after START, and arrived then unless `arrived` says other; the rest is of one customer."""
    return pa.Table.from_pylist([_payment(number, row) for number, row in enumerate(rows)], SCHEMA)


def _payment(number: int, said: dict[str, Any]) -> dict[str, Any]:
    row = {"at": 60 * number, **said}
    at = START + timedelta(seconds=row.pop("at"))
    arrived = row.pop("arrived", None)
    amount = Decimal(str(row.pop("amount", "100")))
    return {
        "transaction_id": f"t{number}", "user_id": "u1", "merchant_id": "m1", "currency": "INR", "status": "SUCCESS",
        "type": "PAYMENT", "channel": "CARD", "card_token": "c1", "device_id": "d1", "city": "Pune", "country": "IN",
        "amount": amount, "event_at": at,
        "recorded_at": at if arrived is None else START + timedelta(seconds=arrived),
        **row,
    }  # fmt: skip
