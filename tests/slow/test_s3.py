"""The stream, with its checkpoint, and the nightly jobs on an object store: S3A against a local S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from paylake import tables
from paylake.contracts import (
    AGGREGATE_INDEX,
    BATCH_INDEX,
    BREAKS,
    RECONCILIATION_INDEX,
    RUN_CONTROLS,
    SETTLEMENT_SCHEDULE,
    TRANSACTION_FLAGS,
)
from paylake.jars import find_jars
from tests.faulty_s3 import Store, faulty_s3
from tests.slow import support
from tests.slow.conftest import Waiting

ON_S3_WITHIN_S = 900.0
INDEXES = "transaction_flags,settlement_schedule"
"""One that is replaced by date, and one that is replaced whole: the others are written as one of these."""


@pytest.fixture
def store() -> Iterator[Store]:
    """A bucket whose every request goes as asked."""
    with faulty_s3(0, share=0.0) as found:
        yield found


@pytest.fixture(scope="session")
def jars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of jars with which Spark speaks Delta, Kafka and S3."""
    folder = tmp_path_factory.mktemp("jars")
    (folder / "spark").mkdir()
    for name in ("spark", "s3"):
        for jar in find_jars(name).glob("*.jar"):
            (folder / "spark" / jar.name).symlink_to(jar)
    return folder


def test_stream_and_nightly_run_on_s3_give_the_index_of_a_local_run(
    spark: SparkSession, waiting: Waiting, store: Store, jars: Path, tmp_path: Path
) -> None:
    lake, place = f"s3a://{store.bucket}/lake", {"conf": store.conf, "jars": jars}
    argv = support.stream(waiting.kafka, lake, waiting.key, "--checkpoint", f"s3a://{store.bucket}/checkpoints")
    halves = ("--available-now", "--max-offsets-per-trigger", "1500")
    with support.command(*argv, *halves, log=tmp_path / "killed.log", **place) as killed:
        killed.wait_for(r"batch 0: ", ON_S3_WITHIN_S)
        killed.kill_all()
    with support.command(*argv, *halves, log=tmp_path / "stream.log", **place) as stream:
        assert stream.wait(ON_S3_WITHIN_S) == 0, stream.text
    flags = (*support.nightly_flags(waiting.kafka, lake), "--run-at", support.RUN_AT, "--indexes", INDEXES)
    nightly = support.paylake("nightly", *flags)
    with support.command(*nightly, log=tmp_path / "nightly.log", **place) as night:
        assert night.wait(ON_S3_WITHIN_S) == 0, night.text

    store.download(tmp_path / "s3")
    assert any((tmp_path / "s3" / "checkpoints" / "generation=1" / "commits").iterdir())
    remote, local = str(tmp_path / "s3" / "lake"), waiting.undisturbed_lake
    assert support.stream_contents(spark, remote) == waiting.contents
    support.nightly_here(spark, waiting.kafka, local, INDEXES)
    for contract in (BATCH_INDEX, RECONCILIATION_INDEX, BREAKS, AGGREGATE_INDEX, TRANSACTION_FLAGS, SETTLEMENT_SCHEDULE):
        there, here = (support.said(spark, place, contract) for place in (remote, local))
        assert there == here, contract.name
        assert here[0] > 0, contract.name
    outcomes = tables.read(spark, remote, RUN_CONTROLS).where("row_kind = 'PUBLISHED'").collect()
    assert [row["outcome"] for row in outcomes] in (["closed"], ["closed with exceptions"])
