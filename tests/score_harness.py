"""The scores' stream over an in-memory Kafka: payments, signals and labels sent, batches cut anyhow, crashes at any step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import cycle
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from paylake import tables
from paylake.contracts import FRAUD_PARTIAL
from paylake.contracts.topics import FRAUD_LABELS_TOPIC, FRAUD_SIGNALS_TOPIC
from paylake.fraud.scorecard import Scorecard
from paylake.fraud.scoring import Judge
from paylake.reconciliation.clock import Ends
from paylake.score_stream import SCORE_TOPICS, ScoreReport, ScoreStream
from tests.builders import NOON
from tests.stream_harness import KEY, Crash, Log, Record, frame_of

JUDGE = Judge(Scorecard())


def pay(log: Log, transaction_id: str, *, after: float = 0, late: float = 0, **parts: Any) -> Record:
    """A gateway's record, booked so many seconds after noon, that arrives `late` seconds after that."""
    at = NOON + timedelta(seconds=after)
    said = {"device_id": "d1", "country": "IN", "city": "Pune", **parts}
    return log.post("gateway", transaction_id, at=at, arrives=at + timedelta(seconds=late), **said)


def signal(log: Log, fraud_id: str, transaction_id: str, score: float | str, *, after: float = 0) -> Record:
    """A signal of the outside service, so many seconds after noon."""
    value = {"fraud_id": fraud_id, "transaction_id": transaction_id, "fraud_score": str(score), "reason_code": "MODEL"}
    return log.send(FRAUD_SIGNALS_TOPIC, json.dumps(value).encode(), NOON + timedelta(seconds=after), partition=0)


def label(log: Log, transaction_id: str, *, after: float, word: str = "FRAUD", source: str = "CHARGEBACK") -> Record:
    """Somebody's word on a payment, that it is known and arrives so many seconds after noon."""
    at = NOON + timedelta(seconds=after)
    value = {"transaction_id": transaction_id, "label": word, "source": source, "known_at": at.isoformat()}
    return log.send(FRAUD_LABELS_TOPIC, json.dumps(value).encode(), at, partition=0)


def open_scores(spark: SparkSession, lake: str, judge: Judge = JUDGE) -> ScoreStream:
    """A new process on the lake: nothing is known but what the lake says."""
    stream = ScoreStream(spark, lake, KEY, lambda: judge)
    stream.load_state()
    return stream


def ends_of(records: Sequence[Record], before: Ends) -> Ends:
    """Where a batch of these records ends."""
    ends = {topic: dict(before.get(topic, {0: 0, 1: 0})) for topic in SCORE_TOPICS}
    for r in records:
        ends[r.topic][r.partition] = max(ends[r.topic].get(r.partition, 0), r.offset + 1)
    return ends


def score(stream: ScoreStream, records: Sequence[Record], ends: Ends | None = None) -> ScoreReport:
    """One micro-batch of these records."""
    at = ends_of(records, stream.state.ends) if ends is None else ends
    return stream.process(frame_of(stream.spark, records), stream.state.batch + 1, at)


def score_all(stream: ScoreStream, log: Log, sizes: Iterable[int]) -> None:
    """All that the log holds, in batches of these sizes, over and over."""
    waiting, size = list(log.records), cycle(sizes)
    while waiting:
        taken = next(size)
        score(stream, waiting[:taken])
        waiting = waiting[taken:]


def crash(stream: ScoreStream, step: str, records: Sequence[Record]) -> None:
    """A micro-batch to a process that dies right after the step."""

    def die(name: str) -> None:
        if name == step:
            raise Crash(step)

    stream.after_step = die
    try:
        score(stream, records)
    except Crash:
        return
    raise AssertionError(f"there is no step {step!r}")


def scored(spark: SparkSession, lake: str) -> DataFrame:
    """The scored payments, by identifier."""
    return tables.read(spark, lake, FRAUD_PARTIAL).orderBy("transaction_id")


def vectors(frame: DataFrame) -> tuple[list[str], np.ndarray[Any, np.dtype[np.float64]]]:
    """Identifiers, and their features as rows."""
    rows = frame.select("transaction_id", "features").orderBy("transaction_id").collect()
    return [r["transaction_id"] for r in rows], np.array([r["features"] for r in rows], dtype=float)
