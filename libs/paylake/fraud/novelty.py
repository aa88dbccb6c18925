"""Payments that look unlike the others, told without labels: a second channel beside the model that learnt from frauds.

Its score is never averaged into the supervised one, which that makes worse: it fills a review queue of its own, and speaks
of customers and kinds of fraud of which nothing is known yet. Libraries of models are loaded where one is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paylake.contracts.fraud import ANOMALY_TYPES, NORMAL
from paylake.errors import ContractError, SettingsError, SourceError
from paylake.fraud.explanations import reasons
from paylake.fraud.features import FEATURES_VERSION, NAMES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WEIGHTS: Mapping[str, float] = {"isolation forest": 0.4, "autoencoder": 0.4, "sequence model": 0.2}
"""What each model counts in the sum. Where one is silent, the others count for it, in their proportions."""
SUSPICIOUS_FROM, FRAUDULENT_FROM = 0.3, 0.7
CONTAMINATION = 0.1
"""The share of payments that is looked at as unusual."""
MUCH_RARER = 10
"""Of the unusual payments one in so many is fraudulent by the scale."""
DIGITS = 6
"""Scores are told to so many digits."""
STEPS = 5
"""Payments of a customer after which the next one can be foretold."""
HELD_BACK = 4
"""One payment in so many is not learnt from: its scores are the scale."""
LEAST_TO_LEARN = 100
FARTHEST = 8.0
"""Standard deviations beyond which a value is not farther away: one wild number must not drown the others."""
LEAST_UNUSUAL, LEAST_UNEXPECTED = 1.0, 0.5
"""Standard deviations, from what is usual and from what a model expects, from which on a feature is worth a word."""

NOT_COMPARED = ("amount", "user_spent_1m", "user_spent_5m", "user_spent_24h", "user_usual_amount", "merchant_usual_amount")
"""Amounts in a currency's units: without a label to hold on to, a payment in yen would look like a fraud in euro."""
SEEN: tuple[str, ...] = tuple(name for name in NAMES if name not in NOT_COMPARED)
_SEEN = np.array([NAMES.index(name) for name in SEEN])

TELLS_BY_MUCH = frozenset(
    {
        "user_count_1m", "user_count_2m", "user_count_5m", "user_count_1h", "user_count_24h", "user_count_7d",
        "user_count_30d", "user_amount_ratio", "user_amount_ratio_ever", "user_amount_deviation", "user_tests_10m",
        "user_declines_10m", "user_declines_24h", "user_refunds_7d", "user_refund_share_30d", "user_merchants_1h",
        "user_countries_1h", "user_countries_24h", "user_same_amount_10m", "user_frauds_30d", "merchant_count_1h",
        "merchant_count_24h", "merchant_users_1h", "merchant_burst", "merchant_amount_deviation", "merchant_declines_1h",
        "merchant_tests_10m", "merchant_frauds_1d", "merchant_frauds_7d", "merchant_frauds_30d",
        "merchant_fraud_share_30d", "card_count_10m", "card_count_24h", "card_merchants_1h", "card_declines_1h",
        "device_count_1h", "device_users_24h", "is_night", "is_refund", "is_abroad", "country_risk", "merchant_risk",
        "user_risk", "user_unverified", "is_blacklisted", "limit_ratio",
    }
)  # fmt: skip
"""Features whose reason is true of a payment that has more of them than others."""
TELLS_BY_LITTLE = frozenset({"user_amount_ratio", "user_amount_ratio_ever", "user_amount_deviation",
                             "merchant_amount_deviation", "user_gap"})  # fmt: skip
"""Those whose reason is true of a payment that has less."""
TELLS_BY_NONE = frozenset({"user_merchant_count", "user_device_count"})
"""Those whose reason is true of a payment that has none at all. The rest is seen, but gives no reason."""


@dataclass(frozen=True)
class Vectors:
    """Payments to be looked at, and what their customers paid before.

    `matrix` has a row per payment, in the order of `features.NAMES`, NaN where a feature is not known. `before` has a row
    per payment too: where in `earlier` the STEPS payments of the same customer stand that came before, oldest first; -1
    where there are not as many.
    """

    matrix: Floats
    earlier: Floats
    before: Ints

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def has_history(self) -> NDArray[np.bool_]:
        """True for each payment that has all STEPS payments before it."""
        return np.asarray((self.before >= 0).all(axis=1))

    def taken(self, rows: NDArray[Any]) -> Vectors:
        """Those payments, with the same history."""
        return Vectors(self.matrix[rows], self.earlier, self.before[rows])


