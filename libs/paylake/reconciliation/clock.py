"""Time as data: ticks say "as of T, the ends of the topics were these offsets", and nobody else tells the time.

A tick counts once every partition has been read past the ends that it names. An item is overdue when one of its legs had
arrived by a tick that lies `missing_after` before the clock: then the others had that long to arrive, and everything that
had arrived by the clock's time has been read. A ledger's own timestamps play no part.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
        ends = {topic: {str(p): o for p, o in sorted(parts.items())} for topic, parts in sorted(self.ends.items())}
        return json.dumps({"as_of": self.as_of.isoformat(), "ends": ends, "closing": self.closing}, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Tick:
        """The tick that a record of the clock topic states; SourceError where it states none."""
        try:
            return Tick.from_data(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SourceError(f"The clock topic holds a record that is no tick ({error}); it is left out.") from error

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> Tick:
        """The tick that decoded JSON states."""
        as_of = datetime.fromisoformat(data["as_of"])
        if as_of.tzinfo is None:
            raise ValueError("as_of names no offset")
        ends = {t: {int(p): int(o) for p, o in parts.items()} for t, parts in data["ends"].items()}
        return Tick(as_of.astimezone(UTC), ends, bool(data.get("closing", False)))


def has_read(read: Ends, ends: Ends) -> bool:
    """True where every partition has been read up to `ends`."""
    return all(read.get(t, {}).get(p, 0) >= o for t, parts in ends.items() for p, o in parts.items())


@dataclass(frozen=True)
class Clock:
    """The ticks that counted (kept as far back as a deadline needs them) and those still to count, by time."""

    counted: tuple[Tick, ...] = ()
    pending: tuple[Tick, ...] = ()

    @property
    def now(self) -> datetime | None:
        """The time of the last tick that counted."""
        return self.counted[-1].as_of if self.counted else None

    def advance(self, ticks: Iterable[Tick], read: Ends, missing_after: timedelta) -> Clock:
        """The clock after `ticks` arrived and everything before `read` was read."""
        known = {t.as_of for t in self.pending}
        fresh = [t for t in ticks if t.as_of not in known and (self.now is None or t.as_of > self.now)]
        waiting = sorted((*self.pending, *fresh), key=lambda t: t.as_of)
        counted = list(self.counted)
        while waiting and has_read(read, waiting[0].ends):
            counted.append(waiting.pop(0))
        return Clock(_thinned(_needed(counted, missing_after)), _thinned(tuple(waiting)))

    def due(self, missing_after: timedelta) -> Ends:
        """The offsets before which a leg has waited `missing_after` or longer; empty where none has."""
        if not self.counted:
            return {}
        if self.counted[-1].closing:
            return self.counted[-1].ends
        limit = self.counted[-1].as_of - missing_after
        reached = [t for t in self.counted if t.as_of <= limit]
        return reached[-1].ends if reached else {}

    def to_data(self) -> dict[str, Any]:
        """The clock as it stands in a commit's metadata."""
        return {name: [json.loads(t.to_json()) for t in getattr(self, name)] for name in ("counted", "pending")}

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> Clock:
        """The clock that a commit's metadata states."""
        return Clock(*(tuple(Tick.from_data(t) for t in data[name]) for name in ("counted", "pending")))


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
