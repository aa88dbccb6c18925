"""The health of a streaming driver: ready or not by a given clock, the text of its series, and what the port answers."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pyspark.sql.streaming.listener import QueryIdleEvent, QueryStartedEvent, QueryTerminatedEvent

from paylake.contracts.topics import CLOCK, PG_TRANSACTIONS
from paylake.errors import SettingsError
from paylake.health import HealthServer, ProgressListener, serving
from paylake.health_metrics import Series, difference, lags
from paylake.health_pulse import Pulse, Share
from paylake.reconcile import BatchReport, TopicCount
from paylake.report.controls import Controls, Offsets, Proof, Run, Tally
from paylake.score_stream import ScoreReport

PROGRESS = {
    "batchId": 7,
    "numInputRows": 398,
    "processedRowsPerSecond": 92.7,
    "durationMs": {"addBatch": 3077, "walCommit": 87, "triggerExecution": 4294},
    "stateOperators": [],
    "sources": [
        {
            "description": "KafkaV2[Subscribe[pg-transactions]]",
            "startOffset": None,
            "endOffset": {"pg-transactions": {"0": 103, "1": 96}},
            "latestOffset": {"pg-transactions": {"0": 155, "1": 96}},
        }
    ],
}
"""What Spark 4.2 says of a batch, in the parts that are read."""


@dataclass
class HandClock:
    """A clock that stands until it is moved."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def series(clock: HandClock) -> Series:
    return Series("reconcile_ledgers", Pulse(timedelta(minutes=5), timedelta(minutes=10), clock), clock)


def values(series: Series) -> dict[str, float]:
    """Every sample of the text, by its name and labels as they are written."""
    found = {}
    for family in text_string_to_metric_families(series.text().decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()) if k != "query")
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


# --- ready or not ---


def test_a_driver_is_ready_from_the_start_of_its_query_for_as_long_as_the_first_batch_may_take(
    series: Series, clock: HandClock
) -> None:
    assert series.pulse.verdict() == (False, "The query has not started yet.")
    clock.now += 3600  # reading the lake's state took an hour
    series.started()
    assert series.pulse.verdict()[0]
    clock.now += 600
    assert series.pulse.verdict()[0]
    clock.now += 1
    assert series.pulse.verdict() == (False, "The query has not finished a first batch for 601 s.")


def test_starting_again_and_again_does_not_make_ready(series: Series, clock: HandClock) -> None:
    for _ in range(4):
        series.started()
        clock.now += 200
        series.ended(failed=True)
        assert series.pulse.verdict() == (False, "The query has ended.")
    series.started()
    assert not series.pulse.verdict()[0]
    series.progressed(PROGRESS)
    assert series.pulse.verdict()[0]
    assert values(series)["paylake_stream_failures_total"] == 4
    assert values(series)["paylake_stream_starts_total"] == 5


def test_a_driver_is_ready_while_its_last_batch_is_young_enough(series: Series, clock: HandClock) -> None:
    series.started()
    series.progressed(PROGRESS)
    clock.now += 300
    assert series.pulse.verdict() == (True, "The last batch ended 300 s ago.")
    clock.now += 1
    assert series.pulse.verdict() == (False, "The last batch ended 301 s ago, which is too long.")
    series.idle()  # a look that found nothing is as good as a batch
    assert series.pulse.verdict()[0]


def test_an_age_begins_with_the_process_and_not_in_1970(series: Series, clock: HandClock) -> None:
    clock.now += 5
    found = values(series)
    assert found["paylake_stream_seconds_since_last_batch"] == 5
    assert found["paylake_stream_last_batch_timestamp_seconds"] == 1_000_000
    assert found["paylake_stream_active"] == found["paylake_stream_ready"] == 0


def test_a_driver_of_two_queries_is_as_ready_as_the_slower_one(clock: HandClock) -> None:
    pulse = Pulse(timedelta(minutes=5), timedelta(minutes=10), clock, ("redis", "postgres"))
    clock.now += 1
    pulse.started("redis")
    pulse.came_through("redis")
    assert pulse.verdict() == (False, "The query postgres has not started yet.")
    assert not pulse.is_running
    pulse.started("postgres")
    assert pulse.verdict() == (True, "The query postgres has been in its first batch for 0 s.")
    pulse.came_through("postgres")
    clock.now += 200
    pulse.came_through("redis")
    assert (pulse.is_running, pulse.age) == (True, 200)
    clock.now += 101
    assert pulse.verdict() == (False, "The last batch of postgres ended 301 s ago, which is too long.")
    pulse.came_through("postgres")
    pulse.ended("redis")
    assert pulse.verdict() == (False, "The query redis has ended.")


