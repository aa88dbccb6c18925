"""A driver that publishes to real servers says of each how it is: when it took something, and when it was away."""

from __future__ import annotations

import signal
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pyspark.sql import SparkSession

from paylake import tables
from paylake.contracts import BREAKS, FRAUD_INDEX, FRAUD_PARTIAL, RUN_CONTROLS
from paylake.health import JUDGED_DAYS, executors, judged_payments, open_breaks
from tests.builders import rows
from tests.slow import support, test_sinks
from tests.slow.test_sinks import TestServer, free_port
from tests.unit.sinks.scored_payments import alerting, scored

cache, postgres = test_sinks.cache, test_sinks.postgres

LEFT = {
    ("AMOUNT_MISMATCH", "High", "OPEN"): 2,
    ("AMOUNT_MISMATCH", "High", "RESOLVED"): 1,
    ("MISSING_LEG", "Low", "REOPENED"): 1,
}
"""Breaks of a lake: kind, severity and state -> how many."""


def said(port: int, path: str) -> tuple[int, str]:
    """What the driver answers; 0 where nobody does."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def value(port: int, series: str, **labels: str) -> float | None:
    """A sample of its metrics; None where there is none."""
    for family in text_string_to_metric_families(said(port, "/metrics")[1]):
        for sample in family.samples:
            if sample.name == series and labels.items() <= sample.labels.items():
                return sample.value
    return None


@pytest.fixture
def lake_of_two(spark: SparkSession, tmp_path: Path) -> str:
    """A lake with two scored payments."""
    lake = str(tmp_path / "lake")
    tables.create(spark, lake, FRAUD_PARTIAL)
    tables.append(rows(spark, FRAUD_PARTIAL, alerting("t1"), scored("t2", offset=1)), lake, FRAUD_PARTIAL)
    return lake


def test_a_publisher_says_which_of_its_servers_is_away(
    spark: SparkSession,
    lake_of_two: str,
    tmp_path: Path,
    cache: TestServer,
    postgres: TestServer,
) -> None:
    port = free_port()
    argv = support.paylake(
        "publish-scores", "--lake", lake_of_two, "--redis", cache.url, "--postgres", postgres.url,
        "--health-port", str(port), "--patience", "5m",
    )  # fmt: skip
    with support.command(*argv, log=tmp_path / "publish.log") as driver:
        for store in ("redis", "postgres"):
            driver.wait_until(lambda s=store: value(port, "paylake_serving_payments_total", store=s) == 2, store)
        driver.wait_until(lambda: said(port, "/ready")[0] == 200, "ready")
        driver.wait_until(lambda: value(port, "paylake_serving_delay_seconds", store="redis") == 0, "nothing waits")

        postgres.kill()
        tables.append(rows(spark, FRAUD_PARTIAL, alerting("t3", batch=1)), lake_of_two, FRAUD_PARTIAL)
        driver.wait_until(lambda: value(port, "paylake_serving_payments_total", store="redis") == 3, "redis goes on")
        driver.wait_until(
            lambda: (value(port, "paylake_serving_write_errors_total", store="postgres") or 0) > 0, "postgres is away"
        )
        assert value(port, "paylake_serving_write_errors_total", store="redis") == 0
        postgres.start()
        driver.wait_until(lambda: value(port, "paylake_serving_payments_total", store="postgres") == 3, "it comes back")
        assert value(port, "paylake_stream_active", query="publish_scores") == 1
        driver.signal(signal.SIGTERM)
        assert driver.wait(120) in (0, 128 + signal.SIGTERM), driver.text
    assert "Traceback" not in driver.text


def test_breaks_and_judged_payments_are_counted_as_the_lake_holds_them(spark: SparkSession, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    assert executors(spark) == 0, "a session of one process has none"
    assert open_breaks(spark, lake) == {}
    tables.create(spark, lake, BREAKS, RUN_CONTROLS, FRAUD_INDEX)
    breaks = [
        {"break_id": f"{kind} {state} {n}", "kind": kind, "severity": severity, "state": state}
        for (kind, severity, state), count in LEFT.items()
        for n in range(count)
    ]
    tables.append(rows(spark, BREAKS, *breaks), lake, BREAKS)
    assert open_breaks(spark, lake) == {("AMOUNT_MISMATCH", "High"): 2, ("MISSING_LEG", "Low"): 1}

    run = {"run_id": "2026-01-15/1", "business_date": support.DAY, "row_kind": "PUBLISHED"}
    tables.append(rows(spark, RUN_CONTROLS, run), lake, RUN_CONTROLS)
    known = {"run_id": run["run_id"], "business_date": support.DAY, "model_name": "scorecard", "model_version": "1"}
    known |= {"closed_by_run_id": None, "valid_to": None, "is_current": True}
    outcomes = [("fraudulent", "FRAUD"), ("suspicious", "FRAUD"), ("normal", "FRAUD"), ("fraudulent", "GENUINE")]
    judged = [
        known | {"transaction_id": f"t{n}", "anomaly_type": found, "label": label}
        for n, (found, label) in enumerate([*outcomes, ("fraudulent", None)])
    ]
    tables.append(rows(spark, FRAUD_INDEX, *judged), lake, FRAUD_INDEX)
    of_model = ("scorecard", "1")
    assert judged_payments(spark, lake, support.DAY - JUDGED_DAYS) == {
        (*of_model, "caught"): 2,
        (*of_model, "missed"): 1,
        (*of_model, "false_alarm"): 1,
    }
    assert judged_payments(spark, lake, support.DAY) == {}
