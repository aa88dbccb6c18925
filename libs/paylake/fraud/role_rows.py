"""From rows as tables hold them to features: the same few lines for the stream, for training and for a single request."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paylake.fraud.features import ROLES, RoleRows, role_matrix
from paylake.fraud.sequences import Ints

ROWS_SCHEMA = pa.schema(
    [
        ("role", pa.string()),
        ("key", pa.string()),
        ("transaction_id", pa.string()),
        ("is_asked", pa.bool_()),
        ("generation", pa.int32()),
        ("batch", pa.int64()),
        ("recorded_at", pa.timestamp("us", "UTC")),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("seen_at", pa.timestamp("us", "UTC")),
        ("user_id", pa.string()),
        ("merchant_id", pa.string()),
        ("device_id", pa.string()),
        ("country", pa.string()),
        ("currency", pa.string()),
        ("units", pa.int64()),
        ("levels", pa.int64()),
        ("levels_squared", pa.int64()),
        ("payments", pa.int64()),
        ("declines", pa.int64()),
        ("refunds", pa.int64()),
        ("first_at", pa.timestamp("us", "UTC")),
    ]
)
"""One row per payment (or day's payments, or label) and role of it; `is_asked` where its features are wanted.

Payments and labels come in the order of generation, batch, recorded_at, partition, offset; days' sums (generation -1) before
them. `seen_at` of a label is when it begins to count; a label has 0 payments.
"""

ROWS_DDL = ", ".join(
    f"{f.name} {({'int32': 'int', 'int64': 'bigint', 'bool': 'boolean'}).get(str(f.type), str(f.type).partition('[')[0])}"
    for f in ROWS_SCHEMA
)
"""The same, as Spark says it."""

FOUND_SCHEMA = pa.schema([("transaction_id", pa.string()), ("role", pa.string()), ("found", pa.list_(pa.float64()))])
FOUND_DDL = "transaction_id string, role string, found array<double>"
"""What is found of a payment in one of its roles."""


def features_of(rows: pa.Table) -> pa.Table:
    """One row of FOUND_SCHEMA per asked row: the features of its role, in the order of `features.of_role`."""
    found = [_of_role(rows.filter(pc.equal(rows["role"], role)), role) for role in ROLES]
    return pa.concat_tables(found)


def _of_role(rows: pa.Table, role: str) -> pa.Table:
    if not rows.num_rows:
        return FOUND_SCHEMA.empty_table()
    rank, is_label = _ranks(rows), _ints(rows["payments"]) == 0
    payments, labels = np.flatnonzero(~is_label), np.flatnonzero(is_label)
    order = payments[np.lexsort((rank[payments], _codes(rows["key"])[payments]))]
    matrix = role_matrix(role, _role_rows(rows, order, labels, rank))
    asked = np.flatnonzero(_flags(rows["is_asked"])[order])
    values = np.ascontiguousarray(matrix[asked])
    lists = pa.ListArray.from_arrays(
        pa.array(np.arange(len(asked) + 1, dtype=np.int32) * values.shape[1]), pa.array(values.ravel())
    )
    ids = rows["transaction_id"].combine_chunks().take(pa.array(order[asked]))
    return pa.table([ids, pa.array([role] * len(asked), pa.string()), lists], schema=FOUND_SCHEMA)


def _ranks(rows: pa.Table) -> Ints:
    """The rows numbered by arrival; rows that arrived as one have one number."""
    parts = [_ints(rows[name]) for name in ("offset", "partition")]
    parts += [_micros(rows["recorded_at"]), *(_ints(rows[name]) for name in ("batch", "generation"))]
    order = np.lexsort(parts)
    is_next = np.zeros(len(order), bool)
    for part in parts:
        is_next[1:] |= part[order[1:]] != part[order[:-1]]
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.cumsum(is_next)
    return ranks


def _role_rows(rows: pa.Table, order: Ints, labels: Ints, rank: Ints) -> RoleRows:
    whole = {name: _ints(rows[name])[order] for name in
             ("payments", "declines", "refunds", "levels", "levels_squared", "units")}  # fmt: skip
    named = ("user_id", "merchant_id", "device_id", "country", "currency")
    codes = {name: _codes(rows[name])[order] for name in named}
    key, at = _codes(rows["key"]), _ms(rows["seen_at"])
    keys, number = np.unique(key[order], return_inverse=True)
    known = labels[np.isin(key[labels], keys)]
    return RoleRows(
        key=number.astype(np.int64),
        rank=rank[order],
        at=at[order],
        first_at=_ms(rows["first_at"])[order],
        user=codes["user_id"],
        merchant=codes["merchant_id"],
        device=codes["device_id"],
        currency=codes["currency"],
        country=codes["country"],
        fraud_key=np.searchsorted(keys, key[known]).astype(np.int64),
        fraud_rank=rank[known],
        fraud_at=at[known],
        **whole,
    )


def _codes(column: pa.ChunkedArray) -> Ints:
    """The values numbered from 0; -1 where there is none."""
    indices = column.combine_chunks().dictionary_encode().indices
    return np.asarray(indices.fill_null(-1).cast(pa.int64()))


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.fill_null(0).cast(pa.int64()).combine_chunks())


def _micros(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).combine_chunks())


def _ms(column: pa.ChunkedArray) -> Ints:
    return _micros(column) // 1000


def _flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(column.combine_chunks().cast(pa.int8())).astype(bool)
