"""A release as files: the same bytes again, an environment that runs from wherever it is unpacked, and S3 as it was put."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from paylake import cli, deploy_command, deploy_package
from paylake.deploy_command import PackageSettings
from paylake.deploy_package import Environment
from paylake.deployment.release import Manifest, manifest_of, place
from paylake.errors import SettingsError, SourceError

ROOT = Path(__file__).parents[2]
EPOCH = 1_767_225_600
TO = place("--upload", "s3://artefacts/jobs/0.1.0")


SETUP = """\
from setuptools import find_packages, setup

setup(name="paylake", version="0.1.0", package_dir={"": "libs"}, packages=find_packages("libs"))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkout, with a lock file of one package that lies beside it."""
    place = tmp_path_factory.mktemp("checkout")
    locked = hashlib.sha256(wheel_of(place, "lonely", "said = 'here'\n").read_bytes()).hexdigest()
    files = {
        "setup.py": SETUP,
        "pyproject.toml": (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
        "README.md": "# A small one\n",
        "LICENSE": "MIT\n",
        "libs/paylake/__init__.py": "",
        "libs/paylake/cli.py": "print('hello')\n",
        "jobs/batch/ingest.py": "print('ingest')\n",
        "jobs/aggregate/build.py": "print('build')\n",
        "jobs/streaming/never.py": "",
        "infra/jobs/create_topics.py": "print('topics')\n",
        "docker/batch/requirements.txt": f"lonely==1.0 --hash=sha256:{locked}\n",
    }
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A release of it, without an environment."""
    folder = tmp_path_factory.mktemp("deploy") / "0.1.0"
    return folder, deploy_package.build(checkout, folder, "0.1.0", EPOCH, None)


def wheel_of(folder: Path, name: str, content: str) -> Path:
    """A wheel of one module, as pip takes it."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


# --- what is built ---


def test_scripts_have_the_names_by_which_terraform_calls_them() -> None:
    components = (ROOT / "infra/terraform/stack/components.tf").read_text(encoding="utf-8")
    named = {
        name: ROOT / path for name, path in re.findall(r'"([\w.]+\.py)" += "\$\{local\.repository\}/(\S+)"', components)
    }
    assert 'fileset("${local.repository}/jobs", "{batch,aggregate}/*.py")' in components
    jobs = {p.relative_to(ROOT / "jobs").as_posix(): p for p in (ROOT / "jobs").glob("*/*.py")}
    of_emr = {name: path for name, path in jobs.items() if not name.startswith("streaming/")}
    assert deploy_package.scripts(ROOT) == {**named, **of_emr}


def test_a_release_is_what_its_manifest_says(built: tuple[Path, Manifest]) -> None:
    folder, manifest = built
    assert manifest_of((folder / "manifest.json").read_text(), "here") == manifest
    for one in manifest.artefacts:
        content = (folder / one.path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one.size, one.sha256)
    assert manifest.names() == {
        "paylake-0.1.0-py3-none-any.whl", "paylake.py", "create_topics.py", "batch/ingest.py", "aggregate/build.py",
    }  # fmt: skip
    assert (manifest.environment, manifest.architecture, manifest.python) == (None, None, "3.11")


def test_the_same_sources_give_the_same_bytes(checkout: Path, built: tuple[Path, Manifest], tmp_path: Path) -> None:
    (checkout / "libs" / "paylake" / "__pycache__").mkdir()
    (checkout / "libs" / "paylake" / "__pycache__" / "cli.cpython-311.pyc").write_bytes(b"old")
    before = os.umask(0o077)
    try:
        assert deploy_package.build(checkout, tmp_path / "again", "0.1.0", EPOCH, None) == built[1]
    finally:
        os.umask(before)


def test_what_is_no_release_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(SettingsError, match="holds files that are no release"):
        deploy_package.build(ROOT, tmp_path, "0.1.0", EPOCH, None)
    assert (tmp_path / "mine.txt").exists()


def test_files_carry_the_time_that_is_said_or_that_of_the_commit(tmp_path: Path) -> None:
    assert deploy_package.time_of(ROOT, {"SOURCE_DATE_EPOCH": "1767225600"}) == EPOCH
    assert deploy_package.time_of(tmp_path, {}) == deploy_package.BEFORE_GIT
    for wrong in ("yesterday", "0", "-5"):
        with pytest.raises(SettingsError, match="SOURCE_DATE_EPOCH"):
            deploy_package.time_of(ROOT, {"SOURCE_DATE_EPOCH": wrong})


# --- the packed environment ---


@pytest.fixture
def packed(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: tuple[Path, Manifest]) -> Path:
    """Its environment, with this machine's Python, packed by the same steps."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(checkout))
    target = tmp_path / "environment.tar.gz"
    interpreter = str(Path(sys.base_prefix, "bin", "python3.11").resolve())
    (paylake,) = built[0].glob("*.whl")
    deploy_package.pack(checkout, paylake, target, Environment("arm64", interpreter), EPOCH)
    return target


