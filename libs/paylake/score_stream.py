"""One micro-batch of the scores' stream: payments, signals and labels in; scored payments out, each at most once.

What is remembered is what was written: `fraud_partial` holds the recent payments, `labels` the known frauds, and
`fraud_profiles` the sums of days that are over. Signals, labels and rejected records are appended first, which a replay
repeats without effect; the scored payments come last, in the one commit that says that the batch was taken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from paylake import tables
from paylake.claims import Claim
from paylake.columns.identifiers import hmac_pads
from paylake.contracts import (
    FRAUD_PARTIAL,
    FRAUD_PROFILES,
    FRAUD_QUARANTINE,
    FRAUD_SIGNALS,
    LABELS,
    LOCATIONS,
    MERCHANTS,
    POLICIES,
    USERS,
)
from paylake.contracts.table import FAILED_CHECKS, TableContract
from paylake.contracts.topics import FRAUD_LABELS_TOPIC, FRAUD_SIGNALS_TOPIC, PG_TRANSACTIONS
from paylake.errors import SourceError
from paylake.fraud.arrivals import (
    Dimensions,
    attached,
    first_arrivals,
    folded,
    label_rows,
    of_asked_keys,
    profile_rows,
    role_rows,
    scored,
    with_facts,
    with_features,
    with_measures,
    with_seen_at,
)
from paylake.fraud.parsing import parse_labels, parse_signals
from paylake.fraud.scoring import Judge
from paylake.payments.parsing import parse_records
from paylake.reconcile import Step, Timer
from paylake.reconciliation.clock import Ends, has_read, later

log = logging.getLogger(__name__)

SCORE_TOPICS = (PG_TRANSACTIONS, FRAUD_SIGNALS_TOPIC, FRAUD_LABELS_TOPIC)
APPENDED_FIRST = (FRAUD_SIGNALS, LABELS, FRAUD_QUARANTINE)
CONTEXT_DDL = "inner_pad binary, outer_pad binary, generation int, batch bigint, latest timestamp"

REDELIVERED_WITHIN = timedelta(days=2)
"""How long a payment is remembered, so that its further records are not scored again."""
FOLDED_AFTER = 4
"""Days after which a day's payments are kept as sums: more than a window's 24 hours, a late payment's day and a day that
is moved by it."""


@dataclass(frozen=True)
class ScoreState:
    """How far the stream has come, as the last commit of `fraud_partial` says."""

    generation: int = 0
    batch: int = -1
    ends: Ends = field(default_factory=dict)
    latest: datetime | None = None
    """The latest arrival of a payment so far."""

    def to_metadata(self) -> dict[str, Any]:
        """What the commit says."""
        ends = {topic: {str(p): o for p, o in parts.items()} for topic, parts in self.ends.items()}
        latest = self.latest.isoformat() if self.latest else None
        return {"generation": self.generation, "batch": self.batch, "ends": ends, "latest": latest}

    @staticmethod
    def from_metadata(said: dict[str, Any]) -> ScoreState:
        """What a commit said."""
        ends = {topic: {int(p): o for p, o in parts.items()} for topic, parts in said["ends"].items()}
        latest = datetime.fromisoformat(said["latest"]) if said["latest"] else None
        return ScoreState(said["generation"], said["batch"], ends, latest)


@dataclass(frozen=True)
class ScoreReport:
    """What a batch did: payments scored, by anomaly type, with the seconds of each step."""

    batch: int
    by_type: dict[str, int] = field(default_factory=dict)
    signals: int = 0
    labels: int = 0
    rejected: int = 0
    model: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def payments(self) -> int:
        """Payments that were scored."""
        return sum(self.by_type.values())


@dataclass
class ScoreStream:
    """The stream's place in the lake and its state; `process` moves it on by one micro-batch.

    `judge` is asked before each batch, so that a new champion counts from the next batch on.
    """

    spark: SparkSession
    lake: str
    token_key: bytes
    judge: Callable[[], Judge]
    state: ScoreState = field(default_factory=ScoreState)
    after_step: Step = lambda step: None
    claim: Claim | None = None
    """The driver's right to commit; None where a test is the only driver."""
    _through: date | None = None
    _is_whole: bool = True

    def load_state(self) -> ScoreState:
        """Create the stream's tables where needed, and take the state from the last commit of `fraud_partial`."""
        tables.create(self.spark, self.lake, FRAUD_SIGNALS, LABELS, FRAUD_QUARANTINE, FRAUD_PARTIAL, FRAUD_PROFILES)
        said = tables.last_commit(self.spark, self.lake, FRAUD_PARTIAL).metadata
        if said is not None:
            self.state = ScoreState.from_metadata(said)
        through = tables.last_commit(self.spark, self.lake, FRAUD_PROFILES).metadata
        self._through = date.fromisoformat(through["through"]) if through else None
        appended = [tables.read(self.spark, self.lake, one) for one in APPENDED_FIRST] if said is None else []
        if any(not rows.where("generation > 0 OR batch > 0").isEmpty() for rows in appended):
            raise SourceError(
                f"The lake {self.lake} has lost partial/fraud_partial, which says how far the scores have come. Bring it "
                "back; or move raw/fraud_signals, raw/labels and raw/fraud_quarantine away too, and start anew from what "
                "Kafka holds."
            )
        if any(not rows.isEmpty() for rows in appended):
            # the first batch of all died before it committed, and a new checkpoint may cut another first batch
            self.next_generation()
        return self.state

    def process(self, records: DataFrame, batch: int, ends: Ends) -> ScoreReport:
        """Take one micro-batch, whose records end before `ends`; a batch that was taken already has no effect.

        Raises SourceError where the batch does not follow the lake's state: then another checkpoint wrote to it.
        """
        timer = Timer(self.after_step)
        if self.claim is not None:
            self.claim.check()
        if not self._is_whole:  # a retry of the same query: only the lake knows how far it came
            self.load_state()
        self._is_whole = False
        if self.state.batch == batch and has_read(ends, self.state.ends) and has_read(self.state.ends, ends):
            self._is_whole = True
            return ScoreReport(batch)
        if self.state.batch != batch - 1:
            raise SourceError(
                f"Batch {batch} of the checkpoint does not follow batch {self.state.batch} of {self.lake}: checkpoint and "
                f"lake do not belong together. Run `paylake score --recover` to go on from the lake's offsets."
            )
        self._fold()
        # three topics are read from one fetch
        fetched = records.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            report, self.state = self._scores(fetched, batch, ends, timer)
        finally:
            fetched.unpersist()
        self._is_whole = True
        return report

    def _scores(self, records: DataFrame, batch: int, ends: Ends, timer: Timer) -> tuple[ScoreReport, ScoreState]:
        """Score and append the batch: what was done, and how far the stream has come with it."""
        judge = self.judge()
        inner, outer = hmac_pads(self.token_key)
        # a column and not a literal: the generated code stays the same for every batch, and no plan shows the key
        row = (bytearray(inner), bytearray(outer), self.state.generation, batch, self.state.latest)
        context = self.spark.createDataFrame([row], CONTEXT_DDL)
        known = records.crossJoin(F.broadcast(context))
        signals = labels = rejected = 0
        if self._brings(FRAUD_SIGNALS_TOPIC, ends):
            parsed = parse_signals(known.where(F.col("topic") == FRAUD_SIGNALS_TOPIC)).localCheckpoint()
            signals, rejected = self._append(parsed, FRAUD_SIGNALS, batch)
            timer.step("signals appended")
        parsed = parse_records(known.where(F.col("topic") == PG_TRANSACTIONS)).localCheckpoint()
        rejected += self._quarantine(parsed, batch, "payments")
        payments = self._payments(parsed, context).localCheckpoint()
        timer.step("payments parsed")
        if self._brings(FRAUD_LABELS_TOPIC, ends):
            said = self._attached(parse_labels(known.where(F.col("topic") == FRAUD_LABELS_TOPIC)), payments)
            labels, unread = self._append(said.localCheckpoint(), LABELS, batch)
            rejected += unread
            timer.step("labels appended")
        facts = with_facts(with_features(payments, self._rows(payments)), self.dimensions()).localCheckpoint()
        timer.step("features found")
        judged = scored(facts, judge).localCheckpoint()
        timer.step("payments scored")
        found = judged.groupBy("anomaly_type").agg(F.count("*").alias("n"), F.max("recorded_at").alias("at")).collect()
        # a frame's times come back on this machine's clock
        arrived = [one["at"].astimezone(UTC) for one in found]
        latest = max([*arrived, *([self.state.latest] if self.state.latest else [])], default=None)
        state = replace(self.state, batch=batch, ends=later(self.state.ends, ends), latest=latest)
        self._commit(judged, state)
        timer.step("scores committed")
        by_type = {one["anomaly_type"]: one["n"] for one in found}
        model = f"{judge.champion.name} {judge.champion.version}"
        return ScoreReport(batch, by_type, signals, labels, rejected, model, timer.seconds), state

    def next_generation(self) -> None:
        """Go on with a new checkpoint: what was appended beyond the last commit is removed, since it is read again."""
        at = self.state
        beyond = f"generation > {at.generation} OR (generation = {at.generation} AND batch > {at.batch})"
        for contract in APPENDED_FIRST:
            tables.delete_where(self.spark, self.lake, contract, beyond)
        self.state = replace(at, generation=at.generation + 1, batch=-1)
        self._commit(self.spark.createDataFrame([], FRAUD_PARTIAL.schema), self.state)

    def _commit(self, judged: DataFrame, state: ScoreState) -> None:
        """The commit that counts; Delta leaves it out where another driver has claimed the stream, and the claim tells."""
        txn = None if self.claim is None else self.claim.next_txn()
        tables.append(judged, self.lake, FRAUD_PARTIAL, txn, state.to_metadata())
        if self.claim is not None:
            self.claim.check()

    def _brings(self, topic: str, ends: Ends) -> bool:
        """The batch has records of the topic."""
        return not has_read({topic: self.state.ends.get(topic, {})}, {topic: ends.get(topic, {})})

    def _append(self, parsed: DataFrame, contract: TableContract, batch: int) -> tuple[int, int]:
        """Append what is accepted, and quarantine the rest: how many of each."""
        rejected = self._quarantine(parsed, batch, contract.name)
        accepted = parsed.where(F.size(FAILED_CHECKS) == 0)
        count = accepted.count()
        if count:
            tables.append(accepted, self.lake, contract, self._txn(contract.name, batch))
        return count, rejected

    def _quarantine(self, parsed: DataFrame, batch: int, of: str) -> int:
        rejected = parsed.where(F.size(FAILED_CHECKS) > 0)
        count = rejected.count()
        if count:
            tables.append(rejected, self.lake, FRAUD_QUARANTINE, self._txn(f"quarantine of {of}", batch))
        return count

    def _txn(self, what: str, batch: int) -> tables.Txn:
        return tables.Txn(f"{what}/score_transactions/{self.state.generation}", batch)

    def _payments(self, parsed: DataFrame, context: DataFrame) -> DataFrame:
        """The batch's payments that were not scored before."""
        fresh = first_arrivals(parsed.where(F.size(FAILED_CHECKS) == 0))
        if self.state.latest is not None:
            fresh = fresh.localCheckpoint()
            since = self.state.latest - REDELIVERED_WITHIN
            recent = self._scored().where(
                (F.col("ingest_date") >= F.lit(since.date())) & (F.col("recorded_at") >= F.lit(since))
            )
            # two joins with what is small, in place of one that would sort all recent payments
            again = recent.select("transaction_id").join(
                F.broadcast(fresh.select("transaction_id")), "transaction_id", "left_semi"
            )
            fresh = fresh.join(F.broadcast(again), "transaction_id", "left_anti")
        latest = context.select("latest")
        seen = with_seen_at(fresh.crossJoin(F.broadcast(latest)), F.col("latest")).drop("latest")
        return with_measures(seen)

    def _rows(self, payments: DataFrame) -> DataFrame:
        """All that the features of the batch's payments are made of."""
        asked = role_rows(payments, is_asked=True)
        recent, keys = of_asked_keys(self._recent(), asked)
        wanted = F.broadcast(asked.select("role", "key").distinct())
        known = label_rows(self.labels()).unionByName(profile_rows(tables.read(self.spark, self.lake, FRAUD_PROFILES)))
        return (
            asked.unionByName(role_rows(with_measures(recent), is_asked=False, keys=keys))
            .unionByName(known.join(wanted, ["role", "key"], "left_semi"))
        )  # fmt: skip

    def _scored(self) -> DataFrame:
        return tables.read(self.spark, self.lake, FRAUD_PARTIAL)

    def _recent(self) -> DataFrame:
        """The scored payments that are in no day's sum."""
        if self._through is None:
            return self._scored()
        return self._scored().where(
            (F.to_date("seen_at") > F.lit(self._through)) & (F.col("ingest_date") > F.lit(self._through))
        )

    def _attached(self, labels: DataFrame, payments: DataFrame) -> DataFrame:
        columns = ("transaction_id", "user_id", "merchant_id", "seen_at", "generation", "batch")
        named = F.broadcast(labels.select("transaction_id").distinct())
        scored = self._scored().select(*columns).join(named, "transaction_id", "left_semi")
        return attached(labels, scored.unionByName(payments.select(*columns)))

    def labels(self) -> DataFrame:
        """What is known of earlier payments."""
        return tables.read(self.spark, self.lake, LABELS)

    def dimensions(self) -> Dimensions:
        """What the lake says of merchants, customers, places and policies; nothing of what is not there yet."""
        return Dimensions(*(tables.read_or_empty(self.spark, self.lake, c) for c in (MERCHANTS, USERS, LOCATIONS, POLICIES)))

    def _fold(self) -> None:
        """Add days that are long over to the days' sums; the same features come from a sum as from its payments."""
        if self.state.latest is None:
            return
        through = self.state.latest.date() - timedelta(days=FOLDED_AFTER)
        first = self._through
        if first is not None and through <= first:
            return
        over = self._recent().where(F.to_date("seen_at") <= F.lit(through))
        if over.isEmpty():
            return
        sums = folded(with_measures(over), tables.read(self.spark, self.lake, FRAUD_PROFILES), F.lit(through))
        tables.overwrite(sums.localCheckpoint(), self.lake, FRAUD_PROFILES, {"through": through.isoformat()})
        self._through = through
