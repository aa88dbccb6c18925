"""Three brokers with three copies of each record: one is lost while banks produce and the stream reads."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake import tables
from paylake.contracts import LEDGER_ENTRIES, QUARANTINE
from paylake.contracts.topics import TOPIC_LEDGERS
from paylake.report.score import score
from paylake.simulation import FaultRates, Plan, publish
from paylake.token_key import create_key_file
from paylake.topics import end_offsets
from tests.slow import support

PLAN = Plan(payments=900, seed=42, chaos=0.4, faults=FaultRates(0.02, 0.02, 0.0, 0.02))


@pytest.mark.thorough
def test_a_broker_that_is_lost_while_records_are_sent_and_read_costs_no_record(spark: SparkSession, tmp_path: Path) -> None:
    key, lake, killed = tmp_path / "token.key", str(tmp_path / "lake"), []
    create_key_file(key)
    with support.kafka_with_topics(tmp_path / "brokers", brokers=3) as cluster:
        kafka = cluster.kafka

        def lose_a_broker(done: int, planned: int) -> None:
            if not killed and done > planned // 3:
                stream.wait_for(r"batch 0: ")
                os.kill(cluster.pid(2), signal.SIGKILL)
                killed.append(done)

        argv = support.stream(kafka, lake, key, "--interval", "1s")
        with support.command(*argv, log=tmp_path / "stream.log") as stream:
            sent = publish(PLAN, kafka, tmp_path / "truth", lose_a_broker).records
            ends = end_offsets(kafka, list(TOPIC_LEDGERS))
            arrived = sum(sum(parts.values()) for parts in ends.values())
            stream.wait_until(lambda: stream.records() == arrived, f"{arrived} records were taken")
            stream.signal(signal.SIGTERM)
            assert stream.wait(120) in (0, 128 + signal.SIGTERM), stream.text
        support.stream_here(spark, kafka, lake, key, "--ticks", "elsewhere")

    assert killed
    assert killed[0] < PLAN.payments
    assert arrived >= sent, "the cluster lost what it had confirmed"
    stored = tables.read(spark, lake, LEDGER_ENTRIES).select(*support.PLACE).unionByName(
        tables.read(spark, lake, QUARANTINE).select(*support.PLACE)
    )  # fmt: skip
    per_partition = stored.groupBy("topic", "partition").agg(
        F.count("*").alias("n"), F.countDistinct("offset").alias("distinct"), F.max("offset").alias("last")
    )
    found = {(r["topic"], r["partition"]): (r["n"], r["distinct"], r["last"] + 1) for r in per_partition.collect()}
    assert found == {(t, p): (end, end, end) for t, parts in ends.items() for p, end in parts.items() if end}
    scored = score(support.decisions(spark, lake), spark.read.parquet(str(tmp_path / "truth" / "payments")))
    assert scored.is_perfect, [k for k in scored.kinds if not k.expected == k.predicted == k.right]
