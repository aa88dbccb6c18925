"""Order tells nothing: however the records lie in the log, are cut into batches or shuffled, the stream ends the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake.contracts.topics import LEDGERS
from tests.builders import NOON
from tests.stream_harness import Log, latest, open_stream, run, state_hash

pytestmark = pytest.mark.slow

Post = Callable[[Log], Any]


def posts() -> list[Post]:
    """Some 60 payments: whole, incomplete, off, drifting, with updates, redeliveries and rivals that share a moment."""
    rng = random.Random(5)
    found: list[Post] = []

    def post(ledger: str, name: str, amount: str, seconds: float, **fields: Any) -> None:
        found.append(lambda log: log.post(ledger, name, amount, at=NOON + timedelta(seconds=seconds), **fields))

    for n in range(60):
        name, amount = f"payment {n}", f"{rng.randint(100, 99999) / 100:.2f}"
        for ledger in rng.sample(LEDGERS, rng.choice((1, 2, 3, 3, 3, 3))):
            post(ledger, name, amount if rng.random() < 0.8 else "77.77", rng.choice((0, 0, 1, 7)), city=ledger)
            if rng.random() < 0.3:
                post(ledger, name, amount, 0, status=rng.choice(("PENDING", "REFUNDED", "FAILED")), city="elsewhere")
            if rng.random() < 0.15:
                post(ledger, name, f"{rng.randint(1, 999)}.00", 0, currency=rng.choice(("INR", "USD")))
            if rng.random() < 0.2:
                found.append(found[-1])
    return found


@dataclass(frozen=True)
class Arrival:
    """One way in which the same posts reach the stream."""

    seed: int | None
    topic_partitions: int
    shuffle_partitions: int
    batches: int


FIRST = Arrival(None, topic_partitions=2, shuffle_partitions=2, batches=1)
OTHERS = (
    Arrival(1, topic_partitions=2, shuffle_partitions=1, batches=3),
    Arrival(2, topic_partitions=1, shuffle_partitions=7, batches=2),
    Arrival(3, topic_partitions=3, shuffle_partitions=2, batches=4),
)


def hash_of(spark: SparkSession, lake: str, how: Arrival) -> tuple[int, str]:
    """What the stream says once the closing tick is read. Ticks in between let some payments expire and resolve again."""
    spark.conf.set("spark.sql.shuffle.partitions", how.shuffle_partitions)
    order = posts()
    if how.seed is not None:
        random.Random(how.seed).shuffle(order)
    log = Log(how.topic_partitions)
    for n, post in enumerate(order, start=1):
        post(log)
        if n % 40 == 0:
            log.tick(NOON + timedelta(seconds=n))
    log.close()
    run(open_stream(spark, lake), log, [-(-len(log.records) // how.batches)])
    return state_hash(spark, lake)


@pytest.fixture(scope="module")
def expected(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str]:
    lake = str(tmp_path_factory.mktemp("first") / "lake")
    found = hash_of(spark, lake, FIRST)
    kinds = {r["kind"] for r in latest(spark, lake).select(F.coalesce("kind", F.lit("none")).alias("kind")).collect()}
    assert kinds >= {"none", "DUPLICATE_POSTING", "CRITICAL_MISSING", "AMOUNT_MISMATCH", "STATUS_MISMATCH"}, kinds
    assert found[0] == 60
    return found


@pytest.mark.parametrize(
    "how",
    [how if how.batches == 4 else pytest.param(how, marks=pytest.mark.thorough) for how in OTHERS],
    ids=lambda how: f"{how.shuffle_partitions} shuffle partitions, {how.batches} batches",
)
def test_shuffled_records_in_other_batches_end_in_the_same_state(
    spark: SparkSession, lake: str, expected: tuple[int, str], how: Arrival
) -> None:
    assert hash_of(spark, lake, how) == expected


def test_the_hash_sees_a_single_other_amount(spark: SparkSession, lake: str, expected: tuple[int, str]) -> None:
    log = Log()
    for post in posts():
        post(log)
    log.pay("payment 61")
    log.close()
    run(open_stream(spark, lake), log)
    rows, content = state_hash(spark, lake)
    assert (rows, content) != expected
    assert rows == 61
