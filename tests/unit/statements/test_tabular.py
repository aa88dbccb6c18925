"""CSV and Excel: encodings, delimiters, cut-off lines, exact amounts, and times of any zone."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from paylake.statements import tabular
from paylake.statements.model import UnreadableFile
from paylake.statements.tabular import Row, read_table
from paylake.statements.values import exact_amount, in_utc
from tests.statement_files import workbook


def cells(data: bytes, **how: object) -> list[tuple[int, dict[str, str]]]:
    return [(row.line, row.cells) for row in read_table(data, **how).rows]  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"])
def test_every_encoding_says_the_same(encoding: str) -> None:
    assert cells("Größe,Betrag\nMüller,1\n".encode(encoding)) == [(2, {"Größe": "Müller", "Betrag": "1"})]


def test_the_euro_sign_of_windows_is_read() -> None:
    assert cells("Name,Zeichen\nMüller,€\n".encode("cp1252")) == [(2, {"Name": "Müller", "Zeichen": "€"})]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_seen(delimiter: str) -> None:
    data = f'"a,b;c"{delimiter}"x"\n1{delimiter}2\n'.encode()
    assert cells(data) == [(2, {"a,b;c": "1", "x": "2"})]


def test_quoted_fields_blank_lines_and_line_numbers() -> None:
    data = b'\r\na,b\r\n"one\r\ntwo ""three""",2\r\n\r\n,\r\n 4 ,5\r\n'
    assert cells(data) == [(3, {"a": 'one\r\ntwo "three"', "b": "2"}), (7, {"a": "4", "b": "5"})]


def test_lines_before_the_names_are_skipped() -> None:
    assert cells(b'My "bank\nExport, of, today\na;b\n1;2\n', skip_lines=2) == [(4, {"a": "1", "b": "2"})]
    assert cells(b"x\n\na;b\n\n1;2\n", skip_lines=1) == [(5, {"a": "1", "b": "2"})]


def test_of_two_columns_with_one_name_the_first_counts() -> None:
    assert cells(b"a,b,a\n1,2,3\n") == [(2, {"a": "1", "b": "2"})]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no line that names its columns"),
        (b"\n , \n", "no line that names its columns"),
        (b"a,b,c\n1,2,3\n4,5\n", "Line 3 has 2 cells, and line 1 names 3 columns"),
        (b"a,b\n1,2,3\n", "Line 2 has 3 cells, and line 1 names 2 columns"),
        (b'a,b\n1,"2\n3,4\n', "Line 2 is no row of delimited text"),
        (b"a,b\n1,\x002\n", "no text"),
        (b"PK\x03\x04rubbish", "The workbook cannot be read"),
    ],
)
def test_a_file_that_is_cut_off_or_no_text_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(UnreadableFile, match=says):
        read_table(data)


def test_a_missing_column_is_said_with_those_that_are_there() -> None:
    with pytest.raises(
        UnreadableFile, match=r"A report needs the column Fee, which the file lacks; it has Net, \(blank\)\."
    ):
        read_table(b"Net,\n1,\n").require(["Net", "Fee"], "A report")


def test_numbers_of_a_workbook_are_exactly_what_people_see() -> None:
    data = workbook(
        ["id", "amount", "day", "moment", "note", "yes", "none"],
        [12345678901234, 1234.56, date(2026, 3, 29), datetime(2026, 3, 29, 2, 30), " text ", True, None],
        [7, 0.1, None, None, None, None, None],
        [8.0, 100000.000001, None, None, None, None, None],
    )
    table = read_table(data)
    assert table.is_workbook
    assert [(row.line, [row.text(name) for name in table.columns]) for row in table.rows] == [
        (2, ["12345678901234", "1234.56", "2026-03-29 00:00:00", "2026-03-29 02:30:00", "text", "TRUE", None]),
        (3, ["7", "0.1", None, None, None, None, None]),
        (4, ["8", "100000.000001", None, None, None, None, None]),
    ]
    assert table.rows[0].amount("amount") == Decimal("1234.56")


