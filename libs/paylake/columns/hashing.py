"""Hashes of content: a null says something too, and the same value in another column says something else."""

from __future__ import annotations

from itertools import chain

from pyspark.sql import Column
from pyspark.sql import functions as F


def content_hash(*names: str) -> Column:
    """A 64-bit hash of the columns. xxhash64 passes over nulls, so each column is hashed with whether it is null."""
    return F.xxhash64(*chain.from_iterable((F.col(name), F.col(name).isNull()) for name in names))
