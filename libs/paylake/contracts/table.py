"""What a table promises, as plain data; everything else that describes a table is derived from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from pyspark.sql.types import ArrayType, DataType, DecimalType, StringType, StructField, StructType

from paylake.errors import ContractError

MONEY = DecimalType(18, 4)
"""An amount of a transaction, in major units of the currency beside it."""
MONEY_SUM = DecimalType(28, 4)
"""A sum of transaction amounts of one currency."""

FAILED_CHECKS = "_failed_checks"

DELTA_PROPERTIES: dict[str, str] = {
    "delta.minReaderVersion": "1",
    "delta.minWriterVersion": "2",
    "delta.checkpointInterval": "50",
}
"""Every reader can open such a table (design decision 8); a checkpoint every 50 commits keeps small commits cheap."""


class Action(Enum):
    """What a failed check does to its row."""

    WARN = "warn"  # keep the row, and say so
    REJECT = "reject"  # quarantine the row


@dataclass(frozen=True)
class Field:
    """A column. `lineage` marks what tells how a row was learned (offset, batch, run), not what it says."""

    name: str
    type: DataType
    doc: str
    nullable: bool = False
    lineage: bool = False


@dataclass(frozen=True)
class Check:
    """A promise about a row: `predicate` (SQL shared by Spark and Athena) holds; null counts as failure."""

    name: str
    predicate: str
    action: Action = Action.REJECT

    @property
    def failure(self) -> str:
        """The predicate of the rows that break the promise: of those for which it is null, too."""
        return f"NOT coalesce(({self.predicate}), false)"


@dataclass(frozen=True)
class TableContract:
    """One table: its place in the lake, its columns with types and docs, key, partitioning and checks."""

    name: str
    layer: str
    doc: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    properties: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse a contract that could not be kept, at import."""
        names = [f.name for f in self.fields]
        if len(set(names)) != len(names):
            raise ContractError(f"{self.name}: a column is named twice; name each once.")
        if not self.key:
            raise ContractError(f"{self.name}: a table without a key cannot be replayed safely; name its key.")
        if unknown := {*self.key, *self.partition_by} - set(names):
            raise ContractError(f"{self.name}: {sorted(unknown)} not among its columns; add or rename them.")
        if loose := {f.name for f in self.fields if f.nullable} & set(self.key):
            raise ContractError(f"{self.name}: null never equals null, so {sorted(loose)} in the key may not be null.")
        checks = [c.name for c in self.all_checks]
        if len(set(checks)) != len(checks):
            raise ContractError(f"{self.name}: two checks have one name; name each on its own.")
        for f in self.fields:
            if f.name.endswith("amount"):
                beside = {"currency", f.name.removesuffix("amount") + "currency"}
                if not isinstance(f.type, DecimalType):
                    raise ContractError(f"{self.name}: {f.name} is {f.type.simpleString()}; an amount is a DECIMAL.")
                if not beside & set(names):
                    raise ContractError(f"{self.name}: {f.name} has no currency beside it; add one.")

    @property
    def path(self) -> str:
        """Where the table lies below the lake's root."""
        return f"{self.layer}/{self.name}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(f.name for f in self.fields)

    @property
    def content_columns(self) -> tuple[str, ...]:
        """The columns that say something of the business, without those that tell how it was learned."""
        return tuple(f.name for f in self.fields if not f.lineage)

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """One check per required column (Spark enforces no NOT NULL on frames), then the declared ones."""
        required = (f.name for f in self.fields if not f.nullable)
        return (*(Check(f"{name}_present", f"{name} IS NOT NULL") for name in required), *self.checks)

    @property
    def schema(self) -> StructType:
        """The Spark schema, with the docs as column comments."""
        return StructType([StructField(f.name, f.type, f.nullable, {"comment": f.doc}) for f in self.fields])

    def delta_ddl(self, location: str) -> str:
        """The statement that creates the Delta table at `location`, if it is not there."""
        columns = ",\n  ".join(
            f"`{f.name}` {f.type.simpleString()}{'' if f.nullable else ' NOT NULL'} COMMENT {sql_text(f.doc)}"
            for f in self.fields
        )
        partitions = f"\nPARTITIONED BY ({', '.join(f'`{p}`' for p in self.partition_by)})" if self.partition_by else ""
        properties = ", ".join(f"{sql_text(k)} = {sql_text(v)}" for k, v in {**DELTA_PROPERTIES, **self.properties}.items())
        return (
            f"CREATE TABLE IF NOT EXISTS delta.`{location}` (\n  {columns}\n) USING DELTA"
            f"{partitions}\nCOMMENT {sql_text(self.doc)}\nTBLPROPERTIES ({properties})"
        )

    def athena_ddl(self, database: str, location: str) -> str:
        """The Athena statement that registers the table; Athena reads columns and docs from the Delta log."""
        escaped = (location.rstrip("/") + "/").replace("'", "\\'")
        return (
            f"CREATE EXTERNAL TABLE IF NOT EXISTS {database}.{self.name}\n"
            f"LOCATION '{escaped}'\nTBLPROPERTIES ('table_type' = 'DELTA')"
        )

    def duckdb_ddl(self, schema: str) -> str:
        """The statement that makes the table in DuckDB, which stands for Athena: a time has a zone, as Athena reads it."""
        columns = ", ".join(f'"{f.name}" {_duckdb_type(f.type)}' for f in self.fields)
        return f"CREATE TABLE {schema}.{self.name} ({columns})"

    def quarantine(
        self, *, key: tuple[str, ...], extra: tuple[Field, ...] = (), partition_by: tuple[str, ...] = ()
    ) -> TableContract:
        """The table of what this one rejects: the same columns, loose, with the reasons and what is left of the input."""
        loose = tuple(
            Field(f.name, f.type, f.doc, nullable=f.name not in (*key, *partition_by), lineage=f.lineage)
            for f in self.fields
        )
        reasons = Field(FAILED_CHECKS, ArrayType(StringType()), "The checks that the record failed: why it is here.")
        return TableContract(
            name="quarantine",
            layer=self.layer,
            doc=f"A record that {self.name} could not accept, redacted, with the reasons.",
            fields=(*loose, *extra, reasons),
            key=key,
            partition_by=partition_by,
            checks=(Check("has_reason", f"cardinality({FAILED_CHECKS}) > 0"),),
            properties=self.properties,
        )


