"""How well scores tell frauds, what that is worth, and where to draw the lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from paylake.fraud.features import UNIT
from paylake.fraud.handbook.measures import card_precision, recall
from paylake.fraud.scorer import Thresholds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY_MS = 86_400_000
REDRAWN = 200
POINTS = 200
BINS = 10


@dataclass(frozen=True)
class Costs:
    """What mistakes cost: `loss` and `margin` in shares of the payment's amount, the rest in multiples of the median good
    payment of its currency, so that one set serves every currency.

    A missed fraud costs its loss and a `chargeback_fee`; a declined good payment costs its margin and `friction`, the
    customer's annoyance; a payment that somebody looks at costs a `review`.
    """

    loss: float = 1.0
    chargeback_fee: float = 0.5
    margin: float = 0.05
    friction: float = 1.0
    review: float = 0.1


@dataclass(frozen=True)
class Money:
    """Of one currency, in its major units: all frauds, those that were declined, and those that were flagged at least.

    `savings` is the share of the costs without a model that the model saves; below 0 where it costs more than it saves.
    """

    currency: str
    frauds: Decimal
    declined: Decimal
    flagged: Decimal
    savings: float


@dataclass(frozen=True)
class Curves:
    """`precision_recall`: (threshold, precision, recall), by rising threshold. `calibration`: (mean score, share of frauds,
    payments) per tenth of the payments, by rising score.
    """

    precision_recall: tuple[tuple[float, float, float], ...]
    calibration: tuple[tuple[float, float, int], ...]


def measured(label: Ints, scores: Floats, at_ms: Ints, user: Ints, cuts: Thresholds) -> dict[str, float]:
    """The measures of a test, shares from 0 to 1. Card precision counts customers, by days from the first payment on."""
    found = {
        "auc": float(roc_auc_score(label, scores)),
        "average_precision": float(average_precision_score(label, scores)),
        "recall_at_1_percent": recall(label, scores, 0.01),
        "recall_at_2_1_percent": recall(label, scores, 0.021),
        "card_precision_at_100": card_precision((at_ms - at_ms.min()) // DAY_MS, user, label, scores),
        "calibration_error": calibration_error(label, scores),
    }
    for word, cut in (("suspicious", cuts.suspicious), ("fraudulent", cuts.fraudulent)):
        flagged = scores >= cut
        found[f"recall_{word}"] = float(flagged[label == 1].mean())
        found[f"false_positives_{word}"] = float(flagged[label == 0].mean())
        found[f"precision_{word}"] = float(label[flagged].mean()) if flagged.any() else 0.0
    return found


def calibration_error(label: Ints, scores: Floats) -> float:
    """The mean distance of what scores say and what was, over tenths of the payments."""
    return float(sum(n * abs(said - was) for said, was, n in _reliability(label, scores)) / max(len(label), 1))


def curves(label: Ints, scores: Floats) -> Curves:
    """The curves of a test."""
    precision, share, at = precision_recall_curve(label, scores)
    chosen = np.unique(np.linspace(0, len(at) - 1, POINTS).astype(int))
    points = [(float(at[i]), float(precision[i]), float(share[i])) for i in chosen]
    return Curves(tuple(points), tuple(_reliability(label, scores)))


def _reliability(label: Ints, scores: Floats) -> list[tuple[float, float, int]]:
    parts = np.array_split(np.argsort(scores, kind="stable"), min(BINS, len(scores)))
    return [(float(scores[part].mean()), float(label[part].mean()), len(part)) for part in parts if len(part)]


def intervals(
    folds: Sequence[Mapping[str, float]], tested: Sequence[tuple[Ints, Floats]], seed: int
) -> dict[str, tuple[float, float, float]]:
    """Each measure's mean over the folds, and for average precision the range of 95 of 100 redrawn tests.

    The other measures' range is that of the folds, smallest and largest.
    """
    found = {
        name: (fmean(f[name] for f in folds), min(f[name] for f in folds), max(f[name] for f in folds)) for name in folds[0]
    }
    rng = np.random.default_rng(seed)
    drawn = np.mean([_redrawn(label, scores, rng) for label, scores in tested], axis=0)
    low, high = np.quantile(drawn, (0.025, 0.975))
    name = "average_precision"
    return found | {name: (found[name][0], float(low), float(high))}


def _redrawn(label: Ints, scores: Floats, rng: np.random.Generator) -> Floats:
    """The average precision of REDRAWN tests, in each of which every payment counts a random number of times."""
    order = np.argsort(-scores, kind="stable")
    bad = label[order] == 1
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found = np.empty(REDRAWN)
    for number in range(REDRAWN):
        times = rng.poisson(1.0, len(order))
        good_before = np.cumsum(np.where(bad, 0, times))[ends]
        bad_before = np.cumsum(np.where(bad, times, 0))[ends]
        gained = np.diff(bad_before, prepend=0)
        all_before = np.maximum(bad_before + good_before, 1)
        found[number] = (gained * bad_before / all_before).sum() / max(bad_before[-1], 1)
    return found


# --- money ---


def money(
    label: Ints, scores: Floats, units: Ints, currency: NDArray[np.str_], cuts: Thresholds, costs: Costs
) -> tuple[Money, ...]:
    """One row per currency that has frauds, by its code."""
    rows = []
    for code in np.unique(currency[label == 1]):
        mine = currency == code
        bad, amount, score = label[mine] == 1, units[mine], scores[mine]
        without, declined_good, review = _prices(bad, amount, costs)
        declined = score >= cuts.fraudulent
        reviewed = ~declined & (score >= cuts.suspicious)
        spent = without[bad & ~declined & ~reviewed].sum() + declined_good[~bad & declined].sum() + review * reviewed.sum()
        rows.append(
            Money(
                currency=str(code),
                frauds=_major(amount[bad]),
                declined=_major(amount[bad & declined]),
                flagged=_major(amount[bad & (score >= cuts.suspicious)]),
                savings=1.0 - float(spent) / float(without[bad].sum()),
            )
        )
    return tuple(rows)


def added(folds: Iterable[Sequence[Money]]) -> tuple[Money, ...]:
    """The folds' money together, per currency; `savings` is their mean."""
    by_currency: dict[str, list[Money]] = {}
    for fold in folds:
        for row in fold:
            by_currency.setdefault(row.currency, []).append(row)
    return tuple(
        Money(
            code,
            sum((r.frauds for r in rows), Decimal(0)),
            sum((r.declined for r in rows), Decimal(0)),
            sum((r.flagged for r in rows), Decimal(0)),
            fmean(r.savings for r in rows),
        )
        for code, rows in sorted(by_currency.items())
    )


