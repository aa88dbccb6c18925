"""What the catalog asks of AWS: a registration that breaks off goes on, and each question is a named query of Athena."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws
from moto.core.exceptions import JsonRESTError
from moto.glue.models import GlueBackend

from paylake import cli
from paylake.contracts import ALL
from paylake.contracts.questions import QUESTIONS
from paylake.contracts.views import VIEWS

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "infra" / "terraform" / "stack" / "contracts.json"
MODULE = ROOT / "infra" / "terraform" / "modules" / "catalog" / "main.tf"
REGION = "eu-central-1"
REGISTER = ["catalog", "register", "--lake", "s3a://money/lake", "--region", REGION]
BY_NAME = {question.name: question for question in QUESTIONS}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account in memory."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_GLUE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield


def registered() -> set[str]:
    """The names that Glue has, over all pages."""
    pages = boto3.client("glue", region_name=REGION).get_paginator("get_tables").paginate(DatabaseName="paylake")
    return {table["Name"] for page in pages for table in page["TableList"]}


# --- paylake catalog register ---


def test_a_registration_that_broke_off_is_gone_on_with(aws: None, capsys: pytest.CaptureFixture[str]) -> None:
    create, left = GlueBackend.create_table, iter(range(10))

    def denied_after_ten(self: Any, *args: Any, **kwargs: Any) -> Any:
        if next(left, None) is None:
            raise JsonRESTError("AccessDeniedException", "Insufficient Lake Formation permission(s).")
        return create(self, *args, **kwargs)

    with patch.object(GlueBackend, "create_table", denied_after_ten):
        assert cli.main([*REGISTER, "--create-database"]) == 1
    shown = capsys.readouterr().err
    assert "AWS Glue did not do it: " in shown
    assert "Insufficient Lake Formation permission(s); what was done before stays, so run it again.\n" in shown
    assert shown.count("\n") == 1
    assert len(registered()) == 10

    assert cli.main(REGISTER) == 0
    missing = len(ALL) + len(VIEWS) - 10
    assert capsys.readouterr().out.endswith(f"paylake: {missing} created, 0 updated, 10 unchanged.\n")
    assert registered() == {source.name for source in (*ALL, *VIEWS)}


def test_athena_finds_where_each_table_lies(aws: None) -> None:
    assert cli.main([*REGISTER, "--create-database"]) == 0
    glue = boto3.client("glue", region_name=REGION)
    for contract in ALL:
        table = glue.get_table(DatabaseName="paylake", Name=contract.name)["Table"]
        assert table["StorageDescriptor"]["Location"] == f"s3://money/lake/{contract.path}/"
        keys = [key["Name"] for key in table["PartitionKeys"]]
        assert [*(c["Name"] for c in table["StorageDescriptor"]["Columns"]), *keys] == sorted(
            contract.columns, key=lambda name: (name in keys, contract.columns.index(name))
        )


# --- the workgroup's named queries ---


def argument(name: str) -> str:
    """What Terraform's module says for an argument of a named query."""
    (block,) = re.findall(r'resource "aws_athena_named_query" "question" \{\n(.*?)\n\}', MODULE.read_text(), re.DOTALL)
    (said,) = re.findall(rf"^  {name} += (.*)$", block, re.MULTILINE)
    return str(said)


def test_terraform_makes_a_named_query_of_each_question() -> None:
    told = json.loads(CONTRACTS.read_text(encoding="utf-8"))["questions"]
    assert {name: (one["team"], one["asks"], one["sql"]) for name, one in told.items()} == {
        question.name: (question.team, question.asks, question.sql) for question in QUESTIONS
    }, "run .venv/bin/python infra/contracts_file.py and commit what it writes"
    assert (argument("name"), argument("query")) == ("each.key", "each.value.sql")
    assert argument("description") == 'substr("${each.value.team}: ${each.value.asks}", 0, 1024)'


def test_athena_takes_each_of_them_and_gives_it_back(aws: None) -> None:
    athena = boto3.client("athena", region_name=REGION)
    athena.create_work_group(Name="paylake-dev", Configuration={})
    limits = athena.meta.service_model.operation_model("CreateNamedQuery").input_shape.members
    made = {}
    for question in QUESTIONS:
        said = {
            "Name": question.name,
            "Description": f"{question.team}: {question.asks}"[:1024],
            "Database": "paylake",
            "QueryString": question.sql,
        }
        for name, value in said.items():
            assert len(value) <= limits[name].metadata["max"], f"{question.name}: {name}"
        made[question.name] = athena.create_named_query(WorkGroup="paylake-dev", **said)["NamedQueryId"]

    pages = athena.get_paginator("list_named_queries").paginate(WorkGroup="paylake-dev", PaginationConfig={"PageSize": 10})
    listed = [found for page in pages for found in page["NamedQueryIds"]]
    assert sorted(listed) == sorted(made.values())
    found = [athena.get_named_query(NamedQueryId=one)["NamedQuery"] for one in listed]
    assert {one["Name"]: one["QueryString"] for one in found} == {name: one.sql for name, one in BY_NAME.items()}
    assert {one["Description"].partition(": ")[0] for one in found} == {one.team for one in QUESTIONS}
    assert {(one["Database"], one["WorkGroup"]) for one in found} == {("paylake", "paylake-dev")}
