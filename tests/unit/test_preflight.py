"""The check of tools before set-up, with stand-ins for the tools on a PATH of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "preflight.sh"
BASH = shutil.which("bash") or "bash"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with Python 3.11, JDK 17 and Maven, of which a test changes one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for needed in ("sed", "head"):
        (folder / needed).symlink_to(shutil.which(needed) or needed)
    python(folder, "3.11")
    java(folder, "17.0.15")
    script(folder / "mvn", "exit 0")
    return folder


def script(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{BASH}\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def python(folder: Path, version: str, name: str = "python3", has_venv: bool = True) -> None:
    script(
        folder / name,
        f'case "$2" in *version_info*) echo {version} ;; *) exit {0 if has_venv else 1} ;; esac',
    )


def java(folder: Path, version: str) -> None:
    script(
        folder / "java",
        f"echo Picked up JAVA_TOOL_OPTIONS: -Dx=1 >&2\necho 'openjdk version \"{version}\"' >&2",
    )


def preflight(tools: Path, **environ: str) -> tuple[int, list[str]]:
    done = subprocess.run([BASH, str(SCRIPT)], env={"PATH": str(tools), **environ}, capture_output=True, text=True)
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def test_good_tools_pass_in_silence(tools: Path) -> None:
    assert preflight(tools) == (0, [])


@pytest.mark.parametrize("version", ["21", "25.0.1", "17-ea"])
def test_a_newer_jdk_passes(tools: Path, version: str) -> None:
    java(tools, version)
    assert preflight(tools) == (0, [])


@pytest.mark.parametrize("version", ["11.0.22", "1.8.0_402"])
def test_an_old_jdk_is_named(tools: Path, version: str) -> None:
    java(tools, version)
    assert preflight(tools) == (
        1,
        [
            f"paylake: the java found through PATH is version {version}: install a JDK, 17 or newer "
            "(Debian: openjdk-17-jdk-headless), or set JAVA_HOME to one."
        ],
    )


def test_no_jdk(tools: Path) -> None:
    (tools / "java").unlink()
    code, lines = preflight(tools)
    assert code == 1
    assert lines == [
        "paylake: no java was found through PATH: install a JDK, 17 or newer "
        "(Debian: openjdk-17-jdk-headless) or set JAVA_HOME to one."
    ]


def test_java_home_comes_before_the_path(tools: Path, tmp_path: Path) -> None:
    java(tmp_path / "old" / "bin", "11.0.22")
    code, lines = preflight(tools, JAVA_HOME=str(tmp_path / "old"))
    assert code == 1
    assert "JAVA_HOME" in lines[0]
    assert "11.0.22" in lines[0]


def test_a_java_home_without_java(tools: Path, tmp_path: Path) -> None:
    code, lines = preflight(tools, JAVA_HOME=str(tmp_path / "none"))
    assert code == 1
    assert "no java was found through JAVA_HOME" in lines[0]


def test_no_maven(tools: Path) -> None:
    (tools / "mvn").unlink()
    assert preflight(tools) == (
        1,
        ["paylake: mvn was not found: install Apache Maven 3.6 or newer (Debian: maven), which fetches the jars."],
    )


@pytest.mark.parametrize("version", ["3.10", "3.9", "3.13"])
def test_another_python_is_named(tools: Path, version: str) -> None:
    python(tools, version)
    code, lines = preflight(tools)
    assert code == 1
    assert lines[0].startswith(f"paylake: python3 is Python {version}: install Python 3.11 or 3.12")


def test_the_named_python_is_the_one_that_counts(tools: Path) -> None:
    python(tools, "3.9")
    python(tools, "3.12", name="python3.12")
    assert preflight(tools, PYTHON="python3.12") == (0, [])
    code, lines = preflight(tools, PYTHON="python3.11")
    assert code == 1
    assert lines[0].startswith("paylake: python3.11 was not found")


def test_a_python_without_virtual_environments(tools: Path) -> None:
    python(tools, "3.11", has_venv=False)
    code, lines = preflight(tools)
    assert code == 1
    assert "install its venv module" in lines[0]


def test_every_missing_tool_has_its_own_line(tools: Path) -> None:
    for name in ("python3", "java", "mvn"):
        (tools / name).unlink()
    code, lines = preflight(tools)
    assert code == 1
    assert len(lines) == 3
