"""Scores published to real servers: repeated, out of order, and while a server is killed and comes back."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from pyspark.sql import SparkSession

from paylake import cli, tables
from paylake.contracts import FRAUD_PARTIAL
from paylake.errors import SourceError
from paylake.publish_driver import chunks
from paylake.sinks.arrivals import arrival
from paylake.sinks.postgres_sink import PostgresSink
from paylake.sinks.redis_changes import ALERTS, LIVE_ALERTS
from paylake.sinks.redis_sink import RedisSink
from tests.builders import as_dicts, rows
from tests.unit.sinks.scored_payments import alerting, scored, vector

PASSWORD, IN_URL = "not@to/be:seen", "not%40to%2Fbe%3Aseen"
READY_WITHIN_S = 30.0


# --- servers ---


def binary(name: str) -> str:
    """Where a server's program lies; skips the test where there is none, unless there has to be."""
    places = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), os.environ.get("PATH", "")]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        sentence = f"needs {name}: apt-get install redis-server postgresql"
        if os.environ.get("PAYLAKE_SERVERS") == "required":
            pytest.fail(sentence)
        pytest.skip(sentence)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class TestServer:
    """A server of the test's own, that can be killed and started again with the same data on the same port."""

    __test__ = False

    argv: list[str]
    url: str
    folder: Path
    is_ready: Callable[[], bool]
    identity: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.argv, cwd=self.folder, stdout=log, stderr=log, **self.identity)
        deadline = time.monotonic() + READY_WITHIN_S
        while not self.is_ready():
            text = (self.folder / "log").read_text(errors="replace")
            assert self.process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once; what it started notices that, and ends too."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(READY_WITHIN_S)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT if "postgres" in self.argv[0] else signal.SIGTERM)
            self.process.wait(READY_WITHIN_S)


