"""What a challenger would have said, beside what the champion said, of the payments that both scored as they arrived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.metrics import average_precision_score

from paylake import tables
from paylake.contracts import FRAUD_PARTIAL, LABELS
from paylake.contracts.fraud import FRAUD, GENUINE
from paylake.errors import SourceError
from paylake.fraud.handbook.measures import recall
from paylake.indexes.fraud_index import standing_labels

BUDGET = 0.021


@dataclass(frozen=True)
class Shadow:
    """One champion and one challenger, on the payments that both scored; shares from 0 to 1.

    `labelled` payments have a label by now, `frauds` of them say fraud. Average precision and recall (with BUDGET of the
    genuine ones flagged) are over these alone, champion first; None where they do not tell.
    """

    champion: str
    challenger: str
    payments: int
    apart: float
    """The mean distance of the two scores."""
    labelled: int
    frauds: int
    average_precision: tuple[float, float] | None
    recall: tuple[float, float] | None


def shadows(spark: SparkSession, lake: str, as_of: datetime) -> list[Shadow]:
    """One row per pair of versions that scored payments side by side, with the labels that were known at a time.

    Raises SourceError where no payment was scored by a challenger.
    """
    scored = tables.read(spark, lake, FRAUD_PARTIAL).where("challenger_score IS NOT NULL")
    known = tables.read(spark, lake, LABELS).where(F.greatest("known_at", "recorded_at") <= F.lit(as_of))
    found = _pairs(scored, standing_labels(known))
    if not found:
        raise SourceError(
            f"No payment of the lake {lake} was scored by a challenger: run `paylake score --challenger-share`."
        )
    return found


def _pairs(scored: DataFrame, labels: DataFrame) -> list[Shadow]:
    pair = ("model_version", "challenger_version")
    # where the challenger decides, `score` is its own, and nobody else's was kept
    both = scored.where(F.col("model_version") != F.col("challenger_version"))
    counts = both.groupBy(*pair).agg(
        F.count("*").alias("n"), F.mean(F.abs(F.col("score") - F.col("challenger_score"))).alias("apart")
    )
    told = both.join(labels, "transaction_id").where(F.col("label").isin(FRAUD, GENUINE))
    rows = told.select(*pair, "score", "challenger_score", (F.col("label") == FRAUD).alias("bad")).collect()
    found = []
    for pairing in counts.orderBy(*pair).collect():
        mine = [r for r in rows if all(r[name] == pairing[name] for name in pair)]
        label = np.array([r["bad"] for r in mine], np.int64)
        tells = 0 < label.sum() < len(label)
        scores = [np.array([r[name] for r in mine], float) for name in ("score", "challenger_score")]
        found.append(
            Shadow(
                champion=pairing["model_version"],
                challenger=pairing["challenger_version"],
                payments=pairing["n"],
                apart=pairing["apart"],
                labelled=len(label),
                frauds=int(label.sum()),
                average_precision=_pair(average_precision_score(label, one) for one in scores) if tells else None,
                recall=_pair(recall(label, one, BUDGET) for one in scores) if tells else None,
            )
        )
    return found


def _pair(values: Iterable[float]) -> tuple[float, float]:
    champion, challenger = map(float, values)
    return champion, challenger


def table(found: Sequence[Shadow]) -> str:
    """The rows for a terminal: a block per pair."""
    lines = []
    for one in found:
        lines += [
            f"champion {one.champion} and challenger {one.challenger}: {one.payments:,} payments scored by both, "
            f"{one.apart:.4f} apart in the mean",
            f"{one.labelled:,} of them have a label, {one.frauds:,} say fraud",
        ]
        for words, values in (("average precision", one.average_precision), ("recall at 2.1 % flagged", one.recall)):
            said = f"{values[0]:.3f} and {values[1]:.3f}" if values else "cannot be told yet"
            lines.append(f"  {words}: {said}")
    return "\n".join(lines)
