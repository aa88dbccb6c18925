"""A release as its manifest says it, and the environment that it packs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paylake.deployment.release import (
    Artefact,
    Manifest,
    checked_release,
    manifest_of,
    place,
    platforms,
    pyvenv,
    refuse_other_python,
    total_size,
)
from paylake.errors import ContractError, SettingsError

MANIFEST = Manifest(
    "0.1.0", "0.1.0", "emr-spark-8.0.0", "3.11", "arm64",
    (
        Artefact("batch/build_batch_index.py", 1643, "2a" * 32),
        Artefact("environment-arm64.tar.gz", 262_392_896, "a6" * 32),
        Artefact("jars/kafka-clients-3.9.1.jar", 9_000_000, "75" * 32),
    ),
)  # fmt: skip


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert manifest_of(MANIFEST.text(), "s3://a/manifest.json") == MANIFEST
    assert (MANIFEST.environment, MANIFEST.jars) == ("environment-arm64.tar.gz", ("jars/kafka-clients-3.9.1.jar",))
    assert replace(MANIFEST, artefacts=MANIFEST.artefacts[:1]).environment is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"artefacts": [{"path": "a"}]}', '{"artefacts": [], "more": 1}', "<html>"]
)
def test_something_else_in_its_place_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="s3://a/manifest.json is no manifest of a release"):
        manifest_of(text, "s3://a/manifest.json")


@pytest.mark.parametrize("running", [(3, 10), (3, 12), (4, 11)])
def test_another_python_may_not_pack_the_environment(running: tuple[int, int]) -> None:
    refuse_other_python((3, 11))
    with pytest.raises(
        SettingsError, match=rf"This is Python {running[0]}\.{running[1]}, and the environment is for Python 3"
    ):
        refuse_other_python(running)


def test_wheels_are_for_linux_of_the_architecture_and_no_newer_than_emrs() -> None:
    assert platforms("arm64")[0] == "manylinux_2_34_aarch64"
    assert platforms("x86_64")[-1] == "manylinux2014_x86_64"
    assert not any("manylinux_2_35" in tag or "aarch64" in tag for tag in platforms("x86_64"))


def test_the_environment_sees_what_emr_has_installed() -> None:
    said = dict(line.split(" = ") for line in pyvenv("/usr/bin/python3.11").splitlines())
    assert said == {"home": "/usr/bin", "include-system-site-packages": "true", "version": "3.11"}


def test_a_place_is_an_address_of_s3() -> None:
    release = place("--artefacts", "s3://artefacts/jobs/0.1.0/")
    assert (release.bucket, release.key("paylake.py")) == ("artefacts", "jobs/0.1.0/paylake.py")
    assert release.uri("batch/x.py") == "s3://artefacts/jobs/0.1.0/batch/x.py"
    assert place("--upload", "s3a://artefacts").uri("paylake.py") == "s3://artefacts/paylake.py"
    for wrong in ("build/deploy", "s3://", "s3://Under_Score/x", "https://artefacts/x"):
        with pytest.raises(SettingsError, match="--upload: .* is no s3:// address; for example"):
            place("--upload", wrong)


@pytest.mark.parametrize("name", ["", "a/b", "..", "ü", "x" * 101])
def test_a_releases_name_is_part_of_an_address(name: str) -> None:
    assert checked_release("0.1.0-rc1") == "0.1.0-rc1"
    with pytest.raises(SettingsError, match="--release"):
        checked_release(name)


def test_sizes_are_told_for_people() -> None:
    assert (total_size(MANIFEST.artefacts), total_size(MANIFEST.artefacts[:1])) == ("271.4 MB", "1.6 kB")
