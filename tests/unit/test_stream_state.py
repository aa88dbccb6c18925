"""What a commit says of the stream comes back from it unchanged."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paylake.reconciliation.clock import Clock, Tick, later
from paylake.stream_state import StreamState

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
ENDS = {"pg-transactions": {0: 10, 11: 2**40}, "cbs-transactions": {1: 0}}
STATE = StreamState(
    generation=3,
    batch=41,
    starts={"pg-transactions": {0: 5}},
    ends=ENDS,
    clock=Clock(
        counted=(Tick(NOON, ENDS), Tick(NOON + timedelta(microseconds=1), ENDS, closing=True)),
        pending=(Tick(NOON + timedelta(hours=1), {}),),
    ),
    rule_version="abc",
    cluster="Tb2vXcGZTL6p5yBfRnMvRg",
)


@pytest.mark.parametrize("state", [STATE, StreamState()], ids=["in the middle", "before the first batch"])
def test_a_state_survives_the_commits_metadata(state: StreamState) -> None:
    assert StreamState.from_metadata(json.loads(json.dumps(state.to_metadata(), sort_keys=True))) == state


def test_a_state_of_another_release_is_read_where_it_says_less_or_more() -> None:
    said = STATE.to_metadata()
    earlier = {key: value for key, value in said.items() if key != "cluster"}
    assert StreamState.from_metadata(earlier) == replace(STATE, cluster="")
    assert StreamState.from_metadata({**said, "of a later release": 1}) == STATE


def test_a_state_that_is_read_twice_is_written_alike() -> None:
    text = json.dumps(STATE.to_metadata(), sort_keys=True)
    assert json.dumps(StreamState.from_metadata(json.loads(text)).to_metadata(), sort_keys=True) == text


def test_a_further_batch_moves_the_ends_that_it_names_and_keeps_the_others() -> None:
    clock = Clock(counted=(Tick(NOON, {}),))
    state = STATE.after(42, {"pg-transactions": {0: 12}, "mobile-transactions": {0: 1}}, clock, "def")
    assert (state.generation, state.batch, state.clock, state.rule_version) == (3, 42, clock, "def")
    assert state.starts == STATE.starts
    assert state.ends == {
        "pg-transactions": {0: 12, 11: 2**40},
        "cbs-transactions": {1: 0},
        "mobile-transactions": {0: 1},
    }
    assert STATE.ends == ENDS


def test_a_new_generation_goes_on_from_the_same_offsets() -> None:
    state = STATE.next_generation()
    assert (state.generation, state.batch) == (4, -1)
    assert (state.ends, state.clock, state.rule_version) == (STATE.ends, STATE.clock, STATE.rule_version)


def test_merged_ends_take_the_newer_of_a_partition_that_both_name() -> None:
    assert later({"a": {0: 1, 1: 2}}, {"a": {1: 3}, "b": {0: 0}}) == {"a": {0: 1, 1: 3}, "b": {0: 0}}
    assert later({}, {}) == {}
