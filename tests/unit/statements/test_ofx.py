"""OFX files of both versions: signs, dates, card numbers, and no proof where there is none."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paylake.contracts.statements import NO_CONTROL, PENDING, SCHEMA_INVALID
from paylake.statements.model import Statement, StatementLine, UnreadableFile
from paylake.statements.ofx import parse
from tests.unit.statements.garbling import check_reads_or_refuses, garbled

SGML = (
    "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\n"
    "COMPRESSION:NONE\nOLDFILEUID:NONE\nNEWFILEUID:NONE\n\n"
)
XML = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<?OFX OFXHEADER="200" VERSION="211" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>'
)
CARD = "4111111111111111"


def entry(amount: str, *more: str, day: str = "20260302", tag: str = "STMTTRN") -> str:
    return f"<{tag}><TRNTYPE>DEBIT<DTPOSTED>{day}<TRNAMT>{amount}<FITID>F1{''.join(more)}</{tag}>"


def bank(*entries: str, currency: str = "EUR") -> str:
    return (
        f"<STMTTRNRS><TRNUID>1<STMTRS><CURDEF>{currency}<BANKACCTFROM><BANKID>1<ACCTID>123<ACCTTYPE>CHECKING</BANKACCTFROM>"
        f"<BANKTRANLIST><DTSTART>20260301<DTEND>20260331{''.join(entries)}</BANKTRANLIST>"
        "<LEDGERBAL><BALAMT>-100.00<DTASOF>20260331235959</LEDGERBAL></STMTRS></STMTTRNRS>"
    )


def card(*entries: str) -> str:
    return (
        f"<CCSTMTTRNRS><TRNUID>1<CCSTMTRS><CURDEF>USD<CCACCTFROM><ACCTID>{CARD}</CCACCTFROM>"
        f"<BANKTRANLIST><DTSTART>20260301<DTEND>20260331{''.join(entries)}</BANKTRANLIST></CCSTMTRS></CCSTMTTRNRS>"
    )


def file(*statements: str, header: str = SGML) -> bytes:
    return f"{header}<OFX>{''.join(statements)}</OFX>\n".encode("cp1252")


def read(*statements: str) -> tuple[Statement, tuple[StatementLine, ...]]:
    parsed = parse(file(*statements))
    (one,) = parsed.statements
    return one, parsed.statement_lines


def test_a_statement_is_read_whole_and_has_no_control() -> None:
    more = ("<CHECKNUM>77", "<NAME>Caf\u00e9 &amp; Bar", "<MEMO>INVOICE  7")
    one, lines = read(bank(entry("-12.50", *more)))
    assert one == Statement(
        statement=1,
        account="123",
        currency="EUR",
        closing_date=date(2026, 3, 31),
        closing_balance=Decimal("-100.00"),
        entries=1,
        entries_amount=Decimal("-12.50"),
        difference_amount=None,
        proof=NO_CONTROL,
    )
    assert lines == (
        StatementLine(
            line=1,
            statement=1,
            account="123",
            currency="EUR",
            amount=Decimal("-12.50"),
            booking_date=date(2026, 3, 2),
            transaction_code="DEBIT",
            reference="77",
            bank_reference="F1",
            counterparty="Caf\u00e9 & Bar",
            remittance="INVOICE 7",
        ),
    )


def test_both_versions_say_the_same() -> None:
    closed = (
        "<STMTTRN><TRNTYPE>DEBIT</TRNTYPE><DTPOSTED>20260302</DTPOSTED><TRNAMT>-5.00</TRNAMT><FITID>F1</FITID></STMTTRN>"
    )
    assert parse(file(bank(closed), header=XML)) == parse(file(bank(entry("-5.00"))))


def test_entries_are_numbered_through_the_file() -> None:
    parsed = parse(file(bank(entry("1"), entry("2")), bank(entry("3"))))
    assert [(line.statement, line.line, line.amount) for line in parsed.statement_lines] == [
        (1, 1, Decimal(1)),
        (1, 2, Decimal(2)),
        (2, 3, Decimal(3)),
    ]


def test_a_card_number_is_not_kept() -> None:
    one, (line,) = read(card(entry("-1.00")))
    assert one.account == line.account == "************1111"


def test_pending_entries_do_not_count() -> None:
    one, lines = read(bank(entry("1"), entry("2", tag="STMTTRNP")))
    assert [line.status == PENDING for line in lines] == [False, True]
    assert (one.entries, one.entries_amount) == (1, Decimal(1))


@pytest.mark.parametrize(
    ("text", "amount"),
    [("5", "5"), ("+5.", "5"), ("-0,01", "-0.01"), ("-12,5", "-12.5"), ("-0.00", "0"), ("1.2345", "1.2345")],
)
def test_amounts_are_read_exactly(text: str, amount: str) -> None:
    _, (line,) = read(bank(entry(text)))
    assert line.amount == Decimal(amount)
    assert not line.amount.is_signed() or line.amount < 0


@pytest.mark.parametrize("text", ["1,234", "1,234.56", "1e3", "--5", "5-", "(5)", "five"])
def test_an_amount_that_is_none_or_could_be_two_is_named(text: str) -> None:
    one, lines = read(bank(entry(text), entry("1")))
    assert (one.reason, one.detail) == (SCHEMA_INVALID, f"Entry 1 has `{text}` for an amount.")
    assert [line.line for line in lines] == [2]


@pytest.mark.parametrize(("currency", "text", "is_read"), [("KWD", "1,234", True), ("JPY", "1,2", False)])
def test_a_decimal_comma_has_no_more_places_than_its_currency(currency: str, text: str, is_read: bool) -> None:
    one, lines = read(bank(entry(text), currency=currency))
    assert (bool(lines), one.reason) == (is_read, None if is_read else SCHEMA_INVALID)


@pytest.mark.parametrize(
    "text", ["20260329", "20260329003000", "20260329003000.000[-5:EST]", "20260329233000[+2:CEST]", "202603290030[0:GMT]"]
)
def test_a_time_counts_for_the_banks_own_day(text: str) -> None:
    _, (line,) = read(bank(entry("1", day=text)))
    assert line.booking_date == date(2026, 3, 29)


@pytest.mark.parametrize(
    ("bad", "detail"),
    [
        (entry("1", day="20260230"), "Entry 1 has `20260230` for a date."),
        (entry("1", day="20260302x"), "Entry 1 has `20260302x` for a date."),
        (entry("1", "<CURRENCY><CURRATE>1.1<CURSYM>USD</CURRENCY>"), "Entry 1 is in USD, the account in EUR."),
        (
            entry("1", "<CORRECTFITID>F0<CORRECTACTION>DELETE"),
            "Entry 1 corrects an earlier entry (CORRECTFITID), which changes what was reported before.",
        ),
    ],
)
def test_an_unreadable_entry_is_named(bad: str, detail: str) -> None:
    one, lines = read(bank(bad))
    assert (one.reason, one.detail, lines) == (SCHEMA_INVALID, detail, ())


def test_a_currency_out_of_use_is_named() -> None:
    one, lines = read(bank(entry("1"), currency="DEM"))
    assert (one.reason, lines) == (SCHEMA_INVALID, ())


def test_an_entry_that_the_library_passes_over_is_missed() -> None:
    data = file(bank(entry("1"), entry("2"))).replace(b"<STMTTRN>", b"< STMTTRN >", 1).replace(b"</STMTTRN>", b"", 1)
    (one,) = parse(data).statements
    assert (one.reason, one.detail) == (SCHEMA_INVALID, "The file has 2 entries (STMTTRN), of which 1 are readable.")


def test_sections_of_plain_text_on_one_line_do_not_swallow_the_entries_between_them() -> None:
    one, lines = read(bank(*(entry("1", f"<NAME><![CDATA[{name}]]></NAME>") for name in ("A & B", "C <D>", "E &amp; F"))))
    assert [line.counterparty for line in lines] == ["A & B", "C <D>", "E &amp; F"]
    assert one.entries == 3


def test_a_file_that_was_cut_off_is_unproved() -> None:
    """In SGML what is open may be closed by the reader, so that half an amount would look like a whole one."""
    whole = file(bank(entry("-12.50")))
    (one,) = parse(whole[: whole.index(b"2.50")]).statements
    assert (one.reason, one.detail) == (SCHEMA_INVALID, "The file ends before its last tag (</OFX>).")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no OFX header"),
        (b"text", "no OFX header"),
        (SGML.encode(), "outermost tag"),
        (file("<A><![CDATA[x"), "CDATA"),
        (file(), "no statement"),
        (file("<SIGNONMSGSRSV1></SIGNONMSGSRSV1>"), "no statement"),
        (file(bank("</STMTTRN></STMTTRN></OFX></OFX></OFX></OFX></OFX>")), "no readable OFX"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(UnreadableFile, match=sentence):
        parse(data)


SAMPLE = file(bank(entry("-12.50", "<NAME>Caf\u00e9 &amp; Bar", "<MEMO>INVOICE"), entry("1,5")), card(entry("-1")))


@given(st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject) -> None:
    check_reads_or_refuses(parse, data.draw(garbled(SAMPLE)))
