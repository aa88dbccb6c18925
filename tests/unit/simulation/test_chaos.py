"""Chaos breaks legs as often and as far as it says."""

import numpy as np
import pytest

from paylake.contracts.taxonomy import KIND
from paylake.simulation.chaos import (
    CORE,
    FAILED,
    SPREADS,
    STATUSES,
    TYPE,
    TYPES,
    WEIGHTS,
    break_legs,
    chaos_types,
    project,
    scaled,
)
from paylake.simulation.dimensions import COUNTRIES, build_dimensions
from paylake.simulation.payments import draw_payments
from paylake.simulation.truth import CHAOS_LEGS


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_every_chaos_type_is_a_kind_of_break() -> None:
    assert set(WEIGHTS) <= set(KIND)
    assert set(CHAOS_LEGS) | {"DUPLICATE_POSTING"} == set(WEIGHTS)


def test_types_come_in_proportion_to_their_weights() -> None:
    count = 200_000
    drawn = np.bincount(chaos_types(rng(), count, 0.4, WEIGHTS), minlength=len(TYPES)) / count
    assert drawn[TYPE["NONE"]] == pytest.approx(0.6, abs=0.005)
    for name, weight in WEIGHTS.items():
        assert drawn[TYPE[name]] == pytest.approx(0.4 * weight / sum(WEIGHTS.values()), abs=0.005)


def test_a_single_weight_takes_all_chaos_and_no_chaos_leaves_all_clean() -> None:
    assert set(chaos_types(rng(), 100, 1.0, {"MISSING_PG": 1})) == {TYPE["MISSING_PG"]}
    assert set(chaos_types(rng(), 100, 0.0, WEIGHTS)) == {TYPE["NONE"]}


@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
def test_a_scaled_amount_always_differs_by_more_than_the_tolerance(spread: tuple[float, float]) -> None:
    tiny = np.full(5_000, 20)  # a fifth of the amounts below would round to within one unit
    assert np.abs(scaled(rng(), tiny, spread) - tiny).min() > 1


def test_amounts_stay_whole_minor_units_within_their_range() -> None:
    amounts = np.full(5_000, 1_000_00)
    result = scaled(rng(), amounts, (0.85, 0.95))
    assert result.dtype == np.int64
    assert 85_000 <= result.min() < 86_000
    assert 94_000 < result.max() <= 95_000


def test_each_type_breaks_only_its_own_legs() -> None:
    payments = draw_payments(rng(), np.arange(3_000), build_dimensions(1, "INR"), None)
    clean = project(rng(), payments)
    assert np.ptp(clean.at_ms, axis=0).max() < 2_000
    for name, broken in CHAOS_LEGS.items():
        types = np.full(payments.count, TYPE[name])
        legs = break_legs(rng(), clean, types, rng().random(payments.count))
        for ledger in range(3):
            same = all(
                np.array_equal(getattr(legs, part)[ledger], getattr(clean, part)[ledger])
                for part in ("present", "minor", "currency", "status", "at_ms", "second_minor")
            )
            assert same == (ledger not in broken), (name, ledger)


def test_a_wrong_status_differs_from_the_true_one() -> None:
    payments = draw_payments(rng(), np.arange(3_000), build_dimensions(1, "INR"), None)
    clean = project(rng(), payments)
    types = np.full(payments.count, TYPE["STATUS_MISMATCH"])
    legs = break_legs(rng(), clean, types, np.zeros(payments.count))
    assert (legs.status[CORE] != clean.status[CORE]).all()
    assert {STATUSES[code] for code in legs.status[CORE]} == {"PENDING", "PROCESSING", "FAILED"}
    assert (clean.status[CORE] == FAILED).any()


def test_fraud_stays_below_a_million_millions() -> None:
    payments = draw_payments(rng(), np.arange(50_000), build_dimensions(1, "mix"), None)
    legs = break_legs(
        rng(),
        project(rng(), payments),
        np.full(payments.count, TYPE["FRAUD_ATTEMPT"]),
        np.zeros(payments.count),
    )
    units = np.array([10**country.exponent for country in COUNTRIES])[legs.currency]
    assert (legs.minor / units).max() < 10**12
