"""(c) From the arrival of a payment's last record in Kafka to its decision's visibility in `reconciliation_partial`.

The end is when the commit's file appeared in the table's log, since nobody can read the row before; the beginning is the
wall clock's time at which the producer stamped the record.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kafka import KafkaProducer
from pyspark.sql import functions as F

from benchmarks import harness, stage
from benchmarks.machine import Meter
from benchmarks.stream import Watch
from paylake import tables
from paylake.contracts import RECONCILIATION_PARTIAL
from paylake.ledger_driver import LedgerDriver, Schedule
from paylake.settings import KafkaSettings
from paylake.simulation import Plan, generate

RATES = (10, 1_000)
WARM_UP_RATE = 300
SECONDS = 40
WARM_UP_S = 300
PAUSE_S = 4
DRAIN_S = 12


def measure(scale: float) -> dict[str, Any]:
    """In a process of its own."""
    return harness.own_process("latency", "live", "--scale", str(scale))


def live(scale: float) -> dict[str, Any]:
    """The driver as it runs in production, with its own ticks; a producer in another process paces the records."""
    spark = stage.session("latency")
    with harness.workplace("latency") as folder, stage.kafka_at(folder / "broker") as cluster:
        driver = stage.driver(spark, folder, cluster.kafka)
        watch, meter, told = Watch(spark, driver), Meter([cluster.pid(1)]), folder / "windows.json"
        producer = threading.Thread(target=_produce_then_stop, args=(cluster.bootstrap_servers, told, scale), daemon=True)
        producer.start()
        with meter.measure() as cost:
            driver.run(Schedule())
        producer.join()
        windows = json.loads(told.read_text(encoding="utf-8"))
        batches = watch.results()["batches"]
        arrived = _latencies(driver)
        found = [_window(window, arrived, batches) for window in windows if window["counts"]]
        return {"rates": found, "cost": cost[0].as_dict(), "interval_s": Schedule.interval.total_seconds()}


def _produce_then_stop(servers: str, told: Path, scale: float) -> None:
    """Let the producer run to its end, and then ask the driver to stop, as an operator would."""
    command = [sys.executable, "-m", "benchmarks.latency", "produce", "--out", str(told), "--scale", str(scale)]
    try:
        subprocess.run([*command, "--servers", servers], cwd=harness.ROOT, check=True)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def produce(servers: str, scale: float) -> list[dict[str, Any]]:
    """Send records at each rate for a while; returns when each stretch began and ended, in epoch milliseconds."""
    producer = KafkaProducer(**KafkaSettings(bootstrap_servers=servers).client_options(), acks="all", linger_ms=0)
    seconds = harness.scaled(SECONDS, scale, 15)
    stretches = [(WARM_UP_RATE, harness.scaled(WARM_UP_S, scale, 20), False), *((rate, seconds, True) for rate in RATES)]
    windows = []
    for number, (rate, for_s, counts) in enumerate(stretches):
        since_ms, sent = _now_ms(), _pace(producer, rate, for_s, number)
        windows.append({"rate": rate, "since_ms": since_ms, "until_ms": _now_ms(), "sent": sent, "counts": counts})
        harness.say(f"latency: {sent:,} records sent at {rate:,} per second")
        time.sleep(PAUSE_S)
    time.sleep(DRAIN_S)
    producer.close()
    return windows


def _pace(producer: KafkaProducer, rate: int, seconds: int, seed: int) -> int:
    """Records in their order of arrival, evenly spread; each one is stamped as it is sent."""
    payments = max(2, rate * seconds // 3)
    start = datetime.now(UTC) - timedelta(seconds=seconds)
    plan = Plan(payments=payments, seed=20 + seed, chaos=0, start=start, span=timedelta(seconds=seconds))
    rows = [row for chunk in generate(plan) for row in chunk.deliveries.select(["topic", "key", "value"]).to_pylist()]
    began = time.monotonic()
    for number, row in enumerate(rows):
        if (ahead := began + number / rate - time.monotonic()) > 0:
            time.sleep(ahead)
        producer.send(row["topic"], row["value"], row["key"], timestamp_ms=_now_ms())
    producer.flush()
    return len(rows)


def _latencies(driver: LedgerDriver) -> list[tuple[int, int, int]]:
    """Per transaction: when its last record arrived, the batch that decided it, and how long that took (ms)."""
    place = Path(tables.location(driver.stream.lake, RECONCILIATION_PARTIAL))
    visible = _commit_times(place)
    rows = tables.read(driver.stream.spark, driver.stream.lake, RECONCILIATION_PARTIAL).where("status = 'MATCHED'")
    said = rows.select("batch", F.unix_millis("last_recorded_at").alias("arrived")).collect()
    return [(row["arrived"], row["batch"], visible[row["batch"]] - row["arrived"]) for row in said]


def _commit_times(table: Path) -> dict[int, int]:
    """Batch -> when the version that holds its decisions appeared, in epoch milliseconds."""
    found = {}
    for entry in (table / "_delta_log").glob("*.json"):
        for line in entry.read_text(encoding="utf-8").splitlines():
            if (txn := json.loads(line).get("txn")) is not None:
                found[txn["version"]] = entry.stat().st_mtime_ns // 1_000_000
    return found


def _window(window: dict[str, Any], arrived: list[tuple[int, int, int]], batches: list[dict[str, Any]]) -> dict[str, Any]:
    """What was decided of a stretch, which must be all of it."""
    of = [(at, batch, ms) for at, batch, ms in arrived if window["since_ms"] <= at <= window["until_ms"]]
    payments = window["sent"] // 3
    if len(of) != payments:
        raise SystemExit(f"{len(of):,} of {payments:,} payments were matched at {window['rate']} records per second")
    ms = [value for _, _, value in of]
    numbers = {batch for _, batch, _ in of}
    mine = [b for b in batches if b["batch"] in numbers]
    engine = {
        name: [b["engine_ms"].get(name, 0) for b in mine] for name in sorted({n for b in mine for n in b["engine_ms"]})
    }
    return {
        "rate": window["rate"],
        "sent": window["sent"],
        "payments": payments,
        "p50_ms": harness.percentile(ms, 0.5),
        "p95_ms": harness.percentile(ms, 0.95),
        "p99_ms": harness.percentile(ms, 0.99),
        "max_ms": max(ms),
        "batches": len(mine),
        "records_per_batch": round(statistics.mean(b["records"] for b in mine)),
        "batch_s": round(statistics.median(b["seconds"] for b in mine), 3),
        "trigger_s": round(statistics.median(b["trigger_s"] for b in mine), 3),
        "steps": harness.median_steps(mine),
        "engine_ms": {name: round(statistics.median(values)) for name, values in engine.items()},
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """The stream with its reader, or the producer."""
    options: argparse.Namespace = harness.arguments(
        __doc__,
        lambda p: p.add_argument("part", choices=("live", "produce")),
        lambda p: p.add_argument("--servers", default=""),
    )
    results: Any = live(options.scale) if options.part == "live" else produce(options.servers, options.scale)
    harness.write(options.out, results)


if __name__ == "__main__":
    main()
