"""(g) Ten million historical records: landed, replayed, streamed, and their date recomputed, proved and published."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from benchmarks import harness, stage
from benchmarks.machine import Meter, peak_memory_mib
from paylake import pipeline, tables
from paylake.contracts import AGGREGATE_INDEX, LEDGER_ENTRIES, QUARANTINE, RUN_CONTROLS
from paylake.contracts.topics import LEDGER_TOPICS
from paylake.history import CONTROL_TOTALS, SOURCES, Landing, Replay
from paylake.ledger_driver import LedgerDriver, Schedule
from paylake.report.score import score
from paylake.settings import KafkaSettings
from paylake.simulation import FaultRates, Plan, generate
from paylake.simulation.truth_writer import TruthWriter
from paylake.token_key import create_key_file, read_key

ROWS = 10_000_000
ROWS_PER_PAYMENT = 3
"""Nearly: some legs are missing, some records come twice."""
FILE_ROWS = 500_000
"""Records of a file: about as many as an export of an hour."""
BATCH = 450_000
DAY = date(2024, 3, 15)
"""Long ago, so that nothing is plausible by the time of its sending."""
FAULTS = FaultRates(duplicates=0.01, disorder=0.05, lateness=0.002, malformed=0.0005)


def measure(scale: float) -> dict[str, Any]:
    """Write the files, and take them all the way in one process, as a person would with four commands."""
    with harness.workplace("backfill") as folder, stage.kafka_at(folder / "broker") as cluster:
        where = ["--folder", str(folder), "--servers", cluster.bootstrap_servers, "--broker-pid", str(cluster.pid(1))]
        return harness.own_process("backfill", *where, "--scale", str(scale))


def write(folder: Path, rows: int) -> int:
    """The ledgers' exports of a date as JSON lines, their control totals, and the truth; the number of records."""
    start = datetime.combine(DAY, datetime.min.time(), tzinfo=UTC)
    # two minutes short of midnight, so that the date holds every leg of its payments
    span = timedelta(hours=24) - timedelta(minutes=10)
    plan = Plan(
        payments=rows // ROWS_PER_PAYMENT, seed=7, chaos=0.05, faults=FAULTS, start=start, span=span,
        tick_every=timedelta(minutes=10),
    )  # fmt: skip
    for source in SOURCES:
        (folder / source).mkdir(parents=True)
    truth, waiting, written, number = TruthWriter(folder / "truth"), list[pa.Table](), 0, 0
    for chunk in generate(plan):
        truth.add(chunk)
        waiting.append(chunk.deliveries)
        with (folder / CONTROL_TOTALS / "totals.jsonl").open("ab") as file:
            file.writelines(total.value + b"\n" for total in chunk.controls)
        if chunk.is_last or sum(map(len, waiting)) >= FILE_ROWS * len(LEDGER_TOPICS):
            deliveries = pa.concat_tables(waiting)
            for ledger, topic in LEDGER_TOPICS.items():
                values = deliveries.filter(pc.equal(deliveries["topic"], topic))["value"].fill_null(b"null").to_pylist()
                (folder / ledger / f"{number:04d}.jsonl").write_bytes(b"\n".join([*values, b""]))
            written, number, waiting = written + len(deliveries), number + 1, []
    truth.close()
    return written


