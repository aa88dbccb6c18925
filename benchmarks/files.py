"""(e) Files and batch time after a thousand batches, with the driver's own maintenance in between."""

from __future__ import annotations

import math
import statistics
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from benchmarks import harness, stage
from benchmarks.feed import Feed
from benchmarks.machine import Meter
from paylake import tables
from paylake.contracts import LEDGER_ENTRIES, OPEN_ITEMS, QUARANTINE, RECONCILIATION_PARTIAL
from paylake.ledger_driver import LedgerDriver, Schedule
from paylake.simulation import FaultRates, Plan, generate

BATCHES = 1_000
PAYMENTS_PER_BATCH = 20
WARM_UP = 30
EDGE = 50
ENOUGH_S = 420
"""As one measurement among all: after this long no further batch is begun. Asked for alone, all are."""
FAULTS = FaultRates(duplicates=0.01, disorder=0.05, malformed=0.002)
TABLES = (LEDGER_ENTRIES, QUARANTINE, OPEN_ITEMS, RECONCILIATION_PARTIAL)


def measure(scale: float, alone: bool = True) -> dict[str, Any]:
    """In a process of its own."""
    return harness.own_process("files", "--scale", str(scale), *([] if alone else ["--within", str(ENOUGH_S)]))


def many_batches(scale: float, within_s: float) -> dict[str, Any]:
    """A batch per simulated second, as the driver takes them; first some on another lake, so that all is warm."""
    spark = stage.session("files")
    batches = harness.scaled(BATCHES, scale, 10)
    edge, warm_up = harness.scaled(EDGE, scale, 3), harness.scaled(WARM_UP, scale, 3)
    maintain_every = harness.scaled(Schedule.maintain_every, scale, 4)
    with harness.workplace("files") as folder:
        _run(stage.driver(spark, folder / "warm"), spark, warm_up, maintain_every, within_s)
        driver, meter = stage.driver(spark, folder / "measured"), Meter()
        with meter.measure() as cost:
            rows, kept, records = _run(driver, spark, batches, maintain_every, within_s)
        entries = tables.read(spark, driver.stream.lake, LEDGER_ENTRIES).count()
        rejected = tables.read(spark, driver.stream.lake, QUARANTINE).count()
        if entries + rejected != records:
            raise SystemExit(f"{records:,} records went in, {entries:,} and {rejected:,} rejected ones are there")
        return {
            "batches": len(rows),
            "asked": batches,
            "records": records,
            "edge": edge,
            "maintain_every": maintain_every,
            "first_median_s": round(statistics.median(row["seconds"] for row in rows[:edge]), 3),
            "last_median_s": round(statistics.median(row["seconds"] for row in rows[-edge:]), 3),
            "first_steps": harness.median_steps(rows[:edge]),
            "last_steps": harness.median_steps(rows[-edge:]),
            "maintain_s": [round(s, 2) for s in kept],
            "seconds": [round(row["seconds"], 3) for row in rows],
            "cost": cost[0].as_dict(),
            "tables": {table.name: _files(spark, driver.stream.lake, table) for table in TABLES},
        }


def _run(
    driver: LedgerDriver, spark: SparkSession, batches: int, maintain_every: int, within_s: float
) -> tuple[list[dict[str, Any]], list[float], int]:
    """Batches one after the other; a last one would read no more than what is under way, so it is left out."""
    start = stage.recently(timedelta(hours=3))
    plan = Plan(
        payments=batches * PAYMENTS_PER_BATCH, seed=13, chaos=0.05, faults=FAULTS, start=start,
        span=timedelta(seconds=batches), tick_every=timedelta(seconds=1),
    )  # fmt: skip
    feed, rows, kept, records, until = Feed(spark), [], [], 0, time.monotonic() + within_s
    for number, chunk in enumerate(generate(plan)):
        if number == batches or time.monotonic() > until:
            break
        frame, ends = feed.batch(chunk.deliveries, chunk.as_of)
        began = time.monotonic()
        report = driver.stream.process(frame, number, ends)
        rows.append(stage.batch_row(report, time.monotonic() - began))
        records += len(chunk.deliveries)
        if number % maintain_every == maintain_every - 1:
            began = time.monotonic()
            driver.maintain()
            kept.append(time.monotonic() - began)
        if number % 100 == 99:
            harness.say(f"files: batch {number + 1} of {batches}, {rows[-1]['seconds']:.2f} s")
    return rows, kept, records


def _files(spark: SparkSession, lake: str, table: Any) -> dict[str, int]:
    """Data files that the table consists of, all that lie there, and the entries of its log."""
    place = Path(tables.location(lake, table))
    detail = DeltaTable.forPath(spark, str(place)).detail().select("numFiles").first()
    assert detail is not None
    return {
        "live": detail["numFiles"],
        "on_disk": sum(1 for _ in place.rglob("*.parquet") if "_delta_log" not in _.parts),
        "log": sum(1 for _ in (place / "_delta_log").iterdir() if _.suffix in (".json", ".parquet")),
    }


def main() -> None:
    """The whole measurement."""
    options = harness.arguments(__doc__, lambda p: p.add_argument("--within", type=float, default=math.inf))
    harness.write(options.out, many_batches(options.scale, options.within))


if __name__ == "__main__":
    main()
