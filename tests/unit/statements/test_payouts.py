"""Payouts from lines: components, the proof to the last decimal, and the order of the reasons."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from paylake.contracts.statements import PROOF_REASONS
from paylake.statements.model import Payout, SettlementLine
from paylake.statements.payouts import last_days, payouts


def line(number: int, kind: str, amount: str, fee: str = "0", **other: Any) -> SettlementLine:
    given: dict[str, Any] = {"payout_id": "p1", "currency": "EUR", "psp_type": kind.lower(), **other}
    gross, taken = Decimal(amount), Decimal(fee)
    net = Decimal(given.pop("net", gross - taken))
    return SettlementLine(line=number, psp="psp", type=kind, amount=gross, fee_amount=taken, net_amount=net, **given)


def only(*lines: SettlementLine, **how: Any) -> Payout:
    (found,) = payouts(lines, **how)
    return found


EVERY_KIND = (
    line(2, "SALE", "100.00", "2.50"),
    line(3, "SALE", "0.000001"),
    line(4, "REFUND", "-20", "-0.10"),
    line(5, "REFUND_REVERSAL", "5"),
    line(6, "CHARGEBACK", "-10", "15"),
    line(7, "CHARGEBACK_REVERSAL", "10"),
    line(8, "FEE", "-1.80"),
    line(9, "RESERVE_HELD", "-8"),
    line(10, "RESERVE_RELEASED", "3"),
    line(11, "CORRECTION", "-0.20"),
    line(12, "FX", "0.05"),
    line(13, "PAYOUT", "-60.650001"),
)


def test_every_component_and_the_proof() -> None:
    assert only(*EVERY_KIND, paid_on={("p1", "EUR"): date(2026, 3, 3)}) == Payout(
        statement=1,
        psp="psp",
        account=None,
        payout_id="p1",
        currency="EUR",
        payout_date=date(2026, 3, 3),
        lines=11,
        sales_amount=Decimal("100.000001"),
        refunds_amount=Decimal(-15),
        chargebacks_amount=Decimal(0),
        fees_amount=Decimal("-19.20"),
        reserve_amount=Decimal(-5),
        corrections_amount=Decimal("-0.15"),
        unknown_amount=Decimal(0),
        expected_amount=Decimal("60.650001"),
        payout_amount=Decimal("60.650001"),
        difference_amount=Decimal(0),
        proof="PROVED",
    )


def test_the_order_of_the_lines_changes_nothing() -> None:
    shuffled = [*EVERY_KIND, line(14, "SALE", "1", payout_id="p0"), line(15, "SALE", "1", currency="USD")]
    expected = payouts(shuffled)
    for seed in range(10):
        random.Random(seed).shuffle(shuffled)
        assert payouts(shuffled) == expected
    assert [(p.statement, p.payout_id, p.currency) for p in expected] == [
        (1, "p0", "EUR"),
        (2, "p1", "EUR"),
        (3, "p1", "USD"),
    ]


@pytest.mark.parametrize(
    ("currency", "sale", "paid", "difference"),
    [
        ("EUR", "10.00", "10.01", "0.01"),
        ("EUR", "10.00", "9.99", "-0.01"),
        ("KWD", "10.000", "9.999", "-0.001"),
        ("JPY", "1200", "1201", "1"),
        ("CLP", "1200", "1199.99", "-0.01"),
        ("EUR", "10", "10.000001", "0.000001"),
    ],
)
def test_the_smallest_difference_is_a_break_with_its_amount(currency: str, sale: str, paid: str, difference: str) -> None:
    found = only(line(2, "SALE", sale, currency=currency), line(3, "PAYOUT", f"-{paid}", currency=currency))
    assert (found.proof, found.reason, found.difference_amount) == ("UNPROVED", "PAYOUT_NOT_TIED", Decimal(difference))
    assert found.detail == (
        f"Payout p1 states {paid} {currency}, and its lines come to {sale}: {difference} differs; "
        "look for lines that the report lacks."
    )


def test_a_batch_without_its_payout_line_is_missing_it() -> None:
    found = only(line(2, "SALE", "10"))
    assert (found.proof, found.reason, found.payout_amount, found.difference_amount) == (
        "UNPROVED",
        "PAYOUT_MISSING",
        None,
        None,
    )


def test_a_batch_that_comes_to_nothing_needs_no_payout_line() -> None:
    found = only(line(2, "SALE", "-5"), line(3, "CORRECTION", "5"))
    assert (found.proof, found.payout_amount, found.difference_amount) == ("PROVED", None, Decimal(0))


def test_where_a_format_has_no_payout_lines_there_is_no_control() -> None:
    found = only(line(2, "SALE", "10"), states_payouts=False)
    assert (found.proof, found.reason, found.payout_amount, found.difference_amount) == ("NO_CONTROL", None, None, None)


def test_a_payout_without_lines_is_not_tied() -> None:
    found = only(line(2, "PAYOUT", "-10"))
    assert (found.lines, found.reason, found.difference_amount) == (0, "PAYOUT_NOT_TIED", Decimal(10))


def test_a_negative_balance_is_collected() -> None:
    found = only(line(2, "REFUND", "-10"), line(3, "PAYOUT", "10"))
    assert (found.proof, found.payout_amount) == ("PROVED", Decimal(-10))


def test_lines_without_a_payout_stay_open() -> None:
    assert payouts([line(2, "SALE", "10", payout_id=None)]) == ()


def test_currencies_are_never_added() -> None:
    euro = (line(2, "SALE", "10"), line(3, "PAYOUT", "-10"))
    dollar = (line(4, "SALE", "10", currency="USD"), line(5, "PAYOUT", "-9", currency="USD"))
    assert [(p.currency, p.proof) for p in payouts([*euro, *dollar])] == [("EUR", "PROVED"), ("USD", "UNPROVED")]


def test_the_reasons_stand_in_their_order() -> None:
    breaks = {
        "SCHEMA_INVALID": line(2, "SALE", "10", "1", net="9.01"),
        "UNKNOWN_TYPE": line(3, "UNKNOWN", "4", psp_type="Surprise"),
        "PAYOUT_NOT_TIED": line(4, "PAYOUT", "-1"),
    }
    assert list(breaks) == [reason for reason in PROOF_REASONS if reason in breaks]
    while breaks:
        assert only(*breaks.values(), line(9, "SALE", "7")).reason == next(iter(breaks))
        breaks.pop(next(iter(breaks)))


def test_a_line_whose_net_is_not_amount_less_fee_breaks_the_payout() -> None:
    found = only(line(2, "SALE", "10", "1", net="9.01"), line(3, "PAYOUT", "-9"))
    assert (found.reason, found.difference_amount) == ("SCHEMA_INVALID", Decimal(0))
    assert found.detail == (
        "Line 2 states net 9.01 EUR, and amount 10 less fee 1 is 9: 0.01 differs; ask psp for a correct report."
    )


def test_an_unknown_type_is_a_break_even_where_the_payout_ties() -> None:
    found = only(line(2, "UNKNOWN", "5", "1", psp_type="Surprise"), line(3, "PAYOUT", "-4"))
    assert (found.reason, found.unknown_amount, found.fees_amount, found.difference_amount) == (
        "UNKNOWN_TYPE", Decimal(4), Decimal(0), Decimal(0),
    )  # fmt: skip
    assert found.detail == (
        "No format knows the type 'Surprise' (first on line 2): find out what it is before anything is posted."
    )


def test_a_control_total_that_differs_breaks_every_payout_of_the_file() -> None:
    lines = (line(2, "SALE", "10"), line(3, "PAYOUT", "-10"), line(4, "SALE", "1", payout_id="p2"))
    found = payouts(lines, control="Line 9 counts 5 rows.")
    assert [(p.reason, p.detail) for p in found] == [("CONTROL_TOTAL_MISMATCH", "Line 9 counts 5 rows.")] * 2


def test_the_account_is_said_where_all_lines_have_one() -> None:
    assert only(line(2, "SALE", "1", account="a"), line(3, "PAYOUT", "-1")).account == "a"
    assert only(line(2, "SALE", "1", account="a"), line(3, "PAYOUT", "-1", account="b")).account is None


def test_the_last_day_counts() -> None:
    first, last = date(2026, 3, 1), date(2026, 3, 2)
    stated = [("p", "EUR", last), ("p", "EUR", first), ("p", "USD", first), (None, "EUR", last), ("p", "EUR", None)]
    assert last_days(stated) == {("p", "EUR"): last, ("p", "USD"): first}
