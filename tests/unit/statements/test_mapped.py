"""Any CSV or Excel by a mapping: the mapping's own errors, a bank's statement with its proof, a processor's report."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

import paylake.statements
from paylake.errors import SettingsError
from paylake.statements.mapped import parse
from paylake.statements.mapping import Mapping, read_mapping
from paylake.statements.model import Parsed, Payout, SettlementLine, Statement, StatementLine, UnreadableFile
from tests.statement_files import refusals, workbook

EXAMPLES = Path(paylake.statements.__file__).parent / "mappings"


def example(which: str, /, **changes: object) -> Mapping:
    """An example's mapping, with keys changed; None leaves a key out."""
    stated: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{which}.yaml").read_text(encoding="utf-8")) | changes
    return read_mapping(yaml.safe_dump({key: value for key, value in stated.items() if value is not None}, sort_keys=False))


BANK = example("example_bank")
BANK_HEADER = "Buchungstag;Valuta;IBAN;Name;Kundenreferenz;Verwendungszweck;Betrag;Währung;Saldo\n"


def bank(*rows: str, mapping: Mapping = BANK) -> Parsed:
    return parse((BANK_HEADER + "\n".join(rows)).encode(), mapping)


FIRST = "02.03.2026;03.03.2026;DE02;ACME;E2E-1;Order 1;1.234,56;EUR;2.234,56"
SECOND = "03.03.2026;03.03.2026;DE02;Shop;;Rent;-234,56;EUR;2.000,00"


def test_a_bank_statement_and_its_proof_from_running_balances() -> None:
    assert bank(FIRST, SECOND) == Parsed(
        format="example_bank",
        statements=(
            Statement(
                statement=1,
                account="DE02",
                currency="EUR",
                opening_date=date(2026, 3, 2),
                closing_date=date(2026, 3, 3),
                opening_balance=Decimal(1000),
                closing_balance=Decimal(2000),
                entries=2,
                entries_amount=Decimal(1000),
                difference_amount=Decimal(0),
                proof="PROVED",
            ),
        ),
        statement_lines=(
            StatementLine(
                line=2,
                statement=1,
                account="DE02",
                currency="EUR",
                amount=Decimal("1234.56"),
                booking_date=date(2026, 3, 2),
                value_date=date(2026, 3, 3),
                end_to_end_id="E2E-1",
                counterparty="ACME",
                remittance="Order 1",
            ),
            StatementLine(
                line=3,
                statement=1,
                account="DE02",
                currency="EUR",
                amount=Decimal("-234.56"),
                booking_date=date(2026, 3, 3),
                value_date=date(2026, 3, 3),
                counterparty="Shop",
                remittance="Rent",
            ),
        ),
    )


def test_a_statement_may_list_the_newest_entry_first() -> None:
    (statement,) = bank(SECOND, FIRST).statements
    assert (statement.proof, statement.opening_balance, statement.closing_balance) == (
        "PROVED",
        Decimal(1000),
        Decimal(2000),
    )
    one_day = [row.replace("02.03.2026;", "03.03.2026;", 1) for row in (SECOND, FIRST)]
    assert (
        bank(*one_day).statements[0].opening_balance
        == bank(*reversed(one_day)).statements[0].opening_balance
        == Decimal(1000)
    )


def test_a_missing_entry_breaks_the_proof_with_its_amount() -> None:
    (statement,) = bank(FIRST, SECOND.replace("2.000,00", "1.999,99")).statements
    assert (statement.proof, statement.reason, statement.difference_amount) == (
        "UNPROVED", "BALANCE_PROOF_FAILED", Decimal("-0.01"),
    )  # fmt: skip
    assert statement.detail == (
        "Opening balance 1000.00 EUR and entries of 1000.00 come to 2000.00, and the closing balance is 1999.99: "
        "-0.01 differs; ask for the whole statement."
    )


def test_without_balances_there_is_no_control() -> None:
    columns = {meaning: column for meaning, column in BANK.columns.items() if meaning != "balance"}
    (statement,) = bank(FIRST, mapping=example("example_bank", columns=columns)).statements
    assert (statement.proof, statement.opening_balance, statement.difference_amount) == ("NO_CONTROL", None, None)


