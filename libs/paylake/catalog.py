"""The lake in the AWS Glue Data Catalog, where Athena and Lake Formation look: its tables as Delta, its views as Athena's.

What is registered is derived from the contracts. Lake Formation grants columns, and Athena's views check theirs, only where
Glue lists the real ones, so each registration brings them up to date. Nothing is ever dropped.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from paylake.contracts import ALL
from paylake.contracts.table import TableContract
from paylake.contracts.view import View
from paylake.contracts.views import VIEWS
from paylake.errors import ContractError, SettingsError

LONGEST_COMMENT, LONGEST_DESCRIPTION = 255, 2_048
"""Characters that Glue takes for a column and for a table."""

ATHENA_TYPES = {
    "boolean": ("boolean", "boolean"),
    "integer": ("int", "integer"),
    "bigint": ("bigint", "bigint"),
    # Athena sums whole numbers into a bigint
    "hugeint": ("bigint", "bigint"),
    "double": ("double", "double"),
    "varchar": ("string", "varchar"),
    "date": ("date", "date"),
    "timestamp": ("timestamp", "timestamp(3)"),
}
"""A view's type in DuckDB -> in Glue's columns (Hive's words) and in the view itself (Trino's)."""


def athena_location(lake: str, contract: TableContract) -> str:
    """Where Athena finds the table: an s3:// prefix; SettingsError where the lake is in no bucket."""
    bucket = re.fullmatch(r"s3[an]?://([^/].*?)/*", lake)
    if bucket is None:
        raise SettingsError(f"Athena reads S3 only, and {lake} is no s3a:// prefix: for example --lake s3a://bucket/lake.")
    return f"s3://{bucket[1]}/{contract.path}/"


def statements(lake: str, database: str) -> tuple[str, ...]:
    """Athena's statements that make the database, its tables and its views, each after what it reads."""
    return (
        f"CREATE DATABASE IF NOT EXISTS {database}",
        *(contract.athena_ddl(database, athena_location(lake, contract)) for contract in ALL),
        *(view.athena_ddl(database) for view in VIEWS),
    )


# --- what Glue is to say ---


def table_input(contract: TableContract, lake: str) -> dict[str, Any]:
    """Glue's TableInput of a Delta table, with its real columns and their docs."""
    location = athena_location(lake, contract)
    columns = {f.name: _column(f.name, f.type.simpleString(), f.doc) for f in contract.fields}
    return {
        "Name": contract.name,
        "Description": _cut(contract.doc, LONGEST_DESCRIPTION),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "spark.sql.sources.provider": "delta"},
        "PartitionKeys": [columns[name] for name in contract.partition_by],
        "StorageDescriptor": {
            "Columns": [column for name, column in columns.items() if name not in contract.partition_by],
            "Location": location,
            "SerdeInfo": {"Parameters": {"serialization.format": "1", "path": location}},
        },
    }


def view_input(view: View, columns: Mapping[str, Any], database: str) -> dict[str, Any]:
    """Glue's TableInput of a view as Athena keeps its own; `columns` are its DuckDB types (`view_columns`)."""
    types = {name: _athena_type(view, name, kind) for name, kind in columns.items()}
    content = {
        "originalSql": view.sql(database),
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": name, "type": trino} for name, (_, trino) in types.items()],
        "comment": view.doc,
        # as Athena does it: whoever asks needs rights on what the view reads; Trino refuses a view without an owner else
        "runAsInvoker": True,
    }
    encoded = base64.b64encode(json.dumps(content).encode()).decode()
    # no Description: Trino takes it for the comment, and knows a view by the comment below
    return {
        "Name": view.name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "ViewOriginalText": f"/* Presto View: {encoded} */",
        "ViewExpandedText": "/* Presto View */",
        "StorageDescriptor": {
            "Columns": [{"Name": name, "Type": hive} for name, (hive, _) in types.items()],
            "Location": "",
            "SerdeInfo": {},
        },
    }


def view_columns() -> dict[str, dict[str, Any]]:
    """View -> its columns and their types, as DuckDB works them out over empty tables of the contracts.

    Athena calls a view stale whose query gives a wider type than it says. DuckDB's rules for the type of a sum, of a
    quotient or of a part of a date are Trino's, or give a wider one; Spark's give narrower ones.
    """
    import duckdb

    connection = duckdb.connect()
    create_empty_tables(connection, "lake")
    columns: dict[str, dict[str, Any]] = {}
    for view in VIEWS:
        connection.execute(view.athena_ddl("lake"))
        found = connection.table(f"lake.{view.name}")
        columns[view.name] = dict(zip(found.columns, found.types, strict=True))
    return columns


def create_empty_tables(connection: Any, schema: str) -> None:
    """Every table of the contracts in a schema of a DuckDB database, without rows; its times are in UTC."""
    connection.execute(f"SET TimeZone = 'UTC'; CREATE SCHEMA {schema}")
    for contract in ALL:
        connection.execute(contract.duckdb_ddl(schema))


