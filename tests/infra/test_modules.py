"""Each module by itself, with a mocked provider; the form of all of them; what checkov finds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra import tools
from tests.infra.tools import CONFIGURATION, REPOSITORY

pytestmark = pytest.mark.infra

MODULES = sorted(path.name for path in (CONFIGURATION / "modules").iterdir() if path.is_dir())
ROOTS = ("live/dev", "live/prod", "bootstrap")
EVERYWHERE = sorted(path.relative_to(CONFIGURATION).as_posix() for path in CONFIGURATION.rglob("*.tf"))

CHECKOV = REPOSITORY / ".venv-infra" / "bin" / "checkov"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration in a folder of its own."""
    return tools.copy_of_the_configuration(tmp_path_factory.mktemp("modules"))


def test_the_modules_are_those_that_the_page_names() -> None:
    assert set(MODULES) == {
        "audit", "bucket", "catalog", "compute", "identity", "keys", "lake", "network", "observability", "registry",
        "schedule", "secret", "serving", "stream",
    }  # fmt: skip


def test_it_is_formatted(copy: Path, tmp_path: Path) -> None:
    tools.terraform(copy, tmp_path)("fmt", "-check", "-recursive", "-diff")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_keeps_what_its_tests_say(module: str, copy: Path, tmp_path: Path) -> None:
    terraform = tools.terraform(copy / "modules" / module, tmp_path)
    terraform("init", "-input=false")
    said = terraform("test")
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", said), said


@pytest.mark.parametrize("root", ROOTS)
def test_a_root_is_valid_with_the_provider_of_its_lock_file(root: str, copy: Path, tmp_path: Path) -> None:
    terraform = tools.terraform(copy / root, tmp_path)
    terraform("init", "-input=false", "-backend=false", "-lockfile=readonly")
    assert json.loads(terraform("validate", "-json"))["valid"]


@pytest.mark.parametrize("kind", ["variable", "output"])
def test_everything_that_is_asked_or_told_is_described(kind: str) -> None:
    blocks = [
        (file, name, body)
        for file in EVERYWHERE
        for name, body in re.findall(
            rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', (CONFIGURATION / file).read_text(encoding="utf-8"), re.M | re.S
        )
    ]
    assert len(blocks) > 40
    assert [(file, name) for file, name, body in blocks if not re.search(r'^  description\s*= ".{4,}"$', body, re.M)] == []
    if kind == "variable":
        assert [(file, name) for file, name, body in blocks if not re.search(r"^  type\s*=", body, re.M)] == []


def test_every_variable_is_used() -> None:
    unused = []
    for folder in {Path(file).parent for file in EVERYWHERE}:
        text = "\n".join(path.read_text(encoding="utf-8") for path in (CONFIGURATION / folder).glob("*.tf"))
        names = re.findall(r'^variable "(\w+)"', text, re.M)
        unused += [(folder.as_posix(), name) for name in names if not re.search(rf"\bvar\.{name}\b", text)]
    assert unused == []


def test_no_configuration_knows_of_the_tests() -> None:
    of_tests = re.compile(r"moto|127\.0\.0\.1|localhost|skip_credentials")
    assert [file for file in EVERYWHERE if of_tests.search((CONFIGURATION / file).read_text(encoding="utf-8"))] == []


def test_checkov_finds_nothing_that_was_not_thought_of() -> None:
    assert CHECKOV.exists(), "checkov is not in .venv-infra: run `make test-infra`, which sets it up."
    done = subprocess.run(
        [CHECKOV, "--directory", CONFIGURATION, "--config-file", CONFIGURATION / ".checkov.yaml"],
        capture_output=True, text=True, timeout=tools.PATIENCE_S, check=False, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.stdout.startswith(("{", "[")), done.stdout[-2000:] + done.stderr[-2000:]
    report = json.loads(done.stdout)
    summary, results = report["summary"], report["results"]
    assert summary["parsing_errors"] == 0
    assert summary["resource_count"] > 150
    found = {f"{c['check_id']} {c['resource']} ({c['check_name']})" for c in results["failed_checks"]}
    assert found == set()


def test_each_check_that_is_left_out_says_why() -> None:
    text = (CONFIGURATION / ".checkov.yaml").read_text(encoding="utf-8")
    left_out = re.findall(r"^  - (CKV\w+)(.*)$", text, re.M)
    assert left_out
    assert [name for name, why in left_out if not re.fullmatch(r"\s+# .{20,}", why)] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say bootstrap, or one of up, rest, down"),
        (("up", "nowhere"), "'nowhere' is no stack: say dev or prod"),
        (("down", "dev"), "dev.s3.tfbackend is missing: copy the example"),
    ],
)
def test_the_script_says_what_is_missing_before_it_does_anything(copy: Path, words: tuple[str, ...], said: str) -> None:
    script = shutil.copy(REPOSITORY / "infra" / "stack.sh", copy.parent)
    done = subprocess.run([script, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_tools_are_there() -> None:
    assert shutil.which("terraform"), tools.HOW_TO_GET
    assert tools.mirror()
