"""Who scores: a champion from the next batch on, the last one where the registry fails, the scorecard without any."""

from __future__ import annotations

import logging

import pytest

from paylake import model_registry
from paylake.errors import SourceError
from paylake.fraud.scorecard import Scorecard
from paylake.judges import Judges
from tests.unit.fraud.test_scoring import Told


class Registry:
    """A registry that a test sets, in place of the one that is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.versions: dict[str, str | None] = {}
        self.fails = ""
        self.loads = 0
        monkeypatch.setattr(model_registry, "version_of", self.version_of)
        monkeypatch.setattr(model_registry, "champion", lambda uri: self.load("champion"))
        monkeypatch.setattr(model_registry, "challenger", lambda uri: self.load("challenger"))

    def version_of(self, uri: str, alias: str) -> str | None:
        if self.fails == "registry":
            raise SourceError("The registry does not answer.")
        return self.versions.get(alias)

    def load(self, alias: str) -> Told | None:
        self.loads += 1
        if self.fails == "model":
            raise SourceError("The model cannot be loaded.")
        version = self.versions.get(alias)
        return Told(0.5, version=version) if version else None


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    return Registry(monkeypatch)


def test_without_a_registry_or_a_champion_the_scorecard_scores(registry: Registry) -> None:
    assert Judges()().champion == Scorecard()
    assert Judges("sqlite:///x")().champion == Scorecard()


def test_a_new_champion_scores_from_the_next_batch_on_and_is_loaded_once(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    judges = Judges("sqlite:///x")
    judges()
    registry.versions["champion"] = "2"
    with caplog.at_level(logging.INFO):
        assert [judges().champion.version, judges().champion.version] == ["2", "2"]
    assert (registry.loads, caplog.messages) == (1, ["The champion from here on is told 2."])


@pytest.mark.parametrize("what", ["registry", "model"])
def test_what_fails_leaves_the_last_champion_in_place_and_is_said_once(
    registry: Registry, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    judges = Judges("sqlite:///x")
    registry.versions["champion"] = "2"
    judges()
    registry.versions["champion"], registry.fails = "3", what
    with caplog.at_level(logging.WARNING):
        assert [judges().champion.version, judges().champion.version] == ["2", "2"]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith("Scoring goes on with told 2.")
    registry.fails = ""
    assert judges().champion.version == "3"


def test_the_challenger_is_asked_for_only_where_it_has_a_share(registry: Registry) -> None:
    registry.versions |= {"champion": "1", "challenger": "2"}
    assert Judges("sqlite:///x")().challenger is None
    found = Judges("sqlite:///x", challenger_share=10)().challenger
    assert found is not None
    assert found.version == "2"
