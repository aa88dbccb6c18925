"""A missing record is sent to its ledger's replay topic, once; its break stays open until the ledger has its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kafka import KafkaConsumer
from pyspark.sql import SparkSession

from paylake import broker, cli, resolutions, tables
from paylake.contracts import BREAKS, LEDGER_ENTRIES
from paylake.resolution.life import Limits
from tests.builders import NOON
from tests.jobs.test_resolutions import BOOKS, RUN, D, fill

MISSING = {**next(b for b in BOOKS if b["break_id"] == "missing"), "transaction_id": "t1"}


@pytest.mark.slow
def test_a_replay_is_sent_once_with_its_key_and_ends_no_break(
    spark: SparkSession, lake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(spark, lake, BREAKS, MISSING)
    sent = {"transaction_id": "t1", "card_token": "secret", "status": "SUCCESS"}
    fill(spark, lake, LEDGER_ENTRIES, {**sent, "offset": 7}, {**sent, "source": "mobile", "topic": "mobile-transactions"})
    with broker.running(tmp_path / "broker") as cluster:
        flags = ["--lake", lake, "--bootstrap-servers", cluster.bootstrap_servers]
        replay = ["breaks", "replay", *flags, "--break", "missing", "--ledger", "core", "--who", "asha", "--why", "lost"]
        assert cli.main(replay) == 0
        assert capsys.readouterr().out.startswith("replayed to cbs-transactions-replay with the key replay-missing-core")
        assert cli.main(replay) == 2
        assert "was replayed to core already" in capsys.readouterr().err
        consumer = KafkaConsumer(
            "cbs-transactions-replay", bootstrap_servers=cluster.bootstrap_servers, auto_offset_reset="earliest",
            consumer_timeout_ms=5_000,
        )  # fmt: skip
        records = list(consumer)
        consumer.close()
        (record,) = records
    assert record.key == b"t1"
    assert record.headers == [("idempotency-key", b"replay-missing-core")]
    said = json.loads(record.value)
    assert (said["transaction_id"], said["amount"], said["idempotency_key"], said["replayed_from"]) == (
        "t1", "100.0000", "replay-missing-core", "pg-transactions/1/7",
    )  # fmt: skip
    assert said["timestamp"] == "2026-03-31T12:00:00.000000Z"
    assert "secret" not in record.value.decode()
    resolutions.settle(spark, lake, D, RUN, NOON, Limits())
    (row,) = tables.read(spark, lake, BREAKS).collect()
    assert (row["state"], row["replayed_to"]) == ("OPEN", "core")