@contextmanager
def own_folder(identity: dict[str, Any]) -> Iterator[Path]:
    """A folder that another user can reach too, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="paylake-sink-"))
    try:
        if identity:
            shutil.chown(folder, identity["user"], identity["group"])
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def postgres() -> Iterator[TestServer]:
    """A PostgreSQL of its own, which asks for a password; it refuses to run as root."""
    postgres, initdb, port = binary("postgres"), binary("initdb"), free_port()
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        whose = pwd.getpwnam("postgres")
        identity = {"user": whose.pw_uid, "group": whose.pw_gid, "extra_groups": []}
    with own_folder(identity) as folder:
        (folder / "password").write_text(PASSWORD)
        made = subprocess.run(
            [initdb, "--pgdata", "data", "--username=paylake", "--auth=scram-sha-256", "--pwfile=password", "--no-sync",
             "--encoding=UTF8", "--locale=C"],
            cwd=folder, capture_output=True, text=True, timeout=60, **identity,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        url = f"postgresql://paylake:{IN_URL}@127.0.0.1:{port}/postgres"

        def is_ready() -> bool:
            try:
                psycopg.connect(url, connect_timeout=5).close()
            except psycopg.OperationalError:
                return False
            return True

        argv = [postgres, "-D", "data", "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c",
                "unix_socket_directories=", "-c", "shared_buffers=16MB"]  # fmt: skip
        server = TestServer(argv, url, folder, is_ready, identity)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def cache() -> Iterator[TestServer]:
    """A Redis of its own, which asks for a password and loses nothing."""
    port = free_port()
    with own_folder({}) as folder:
        settings = f'port {port}\nbind 127.0.0.1\nrequirepass {PASSWORD}\nappendonly yes\nappendfsync always\nsave ""\n'
        (folder / "redis.conf").write_text(settings)
        url = f"redis://:{IN_URL}@127.0.0.1:{port}/0"

        def is_ready() -> bool:
            try:
                return bool(redis.Redis.from_url(url).ping())
            except redis.ConnectionError:
                return False

        server = TestServer([binary("redis-server"), "redis.conf"], url, folder, is_ready)
        try:
            server.start()
            yield server
        finally:
            server.stop()


# --- what they hold ---


@contextmanager
def emptied(server: TestServer) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS transactions")
        yield connection


def stored(server: TestServer) -> list[tuple[Any, ...]]:
    """All rows as text, with the place of each: a row that was written again lies elsewhere."""
    with psycopg.connect(server.url) as connection:
        return connection.execute(
            "SELECT ctid::text, t::text FROM transactions t ORDER BY user_id, transaction_id"
        ).fetchall()


def ids(server: TestServer) -> list[str]:
    with psycopg.connect(server.url) as connection:
        return [
            r[0] for r in connection.execute("SELECT transaction_id FROM transactions ORDER BY transaction_id").fetchall()
        ]


def client(server: TestServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


def remembered(server: TestServer) -> dict[str, Any]:
    """All hashes and the stream of alerts."""
    r = client(server)
    hashes = {key: r.hgetall(key) for key in r.scan_iter("paylake:*") if key != ALERTS}
    return {**hashes, ALERTS: r.xrange(ALERTS)}


def alerted(server: TestServer) -> list[str]:
    return [said["transaction_id"] for _, said in client(server).xrange(ALERTS)]


# --- tests ---


def test_redis_takes_what_is_newer_and_says_each_alert_once(cache: TestServer) -> None:
    client(cache).flushall()
    sink = RedisSink.of(cache.url, None, timedelta(hours=1), alerts_kept=3)
    sink.prepare()
    listener = client(cache).pubsub(ignore_subscribe_messages=True)
    listener.subscribe(LIVE_ALERTS)
    listener.get_message(timeout=5)
    old = alerting("t1", batch=4, features=vector(user_count_1h=1.0, user_age=2.5))
    new = alerting("t2", batch=5, features=vector(user_count_1h=2.0))
    sink.publish([old])
    sink.publish([new])
    before = remembered(cache)
    user = before["paylake:features:user:u1"]
    assert (user["transaction_id"], user["user_count_1h"], user["version"]) == ("t2", "2.0", arrival(new).text)
    assert "user_age" not in user, "it is not known any more"
    for again in ([new], [old], [old, new]):
        sink.publish(again)
    assert remembered(cache) == before
    assert alerted(cache) == ["t1", "t2"]
    heard = [json.loads(message["data"])["transaction_id"] for _ in range(2) if (message := listener.get_message(timeout=5))]
    assert heard == ["t1", "t2"]
    assert listener.get_message(timeout=0.2) is None
    assert 0 < client(cache).ttl("paylake:features:user:u1") <= 3600
    sink.publish([alerting(f"more{n}", batch=6, offset=n) for n in range(4)])
    assert alerted(cache) == ["more1", "more2", "more3"], "the stream keeps three"
    listener.close()
    sink.close()


def test_postgresql_takes_what_is_newer_into_the_customers_partition(postgres: TestServer) -> None:
    with emptied(postgres) as connection:
        sink = PostgresSink.of(postgres.url, None, partitions=4)
        sink.prepare()
        sink.prepare()
        old = alerting("t1", batch=4, amount=Decimal("12.3400"), features=vector(amount=1.5), type="a\0b")
        others = [scored(f"o{n}", user_id=f"user {n}", batch=4) for n in range(40)]
        sink.publish([old, *others])
        sink.publish([{**old, "batch": 5, "score": 0.5}])
        before = stored(postgres)
        for again in ([old], [{**old, "batch": 5, "score": 0.5}], [*others, old]):
            sink.publish(again)
        assert stored(postgres) == before
        assert len(before) == 41
        said = connection.execute(
            "SELECT score, amount, currency, type, reasons -> 0 ->> 'code', reasons -> 0 -> 'baseline', "
            "array_length(features, 1), event_at, version = (5) FROM transactions WHERE transaction_id = 't1'"
        ).fetchone()
        assert said == (
            0.5, Decimal("12.3400"), "INR", "a\ufffdb", "VELOCITY", None, len(old["features"]), old["event_at"], True,
        )  # fmt: skip
        by_partition = connection.execute(
            "SELECT tableoid::regclass::text, count(DISTINCT user_id), count(*) FROM transactions GROUP BY 1"
        ).fetchall()
        assert {name for name, _, _ in by_partition} == {f"transactions_{n:04d}" for n in range(4)}
        assert sum(users for _, users, _ in by_partition) == 41, "each customer lies in one partition"
        (plan,) = connection.execute("EXPLAIN (FORMAT JSON) SELECT * FROM transactions WHERE user_id = 'u1'").fetchone()
        assert str(plan).count("'Relation Name'") == 1, "a question about a customer reads one partition"
        sink.close()


def test_a_table_that_is_another_one_is_left_alone(postgres: TestServer, tmp_path: Path) -> None:
    with emptied(postgres) as connection:
        sink = PostgresSink.of(postgres.url, None, partitions=2)
        connection.execute("CREATE TABLE transactions (id int)")
        with pytest.raises(SourceError, match=r"has a table transactions that is not cut into partitions; rename it"):
            sink.prepare()
        connection.execute("DROP TABLE transactions")
        sink.prepare()
        connection.execute("ALTER TABLE transactions DROP COLUMN score")
        with pytest.raises(SourceError, match=r"The table transactions of PostgreSQL at 127.0.0.1:\d+ has no score; add"):
            sink.prepare()
        sink.close()


def test_a_server_that_was_away_gets_all_and_a_repetition_changes_nothing(
    spark: SparkSession, tmp_path: Path, cache: TestServer, postgres: TestServer, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    lake = str(tmp_path / "lake")
    tables.create(spark, lake, FRAUD_PARTIAL)
    client(cache).flushall()

    def arrive(*payments: dict[str, Any]) -> None:
        tables.append(rows(spark, FRAUD_PARTIAL, *payments), lake, FRAUD_PARTIAL)

    def publish(*flags: str) -> int:
        places = ("--redis", cache.url, "--postgres", postgres.url, "--postgres-partitions", "2")
        return cli.main(["publish-scores", "--lake", lake, *places, "--available-now", *flags])

    with emptied(postgres):
        arrive(alerting("t1", batch=0), scored("t2", batch=0, offset=1, user_id="u2"))
        assert publish() == 0, capsys.readouterr().err
        assert (ids(postgres), alerted(cache)) == (["t1", "t2"], ["t1"])

        postgres.kill()
        cache.kill()
        arrive(alerting("t3", batch=1))
        assert publish("--patience", "1s") == 1
        shown = capsys.readouterr().err
        for server in (
            f"Redis at {cache.url.rpartition('@')[2][:-2]}",
            f"PostgreSQL at {postgres.url.rpartition('@')[2][:-9]}",
        ):
            assert f"{server} could not be used for 1 s (no connection); see that it runs" in shown
        assert shown.count("\n") == 1
        assert "Traceback" not in shown

        cache.start()
        later = threading.Timer(3, postgres.start)
        later.start()
        assert publish("--patience", "60s") == 0, "it waits for a server that comes back"
        later.join()
        assert (ids(postgres), alerted(cache)) == (["t1", "t2", "t3"], ["t1", "t3"])
        assert client(cache).hget("paylake:features:user:u1", "transaction_id") == "t3"

        before = (stored(postgres), remembered(cache))
        assert publish("--checkpoint", str(tmp_path / "another")) == 0
        assert (stored(postgres), remembered(cache)) == before, "a lake that is published anew changes nothing"

        wrong = replace(cache, url=cache.url.replace(IN_URL, "wrong" + IN_URL))
        assert cli.main(["publish-scores", "--lake", lake, "--redis", wrong.url, "--available-now"]) == 1
        assert "refuses the user or the password; see --redis and PAYLAKE_REDIS_PASSWORD" in capsys.readouterr().err
    printed = shown + caplog.text
    assert "seen" not in printed
    assert "not@to" not in printed


def test_a_batch_of_any_size_is_fetched_in_parts(spark: SparkSession) -> None:
    batch = rows(spark, FRAUD_PARTIAL, *({"transaction_id": f"t{n}", "features": [1.0]} for n in range(25)))
    found = [row for some in chunks(batch, rows_fetched=10) for row in some]
    assert sorted(row["transaction_id"] for row in found) == sorted(row["transaction_id"] for row in as_dicts(batch))
    assert next(iter(chunks(batch)))[0]["recorded_at"].tzinfo is not None
    assert list(chunks(batch.limit(0))) == []


def test_a_lake_without_scores_is_one_sentence(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["publish-scores", "--lake", str(tmp_path), "--redis", "redis://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err.endswith("holds no scores to publish; run `paylake score` first.\n")