def test_a_share_forgets_what_is_older_than_minutes(clock: HandClock) -> None:
    share = Share(clock)
    assert share.value() == 0
    share.add(1, 2)
    clock.now += 299
    share.add(0, 2)
    assert share.value() == 0.25
    clock.now += 2
    assert share.value() == 0


# --- the series ---


def test_a_progress_says_lag_speed_and_durations(series: Series) -> None:
    series.progressed(PROGRESS)
    found = values(series)
    assert found["paylake_kafka_lag_offsets{partition=0,topic=pg-transactions}"] == 52
    assert found["paylake_kafka_lag_offsets{partition=1,topic=pg-transactions}"] == 0
    assert found["paylake_input_records_total"] == 398
    assert found["paylake_records_per_second"] == 92.7
    assert found["paylake_batch_duration_seconds_sum{phase=trigger_execution}"] == 4.294
    assert found["paylake_batch_duration_seconds_bucket{le=5.0,phase=trigger_execution}"] == 1
    assert found["paylake_batch_duration_seconds_bucket{le=2.5,phase=trigger_execution}"] == 0
    assert "paylake_watermark_delay_seconds" not in found
    assert "paylake_state_rows" not in found
    assert not {name for name in found if "quarantined" in name or "fraud" in name}


def test_executors_are_counted_when_they_are_asked_for(series: Series) -> None:
    assert not [name for name in values(series) if "executors" in name]
    present = {"executors": 3.0}
    series.has_executors(3, lambda: present["executors"])
    present["executors"] = 2
    found = values(series)
    assert (found["paylake_executors"], found["paylake_executors_wanted"]) == (2, 3)


def test_a_watermark_and_states_are_said_where_there_are_any(series: Series, clock: HandClock) -> None:
    operators = [{"numRowsTotal": 3, "memoryUsedBytes": 100}, {"numRowsTotal": 4, "memoryUsedBytes": 1}]
    read_until = datetime.fromtimestamp(clock.now - 60, UTC).isoformat().replace("+00:00", "Z")
    series.progressed({**PROGRESS, "stateOperators": operators, "eventTime": {"watermark": read_until}})
    clock.now += 5
    found = values(series)
    assert found["paylake_watermark_delay_seconds"] == 65
    assert (found["paylake_state_rows"], found["paylake_state_bytes"]) == (7, 101)


@pytest.mark.parametrize(
    "source",
    [
        {"endOffset": '{"t":{"0":5}}', "latestOffset": '{"t":{"0":9}}'},
        {"endOffset": {"t": {"0": 5}}, "latestOffset": {"t": {"0": 9}}},
    ],
)
def test_a_lag_is_read_from_offsets_as_text_or_not(source: Mapping[str, object]) -> None:
    assert list(lags(source)) == [("t", "0", 4)]


@pytest.mark.parametrize("latest", [None, 42, "42", "not json", {"sourceVersion": 1, "reservoirVersion": 3}])
def test_a_source_that_is_not_kafka_has_no_lag(latest: object) -> None:
    assert list(lags({"endOffset": latest, "latestOffset": latest})) == []


def test_a_batch_of_the_ledgers_says_outcomes_latency_and_its_clock(series: Series, clock: HandClock) -> None:
    arrived = clock.now * 1000
    topics = (
        TopicCount(PG_TRANSACTIONS, 100, 4, (arrived - 1000, arrived - 2000, arrived - 3000)),
        TopicCount(CLOCK, 9, 9),  # ticks are no records of a ledger
    )
    series.took_ledgers(BatchReport(0, 1, topics), 0.5, is_live=True, clock=datetime.fromtimestamp(clock.now - 30, UTC))
    found = values(series)
    assert (found["paylake_records_total{outcome=accepted}"], found["paylake_records_total{outcome=rejected}"]) == (96, 4)
    assert found["paylake_quarantined_ratio"] == 0.04
    latencies = [found[f"paylake_decision_latency_seconds{{quantile={q},topic=pg-transactions}}"] for q in (0.5, 0.95, 0.99)]
    assert latencies == [1, 2, 3]
    assert found["paylake_watermark_delay_seconds"] == 30
    series.took_ledgers(BatchReport(0, 2, (topics[0],)), 0.5, is_live=False, clock=None)
    assert values(series)["paylake_decision_latency_seconds{quantile=0.99,topic=pg-transactions}"] == 0.5


