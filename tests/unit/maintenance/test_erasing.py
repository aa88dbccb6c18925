"""Requests of erasure, what a table becomes without a customer, and what the log of maintenance may say of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from paylake.contracts import AUDIT_LOG, LEDGER_ENTRIES, RECONCILIATION_INDEX
from paylake.contracts.compliance import RESTRICTED
from paylake.contracts.maintenance import TABLE_MAINTENANCE, UPKEEP, Action, Erasure, Personal, Stage
from paylake.errors import ContractError, SettingsError
from paylake.maintenance.erasing import Request, holds, instead
from paylake.maintenance.steps import Figures, Step, step_of, told, unfinished
from tests.builders import NOON, TODAY

ASKED = Request("ab" * 16, "cust-0001", "dpo", NOON, "ticket 4711")
STEP = Step(
    Action.RETAIN, "batch_index", TODAY, "400 days", "delete 2 rows of batch_index with business_date < DATE'2025-02-24'",
    Figures(10, 4, 4_000, 7), detail="{}",
)  # fmt: skip


def test_a_request_is_read_as_it_was_written() -> None:
    assert Request.from_json(ASKED.to_json()) == ASKED


def test_what_is_kept_of_a_request_names_nobody() -> None:
    assert ASKED.subject not in ASKED.evidence()
    assert ASKED.subject not in ASKED.token
    assert "ticket 4711" in ASKED.evidence()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subject": "c"}, "--subject: a customer's identifier"),
        ({"subject": "x' OR '1'='1"}, "--subject: a customer's identifier"),
        ({"subject": r"a\E.*"}, "--subject: a customer's identifier"),
        ({"who": " "}, "--who"),
        ({"why": ""}, "--why: a request needs a reason"),
        ({"why": "cust-0001 asked"}, "may not name the customer"),
        ({"at": datetime(2026, 3, 31)}, "names no offset"),
    ],
)
def test_a_request_that_nobody_could_carry_out_or_audit_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        replace(ASKED, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said", [{}, {"subject": "cust-0001"}, {**ASKED.to_json(), "at": "soon"}, {**ASKED.to_json(), "x": 1}]
)
def test_a_request_that_somebody_edited_is_refused_without_saying_whom_it_names(said: dict[str, object]) -> None:
    with pytest.raises(ContractError, match="not written as paylake writes it") as refused:
        Request.from_json(said)
    assert "cust-0001" not in str(refused.value)


def test_no_statement_holds_the_customer_itself() -> None:
    for upkeep in UPKEEP.values():
        for personal in upkeep.personal:
            assert "s._subject" in holds(personal)


def test_a_row_that_goes_needs_no_new_values() -> None:
    assert instead(Personal("user_id", Erasure.DELETE), RECONCILIATION_INDEX) is None


def test_a_row_that_stays_has_another_name_no_traces_and_the_hash_of_what_it_says_now() -> None:
    personal = Personal("user_id", Erasure.PSEUDONYMISE, clears=("device_id",))
    assert instead(personal, LEDGER_ENTRIES) == {"user_id": "s._token", "device_id": "CAST(NULL AS string)"}
    hashed = instead(Personal("user_id", Erasure.PSEUDONYMISE), RECONCILIATION_INDEX, ("status", "user_id"))
    assert hashed is not None
    assert hashed["content_hash"] == "xxhash64(t.`status`, t.`status` IS NULL, s._token, s._token IS NULL)"


def test_an_action_has_the_same_name_again_on_the_same_version_and_another_on_the_next() -> None:
    assert STEP.action_id == STEP._replace(outcome="said otherwise").action_id
    assert STEP.action_id != STEP._replace(before=Figures(10, 4, 4_000, 8)).action_id
    assert STEP.subject == STEP._replace(before=Figures(10, 4, 4_000, 8)).subject


def test_what_was_begun_and_not_done_is_found_as_it_was() -> None:
    begun, done = STEP.row(Stage.BEGUN), STEP.row(Stage.DONE, Figures(8, 3, 3_000, 8))
    assert set(begun) == set(TABLE_MAINTENANCE.columns)
    assert (done["rows_before"], done["rows_after"], done["version_after"]) == (10, 8, 8)
    assert unfinished([begun]) == [STEP]
    assert unfinished([begun, done]) == []
    assert step_of(done) == STEP


def test_of_a_restricted_table_no_row_is_counted_and_of_an_erasure_in_it_nothing_is_told() -> None:
    restricted = replace(AUDIT_LOG, layer=RESTRICTED)
    figures = Figures(10, 4, 4_000, 7)
    assert told(restricted, figures, Action.COMPACT) == Figures(None, 4, 4_000, 7)
    assert told(restricted, figures, Action.ERASE) == Figures()
    assert told(AUDIT_LOG, figures, Action.ERASE) == figures


def test_a_time_is_stored_as_utc() -> None:
    assert ASKED.to_json()["at"] == NOON.astimezone(UTC).isoformat(timespec="microseconds")
