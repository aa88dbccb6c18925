"""The series of a streaming driver for Prometheus: what Spark says of a query's progress, and what its batches report."""

from __future__ import annotations

import json
import re
from collections import Counter as Counts
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_UP
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

import paylake
from paylake import operations
from paylake.contracts.currencies import minor_units
from paylake.contracts.fraud import ANOMALY_TYPES, NORMAL
from paylake.contracts.topics import CLOCK
from paylake.health_pulse import ONLY, Clock, Pulse, Share
from paylake.report.controls import FAILED, Controls, Proof, Tally

if TYPE_CHECKING:  # the scores' stream loads models, which the ledgers' driver does without
    from paylake.reconcile import BatchReport
    from paylake.score_stream import ScoreReport

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
ACCEPTED, REJECTED = "accepted", "rejected"
QUANTILES = ("0.5", "0.95", "0.99")
BATCH_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
"""Seconds. Objectives and alerts ask for 30, so it has to be one of them."""


class Series:
    """All series of one driver, labelled with its query; a label is never an identifier of a payment, person or card."""

    def __init__(self, query: str, pulse: Pulse, clock: Clock) -> None:
        """Every series that can be known before the first batch says so from now on."""
        self.query, self.pulse, self.clock = query, pulse, clock
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._quarantined, self._flagged = Share(clock), Share(clock)
        self._watermark: datetime | None = None
        self._gauge("build_info", "1, with the version that runs.", "version").labels(paylake.__version__).set(1)
        self._stream_series()
        self._kafka_series()
        self._outcome_series()
        self._serving_series()
        self._proof_series()
        self._judged_series()

    def text(self) -> bytes:
        """Everything, as Prometheus reads it; its content type is CONTENT_TYPE."""
        return generate_latest(self.registry)

    def _gauge(self, name: str, doc: str, *labels: str) -> Gauge:
        return Gauge(f"paylake_{name}", doc, labels, registry=self.registry)

    def _counter(self, name: str, doc: str, *labels: str) -> Counter:
        return Counter(f"paylake_{name}", doc, labels, registry=self.registry)

    def _at_scrape(self, name: str, doc: str, value: Callable[[], float]) -> None:
        """A gauge of the query that is asked for its value when it is read."""
        self._gauge(name, doc, "query").labels(self.query).set_function(value)

    # --- the query ---

    def _stream_series(self) -> None:
        pulse = self.pulse
        self._at_scrape(
            "stream_last_batch_timestamp_seconds", "When a batch last ended, or a look for one.", lambda: pulse.last
        )
        self._at_scrape("stream_seconds_since_last_batch", "The same, as an age.", lambda: pulse.age)
        self._at_scrape("stream_active", "1 while the query runs.", lambda: float(pulse.is_running))
        self._at_scrape("stream_ready", "1 while /ready says so.", lambda: float(pulse.verdict()[0]))
        self._starts = self._counter("stream_starts_total", "Starts of the query.", "query").labels(self.query)
        self._failures = self._counter("stream_failures_total", "Ends of the query by a failure.", "query").labels(
            self.query
        )
        self._input = self._counter("input_records_total", "Records read, as Spark counts them.", "query").labels(self.query)
        self._rate = self._gauge("records_per_second", "Speed of the last batch with records.", "query").labels(self.query)
        self._duration = Histogram(
            "paylake_batch_duration_seconds",
            "Duration of the batches, whole (trigger_execution) and by phase; in real-time mode it is the commit interval.",
            ("query", "phase"),
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self._state_rows = self._gauge("state_rows", "Rows in Spark's state stores.", "query")
        self._state_bytes = self._gauge("state_bytes", "Memory of Spark's state stores.", "query")
        self._watermark_delay = self._gauge(
            "watermark_delay_seconds", "How far the query's own clock is behind the wall clock.", "query"
        )

    def has_executors(self, wanted: int, present: Callable[[], float]) -> None:
        """The driver was given so many executors; `present` counts those that it has."""
        self._gauge("executors_wanted", "Executors that the driver was given.", "query").labels(self.query).set(wanted)
        self._at_scrape("executors", "Executors that the driver has.", present)

    def started(self, name: str = ONLY) -> None:
        """A query was started."""
        self.pulse.started(name)
        self._starts.inc()

    def idle(self, name: str = ONLY) -> None:
        """A query looked for records, and there are none."""
        self.pulse.came_through(name)
        if name:
            self._serving_delay.labels(name).set(0)

    def ended(self, failed: bool, name: str = ONLY) -> None:
        """A query ended."""
        self.pulse.ended(name)
        if failed:
            self._failures.inc()

    def progressed(self, progress: Mapping[str, Any], name: str = ONLY) -> None:
        """A batch ended: `progress` is Spark's StreamingQueryProgress, as its JSON says it."""
        self.pulse.came_through(name)
        records = progress.get("numInputRows") or 0
        self._input.inc(records)
        if records:
            self._rate.set(progress.get("processedRowsPerSecond") or 0)
        for phase, ms in (progress.get("durationMs") or {}).items():
            self._duration.labels(self.query, snake_case(phase)).observe(ms / 1000)
        for source in progress.get("sources") or ():
            for topic, partition, behind in lags(source):
                self._lag.labels(self.query, topic, partition).set(behind)
        operators = progress.get("stateOperators") or ()
        if operators:
            self._state_rows.labels(self.query).set(sum(one.get("numRowsTotal", 0) for one in operators))
            self._state_bytes.labels(self.query).set(sum(one.get("memoryUsedBytes", 0) for one in operators))
        watermark = (progress.get("eventTime") or {}).get("watermark")
        if watermark:
            self._read_until(datetime.fromisoformat(watermark))

    def _read_until(self, watermark: datetime) -> None:
        first = self._watermark is None
        self._watermark = watermark
        if first:
            self._watermark_delay.labels(self.query).set_function(self._delay)

    def _delay(self) -> float:
        assert self._watermark is not None
        return self.clock() - self._watermark.timestamp()

    # --- Kafka ---

    def _kafka_series(self) -> None:
        self._lag = self._gauge(
            "kafka_lag_offsets", "Offsets that the last batch left, as it saw the topic.", "query", "topic", "partition"
        )

    # --- what the batches report ---

    def _outcome_series(self) -> None:
        self._records = self._counter("records_total", "Records by what became of them.", "query", "outcome")
        self._share_quarantined = self._gauge(
            "quarantined_ratio", "Share of the records of the last 5 minutes that was rejected.", "query"
        )
        self._latency = self._gauge(
            "decision_latency_seconds", "Arrival in Kafka to decision, in the last batch.", "query", "topic", "quantile"
        )
        self._scored = self._counter("fraud_scored_total", "Payments scored, by anomaly type.", "band")
        self._share_flagged = self._gauge(
            "fraud_flagged_ratio", "Share of the payments of the last 5 minutes that is not normal.", "query"
        )

    def took_ledgers(self, report: BatchReport, seconds: float, is_live: bool, clock: datetime | None) -> None:
        """A batch of the ledgers' stream. `clock` is as of when it has read, by its ticks; simulated ones are not live."""
        topics = [t for t in report.topics if t.topic != CLOCK]
        self._count(sum(t.records for t in topics), sum(t.rejected for t in topics))
        ended = operations.Ended(report, int(self.clock() * 1000), int(seconds * 1000))
        for topic in topics:
            latencies = operations.latencies_ms(ended, topic.arrivals_ms, is_live)
            if latencies is not None:
                for quantile, ms in zip(QUANTILES, latencies, strict=True):
                    self._latency.labels(self.query, topic.topic, quantile).set(ms / 1000)
        if clock is not None:
            self._read_until(clock)

    def took_scores(self, report: ScoreReport, seconds: float) -> None:
        """A batch of the scores' stream."""
        accepted = report.payments + report.signals + report.labels
        self._count(accepted + report.rejected, report.rejected)
        for band in ANOMALY_TYPES:
            self._scored.labels(band).inc(report.by_type.get(band, 0))
        self._flagged.add(report.payments - report.by_type.get(NORMAL, 0), report.payments)
        self._share_flagged.labels(self.query).set_function(self._flagged.value)

    def _count(self, records: int, rejected: int) -> None:
        self._records.labels(self.query, ACCEPTED).inc(records - rejected)
        self._records.labels(self.query, REJECTED).inc(rejected)
        self._quarantined.add(rejected, records)
        self._share_quarantined.labels(self.query).set_function(self._quarantined.value)

    # --- what is published to servers ---

    def _serving_series(self) -> None:
        self._published = self._counter("serving_payments_total", "Payments that a store has taken.", "store")
        self._write_errors = self._counter("serving_write_errors_total", "Writes that a store did not take.", "store")
        self._serving_delay = self._gauge(
            "serving_delay_seconds",
            "Arrival in Kafka to the store, of the newest payment of the last batch; 0 once nothing waits.",
            "store",
        )
        through = self._gauge(
            "serving_through_timestamp_seconds", "When a store last had taken all there was, or a batch of it.", "store"
        )
        for store in filter(None, self.pulse.names):
            through.labels(store).set_function(partial(self.pulse.last_of, store))
            for one in (self._published, self._write_errors, self._serving_delay):
                one.labels(store)

    def took_published(self, store: str, payments: int, newest: datetime) -> None:
        """A store has taken payments; `newest` is when the newest of them arrived in Kafka."""
        self._published.labels(store).inc(payments)
        self._serving_delay.labels(store).set(max(self.clock() - newest.timestamp(), 0))

    def not_published(self, store: str) -> None:
        """A store did not take what was written to it."""
        self._write_errors.labels(store).inc()

    # --- what the last nightly run proved ---

    def _proof_series(self) -> None:
        self._difference = self._gauge(
            "recon_control_difference_minor_units", "Money that the last nightly run cannot account for.", "currency"
        )
        self._failed_proofs = self._gauge("recon_failed_proofs", "Proofs of the last nightly run that do not close.", "job")
        self._proved = self._gauge("recon_proved_records", "Records of the last nightly run.", "source", "outcome")
        self._differing = self._gauge(
            "recon_differing_transactions", "Transactions of which the last nightly run says other than the stream.", "job"
        )
        self._success = self._gauge("batch_last_success_timestamp_seconds", "When a job last ended well.", "job")

    def proved(self, controls: Controls) -> None:
        """What the last nightly run, or attempt at one, proved."""
        missing: Counts[tuple[str, ...]] = Counts()
        records: Counts[tuple[str, ...]] = Counts()
        for proof in controls.proofs:
            missing[proof.currency,] += difference(proof)
            for outcome in ("matched", "broken", "pending", "rejected"):
                tally: Tally = getattr(proof, outcome)
                records[proof.source, outcome] += tally.records
        for gauge, values in ((self._difference, missing), (self._proved, records)):
            _replace(gauge, values)
        self._failed_proofs.labels("nightly").set(len(controls.failed))
        self._differing.labels("nightly").set(sum(controls.differences.values()))
        if controls.run.is_published:
            ended = datetime.fromisoformat(controls.run.run_at).replace(tzinfo=UTC)
            self._success.labels("nightly").set(ended.timestamp())

    # --- what the last nightly run says of breaks and of fraud ---

    def _judged_series(self) -> None:
        self._breaks = self._gauge("recon_breaks", "Breaks that nobody has ended, of every date.", "kind", "severity")
        self._judged = self._gauge(
            "fraud_judged_payments",
            "Payments of the last 28 business dates with a label: frauds caught or missed, and genuine ones flagged.",
            "model", "version", "outcome",
        )  # fmt: skip

    def found(self, breaks: Mapping[tuple[str, ...], int], judged: Mapping[tuple[str, ...], int]) -> None:
        """What the last nightly run left: open breaks by kind and severity; judged payments by model, version, outcome."""
        _replace(self._breaks, breaks)
        _replace(self._judged, judged)


def _replace(gauge: Gauge, values: Mapping[tuple[str, ...], int]) -> None:
    """Set a gauge's values by their labels, and take away those of other labels; none is ever missing in between."""
    for labels, value in values.items():
        gauge.labels(*labels).set(value)
    for sample in [sample for metric in gauge.collect() for sample in metric.samples]:
        labels = tuple(sample.labels.values())
        if labels not in values:
            gauge.remove(*labels)


def lags(source: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Topic, partition and offsets that wait, of a source in Spark's progress; nothing where it names no offsets."""
    end, latest = (_offsets(source.get(name)) for name in ("endOffset", "latestOffset"))
    for topic, partitions in sorted(latest.items()):
        for partition, offset in sorted(partitions.items()):
            yield topic, partition, max(offset - end.get(topic, {}).get(partition, 0), 0)


def _offsets(said: Any) -> dict[str, dict[str, int]]:
    """Offsets by topic and partition, which some releases say as text; nothing for a source that is not Kafka."""
    try:
        known = json.loads(said) if isinstance(said, str) else said
    except ValueError:
        return {}
    if not isinstance(known, dict):
        return {}
    return {t: parts for t, parts in known.items() if isinstance(parts, dict)}


def difference(proof: Proof) -> int:
    """Minor units of its currency that a failed proof misses; 0 for one that closes, with or without exceptions.

    The larger one of what the source booked but did not send, and of what came in but went nowhere.
    """
    if proof.outcome != FAILED:
        return 0
    went = sum(
        (part.amount for part in (proof.matched, proof.broken, proof.pending, proof.redelivered, proof.rejected)),
        start=-proof.received.amount,
    )
    missed = [abs(went)]
    if proof.control is not None:
        missed.append(abs(proof.control.amount - (proof.received.amount - proof.redelivered.amount)))
    return int(max(missed).scaleb(minor_units(proof.currency)).to_integral_value(ROUND_UP))


def snake_case(name: str) -> str:
    """A name of Spark's as one of Prometheus'.

    >>> snake_case("triggerExecution")
    'trigger_execution'
    """
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
