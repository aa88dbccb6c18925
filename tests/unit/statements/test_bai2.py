"""BAI2 files: legal variants of the layout, directions by code, and trailers on every level."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paylake.contracts.statements import (
    BALANCE_PROOF_FAILED,
    BOOKED,
    CONTROL_TOTAL_MISMATCH,
    INFORMATION,
    PROVED,
    SCHEMA_INVALID,
)
from paylake.statements.bai2 import parse
from paylake.statements.model import Statement, StatementLine, UnreadableFile
from tests.unit.statements.garbling import check_reads_or_refuses, garbled

ENTRIES = ("16,142,2500,V,260303,,BANK-1,OURS-1,INVOICE 7, MAY/", "16,451,500,Z,,,FEE/")


def account(
    *records: str, opening: int = 10000, closing: int = 12000, control: int = 25000, currency: str = "USD", name: str = "111"
) -> list[str]:
    header = f"03,{name},{currency},010,{opening},,,015,{closing},,/"
    return [header, *records, f"49,{control},{len(records) + 2}/"]


def group(*accounts: list[str], control: int, currency: str = "USD", status: int = 1) -> list[str]:
    records = [record for one in accounts for record in one]
    return [
        f"02,WE,BANK,{status},260302,2400,{currency},2/",
        *records,
        f"98,{control},{len(accounts)},{len(records) + 2}/",
    ]


def file(*groups: list[str], control: int) -> list[str]:
    records = [record for one in groups for record in one]
    return ["01,BANK,WE,260303,0600,1,80,,2/", *records, f"99,{control},{len(groups)},{len(records) + 2}/"]


def single(
    *records: str, opening: int = 10000, closing: int = 12000, control: int = 25000, currency: str = "USD", status: int = 1
) -> list[str]:
    one = account(*records, opening=opening, closing=closing, control=control, currency=currency)
    return file(group(one, control=control, status=status), control=control)


def read(records: list[str], end: str = "\n") -> tuple[Statement, tuple[StatementLine, ...]]:
    parsed = parse(end.join(records).encode())
    (one,) = parsed.statements
    return one, parsed.statement_lines


def test_an_account_is_read_whole() -> None:
    one, lines = read(single(*ENTRIES))
    assert one == Statement(
        statement=1,
        account="111",
        currency="USD",
        opening_date=date(2026, 3, 2),
        closing_date=date(2026, 3, 2),
        opening_balance=Decimal("100.00"),
        closing_balance=Decimal("120.00"),
        entries=2,
        entries_amount=Decimal("20.00"),
        difference_amount=Decimal(0),
        proof=PROVED,
    )
    assert lines == (
        StatementLine(
            line=4,
            statement=1,
            account="111",
            currency="USD",
            amount=Decimal("25.00"),
            booking_date=date(2026, 3, 2),
            value_date=date(2026, 3, 3),
            transaction_code="142",
            reference="OURS-1",
            bank_reference="BANK-1",
            remittance="INVOICE 7, MAY",
        ),
        StatementLine(
            line=5,
            statement=1,
            account="111",
            currency="USD",
            amount=Decimal("-5.00"),
            booking_date=date(2026, 3, 2),
            transaction_code="451",
            remittance="FEE",
        ),
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "   \n", "  "])
def test_records_end_with_the_line_or_with_a_slash(end: str) -> None:
    """Fixed-length files have blanks in place of line ends."""
    assert read(single(*ENTRIES), end)[0].proof == PROVED


def test_records_without_a_slash_end_with_the_line() -> None:
    assert read([record.removesuffix("/") for record in single(*ENTRIES)])[0].proof == PROVED


def test_text_goes_on_in_continuations_and_on_bare_lines() -> None:
    entry = ["16,142,2500,Z,,,INVOICES A/B, C", "88:EREF: E2E/1", "88,NAME, Ltd/", "16,451,500,Z,,,FEE", "FOR MARCH/"]
    records = single(*entry)
    records[records.index("49,25000,7/")] = "49,25000,6/"
    records[-2:] = ["98,25000,1,8/", "99,25000,1,10/"]
    one, lines = read(records)
    assert one.proof == PROVED
    assert [line.remittance for line in lines] == ["INVOICES A/B, C EREF: E2E/1 NAME, Ltd", "FEE FOR MARCH"]


def test_balances_go_on_in_continuations() -> None:
    records = file(
        group(["03,111,,010,10000,,,072,5,1/", "88,,015,10000/", "88,,,100,0,0,/", "49,20005,4/"], control=20005),
        control=20005,
    )
    assert read(records)[0].proof == PROVED


@pytest.mark.parametrize("funds", ["0", "", "Z", "S,1,2,3", "V,260302,0900", "D,2,0,2000,1,500", "D,0"])
def test_availability_is_passed_over(funds: str) -> None:
    one, (line,) = read(single(f"16,142,2500,{funds},BANK-1,OURS-1,TEXT/", closing=12500))
    assert (one.proof, line.bank_reference, line.reference, line.remittance) == (PROVED, "BANK-1", "OURS-1", "TEXT")


@pytest.mark.parametrize(
    ("code", "amount", "status"),
    [
        ("101", "1.00", BOOKED),
        ("399", "1.00", BOOKED),
        ("401", "-1.00", BOOKED),
        ("699", "-1.00", BOOKED),
        ("920", "1.00", BOOKED),
        ("960", "-1.00", BOOKED),
        ("890", "1.00", INFORMATION),
    ],
)
def test_codes_sign_the_amount(code: str, amount: str, status: str) -> None:
    _, (line,) = read(single(f"16,{code},100,Z,,,TEXT/"))
    assert (line.amount, line.status) == (Decimal(amount), status)


@pytest.mark.parametrize("code", ["100", "400", "721", "910", "000", "", "12", "ABC"])
def test_a_code_without_a_direction_is_no_entry(code: str) -> None:
    one, lines = read(single(f"16,{code},100,Z,,,TEXT/"))
    assert (one.reason, lines) == (SCHEMA_INVALID, ())
    assert one.detail == f"The entry of record 4 has the code `{code}`, which is neither a credit nor a debit."


@pytest.mark.parametrize(("currency", "amount"), [("USD", "25.00"), ("JPY", "2500"), ("KWD", "2.500"), ("", "25.00")])
def test_the_currency_says_where_the_point_is(currency: str, amount: str) -> None:
    one, (line, _) = read(single(*ENTRIES, currency=currency))
    assert (line.amount, line.currency) == (Decimal(amount), currency or "USD")
    assert one.proof == PROVED


def test_a_currency_that_nobody_states_is_the_dollar() -> None:
    records = file(group(account(*ENTRIES, currency=""), control=25000, currency=""), control=25000)
    assert read(records)[0].currency == "USD"
    records = file(group(account(*ENTRIES, currency=""), control=25000, currency="CAD"), control=25000)
    assert read(records)[0].currency == "CAD"


def test_a_currency_out_of_use_is_named() -> None:
    one, lines = read(single(*ENTRIES, currency="DEM"))
    assert (one.reason, lines) == (SCHEMA_INVALID, ())
    assert one.detail == "The account of record 3 is in `DEM`, which is not a currency in use."


def test_a_closing_balance_that_is_off_by_a_cent_is_named() -> None:
    one, _ = read(single(*ENTRIES, closing=12001, control=25001))
    assert (one.reason, one.difference_amount) == (BALANCE_PROOF_FAILED, Decimal("0.01"))


def test_an_account_must_have_both_ledger_balances() -> None:
    """Available balances (040, 045) are no proof."""
    records = file(group(["03,111,,040,5,,,045,5,,/", "49,10,2/"], control=10), control=10)
    assert read(records)[0].detail == "The statement has no opening and closing balance, so nothing proves its entries."


TRAILERS = {
    "49,25000,4/": ["49,25001,4/", "49,25000,5/"],
    "98,25000,1,6/": ["98,24999,1,6/", "98,25000,2,6/", "98,25000,1,7/"],
    "99,25000,1,8/": ["99,25001,1,8/", "99,25000,2,8/", "99,25000,1,9/"],
}


@pytest.mark.parametrize(("right", "wrong"), [(right, wrong) for right, all_ in TRAILERS.items() for wrong in all_])
def test_a_trailer_that_is_off_by_one_is_a_mismatch(right: str, wrong: str) -> None:
    records = single(*ENTRIES)
    records[records.index(right)] = wrong
    one, _ = read(records)
    assert (one.reason, one.difference_amount) == (CONTROL_TOTAL_MISMATCH, Decimal(0))
    assert f"({right[:2]})" in str(one.detail)


@pytest.mark.parametrize("code", TRAILERS)
def test_a_trailer_that_cannot_be_read_is_named(code: str) -> None:
    records = single(*ENTRIES)
    records[records.index(code)] = f"{code[:2]},x,1,1/"
    assert read(records)[0].reason == SCHEMA_INVALID


def test_a_trailer_of_the_file_is_held_against_every_account_in_it() -> None:
    good = account(*ENTRIES)
    records = file(group(good, account(*ENTRIES, name="222"), control=50000), group(good, control=25000), control=75000)
    parsed = parse("\n".join(records).encode())
    assert [(one.account, one.proof) for one in parsed.statements] == [("111", PROVED), ("222", PROVED), ("111", PROVED)]
    assert [(line.statement, line.line) for line in parsed.statement_lines] == [
        (1, 4), (1, 5), (2, 8), (2, 9), (3, 14), (3, 15),
    ]  # fmt: skip
    records[-1] = records[-1].replace("75000", "75001")
    assert {one.reason for one in parse("\n".join(records).encode()).statements} == {CONTROL_TOTAL_MISMATCH}


def test_a_trailer_of_a_group_is_held_against_that_group_only() -> None:
    good = account(*ENTRIES)
    records = file(group(good, control=25001), group(good, control=25000), control=50001)
    assert [one.reason for one in parse("\n".join(records).encode()).statements] == [CONTROL_TOTAL_MISMATCH, None]


def test_a_group_that_lost_its_accounts_is_held_against_the_file() -> None:
    lost = ["02,WE,BANK,1,260302,2400,USD,2/", "98,0,1,2/"]
    records = file(group(account(*ENTRIES), control=25000), lost, control=25000)
    one, _ = read(records)
    assert (one.reason, one.detail) == (
        CONTROL_TOTAL_MISMATCH, "The number of parts of the group (98) is stated as 1 but comes to 0, a difference of 1.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("totals", "reason"),
    [
        ("100,2500,1,,400,500,1,", None),
        ("100,2501,1,,400,500,1,", CONTROL_TOTAL_MISMATCH),
        ("100,2500,1,,400,499,1,", CONTROL_TOTAL_MISMATCH),
        ("100,2500,2,,400,500,1,", CONTROL_TOTAL_MISMATCH),
    ],
)
def test_total_credits_and_debits_are_those_of_the_entries(totals: str, reason: str | None) -> None:
    control = 25000 + sum(int(total) for total in totals.split(",")[1::4])
    records = [record.replace("25000", str(control)) for record in single(*ENTRIES)]
    records[2] = records[2].replace("015,12000,,/", f"015,12000,,,{totals}/")
    assert read(records)[0].reason == reason


@pytest.mark.parametrize(("status", "detail"), [(2, "deletes what was sent before"), (4, "is only a test")])
def test_a_group_that_is_not_to_be_posted_is_unproved(status: int, detail: str) -> None:
    one, _ = read(single(*ENTRIES, status=status))
    assert (one.reason, one.detail) == (SCHEMA_INVALID, f"The group of record 2 {detail}.")


def test_a_correction_is_read_as_an_update() -> None:
    assert read(single(*ENTRIES, status=3))[0].proof == PROVED


@pytest.mark.parametrize("amount", ["", "x", "25.00", "1" * 19])
def test_an_entry_without_an_amount_is_named_and_the_others_stay(amount: str) -> None:
    one, lines = read(single(f"16,142,{amount},Z,,,BAD/", ENTRIES[1]))
    assert one.reason == SCHEMA_INVALID
    assert str(one.detail).startswith("The entry of record 4 has ")
    assert [line.line for line in lines] == [5]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_file_that_was_cut_off_is_unproved(cut: int) -> None:
    one, _ = read(single(*ENTRIES)[:-cut])
    assert one.reason == SCHEMA_INVALID


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        ([], "does not start with a BAI2 file header"),
        (["00,0004,1,2/"], "does not start with a BAI2 file header"),
        (["01,A,B,260303,0600,1,,,2/", "99,0,0,2/"], "no account"),
        (["01,A,B,260303,0600,1,,,2/", "03,111,,/"], "Record 2 .03. is out of its place"),
        ([*single(*ENTRIES), ENTRIES[0]], "follows the file's trailer"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(records: list[str], sentence: str) -> None:
    with pytest.raises(UnreadableFile, match=sentence):
        parse("\n".join(records).encode())


SAMPLE = "\n".join(file(group(account(*ENTRIES), account(*ENTRIES, name="222"), control=50000), control=50000)).encode()


@given(st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject) -> None:
    check_reads_or_refuses(parse, data.draw(garbled(SAMPLE)))
