"""Three ledgers as Parquet files, with every kind of break in known numbers: the input of the nightly comparison.

Deliberately not paylake's simulation: these are plain arrays, whose classes are known because they were put there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from paylake.contracts.topics import LEDGERS

MIX = {
    "NONE": 0.925,
    "WITHIN_TOLERANCE": 0.01,
    "REDELIVERED": 0.01,
    "STATUS_UPDATED": 0.01,
    "DUPLICATE_POSTING": 0.004,
    "CURRENCY_MISMATCH": 0.003,
    "CRITICAL_MISSING": 0.003,
    "MISSING_PG": 0.005,
    "MISSING_CBS": 0.005,
    "MISSING_MOBILE": 0.005,
    "FRAUD_ATTEMPT": 0.003,
    "TRIPLE_MISMATCH": 0.003,
    "AMOUNT_MISMATCH": 0.006,
    "STATUS_MISMATCH": 0.004,
    "TIMESTAMP_DRIFT": 0.004,
}
HARMLESS = {"WITHIN_TOLERANCE", "REDELIVERED", "STATUS_UPDATED"}
"""They look like a break and are none."""

CURRENCIES = np.array(["INR", "USD", "EUR", "JPY", "KWD"])
MINOR = np.array([100, 100, 100, 10_000, 10])
"""A minor unit of each currency, in ten thousandths."""
STATUSES = np.array(["PENDING", "SUCCESS", "FAILED"])
PENDING, SUCCESS, FAILED = range(3)
SECOND = 1_000_000
MIDNIGHT_US = 1_768_435_200 * SECOND
ROW_GROUP = 125_000


def write(folder: Path, payments: int, seed: int = 7) -> dict[str, int]:
    """Write `<ledger>.parquet` and `truth.parquet`; returns the number of payments of each class."""
    rng = np.random.default_rng(seed)
    names = np.array(list(MIX))
    planned = names[rng.choice(len(names), payments, p=np.array(list(MIX.values())))]
    ids, hit = _ids(rng, payments), rng.integers(0, 3, payments)
    currency = rng.choice(len(CURRENCIES), payments, p=[0.6, 0.15, 0.1, 0.1, 0.05])
    units = rng.integers(2_000, 10_000_000, payments)
    status = np.where(rng.random(payments) < 0.05, FAILED, SUCCESS)
    at = MIDNIGHT_US + rng.integers(0, 86_000, payments) * SECOND
    for number, ledger in enumerate(LEDGERS):
        touched = hit == number
        has = np.ones(payments, np.bool_)
        has[(planned == "CRITICAL_MISSING") & ~touched] = False
        has[planned == ("MISSING_PG", "MISSING_CBS", "MISSING_MOBILE")[number]] = False
        leg_units, leg_currency, leg_status = units.copy(), currency.copy(), status.copy()
        leg_at = at + rng.integers(0, 2 * SECOND, payments)
        leg_units[(planned == "WITHIN_TOLERANCE") & touched] += 1
        leg_currency[(planned == "CURRENCY_MISMATCH") & touched] += 1
        leg_currency %= len(CURRENCIES)
        if ledger == "core":
            leg_units = np.where(planned == "FRAUD_ATTEMPT", units * rng.integers(15, 60, payments), leg_units)
            leg_units = np.where(np.isin(planned, ["AMOUNT_MISMATCH", "TRIPLE_MISMATCH"]), units * 9 // 10, leg_units)
            leg_status = np.where(planned == "STATUS_MISMATCH", SUCCESS + FAILED - status, leg_status)
        if ledger == "mobile":
            leg_units = np.where(planned == "TRIPLE_MISMATCH", units * 12 // 10, leg_units)
            leg_at += np.where(planned == "TIMESTAMP_DRIFT", rng.integers(8, 90, payments) * SECOND, 0)
        first = np.nonzero(has)[0]
        again = np.nonzero(has & touched & np.isin(planned, ["REDELIVERED", "STATUS_UPDATED", "DUPLICATE_POSTING"]))[0]
        row = np.concatenate([first, again])
        is_again = np.arange(len(row)) >= len(first)
        of = planned[row]
        row_units = np.where(is_again & (of == "DUPLICATE_POSTING"), leg_units[row] * 7 // 10, leg_units[row])
        # the update comes second: what it replaces was pending
        row_status = np.where(~is_again & (of == "STATUS_UPDATED") & touched[row], PENDING, leg_status[row])
        later = is_again & (of != "REDELIVERED")
        row_at = leg_at[row] + np.where(later, rng.integers(1, 60, len(row)) * SECOND, 0)
        order = rng.permutation(len(row))
        columns = _columns(ids, row[order], leg_currency[row][order], row_units[order], row_status[order], row_at[order])
        _write_ledger(folder / f"{ledger}.parquet", ledger, columns)
    truth = np.where(np.isin(planned, list(HARMLESS)), "NONE", planned)
    pq.write_table(pa.table({"transaction_id": ids, "kind": pa.array(truth)}), folder / "truth.parquet")
    return {str(kind): int(count) for kind, count in zip(*np.unique(truth, return_counts=True), strict=True)}


def _ids(rng: np.random.Generator, count: int) -> pa.Array:
    """Random identifiers of 36 characters, in the form of a UUID."""
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)[rng.integers(0, 16, (count, 32), dtype=np.uint8)]
    text = np.full((count, 36), ord("-"), np.uint8)
    text[:, [i for i in range(36) if i not in (8, 13, 18, 23)]] = digits
    offsets = pa.py_buffer(np.arange(0, 36 * (count + 1), 36, dtype=np.int32))
    return pa.StringArray.from_buffers(count, offsets, pa.py_buffer(text.tobytes()))


def _columns(
    ids: pa.Array, row: np.ndarray, currency: np.ndarray, units: np.ndarray, status: np.ndarray, at: np.ndarray
) -> dict[str, pa.Array]:
    texts = {name: pa.array([f"{name}-{i}" for i in range(500)]) for name in ("merchant_id", "city", "bank_id")}
    return {
        "transaction_id": ids.take(pa.array(row)),
        "user_id": pa.array(np.char.add("user-", (row % 20_000).astype(np.str_))),
        **{name: values.take(pa.array(row % 500)) for name, values in texts.items()},
        "type": pa.array(np.full(len(row), "PURCHASE")),
        "channel": pa.array(np.array(["UPI", "CARD", "WALLET"])[row % 3]),
        "payment_system": pa.array(np.array(["UPI", "VISA", "RUPAY"])[row % 3]),
        "country": pa.array(np.array(["IN", "US", "DE", "JP", "KW"])[currency]),
        "amount": _money(units * MINOR[currency]),
        "currency": pa.array(CURRENCIES[currency]),
        "status": pa.array(STATUSES[status]),
        "event_at": pa.array(at, pa.timestamp("us", "UTC")),
    }


def _money(ten_thousandths: np.ndarray) -> pa.Array:
    """Exact decimals of scale 4 from integers."""
    words = np.stack([ten_thousandths.astype(np.int64), np.zeros(len(ten_thousandths), np.int64)], axis=1)
    return pa.Array.from_buffers(pa.decimal128(18, 4), len(words), [None, pa.py_buffer(words.tobytes())])


def _write_ledger(path: Path, ledger: str, columns: dict[str, pa.Array]) -> None:
    rows = len(columns["amount"])
    numbers = {
        "source": pa.array(np.full(rows, ledger)),
        "partition": pa.array(np.arange(rows, dtype=np.int32) % 2),
        "offset": pa.array(np.arange(rows) // 2),
        "recorded_at": columns["event_at"],
    }
    pq.write_table(pa.table({**numbers, **columns}), path, row_group_size=ROW_GROUP)
