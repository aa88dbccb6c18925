"""The driver of the scores' stream: checkpoint and generation, recovery, maintenance."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from paylake import claims, streams, tables
from paylake.contracts import FRAUD_PARTIAL, FRAUD_PROFILES, FRAUD_QUARANTINE, FRAUD_SIGNALS, LABELS
from paylake.errors import PaylakeError, SourceError
from paylake.fraud.scoring import Judge
from paylake.reconciliation.clock import Ends
from paylake.score_stream import SCORE_TOPICS, ScoreReport, ScoreStream
from paylake.settings import KafkaSettings
from paylake.stream_upkeep import StreamUpkeep
from paylake.token_key import read_key
from paylake.topics import end_offsets

log = logging.getLogger(__name__)

APPENDED = (FRAUD_PARTIAL, FRAUD_SIGNALS, LABELS, FRAUD_QUARANTINE)


@dataclass
class ScoreDriver:
    """One driver writes one lake's tables of scores."""

    stream: ScoreStream
    kafka: KafkaSettings
    checkpoints: str
    on_batch: Callable[[ScoreReport, float], None] = lambda report, seconds: None
    _maintain_every: int = 0

    def __post_init__(self) -> None:
        """What was kept up last is known to the process alone: each begins with all of it."""
        self._upkeep = StreamUpkeep(self.stream.spark, self.stream.lake, APPENDED, FRAUD_PROFILES)

    @staticmethod
    def open(
        spark: SparkSession, kafka: KafkaSettings, lake: str, checkpoint: str, token_key: str, judge: Callable[[], Judge]
    ) -> ScoreDriver:
        """The driver, with its tables created and its state taken from the lake."""
        stream = ScoreStream(spark, lake, read_key(token_key), judge)
        with streams.storage_told(lake):
            tables.create(spark, lake, FRAUD_PARTIAL)
            stream.claim = claims.of_this_process(spark, lake, FRAUD_PARTIAL)
            stream.load_state()
        return ScoreDriver(stream, kafka, checkpoint or f"{lake.rstrip('/')}/checkpoints/score_transactions")

    def recover(self) -> None:
        """Go on from the offsets of the last commit of `fraud_partial`, with a new checkpoint."""
        state = self.stream.state
        if state.batch < 0 and not state.ends:
            raise SourceError(f"The lake {self.stream.lake} holds no scores to recover; start without --recover.")
        self.stream.next_generation()
        log.info("Recovering: generation %d goes on from the lake's offsets.", self.stream.state.generation)

    def run(self, reading: streams.Reading) -> None:
        """Read until asked to stop; or, available now, what waits."""
        self._maintain_every = reading.maintain_every
        state = self.stream.state
        ends = state.ends
        starts = streams.offsets_json(ends, end_offsets(self.kafka, list(SCORE_TOPICS))) if ends else "earliest"
        plan = streams.StreamPlan(
            checkpoint=f"{self.checkpoints}/generation={state.generation}",
            starting_offsets=starts,
            max_offsets_per_trigger=reading.max_offsets_per_trigger,
            interval=None if reading.available_now else reading.interval,
            fail_on_data_loss=reading.fail_on_data_loss,
            topics=SCORE_TOPICS,
        )
        stop = streams.Stop().on_signals()

        def query() -> StreamingQuery:
            return streams.start(self.stream.spark, self.kafka, plan, self._take, stop)

        try:
            with streams.storage_told(self.stream.lake):
                streams.run_until_done(query, stop, reading.patience)
        except PaylakeError:
            if self.stream.claim is not None:  # it may have failed by what another driver wrote
                self.stream.claim.check()
            raise
        finally:
            stop.restore()

    def _take(self, records: DataFrame, batch: int, ends: Ends) -> None:
        began = time.monotonic()
        report = self.stream.process(records, batch, ends)
        seconds = time.monotonic() - began
        self.on_batch(report, seconds)
        found = ", ".join(f"{n} {kind}" for kind, n in sorted(report.by_type.items())) or "no payments"
        log.info("batch %d: %s in %.1f s, by %s", batch, found, seconds, report.model or "nobody")
        if self._maintain_every and batch % self._maintain_every == self._maintain_every - 1:
            self.maintain()

    def maintain(self) -> None:
        """Keep the stream's tables small, and erase who asked for it; SourceError where another driver has taken over."""
        if self.stream.claim is not None:
            self.stream.claim.check()
        self._upkeep.between_batches(datetime.now(UTC).date())
