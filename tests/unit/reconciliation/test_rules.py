"""Tolerances: one minor unit of each currency, what a setting says instead, or a share; each with a version."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake.contracts.table import MONEY
from paylake.errors import SettingsError
from paylake.reconciliation.rules import Rules, amounts_by_currency
from tests.builders import frame

CASES = [
    ("INR", "1000.00", Rules(), "0.0100"),
    ("JPY", "1000", Rules(), "1.0000"),
    ("KWD", "1000.000", Rules(), "0.0010"),
    ("CLF", "1000.0000", Rules(), "0.0001"),
    ("KWD", "1000.000", Rules(tolerated_minor_units=5), "0.0050"),
    ("INR", "1000.00", Rules(tolerated_minor_units=0), "0.0000"),
    ("INR", "1000.00", Rules(amount_tolerance={"INR": Decimal("1.00")}), "1.0000"),
    ("USD", "1000.00", Rules(amount_tolerance={"INR": Decimal("1.00")}), "0.0100"),
    ("JPY", "1000", Rules(amount_tolerance={"JPY": Decimal(0)}), "0.0000"),
    ("INR", "1000.00", Rules(percent_tolerance=Decimal("0.5")), "5.0000"),
    ("INR", "1.00", Rules(percent_tolerance=Decimal("0.5")), "0.0100"),
    ("INR", None, Rules(percent_tolerance=Decimal("0.5")), "0.0100"),
    ("INR", "1000.00", Rules(amount_tolerance={"INR": Decimal(9)}, percent_tolerance=Decimal("0.5")), "9.0000"),
]


def test_a_tolerance_is_in_the_units_of_its_currency_or_what_a_setting_says(spark: SparkSession) -> None:
    columns = []
    for i, (currency, amount, rules, _) in enumerate(CASES):
        reference = F.lit(None if amount is None else Decimal(amount)).cast(MONEY)
        columns.append(rules.tolerance(F.lit(currency), reference).alias(str(i)))
    actual = frame(spark, "id int", [1]).select(columns)
    assert {f.dataType for f in actual.schema} == {MONEY}
    assert list(actual.collect()[0]) == [Decimal(expected) for *_, expected in CASES]


def test_rules_of_other_content_have_another_version() -> None:
    rules = [
        Rules(),
        Rules(tolerated_minor_units=2),
        Rules(amount_tolerance={"INR": Decimal(1)}),
        Rules(amount_tolerance={"INR": Decimal(2)}),
        Rules(amount_tolerance={"USD": Decimal(1)}),
        Rules(percent_tolerance=Decimal("0.1")),
        Rules(drift_tolerance_s=Decimal(6)),
    ]
    assert len({r.version for r in rules}) == len(rules)


def test_rules_of_equal_content_have_one_version_in_every_order() -> None:
    one = Rules(amount_tolerance={"INR": Decimal(1), "USD": Decimal(2)})
    other = Rules(amount_tolerance={"USD": Decimal(2), "INR": Decimal(1)})
    assert one.version == other.version
    assert len(one.version) == 12


def test_rules_that_are_equal_have_equal_versions() -> None:
    one, other = Rules(drift_tolerance_s=Decimal("5.0")), Rules(drift_tolerance_s=Decimal(5))
    assert one == other
    assert one.version == other.version


def test_amounts_by_currency_are_read_as_people_write_them() -> None:
    assert amounts_by_currency("INR=0.05, usd=0.01,") == {"INR": Decimal("0.05"), "USD": Decimal("0.01")}
    assert amounts_by_currency("") == {}


@pytest.mark.parametrize("text", ["INR", "INR=", "INR=five", "INR=1=2", "=", "INR:1"])
def test_an_amount_tolerance_that_cannot_be_read_says_how_to_write_it(text: str) -> None:
    with pytest.raises(SettingsError, match="write for example INR=0.05,USD=0.01"):
        amounts_by_currency(text)


@pytest.mark.parametrize("text", ["INR=NaN", "INR=-1", "RUPEES=1", "INR=Infinity"])
def test_an_amount_tolerance_is_a_sum_of_a_currency(text: str) -> None:
    with pytest.raises(SettingsError):
        amounts_by_currency(text)
