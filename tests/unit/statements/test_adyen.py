"""Adyen's reports: batches, signs, every journal type, columns in any order, and bytes that are no report."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from paylake.statements import adyen
from paylake.statements.adyen import ACCOUNTING_COLUMNS, DETAILS_COLUMNS
from paylake.statements.model import Parsed, SettlementLine, UnreadableFile
from tests.statement_files import csv_file, refusals

COLUMNS = (*DETAILS_COLUMNS, "Payment Method", "Reserved4")


def row(kind: str, **cells: str) -> dict[str, str]:
    """A row of batch 7; cells by a short name of their column."""
    names = {
        "at": "Creation Date", "zone": "TimeZone", "currency": "Net Currency", "debit": "Net Debit (NC)",
        "credit": "Net Credit (NC)", "gross_currency": "Gross Currency", "gross_debit": "Gross Debit (GC)",
        "gross_credit": "Gross Credit (GC)", "commission": "Commission (NC)", "markup": "Markup (NC)",
        "scheme": "Scheme Fees (NC)", "interchange": "Interchange (NC)", "batch": "Batch Number", "rate": "Exchange Rate",
        "account": "Merchant Account", "payment": "Psp Reference", "change": "Modification Reference",
        "order": "Merchant Reference", "method": "Payment Method",
    }  # fmt: skip
    given = {"at": "2026-03-02 10:00:00", "zone": "CET", "currency": "EUR", "batch": "7", "account": "Shop", **cells}
    return {"Type": kind, **{names[name]: value for name, value in given.items()}}


SALE = row(
    "Settled", gross_currency="EUR", gross_credit="10.00", credit="9.70", markup="0.05", scheme="0.05", interchange="0.20"
)


def report(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> Parsed:
    return adyen.parse(csv_file(columns, *rows))


def test_a_booking_and_its_payout() -> None:
    found = report(
        row("Settled", at="2026-03-02 23:30:00", zone="PST", gross_currency="JPY", gross_credit="1500", rate="0.0062",
            credit="9.00", commission="0.30", payment="P1", change="M1", order="order-1", method="visa"),
        row("MerchantPayout", at="2026-03-03 23:30:00", zone="PST", debit="9.00"),
    )  # fmt: skip
    assert found.format == "adyen"
    assert found.settlement_lines[0] == SettlementLine(
        line=2,
        psp="adyen",
        account="Shop",
        payout_id="Shop/7",
        type="SALE",
        psp_type="Settled",
        currency="EUR",
        amount=Decimal("9.30"),
        fee_amount=Decimal("0.30"),
        net_amount=Decimal("9.00"),
        gross_currency="JPY",
        gross_amount=Decimal(1500),
        exchange_rate=Decimal("0.0062"),
        created_at=datetime(2026, 3, 3, 7, 30, tzinfo=UTC),
        psp_reference="P1",
        line_reference="M1",
        merchant_reference="order-1",
        payment_method="visa",
    )
    assert found.settlement_lines[1].net_amount == Decimal("-9.00")
    (payout,) = found.payouts
    assert (payout.proof, payout.payout_id, payout.account, payout.payout_amount) == (
        "PROVED",
        "Shop/7",
        "Shop",
        Decimal("9.00"),
    )
    assert payout.payout_date == date(2026, 3, 3)


@pytest.mark.parametrize(
    ("word", "side", "kind"),
    [
        ("Settled", "credit", "SALE"),
        ("SettledInstallment", "credit", "SALE"),
        ("Refunded", "debit", "REFUND"),
        ("RefundedReversed", "credit", "REFUND_REVERSAL"),
        ("Chargeback", "debit", "CHARGEBACK"),
        ("SecondChargeback", "debit", "CHARGEBACK"),
        ("ChargebackReversed", "credit", "CHARGEBACK_REVERSAL"),
        ("Fee", "debit", "FEE"),
        ("MiscCosts", "debit", "FEE"),
        ("PaymentCost", "debit", "FEE"),
        ("InvoiceDeduction", "credit", "FEE"),
        ("DepositCorrection", "debit", "RESERVE_HELD"),
        ("DepositCorrection", "credit", "RESERVE_RELEASED"),
        ("ReserveAdjustment", "debit", "RESERVE_HELD"),
        ("MatchedStatement", "credit", "CORRECTION"),
        ("ManualCorrected", "debit", "CORRECTION"),
        ("BankInstructionReturned", "credit", "CORRECTION"),
        ("EpaPaid", "debit", "CORRECTION"),
        ("Balancetransfer", "debit", "CORRECTION"),
        ("PaidOut", "debit", "CORRECTION"),
        ("PaidOutReversed", "credit", "CORRECTION"),
        ("MerchantPayout", "debit", "PAYOUT"),
        ("merchantpayout", "debit", "PAYOUT"),
        ("Surprise", "debit", "UNKNOWN"),
    ],
)
def test_every_journal_type_has_a_meaning(word: str, side: str, kind: str) -> None:
    (line,) = report(row(word, **{side: "1.00"})).settlement_lines
    assert (line.type, line.psp_type, line.net_amount) == (kind, word, Decimal("1.00" if side == "credit" else "-1.00"))


def test_an_unknown_type_is_a_break() -> None:
    (payout,) = report(SALE, row("Surprise", debit="0.70"), row("MerchantPayout", debit="9.00")).payouts
    assert (payout.reason, payout.unknown_amount, payout.difference_amount) == ("UNKNOWN_TYPE", Decimal("-0.70"), Decimal(0))


def test_off_by_one_cent_is_a_break_with_the_cent() -> None:
    (payout,) = report(SALE, row("MerchantPayout", debit="9.71")).payouts
    assert (payout.reason, payout.difference_amount) == ("PAYOUT_NOT_TIED", Decimal("0.01"))


def test_a_gross_amount_in_the_currency_of_the_payout_proves_its_row() -> None:
    (payout,) = report(SALE | {"Gross Credit (GC)": "10.01"}, row("MerchantPayout", debit="9.70")).payouts
    assert (payout.reason, payout.detail) == (
        "SCHEMA_INVALID",
        "Line 2 states net 9.70 EUR, and amount 10.01 less fee 0.30 is 9.71: -0.01 differs; ask adyen for a correct report.",
    )


def test_a_debit_may_stand_where_a_sale_costs_more_than_it_brings() -> None:
    (line,) = report(
        row("Settled", gross_currency="INR", gross_credit="10", debit="0.03", interchange=".14")
    ).settlement_lines
    assert (line.amount, line.fee_amount, line.net_amount) == (Decimal("0.11"), Decimal("0.14"), Decimal("-0.03"))


def test_columns_may_stand_in_any_order_and_rows_too() -> None:
    rows = [SALE, row("Fee", debit="0.10"), row("MerchantPayout", debit="9.60")]
    expected = report(*rows)
    shuffled = list(COLUMNS)
    random.Random(1).shuffle(shuffled)
    assert report(*rows, columns=tuple(shuffled)) == expected
    assert report(*reversed(rows)).payouts == expected.payouts
    assert expected.payouts[0].proof == "PROVED"


def test_a_byte_order_mark_and_semicolons_are_no_hindrance() -> None:
    data = b"\xef\xbb\xbf" + csv_file(COLUMNS, SALE, row("MerchantPayout", debit="9.70"), delimiter=";")
    assert adyen.parse(data) == report(SALE, row("MerchantPayout", debit="9.70"))


def test_batches_accounts_and_currencies_are_apart() -> None:
    found = report(
        row("Settled", credit="0.123456"),
        row("Settled", credit="1.234", currency="KWD"),
        row("Settled", credit="500", currency="JPY", batch="8"),
        row("Settled", credit="500.25", currency="CLP", account="Other"),
        row("Settled", credit="1", batch=""),
    )
    assert [(p.payout_id, p.currency, p.expected_amount) for p in found.payouts] == [
        ("Other/7", "CLP", Decimal("500.25")),
        ("Shop/7", "EUR", Decimal("0.123456")),
        ("Shop/7", "KWD", Decimal("1.234")),
        ("Shop/8", "JPY", Decimal(500)),
    ]
    assert [line.line for line in found.settlement_lines if line.payout_id is None] == [6]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([row("Settled")], "Line 2 states neither 'Net Debit (NC)' nor 'Net Credit (NC)', so nobody knows what it moves."),
        ([row("Settled", credit="1,00")], "Line 2, column 'Net Credit (NC)' says '1,00', which is no amount"),
        ([row("Settled", credit="0.1234567")], "an amount has at most 15 digits and 6 decimals"),
        (
            [row("Settled", credit="1", currency="XXX")],
            "Line 2, column 'Net Currency' says 'XXX', which is no ISO 4217 currency",
        ),
        (
            [row("Settled", credit="1", zone="IST")],
            "Line 2, column 'Creation Date' has the time zone 'IST', which is not known",
        ),
        ([row("Settled", credit="1", at="02/03/2026")], "says '02/03/2026', which is not a date of the form"),
        ([row("Settled", credit="1", zone="")], "Line 2, column 'TimeZone' is blank"),
        ([row("", credit="1")], "Line 2, column 'Type' is blank"),
        ([row("Settled", credit="1", account="")], "Line 2, column 'Merchant Account' is blank"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(rows: list[dict[str, str]], says: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        report(*rows)
    assert says in str(refused.value)


def test_a_missing_column_is_named() -> None:
    without = {name: cell for name, cell in SALE.items() if name != "Batch Number"}
    with pytest.raises(
        UnreadableFile, match="An Adyen settlement details report needs the column Batch Number, which the file"
    ):
        report(without, columns=tuple(name for name in COLUMNS if name != "Batch Number"))


def accounting(kind: str, payable: str = "", **cells: str) -> dict[str, str]:
    return {
        "Merchant Account": "Shop", "Psp Reference": "P1", "Booking Date": "2026-03-02 10:00:00", "TimeZone": "UTC",
        "Record Type": kind, "Settlement Currency": "EUR", "Payable (SC)": payable, **cells,
    }  # fmt: skip


def test_a_payment_s_life_counts_its_money_once() -> None:
    found = adyen.parse(
        csv_file(
            ACCOUNTING_COLUMNS,
            accounting("Received"),
            accounting("Authorised"),
            accounting("SentForSettle", "9.70", **{"Markup (SC)": "0.30"}),
            accounting("Settled", "9.70", **{"Markup (SC)": "0.30"}),
            accounting("Chargeback", "-25.00", **{"Commission (SC)": "15.00"}),
            accounting("CaptureFailed", "0.00"),
            accounting("CaptureFailed", "-9.70"),
            accounting("Surprise", "0.00"),
        )
    )
    assert [(line.line, line.type, line.payout_id, line.amount, line.fee_amount) for line in found.settlement_lines] == [
        (5, "SALE", None, Decimal("10.00"), Decimal("0.30")),
        (6, "CHARGEBACK", None, Decimal("-10.00"), Decimal("15.00")),
        (8, "SALE", None, Decimal("-9.70"), Decimal(0)),
        (9, "UNKNOWN", None, Decimal(0), Decimal(0)),
    ]
    assert found.payouts == ()


def test_a_payable_batch_has_no_control_in_the_accounting_report() -> None:
    columns = (*ACCOUNTING_COLUMNS, "Payable Batch", "Settlement Currency")
    rows = [accounting("Settled", "9.70") | {"Payable Batch": "7"}, accounting("Surprise", "-1") | {"Payable Batch": "8"}]
    found = adyen.parse(csv_file(columns, *rows))
    assert [(p.payout_id, p.proof, p.reason) for p in found.payouts] == [
        ("Shop/7", "NO_CONTROL", None),
        ("Shop/8", "UNPROVED", "UNKNOWN_TYPE"),
    ]


def test_bytes_that_are_no_report_are_refused_in_a_sentence_and_never_more_than_that() -> None:
    said = refusals(adyen.parse, csv_file(COLUMNS, SALE, row("MerchantPayout", debit="9.70")))
    assert len(said) > 100
    assert [sentence for sentence in said if not sentence.endswith(".") or "\n" in sentence] == []
