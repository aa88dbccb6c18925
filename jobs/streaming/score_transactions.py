"""Score the gateway's payments for fraud as they arrive, with what was known of them then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake.contracts.fraud import RuleLimits
from paylake.health import HealthSettings, watched
from paylake.judges import Judges
from paylake.score_driver import ScoreDriver
from paylake.session import run
from paylake.settings import KafkaSettings, setting
from paylake.streams import Reading


@dataclass(frozen=True, kw_only=True)
class ScoreTransactionsSettings(KafkaSettings, HealthSettings):
    """Read the gateway's topic, fraud signals and labels; write scored payments with reasons and features to the lake."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "paylake score --lake build/lake --available-now",
        "paylake score --registry sqlite:///build/mlflow/mlflow.db --challenger-share 10",
        "paylake score --lake build/lake --recover",
    )

    lake: str = setting("build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",))
    checkpoint: str = setting("", "folder of the checkpoint; default: LAKE/checkpoints/score_transactions")
    token_key: str = setting(
        "build/token.key",
        "file of the card tokens' secret key, or aws-secret:NAME",
        env=("PAYLAKE_TOKEN_KEY_FILE",),
    )
    registry: str = setting(
        "", "MLflow tracking URI of the models; without one the scorecard scores", env=("MLFLOW_TRACKING_URI",)
    )
    challenger_share: int = setting(0, "percent of the customers whom the challenger scores too")
    challenger_decides: bool = setting(
        False, "for these customers the challenger's score counts (A/B), not only stands beside"
    )
    amount_limit: int = setting(RuleLimits.amount, "rule: major units above which a payment is flagged")
    payments_limit: int = setting(RuleLimits.payments, "rule: payments of a customer in 2 minutes that are not too many")
    countries_limit: int = setting(RuleLimits.countries, "rule: countries of a customer in an hour that are not too many")
    rapid: int = setting(RuleLimits.rapid, "rule: payments of a customer in 60 seconds that are a burst")
    card_tests: int = setting(RuleLimits.card_tests, "rule: declined or tiny payments in 10 minutes that try out a card")
    available_now: bool = setting(False, "take what waits in the topics, and end")
    interval: timedelta = setting(timedelta(seconds=1), "time between micro-batches; 0s: one after the other")
    max_offsets_per_trigger: int = setting(150_000, "records that a micro-batch takes at most")
    recover: bool = setting(False, "the checkpoint is lost: go on from the lake's own offsets with a new one")
    fail_on_data_loss: bool = setting(True, "fail where Kafka no longer holds what was not read")
    patience: timedelta = setting(timedelta(minutes=10), "how long a broker may be away before the job gives up")
    maintain_every: int = setting(200, "micro-batches between compactions of the tables")

    def limits(self) -> RuleLimits:
        """The parameters of the classic rules."""
        return RuleLimits(
            amount=self.amount_limit,
            payments=self.payments_limit,
            countries=self.countries_limit,
            rapid=self.rapid,
            card_tests=self.card_tests,
        )


def main(spark: SparkSession, settings: ScoreTransactionsSettings) -> None:
    """Run the stream to its end, or until SIGTERM."""
    judges = Judges(settings.registry, settings.challenger_share, settings.challenger_decides, settings.limits())
    reading = Reading(
        available_now=settings.available_now,
        interval=settings.interval,
        max_offsets_per_trigger=settings.max_offsets_per_trigger,
        fail_on_data_loss=settings.fail_on_data_loss,
        patience=settings.patience,
        maintain_every=settings.maintain_every,
    )
    with watched(spark, settings, "score_transactions", batch=settings.interval) as series:
        driver = ScoreDriver.open(spark, settings, settings.lake, settings.checkpoint, settings.token_key, judges)
        driver.on_batch = series.took_scores
        if settings.recover:
            driver.recover()
        driver.run(reading)


if __name__ == "__main__":
    run(main, ScoreTransactionsSettings)