def test_accounts_and_currencies_are_statements_of_their_own() -> None:
    mixed = example("example_bank", currency=None)
    other = "02.03.2026;;KW01;;;;1,234;KWD;1,234"
    found = bank(other, FIRST, mapping=mixed)
    assert [(s.statement, s.account, s.currency, s.closing_balance) for s in found.statements] == [
        (1, "DE02", "EUR", Decimal("2234.56")),
        (2, "KW01", "KWD", Decimal("1.234")),
    ]
    assert [(line.line, line.statement) for line in found.statement_lines] == [(2, 2), (3, 1)]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (FIRST.replace("EUR", "USD"), "Line 2, column 'Währung' says USD, and the mapping promises EUR on every line."),
        (FIRST.replace("02.03.2026", "2026-03-02"), "Line 2, column 'Buchungstag' says '2026-03-02', which is not a date of "
                                                     "the form '%d.%m.%Y'."),
        (FIRST.replace("02.03.2026;", ";", 1), "Line 2, column 'Buchungstag' is blank, and every entry has a date."),
        (FIRST.replace("1.234,56", "1,234.56"), "Line 2, column 'Betrag' says '1,234.56', which is no amount with decimal "
                                                "separator ',' and thousands separator '.'."),
        (FIRST.replace("1.234,56", ""), "Line 2, column 'Betrag' is blank"),
        (FIRST.replace("2.234,56", ""), "Line 2, column 'Saldo' is blank"),
    ],
)  # fmt: skip
def test_a_file_that_breaks_the_mapping_s_promise_is_refused(row: str, says: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        bank(row)
    assert says in str(refused.value)


def test_a_missing_column_names_those_that_are_there() -> None:
    with pytest.raises(UnreadableFile) as refused:
        parse(b"Buchungstag;Umsatz\n02.03.2026;1\n", BANK)
    assert str(refused.value).startswith("Mapping example_bank needs the columns Valuta, Betrag, Saldo, Währung, IBAN,")
    assert str(refused.value).endswith("which the file lacks; it has Buchungstag, Umsatz.")


DEBIT_CREDIT = example("example_bank_debit_credit")
EXCEL_HEADER = ["Txn Date", "Withdrawal", "Deposit", "Opening", "Closing", "Ref No", "Narration"]


def test_a_workbook_with_debits_and_credits() -> None:
    data = workbook(
        EXCEL_HEADER,
        [date(2026, 3, 2), None, 100000.5, 10, 100002.1, 12345678901234, "UPI"],
        [datetime(2026, 3, 3), 8.4, None, None, None, None, "Charges"],
        ["04/03/2026", "0.00", "1,00,000.00", None, None, None, "NEFT"],
        sheet="Statement",
    )
    found = parse(data, DEBIT_CREDIT)
    assert [(line.booking_date, line.amount, line.reference, line.currency) for line in found.statement_lines] == [
        (date(2026, 3, 2), Decimal("100000.5"), "12345678901234", "INR"),
        (date(2026, 3, 3), Decimal("-8.4"), None, "INR"),
        (date(2026, 3, 4), Decimal("100000.00"), None, "INR"),
    ]
    (statement,) = found.statements
    assert (statement.proof, statement.difference_amount) == ("UNPROVED", Decimal("-100000.00"))


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([1, 2, None, None], "Line 2, column 'Withdrawal' and the credit column must state one amount"),
        ([None, None, None, None], "Line 2, column 'Withdrawal' and the credit column must state one amount"),
    ],
)
def test_an_entry_is_a_debit_or_a_credit(cells: list[object], says: str) -> None:
    with pytest.raises(UnreadableFile, match=says):
        parse(workbook(EXCEL_HEADER, [date(2026, 3, 2), *cells, None, None], sheet="Statement"), DEBIT_CREDIT)


def test_two_opening_balances_are_refused() -> None:
    rows = [[date(2026, 3, 2), 1, None, opening, 5, None, None] for opening in (1, 2)]
    with pytest.raises(UnreadableFile, match="Column 'Opening' states 1, 2, and a statement has one opening_balance"):
        parse(workbook(EXCEL_HEADER, *rows, sheet="Statement"), DEBIT_CREDIT)


def test_a_bank_may_write_debits_as_positive() -> None:
    card = example("example_bank", sign="debits_positive", columns={"date": "Buchungstag", "amount": "Betrag"})
    assert bank(FIRST, mapping=card).statement_lines[0].amount == Decimal("-1234.56")


PROCESSOR = example("example_processor")
REPORT_HEADER = "Type,Batch,Currency,Gross,Fee,Net,Booked,Payment,Event,Order,Method\n"


