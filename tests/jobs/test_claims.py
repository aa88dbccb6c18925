"""Two drivers of one stream: whichever step the earlier one sleeps at, it may not harm what the later one wrote."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pyspark.sql import SparkSession

from paylake import claims, storage, tables
from paylake.contracts import LEDGER_ENTRIES, OPEN_ITEMS, RECONCILIATION_PARTIAL
from paylake.errors import SourceError
from paylake.reconcile import Horizon, LedgerStream
from paylake.reconciliation.rules import Rules
from tests.builders import NOON
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


@pytest.mark.parametrize("step", ["records parsed", "items decided", "items committed"])
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


def test_claims_that_were_lost_are_not_claimed_again(spark: SparkSession, lake: str) -> None:
    tables.create(spark, lake, OPEN_ITEMS)
    first, second = (claims.claim(spark, lake, OPEN_ITEMS, "then", "there") for _ in range(2))
    assert first.number < second.number
    folder = tables.location(lake, OPEN_ITEMS) + "/_drivers"
    storage.remove(spark, folder)
    third = claims.claim(spark, lake, OPEN_ITEMS, "then", "there")
    assert third.number > second.number
    third.check()
