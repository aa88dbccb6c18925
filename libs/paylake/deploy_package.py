"""A release as files: the wheel, the entry scripts, and a packed environment that EMR Serverless unpacks."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paylake import __version__
from paylake.deployment.release import (
    EMR_RELEASE,
    MANIFEST,
    PYTHON,
    Artefact,
    Manifest,
    Place,
    environment_name,
    platforms,
    pyvenv,
    refuse_other_python,
)
from paylake.errors import SettingsError, SourceError

SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE")
"""What the wheel is made of, beside libs/paylake."""

LOCKED = Path("docker/batch/requirements.txt")
"""The packages of the batch image, with their hashes; the packed environment holds the same."""

BEFORE_GIT = 315_532_800
"""1980-01-01, the earliest time that a zip file can say."""


@dataclass(frozen=True)
class Environment:
    """A packed environment: EMR's architecture, where its Python lies, and the lock file of what is in it."""

    architecture: str
    interpreter: str
    locked: Path = LOCKED


def repository() -> Path:
    """The checkout that the command runs in, or that the package lies in; SettingsError where there is none."""
    for folder in (Path.cwd(), *Path.cwd().parents, *Path(__file__).resolve().parents):
        if (folder / "jobs" / "batch").is_dir() and (folder / LOCKED).is_file():
            return folder
    raise SettingsError("There are no jobs and no docker/batch here; run the command in a checkout of paylake.")


def scripts(checkout: Path) -> dict[str, Path]:
    """Name below the release -> entry script, as infra/terraform/stack/components.tf names them."""
    jobs = checkout / "jobs"
    found = {
        path.relative_to(jobs).as_posix(): path for layer in ("batch", "aggregate") for path in (jobs / layer).glob("*.py")
    }
    others = {
        "paylake.py": checkout / "libs" / "paylake" / "cli.py",
        "create_topics.py": checkout / "infra" / "jobs" / "create_topics.py",
    }
    return dict(sorted((found | others).items()))


def time_of(checkout: Path, environ: Mapping[str, str] | None = None) -> int:
    """Seconds since 1970 that the files of a release carry: SOURCE_DATE_EPOCH, else the time of the last commit."""
    said = (os.environ if environ is None else environ).get("SOURCE_DATE_EPOCH", "")
    if said:
        if not said.isdecimal() or int(said) < BEFORE_GIT:
            raise SettingsError(
                f"SOURCE_DATE_EPOCH: {said!r} is not a number of seconds from 1980 on; for example 1767225600."
            )
        return int(said)
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=checkout, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else BEFORE_GIT


