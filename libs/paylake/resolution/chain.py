"""The hash chain of the audit log: h(n) = sha256(h(n-1) + canonical row) (reconciliation rule 30)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from paylake.contracts.resolution import AUDIT_LOG
from paylake.resolution.acts import ZERO_HASH, canonical

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LINKS = ("previous_hash", "hash")
SAID = tuple(name for name in AUDIT_LOG.columns if name not in LINKS)


def chained(rows: Iterable[Mapping[str, Any]], last: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The rows, numbered and linked after the `last` one of the log (None: the log is empty). A time names its offset."""
    sequence, previous = (last["sequence"], last["hash"]) if last else (0, ZERO_HASH)
    linked = []
    for row in rows:
        sequence += 1
        said = {**dict.fromkeys(SAID), **row, "sequence": sequence}
        linked.append({**said, "previous_hash": previous, "hash": link(previous, said)})
        previous = linked[-1]["hash"]
    return linked


def link(previous: str, row: Mapping[str, Any]) -> str:
    """The hash of a row that follows one with the hash `previous`."""
    return hashlib.sha256((previous + canonical({name: _plain(row[name]) for name in SAID})).encode()).hexdigest()


def first_fault(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong with the chain, in a sentence, at the first row where anything is; None for a whole chain."""
    previous = ZERO_HASH
    for n, row in enumerate(rows, start=1):
        if row["sequence"] != n:
            return f"Row {n} of audit_log is missing or repeated: the next one has the number {row['sequence']}."
        if row["previous_hash"] != previous:
            return f"Row {n} of audit_log does not follow row {n - 1}: one of them was changed or exchanged."
        if row["hash"] != link(previous, row):
            return f"Row {n} of audit_log ({row['act']} of {row['subject']} by {row['who']}) is not as it was written."
        previous = row["hash"]
    return None


def _plain(value: Any) -> Any:
    """A value as its canonical text has it: exact, and the same whoever reads it."""
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, int) else str(value)