def test_a_batch_of_scores_says_anomaly_types_and_how_many_are_flagged(series: Series) -> None:
    series.took_scores(ScoreReport(1, {"normal": 90, "fraudulent": 10}, signals=3, labels=2, rejected=5), 1.0)
    series.took_scores(ScoreReport(2), 1.0)
    found = values(series)
    bands = {band: found[f"paylake_fraud_scored_total{{band={band}}}"] for band in ("normal", "suspicious", "fraudulent")}
    assert bands == {"normal": 90, "suspicious": 0, "fraudulent": 10}
    assert found["paylake_fraud_flagged_ratio"] == 0.1
    assert found["paylake_records_total{outcome=accepted}"] == 105
    assert found["paylake_quarantined_ratio"] == pytest.approx(5 / 110)


@pytest.fixture
def published(clock: HandClock) -> Series:
    """The series of a driver that publishes to two stores."""
    pulse = Pulse(timedelta(minutes=5), timedelta(minutes=10), clock, ("redis", "postgres"))
    return Series("publish_scores", pulse, clock)


def test_each_store_says_what_it_took_how_late_and_when(published: Series, clock: HandClock) -> None:
    said = values(published)
    assert (
        said["paylake_serving_payments_total{store=redis}"] == said["paylake_serving_write_errors_total{store=redis}"] == 0
    )
    published.took_published("redis", 3, datetime.fromtimestamp(clock.now - 7, UTC))
    published.not_published("postgres")
    clock.now += 5
    published.progressed(PROGRESS, "redis")
    said = values(published)
    assert said["paylake_serving_payments_total{store=redis}"] == 3
    assert said["paylake_serving_write_errors_total{store=postgres}"] == 1
    assert said["paylake_serving_delay_seconds{store=redis}"] == 7
    through = [said[f"paylake_serving_through_timestamp_seconds{{store={store}}}"] for store in ("redis", "postgres")]
    assert through == [clock.now, clock.now - 5]
    published.idle("redis")
    assert values(published)["paylake_serving_delay_seconds{store=redis}"] == 0


def test_what_spark_says_of_a_query_is_said_of_its_store(published: Series) -> None:
    listener = ProgressListener(published)
    for number, store in enumerate(("redis", "postgres"), 1):
        ids = {"id": str(UUID(int=number)), "runId": str(UUID(int=9))}
        listener.onQueryStarted(QueryStartedEvent.fromJson({**ids, "name": store, "timestamp": "2026-01-15T00:00:00Z"}))
        listener.onQueryIdle(QueryIdleEvent.fromJson({**ids, "timestamp": "2026-01-15T00:00:00Z"}))
    assert published.pulse.verdict()[0]
    ended = {"id": str(UUID(int=2)), "runId": str(UUID(int=9)), "exception": "away", "errorClassOnException": None}
    listener.onQueryTerminated(QueryTerminatedEvent.fromJson(ended))
    assert published.pulse.verdict() == (False, "The query postgres has ended.")


def test_a_driver_that_publishes_nothing_has_no_series_of_stores(series: Series) -> None:
    series.idle()
    assert not [name for name in values(series) if "serving" in name]


def test_open_breaks_and_judged_payments_are_those_of_the_last_run(series: Series) -> None:
    series.found({("AMOUNT_MISMATCH", "High"): 3}, {("scorecard", "1", "caught"): 8, ("scorecard", "1", "missed"): 2})
    series.found({("MISSING_LEG", "Low"): 1}, {("scorecard", "1", "caught"): 9})
    found = {name: value for name, value in values(series).items() if "breaks" in name or "judged" in name}
    assert found == {
        "paylake_recon_breaks{kind=MISSING_LEG,severity=Low}": 1,
        "paylake_fraud_judged_payments{model=scorecard,outcome=caught,version=1}": 9,
    }


