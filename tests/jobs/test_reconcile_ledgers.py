"""The ledgers' stream, batch by batch: truth, time, and records that come again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from paylake import tables
from paylake.contracts import LEDGER_ENTRIES, OPEN_ITEMS, RECONCILIATION_PARTIAL
from paylake.contracts.topics import CBS_TRANSACTIONS, LEDGER_TOPICS
from paylake.reconcile import Horizon
from tests import stream_harness as harness
from tests.builders import NOON, as_dicts, by_key
from tests.stream_harness import Log, Reader, Simulated, feed, latest, open_stream


def after(minutes: float = 0, seconds: float = 0) -> datetime:
    return NOON + timedelta(minutes=minutes, seconds=seconds)


# Truth


@pytest.fixture(scope="module")
def day(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return harness.simulated(spark, tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def said(spark: SparkSession, day: Simulated) -> dict[str, dict[str, Any]]:
    return by_key(latest(spark, day.lake))


@pytest.mark.slow
def test_the_stream_gives_every_leg_its_true_amount_and_every_payment_its_date(
    day: Simulated, said: dict[str, dict[str, Any]]
) -> None:
    facts = ("gateway_amount", "core_amount", "mobile_amount", "business_date")
    expected = {k: tuple(t[f] for f in facts) for k, t in day.truth.items() if t["expected_kind"] != "INVISIBLE"}
    assert {k: tuple(row[f] for f in facts) for k, row in said.items()} == expected


# Time, and several records of one payment: one log in which many payments tell their stories

LATE_WINDOW = Horizon(late_window=timedelta(minutes=10))
DEADLINE_BATCH, SLOW_BATCH = 2, 1


class Story:
    """What the stream said and kept, batch by batch."""

    def __init__(self, spark: SparkSession, lake: str, log: Log, commits: list[int]) -> None:
        self.said = as_dicts(
            tables.read(spark, lake, RECONCILIATION_PARTIAL),
            "transaction_id", "batch", "version", "status", "kind", "reasons", "is_late", "business_date", "decided_at",
        )  # fmt: skip
        self.items = [as_dicts(tables.read(spark, lake, OPEN_ITEMS, v)) for v in commits]
        self.entries = as_dicts(tables.read(spark, lake, LEDGER_ENTRIES), "topic", "partition", "offset")
        self.log = log

    def of(self, transaction_id: str, *columns: str) -> list[tuple[Any, ...]]:
        rows = sorted((r for r in self.said if r["transaction_id"] == transaction_id), key=lambda r: r["batch"])
        return [tuple(r[c] for c in (columns or ("batch", "version", "status", "kind"))) for r in rows]

    def open_after(self, batch: int) -> dict[str, str]:
        return {r["transaction_id"]: r["status"] for r in self.items[batch] if r["is_open"]}


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Story:
    lake, log = str(tmp_path_factory.mktemp("story") / "lake"), Log()
    stream, reader, commits = open_stream(spark, lake, horizon=LATE_WINDOW), Reader(log), []

    def take(**how: Any) -> None:
        feed(stream, *reader.take(**how))
        commits.append(tables.last_commit(spark, lake, OPEN_ITEMS).version)

    # 0: noon. Complete payments at awkward times; some that are incomplete; a mobile ledger two minutes ahead
    log.post("gateway", "midnight", at="2026-03-31T23:59:59+00:00", arrives=NOON)
    log.post("core", "midnight", at="2026-04-01T00:00:01+00:00", arrives=NOON)
    log.post("mobile", "midnight", at="2026-04-01T00:00:02+00:00", arrives=NOON)
    log.post("gateway", "gateway next day", at="2026-04-01T00:00:01+00:00", arrives=NOON)
    log.pay("gateway next day", without=["gateway"], at="2026-03-31T23:59:58+00:00", arrives=NOON)
    log.post("gateway", "summer time begins", at="2026-03-29T01:59:59+01:00", arrives=NOON)
    log.pay("summer time begins", without=["gateway"], at="2026-03-29T03:00:01+02:00", arrives=NOON)
    autumn = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    log.post("gateway", "summer time ends", at="2026-10-25T02:59:59+02:00", arrives=autumn)
    log.pay("summer time ends", without=["gateway"], at="2026-10-25T02:00:02+01:00", arrives=autumn)
    log.post("gateway", "an hour off", at="2026-10-25T02:30:00+02:00", arrives=autumn)
    log.pay("an hour off", without=["gateway"], at="2026-10-25T02:30:00+01:00", arrives=autumn)
    for name in ("waits", "never completed", "late leg", "late leg of two"):
        log.post("gateway", name)
    log.post("mobile", "late leg")
    log.post("mobile", "ahead", at=after(minutes=2), arrives=after(minutes=2))
    log.post("gateway", "slow", partition=0)
    log.post("mobile", "slow", partition=0)
    for name in ("updated", "updated before", "posted again", "redelivered", "other currency"):
        log.pay(name, without=["core"])
    log.post("core", "updated before", status="PENDING")
    log.post("core", "updated before", status="POSTED")
    for name in ("updated", "posted again", "redelivered", "other currency"):
        log.post("core", name)
    log.tick(NOON)
    take()

    # 1: forty seconds later, but a partition answers slowly: its records wait unread while the tick is read
    log.post("core", "slow", partition=1, at=after(seconds=1))
    log.tick(after(seconds=40))
    take(leaving=[(CBS_TRANSACTIONS, 1)])

    # 2: the slow partition is read
    take()

    # 3: late legs, updates, second postings, redeliveries
    log.post("core", "late leg", at=NOON, arrives=after(minutes=3))
    log.post("core", "late leg of two", at=NOON, arrives=after(minutes=3))
    log.post("core", "ahead", at=after(minutes=2), arrives=after(minutes=2))
    log.post("gateway", "ahead", at=after(minutes=2), arrives=after(minutes=2))
    for ledger in ("gateway", "core", "mobile"):
        log.post(ledger, "updated", status="REFUNDED", at=after(minutes=3))
    log.post("mobile", "posted again", amount="100.01", at=after(minutes=3))
    log.post("mobile", "other currency", currency="USD", at=after(minutes=3))
    log.post("mobile", "redelivered")
    log.post("gateway", "redelivered")
    log.tick(after(minutes=3))
    take()

    # 4: the same words again; all topics fall silent after it
    log.post("core", "redelivered")
    log.post("mobile", "posted again", amount="100.01", at=after(minutes=3))
    log.post("gateway", "silence")
    log.tick(after(minutes=4))
    take()

    # 5: nothing but a tick; 6: the late window of what was missing at noon is over
    log.tick(after(minutes=5))
    take()
    log.tick(after(minutes=11))
    take()
    return Story(spark, lake, log, commits)


def test_legs_around_midnight_make_one_payment_with_the_gateways_date(story: Story) -> None:
    assert story.of("midnight", "version", "status", "business_date") == [(1, "MATCHED", datetime(2026, 3, 31).date())]


def test_a_gateway_leg_on_the_next_day_dates_the_payment(story: Story) -> None:
    expected = [(1, "MATCHED", datetime(2026, 4, 1).date())]
    assert story.of("gateway next day", "version", "status", "business_date") == expected


def test_two_seconds_across_a_change_of_the_clocks_are_two_seconds(story: Story) -> None:
    assert story.of("summer time begins", "status", "reasons") == [("MATCHED", [])]
    assert story.of("summer time ends", "status", "reasons") == [("MATCHED", [])]


def test_the_same_wall_clock_time_before_and_after_the_change_is_an_hour_apart(story: Story) -> None:
    assert story.of("an hour off", "status", "kind") == [("WARNING", "TIMESTAMP_DRIFT")]


def test_a_ledger_two_minutes_ahead_expires_nobody(story: Story) -> None:
    assert story.open_after(0) == dict.fromkeys(
        ["waits", "never completed", "late leg", "late leg of two", "ahead", "slow"], "PENDING"
    )
    assert {r["batch"] for r in story.said if r["transaction_id"] == "waits"} == {DEADLINE_BATCH}


def test_a_tick_does_not_count_while_a_partition_is_unread(story: Story) -> None:
    assert [r for r in story.said if r["batch"] == SLOW_BATCH] == []
    assert story.open_after(SLOW_BATCH) == story.open_after(0)


def test_a_payment_of_a_slow_partition_never_was_missing(story: Story) -> None:
    assert story.of("slow") == [(DEADLINE_BATCH, 1, "MATCHED", None)]


def test_once_everything_is_read_the_deadline_decides_by_the_ticks_time(story: Story) -> None:
    assert story.of("waits", "batch", "status", "decided_at")[:1] == [
        (DEADLINE_BATCH, "CRITICAL_MISSING", after(seconds=40).replace(tzinfo=None))
    ]
    assert story.of("late leg")[:1] == [(DEADLINE_BATCH, 1, "MISSING_CBS", "MISSING_CBS")]


def test_a_late_leg_resolves_the_break_with_a_new_version_that_says_so(story: Story) -> None:
    assert story.of("late leg", "batch", "version", "status", "is_late") == [
        (2, 1, "MISSING_CBS", False),
        (3, 2, "MATCHED", True),
    ]


def test_a_late_leg_that_leaves_another_missing_makes_a_new_version(story: Story) -> None:
    assert story.of("late leg of two", "batch", "version", "kind") == [
        (2, 1, "CRITICAL_MISSING"),
        (3, 2, "MISSING_MOBILE"),
    ]


def test_ticks_alone_expire_a_payment_while_every_topic_is_silent(story: Story) -> None:
    assert story.open_after(4)["silence"] == "PENDING"
    assert story.of("silence") == [(5, 1, "CRITICAL_MISSING", "CRITICAL_MISSING")]


def test_after_the_late_window_an_item_is_no_longer_kept(story: Story) -> None:
    assert story.open_after(5) == dict.fromkeys(["waits", "never completed", "silence"], "CRITICAL_MISSING") | {
        "late leg of two": "MISSING_MOBILE"
    }
    assert story.open_after(6) == {"silence": "CRITICAL_MISSING"}


def test_a_status_further_along_before_the_match_is_one_decision(story: Story) -> None:
    assert story.of("updated before") == [(0, 1, "MATCHED", None)]


def test_a_status_further_along_after_the_match_is_a_new_version(story: Story) -> None:
    assert story.of("updated") == [(0, 1, "MATCHED", None), (3, 2, "MATCHED", None)]


def test_another_amount_after_the_match_is_a_duplicate_posting_said_once(story: Story) -> None:
    expected = [(0, 1, "MATCHED", None), (3, 2, "MISMATCH", "DUPLICATE_POSTING")]
    assert story.of("posted again") == expected
    assert story.of("other currency") == expected


def test_an_identical_redelivery_after_the_match_adds_no_version_and_no_item(story: Story) -> None:
    assert story.of("redelivered") == [(0, 1, "MATCHED", None)]
    assert [i for batch in (3, 4) for i in story.items[batch] if i["transaction_id"] == "redelivered"] == []


def test_every_record_of_the_story_is_kept_once_also_the_redeliveries(story: Story) -> None:
    sent = [(r.topic, r.partition, r.offset) for r in story.log.records if r.topic in LEDGER_TOPICS.values()]
    assert sorted((e["topic"], e["partition"], e["offset"]) for e in story.entries) == sorted(sent)
