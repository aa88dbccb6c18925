"""The views as data: documented, reading what exists, the same for Spark and Athena."""

from __future__ import annotations

import importlib
import pkgutil
import re

import duckdb
import pytest

import paylake.contracts
from paylake.catalog import create_empty_tables
from paylake.contracts import AGGREGATE_INDEX, ALL, RUN_CONTROLS
from paylake.contracts.view import View, view_dictionary
from paylake.contracts.views import V_AGGREGATE_INDEX, V_PUBLISHED_RUNS, VIEWS
from paylake.errors import ContractError

RUNS = View("v_runs", "One row per run.", (RUN_CONTROLS,), "SELECT run_id FROM {run_controls}")

every_view = pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)


def test_every_view_of_every_module_is_in_the_registry() -> None:
    found = {}
    for module in pkgutil.iter_modules(paylake.contracts.__path__):
        content = vars(importlib.import_module(f"paylake.contracts.{module.name}"))
        found |= {name: value for name, value in content.items() if isinstance(value, View)}
    assert {name.lower(): view for name, view in found.items()} == {view.name: view for view in VIEWS}


@every_view
def test_a_view_is_named_and_says_what_it_shows(view: View) -> None:
    assert re.fullmatch(r"v_[a-z]+(_[a-z]+)*", view.name)
    assert re.fullmatch(r"One row per .*\.", view.doc)


@every_view
def test_a_view_reads_tables_of_the_registry_and_views_before_it(view: View) -> None:
    before = VIEWS[: VIEWS.index(view)]
    assert [source.name for source in view.reads if source not in (*ALL, *before)] == []


@pytest.mark.parametrize("body", ["SELECT 1", "SELECT * FROM {run_controls}, {breaks}", "SELECT * FROM run_controls"])
def test_a_view_that_reads_something_else_than_it_says_fails_at_construction(body: str) -> None:
    with pytest.raises(ContractError, match="v_runs: its SQL names"):
        View("v_runs", "One row per run.", (RUN_CONTROLS,), body)


def test_a_view_is_rendered_for_athena_with_its_database_before_every_table() -> None:
    assert RUNS.sql() == "SELECT run_id FROM run_controls"
    assert (
        RUNS.athena_ddl("payments") == "CREATE OR REPLACE VIEW payments.v_runs AS\nSELECT run_id FROM payments.run_controls"
    )
    assert "FROM payments.v_reconciliation_index" in V_AGGREGATE_INDEX.athena_ddl("payments")


@every_view
def test_a_view_uses_no_word_of_one_dialect_alone(view: View) -> None:
    of_one = r"\b(QUALIFY|DATE_?(DIFF|ADD|SUB)|(ARRAY_)?CONTAINS|COUNT_IF|STRING|VARCHAR|CURRENT_\w+|NOW)\b|`|\""
    assert re.findall(of_one, view.body, re.IGNORECASE) == []


def test_another_dialect_reads_the_views_and_finds_their_columns() -> None:
    athena = duckdb.connect()
    create_empty_tables(athena, "lake")
    shown = {}
    for view in VIEWS:
        athena.execute(view.athena_ddl("lake"))
        shown[view.name] = athena.execute(f"DESCRIBE lake.{view.name}").fetchall()
    assert [row[0] for row in shown["v_aggregate_index"]] == [*AGGREGATE_INDEX.columns, "resolved_status"]
    assert {name: found for name, rows in shown.items() if (found := [r[0] for r in rows if "ZONE" in r[1]])} == {}


def test_the_dictionary_names_each_view_with_what_it_reads_and_its_query() -> None:
    assert view_dictionary([RUNS]).split("\n## ", 1)[1] == (
        "`v_runs`\n\nOne row per run.\n\nReads: `run_controls`.\n\n```sql\nSELECT run_id FROM run_controls\n```\n"
    )
    assert V_PUBLISHED_RUNS.doc in view_dictionary(VIEWS)
