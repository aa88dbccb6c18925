"""Contracts applied to frames: the columns they promise, the split into accepted and rejected, and the audit of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from paylake.columns import names
from paylake.contracts.table import FAILED_CHECKS, Action, TableContract

KEY_UNIQUE = "key_unique"
"""The promise of every table that no two rows share a key."""


class Checked(NamedTuple):
    """Every row of a checked frame, on exactly one side."""

    accepted: DataFrame
    rejected: DataFrame


def conform(df: DataFrame, contract: TableContract) -> DataFrame:
    """The contract's columns, in order, with its types; a missing column fails when the plan is analysed."""
    found = {f.name: f.dataType for f in df.schema}
    if list(found.items()) == [(f.name, f.type) for f in contract.fields]:
        return df
    # a cast that changes nothing still costs the planner, and a wide table has many
    return df.select(
        *(f.name if found.get(f.name) == f.type else F.col(f.name).cast(f.type).alias(f.name) for f in contract.fields)
    )


def failed_checks(contract: TableContract, actions: tuple[Action, ...] = tuple(Action)) -> Column:
    """The names of the checks that a row fails; a null result is a failure."""
    return names.that_hold({c.name: F.expr(c.failure) for c in contract.all_checks if c.action in actions})


def with_failed_checks(df: DataFrame, contract: TableContract) -> DataFrame:
    """The rows with the checks that they fail, after those that they brought along."""
    failed = failed_checks(contract, (Action.REJECT,))
    none = F.array().cast("array<string>")
    known = F.coalesce(F.col(FAILED_CHECKS), none) if FAILED_CHECKS in df.columns else none
    return df.withColumn(FAILED_CHECKS, F.concat(known, failed))


def split(flagged: DataFrame) -> Checked:
    """Rows by whether they failed a check."""
    is_rejected = F.size(FAILED_CHECKS) > 0
    return Checked(flagged.where(~is_rejected).drop(FAILED_CHECKS), flagged.where(is_rejected))


def check(df: DataFrame, contract: TableContract) -> Checked:
    """Split rows by whether they keep the contract, batch or streaming, without an action."""
    return split(with_failed_checks(df, contract))


@dataclass(frozen=True)
class Finding:
    """A promise that `rows` rows of a table break; of a key that several rows share, all but one break it."""

    table: str
    check: str
    action: Action
    rows: int


def audit(df: DataFrame, contract: TableContract) -> DataFrame:
    """One row: the number of rows, of those that repeat the key of another one, and of those that fail each check.

    It reads its source once: Spark groups by the key first, with the counts of the checks beside it, and then counts the
    keys. A key with a null in it is a key here; the check of the column finds it.
    """
    keys = F.count_distinct(F.struct(*contract.key))
    failed = (F.count_if(F.expr(c.failure)).alias(c.name) for c in contract.all_checks)
    return df.agg(F.count("*").alias("rows"), (F.count("*") - keys).alias("repeated"), F.struct(*failed).alias("failed"))


def findings(audited: Row, contract: TableContract) -> tuple[Finding, ...]:
    """What the row of an audit says is broken: the key first, then the checks in the contract's order."""
    counts = {(KEY_UNIQUE, Action.REJECT): audited["repeated"]}
    counts |= {(c.name, c.action): audited["failed"][c.name] for c in contract.all_checks}
    return tuple(Finding(contract.name, check, action, rows) for (check, action), rows in counts.items() if rows)


def example_key(df: DataFrame, contract: TableContract, finding: Finding) -> DataFrame:
    """One row: the least key, as text for people, of the rows that break a promise."""
    key = F.concat_ws(
        ", ", *(F.concat(F.lit(f"{k}="), F.coalesce(F.col(k).cast("string"), F.lit("null"))) for k in contract.key)
    )
    if finding.check == KEY_UNIQUE:
        broken = df.groupBy(*contract.key).count().where("count > 1")
    else:
        broken = df.where(next(c.failure for c in contract.all_checks if c.name == finding.check))
    return broken.agg(F.min(key).alias("key"))
