"""Terraform as the tests run it: against the stand-in for AWS, in a copy of the configuration, with nothing from the net."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
CONFIGURATION = REPOSITORY / "infra" / "terraform"
PROVIDER = "registry.terraform.io/hashicorp/aws"
VERSION = "5.100.0"
REGION = "eu-central-1"
ACCOUNT = "123456789012"
PATIENCE_S = 600

MIRRORS = (
    os.environ.get("PAYLAKE_TERRAFORM_PLUGINS", ""), "/opt/tf-plugins", "~/.terraform.d/plugins",
    "/usr/local/share/terraform/plugins",
)  # fmt: skip
"""Folders in which the provider's plugin may lie, as `terraform providers mirror` leaves it."""

HOW_TO_GET = (
    "Install Terraform 1.11 or newer, fetch the provider once with "
    "`terraform -chdir=infra/terraform/live/dev providers mirror FOLDER`, and name that folder in "
    f"PAYLAKE_TERRAFORM_PLUGINS ({PROVIDER} {VERSION})."
)

SETTINGS = """\
disable_checkpoint = true

provider_installation {{
  filesystem_mirror {{
    path    = "{mirror}"
    include = ["hashicorp/*"]
  }}
}}
"""

ON_THE_STAND_IN = """\
provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  max_retries                 = 3
}
"""

STATE_ON_THE_STAND_IN = """\
terraform {
  backend "s3" {
    use_lockfile                = true
    encrypt                     = true
    use_path_style              = true
    skip_credentials_validation = true
    skip_metadata_api_check     = true
    skip_region_validation      = true
    skip_requesting_account_id  = true
  }
}
"""


def mirror() -> Path:
    """The folder of the provider's plugin; fails with a sentence where there is none, or no Terraform."""
    assert shutil.which("terraform"), f"There is no terraform on the PATH. {HOW_TO_GET}"
    for place in MIRRORS:
        folder = Path(place).expanduser()
        if place and (folder / PROVIDER / VERSION).is_dir():
            return folder
    raise AssertionError(f"The provider's plugin is in none of {', '.join(filter(None, MIRRORS))}. {HOW_TO_GET}")


def command_line_settings(folder: Path) -> Path:
    """A file of Terraform's settings: no look for updates, and the provider from the mirror."""
    file = folder / "terraform.rc"
    file.write_text(SETTINGS.format(mirror=mirror()), encoding="utf-8")
    return file


def copy_of_the_configuration(folder: Path) -> Path:
    """infra/terraform in a folder of its own, with the files beside it that it reads; the copy's path."""
    ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfplan")
    shutil.copytree(CONFIGURATION, folder / "infra" / "terraform", ignore=ignored)
    for beside in ("jobs", "libs", "docker", "infra/jobs"):
        (folder / beside).symlink_to(REPOSITORY / beside)
    return folder / "infra" / "terraform"


@dataclass(frozen=True)
class Terraform:
    """Terraform in one root, with the environment that its commands need."""

    root: Path
    environment: Mapping[str, str]

    def __call__(self, *arguments: str, expect: int = 0) -> str:
        """Run a command and return what it printed; fails, with its end, where it exits otherwise than expected."""
        done = subprocess.run(
            ["terraform", f"-chdir={self.root}", *arguments],
            env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == expect, f"terraform {' '.join(arguments)} exited with {done.returncode}:\n{said[-6000:]}"
        return said

    def show(self, plan: str) -> dict[str, Any]:
        """A saved plan as JSON."""
        shown: dict[str, Any] = json.loads(self("show", "-json", plan))
        return shown


def terraform(root: Path, folder: Path, endpoint: str | None = None) -> Terraform:
    """Terraform in a root; with an endpoint, AWS is there."""
    environment = {
        "TF_CLI_CONFIG_FILE": str(command_line_settings(folder)), "TF_IN_AUTOMATION": "1", "TF_CLI_ARGS": "-no-color",
        "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }  # fmt: skip
    if endpoint:
        environment["AWS_ENDPOINT_URL"] = endpoint
        (root / "providers_override.tf").write_text(ON_THE_STAND_IN, encoding="utf-8")
    return Terraform(root, environment)


@contextmanager
def stand_in(log: Path) -> Iterator[str]:
    """The stand-in for AWS in a process of its own; its address."""
    with log.open("w") as errors, subprocess.Popen(
        [sys.executable, "-m", "tests.infra.aws_stand_in"],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, f"The stand-in for AWS did not start: {log.read_text(encoding='utf-8')[-2000:]}"
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@dataclass(frozen=True)
class Stack:
    """A root that was applied to the stand-in, and the plan that was made afterwards."""

    terraform: Terraform
    endpoint: str
    variables: tuple[str, ...]
    applied: str
    planned_again: str
    plan: Mapping[str, Any]

    def client(self, service: str) -> Any:
        """A client of AWS's SDK for the stand-in."""
        import boto3

        return boto3.client(
            service, region_name=REGION, endpoint_url=self.endpoint,
            aws_access_key_id="nobody", aws_secret_access_key="nothing",
        )  # fmt: skip

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Address -> values of everything that the plan holds, all known."""
        return resources(self.plan)

    @property
    def outputs(self) -> dict[str, Any]:
        """What the stack says of itself."""
        said: dict[str, Any] = self.plan["planned_values"]["outputs"]["stack"]["value"]
        return said

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resources of one type, by address."""
        return {address: r["values"] for address, r in self.resources.items() if r["type"] == kind}


def resources(plan: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Address -> resource of a plan, from all its modules."""

    def walk(module: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield from module.get("resources", ())
        for child in module.get("child_modules", ()):
            yield from walk(child)

    return {r["address"]: r for r in walk(plan["planned_values"]["root_module"]) if r["mode"] == "managed"}


def applied(name: str, variables: Mapping[str, Any], folder: Path, endpoint: str) -> Stack:
    """The bucket of the states, and a root on it, applied to the stand-in; then planned again."""
    copy = copy_of_the_configuration(folder)
    bootstrap = terraform(copy / "bootstrap", folder, endpoint)
    bootstrap("init", "-input=false")
    bootstrap("apply", "-input=false", "-auto-approve")
    root = copy / "live" / name
    (root / "backend_override.tf").write_text(STATE_ON_THE_STAND_IN, encoding="utf-8")
    (root / f"{name}.s3.tfbackend").write_text(
        (root / f"{name}.s3.tfbackend.example").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (root / "test.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")
    stack = terraform(root, folder, endpoint)
    stack("init", "-input=false", "-lockfile=readonly", f"-backend-config={name}.s3.tfbackend")
    given = ("-input=false", "-parallelism=20", "-var-file=test.tfvars.json")
    said = stack("apply", "-auto-approve", *given)
    again = stack("plan", "-out=again.tfplan", *given)
    return Stack(stack, endpoint, given, said, again, stack.show("again.tfplan"))
