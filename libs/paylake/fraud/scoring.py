"""From a payment's features to its score, anomaly type, decision and reasons."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paylake.contracts.fraud import (
    ANOMALY_TYPES,
    DECISIONS,
    MOST_REASONS,
    REASON_TEXTS,
    RuleLimits,
)
from paylake.fraud.explanations import reasons
from paylake.fraud.facts import as_lists, matrix_of
from paylake.fraud.features import FEATURES_VERSION, NAMES
from paylake.fraud.rules import HARD, RAISING, RULE_FEATURES, broken
from paylake.fraud.scorer import Scorer
from paylake.fraud.sequences import Floats

DECISION_OF = dict(zip(ANOMALY_TYPES, DECISIONS, strict=True))

REASON_ARROW = pa.struct(
    [("code", pa.string()), ("text", pa.string()), ("feature", pa.string()), ("observed", pa.float64()),
     ("baseline", pa.float64())]
)  # fmt: skip

SCORES_SCHEMA = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("score", pa.float64()),
        ("anomaly_type", pa.string()),
        ("confidence", pa.float64()),
        ("decision", pa.string()),
        ("reasons", pa.list_(REASON_ARROW)),
        ("rules", pa.list_(pa.string())),
        ("model_name", pa.string()),
        ("model_version", pa.string()),
        ("features_version", pa.string()),
        ("features", pa.list_(pa.float64())),
        ("challenger_score", pa.float64()),
        ("challenger_version", pa.string()),
    ]
)
SCORES_DDL = (
    "transaction_id string, score double, anomaly_type string, confidence double, decision string, "
    "reasons array<struct<code: string, text: string, feature: string, observed: double, baseline: double>>, "
    "rules array<string>, model_name string, model_version string, features_version string, features array<double>, "
    "challenger_score double, challenger_version string"
)
"""What is said of a scored payment."""


@dataclass(frozen=True)
class Judge:
    """Who scores: the champion, perhaps a challenger for a share of the customers, and the rules' limits.

    `challenger_share` is in percent of the customers, told by a hash of their identifier; with `challenger_decides` its
    score counts for them, else it is only kept beside the champion's.
    """

    champion: Scorer
    challenger: Scorer | None = None
    challenger_share: int = 0
    challenger_decides: bool = False
    limits: RuleLimits = RuleLimits()


def score(facts: pa.Table, judge: Judge) -> pa.Table:
    """One row of SCORES_SCHEMA per payment of FACTS_SCHEMA."""
    if not facts.num_rows:
        return SCORES_SCHEMA.empty_table()
    matrix = matrix_of(facts)
    champion, other = judge.champion.scores(matrix), np.full(len(matrix), np.nan)
    shadowed = _shadowed(facts["user_id"], judge)
    if judge.challenger is not None and shadowed.any():
        other[shadowed] = judge.challenger.scores(matrix[shadowed])
    decides = shadowed & judge.challenger_decides
    scores = np.clip(np.where(decides, other, champion), 0.0, 1.0)
    rules = broken(matrix, np.asarray(facts["currency"].to_pylist(), dtype=object), judge.limits)
    kind = _kinds(scores, decides, rules, judge)
    names = np.array(ANOMALY_TYPES, dtype=object)[kind]
    by = [judge.champion if not one or judge.challenger is None else judge.challenger for one in decides.tolist()]
    challenger = judge.challenger.version if judge.challenger is not None else None
    return pa.table(
        {
            "transaction_id": facts["transaction_id"],
            "score": scores,
            "anomaly_type": pa.array(names.tolist(), pa.string()),
            "confidence": np.where(kind == 0, 1 - scores, scores),
            "decision": pa.array([DECISION_OF[name] for name in names], pa.string()),
            "reasons": pa.array(_reasons(matrix, kind, decides, rules, judge), pa.list_(REASON_ARROW)),
            "rules": pa.array(_codes(rules, len(matrix)), pa.list_(pa.string())),
            "model_name": pa.array([one.name for one in by], pa.string()),
            "model_version": pa.array([one.version for one in by], pa.string()),
            "features_version": pa.array([FEATURES_VERSION] * len(matrix), pa.string()),
            "features": as_lists(matrix),
            "challenger_score": pa.array(other, mask=~shadowed),
            "challenger_version": pa.array([challenger if one else None for one in shadowed.tolist()], pa.string()),
        },
        schema=SCORES_SCHEMA,
    )


def _shadowed(users: pa.ChunkedArray, judge: Judge) -> NDArray[np.bool_]:
    """The payments of the customers whom the challenger sees too: the same ones in every batch."""
    if judge.challenger is None or not judge.challenger_share:
        return np.zeros(len(users), bool)
    encoded = users.combine_chunks().dictionary_encode()
    share = np.array([_percent(str(user)) < judge.challenger_share for user in encoded.dictionary.to_pylist()], bool)
    return np.asarray(share[np.asarray(encoded.indices)])


def _percent(user: str) -> int:
    """0 to 99, evenly, and the same in every process."""
    return int.from_bytes(hashlib.blake2b(user.encode(), digest_size=8).digest()) % 100


def _kinds(
    scores: Floats, decides: NDArray[np.bool_], rules: Mapping[str, NDArray[np.bool_]], judge: Judge
) -> NDArray[np.int64]:
    """0, 1 or 2 for normal, suspicious and fraudulent."""
    kind = np.zeros(len(scores), np.int64)
    for scorer, mine in ((judge.champion, ~decides), (judge.challenger, decides)):
        if scorer is not None:
            kind[mine & (scores >= scorer.thresholds.suspicious)] = 1
            kind[mine & (scores >= scorer.thresholds.fraudulent)] = 2
    for rule, hit in rules.items():
        if rule in RAISING:
            kind[hit] = np.maximum(kind[hit], 1)
        if rule in HARD:
            kind[hit] = 2
    return kind


def _reasons(
    matrix: Floats, kind: NDArray[np.int64], decides: NDArray[np.bool_], rules: Mapping[str, NDArray[np.bool_]], judge: Judge
) -> list[list[dict[str, Any]]]:
    """The reasons of each payment that is not normal: the rules that made it so, then what weighs most in its score."""
    found: list[list[dict[str, Any]]] = [[] for _ in range(len(matrix))]
    for scorer, mine in ((judge.champion, ~decides), (judge.challenger, decides)):
        rows = np.flatnonzero(mine & (kind > 0))
        if scorer is None or not len(rows):
            continue
        explained = reasons(matrix[rows], scorer.contributions(matrix[rows]), MOST_REASONS)
        for row, said in zip(rows.tolist(), explained, strict=True):
            ruled = [_reason(rule, matrix[row]) for rule, hit in rules.items() if hit[row] and rule in RAISING | HARD]
            known = {one["code"] for one in ruled}
            found[row] = [*ruled, *(one for one in said if one["code"] not in known)][:MOST_REASONS]
    return found


def _reason(rule: str, vector: Floats) -> dict[str, Any]:
    name = RULE_FEATURES[rule]
    observed = float(vector[NAMES.index(name)])
    return {"code": rule, "text": REASON_TEXTS[rule], "feature": name, "observed": observed, "baseline": None}


def _codes(rules: Mapping[str, NDArray[np.bool_]], count: int) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(count)]
    for rule, hit in rules.items():
        for row in np.flatnonzero(hit).tolist():
            found[row].append(rule)
    return found
