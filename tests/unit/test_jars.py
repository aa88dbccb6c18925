"""The jars are found by one rule, for the broker as for a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from paylake.errors import SourceError
from paylake.jars import find_jars
from paylake.session import local_jars


def test_jars_are_found_in_the_named_folder_only_if_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "a.jar").touch()
    assert find_jars("kafka", {"PAYLAKE_JARS": str(tmp_path)}) == tmp_path / "kafka"
    assert find_jars("kafka", {}).parts[-2:] == ("jars", "kafka")
    with pytest.raises(SourceError, match="run `make dev-setup`"):
        find_jars("spark", {"PAYLAKE_JARS": str(tmp_path)})


def test_a_session_takes_the_jars_of_its_sets_and_does_without_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spark").mkdir()
    for name in ("b.jar", "a.jar", "notes.txt"):
        (tmp_path / "spark" / name).touch()
    monkeypatch.setenv("PAYLAKE_JARS", str(tmp_path))
    assert local_jars("spark", "s3") == [str(tmp_path / "spark" / name) for name in ("a.jar", "b.jar")]
    monkeypatch.setenv("PAYLAKE_JARS", str(tmp_path / "spark"))
    assert local_jars("spark") == []
