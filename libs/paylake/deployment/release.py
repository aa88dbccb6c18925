"""A release as its manifest describes it: which files, for which machines, with which sums."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from paylake.errors import ContractError, SettingsError

MANIFEST = "manifest.json"
"""The file that names all others of a release; it is written, and put, last."""

EMR_RELEASE = "emr-spark-8.0.0"
PYTHON = (3, 11)
"""The release and the Python that a packed environment is for; docker/batch/Dockerfile and Terraform use the same."""

ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
"""Architecture of an EMR Serverless application, in small letters -> how Linux and the wheels call it."""


@dataclass(frozen=True)
class Artefact:
    """One file: its path below the release's folder, its size in bytes, its SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a release consists of. `architecture` is that of the packed environment; None where it has none."""

    release: str
    paylake: str
    emr_release: str
    python: str
    architecture: str | None
    artefacts: tuple[Artefact, ...]

    @property
    def environment(self) -> str | None:
        """Path of the packed environment."""
        return next((one.path for one in self.artefacts if one.path.endswith(".tar.gz")), None)

    @property
    def jars(self) -> tuple[str, ...]:
        """Paths of the jars that EMR does not bring."""
        return tuple(one.path for one in self.artefacts if one.path.endswith(".jar"))

    def names(self) -> frozenset[str]:
        """Path of each file."""
        return frozenset(one.path for one in self.artefacts)

    def text(self) -> str:
        """The manifest as JSON, the same for the same release."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def environment_name(architecture: str) -> str:
    """File name of the packed environment of an architecture."""
    return f"environment-{architecture}.tar.gz"


def manifest_of(text: str, place: str) -> Manifest:
    """The manifest that was read from a place; ContractError where it is none."""
    try:
        said = json.loads(text)
        artefacts = tuple(Artefact(**one) for one in said.pop("artefacts"))
        return Manifest(**said, artefacts=artefacts)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ContractError(
            f"{place} is no manifest of a release; write it anew with `paylake deploy package --upload`."
        ) from None


def checked_release(name: str) -> str:
    """The name of a release, if it can be part of an address; SettingsError where it cannot."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise SettingsError(f"--release: {name!r} is not made of letters, digits, dots, - and _; for example 0.1.0.")
    return name


def refuse_other_python(running: tuple[int, int]) -> None:
    """SettingsError where the running Python is not the one that EMR runs.

    The packages are fetched for EMR's Python whoever asks, but the conditions of the lock file (`python_full_version <
    '3.12'`) are read by the Python that runs.
    """
    if running != PYTHON:
        ours, emrs = (".".join(map(str, version)) for version in (running, PYTHON))
        raise SettingsError(
            f"This is Python {ours}, and the environment is for Python {emrs} of {EMR_RELEASE}: "
            f"run paylake with Python {emrs}, or add --no-environment."
        )


def platforms(architecture: str) -> tuple[str, ...]:
    """Wheels' platforms that run on EMR's Amazon Linux 2023 (glibc 2.34), the newest first."""
    machine = ARCHITECTURES[architecture]
    return (*(f"manylinux_2_{minor}_{machine}" for minor in range(34, 16, -1)), f"manylinux2014_{machine}")


def pyvenv(interpreter: str) -> str:
    """`pyvenv.cfg` of an environment whose interpreter lies on the machine that unpacks it; what EMR has stays visible."""
    home = interpreter.rpartition("/")[0]
    version = ".".join(map(str, PYTHON))
    return f"home = {home}\ninclude-system-site-packages = true\nversion = {version}\n"


@dataclass(frozen=True)
class Place:
    """A prefix of S3."""

    bucket: str
    prefix: str

    def key(self, path: str) -> str:
        """Key of a file below it."""
        return "/".join(part for part in (self.prefix, path) if part)

    def uri(self, path: str = "") -> str:
        """Address of a file below it, or its own."""
        return f"s3://{self.bucket}/{self.key(path)}".rstrip("/")


def place(flag: str, uri: str) -> Place:
    """The prefix that an s3:// address names; SettingsError for another address."""
    found = re.fullmatch(r"s3a?://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", uri)
    if found is None:
        raise SettingsError(f"{flag}: {uri!r} is no s3:// address; for example {flag} s3://my-artefacts/jobs.")
    return Place(found[1], (found[2] or "").strip("/"))


def total_size(artefacts: Iterable[Artefact]) -> str:
    """Their size together, for people."""
    size = sum(one.size for one in artefacts)
    return f"{size / 1_000_000:.1f} MB" if size >= 1_000_000 else f"{size / 1000:.1f} kB"
