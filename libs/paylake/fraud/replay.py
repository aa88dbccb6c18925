"""The features of payments in the order in which they arrived, computed again from nothing but the payments and labels."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paylake.fraud.facts import FACTS_SCHEMA, matrix_of
from paylake.fraud.features import CARD, DEVICE, LEVEL, MERCHANT, ROLES, UNIT, USER
from paylake.fraud.role_rows import ROWS_SCHEMA, features_of
from paylake.fraud.sequences import DAY_MS, Floats

KEY_OF = {USER: "user_id", MERCHANT: "merchant_id", CARD: "card_token", DEVICE: "device_id"}
"""Role -> the column that names who has it."""
DECLINED, REFUND = "FAILED", "REFUND"


def replayed(payments: pa.Table, labels: pa.Table | None = None) -> Floats:
    """One row per payment, one column per feature, in the order of `payments`, which is that of arrival.

    `payments` has transaction_id, user_id, merchant_id, amount, currency, status, type, channel, card_token, device_id,
    city, country, event_at and recorded_at, and of the other columns of FACTS_SCHEMA those that are known. `labels` has a
    row per known fraud: user_id, merchant_id, recorded_at (its arrival) and counts_from.
    """
    numbered = with_measures(payments)
    rows = pa.concat_tables([*(_of_role(numbered, role) for role in ROLES), *_labels(labels, numbered)])
    found = features_of(rows)
    facts = {name: _column(numbered, name) for name in FACTS_SCHEMA.names if not name.startswith("of_")}
    for role in ROLES:
        facts[f"of_{role.lower()}"] = _by_payment(found, role, numbered["transaction_id"])
    return matrix_of(pa.table(facts, schema=FACTS_SCHEMA))


def with_measures(payments: pa.Table) -> pa.Table:
    """The payments with what the sums are made of: `seen_at`, units, levels, and where each stands in the arrival."""
    event, recorded = _micros(payments["event_at"]), _micros(payments["recorded_at"])
    latest = np.maximum.accumulate(recorded)
    seen = np.maximum(np.minimum(event, recorded), latest - DAY_MS * 1000)
    units = np.asarray(pc.multiply(payments["amount"], pa.scalar(Decimal(UNIT))).cast(pa.int64()).combine_chunks())
    levels = np.floor(LEVEL * np.log1p(units / UNIT) + 0.5).astype(np.int64)
    one = np.ones(payments.num_rows, np.int64)
    declined = np.asarray(pc.equal(payments["status"], DECLINED).cast(pa.int64()))
    refunds = np.asarray(pc.fill_null(pc.equal(payments["type"], REFUND), False).cast(pa.int64()))
    at = pa.array(seen, pa.int64()).cast(pa.timestamp("us", "UTC"))
    added = {
        "is_asked": pa.array(one.astype(bool)), "generation": pa.array(one.astype(np.int32)),
        "batch": pa.array(np.arange(len(one))), "partition": pa.array(one.astype(np.int32)),
        "offset": pa.array(np.arange(len(one))), "seen_at": at, "first_at": at, "units": pa.array(units),
        "levels": pa.array(levels), "levels_squared": pa.array(levels**2), "payments": pa.array(one),
        "declines": pa.array(declined), "refunds": pa.array(refunds),
    }  # fmt: skip
    for name, values in added.items():
        payments = payments.append_column(name, values)
    return payments


def _of_role(payments: pa.Table, role: str) -> pa.Table:
    keyed = payments.filter(pc.is_valid(payments[KEY_OF[role]]))
    columns = {name: _column(keyed, name) for name in ROWS_SCHEMA.names if name not in ("role", "key")}
    columns |= {"role": pa.array([role] * keyed.num_rows, pa.string()), "key": keyed[KEY_OF[role]]}
    return pa.table({name: columns[name] for name in ROWS_SCHEMA.names}).cast(ROWS_SCHEMA)


def _labels(labels: pa.Table | None, payments: pa.Table) -> list[pa.Table]:
    """A row per known fraud for its customer, and one for its merchant, between the payments as it arrived."""
    if labels is None or not labels.num_rows:
        return []
    arrived = np.searchsorted(np.maximum.accumulate(_micros(payments["recorded_at"])), _micros(labels["recorded_at"]))
    count = labels.num_rows
    nothing, one = pa.array(np.zeros(count, np.int64)), pa.array(np.ones(count, np.int64))
    columns = {name: pa.nulls(count) for name in ROWS_SCHEMA.names} | {
        "is_asked": pa.array([False] * count), "generation": one, "batch": pa.array(arrived),
        "recorded_at": labels["recorded_at"], "partition": nothing, "offset": nothing, "seen_at": labels["counts_from"],
        "first_at": labels["counts_from"],
        **dict.fromkeys(("units", "levels", "levels_squared", "payments", "declines", "refunds"), nothing),
    }  # fmt: skip
    found = []
    for role in (USER, MERCHANT):
        columns |= {"role": pa.array([role] * count), "key": labels[KEY_OF[role]]}
        found.append(pa.table({name: columns[name] for name in ROWS_SCHEMA.names}).cast(ROWS_SCHEMA))
    return found


def _by_payment(found: pa.Table, role: str, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    mine = found.filter(pc.equal(found["role"], role))
    return mine["found"].take(pc.index_in(ids, mine["transaction_id"].combine_chunks()))


def _column(table: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    return table[name] if name in table.column_names else pa.nulls(table.num_rows)


def _micros(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).combine_chunks())
