"""A stream that is killed, asked to stop, or robbed of its checkpoint ends with what an undisturbed one has."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from paylake.errors import SourceError
from paylake.ledger_driver import LedgerDriver, Schedule
from paylake.reconcile import BatchReport, Horizon
from paylake.reconciliation.rules import Rules
from tests.slow import support
from tests.slow.conftest import Waiting

SMALL_BATCHES = ("--max-offsets-per-trigger", "300")
SEED = 7
ROUND_OF_BATCHES_S = 4.0
"""A kill comes at a random moment of this many seconds after a batch: between any two writes of the next ones."""

STOPS_WITHIN_S = 120.0


def checkpoint(lake: Path, generation: int = 1) -> Path:
    return lake / "checkpoints" / "reconcile_ledgers" / f"generation={generation}"


def batches(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def test_two_kills_at_any_moment_neither_lose_nor_double_anything(
    spark: SparkSession, waiting: Waiting, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    lake = str(tmp_path / "lake")
    argv = support.stream(waiting.kafka, lake, waiting.key, "--available-now")
    for life in ("lost with its machine", "killed alone"):
        with support.command(*argv, *SMALL_BATCHES, log=tmp_path / f"{life}.log") as killed:
            killed.wait_for(r"batch \d+: ")
            time.sleep(chance.uniform(0, ROUND_OF_BATCHES_S))
            assert killed.process.poll() is None, f"it was done before it was killed:\n{killed.text}"
            if life == "lost with its machine":
                killed.kill_all()
            else:  # the JVM notices by itself that nobody speaks to it any more
                killed.signal(signal.SIGKILL)
                assert killed.wait(30) == -signal.SIGKILL
                assert killed.left_behind(within_s=60) == []
    with support.command(*argv, log=tmp_path / "last.log") as last:
        assert last.wait() == 0, last.text
        assert last.left_behind() == []
        assert last.records() < waiting.records, "the killed ones had done nothing"

    assert support.stream_contents(spark, lake) == waiting.contents


def test_sigterm_ends_the_running_batch_and_the_next_start_goes_on(
    spark: SparkSession, waiting: Waiting, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    argv = support.stream(waiting.kafka, str(lake), waiting.key)
    with support.command(*argv, "--interval", "1s", *SMALL_BATCHES, log=tmp_path / "stream.log") as asked:
        asked.wait_for(r"batch 1: ")
        asked.signal(signal.SIGTERM)
        assert asked.wait(STOPS_WITHIN_S) in (0, 128 + signal.SIGTERM), asked.text
        assert asked.left_behind() == []
        assert "Asked to stop (SIGTERM)" in asked.text
        assert "Traceback" not in asked.text
        taken = asked.records()
    assert 0 < taken < waiting.records
    planned, committed = batches(checkpoint(lake) / "offsets"), batches(checkpoint(lake) / "commits")
    # one more may be planned, which the next start takes as it is; nothing of it was written
    assert planned[: len(committed)] == committed
    assert len(planned) - len(committed) <= 1

    with support.command(*argv, "--available-now", log=tmp_path / "next.log") as following:
        assert following.wait() == 0, following.text
        assert following.records() == waiting.records - taken
    assert support.stream_contents(spark, str(lake)) == waiting.contents


@pytest.mark.thorough
def test_a_lost_checkpoint_is_said_in_a_sentence_and_recover_goes_on(
    spark: SparkSession, waiting: Waiting, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    argv = support.stream(waiting.kafka, str(lake), waiting.key, "--available-now")
    with support.command(*argv, *SMALL_BATCHES, log=tmp_path / "first.log") as killed:
        killed.wait_for(r"batch 1: ")
        killed.kill_all()
    shutil.rmtree(lake / "checkpoints")

    with support.command(*argv, log=tmp_path / "without.log") as refused:
        assert refused.wait() == 1, refused.text
        said = refused.text.strip().splitlines()[-1]
    assert said.startswith("paylake: Batch 0 of the checkpoint does not follow batch ")
    assert said.endswith("Run `paylake stream --recover` to go on from the lake's offsets.")
    assert "Traceback" not in refused.text

    with support.command(*argv, "--recover", log=tmp_path / "recovered.log") as recovered:
        assert recovered.wait() == 0, recovered.text
    assert support.stream_contents(spark, str(lake)) == waiting.contents
    assert batches(checkpoint(lake, generation=2) / "commits")


class Crash(Exception):
    """What a test throws between two batches."""


@pytest.mark.thorough
def test_a_checkpoint_that_is_lost_after_the_first_batch_loses_no_record(
    spark: SparkSession, waiting: Waiting, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"

    def crash(report: BatchReport, seconds: float) -> None:
        raise Crash

    first = LedgerDriver.open(spark, waiting.kafka, str(lake), "", str(waiting.key), Rules(), Horizon())
    first.on_batch = crash
    small = Schedule(available_now=True, max_offsets_per_trigger=300, driver_ticks=False)
    with support.signals_kept(), pytest.raises(SourceError, match="Crash"):
        first.run(small)
    assert first.stream.state.batch == 0
    shutil.rmtree(lake / "checkpoints")

    try:
        support.stream_here(spark, waiting.kafka, str(lake), waiting.key, "--ticks", "elsewhere")
    except SourceError:
        support.stream_here(spark, waiting.kafka, str(lake), waiting.key, "--ticks", "elsewhere", "--recover")

    assert support.stream_contents(spark, str(lake)) == waiting.contents
