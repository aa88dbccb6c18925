"""People, places and cards: seeded, plausible, and never a real card."""

import pytest

from paylake.simulation.dimensions import (
    BANKS,
    CARD_NETWORKS,
    COUNTRIES,
    build_dimensions,
    check_digit,
    countries_of,
)

PUBLISHED_TEST_CARDS = ("4111111111111111", "5555555555554444", "378282246310005", "5105105105105100")


@pytest.mark.parametrize("number", PUBLISHED_TEST_CARDS)
def test_the_check_digit_is_that_of_published_test_cards(number: str) -> None:
    assert check_digit(number[:-1]) == number[-1]


def test_every_card_passes_luhn_and_comes_from_a_test_range() -> None:
    for customer in build_dimensions(3, "INR").customers:
        assert check_digit(customer.card_number[:-1]) == customer.card_number[-1]
        assert customer.card_number.startswith(CARD_NETWORKS[customer.card_network])
        assert len(customer.card_number) == (15 if customer.card_network == "AMEX" else 16)


def test_the_same_seed_knows_the_same_people_and_another_seed_others() -> None:
    build_dimensions.cache_clear()
    first = build_dimensions(3, "mix")
    build_dimensions.cache_clear()
    assert build_dimensions(3, "mix").customers == first.customers
    assert build_dimensions(3, "mix").merchants == first.merchants
    assert build_dimensions(4, "mix").customers != first.customers


def test_users_cover_both_banks_without_overlap() -> None:
    users = [int(customer.user_id) for customer in build_dimensions(3, "INR").customers]
    covered = [user for bank in BANKS for user in range(bank.first_user, bank.last_user + 1)]
    assert users == covered


def test_the_mix_of_countries_is_that_of_the_requirements() -> None:
    shares = {COUNTRIES[i].code: round(100 * share) for i, share in countries_of("mix").items()}
    assert shares == {"IN": 40, "US": 20, "GB": 12, "DE": 8, "SG": 8, "AE": 6, "AU": 6}


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(ValueError, match="'XYZ' is not 'mix' nor one of INR"):
        countries_of("XYZ")
