"""Who scores the next batch: the registry's champion as it stands, or else the scorecard."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from paylake.contracts.fraud import RuleLimits
from paylake.errors import PaylakeError
from paylake.fraud.scorecard import Scorecard
from paylake.fraud.scorer import Scorer
from paylake.fraud.scoring import Judge

log = logging.getLogger(__name__)


@dataclass
class Judges:
    """The judge of each batch. A registry that is away, or a model that cannot be loaded, leaves the last one in place.

    Without a `registry` (an MLflow tracking URI) the scorecard scores, as it does until a model is promoted.
    """

    registry: str = ""
    challenger_share: int = 0
    challenger_decides: bool = False
    limits: RuleLimits = RuleLimits()
    _scorers: dict[str, Scorer | None] = field(default_factory=lambda: {"champion": Scorecard(), "challenger": None})
    _versions: dict[str, str | None] = field(default_factory=dict)
    _said: str = ""

    def __call__(self) -> Judge:
        """The judge of the next batch."""
        for alias in ("champion", "challenger"):
            if self.registry and (alias == "champion" or self.challenger_share):
                self._look(alias)
        champion = self._scorers["champion"] or Scorecard()
        return Judge(champion, self._scorers["challenger"], self.challenger_share, self.challenger_decides, self.limits)

    def _look(self, alias: str) -> None:
        """Take a version that was promoted since."""
        from paylake import model_registry

        try:
            version = model_registry.version_of(self.registry, alias)
            if version == self._versions.get(alias):
                return
            load = model_registry.champion if alias == "champion" else model_registry.challenger
            self._scorers[alias] = load(self.registry)
            self._versions[alias] = version
        except PaylakeError as error:
            self._say(f"{error} Scoring goes on with {self._now(alias)}.")
            return
        log.info("The %s from here on is %s.", alias, self._now(alias))

    def _now(self, alias: str) -> str:
        scorer = self._scorers[alias]
        return f"{scorer.name} {scorer.version}" if scorer else "none"

    def _say(self, text: str) -> None:
        """Once, and not with every batch."""
        if text != self._said:
            log.warning("%s", text)
            self._said = text