def test_an_environment_runs_from_where_it_is_unpacked(packed: Path, tmp_path: Path) -> None:
    with tarfile.open(packed) as tar:
        members = tar.getmembers()
        tar.extractall(tmp_path / "environment", filter="tar")
    assert {(m.uid, m.gid, m.uname, m.mtime) for m in members} == {(0, 0, "", EPOCH)}
    assert all(m.linkname.startswith("/") for m in members if m.issym())
    assert [m.name for m in members] == sorted(m.name for m in members)
    asked = "import sys, lonely, paylake; print(lonely.said, paylake.__file__, sys.prefix)"
    done = subprocess.run(
        ["./environment/bin/python", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said, origin, prefix = done.stdout.split()
    assert said == "here"
    assert Path(origin).is_relative_to(tmp_path / "environment")
    assert Path(prefix).samefile(tmp_path / "environment")


def test_a_package_whose_content_is_not_the_locked_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: tuple[Path, Manifest]
) -> None:
    wheel_of(tmp_path, "lonely", "said = 'other'\n")
    (tmp_path / "locked.txt").write_text(f"lonely==1.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (paylake,) = built[0].glob("*.whl")
    environment = Environment("arm64", "/usr/bin/python3.11", Path("locked.txt"))
    with pytest.raises(SourceError, match=r"The packages of locked.txt cannot be fetched: .*"):
        deploy_package.pack(tmp_path, paylake, tmp_path / "e.tar.gz", environment, EPOCH)


def test_another_python_is_refused_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Newer(tuple):  # type: ignore[type-arg]
        major, minor = 3, 12

    monkeypatch.setattr(sys, "version_info", Newer((3, 12, 0)))
    with pytest.raises(SettingsError, match=r"This is Python 3\.12, and the environment is for Python 3\.11"):
        deploy_package.build(ROOT, tmp_path / "d", "0.1.0", EPOCH, Environment("arm64", "/usr/bin/python3.11"))
    assert not (tmp_path / "d").exists()


# --- put to S3 ---


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """S3 in memory, with the bucket of the artefacts."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="artefacts")
        yield client


def test_only_what_differs_is_put_and_the_manifest_last(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "batch").mkdir()
    for name in ("batch/a.py", "paylake.py"):
        (tmp_path / name).write_text(name)
    first = deploy_package.upload(s3, tmp_path, deploy_package.describe(tmp_path, "0.1.0", None), TO)
    assert first == ["batch/a.py", "paylake.py", "manifest.json"]
    assert deploy_package.upload(s3, tmp_path, deploy_package.describe(tmp_path, "0.1.0", None), TO) == []

    (tmp_path / "paylake.py").write_text("other")
    changed = deploy_package.describe(tmp_path, "0.1.0", None)
    assert deploy_package.upload(s3, tmp_path, changed, TO) == ["paylake.py", "manifest.json"]
    body = s3.get_object(Bucket="artefacts", Key="jobs/0.1.0/paylake.py")["Body"].read()
    assert body == b"other"
    # as Terraform puts it: the same bytes, of which S3 was told no sum
    s3.put_object(Bucket="artefacts", Key="jobs/0.1.0/batch/a.py", Body=b"batch/a.py")
    assert deploy_package.upload(s3, tmp_path, changed, TO) in ([], ["batch/a.py"])


def test_the_command_builds_puts_and_says_what_to_submit_with(
    s3: Any, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    package = ["deploy", "package", "--no-environment", "--out", str(tmp_path), "--release", "0.2.0"]
    assert cli.main([*package, "--upload", "s3://artefacts/jobs"]) == 0
    said = capsys.readouterr().out
    assert "Put 6 files to s3://artefacts/jobs/0.2.0; 0 were there." in said
    kept = s3.get_object(Bucket="artefacts", Key="jobs/0.2.0/manifest.json")["Body"].read()
    assert json.loads(kept)["release"] == "0.2.0"


def test_a_bucket_that_is_not_there_is_one_sentence(s3: Any, built: tuple[Path, Manifest]) -> None:
    folder, manifest = built
    settings = PackageSettings(release="0.2.0", upload="s3://no-such-bucket/jobs")
    with pytest.raises(
        SourceError, match=r"^S3 did not take s3://no-such-bucket/jobs/0\.2\.0: .*; what was put before stays"
    ):
        deploy_command._upload(settings, folder, manifest)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--release", "a/b"], "--release: 'a/b' is not made of letters"),
        (["--architecture", "sparc"], "--architecture: 'sparc' is not one of arm64, x86_64"),
        (["--interpreter", "python3"], "--interpreter: 'python3' is no full path of a Python"),
        (["--upload", "build"], "--upload: 'build' is no s3:// address"),
    ],
)
def test_a_wrong_setting_is_one_line(argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["deploy", "package", *argv]) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count("\n") == 1


def test_an_image_that_cannot_be_built_says_why(tmp_path: Path) -> None:
    script = tmp_path / "docker" / "build.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho started\necho 'build.sh: no digest for EMR.' >&2\nexit 1\n")
    script.chmod(0o755)
    with pytest.raises(SourceError, match=r"^The image cannot be built: .*no digest for EMR\.$|started"):
        deploy_package.build_image(tmp_path, "paylake-batch:0.1.0", "arm64")
    with pytest.raises(SourceError, match="cannot be run"):
        deploy_package.build_image(tmp_path / "nowhere", "paylake-batch:0.1.0", "arm64")
