"""Whether payments still look as they did when the model was trained, and what to do where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from paylake.fraud.features import NAMES

WATCH, ACT = 0.1, 0.25
"""Population stability indexes from which on a shift is worth a look, and worth an act."""
SCORE = "score"
PARTS = 10
LEAST_SHARE = 1e-4
"""A bin that holds less counts as this: an empty one would be infinitely far away."""
STEADY, WATCHED, SHIFTED = LEVELS = ("steady", "watch", "act")
SPIKE, VANISHED = "spike", "vanished"
TIMES = 3.0
"""A day's share of flagged payments above this multiple of the usual one is a spike; below its inverse it has vanished."""
SURE = 4.0
"""Standard deviations that chance does not explain."""
LEAST_FRAUDS = 50
"""Frauds from which on a measured average precision says something."""
FALL = 0.8
"""Share of the average precision at training below which the model is worn out."""
LONGEST_DAYS = 7
"""Age at which a model is trained anew in any case."""


@dataclass(frozen=True)
class Spread:
    """How values lay: inner `edges` of bins, the `share` of each bin, and last the share of values that were not known."""

    edges: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Reference:
    """How features and scores lay in training, and the share of payments that would have been flagged."""

    spreads: Mapping[str, Spread]
    flagged: float


@dataclass(frozen=True)
class Shift:
    """How far a feature, or the score, has moved: its population stability index, and steady, watch or act."""

    name: str
    index: float
    level: str


@dataclass(frozen=True)
class Day:
    """One day's payments and how many of them were flagged."""

    day: date
    payments: int
    flagged: int


@dataclass(frozen=True)
class ScoreAlert:
    """A day on which scores spiked or vanished: the share flagged, and the usual one."""

    day: date
    kind: str
    share: float
    usual: float


def reference(matrix: NDArray[np.float64], scores: NDArray[np.float64], suspicious: float) -> Reference:
    """The reference of a training: the features in the order of `features.NAMES`, and the scores."""
    spreads = {name: _spread(matrix[:, number]) for number, name in enumerate(NAMES)}
    return Reference(spreads | {SCORE: _spread(scores)}, float((scores >= suspicious).mean()) if len(scores) else 0.0)


def shifts(then: Reference, matrix: NDArray[np.float64], scores: NDArray[np.float64]) -> list[Shift]:
    """One row per feature and one for the score, the largest shift first; empty without payments."""
    if not len(matrix):
        return []
    now = {name: matrix[:, number] for number, name in enumerate(NAMES)} | {SCORE: scores}
    found = [Shift(name, stability(spread, now[name]), "") for name, spread in then.spreads.items() if name in now]
    levelled = [Shift(s.name, s.index, STEADY if s.index < WATCH else WATCHED if s.index < ACT else SHIFTED) for s in found]
    return sorted(levelled, key=lambda s: (-s.index, s.name))


def stability(then: Spread, values: NDArray[np.float64]) -> float:
    """The population stability index: 0 where values lie as they did, 0.25 and more where they clearly do not."""
    was = np.maximum(then.shares, LEAST_SHARE)
    now = np.maximum(_shares(np.array(then.edges), values), LEAST_SHARE)
    return float(((now - was) * np.log(now / was)).sum())


def _spread(values: NDArray[np.float64]) -> Spread:
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, PARTS + 1)[1:-1])) if len(known) else np.empty(0)
    return Spread(tuple(map(float, edges)), tuple(map(float, _shares(edges, values))))


def _shares(edges: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = values[np.isfinite(values)]
    # a value on an edge lies below it: many features are 0 most of the time
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    return np.append(counts, len(values) - len(known)) / max(len(values), 1)


def flagged_days(at_ms: NDArray[np.int64], scores: NDArray[np.float64], suspicious: float) -> list[Day]:
    """One row per day, UTC, on which payments were made; `at_ms` are milliseconds of the Unix epoch."""
    number = at_ms // 86_400_000
    days, position = np.unique(number, return_inverse=True)
    payments = np.bincount(position, minlength=len(days))
    flagged = np.bincount(position, weights=scores >= suspicious, minlength=len(days))
    return [
        Day(datetime.fromtimestamp(int(day) * 86_400, UTC).date(), int(count), int(hit))
        for day, count, hit in zip(days, payments, flagged, strict=True)
    ]


def score_alerts(days: Sequence[Day], usual: float) -> list[ScoreAlert]:
    """The days on which far more, or far fewer, payments were flagged than chance explains; `usual` is a share."""
    found = []
    for day in days:
        expected = day.payments * usual
        apart = (day.flagged - expected) / sqrt(max(expected, 1.0))
        share = day.flagged / day.payments if day.payments else 0.0
        if apart > SURE and share > usual * TIMES:
            found.append(ScoreAlert(day.day, SPIKE, share, usual))
        if apart < -SURE and share < usual / TIMES:
            found.append(ScoreAlert(day.day, VANISHED, share, usual))
    return found


def retrain(
    moved: Sequence[Shift], alerts: Sequence[ScoreAlert], age_days: float, trained: float, now: float | None, frauds: int
) -> list[str]:
    """Why the model should be trained anew, one sentence each; empty where it need not be.

    `trained` is its average precision when it was trained, `now` that of the latest block with `frauds` frauds; None where
    nothing is known.
    """
    found = []
    if age_days >= LONGEST_DAYS:
        found.append(f"The model is {age_days:.0f} days old; {LONGEST_DAYS} is the longest.")
    acted = [s for s in moved if s.level == SHIFTED]
    if acted:
        worst = ", ".join(f"{s.name} ({s.index:.2f})" for s in acted[:3])
        found.append(f"{len(acted)} of {len(moved)} distributions have moved by {ACT} or more: {worst}.")
    for alert in alerts:
        found.append(
            f"On {alert.day} the scores {_WORDS[alert.kind]}: {alert.share:.2%} flagged, {alert.usual:.2%} is usual."
        )
    if now is not None and frauds >= LEAST_FRAUDS and now < FALL * trained:
        found.append(f"Average precision is {now:.3f} on {frauds} frauds; at training it was {trained:.3f}.")
    return found


_WORDS = {SPIKE: "spiked", VANISHED: "vanished"}


def table(moved: Sequence[Shift], most: int = 15) -> str:
    """The largest shifts as lines of text: name, index, level."""
    width = max([len("feature"), *(len(s.name) for s in moved[:most])])
    lines = [f"{'feature':<{width}}{'shift':>8}  level"]
    return "\n".join([*lines, *(f"{s.name:<{width}}{s.index:>8.3f}  {s.level}" for s in moved[:most])])
