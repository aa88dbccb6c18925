"""Match the three ledgers' records as they arrive, and say what breaks within seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake.health import HealthSettings, watched
from paylake.ledger_driver import LedgerDriver, Schedule
from paylake.reconcile import Horizon
from paylake.session import run
from paylake.settings import KafkaSettings, setting
from paylake.tolerances import ToleranceSettings


@dataclass(frozen=True, kw_only=True)
class ReconcileLedgersSettings(KafkaSettings, ToleranceSettings, HealthSettings):
    """Read the three ledgers' topics and the clock; write entries, open items and provisional results to the lake."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "paylake stream --lake build/lake --available-now",
        "paylake stream --lake s3a://my-lake --checkpoint s3a://my-lake/checkpoints --interval 2s",
        "paylake stream --lake build/lake --recover",
    )

    lake: str = setting(
        "build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",), aliases=("--output_path",)
    )
    checkpoint: str = setting(
        "", "folder of the checkpoint; default: LAKE/checkpoints/reconcile_ledgers", env=("CHECKPOINT_DIR",)
    )
    token_key: str = setting(
        "build/token.key",
        "file of the card tokens' secret key, or aws-secret:NAME",
        env=("PAYLAKE_TOKEN_KEY_FILE",),
    )
    available_now: bool = setting(False, "take what waits in the topics, close it with a tick, and end")
    interval: timedelta = setting(timedelta(seconds=1), "time between micro-batches; 0s: one after the other")
    max_offsets_per_trigger: int = setting(450_000, "records that a micro-batch takes at most")
    missing_after: timedelta = setting(timedelta(seconds=30), "how long a leg may be missing before it is a break")
    late_window: timedelta = setting(timedelta(hours=24), "how long a late leg still resolves its break in the stream")
    remember: timedelta = setting(timedelta(hours=1), "how long a decision is compared with further records")
    ticks: str = setting("driver", "who writes the clock's ticks", choices=("driver", "elsewhere"))
    tick_every: timedelta = setting(timedelta(seconds=1), "time between the driver's ticks")
    recover: bool = setting(False, "the checkpoint is lost: go on from the lake's own offsets with a new one")
    fail_on_data_loss: bool = setting(True, "fail where Kafka no longer holds what was not read")
    patience: timedelta = setting(timedelta(minutes=10), "how long a broker may be away before the job gives up")
    maintain_every: int = setting(200, "micro-batches between compactions of the stream's tables")


def main(spark: SparkSession, settings: ReconcileLedgersSettings) -> None:
    """Run the stream to its end, or until SIGTERM."""
    schedule = Schedule(
        available_now=settings.available_now,
        interval=settings.interval,
        max_offsets_per_trigger=settings.max_offsets_per_trigger,
        driver_ticks=settings.ticks == "driver",
        tick_every=settings.tick_every,
        fail_on_data_loss=settings.fail_on_data_loss,
        patience=settings.patience,
        maintain_every=settings.maintain_every,
    )
    horizon = Horizon(settings.missing_after, settings.late_window, settings.remember)
    is_live = schedule.driver_ticks and not schedule.available_now
    with watched(spark, settings, "reconcile_ledgers", settings.lake, settings.interval) as series:
        driver = LedgerDriver.open(
            spark, settings, settings.lake, settings.checkpoint, settings.token_key, settings.rules(), horizon
        )
        driver.on_batch = lambda report, seconds: series.took_ledgers(
            report, seconds, is_live, driver.stream.state.clock.now
        )
        if settings.recover:
            driver.recover()
        driver.run(schedule)


if __name__ == "__main__":
    run(main, ReconcileLedgersSettings)
