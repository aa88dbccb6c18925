"""Control totals: what each source says it booked, per currency and hour of its own record timestamps."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from paylake.contracts.topics import LEDGERS
from paylake.simulation.dimensions import COUNTRIES
from paylake.simulation.faults import Postings

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class ControlTotal:
    """The number and sum of one source's records of a currency and an hour; `minor` is in minor units."""

    source: str
    currency: str
    hour_ms: int
    records: int
    minor: int

    @property
    def hour(self) -> str:
        return datetime.fromtimestamp(self.hour_ms / 1000, UTC).isoformat()

    @property
    def key(self) -> bytes:
        return f"{self.source}|{self.currency}|{self.hour}".encode()

    @property
    def value(self) -> bytes:
        message = {
            "source": self.source,
            "currency": self.currency,
            "hour": self.hour,
            "records": self.records,
            "amount": _amount_text(self.minor, EXPONENTS[self.currency]),
        }
        return json.dumps(message, separators=(",", ":")).encode()


EXPONENTS: dict[str, int] = {country.currency: country.exponent for country in COUNTRIES}


def control_totals(postings: Postings) -> list[ControlTotal]:
    """The totals of some postings. What happens to a record on its way is not the source's business."""
    hours = postings.at_ms // HOUR_MS
    groups = np.stack([postings.ledger, postings.currency, hours], axis=1)
    keys, group, counts = np.unique(groups, axis=0, return_inverse=True, return_counts=True)
    sums = np.zeros(len(keys), np.int64)
    np.add.at(sums, group.reshape(-1), postings.minor)
    return [
        ControlTotal(LEDGERS[ledger], COUNTRIES[currency].currency, int(hour) * HOUR_MS, int(n), int(minor))
        for (ledger, currency, hour), n, minor in zip(keys, counts, sums, strict=True)
    ]


@dataclass
class OpenControls:
    """Totals that may still grow, until their hour has passed."""

    totals: dict[tuple[str, str, int], ControlTotal] = field(default_factory=dict)

    def add(self, totals: Iterable[ControlTotal]) -> None:
        for total in totals:
            key = (total.source, total.currency, total.hour_ms)
            so_far = self.totals.get(key)
            records, minor = (so_far.records, so_far.minor) if so_far else (0, 0)
            self.totals[key] = ControlTotal(*key, records + total.records, minor + total.minor)

    def close(self, as_of_ms: int | None) -> tuple[ControlTotal, ...]:
        """Take out the totals of the hours that ended by `as_of_ms`, or all of them for None."""
        closed = {k: t for k, t in self.totals.items() if as_of_ms is None or t.hour_ms + HOUR_MS <= as_of_ms}
        for key in closed:
            del self.totals[key]
        return tuple(closed[key] for key in sorted(closed))


def _amount_text(minor: int, exponent: int) -> str:
    digits = str(minor).rjust(exponent + 1, "0")
    return f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits
