"""What auditors see while a run is not published, and once it is: asked of DuckDB, over literal rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import duckdb
import pytest

from paylake.contracts import AUDIT_LOG, BREAKS, RECONCILIATION_INDEX, RUN_CONTROLS, STATEMENT_FILES
from tests.builders import NOON
from tests.other_engine import answer, connect, insert

HOUR = timedelta(hours=1)
PUBLISHED = {"row_kind": "PUBLISHED", "source": "all", "currency": "-"}
PUBLISHES_SECOND = {"run_id": "second", "run_at": NOON + HOUR, **PUBLISHED}


@pytest.fixture
def athena() -> duckdb.DuckDBPyConnection:
    """A lake whose first run is published; the second one has written everything but its last row."""
    connection = connect()
    insert(connection, RUN_CONTROLS, {"run_id": "first", "run_at": NOON, **PUBLISHED})
    return connection


def asked(athena: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in answer(athena, sql)]


def test_a_version_counts_from_the_publishing_of_its_run_until_that_of_the_next(athena: duckdb.DuckDBPyConnection) -> None:
    # an attempt of the first run wrote it, and crashed; the next one found it there
    found_there = {"recon_id": "r", "run_id": "first", "valid_from": NOON - HOUR, "closed_by_run_id": "second"}
    new = {"recon_id": "r", "run_id": "second", "valid_from": NOON + HOUR, "status": "MATCHED"}
    insert(athena, RECONCILIATION_INDEX, found_there, new)
    reported = """
        SELECT status, run_id, reported_from, reported_to, replaced_by_run_id FROM v_reported_versions ORDER BY reported_from
    """
    noon = NOON.replace(tzinfo=None)
    assert asked(athena, reported) == [("PENDING", "first", noon, None, None)]
    insert(athena, RUN_CONTROLS, PUBLISHES_SECOND)
    assert asked(athena, reported) == [
        ("PENDING", "first", noon, noon + HOUR, "second"),
        ("MATCHED", "second", noon + HOUR, None, None),
    ]


def test_a_break_that_a_run_ended_has_ended_once_the_run_is_published_and_one_that_people_ended_at_once(
    athena: duckdb.DuckDBPyConnection,
) -> None:
    by_run = {"break_id": "by run", "state": "RESOLVED", "resolution": "LEDGERS_AGREE", "resolved_by_run_id": "second"}
    by_people = {"break_id": "by people", "state": "WRITTEN_OFF", "resolution": "WRITE_OFF", "resolved_by_run_id": "second"}
    insert(athena, BREAKS, by_run, by_people, {"break_id": "open"})
    ended = "SELECT break_id FROM v_resolved_breaks ORDER BY break_id"
    assert asked(athena, ended) == [("by people",)]
    insert(athena, RUN_CONTROLS, PUBLISHES_SECOND)
    assert asked(athena, ended) == [("by people",), ("by run",)]


def test_the_log_is_shown_as_acts_and_as_what_runs_wrote(athena: duckdb.DuckDBPyConnection) -> None:
    commit = {"sequence": 3, "entry": "COMMIT", "act": "commit", "subject": "breaks", "table_version": 4, "row_count": 2}
    insert(athena, AUDIT_LOG, {"sequence": 1}, {"sequence": 2, "entry": "REFUSED"}, commit)
    assert asked(athena, "SELECT sequence, entry FROM v_acts ORDER BY sequence") == [(1, "ACT"), (2, "REFUSED")]
    assert asked(athena, "SELECT sequence, table_name, table_version, row_count FROM v_run_outputs") == [(3, "breaks", 4, 2)]


def test_of_a_run_only_the_attempt_that_was_published_says_what_it_read(athena: duckdb.DuckDBPyConnection) -> None:
    offsets = {"run_id": "first", "row_kind": "OFFSETS", "source": "t/0", "currency": "-"}
    insert(athena, RUN_CONTROLS, {**offsets, "run_at": NOON - HOUR, "end_offset": 7}, {**offsets, "end_offset": 9})
    differs = {"run_id": "first", "row_kind": "DIFFERENCE", "source": "late leg", "currency": "-", "broken_records": 3}
    insert(athena, RUN_CONTROLS, differs, {**differs, "run_at": NOON - HOUR})
    assert asked(athena, "SELECT run_id, source, end_offset FROM v_run_inputs") == [("first", "t/0", 9)]
    assert asked(athena, "SELECT run_id, why, transactions FROM v_run_differences") == [("first", "late leg", 3)]


def test_a_file_leaves_quarantine_when_somebody_accepts_it(athena: duckdb.DuckDBPyConnection) -> None:
    quarantined = {"state": "QUARANTINED", "reason": "BALANCE_PROOF_FAILED"}
    insert(athena, STATEMENT_FILES, {"file_sha256": "a", **quarantined}, {"file_sha256": "b", **quarantined})
    insert(athena, STATEMENT_FILES, {"file_sha256": "b", "state": "ACCEPTED"}, {"file_sha256": "c"})
    assert asked(athena, "SELECT file_sha256, reason FROM v_files_in_quarantine") == [("a", "BALANCE_PROOF_FAILED")]
