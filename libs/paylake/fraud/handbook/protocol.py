"""Who is trained on what, and scored when: the handbook's two protocols (Fraud Detection Handbook, chapters 3 and 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from paylake.errors import SettingsError
from paylake.fraud.handbook.transactions import Transactions

WEEK = 7
"""Days of training, of the labels' delay, and of the test."""
WHOLE = 3 * WEEK
"""Days from the beginning of a fold's training to the end of its test."""
HANDBOOK_START = date(2018, 7, 25)
"""On which the handbook's own training begins."""
CHOOSING = 4
"""How many earlier folds choose the model of a fold."""


@dataclass(frozen=True)
class Split:
    """Which transactions a model learns from, and which it is judged by."""

    start: date
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def split(of: Transactions, start: date, train_days: int = WEEK) -> Split:
    """A week of training from `start`, a week of delay, a week of test.

    With more `train_days` the training begins earlier; the test stays the same. Cards that are known to be compromised are
    not in the test: those with a fraud in the week of training, and from each day of the test on those with a fraud on the
    day before it, less the delay.
    """
    first = (start - of.first_day).days
    day = of.day
    is_train = (day >= first + WEEK - train_days) & (day < first + WEEK)
    known = set(of.customer[(day >= first) & (day < first + WEEK) & (of.is_fraud == 1)].tolist())
    parts = []
    for number in range(WEEK):
        known |= set(of.customer[(day == first + WEEK + number - 1) & (of.is_fraud == 1)].tolist())
        of_day = np.flatnonzero(day == first + 2 * WEEK + number)
        parts.append(of_day[~np.isin(of.customer[of_day], list(known))])
    return Split(start, np.flatnonzero(is_train), np.concatenate(parts))


def random_split(of: Transactions, start: date, seed: int) -> Split:
    """The same three weeks cut at random, 70 to 30: as it must not be done, since a card's frauds come on both sides."""
    first = (start - of.first_day).days
    rows = np.flatnonzero((of.day >= first) & (of.day < first + WHOLE))
    shuffled = np.random.default_rng(seed).permutation(rows)
    cut = len(rows) * 7 // 10
    return Split(start, np.sort(shuffled[:cut]), np.sort(shuffled[cut:]))


def starts(of: Transactions, anchor: date, folds: int, train_days: int = WEEK) -> Iterator[date]:
    """Where the trainings of the folds that the data hold begin: latest first, three weeks and less after the anchor."""
    for number in range(folds):
        start = anchor + timedelta(days=WHOLE - WEEK * number)
        if is_held(of, start, train_days):
            yield start


def is_held(of: Transactions, start: date, train_days: int = WEEK) -> bool:
    """True where the data reach from the training's beginning to the test's end."""
    begins = start + timedelta(days=WEEK - train_days)
    return of.first_day <= begins and start + timedelta(days=WHOLE - 1) <= of.last_day


def choosing(of: Transactions, start: date, train_days: int) -> list[date]:
    """Where the folds begin that choose the model of the fold from `start`: their tests end with its training."""
    earlier = (start - timedelta(days=2 * WEEK + WEEK * number) for number in range(CHOOSING))
    return [day for day in earlier if is_held(of, day, train_days)]


def chosen_start(of: Transactions, wanted: date | None) -> date:
    """The day on which the single split's training begins.

    It is as wanted, else the handbook's, else the last one after which all folds fit, else the last one.
    Raises SettingsError where the data do not reach that far.
    """
    last = of.last_day - timedelta(days=WHOLE - 1)
    choices = (HANDBOOK_START, last - timedelta(days=WHOLE))
    start = wanted or next((day for day in choices if is_held(of, day)), last)
    if not is_held(of, start):
        raise SettingsError(
            f"--train-start: three weeks from {start} are not in the data, {of.first_day} to {of.last_day}; "
            + (f"choose a day from {of.first_day} to {last}." if last >= of.first_day else "give at least three weeks.")
        )
    return start
