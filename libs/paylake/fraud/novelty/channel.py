"""The models of a channel, what they say together on the contract's scale, and how they are trained and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from paylake.errors import ContractError, SourceError
from paylake.fraud.features import FEATURES_VERSION, NAMES
from paylake.fraud.novelty.autoencoder import Autoencoder, train_autoencoder
from paylake.fraud.novelty.isolation import CONTAMINATION, IsolationForest, check_contamination, train_isolation_forest
from paylake.fraud.novelty.sequence_model import SequenceModel, train_sequence_model
from paylake.fraud.novelty.telling import telling
from paylake.fraud.novelty.vectors import STEPS, Floats, Scale, Vectors

WEIGHTS: Mapping[str, float] = {"isolation forest": 0.4, "autoencoder": 0.4, "sequence model": 0.2}
"""What each model counts in the sum. Where one is silent, the others count for it, in their proportions."""
SUSPICIOUS_FROM, FRAUDULENT_FROM = 0.3, 0.7
MUCH_RARER = 10
"""Of the unusual payments one in so many is fraudulent by the scale."""
DIGITS = 6
"""Scores are told to so many digits."""
HELD_BACK = 4
"""One payment in so many is not learnt from: its scores are the scale."""
LEAST_TO_LEARN = 100


class Model(Protocol):
    """Something that was trained on payments without labels."""

    @property
    def name(self) -> str:
        """What it is called in WEIGHTS."""

    @property
    def scale(self) -> Scale:
        """What was usual of the payments that it learnt from."""

    def errors(self, of: Vectors) -> Floats:
        """How unusual each payment is, in the model's own measure, more for the more unusual; NaN where it cannot say."""

    def residuals(self, of: Vectors) -> Floats:
        """Standard deviations by which each feature of SEEN lies above what the model expects; 0 where it is not known."""


@dataclass(frozen=True)
class Ranked:
    """A model whose errors are told on the scale of the contract, by their rank among payments it did not learn from.

    The usual payments, a share of 1 - contamination, spread evenly over 0 to 0.3, the unusual ones over 0.3 to 0.7, and the
    last tenth of these over 0.7 to 1. A rank alone would call three payments in ten fraudulent.
    """

    model: Model
    errors_sorted: Floats
    contamination: float = CONTAMINATION

    def scores(self, of: Vectors) -> Floats:
        """0 to 1, 1 for what is more unusual than all that was known; NaN where the model cannot say."""
        errors = self.model.errors(of)
        below, above = (np.searchsorted(self.errors_sorted, errors, side=side) for side in ("left", "right"))
        rank = (below + above) / (2 * len(self.errors_sorted))
        usual = 1 - self.contamination
        shares = (0.0, usual, 1 - self.contamination / MUCH_RARER, 1.0)
        found = np.interp(rank, shares, (0.0, SUSPICIOUS_FROM, FRAUDULENT_FROM, 1.0))
        return np.where(np.isnan(errors), np.nan, found)


def ranked(model: Model, held_back: Vectors, contamination: float = CONTAMINATION) -> Ranked:
    """The model with its scale. Raises SettingsError for a contamination that is no share, and SourceError where the model
    has nothing to say of the payments.
    """
    check_contamination(contamination)
    errors = model.errors(held_back)
    known = np.sort(errors[~np.isnan(errors)])
    if not len(known):
        raise SourceError(
            f"The {model.name} can say nothing of {len(held_back):,} payments, so its scores have no scale; train it on "
            f"customers with more than {STEPS} payments."
        )
    return Ranked(model, known, contamination)


@dataclass(frozen=True)
class Said:
    """What was said of payments: `score` is the weighted sum, `by_model` each model's part, NaN where it was silent."""

    score: Floats
    by_model: Mapping[str, Floats]

    def speakers(self, row: int) -> tuple[str, ...]:
        """The models that spoke of a payment, in the order of WEIGHTS."""
        return tuple(name for name, scores in self.by_model.items() if not np.isnan(scores[row]))


@dataclass(frozen=True)
class Channel:
    """The models that there are, in the order of WEIGHTS."""

    models: tuple[Ranked, ...]

    def say(self, of: Vectors) -> Said:
        """The scores of payments. Raises ContractError where they have other features than the models."""
        if of.matrix.ndim != 2 or of.matrix.shape[1] != len(NAMES):
            raise ContractError(
                f"A payment has {len(NAMES)} features, but {of.matrix.shape[-1]} were given; make them with this version."
            )
        by_model = {one.model.name: one.scores(of) for one in self.models}
        return Said(combined(by_model, len(of)), by_model)

    def weights(self, of: Vectors) -> Floats:
        """What each feature of NAMES says for its reason, a column each, by the autoencoder, which knows what goes together;
        without one, by the first model.
        """
        model = next((m.model for m in self.models if m.model.name == "autoencoder"), self.models[0].model)
        return telling(of.matrix, model.scale.residuals(of.matrix), model.residuals(of))


