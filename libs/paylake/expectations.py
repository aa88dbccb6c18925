"""Great Expectations: a suite per contract, derived from it, and the Data Docs of what a lake publishes.

The gate (`gate.py`) decides whether a run may publish. This says the same promises to people, table by table, on pages.
"""

from __future__ import annotations

import importlib
import shutil
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from paylake import tables, views
from paylake.contracts import (
    AGGREGATE_INDEX,
    ALL,
    PAYOUTS,
    SETTLEMENT_LINES,
    STATEMENT_LINES,
    TableContract,
)
from paylake.contracts.indexes import VERSION_FIELDS
from paylake.contracts.table import Action, Check
from paylake.contracts.view import View
from paylake.contracts.views import VIEWS
from paylake.contracts.views.aggregate import V_AGGREGATE_INDEX
from paylake.contracts.views.published import V_PUBLISHED_RUNS
from paylake.contracts.views.statements import V_PAYOUT_TIEOUT, V_SETTLEMENT_LINES, V_STATEMENT_LINES
from paylake.errors import SettingsError
from paylake.quality import KEY_UNIQUE

SEVERITIES: dict[Action, str] = {Action.REJECT: "critical", Action.WARN: "warning"}
"""What a failed check does -> how severe Great Expectations calls it."""

SEEN_THROUGH: dict[TableContract, View] = {
    AGGREGATE_INDEX: V_AGGREGATE_INDEX,
    STATEMENT_LINES: V_STATEMENT_LINES,
    PAYOUTS: V_PAYOUT_TIEOUT,
    SETTLEMENT_LINES: V_SETTLEMENT_LINES,
}
"""Tables that a view shows, column by column, as published."""

PUBLISHED: tuple[TableContract, ...] = tuple(c for c in ALL if c in SEEN_THROUGH or any(c in view.reads for view in VIEWS))
"""The tables that consumers see, directly or through a view."""

LONGEST_PREDICATE = 240


@dataclass(frozen=True)
class Result:
    """What became of a table's suite: expectations in all, the names of those that failed, by severity."""

    table: str
    rows: int
    expectations: int
    failed: tuple[str, ...]
    warned: tuple[str, ...]


def published(spark: SparkSession, lake: str, contract: TableContract) -> DataFrame:
    """The table's rows as consumers see them: through its view, else of published runs, else as they lie."""
    if contract in SEEN_THROUGH:
        return views.read(spark, lake, SEEN_THROUGH[contract]).select(*contract.columns)
    rows = tables.read(spark, lake, contract)
    if {f.name for f in VERSION_FIELDS} <= set(contract.columns):
        return rows.join(views.read(spark, lake, V_PUBLISHED_RUNS).select("run_id"), on="run_id", how="left_semi").select(
            *contract.columns
        )
    return rows


def suite_of(contract: TableContract) -> Any:
    """The contract as an ExpectationSuite of the same name: columns in order, required values, the key, every check."""
    gx, expect = great_expectations()
    rejects = {"severity": SEVERITIES[Action.REJECT]}
    key = ", ".join(contract.key)
    return gx.ExpectationSuite(
        name=contract.name,
        expectations=[
            expect.ExpectTableColumnsToMatchOrderedList(
                column_list=list(contract.columns),
                description="The columns are those of the contract, in its order.",
                meta={"check": "columns"},
                **rejects,
            ),
            # the expectation of unique columns counts in a window, which sorts the whole frame; a query counts by hashes
            expect.UnexpectedRowsExpectation(
                unexpected_rows_query=f"SELECT {key}, count(*) AS rows FROM {{batch}} GROUP BY {key} HAVING count(*) > 1",
                description=f"{KEY_UNIQUE}: no two rows share a key ({key}).",
                meta={"check": KEY_UNIQUE},
                **rejects,
            ),
            *(
                expect.ExpectColumnValuesToNotBeNull(
                    column=f.name,
                    description=f"{f.name} is never null. {f.doc}",
                    meta={"check": f"{f.name}_present"},
                    **rejects,
                )
                for f in contract.fields
                if not f.nullable
            ),
            *(
                expect.UnexpectedRowsExpectation(
                    unexpected_rows_query=_rows_that_fail(check),
                    description=f"{check.name}: {textwrap.shorten(check.predicate, LONGEST_PREDICATE, placeholder=' …')}",
                    meta={"check": check.name},
                    severity=SEVERITIES[check.action],
                )
                for check in contract.checks
            ),
        ],
    )