def take(folder: Path, kafka: KafkaSettings, rows: int, brokers: Iterable[int]) -> dict[str, Any]:
    """Every stage with its cost; then every record in one place and every payment as it was simulated, or no figures."""
    meter, costs = Meter(brokers), dict[str, dict[str, float]]()

    @contextmanager
    def measured(name: str) -> Iterator[None]:
        with meter.measure() as cost:
            yield
        costs[name] = cost[0].as_dict()
        harness.say(f"backfill: {name}: {cost[0].wall_s:,.1f} s")

    with measured("generate"):
        written = write(folder / "files", rows)
    size = sum(f.stat().st_size for f in (folder / "files").rglob("*.jsonl"))
    began = time.monotonic()
    spark = stage.session("backfill")
    started_s = time.monotonic() - began
    create_key_file(folder / "token.key")
    midnight = datetime.combine(DAY, datetime.min.time(), tzinfo=UTC)
    key, root = read_key(str(folder / "token.key")), str(folder / "lake" / "landing")
    landing = Landing(spark, root, key, midnight - timedelta(days=365), midnight + timedelta(days=2))
    with measured("land"):
        for source in SOURCES:
            for _ in landing.land([str(folder / "files" / source)], source, datetime.now(UTC)):
                pass
    with measured("replay"):
        replayed = sum(day.records for day in Replay(spark, root, kafka).days(None, None))
    driver = stage.driver(spark, folder, kafka)
    batches: list[dict[str, Any]] = []
    driver.on_batch = lambda report, seconds: batches.append(stage.batch_row(report, seconds))
    with measured("stream"):
        driver.run(Schedule(available_now=True, max_offsets_per_trigger=BATCH, driver_ticks=False))
    with measured("build one date"):
        build(spark, driver, kafka)
    return {
        "rows": written,
        "megabytes": round(size / 1e6),
        "landed_megabytes": round(sum(f.stat().st_size for f in Path(root).rglob("*.parquet")) / 1e6),
        "start_s": round(started_s, 1),
        "replayed": replayed,
        "stages": costs,
        "batches": batches,
        "peak_memory_mib": peak_memory_mib(),
        "checked": check(spark, driver, folder / "files" / "truth", written),
    }


def build(spark: SparkSession, driver: LedgerDriver, kafka: KafkaSettings) -> None:
    """The nightly run of the date, as its two jobs do it."""
    batch, aggregate = pipeline.job(pipeline.BATCH_JOB), pipeline.job(pipeline.AGGREGATE_JOB)
    where = {"business_date": DAY, "lake": driver.stream.lake}
    batch.main(spark, batch.BuildBatchIndexSettings(**where, bootstrap_servers=kafka.bootstrap_servers))
    aggregate.main(spark, aggregate.BuildFinalAggregateSettings(**where))


def check(spark: SparkSession, driver: LedgerDriver, truth: Path, rows: int) -> dict[str, Any]:
    """Nothing is lost, the date is published, and every payment of it has the class that was put there."""
    lake = driver.stream.lake
    entries = tables.read(spark, lake, LEDGER_ENTRIES).count()
    rejected = tables.read(spark, lake, QUARANTINE).count()
    if entries + rejected != rows:
        raise SystemExit(f"{rows:,} records were exported, {entries:,} and {rejected:,} rejected ones are there")
    (run,) = tables.read(spark, lake, RUN_CONTROLS).where("row_kind = 'PUBLISHED'").collect()
    payments = spark.read.parquet(str(truth / "payments"))
    found = score(
        tables.read(spark, lake, AGGREGATE_INDEX),
        payments.where(f"business_date = DATE'{DAY}' OR business_date IS NULL"),
    )
    if not found.is_perfect:
        raise SystemExit(f"The published index differs from the truth: {found}")
    return {"entries": entries, "rejected": rejected, "outcome": run["outcome"], "breaks": found.overall.expected}


def main() -> None:
    """The whole measurement, in a process of its own."""
    options: argparse.Namespace = harness.arguments(
        __doc__,
        lambda p: p.add_argument("--folder", type=Path, required=True),
        lambda p: p.add_argument("--servers", required=True),
        lambda p: p.add_argument("--broker-pid", type=int, action="append"),
    )
    kafka = KafkaSettings(bootstrap_servers=options.servers)
    rows = harness.scaled(ROWS, options.scale, 6_000)
    harness.write(options.out, take(options.folder, kafka, rows, options.broker_pid))


if __name__ == "__main__":
    main()