def report(*rows: str, mapping: Mapping = PROCESSOR) -> Parsed:
    return parse((REPORT_HEADER + "\n".join(rows)).encode(), mapping)


def test_a_settlement_report_without_signs() -> None:
    found = report(
        "Sale,B1,EUR,10.00,0.30,9.70,2026-10-25 02:30:00,P1,E1,order-1,visa",
        "Refund,B1,EUR,2.00,,2.00,2026-03-02 10:00:00,P1,E2,order-1,visa",
        "Chargeback,,EUR,1.00,0,1.00,2026-03-02 10:00:00,P0,E3,order-0,visa",
        "Transfer,B1,EUR,7.70,0,7.70,2026-03-04 23:30:00,,,,",
    )
    assert found.settlement_lines[0] == SettlementLine(
        line=2,
        psp="example_processor",
        payout_id="B1",
        type="SALE",
        psp_type="Sale",
        currency="EUR",
        amount=Decimal("10.00"),
        fee_amount=Decimal("0.30"),
        net_amount=Decimal("9.70"),
        created_at=datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        psp_reference="P1",
        line_reference="E1",
        merchant_reference="order-1",
        payment_method="visa",
    )
    assert [line.net_amount for line in found.settlement_lines] == [Decimal(n) for n in ("9.70", "-2.00", "-1.00", "-7.70")]
    assert found.payouts == (
        Payout(
            statement=1,
            psp="example_processor",
            account=None,
            payout_id="B1",
            currency="EUR",
            payout_date=date(2026, 3, 4),
            lines=2,
            sales_amount=Decimal("10.00"),
            refunds_amount=Decimal("-2.00"),
            chargebacks_amount=Decimal(0),
            fees_amount=Decimal("-0.30"),
            reserve_amount=Decimal(0),
            corrections_amount=Decimal(0),
            unknown_amount=Decimal(0),
            expected_amount=Decimal("7.70"),
            payout_amount=Decimal("7.70"),
            difference_amount=Decimal(0),
            proof="PROVED",
        ),
    )


def test_a_word_that_the_mapping_does_not_have_is_unknown() -> None:
    (payout,) = report("Surprise,B1,EUR,1,0,1,,,,,").payouts
    assert (payout.reason, payout.unknown_amount) == ("UNKNOWN_TYPE", Decimal(1))


def test_a_net_that_differs_from_gross_less_fee_is_a_break() -> None:
    assert report("Sale,B1,EUR,10.00,0.30,9.71,,,,,").payouts[0].reason == "SCHEMA_INVALID"


@pytest.mark.parametrize(
    ("columns", "cells", "amounts"),
    [
        (("gross", "fee"), "10.00,0.30,", ("10.00", "0.30", "9.70")),
        (("net", "fee"), ",0.30,9.70", ("10.00", "0.30", "9.70")),
        (("gross", "net"), "10.00,,9.70", ("10.00", "0.30", "9.70")),
        (("net",), ",,9.70", ("9.70", "0", "9.70")),
        (("gross", "fee", "net"), "10.00,,", ("10.00", "0", "10.00")),
    ],
)
def test_what_no_column_states_follows_from_the_others(
    columns: tuple[str, ...], cells: str, amounts: tuple[str, ...]
) -> None:
    kept = {name: column for name, column in PROCESSOR.columns.items() if name not in {"gross", "fee", "net"} - set(columns)}
    (line,) = report(f"Sale,B1,EUR,{cells},,,,,", mapping=example("example_processor", columns=kept)).settlement_lines
    assert (line.amount, line.fee_amount, line.net_amount) == tuple(map(Decimal, amounts))


def test_signs_are_turned_as_the_mapping_says() -> None:
    turned = example("example_processor", sign="debits_positive", fees="negative", payouts="leaving")
    found = report("Sale,B1,EUR,-10,-1,-9,,,,,", "Transfer,B1,EUR,9,0,9,,,,,", mapping=turned)
    assert [(line.amount, line.fee_amount, line.net_amount) for line in found.settlement_lines] == [(10, 1, 9), (-9, 0, -9)]
    assert found.payouts[0].proof == "PROVED"


def test_a_report_whose_mapping_has_no_payout_has_no_control() -> None:
    assert report("Sale,B1,EUR,1,0,1,,,,,", mapping=example("example_processor", types={"Sale": "SALE"})).payouts[
        0
    ].proof == ("NO_CONTROL")


