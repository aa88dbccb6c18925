"""The JDK that runs Trino is found where people have it, and a missing one is one sentence."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "find_java25.sh"
BASH = shutil.which("bash") or "bash"
PATH = ":".join({str(Path(shutil.which(tool) or tool).parent) for tool in ("sed", "head")})


def jdk(folder: Path, version: str) -> Path:
    """A stand-in for a JDK, which says its version and no more."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!{BASH}\necho Picked up JAVA_TOOL_OPTIONS: -Dx=1 >&2\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return folder


def find(**environ: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": PATH, **{name: str(value) for name, value in environ.items()}}
    return subprocess.run([BASH, str(SCRIPT)], env=env, capture_output=True, text=True)


def test_the_named_jdk_is_taken_and_else_the_one_of_java_home(tmp_path: Path) -> None:
    named, home = jdk(tmp_path / "a", "25-ea"), jdk(tmp_path / "b", "26.0.1")
    assert find(JAVA25_HOME=named, JAVA_HOME=home).stdout == f"{named}/bin/java\n"
    assert find(JAVA_HOME=home).stdout == f"{home}/bin/java\n"


def test_an_older_jdk_is_not_taken(tmp_path: Path) -> None:
    assert str(tmp_path) not in find(JAVA_HOME=jdk(tmp_path / "a", "17.0.15")).stdout
    assert str(tmp_path) not in find(JAVA_HOME=jdk(tmp_path / "b", "1.8.0_412")).stdout


def test_a_named_folder_that_holds_no_such_jdk_is_one_sentence(tmp_path: Path) -> None:
    for home in (tmp_path / "nothing", jdk(tmp_path / "a", "21.0.2")):
        done = find(JAVA25_HOME=home)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert f"no JDK 25 or newer, which Trino needs, is in JAVA25_HOME ({home}): install one" in done.stderr
