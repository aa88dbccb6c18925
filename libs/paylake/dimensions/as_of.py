"""Facts joined with what a dimension said of them at their own time, and not with what it says today."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.dimensions.history import VALIDITY
from paylake.errors import ContractError


def holds(at: Column, valid_from: Column, valid_to: Column) -> Column:
    """True where a version holds at a time: from its beginning up to its end, which belongs to the next."""
    return (valid_from <= at) & (valid_to.isNull() | (at < valid_to))


def as_of(rows: DataFrame, dimension: DataFrame, key: str, at: str) -> DataFrame:
    """Every row once, with the dimension's other columns as they were at the time in `at`; nulls where nothing was valid.

    `dimension` has `key`, valid_from, valid_to and what is asked of it: select and rename that first, say merchants'
    `risk_level` to `merchant_risk_level`. ContractError where a name would come twice. The versions of a key do not overlap,
    so that at most one is found; works on streams as well.
    """
    asked = [name for name in dimension.columns if name not in (key, *VALIDITY)]
    if twice := sorted(set(asked) & set(rows.columns)):
        raise ContractError(f"Both sides of the join by {key} have {', '.join(twice)}; rename the dimension's first.")
    fact, version = rows.alias("fact"), dimension.alias("version")
    same = F.col(f"fact.{key}") == F.col(f"version.{key}")
    held = holds(F.col(f"fact.{at}"), F.col("version.valid_from"), F.col("version.valid_to"))
    joined = fact.join(version, on=same & held, how="left")
    return joined.select("fact.*", *(f"version.{name}" for name in asked))
