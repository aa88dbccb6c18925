"""What others say of simulated payments later: labels of people and banks, and signals of an outside inference service.

Both are drawn from the truth and from a seed, never from what paylake found. Neither is complete, prompt or always right.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paylake.contracts.fraud import ANALYST, CHARGEBACK, FRAUD, GENUINE, ISSUER_REPORT, LABEL_SOURCES
from paylake.contracts.topics import FRAUD_LABELS_TOPIC, FRAUD_SIGNALS_TOPIC
from paylake.simulation.campaigns import REFUND_ABUSE
from paylake.simulation.generation import DELIVERIES_SCHEMA
from paylake.simulation.payments import Bools, Floats, Ints, uuids

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
STAMP = pa.timestamp("ms", "UTC")

NEVER_REPORTED = 0.03
"""Share of the frauds of which nobody ever hears."""
FALSELY_LABELLED, CORRECTED = 0.0005, 0.5
"""Share of the genuine payments that are called fraud, and of those, what an analyst puts right within days."""
CLEARED = 0.002
"""Share of the genuine payments that an analyst looks at and finds genuine."""
FRAUD_SOURCES: dict[str, float] = {ANALYST: 0.15, CHARGEBACK: 0.5, ISSUER_REPORT: 0.35}
CHARGEBACK_DAYS, CHARGEBACK_SPREAD = 20, 0.49
"""Median in days and deviation of the logarithm: one in twenty chargebacks takes 45 days or more."""
POSTED_MS = (1_000, 300_000)
"""How long a label is on its way once it is known."""

LABELS_SCHEMA = pa.schema(
    [
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("known_at", STAMP, nullable=False),
        pa.field("recorded_at", STAMP, nullable=False),
    ]
)
"""One row per label in order of arrival: `known_at` is when its source came to know, `recorded_at` when it arrives."""

SIGNALLED, CAUGHT = 0.02, 0.45
"""Share of all payments of which the service says something, and of the frauds."""
SECOND_SIGNAL, SIGNAL_TWICE, SIGNAL_BEFORE, SIGNAL_OVERTAKEN = 0.1, 0.03, 0.02, 0.02
"""Shares of the signals: with another one and another score, sent twice, before the payment arrives, overtaken."""
OVERTAKEN_MS = (1_000, 1_800_000)
FRAUD_SCORES, GENUINE_SCORES = (5.0, 3.0), (2.5, 4.0)
"""Beta distributions of the service's scores: it often errs."""
SIGNAL_REASONS: tuple[str, ...] = ("VELOCITY", "GEO", "DEVICE", "AMOUNT", "MERCHANT")

SIGNALS_SCHEMA = pa.schema(
    [
        pa.field("fraud_id", pa.string(), nullable=False),
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("fraud_score", pa.float64(), nullable=False),
        pa.field("reason_code", pa.string(), nullable=False),
        pa.field("recorded_at", STAMP, nullable=False),
    ]
)
"""One row per signal in order of its sending; `recorded_at` is the time of its record, which a few others overtake."""


