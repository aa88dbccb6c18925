"""The edge to PostgreSQL: every scored payment, one row each, in a table cut into partitions by customer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from paylake.errors import SourceError
from paylake.sinks.arrivals import Row
from paylake.sinks.postgres_rows import (
    COPY_ARRIVING,
    CREATE_ARRIVING,
    TABLE,
    TYPES,
    UPSERT,
    missing_columns,
    table_rows,
    table_sql,
)
from paylake.sinks.servers import ANSWER_WITHIN_S, Away, Server, client_library, server_of, wrong_url

FLAG, KIND, EXAMPLE = "--postgres", "PostgreSQL", "postgresql://paylake@127.0.0.1:5432/paylake"
PORT = 5432

CREATING = 7_016_325
"""Number of the lock under which the table is created: two publishers may start at once."""
FIND_COLUMNS = (
    "SELECT relkind, ARRAY("
    "SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped"
    f") FROM pg_class c WHERE c.oid = to_regclass('{TABLE}')"
)


@dataclass
class PostgresSink:
    """One PostgreSQL database; the connection is kept between batches, and made anew when it is lost."""

    server: Server
    partitions: int
    parameters: dict[str, Any] = field(repr=False)
    name: str = "postgres"
    _connection: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def of(url: str, password: str | None, partitions: int) -> PostgresSink:
        """The sink that a URL names; SettingsError where it names none, or the library is not installed."""
        server = server_of(FLAG, KIND, url, ("postgresql", "postgres"), PORT, EXAMPLE)
        library = client_library("psycopg")
        try:
            parameters = client_library("psycopg.conninfo").conninfo_to_dict(url)
        except library.Error:
            raise wrong_url(FLAG, KIND, EXAMPLE) from None
        # a dead network is noticed, and not only a dead server
        waits = {"connect_timeout": ANSWER_WITHIN_S, "tcp_user_timeout": ANSWER_WITHIN_S * 1000}
        given = {"password": password} if password else {}
        return PostgresSink(server, partitions, {"application_name": "paylake", **waits, **parameters, **given})

    def prepare(self) -> None:
        """Create the table where it is missing; SourceError where one of that name is another table."""
        with self._sentences() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (CREATING,))
            found = connection.execute(FIND_COLUMNS).fetchone()
            if found is None:
                connection.execute(table_sql(self.partitions))
                return
        kind, columns = found
        if kind != "p":
            raise SourceError(
                f"{self.server} has a table {TABLE} that is not cut into partitions; rename it, or name another database."
            )
        if missing := missing_columns(columns):
            raise SourceError(
                f"The table {TABLE} of {self.server} has no {', '.join(missing)}; add what is missing, or rename the table "
                f"and publish again without the checkpoint."
            )

    def publish(self, rows: Sequence[Row]) -> None:
        """Insert the payments, and update those that were scored again since; all of them or none."""
        with self._sentences() as connection, connection.transaction(), connection.cursor() as cursor:
            cursor.execute(CREATE_ARRIVING)
            with cursor.copy(COPY_ARRIVING) as copy:
                copy.set_types(TYPES)
                for row in table_rows(rows):
                    copy.write_row(row)
            cursor.execute(UPSERT)

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _sentences(self) -> Iterator[Any]:
        """A connection; what the library raises is told as Away or SourceError, without its cause: that may quote rows."""
        library = client_library("psycopg")
        try:
            if self._connection is None or self._connection.closed:
                self._connection = library.connect(**self.parameters, autocommit=True)
            yield self._connection
        except (library.OperationalError, library.InterfaceError) as error:
            self.close()
            raise Away(_reason(error)) from None
        except library.Error as error:
            self.close()
            raise SourceError(f"{self.server} refuses what is published ({_reason(error)}); see its settings.") from None


def _reason(error: Any) -> str:
    """What the server itself says, in one line; its details would quote rows."""
    said = error.diag.message_primary or str(error).partition("FATAL:")[2].partition("\n")[0]
    return str(said).strip()[:200] or "no connection"
