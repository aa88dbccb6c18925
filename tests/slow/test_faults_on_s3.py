"""The stream on an S3 that refuses, dawdles and loses its answers; a second driver; a key that may not be read."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake import tables
from paylake.contracts import (
    AGGREGATE_INDEX,
    BATCH_INDEX,
    BREAKS,
    LEDGER_ENTRIES,
    QUARANTINE,
    RECONCILIATION_INDEX,
    RUN_CONTROLS,
)
from paylake.jars import find_jars
from paylake.simulation import generate
from tests.faulty_s3 import LOST, Fault, Store, faulty_s3
from tests.jobs.test_cards import cards_in, decoded, plausible_cards, windows
from tests.slow import support
from tests.slow.conftest import PLAN, Waiting

SEED = 12
ENDS_WITHIN_S = 420.0
COMMITS = frozenset({"_delta_log", "offsets", "commits"})
"""Folders whose objects say that something is done."""
CHECKPOINT_MANAGER = "org.apache.spark.internal.io.cloud.AbortableStreamBasedCheckpointFileManager"
JAVA_STACK = re.compile(r"^\s+at [\w.$]+\(|Traceback", re.MULTILINE)


@pytest.fixture(scope="session")
def jars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of jars with which Spark speaks Delta, Kafka and S3, and keeps checkpoints there as production does."""
    folder = tmp_path_factory.mktemp("jars")
    (folder / "spark").mkdir()
    for name in ("spark", "s3", "checkpoints"):
        for jar in find_jars(name).glob("*.jar"):
            (folder / "spark" / jar.name).symlink_to(jar)
    return folder


def conf(store: Store) -> dict[str, str]:
    """Spark's settings for the store, and production's way of writing checkpoints."""
    return {**store.conf, "spark.sql.streaming.checkpointFileManagerClass": CHECKPOINT_MANAGER}


def downloaded(store: Store, folder: Path) -> str:
    """The lake of the store as a folder."""
    store.download(folder)
    return str(folder / "lake")


def totals(spark: SparkSession, lake: str) -> list[tuple[object, ...]]:
    """Records and amount by source and currency: what the ledgers were proven to have sent."""
    rows = tables.read(spark, lake, LEDGER_ENTRIES).groupBy("source", "currency")
    return sorted(map(tuple, rows.agg(F.count("*"), F.sum("amount")).collect()))


def assert_every_record_once(spark: SparkSession, lake: str, waiting: Waiting) -> None:
    """Each offset lies in raw or in quarantine, in one row; and all is said as an undisturbed stream says it."""
    places = [tables.read(spark, lake, contract).select(*support.PLACE) for contract in (LEDGER_ENTRIES, QUARANTINE)]
    both = places[0].unionByName(places[1])
    assert (both.count(), both.distinct().count()) == (waiting.records, waiting.records)
    assert support.stream_contents(spark, lake) == waiting.contents
    assert totals(spark, lake) == totals(spark, waiting.undisturbed_lake)


def said_last(text: str) -> str:
    """The sentence with which a command ended; fails where it told a stack."""
    assert JAVA_STACK.search(text) is None, text
    return text.strip().splitlines()[-1]


def test_a_fifth_of_all_requests_fails_and_every_batch_is_committed_once(
    spark: SparkSession, waiting: Waiting, jars: Path, tmp_path: Path
) -> None:
    with faulty_s3(SEED, loses=COMMITS) as store:
        flags = ("--checkpoint", f"s3a://{store.bucket}/checkpoints", "--max-offsets-per-trigger", "1000")
        argv = support.stream(waiting.kafka, f"s3a://{store.bucket}/lake", waiting.key, "--available-now", *flags)
        with support.command(*argv, log=tmp_path / "stream.log", conf=conf(store), jars=jars) as stream:
            assert stream.wait(ENDS_WITHIN_S) == 0, stream.text
            assert stream.records() == waiting.records
        lake = downloaded(store, tmp_path / "s3")
    layer = store.layer
    assert 0.15 < len(layer.spoilt) / layer.requests < 0.25
    assert set(layer.counts()) == set(Fault)
    lost = {Path(s.path).parent.name for s in layer.spoilt if s.fault in LOST and s.method == "PUT"}
    assert lost >= COMMITS
    assert set(layer.creations.values()) == {1}
    assert_every_record_once(spark, lake, waiting)


