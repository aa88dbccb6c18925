"""Shifts, spikes and the decision to train anew, by hand."""

from __future__ import annotations

from datetime import date
from math import log

import numpy as np
import pytest

from paylake.fraud import drift
from paylake.fraud.drift import SPIKE, VANISHED, Day, ScoreAlert, Shift, Spread
from paylake.fraud.features import NAMES

MONDAY, TUESDAY = date(2026, 3, 30), date(2026, 3, 31)


def test_the_index_by_hand() -> None:
    then = Spread(edges=(1.0,), shares=(0.5, 0.5, 0.0))
    # one in four is still low; the share of those not known stays at nothing
    assert drift.stability(then, np.array([0.0, 2.0, 2.0, 2.0])) == pytest.approx(
        (0.25 - 0.5) * log(0.25 / 0.5) + (0.75 - 0.5) * log(0.75 / 0.5)
    )
    assert drift.stability(then, np.array([1.0, 2.0])) == pytest.approx(0)


def test_what_is_no_longer_known_is_a_shift_too() -> None:
    then = Spread(edges=(1.0,), shares=(0.5, 0.5, 0.0))
    assert drift.stability(then, np.array([np.nan, np.nan, 0.0, 2.0])) > drift.ACT


def matrix(seed: int, count: int = 5_000) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Payments like each other's."""
    rng = np.random.default_rng(seed)
    found = rng.lognormal(size=(count, len(NAMES)))
    found[:, 0] = rng.random(count) < 0.02
    found[:, 1] = np.nan
    return found


def test_payments_like_those_of_the_training_have_not_shifted() -> None:
    then = drift.reference(matrix(0), np.random.default_rng(0).random(5_000), suspicious=0.98)
    moved = drift.shifts(then, matrix(1), np.random.default_rng(1).random(5_000))
    assert len(moved) == len(NAMES) + 1
    assert {s.level for s in moved} == {"steady"}
    assert then.flagged == pytest.approx(0.02, abs=0.01)
    assert drift.shifts(then, matrix(1)[:0], np.zeros(0)) == []


def test_the_features_that_shifted_come_first() -> None:
    then = drift.reference(matrix(0), np.random.default_rng(0).random(5_000), suspicious=0.98)
    now = matrix(1)
    now[:, 5] *= 3.0
    now[:, 7] *= 1.45
    moved = drift.shifts(then, now, np.random.default_rng(1).random(5_000))
    assert [(s.name, s.level) for s in moved[:3]] == [
        (NAMES[5], "act"), (NAMES[7], "watch"), (moved[2].name, "steady")
    ]  # fmt: skip
    assert drift.table(moved, most=2).splitlines()[1].split() == [NAMES[5], f"{moved[0].index:.3f}", "act"]


def test_days_are_those_of_utc() -> None:
    at_ms = np.array([1_774_915_199_999, 1_774_915_200_000, 1_774_915_200_001])
    found = drift.flagged_days(at_ms, np.array([0.9, 0.5, 0.4]), suspicious=0.5)
    assert found == [Day(MONDAY, 1, 1), Day(TUESDAY, 2, 1)]
    assert drift.flagged_days(at_ms[:0], np.zeros(0), suspicious=0.5) == []


@pytest.mark.parametrize(
    ("flagged", "kind"), [(100, None), (160, None), (299, None), (320, SPIKE), (40, None), (20, VANISHED), (0, VANISHED)]
)
def test_scores_spike_and_vanish(flagged: int, kind: str | None) -> None:
    expected = [] if kind is None else [ScoreAlert(MONDAY, kind, flagged / 10_000, 0.01)]
    assert drift.score_alerts([Day(MONDAY, 10_000, flagged)], usual=0.01) == expected


def test_a_small_day_may_differ_by_chance() -> None:
    assert drift.score_alerts([Day(MONDAY, 100, 4), Day(TUESDAY, 300, 0)], usual=0.01) == []


def test_why_to_train_anew() -> None:
    moved = [Shift("amount", 0.4, "act"), Shift("hour", 0.12, "watch")]
    alerts = [ScoreAlert(MONDAY, SPIKE, 0.05, 0.01)]
    assert drift.retrain(moved, alerts, age_days=9, trained=0.5, now=0.3, frauds=80) == [
        "The model is 9 days old; 7 is the longest.",
        "1 of 2 distributions have moved by 0.25 or more: amount (0.40).",
        "On 2026-03-30 the scores spiked: 5.00% flagged, 1.00% is usual.",
        "Average precision is 0.300 on 80 frauds; at training it was 0.500.",
    ]


def test_a_young_steady_model_stays() -> None:
    steady = [Shift("amount", 0.05, "steady"), Shift("hour", 0.12, "watch")]
    assert drift.retrain(steady, [], age_days=3, trained=0.5, now=0.45, frauds=80) == []
    # of a few frauds nothing follows
    assert drift.retrain(steady, [], age_days=3, trained=0.5, now=0.1, frauds=8) == []
