"""An instant names its offset; anything else names no instant."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake.columns.time import instant, seconds_between
from tests.builders import frame

INSTANTS: dict[str | None, str | None] = {
    "2026-03-31T12:00:00Z": "2026-03-31 12:00:00",
    "2026-03-31 12:00:00Z": "2026-03-31 12:00:00",
    "2026-03-31T17:30:00+05:30": "2026-03-31 12:00:00",
    "2026-03-31T17:30:00+0530": "2026-03-31 12:00:00",
    "2026-03-31T00:15:00.250+05:30": "2026-03-30 18:45:00.25",
    "2026-03-31T12:00:00.123456789Z": "2026-03-31 12:00:00.123456",
    # a night on which clocks went forward: two offsets, one second apart
    "2026-03-29T01:59:59+01:00": "2026-03-29 00:59:59",
    "2026-03-29T03:00:00+02:00": "2026-03-29 01:00:00",
    # and one on which 01:30 happened twice
    "2026-10-25T02:30:00+02:00": "2026-10-25 00:30:00",
    "2026-10-25T02:30:00+01:00": "2026-10-25 01:30:00",
    "2028-02-29T00:00:00Z": "2028-02-29 00:00:00",
    # no offset, no instant
    "2026-03-31T12:00:00": None,
    "2026-03-31": None,
    "2026-03-31T12:00Z": None,
    "1774958400": None,
    # no such instant
    "2026-02-30T12:00:00Z": None,
    "2027-02-29T00:00:00Z": None,
    "2026-03-31T24:00:00Z": None,
    "2026-03-31T12:00:60Z": None,
    "2026-13-01T12:00:00Z": None,
    "2026-03-31T12:00:00+19:00": None,
    # nothing around it
    " 2026-03-31T12:00:00Z": None,
    "2026-03-31T12:00:00Z\n": None,
    "2026-03-31T12:00:00z": None,
    "2026-03-31T12:00:00 Europe/Paris": None,
    "now": None,
    "": None,
    None: None,
}


def test_an_instant_needs_its_offset_and_is_utc(spark: SparkSession) -> None:
    texts = frame(spark, "text string", *([text] for text in INSTANTS))
    at = instant(F.col("text"))
    actual = texts.select("text", at.cast("string").alias("at"), at.alias("_")).drop("_")
    assert {r["text"]: r["at"] for r in actual.collect()} == INSTANTS


def test_seconds_are_exact_to_the_microsecond(spark: SparkSession) -> None:
    start = datetime(2026, 3, 31, 12, 0)
    pairs = frame(
        spark,
        "earlier timestamp, later timestamp",
        [start, start],
        [start, start.replace(second=5)],
        [start, start.replace(second=5, microsecond=1)],
        [start.replace(microsecond=1), start],
        [datetime(1900, 1, 1), datetime(2100, 1, 1, microsecond=1)],
        [None, start],
        [start, None],
    )
    actual = pairs.select(seconds_between(F.col("earlier"), F.col("later")).alias("s"))
    assert actual.schema["s"].dataType.simpleString() == "decimal(20,6)"
    assert [r["s"] for r in actual.collect()] == [
        Decimal("0.000000"),
        Decimal("5.000000"),
        Decimal("5.000001"),
        Decimal("-0.000001"),
        Decimal("6311433600.000001"),
        None,
        None,
    ]
