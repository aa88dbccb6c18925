"""The night's jobs that read no Kafka, under EMR's releases: files, reviews, quality, catalog, publishing, maintenance."""

from __future__ import annotations

import json
import site
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from paylake.contracts import ALL
from paylake.contracts.views import VIEWS
from paylake.jars import find_jars
from tests.slow import support
from tests.slow.test_publish_serving import MONEY, PREFIX, dynamodb  # noqa: F401

PYTHON = support.ROOT / ".venv-emr" / "bin" / "python"


def test_the_twin_runs_the_jobs_of_the_night(tmp_path: Path, dynamodb: tuple[Any, ThreadedMotoServer]) -> None:  # noqa: F811
    dynamo, server = dynamodb
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "spark").symlink_to(find_jars("emr"))
    glue = "http://{}:{}".format(*server.get_host_and_port())
    # what the batch image has beside EMR's own comes from here, after the twin's Spark, Delta and pandas
    argv = (PYTHON, "tests/slow/emr_night.py", tmp_path / "work", glue, site.getsitepackages()[0])
    with support.command(*argv, log=tmp_path / "night.log", jars=tmp_path / "jars") as night:
        assert night.wait() == 0, night.text
        assert night.left_behind() == []
    registered = boto3.client("glue", region_name="us-east-1", endpoint_url=glue)
    pages = registered.get_paginator("get_tables").paginate(DatabaseName="paylake")
    names = {table["Name"] for page in pages for table in page["TableList"]}
    (published,) = dynamo.scan(TableName=f"{PREFIX}merchant-totals")["Items"]

    said = json.loads(night.text.strip().rpartition("\n")[2])
    assert said["spark"] == "4.0.2"
    assert said["codes"] == {"quality": 0, "catalog": 0}
    assert said["erased"] == {"rows": 0, "files": 0}
    assert published["approved_amount"] == {"S": format(MONEY, "f")}
    assert names == {source.name for source in (*ALL, *VIEWS)}
    expected = {"statement_files": 4, "statements": 2, "merchants": 2, "dimension_deliveries": 3, "fraud_review_queue": 2}
    assert {name: said["rows"].get(name) for name in expected} == expected, said
    assert (tmp_path / "work" / "quality" / "data_docs" / "index.html").is_file()
