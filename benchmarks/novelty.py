"""What models without labels add to one that learnt from frauds: each alone, averaged, blended, and as a feature."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks import harness
from benchmarks.machine import Meter
from paylake.demo_model import DAY, FRAUD, RECIPE, SEEDS, START, examples_of, joined
from paylake.fraud.handbook.measures import recall
from paylake.fraud.novelty.channel import (
    FRAUDULENT_FROM,
    SUSPICIOUS_FROM,
    Channel,
    Said,
    combined,
    has_neural,
    train_channel,
)
from paylake.fraud.novelty.isolation import IsolationForest
from paylake.fraud.novelty.response import anomaly_response
from paylake.fraud.novelty.vectors import Vectors, in_order
from paylake.fraud.scorer import as_seen
from paylake.fraud.training import BAD, Examples
from paylake.simulation.arrivals import gateway_arrivals
from paylake.simulation.plan import Plan

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PAYMENTS = 50_000
"""Of a day; each day has customers and merchants of its own."""
TEST_SEEDS = (2011, 2012)
TREE_SEEDS = (RECIPE.seed, 1, 2)
"""Draws of the trees: a difference that is smaller than theirs is none."""
SINGLES = 300
BLEND_FROM = 0.5
"""The blend of requirement F7 calls a payment fraud above it."""


def measure(scale: float) -> dict[str, Any]:
    """Average precision and recall of every mixture, on days of other seeds than those of the training."""
    payments = harness.scaled(PAYMENTS, scale, 3_000)
    learnt, campaigns = days(SEEDS, START, payments)
    tested, kinds = days(TEST_SEEDS, START + timedelta(days=30), payments)
    harness.say(f"novelty: {len(learnt):,} payments to learn from, {len(tested):,} to judge by")
    if not has_neural():
        harness.say("novelty: without the extra `novelty` there is no autoencoder and no sequence model")
    known, asked = (in_order(of.matrix, of.user) for of in (learnt, tested))
    with Meter().measure() as training:
        channel = train_channel(known)
    harness.say(f"novelty: trained in {training[0].wall_s:.0f} s")
    before, after = channel.say(known), channel.say(asked)
    is_fraud, was_fraud = tested.label == BAD, learnt.label == BAD
    more_learnt, more_tested = (np.column_stack([of.matrix, said.score]) for of, said in ((learnt, before), (tested, after)))
    redrawn = [
        (boosted(learnt.matrix, was_fraud, seed)(tested.matrix), boosted(more_learnt, was_fraud, seed)(more_tested))
        for seed in TREE_SEEDS
    ]
    supervised, with_feature = redrawn[0]
    forest = channel.models[0].model
    assert isinstance(forest, IsolationForest)
    alone = {f"{one.model.name} alone": as_ranks(one.model.errors(asked)) for one in channel.models}
    by_forest, by_trees = as_ranks(forest.errors(asked)), as_ranks(supervised)
    blend = 0.7 * supervised - 0.3 * forest.decisions(asked)
    mixtures = {
        "supervised alone": supervised,
        **alone,
        "novelty channel": after.score,
        **without_sequences(after),
        "supervised and isolation forest, 0.8/0.2 of ranks": 0.8 * by_trees + 0.2 * by_forest,
        "supervised and isolation forest, 0.5/0.5 of ranks": 0.5 * by_trees + 0.5 * by_forest,
        "0.7 of the supervised, less 0.3 of the forest's decision": blend,
        "supervised with the novelty score as a feature": with_feature,
    }
    found = {
        "train_payments": len(learnt),
        "train_frauds": int(was_fraud.sum()),
        "test_payments": len(tested),
        "test_frauds": int(is_fraud.sum()),
        "with_neural": has_neural(),
        "models": [one.model.name for one in channel.models],
        "training_cost": training[0].as_dict(),
        "mixtures": {name: judged(is_fraud, scores) for name, scores in mixtures.items()},
        "redrawn": [[judged(is_fraud, scores)["average_precision"] for scores in pair] for pair in redrawn],
        "with_history": with_history(is_fraud, asked, channel),
        "blend_from": {"from": BLEND_FROM, **flagged(is_fraud, blend > BLEND_FROM)},
        "suspicious": flagged(is_fraud, after.score >= SUSPICIOUS_FROM),
        "fraudulent": flagged(is_fraud, after.score >= FRAUDULENT_FROM),
        "unseen": unseen(learnt, campaigns, tested, kinds),
        "single": one_by_one(channel, asked, harness.scaled(SINGLES, scale, 20)),
    }
    found["page"] = "\n".join([*mixtures_table(found), "", *unseen_table(found)])
    print(found["page"])
    return found


def days(seeds: Sequence[int], start: datetime, payments: int) -> tuple[Examples, NDArray[np.str_]]:
    """A simulated day per seed, and each payment's campaign of fraud: empty for a good one."""
    parts, kinds = [], []
    for number, seed in enumerate(seeds):
        plan = Plan(payments=payments, seed=seed, start=start + number * DAY, span=DAY, fraud=FRAUD, chaos=0.0)
        arrivals = gateway_arrivals(plan)
        parts.append(examples_of(arrivals, number))
        kinds += arrivals["fraud_scenario"].fill_null("").to_pylist()
    return joined(parts), np.asarray(kinds, dtype=str)


