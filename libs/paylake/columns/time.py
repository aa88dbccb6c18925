"""Instants: UTC, and only those that name their offset."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

ISO_8601 = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})\z"


def instant(text: Column) -> Column:
    """The instant that an ISO 8601 text with an offset names; null for any other text."""
    return F.when(text.rlike(ISO_8601), text.try_cast("timestamp"))


def seconds_between(earlier: Column, later: Column) -> Column:
    """Seconds from `earlier` to `later`, with their fraction, as an exact decimal."""
    return ((F.unix_micros(later) - F.unix_micros(earlier)) / F.lit(1_000_000)).cast("decimal(20,6)")
