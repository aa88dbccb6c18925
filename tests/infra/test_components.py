"""The page of components against the contracts: each table has one writer, each topic is known, what is derived is fresh."""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest

from infra import contracts_file
from paylake.contracts import ALL
from paylake.contracts.topics import REPLAY_SUFFIX, TOPICS
from tests.infra import tools

pytestmark = pytest.mark.infra

SPARK_OF_RELEASE = {"emr-spark-8.0.0": "4.0.2"}
"""EMR's release -> its Spark, as EMR's release guide has it."""

AROUND = """\
variable "cluster_enabled" {
  type    = bool
  default = false
}

locals {
  contracts = jsondecode(file("${path.module}/contracts.json"))
}

output "components" {
  value = local.components
}

output "teams" {
  value = local.teams
}
"""
"""What the page needs of the stack around it."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """components and teams, as Terraform reads them."""
    folder = tmp_path_factory.mktemp("components")
    for name in ("components.tf", "contracts.json"):
        shutil.copy(tools.CONFIGURATION / "stack" / name, folder)
    (folder / "around.tf").write_text(AROUND, encoding="utf-8")
    root = tools.terraform(folder, folder)
    root("init", "-input=false")
    root("plan", "-input=false", "-out=page.tfplan")
    outputs = root.show("page.tfplan")["planned_values"]["outputs"]
    return {name: output["value"] for name, output in outputs.items()}


def test_what_terraform_knows_of_the_contracts_is_up_to_date() -> None:
    told = contracts_file.FILE.read_text(encoding="utf-8")
    assert told == contracts_file.text(), "Run .venv/bin/python infra/contracts_file.py and commit what it writes."


def test_each_table_has_one_writer(page: dict[str, Any]) -> None:
    writers = {
        contract.path: {
            name
            for name, component in page["components"].items()
            if any(f"{contract.path}/".startswith(p) for p in component.get("lake_writes", ()))
        }
        for contract in ALL
    }
    assert {path: names for path, names in writers.items() if len(names) != 1} == {}


def test_every_pod_that_reaches_aws_has_a_role(page: dict[str, Any]) -> None:
    manifests = (tools.REPOSITORY / "k8s" / "base").rglob("*.yaml")
    accounts = {
        name
        for path in manifests
        for name in re.findall(r"^\s+serviceAccountName: ([\w-]+)$", path.read_text("utf-8"), re.M)
    }
    known = {c["service_account"]["name"] for c in page["components"].values() if c.get("service_account")}
    assert len(accounts) >= 5
    assert accounts <= known


def test_the_topics_are_those_of_the_contracts(page: dict[str, Any]) -> None:
    named = {
        topic
        for component in page["components"].values()
        for use in ("topics_read", "topics_written", "topics_created")
        for topic in component.get(use, ())
    }
    assert named <= {*TOPICS, *(f"{name}{REPLAY_SUFFIX}" for name in TOPICS)}
    assert set(TOPICS) <= named


def test_emr_has_the_spark_of_the_twin() -> None:
    told = (tools.CONFIGURATION / "stack" / "variables.tf").read_text(encoding="utf-8")
    (label,) = re.findall(r'default\s+= "(emr-[\w.-]+)"', told)
    (spark,) = re.findall(r"<emr\.spark\.version>([\d.]+)<", (tools.REPOSITORY / "pom.xml").read_text(encoding="utf-8"))
    assert SPARK_OF_RELEASE[label] == spark


def test_the_teams_of_the_questions_have_roles(page: dict[str, Any]) -> None:
    assert len(page["teams"]) == 8
    assert {team for team, t in page["teams"].items() if "restricted" in t["reads"]} == {"compliance"}


def test_a_view_is_as_closed_as_what_it_rests_on() -> None:
    tables = contracts_file.described()["tables"]
    assert tables["v_aml_alert"] == tables["aml_alert"] == "restricted"
    assert tables["quarantine"] == "card"
    assert tables["v_aggregate_index"] == "internal"
    assert contracts_file.card_columns()["ledger_entries"] == ["card_token", "card_bin", "card_last4"]