def boosted(matrix: Floats, is_fraud: Bools, seed: int = RECIPE.seed) -> Callable[[Floats], Floats]:
    """The demonstration's trees on any features: a function from payments to probabilities of fraud."""
    from xgboost import QuantileDMatrix, train

    kept = is_fraud | (np.random.default_rng(seed).random(len(matrix)) < RECIPE.keep_genuine)
    weight = np.where(is_fraud, 1.0, 1 / RECIPE.keep_genuine)[kept]
    data = QuantileDMatrix(as_seen(matrix[kept]), label=is_fraud[kept], weight=weight, max_bin=RECIPE.max_bin, nthread=1)
    trees = train(
        {"objective": "binary:logistic", "tree_method": "hist", "max_bin": RECIPE.max_bin, "max_depth": RECIPE.depth,
         "eta": RECIPE.learning_rate, "min_child_weight": RECIPE.least_weight, "subsample": RECIPE.rows,
         "colsample_bytree": RECIPE.columns, "seed": seed, "nthread": 1},
        data, RECIPE.trees,
    )  # fmt: skip
    return lambda asked: np.asarray(trees.inplace_predict(as_seen(asked)), float)


def without_sequences(said: Said) -> dict[str, Floats]:
    """The channel's sum over the two models that look at a payment alone."""
    alone = {name: scores for name, scores in said.by_model.items() if name != "sequence model"}
    return {"the same without the sequence model": combined(alone, len(said.score))} if len(alone) > 1 else {}


def as_ranks(scores: Floats) -> Floats:
    """Each score's share of scores that are not above it; what has none comes last."""
    known = np.nan_to_num(scores, nan=-np.inf)
    return np.searchsorted(np.sort(known), known, side="right") / len(known)


def judged(is_fraud: Bools, scores: Floats) -> dict[str, float]:
    """How well scores tell frauds."""
    label = is_fraud.astype(np.int64)
    return {
        "average_precision": round(float(average_precision_score(label, scores)), 4),
        "recall_at_1_percent": round(recall(label, scores, 0.01), 4),
        "recall_at_2_1_percent": round(recall(label, scores, 0.021), 4),
    }


def flagged(is_fraud: Bools, flags: Bools) -> dict[str, float]:
    """Shares of all payments, of the frauds and of the good ones that are flagged."""
    shares = {"share": flags, "recall": flags[is_fraud], "false_positives": flags[~is_fraud]}
    return {name: round(float(of.mean()), 4) for name, of in shares.items()}


def with_history(is_fraud: Bools, asked: Vectors, channel: Channel) -> dict[str, Any]:
    """Every model on the payments alone of which the sequence model can speak."""
    rows = np.flatnonzero(asked.has_history)
    if not is_fraud[rows].any():
        return {"share": 0.0, "models": {}}
    of = asked.taken(rows)
    found = {one.model.name: judged(is_fraud[rows], as_ranks(one.model.errors(of))) for one in channel.models}
    return {"share": round(len(rows) / len(asked), 4), "models": found}


def unseen(
    learnt: Examples, campaigns: NDArray[np.str_], tested: Examples, kinds: NDArray[np.str_]
) -> dict[str, dict[str, float]]:
    """Of each campaign the share found at 2.1 % false positives: by trees that learnt of it, and by trees and the channel
    that never saw a payment of one like it.
    """
    is_good, asked = kinds == "", in_order(tested.matrix, tested.user)
    found = {}
    full = boosted(learnt.matrix, campaigns != "")(tested.matrix)
    for kind in sorted(set(kinds[~is_good])):
        others = campaigns != kind
        blind = boosted(learnt.matrix[others], campaigns[others] != "")(tested.matrix)
        channel = train_channel(in_order(learnt.matrix[others], learnt.user[others]))
        chosen = is_good | (kinds == kind)
        label = (kinds == kind)[chosen].astype(np.int64)
        of = {"supervised": full, "supervised_without_it": blind, "novelty": channel.say(asked).score}
        found[str(kind)] = {"frauds": int(label.sum())} | {
            name: round(recall(label, scores[chosen], 0.021), 4) for name, scores in of.items()
        }
    return found


def one_by_one(channel: Channel, asked: Vectors, count: int) -> dict[str, float]:
    """Milliseconds of a single answer, through everything that a request goes through: median, and 99 of 100."""
    rows, at, taken = np.flatnonzero(asked.has_history)[: count + 10], datetime(2026, 1, 1, tzinfo=UTC), []
    for row in rows.tolist():
        history = asked.earlier[asked.before[row]]
        answer = anomaly_response(str(row), asked.matrix[row], channel, history, at, time.perf_counter)
        taken.append(float(answer["processing_time_ms"]))
    p50, p99 = np.quantile(taken[10:] or [0.0], (0.5, 0.99))
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}


def mixtures_table(found: Mapping[str, Any]) -> list[str]:
    """The mixtures as lines of a Markdown table."""
    rows = [
        f"| {name} | {said['average_precision']:.3f} | {said['recall_at_1_percent']:.3f} "
        f"| {said['recall_at_2_1_percent']:.3f} |"
        for name, said in found["mixtures"].items()
    ]
    return ["| scores | average precision | recall at 1 % | recall at 2.1 % |", "| --- | ---: | ---: | ---: |", *rows]


def unseen_table(found: Mapping[str, Any]) -> list[str]:
    """What is found of a campaign that nobody has labelled yet, likewise."""
    rows = [
        f"| {kind} | {said['frauds']:,} | {said['supervised']:.3f} | {said['supervised_without_it']:.3f} "
        f"| {said['novelty']:.3f} |"
        for kind, said in found["unseen"].items()
    ]
    head = "| recall at 2.1 %, of | frauds | supervised | supervised, never saw it | novelty channel, never saw it |"
    return [head, "| --- | ---: | ---: | ---: | ---: |", *rows]


def main() -> None:
    """One measurement, as `run.py` asks for it."""
    options = harness.arguments(__doc__)
    harness.write(options.out, measure(options.scale))


if __name__ == "__main__":
    main()