def test_of_two_drivers_the_earlier_ends_with_a_sentence_and_the_table_is_right(
    spark: SparkSession, waiting: Waiting, jars: Path, tmp_path: Path
) -> None:
    with faulty_s3(SEED, share=0.0) as store:
        place = {"conf": conf(store), "jars": jars}
        flags, small = ("--checkpoint", f"s3a://{store.bucket}/checkpoints"), ("--max-offsets-per-trigger", "150")
        argv = support.stream(waiting.kafka, f"s3a://{store.bucket}/lake", waiting.key, *flags)
        with support.command(*argv, "--interval", "1s", *small, log=tmp_path / "first.log", **place) as first:
            first.wait_for(r"batch 0: ")
            with support.command(*argv, "--available-now", log=tmp_path / "second.log", **place) as second:
                assert first.wait(ENDS_WITHIN_S) == 1, first.text
                assert second.wait(ENDS_WITHIN_S) == 0, second.text
        lake = downloaded(store, tmp_path / "s3")
    assert re.fullmatch(
        r"paylake: Another driver, started at \S+ on .+, has taken over \S+/partial/open_items; this one stops, and the "
        r"other does what it had begun\. Keep one of them\.",
        said_last(first.text),
    )
    assert 0 < first.records() < waiting.records
    assert JAVA_STACK.search(second.text) is None
    assert_every_record_once(spark, lake, waiting)


@pytest.mark.thorough
def test_a_store_that_is_away_is_waited_for_and_then_told_in_a_sentence(
    spark: SparkSession, waiting: Waiting, jars: Path, tmp_path: Path
) -> None:
    away = (Fault.INTERNAL_ERROR, Fault.SLOW_DOWN, Fault.LOST_ANSWER, Fault.CUT)
    impatient = {"attempts.maximum": "1", "retry.limit": "1", "retry.throttle.limit": "1", "retry.interval": "100ms"}
    with faulty_s3(SEED, share=0.0, faults=away) as store:
        place = {**conf(store), **{f"spark.hadoop.fs.s3a.{name}": value for name, value in impatient.items()}}
        flags = ("--checkpoint", f"s3a://{store.bucket}/checkpoints", "--patience", "20s")
        argv = support.stream(waiting.kafka, f"s3a://{store.bucket}/lake", waiting.key, *flags)
        some = ("--interval", "1s", "--max-offsets-per-trigger", "600")
        with support.command(*argv, *some, log=tmp_path / "away.log", conf=place, jars=jars) as stream:
            stream.wait_for(r"batch 0: ")
            store.layer.share = 1.0
            stream.wait_for("The lake's storage does not answer; trying again")
            store.layer.share = 0.0
            stream.wait_for(r"batch 2: ")
            store.layer.share = 1.0
            assert stream.wait(ENDS_WITHIN_S) == 1, stream.text
        store.layer.share = 0.0
        with support.command(*argv, "--available-now", log=tmp_path / "back.log", conf=place, jars=jars) as back:
            assert back.wait(ENDS_WITHIN_S) == 0, back.text
        lake = downloaded(store, tmp_path / "s3")
    assert said_last(stream.text).endswith(": it goes on where it stopped.")
    assert_every_record_once(spark, lake, waiting)


@pytest.mark.thorough
def test_a_nightly_run_among_the_same_faults_publishes_once(
    spark: SparkSession, waiting: Waiting, jars: Path, tmp_path: Path
) -> None:
    ours = str(tmp_path / "ours")
    shutil.copytree(waiting.undisturbed_lake, ours, ignore=shutil.ignore_patterns("checkpoints", "final"))
    with faulty_s3(SEED) as store:
        store.upload(Path(ours), "lake")
        flags = support.nightly_flags(waiting.kafka, f"s3a://{store.bucket}/lake")
        nightly = support.paylake("nightly", *flags, "--run-at", support.RUN_AT, "--indexes", "none")
        with support.command(*nightly, log=tmp_path / "nightly.log", conf=conf(store), jars=jars) as night:
            assert night.wait(ENDS_WITHIN_S * 2) == 0, night.text
        assert set(store.layer.counts()) == set(Fault)
        lake = downloaded(store, tmp_path / "s3")
    support.nightly_here(spark, waiting.kafka, ours)
    for contract in (BATCH_INDEX, RECONCILIATION_INDEX, BREAKS, AGGREGATE_INDEX):
        assert support.said(spark, lake, contract) == support.said(spark, ours, contract), contract.name
    published = tables.read(spark, lake, RUN_CONTROLS).where("row_kind = 'PUBLISHED'").collect()
    assert len(published) == 1


