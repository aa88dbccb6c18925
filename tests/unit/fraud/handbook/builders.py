"""A few card transactions with what a test says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from paylake.fraud.handbook.transactions import SHAPE, Transactions, in_order

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""


def transactions(*rows: dict[str, Any]) -> Transactions:
    """Each row with `day` and `hour` after FIRST; what it does not say is 10.00 of customer 1 at terminal 1, and good."""
    return in_order(table(*rows), Path("given"))


def table(*rows: dict[str, Any]) -> pa.Table:
    """The same as a table in the shape of the data."""
    columns: dict[str, list[Any]] = {name: [] for name in SHAPE}
    for number, row in enumerate(rows):
        said = {"transaction_id": number, "customer_id": 1, "terminal_id": 1, "amount_cents": 1000, "is_fraud": 0,
                "fraud_scenario": 0}  # fmt: skip
        at = FIRST + timedelta(days=row.get("day", 0), hours=row.get("hour", 12))
        said |= {"tx_datetime": at.replace(tzinfo=None)} | {k: v for k, v in row.items() if k in SHAPE}
        for name, column in columns.items():
            column.append(said[name])
    return pa.table(columns, schema=pa.schema(SHAPE))
