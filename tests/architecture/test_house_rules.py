"""What review forgets: who may build a session, write, print, or leave exact decimals."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "libs" / "paylake"
SOURCES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
JOBS = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "jobs").rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in (SOURCES | JOBS).items()}

SCORES_IN_PYTHON = {"fraud/arrivals.py"}
"""Models are Python. They see columns of thousands of payments, and never a row."""
BUILDS_A_SESSION = {"session.py"}
WRITES = {"tables.py", "files.py", "streams.py", "history.py", "simulation/bulk.py", "alert_driver.py", "publish_driver.py"}
TALKS_TO_PEOPLE = ("cli.py", "pipeline.py", "report/", "session.py")
EXACT = (
    "columns/", "payments/", "statements/", "dimensions/", "matching/", "reconciliation/", "indexes/", "resolution/",
    "serving/", "quality.py",
)  # fmt: skip


def attributes(tree: ast.AST) -> Iterator[str]:
    """The names behind a dot."""
    return (node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def names(tree: ast.AST) -> Iterator[str]:
    """Every name that is read, imported or called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name.split(".")[-1]


def texts(tree: ast.AST) -> Iterator[str]:
    """Every literal text that is no docstring."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def those_with(condition, *places: str) -> set[str]:  # type: ignore[no-untyped-def]
    """The files, below some places or anywhere, for whose tree a condition holds."""
    return {name for name, tree in TREES.items() if name.startswith(places or ("",)) and condition(tree)}


def test_the_rules_look_at_the_code() -> None:
    assert {"cli.py", "tables.py", "reconciliation/items.py"} <= SOURCES.keys()
    assert "reconciliation/items.py" in those_with(lambda tree: "xxhash64" in attributes(tree))


def test_only_one_place_builds_a_session() -> None:
    assert those_with(lambda tree: {"builder", "SparkContext", "getOrCreate"} & set(attributes(tree))) == BUILDS_A_SESSION


def test_only_the_edges_write() -> None:
    writes = {"write", "writeStream", "writeTo", "saveAsTable", "insertInto"}

    def writes_frames(tree: ast.AST) -> bool:
        for node in ast.walk(tree):
            # `df.write.format(…)`: a property; `file.write(…)` is a call
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr in writes:
                return True
            if isinstance(node, ast.Attribute) and node.attr in writes - {"write"}:
                return True
        return False

    assert those_with(writes_frames) == {name for name in WRITES if name in SOURCES}


def test_only_the_table_module_speaks_delta() -> None:
    assert those_with(lambda tree: "DeltaTable" in names(tree)) == {"tables.py"}


def prints(tree: ast.AST) -> bool:
    """True where a tree prints."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print" for node in ast.walk(tree)
    )


def test_only_what_people_read_is_printed() -> None:
    loud = {n for n in those_with(prints) if not n.startswith(TALKS_TO_PEOPLE) and not n.endswith("command.py")}
    assert loud == set()


def test_no_row_is_handled_by_python() -> None:
    python_code = {"udf", "pandas_udf", "applyInPandas", "mapInPandas", "mapInArrow", "applyInPandasWithState",
                   "transformWithStateInPandas", "toPandas", "foreach", "mapPartitions", "flatMap"}  # fmt: skip
    assert those_with(lambda tree: python_code & set(names(tree))) == SCORES_IN_PYTHON


def test_nothing_near_money_is_a_binary_fraction() -> None:
    def is_inexact(tree: ast.AST) -> bool:
        named = {"DoubleType", "FloatType", "float", "round", "bround", "format_number"} & set(names(tree))
        cast = {text for text in texts(tree) if text.strip().lower() in {"double", "float", "real"}}
        literal = any(isinstance(n, ast.Constant) and isinstance(n.value, float) for n in ast.walk(tree))
        return bool(named or cast or literal)

    assert those_with(is_inexact, *EXACT) == set()


@pytest.mark.parametrize("place", EXACT)
def test_a_transformation_reads_no_clock_and_starts_no_job(place: str) -> None:
    impure = {"collect", "toLocalIterator", "isEmpty", "persist", "cache", "now", "today", "utcnow",
              "current_timestamp", "current_date", "rand", "uuid", "uuid4", "monotonically_increasing_id"}  # fmt: skip

    def is_impure(tree: ast.AST) -> bool:
        calls = (n.func for n in ast.walk(tree) if isinstance(n, ast.Call))
        return bool(impure & {f.attr for f in calls if isinstance(f, ast.Attribute)})

    assert those_with(is_impure, place) == set()


def test_every_job_has_a_main_of_one_screen() -> None:
    mains = {
        name: node.end_lineno - node.lineno + 1
        for name in JOBS
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.FunctionDef) and node.name == "main" and node.end_lineno
    }
    assert mains.keys() == JOBS.keys()
    assert {name: lines for name, lines in mains.items() if lines > 40} == {}
