"""What a cluster gets once, before the first release: nodes that come and go."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.support import KUBERNETES, ROOT, Manifest, infra_tool, named, of_kind, pod_of, run

pytestmark = pytest.mark.infra

IMAGE = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/paylake-dev/cluster-autoscaler@sha256:{'a' * 64}"
TERRAFORM = ROOT / "infra" / "terraform"


@pytest.fixture(scope="module")
def rendered() -> str:
    return run(ROOT / "k8s" / "cluster.sh", "paylake-dev", "eu-central-1", IMAGE)


@pytest.fixture(scope="module")
def resources(rendered: str) -> list[Manifest]:
    return list(yaml.safe_load_all(rendered))


def test_kubernetes_knows_every_field_and_checkov_finds_nothing(
    rendered: str, resources: list[Manifest], tmp_path: Path
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(rendered, encoding="utf-8")
    told = run(infra_tool("kubernetes-validate"), "--strict", "-k", KUBERNETES, file)
    assert told.count("INFO") == len(resources)
    found = json.loads(
        run(
            infra_tool("checkov"), "--framework", "kubernetes", "--file", file,
            "--config-file", ROOT / "k8s" / ".checkov.yaml", "--skip-download", "--output", "json", code=None,
        )
    )  # fmt: skip
    assert [(c["check_id"], c["resource"]) for c in found["results"]["failed_checks"]] == []
    assert found["summary"]["resource_count"] >= len(resources)


def test_it_finds_the_node_groups_that_terraform_tags(resources: list[Manifest]) -> None:
    (container,) = pod_of(named(resources, "Deployment", "cluster-autoscaler"))["spec"]["containers"]
    (asked,) = [a.partition("asg:tag=")[2].split(",") for a in container["args"] if "auto-discovery" in a]
    groups = (TERRAFORM / "modules" / "compute" / "eks.tf").read_text(encoding="utf-8")
    tagged = {
        tag.replace("${var.name}", "paylake-dev") for tag in re.findall(r'"(k8s\.io/cluster-autoscaler/\S+)" +=', groups)
    }
    assert set(asked) == tagged
    assert container["image"] == IMAGE
    assert {"name": "AWS_REGION", "value": "eu-central-1"} in container["env"]


def test_it_is_who_terraform_lets_move_them(resources: list[Manifest]) -> None:
    (account,) = of_kind(resources, "ServiceAccount")
    page = (TERRAFORM / "stack" / "components.tf").read_text(encoding="utf-8")
    said = f'{{ namespace = "{account["metadata"]["namespace"]}", name = "{account["metadata"]["name"]}" }}'
    assert f"service_account = {said}\n      scales_nodes    = true" in page


def test_it_reads_what_it_sees_and_changes_only_nodes_and_what_runs_on_them(resources: list[Manifest]) -> None:
    (role,) = of_kind(resources, "ClusterRole")
    changed = {
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if verb not in ("get", "list", "watch")
    }
    assert changed == {
        ("nodes", "update"), ("pods/eviction", "create"), ("pods/status", "update"),
        ("events", "create"), ("events", "patch"),
    }  # fmt: skip
    assert not {"secrets", "configmaps", "*"} & {r for rule in role["rules"] for r in rule["resources"]}


def test_the_copied_image_is_of_the_clusters_release() -> None:
    mirrored = re.search(r"^tag=v(\d+\.\d+)\.\d+$", (ROOT / "docker" / "mirror.sh").read_text(encoding="utf-8"), re.M)
    asked = re.search(
        r'variable "eks_version" \{.*?default +=\s*"([\d.]+)"',
        (TERRAFORM / "modules" / "compute" / "variables.tf").read_text(encoding="utf-8"),
        re.S,
    )
    assert mirrored
    assert asked
    assert mirrored[1] == asked[1] == KUBERNETES


@pytest.mark.parametrize("image", ["paylake/cluster-autoscaler:v1.34.3", "cluster-autoscaler"])
def test_an_image_without_a_digest_is_refused(image: str) -> None:
    said = run(ROOT / "k8s" / "cluster.sh", "paylake-dev", "eu-central-1", image, code=2)
    assert said == f"cluster.sh: {image} names no digest; give REGISTRY/NAME@sha256:DIGEST, as docker/mirror.sh says it.\n"
