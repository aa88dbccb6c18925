"""The order of arrival of scored payments, by which every sink tells a newer statement from an older one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from paylake.contracts.fraud import FRAUD_PARTIAL
from paylake.errors import ContractError

Row = Mapping[str, Any]
"""A row of FRAUD_PARTIAL: decimals exact, times with their zone, reasons as dicts."""

Key = TypeVar("Key", bound=Hashable)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BATCH_BITS = 40
MOST_GENERATIONS, MOST_BATCHES = 1 << 23, 1 << BATCH_BITS


class Arrival(NamedTuple):
    """Where a scored payment stands in the order of arrival; a greater one is newer."""

    generation: int
    batch: int
    recorded_us: int
    """Microseconds since 1970."""
    partition: int
    offset: int

    @property
    def text(self) -> str:
        """69 digits that sort as the arrivals do: Redis compares numbers as binary fractions, which would not hold them."""
        return f"{self.generation:010d}{self.batch:013d}{self.recorded_us:017d}{self.partition:010d}{self.offset:019d}"

    @property
    def number(self) -> int:
        """Generation and batch in 63 bits: enough between statements on one payment, which a batch scores once.

        Raises ContractError where they do not fit.
        """
        if not (0 <= self.generation < MOST_GENERATIONS and 0 <= self.batch < MOST_BATCHES):
            raise ContractError(
                f"{FRAUD_PARTIAL.name}: generation {self.generation}, batch {self.batch} fits in no version of 63 bits; "
                f"look for the job that wrote it."
            )
        return self.generation << BATCH_BITS | self.batch


def arrival(row: Row) -> Arrival:
    """Where the row stands in the order of arrival."""
    recorded_us = (row["recorded_at"] - EPOCH) // timedelta(microseconds=1)
    return Arrival(row["generation"], row["batch"], recorded_us, row["partition"], row["offset"])


def newest(rows: Iterable[Row], key: Callable[[Row], Key | None]) -> dict[Key, Row]:
    """The newest row of each key, by key; rows whose key is None are left out."""
    found: dict[Key, Row] = {}
    for row in rows:
        of = key(row)
        if of is not None and (of not in found or arrival(found[of]) < arrival(row)):
            found[of] = row
    return found
