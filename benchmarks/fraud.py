"""Fraud models on the public benchmark, as `paylake benchmark fraud` runs it, with what it cost."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks import harness
from benchmarks.machine import Meter
from paylake.card_transactions import read
from paylake.fraud.handbook import published
from paylake.fraud.handbook.benchmark import OURS, benchmark
from paylake.fraud.handbook.page import page

DATA = harness.ROOT.parent / "shared" / "data" / "handbook"
FOLDS = 4
REPRODUCED = ("logistic regression", "decision tree of depth 2", "decision tree", "random forest")
"""Models whose published figures come out again; the others' libraries have changed since."""


def measure(scale: float) -> dict[str, Any]:
    """The page, and the figures that a reader is shown first; at a smaller scale of one fold."""
    if not DATA.is_dir():
        sys.exit(f"The benchmark of fraud needs the handbook's data in {DATA}.")
    with Meter().measure() as cost:
        found = benchmark(read(DATA), None, FOLDS if scale >= 1 else 1, harness.say)
    pairs = [(found.single[name], published.SINGLE_SPLIT[name]) for name in REPRODUCED]
    apart = max(abs(getattr(mine, name) - getattr(said, name)) for mine, said in pairs for name in said._fields)
    ours = {name: mean for name, (mean, _) in found.averages[OURS].items()}
    return {
        "cost": cost[0].as_dict(),
        "page": page(found),
        "models_reproduced": len(REPRODUCED),
        "apart": apart,
        "ours": ours,
        "recall_ceiling": found.recall_ceiling[0],
    }