def test_a_sum_that_excel_computed_in_binary_is_no_amount() -> None:
    row = read_table(with_cell(workbook(["amount"], [1.5]), "1.5", "0.30000000000000004")).rows[0]
    with pytest.raises(
        UnreadableFile, match=r"Line 2, column 'amount' says '0.30000000000000004', and an amount has at most"
    ):
        row.amount("amount")


@pytest.mark.parametrize(
    ("stored", "seen"),
    [("1.1000000000000001", "1.1"), ("12.300000000000001", "12.3"), ("1E-3", "0.001"), ("1.5E6", "1500000")],
)
def test_what_excel_stores_is_read_as_it_is_seen(stored: str, seen: str) -> None:
    assert cells(with_cell(workbook(["amount"], [1.5]), "1.5", stored)) == [(2, {"amount": seen})]


def with_cell(data: bytes, written: str, stored: str) -> bytes:
    """The workbook with a number stored as Excel stores it: openpyxl itself writes fewer digits."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(f"<v>{written}</v>".encode(), f"<v>{stored}</v>".encode()))
    return out.getvalue()


def test_a_sheet_is_chosen_by_name() -> None:
    data = workbook(["a"], ["1"], sheet="March")
    assert cells(data, sheet="March") == [(2, {"a": "1"})]
    with pytest.raises(UnreadableFile, match="has no sheet 'April'; it has March"):
        read_table(data, sheet="April")


def test_a_workbook_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "MAX_WORKBOOK_BYTES", 10)
    with pytest.raises(UnreadableFile, match="more than 10: send it as CSV"):
        read_table(workbook(["a"], ["1"]))


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "amount"),
    [
        ("1234.56", ".", "", "1234.56"),
        ("1,234.56", ".", ",", "1234.56"),
        ("1.234,56", ",", ".", "1234.56"),
        ("1234,56", ",", ".", "1234.56"),
        ("1.234.567", ",", ".", "1234567"),
        ("12,34,567.89", ".", ",", "1234567.89"),
        ("1'234.50", ".", "'", "1234.50"),
        ("1 234,50", ",", " ", "1234.50"),
        ("1\u00a0234,50", ",", " ", "1234.50"),
        ("-0,01", ",", ".", "-0.01"),
        ("12,00-", ",", ".", "-12.00"),
        ("(12.00)", ".", "", "-12.00"),
        ("\u22125", ".", "", "-5"),
        ("+5", ".", "", "5"),
        (".11", ".", "", "0.11"),
        ("-0", ".", "", "0"),
        ("10", ".", "", "10"),
        ("1.234", ".", "", "1.234"),
        ("0.123456", ".", "", "0.123456"),
        ("0.12345600", ".", "", "0.123456"),
        ("000000000000000000001.5", ".", "", "1.5"),
        ("999999999999999.999999", ".", "", "999999999999999.999999"),
    ],
)
def test_an_amount_is_read_exactly(text: str, decimal: str, thousands: str, amount: str) -> None:
    found = exact_amount(text, decimal, thousands)
    assert found == Decimal(amount)
    assert str(found) == amount


@pytest.mark.parametrize(
    ("text", "decimal", "thousands"),
    [
        ("1,5", ".", ","),
        ("1.5", ",", "."),
        ("1,23,45", ".", ","),
        ("1234,567", ".", ","),
        ("1,234", ".", ""),
        ("1 234", ".", ""),
        ("", ".", ""),
        (".", ".", ""),
        ("5.", ".", ""),
        ("--5", ".", ""),
        ("-5-", ".", ""),
        ("1e5", ".", ""),
        ("NaN", ".", ""),
        ("Infinity", ".", ""),
        ("٣", ".", ""),
        ("5 EUR", ".", ""),
        ("0.1234567", ".", ""),
        ("1000000000000000", ".", ""),
    ],
)
def test_what_is_no_amount_is_refused(text: str, decimal: str, thousands: str) -> None:
    with pytest.raises(ValueError, match=r"says .*, (which is no amount with decimal|and an amount has at most 15)"):
        exact_amount(text, decimal, thousands)


@pytest.mark.parametrize(
    ("local", "zone", "utc"),
    [
        ("2026-01-15 10:00", "CET", "2026-01-15 09:00"),
        ("2026-07-15 10:00", "CEST", "2026-07-15 08:00"),
        ("2026-07-15 10:00", "pst", "2026-07-15 18:00"),
        ("2026-01-15 10:00", "NST", "2026-01-15 13:30"),
        ("2026-01-15 10:00", "ACST", "2026-01-15 00:30"),
        ("2026-07-15 10:00", "Europe/Amsterdam", "2026-07-15 08:00"),
        # the hour that comes twice: an abbreviation tells which, a name does not and means the first
        ("2025-11-02 01:30", "PDT", "2025-11-02 08:30"),
        ("2025-11-02 01:30", "PST", "2025-11-02 09:30"),
        ("2025-11-02 01:30", "America/Los_Angeles", "2025-11-02 08:30"),
        # the hour that is left out
        ("2026-03-29 02:30", "Europe/Berlin", "2026-03-29 01:30"),
    ],
)
def test_a_local_time_becomes_utc(local: str, zone: str, utc: str) -> None:
    expected = datetime.strptime(utc, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    assert in_utc(datetime.strptime(local, "%Y-%m-%d %H:%M"), zone) == expected


@pytest.mark.parametrize("zone", ["IST", "XYZ", "Mars/Olympus", "../etc/passwd", "", "Europe/", "/"])
def test_a_zone_that_is_unknown_or_means_several_is_an_error(zone: str) -> None:
    with pytest.raises(ValueError, match="is not known; known are names such as Europe/Berlin, and ACDT,"):
        in_utc(datetime(2026, 1, 1), zone)


def test_a_time_that_no_calendar_has_is_an_error() -> None:
    with pytest.raises(ValueError, match="has the time 0001-01-01T00:00:00, which no calendar has in UTC"):
        in_utc(datetime(1, 1, 1), "CET")


def test_errors_name_the_line_and_the_column() -> None:
    row = Row(7, {"Fee": "abc", "Currency": "EURO", "Rate": "-1", "Day": "31.02.2026", "Blank": ""})
    for read, says in (
        (lambda: row.amount("Fee"), "Line 7, column 'Fee' says 'abc', which is no amount with decimal separator '.'"),
        (lambda: row.currency("Currency"), "Line 7, column 'Currency' says 'EURO', which is no ISO 4217 currency"),
        (lambda: row.rate("Rate"), "Line 7, column 'Rate' says '-1', which is no exchange rate"),
        (
            lambda: row.day("Day", "%d.%m.%Y"),
            "Line 7, column 'Day' says '31.02.2026', which is not a date of the form '%d.%m.%Y'",
        ),
        (lambda: row.moment("Day", "%d.%m.%Y", "UTC"), "is not a date of the form"),
        (lambda: row.required("Blank"), "Line 7, column 'Blank' is blank"),
        (lambda: row.required_amount("Gone"), "Line 7, column 'Gone' is blank"),
    ):
        with pytest.raises(UnreadableFile) as refused:
            read()
        assert says in str(refused.value)


def test_blank_cells_say_nothing() -> None:
    row = Row(2, {"a": ""})
    assert [row.text("a"), row.amount("a"), row.rate("a"), row.day("a", "%Y"), row.moment("b", "%Y", "CET")] == [None] * 5


def test_a_rate_keeps_ten_decimals() -> None:
    assert Row(2, {"r": "1.000000000000000"}).rate("r") == Decimal("1.0000000000")
    assert Row(2, {"r": "0.12345678905"}).rate("r") == Decimal("0.1234567890")
