"""What the tests of images, manifests and workflows share: tools that must be there, and manifests as Python sees them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SPARK_HOME = next((ROOT / ".venv" / "lib").glob("python3.*/site-packages/pyspark"))
OVERLAYS = ("dev", "prod")
KUBERNETES = "1.34"
"""The release of the cluster's API against which manifests are checked."""

Manifest = dict[str, Any]


def infra_tool(name: str) -> str:
    """A command of the environment that `make test-infra` sets up; a missing one fails: no check is left out."""
    path = ROOT / ".venv-infra" / "bin" / name
    assert path.exists(), f"{name} is not in .venv-infra: run `make test-infra`, which sets it up."
    return str(path)


def command(name: str, sentence: str) -> str:
    """A command of this machine; `sentence` says how to get it."""
    found = shutil.which(name)
    assert found, f"{name} is not on the PATH: {sentence}"
    return found


def run(
    *argv: str | Path,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    code: int | None = 0,
    within_s: float = 180,
) -> str:
    """What a command says, on both of its outputs; fails where it ends with another code, or not in time."""
    done = subprocess.run(
        [str(a) for a in argv], cwd=cwd, env=None if env is None else {"PATH": os.environ["PATH"], **env},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=within_s,
    )  # fmt: skip
    assert code is None or done.returncode == code, f"{argv[0]} ended with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


def java(program: Path, classes: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """What a Java source file prints, run with classes beside it."""
    # it lives for seconds, in which the second compiler costs more than it saves
    quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
    return run(command("java", "install a JDK, 17 or newer."), *quick, "-cp", classes, program, *arguments, env=env)


@cache
def built(folder: str) -> str:
    """The manifest that kustomize makes of a folder below k8s/."""
    return run(ROOT / "k8s" / "kustomize.sh", "build", ROOT / "k8s" / folder)


def manifests(folder: str) -> list[Manifest]:
    """The resources of a folder below k8s/, as the cluster would get them."""
    return [m for m in yaml.safe_load_all(built(folder)) if m]


def of_kind(resources: list[Manifest], *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [m for m in resources if m["kind"] in kinds]


def named(resources: list[Manifest], kind: str, name: str) -> Manifest:
    """The one of a kind and name; a generated name's hash is left out."""
    (found,) = [m for m in of_kind(resources, kind) if m["metadata"]["name"].startswith(name)]
    return found


def pod_of(manifest: Manifest) -> Manifest:
    """The pod that a workload makes, or that the manifest is."""
    if manifest["kind"] == "CronJob":
        return manifest["spec"]["jobTemplate"]["spec"]["template"]  # type: ignore[no-any-return]
    return manifest if manifest["kind"] == "Pod" else manifest["spec"]["template"]  # type: ignore[no-any-return]


def versions() -> dict[str, str]:
    """docker/versions.env: name -> image."""
    lines = (ROOT / "docker" / "versions.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