def _rows_that_fail(check: Check) -> str:
    """The query of the rows that break a promise; Great Expectations fills in {batch}, and takes other braces doubled."""
    return f"SELECT * FROM {{batch}} WHERE {check.failure.replace('{', '{{').replace('}', '}}')}"


def validate(frames: Mapping[TableContract, DataFrame], out: Path, at: datetime) -> tuple[Result, ...]:
    """Validate each frame against its contract's suite, and write the Data Docs to `<out>/data_docs/index.html`.

    What an earlier call wrote there is replaced; nothing is written elsewhere, and nothing is sent or fetched. The pages
    show counts and no rows. `at` is the time that the pages name, and is part of their addresses. Each frame is read once
    and cached while its suite runs, since every check of the contract is two Spark jobs.
    Raises SettingsError where Great Expectations is not installed.
    """
    gx, _ = great_expectations()
    from great_expectations.core.run_identifier import RunIdentifier

    site = out / "data_docs"
    shutil.rmtree(site, ignore_errors=True)
    context = _context(gx, site)
    # the frames are cached here, and let go
    source = context.data_sources.add_spark("lake", persist=False)
    run = RunIdentifier(run_name="published", run_time=at)
    results = []
    for contract, frame in frames.items():
        batch = source.add_dataframe_asset(contract.name).add_batch_definition_whole_dataframe("published")
        suite = context.suites.add(suite_of(contract))
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=contract.name, data=batch, suite=suite))
        cached = frame.persist()
        try:
            rows = cached.count()
            found = definition.run(
                batch_parameters={"dataframe": cached},
                # the values of broken rows stay in the lake
                result_format={"result_format": "BASIC", "partial_unexpected_count": 0},
                run_id=run,
            )
            results.append(_result(contract, rows, found.results))
        finally:
            cached.unpersist()
            # Great Expectations names every frame so for its queries, and leaves the name behind
            frame.sparkSession.catalog.dropTempView("tmp_view")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.build_data_docs()
    shutil.rmtree(site / "static", ignore_errors=True)  # pictures of the pages that ours stand in for
    return tuple(results)


def _result(contract: TableContract, rows: int, found: Sequence[Any]) -> Result:
    failed = [(r.expectation_config.severity, r.expectation_config.meta["check"]) for r in found if not r.success]
    promised = ["columns", KEY_UNIQUE, *(c.name for c in contract.all_checks)]
    by_severity = {
        severity: tuple(sorted((name for said, name in failed if said == severity), key=promised.index))
        for severity in SEVERITIES.values()
    }
    return Result(
        contract.name, rows, len(found), by_severity[SEVERITIES[Action.REJECT]], by_severity[SEVERITIES[Action.WARN]]
    )


def _context(gx: Any, site: Path) -> Any:
    """A context that lives in memory, whose one site is ours: pages without scripts, that fetch nothing."""
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    view = {"module_name": "paylake.report.data_docs", "class_name": "DataDocsPage"}
    sections = {name: {"view": view} for name in ("expectations", "validations")}
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
        data_docs_sites={
            "published": {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site.absolute())},
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "view": view},
                "site_section_builders": {**sections, "profiling": "None"},
            }
        },
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def great_expectations() -> tuple[Any, Any]:
    """Great Expectations and its expectations, loaded where they are asked for, since that takes seconds.

    Raises SettingsError where they are not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gx = importlib.import_module("great_expectations")
            return gx, importlib.import_module("great_expectations.expectations")
    except (ModuleNotFoundError, SystemExit) as error:  # pyspark's Connect client, which it loads, exits without grpcio
        raise SettingsError("Data Docs need Great Expectations: install it with pip install 'paylake[quality]'.") from error
