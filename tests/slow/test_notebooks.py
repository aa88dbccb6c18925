"""Every notebook runs from top to bottom over a small lake, and draws."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from pyspark.sql import SparkSession

from paylake import tables
from paylake.contracts import ALL, BUSINESS_DAYS, RUN_CONTROLS, SETTLEMENT_SCHEDULE, TableContract
from paylake.resolution.calendars import business_day_rows
from tests.builders import NOON, day, rows

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

RUN = "2026-03-31-001"
GIVEN: dict[TableContract, tuple[dict[str, Any], ...]] = {
    RUN_CONTROLS: ({"run_id": RUN, "row_kind": "PUBLISHED", "source": "all", "currency": "-"},),
    SETTLEMENT_SCHEDULE: (
        {"schedule_id": "due", "payout_id": "PO-1", "expected_value_date": day("2026-04-01")},
        {"schedule_id": "there", "payout_id": "PO-2", "state": "SHORT", "actual_amount": Decimal(890),
         "variance_amount": Decimal(-10)},
        {"schedule_id": "release", "kind": "RESERVE_RELEASE", "reserve_release_date": day("2026-06-30")},
    ),
}  # fmt: skip
"""Tables whose rows a notebook shows; every other table has the builders' row."""


@pytest.fixture(scope="module")
def lake_of_all(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake that holds each table of the registry: published rows of a run, and the calendars."""
    lake = str(tmp_path_factory.mktemp("notebooks") / "lake")
    for contract in ALL:
        tables.create(spark, lake, contract)
        if contract is BUSINESS_DAYS:
            found = spark.createDataFrame(business_day_rows(), BUSINESS_DAYS.schema)
        else:
            versions = {"run_id": RUN, "is_current": True, "valid_from": NOON}
            known = {name: value for name, value in versions.items() if name in contract.columns}
            found = rows(spark, contract, *({**known, **row} for row in GIVEN.get(contract, ({},))))
        tables.append(found.coalesce(1), lake, contract)
    return lake


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_what_a_run_leaves(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert [c.source for c in cells if c.cell_type == "code" and (c.outputs or c.execution_count)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_draws(path: Path, lake_of_all: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYLAKE_LAKE", lake_of_all)
    monkeypatch.setenv("PAYLAKE_MASTER", "local[2]")
    monkeypatch.setenv("PYTHONPATH", str(path.parents[1] / "libs"))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}})
    client.execute()
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert [o for o in outputs if o.output_type == "error"] == []
    assert [o for o in outputs if "image/png" in o.get("data", {})]
