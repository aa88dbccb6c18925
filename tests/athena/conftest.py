"""Every test of this folder asks Trino; one server and one lake serve them all."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pyspark.sql import SparkSession

from tests.athena.trino_server import trino
from tests.business_lake import build

BUCKET = "ledgers"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.athena)


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The address of Glue and S3, with an empty bucket; whoever asks AWS has keys that open nothing else."""
    # else a failed test shows thousands of requests
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("AWS_ACCESS_KEY_ID", "nobody")
        environ.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        environ.delenv("AWS_PROFILE", raising=False)
        try:
            host, port = server.get_host_and_port()
            s3(f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
            yield f"http://{host}:{port}"
        finally:
            server.stop()


def s3(aws: str) -> Any:
    """A client of the bucket."""
    return boto3.client("s3", endpoint_url=aws, region_name="us-east-1")


def upload(aws: str, lake: str, name: str) -> str:
    """Copy a lake's files into the bucket below `name`; returns its address, as `paylake` takes it."""
    client = s3(aws)
    for path in sorted(Path(lake).rglob("*")):
        if path.is_file():
            client.upload_file(str(path), BUCKET, f"{name}/{path.relative_to(lake)}")
    return f"s3a://{BUCKET}/{name}"


@pytest.fixture(scope="session")
def port(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where Trino answers."""
    with trino(tmp_path_factory.mktemp("trino"), aws) as found:
        yield found


# a Trino that is missing is told before the minutes of a lake
@pytest.fixture(scope="session")
def business_lake(port: int, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The lake with known content (`tests/business_lake.py`); nobody may write to it."""
    lake = str(tmp_path_factory.mktemp("business") / "lake")
    build(spark, lake)
    return lake
