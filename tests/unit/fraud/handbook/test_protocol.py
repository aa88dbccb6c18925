"""Who is trained on what, and judged by what."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from paylake.errors import SettingsError
from paylake.fraud.handbook import protocol
from paylake.fraud.handbook.transactions import Transactions
from tests.unit.fraud.handbook.builders import FIRST, transactions

START = FIRST.date()


def weeks(days: int, **of_day: dict[str, int]) -> Transactions:
    """A transaction of customer 1 and one of customer 2 each day; `d5={"customer_id": 1}` makes those of day 5 a fraud."""
    rows = [{"day": day, "customer_id": card} for day in range(days) for card in (1, 2)]
    for name, bad in of_day.items():
        rows += [{"day": int(name[1:]), "is_fraud": 1, **bad}]
    return transactions(*rows)


def days_and_cards(of: Transactions) -> set[tuple[int, int]]:
    """(day, customer) of the test."""
    cut = protocol.split(of, START)
    return {(int(of.day[n]), int(of.customer[n])) for n in cut.test}


def test_a_week_of_training_a_week_of_delay_and_a_week_of_test() -> None:
    of = weeks(30)
    cut = protocol.split(of, START)
    assert sorted(set(of.day[cut.train].tolist())) == list(range(7))
    assert sorted(set(of.day[cut.test].tolist())) == list(range(14, 21))


def test_a_card_that_was_compromised_in_the_week_of_training_is_not_tested() -> None:
    assert {card for _, card in days_and_cards(weeks(30, d5={"customer_id": 1}))} == {1}


def test_a_card_leaves_the_test_a_week_and_a_day_after_its_fraud() -> None:
    of = weeks(30, d8={"customer_id": 1})
    assert {day for day, card in days_and_cards(of) if card == 0} == {14, 15}
    assert {day for day, card in days_and_cards(of) if card == 1} == set(range(14, 21))


def test_longer_training_begins_earlier_and_is_judged_by_the_same() -> None:
    of = weeks(60)
    start = START + timedelta(days=30)
    short, long = protocol.split(of, start), protocol.split(of, start, 28)
    assert sorted(set(of.day[long.train].tolist())) == list(range(9, 37))
    assert long.test.tolist() == short.test.tolist()


def test_the_folds_that_the_data_hold() -> None:
    of = weeks(49)
    assert list(protocol.starts(of, START, 4)) == [START + timedelta(days=d) for d in (21, 14, 7, 0)]
    assert list(protocol.starts(weeks(40), START, 4)) == [START + timedelta(days=d) for d in (14, 7, 0)]
    assert list(protocol.starts(of, START, 4, 28)) == [START + timedelta(days=21)]


def test_the_model_of_a_fold_is_chosen_by_folds_whose_labels_it_may_know() -> None:
    of, start = weeks(90), START + timedelta(days=60)
    days = protocol.choosing(of, start, 28)
    assert days == [start - timedelta(days=d) for d in (14, 21, 28, 35)]
    last = max(protocol.split(of, days[0]).test)
    assert of.day[last] < 60 + protocol.WEEK
    assert protocol.choosing(weeks(60), START + timedelta(days=35), 28) == [START + timedelta(days=21)]


def test_without_a_wish_the_last_start_is_taken_after_which_all_folds_fit_or_the_last_one() -> None:
    of = weeks(60)
    start = protocol.chosen_start(of, None)
    assert start == START + timedelta(days=18)
    assert len(list(protocol.starts(of, start, 4))) == 4
    assert protocol.chosen_start(weeks(30), None) == START + timedelta(days=9)


def test_a_start_that_does_not_fit_is_refused_with_those_that_do() -> None:
    with pytest.raises(SettingsError, match=r"choose a day from 2026-03-02 to 2026-03-11"):
        protocol.chosen_start(weeks(30), date(2026, 3, 12))
    with pytest.raises(SettingsError, match="give at least three weeks"):
        protocol.chosen_start(weeks(20), None)


def test_a_random_split_has_every_row_once_and_is_the_same_each_time() -> None:
    of = weeks(21)
    one, again = protocol.random_split(of, START, 0), protocol.random_split(of, START, 0)
    assert sorted([*one.train, *one.test]) == list(range(42))
    assert one.test.tolist() == again.test.tolist()
