"""The audit log's chain: whole as it was written, and broken by any change at all."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from paylake.contracts.resolution import AUDIT_LOG
from paylake.resolution.chain import chained, first_fault
from tests.builders import NOON

ACT = {
    "entry": "ACT", "act_id": "a1", "act": "approve", "subject": "b1", "who": "asha", "at": NOON, "why": "seen",
    "before": '{"state":"IN_REVIEW"}', "after": '{"state":"RESOLVED"}', "amount": Decimal("50.0000"), "currency": "INR",
    "rule_version": "r1", "run_id": "2026-03-31-001", "business_date": date(2026, 3, 31),
}  # fmt: skip
COMMIT = {
    **ACT, "entry": "COMMIT", "act_id": "2026-03-31-001/breaks", "act": "commit", "subject": "breaks", "amount": None,
    "currency": None, "table_version": 4, "row_count": 7, "sums": '{"amount":{"INR":"50.0000"}}', "content_hash": "12",
}  # fmt: skip


def log() -> list[dict[str, Any]]:
    first = chained([ACT, COMMIT], None)
    return [*first, *chained([{**ACT, "act_id": "a2"}], first[-1])]


def test_a_log_that_grew_in_steps_is_one_chain() -> None:
    rows = log()
    assert [row["sequence"] for row in rows] == [1, 2, 3]
    assert rows == chained([ACT, COMMIT, {**ACT, "act_id": "a2"}], None)
    assert first_fault(rows) is None
    assert first_fault([]) is None


@pytest.mark.parametrize("name", AUDIT_LOG.columns)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_change_of_any_column_of_any_row_is_found(name: str, at: int) -> None:
    rows = log()
    value = rows[at][name]
    match value:
        case None:
            changed: Any = "x"
        case str():
            changed = value[:-1] + chr(ord(value[-1]) ^ 1)  # a single bit
        case Decimal():
            changed = value + Decimal("0.0001")
        case int():
            changed = value + 1
        case _:
            changed = value + timedelta(days=1)
    rows[at] = {**rows[at], name: changed}
    assert first_fault(rows) is not None


def test_a_row_that_is_taken_out_or_exchanged_is_found() -> None:
    one, two, three = log()
    assert first_fault([one, three]) == "Row 2 of audit_log is missing or repeated: the next one has the number 3."
    renumbered = {**three, "sequence": 2}
    assert first_fault([one, renumbered]) == (
        "Row 2 of audit_log does not follow row 1: one of them was changed or exchanged."
    )
    forged = {**two, "who": "ben"}
    assert first_fault([one, forged, three]) == "Row 2 of audit_log (commit of breaks by ben) is not as it was written."
