"""Whoever is suspected must not learn of it: what names suspicion stays in its layer, and few may read that."""

from __future__ import annotations

import ast
from pathlib import Path

from paylake.contracts import ALL, AML_ALERT, COMPLIANCE_INDEX, COMPLIANCE_RULES
from paylake.contracts.compliance import FLAGS, RESTRICTED
from paylake.contracts.view import View
from paylake.contracts.views import VIEWS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "libs" / "paylake"

CONFIDENTIAL = {
    "alert_id", "alert_kind", "is_sar_candidate", "structuring_suspected", "just_below_threshold_count", "ctr_required",
    "ctr_due_on",
}  # fmt: skip
"""Columns that tell, or give away, that somebody is suspected or reported."""

SUSPICION = ("suspect", "suspicio", "structuring", "sar_", "aml_alert")
"""Parts of names that would say so in other words."""

RESTRICTED_VIEWS = {
    "v_compliance_index", "v_compliance_rules", "v_kyc_due", "v_cash_reports", "v_structuring", "v_aml_alert",
    "v_aml_alerts",
}  # fmt: skip

MAY_NAME = {
    "contracts/__init__.py", "contracts/compliance.py", "contracts/views/__init__.py", "contracts/views/compliance.py",
    "indexes/compliance_index.py", "consumers.py", "reference_tables.py",
}  # fmt: skip
"""Modules that may speak of the restricted indexes: their own, and the run that writes them."""


def reads_restricted(view: View) -> bool:
    """True where a view rests on a restricted table, by way of other views too."""
    return any(reads_restricted(source) if isinstance(source, View) else source.layer == RESTRICTED for source in view.reads)


def test_what_names_suspicion_lies_in_the_restricted_layer() -> None:
    assert {c.name for c in ALL if c.layer == RESTRICTED} == {"aml_alert", "compliance_index", "compliance_rules"}
    assert CONFIDENTIAL - {*AML_ALERT.columns, *COMPLIANCE_INDEX.columns} == set()
    assert COMPLIANCE_RULES.path.startswith("restricted/")


def test_no_other_table_has_such_a_column() -> None:
    told = {
        c.name: found
        for c in ALL
        if c.layer != RESTRICTED
        and (found := [n for n in c.columns if n in CONFIDENTIAL or any(part in n for part in SUSPICION)])
    }
    assert told == {}


def test_only_the_views_of_compliance_read_a_restricted_table() -> None:
    assert {view.name for view in VIEWS if reads_restricted(view)} == RESTRICTED_VIEWS


def test_only_compliance_and_the_run_that_writes_it_name_the_restricted_indexes() -> None:
    named = set()
    for path in PACKAGE.rglob("*.py"):
        names = {n.id for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Name)}
        imported = {
            a.name
            for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(n, ast.ImportFrom)
            for a in n.names
        }
        if {"AML_ALERT", "COMPLIANCE_INDEX"} & (names | imported):
            named.add(path.relative_to(PACKAGE).as_posix())
    assert named <= MAY_NAME


def test_no_flag_of_a_transaction_says_that_anybody_is_suspected() -> None:
    assert [flag for flag in FLAGS if any(part in flag.lower() for part in SUSPICION)] == []
