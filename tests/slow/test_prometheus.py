"""Prometheus itself reads a running stream, and its tool tries every alert rule."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from pyspark.sql import SparkSession

from paylake import run_controls, tables
from paylake.contracts import RUN_CONTROLS
from paylake.health import ProofWatch
from paylake.health_metrics import Series
from paylake.health_pulse import Pulse
from paylake.indexes.proof import FAILED, Proof, Sum
from paylake.run_controls import Pin, Run
from paylake.simulation import Plan, publish
from paylake.stream_state import StreamState
from paylake.token_key import create_key_file
from tests.slow import support
from tests.slow.support import Running

MONITORING = support.ROOT / "infra" / "monitoring"
RULES = sorted((MONITORING / "rules").glob("*.yaml"))
TESTS = sorted((MONITORING / "tests").glob("*.yaml"))
SEEN_WITHIN_S = support.ENDS_WITHIN_S


def binary(name: str) -> str:
    """Where a program of Debian's package lies; skips the test where there is none, unless there has to be."""
    found = shutil.which(name)
    if found is None:
        sentence = f"needs {name}: apt-get install prometheus"
        if os.environ.get("PAYLAKE_SERVERS") == "required":
            pytest.fail(sentence)
        pytest.skip(sentence)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_rules_are_valid_and_each_alert_comes_and_stays_away_when_it_should() -> None:
    promtool = binary("promtool")
    assert RULES
    assert TESTS
    checked = subprocess.run([promtool, "check", "rules", *map(str, RULES)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tried = subprocess.run([promtool, "test", "rules", *map(str, TESTS)], capture_output=True, text=True, timeout=60)
    assert tried.returncode == 0, tried.stdout + tried.stderr


def answer(url: str) -> tuple[int, str]:
    """Status and body; 0 where nobody answers."""
    try:
        with urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except (URLError, TimeoutError, ConnectionError):
        return 0, ""


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """The address of a Prometheus of the test's own, which reads a target every second, with our rules."""
    folder.mkdir()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rule) for rule in RULES],
        "scrape_configs": [{"job_name": "paylake", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    address = f"127.0.0.1:{free_port()}"
    argv = [
        binary("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while answer(f"http://{address}/-/ready")[0] != 200:
            said = (folder / "log").read_text(errors="replace")
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def asked(address: str, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers to a query: labels and value of each series."""
    status, body = answer(f"{address}/api/v1/query?{urlencode({'query': query})}")
    assert status == 200, body
    return list(json.loads(body)["data"]["result"])


def value(address: str, query: str) -> float | None:
    """The one value that a query has; None where it has none yet."""
    found = asked(address, query)
    return float(found[0]["value"][1]) if len(found) == 1 else None


def await_value(stream: Running, address: str, query: str, wanted: float) -> None:
    """Wait until Prometheus has seen that a query has a value."""
    stream.wait_until(lambda: value(address, query) == wanted, f"{query} is {wanted}", SEEN_WITHIN_S)


def test_prometheus_sees_a_running_stream(tmp_path: Path) -> None:
    binary("prometheus")
    key, lake, health = tmp_path / "token.key", str(tmp_path / "lake"), f"127.0.0.1:{free_port()}"
    create_key_file(key)
    with support.kafka_with_topics(tmp_path / "broker") as cluster:
        records = publish(Plan(payments=200, seed=5), cluster.kafka, tmp_path / "truth").records
        argv = support.stream(cluster.kafka, lake, key, "--interval", "1s", "--health-port", health.rpartition(":")[2])
        with (
            support.command(*argv, log=tmp_path / "stream.log") as stream,
            prometheus(tmp_path / "prometheus", health) as address,
        ):
            await_value(stream, address, 'sum(paylake_records_total{query="reconcile_ledgers"})', records)
            await_value(stream, address, "sum(paylake_kafka_lag_offsets)", 0)
            await_value(stream, address, "paylake_stream_ready", 1)
            await_value(stream, address, "count(paylake_kafka_lag_offsets)", 7)  # the ledgers' partitions and the clock's
            assert (value(address, 'paylake_batch_duration_seconds_count{phase="trigger_execution"}') or 0) >= 1
            assert (value(address, "paylake_input_records_total") or 0) >= records
            assert value(address, "time() - paylake_stream_last_batch_timestamp_seconds < 60") is not None
            assert value(address, "paylake_watermark_delay_seconds") is not None
            assert answer(f"http://{health}/ready")[0] == answer(f"http://{health}/live")[0] == 200
            assert {one["metric"]["alertname"] for one in asked(address, 'ALERTS{alertstate="firing"}')} == {"Watchdog"}
            stream.signal(signal.SIGTERM)
            assert stream.wait(120) in (0, 128 + signal.SIGTERM), stream.text
            await_down(address)
    assert "Traceback" not in stream.text


def await_down(address: str) -> None:
    """Wait until Prometheus has noticed that the stream has ended."""
    deadline = time.monotonic() + 20
    while value(address, "up") != 0:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_the_series_say_what_the_last_nightly_run_proved(spark: SparkSession, lake: str) -> None:
    series = Series("reconcile_ledgers", Pulse(timedelta(minutes=5), timedelta(minutes=10), time.time), time.time)
    watch = ProofWatch(spark, lake, series)
    watch.look()  # a lake without any run says nothing
    assert b"minor_units{" not in series.text()
    tables.create(spark, lake, RUN_CONTROLS)
    short = Proof(
        "core", "INR", Sum(2, Decimal("30.00")), postings=Sum(1, Decimal("10.00")), outcome=FAILED, note="20.00 short"
    )
    closed = Proof("core", "JPY", None, postings=Sum(1, Decimal(500)), matched=Sum(1, Decimal(500)))
    run = Run("2026-01-15/1", FAILED, False, True, (replace(short, matched=Sum(1, Decimal("10.00"))), closed), (), {})
    at = datetime(2026, 1, 16, 0, 30, tzinfo=UTC)
    run_controls.append(spark, lake, run_controls.control_rows(run, support.DAY, at, Pin(1, StreamState())))
    with watch:
        deadline = time.monotonic() + 60
        while b'minor_units{currency="INR"} 2000.0' not in series.text():
            assert time.monotonic() < deadline, series.text().decode()
            time.sleep(0.1)
    said = series.text().decode()
    assert 'paylake_recon_control_difference_minor_units{currency="JPY"} 0.0' in said
    assert 'paylake_recon_failed_proofs{job="nightly"} 1.0' in said
