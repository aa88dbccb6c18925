"""Time as data: ticks say "as of T, the ends of the topics were these offsets", and nobody else tells the time.

A tick counts once every partition has been read past the ends that it names. An item is overdue when one of its legs had
arrived by a tick that lies `missing_after` before the clock: then the others had that long to arrive, and everything that
had arrived by the clock's time has been read. A ledger's own timestamps play no part.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from paylake.errors import SourceError

Ends = Mapping[str, Mapping[int, int]]
"""Topic -> partition -> the offset after the last record."""

KEPT_TICKS = 64


@dataclass(frozen=True)
class Tick:
    """As of a time, the ends of the ledger topics. A closing tick also says: nothing more will come of this run."""

    as_of: datetime
    ends: Ends
    closing: bool = False

    def to_json(self) -> str:
        """The tick as it stands on the clock topic."""
        said = {"as_of": self.as_of.isoformat(), "ends": text_keys(self.ends), "closing": self.closing}
        return json.dumps(said, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Tick:
        """The tick that a record of the clock topic states; SourceError where it states none."""
        try:
            return Tick.from_data(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            what = type(error).__name__ if isinstance(error, RecursionError) else error
            raise SourceError(f"The clock topic holds a record that is no tick ({what}); it is left out.") from error

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> Tick:
        """The tick that decoded JSON states."""
        as_of = datetime.fromisoformat(data["as_of"])
        if as_of.tzinfo is None:
            raise ValueError("as_of names no offset")
        ends = {t: {int(p): _whole(o) for p, o in parts.items()} for t, parts in data["ends"].items()}
        closing = data.get("closing", False)
        if not isinstance(closing, bool):
            raise TypeError("closing is neither true nor false")
        return Tick(as_of.astimezone(UTC), ends, closing)


def _whole(offset: Any) -> int:
    if not isinstance(offset, int) or isinstance(offset, bool):
        raise TypeError("an offset is no whole number")
    return offset


def has_read(read: Ends, ends: Ends) -> bool:
    """True where every partition has been read up to `ends`."""
    return all(read.get(t, {}).get(p, 0) >= o for t, parts in ends.items() for p, o in parts.items())


@dataclass(frozen=True)
class Clock:
    """The ticks that counted (kept as far back as a deadline needs them) and those still to count, by time."""

    counted: tuple[Tick, ...] = ()
    pending: tuple[Tick, ...] = ()
    closed: Ends = field(default_factory=dict)
    """The ends of the last closing tick: what it made due stays due."""

    @property
    def now(self) -> datetime | None:
        """The time of the last tick that counted."""
        return self.counted[-1].as_of if self.counted else None

    def advance(self, ticks: Iterable[Tick], read: Ends, missing_after: timedelta) -> Clock:
        """The clock after `ticks` arrived and everything before `read` was read."""
        known = {(t.as_of, t.closing) for t in self.pending}
        fresh = {(t.as_of, t.closing): t for t in ticks if (t.as_of, t.closing) not in known and self._is_news(t)}
        waiting = sorted((*self.pending, *fresh.values()), key=lambda t: (t.as_of, t.closing))
        counted, closed = list(self.counted), self.closed
        while waiting and has_read(read, waiting[0].ends):
            counted.append(waiting.pop(0))
            closed = later(closed, counted[-1].ends) if counted[-1].closing else closed
        return Clock(_thinned(_needed(counted, missing_after)), _thinned(tuple(waiting)), closed)

    def _is_news(self, tick: Tick) -> bool:
        """A later tick is; and one at the same time that closes what was not closed."""
        if self.now is None or tick.as_of > self.now:
            return True
        return tick.closing and tick.as_of == self.now and not self.counted[-1].closing

    def due(self, missing_after: timedelta) -> Ends:
        """The offsets before which a leg has waited `missing_after` or longer; empty where none has."""
        if not self.counted:
            return {}
        limit = self.counted[-1].as_of - missing_after
        reached = [t for t in self.counted if t.as_of <= limit]
        return later(self.closed, reached[-1].ends) if reached else self.closed

    def to_data(self) -> dict[str, Any]:
        """The clock as it stands in a commit's metadata."""
        ticks = {name: [json.loads(t.to_json()) for t in getattr(self, name)] for name in ("counted", "pending")}
        return {**ticks, "closed": text_keys(self.closed)}

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> Clock:
        """The clock that a commit's metadata states."""
        counted, pending = (tuple(Tick.from_data(t) for t in data[name]) for name in ("counted", "pending"))
        return Clock(counted, pending, int_keys(data.get("closed", {})))


def later(one: Ends, other: Ends) -> dict[str, dict[int, int]]:
    """Per partition the later of two ends."""
    topics = {**one, **other}
    return {
        t: {p: max(one.get(t, {}).get(p, 0), other.get(t, {}).get(p, 0)) for p in {**one.get(t, {}), **other.get(t, {})}}
        for t in topics
    }


def text_keys(ends: Ends) -> dict[str, dict[str, int]]:
    """Ends as JSON has them."""
    return {t: {str(p): o for p, o in sorted(parts.items())} for t, parts in sorted(ends.items())}


def int_keys(ends: Mapping[str, Mapping[str, int]]) -> dict[str, dict[int, int]]:
    """Ends as JSON had them."""
    return {t: {int(p): o for p, o in parts.items()} for t, parts in ends.items()}


def _needed(counted: list[Tick], missing_after: timedelta) -> tuple[Tick, ...]:
    """The ticks from the last one that lies `missing_after` back: no later deadline can ask for an earlier one."""
    if not counted:
        return ()
    limit = counted[-1].as_of - missing_after
    reached = sum(t.as_of <= limit for t in counted)
    return tuple(counted[max(reached - 1, 0) :])


def _thinned(ticks: tuple[Tick, ...]) -> tuple[Tick, ...]:
    """At most about `KEPT_TICKS` ticks: leaving a tick out can only delay a deadline, never bring it forward."""
    while len(ticks) > KEPT_TICKS:
        inner = tuple(t for i, t in enumerate(ticks[1:-1]) if i % 2 or t.closing)
        if len(inner) == len(ticks) - 2:
            break
        ticks = (ticks[0], *inner, ticks[-1])
    return ticks
