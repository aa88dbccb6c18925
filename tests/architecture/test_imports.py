"""Imports point one way, and none of them starts a JVM."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBS = ROOT / "libs"
MODULES = {
    ".".join(path.relative_to(LIBS).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((LIBS / "paylake").rglob("*.py"))
}

NOUNS = frozenset(
    {
        "deployment",
        "payments",
        "statements",
        "dimensions",
        "matching",
        "reconciliation",
        "indexes",
        "maintenance",
        "resolution",
        "serving",
        "simulation",
        "fraud",
    }
)
CORE = frozenset({"errors", "contracts", "columns", "quality"})
EDGES = frozenset({"tables", "streams", "session"})
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "columns": frozenset({"columns"}),
    "contracts": frozenset({"errors", "contracts"}),
    "statements": CORE | {"statements"},
    "dimensions": CORE | {"dimensions"},
    "matching": CORE | {"matching"},
    "quality": frozenset({"errors", "contracts", "columns"}),
    "payments": CORE | {"payments"},
    "reconciliation": CORE | {"reconciliation"},
    "resolution": CORE | {"resolution"},
    "serving": CORE | {"serving"},
    "maintenance": CORE | {"maintenance"},
    "deployment": CORE | {"deployment"},
    "fraud": CORE | {"fraud", "dimensions"},
    "indexes": CORE | NOUNS - {"simulation"},
    "simulation": CORE | {"simulation", "settings"},
    "settings": frozenset({"errors"}),
    "jars": frozenset({"errors"}),
    "topics": frozenset({"errors", "settings"}),
    "broker": frozenset({"errors", "settings", "jars", "topics"}),
    "session": frozenset({"errors", "settings", "jars"}),
    "tables": CORE,
    "streams": CORE | {"reconciliation", "settings", "topics"},
    "stream_state": CORE | {"reconciliation"},
}
"""Part of the package -> the parts that it may import. A part that is not named is an edge and may import all."""

COMMANDS = {"simulation.command": frozenset({"session"}), "simulation.bulk": frozenset({"session"})}
"""Modules that run a part as a command, and what they may import beyond it."""


def imports(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import hides where it points"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def parts_imported(path: Path) -> set[str]:
    """The parts of paylake that a file imports."""
    names = {name.split(".")[1] for name in imports(path) if name.startswith("paylake.")}
    return {name for name in names if f"paylake.{name}" in MODULES}


def test_every_part_that_has_a_rule_is_there() -> None:
    assert [part for part in MAY_IMPORT if f"paylake.{part}" not in MODULES] == []
    assert len(MODULES) > 20


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_point_one_way(part: str) -> None:
    wrong = {}
    for name, path in MODULES.items():
        below = name.removeprefix("paylake.")
        if below.split(".")[0] == part:
            extra = parts_imported(path) - MAY_IMPORT[part] - COMMANDS.get(below, frozenset())
            if extra:
                wrong[name] = sorted(extra)
    assert wrong == {}


def test_a_noun_does_no_input_or_output() -> None:
    assert {noun: sorted(MAY_IMPORT[noun] & EDGES) for noun in NOUNS} == {noun: [] for noun in NOUNS}


def test_no_library_module_imports_a_job_or_a_test() -> None:
    outside = ("jobs", "tests", "benchmarks", "scripts")
    wrong = {
        name: found for name, path in MODULES.items() if (found := {i for i in imports(path) if i.split(".")[0] in outside})
    }
    assert wrong == {}


def test_columns_and_contracts_need_no_other_package_than_spark() -> None:
    known = sys.stdlib_module_names | {"paylake", "pyspark"}
    wrong = {
        name: foreign
        for name, path in MODULES.items()
        if name.startswith(("paylake.columns", "paylake.contracts"))
        and (foreign := {i.split(".")[0] for i in imports(path)} - known)
    }
    assert wrong == {}


WATCHED = """
import sys
import pyspark.java_gateway, subprocess
def refuse(*args, **kwargs):
    raise SystemExit("a JVM was started")
pyspark.java_gateway.launch_gateway = refuse
for module in sys.argv[1:]:
    __import__(module)
from pyspark import SparkContext
assert SparkContext._gateway is None and SparkContext._active_spark_context is None
print("quiet")
"""


def test_importing_the_package_starts_no_jvm() -> None:
    modules = [m for m in MODULES if not m.endswith("__main__")]
    done = subprocess.run([sys.executable, "-c", WATCHED, *modules], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "quiet\n"), done.stderr


def test_asking_for_help_does_not_load_spark() -> None:
    code = "import sys, paylake.cli; print(any(m.split('.')[0] == 'pyspark' for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
