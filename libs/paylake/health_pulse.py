"""Whether a streaming driver is well, by a clock that is given: when it last came through, and shares lately."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

Clock = Callable[[], float]
"""Says the time, as seconds since 1970."""

LATELY = timedelta(minutes=5)


@dataclass
class Pulse:
    """When a driver's query last came through, and so whether the driver is ready.

    A query that looked for records and found none counts as one that took a batch. Until the first time, `grace` counts
    from the first start: starting again and again does not make ready.
    """

    max_age: timedelta
    grace: timedelta
    clock: Clock
    is_running: bool = False
    _begun_at: float = field(init=False)
    _first_start: float | None = None
    _through_at: float | None = None

    def __post_init__(self) -> None:
        """The driver begins now."""
        self._begun_at = self.clock()

    @property
    def last(self) -> float:
        """When the query last came through; when the driver began, until then: age 0 and not that of 1970."""
        return self._begun_at if self._through_at is None else self._through_at

    @property
    def age(self) -> float:
        """Seconds since then."""
        return max(self.clock() - self.last, 0)

    def started(self) -> None:
        """The query was started, for the first time or again."""
        self.is_running = True
        self._first_start = self.clock() if self._first_start is None else self._first_start

    def came_through(self) -> None:
        """A batch ended, or a look for one."""
        self._through_at = self.clock()

    def ended(self) -> None:
        """The query ended: it may be started again."""
        self.is_running = False

    def verdict(self) -> tuple[bool, str]:
        """Ready or not, and why, as a line for people."""
        if self._first_start is None:
            return False, "The query has not started yet."
        if not self.is_running:
            return False, "The query has ended."
        if self._through_at is None:
            waited = self.clock() - self._first_start
            if waited <= self.grace.total_seconds():
                return True, f"The query has been in its first batch for {waited:.0f} s."
            return False, f"The query has not finished a first batch for {waited:.0f} s."
        is_young = self.age <= self.max_age.total_seconds()
        return is_young, f"The last batch ended {self.age:.0f} s ago{'' if is_young else ', which is too long'}."


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