def fraud_labels(payments: pa.Table, seed: int) -> pa.Table:
    """The labels (LABELS_SCHEMA) of payments, of which `transaction_id`, `recorded_at`, `status` and `fraud_scenario` are
    read (ARRIVALS_SCHEMA).

    A payment may be labelled twice, by two sources. What was declined or is a refund nobody charges back.
    """
    rng = np.random.default_rng([seed, 8])
    is_fraud = _is_fraud(payments)
    frauds, genuine = np.flatnonzero(is_fraud), np.flatnonzero(~is_fraud)
    reported = frauds[rng.random(len(frauds)) >= NEVER_REPORTED]
    source = rng.choice(len(LABEL_SOURCES), len(reported), p=[FRAUD_SOURCES[name] for name in LABEL_SOURCES])
    source = np.where(source == _CHARGEBACK, _charged_back_by(payments)[reported], source)
    looked_at = reported[(source == _CHARGEBACK) & (rng.random(len(reported)) < 0.1)]
    accused = genuine[rng.random(len(genuine)) < FALSELY_LABELLED]
    accuser = rng.choice([_CHARGEBACK, _ISSUER], len(accused))
    cleared = genuine[rng.random(len(genuine)) < CLEARED]
    accused_ms = _known_after(rng, accuser)
    is_corrected = rng.random(len(accused)) < CORRECTED
    statements = [
        (reported, FRAUD, source, _known_after(rng, source)),
        (looked_at, FRAUD, _all(looked_at, _ANALYST), _known_after(rng, _all(looked_at, _ANALYST))),
        (accused, FRAUD, accuser, accused_ms),
        (accused[is_corrected], GENUINE, _all(accused[is_corrected], _ANALYST),
         accused_ms[is_corrected] + rng.integers(HOUR_MS, 5 * DAY_MS, int(is_corrected.sum()))),
        (cleared, GENUINE, _all(cleared, _ANALYST), _known_after(rng, _all(cleared, _ANALYST))),
    ]  # fmt: skip
    row = np.concatenate([rows for rows, _, _, _ in statements])
    known_ms = _recorded_ms(payments)[row] + np.concatenate([after_ms for _, _, _, after_ms in statements])
    recorded_ms = known_ms + rng.integers(*POSTED_MS, len(row))
    columns = {
        "transaction_id": payments["transaction_id"].combine_chunks().take(pa.array(row)),
        "label": pa.array([label for rows, label, _, _ in statements for _ in range(len(rows))], pa.string()),
        "source": pa.array(LABEL_SOURCES).take(pa.array(np.concatenate([source for _, _, source, _ in statements]))),
        "known_at": pa.array(known_ms).cast(STAMP),
        "recorded_at": pa.array(recorded_ms).cast(STAMP),
    }
    return pa.table(columns, schema=LABELS_SCHEMA).take(pa.array(np.argsort(recorded_ms, kind="stable")))


def fraud_signals(payments: pa.Table, seed: int) -> pa.Table:
    """The signals (SIGNALS_SCHEMA) on payments, of which `transaction_id`, `recorded_at` and `fraud_scenario` are read.

    Repeated signals are equal but for their time. Where a payment has two, the later says another score.
    """
    rng = np.random.default_rng([seed, 9])
    is_fraud = _is_fraud(payments)
    count, frauds = len(payments), int(is_fraud.sum())
    others = max(0.0, SIGNALLED * count - CAUGHT * frauds) / max(1, count - frauds)
    row = np.flatnonzero(rng.random(count) < np.where(is_fraud, CAUGHT, others))
    score = np.where(is_fraud[row], rng.beta(*FRAUD_SCORES, len(row)), rng.beta(*GENUINE_SCORES, len(row)))
    after_ms = np.clip(20_000 * np.exp(rng.normal(0, 1, len(row))), 500, 900_000).astype(np.int64)
    after_ms = np.where(rng.random(len(row)) < SIGNAL_BEFORE, -rng.integers(100, 2_000, len(row)), after_ms)
    again = np.flatnonzero(rng.random(len(row)) < SECOND_SIGNAL)
    moved = np.clip(score[again] + rng.normal(np.where(is_fraud[row[again]], 0.12, -0.08), 0.15), 0.0, 1.0)
    row, score = np.concatenate([row, row[again]]), np.round(np.concatenate([score, moved]), 4)
    after_ms = np.concatenate([after_ms, after_ms[again] + rng.integers(60_000, 1_800_000, len(again))])
    at_ms = _recorded_ms(payments)[row] + after_ms
    signals = pa.table(
        {
            "fraud_id": pc.binary_join_element_wise("SIG-", pa.array(uuids(rng, len(row))).cast(pa.string()), ""),
            "transaction_id": payments["transaction_id"].combine_chunks().take(pa.array(row)),
            "fraud_score": pa.array(score),
            "reason_code": pa.array(SIGNAL_REASONS).take(pa.array(rng.integers(0, len(SIGNAL_REASONS), len(row)))),
            "recorded_at": pa.array(at_ms).cast(STAMP),
        },
        schema=SIGNALS_SCHEMA,
    )
    twice = np.flatnonzero(rng.random(len(row)) < SIGNAL_TWICE)
    place = np.concatenate([np.arange(len(row)), twice])
    at_ms = np.concatenate([at_ms, at_ms[twice] + rng.integers(100, 60_000, len(twice))])
    sent_ms = at_ms + np.where(rng.random(len(place)) < SIGNAL_OVERTAKEN, rng.integers(*OVERTAKEN_MS, len(place)), 0)
    order = np.argsort(sent_ms, kind="stable")
    sent = signals.take(pa.array(place[order]))
    return sent.set_column(4, SIGNALS_SCHEMA.field("recorded_at"), pa.array(at_ms[order]).cast(STAMP))