def test_a_line_without_an_amount_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="Line 2, column 'Net' is blank, and a line must say an amount"):
        report("Sale,B1,EUR,,0.30,,,,,,")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "statement"}, "kind is 'statement', and must be one of bank_statement, settlement_report"),
        ({"colour": "red"}, "The mapping has the unknown key colour; known are name, kind, columns"),
        ({"name": None}, "The mapping lacks name"),
        ({"currency": None, "columns": {"date": "D", "amount": "A"}}, "give currency, or the column that says it"),
        ({"currency": "EURO"}, "currency is 'EURO', which is no ISO 4217 code such as EUR"),
        ({"columns": {"amount": "A"}}, "a bank_statement needs a column for date"),
        ({"columns": {"date": "D"}}, "needs a column for amount, or one for debit and one for credit"),
        ({"columns": {"date": "D", "debit": "A"}}, "needs a column for amount, or one for debit and one for credit"),
        (
            {"columns": {"date": "D", "amount": "A", "debit": "X", "credit": "Y"}},
            "needs a column for amount, or one for debit",
        ),
        (
            {"columns": {"date": "D", "amount": "A", "opening_balance": "O"}},
            "give opening_balance and closing_balance, or neither",
        ),
        ({"columns": {"date": "D", "amount": "A", "total": "T"}}, "columns names total, and a bank_statement knows date,"),
        ({"columns": {"date": 1}}, "The mapping's columns is {'date': 1}, and must be names and texts"),
        ({"sign": "by_type"}, "sign by_type is for a settlement_report"),
        ({"sign": "plus"}, "sign is 'plus', and must be one of 'credits_positive', 'debits_positive', 'by_type'"),
        ({"decimal": "."}, "decimal and thousands are both '.'"),
        ({"delimiter": ";;"}, "delimiter is ';;', and must be one character"),
        ({"date_format": "%d.%Q"}, "date_format or time_zone cannot be used"),
        ({"time_zone": "Mars/Olympus"}, "date_format or time_zone cannot be used"),
        ({"skip_lines": -1}, "The mapping's skip_lines is -1, and must be a whole number"),
        ({"thousands": 1}, "The mapping's thousands is 1, and must be a text (put quotes around it)"),
    ],
)
def test_a_mapping_s_error_teaches(changes: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        example("example_bank", **changes)
    assert says in str(wrong.value)
    assert str(wrong.value).endswith(".")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"types": {"Sale": "SOLD"}}, "types names SOLD, and known are SALE, REFUND,"),
        ({"types": {}}, "a settlement_report needs a column for type, and types that says what its words mean"),
        ({"columns": {"type": "T", "fee": "F"}, "currency": "EUR"}, "a settlement_report needs a column for gross or net"),
    ],
)
def test_a_settlement_mapping_s_error_teaches(changes: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        example("example_processor", **changes)
    assert says in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "says"), [("a: [", "is no YAML"), ("- a", "must be a list of keys"), ("", "must be a list of keys")]
)
def test_a_text_that_is_no_mapping_is_refused(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read_mapping(text)


def test_every_example_is_a_mapping() -> None:
    names = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
    assert [read_mapping((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")).name for name in names] == names


@pytest.mark.parametrize("kind", ["bank", "report"])
def test_bytes_that_are_no_file_of_the_mapping_are_refused_and_never_more_than_that(kind: str) -> None:
    good = BANK_HEADER + f"{FIRST}\n{SECOND}\n" if kind == "bank" else REPORT_HEADER + "Sale,B1,EUR,10.00,0.30,9.70,,,,,\n"
    said = refusals(lambda data: parse(data, BANK if kind == "bank" else PROCESSOR), good.encode())
    assert len(said) > 100
    assert [sentence for sentence in said if not sentence.endswith(".")] == []


def test_a_workbook_cut_off_anywhere_is_refused_and_never_more_than_that() -> None:
    data = workbook(EXCEL_HEADER, [date(2026, 3, 2), None, 1.5, None, None, None, "x"], sheet="Statement")
    for at in range(4, len(data), 97):
        with pytest.raises(UnreadableFile):
            parse(data[:at], DEBIT_CREDIT)
        changed = data[:at] + b"\xff" + data[at + 1 :]
        try:
            parse(changed, DEBIT_CREDIT)
        except UnreadableFile:
            continue
