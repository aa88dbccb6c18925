"""CSV and Excel, read without guessing at money: rows of text, and the exact values that their cells state."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from numbers import Real
from typing import Any, NoReturn

import openpyxl

from paylake.contracts.currencies import CURRENCIES
from paylake.statements.model import UnreadableFile
from paylake.statements.values import exact_amount, in_utc, listed, read_time

MAX_WORKBOOK_BYTES = 512 * 1024 * 1024

ZERO = Decimal(0)
RATE_STEP = Decimal(1).scaleb(-10)
KNOWN_CURRENCIES = frozenset(CURRENCIES)

WORKBOOK = b"PK\x03\x04"
DELIMITERS = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True)
class Row:
    """A row of a table: its cells as text without surrounding blanks, by the name of their column."""

    line: int
    cells: dict[str, str]

    def text(self, column: str) -> str | None:
        """What a cell says; null where it is blank or the table has no such column."""
        return self.cells.get(column) or None

    def required(self, column: str) -> str:
        """What a cell says; UnreadableFile where it is blank."""
        return self.text(column) or self.refuse(column, "is blank, and must say something")

    def amount(self, column: str, decimal: str = ".", thousands: str = "") -> Decimal | None:
        """The amount that a cell states; null where it is blank."""
        stated = self.text(column)
        if stated is None:
            return None
        try:
            return exact_amount(stated, decimal, thousands)
        except ValueError as error:
            self.refuse(column, str(error))

    def required_amount(self, column: str, decimal: str = ".", thousands: str = "") -> Decimal:
        """The amount that a cell states; UnreadableFile where it is blank."""
        self.required(column)
        return self.amount(column, decimal, thousands) or ZERO

    def currency(self, column: str) -> str:
        """The ISO 4217 code that a cell states, in any case."""
        code = self.required(column).upper()
        return code if code in KNOWN_CURRENCIES else self.refuse(column, f"says {code!r}, which is no ISO 4217 currency")

    def rate(self, column: str) -> Decimal | None:
        """The exchange rate that a cell states, to the ten decimals that the contract keeps; null where it is blank."""
        stated = self.text(column)
        if stated is None:
            return None
        if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,20})?", stated):
            self.refuse(column, f"says {stated!r}, which is no exchange rate such as 1.0656568")
        return Decimal(stated).quantize(RATE_STEP)

    def moment(self, column: str, form: str, zone: str) -> datetime | None:
        """The moment that a cell states in a zone, in UTC; null where it is blank."""
        stated = self.text(column)
        if stated is None:
            return None
        try:
            return in_utc(read_time(stated, form), zone)
        except ValueError as error:
            self.refuse(column, str(error))

    def day(self, column: str, form: str) -> date | None:
        """The day that a cell states, as stated there; null where it is blank."""
        stated = self.text(column)
        if stated is None:
            return None
        try:
            return read_time(stated, form).date()
        except ValueError as error:
            self.refuse(column, str(error))

    def refuse(self, column: str, why: str) -> NoReturn:
        """UnreadableFile that names the cell."""
        raise UnreadableFile(f"Line {self.line}, column {column!r} {why}.")


@dataclass(frozen=True)
class Table:
    """A table: the names of its columns as they stand, and its rows in the file's order, without blank ones."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    is_workbook: bool = False

    def require(self, columns: Iterable[str], what: str) -> None:
        """UnreadableFile where a column is missing; it names the columns that are there."""
        if missing := [name for name in columns if name not in self.columns]:
            raise UnreadableFile(
                f"{what} needs the {_plural('column', missing)} {listed(missing)}, which the file lacks; "
                f"it has {listed(self.columns)}."
            )


def read_table(data: bytes, *, delimiter: str | None = None, sheet: str | None = None, skip_lines: int = 0) -> Table:
    """The table in a CSV file or an Excel workbook, told apart by their first bytes.

    The first line that is not blank, after `skip_lines`, names the columns; where two have one name, the first counts.
    Of a workbook the sheet `sheet` is read, or the first one. UnreadableFile where a row has more or fewer cells than
    there are columns: it is cut off, or a quote is missing.
    """
    if data.startswith(WORKBOOK):
        return _table(_workbook_rows(data, sheet), skip_lines, is_workbook=True)
    return _table(csv_rows(decode(data), delimiter, skip_lines), skip_lines, is_workbook=False)


