"""A record that was put right in quarantine enters again, and its break closes."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession

from paylake import tables
from paylake.contracts import BREAKS, LEDGER_ENTRIES, QUARANTINE, RUN_CONTROLS
from paylake.settings import KafkaSettings
from paylake.simulation import FaultRates, Plan, publish
from paylake.token_key import create_key_file
from tests.slow import support

PLAN = Plan(payments=150, seed=5, chaos=0.0, faults=FaultRates(0.0, 0.0, 0.0, 0.1))


def breaks(spark: SparkSession, lake: str) -> dict[str, tuple[str, list[str]]]:
    rows = tables.read(spark, lake, BREAKS).collect()
    return {r["transaction_id"]: (r["state"], r["quarantined_legs"]) for r in rows}


def take_everything(spark: SparkSession, kafka: KafkaSettings, lake: str, key: Path) -> None:
    support.stream_here(spark, kafka, lake, key, "--ticks", "elsewhere")
    support.nightly_here(spark, kafka, lake)


def test_a_released_record_references_the_old_one_and_closes_its_break(spark: SparkSession, tmp_path: Path) -> None:
    key, lake = tmp_path / "token.key", str(tmp_path / "lake")
    create_key_file(key)
    with support.kafka_with_topics(tmp_path / "broker") as cluster:
        publish(PLAN, cluster.kafka, tmp_path / "truth")
        take_everything(spark, cluster.kafka, lake, key)
        before = breaks(spark, lake)
        bad = next(
            r
            for r in tables.read(spark, lake, QUARANTINE).orderBy("topic", "partition", "offset").collect()
            if set(r["_failed_checks"]) <= {"status_present", "status_known"} and r["transaction_id"] in before
        )
        payment, place = bad["transaction_id"], f"{bad['topic']}/{bad['partition']}/{bad['offset']}"
        assert before[payment] == ("OPEN", [bad["source"]])

        argv = support.paylake("quarantine", "release", "--lake", lake, "--record", place)
        correction = ("--correct", '{"status": "SUCCESS", "card_number": null}')
        servers = ("--bootstrap-servers", cluster.kafka.bootstrap_servers)
        with support.command(*argv, *correction, *servers, log=tmp_path / "release.log") as release:
            assert release.wait() == 0, release.text
        assert f"released {place}: sent to {bad['topic']}" in release.text
        take_everything(spark, cluster.kafka, lake, key)

    entered = tables.read(spark, lake, LEDGER_ENTRIES).where("released_from IS NOT NULL").collect()
    assert [(r["transaction_id"], r["released_from"]) for r in entered] == [(payment, place)]
    assert breaks(spark, lake) == {**before, payment: ("RESOLVED", before[payment][1])}
    published = tables.read(spark, lake, RUN_CONTROLS).where("row_kind = 'PUBLISHED'").collect()
    assert sorted(r["run_id"] for r in published) == [f"{support.DAY}-001", f"{support.DAY}-002"]