def in_order(matrix: Floats, user: Ints) -> Vectors:
    """Payments in order of arrival, each with those of the same customer (by number) that stand before it."""
    order = np.argsort(user, kind="stable")
    place = np.arange(len(user))
    first = np.searchsorted(user[order], user[order], side="left")
    wanted = place[:, None] - np.arange(STEPS, 0, -1)
    before = np.full((len(user), STEPS), -1, np.int64)
    before[order] = np.where(wanted >= first[:, None], order[np.maximum(wanted, 0)], -1)
    return Vectors(matrix, matrix, before)


def just_one(vector: Floats, history: Floats) -> Vectors:
    """One payment, and the features of its customer's payments before it, oldest first, a row each."""
    latest = np.asarray(history, float).reshape(-1, len(NAMES))[-STEPS:]
    before = np.arange(STEPS) if len(latest) == STEPS else np.full(STEPS, -1)
    return Vectors(np.asarray(vector, float).reshape(1, -1), latest, before[None, :].astype(np.int64))


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


# --- what models see ---


@dataclass(frozen=True)
class Scale:
    """What is usual of each feature of SEEN: mean and deviation of its size, on a logarithmic scale."""

    mean: Floats
    deviation: Floats

    @staticmethod
    def of(matrix: Floats) -> Scale:
        """The scale of the payments that are learnt from; one that never varies or is never known deviates by 1."""
        sizes = _sizes(matrix)
        count = np.maximum((~np.isnan(sizes)).sum(axis=0), 1)
        mean = np.nansum(sizes, axis=0) / count
        deviation = np.sqrt(np.nansum((sizes - mean) ** 2, axis=0) / count)
        return Scale(mean, np.where(deviation > 1e-9, deviation, 1.0))

    def __call__(self, matrix: Floats) -> NDArray[np.float32]:
        """The standardised values, 0 where one is not known, and behind them as many columns that are 1 there."""
        scores = (_sizes(matrix) - self.mean) / self.deviation
        is_missing = np.isnan(scores)
        known = np.clip(np.where(is_missing, 0.0, scores), -FARTHEST, FARTHEST)
        return np.concatenate([known, is_missing], axis=1).astype(np.float32)

    def residuals(self, matrix: Floats) -> Floats:
        """The standardised values alone."""
        return self(matrix)[:, : len(SEEN)].astype(float)


def _sizes(matrix: Floats) -> Floats:
    seen = np.where(np.isfinite(matrix), matrix, np.nan)[:, _SEEN]
    return np.asarray(np.sign(seen) * np.log1p(np.abs(seen)))


# --- from a model's own measure to the contract's scale ---


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
    if not 0 < contamination <= 0.5:
        raise SettingsError(f"contamination: {contamination} is not above 0 and at most 0.5; 0.1 is one payment in ten.")
    errors = model.errors(held_back)
    known = np.sort(errors[~np.isnan(errors)])
    if not len(known):
        raise SourceError(
            f"The {model.name} can say nothing of {len(held_back):,} payments, so its scores have no scale; train it on "
            f"customers with more than {STEPS} payments."
        )
    return Ranked(model, known, contamination)


# --- the channel ---


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
    from paylake.fraud.isolation import train_isolation_forest

    is_held_back = np.arange(len(of)) % HELD_BACK == HELD_BACK - 1
    learnt, rest = of.taken(~is_held_back), of.taken(is_held_back)
    models: list[Model] = [train_isolation_forest(learnt, contamination, seed)]
    if has_neural() if with_neural is None else with_neural:
        from paylake.fraud.autoencoder import train_autoencoder
        from paylake.fraud.sequence_model import train_sequence_model

        models.append(train_autoencoder(learnt, seed))
        if learnt.has_history.any() and rest.has_history.any():
            models.append(train_sequence_model(learnt, seed))
    return Channel(tuple(ranked(model, rest, contamination) for model in models))


# --- to keep it ---


def as_arrays(channel: Channel) -> dict[str, NDArray[Any]]:
    """The channel as plain arrays by name, for `numpy.savez`: nothing in them runs when they are read."""
    named: dict[str, NDArray[Any]] = {"features_version": np.asarray(FEATURES_VERSION)}
    for number, one in enumerate(channel.models):
        _flatten(f"{number}", one, named)
    return named


def from_arrays(named: Mapping[str, NDArray[Any]]) -> Channel:
    """The channel of such arrays; ContractError where it was trained on features of another version."""
    from paylake.fraud.autoencoder import Autoencoder
    from paylake.fraud.isolation import IsolationForest
    from paylake.fraud.sequence_model import SequenceModel

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


# --- the contract ---


def anomaly_type(score: float) -> str:
    """normal, suspicious from SUSPICIOUS_FROM on, fraudulent from FRAUDULENT_FROM on."""
    return ANOMALY_TYPES[int(score >= SUSPICIOUS_FROM) + int(score >= FRAUDULENT_FROM)]


