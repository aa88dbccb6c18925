"""Two drivers of one stream: whichever step the earlier one sleeps at, it may not harm what the later one wrote."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from paylake import claims, storage, tables
from paylake.contracts import FRAUD_PARTIAL, LABELS, LEDGER_ENTRIES, OPEN_ITEMS, RECONCILIATION_PARTIAL
from paylake.errors import SourceError
from paylake.reconcile import Horizon, LedgerStream
from paylake.reconciliation.rules import Rules
from paylake.score_stream import ScoreStream
from tests.builders import NOON, rows
from tests.score_harness import label, open_scores, pay, score, scored
from tests.stream_harness import KEY, Log, Reader, feed, open_stream

SIZES = (4, 5, 6)


def driver(spark: SparkSession, lake: str, host: str) -> LedgerStream:
    """A driver's stream as a start of the job opens it."""
    stream = LedgerStream(spark, lake, Rules(), Horizon(), KEY)
    tables.create(spark, lake, OPEN_ITEMS)
    stream.claim = claims.claim(spark, lake, OPEN_ITEMS, "2026-01-15T12:00:00+00:00", host)
    stream.load_state()
    return stream


def day() -> Log:
    """Payments whose legs lie in several batches: what is decided depends on the state before."""
    log = Log()
    for n in range(4):
        log.post("gateway", f"p{n}", at=NOON + timedelta(minutes=n))
    log.post("core", "p0")
    log.post("mobile", "p0")
    log.post("core", "p1", amount="101.00", at=NOON + timedelta(minutes=1))
    log.post("mobile", "p1", at=NOON + timedelta(minutes=1))
    log.tick(NOON + timedelta(minutes=5))
    for n in (2, 3):
        log.post("core", f"p{n}", at=NOON + timedelta(minutes=n))
        log.post("mobile", f"p{n}", at=NOON + timedelta(minutes=n))
    log.post("mobile", "p1", amount="101.00", at=NOON + timedelta(minutes=1))
    log.tick(NOON + timedelta(minutes=9))
    return log


def contents(spark: SparkSession, lake: str) -> list[tuple[int, str]]:
    """Every row that the stream wrote, also its batch and version."""
    return [
        tables.content_hash(tables.read(spark, lake, contract), contract.columns)
        for contract in (LEDGER_ENTRIES, OPEN_ITEMS, RECONCILIATION_PARTIAL)
    ]


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    lake = str(tmp_path_factory.mktemp("undisturbed") / "lake")
    stream, reader = open_stream(spark, lake), Reader(day())
    for size in SIZES:
        feed(stream, *reader.take(size))
    found = contents(spark, lake)
    assert [n for n, _ in found] == [13, 3, 5]
    return found


THOROUGH = [pytest.mark.slow, pytest.mark.thorough]


@pytest.mark.parametrize(
    "step",
    ["items decided", *(pytest.param(step, marks=THOROUGH) for step in ("records parsed", "items committed"))],
)
def test_a_driver_that_sleeps_while_another_takes_over_changes_nothing_when_it_wakes(
    spark: SparkSession, lake: str, undisturbed: list[tuple[int, str]], step: str
) -> None:
    reader = Reader(day())
    batches = [reader.take(size) for size in SIZES]
    earlier = driver(spark, lake, "one")
    feed(earlier, *batches[0])

    def sleep(name: str) -> None:
        if name == step:
            later = driver(spark, lake, "two")
            feed(later, *batches[1], batch=1)
            feed(later, *batches[2], batch=2)

    def go_on() -> None:
        earlier.after_step = sleep
        feed(earlier, *batches[1])
        earlier.after_step = lambda name: None
        feed(earlier, *batches[2])

    with pytest.raises(SourceError, match=r"Another driver, started at 2026-01-15T12:00:00\+00:00 on two, has taken over"):
        go_on()
    assert contents(spark, lake) == undisturbed


def score_driver(spark: SparkSession, lake: str, host: str) -> ScoreStream:
    """A driver of the scores as a start of the job opens it."""
    tables.create(spark, lake, FRAUD_PARTIAL)
    claimed = claims.claim(spark, lake, FRAUD_PARTIAL, "2026-01-15T12:00:00+00:00", host)
    stream = open_scores(spark, lake)
    stream.claim = claimed
    return stream


@pytest.mark.slow
@pytest.mark.parametrize("step", ["labels appended", "payments scored"])
def test_a_driver_of_scores_that_sleeps_scores_nothing_when_it_wakes(spark: SparkSession, lake: str, step: str) -> None:
    log = Log()
    first = [pay(log, "t1")]
    second = [pay(log, "t2", after=9), label(log, "t1", after=60)]
    third = [pay(log, "t3", after=99)]
    earlier = score_driver(spark, lake, "one")
    score(earlier, first)

    def sleep(name: str) -> None:
        if name == step:
            later = score_driver(spark, lake, "two")
            score(later, second)
            score(later, third)

    earlier.after_step = sleep
    with pytest.raises(SourceError, match=r"Another driver, started at 2026-01-15T12:00:00\+00:00 on two, has taken over"):
        score(earlier, second)
    assert sorted(row["transaction_id"] for row in scored(spark, lake).collect()) == ["t1", "t2", "t3"]
    assert tables.read(spark, lake, LABELS).count() == 1
    assert open_scores(spark, lake).state.batch == 2


def test_what_the_driver_before_said_last_counts_although_a_claim_says_older_words_after_it(
    spark: SparkSession, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.create(spark, lake, OPEN_ITEMS)
    item = rows(spark, OPEN_ITEMS, {"transaction_id": "t1"})
    tables.overwrite(item, lake, OPEN_ITEMS, {"batch": 1})
    look = tables.last_commit

    def look_before_the_other_commits(*given: Any) -> tables.Commit:
        found = look(*given)
        monkeypatch.setattr(tables, "last_commit", look)
        tables.overwrite(item, lake, OPEN_ITEMS, {"batch": 2})
        return found

    monkeypatch.setattr(tables, "last_commit", look_before_the_other_commits)
    claims.claim(spark, lake, OPEN_ITEMS, "then", "there")
    assert look(spark, lake, OPEN_ITEMS) == tables.Commit(2, {"batch": 2})
    # the next claim says it again, and is itself what a nightly run may read
    claims.claim(spark, lake, OPEN_ITEMS, "later", "there")
    assert look(spark, lake, OPEN_ITEMS) == tables.Commit(4, {"batch": 2})


def test_claims_that_were_lost_are_not_claimed_again(spark: SparkSession, lake: str) -> None:
    tables.create(spark, lake, OPEN_ITEMS)
    first, second = (claims.claim(spark, lake, OPEN_ITEMS, "then", "there") for _ in range(2))
    assert first.number < second.number
    folder = tables.location(lake, OPEN_ITEMS) + "/_drivers"
    storage.remove(spark, folder)
    third = claims.claim(spark, lake, OPEN_ITEMS, "then", "there")
    assert third.number > second.number
    third.check()
