"""The campaigns of a plan, planned span by span and asked for step by step."""

from __future__ import annotations

import numpy as np

from paylake.simulation.campaigns import Campaigns, planned_campaigns
from paylake.simulation.habits import build_habits
from paylake.simulation.plan import Plan


class Attacks:
    """All campaigns of a plan: its span is planned as a whole, and so is every further span where it has no end.

    `stream` tells apart producers that share a seed.
    """

    def __init__(self, plan: Plan, stream: int = 0) -> None:
        self._plan = plan
        self._stream = stream
        self._span_ms = plan.end_ms - plan.start_ms
        self._planned: dict[int, Campaigns] = {}

    def between(self, since_ms: int, until_ms: int) -> Campaigns:
        """The campaigns' payments from a time on and before another, in order of time."""
        first, last = ((at_ms - self._plan.start_ms) // self._span_ms for at_ms in (since_ms, until_ms - 1))
        return Campaigns.joined([self._span(number).between(since_ms, until_ms) for number in range(first, last + 1)])

    def _span(self, number: int) -> Campaigns:
        if number not in self._planned:
            plan, since_ms = self._plan, self._plan.start_ms + number * self._span_ms
            rng = np.random.default_rng([plan.seed, 7, self._stream, number])
            habits = build_habits(plan.seed, plan.currencies)
            count = round(plan.fraud * plan.payments)
            span = (since_ms, since_ms + self._span_ms)
            self._planned = {number: planned_campaigns(rng, habits, plan.seed, count, *span, plan.bank)}
        return self._planned[number]
