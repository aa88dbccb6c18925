"""The contracts are the one place that says what a table looks like."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import paylake.contracts
from paylake.contracts import ALL
from paylake.contracts.table import TableContract

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "libs" / "paylake"


def test_every_contract_of_every_module_is_in_the_registry() -> None:
    found = {}
    for module in pkgutil.iter_modules(paylake.contracts.__path__):
        content = vars(importlib.import_module(f"paylake.contracts.{module.name}"))
        found |= {name: value for name, value in content.items() if isinstance(value, TableContract)}
    assert sorted(c.name for c in found.values()) == sorted(c.name for c in ALL)


def test_a_contract_is_called_as_its_table() -> None:
    content = vars(paylake.contracts)
    assert [c.name for c in ALL if content.get(c.name.upper()) is not c] == []


def test_no_other_module_writes_a_table_definition() -> None:
    wrong = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).as_posix() != "contracts/table.py"
        and re.search(r"CREATE (EXTERNAL )?TABLE", path.read_text(encoding="utf-8"))
    ]
    assert wrong == []


def test_contracts_are_data_and_define_no_behaviour_but_their_own() -> None:
    loud = {}
    for path in sorted((PACKAGE / "contracts").glob("*.py")):
        imported = {
            name.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pyspark")
            for name in node.names
        }
        if behaviour := {name for name in imported if not re.fullmatch(r"[A-Z]\w*(Type|Field)", name)}:
            loud[path.name] = behaviour
    assert loud == {}
