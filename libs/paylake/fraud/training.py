"""Training: which payments a model may learn from, how it is fitted, calibrated and judged. Nothing here reads a clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from paylake.contracts.fraud import LABEL_DELAY
from paylake.errors import ContractError, SettingsError, SourceError
from paylake.fraud import judging
from paylake.fraud.drift import Reference, reference
from paylake.fraud.features import FEATURES_VERSION, NAMES
from paylake.fraud.judging import Costs, Curves, Floats, Ints, Money
from paylake.fraud.scorer import BoostedTrees, Calibration, Scorer, Thresholds

NOBODY_SAID, GOOD, BAD = -1, 0, 1
"""What a label says of a payment."""
NEVER = np.iinfo(np.int64).max
"""When the label of a payment is known of which nobody has said."""
MATURITY = timedelta(days=45)
"""From this age on a payment of which nobody has said that it was fraud counts as good."""
ISOTONIC_FROM = 1_000
"""Frauds of a block from which on steps calibrate better than a curve."""
LEAST_TO_CALIBRATE = 10
TELLS_TOO_MUCH = 0.99
"""Average precision of one feature alone above which it must know the label."""
LEAST_TO_TELL = 20
MODEL_NAME = "paylake-fraud"


@dataclass(frozen=True)
class Examples:
    """Scored payments with what was said of them: one element of each array is one payment.

    `matrix` holds the features in the order of `features.NAMES`, `features_at_ms` says when they were made, `at_ms` when the
    payment counts as made, `label` NOBODY_SAID, GOOD or BAD, and `known_at_ms` when that was known (NEVER without a label).
    Times are milliseconds of the Unix epoch. `units` are ten-thousandths of a major unit of `currency`. `user` numbers the
    customers. `weight` is how many payments this one stands for.
    """

    matrix: Floats
    features_at_ms: Ints
    at_ms: Ints
    label: Ints
    known_at_ms: Ints
    units: Ints
    currency: NDArray[np.str_]
    user: Ints
    weight: Floats

    def __len__(self) -> int:
        return len(self.at_ms)

    def taken(self, rows: NDArray[Any]) -> Examples:
        """Those rows."""
        return Examples(*(getattr(self, name)[rows] for name in vars(self)))


@dataclass(frozen=True)
class Recipe:
    """How a model is made. `keep_genuine` is the share of good payments that trees learn from, weighted up in return.

    With more `threads` than free cores XGBoost's threads wait for each other, and it takes many times as long.
    """

    trees: int = 200
    depth: int = 4
    learning_rate: float = 0.05
    least_weight: float = 5.0
    rows: float = 0.8
    columns: float = 0.5
    max_bin: int = 1024
    keep_genuine: float = 1.0
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True)
class Blocks:
    """Stretches of time: a model learns from `train`, waits for the labels (`maturity`), and is judged on `test`.

    The last `calibrate` of the training is not learnt from: it calibrates and sets the thresholds. `most` is the largest
    number of folds. A maturity of 0 is for a simulation's labels: they count as truth from the first moment, whenever they
    came to be known, and a payment without one is good.
    """

    train: timedelta = timedelta(days=28)
    test: timedelta = timedelta(days=7)
    maturity: timedelta = MATURITY
    calibrate: float = 0.25
    most: int = 4

    def __post_init__(self) -> None:
        if timedelta(0) < self.maturity < LABEL_DELAY:
            raise SettingsError(
                f"--maturity: {_days(self.maturity)} is less than the labels' delay of {_days(LABEL_DELAY)}; give at least "
                "that, or 0d for labels that are truth from the first moment."
            )


RECIPE, BLOCKS, COSTS = Recipe(), Blocks(), Costs()
"""The defaults."""


@dataclass(frozen=True)
class Fold:
    """One judgement: trained before `test_from_ms`, scored from there on until `test_until_ms`.

    `champion` is the average precision of the reigning model on the same test; None without one. It `is_fair` where that
    model had not yet seen the test when it was trained.
    """

    test_from_ms: int
    test_until_ms: int
    train_payments: int
    train_frauds: int
    test_payments: int
    test_frauds: int
    measures: Mapping[str, float]
    money: tuple[Money, ...]
    champion: float | None = None
    is_fair: bool = True


@dataclass(frozen=True)
class Trained:
    """A model and everything that must be known of it before it may be trusted.

    `intervals` gives each measure's mean over the folds and the 2.5 and 97.5 percent points of 200 redrawn tests.
    """

    model: BoostedTrees
    recipe: Recipe
    blocks: Blocks
    costs: Costs
    budget: float
    as_of_ms: int
    payments: int
    frauds: int
    first_ms: int
    last_ms: int
    folds: tuple[Fold, ...]
    intervals: Mapping[str, tuple[float, float, float]]
    money: tuple[Money, ...]
    curves: Curves
    reference: Reference
    weights: Mapping[str, float]

    @property
    def wins(self) -> tuple[int, int]:
        """On how many folds it is better than the champion, and of how many: the fair ones, else all."""
        judged = [f for f in self.folds if f.champion is not None]
        fair = [f for f in judged if f.is_fair] or judged
        return sum(f.measures["average_precision"] > (f.champion or 0.0) for f in fair), len(fair)

    @property
    def is_better(self) -> bool:
        """True without a champion, and where it wins on more than half of the folds."""
        won, of = self.wins
        return not of or 2 * won > of


# --- who may be learnt from ---


def matured(examples: Examples, as_of_ms: int, maturity: timedelta) -> NDArray[np.bool_]:
    """The payments of which enough was known at `as_of_ms`: those so old that a fraud would have been reported."""
    is_old = examples.at_ms + _ms(maturity) <= as_of_ms
    is_made = examples.features_at_ms <= as_of_ms
    return np.asarray(is_old & is_made & ~_knows_label(examples))


def truth_as_of(examples: Examples, as_of_ms: int) -> Ints:
    """1 for each payment that was known to be fraud at `as_of_ms`, else 0."""
    return np.asarray((examples.label == BAD) & (examples.known_at_ms <= as_of_ms), np.int64)


def refuse_leaks(examples: Examples, as_of_ms: int, maturity: timedelta) -> None:
    """Raises ContractError where the examples know what was not known at `as_of_ms`, or not when they were scored."""
    for is_leak, what in (
        ((examples.label != NOBODY_SAID) & (examples.known_at_ms > as_of_ms), "a label that was not known yet"),
        (examples.at_ms + _ms(maturity) > as_of_ms, "not reached the age at which labels count"),
        (examples.features_at_ms > as_of_ms, "features that were made later"),
        (_knows_label(examples), "features that were made after the label was known"),
    ):
        if is_leak.any():
            raise ContractError(
                f"Training as of {_said(as_of_ms)}: {int(is_leak.sum()):,} of {len(examples):,} payments have {what}; "
                "leave them out, or train as of a later time."
            )
    telling = _tells(examples)
    if telling:
        raise ContractError(
            f"Training as of {_said(as_of_ms)}: the feature {telling} alone tells fraud from good payments, so it knows the "
            "label; look for what it is made of that comes after the payment."
        )


def _knows_label(examples: Examples) -> NDArray[np.bool_]:
    return np.asarray((examples.label != NOBODY_SAID) & (examples.features_at_ms > examples.known_at_ms))


def _tells(examples: Examples) -> str:
    """The first feature that is too good to be true; empty where none is, or too few frauds are known to say."""
    label = (examples.label == BAD).astype(np.int64)
    if not LEAST_TO_TELL <= label.sum() < len(label):
        return ""
    bad, good = (np.flatnonzero(label == which)[:10_000] for which in (BAD, GOOD))
    for number, name in enumerate(NAMES):
        value = np.nan_to_num(examples.matrix[:, number], nan=-1.0, posinf=1e30, neginf=-1e30)
        for way in (value, -value):
            # where the middle fraud looks like some good payments, the feature cannot tell: spares the sorting
            differs = np.median(way[bad]) > np.quantile(way[good], 0.99)
            if differs and average_precision_score(label, way) > TELLS_TOO_MUCH:
                return name
    return ""


# --- training ---


def train(
    examples: Examples,
    as_of_ms: int,
    recipe: Recipe = RECIPE,
    blocks: Blocks = BLOCKS,
    costs: Costs = COSTS,
    budget: float = 0.01,
    champion: BoostedTrees | None = None,
) -> Trained:
    """The model of what was known at `as_of_ms`, judged by time on as many folds as the payments' days allow.

    `budget` is the share of good payments that may be called suspicious. The same arguments give the same model. Raises
    SourceError where the payments are too few, and ContractError where they know what they cannot.
    """
    examples = examples if blocks.maturity else _as_truth(examples)
    known = _as_of(examples, as_of_ms, blocks.maturity)
    if not len(known):
        raise SourceError(
            f"No payment is old enough to learn from: none was made {_days(blocks.maturity)} before {_said(as_of_ms)}; "
            "train as of a later time, or with a shorter --maturity."
        )
    folds, tested = _folds(examples, as_of_ms, recipe, blocks, costs, budget, champion)
    if not folds:
        raise SourceError(
            f"The payments from {_said(int(known.at_ms.min()))} to {_said(int(known.at_ms.max()))} are too few to judge a "
            f"model: it takes {_days(blocks.train)} of training, {_days(blocks.maturity)} for the labels and "
            f"{_days(blocks.test)} of test, with frauds in each; wait, or give shorter --train-span and --test-span."
        )
    model = _fitted(known, as_of_ms, recipe, blocks, costs, budget)
    label = np.concatenate([t.label for t in tested])
    scores = np.concatenate([t.scores for t in tested])
    return Trained(
        model=model,
        recipe=recipe,
        blocks=blocks,
        costs=costs,
        budget=budget,
        as_of_ms=as_of_ms,
        payments=len(known),
        frauds=int((known.label == BAD).sum()),
        first_ms=int(known.at_ms.min()),
        last_ms=int(known.at_ms.max()),
        folds=tuple(folds),
        intervals=judging.intervals([f.measures for f in folds], [(t.label, t.scores) for t in tested], recipe.seed),
        money=judging.added([f.money for f in folds]),
        curves=judging.curves(label, scores),
        reference=reference(known.matrix, model.scores(known.matrix), model.thresholds.suspicious),
        weights=_weights(model),
    )


@dataclass(frozen=True)
class _Tested:
    label: Ints
    scores: Floats


def _as_truth(examples: Examples) -> Examples:
    """The same, with every label known as soon as the payment was scored."""
    at_once = np.maximum(examples.at_ms, examples.features_at_ms)
    return replace(examples, known_at_ms=np.where(examples.label == NOBODY_SAID, NEVER, at_once))


def _as_of(examples: Examples, as_of_ms: int, maturity: timedelta) -> Examples:
    """What may be learnt from as of a time, with the labels of that time."""
    rows = np.flatnonzero(matured(examples, as_of_ms, maturity))
    of = examples.taken(rows[np.argsort(examples.at_ms[rows], kind="stable")])
    label = truth_as_of(of, as_of_ms)
    return replace(of, label=label, known_at_ms=np.where(label == BAD, of.known_at_ms, as_of_ms))


def _folds(
    examples: Examples, as_of_ms: int, recipe: Recipe, blocks: Blocks, costs: Costs, budget: float,
    champion: BoostedTrees | None,
) -> tuple[list[Fold], list[_Tested]]:  # fmt: skip
    """The folds, earliest first, with what was scored. A fold without a fraud in training or test is left out."""
    judged = _as_of(examples, as_of_ms, blocks.maturity)
    folds, tested = [], []
    for since, until in reversed(list(tests(judged, as_of_ms, blocks))):
        test = judged.taken((judged.at_ms >= since) & (judged.at_ms < until))
        known = _as_of(examples, since, blocks.maturity)
        known = known.taken(known.at_ms >= since - _ms(blocks.maturity) - _ms(blocks.train))
        if not (_has_both(test) and _has_both(_cut(known, blocks)[0])):
            continue
        model = _fitted(known, since, recipe, blocks, costs, budget)
        scores = model.scores(test.matrix)
        found = judging.measured(test.label, scores, test.at_ms, test.user, model.thresholds)
        folds.append(
            Fold(
                test_from_ms=since,
                test_until_ms=until,
                train_payments=len(known),
                train_frauds=int((known.label == BAD).sum()),
                test_payments=len(test),
                test_frauds=int((test.label == BAD).sum()),
                measures=found,
                money=judging.money(test.label, scores, test.units, test.currency, model.thresholds, costs),
                champion=_precision(champion, test),
                is_fair=champion is None or champion.trained_until_ms <= since,
            )
        )
        tested.append(_Tested(test.label, scores))
    return folds, tested


def tests(known: Examples, as_of_ms: int, blocks: Blocks) -> Iterator[tuple[int, int]]:
    """The test blocks that have their training before them, latest first: from, and until (exclusive)."""
    if not len(known):
        return
    # the first payment comes a little after midnight, and the last a little before
    slack = _ms(blocks.test) // 20
    first, last = int(known.at_ms.min()), int(known.at_ms.max())
    end = as_of_ms - _ms(blocks.maturity)
    end = end if last >= end - slack else last + 1
    for number in range(blocks.most):
        until = end - number * _ms(blocks.test)
        since = until - _ms(blocks.test)
        if since - _ms(blocks.maturity) - _ms(blocks.train) < first - slack:
            return
        yield since, until


def latest_block(examples: Examples, as_of_ms: int, blocks: Blocks) -> Examples:
    """The payments of the latest test block, with the labels known at `as_of_ms`; SourceError where it has no fraud."""
    known = _as_of(examples if blocks.maturity else _as_truth(examples), as_of_ms, blocks.maturity)
    of = known.taken(known.at_ms >= known.at_ms.max(initial=0) + 1 - _ms(blocks.test))
    if not _has_both(of):
        raise SourceError(
            f"The latest {_days(blocks.test)} of payments that were {_days(blocks.maturity)} old at {_said(as_of_ms)} hold "
            f"{int((of.label == BAD).sum())} frauds among {len(of)}: nothing can be judged; wait, or give a longer "
            "--test-span."
        )
    return of


def _precision(champion: Scorer | None, test: Examples) -> float | None:
    return None if champion is None else float(average_precision_score(test.label, champion.scores(test.matrix)))


def _has_both(of: Examples) -> bool:
    return bool((of.label == BAD).any() and (of.label == GOOD).any())


def _cut(known: Examples, blocks: Blocks) -> tuple[Examples, Examples]:
    """What trees learn from, and the latest part, which calibrates."""
    first, last = known.at_ms.min(initial=NEVER), known.at_ms.max(initial=0)
    at = last - (last - first) * blocks.calibrate
    return known.taken(known.at_ms < at), known.taken(known.at_ms >= at)


def _fitted(known: Examples, as_of_ms: int, recipe: Recipe, blocks: Blocks, costs: Costs, budget: float) -> BoostedTrees:
    """The model of the examples, calibrated and with its thresholds."""
    refuse_leaks(known, as_of_ms, blocks.maturity)
    learnt, latest = _cut(known, blocks)
    if not _has_both(learnt):
        raise SourceError(
            f"Among {len(learnt):,} payments up to {_said(as_of_ms)} are {int((learnt.label == BAD).sum())} frauds: a model "
            "needs both frauds and good payments to learn from; wait for labels, or train as of a later time."
        )
    model = BoostedTrees(
        name=MODEL_NAME, version="", features_version=FEATURES_VERSION, thresholds=Thresholds(1.0, 1.0),
        calibration=Calibration(), booster=_boosted(learnt, recipe), trained_until_ms=int(known.at_ms.max()) + 1,
        threads=recipe.threads,
    )  # fmt: skip
    model = replace(model, calibration=_calibration(model.margins(latest.matrix), latest))
    scores = model.scores(latest.matrix)
    cuts = judging.thresholds(latest.label, scores, latest.units, latest.currency, costs, budget)
    return replace(model, thresholds=cuts, threads=1)


def _boosted(learnt: Examples, recipe: Recipe) -> bytes:
    """The trees, as XGBoost saves them."""
    from xgboost import QuantileDMatrix, train

    from paylake.fraud.scorer import as_seen

    rng = np.random.default_rng(recipe.seed)
    kept = (learnt.label == BAD) | (rng.random(len(learnt)) < recipe.keep_genuine)
    of = learnt.taken(kept)
    weight = of.weight / np.where(of.label == BAD, 1.0, recipe.keep_genuine)
    data = QuantileDMatrix(
        as_seen(of.matrix), label=of.label, weight=weight, max_bin=recipe.max_bin, nthread=recipe.threads,
        feature_names=list(NAMES),
    )  # fmt: skip
    settings = {
        "objective": "binary:logistic", "tree_method": "hist", "max_bin": recipe.max_bin, "max_depth": recipe.depth,
        "eta": recipe.learning_rate, "min_child_weight": recipe.least_weight, "subsample": recipe.rows,
        "colsample_bytree": recipe.columns, "seed": recipe.seed, "nthread": recipe.threads,
    }  # fmt: skip
    booster = train(settings, data, recipe.trees)
    # names would have to be given again with each row that is scored
    booster.feature_names = None
    return bytes(booster.save_raw("ubj"))


def _calibration(margins: Floats, latest: Examples) -> Calibration:
    """From the latest block: Platt's curve, with ISOTONIC_FROM frauds steps as well; with too few none."""
    frauds = int((latest.label == BAD).sum())
    if frauds < LEAST_TO_CALIBRATE or frauds == len(latest):
        return Calibration()
    curve = LogisticRegression(C=1e6, max_iter=1000).fit(margins[:, None], latest.label, latest.weight)
    slope, intercept = float(curve.coef_[0, 0]), float(curve.intercept_[0])
    if slope <= 0:
        return Calibration()
    if frauds < ISOTONIC_FROM:
        return Calibration(slope, intercept)
    steps = IsotonicRegression(out_of_bounds="clip").fit(margins, latest.label, latest.weight)
    at, share = steps.X_thresholds_, steps.y_thresholds_
    return Calibration(slope, intercept, tuple(map(float, at)), tuple(map(float, share)))


def _weights(model: BoostedTrees) -> dict[str, float]:
    """Each feature's share of the gain of all splits, the largest first."""
    gains = model.gains()
    total = sum(gains.values()) or 1.0
    shares = {NAMES[number]: gain / total for number, gain in gains.items()}
    return dict(sorted(shares.items(), key=lambda one: (-one[1], one[0])))


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


def _said(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _days(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 or not hours else f"{hours:g} hours"