def _major(units: Ints) -> Decimal:
    return Decimal(int(units.sum())) / UNIT


def _prices(bad: NDArray[np.bool_], units: Ints, costs: Costs) -> tuple[Floats, Floats, float]:
    """Of one currency, in its units: what each payment costs as a missed fraud, as a declined good one, and reviewed."""
    median = float(np.median(units[~bad])) if (~bad).any() else float(np.median(units))
    return (
        np.asarray(costs.loss * units + costs.chargeback_fee * median, float),
        np.asarray(costs.margin * units + costs.friction * median, float),
        costs.review * median,
    )


def thresholds(
    label: Ints, scores: Floats, units: Ints, currency: NDArray[np.str_], costs: Costs, budget: float
) -> Thresholds:
    """Where declining pays most, and below it where looking pays most; no more than `budget` of good payments are flagged.

    Each currency's gains are shares of what its frauds cost without a model, and count by its payments.
    """
    order = np.argsort(-scores, kind="stable")
    declining, reviewing = _gains(label, units, currency, costs)
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    declined, ended = np.cumsum(declining[order])[ends], scores[order][ends]
    best = int(np.argmax(declined))
    fraudulent = float(ended[best]) if declined[best] > 0 else 1.0
    looked_at = np.cumsum(np.where(scores >= fraudulent, 0.0, reviewing)[order])[ends]
    best = int(np.argmax(looked_at))
    suspicious = float(ended[best]) if looked_at[best] > 0 else fraudulent
    allowed = _within(label, scores, budget)
    return Thresholds(suspicious=min(max(suspicious, allowed), 1.0), fraudulent=min(max(fraudulent, allowed), 1.0))


def _within(label: Ints, scores: Floats, budget: float) -> float:
    """The lowest score from which on no more than a share `budget` of the good payments lies."""
    good = np.sort(scores[label == 0])[::-1]
    most = int(len(good) * budget)
    return float(np.nextafter(good[most], 2.0)) if most < len(good) else 0.0


def _gains(label: Ints, units: Ints, currency: NDArray[np.str_], costs: Costs) -> tuple[Floats, Floats]:
    """What declining, and what reviewing each payment gains."""
    declining, reviewing = np.zeros(len(label)), np.zeros(len(label))
    for code in np.unique(currency):
        mine = currency == code
        bad = label[mine] == 1
        if not bad.any():
            continue
        without, declined_good, review = _prices(bad, units[mine], costs)
        scale = mine.mean() / without[bad].sum()
        declining[mine] = np.where(bad, without, -declined_good) * scale
        reviewing[mine] = np.where(bad, without - review, -review) * scale
    return declining, reviewing
