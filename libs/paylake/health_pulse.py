"""Whether a streaming driver is well, by a clock that is given: when it last came through, and shares lately."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

Clock = Callable[[], float]
"""Says the time, as seconds since 1970."""

LATELY = timedelta(minutes=5)

ONLY = ""
"""The name of a driver's query where it has no other."""


@dataclass
class Pulse:
    """When a driver's queries last came through, and so whether the driver is ready: all of them have to be.

    A query that looked for records and found none counts as one that took a batch. Until the first time, `grace` counts
    from the first start: starting again and again does not make ready. Most drivers have one query, without a name.
    """

    max_age: timedelta
    grace: timedelta
    clock: Clock
    names: Sequence[str] = (ONLY,)
    _begun_at: float = field(init=False)
    _queries: dict[str, _Query] = field(init=False)

    def __post_init__(self) -> None:
        """The driver begins now."""
        self._begun_at = self.clock()
        self._queries = {name: _Query() for name in self.names}

    def last_of(self, name: str) -> float:
        """When a query last came through; when the driver began, until then: age 0 and not that of 1970."""
        through_at = self._queries[name].through_at
        return self._begun_at if through_at is None else through_at

    @property
    def last(self) -> float:
        """When the slowest query last came through."""
        return min(self.last_of(name) for name in self.names)

    @property
    def age(self) -> float:
        """Seconds since then."""
        return max(self.clock() - self.last, 0)

    @property
    def is_running(self) -> bool:
        """Every query runs."""
        return all(query.is_running for query in self._queries.values())

    def started(self, name: str = ONLY) -> None:
        """A query was started, for the first time or again."""
        query = self._queries[name]
        query.is_running = True
        query.first_start = self.clock() if query.first_start is None else query.first_start

    def came_through(self, name: str = ONLY) -> None:
        """A batch of a query ended, or a look for one."""
        self._queries[name].through_at = self.clock()

    def ended(self, name: str = ONLY) -> None:
        """A query ended: it may be started again."""
        self._queries[name].is_running = False

    def verdict(self) -> tuple[bool, str]:
        """Ready or not, and why, as a line for people: of the query that is not, else of the slowest."""
        return min((self._verdict(name) for name in sorted(self.names, key=self.last_of)), key=lambda one: one[0])

    def _verdict(self, name: str) -> tuple[bool, str]:
        query, said = self._queries[name], f"The query {name}".strip()
        if query.first_start is None:
            return False, f"{said} has not started yet."
        if not query.is_running:
            return False, f"{said} has ended."
        if query.through_at is None:
            waited = self.clock() - query.first_start
            if waited <= self.grace.total_seconds():
                return True, f"{said} has been in its first batch for {waited:.0f} s."
            return False, f"{said} has not finished a first batch for {waited:.0f} s."
        age = max(self.clock() - query.through_at, 0)
        is_young = age <= self.max_age.total_seconds()
        of = f" of {name}" if name else ""
        return is_young, f"The last batch{of} ended {age:.0f} s ago{'' if is_young else ', which is too long'}."


@dataclass
class _Query:
    """What is known of one query."""

    is_running: bool = False
    first_start: float | None = None
    through_at: float | None = None


@dataclass
class Share:
    """What part of a whole something was in the last minutes."""

    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counts: deque[tuple[float, int, int]] = field(default_factory=deque)

    def add(self, part: int, whole: int) -> None:
        """Count so many of so many."""
        with self._lock:
            self._counts.append((self.clock(), part, whole))

    def value(self) -> float:
        """From 0 to 1; 0 where there was nothing."""
        with self._lock:
            while self._counts and self._counts[0][0] < self.clock() - LATELY.total_seconds():
                self._counts.popleft()
            return sum(part for _, part, _ in self._counts) / max(sum(whole for _, _, whole in self._counts), 1)
