"""(a) How many records a second the stream takes, batch by batch and step by step, and what of a batch is fixed cost."""

from __future__ import annotations

import argparse
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from benchmarks import harness, stage
from benchmarks.inside import Inside, per_batch
from benchmarks.machine import Meter, peak_memory_mib
from paylake import tables
from paylake.contracts import LEDGER_ENTRIES, OPEN_ITEMS, QUARANTINE, RECONCILIATION_PARTIAL
from paylake.indexes.comparison import latest_decisions
from paylake.ledger_driver import LedgerDriver, Schedule
from paylake.report.score import score
from paylake.settings import KafkaSettings
from paylake.simulation import FaultRates, Plan, bulk, publish

PAYMENTS = 450_000
"""About 1.35 million records: nine batches of the smaller size, three of the larger."""
SMALL_PAYMENTS = 6_000
PROCESSES = (("local[1]", (150_000, 450_000)), ("local[2]", (150_000, 150_000, 450_000)))
"""A process per number of task threads reads all that waits several times, each time into a lake of its own. The first
time it is cold: the Java compiler takes half of the machine for minutes."""
SMALL_BATCH = 1_000
SPAN = timedelta(hours=20)
FAULTS = FaultRates(duplicates=0.01, disorder=0.05, lateness=0.002, malformed=0.0005)


def measure(scale: float) -> dict[str, Any]:
    """Load the topics once, and let a process per setting read them into a lake of its own."""
    with harness.workplace("stream") as folder, stage.kafka_at(folder / "broker") as cluster:
        where = ["--folder", str(folder), "--servers", cluster.bootstrap_servers, "--scale", str(scale)]
        where += ["--broker-pid", str(cluster.pid(1))]
        loaded = harness.own_process("stream", "load", *where)
        harness.say(f"stream: {loaded['records']:,} records wait in Kafka")
        runs: list[dict[str, Any]] = []
        for master, sizes in PROCESSES:
            asked = [harness.scaled(size, scale, 6_000) for size in sizes]
            passes = ["--sizes", *map(str, asked), *(["--then-small"] if master == PROCESSES[-1][0] else [])]
            found = harness.own_process("stream", "run", *where, *passes, master=master)
            for number, run in enumerate(found["passes"]):
                runs.append(run | {"master": master, "size": asked[number], "warm": number > 0})
                harness.say(f"stream: {master}, batches of {asked[number]:,}: {run['steady_per_second']:,.0f} records/s")
    return {"loaded": loaded, "runs": runs}


def load(folder: Path, kafka: KafkaSettings, scale: float) -> dict[str, Any]:
    """Send the records, and keep their truth."""
    spark = stage.session("load")
    plan = Plan(
        payments=harness.scaled(PAYMENTS, scale), seed=7, chaos=0.05, faults=FAULTS,
        start=stage.recently(SPAN + timedelta(hours=1)), span=SPAN,
    )  # fmt: skip
    began = time.monotonic()
    totals = bulk.load(spark, plan, kafka, folder / "load", chunk_records=harness.scaled(150_000, scale))
    seconds = time.monotonic() - began
    sent = {"payments": totals.payments, "records": totals.records, "send_s": round(totals.seconds, 1)}
    return sent | {"seconds": round(seconds, 1)}


def run(options: argparse.Namespace, kafka: KafkaSettings) -> dict[str, Any]:
    """Read everything that waits, once per size; the small batches come last, when the process is as warm as it gets."""
    began = time.monotonic()
    spark = stage.session("stream")
    started_s = time.monotonic() - began
    passes = []
    for number, size in enumerate(options.sizes):
        place = options.folder / f"{spark.sparkContext.master}-{number}".replace("[", "").replace("]", "")
        place.mkdir()
        driver = stage.driver(spark, place, kafka)
        watch = Watch(spark, driver)
        passes.append(one_pass(options, driver, watch, size))
    if options.then_small:
        passes[-1]["small"] = small_batches(driver, watch, kafka, options.scale)
    return {"start_s": round(started_s, 1), "passes": passes}


