"""Payments of many customers, merchants, cards or devices in their order of arrival, and what lies before each of them.

All of it is whole numbers: sums are exact, and the same whatever else is computed beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY_MS = 86_400_000

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NONE = np.int64(-1)
"""The code of a value that is not known."""


@dataclass(frozen=True)
class Window:
    """How far a sum looks back: milliseconds, to the millisecond; or whole days of UTC, today among them; or for ever."""

    ms: int | None = None
    days: int | None = None


def seconds(number: int) -> Window:
    """The last seconds, up to a day: older payments are known by their days only."""
    assert number * 1000 <= DAY_MS
    return Window(ms=number * 1000)


def days(number: int) -> Window:
    """Today and the days before it."""
    return Window(days=number)


EVER = Window()


@dataclass(frozen=True)
class Sequence:
    """Rows of many groups in order of arrival; `at` (ms) never goes back within a group, and `group` counts from 0.

    A row is a payment, or a day's payments in one (`payments` of them). Every result has one element per row, in the order
    given.
    """

    group: Ints
    at: Ints
    payments: Ints
    first_at: Ints
    _of_window: dict[Window, Ints] = field(default_factory=dict)

    def by(self, codes: Ints) -> Sequence:
        """The same rows, told apart further by `codes`."""
        pair = self.group * (int(codes.max(initial=0)) + 2) + codes + 1
        return Sequence(np.unique(pair, return_inverse=True)[1].astype(np.int64), self.at, self.payments, self.first_at)

    def total(self, values: Ints, window: Window, *, now: bool) -> Ints:
        """The sum of `values` of the rows in the window, with the row itself where `now`."""
        running = np.concatenate(([0], np.cumsum(values[self._order])))
        return self._back(running[self._place + now] - running[self._since(window)])

    def distinct(self, codes: Ints, window: Window) -> Ints:
        """How many different known values the payments of the window have, the row itself among them."""
        assert window.ms is not None
        code, count = codes[self._order], len(codes)
        counts = (code != NONE) & (self.payments[self._order] == 1)
        # a payment counts from its place on, until the same value comes again or it leaves the window
        pair = self.by(codes)
        next_same = np.full(count, count)
        ordered = pair._order[counts[self._position[pair._order]]]
        same = pair.group[ordered[1:]] == pair.group[ordered[:-1]]
        next_same[self._position[ordered[:-1][same]]] = self._position[ordered[1:][same]]
        leaves = np.searchsorted(self._clock, self._clock + window.ms, side="left")
        until = np.minimum(np.minimum(next_same, leaves), self._end)
        steps = np.zeros(count + 1, np.int64)
        steps[:count] += counts
        np.subtract.at(steps, until[counts], 1)
        return self._back(np.cumsum(steps)[:count])

    def since_last(self, counts: NDArray[np.bool_]) -> Floats:
        """Seconds since the row before that counts; NaN where there is none."""
        before, at = self._before(counts), self.at[self._order]
        return self._back(np.where(before >= self._first, (at - at[before]) / 1000, np.nan))

    def last(self, codes: Ints, counts: NDArray[np.bool_]) -> Ints:
        """The code of the row before that counts; NONE where there is none."""
        before = self._before(counts)
        return self._back(np.where(before >= self._first, codes[self._order][before], NONE))

    def _before(self, counts: NDArray[np.bool_]) -> Ints:
        """The place of the last row before each that counts, of whichever group, by place."""
        last = np.maximum.accumulate(np.where(counts[self._order], self._place, -1))
        return np.concatenate(([-1], last[:-1]))

    def since_first(self) -> Floats:
        """Days since the first payment; 0 for the first one itself."""
        group = self.group[self._order]
        first_at = np.where(self.payments > 0, self.first_at, self.at)[self._order]
        # each group lies below the one before it, so that the running minimum begins anew
        low = np.minimum.accumulate(first_at - group * self._span) + group * self._span
        return self._back((self.at[self._order] - low) / DAY_MS)

    def first_place(self, group: Ints, at: Ints) -> Ints:
        """For rows that are ordered by group: the place of a group's first row that is not before `at`, or its end."""
        low = int(self.at.min(initial=0))
        wanted = group * self._span + np.clip(at - low, 0, self._span - 1)
        return np.asarray(np.searchsorted(self._clock, wanted, side="left"), np.int64)

    def end_place(self, group: Ints) -> Ints:
        """For rows that are ordered by group: the place behind a group's last row."""
        return np.asarray(np.searchsorted(self.group, group, side="right"), np.int64)

    def mean(self, values: Ints, window: Window, weights: Ints) -> Floats:
        """The mean of the rows before, `values` being sums over `weights` payments each; NaN where there is none."""
        count = self.total(weights, window, now=False)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(count > 0, self.total(values, window, now=False) / count, np.nan)

    @cached_property
    def _order(self) -> Ints:
        return np.argsort(self.group, kind="stable")

    @cached_property
    def _place(self) -> Ints:
        return np.arange(len(self.group))

    @cached_property
    def _position(self) -> Ints:
        position = np.empty_like(self._place)
        position[self._order] = self._place
        return position

    @cached_property
    def _span(self) -> int:
        low = min(int(self.at.min(initial=0)), int(self.first_at.min(initial=0)))
        return int(self.at.max(initial=0)) - low + 2 * DAY_MS

    @cached_property
    def _clock(self) -> Ints:
        # one ascending number for group and time: windows of all groups are found by one search
        at = self.at[self._order]
        return self.group[self._order] * self._span + (at - int(self.at.min(initial=0)))

    @cached_property
    def _first(self) -> Ints:
        group = self.group[self._order]
        return np.searchsorted(group, group, side="left")

    @cached_property
    def _end(self) -> Ints:
        group = self.group[self._order]
        return np.asarray(np.searchsorted(group, group, side="right"), np.int64)

    def _since(self, window: Window) -> Ints:
        """The place of the first row in the window of each row, by place."""
        if window not in self._of_window:
            self._of_window[window] = self._begin(window)
        return self._of_window[window]

    def _begin(self, window: Window) -> Ints:
        if window.ms is not None:
            begin = np.searchsorted(self._clock, self._clock - window.ms, side="right")
            return np.asarray(np.maximum(begin, self._first), np.int64)
        if window.days is not None:
            at, low = self.at[self._order], int(self.at.min(initial=0))
            midnight = at - at % DAY_MS - (window.days - 1) * DAY_MS
            wanted = self.group[self._order] * self._span + np.maximum(midnight - low, 0)
            return np.asarray(np.maximum(np.searchsorted(self._clock, wanted, side="left"), self._first), np.int64)
        return self._first

    def _back(self, by_place: NDArray[Any]) -> NDArray[Any]:
        found = np.empty_like(by_place)
        found[self._order] = by_place
        return found
