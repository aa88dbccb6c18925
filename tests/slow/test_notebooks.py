"""Every notebook runs from top to bottom over a small lake, and draws."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import nbformat
import pyarrow.compute as pc
import pytest
from nbclient import NotebookClient
from pyspark.sql import SparkSession

from paylake import tables
from paylake.consumers import INDEXES
from paylake.contracts import (
    AGGREGATE_INDEX,
    ALL,
    BUSINESS_DAYS,
    FRAUD_INDEX,
    RUN_CONTROLS,
    SETTLEMENT_SCHEDULE,
    TableContract,
)
from paylake.contracts.topics import PG_TRANSACTIONS
from paylake.nightly import build_batch_index, build_final_aggregate
from paylake.reconcile import Horizon
from paylake.reconciliation.rules import Rules
from paylake.resolution.calendars import business_day_rows
from paylake.simulation import Plan, generate
from paylake.simulation.arrivals import gateway_arrivals
from paylake.simulation.fraud_feed import feed_deliveries, fraud_labels, fraud_signals
from paylake.simulation.truth_writer import TruthWriter
from tests.builders import NOON, day, rows
from tests.score_harness import open_scores, score
from tests.stream_harness import Log, open_stream, run, write_statements

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

DAY = Plan(payments=3_000, seed=29, fraud=0.03, tick_every=timedelta(hours=1))
"""A day with a campaign in most of its hours, so that a model finds frauds in each block that it is judged on."""

LAKES = {"fraud": "scored_day"}
"""Notebook -> the fixture of its lake, where it needs more than a row of each table."""


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


@pytest.fixture(scope="module")
def scored_day(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The lake of a simulated day: streamed, scored, published, with what had been said of it by its end.

    The truth lies beside it, as `paylake demo` leaves it.
    """
    place = tmp_path_factory.mktemp("scored")
    lake, log, truth, statements = str(place / "lake"), Log(), TruthWriter(place / "truth"), []
    for chunk in generate(DAY):
        for row in chunk.deliveries.to_pylist():
            log.send(row["topic"], row["value"], row["timestamp"], row["key"])
        truth.add(chunk)
        statements += [total.value for total in chunk.controls]
        log.tick(chunk.as_of)
    truth.close()
    log.close()
    run(open_stream(spark, lake), log)
    write_statements(spark, lake, statements)
    payments = gateway_arrivals(DAY)
    feed = feed_deliveries(fraud_labels(payments, DAY.seed), fraud_signals(payments, DAY.seed))
    said = Log()
    for row in feed.filter(pc.field("timestamp") < DAY.start + DAY.span).to_pylist():
        said.send(row["topic"], row["value"], row["timestamp"], partition=0)
    score(open_scores(spark, lake), [*(r for r in log.records if r.topic == PG_TRANSACTIONS), *said.records])
    build_batch_index(spark, lake, DAY.start.date(), Rules(), Horizon().missing_after)
    indexes = [index for index in INDEXES if index.contract is FRAUD_INDEX]
    build_final_aggregate(spark, lake, DAY.start.date(), DAY.start + 2 * DAY.span, indexes=indexes)
    assert tables.read(spark, lake, AGGREGATE_INDEX).where("label = 'FRAUD'").count()
    return lake


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_what_a_run_leaves(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert [c.source for c in cells if c.cell_type == "code" and (c.outputs or c.execution_count)] == []


OFTEN = ("finance",)
"""Notebooks that run with each change; the others with the thorough tests."""


@pytest.mark.parametrize(
    "path",
    [path if path.stem in OFTEN else pytest.param(path, marks=pytest.mark.thorough) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_a_notebook_runs_and_draws(path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYLAKE_LAKE", request.getfixturevalue(LAKES.get(path.stem, "lake_of_all")))
    monkeypatch.setenv("PAYLAKE_MASTER", "local[2]")
    monkeypatch.setenv("PYTHONPATH", str(path.parents[1] / "libs"))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}})
    client.execute()
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert [o for o in outputs if o.output_type == "error"] == []
    drawing = [cell for cell in notebook.cells if cell.cell_type == "code" and "plt.show()" in cell.source]
    assert drawing
    assert [c.source for c in drawing if not any("image/png" in o.get("data", {}) for o in c.outputs)] == []