def one_pass(options: argparse.Namespace, driver: LedgerDriver, watch: Watch, size: int) -> dict[str, Any]:
    """Read everything that waits, check what was decided, and say what each batch took."""
    meter = Meter(options.broker_pid)
    with meter.measure() as cost:
        driver.run(Schedule(available_now=True, max_offsets_per_trigger=size, driver_ticks=False))
    found = watch.results()
    done = [b for b in found["batches"] if b["records"]]
    return found | {
        "cost": cost[0].as_dict(),
        "peak_memory_mib": peak_memory_mib(),
        "records": sum(b["records"] for b in done),
        "all_per_second": round(_rate(done)),
        "steady_per_second": round(_rate(done[1:]) if len(done) > 1 else _rate(done)),
        "full_batch_per_second": round(_rate(_full(done[1:]) or done)),
        "truth": _check(driver.stream.spark, driver, options.folder / "load" / "truth"),
    }


def small_batches(driver: LedgerDriver, watch: Watch, kafka: KafkaSettings, scale: float) -> dict[str, Any]:
    """Batches that are nearly nothing but fixed cost, on the same warm process and the same lake."""
    payments = harness.scaled(SMALL_PAYMENTS, scale, 1_400)
    publish(
        Plan(payments=payments, seed=11, chaos=0.05, start=stage.recently(timedelta(hours=2)), span=timedelta(hours=1)),
        kafka,
    )
    watch.batches.clear()
    watch.queries.clear()
    inside = Inside(driver.stream.spark)
    before = inside.read()
    driver.run(Schedule(available_now=True, max_offsets_per_trigger=SMALL_BATCH, driver_ticks=False))
    found = watch.results()
    return found | {"inside": per_batch(before, inside.read(), len(found["batches"]))}


class Watch:
    """Keeps what the driver and Spark say of each batch."""

    def __init__(self, spark: SparkSession, driver: LedgerDriver) -> None:
        self.spark = spark
        self.batches: list[dict[str, Any]] = []
        self.queries: dict[str, StreamingQuery] = {}
        driver.on_batch = self._on_batch

    def _on_batch(self, report: Any, seconds: float) -> None:
        self.batches.append(stage.batch_row(report, seconds))
        for query in self.spark.streams.active:
            self.queries.setdefault(query.runId, query)

    def results(self) -> dict[str, Any]:
        """Each batch with its steps, and with what Spark's own engine took around it."""
        progress = {p["batchId"]: p["durationMs"] for q in self.queries.values() for p in q.recentProgress}
        for batch in self.batches:
            said = progress.get(batch["batch"], {})
            batch["engine_ms"] = {n: ms for n, ms in said.items() if n not in ("addBatch", "triggerExecution")}
            batch["trigger_s"] = said.get("triggerExecution", batch["seconds"] * 1000) / 1000
        return {"batches": list(self.batches)}


def _rate(batches: list[dict[str, Any]]) -> float:
    seconds = sum(b["trigger_s"] for b in batches)
    return sum(b["records"] for b in batches) / seconds if seconds else 0.0


def _full(batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The batches that are about as large as the largest: the last one is a remainder."""
    most = max((b["records"] for b in batches), default=0)
    return [b for b in batches if b["records"] > 0.9 * most]


def _check(spark: SparkSession, driver: LedgerDriver, truth: Path) -> dict[str, Any]:
    """Every payment as the simulation injected it, every record in one place; else there is no figure to quote."""
    lake = driver.stream.lake
    said = latest_decisions(tables.read(spark, lake, RECONCILIATION_PARTIAL), tables.read(spark, lake, OPEN_ITEMS)).persist()
    found = score(said, spark.read.parquet(str(truth / "payments")))
    if not found.is_perfect:
        raise SystemExit(f"The stream's decisions differ from the truth: {found}")
    overall = found.overall
    return {
        "transactions": said.count(),
        "breaks": overall.expected,
        "precision": overall.precision,
        "recall": overall.recall,
        "entries": tables.read(spark, lake, LEDGER_ENTRIES).count(),
        "quarantined": tables.read(spark, lake, QUARANTINE).count(),
    }


def main() -> None:
    """One step of the measurement, in a process of its own."""
    options = harness.arguments(
        __doc__,
        lambda p: p.add_argument("step", choices=("load", "run")),
        lambda p: p.add_argument("--folder", type=Path, required=True),
        lambda p: p.add_argument("--servers", required=True),
        lambda p: p.add_argument("--broker-pid", type=int, action="append"),
        lambda p: p.add_argument("--sizes", type=int, nargs="+", default=[150_000]),
        lambda p: p.add_argument("--then-small", action="store_true"),
    )
    kafka = KafkaSettings(bootstrap_servers=options.servers)
    results = load(options.folder, kafka, options.scale) if options.step == "load" else run(options, kafka)
    harness.write(options.out, results)


if __name__ == "__main__":
    main()
