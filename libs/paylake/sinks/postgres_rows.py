"""The table of scored payments in PostgreSQL, derived from the contract of `fraud_partial`, and its rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyspark.sql.types import ArrayType, DataType, DecimalType, StructType

from paylake.contracts.fraud import FRAUD_PARTIAL
from paylake.contracts.table import Field, sql_text
from paylake.sinks.arrivals import Row, arrival, newest

TABLE = "transactions"
KEY = ("user_id", "transaction_id")
"""The customer comes first, since PostgreSQL wants the partitions' column in every key."""
VERSION = "version"

FIELDS: tuple[Field, ...] = tuple(f for f in FRAUD_PARTIAL.fields if not f.lineage and f.name != "ingest_date")
"""What the table says of a payment; ingest_date is how the lake cuts its files, and recorded_at says it too."""
COLUMNS: tuple[str, ...] = (*(f.name for f in FIELDS), VERSION)

_TYPES = {
    "string": "text",
    "double": "double precision",
    "timestamp": "timestamp with time zone",
    "date": "date",
    "int": "integer",
    "bigint": "bigint",
}


def postgres_type(kind: DataType) -> str:
    """The type that holds every value of a contract's type, exactly."""
    if isinstance(kind, DecimalType):
        return f"numeric({kind.precision},{kind.scale})"
    if isinstance(kind, ArrayType) and isinstance(kind.elementType, StructType):
        return "jsonb"
    if isinstance(kind, ArrayType):
        return f"{postgres_type(kind.elementType)}[]"
    return _TYPES[kind.simpleString()]


TYPES: tuple[str, ...] = (*(re.sub(r"\(.*\)", "", postgres_type(f.type)) for f in FIELDS), "bigint")
"""The type of each of COLUMNS, without its digits, as COPY names it."""


def table_sql(partitions: int) -> str:
    """The statements that create the table, cut into so many partitions by customer; it must not be there yet."""
    columns = [f"{f.name} {postgres_type(f.type)}{'' if f.nullable else ' NOT NULL'}" for f in FIELDS]
    docs = {f.name: f.doc for f in FIELDS} | {VERSION: "Generation and batch that scored it: the greater one is newer."}
    text = Path(__file__).with_name("transactions.sql").read_text(encoding="utf-8")
    filled = text.replace("{COLUMNS}", ",\n  ".join([*columns, f"{VERSION} bigint NOT NULL"]))
    comments = "".join(f"COMMENT ON COLUMN {TABLE}.{name} IS {sql_text(doc)};\n" for name, doc in docs.items())
    return filled.replace("{PARTITIONS}", str(partitions)) + comments


ARRIVING = "arriving"
"""The rows on their way, in a table of one transaction."""
CREATE_ARRIVING = f"CREATE TEMPORARY TABLE {ARRIVING} (LIKE {TABLE}) ON COMMIT DROP"
COPY_ARRIVING = f"COPY {ARRIVING} ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
UPSERT = (
    f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS)} FROM {ARRIVING} ORDER BY {', '.join(KEY)}\n"
    f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in COLUMNS if name not in KEY)}\n"
    f"WHERE {TABLE}.{VERSION} < excluded.{VERSION}"
)
"""Ordered, so that two writers never wait for each other's rows in a circle."""


def table_rows(rows: Iterable[Row]) -> list[tuple[Any, ...]]:
    """One tuple of COLUMNS per payment, each payment once: PostgreSQL updates no row twice in a statement."""
    kept = newest(rows, key=lambda row: tuple(storable(row[name]) for name in KEY))
    return [(*(storable(row[f.name]) for f in FIELDS), arrival(row).number) for row in kept.values()]


def storable(value: Any) -> Any:
    """The value as PostgreSQL can hold it: text without NUL, JSON without numbers that are none."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_json(one) if isinstance(one, dict) else storable(one) for one in value]
    return value


def _json(said: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(one, float) and not math.isfinite(one) else storable(one) for name, one in said.items()}


def missing_columns(found: Iterable[str]) -> list[str]:
    """Which of COLUMNS a table that is there has not got."""
    return [name for name in COLUMNS if name not in set(found)]
