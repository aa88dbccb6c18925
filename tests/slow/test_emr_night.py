"""The night's jobs that read no Kafka, under the releases that EMR runs: files, reviews, quality, catalog."""

from __future__ import annotations

import json
import site
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from paylake.contracts import ALL
from paylake.contracts.views import VIEWS
from paylake.jars import find_jars
from tests.slow import support

PYTHON = support.ROOT / ".venv-emr" / "bin" / "python"


def test_the_twin_runs_the_jobs_of_the_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "spark").symlink_to(find_jars("emr"))
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        glue = "http://{}:{}".format(*server.get_host_and_port())
        # what the batch image has beside EMR's own comes from here, after the twin's Spark, Delta and pandas
        argv = (PYTHON, "tests/slow/emr_night.py", tmp_path / "work", glue, site.getsitepackages()[0])
        with support.command(*argv, log=tmp_path / "night.log", jars=tmp_path / "jars") as night:
            assert night.wait() == 0, night.text
            assert night.left_behind() == []
        registered = boto3.client("glue", region_name="us-east-1", endpoint_url=glue)
        pages = registered.get_paginator("get_tables").paginate(DatabaseName="paylake")
        names = {table["Name"] for page in pages for table in page["TableList"]}
    finally:
        server.stop()

    said = json.loads(night.text.strip().rpartition("\n")[2])
    assert said["spark"] == "4.0.2"
    assert said["codes"] == {"quality": 0, "catalog": 0}
    assert names == {source.name for source in (*ALL, *VIEWS)}
    expected = {"statement_files": 4, "statements": 2, "merchants": 2, "dimension_deliveries": 3, "fraud_review_queue": 2}
    assert {name: said["rows"].get(name) for name in expected} == expected, said
    assert (tmp_path / "work" / "quality" / "data_docs" / "index.html").is_file()
