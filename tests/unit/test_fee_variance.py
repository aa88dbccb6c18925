"""Fees against the processor's terms: asked of DuckDB, over literal rows."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from paylake.contracts import SETTLEMENT_FEES, SETTLEMENT_LINES, STATEMENT_FILES
from paylake.contracts.settlement import fee_rows
from tests.builders import NOON
from tests.other_engine import answer, connect, insert


def test_the_terms_of_a_processor_give_a_row_per_currency_and_none_is_assumed() -> None:
    rows = {(row[0], row[1]): row[2:] for row in fee_rows()}
    assert rows["example_processor", "INR"] == (date(2020, 1, 1), None, 200, Decimal("3.00"), 2)
    assert rows["example_processor", "JPY"] == (date(2020, 1, 1), None, 360, Decimal("0"), 0)
    assert rows["example_processor", "KWD"] == (date(2020, 1, 1), None, 250, Decimal("0.100"), 3)
    assert [key for key in rows if "*" in key] == []


def test_a_fee_that_is_not_by_the_terms_of_its_day_is_shown_with_its_difference() -> None:
    athena = connect()
    day = NOON.date()
    common = {"psp": "p", "currency": "INR", "minor_units": 2, "fee_fixed_amount": Decimal(3)}
    insert(
        athena, SETTLEMENT_FEES,
        {**common, "since": date(2020, 1, 1), "until": day, "fee_basis_points": 100},
        {**common, "since": day, "until": None, "fee_basis_points": 200},
        {**common, "since": date(2020, 1, 1), "until": None, "fee_basis_points": 360, "currency": "JPY", "minor_units": 0,
         "fee_fixed_amount": Decimal(0)},
    )  # fmt: skip
    insert(athena, STATEMENT_FILES, {"file_sha256": "f", "state": "POSTED"})
    lines = (
        ("by the terms", "INR", "10.25", "3.21", NOON),  # 2 % of it is 0.205, and half of a unit goes up
        ("too much", "INR", "10.25", "3.22", NOON),
        ("too little", "INR", "10.25", "3.20", NOON),
        ("the day before", "INR", "10.25", "3.10", NOON - timedelta(days=1)),
        ("yen", "JPY", "1000", "36", NOON),
        ("yen too", "JPY", "1000", "36.5", NOON),
    )
    for n, (name, currency, amount, fee, at) in enumerate(lines):
        line = {"file_sha256": "f", "line": n, "psp": "p", "currency": currency, "amount": Decimal(amount), "created_at": at,
                "fee_amount": Decimal(fee), "merchant_reference": name, "psp_reference": name}  # fmt: skip
        insert(athena, SETTLEMENT_LINES, line, {**line, "line": n + 100, "type": "REFUND", "psp_reference": f"back {n}"})
    found = answer(athena, "SELECT merchant_reference, variance, variance_amount FROM v_fee_variance ORDER BY 1")
    assert [tuple(row.values()) for row in found] == [
        ("too little", "UNDERCHARGE", Decimal("-0.010000")),
        ("too much", "OVERCHARGE", Decimal("0.010000")),
        ("yen too", "OVERCHARGE", Decimal("0.500000")),
    ]