def build(checkout: Path, folder: Path, release: str, epoch: int, environment: Environment | None) -> Manifest:
    """Build a release into a folder, which is emptied first; returns its manifest, which lies there too.

    Raises SettingsError where the running Python does not fit, SourceError where a part cannot be built.
    """
    if environment is not None:
        refuse_other_python((sys.version_info.major, sys.version_info.minor))
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise SettingsError(f"{folder} holds files that are no release; name an empty folder, or empty it.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, source in scripts(checkout).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)
    wheel = build_wheel(checkout, folder, epoch)
    if environment is not None:
        fetch_jars(checkout, folder / "jars")
        pack(checkout, wheel, folder / environment_name(environment.architecture), environment, epoch)
    return describe(folder, release, environment.architecture if environment is not None else None)


def build_wheel(checkout: Path, folder: Path, epoch: int) -> Path:
    """The wheel of paylake in a folder; the same sources give the same bytes."""
    with tempfile.TemporaryDirectory(prefix="paylake-wheel-") as temporary:
        # from a copy: setuptools reuses what an earlier build left in build/
        source = Path(temporary)
        for name in SOURCES:
            shutil.copyfile(checkout / name, source / name)
            (source / name).chmod(0o644)
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(checkout / "libs" / "paylake", source / "libs" / "paylake", ignore=unwanted)
        _run(
            [*_pip("wheel"), "--no-deps", "--no-build-isolation", "--wheel-dir", str(source), str(source)],
            "The wheel cannot be built",
            {"SOURCE_DATE_EPOCH": str(epoch)},
        )
        (built,) = source.glob("*.whl")
        return Path(shutil.copyfile(built, folder / built.name))


def fetch_jars(checkout: Path, folder: Path) -> None:
    """The jars that EMR does not bring: the Kafka connector and its login by a role, checked against their list."""
    _run([str(checkout / "docker" / "jars" / "fetch.sh"), "batch", str(folder)], "The jars cannot be fetched")


def pack(checkout: Path, wheel: Path, target: Path, environment: Environment, epoch: int) -> None:
    """Pack an environment: locked packages and paylake, with an interpreter that lies on the machine that unpacks it."""
    with tempfile.TemporaryDirectory(prefix="paylake-environment-") as temporary:
        root = Path(temporary)
        packages = root / "lib" / "python{}.{}".format(*PYTHON) / "site-packages"
        tags = [f"--platform={tag}" for tag in platforms(environment.architecture)]
        _run(
            [
                *_pip("install"), "--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile",
                "--implementation", "cp", "--python-version", "{}.{}".format(*PYTHON), *tags,
                "--target", str(packages), "--requirement", str(checkout / environment.locked),
            ],
            f"The packages of {environment.locked} cannot be fetched",
        )  # fmt: skip
        # commands of the packages: they begin with the path of the Python that ran pip
        shutil.rmtree(packages / "bin", ignore_errors=True)
        with zipfile.ZipFile(wheel) as zipped:
            zipped.extractall(packages)
        (root / "pyvenv.cfg").write_text(pyvenv(environment.interpreter), encoding="utf-8")
        (root / "bin").mkdir()
        # each link names its target in full: Hadoop's unpacking takes a relative one for a file beside the archive
        for name in ("python", "python3"):
            (root / "bin" / name).symlink_to(environment.interpreter)
        archive(root, target, epoch)


def archive(root: Path, target: Path, epoch: int) -> None:
    """A folder's content as tar.gz; names, modes and times are the same for the same content."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=epoch) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(root.rglob("*"), key=Path.as_posix):
            info = tar.gettarinfo(path, path.relative_to(root).as_posix())
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = epoch
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
            if info.isfile():
                with path.open("rb") as content:
                    tar.addfile(info, content)
            else:
                tar.addfile(info)


def describe(folder: Path, release: str, architecture: str | None) -> Manifest:
    """The manifest of what lies in a folder, written there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    artefacts = tuple(Artefact(p.relative_to(folder).as_posix(), p.stat().st_size, _sha256(p).hex()) for p in files)
    python = ".".join(map(str, PYTHON))
    manifest = Manifest(release, __version__, EMR_RELEASE, python, architecture, artefacts)
    (folder / MANIFEST).write_text(manifest.text(), encoding="utf-8")
    return manifest


def build_image(checkout: Path, tag: str, architecture: str) -> None:
    """The batch image under a tag, by docker/build.sh; SourceError says why it cannot be built."""
    platform = {"arm64": "linux/arm64", "x86_64": "linux/amd64"}[architecture]
    argv = [str(checkout / "docker" / "build.sh"), "batch", "--platform", platform, "--tag", tag, "--load"]
    _run(argv, "The image cannot be built")


def upload(s3: Any, folder: Path, manifest: Manifest, place: Place) -> list[str]:
    """Put a release below a prefix of S3; returns the paths that were put, since they were missing or other there.

    S3 checks each file's SHA-256. The manifest is put last, and so never names a file that is not there.
    """
    put = []
    for path in (*(one.path for one in manifest.artefacts), MANIFEST):
        sha256 = base64.b64encode(_sha256(folder / path)).decode()
        if _checksum(s3, place, path) != sha256:
            with (folder / path).open("rb") as body:
                s3.put_object(
                    Bucket=place.bucket,
                    Key=place.key(path),
                    Body=body,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=sha256,
                )
            put.append(path)
    return put


def _checksum(s3: Any, place: Place, path: str) -> str | None:
    """The SHA-256 that S3 keeps of an object, in Base64; None where there is none of it."""
    from botocore.exceptions import ClientError

    try:
        found = s3.head_object(Bucket=place.bucket, Key=place.key(path), ChecksumMode="ENABLED")
    except ClientError as error:
        # who may not list a bucket is told 403 of an object that is not there; what may not be put is refused next
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "403"):
            return None
        raise
    said: str | None = found.get("ChecksumSHA256")
    return said


def _sha256(path: Path) -> bytes:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def _pip(command: str) -> list[str]:
    return [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", command]


def _run(argv: Sequence[str], failed: str, environ: Mapping[str, str] | None = None) -> None:
    """Run a command; SourceError with the last line that it wrote where it fails or is not there."""
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            umask=0o022,  # a wheel carries its files' modes
        )
    except OSError as error:
        raise SourceError(f"{failed}: {argv[0]} cannot be run ({error.strerror}).") from None
    if done.returncode:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR: ")]
        why = (errors or said or [f"{argv[0]} ended with {done.returncode}"])[-1]
        raise SourceError(f"{failed}: {why.removeprefix('ERROR: ').rstrip('.')}.")
