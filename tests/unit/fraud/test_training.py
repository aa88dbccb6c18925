"""Who may be learnt from, what leaks, how time is cut, and that the same data give the same model."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from paylake.errors import ContractError, SettingsError, SourceError
from paylake.fraud import training
from paylake.fraud.features import NAMES
from paylake.fraud.training import BAD, GOOD, NEVER, NOBODY_SAID, Blocks, Examples, train
from tests.unit.fraud.examples import DAY_MS, DAYS, QUICK, START_MS, TELLING, end_of, examples

WEEK = timedelta(days=7)


def payments(*rows: dict[str, float]) -> Examples:
    """Payments by hand: at and known in days; those of which nobody has said have no label."""
    at = np.array([START_MS + round(row["at"] * DAY_MS) for row in rows])
    known = np.array([START_MS + round(row["known"] * DAY_MS) if "known" in row else NEVER for row in rows])
    scored = np.array([START_MS + round(row.get("scored", row["at"]) * DAY_MS) for row in rows])
    label = np.array([row.get("label", BAD if "known" in row else NOBODY_SAID) for row in rows], dtype=np.int64)
    count = len(rows)
    return Examples(
        matrix=np.zeros((count, len(NAMES))), features_at_ms=scored, at_ms=at, label=label, known_at_ms=known,
        units=np.full(count, 10_000), currency=np.full(count, "EUR"), user=np.arange(count), weight=np.ones(count),
    )  # fmt: skip


# --- what was known when ---


def test_a_payment_is_learnt_from_once_a_fraud_would_have_been_reported() -> None:
    of = payments({"at": 2}, {"at": 3}, {"at": 3.01}, {"at": 3.5, "known": 4})
    assert training.matured(of, end_of(10), WEEK).tolist() == [True, True, False, False]


def test_a_label_counts_from_when_it_was_known() -> None:
    of = payments({"at": 0, "known": 9.9}, {"at": 0, "known": 10.1}, {"at": 0}, {"at": 0, "known": 1, "label": GOOD})
    assert training.truth_as_of(of, end_of(10)).tolist() == [1, 0, 0, 0]


def test_features_that_were_made_after_the_label_are_not_learnt_from() -> None:
    of = payments({"at": 0, "known": 1, "scored": 1.5}, {"at": 0, "known": 1, "scored": 0.5}, {"at": 0, "scored": 9})
    assert training.matured(of, end_of(8), WEEK).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"at": 1, "known": 10.5}, "1 of 2 payments have a label that was not known yet"),
        ({"at": 3.5}, "1 of 2 payments have not reached the age at which labels count"),
        ({"at": 1, "scored": 11}, "1 of 2 payments have features that were made later"),
        ({"at": 1, "known": 2, "scored": 3}, "1 of 2 payments have features that were made after the label was known"),
    ],
)
def test_what_looks_beyond_its_time_is_refused(row: dict[str, float], what: str) -> None:
    training.refuse_leaks(payments({"at": 0, "known": 1}), end_of(10), WEEK)
    with pytest.raises(ContractError, match=what):
        training.refuse_leaks(payments({"at": 0, "known": 1}, row), end_of(10), WEEK)


def test_a_feature_that_knows_the_label_is_caught() -> None:
    """The leak is put into a feature that looks harmless, with noise and gaps, as a join with labels would put it there."""
    of = examples()
    matrix, leak = of.matrix.copy(), NAMES.index("merchant_count_24h")
    matrix[:, leak] = np.where(of.label == BAD, 100, 1) + np.random.default_rng(1).random(len(of))
    train(of, end_of(8), QUICK, DAYS)
    with pytest.raises(ContractError, match="the feature merchant_count_24h alone tells fraud from good payments"):
        train(replace(of, matrix=matrix), end_of(8), QUICK, DAYS)


def test_labels_that_are_not_known_yet_change_nothing() -> None:
    of = examples(days=24, labels_late_by=timedelta(days=5))
    blocks = replace(DAYS, maturity=WEEK)
    later = of.known_at_ms > end_of(20)
    blind = replace(of, label=np.where(later, NOBODY_SAID, of.label), known_at_ms=np.where(later, NEVER, of.known_at_ms))
    assert later[of.label == BAD].any()
    assert train(of, end_of(20), QUICK, blocks) == train(blind, end_of(20), QUICK, blocks)


def test_without_a_maturity_labels_are_truth_whenever_they_were_known() -> None:
    at_once, late = (examples(labels_late_by=delay) for delay in (timedelta(0), timedelta(days=30)))
    assert train(late, end_of(8), QUICK, DAYS) == train(at_once, end_of(8), QUICK, DAYS)


# --- time ---


def blocks_until(days: float, blocks: Blocks) -> list[tuple[float, float]]:
    """The test blocks of payments from day 0 to `days`, in days, judged right then and matured."""
    of = payments({"at": 0.001}, {"at": days - 0.001})
    as_of = end_of(0) + round(days * DAY_MS) + round(blocks.maturity.total_seconds() * 1000)
    return [((a - START_MS) / DAY_MS, (b - START_MS) / DAY_MS) for a, b in training.tests(of, as_of, blocks)]


def test_each_test_has_its_training_and_the_labels_delay_before_it() -> None:
    blocks = Blocks(train=timedelta(days=14), test=WEEK, maturity=WEEK)
    assert blocks_until(27.5, blocks) == []
    assert blocks_until(28, blocks) == [(21, 28)]
    assert blocks_until(42, blocks) == [(35, 42), (28, 35), (21, 28)]
    assert len(blocks_until(90, blocks)) == 4


def test_no_fold_is_trained_on_what_came_after_its_test_began() -> None:
    of = examples(days=10)
    found = train(of, end_of(10), QUICK, DAYS)
    assert [round((f.test_from_ms - START_MS) / DAY_MS, 2) for f in found.folds] == [6, 7, 8, 9]
    # a fold knows nothing of the days after its test began: without them it is the same
    early = train(of.taken(of.at_ms < end_of(7)), end_of(7), QUICK, replace(DAYS, most=1))
    assert early.folds[0].measures == found.folds[0].measures


def test_too_few_days_are_said_in_a_sentence() -> None:
    with pytest.raises(
        SourceError, match="too few to judge a model: it takes 4 days of training, 0 days for the labels and"
    ):
        train(examples(days=3), end_of(3), QUICK, DAYS)
    with pytest.raises(SourceError, match="No payment is old enough to learn from: none was made 45 days before"):
        train(examples(days=3), end_of(3), QUICK)
    of = examples(days=8)
    with pytest.raises(SourceError, match="with frauds in each"):
        train(replace(of, label=np.full(len(of), NOBODY_SAID)), end_of(8), QUICK, DAYS)


def test_a_maturity_below_the_labels_delay_is_refused() -> None:
    with pytest.raises(SettingsError, match="--maturity: 3 days is less than the labels' delay of 7 days"):
        Blocks(maturity=timedelta(days=3))


def test_the_latest_block_is_the_last_one_with_labels() -> None:
    of = training.latest_block(examples(), end_of(8), DAYS)
    assert of.at_ms.min() >= end_of(7) - DAY_MS // 20
    with pytest.raises(SourceError, match="0 frauds among 2: nothing can be judged"):
        training.latest_block(payments({"at": 0}, {"at": 0.5}), end_of(8), DAYS)


# --- the model ---


def test_the_same_data_and_seed_give_the_same_model() -> None:
    once, again = (train(examples(), end_of(8), replace(QUICK, keep_genuine=0.5), DAYS) for _ in range(2))
    assert once == again
    assert once.model.booster != train(examples(), end_of(8), replace(QUICK, seed=1), DAYS).model.booster


def test_it_finds_what_tells_frauds_and_its_scores_are_shares() -> None:
    found = train(examples(8_000), end_of(8), replace(QUICK, trees=40), DAYS)
    assert {*list(found.weights)[:2]} == {NAMES[number] for number in TELLING}
    mean, low, high = found.intervals["average_precision"]
    assert 0.3 < low < mean < high < 0.95
    assert found.intervals["calibration_error"][0] < 0.02


def test_fewer_good_payments_to_learn_from_leave_the_shares_as_they_are() -> None:
    of = examples(8_000)
    scores = train(of, end_of(8), replace(QUICK, keep_genuine=0.2), DAYS).model.scores(of.matrix)
    assert scores.mean() == pytest.approx((of.label == BAD).mean(), rel=0.15)


def test_no_more_good_payments_are_flagged_than_the_budget_allows() -> None:
    narrow, wide = (train(examples(), end_of(8), QUICK, DAYS, budget=budget) for budget in (0.002, 0.2))
    assert narrow.model.thresholds.suspicious > wide.model.thresholds.suspicious
    assert narrow.model.thresholds.suspicious <= narrow.model.thresholds.fraudulent
    assert narrow.intervals["false_positives_suspicious"][0] < 0.02


def test_a_champion_is_beaten_only_on_most_folds_that_it_had_not_seen() -> None:
    of, blind = examples(days=10), examples(days=6, seed=9)
    rng = np.random.default_rng(0)
    guess = replace(blind, label=rng.permutation(blind.label))
    guess = replace(guess, known_at_ms=np.where(guess.label == BAD, guess.at_ms, NEVER))
    weak = train(guess, end_of(6), QUICK, replace(DAYS, train=timedelta(days=3))).model
    against_weak = train(of, end_of(10), QUICK, DAYS, champion=weak)
    assert (against_weak.wins, against_weak.is_better) == ((4, 4), True)

    strong = train(of, end_of(10), replace(QUICK, trees=60), DAYS).model
    against_strong = train(of, end_of(10), replace(QUICK, trees=1), DAYS, champion=strong)
    assert [f.is_fair for f in against_strong.folds] == [False] * 4
    assert against_strong.is_better is False

    half_seen = train(of.taken(of.at_ms < end_of(8)), end_of(8), QUICK, DAYS).model
    later = train(of, end_of(10), QUICK, DAYS, champion=half_seen)
    assert [f.is_fair for f in later.folds] == [False, False, True, True]
    assert later.wins[1] == 2


def test_without_a_champion_the_first_model_is_better_than_none() -> None:
    found = train(examples(), end_of(8), QUICK, DAYS)
    assert (found.wins, found.is_better) == ((0, 0), True)
