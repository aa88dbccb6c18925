"""Contracts applied to frames: the columns they promise, and the split into accepted and rejected."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.columns import names
from paylake.contracts.table import FAILED_CHECKS, Action, TableContract


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
    return names.that_hold({
        c.name: ~F.coalesce(F.expr(c.predicate), F.lit(False)) for c in contract.all_checks if c.action in actions
    })  # fmt: skip


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
