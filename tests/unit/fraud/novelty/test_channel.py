"""The scale, the sum, the contract's answer and the queue, by hand, with models that say what they are told to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from paylake.contracts.fraud import REASON_TEXTS
from paylake.errors import ContractError, SettingsError, SourceError
from paylake.fraud.features import NAMES
from paylake.fraud.novelty.autoencoder import Autoencoder
from paylake.fraud.novelty.channel import (
    WEIGHTS,
    Channel,
    Ranked,
    Said,
    as_arrays,
    combined,
    from_arrays,
    ranked,
    train_channel,
)
from paylake.fraud.novelty.isolation import train_isolation_forest
from paylake.fraud.novelty.queue import QUEUE_SCHEMA, SCORED_SCHEMA, review_queue
from paylake.fraud.novelty.response import anomaly_response, anomaly_type
from paylake.fraud.novelty.sequence_model import SequenceModel
from paylake.fraud.novelty.telling import TELLS_BY_LITTLE, TELLS_BY_MUCH, TELLS_BY_NONE, telling
from paylake.fraud.novelty.vectors import FARTHEST, NOT_COMPARED, SEEN, Floats, Scale, Vectors, in_order, just_one

FOREST, ENCODER, SEQUENCE = WEIGHTS
NAN = np.nan


@dataclass(frozen=True)
class Told:
    """A model whose error is the first feature; its residuals are the features themselves."""

    name: str = FOREST
    needs_history: bool = False
    scale: Scale = field(default_factory=lambda: Scale(np.zeros(len(SEEN)), np.ones(len(SEEN))))

    def errors(self, of: Vectors) -> Floats:
        return np.where(of.has_history | (not self.needs_history), of.matrix[:, 0], NAN)

    def residuals(self, of: Vectors) -> Floats:
        return np.nan_to_num(of.matrix[:, [NAMES.index(name) for name in SEEN]])


def vectors(*firsts: float) -> Vectors:
    """Payments that differ in the first feature, each of a customer of its own."""
    matrix = np.zeros((len(firsts), len(NAMES)))
    matrix[:, 0] = firsts
    return in_order(matrix, np.arange(len(firsts)))


THOUSAND = np.arange(1000.0)


# --- history ---


def test_the_five_payments_before_are_those_of_the_same_customer_oldest_first() -> None:
    user = np.array([7, 3, 7, 7, 7, 3, 7, 7, 7])
    of = in_order(np.zeros((9, len(NAMES))), user)
    assert of.before[7].tolist() == [0, 2, 3, 4, 6]
    assert of.before[8].tolist() == [2, 3, 4, 6, 7]
    assert of.has_history.tolist() == [False] * 7 + [True] * 2
    assert of.before[5].tolist() == [-1, -1, -1, -1, 1]


@pytest.mark.parametrize(("count", "before"), [(0, [-1] * 5), (4, [-1] * 5), (5, [0, 1, 2, 3, 4]), (7, [0, 1, 2, 3, 4])])
def test_one_payment_sees_the_latest_five_of_its_history(count: int, before: list[int]) -> None:
    history = np.arange(count)[:, None] * np.ones(len(NAMES))
    of = just_one(np.zeros(len(NAMES)), history)
    assert of.before.tolist() == [before]
    assert of.earlier[:, 0].tolist() == list(range(count))[-5:]


# --- what models see ---


def test_values_are_standardised_on_a_logarithmic_scale_and_marked_where_missing() -> None:
    matrix = np.zeros((3, len(NAMES)))
    column = NAMES.index("user_gap")
    matrix[:, column] = np.expm1([1.0, 3.0, NAN])
    seen = Scale.of(matrix)(matrix)
    number = SEEN.index("user_gap")
    assert seen[:, number].tolist() == pytest.approx([-1, 1, 0])
    assert seen[:, len(SEEN) + number].tolist() == [0, 0, 1]
    # what never varies says nothing
    assert np.abs(np.delete(seen, [number, len(SEEN) + number], axis=1)).max() == 0


def test_one_wild_value_is_not_farther_than_far() -> None:
    matrix = np.zeros((2, len(NAMES)))
    column = NAMES.index("user_gap")
    matrix[:, column] = (0, 1)
    scale = Scale.of(matrix)
    for wild in (1e30, np.inf):
        matrix[0, column] = wild
        assert np.abs(scale(matrix)).max() <= FARTHEST


def test_amounts_of_a_currency_are_not_compared() -> None:
    matrix = np.ones((2, len(NAMES)))
    matrix[1, [NAMES.index(name) for name in NOT_COMPARED]] = 1e6
    first, second = Scale.of(matrix)(matrix)
    assert np.array_equal(first, second)


def test_the_words_for_features_are_of_features_that_are_seen() -> None:
    worded = TELLS_BY_MUCH | TELLS_BY_LITTLE | TELLS_BY_NONE
    assert worded <= set(SEEN)


# --- the scale ---


@pytest.mark.parametrize("contamination", [0.1, 0.02])
def test_the_contamination_is_unusual_and_a_tenth_of_it_fraudulent(contamination: float) -> None:
    held_back = vectors(*THOUSAND)
    scores = ranked(Told(), held_back, contamination).scores(held_back)
    assert (scores >= 0.3).mean() == pytest.approx(contamination, abs=0.001)
    assert (scores >= 0.7).mean() == pytest.approx(contamination / 10, abs=0.001)
    assert np.all(np.diff(scores) > 0)


def test_the_scale_has_its_ends_and_its_lines() -> None:
    model = Ranked(Told(), THOUSAND)
    assert model.scores(vectors(-1, 449.5, 899.5, 989.5, 2000)).tolist() == pytest.approx([0, 0.15, 0.3, 0.7, 1])


def test_equal_errors_have_equal_scores_in_the_middle_of_their_ranks() -> None:
    model = Ranked(Told(), np.array([1.0, 2.0, 2.0, 3.0]), contamination=0.5)
    assert model.scores(vectors(2)).tolist() == pytest.approx([0.3])


def test_a_model_that_cannot_say_anything_has_no_scale() -> None:
    with pytest.raises(SourceError, match="The sequence model can say nothing of 2 payments"):
        ranked(Told(SEQUENCE, needs_history=True), vectors(1, 2))


@pytest.mark.parametrize("contamination", [0, 0.51])
def test_a_contamination_that_is_no_share_is_refused(contamination: float) -> None:
    with pytest.raises(SettingsError, match="is not above 0 and at most 0.5"):
        ranked(Told(), vectors(1, 2), contamination)


# --- the sum ---


def test_the_sum_is_weighted_and_only_over_the_models_that_spoke() -> None:
    by_model = {
        FOREST: np.array([1.0, 1.0, 1.0, NAN]),
        ENCODER: np.array([0.5, 0.5, NAN, NAN]),
        SEQUENCE: np.array([0.0, NAN, NAN, NAN]),
    }
    found = combined(by_model, 4)
    assert found.tolist() == pytest.approx([0.6, 0.75, 1.0, NAN], nan_ok=True)
    said = Said(found, by_model)
    assert [said.speakers(row) for row in range(4)] == [(FOREST, ENCODER, SEQUENCE), (FOREST, ENCODER), (FOREST,), ()]


def test_the_weights_are_those_of_the_contract() -> None:
    assert dict(WEIGHTS) == {"isolation forest": 0.4, "autoencoder": 0.4, "sequence model": 0.2}


# --- the contract's answer ---

AT = datetime(2026, 3, 2, 12, tzinfo=timezone(timedelta(hours=2)))


def channel(*names: str) -> Channel:
    return Channel(tuple(Ranked(Told(name, needs_history=name == SEQUENCE), THOUSAND) for name in names))


def timer() -> Iterator[float]:
    yield from (5.0, 5.0125)


def answer(first: float, history: int = 0, **features: float) -> dict[str, object]:
    vector = np.zeros(len(NAMES))
    vector[0] = first
    for name, value in features.items():
        vector[NAMES.index(name)] = value
    ticks = timer()
    return anomaly_response(
        "t1", vector, channel(FOREST, SEQUENCE), np.zeros((history, len(NAMES))), AT, lambda: next(ticks)
    )


def test_a_normal_payment() -> None:
    assert answer(449.5) == {
        "transaction_id": "t1",
        "anomaly_score": 0.15,
        "anomaly_type": "normal",
        "confidence": 0.85,
        "explanation": "The payment looks like others. Judged by the isolation forest.",
        "processing_time_ms": 12.5,
        "timestamp": "2026-03-02T10:00:00+00:00",
    }


def test_an_unusual_payment_says_why_and_who_says_so() -> None:
    found = answer(2000, history=5, user_gap=-2, user_count_1h=3)
    assert (found["anomaly_score"], found["anomaly_type"], found["confidence"]) == (1.0, "fraudulent", 1.0)
    assert found["explanation"] == (f"{REASON_TEXTS['VELOCITY']} Judged by the isolation forest and the sequence model.")


def test_a_payment_that_is_unusual_as_a_whole_says_so() -> None:
    found = answer(930)
    assert found["anomaly_type"] == "suspicious"
    assert found["explanation"] == (
        "No single feature is unusual, but they do not go together. Judged by the isolation forest."
    )


@pytest.mark.parametrize(("score", "kind"), [(0, "normal"), (0.2999, "normal"), (0.3, "suspicious"), (0.6999, "suspicious"),
                                             (0.7, "fraudulent"), (1, "fraudulent")])  # fmt: skip
def test_the_thresholds_belong_to_the_type_above(score: float, kind: str) -> None:
    assert anomaly_type(score) == kind


def test_features_of_another_version_are_refused() -> None:
    with pytest.raises(ContractError, match=f"A payment has {len(NAMES)} features, but 3 were given"):
        anomaly_response("t1", np.zeros(3), channel(FOREST), np.zeros((0, len(NAMES))), AT, lambda: 0.0)


def test_a_reason_is_given_only_where_its_text_is_true() -> None:
    cases: tuple[tuple[str, float, float, float, float], ...] = (
        # name, what was observed, how far it is from what is usual and from what was expected, and what it says
        ("user_count_1h", 4, 2, 3, 9), ("user_count_1h", 1, -2, -2, 0),
        # few payments where more were expected, though the number is usual; and many, but just as expected
        ("user_amount_ratio", 1, 0, -2, 0), ("user_count_1h", 9, 3, 0, 0), ("user_count_1h", 9, 3, -1, 0),
        ("user_merchant_count", 0, -2, -2, 4), ("user_merchant_count", 1, -2, -2, 0),
        ("user_amount_ratio", 0.1, -2, -2, 4), ("user_amount_ratio", 0.9, 0.9, 0.9, 0),
        ("hour", 23, 3, 3, 0), ("is_weekend", 1, 3, 3, 0), ("is_blacklisted", 0, 1.5, 1.5, 0),
    )  # fmt: skip
    for name, observed, far, unexpected, says in cases:
        matrix, deviations, residuals = np.zeros((1, len(NAMES))), np.zeros((1, len(SEEN))), np.zeros((1, len(SEEN)))
        matrix[0, NAMES.index(name)] = observed
        deviations[0, SEEN.index(name)], residuals[0, SEEN.index(name)] = far, unexpected
        weight = telling(matrix, deviations, residuals)
        assert (weight[0, NAMES.index(name)], weight.sum()) == (says, says), (name, far, unexpected)


# --- training ---


def random_payments(count: int) -> Vectors:
    rng = np.random.default_rng(0)
    return in_order(rng.lognormal(size=(count, len(NAMES))), rng.integers(0, 20, count))


def test_a_channel_without_the_neural_models_is_a_forest_alone() -> None:
    of = random_payments(400)
    said = train_channel(of, with_neural=False).say(of)
    assert set(said.by_model) == {FOREST}
    assert said.score == pytest.approx(said.by_model[FOREST], abs=1e-6)
    assert 0.05 < (said.score >= 0.3).mean() < 0.15


def test_too_few_payments_are_said_in_a_sentence() -> None:
    with pytest.raises(SourceError, match="takes 100 payments to learn, but there are 99"):
        train_channel(random_payments(99))


def untrained() -> Channel:
    """All three models; the two nets are as random as untrained ones."""
    of, rng, width = random_payments(400), np.random.default_rng(1), 2 * len(SEEN)
    scale = Scale.of(of.matrix)

    def drawn(*shape: int) -> NDArray[np.float32]:
        return rng.normal(size=shape, scale=0.1).astype(np.float32)

    models = (
        train_isolation_forest(of),
        Autoencoder(scale, tuple((drawn(a, b), drawn(b)) for a, b in ((width, 4), (4, 3), (3, width)))),
        SequenceModel(scale, drawn(width, 6), drawn(2, 6), drawn(2, 6), drawn(2, width), drawn(width)),
    )
    return Channel(tuple(ranked(model, of) for model in models))


def test_a_channel_that_was_kept_says_the_same(tmp_path: Path) -> None:
    of, kept = random_payments(400), tmp_path / "channel.npz"
    first = untrained()
    np.savez(kept, **as_arrays(first))
    with np.load(kept, allow_pickle=False) as named:
        again = from_arrays(named)
    said, said_again = first.say(of), again.say(of)
    assert list(said_again.by_model) == list(WEIGHTS)
    for name, scores in said.by_model.items():
        assert np.array_equal(said_again.by_model[name], scores, equal_nan=True)
    assert np.array_equal(again.weights(of), first.weights(of))


def test_a_channel_of_other_features_is_refused() -> None:
    named = as_arrays(channel()) | {"features_version": np.asarray("old")}
    with pytest.raises(ContractError, match="trained on features of version old"):
        from_arrays(named)


# --- the queue ---


def scored(*rows: tuple[str, str, float | None, str]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCORED_SCHEMA.names, row, strict=True)) for row in rows],
                                SCORED_SCHEMA)  # fmt: skip


SCORED = scored(
    ("t1", "old", 0.901, "normal"),
    ("t2", "new", 0.899, "normal"),
    ("t3", "old", 0.95, "normal"),
    ("t4", "new", 0.99, "suspicious"),
    ("t5", "new", 0.29, "normal"),
    ("t6", "nobody", None, "normal"),
    ("t0", "nobody", 0.9, "normal"),
)


def test_the_queue_holds_what_only_this_channel_finds_and_newcomers_first_where_equal() -> None:
    found = review_queue(SCORED, {"old": 40, "new": 1}, most=10)
    assert found.schema == QUEUE_SCHEMA
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("t3", "old", 0.95, 40), ("t0", "nobody", 0.9, 0), ("t2", "new", 0.899, 1), ("t1", "old", 0.901, 40),
    ]  # fmt: skip
    backwards = SCORED.take(list(range(SCORED.num_rows))[::-1])
    assert review_queue(backwards, {"old": 40, "new": 1}, most=10) == found


def test_the_queue_is_no_longer_than_asked_for() -> None:
    assert review_queue(SCORED, {}, most=1)["transaction_id"].to_pylist() == ["t3"]
    assert review_queue(SCORED, {}, most=0).num_rows == 0
