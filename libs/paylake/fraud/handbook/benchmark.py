"""The public benchmark: the handbook's protocols, its models beside ours, and what not to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, pstdev

import numpy as np
from numpy.typing import NDArray

from paylake.errors import SettingsError
from paylake.fraud.handbook import features, measures, models, protocol
from paylake.fraud.handbook.measures import Measures
from paylake.fraud.handbook.models import Model
from paylake.fraud.handbook.protocol import Split
from paylake.fraud.handbook.transactions import Transactions

Average = tuple[float, float]
"""Mean and population standard deviation over folds."""

OURS = "ours"
"""The row of the candidates that earlier folds chose."""


@dataclass(frozen=True)
class Found:
    """What the benchmark came to."""

    first_day: date
    last_day: date
    transactions: int
    frauds: int
    start: date
    single: Mapping[str, Measures]
    single_ceilings: tuple[float, float]
    """Recall and card precision that could be reached under protocol A."""
    random: Mapping[str, float]
    """Average precision where the same weeks are split at random."""
    folds: Sequence[date]
    missing_folds: int
    validation: Sequence[date]
    validated: Mapping[str, float]
    """Mean average precision of each candidate over all validation folds."""
    chosen: Mapping[date, str]
    """The candidate of each fold, by the mean average precision over the folds before it."""
    averages: Mapping[str, Mapping[str, Average]]
    recall_ceiling: Average
    card_ceiling: Average


def benchmark(of: Transactions, train_start: date | None, folds: int, say: Callable[[str], None]) -> Found:
    """Both protocols on the data; `say` is told what is being done.

    Raises SettingsError where the data do not hold the weeks that are asked for.
    """
    start = protocol.chosen_start(of, train_start)
    test_starts = list(protocol.starts(of, start, folds))
    if not test_starts:
        last = of.last_day - timedelta(days=2 * protocol.WHOLE - 1 - protocol.WEEK * (folds - 1))
        raise SettingsError(
            f"--train-start: none of the {folds} folds after {start} is in the data, which end on {of.last_day}; "
            f"choose {last} or earlier."
        )
    longest = max(model.train_days for model in models.CANDIDATES.values())
    choosing = {day: protocol.choosing(of, day, longest) for day in test_starts}
    if not all(choosing.values()):
        raise SettingsError(
            f"--train-start: the folds that choose the model of the one from {min(test_starts)} come before it, learn from "
            f"{longest} days, and are not in the data, which begin on {of.first_day}; choose a later day."
        )
    say(f"features of {len(of.at):,} transactions")
    tables = {"base": features.matrix(features.base(of)), "extended": features.matrix(features.extended(of))}
    bench = _Bench(of, tables)
    say(f"protocol A: training from {start}")
    cut = protocol.split(of, start)
    single = {name: measures.measured(of, cut.test, bench.scores(model, cut)) for name, model in models.SINGLE_SPLIT.items()}
    say("the same weeks, split at random")
    by_chance = protocol.random_split(of, start, models.SEED)
    random = {
        name: measures.measured(of, by_chance.test, bench.scores(models.SINGLE_SPLIT[name], by_chance)).average_precision
        for name in ("random forest", "XGBoost")
    }
    validation = sorted({day for days in choosing.values() for day in days})
    say(f"validation: {len(models.CANDIDATES)} candidates on {len(validation)} folds")
    tried = {
        name: {day: one.average_precision for day, one in zip(validation, bench.over(model, validation), strict=True)}
        for name, model in models.CANDIDATES.items()
    }
    chosen = {
        day: models.best({name: fmean(by_day[d] for d in days) for name, by_day in tried.items()})
        for day, days in choosing.items()
    }
    averages = {}
    for name, model in models.FOLDS.items():
        say(f"protocol B: {name}, {len(test_starts)} folds")
        averages[name] = measures.over_folds(bench.over(model, test_starts))
    say("protocol B: ours, and its blends with an isolation forest")
    of_folds = [bench.ours_and_blends(models.CANDIDATES[name], day) for day, name in chosen.items()]
    for name in of_folds[0]:
        averages[name] = measures.over_folds([found[name] for found in of_folds])
    tests = [protocol.split(of, day).test for day in test_starts]
    return Found(
        of.first_day, of.last_day, len(of.at), int(of.is_fraud.sum()), start, single,
        (measures.recall_ceiling(of, cut.test), measures.card_ceiling(of, cut.test)), random,
        test_starts, folds - len(test_starts), validation,
        {name: fmean(by_day.values()) for name, by_day in tried.items()}, chosen, averages,
        _average([measures.recall_ceiling(of, test) for test in tests]),
        _average([measures.card_ceiling(of, test) for test in tests]),
    )  # fmt: skip


@dataclass(frozen=True)
class _Bench:
    of: Transactions
    tables: Mapping[str, NDArray[np.float32]]

    def scores(self, model: Model, cut: Split) -> NDArray[np.float64]:
        return model.scores(self.tables[model.features], self.of.is_fraud, cut)

    def over(self, model: Model, starts: Sequence[date]) -> list[Measures]:
        cuts = [protocol.split(self.of, day, model.train_days) for day in starts]
        return [measures.measured(self.of, cut.test, self.scores(model, cut)) for cut in cuts]

    def ours_and_blends(self, model: Model, start: date) -> dict[str, Measures]:
        cut, week = protocol.split(self.of, start, model.train_days), protocol.split(self.of, start)
        ours, novelty = self.scores(model, cut), self.scores(models.FOLDS["isolation forest"], week)
        scores = {OURS: ours}
        for share in models.BLENDS:
            blend = (1 - share) * measures.ranks(ours) + share * measures.ranks(novelty)
            scores[f"{OURS}, with {share:.0%} isolation forest"] = blend
        return {name: measures.measured(self.of, cut.test, score) for name, score in scores.items()}


def _average(values: Sequence[float]) -> Average:
    return fmean(values), pstdev(values)
