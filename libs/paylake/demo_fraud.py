"""The demonstration's fraud channels, one after another over the same topics: train, score, alert."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pyspark.sql import SparkSession

from paylake.alert_driver import alerts_of
from paylake.demo_model import train_demo_model
from paylake.judges import Judges
from paylake.report.fraud import Alerts
from paylake.score_driver import ScoreDriver
from paylake.score_stream import ScoreReport
from paylake.settings import KafkaSettings
from paylake.streams import Reading
from paylake.token_key import read_key

RATE, SECONDS = 1_000, 5.0
"""How the alert job is probed: payments a second, and for how long."""
BATCH = 75_000


def registry(out: Path) -> str:
    """Where the demonstration keeps its models."""
    return f"sqlite:///{out}/mlflow/mlflow.db"


def train(out: Path, currencies: str) -> str:
    """Train and promote the demonstration's model, and say which it is."""
    version = train_demo_model(registry(out), currencies=currencies)
    return f"version {version} reigns, in {registry(out)}"


def score(spark: SparkSession, kafka: KafkaSettings, lake: str, out: Path, say: Callable[[str], None]) -> None:
    """Score what waits in the gateway's topic, with a line per batch."""
    driver = ScoreDriver.open(spark, kafka, lake, "", str(out / "token.key"), Judges(registry(out)))

    def on_batch(report: ScoreReport, seconds: float) -> None:
        flagged = report.payments - report.by_type.get("normal", 0)
        say(f"      batch {report.batch}: {report.payments:>9,} payments, {flagged:>6,} of them flagged, {seconds:>5.1f} s")

    driver.on_batch = on_batch
    driver.run(Reading(available_now=True, max_offsets_per_trigger=BATCH))


def alert(spark: SparkSession, kafka: KafkaSettings, lake: str, out: Path, as_of: datetime) -> Alerts:
    """Decide on what waits in the gateway's topic by rules, then probe the running job with live payments.

    The probe's payments stay in the topic: nothing may be read from it afterwards.
    """
    key = read_key(str(out / "token.key"))
    found = alerts_of(spark, kafka, lake, key, out / "alerts", as_of, rate=RATE, seconds=SECONDS)
    of = found.latency
    return Alerts(found.decisions, found.alerts, round(of.p50_ms, 1), round(of.p95_ms, 1), round(of.p99_ms, 1), RATE)
