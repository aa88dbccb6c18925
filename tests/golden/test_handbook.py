"""The handbook's data: the published figures come out again, and what flatters or hurts is seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from paylake.card_transactions import read
from paylake.fraud.handbook import features, measures, models, protocol, published
from paylake.fraud.handbook.models import Model
from paylake.fraud.handbook.protocol import Split
from paylake.fraud.handbook.transactions import Transactions

pytestmark = pytest.mark.slow
START = date(2018, 7, 25)


@pytest.fixture(scope="module")
def handbook(shared_data: Callable[..., Path]) -> Transactions:
    return read(shared_data("handbook"))


@pytest.fixture(scope="module")
def tables(handbook: Transactions) -> dict[str, NDArray[np.float32]]:
    return {"base": features.matrix(features.base(handbook)), "extended": features.matrix(features.extended(handbook))}


@pytest.fixture(scope="module")
def week(handbook: Transactions) -> Split:
    return protocol.split(handbook, START)


def test_the_weeks_hold_what_the_handbook_says(handbook: Transactions, week: Split) -> None:
    assert (len(handbook.at), handbook.is_fraud.sum()) == (1_466_282, 12_134)
    assert (len(week.train), handbook.is_fraud[week.train].sum()) == (67_240, 598)
    assert (len(week.test), handbook.is_fraud[week.test].sum()) == (58_264, 385)
    assert measures.card_ceiling(handbook, week.test) == pytest.approx(0.397, abs=0.001)


@pytest.mark.parametrize("name", ["logistic regression", "decision tree of depth 2", "decision tree", "random forest"])
def test_a_published_model_gives_its_published_figures(
    handbook: Transactions, tables: dict[str, NDArray[np.float32]], week: Split, name: str
) -> None:
    score = models.SINGLE_SPLIT[name].scores(tables["base"], handbook.is_fraud, week)
    found = measures.measured(handbook, week.test, score)
    told = (found.auc, found.average_precision, found.card_precision)
    assert told == pytest.approx(published.SINGLE_SPLIT[name], abs=0.003)


def precision(of: Transactions, table: NDArray[np.float32], model: Model, cut: Split) -> float:
    return measures.measured(of, cut.test, model.scores(table, of.is_fraud, cut)).average_precision


def test_a_random_split_flatters(handbook: Transactions, tables: dict[str, NDArray[np.float32]], week: Split) -> None:
    model = models.SINGLE_SPLIT["XGBoost"]
    by_chance = protocol.random_split(handbook, START, models.SEED)
    flattered, honest = (precision(handbook, tables["base"], model, cut) for cut in (by_chance, week))
    assert flattered > honest + 0.1


def test_coarse_bins_and_a_blend_hurt(handbook: Transactions, tables: dict[str, NDArray[np.float32]], week: Split) -> None:
    coarse, fine = (precision(handbook, tables["base"], models.FOLDS[f"XGBoost, {n} bins"], week) for n in (256, 4096))
    assert coarse < fine - 0.02
    ours, novelty = models.CANDIDATES["shallow, 7 days"], models.FOLDS["isolation forest"]
    alone, odd = (model.scores(tables["extended"], handbook.is_fraud, week) for model in (ours, novelty))
    blend = measures.ranks(alone) + measures.ranks(odd)
    shares = [measures.measured(handbook, week.test, score).average_precision for score in (alone, blend)]
    assert shares[1] < shares[0] - 0.02