def _athena_type(view: View, column: str, kind: Any) -> tuple[str, str]:
    """A view's type from DuckDB's, as Hive and as Trino write it; ContractError where Athena's views have none."""
    if kind.id == "decimal":
        return (str(kind).lower(),) * 2
    if kind.id == "list":
        hive, trino = _athena_type(view, column, kind.children[0][1])
        return f"array<{hive}>", f"array({trino})"
    if kind.id == "struct":
        parts = [(name, *_athena_type(view, column, child)) for name, child in kind.children]
        return (
            f"struct<{','.join(f'{name}:{hive}' for name, hive, _ in parts)}>",
            f"row({', '.join(f'{name} {trino}' for name, _, trino in parts)})",
        )
    if kind.id not in ATHENA_TYPES:
        raise ContractError(f"{view.name}.{column} is a {kind}, which no view of Athena can hold; cast it in the view.")
    return ATHENA_TYPES[kind.id]


def _column(name: str, kind: str, doc: str) -> dict[str, str]:
    return {"Name": name, "Type": kind, "Comment": _cut(doc, LONGEST_COMMENT)}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


# --- what Glue says, brought up to date ---


class Outcome(StrEnum):
    """What became of a table or view in Glue."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Registered:
    """A table or view of the lake in Glue: what became of it, and which parts of it changed."""

    name: str
    outcome: Outcome
    changed: tuple[str, ...] = ()


def inputs(lake: str, database: str) -> tuple[dict[str, Any], ...]:
    """The TableInputs of every table and view, each view after what it reads."""
    columns = view_columns()
    return (
        *(table_input(contract, lake) for contract in ALL),
        *(view_input(view, columns[view.name], database) for view in VIEWS),
    )


def register(
    glue: Any, database: str, wanted: Iterable[dict[str, Any]], *, create_database: bool = False, dry_run: bool = False
) -> list[Registered]:
    """Create the tables and views that Glue does not have, and update those that differ; a dry run only says so.

    Raises SettingsError where the database is not there, and ContractError, before anything is written, where a name is
    taken by something else.
    """
    kept = _kept(glue, database, create_database, dry_run)
    plan = [(one, kept.get(one["Name"])) for one in wanted]
    for one, present in plan:
        if present is not None and _kind(one) != _kind(present):
            raise ContractError(
                f"Glue's {database}.{one['Name']} is no {_kind(one)} of Athena but something else; remove it, or name "
                "another --database."
            )
    done = [_compared(one, present) for one, present in plan]
    for (one, present), said in zip(plan, done, strict=True):
        if dry_run or said.outcome is Outcome.UNCHANGED:
            continue
        if present is None:
            glue.create_table(DatabaseName=database, TableInput=one)
        else:
            glue.update_table(DatabaseName=database, TableInput=_kept_beside(one, present))
    return done


def _compared(wanted: Mapping[str, Any], present: Mapping[str, Any] | None) -> Registered:
    """What has to become of a table or view."""
    if present is None:
        return Registered(wanted["Name"], Outcome.CREATED)
    changed = _changed(wanted, present)
    return Registered(wanted["Name"], Outcome.UPDATED if changed else Outcome.UNCHANGED, changed)


def _kept(glue: Any, database: str, create: bool, dry_run: bool) -> dict[str, dict[str, Any]]:
    """What Glue has in the database, by name."""
    try:
        glue.get_database(Name=database)
    except glue.exceptions.EntityNotFoundException:
        if not create:
            raise SettingsError(f"Glue has no database {database}; add --create-database to make it.") from None
        if not dry_run:
            glue.create_database(DatabaseInput={"Name": database})
        return {}
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
    return {table["Name"]: table for page in pages for table in page["TableList"]}


def _kind(table: Mapping[str, Any]) -> str:
    parameters = table.get("Parameters", {})
    if table.get("TableType") == "VIRTUAL_VIEW" and parameters.get("presto_view") == "true":
        return "view"
    # Athena's own statement says table_type, which its API does not take
    is_delta = "delta" in (parameters.get("spark.sql.sources.provider"), parameters.get("table_type", "").lower())
    return "Delta table" if is_delta else "table"


def _changed(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts of a TableInput that Glue does not say, or says otherwise."""
    storage, there = wanted["StorageDescriptor"], present.get("StorageDescriptor", {})
    parts = {
        "columns": (storage["Columns"], there.get("Columns")),
        "partition keys": (wanted["PartitionKeys"], present.get("PartitionKeys")),
        "location": (storage["Location"], there.get("Location", "")),
        "query": (wanted.get("ViewOriginalText"), present.get("ViewOriginalText")),
        "description": (wanted.get("Description"), present.get("Description")),
        "parameters": (
            (wanted["Parameters"], storage["SerdeInfo"]),
            (present.get("Parameters"), there.get("SerdeInfo", {})),
        ),
    }
    return tuple(part for part, (ours, theirs) in parts.items() if not _says(theirs, ours))


def _says(theirs: Any, ours: Any) -> bool:
    """True where Glue says all that we do; it may say more."""
    if isinstance(ours, Mapping):
        return isinstance(theirs, Mapping) and all(_says(theirs.get(key), value) for key, value in ours.items())
    if isinstance(ours, (list, tuple)):
        return isinstance(theirs, (list, tuple)) and len(ours) == len(theirs) and all(map(_says, theirs, ours))
    return bool(theirs == ours)


def _kept_beside(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """The TableInput with what others have said of the table, since an update replaces all of it."""
    of_others = {key: present[key] for key in ("Owner", "Retention") if key in present}
    return {**of_others, **wanted, "Parameters": {**present.get("Parameters", {}), **wanted["Parameters"]}}
