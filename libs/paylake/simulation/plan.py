"""What a simulation is asked to do, and the steps of simulated time that it takes to do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from paylake.errors import SettingsError
from paylake.simulation.chaos import WEIGHTS
from paylake.simulation.dimensions import BankProfile, countries_of
from paylake.simulation.faults import FaultRates
from paylake.simulation.payments import HOURLY
from paylake.simulation.scenarios import Scenario

AFTERMATH = timedelta(minutes=2)
"""How long after the last payment the last tick comes; by then everything has arrived."""
BLOCK_PAYMENTS = 16_384
"""Payments are drawn in blocks of at least this many, so that the cost of a block is spread."""
MOST_FRAUD = 0.2
"""Above this share campaigns would not find enough payments in a quiet hour."""


@dataclass(frozen=True)
class Plan:
    """A simulation, complete: the same plan gives the same bytes.

    `chaos` is the share of payments that are broken (0 to 1) and `weights` how it spreads over the types.
    `fraud` is the share of payments that belong to campaigns of fraud; above 0, customers have habits of their own.
    `topic`, if given, gets the gateway's records alone, as a single stream without truth, ticks and controls.
    """

    payments: int = 100_000
    seed: int = 7
    start: datetime = datetime(2026, 1, 15, tzinfo=UTC)
    span: timedelta = timedelta(hours=24)
    tick_every: timedelta = timedelta(minutes=5)
    chaos: float = 0.05
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    faults: FaultRates = FaultRates()
    scenarios: tuple[Scenario, ...] = ()
    currencies: str = "INR"
    bank: BankProfile | None = None
    missing_after: timedelta = timedelta(seconds=30)
    topic: str = ""
    processes: int = 1
    fraud: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("chaos", self.chaos), *vars(self.faults).items()):
            if not 0 <= value <= 1:
                raise SettingsError(f"{name}: {value} is not between 0 and 1.")
        if not 0 <= self.fraud <= MOST_FRAUD:
            raise SettingsError(f"fraud: {self.fraud} is not between 0 and {MOST_FRAUD}; 0.01 is much already.")
        unknown = [name for name in self.weights if name not in WEIGHTS]
        if unknown:
            raise SettingsError(f"weights: {unknown[0]!r} is not one of {', '.join(WEIGHTS)}.")
        if min(self.weights.values(), default=0) < 0 or (self.chaos and not sum(self.weights.values())):
            raise SettingsError("weights: they must be 0 or more, and one must be above 0.")
        if self.payments < 0 or self.processes < 1 or min(self.span, self.tick_every) <= timedelta(0):
            raise SettingsError("payments, processes, span and tick-every must be above 0.")
        if self.start.tzinfo is None:
            raise SettingsError("start: the time needs its offset, for example 2026-01-15T00:00:00+00:00.")
        try:
            countries_of(self.currencies)
        except ValueError as error:
            raise SettingsError(f"{error}.") from None

    @property
    def start_ms(self) -> int:
        return round(self.start.timestamp() * 1000)

    @property
    def end_ms(self) -> int:
        return self.start_ms + round(self.span.total_seconds() * 1000)

    @property
    def last_ms(self) -> int:
        """When the last record has arrived and the last tick is written."""
        return self.end_ms + round(AFTERMATH.total_seconds() * 1000)


@dataclass(frozen=True)
class Step:
    """A stretch of simulated time that is drawn at once: `counts` payments before each tick of `ticks_ms`."""

    since_ms: int
    ticks_ms: tuple[int, ...]
    counts: tuple[int, ...]
    chaos: float


def planned_steps(plan: Plan) -> Iterator[Step]:
    """The steps of a plan, in order of time; their counts add up to the plan's payments."""
    ticks_ms = _ticks(plan)
    starts_ms = np.concatenate([[plan.start_ms], ticks_ms[:-1]])
    busy = np.array(HOURLY, float)[(starts_ms // 3_600_000) % 24] * (ticks_ms - starts_ms)
    counts = np.random.default_rng([plan.seed, 0]).multinomial(plan.payments, busy / busy.sum())
    first = 0
    for i in range(len(ticks_ms)):
        if counts[first : i + 1].sum() >= BLOCK_PAYMENTS or i == len(ticks_ms) - 1:
            inside = slice(first, i + 1)
            yield Step(
                since_ms=int(starts_ms[first]),
                ticks_ms=tuple(ticks_ms[inside].tolist()),
                counts=tuple(counts[inside].tolist()),
                chaos=plan.chaos,
            )
            first = i + 1


def _ticks(plan: Plan) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """When the plan's ticks come, the aftermath's excepted."""
    every_ms = round(plan.tick_every.total_seconds() * 1000)
    ticks_ms = np.arange(plan.start_ms + every_ms, plan.end_ms + every_ms, every_ms, dtype=np.int64)
    return np.minimum(ticks_ms, plan.end_ms)
