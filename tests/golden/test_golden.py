"""Scenarios that finance can read: what three ledgers wrote, minute by minute, and what the stream must say of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake import tables
from paylake.contracts import RECONCILIATION_PARTIAL
from tests.builders import NOON, as_dicts
from tests.stream_harness import Log, Reader, feed, open_stream

SCENARIOS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(Path(__file__).parent.glob("*.yaml"))}
MINUTES = 4
"""The minutes of a scenario; each ends with a tick, and a leg is missing at the second tick that finds it so."""

UNLESS_STATED: dict[str, Any] = {
    "kind": None, "reasons": [], "severity": None, "owner": None, "difference_amount": None,
    "business_date": NOON.date(),
}  # fmt: skip
"""`is_late` is compared where a scenario states it."""


@pytest.fixture(scope="module")
def said(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every scenario in one stream, since they share the clock and nothing else; a batch is a minute."""
    lake, log = str(tmp_path_factory.mktemp("golden") / "lake"), Log()
    stream, reader = open_stream(spark, lake), Reader(log)
    for minute in range(MINUTES):
        for name, scenario in SCENARIOS.items():
            for r in scenario["records"]:
                if r["minute"] == minute:
                    log.post(
                        r["ledger"], name, r["amount"], at=r.get("booked", NOON.isoformat()),
                        arrives=NOON + timedelta(minutes=minute), currency=r.get("currency", "INR"),
                    )  # fmt: skip
        log.tick(NOON + timedelta(minutes=minute))
        feed(stream, *reader.take())
    partial = tables.read(spark, lake, RECONCILIATION_PARTIAL).withColumn("minute", F.col("batch").cast("int"))
    return as_dicts(partial, "transaction_id", "minute", "version", "status", "is_late", *UNLESS_STATED)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_stream_says_what_the_scenario_expects(said: list[dict[str, Any]], name: str) -> None:
    expected = [
        {**UNLESS_STATED, **words, "version": number} for number, words in enumerate(SCENARIOS[name]["says"], start=1)
    ]
    for words in expected:
        difference = words["difference_amount"]
        words["difference_amount"] = None if difference is None else Decimal(difference)
    found = sorted((r for r in said if r["transaction_id"] == name), key=lambda r: r["version"])
    assert len(found) == len(expected)
    assert [{k: r[k] for k in words} for r, words in zip(found, expected, strict=True)] == expected


def test_no_scenario_is_left_out(said: list[dict[str, Any]]) -> None:
    assert {r["transaction_id"] for r in said} == set(SCENARIOS)
    assert max(r["minute"] for s in SCENARIOS.values() for r in s["records"]) < MINUTES
