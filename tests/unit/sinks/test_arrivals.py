"""The order of arrival: generation, batch, time of the record, partition, offset; as text and as a number too."""

from __future__ import annotations

import itertools

import pytest

from paylake.errors import ContractError
from paylake.sinks.arrivals import arrival, newest
from tests.unit.sinks.scored_payments import scored

IN_ORDER = [
    scored(generation=0, batch=9, after=99),
    scored(generation=0, batch=10, after=0),
    scored(generation=0, batch=10, after=1, partition=1, offset=7),
    scored(generation=0, batch=10, after=1, partition=2, offset=3),
    scored(generation=0, batch=10, after=1, partition=2, offset=20),
    scored(generation=2, batch=0),
    scored(generation=10, batch=0),
]


def test_each_later_arrival_is_greater_as_a_tuple_and_as_text() -> None:
    for before, after in itertools.pairwise(map(arrival, IN_ORDER)):
        assert before < after
        assert before.text < after.text
    assert {len(arrival(row).text) for row in IN_ORDER} == {69}


def test_a_later_batch_or_generation_has_a_greater_number() -> None:
    numbers = [arrival(scored(generation=g, batch=b)).number for g, b in ((0, 0), (0, 2**40 - 1), (1, 0), (2**23 - 1, 5))]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] < 2**63
    with pytest.raises(ContractError, match="generation 0, batch 1099511627776 fits in no version"):
        _ = arrival(scored(batch=2**40)).number


def test_the_newest_row_of_each_key_is_kept_whatever_the_order() -> None:
    rows = [scored("a", after=1, user_id="u"), scored("b", after=2, user_id="u"), scored("c", user_id="v")]
    for order in itertools.permutations(rows):
        kept = newest(order, key=lambda row: row["user_id"])
        assert {key: row["transaction_id"] for key, row in kept.items()} == {"u": "b", "v": "c"}
    assert newest(rows, key=lambda row: row["device_id"]) == {}
