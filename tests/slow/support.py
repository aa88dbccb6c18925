"""What the tests of whole processes share: commands with bounded waits, topics that wait, contents to compare."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from paylake import broker, pipeline, tables
from paylake.broker import Cluster
from paylake.contracts import LEDGER_ENTRIES, OPEN_ITEMS, QUARANTINE, RECONCILIATION_PARTIAL
from paylake.contracts.table import TableContract
from paylake.contracts.topics import TOPICS
from paylake.indexes.comparison import latest_decisions
from paylake.settings import KafkaSettings, parse_settings
from paylake.topics import TopicSpec, create_topics

ROOT = Path(__file__).parents[2]
DAY = date(2026, 1, 15)
RUN_AT = "2026-01-17T00:00:00+00:00"

ENDS_WITHIN_S = 600.0
"""A few thousand records take well under a minute on an idle machine, and ten times that on a busy one."""

REMEMBER = "48h"
"""Longer than the simulated day, which a stream that catches up may read in one leap of its clock."""

PLACE = ("topic", "partition", "offset")

Contents = dict[str, tuple[int, str]]


# --- commands ---


@dataclass(frozen=True)
class Running:
    """A command in a session of its own, so that its JVM can be found, and ended with it."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        """Everything that it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, within_s: float = ENDS_WITHIN_S) -> int:
        """Its exit code; fails where it has not ended in time."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within_s:.0f} s:\n{self.text}") from None

    def wait_for(self, pattern: str, within_s: float = ENDS_WITHIN_S) -> None:
        """Wait until it has written something like `pattern`."""
        self.wait_until(lambda: re.search(pattern, self.text) is not None, pattern, within_s)

    def wait_until(self, holds: Callable[[], bool], what: str, within_s: float = ENDS_WITHIN_S) -> None:
        """Wait until something holds; fails where the command ends before, or the time is over."""
        deadline = time.monotonic() + within_s
        while not holds():
            assert self.process.poll() is None, f"ended with {self.process.returncode} before {what}:\n{self.text}"
            assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}\n{self.text}"
            time.sleep(0.1)

    def records(self) -> int:
        """How many records its batches have taken, as it says."""
        return sum(int(n) for n in re.findall(r"batch \d+: (\d+) records", self.text))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command alone, as a person or a scheduler does."""
        os.kill(self.process.pid, number)

    def kill_all(self) -> None:
        """End the command and all that it started, at once, as a machine that is lost does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def left_behind(self, within_s: float = 30) -> list[int]:
        """The processes of its session that are still there a while after it has ended."""
        deadline = time.monotonic() + within_s
        while (found := _session(self.process.pid)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found


def _session(leader: int) -> list[int]:
    """The living processes of a session, the leader excepted."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(session) == leader and int(stat.parent.name) != leader and state != "Z":
            found.append(int(stat.parent.name))
    return found


@contextmanager
def command(
    *argv: str | Path, log: Path, conf: Mapping[str, str] | None = None, jars: Path | None = None
) -> Iterator[Running]:
    """A command that runs beside the test, and is ended with everything it started when the block is left."""
    # these processes live a minute, in which the JVM's second compiler costs more than it saves
    brief = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}
    env = {**os.environ, "PYTHONUNBUFFERED": "1", "PAYLAKE_MASTER": "local[2]", **brief}
    if conf:
        flags = " ".join(f"--conf {key}={value}" for key, value in conf.items())
        env["PYSPARK_SUBMIT_ARGS"] = f"{flags} pyspark-shell"
    if jars is not None:
        env["PAYLAKE_JARS"] = str(jars)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(a) for a in argv], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield Running(process, log)
    finally:
        if process.poll() is None or _session(process.pid):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def paylake(*argv: str | Path) -> tuple[str | Path, ...]:
    """The `paylake` command line, as this environment runs it."""
    return (sys.executable, "-m", "paylake.cli", *argv)


def stream(kafka: KafkaSettings, lake: str, key: Path, *flags: str) -> tuple[str | Path, ...]:
    """`paylake stream` on simulated time, whose ticks the simulation writes."""
    return paylake("stream", *stream_flags(kafka, lake, key), "--ticks", "elsewhere", *flags)


def stream_flags(kafka: KafkaSettings, lake: str, key: Path) -> tuple[str, ...]:
    """The settings that every stream of a test needs."""
    place = ("--bootstrap-servers", kafka.bootstrap_servers, "--lake", lake, "--token-key", str(key))
    return (*place, "--remember", REMEMBER)


def nightly_flags(kafka: KafkaSettings, lake: str) -> tuple[str, ...]:
    """The settings of both nightly jobs together."""
    return ("--bootstrap-servers", kafka.bootstrap_servers, "--lake", lake, "--business-date", DAY.isoformat())


# --- the same, inside the test's own session ---


@contextmanager
def signals_kept() -> Iterator[None]:
    """The stream takes SIGINT and SIGTERM for itself; the test run wants them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stream_here(spark: SparkSession, kafka: KafkaSettings, lake: str, key: Path, *flags: str) -> None:
    """The streaming job's `main`, up to its closing tick."""
    job = pipeline.job(pipeline.STREAM_JOB)
    argv = (*stream_flags(kafka, lake, key), "--available-now", *flags)
    with signals_kept():
        job.main(spark, parse_settings(job.ReconcileLedgersSettings, argv))


def nightly_here(spark: SparkSession, kafka: KafkaSettings, lake: str, indexes: str = "none") -> None:
    """The `main` of both nightly jobs, one after the other."""
    batch, aggregate = pipeline.job(pipeline.BATCH_JOB), pipeline.job(pipeline.AGGREGATE_JOB)
    day = ("--lake", lake, "--business-date", DAY.isoformat())
    batch.main(spark, parse_settings(batch.BuildBatchIndexSettings, (*day, "--bootstrap-servers", kafka.bootstrap_servers)))
    aggregate.main(
        spark, parse_settings(aggregate.BuildFinalAggregateSettings, (*day, "--run-at", RUN_AT, "--indexes", indexes))
    )


# --- the broker ---


@contextmanager
def kafka_with_topics(folder: Path, brokers: int = 1) -> Iterator[Cluster]:
    """A cluster with paylake's topics; fails where one of its processes outlives the block."""
    with broker.running(folder, brokers=brokers) as cluster:
        create_topics(cluster.kafka, {n: TopicSpec(t.partitions) for n, t in TOPICS.items()})
        yield cluster
    assert broker.status(folder) is None


# --- contents ---


def decisions(spark: SparkSession, lake: str) -> DataFrame:
    """The latest that a lake's stream says of each transaction."""
    partial = tables.read(spark, lake, RECONCILIATION_PARTIAL)
    return latest_decisions(partial, tables.read(spark, lake, OPEN_ITEMS))


def stream_contents(spark: SparkSession, lake: str) -> Contents:
    """What a stream has written, without what tells in which batch or generation it did so."""
    contents = {
        contract.name: tables.content_hash(
            tables.read(spark, lake, contract), tuple(dict.fromkeys((*contract.content_columns, *PLACE)))
        )
        for contract in (LEDGER_ENTRIES, QUARANTINE)
    }
    latest = decisions(spark, lake)
    return {**contents, "decisions": tables.content_hash(latest, RECONCILIATION_PARTIAL.content_columns)}


def said(spark: SparkSession, lake: str, contract: TableContract) -> tuple[int, str]:
    """What a table says, without what tells in which run, batch or place it was learned."""
    return tables.content_hash(tables.read(spark, lake, contract), contract.content_columns)
