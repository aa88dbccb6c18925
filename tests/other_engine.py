"""A lake as Athena would show it, in DuckDB: its tables as delta-rs reads them, and every view over them.

Spark takes no part in its answers. A time of a table has the zone UTC, as Athena reads Delta's, and a table that the lake
does not hold is empty. Tables and views come from the registries, so that a new one is there by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from pyspark.sql import DataFrame
from pyspark.sql.types import DecimalType

from paylake.catalog import create_empty_tables
from paylake.contracts import ALL
from paylake.contracts.table import TableContract
from paylake.contracts.views import VIEWS
from tests import builders
from tests.builders import default

SCHEMA = "lake"
Rows = list[dict[str, Any]]


def connect(lake: str | None = None) -> duckdb.DuckDBPyConnection:
    """A database that holds the lake's tables and views by their bare names; without a lake, every table is empty."""
    athena = duckdb.connect()
    create_empty_tables(athena, SCHEMA)
    athena.execute(f"USE {SCHEMA}")
    for contract in ALL:
        place = f"{lake}/{contract.path}"
        if lake is not None and DeltaTable.is_deltatable(place):
            _fill(athena, contract, DeltaTable(place).to_pyarrow_table())
    for view in VIEWS:
        athena.execute(view.athena_ddl(SCHEMA))
    return athena


def insert(athena: duckdb.DuckDBPyConnection, contract: TableContract, *overrides: Mapping[str, Any]) -> None:
    """One row of a table per override: a test names only the columns that it is about."""
    for row in overrides:
        values = {**{f.name: default(contract, f) for f in contract.fields}, **row}
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" for _ in values)
        athena.execute(f"INSERT INTO {SCHEMA}.{contract.name} ({names}) VALUES ({marks})", list(values.values()))


def _fill(athena: duckdb.DuckDBPyConnection, contract: TableContract, rows: pa.Table) -> None:
    """Append rows to a table by the names of their columns; one that the rows have not yet is null."""
    there = ", ".join(f'"{name}"' for name in contract.columns if name in rows.column_names)
    athena.register("rows_on_disk", rows)
    athena.execute(f"INSERT INTO {SCHEMA}.{contract.name} ({there}) SELECT {there} FROM rows_on_disk")
    athena.unregister("rows_on_disk")


def answer(athena: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    """The rows of a query as plain dicts, in its order."""
    found = athena.execute(sql)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def comparable(rows: Rows) -> Rows:
    """The rows of any engine in the order of their values; decimals without the scale of their type, times in UTC."""
    return sorted(in_order(rows), key=repr)


def in_order(rows: Rows) -> Rows:
    """The same, in the engine's own order."""
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def spark_rows(df: DataFrame) -> Rows:
    """What Spark says, as plain dicts, in its order."""
    return [row.asDict(recursive=True) for row in df.collect()]


BESIDE: dict[str, list[dict[str, Any]]] = {
    "run_controls": [{"row_kind": kind} for kind in ("PUBLISHED", "OFFSETS", "DIFFERENCE")],
    "audit_log": [{"sequence": 2, "entry": "COMMIT"}],
    "breaks": [{"break_id": "ended", "recon_id": "ended", "state": "RESOLVED"}],
    # without a number it comes before the other, whichever engine sorts
    "statements": [{"statement": 2, "sequence": None, "closing_balance": Decimal(40)}],
    "statement_files": [{"file_sha256": "another", "state": "QUARANTINED"}],
}
"""Rows without which a view has nothing to show: table -> what they say otherwise than the full row."""


def full_rows(contract: TableContract) -> Rows:
    """A row with a value in every column, which nothing has replaced, and those beside it."""
    filled = {f.name: builders.BY_NAME.get(f.name, builders.BY_TYPE[type(f.type)]) for f in contract.fields if f.nullable}
    ratios = {f.name for f in contract.fields if isinstance(f.type, DecimalType) and f.type.precision - f.type.scale < 3}
    filled |= dict.fromkeys(ratios & filled.keys(), Decimal("0.5"))
    full = {name: value for name, value in filled.items() if name not in ("valid_to", "closed_by_run_id", "released_from")}
    return [full, *({**full, **row} for row in BESIDE.get(contract.name, ()))]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, Decimal):
        return value.normalize()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
