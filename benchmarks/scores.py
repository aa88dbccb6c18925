"""(l) How many payments a second the scores' stream takes, with model, features and index, and how old a score is."""

from __future__ import annotations

import argparse
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import functions as F

from benchmarks import harness, stage
from benchmarks.machine import Meter
from paylake import tables
from paylake.contracts import FRAUD_PARTIAL
from paylake.demo_model import train_demo_model
from paylake.fraud.arrivals import recomputed
from paylake.judges import Judges
from paylake.score_driver import ScoreDriver
from paylake.score_stream import ScoreReport
from paylake.settings import KafkaSettings
from paylake.simulation import Plan, publish
from paylake.simulation.feed_publisher import publish_feed
from paylake.streams import Reading
from paylake.token_key import create_key_file

PAYMENTS = 600_000
BATCH = 150_000
SMALL_PAYMENTS, SMALL_BATCH = 6_000, 1_000
SPAN = timedelta(hours=20)
SAMPLE_PERCENT = 5
"""Share of the customers whose logged features are computed again, and compared."""


def measure(scale: float) -> dict[str, Any]:
    """Train a model, load the topics, and let a process of its own score what waits."""
    with harness.workplace("scores") as folder, stage.kafka_at(folder / "broker") as cluster:
        where = ["--folder", str(folder), "--servers", cluster.bootstrap_servers, "--scale", str(scale)]
        return harness.own_process("scores", "run", *where, "--broker-pid", str(cluster.pid(1)))


def run(options: argparse.Namespace, kafka: KafkaSettings) -> dict[str, Any]:
    """Batches of the full size, then small ones on the warm process; what was logged is checked at the end."""
    plan = Plan(
        payments=harness.scaled(PAYMENTS, options.scale, 4_000), seed=7, fraud=0.01, chaos=0,
        start=stage.recently(SPAN + timedelta(hours=1)), span=SPAN,
    )  # fmt: skip
    publish(plan, kafka)
    publish_feed(plan, kafka, until=plan.start + plan.span)
    registry = f"sqlite:///{options.folder}/mlflow/mlflow.db"
    train_demo_model(registry)
    spark = stage.session("scores")
    create_key_file(options.folder / "token.key")
    lake = str(options.folder / "lake")
    driver = ScoreDriver.open(spark, kafka, lake, "", str(options.folder / "token.key"), Judges(registry))
    batches: list[dict[str, Any]] = []

    def on_batch(report: ScoreReport, seconds: float) -> None:
        batches.append({"payments": report.payments, "seconds": round(seconds, 2), "steps": report.seconds})
        harness.say(f"scores: {report.payments:,} payments in {seconds:.1f} s")

    driver.on_batch = on_batch
    with Meter(options.broker_pid).measure() as cost:
        driver.run(Reading(available_now=True, max_offsets_per_trigger=harness.scaled(BATCH, options.scale, 1_000)))
    full, batches[:] = [b for b in batches if b["payments"]], []
    more = Plan(
        payments=harness.scaled(SMALL_PAYMENTS, options.scale, 1_500), seed=11, fraud=0.01, chaos=0,
        start=stage.recently(timedelta(hours=1)), span=timedelta(minutes=50),
    )  # fmt: skip
    publish(more, kafka)
    driver.run(Reading(available_now=True, max_offsets_per_trigger=SMALL_BATCH))
    return {
        "batches": full,
        "small": [b for b in batches if b["payments"]],
        "cost": cost[0].as_dict(),
        "compared": _check(driver, lake),
    }


def _check(driver: ScoreDriver, lake: str) -> int:
    """How many logged vectors are what they are again from all payments; else there is no figure to quote."""
    spark = driver.stream.spark
    scored = tables.read(spark, lake, FRAUD_PARTIAL)
    again = recomputed(scored, driver.stream.labels(), driver.stream.dimensions())
    mine = F.pmod(F.xxhash64("transaction_id"), F.lit(100)) < SAMPLE_PERCENT
    logged = scored.where(mine).select("transaction_id", F.col("features").alias("logged"))
    both = logged.join(again, "transaction_id")
    same = F.forall(
        F.zip_with("logged", "features", lambda a, b: (F.isnan(a) & F.isnan(b)) | (F.abs(a - b) <= 1e-9 * (1 + F.abs(a)))),
        lambda one: one,
    )
    found = both.agg(F.count("*").alias("n"), F.count_if(same).alias("same")).first()
    assert found is not None
    if not found["n"] or found["n"] != found["same"]:
        raise SystemExit(f"{found['n'] - found['same']} of {found['n']} logged vectors are not what they are again.")
    return int(found["n"])


def main() -> None:
    """The measurement, in a process of its own."""
    options = harness.arguments(
        __doc__,
        lambda p: p.add_argument("step", choices=("run",)),
        lambda p: p.add_argument("--folder", type=Path, required=True),
        lambda p: p.add_argument("--servers", required=True),
        lambda p: p.add_argument("--broker-pid", type=int, action="append"),
    )
    began = time.monotonic()
    results = run(options, KafkaSettings(bootstrap_servers=options.servers))
    harness.write(options.out, results | {"all_s": round(time.monotonic() - began, 1)})


if __name__ == "__main__":
    main()
