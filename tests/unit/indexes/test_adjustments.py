"""A closed period's differences, booked once, up to the last decimal, whatever comes after."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from paylake.contracts import ADJUSTMENTS, RECONCILIATION_INDEX
from paylake.indexes.adjustments import adjustments
from tests.builders import NOON, as_dicts, day, legs, rows

OPEN_DATE = day("2026-04-01")
HUNDRED = Decimal("100.0000")


def index(spark: SparkSession, content_hash: int, **columns: Any) -> DataFrame:
    row = {"recon_id": "r1", "content_hash": content_hash, "run_id": "run-1", "business_date": day("2026-03-31"), **columns}
    return rows(spark, RECONCILIATION_INDEX, row)


def booked(found: DataFrame) -> list[tuple[Any, ...]]:
    said = ("source", "currency", "amount", "status_before", "status_after", "original_run_id")
    assert {(r["business_date"], r["original_business_date"]) for r in found.collect()} <= {(OPEN_DATE, day("2026-03-31"))}
    return [tuple(row.values()) for row in as_dicts(found, *said)]


@pytest.mark.slow
def test_every_change_is_booked_once_against_what_has_been_said_so_far(spark: SparkSession) -> None:
    published = index(spark, 1, status="MISSING_CBS", **legs(core=None))
    known = rows(spark, ADJUSTMENTS)

    def book(latest: DataFrame, n: int) -> list[tuple[Any, ...]]:
        nonlocal known
        found = adjustments(latest, published, known, OPEN_DATE, f"adjusted-{n}", NOON + timedelta(days=n))
        said = booked(found)
        known = spark.createDataFrame(known.unionByName(found).collect(), known.schema)
        return said

    came = index(spark, 2, status="MATCHED", **legs())
    assert book(published, 1) == []
    assert book(came, 2) == [("core", "INR", HUNDRED, "MISSING_CBS", "MATCHED", "run-1")]
    assert book(came, 3) == []
    corrected = index(spark, 3, status="MISMATCH", **legs(core={"amount": Decimal("90.0000")}))
    assert book(corrected, 4) == [("core", "INR", Decimal("-10.0000"), "MISSING_CBS", "MISMATCH", "run-1")]
    other_currency = index(spark, 4, status="MISMATCH", **legs(core={"currency": "USD"}))
    assert book(other_currency, 5) == [
        ("core", "INR", Decimal("-90.0000"), "MISSING_CBS", "MISMATCH", "run-1"),
        ("core", "USD", HUNDRED, "MISSING_CBS", "MISMATCH", "run-1"),
    ]
    status_only = index(spark, 5, status="MISMATCH", **legs(core={"currency": "USD"}, mobile={"status": "FAILED"}))
    assert book(status_only, 6) == [("none", "INR", Decimal("0.0000"), "MISSING_CBS", "MISMATCH", "run-1")]
    assert book(published, 7) == [("core", "USD", -HUNDRED, "MISSING_CBS", "MISSING_CBS", "run-1")]
    assert book(published, 8) == []
    ids = [r["adjustment_id"] for r in known.collect()]
    assert len(ids) == len(set(ids)) == 6


def test_a_transaction_that_the_closed_period_never_knew_is_booked_whole(spark: SparkSession) -> None:
    found = adjustments(
        index(spark, 1, status="MATCHED", **legs()), rows(spark, RECONCILIATION_INDEX), rows(spark, ADJUSTMENTS),
        OPEN_DATE, "adjusted-1", NOON,
    )  # fmt: skip
    assert booked(found) == [(s, "INR", HUNDRED, None, "MATCHED", None) for s in ("core", "gateway", "mobile")]