def test_a_query_that_was_asked_to_stop_has_not_failed(series: Series) -> None:
    listener = ProgressListener(series)
    ids = {"id": str(UUID(int=1)), "runId": str(UUID(int=2))}
    listener.onQueryStarted(QueryStartedEvent.fromJson({**ids, "name": None, "timestamp": "2026-01-15T00:00:00Z"}))
    assert values(series)["paylake_stream_active"] == 1
    for exception, failures in ((None, 0), ("paylake.streams.StopAsked: 7", 0), ("Connection refused", 1)):
        said = {**ids, "exception": exception, "errorClassOnException": None}
        listener.onQueryTerminated(QueryTerminatedEvent.fromJson(said))
        assert values(series)["paylake_stream_failures_total"] == failures
    assert values(series)["paylake_stream_active"] == 0


# --- what a nightly run proved ---


def proof(currency: str, control: str | None, matched: str, outcome: str, received: str = "10.50") -> Proof:
    """A proof of which only matched money and the source's own total can be wrong."""
    nothing = Tally(0, Decimal(0))
    return Proof(
        "core", currency, Tally(3, Decimal(control)) if control else None, Tally(3, Decimal(received)),
        Tally(2, Decimal(matched)), Tally(1, Decimal("0.50")), nothing, nothing, nothing, 0, outcome, None,
    )  # fmt: skip


def controls(*proofs: Proof, is_published: bool = True) -> Controls:
    run = Run("r", date(2026, 1, 15), "2026-01-16 00:30:00.000", is_published, None, 0, 1)
    return Controls(run, proofs, Offsets(1, 3, 0, 0, ()), {"late": 2})


@pytest.mark.parametrize(
    ("one", "minor_units"),
    [
        (proof("INR", "10.50", "10.00", "closed"), 0),
        (proof("INR", None, "10.00", "closed"), 0),
        (proof("INR", "10.51", "10.00", "closed with exceptions"), 0),
        (proof("INR", "10.51", "10.00", "failed"), 1),
        (proof("INR", None, "7.00", "failed"), 300),
        (proof("JPY", "12.5", "10.00", "failed"), 2),
        (proof("KWD", "10.5005", "10.00", "failed"), 1),  # less than a minor unit is money too
        (proof("INR", "10.50", "10.00", "failed"), 0),  # fails by its records
    ],
)
def test_money_that_is_missing_is_counted_in_minor_units(one: Proof, minor_units: int) -> None:
    assert difference(one) == minor_units


def test_what_a_run_proved_replaces_what_the_one_before_did(series: Series) -> None:
    elsewhere = replace(proof("USD", None, "10.00", "closed"), source="mobile")
    series.proved(controls(proof("INR", None, "7.00", "failed"), elsewhere, is_published=False))
    found = values(series)
    assert found["paylake_recon_proved_records{outcome=matched,source=mobile}"] == 2
    assert found["paylake_recon_control_difference_minor_units{currency=INR}"] == 300
    assert found["paylake_recon_control_difference_minor_units{currency=USD}"] == 0
    assert found["paylake_recon_failed_proofs{job=nightly}"] == 1
    assert "paylake_batch_last_success_timestamp_seconds{job=nightly}" not in found

    series.proved(controls(proof("INR", None, "10.00", "closed")))
    found = values(series)
    assert found["paylake_recon_control_difference_minor_units{currency=INR}"] == 0
    assert "paylake_recon_control_difference_minor_units{currency=USD}" not in found
    assert found["paylake_recon_failed_proofs{job=nightly}"] == 0
    assert found["paylake_recon_proved_records{outcome=matched,source=core}"] == 2
    assert not any("source=mobile" in name for name in found)
    assert found["paylake_recon_differing_transactions{job=nightly}"] == 2
    ended = datetime(2026, 1, 16, 0, 30, tzinfo=UTC).timestamp()
    assert found["paylake_batch_last_success_timestamp_seconds{job=nightly}"] == ended


# --- the port ---


