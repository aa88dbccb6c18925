"""Scored payments and their labels, from a lake's aggregate into memory: what models learn from and are judged by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake import tables
from paylake.contracts import AGGREGATE_INDEX
from paylake.contracts.fraud import FRAUD
from paylake.errors import SourceError
from paylake.fraud.features import FEATURES_VERSION, NAMES, UNIT
from paylake.fraud.training import BAD, GOOD, NEVER, NOBODY_SAID, Examples

NEEDED = ("fraud_features", "fraud_features_version", "fraud_arrived_at", "label", "label_known_at")


def labelled_payments(
    spark: SparkSession, lake: str, back: timedelta | None = None, until: datetime | None = None
) -> tuple[Examples, dict[str, str]]:
    """The lake's payments that were scored with the features of now, and where they come from.

    With `back` only the latest ones: made so long before `until`, or before the last payment where that is earlier.
    Raises SourceError where the aggregate is not there, has no scores, or only those of other features.
    """
    try:
        tables.read(spark, lake, AGGREGATE_INDEX)
        version = tables.latest_version(spark, lake, AGGREGATE_INDEX)
        aggregate = tables.read(spark, lake, AGGREGATE_INDEX, version)
    except AnalysisException:
        raise SourceError(
            f"The aggregate_index of the lake {lake} has no {' or '.join(NEEDED[:2])} yet: run `paylake nightly` once more, "
            "which adds its columns."
        ) from None
    scored = aggregate.where("fraud_features IS NOT NULL AND gateway_at IS NOT NULL")
    versions = {
        str(row["fraud_features_version"]): int(row["count"])
        for row in scored.groupBy("fraud_features_version").count().collect()
    }
    if FEATURES_VERSION not in versions:
        others = f"only with the features {', '.join(sorted(versions))}, not {FEATURES_VERSION}" if versions else "yet"
        raise SourceError(
            f"No payment in the aggregate_index of the lake {lake} was scored {others}: score payments with "
            "score_transactions, run `paylake nightly`, then train."
        )
    rows = scored.where(F.col("fraud_features_version") == FEATURES_VERSION)
    if back is not None:
        last = rows.agg(F.least(F.max("gateway_at"), F.lit(until or datetime.now(UTC)))).first()
        assert last is not None
        rows = rows.where(F.col("gateway_at") >= F.lit(last[0].astimezone(UTC) - back))
    found = rows.select(
        "fraud_features",
        F.unix_millis("fraud_arrived_at").alias("features_at_ms"),
        F.unix_millis("gateway_at").alias("at_ms"),
        "label",
        F.unix_millis("label_known_at").alias("known_at_ms"),
        F.col("gateway_amount").alias("amount"),
        F.col("gateway_currency").alias("currency"),
        "user_id",
    ).orderBy("at_ms", "transaction_id")
    examples = from_arrow(found.toArrow())
    days = [
        f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}" for ms in (examples.at_ms[:1].sum(), examples.at_ms[-1:].sum())
    ]
    facts = {
        "table": AGGREGATE_INDEX.name,
        "delta version": str(version),
        "days read": " to ".join(days) if len(examples) else "none",
        "left out of other features": str(sum(n for of, n in versions.items() if of != FEATURES_VERSION)),
    }
    return examples, facts


def from_arrow(rows: pa.Table) -> Examples:
    """Rows of fraud_features, features_at_ms, at_ms, label, known_at_ms, amount, currency and user_id as examples."""
    count = rows.num_rows
    known = pc.and_(pc.is_valid(rows["label"]), pc.is_valid(rows["known_at_ms"])).combine_chunks()
    bad = pc.fill_null(pc.equal(rows["label"], FRAUD), False).combine_chunks()
    said = np.where(np.asarray(bad), BAD, GOOD)
    label = np.where(np.asarray(known), said, NOBODY_SAID)
    flat = np.asarray(rows["fraud_features"].combine_chunks().flatten(), float)
    return Examples(
        matrix=flat.reshape(count, len(NAMES)),
        features_at_ms=_whole(rows["features_at_ms"]),
        at_ms=_whole(rows["at_ms"]),
        label=label.astype(np.int64),
        known_at_ms=np.where(label == NOBODY_SAID, NEVER, _whole(rows["known_at_ms"])),
        units=_whole(pc.multiply(rows["amount"], pa.scalar(Decimal(UNIT))).cast(pa.int64())),
        currency=np.asarray(rows["currency"].to_pylist(), dtype=str),
        user=np.asarray(rows["user_id"].combine_chunks().dictionary_encode().indices).astype(np.int64),
        weight=np.ones(count),
    )


def _whole(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(column.cast(pa.int64()).fill_null(0).combine_chunks()).astype(np.int64)
