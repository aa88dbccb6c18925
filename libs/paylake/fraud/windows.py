"""What lies in a window of time before each event of a key, for all events at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

LONGEST = 400 * 86_400
"""Seconds that a window may reach back."""

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """Events of many keys, given in order of time; a position is a place in them, key by key and in that order.

    Events of the same instant keep the order in which they are given, and each sees those before it only.
    """

    key: NDArray[np.int64]
    at: NDArray[np.int64]

    @cached_property
    def _order(self) -> Positions:
        return np.argsort(self.key, kind="stable")

    @cached_property
    def _clock(self) -> NDArray[np.int64]:
        # one ascending number for key and time: windows of all keys are found by one search
        span = int(self.at.max()) + 2 * LONGEST
        return self.key[self._order] * span + self.at[self._order] + LONGEST

    @cached_property
    def first(self) -> Positions:
        """The position of the first event of each event's key."""
        keys = self.key[self._order]
        return np.searchsorted(keys, keys, side="left")

    @cached_property
    def before(self) -> Positions:
        """The position of each event itself: a window that ends here is of the events before it."""
        return np.arange(len(self.key))

    @property
    def including(self) -> Positions:
        """The position behind each event: a window that ends here has the event in it."""
        return self.before + 1

    def until(self, ago: int) -> Positions:
        """The position behind the last event that is at least `ago` seconds old when each event happens."""
        return np.maximum(np.searchsorted(self._clock, self._clock - ago, side="right"), self.first)

    def of_event(self, by_position: NDArray[np.generic]) -> NDArray[np.float64]:
        """Values by position, back in the order of the events."""
        found = np.empty(len(by_position))
        found[self._order] = by_position
        return found

    def by_position(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Values of the events, by position."""
        return values[self._order]

    def sums(self, values: NDArray[np.int64], begin: Positions, end: Positions) -> NDArray[np.int64]:
        """The sum of whole values of the events from `begin` up to `end`, by position; exact."""
        running = np.concatenate(([0], np.cumsum(values[self._order])))
        return running[end] - running[begin]
