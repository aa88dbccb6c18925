"""(g) Precision and recall of breaks, reason by reason, on generated data whose truth the engine never sees."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from benchmarks import harness, stage
from benchmarks.ledger_sets import SETS, DataSet, Expected
from benchmarks.machine import Meter
from paylake.contracts.matching import MATCHED, MATCHED_WITH_TOLERANCE, SUGGESTED
from paylake.matching.breaks import classified
from paylake.matching.cascade import cascade
from paylake.matching.entries import all_entries
from paylake.matching.rules import read
from paylake.matching.suggestions import suggested
from paylake.reconcile_command import shipped

ENTRIES = 22_000
"""Payments of a data set: enough for 20,000 entries in every source."""
SEEDS = (11, 23, 47)
AUTOMATIC = (MATCHED, MATCHED_WITH_TOLERANCE)
COLUMNS = ("stage", "source", "entry_id", "currency", "amount", "status", "match_id", "reason")

Key = tuple[str, str, str]


def measure(scale: float) -> dict[str, Any]:
    """In a process of its own."""
    return harness.own_process("accuracy", "--scale", str(scale))


def run(scale: float) -> dict[str, Any]:
    """Every data set with every seed, each scored against its truth."""
    spark, entries = stage.session("accuracy"), harness.scaled(ENTRIES, scale, 400)
    scores = []
    with Meter().measure() as cost, harness.workplace("accuracy") as folder:
        for name, make in SETS.items():
            for seed in SEEDS:
                data = make(entries, seed)
                found = reconciled(spark, data, folder / f"{name}-{seed}")
                scores.append({"rules": name, "seed": seed, **score(data, found)})
                harness.say(f"accuracy: {name}, seed {seed}: {scores[-1]['wrong_groups']} wrong matches")
    return {"seeds": list(SEEDS), "cost": cost[0].as_dict(), "sets": [summed(name, scores) for name in SETS]}


def reconciled(spark: SparkSession, data: DataSet, folder: Path) -> list[dict[str, Any]]:
    """What the engine makes of the rows alone: one row per entry and stage."""
    rules = read(shipped()[data.rules], data.rules)
    frames = {name: _kept(spark, rows, folder / name) for name, rows in data.sources.items()}
    found: list[dict[str, Any]] = []
    for number, chosen in enumerate(rules.stages):
        legs = classified(cascade(all_entries(frames, rules, chosen), chosen), chosen)
        legs.write.parquet(str(folder / f"classified-{number}"))
        result = suggested(spark.read.parquet(str(folder / f"classified-{number}")), chosen).select(*COLUMNS)
        found += result.where("status <> 'EXCLUDED'").toArrow().to_pylist()
    return found


def score(data: DataSet, found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What was found beside what is true.

    A break counts as found where its entry has its very reason. A match is wrong where a group that the engine made by
    itself is not exactly the true group; the amounts of its entries are overstated.
    """
    outcome = {(row["stage"], row["source"], row["entry_id"]): row for row in found}
    lost = [key for key in data.truth if key not in outcome]
    if lost or len(outcome) != len(data.truth):
        raise SystemExit(f"{data.rules}: {len(data.truth)} entries went in and {len(outcome)} came out; {lost[:1]} is lost")
    groups = _groups(data.truth)
    by_reason: dict[str, Counter[str]] = defaultdict(Counter)
    confused: Counter[tuple[str, str]] = Counter()
    made: dict[str, list[Key]] = defaultdict(list)
    suggestions: dict[str, list[Key]] = defaultdict(list)
    for key, row in outcome.items():
        true, said = data.truth[key].reason, "" if row["status"] in AUTOMATIC else str(row["reason"])
        by_reason[true]["true"] += 1
        by_reason[said]["found"] += 1
        by_reason[true]["right"] += true == said
        if true != said:
            confused[true or "matched", said or "matched"] += 1
        if row["status"] in AUTOMATIC:
            made[f"{row['stage']} {row['match_id']}"].append(key)
        elif row["status"] == SUGGESTED:
            suggestions[f"{row['stage']} {row['match_id']}"].append(key)
    wrong = [members for members in made.values() if not _is_true(members, data.truth, groups)]
    overstated: dict[str, Decimal] = defaultdict(Decimal)
    for key in (key for members in wrong for key in members):
        overstated[outcome[key]["currency"]] += abs(outcome[key]["amount"])
    return {
        "entries": {name: len(rows) for name, rows in data.sources.items()},
        "classes": dict(data.classes),
        "reasons": {reason: dict(counts) for reason, counts in by_reason.items()},
        "confused": [[*pair, count] for pair, count in sorted(confused.items())],
        "groups": len(made),
        "wrong_groups": len(wrong),
        "overstated": {currency: str(amount) for currency, amount in sorted(overstated.items())},
        "suggestions": len(suggestions),
    }


def summed(rules: str, scores: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The scores of a rule set over all seeds."""
    mine = [one for one in scores if one["rules"] == rules]
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    confused: Counter[tuple[str, str]] = Counter()
    overstated: dict[str, Decimal] = defaultdict(Decimal)
    classes: Counter[str] = Counter()
    for one in mine:
        classes.update(one["classes"])
        for reason, counts in one["reasons"].items():
            reasons[reason].update(counts)
        for true, said, count in one["confused"]:
            confused[true, said] += count
        for currency, amount in one["overstated"].items():
            overstated[currency] += Decimal(amount)
    return {
        "rules": rules,
        "least_entries": min(count for one in mine for count in one["entries"].values()),
        "entries": sum(count for one in mine for count in one["entries"].values()),
        "classes": dict(classes),
        "reasons": {reason: dict(counts) for reason, counts in sorted(reasons.items())},
        "confused": [[*pair, count] for pair, count in sorted(confused.items())],
        **{name: sum(one[name] for one in mine) for name in ("groups", "wrong_groups", "suggestions")},
        "overstated": {currency: str(amount) for currency, amount in sorted(overstated.items())},
    }


def _groups(truth: Mapping[Key, Expected]) -> dict[tuple[str, str], set[Key]]:
    groups: dict[tuple[str, str], set[Key]] = defaultdict(set)
    for key, expected in truth.items():
        if expected.group:
            groups[key[0], expected.group].add(key)
    return groups


def _is_true(members: list[Key], truth: Mapping[Key, Expected], groups: Mapping[tuple[str, str], set[Key]]) -> bool:
    expected = truth[members[0]].group
    return bool(expected) and groups[members[0][0], expected] == set(members)


def _kept(spark: SparkSession, rows: list[dict[str, str | None]], path: Path) -> DataFrame:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    schema = pa.schema([pa.field(name, pa.string()) for name in names])
    pq.write_table(pa.Table.from_pylist(rows, schema), path.with_suffix(".parquet"))
    return spark.read.parquet(str(path.with_suffix(".parquet")))


def main() -> None:
    """One measurement, as `run.py` asks for it."""
    options = harness.arguments(__doc__)
    harness.write(options.out, run(options.scale))


if __name__ == "__main__":
    main()
