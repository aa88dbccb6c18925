"""What a run of the simulation sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int], None]
"""Called with the payments done and the payments planned."""


@dataclass(frozen=True)
class Totals:
    """What was sent, and how long it took."""

    payments: int
    records: int
    seconds: float
    interrupted: bool = False

    def __str__(self) -> str:
        how = "stopped after" if self.interrupted else "sent"
        rate = self.records / self.seconds if self.seconds else 0
        what = f"{self.payments:,} payments, {self.records:,} records"
        return f"{how} {what} in {self.seconds:.1f} s ({rate:,.0f}/s)"
