"""The public benchmark: the handbook's protocols, its models beside ours, and what not to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, pstdev

import numpy as np
from numpy.typing import NDArray

from paylake.errors import SettingsError
from paylake.fraud import features, measures, models, protocol
from paylake.fraud.measures import Measures
from paylake.fraud.models import Model
from paylake.fraud.protocol import Split
from paylake.fraud.transactions import Transactions

Average = tuple[float, float]
"""Mean and population standard deviation over folds."""

OURS = "ours"
"""The row of the candidate that the validation folds chose."""


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
    """Mean average precision of each candidate over the validation folds."""
    chosen: str
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
    earlier = start - timedelta(days=protocol.EARLIER)
    validation = list(protocol.starts(of, earlier, folds, longest))
    if not validation:
        raise SettingsError(
            f"--train-start: the folds that choose a model begin {protocol.EARLIER} days before {start} and learn from "
            f"{longest} days, and the data begin on {of.first_day}; choose a later day."
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
    say(f"validation: {len(models.CANDIDATES)} candidates on {len(validation)} folds")
    validated = {
        name: fmean(m.average_precision for m in bench.over(model, validation)) for name, model in models.CANDIDATES.items()
    }
    chosen = models.best(validated)
    averages = {}
    for name, model in {**models.FOLDS, OURS: models.CANDIDATES[chosen]}.items():
        say(f"protocol B: {name}, {len(test_starts)} folds")
        averages[name] = measures.over_folds(bench.over(model, test_starts))
    for share in models.BLENDS:
        say(f"protocol B: a blend with {share:.0%} isolation forest")
        blended = [bench.blended(models.CANDIDATES[chosen], share, day) for day in test_starts]
        averages[f"{OURS}, with {share:.0%} isolation forest"] = measures.over_folds(blended)
    tests = [protocol.split(of, day).test for day in test_starts]
    return Found(
        of.first_day, of.last_day, len(of.at), int(of.is_fraud.sum()), start, single,
        (measures.recall_ceiling(of, cut.test), measures.card_ceiling(of, cut.test)), random,
        test_starts, folds - len(test_starts), validation, validated, chosen, averages,
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

    def blended(self, model: Model, share: float, start: date) -> Measures:
        cut, week = protocol.split(self.of, start, model.train_days), protocol.split(self.of, start)
        novelty = self.scores(models.FOLDS["isolation forest"], week)
        blend = (1 - share) * measures.ranks(self.scores(model, cut)) + share * measures.ranks(novelty)
        return measures.measured(self.of, cut.test, blend)


def _average(values: Sequence[float]) -> Average:
    return fmean(values), pstdev(values)
