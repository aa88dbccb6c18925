"""Stripe's reports: net counts and gross does not, payouts from either side, open transactions, every category."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from paylake.statements import stripe
from paylake.statements.model import Parsed, SettlementLine, UnreadableFile
from tests.statement_files import csv_file, refusals

COLUMNS = (
    "balance_transaction_id", "payment_metadata[external_identifier]", "source_id", "payment_intent_id", "charge_id",
    "created", "automatic_payout_effective_at", "currency", "gross", "fee", "net", "reporting_category", "card_brand",
    "description", "gateway_account", "automatic_payout_id", "customer_facing_amount", "customer_facing_currency",
)  # fmt: skip
ACTIVITY = tuple(name for name in COLUMNS if not name.startswith("customer_facing"))


def row(category: str, gross: str, net: str | None = None, fee: str = "0", **cells: str) -> dict[str, str]:
    return {
        "balance_transaction_id": "txn_1", "created": "2026-03-01 10:00:00", "currency": "eur",
        "automatic_payout_effective_at": "2026-03-04 00:00:00", "automatic_payout_id": "po_1",
        "reporting_category": category, "gross": gross, "fee": fee, "net": gross if net is None else net, **cells,
    }  # fmt: skip


CHARGE = row("charge", "25", "24.05", "0.95", charge_id="ch_1", source_id="ch_1", gateway_account="acct_1",
             card_brand="visa", description="Order", **{"payment_metadata[external_identifier]": "order-1"})  # fmt: skip


def report(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> Parsed:
    return stripe.parse(csv_file(columns, *rows))


def test_a_charge_and_its_payout_whose_gross_is_wrong() -> None:
    found = report(CHARGE, row("fee", "-0.5", currency="EUR"), row("payout", "24", "23.55", source_id="po_1"))
    assert found.format == "stripe"
    assert found.settlement_lines[0] == SettlementLine(
        line=2,
        psp="stripe",
        account="acct_1",
        payout_id="po_1",
        type="SALE",
        psp_type="charge",
        currency="EUR",
        amount=Decimal(25),
        fee_amount=Decimal("0.95"),
        net_amount=Decimal("24.05"),
        created_at=datetime(2026, 3, 1, 10, tzinfo=UTC),
        psp_reference="ch_1",
        line_reference="ch_1",
        merchant_reference="order-1",
        payment_method="visa",
        detail="Order",
    )
    (payout,) = found.payouts
    assert (payout.proof, payout.payout_date, payout.account) == ("PROVED", date(2026, 3, 4), "acct_1")
    assert (payout.sales_amount, payout.fees_amount, payout.payout_amount) == (
        Decimal(25),
        Decimal("-1.45"),
        Decimal("23.55"),
    )


@pytest.mark.parametrize(
    ("rows", "paid", "proof"),
    [
        # what arrives, or what leaves the balance: the direction is that of the other rows
        ([row("charge", "10"), row("payout", "10")], "10", "PROVED"),
        ([row("charge", "10"), row("payout", "-10")], "10", "PROVED"),
        ([row("refund", "-10"), row("payout", "-10")], "-10", "PROVED"),
        ([row("refund", "-10"), row("payout", "10")], "-10", "PROVED"),
        # a fee that is taken from the payout itself
        ([row("charge", "10"), row("payout", "-9.90", "-10", "0.10")], "9.90", "PROVED"),
        ([row("charge", "10"), row("payout", "10", "9.90", "0.10")], "9.90", "PROVED"),
        ([row("charge", "10"), row("payout", "-10"), row("payout_reversal", "10")], "0", "UNPROVED"),
        ([row("charge", "10"), row("payout", "9.99")], "9.99", "UNPROVED"),
    ],
)
def test_a_payout_row_is_written_from_either_side(rows: list[dict[str, str]], paid: str, proof: str) -> None:
    (payout,) = report(*rows).payouts
    assert (payout.payout_amount, payout.proof) == (Decimal(paid), proof)


def test_a_transaction_without_a_payout_stays_open() -> None:
    found = report(CHARGE, row("payout", "24.05"), row("dispute_reversal", "3.35", automatic_payout_id=""))
    assert [(line.type, line.net_amount) for line in found.settlement_lines if line.payout_id is None] == [
        ("CHARGEBACK_REVERSAL", Decimal("3.35"))
    ]
    assert [(p.lines, p.proof) for p in found.payouts] == [(1, "PROVED")]


def test_the_reconciliation_report_must_say_what_is_paid_and_payments_activity_cannot() -> None:
    assert [(p.proof, p.reason) for p in report(CHARGE).payouts] == [("UNPROVED", "PAYOUT_MISSING")]
    assert [(p.proof, p.reason) for p in report(CHARGE, columns=ACTIVITY).payouts] == [("NO_CONTROL", None)]


def test_a_payout_without_its_row_is_missing_where_another_has_one() -> None:
    rows = [row("charge", "10"), row("payout", "10"), row("charge", "5", automatic_payout_id="po_2")]
    assert [(p.payout_id, p.reason) for p in report(*rows, columns=ACTIVITY).payouts] == [
        ("po_1", None),
        ("po_2", "PAYOUT_MISSING"),
    ]


def test_a_gross_that_does_not_come_to_net_breaks_the_payout() -> None:
    (payout,) = report(row("charge", "25.01", "24.05", "0.95"), row("payout", "24.05")).payouts
    assert (payout.proof, payout.reason) == ("UNPROVED", "SCHEMA_INVALID")


@pytest.mark.parametrize(
    ("category", "net", "kind"),
    [
        ("charge", "1", "SALE"),
        ("CHARGE", "1", "SALE"),
        ("partial_capture_reversal", "-1", "SALE"),
        ("charge_failure", "-1", "SALE"),
        ("refund", "-1", "REFUND"),
        ("refund_failure", "1", "REFUND_REVERSAL"),
        ("dispute", "-1", "CHARGEBACK"),
        ("dispute_reversal", "1", "CHARGEBACK_REVERSAL"),
        ("fee", "-1", "FEE"),
        ("network_cost", "-1", "FEE"),
        ("tax", "-1", "FEE"),
        ("currency_conversion", "1", "FX"),
        ("risk_reserved_funds", "-1", "RESERVE_HELD"),
        ("risk_reserved_funds", "1", "RESERVE_RELEASED"),
        ("payout_minimum_balance_hold", "-1", "RESERVE_HELD"),
        ("topup", "1", "CORRECTION"),
        ("transfer", "-1", "CORRECTION"),
        ("other_adjustment", "-1", "CORRECTION"),
        ("payout", "1", "PAYOUT"),
        ("brand_new", "1", "UNKNOWN"),
    ],
)
def test_every_category_has_a_meaning(category: str, net: str, kind: str) -> None:
    (line,) = report(row(category, net)).settlement_lines
    assert (line.type, line.psp_type) == (kind, category)


def test_currencies_of_no_and_of_three_decimals() -> None:
    rows = [
        row("charge", "500", currency="jpy"),
        row("charge", "1.234", currency="KWD"),
        row("charge", "0.000001", currency="Eur"),
    ]
    assert [(p.currency, str(p.expected_amount)) for p in report(*rows).payouts] == [
        ("EUR", "0.000001"),
        ("JPY", "500"),
        ("KWD", "1.234"),
    ]


def test_utc_columns_are_read_where_they_are() -> None:
    columns = (
        "created_utc",
        "balance_transaction_id",
        "currency",
        "gross",
        "fee",
        "net",
        "reporting_category",
        "automatic_payout_id",
    )
    given = {"created_utc": "2026-03-01 09:00:00"} | {name: CHARGE[name] for name in columns if name in CHARGE}
    assert report(given, columns=columns).settlement_lines[0].created_at == datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"net": ""}, "Line 2, column 'net' is blank"),
        ({"gross": "1 000"}, "Line 2, column 'gross' says '1 000', which is no amount"),
        ({"currency": "euro"}, "Line 2, column 'currency' says 'EURO', which is no ISO 4217 currency"),
        ({"reporting_category": ""}, "Line 2, column 'reporting_category' is blank"),
        ({"created": "yesterday"}, "Line 2, column 'created' says 'yesterday', which is not a date of the form"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(changed: dict[str, str], says: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        report(CHARGE | changed)
    assert says in str(refused.value)


def test_bytes_that_are_no_report_are_refused_in_a_sentence_and_never_more_than_that() -> None:
    said = refusals(stripe.parse, csv_file(COLUMNS, CHARGE, row("payout", "24.05")))
    assert len(said) > 100
    assert [sentence for sentence in said if not sentence.endswith(".") or "\n" in sentence] == []
