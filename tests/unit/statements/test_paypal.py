"""PayPal's settlement report: sections, minor units, signs, currency conversion, sweeps, and totals that must agree."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from paylake.statements import paypal
from paylake.statements.model import SettlementLine, UnreadableFile
from tests.statement_files import refusals

GOLDEN = (Path(__file__).parents[2] / "golden" / "files" / "paypal_stl.csv").read_text(encoding="utf-8")

HEAD = (
    '"SH",2026/03/01 00:00:00 -0800,2026/03/01 23:59:59 -0800,"M1",""\n'
    '"CH","Transaction ID","Invoice ID","PayPal Reference ID","PayPal Reference ID Type","Transaction Event Code",'
    '"Transaction Initiation Date","Transaction Completion Date","Transaction Debit or Credit","Gross Transaction Amount",'
    '"Gross Transaction Currency","Fee Debit or Credit","Fee Amount","Fee Currency"\n'
)
AT = "2026/03/01 08:00:00 -0800"


def body(code: str, mark: str, gross: int, currency: str = "USD", fee_mark: str = "", fee: str = "") -> str:
    return (
        f'"SB","T1","order-1","R1","TXN","{code}",{AT},{AT},"{mark}",{gross},"{currency}","{fee_mark}",{fee},"{currency}"\n'
    )


def line(code: str, mark: str, gross: int, currency: str = "USD") -> SettlementLine:
    (found,) = paypal.parse((HEAD + body(code, mark, gross, currency)).encode()).settlement_lines
    return found


def test_the_golden_report() -> None:
    found = paypal.parse(GOLDEN.encode())
    assert found.settlement_lines[2] == SettlementLine(
        line=7,
        psp="paypal",
        account="MERCHANT9TEST",
        payout_id="MERCHANT9TEST/2026-03-01",
        type="REFUND",
        psp_type="T1107",
        currency="USD",
        amount=Decimal("-25.00"),
        fee_amount=Decimal("-0.50"),
        net_amount=Decimal("-24.50"),
        created_at=datetime(2026, 3, 1, 18, 0, 5, tzinfo=UTC),
        psp_reference="TX-SALE-1",
        line_reference="TX-REFUND-1",
        merchant_reference="order-1",
    )
    assert [(line.type, line.currency, line.net_amount) for line in found.settlement_lines] == [
        ("SALE", "USD", Decimal("96.80")),
        ("SALE", "EUR", Decimal("48.20")),
        ("REFUND", "USD", Decimal("-24.50")),
        ("CHARGEBACK", "USD", Decimal("-30.00")),
        ("RESERVE_HELD", "USD", Decimal("-5.00")),
        ("FX", "EUR", Decimal("-48.20")),
        ("FX", "USD", Decimal("52.05")),
        ("SALE", "JPY", Decimal(1117)),
        ("PAYOUT", "USD", Decimal("-89.35")),
    ]
    assert [(p.currency, p.proof, p.expected_amount, p.payout_amount, p.payout_date) for p in found.payouts] == [
        ("EUR", "NO_CONTROL", Decimal(0), None, None),
        ("JPY", "NO_CONTROL", Decimal(1117), None, None),
        ("USD", "PROVED", Decimal("89.35"), Decimal("89.35"), date(2026, 3, 1)),
    ]


@pytest.mark.parametrize(
    ("code", "mark", "kind"),
    [
        ("T0006", "CR", "SALE"),
        ("T0000", "DR", "CORRECTION"),
        ("T0106", "DR", "FEE"),
        ("T0200", "CR", "FX"),
        ("T0300", "CR", "CORRECTION"),
        ("T0400", "DR", "PAYOUT"),
        ("T0401", "DR", "PAYOUT"),
        ("T1101", "CR", "CORRECTION"),
        ("T1105", "CR", "RESERVE_RELEASED"),
        ("T1106", "DR", "CHARGEBACK"),
        ("T1107", "DR", "REFUND"),
        ("T1108", "CR", "FEE"),
        ("T1110", "DR", "RESERVE_HELD"),
        ("T1201", "DR", "CHARGEBACK"),
        ("T1202", "CR", "CHARGEBACK_REVERSAL"),
        ("T1503", "DR", "RESERVE_HELD"),
        ("T2104", "CR", "RESERVE_RELEASED"),
        ("T9999", "CR", "UNKNOWN"),
    ],
)
def test_every_code_has_a_meaning(code: str, mark: str, kind: str) -> None:
    assert (line(code, mark, 1).type, line(code, mark, 1).psp_type) == (kind, code)


@pytest.mark.parametrize(("currency", "amount"), [("USD", "123.45"), ("JPY", "12345"), ("HUF", "12345"), ("KWD", "12.345")])
def test_minor_units_are_those_of_the_processor(currency: str, amount: str) -> None:
    assert str(line("T0006", "CR", 12345, currency).amount) == amount


def test_a_withdrawal_by_hand_pays_no_batch() -> None:
    assert [line(code, "DR", 1).payout_id for code in ("T0400", "T0401")] == [None, "M1/2026-03-01"]


def test_a_sweep_that_is_off_by_a_cent_is_not_tied() -> None:
    # the totals follow, so that only the sweep differs
    changed = GOLDEN.replace('"DR",8935,', '"DR",8934,').replace("12935", "12934")
    assert [(p.reason, p.difference_amount) for p in paypal.parse(changed.encode()).payouts][2] == (
        "PAYOUT_NOT_TIED", Decimal("-0.01"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('"SC",9', '"SC",10', "Line 17 counts 10 rows, and the section of MERCHANT9TEST for 2026-03-01 has 9; ask for"),
        ('"RC",9', '"RC",8', "Line 21 counts 8 rows, and the report has 9; ask for the file again."),
        (
            '"SF","USD",15205',
            '"SF","USD",15206',
            "Line 16 states credits 15206, debits 12935 and fees 50 and 2320 in minor units",
        ),
        ('"RF","JPY",1200,0,0,83', '"RF","JPY",1200,0,0,84', "Line 19 states credits 1200, debits 0 and fees 0 and 84"),
        (
            '"SF","EUR"',
            '"RF","EUR"',
            "The section of MERCHANT9TEST for 2026-03-01 has no SF row for EUR: the file is cut off",
        ),
    ],
)
def test_totals_and_counts_must_agree_with_the_rows(before: str, after: str, says: str) -> None:
    found = paypal.parse(GOLDEN.replace(before, after, 1).encode()).payouts
    assert {p.reason for p in found} == {"CONTROL_TOTAL_MISMATCH"}
    assert says in (found[0].detail or "")


def test_the_fee_totals_stand_in_either_order() -> None:
    found = paypal.parse(GOLDEN.replace("50,2320", "2320,50").encode())
    assert found == paypal.parse(GOLDEN.encode())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "Line 1 begins with 'a', which is no row of a PayPal settlement report."),
        ('"RH",x\n', "The file has no SH row"),
        (body("T0006", "CR", 1), "Line 1 stands before the first SH row"),
        ('"SH",a,b,"M1"\n', "Line 1: 'b' is not a moment of the form"),
        ('"SH",a\n', "Line 1: an SH row must state its first and last moment, and the account."),
        (
            HEAD.split("\n")[0] + "\n" + body("T0006", "CR", 1),
            "Line 2 follows no CH row that names the columns Transaction ID,",
        ),
        (HEAD + '"SB","T1"\n', "Line 3 has only 2 cells: it is cut off"),
        (HEAD + body("T0006", "XX", 1), "Line 3, column 'Transaction Debit or Credit' says 'XX', and must say CR or DR."),
        (HEAD + body("T0006", "CR", -1), "says '-1', and amounts are whole numbers of minor units."),
        (HEAD + body("T0006", "CR", 1, "XXX"), "says 'XXX', which is no ISO 4217 currency."),
        (
            HEAD + body("T0006", "CR", 9, fee_mark="DR", fee="1").replace('1,"USD"\n', '1,"EUR"\n'),
            "'Fee Currency' differs from USD",
        ),
        (HEAD + '"SF","USD",x\n', "Line 3 must state a currency and four totals in minor units."),
        (HEAD + '"SC"\n', "Line 3 must state a number of rows."),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        paypal.parse(text.encode())
    assert says in str(refused.value)


def test_bytes_that_are_no_report_are_refused_in_a_sentence_and_never_more_than_that() -> None:
    said = refusals(paypal.parse, GOLDEN.encode())
    assert len(said) > 100
    assert [sentence for sentence in said if not sentence.endswith(".")] == []
