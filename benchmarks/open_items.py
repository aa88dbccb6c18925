"""(d) What a batch of a thousand records takes while many payments are open."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from benchmarks import harness, stage
from benchmarks.feed import Feed
from benchmarks.machine import Cost, Meter
from paylake import tables
from paylake.contracts import OPEN_ITEMS
from paylake.contracts.topics import PG_TRANSACTIONS
from paylake.simulation import Plan, generate

LEVELS = (10_000, 100_000, 1_000_000)
BATCH_RECORDS = 1_000
BATCHES = 9
WARM_UP = 3
ENOUGH_S = 60
"""After this long no further batch of a level is begun, once there are three that count."""


def measure(scale: float) -> dict[str, Any]:
    """All levels in one warm process, the smallest first."""
    return harness.own_process("open_items", "--scale", str(scale))


def levels(scale: float) -> dict[str, Any]:
    """A lake per level: gateway records alone first, all of which stay open, then batches of whole payments."""
    spark = stage.session("open-items")
    found = []
    with harness.workplace("open-items") as folder:
        for level in (harness.scaled(n, scale) for n in LEVELS):
            found.append(_level(spark, folder / str(level), level))
            harness.say(f"open items: {level:,}: {found[-1]['median_s']:.2f} s per batch")
    return {"levels": found}


def _level(spark: SparkSession, folder: Path, level: int) -> dict[str, Any]:
    driver, feed = stage.driver(spark, folder), Feed(spark)
    start = stage.recently(timedelta(hours=3))
    began = time.monotonic()
    records, ends = feed.batch(_gateway_only(level, start), start, folder / "gateway.parquet")
    driver.stream.process(records, 0, ends)
    built_s = time.monotonic() - began
    _expect_open(driver, spark, level)
    rows, meter, costs = [], Meter(), []
    began = time.monotonic()
    for number, deliveries in enumerate(_thousands(start), 1):
        if number > WARM_UP + 3 and time.monotonic() - began > ENOUGH_S:
            break
        # a second per batch: no deadline passes, so that the level stays what it is
        records, ends = feed.batch(deliveries, start + timedelta(seconds=number))
        with meter.measure() as cost:
            report = driver.stream.process(records, number, ends)
        rows.append(stage.batch_row(report, cost[0].wall_s))
        costs.append(cost[0])
    open_after = _open(driver, spark)
    if not level <= open_after <= level + BATCH_RECORDS:
        raise SystemExit(f"{open_after:,} items are open where {level:,} were to stay open")
    counted = rows[WARM_UP:]
    return {
        "open_items": level,
        "build_s": round(built_s, 1),
        "batches": len(counted),
        "median_s": round(statistics.median(row["seconds"] for row in counted), 3),
        "cpu_s": round(statistics.median(c.jvm_s + c.python_s for c in costs[WARM_UP:]), 2),
        "steps": harness.median_steps(counted),
        "cost": reduce(Cost.__add__, costs).as_dict(),
        "open_items_mib": round(_megabytes(folder / "lake" / OPEN_ITEMS.path), 1),
    }


def _gateway_only(level: int, start: Any) -> pa.Table:
    plan = Plan(payments=level, seed=3, chaos=0, start=start - timedelta(hours=1), span=timedelta(minutes=50))
    deliveries = pa.concat_tables(chunk.deliveries for chunk in generate(plan))
    return deliveries.filter(pc.equal(deliveries["topic"], PG_TRANSACTIONS))


def _thousands(start: Any) -> Iterator[pa.Table]:
    """Batches of a thousand records; a payment's legs may lie in two of them."""
    payments = (BATCHES + WARM_UP) * BATCH_RECORDS // 3 + 10
    plan = Plan(payments=payments, seed=5, chaos=0, start=start, span=timedelta(minutes=50))
    deliveries = pa.concat_tables(chunk.deliveries for chunk in generate(plan))
    return islice((deliveries[i : i + BATCH_RECORDS] for i in range(0, len(deliveries), BATCH_RECORDS)), BATCHES + WARM_UP)


def _open(driver: Any, spark: SparkSession) -> int:
    return tables.read(spark, driver.stream.lake, OPEN_ITEMS).where("is_open").count()


def _expect_open(driver: Any, spark: SparkSession, level: int) -> None:
    found = _open(driver, spark)
    if found != level:
        raise SystemExit(f"{found:,} items are open, not {level:,}")


def _megabytes(table: Path) -> float:
    """The newest data file: `open_items` is one file, and the older ones wait for the vacuum."""
    newest = max(table.glob("*.parquet"), key=lambda file: file.stat().st_mtime)
    return newest.stat().st_size / 2**20


def main() -> None:
    """All levels, in a process of their own."""
    options = harness.arguments(__doc__)
    harness.write(options.out, levels(options.scale))


if __name__ == "__main__":
    main()
