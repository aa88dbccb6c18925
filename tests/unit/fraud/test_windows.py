"""Windows of all events at once, beside a loop over each."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from paylake.fraud.windows import History

EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=40).map(
    lambda events: sorted(events, key=lambda e: e[1])
)


@given(EVENTS, st.integers(0, 20), st.integers(0, 20))
def test_a_window_sums_what_lies_in_it_and_nothing_of_another_key(
    events: list[tuple[int, int, int]], older: int, newer: int
) -> None:
    key, at, value = (np.array(column, dtype=np.int64) for column in zip(*events, strict=True))
    history = History(key, at)
    begin, end = history.until(max(older, newer)), history.until(min(older, newer))
    found = history.of_event(history.sums(value, begin, end))
    expected = [
        sum(v for k, t, v in events if k == mine and now - max(older, newer) < t <= now - min(older, newer))
        for mine, now, _ in events
    ]
    assert found.tolist() == expected


@given(EVENTS)
def test_an_event_sees_those_of_its_instant_that_come_before_it_only(events: list[tuple[int, int, int]]) -> None:
    key, at, value = (np.array(column, dtype=np.int64) for column in zip(*events, strict=True))
    history = History(key, at)
    before = history.of_event(history.sums(value, history.first, history.before))
    including = history.of_event(history.sums(value, history.first, history.including))
    earlier = [sum(v for k, _, v in events[:n] if k == events[n][0]) for n in range(len(events))]
    assert before.tolist() == earlier
    assert including.tolist() == [seen + v for seen, (_, _, v) in zip(earlier, events, strict=True)]