def anomaly_response(
    transaction_id: str, vector: Floats, channel: Channel, history: Floats, at: datetime, timer: Callable[[], float]
) -> dict[str, Any]:
    """What is answered for one payment, ready for JSON.

    `vector` holds its features (of a row of facts: `facts.matrix_of(row)[0]`), `history` those of its customer's payments
    before it, oldest first; with fewer than STEPS the sequence model is silent. `at` is the time of the answer; `timer`
    returns seconds, and is asked twice. `confidence` is what the score says for the type: the score itself, and 1 - score
    for a normal payment. Raises ContractError for features of another version.
    """
    began = timer()
    of = just_one(vector, history)
    said = channel.say(of)
    score = float(said.score[0])
    kind = anomaly_type(score)
    explanation = explained(of.matrix, channel.weights(of), kind, said.speakers(0))
    return {
        "transaction_id": transaction_id,
        "anomaly_score": score,
        "anomaly_type": kind,
        "confidence": round(1 - score if kind == NORMAL else score, DIGITS),
        "explanation": explanation,
        "processing_time_ms": round((timer() - began) * 1000, 3),
        "timestamp": at.astimezone(UTC).isoformat(),
    }


def explained(matrix: Floats, weights: Floats, kind: str, speakers: Sequence[str]) -> str:
    """Why a single payment is unusual, for people, and which models say so."""
    judged = f"Judged by the {_listed(speakers)}."
    if kind == NORMAL:
        return f"The payment looks like others. {judged}"
    (found,) = reasons(matrix, weights)
    texts = [one["text"] for one in found] or ["No single feature is unusual, but they do not go together."]
    return " ".join([*texts, judged])


def telling(matrix: Floats, deviations: Floats, residuals: Floats) -> Floats:
    """What each feature of NAMES says for its reason, a column each: its squared residual, where the text is true.

    `deviations` are those from what is usual, and decide whether it is; `residuals` those from what a model expects of just
    this payment. Both have a column per feature of SEEN.
    """
    weight = np.zeros((len(matrix), len(NAMES)))
    for number, name in enumerate(SEEN):
        column, far, unexpected = NAMES.index(name), deviations[:, number], residuals[:, number]
        is_much = (far >= LEAST_UNUSUAL) & (unexpected >= LEAST_UNEXPECTED)
        is_little = (far <= -LEAST_UNUSUAL) & (unexpected <= -LEAST_UNEXPECTED)
        holds = np.zeros(len(matrix), bool)
        if name in TELLS_BY_MUCH:
            holds |= is_much & (matrix[:, column] > 0)
        if name in TELLS_BY_LITTLE:
            holds |= is_little
        if name in TELLS_BY_NONE:
            holds |= is_little & (matrix[:, column] == 0)
        weight[:, column] = np.where(holds, unexpected**2, 0.0)
    return weight


def _listed(names: Sequence[str]) -> str:
    return " and the ".join([", the ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


# --- its own queue ---

SCORED_SCHEMA = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("user_id", pa.string()),
        ("anomaly_score", pa.float64()),
        ("anomaly_type", pa.string()),
    ]
)
"""One row per payment: `anomaly_score` is this channel's, `anomaly_type` what the supervised model found."""

QUEUE_SCHEMA = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("user_id", pa.string()),
        ("anomaly_score", pa.float64()),
        ("known_payments", pa.int64()),
    ]
)
"""One row per payment that somebody should look at, the most unusual first."""


def review_queue(scores: pa.Table, known: Mapping[str, int], most: int) -> pa.Table:
    """The payments (QUEUE_SCHEMA) that only this channel finds unusual, at most `most`, the most unusual first.

    `scores` has SCORED_SCHEMA; the supervised model's own finds have a queue already. Of scores that are equal to a
    hundredth, customers of whom fewer payments are `known` come first: of them the supervised model knows least. A customer
    who is not named there has none. The order of the rows does not matter.
    """
    rows = [
        {**row, "known_payments": known.get(row["user_id"], 0)}
        for row in scores.select(SCORED_SCHEMA.names).to_pylist()
        if row["anomaly_type"] == NORMAL and row["anomaly_score"] is not None and row["anomaly_score"] >= SUSPICIOUS_FROM
    ]
    rows.sort(key=lambda row: (-round(row["anomaly_score"], 2), row["known_payments"], row["transaction_id"]))
    return pa.Table.from_pylist([{n: row[n] for n in QUEUE_SCHEMA.names} for row in rows[: max(most, 0)]], QUEUE_SCHEMA)
