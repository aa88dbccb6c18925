"""When an incomplete item has waited long enough: by offsets that ticks passed, never by a clock."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from paylake.contracts.topics import LEDGER_TOPICS, LEDGERS
from paylake.reconciliation.clock import Ends
from paylake.reconciliation.decisions import is_complete

DUE_TYPE = "map<string, map<int, bigint>>"


def due_by_ledger(due: Ends) -> dict[str, dict[int, int]]:
    """Ledger -> partition -> the offset before which a leg has waited long enough, for a column of `DUE_TYPE`."""
    return {ledger: dict(due.get(topic, {})) for ledger, topic in LEDGER_TOPICS.items()}


def is_overdue() -> Column:
    """True where an incomplete item has a leg that arrived before the offsets of the row's `due` column."""
    waited = (
        F.col(f"{ledger}_offset")
        < F.try_element_at(F.try_element_at(F.col("due"), F.lit(ledger)), F.col(f"{ledger}_partition"))
        for ledger in LEDGERS
    )
    return reduce(lambda a, b: a | b, (F.coalesce(leg, F.lit(False)) for leg in waited)) & ~is_complete()
