"""A view as data: what consumers read, in SQL that Spark and Athena (Trino) both take."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from string import Formatter

from pyspark.sql.types import TimestampType

from paylake.contracts.table import TableContract
from paylake.contracts.topics import LEDGERS
from paylake.errors import ContractError


@dataclass(frozen=True)
class View:
    """A question over tables and other views; `body` is its SQL, which names each of them in braces."""

    name: str
    doc: str
    reads: tuple[TableContract | View, ...]
    body: str

    def __post_init__(self) -> None:
        """Refuse a view whose SQL reads something else than it says, at import."""
        named = {name for _, name, _, _ in Formatter().parse(self.body) if name is not None}
        if named != {source.name for source in self.reads}:
            raise ContractError(f"{self.name}: its SQL names {sorted(named)}; say the same in `reads`.")

    def sql(self, database: str | None = None) -> str:
        """The view's query; the tables are those of the database, or go by their bare names."""
        place = f"{database}." if database else ""
        return self.body.format(**{source.name: place + source.name for source in self.reads})

    def athena_ddl(self, database: str) -> str:
        """The Athena statement that makes the view, or makes it anew; what it reads has to be there."""
        return f"CREATE OR REPLACE VIEW {database}.{self.name} AS\n{self.sql(database)}"


def columns(contract: TableContract, leave_out: tuple[str, ...] = (), of: str = "") -> str:
    """The table's columns as a list to select."""
    # Athena reads Delta's timestamps as times with a zone, which none of its views can hold; the zone is UTC
    shown = (
        f"CAST({of}{f.name} AS TIMESTAMP) AS {f.name}" if isinstance(f.type, TimestampType) else f"{of}{f.name}"
        for f in contract.fields
        if f.name not in leave_out
    )
    return listed(shown)


def listed(columns: Iterable[str]) -> str:
    return textwrap.fill(", ".join(columns), width=110, subsequent_indent="  ")


def first_leg(what: str, of: str = "") -> str:
    """The gateway's value, else core's, else mobile's."""
    return f"COALESCE({', '.join(f'{of}{ledger}_{what}' for ledger in LEDGERS)})"


def view_dictionary(views: Iterable[View]) -> str:
    """The data dictionary's chapter on views, as Markdown: what each shows, and its query."""
    parts = ["\n# Views\n\nWhat consumers read: published runs only, in Athena and in `paylake sql`.\n"]
    for view in views:
        read = ", ".join(f"`{source.name}`" for source in view.reads)
        parts.append(f"\n## `{view.name}`\n\n{view.doc}\n\nReads: {read}.\n\n```sql\n{view.sql()}\n```\n")
    return "".join(parts)