def _duckdb_type(kind: DataType) -> str:
    if isinstance(kind, ArrayType):
        return f"{_duckdb_type(kind.elementType)}[]"
    if isinstance(kind, StructType):
        return f"STRUCT({', '.join(f'{f.name} {_duckdb_type(f.dataType)}' for f in kind)})"
    return {"string": "VARCHAR", "timestamp": "TIMESTAMPTZ"}.get(kind.simpleString(), kind.simpleString())


def one_of(column: str, values: Iterable[str]) -> str:
    """The predicate that a column holds one of some words."""
    return f"{column} IN ({', '.join(repr(v) for v in values)})"


def sql_text(text: str) -> str:
    """A SQL string literal of a text for people; its apostrophes become typographic ones."""
    return "'" + text.replace("'", "’") + "'"


def data_dictionary(contracts: Iterable[TableContract]) -> str:
    """The data dictionary, as Markdown: every table with its columns, keys and checks."""
    parts = [
        "# Data dictionary\n\nDerived from the contracts in `libs/paylake/contracts`; `make dictionary` writes it anew.\n"
    ]
    for c in contracts:
        parts.append(f"\n## `{c.path}`\n\n{c.doc}\n")
        parts.append(f"\nKey: {', '.join(f'`{k}`' for k in c.key)}. Partitioned by: "
                     f"{', '.join(f'`{p}`' for p in c.partition_by) or 'nothing'}.\n")  # fmt: skip
        parts.append("\n| column | type | null | what it is |\n| --- | --- | --- | --- |\n")
        parts.extend(
            f"| `{f.name}` | {f.type.simpleString().replace('|', '/')} | {'yes' if f.nullable else 'no'} | {f.doc} |\n"
            for f in c.fields
        )
        if c.checks:
            parts.append("\n| check | holds for every row | otherwise |\n| --- | --- | --- |\n")
            parts.extend(f"| `{k.name}` | `{k.predicate.replace('|', '/')}` | {k.action.value} |\n" for k in c.checks)
    return "".join(parts)