@pytest.fixture
def server(series: Series) -> Iterator[HealthServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serving(series, "127.0.0.1", port) as running:
        yield running


def ask(server: HealthServer, path: str) -> tuple[int, str, str]:
    """Status, content type and body."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()
    finally:
        connection.close()


def test_the_port_answers_probes_and_prometheus(server: HealthServer, series: Series, clock: HandClock) -> None:
    assert ask(server, "/live")[0] == 200
    assert ask(server, "/ready") == (503, "text/plain; charset=utf-8", "The query has not started yet.\n")
    series.started()
    series.progressed(PROGRESS)
    assert ask(server, "/ready?verbose")[::2] == (200, "The last batch ended 0 s ago.\n")
    clock.now += 3600
    assert ask(server, "/ready")[0] == 503
    assert ask(server, "/live")[0] == 200
    status, content_type, body = ask(server, "/metrics")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'paylake_stream_seconds_since_last_batch{query="reconcile_ledgers"} 3600.0' in body
    assert ask(server, "/") == (404, "text/plain; charset=utf-8", "Here are /live, /ready and /metrics.\n")


def test_a_port_in_use_is_said_in_a_sentence(server: HealthServer, series: Series) -> None:
    sentence = rf"--health-port: 127.0.0.1:{server.server_port} cannot be used \(Address already in use\); choose another"
    with pytest.raises(SettingsError, match=sentence), serving(series, "127.0.0.1", server.server_port):
        pass
    with pytest.raises(SettingsError, match="--health-port"), serving(series, "127.0.0.1", 123_456):
        pass


# --- rules, dashboards, runbooks ---

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "infra" / "monitoring"
OTHERS = {"process_resident_memory_bytes", "up"}


def alerts() -> list[dict[str, Any]]:
    """Every alert of the rules."""
    groups = [
        g for file in sorted((MONITORING / "rules").glob("*.yaml")) for g in yaml.safe_load(file.read_text())["groups"]
    ]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def questions() -> dict[str, str]:
    """Every expression of rules and dashboards, by where it stands."""
    found = {}
    for file in sorted((MONITORING / "rules").glob("*.yaml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            found |= {f"{file.name}, {rule.get('alert') or rule['record']}": rule["expr"] for rule in group["rules"]}
    for file in sorted((MONITORING / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            found |= {f"{file.name}, {panel['title']}, {one['refId']}": one["expr"] for one in panel["targets"]}
    return found


def test_every_alert_has_a_severity_a_runbook_and_both_kinds_of_test() -> None:
    names = [one["alert"] for one in alerts()]
    assert len(names) == len(set(names)) >= 15
    comes, stays_away = set(), set()
    for file in (MONITORING / "tests").glob("*.yaml"):
        for group in yaml.safe_load(file.read_text())["tests"]:
            for case in group["alert_rule_test"]:
                (comes if case["exp_alerts"] else stays_away).add(case["alertname"])
    assert comes == set(names)
    assert stays_away == set(names) - {"Watchdog"}
    assert {one["alert"]: one["labels"]["severity"] for one in alerts()}.items() >= {"MoneyNotConserved": "page"}.items()
    assert {one["labels"]["severity"] for one in alerts()} == {"page", "ticket", "none"}


def test_every_driver_that_says_nothing_is_missed() -> None:
    jobs = [path.read_text() for path in sorted((ROOT / "jobs" / "streaming").glob("*.py"))]
    queries = {found for text in jobs for found in re.findall(r'watched\(\s*spark, settings, "(\w+)"', text)}
    (absent,) = [one["expr"] for one in alerts() if one["alert"] == "StreamAbsent"]
    assert set(re.findall(r'absent\(paylake_stream_ready\{query="(\w+)"\}\)', absent)) == queries
    assert len(queries) == len(jobs)


def test_every_runbook_is_one_of_an_alert_and_the_other_way_round() -> None:
    runbooks = {path.relative_to(ROOT).as_posix() for path in (ROOT / "infra" / "runbooks").glob("*.md")}
    assert runbooks - {"infra/runbooks/README.md"} == {one["annotations"]["runbook_url"] for one in alerts()}
    for one in alerts():
        assert one["alert"] in (ROOT / one["annotations"]["runbook_url"]).read_text().splitlines()[0]


def test_rules_and_dashboards_ask_for_series_that_there_are(series: Series) -> None:
    series.has_executors(2, lambda: 1.0)
    said = set()
    for metric in series.registry.collect():
        said |= {metric.name, f"{metric.name}_total", *(f"{metric.name}_{part}" for part in ("bucket", "count", "sum"))}
    # the API's program needs packages that a driver does without
    for name in re.findall(r'"(paylake_api_\w+)"', (ROOT / "libs" / "paylake" / "serve.py").read_text()):
        said |= {name, f"{name}_bucket"}
    recorded = {where.split(", ")[1] for where in questions() if where.split(", ")[1].startswith("paylake:")}
    missing = {
        f"{where}: {name}"
        for where, expression in questions().items()
        for name in re.findall(r"\b(?:paylake|process)[_:][\w:]+", expression)
        if name not in said | recorded | OTHERS
    }
    assert len(questions()) > 40
    assert not missing
