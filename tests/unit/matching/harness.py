"""A stage run on literal rows: what became of each entry, as plain data."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.contracts.matching import RECONCILED_ENTRIES
from paylake.matching.breaks import classified
from paylake.matching.cascade import cascade
from paylake.matching.entries import all_entries
from paylake.matching.proof import prove
from paylake.matching.rules import RuleSet, read
from paylake.matching.suggestions import suggested
from paylake.quality import failed_checks

Rows = Mapping[str, Sequence[Sequence[str | None]]]


def rules(text: str) -> RuleSet:
    """A rule set of one stage."""
    return read(text, "test.yaml")


def frames(
    spark: SparkSession, columns: str, rows: Rows, shuffle: int | None = None, partitions: int = 1
) -> dict[str, DataFrame]:
    """A frame of texts per source, as a CSV would give them; shuffled by a seed where one is given."""
    schema = ", ".join(f"{name} STRING" for name in columns.split())
    found = {}
    for source, given in rows.items():
        data = [tuple(row) for row in given]
        if shuffle is not None:
            random.Random(shuffle).shuffle(data)
        found[source] = spark.createDataFrame(data, schema).repartition(partitions)
    return found


def run(rule_set: RuleSet, given: Mapping[str, DataFrame]) -> tuple[DataFrame, DataFrame]:
    """The stage's entries as they were read, and as they came out."""
    stage = rule_set.stages[0]
    entries = all_entries(given, rule_set, stage).localCheckpoint()
    return entries, suggested(classified(cascade(entries, stage), stage).localCheckpoint(), stage).localCheckpoint()


def told(reconciled: DataFrame) -> dict[str, str]:
    """Per entry, as `source:id`, its status with the tier or the reasons, and with whom."""
    members: dict[str, list[str]] = {}
    rows = reconciled.collect()
    for row in rows:
        if row["match_id"]:
            members.setdefault(row["match_id"], []).append(f"{row['source']}:{row['entry_id']}")
    said = {}
    for row in rows:
        name = f"{row['source']}:{row['entry_id']}" + (f"#{row['row']}" if row["row"] > 1 else "")
        others = sorted(set(members.get(row["match_id"], ())) - {f"{row['source']}:{row['entry_id']}"})
        why = " ".join(row["reasons"]) if row["reasons"] else row["tier"] or ""
        difference = f" {row['difference_amount'].normalize():f}" if row["difference_amount"] else ""
        said[name] = " ".join(filter(None, (row["status"], why, "with " + " ".join(others) if others else ""))) + difference
    return said


def proof(entries: DataFrame, reconciled: DataFrame) -> list[dict[str, Any]]:
    """The proof's rows that do not close, and the entries that break their contract: both must be none."""
    loose = prove(entries, reconciled).where("NOT closes").collect()
    wrong = reconciled.withColumn("_failed", failed_checks(RECONCILED_ENTRIES)).where(F.size("_failed") > 0).collect()
    return [row.asDict() for row in (*loose, *wrong)]