# a process of its own, since a session cannot take the jars of S3A once it runs
ACTS = """
import json, sys
from datetime import UTC, datetime
from paylake import act_store
from paylake.contracts.resolution import ActKind
from paylake.resolution.acts import Act
from paylake.session import build_session

spark = build_session("acts", json.loads(sys.argv[1]))
lake = sys.argv[2]
acts = [Act(ActKind.REPLAY, f"b{n}", "asha", datetime(2026, 3, 31, tzinfo=UTC), "lost", ledger="core") for n in range(6)]
for act in acts:
    act_store.write(spark, lake, act)
for act in acts:
    try:
        act_store.write(spark, lake, act)
    except act_store.ActExists:
        continue
    raise AssertionError(act)
assert act_store.read(spark, lake, ["replay-b1-core"]) == {"replay-b1-core": acts[1].to_json()}
print("written once, and known as ours")
"""


def test_an_act_whose_answer_is_lost_is_known_as_our_own(jars: Path, tmp_path: Path) -> None:
    written: set[str] = set()

    def is_first_write(method: str, path: str) -> bool:
        if method != "PUT" or path in written:
            return False
        written.add(path)
        return True

    with faulty_s3(SEED, share=1.0, faults=LOST, spoils=is_first_write) as store:
        script = tmp_path / "acts.py"
        script.write_text(ACTS, encoding="utf-8")
        argv = (sys.executable, script, json.dumps(conf(store)), f"s3a://{store.bucket}/lake")
        with support.command(*argv, log=tmp_path / "acts.log", jars=jars) as acts:
            assert acts.wait(ENDS_WITHIN_S) == 0, acts.text
    assert "written once, and known as ours" in acts.text
    assert set(store.layer.counts("PUT")) == set(LOST)
    assert len(store.layer.creations) == 6
    assert set(store.layer.creations.values()) == {1}


def test_a_denied_key_stops_the_stream_and_no_card_number_rests_anywhere(
    spark: SparkSession, waiting: Waiting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, events = tmp_path / "place", tmp_path / "place" / "events"
    events.mkdir(parents=True)
    lake, logged = str(place / "lake"), {"spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri()}
    with faulty_s3(SEED, share=0.0) as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        store.client("secretsmanager").create_secret(Name="paylake/card", SecretBinary=waiting.key.read_bytes())
        key = Path("aws-secret:paylake/card")
        argv = support.stream(waiting.kafka, lake, key, "--max-offsets-per-trigger", "900")

        store.layer.key_is_denied = True
        with support.command(*argv, "--available-now", log=place / "denied.log", conf=logged) as denied:
            assert denied.wait() == 2, denied.text
        assert not Path(lake).exists()
        store.layer.key_is_denied = False
        with support.command(*argv, "--interval", "1s", log=place / "granted.log", conf=logged) as granted:
            granted.wait_for(r"batch 0: ")
            store.layer.key_is_denied = True
            granted.signal(signal.SIGTERM)
            assert granted.wait() in (0, 128 + signal.SIGTERM), granted.text
        with support.command(*argv, "--available-now", log=place / "again.log", conf=logged) as again:
            assert again.wait() == 2, again.text
            assert again.records() == 0
        for refused in (denied, again):
            assert said_last(refused.text) == (
                "paylake: AWS Secrets Manager gave no secret paylake/card (ClientError); check name and role."
            )
        assert_no_card_rests(place)
        store.layer.key_is_denied = False
        with support.command(*argv, "--available-now", log=place / "last.log", conf=logged) as last:
            assert last.wait() == 0, last.text
    assert_no_card_rests(place)
    assert_every_record_once(spark, lake, waiting)


def assert_no_card_rests(place: Path) -> None:
    """No number of a simulated card, and none that could be another's, lies in a file or a log below the place."""
    cards = set()
    for chunk in generate(PLAN):
        for value in chunk.deliveries["value"].drop_null().to_pylist():
            cards |= {card.decode() for card in re.findall(rb'"card_number":"(\d+)"', value)}
    known = windows(cards)
    assert len(known) > 100
    files = [path for path in place.rglob("*") if path.is_file()]
    parts = {part for path in files for part in path.parts}
    assert {"quarantine", "checkpoints", "events", "_delta_log", "offsets"} <= parts
    found = {}
    for path in files:
        data = path.read_bytes() + (decoded(path) if path.suffix == ".parquet" else b"")
        if hits := cards_in(data, known):
            found[path.relative_to(place)] = hits
        if path.suffix == ".log":
            assert plausible_cards(data.decode(errors="replace")) == [], path
    assert found == {}
