"""Trees: both forms agree, what they say adds up, and they travel."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from paylake.errors import ContractError, SourceError
from paylake.fraud import compiled
from paylake.fraud.scorer import BoostedTrees, Calibration, as_seen
from paylake.fraud.training import train
from tests.unit.fraud.examples import DAYS, QUICK, end_of, examples


@pytest.fixture(scope="module")
def model() -> BoostedTrees:
    """A small model with its compiled form."""
    return compiled.with_compiled(train(examples(), end_of(8), QUICK, DAYS).model)


def test_both_forms_agree_on_every_edge_of_every_tree(model: BoostedTrees) -> None:
    rows = compiled.edge_rows(model.booster, compiled.ROWS, seed=1)
    assert len(rows) == 10_000
    assert np.isnan(rows).any()
    assert compiled.difference(model, rows) <= compiled.TOLERANCE
    assert compiled.difference(model, examples(seed=2).matrix) <= compiled.TOLERANCE


def test_a_compiled_form_that_says_something_else_is_refused(model: BoostedTrees, monkeypatch: pytest.MonkeyPatch) -> None:
    other = compiled.compiled(train(examples(seed=3), end_of(8), QUICK, DAYS).model.booster)
    monkeypatch.setattr(compiled, "compiled", lambda _: other)
    with pytest.raises(ContractError, match=r"differs from its trees by .* on 10,000 rows.*it is not promoted"):
        compiled.with_compiled(model)


def test_a_single_row_scores_as_among_others(model: BoostedTrees) -> None:
    matrix = examples(seed=4).matrix[:50]
    single = np.concatenate([model.scores(matrix[number : number + 1]) for number in range(50)])
    assert np.abs(single - model.scores(matrix)).max() <= compiled.TOLERANCE
    assert model.scores(matrix[:0]).tolist() == []


def test_contributions_and_base_add_up_to_the_margin(model: BoostedTrees) -> None:
    matrix = examples(seed=5).matrix[:200]
    explained = model.explained(matrix)
    assert np.abs(explained.sum(axis=1) - model.margins(matrix)).max() <= 1e-5
    assert np.array_equal(model.contributions(matrix), explained[:, :-1])
    assert model.contributions(matrix[:0]).shape == (0, matrix.shape[1])


def test_infinity_counts_as_not_known(model: BoostedTrees) -> None:
    matrix = np.full((2, examples(10).matrix.shape[1]), np.nan)
    matrix[1, :3] = np.inf, -np.inf, 1e300
    assert np.isnan(as_seen(matrix)).all()
    assert len(set(model.scores(matrix).tolist())) == 1


def test_it_travels_without_what_it_loaded(model: BoostedTrees) -> None:
    matrix = examples(seed=6).matrix[:5]
    before = model.scores(matrix)
    copy = pickle.loads(pickle.dumps(model))
    assert "_trees" not in vars(copy)
    assert copy == model
    assert copy.scores(matrix).tolist() == before.tolist()


def test_a_model_that_fails_to_load_says_so_in_a_sentence(model: BoostedTrees) -> None:
    with pytest.raises(
        SourceError, match=r"Cannot load the trees of the model paylake-fraud, version 7: .*; promote another"
    ):
        replace(model, version="7", booster=b"no trees").loaded()
    with pytest.raises(SourceError, match=r"Cannot load the compiled form of the model paylake-fraud, version 7: "):
        replace(model, version="7", compiled=b"no graph").loaded()


def test_steps_and_curve_rise_together() -> None:
    calibration = Calibration(slope=1.0, intercept=0.0, at=(-2.0, 0.0, 2.0), share=(0.1, 0.1, 0.9))
    margins = np.array([-9.0, -2.0, -1.0, 0.0, 2.0, 9.0])
    scores = calibration(margins)
    assert (np.diff(scores) > 0).all()
    assert scores.tolist() == pytest.approx([0.099, 0.1002, 0.1017, 0.104, 0.8998, 0.901], abs=1e-4)


def test_importing_a_scorer_takes_numpy_alone() -> None:
    code = (
        "import sys, paylake.fraud.scorer, paylake.fraud.scorecard\n"
        "print([m for m in ('xgboost', 'onnxruntime', 'onnx', 'sklearn', 'mlflow', 'pyspark') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
