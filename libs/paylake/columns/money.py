"""Amounts: exact decimals beside their currency."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType


def exact_money(text: Column, money: DecimalType) -> Column:
    """The amount that a text states, in `money`; null where it states none, or none that `money` holds exactly."""
    whole, fraction = money.precision - money.scale, money.scale
    # \z, since Java's $ also matches before a final line break
    is_exact = text.rlike(rf"^-?\d{{1,{whole}}}(\.\d{{1,{fraction}}}0*)?\z")
    return F.when(is_exact, text.try_cast(money))


def spread_ratio(smallest: Column, largest: Column) -> Column:
    """(largest - smallest) / smallest of positive amounts of one currency: 0 when equal, 9 when ten times as much."""
    return (largest - smallest) / smallest
