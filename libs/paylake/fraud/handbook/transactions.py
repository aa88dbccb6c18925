"""Labelled card transactions, in the shape of the Fraud Detection Handbook's simulated data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paylake.errors import SettingsError

DAY = 86_400
"""Seconds."""

SHAPE = {
    "transaction_id": pa.int64(),
    "tx_datetime": pa.timestamp("s"),
    "customer_id": pa.int64(),
    "terminal_id": pa.int64(),
    "amount_cents": pa.int64(),
    "is_fraud": pa.int64(),
    "fraud_scenario": pa.int64(),
}
"""The columns, and the types to which they must convert without loss."""

AMOUNT_SCENARIO, TERMINAL_SCENARIO, CARD_SCENARIO = 1, 2, 3
"""Why a transaction is a fraud: an amount above 220, a compromised terminal for 28 days, a compromised card for 14 days."""


@dataclass(frozen=True)
class Transactions:
    """Transactions in order of time, then identifier: one element of each array is one transaction."""

    first_day: date
    at: NDArray[np.int64]
    """Seconds since the first day's midnight."""
    customer: NDArray[np.int64]
    terminal: NDArray[np.int64]
    cents: NDArray[np.int64]
    is_fraud: NDArray[np.int64]
    scenario: NDArray[np.int64]

    @property
    def day(self) -> NDArray[np.int64]:
        """Days since the first day."""
        return self.at // DAY

    @property
    def last_day(self) -> date:
        """The date of the last transaction."""
        return self.first_day + timedelta(days=int(self.day[-1]))


def in_order(table: pa.Table, path: Path) -> Transactions:
    """The rows of a table of SHAPE by time and identifier; SettingsError names `path` where a value cannot be."""
    if not len(table):
        raise SettingsError(f"--data: {path} holds no transaction; give a file or a folder with some.")
    columns = {name: table[name].combine_chunks() for name in SHAPE}
    for name, column in columns.items():
        if column.null_count:
            raise SettingsError(
                f"--data: {column.null_count} values of {name} in {path} are null; fill or remove these rows."
            )
    values = {name: np.asarray(column.cast(pa.int64())) for name, column in columns.items()}
    if (values["amount_cents"] < 0).any():
        raise SettingsError(f"--data: an amount_cents in {path} is negative; refunds are no card transactions, remove them.")
    order = np.lexsort((values["transaction_id"], values["tx_datetime"]))
    at = values["tx_datetime"][order]
    first = at[0] // DAY
    return Transactions(
        first_day=date(1970, 1, 1) + timedelta(days=int(first)),
        at=at - first * DAY,
        customer=_dense(values["customer_id"][order]),
        terminal=_dense(values["terminal_id"][order]),
        cents=values["amount_cents"][order],
        is_fraud=values["is_fraud"][order],
        scenario=values["fraud_scenario"][order],
    )


def _dense(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The identifiers numbered from 0, in their order."""
    return np.unique(ids, return_inverse=True)[1].astype(np.int64)
