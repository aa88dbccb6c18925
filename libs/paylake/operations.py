"""What the stream's batches say of its service level, as one row per minute and topic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from paylake.contracts.topics import CLOCK
from paylake.reconcile import BatchReport


@dataclass(frozen=True)
class Ended:
    """A batch that ended: its report, when (wall clock, epoch milliseconds), how long it took, what still waited."""

    report: BatchReport
    ended_ms: int
    batch_ms: int
    lag: dict[str, int] = field(default_factory=dict)


def latencies_ms(
    ended: Ended, arrivals_ms: tuple[float, float, float] | None, live: bool
) -> tuple[float, float, float] | None:
    """Arrival to decision in milliseconds, as median, 95th and 99th percentile over the records of a topic's batch.

    In simulated time a Kafka timestamp says nothing of arrival: then it is the time in the batch alone.
    """
    if arrivals_ms is None:
        return None
    if not live:
        return (float(ended.batch_ms),) * 3
    median, early_5, early_1 = (ended.ended_ms - at for at in arrivals_ms)
    return float(median), float(early_5), float(early_1)


def minutes(batches: Iterable[Ended], live: bool) -> list[dict[str, Any]]:
    """One row per minute and topic. The median is the records' mean over the batches, the tails are the worst batch's."""
    groups: dict[tuple[int, str], list[Ended]] = {}
    for ended in batches:
        for count in ended.report.topics:
            if count.topic != CLOCK:
                groups.setdefault((ended.ended_ms // 60_000, count.topic), []).append(ended)
    rows = []
    for (minute, topic), group in sorted(groups.items()):
        counts = [next(t for t in e.report.topics if t.topic == topic) for e in group]
        records = sum(c.records for c in counts)
        batch_ms = sum(e.batch_ms for e in group)
        found = [(c.records, latencies_ms(e, c.arrivals_ms, live)) for e, c in zip(group, counts, strict=True)]
        weighed = [(n, ms) for n, ms in found if ms is not None]
        rows.append({
            "minute": datetime.fromtimestamp(minute * 60, tz=UTC),
            "topic": topic,
            "generation": group[0].report.generation,
            "first_batch": min(e.report.batch for e in group),
            "last_batch": max(e.report.batch for e in group),
            "batches": len(group),
            "records": records,
            "rejected": sum(c.rejected for c in counts),
            "lag": group[-1].lag.get(topic, 0),
            "latency_p50_ms": sum(n * ms[0] for n, ms in weighed) / max(sum(n for n, _ in weighed), 1) if weighed else None,
            "latency_p95_ms": max((ms[1] for _, ms in weighed), default=None),
            "latency_p99_ms": max((ms[2] for _, ms in weighed), default=None),
            "batch_ms": batch_ms,
            "records_per_second": records / max(batch_ms / 1000, 0.001),
        })  # fmt: skip
    return rows
