"""Scoring alone, without Spark: a single payment, a batch on one core, and what its reasons cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.machine import Meter
from paylake.demo_model import examples_of
from paylake.fraud.compiled import ROWS, difference, edge_rows, with_compiled
from paylake.fraud.explanations import reasons
from paylake.fraud.scorecard import Scorecard
from paylake.fraud.scorer import BoostedTrees, Floats
from paylake.fraud.training import Blocks, Recipe, train
from paylake.simulation.arrivals import gateway_arrivals
from paylake.simulation.plan import Plan

PAYMENTS = 60_000
SINGLES, EXPLAINED, RUNS = 5_000, 2_000, 5


def measure(scale: float) -> dict[str, Any]:
    """A model of simulated payments, in its two forms, and the scorecard."""
    plan = Plan(payments=harness.scaled(PAYMENTS, scale, 6_000), seed=31, chaos=0.0, fraud=0.01)
    of = examples_of(gateway_arrivals(plan), 0)
    blocks = Blocks(train=timedelta(hours=12), test=timedelta(hours=6), maturity=timedelta(0), most=1)
    with Meter().measure() as training:
        found = train(of, plan.end_ms + 3_600_000, Recipe(), blocks)
    with Meter().measure() as compiling:
        model = with_compiled(found.model)
    trees = found.model
    singles, batch = harness.scaled(SINGLES, scale, 100), of.matrix
    harness.say("fraud_scoring: trained")
    return {
        "payments": len(of),
        "features": of.matrix.shape[1],
        "trees": found.recipe.trees,
        "depth": found.recipe.depth,
        "training_cost": training[0].as_dict(),
        "compiling_cost": compiling[0].as_dict(),
        "apart": difference(model, edge_rows(model.booster, ROWS, seed=1)),
        "single": {
            "compiled (ONNX Runtime)": one_by_one(model.scores, batch, singles),
            "XGBoost": one_by_one(trees.scores, batch, singles),
            "scorecard": one_by_one(Scorecard().scores, batch, singles),
        },
        "batch": {
            "XGBoost": rows_a_second(trees.scores, batch),
            "compiled (ONNX Runtime)": rows_a_second(lambda rows: model.calibration(model.compiled_margins(rows)), batch),
            "scorecard": rows_a_second(Scorecard().scores, batch),
        },
        "explained": explained(model, batch[: harness.scaled(EXPLAINED, scale, 100)]),
    }


def one_by_one(scores: Callable[[Floats], Floats], matrix: Floats, count: int) -> dict[str, float]:
    """Microseconds of a single row, through everything that a request goes through: median, and 99 of 100."""
    rows = [matrix[number : number + 1] for number in range(count)]
    taken = []
    for row in [*rows[:100], *rows]:
        began = time.perf_counter_ns()
        scores(row)
        taken.append((time.perf_counter_ns() - began) / 1000)
    p50, p99 = np.quantile(taken[100:], (0.5, 0.99))
    return {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1)}


def rows_a_second(scores: Callable[[Floats], Floats], matrix: Floats) -> dict[str, float]:
    """Rows that one thread scores in a second of the clock, and in one of its own: the median of several runs."""
    scores(matrix)
    wall, cpu = [], []
    for _ in range(RUNS):
        began, used = time.perf_counter(), time.process_time()
        scores(matrix)
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
    return {name: round(len(matrix) / float(np.median(took))) for name, took in (("wall", wall), ("cpu", cpu))}


def explained(model: BoostedTrees, matrix: Floats) -> dict[str, float]:
    """CPU-microseconds a row of exact TreeSHAP, and of turning it into reasons."""
    model.contributions(matrix[:10])
    began = time.process_time()
    weights = model.contributions(matrix)
    shap = time.process_time() - began
    reasons(matrix, weights)
    worded = time.process_time() - began - shap
    return {name: round(1e6 * took / len(matrix), 1) for name, took in (("shap_us", shap), ("reasons_us", worded))}


def main() -> None:
    """One measurement, as `run.py` asks for it."""
    options = harness.arguments(__doc__)
    harness.write(options.out, measure(options.scale))


if __name__ == "__main__":
    main()