def _table(rows: Iterator[tuple[int, list[str]]], skip_lines: int, *, is_workbook: bool) -> Table:
    kept = ((line, cells) for line, cells in rows if line > skip_lines and any(cells))
    header_line, columns = next(kept, (0, []))
    if not columns:
        raise UnreadableFile("The file holds no line that names its columns.")
    found = []
    for line, cells in kept:
        # a workbook ends a row at its last cell that is not blank
        padded = cells + [""] * (len(columns) - len(cells)) if is_workbook else cells
        if len(padded) < len(columns) or any(padded[len(columns) :]):
            raise UnreadableFile(
                f"Line {line} has {len(cells)} cells, and line {header_line} names {len(columns)} columns: "
                "the line is cut off, or a quote or delimiter is missing; ask for the file again."
            )
        # of two columns with one name a dictionary keeps the last, so the first is put there last
        found.append(Row(line, dict(reversed(list(zip(columns, padded, strict=False))))))
    return Table(tuple(columns), tuple(found), is_workbook)


def decode(data: bytes) -> str:
    """The text of a file: UTF-8 or UTF-16 with or without a byte order mark, else Windows-1252, else Latin-1."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decoded(data, (encoding,))
    zeros = data[:4096].count(0)
    if zeros > len(data[:4096]) // 4:
        return _decoded(data, ("utf-16-be",) if data[0] == 0 else ("utf-16-le",))
    return _decoded(data, ("utf-8", "cp1252", "latin-1"))


def _decoded(data: bytes, encodings: tuple[str, ...]) -> str:
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise UnreadableFile("The file is no text: it is neither UTF-8, UTF-16 nor Latin-1, or it holds binary data.")


def csv_rows(text: str, delimiter: str | None = None, skip_lines: int = 0) -> Iterator[tuple[int, list[str]]]:
    """The rows of delimited text with the line that each starts on; UnreadableFile where a quote is never closed."""
    lines = io.StringIO(text, newline="")
    line = sum(1 for _ in islice(lines, skip_lines)) + 1
    start, before = lines.tell(), line
    header = next((text for text in lines if text.strip()), "")
    lines.seek(start)
    reader = csv.reader(lines, delimiter=delimiter or _delimiter(header), strict=True)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UnreadableFile(
                f"Line {line} is no row of delimited text ({error}): look for a quote that is not closed or not doubled."
            ) from None
        if cells is None:
            return
        yield line, [cell.strip() for cell in cells]
        line = before + reader.line_num


def _delimiter(header: str) -> str:
    """What separates the names of columns: of the known delimiters, the one that stands there most often unquoted."""
    bare = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=bare.count)


def _workbook_rows(data: bytes, sheet: str | None) -> Iterator[tuple[int, list[str]]]:
    """The rows of a sheet. A formula counts with the value that was saved with it."""
    # a broken workbook fails with whatever its zip archive, its XML or openpyxl itself raises: all of them mean one thing
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_WORKBOOK_BYTES:
            raise UnreadableFile(f"The workbook unpacks to {size} bytes, more than {MAX_WORKBOOK_BYTES}: send it as CSV.")
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        if sheet is not None and sheet not in book.sheetnames:
            raise UnreadableFile(f"The workbook has no sheet {sheet!r}; it has {listed(book.sheetnames)}.")
        found = book[sheet] if sheet is not None else book.worksheets[0]
        rows = [(at, [_cell_text(cell) for cell in cells]) for at, cells in enumerate(found.iter_rows(values_only=True), 1)]
    except UnreadableFile:
        raise
    except Exception as error:
        raise UnreadableFile(
            f"The workbook cannot be read ({type(error).__name__}): save it again as .xlsx or CSV."
        ) from None
    return iter(rows)


def _cell_text(value: Any) -> str:
    """A cell of a workbook as text, a number exactly as people see it.

    Excel keeps 15 significant digits as a binary fraction. The shortest text that reads back as that fraction, which is
    what `repr` writes, is the number that was typed; Decimal takes it from there, so no arithmetic is done in binary.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (str, int)):
        return str(value).strip()
    return format(Decimal(repr(value)).normalize(), "f") if isinstance(value, Real) else str(value)


def _plural(noun: str, things: Collection[object]) -> str:
    return noun if len(things) == 1 else f"{noun}s"