def feed_deliveries(labels: pa.Table, signals: pa.Table) -> pa.Table:
    """One row per record for Kafka (DELIVERIES_SCHEMA): those of each topic in the order of its table, keyed by payment."""
    signal_values = pc.binary_join_element_wise(
        '{"fraud_id":"', signals["fraud_id"],
        '","transaction_id":"', signals["transaction_id"],
        '","fraud_score":', signals["fraud_score"].cast(pa.string()),
        ',"reason_code":"', signals["reason_code"],
        '"}', "",
    )  # fmt: skip
    label_values = pc.binary_join_element_wise(
        '{"transaction_id":"', labels["transaction_id"],
        '","label":"', labels["label"],
        '","source":"', labels["source"],
        '","known_at":"', pc.strftime(labels["known_at"], "%Y-%m-%dT%H:%M:%S"),
        '+00:00"}', "",
    )  # fmt: skip
    return pa.concat_tables(
        [_records(FRAUD_SIGNALS_TOPIC, signals, signal_values), _records(FRAUD_LABELS_TOPIC, labels, label_values)]
    )


def _records(topic: str, rows: pa.Table, values: pa.ChunkedArray) -> pa.Table:
    ids = rows["transaction_id"]
    topics = pa.array([topic] * len(rows), pa.string())
    columns = [topics, ids.cast(pa.binary()), values.cast(pa.binary()), rows["recorded_at"], ids]
    return pa.table(columns, schema=DELIVERIES_SCHEMA)


_ANALYST, _CHARGEBACK, _ISSUER = (LABEL_SOURCES.index(name) for name in (ANALYST, CHARGEBACK, ISSUER_REPORT))


def _known_after(rng: np.random.Generator, source: Ints) -> Ints:
    """How long each source takes, in milliseconds: an analyst hours to a day, an issuer days, a chargeback weeks."""
    count = len(source)
    days: Floats = np.select(
        [source == _ANALYST, source == _ISSUER],
        [rng.uniform(2 / 24, 1, count), rng.uniform(1, 10, count)],
        CHARGEBACK_DAYS * np.exp(CHARGEBACK_SPREAD * rng.normal(0, 1, count)),
    )
    return (days * DAY_MS).astype(np.int64)


def _charged_back_by(payments: pa.Table) -> Ints:
    """Who reports what would be a chargeback: the issuer where nothing was paid, an analyst where it is a refund."""
    declined = pc.not_equal(payments["status"], "SUCCESS").to_numpy()
    refunds = pc.fill_null(pc.equal(payments["fraud_scenario"], REFUND_ABUSE), False).to_numpy()
    return np.select([refunds, declined], [_ANALYST, _ISSUER], _CHARGEBACK)


def _is_fraud(payments: pa.Table) -> Bools:
    found: Bools = payments["fraud_scenario"].is_valid().to_numpy()
    return found


def _recorded_ms(payments: pa.Table) -> Ints:
    recorded_ms: Ints = payments["recorded_at"].cast(STAMP).cast(pa.int64()).to_numpy()
    return recorded_ms


def _all(rows: Ints, source: int) -> Ints:
    return np.full(len(rows), source, np.int64)
