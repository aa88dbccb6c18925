"""SWIFT files: marks, amounts, pages, wrapped text and the banks' own ways."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paylake.contracts.statements import (
    BALANCE_PROOF_FAILED,
    CONTROL_TOTAL_MISMATCH,
    NO_CONTROL,
    PENDING,
    PROVED,
    SCHEMA_INVALID,
)
from paylake.statements.model import Statement, StatementLine, UnreadableFile
from paylake.statements.mt940 import parse
from tests.unit.statements.garbling import check_reads_or_refuses, garbled


def message(*entries: str, opening: str = ":60F:C260301EUR100,00", closing: str = ":62F:C260302EUR100,00") -> str:
    head = [":20:REF1", ":25:10020030/1234567", ":28C:5/1", opening]
    return "\r\n".join([*head, *entries, closing, "-", ""])


def interim(*entries: str) -> str:
    return "\r\n".join([":20:REF1", ":25:1234567", ":28C:5/1", ":34F:EUR0,", ":13D:2603021200+0100", *entries, "-", ""])


def read(text: str) -> tuple[Statement, tuple[StatementLine, ...]]:
    parsed = parse(text.encode())
    (one,) = parsed.statements
    return one, parsed.statement_lines


def test_a_statement_is_read_whole() -> None:
    one, lines = read(
        message(":61:2603030302C12,50NTRFREF-1//BANK-1", ":86:RENT MAY", closing=":62F:C260302EUR112,50\r\n:64:C260302EUR9,")
    )
    assert one == Statement(
        statement=1,
        statement_id="REF1",
        account="10020030/1234567",
        currency="EUR",
        sequence="5/1",
        opening_date=date(2026, 3, 1),
        closing_date=date(2026, 3, 2),
        opening_balance=Decimal("100.00"),
        closing_balance=Decimal("112.50"),
        entries=1,
        entries_amount=Decimal("12.50"),
        difference_amount=Decimal(0),
        proof=PROVED,
    )
    assert lines == (
        StatementLine(
            line=5,
            statement=1,
            account="10020030/1234567",
            currency="EUR",
            amount=Decimal("12.50"),
            booking_date=date(2026, 3, 2),
            value_date=date(2026, 3, 3),
            transaction_code="NTRF",
            reference="REF-1",
            bank_reference="BANK-1",
            remittance="RENT MAY",
        ),
    )


@pytest.mark.parametrize(
    ("mark", "amount", "is_reversal"),
    [("C", "5", False), ("D", "-5", False), ("RC", "-5", True), ("RD", "5", True), ("CR", "5", False), ("DR", "-5", False)],
)
def test_marks_sign_the_amount(mark: str, amount: str, is_reversal: bool) -> None:
    """A reversed credit leaves the account. `CR` is a credit with the third letter of EUR."""
    one, (line,) = read(message(f":61:260302{mark}5,NTRFNONREF", closing=f":62F:C260302EUR{100 + int(amount)},"))
    assert (line.amount, line.is_reversal, one.proof) == (Decimal(amount), is_reversal, PROVED)


def test_expected_entries_are_pending_and_do_not_count() -> None:
    one, lines = read(interim(":61:260302EC5,NTRFA", ":61:260302ED2,NTRFB", ":61:260302C1,NTRFC"))
    assert [(line.amount, line.status == PENDING) for line in lines] == [
        (Decimal(5), True),
        (Decimal(-2), True),
        (Decimal(1), False),
    ]
    assert (one.entries, one.entries_amount, one.proof) == (1, Decimal(1), NO_CONTROL)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0,12", "0.12"), ("5,", "5"), ("5", "5"), ("0000000000001213,28", "1213.28"), ("0,001", "0.001")],
)
def test_amounts_are_read_exactly_and_whole(text: str, amount: str) -> None:
    """Sixteen characters and more too: the library would cut them."""
    _, (line,) = read(message(f":61:260302C{text}NTRFX"))
    assert line.amount == Decimal(amount)


@pytest.mark.parametrize("text", ["12.50", "1.000,00", ",50", "-5,", "1,2,3", "1,2345678"])
def test_an_amount_that_is_none_makes_the_statement_unproved(text: str) -> None:
    """The library reads 12 from `12.50`."""
    one, lines = read(message(f":61:260302C{text}NTRFX", ":86:lost", ":61:260302C1,NTRFY"))
    assert (one.reason, len(lines)) == (SCHEMA_INVALID, 1)
    assert str(one.detail).startswith("The entry in line 5 ")


@pytest.mark.parametrize(("currency", "amount", "closing"), [("KWD", "0,001", "100,001"), ("JPY", "1,", "101,")])
def test_currencies_keep_their_own_decimals(currency: str, amount: str, closing: str) -> None:
    entry = f":61:260302C{amount}NTRFX"
    text = message(entry, opening=f":60F:C260301{currency}100,", closing=f":62F:C260302{currency}{closing}")
    assert read(text)[0].proof == PROVED
    assert read(text.replace(closing, "100,"))[0].reason == BALANCE_PROOF_FAILED


def test_a_cent_too_much_is_named() -> None:
    one, _ = read(message(":61:260302D5,NTRFX", closing=":62F:C260302EUR95,01"))
    assert (one.reason, one.difference_amount) == (BALANCE_PROOF_FAILED, Decimal("0.01"))


def test_a_balance_in_debit_is_negative() -> None:
    one, _ = read(message(":61:260302C5,NTRFX", opening=":60F:D260301EUR7,", closing=":62F:D260302EUR2,"))
    assert (one.opening_balance, one.closing_balance, one.proof) == (Decimal(-7), Decimal(-2), PROVED)


def test_each_page_and_each_statement_is_proved_by_itself() -> None:
    first = message(":61:260302C5,NTRFX", closing=":62M:C260302EUR105,")
    second = message(":61:260302C1,NTRFX", opening=":60M:C260302EUR105,", closing=":62F:C260302EUR106,")
    parsed = parse((first + second).encode())
    assert [(one.statement, one.proof) for one in parsed.statements] == [(1, PROVED), (2, PROVED)]
    assert [(line.statement, line.line) for line in parsed.statement_lines] == [(1, 5), (2, 12)]
    unended = (first + second).replace("-\r\n", "")
    assert [one.proof for one in parse(unended.encode()).statements] == [PROVED, PROVED]


def test_what_follows_a_messages_end_is_no_part_of_it() -> None:
    parsed = parse((message() + ":61:260302C5,NTRFX\r\n").encode())
    assert [one.proof for one in parsed.statements] == [PROVED, "UNPROVED"]
    assert parsed.statements[1].detail == "The entry in line 7 has no currency: no balance of its statement is readable."


def test_available_balances_prove_nothing() -> None:
    one, _ = read(":20:X\n:25:1\n:60F:C260301EUR1,\n:64:C260301EUR1,\n:65:C260301EUR1,\n")
    assert (one.closing_balance, one.reason) == (None, BALANCE_PROOF_FAILED)


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_line_ends_do_not_matter(end: str) -> None:
    text = message(":61:260302D5,NTRFX", closing=":62F:C260302EUR95,").replace("\r\n", end).removesuffix(end)
    assert read(text)[0].proof == PROVED


def test_a_swift_envelope_a_byte_order_mark_and_control_characters_do_not_matter() -> None:
    text = message(":61:260302D5,NTRFX", closing=":62F:C260302EUR95,")
    enveloped = "{1:F01TESTXXXX}{2:O940}{4:\r\n" + text.replace("-\r\n", "-}{5:{CHK:0}}\r\n")
    for variant in (
        enveloped,
        enveloped.replace("{4:\r\n", "{4:"),
        "\ufeff" + text,
        "\x01\r\n" + text.replace("-\r\n", "-\x03"),
    ):
        assert [one.proof for one in parse(variant.encode()).statements] == [PROVED]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_the_banks_encodings_are_read(encoding: str) -> None:
    (line,) = parse(message(":61:260302C5,NTRFX", ":86:Gebühr für März").encode(encoding)).statement_lines
    assert line.remittance == "Gebühr für März"


@pytest.mark.parametrize(
    ("value", "entry", "booked"),
    [("251231", "0102", date(2026, 1, 2)), ("260102", "1231", date(2025, 12, 31)), ("260301", "0228", date(2026, 2, 28))],
)
def test_a_booking_date_lies_next_to_its_value_date(value: str, entry: str, booked: date) -> None:
    _, (line,) = read(message(f":61:{value}{entry}C5,NTRFX"))
    assert line.booking_date == booked


def test_the_thirtieth_of_february_is_its_last_day() -> None:
    """Some banks count every month as 30 days."""
    _, (line,) = read(message(":61:2402300301C5,NTRFX"))
    assert (line.value_date, line.booking_date) == (date(2024, 2, 29), date(2024, 3, 1))
    assert read(message(":61:240231C5,NTRFX"))[0].reason == SCHEMA_INVALID


@pytest.mark.parametrize("missing", ["", "    "])
def test_a_booking_date_that_is_not_stated_is_not_made_up(missing: str) -> None:
    _, (line,) = read(message(f":61:260302{missing}C5,NTRFX"))
    assert (line.booking_date, line.value_date) == (None, date(2026, 3, 2))


def test_structured_text_is_read_by_its_keys() -> None:
    details = ":86:166?00CREDIT?100399?20EREF+E2E 1234?21MTLG:noise?22SVWZ+Invoice 7?30BANKXX?31DE00?32Payer ?33Ltd"
    _, (line,) = read(message(":61:260302C5,NTRFNONREF", details))
    assert (line.counterparty, line.remittance, line.reference) == ("Payer Ltd", "Invoice 7", None)
    assert line.end_to_end_id == "E2E 1234"


def test_a_reference_that_stands_in_the_text_is_taken_from_there() -> None:
    _, (line,) = read(message(":61:260302C5,NTRFKREF+", ":86:166?00CREDIT?20KREF+OURS-1?21SVWZ+Invoice?22EREF+NOTPROVIDED"))
    assert (line.reference, line.end_to_end_id) == ("OURS-1", None)


def test_slashed_text_is_read_by_its_words() -> None:
    details = ":86:/EREF/E2E-1/BENM//NAME/PAYEE/REMI/Invoice 7/ISDT/2026-03-02"
    _, (line,) = read(message(":61:260302D5,N102EREF", details))
    assert (line.end_to_end_id, line.counterparty, line.remittance) == ("E2E-1", "PAYEE", "Invoice 7")


def test_wrapped_text_runs_on_where_a_line_is_full() -> None:
    full = "x" * 60 + "WRAP"
    _, (line,) = read(message(":61:260302D5,NTRFX", f":86:{full}", "PED", "END", ":12:30 is a time"))
    assert line.remittance == full + "PED END :12:30 is a time"


def test_the_text_of_the_statement_is_not_that_of_its_last_entry() -> None:
    _, (line,) = read(message(":61:260302D5,NTRFX", closing=":62F:C260302EUR95,\r\n:86:ABOUT ALL"))
    assert line.remittance is None


def test_text_outside_the_standard_is_kept_and_what_supplements_an_entry_too() -> None:
    _, lines = read(message(":61:260302D5,S051", ":NS:01Purpose", "15Payee", ":61:260302D5,NTRFX", "Supplement"))
    assert [line.remittance for line in lines] == ["Purpose Payee", "Supplement"]


def test_an_interim_report_is_proved_by_its_sums() -> None:
    entries = (":61:260302C5,NTRFX", ":61:260302D2,NTRFX", ":61:260302RC1,NTRFX")
    one, _ = read(interim(*entries, ":90D:2EUR3,00", ":90C:1EUR5,00"))
    assert (one.proof, one.difference_amount, one.currency) == (PROVED, Decimal(0), "EUR")
    assert parse(interim(*entries).encode()).format == "mt942"


@pytest.mark.parametrize(("debits", "credits"), [("2EUR3,01", "1EUR5,"), ("2EUR3,", "1EUR4,99"), ("3EUR3,", "1EUR5,")])
def test_a_sum_or_count_that_is_off_by_one_is_a_mismatch(debits: str, credits: str) -> None:
    entries = (":61:260302C5,NTRFX", ":61:260302D2,NTRFX", ":61:260302D1,NTRFX")
    one, _ = read(interim(*entries, f":90D:{debits}", f":90C:{credits}"))
    assert one.reason == CONTROL_TOTAL_MISMATCH


def test_balances_in_two_currencies_have_no_difference() -> None:
    assert read(message(closing=":62F:C260302USD100,"))[0].difference_amount is None


def test_an_entry_of_nothing_is_a_credit_where_it_says_so() -> None:
    assert read(interim(":61:260302C0,NTRFX", ":90C:1EUR0,"))[0].proof == PROVED


def test_sums_of_one_side_prove_no_entries_of_the_other() -> None:
    one, _ = read(interim(":61:260302C5,NTRFX", ":61:260302D2,NTRFX", ":90C:1EUR5,"))
    assert one.proof == NO_CONTROL
    assert read(interim(":61:260302C5,NTRFX", ":90C:1EUR5,"))[0].proof == PROVED


def test_an_interim_report_without_sums_has_no_control() -> None:
    assert read(interim(":61:260302C5,NTRFX"))[0].proof == NO_CONTROL


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (message(opening=":60F:C260301DEM1,"), "Field :60F: in line 4 is in `DEM`, which is not a currency in use."),
        (message(closing=":62F:C260302100,00"), "Field :62F: in line 5 is `C260302100,00`, which is not a mark, a date"),
        (message(":60F:C260301EUR1,"), "Field :60F: in line 5 is the second of its kind in one statement."),
        (message(":25:7654321"), "Field :25: in line 5 names a second account in one statement."),
        (message(closing=":62F:C260302USD100,"), "The statement is in EUR and in USD."),
        (message(":90C:xEUR1,"), "Field :90C: in line 5 is `xEUR1,`, which is not a number of entries"),
    ],
)
def test_an_unreadable_field_is_named(text: str, detail: str) -> None:
    one, _ = read(text)
    assert one.reason == SCHEMA_INVALID
    assert str(one.detail).startswith(detail)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no line that starts a SWIFT field"),
        ("a file of another kind", "no line that starts a SWIFT field"),
        (":20:REF\n:25:1\n", "no balance"),
        (":20:REF\n:60F:C260301DEM1,\n", "is in `DEM`"),
        ("README.md", "no line that starts a SWIFT field"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UnreadableFile, match=sentence):
        parse(text.encode())


SAMPLE = message(
    ":61:2603030302CR12,50NTRFNONREF//BANK-1", ":86:166?00CREDIT?20EREF+E2E?21SVWZ+Invoice 7?32Payer?33Ltd",
    ":61:260302RD1,00NTRFNONREF", "Supplement", ":86:/EREF/E2E/NAME/Payer/REMI/Invoice/", ":NS:01text",
    closing=":62F:C260302EUR113,50\r\n:90C:2EUR13,50",
).encode()  # fmt: skip


@given(st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject) -> None:
    check_reads_or_refuses(parse, data.draw(garbled(SAMPLE)))
