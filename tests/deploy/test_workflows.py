"""The workflows of GitHub: they follow its schema, nobody can slip something in, and nothing unsigned is rolled out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.support import OVERLAYS, ROOT, infra_tool, run

pytestmark = pytest.mark.infra

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(path.name for path in FOLDER.glob("*.yml"))


def workflow(name: str) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return found


def jobs(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = workflow(name)["jobs"]
    return found


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in jobs(name).values():
        yield from job.get("steps", ())


def told(name: str, job: str) -> str:
    """All that a job's steps run."""
    return "\n".join(step.get("run", step.get("uses", "")) for step in jobs(name)[job]["steps"])


def test_workflows_follow_githubs_schema(tmp_path: Path) -> None:
    check = [infra_tool("check-jsonschema"), "--builtin-schema"]
    run(*check, "vendor.github-workflows", *[FOLDER / name for name in WORKFLOWS])
    run(*check, "vendor.dependabot", ROOT / ".github" / "dependabot.yml")
    misspelt = tmp_path / "release.yml"
    misspelt.write_text((FOLDER / "release.yml").read_text("utf-8").replace("runs-on:", "run-on:", 1), "utf-8")
    run(*check, "vendor.github-workflows", misspelt, code=1)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_action_is_pinned_to_a_commit(name: str) -> None:
    used = [step["uses"] for step in steps(name) if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action)] == []
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert re.findall(r"@[0-9a-f]{40}(?! # v?\d+\.\d+\.\d+$)", text, re.MULTILINE) == [], "a commit without its version"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nothing_of_an_event_becomes_a_part_of_a_script(name: str) -> None:
    assert [step["run"] for step in steps(name) if "${{" in step.get("run", "")] == []
    triggers = workflow(name)[True]
    assert not {"pull_request_target", "workflow_run"} & set(triggers)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_job_may_read_and_no_more_unless_it_says_why(name: str) -> None:
    assert workflow(name)["permissions"] == {"contents": "read"}
    for job in jobs(name).values():
        assert job.get("permissions", {}) in ({}, {"contents": "read", "id-token": "write"})
        assert "timeout-minutes" in job or "uses" in job
    for step in steps(name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_no_secret_of_aws_lies_at_github() -> None:
    for name in WORKFLOWS:
        assert "secrets." not in (FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_scripts_are_sound(name: str, tmp_path: Path) -> None:
    for number, step in enumerate(steps(name)):
        if "run" in step:
            script = tmp_path / f"{number}.sh"
            script.write_text(f"#!/usr/bin/env bash\nset -e\n{step['run']}\n", encoding="utf-8")
            run(infra_tool("shellcheck"), script)
            for path in re.findall(r"(?:^|\s)((?:k8s|docker|\.ci)/[\w./-]+)", step["run"]):
                assert (ROOT / path).exists(), path


def test_a_release_is_checked_built_scanned_signed_and_then_rolled_out() -> None:
    release = jobs("release.yml")
    assert {name: job.get("needs") for name, job in release.items()} == {
        "check": None,
        "images": "check",
        "manifests": "images",
        "dev": "manifests",
        "prod": "dev",
    }
    order = ("--platform linux/amd64,linux/arm64", "trivy-action@", "cosign sign --yes")
    places = [told("release.yml", "images").index(part) for part in order]
    assert places == sorted(places), "an image is signed after it was scanned"
    scan = next(step["with"] for step in release["images"]["steps"] if step.get("name") == "Scan with Trivy")
    assert (scan["exit-code"], scan["severity"]) == ("1", "CRITICAL,HIGH")
    assert "k8s/manifest.sh" in told("release.yml", "manifests")
    assert "cosign sign-blob" in told("release.yml", "manifests")


def test_only_a_verified_manifest_reaches_a_cluster() -> None:
    said = told("deploy.yml", "deploy")
    assert said.index("cosign verify-blob") < said.index("configure-aws-credentials@") < said.index("k8s/rollout.sh")
    assert "kubectl apply" not in said
    assert jobs("deploy.yml")["deploy"]["environment"] == "${{ inputs.environment }}"


def test_each_overlay_is_released_once() -> None:
    made = [entry["environment"] for entry in jobs("release.yml")["manifests"]["strategy"]["matrix"]["include"]]
    assert sorted(made) == sorted(OVERLAYS)
    deployed = [job["with"]["environment"] for job in jobs("release.yml").values() if "uses" in job]
    assert deployed == ["dev", "prod"]
