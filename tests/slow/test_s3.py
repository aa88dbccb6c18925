"""The stream, with its checkpoint, and the nightly jobs on an object store: S3A against a local S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
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
from tests.slow import support
from tests.slow.conftest import Waiting

BUCKET = "ledgers"
REGION = "us-east-1"
ON_S3_WITHIN_S = 900.0
INDEXES = "transaction_flags,settlement_schedule"
"""One that is replaced by date, and one that is replaced whole: the others are written as one of these."""


@dataclass(frozen=True)
class Store:
    """A bucket, as Spark and as boto3 reach it."""

    endpoint: str

    @property
    def conf(self) -> dict[str, str]:
        """What Spark needs to know of it."""
        settings = {
            "endpoint": self.endpoint,
            "endpoint.region": REGION,
            "access.key": "nobody",
            "secret.key": "nothing",
            "path.style.access": "true",
            "connection.ssl.enabled": "false",
        }
        return {f"spark.hadoop.fs.s3a.{name}": value for name, value in settings.items()}

    def download(self, folder: Path) -> set[str]:
        """Every object as a file below `folder`; returns the keys."""
        keys = set()
        for page in self._client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for item in page.get("Contents", ()):
                keys.add(item["Key"])
                if not item["Key"].endswith("/"):
                    path = folder / item["Key"]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    self._client().download_file(BUCKET, item["Key"], str(path))
        return keys

    def create(self) -> None:
        """Make the bucket."""
        self._client().create_bucket(Bucket=BUCKET)

    def _client(self):  # type: ignore[no-untyped-def]
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=REGION,
            aws_access_key_id="nobody", aws_secret_access_key="nothing",
        )  # fmt: skip


@pytest.fixture
def store() -> Iterator[Store]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        found = Store(f"http://{host}:{port}")
        found.create()
        yield found
    finally:
        server.stop()


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
    lake, place = f"s3a://{BUCKET}/lake", {"conf": store.conf, "jars": jars}
    argv = support.stream(waiting.kafka, lake, waiting.key, "--checkpoint", f"s3a://{BUCKET}/checkpoints")
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

    keys = store.download(tmp_path / "s3")
    assert any(key.startswith("checkpoints/generation=1/commits/") for key in keys)
    remote, local = str(tmp_path / "s3" / "lake"), waiting.undisturbed_lake
    assert support.stream_contents(spark, remote) == waiting.contents
    support.nightly_here(spark, waiting.kafka, local, INDEXES)
    for contract in (BATCH_INDEX, RECONCILIATION_INDEX, BREAKS, AGGREGATE_INDEX, TRANSACTION_FLAGS, SETTLEMENT_SCHEDULE):
        there, here = (support.said(spark, place, contract) for place in (remote, local))
        assert there == here, contract.name
        assert here[0] > 0, contract.name
    outcomes = tables.read(spark, remote, RUN_CONTROLS).where("row_kind = 'PUBLISHED'").collect()
    assert [row["outcome"] for row in outcomes] in (["closed"], ["closed with exceptions"])
