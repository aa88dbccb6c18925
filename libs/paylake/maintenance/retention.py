"""Which rows are older than their table's policy lets them be."""

from __future__ import annotations

from datetime import date, timedelta

from paylake.contracts.maintenance import Upkeep


def first_kept(upkeep: Upkeep, as_of: date) -> date | None:
    """The first date whose rows stay; None where all do."""
    return None if upkeep.keep_days is None else as_of - timedelta(days=upkeep.keep_days)


def expired(upkeep: Upkeep, as_of: date) -> str | None:
    """The predicate of the rows that have to go; None where the policy keeps all."""
    first = first_kept(upkeep, as_of)
    return None if first is None else f"{upkeep.aged_by} < DATE'{first}'"
