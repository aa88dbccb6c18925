"""Time is what ticks say: they count once everything before them was read, and never bring a deadline forward."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paylake.errors import SourceError
from paylake.reconciliation import clock as clocks
from paylake.reconciliation.clock import KEPT_TICKS, Clock, Ends, Tick, has_read

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
WAIT = timedelta(seconds=30)


def tick(second: float, a: int = 0, b: int = 0, closing: bool = False) -> Tick:
    """As of `second`, the two partitions of a topic ended at `a` and `b`."""
    return Tick(NOON + timedelta(seconds=second), ends(a, b), closing)


def ends(a: int, b: int) -> dict[str, dict[int, int]]:
    """The ends of the two partitions."""
    return {"t": {0: a, 1: b}}


def at(second: float) -> datetime:
    """The time of a tick."""
    return NOON + timedelta(seconds=second)


def ran(*steps: tuple[list[Tick], dict[str, dict[int, int]]], wait: timedelta = WAIT) -> Clock:
    """The clock after a few batches."""
    clock = Clock()
    for ticks, read in steps:
        clock = clock.advance(ticks, read, wait)
    return clock


def test_a_clock_without_a_tick_knows_no_time_and_no_deadline() -> None:
    assert Clock().now is None
    assert Clock().due(WAIT) == {}
    assert Clock().advance([], ends(9, 9), WAIT) == Clock()


@pytest.mark.parametrize(
    ("read", "is_read"),
    [
        (ends(5, 7), True),
        (ends(6, 7), True),
        (ends(5, 6), False),
        (ends(4, 9), False),
        ({"t": {0: 5}}, False),
        ({}, False),
        ({"u": {0: 5, 1: 7}}, False),
    ],
)
def test_a_tick_counts_once_every_partition_is_read_past(read: Ends, is_read: bool) -> None:
    assert has_read(read, ends(5, 7)) is is_read
    assert (ran(([tick(1, 5, 7)], dict(read))).now == at(1)) is is_read  # type: ignore[arg-type]


def test_a_partition_that_is_empty_keeps_nobody_waiting() -> None:
    assert has_read({}, {"t": {0: 0}})
    assert has_read({}, {})


def test_a_slow_partition_stops_the_time_and_later_lets_it_go_on() -> None:
    stopped = ran(([tick(1, 5, 5), tick(2, 9, 5), tick(3, 9, 9)], ends(9, 7)))
    assert stopped.now == at(2)
    assert stopped.pending == (tick(3, 9, 9),)
    assert stopped.advance([], ends(9, 9), WAIT).now == at(3)


def test_ticks_count_in_the_order_of_their_time_and_a_later_one_never_overtakes() -> None:
    clock = ran(([tick(3, 1, 1), tick(1, 5, 5)], ends(4, 4)))
    assert clock.now is None
    assert [t.as_of for t in clock.pending] == [at(1), at(3)]


def test_a_tick_of_the_past_or_one_that_is_known_is_left_out() -> None:
    clock = ran(([tick(10, 1, 1), tick(20, 9, 9)], ends(1, 1)), ([tick(5), tick(10), tick(20, 9, 9)], ends(1, 1)))
    assert clock == ran(([tick(10, 1, 1), tick(20, 9, 9)], ends(1, 1)))


def test_a_leg_is_due_when_a_tick_that_lies_the_wait_back_had_it() -> None:
    ticks = [tick(second, a=second, b=2 * second) for second in (0, 10, 20, 30, 39)]
    assert ran((ticks[:3], ends(99, 99))).due(WAIT) == {}
    assert ran((ticks[:4], ends(99, 99))).due(WAIT) == ends(0, 0)
    assert ran((ticks, ends(99, 99))).due(WAIT) == ends(0, 0)
    assert ran(([*ticks, tick(40, 40, 80)], ends(99, 99))).due(WAIT) == ends(10, 20)
    longer = WAIT + timedelta(microseconds=1)
    assert ran(([*ticks, tick(40, 40, 80)], ends(99, 99)), wait=longer).due(longer) == ends(0, 0)


def test_a_gap_between_ticks_makes_due_only_what_a_tick_had_seen() -> None:
    assert ran(([tick(0, 1, 1), tick(600, 50, 50)], ends(50, 50))).due(WAIT) == ends(1, 1)


def test_ticks_that_wait_for_a_slow_partition_make_nothing_due() -> None:
    clock = ran(([tick(second, a=second, b=1) for second in range(0, 120, 10)], ends(100, 0)))
    assert (clock.now, clock.due(WAIT)) == (None, {})
    assert clock.advance([], ends(100, 1), WAIT).due(WAIT) == ends(70, 1)


def test_a_closing_tick_makes_due_all_that_it_names() -> None:
    ticks = [tick(0, 1, 1), tick(1, 8, 9, closing=True)]
    assert ran((ticks, ends(8, 9))).due(WAIT) == ends(8, 9)
    assert ran((ticks, ends(8, 8))).due(WAIT) == {}


def test_what_a_deadline_no_longer_needs_is_forgotten() -> None:
    clock = ran(([tick(second, second, second) for second in range(0, 100, 10)], ends(99, 99)))
    assert [t.as_of for t in clock.counted] == [at(60), at(70), at(80), at(90)]
    assert clock.due(WAIT) == ends(60, 60)


def test_many_ticks_are_thinned_to_a_number_that_fits_a_commit() -> None:
    wait = timedelta(hours=1)
    counted = ran(([tick(second, second, second) for second in range(1000)], ends(999, 999)), wait=wait)
    assert len(counted.counted) <= KEPT_TICKS
    assert (counted.counted[0].as_of, counted.now) == (at(0), at(999))
    waiting = ran(([tick(second, second, second, closing=second == 500) for second in range(1000)], {}), wait=wait)
    assert len(waiting.pending) <= KEPT_TICKS
    assert tick(500, 500, 500, closing=True) in waiting.pending


steps = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(1, 40), st.integers(0, 6), st.integers(0, 6)), max_size=12),
        st.integers(0, 60),
        st.integers(0, 60),
    ),
    max_size=12,
)
"""Batches: ticks (seconds and records since the one before), and records read of each partition."""


def batches(drawn: list[tuple[list[tuple[int, int, int]], int, int]]) -> list[tuple[list[Tick], Ends]]:
    """The batches of a draw, with times and offsets that grow."""
    second = a = b = read_a = read_b = 0
    made: list[tuple[list[Tick], Ends]] = []
    for ticks, more_a, more_b in drawn:
        said = []
        for seconds, grown_a, grown_b in ticks:
            second, a, b = second + seconds, a + grown_a, b + grown_b
            said.append(tick(second, a, b))
        read_a, read_b = min(read_a + more_a, a), min(read_b + more_b, b)
        made.append((said, ends(read_a, read_b)))
    return made


def is_at_most(fewer: Ends, more: Ends) -> bool:
    """True where no offset of the one is beyond that of the other."""
    return all(o <= more.get(t, {}).get(p, 0) for t, parts in fewer.items() for p, o in parts.items())


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=steps)
def test_thinning_only_delays_a_deadline(drawn: list, monkeypatch: pytest.MonkeyPatch) -> None:
    thinned = whole = Clock()
    for ticks, read in batches(drawn):
        monkeypatch.setattr(clocks, "KEPT_TICKS", 4)
        thinned = thinned.advance(ticks, read, WAIT)
        monkeypatch.setattr(clocks, "KEPT_TICKS", 10**9)
        whole = whole.advance(ticks, read, WAIT)
        assert is_at_most(thinned.due(WAIT), whole.due(WAIT))
        assert (thinned.now or NOON) <= (whole.now or NOON)


@settings(max_examples=150)
@given(drawn=steps)
def test_nothing_is_due_that_was_not_read_or_had_not_waited(drawn: list) -> None:
    clock, said, before = Clock(), [], {}
    for ticks, read in batches(drawn):
        clock = clock.advance(ticks, read, WAIT)
        said += ticks
        due = clock.due(WAIT)
        assert is_at_most(due, read)
        assert is_at_most(before, due), "a deadline went back"
        if due:
            assert clock.now is not None
            assert any(t.ends == due and t.as_of + WAIT <= clock.now for t in said)
        before = due


@settings(max_examples=100)
@given(drawn=steps)
def test_a_clock_goes_on_alike_from_a_commits_metadata(drawn: list) -> None:
    kept = stored = Clock()
    for ticks, read in batches(drawn):
        kept = kept.advance(ticks, read, WAIT)
        stored = Clock.from_data(json.loads(json.dumps(stored.to_data()))).advance(ticks, read, WAIT)
        assert stored == kept


def test_a_clock_does_not_depend_on_how_ticks_are_cut_into_batches() -> None:
    ticks = [tick(second, second, second) for second in range(0, 50, 5)]
    one_by_one = ran(*(([t], ends(99, 99)) for t in ticks))
    assert one_by_one == ran((ticks, ends(99, 99))) == ran((ticks[::-1], ends(99, 99)))


@pytest.mark.parametrize("sent", [tick(0.25, 3, 2**40), tick(0, closing=True), Tick(NOON, {})])
def test_a_tick_comes_back_from_its_record(sent: Tick) -> None:
    assert Tick.from_json(sent.to_json()) == sent


def test_a_tick_of_another_offset_is_the_same_instant() -> None:
    there = Tick(NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), ends(1, 2))
    assert Tick.from_json(there.to_json()) == Tick(NOON, ends(1, 2))


GARBAGE = (
    "", "tick", "null", "[]", "7", "{}", '{"as_of": "2026-03-31T12:00:00+00:00"}', '{"ends": {}}',
    '{"as_of": 5, "ends": {}}', '{"as_of": "noon", "ends": {}}', '{"as_of": "2026-03-31T12:00:00", "ends": {}}',
    '{"as_of": "2026-03-31T12:00:00Z", "ends": null}', '{"as_of": "2026-03-31T12:00:00Z", "ends": {"t": 5}}',
    '{"as_of": "2026-03-31T12:00:00Z", "ends": {"t": {"x": 5}}}',
    '{"as_of": "2026-03-31T12:00:00Z", "ends": {"t": {"0": "x"}}}',
    '{"as_of": "2026-03-31T12:00:00Z", "ends": {"t": {"0": null}}}',
    '{"as_of": "2026-03-31T12:00:00Z", "ends": {"t": {"0": 5}',
)  # fmt: skip


@pytest.mark.parametrize("text", GARBAGE)
def test_a_record_that_is_no_tick_is_a_source_error_in_one_sentence(text: str) -> None:
    with pytest.raises(SourceError, match="a record that is no tick .* it is left out"):
        Tick.from_json(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"as_of": "0001-01-01T00:00:00+14:00", "ends": {}}',
        '{"as_of": "2026-03-31T12:00:00Z", "ends": {"t": {"0": 1e999}}}',
        "[" * 4000,
    ],
    ids=["before all time", "an infinite offset", "nested without end"],
)
def test_a_record_that_overflows_is_no_tick_either(text: str) -> None:
    with pytest.raises(SourceError):
        Tick.from_json(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"as_of": "2026-03-31T12:00:00Z", "ends": {}, "closing": "false"}',
        '{"as_of": "2026-03-31T12:00:00Z", "ends": {"t": {"0": 5.9}}}',
    ],
)
def test_a_tick_of_wrong_types_is_no_tick(text: str) -> None:
    with pytest.raises(SourceError):
        Tick.from_json(text)


def test_what_a_closing_tick_made_due_stays_due_in_the_next_run() -> None:
    closed = ran(([tick(0, 1, 1), tick(40, 8, 9, closing=True)], ends(8, 9)))
    assert closed.due(WAIT) == ends(8, 9)
    assert is_at_most(ends(8, 9), closed.advance([tick(41, 10, 10)], ends(10, 10), WAIT).due(WAIT))


def test_a_closing_tick_at_the_time_of_another_still_closes() -> None:
    clock = ran(([tick(0, 1, 1)], ends(1, 1)), ([tick(0, 1, 1, closing=True)], ends(1, 1)), wait=timedelta(0))
    assert clock.counted[-1].closing
