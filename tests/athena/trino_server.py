"""Trino in Athena's place: a server of the test's own over Glue and S3, both local, and what it answers."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from trino.dbapi import Connection, connect
from trino.types import NamedRowTuple

from tests.other_engine import Rows

ROOT = Path(__file__).parents[2]
TRINO = ROOT / "jars" / "trino"
CATALOG = "awsdatacatalog"
"""As Athena names its own, and as the registered views name it."""
STARTS_WITHIN_S = 300.0
"""Ten seconds on an idle machine."""

JVM = (
    "-server", "-Xmx2G", "-XX:+UseG1GC", "-XX:+ExplicitGCInvokesConcurrent", "-XX:ReservedCodeCacheSize=256M",
    "-Djdk.attach.allowAttachSelf=true", "-Djdk.nio.maxCachedBufferSize=2000000", "-Duser.timezone=UTC",
    "--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector",
)  # fmt: skip


def _java() -> str:
    """The JDK that runs Trino; fails the test with the sentence of what is missing."""
    found = subprocess.run([ROOT / "scripts" / "find_java25.sh"], capture_output=True, text=True, timeout=60)
    if found.returncode != 0:
        pytest.fail(found.stderr.strip(), pytrace=False)
    if not (TRINO / "FETCHED").exists():
        pytest.fail(f"paylake: {TRINO} holds no Trino: run make test-athena, which fetches it.", pytrace=False)
    return found.stdout.strip()


def _properties(path: Path, settings: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")


def _configure(folder: Path, port: int, aws: str) -> None:
    """A server that is its own worker, and its one catalog, which Glue and S3 at `aws` hold."""
    _properties(
        folder / "config.properties",
        {
            "node.environment": "test",
            "node.id": "one",
            "node.bind-ip": "127.0.0.1",
            "node.internal-address": "127.0.0.1",
            "coordinator": "true",
            "node-scheduler.include-coordinator": "true",
            "http-server.http.port": str(port),
            "discovery.uri": f"http://127.0.0.1:{port}",
            "query.max-memory": "1GB",
            "catalog.config-dir": str(folder / "catalog"),
            "plugin.dir": str(TRINO / "plugin"),
        },
    )
    keys = {"region": "us-east-1", "aws-access-key": "nobody", "aws-secret-key": "nothing"}
    _properties(
        folder / "catalog" / f"{CATALOG}.properties",
        {
            "connector.name": "delta_lake",
            "delta.register-table-procedure.enabled": "true",
            "hive.metastore": "glue",
            "hive.metastore.glue.endpoint-url": aws,
            **{f"hive.metastore.glue.{name}": value for name, value in keys.items()},
            "fs.native-s3.enabled": "true",
            "s3.endpoint": aws,
            "s3.path-style-access": "true",
            **{f"s3.{name}": value for name, value in keys.items()},
        },
    )


@contextmanager
def trino(folder: Path, aws: str) -> Iterator[int]:
    """The port of a Trino on loopback, which is ended when the block is left; `aws` answers as Glue and as S3."""
    java = _java()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    _configure(folder, port, aws)
    argv = [java, *JVM, f"-Djava.io.tmpdir={folder}", f"-Dconfig={folder / 'config.properties'}", "-cp", f"{TRINO}/lib/*",
            "io.trino.server.TrinoServer"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not _answers(port):
            said = (folder / "log").read_text(errors="replace")[-3000:]
            assert process.poll() is None, f"Trino ended before it answered:\n{said}"
            assert time.monotonic() < deadline, f"Trino does not answer within {STARTS_WITHIN_S:.0f} s:\n{said}"
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def _answers(port: int) -> bool:
    """True once it takes queries: its port is open before that."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/v1/info", timeout=5) as response:
            return json.load(response)["starting"] is False
    except (URLError, TimeoutError, ConnectionError):
        return False


class Athena:
    """One database, as its analysts ask it."""

    def __init__(self, port: int, database: str) -> None:
        self._connection: Connection = connect(
            host="127.0.0.1", port=port, http_scheme="http", user="analyst", catalog=CATALOG, schema=database,
            timezone="UTC", request_timeout=120,
        )  # fmt: skip

    def ask(self, sql: str) -> Rows:
        """The rows of a query as plain dicts, in its order."""
        cursor = self._connection.cursor()
        cursor.execute(sql)
        rows = cursor.fetchall()
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _plain(value: Any) -> Any:
    """A row within a value as a dict, as other engines give it."""
    if isinstance(value, NamedRowTuple):
        return dict(zip(value._names, map(_plain, value), strict=True))
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
