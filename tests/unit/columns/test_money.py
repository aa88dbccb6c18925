"""Amounts are exact or they are nothing."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake.columns.money import exact_money, spread_ratio
from paylake.contracts.table import MONEY
from tests.builders import frame

STATED: dict[str | None, Decimal | None] = {
    "100.00": Decimal("100.0000"),
    "0.0001": Decimal("0.0001"),
    "-12.5": Decimal("-12.5000"),
    "007": Decimal("7.0000"),
    "1.50000000": Decimal("1.5000"),
    "99999999999999.9999": Decimal("99999999999999.9999"),
    "-99999999999999.9999": Decimal("-99999999999999.9999"),
    # nothing that the type does not hold exactly
    "10.00005": None,
    "100000000000000": None,
    "1e3": None,
    "1E3": None,
    # nothing that a lenient reader would take
    " 1": None,
    "1 ": None,
    "1\n": None,
    "\n1": None,
    "1.": None,
    ".5": None,
    "+1": None,
    "--1": None,
    "1,000.00": None,
    "1_000": None,
    "0x10": None,
    "NaN": None,
    "Infinity": None,
    "1d": None,
    "١٢": None,
    "": None,
    "ten": None,
    None: None,
}


def test_an_amount_is_what_its_text_states_exactly_or_null(spark: SparkSession) -> None:
    texts = frame(spark, "text string", *([text] for text in STATED))
    actual = texts.select("text", exact_money(F.col("text"), MONEY).alias("amount"))
    assert actual.schema["amount"].dataType == MONEY
    assert {r["text"]: r["amount"] for r in actual.collect()} == STATED


def test_a_spread_is_exact_at_its_boundaries_and_null_without_amounts(spark: SparkSession) -> None:
    amounts = frame(
        spark,
        "smallest decimal(18,4), largest decimal(18,4)",
        [Decimal(100), Decimal(100)],
        [Decimal(100), Decimal(1100)],
        [Decimal(100), Decimal("1100.0001")],
        [None, Decimal(1)],
    )
    ratio = spread_ratio(F.col("smallest"), F.col("largest"))
    above_ten = [row[0] for row in amounts.select(ratio > 10).collect()]
    equal = [row[0] for row in amounts.select(ratio == 0).collect()]
    assert above_ten == [False, False, True, None]
    assert equal == [True, False, False, None]
