"""Checkout.com's settlement breakdown: six decimals, fees in rows of their own, and the payout row from either side."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from paylake.statements import checkout
from paylake.statements.model import Parsed, SettlementLine, UnreadableFile
from tests.statement_files import csv_file, refusals

GOLDEN = (Path(__file__).parents[2] / "golden" / "files" / "checkout_settlement_breakdown.csv").read_bytes()


def row(kind: str, gross: str, deduction: str, net: str, **cells: str) -> dict[str, str]:
    return {
        "Client Entity ID": "ent_1", "Type": kind, "Payment ID": "pay_1", "Reference": "order-1", "Payout ID": "A1",
        "Processed On": "2026-03-01T10:00:00.000", "Holding Currency": "GBP", "Gross In Holding Currency": gross,
        "Deduction In Holding Currency": deduction, "Net In Holding Currency": net, **cells,
    }  # fmt: skip


def report(*rows: dict[str, str]) -> Parsed:
    return checkout.parse(csv_file(checkout.COLUMNS, *rows))


def test_the_golden_report() -> None:
    found = checkout.parse(GOLDEN)
    assert found.settlement_lines[0] == SettlementLine(
        line=2,
        psp="checkout",
        account="ent_look",
        payout_id="0000000000A1",
        type="SALE",
        psp_type="Charge",
        currency="GBP",
        amount=Decimal("50.000000"),
        fee_amount=Decimal("0.712345"),
        net_amount=Decimal("49.287655"),
        gross_currency="EUR",
        gross_amount=Decimal("58.25"),
        exchange_rate=Decimal("0.858369"),
        created_at=datetime(2026, 3, 1, 10, 0, 0, 125000, tzinfo=UTC),
        psp_reference="pay_a",
        line_reference="act_1",
        merchant_reference="order-1",
        payment_method="VISA",
    )
    (payout,) = found.payouts
    assert (payout.proof, payout.lines, payout.payout_amount, payout.payout_date) == (
        "PROVED", 5, Decimal("15.217655"), date(2026, 3, 3),
    )  # fmt: skip
    assert (payout.fees_amount, payout.reserve_amount) == (Decimal("-15.782345"), Decimal("-4.00"))


@pytest.mark.parametrize(
    ("word", "net", "kind"),
    [
        ("Charge", "1", "SALE"),
        ("Partial Charge", "1", "SALE"),
        ("Refund", "-1", "REFUND"),
        ("Chargeback", "-1", "CHARGEBACK"),
        ("Chargeback Reversal", "1", "CHARGEBACK_REVERSAL"),
        ("Network Token", "-1", "FEE"),
        ("Adjustment", "1", "CORRECTION"),
        ("Security Deposit Reservation", "-1", "RESERVE_HELD"),
        ("Security Deposit Release", "1", "RESERVE_RELEASED"),
        ("Payout", "1", "PAYOUT"),
        ("Surprise", "1", "UNKNOWN"),
    ],
)
def test_every_word_has_a_meaning(word: str, net: str, kind: str) -> None:
    assert report(row(word, net, "0", net)).settlement_lines[0].type == kind


@pytest.mark.parametrize("paid", ["9.50", "-9.50"])
def test_a_payout_row_is_written_from_either_side(paid: str) -> None:
    (payout,) = report(row("Charge", "10", "-0.5", "9.5"), row("Payout", paid, "0", paid)).payouts
    assert (payout.payout_amount, payout.proof) == (Decimal("9.50"), "PROVED")


def test_what_is_paid_in_whole_cents_differs_by_the_exact_rest() -> None:
    (payout,) = report(row("Charge", "10", "-0.512345", "9.487655"), row("Payout", "9.49", "0", "9.49")).payouts
    assert (payout.reason, payout.difference_amount) == ("PAYOUT_NOT_TIED", Decimal("0.002345"))


def test_a_payout_row_without_a_gross_is_the_fee_of_the_payout() -> None:
    found = report(row("Charge", "10", "0", "10"), row("Payout", "0", "-0.10", "-0.10"))
    assert [line.type for line in found.settlement_lines] == ["SALE", "FEE"]
    assert [(p.proof, p.expected_amount) for p in found.payouts] == [("NO_CONTROL", Decimal("9.90"))]


def test_a_payout_without_its_row_is_missing_where_another_has_one() -> None:
    rows = [row("Charge", "1", "0", "1"), row("Payout", "1", "0", "1"), row("Charge", "1", "0", "1", **{"Payout ID": "A2"})]
    assert [(p.payout_id, p.reason) for p in report(*rows).payouts] == [("A1", None), ("A2", "PAYOUT_MISSING")]


def test_a_movement_without_a_payout_stays_open() -> None:
    found = report(row("Charge", "1", "0", "1", **{"Payout ID": ""}))
    assert (found.payouts, found.settlement_lines[0].payout_id) == ((), None)


def test_a_net_that_differs_from_gross_and_deduction_is_a_break() -> None:
    assert report(row("Charge", "10", "-0.5", "9.49")).payouts[0].reason == "SCHEMA_INVALID"


def test_a_missing_column_is_named() -> None:
    with pytest.raises(
        UnreadableFile, match="A Checkout.com settlement breakdown report needs the columns Client Entity ID, Type,"
    ):
        checkout.parse(b"Payout ID,Net In Holding Currency\n1,2\n")


def test_bytes_that_are_no_report_are_refused_in_a_sentence_and_never_more_than_that() -> None:
    said = refusals(checkout.parse, GOLDEN)
    assert len(said) > 100
    assert [sentence for sentence in said if not sentence.endswith(".")] == []