def combined(by_model: Mapping[str, Floats], count: int) -> Floats:
    """The weighted sum of the models that spoke, their weights made to add up to 1; NaN where none did."""
    total, weight = np.zeros(count), np.zeros(count)
    for name, scores in by_model.items():
        spoke = ~np.isnan(scores)
        total += np.where(spoke, scores, 0.0) * WEIGHTS[name]
        weight += spoke * WEIGHTS[name]
    # rounded: dividing by the weights must not lift a score over a threshold
    return np.where(weight > 0, np.round(total / np.where(weight > 0, weight, 1.0), DIGITS), np.nan)


def has_neural() -> bool:
    """True where the extra `novelty` is installed, which trains the two neural models."""
    return find_spec("keras") is not None and find_spec("jax") is not None


def train_channel(
    of: Vectors, contamination: float = CONTAMINATION, seed: int = 0, with_neural: bool | None = None
) -> Channel:
    """The channel of payments without labels; the same arguments give the same models.

    The two neural models are there `with_neural`, by default where they can be trained; the sequence model also needs
    customers with more than STEPS payments. Raises SourceError for fewer than LEAST_TO_LEARN payments, and SettingsError
    where a library is missing.
    """
    if len(of) < LEAST_TO_LEARN:
        raise SourceError(f"What is usual takes {LEAST_TO_LEARN} payments to learn, but there are {len(of)}; wait for more.")
    is_held_back = np.arange(len(of)) % HELD_BACK == HELD_BACK - 1
    learnt, rest = of.taken(~is_held_back), of.taken(is_held_back)
    models: list[Model] = [train_isolation_forest(learnt, contamination, seed)]
    if has_neural() if with_neural is None else with_neural:
        models.append(train_autoencoder(learnt, seed))
        if learnt.has_history.any() and rest.has_history.any():
            models.append(train_sequence_model(learnt, seed))
    return Channel(tuple(ranked(model, rest, contamination) for model in models))


def as_arrays(channel: Channel) -> dict[str, NDArray[Any]]:
    """The channel as plain arrays by name, for `numpy.savez`: nothing in them runs when they are read."""
    named: dict[str, NDArray[Any]] = {"features_version": np.asarray(FEATURES_VERSION)}
    for number, one in enumerate(channel.models):
        _flatten(f"{number}", one, named)
    return named


def from_arrays(named: Mapping[str, NDArray[Any]]) -> Channel:
    """The channel of such arrays; ContractError where it was trained on features of another version."""
    version = str(named["features_version"])
    if version != FEATURES_VERSION:
        raise ContractError(
            f"The novelty channel was trained on features of version {version}, not {FEATURES_VERSION}: train it anew."
        )
    kinds = dict(zip(WEIGHTS, (IsolationForest, Autoencoder, SequenceModel), strict=True))
    models = []
    for number in sorted({int(key.split(".")[0]) for key in named if key != "features_version"}):
        of = _nested({k.split(".", 1)[1]: v for k, v in named.items() if k.startswith(f"{number}.")})
        parts = dict(of["model"])
        parts["scale"] = Scale(**parts["scale"])
        if "layers" in parts:
            parts["layers"] = tuple(
                (parts["layers"][at]["0"], parts["layers"][at]["1"]) for at in sorted(parts["layers"], key=int)
            )
        models.append(Ranked(kinds[parts["name"]](**parts), of["errors_sorted"], of["contamination"]))
    return Channel(tuple(models))


def _flatten(name: str, value: Any, into: dict[str, NDArray[Any]]) -> None:
    if isinstance(value, tuple):
        for number, part in enumerate(value):
            _flatten(f"{name}.{number}", part, into)
    elif is_dataclass(value):
        for field, part in vars(value).items():
            _flatten(f"{name}.{field}", part, into)
    else:
        into[name] = np.asarray(value)


def _nested(named: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """By the parts of their names; what is a single value becomes one."""
    found: dict[str, Any] = {}
    for name, value in named.items():
        *folders, last = name.split(".")
        inner = found
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[last] = value.item() if value.ndim == 0 else value
    return found
