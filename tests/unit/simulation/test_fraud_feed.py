"""Labels come late and are sometimes wrong; signals are mediocre, repeated and out of order."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from paylake.contracts.topics import FRAUD_LABELS_TOPIC, FRAUD_SIGNALS_TOPIC
from paylake.simulation import Plan
from paylake.simulation.arrivals import ARRIVALS_SCHEMA, gateway_arrivals
from paylake.simulation.fraud_feed import feed_deliveries, fraud_labels, fraud_signals

PLAN = Plan(payments=60_000, fraud=0.02, chaos=0.0, span=timedelta(days=20))


@pytest.fixture(scope="module")
def payments() -> pa.Table:
    return gateway_arrivals(PLAN)


@pytest.fixture(scope="module")
def truth(payments: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["transaction_id"]: row for row in payments.to_pylist()}


@pytest.fixture(scope="module")
def labels(payments: pa.Table) -> Any:
    return fraud_labels(payments, 7).to_pylist()


@pytest.fixture(scope="module")
def signals(payments: pa.Table) -> Any:
    return fraud_signals(payments, 7).to_pylist()


def test_nearly_every_fraud_is_reported_once_it_is_known(labels: Any, truth: Any) -> None:
    frauds = {key for key, row in truth.items() if row["fraud_scenario"]}
    reported = {row["transaction_id"] for row in labels if row["label"] == "FRAUD"}
    assert len(frauds & reported) / len(frauds) == pytest.approx(0.97, abs=0.012)
    assert len(reported - frauds) / (len(truth) - len(frauds)) == pytest.approx(0.0005, abs=0.0003)
    assert not {row["transaction_id"] for row in labels if row["label"] == "GENUINE"} & frauds
    for row in labels:
        assert truth[row["transaction_id"]]["recorded_at"] < row["known_at"] < row["recorded_at"]
    assert [row["recorded_at"] for row in labels] == sorted(row["recorded_at"] for row in labels)


def test_each_source_takes_its_time(labels: Any, truth: Any) -> None:
    took: dict[str, list[float]] = defaultdict(list)
    for row in labels:
        if row["label"] == "FRAUD":
            took[row["source"]].append((row["known_at"] - truth[row["transaction_id"]]["recorded_at"]) / timedelta(days=1))
    assert 2 / 24 <= min(took["ANALYST"]) < max(took["ANALYST"]) <= 1
    assert 1 <= min(took["ISSUER_REPORT"]) < max(took["ISSUER_REPORT"]) <= 10
    assert np.median(took["CHARGEBACK"]) == pytest.approx(20, abs=2)
    assert np.quantile(took["CHARGEBACK"], 0.95) == pytest.approx(45, abs=6)


def test_nobody_charges_back_what_was_declined_or_is_a_refund(labels: Any, truth: Any) -> None:
    charged = [truth[row["transaction_id"]] for row in labels if row["source"] == "CHARGEBACK"]
    frauds = [row for row in charged if row["fraud_scenario"]]
    assert {row["status"] for row in frauds} == {"SUCCESS"}
    assert "REFUND_ABUSE" not in {row["fraud_scenario"] for row in frauds}


def test_the_service_says_something_of_two_percent_and_often_errs(signals: Any, truth: Any) -> None:
    first = {row["transaction_id"]: row["fraud_score"] for row in reversed(signals)}
    assert len(first) / len(truth) == pytest.approx(0.02, abs=0.002)
    frauds = [score for key, score in first.items() if truth[key]["fraud_scenario"]]
    others = [score for key, score in first.items() if not truth[key]["fraud_scenario"]]
    count = sum(row["fraud_scenario"] is not None for row in truth.values())
    assert len(frauds) / count == pytest.approx(0.45, abs=0.05)
    assert 0.55 < np.mean(frauds) < 0.7
    assert 0.3 < np.mean(others) < 0.5
    assert max(others) > np.median(frauds)
    assert all(0 <= row["fraud_score"] <= 1 for row in signals)


def test_signals_come_late_twice_and_out_of_order_and_some_change_their_score(signals: Any, truth: Any) -> None:
    late = [(row["recorded_at"] - truth[row["transaction_id"]]["recorded_at"]).total_seconds() for row in signals]
    assert 5 < np.median(late) < 60
    assert -2 <= min(late) < 0 < max(late) < 3_000
    times = [row["recorded_at"] for row in signals]
    assert 0 < sum(b < a for a, b in zip(times, times[1:], strict=False)) < 0.1 * len(times)
    said: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for row in signals:
        said[row["fraud_id"]].add((row["transaction_id"], row["fraud_score"], row["reason_code"]))
    assert {len(of) for of in said.values()} == {1}
    repeats = Counter(Counter(row["fraud_id"] for row in signals).values())
    assert repeats[2] / len(said) == pytest.approx(0.03, abs=0.012)
    scores: dict[str, set[float]] = defaultdict(set)
    for row in signals:
        scores[row["transaction_id"]].add(row["fraud_score"])
    assert sum(len(of) == 2 for of in scores.values()) / len(scores) == pytest.approx(0.1, abs=0.02)


def test_the_same_seed_says_the_same(payments: pa.Table) -> None:
    assert fraud_labels(payments, 7) == fraud_labels(payments, 7) != fraud_labels(payments, 8)
    assert fraud_signals(payments, 7) == fraud_signals(payments, 7) != fraud_signals(payments, 8)


def test_records_say_what_the_tables_say(payments: pa.Table) -> None:
    labels, signals = fraud_labels(payments, 7), fraud_signals(payments, 7)
    rows = feed_deliveries(labels, signals).to_pylist()
    of_topic = {name: [row for row in rows if row["topic"] == name] for name in (FRAUD_SIGNALS_TOPIC, FRAUD_LABELS_TOPIC)}
    expected = [{k: v for k, v in row.items() if k != "recorded_at"} for row in signals.to_pylist()]
    assert [json.loads(row["value"]) for row in of_topic[FRAUD_SIGNALS_TOPIC]] == expected
    said = [json.loads(row["value"]) for row in of_topic[FRAUD_LABELS_TOPIC]]
    known = [{**row, "known_at": datetime.fromisoformat(row["known_at"])} for row in said]
    assert known == [{k: v for k, v in row.items() if k != "recorded_at"} for row in labels.to_pylist()]
    assert {row["known_at"].tzinfo for row in known} == {UTC}
    assert [row["timestamp"] for row in of_topic[FRAUD_LABELS_TOPIC]] == labels["recorded_at"].to_pylist()
    assert all(row["key"].decode() == row["transaction_id"] == json.loads(row["value"])["transaction_id"] for row in rows)


def test_without_payments_nobody_says_anything() -> None:
    nothing = ARRIVALS_SCHEMA.empty_table()
    assert len(feed_deliveries(fraud_labels(nothing, 7), fraud_signals(nothing, 7))) == 0
