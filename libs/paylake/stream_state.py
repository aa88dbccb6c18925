"""What a commit of `open_items` says of itself: everything that the next micro-batch, or a recovery, goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from paylake.reconciliation.clock import Clock, Ends, int_keys, later, text_keys


@dataclass(frozen=True)
class StreamState:
    """The stream as of a micro-batch: `batch` is the last one committed, -1 before the first of a generation."""

    generation: int = 1
    batch: int = -1
    starts: Ends = field(default_factory=dict)
    ends: Ends = field(default_factory=dict)
    clock: Clock = Clock()
    rule_version: str = ""
    cluster: str = ""
    """Identifier of the Kafka cluster whose offsets these are; empty where none was noted."""

    def after(self, batch: int, ends: Ends, clock: Clock, rule_version: str) -> StreamState:
        """The state once a further micro-batch is committed."""
        return replace(self, batch=batch, ends=later(self.ends, ends), clock=clock, rule_version=rule_version)

    def next_generation(self) -> StreamState:
        """The state with which a new checkpoint goes on from the same offsets."""
        return replace(self, generation=self.generation + 1, batch=-1)

    def to_metadata(self) -> dict[str, Any]:
        """The state as JSON data."""
        return {
            "generation": self.generation,
            "batch": self.batch,
            "starts": text_keys(self.starts),
            "ends": text_keys(self.ends),
            "clock": self.clock.to_data(),
            "rule_version": self.rule_version,
            "cluster": self.cluster,
        }

    @staticmethod
    def from_metadata(data: Mapping[str, Any]) -> StreamState:
        """The state that JSON data states."""
        return StreamState(
            generation=data["generation"],
            batch=data["batch"],
            starts=int_keys(data["starts"]),
            ends=int_keys(data["ends"]),
            clock=Clock.from_data(data["clock"]),
            rule_version=data["rule_version"],
            cluster=data.get("cluster", ""),
        )
