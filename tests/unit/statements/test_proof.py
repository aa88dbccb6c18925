"""A statement proves itself only where what it states is what was read, to the last cent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paylake.contracts.statements import (
    BALANCE_PROOF_FAILED,
    CONTROL_TOTAL_MISMATCH,
    NO_CONTROL,
    PROVED,
    SCHEMA_INVALID,
    UNPROVED,
)
from paylake.statements.model import UnreadableFile
from paylake.statements.proof import Control, Proof, prove_statement, total
from paylake.statements.reading import Fault, exact_amount, identifier, known_currency, one_line

amounts = st.decimals(min_value=-(10**12), max_value=10**12, places=6)


def proof(
    opening: str | None = None, closing: str | None = None, entries: str = "0", must_balance: bool = True, **more: Any
) -> Proof:
    return prove_statement(
        currency="EUR",
        opening=None if opening is None else Decimal(opening),
        closing=None if closing is None else Decimal(closing),
        entries_amount=Decimal(entries),
        must_balance=must_balance,
        **more,
    )


def count(stated: int, read: int) -> Control:
    return Control(what="the number of entries", stated=stated, read=read)


def net(stated: str, read: str) -> Control:
    return Control(what="the net", stated=Decimal(stated), read=Decimal(read))


def test_balances_that_explain_the_entries_prove_them() -> None:
    assert proof("10.00", "7.50", "-2.50") == Proof(difference_amount=Decimal(0), proof=PROVED)


def test_a_cent_is_named_exactly() -> None:
    assert proof("10.00", "7.51", "-2.50") == Proof(
        difference_amount=Decimal("0.01"),
        proof=UNPROVED,
        reason=BALANCE_PROOF_FAILED,
        detail="Opening balance 10.00 and entries of -2.50 leave 0.01 EUR of the closing balance 7.51 unexplained.",
    )


def test_a_tiny_difference_is_written_without_an_exponent() -> None:
    assert "leave 0.000001 EUR" in str(proof("0", "0.000001").detail)


@pytest.mark.parametrize(
    ("opening", "closing", "lacking"),
    [(None, "1", "opening"), ("1", None, "closing"), (None, None, "opening and closing")],
)
def test_a_format_with_balances_that_lacks_one_is_unproved(opening: str | None, closing: str | None, lacking: str) -> None:
    found = proof(opening, closing)
    assert (found.proof, found.reason, found.difference_amount) == (UNPROVED, BALANCE_PROOF_FAILED, None)
    assert found.detail == f"The statement has no {lacking} balance, so nothing proves its entries."


def test_a_format_without_balances_has_no_control() -> None:
    assert proof(must_balance=False) == Proof(difference_amount=None, proof=NO_CONTROL)
    assert proof(closing="5", must_balance=False) == Proof(difference_amount=None, proof=NO_CONTROL)


def test_a_count_that_agrees_is_no_proof_of_amounts() -> None:
    assert proof(must_balance=False, controls=[count(2, 2)]).proof == NO_CONTROL


def test_a_stated_net_proves_a_statement_without_balances() -> None:
    assert proof(entries="-3", must_balance=False, net=net("-3.00", "-3")).proof == PROVED
    short = proof(entries="-3", must_balance=False, net=net("-3.01", "-3"))
    assert (short.reason, short.difference_amount) == (CONTROL_TOTAL_MISMATCH, Decimal("-0.01"))


def test_a_stated_net_does_not_stand_in_for_balances_that_must_be_there() -> None:
    """Nothing is proved by a net alone where the format must carry balances: they would show a missing page."""
    assert proof("1", None, "-3", net=net("-3", "-3")).reason == BALANCE_PROOF_FAILED


def test_a_wrong_count_unproves_what_the_balances_prove() -> None:
    found = proof("1", "3", "2", controls=[count(3, 2)])
    assert (found.proof, found.reason, found.difference_amount) == (UNPROVED, CONTROL_TOTAL_MISMATCH, Decimal(0))
    assert found.detail == "The number of entries is stated as 3 but comes to 2, a difference of 1."


def test_the_first_reason_wins_and_the_others_are_counted() -> None:
    everything = proof("1", "9", "2", controls=[count(3, 2)], faults=["entry 4 has no amount", "entry 5 has no amount"])
    assert (everything.reason, everything.detail) == (SCHEMA_INVALID, "Entry 4 has no amount (and 1 more).")
    assert everything.difference_amount == 6
    assert proof("1", "9", "2", controls=[count(3, 2)]).reason == CONTROL_TOTAL_MISMATCH
    assert proof("1", "9", "2").reason == BALANCE_PROOF_FAILED


@given(opening=amounts, entries=st.lists(amounts), error=amounts)
def test_the_difference_is_whatever_the_closing_balance_is_off_by(
    opening: Decimal, entries: list[Decimal], error: Decimal
) -> None:
    entries_amount = total(entries)
    found = prove_statement(
        currency="EUR",
        opening=opening,
        closing=total([opening, entries_amount, error]),
        entries_amount=entries_amount,
        must_balance=True,
    )
    assert found.difference_amount == error
    assert (found.proof == PROVED) == (error == 0)


def test_sums_are_exact_beyond_pythons_own_precision() -> None:
    large, small = Decimal("99999999999999999.999999"), Decimal("0.000001")
    assert total([large] * 9 + [small]) == Decimal("899999999999999999.999992")
    with pytest.raises(UnreadableFile, match="more than 18 digits"):
        total([large] * 11)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("5", "5"), ("5.", "5"), ("0.050", "0.05"), (" 12.5 ", "12.5"), ("1.1234560000", "1.123456"), ("9" * 18, "9" * 18)],
)
def test_an_amount_is_read_exactly(text: str, amount: str) -> None:
    assert exact_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["", None, "-1", "+1", "1e3", "1,5", "1.2.3", ".5", "1.1234567", "9" * 19, "٣", "NaN", "1_000", "0x10"]
)
def test_an_amount_that_is_none_is_a_fault(text: str | None) -> None:
    with pytest.raises(Fault):
        exact_amount(text)


def test_text_is_one_line() -> None:
    assert one_line("  a\r\n b\t", None, "\x00c") == "a b c"
    assert one_line(" \n ", "") is None


def test_a_reference_that_says_there_is_none_is_none() -> None:
    assert [identifier(text) for text in ("NOTPROVIDED", " notprovided", "NONREF", "", None)] == [None] * 5
    assert identifier(" E2E-1 ") == "E2E-1"


def test_a_currency_out_of_use_is_a_fault() -> None:
    assert known_currency("EUR") == "EUR"
    for code in ("DEM", "eur", "", None):
        with pytest.raises(Fault, match="not a currency in use"):
            known_currency(code)
