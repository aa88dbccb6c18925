"""How well scores tell frauds: per transaction, and per card and day as an investigator sees them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import fmean, pstdev

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from paylake.fraud.handbook.features import LABEL_DELAY, SEEN_FRAUD
from paylake.fraud.handbook.transactions import TERMINAL_SCENARIO, Transactions
from paylake.fraud.windows import History

CARDS_A_DAY = 100
"""How many cards investigators look at on a day."""


@dataclass(frozen=True)
class Measures:
    """Of one test: shares from 0 to 1."""

    auc: float
    average_precision: float
    card_precision: float
    recall_at_1_percent: float
    recall_at_2_1_percent: float


def measured(of: Transactions, test: NDArray[np.int64], score: NDArray[np.float64]) -> Measures:
    """The measures of scores for the tested transactions; a higher score means fraud."""
    label = of.is_fraud[test]
    return Measures(
        auc=float(roc_auc_score(label, score)),
        average_precision=float(average_precision_score(label, score)),
        card_precision=card_precision(of.day[test], of.customer[test], label, score),
        recall_at_1_percent=recall(label, score, 0.01),
        recall_at_2_1_percent=recall(label, score, 0.021),
    )


def recall(label: NDArray[np.int64], score: NDArray[np.float64], false_positives: float) -> float:
    """The largest share of frauds found by a threshold at which no larger share of good ones is called fraud."""
    good, bad, _ = roc_curve(label, score, drop_intermediate=False)
    return float(bad[good <= false_positives].max())


def card_precision(
    day: NDArray[np.int64], card: NDArray[np.int64], label: NDArray[np.int64], score: NDArray[np.float64],
    most: int = CARDS_A_DAY,
) -> float:  # fmt: skip
    """The mean over days of the share of compromised cards among the `most` with the highest scores of their day.

    A card that was found on one day is not looked at again (Fraud Detection Handbook, chapter 4). Of equal scores the lower
    number of the card counts first.
    """
    found: set[int] = set()
    shares = []
    for of_day in np.unique(day):
        rows = np.flatnonzero((day == of_day) & ~np.isin(card, list(found)))
        cards, number = np.unique(card[rows], return_inverse=True)
        best = np.full(len(cards), -np.inf)
        np.maximum.at(best, number, score[rows])
        is_bad = np.zeros(len(cards), dtype=bool)
        np.logical_or.at(is_bad, number, label[rows] == 1)
        top = np.lexsort((cards, -best))[:most]
        caught = cards[top][is_bad[top]]
        found |= set(caught.tolist())
        shares.append(len(caught) / most)
    return fmean(shares)


def recall_ceiling(of: Transactions, test: NDArray[np.int64]) -> float:
    """The share of frauds in the test that anything known could tell: all but those on a terminal without a known fraud."""
    history = History(of.terminal, of.at)
    known = history.sums(of.is_fraud, history.until(SEEN_FRAUD), history.until(LABEL_DELAY))
    is_told = (of.scenario != TERMINAL_SCENARIO) | (history.of_event(known) > 0)
    frauds = test[of.is_fraud[test] == 1]
    return float(is_told[frauds].mean())


def card_ceiling(of: Transactions, test: NDArray[np.int64]) -> float:
    """The card precision of who knows every label."""
    label = of.is_fraud[test]
    return card_precision(of.day[test], of.customer[test], label, label.astype(float))


def ranks(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores as shares of their order, from 0 to 1: for averaging scores of different scales."""
    order = np.argsort(np.argsort(score, kind="stable"), kind="stable")
    return order / max(len(score) - 1, 1)


def over_folds(found: list[Measures]) -> dict[str, tuple[float, float]]:
    """Mean and population standard deviation of each measure."""
    rows = [asdict(one) for one in found]
    return {name: (fmean(r[name] for r in rows), pstdev([r[name] for r in rows])) for name in rows[0]}
