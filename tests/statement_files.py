"""Small files of banks and processors for tests: CSV and workbooks from rows, and the same files broken in many ways."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence

import openpyxl

from paylake.statements.model import Parsed, UnreadableFile


def csv_file(columns: Sequence[str], *rows: Mapping[str, object], delimiter: str = ",") -> bytes:
    """A CSV file in UTF-8: each row names only the cells that it fills."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def workbook(*rows: Sequence[object], sheet: str = "Sheet") -> bytes:
    """An Excel workbook with one sheet."""
    book = openpyxl.Workbook()
    found = book.active
    assert found is not None
    found.title = sheet
    for row in rows:
        found.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def garbled(data: bytes) -> Iterator[bytes]:
    """Bytes that are no file at all, and a good file cut off, overwritten, doubled and recoded."""
    yield from (
        b"",
        b"\n",
        b"\0",
        b"\xff\xfe\0",
        b"\xfe\xff",
        b"PK\x03\x04 no archive",
        bytes(range(256)),
        b'"',
        b",,,\n,,,\n",
    )
    yield from (data[:at] for at in range(0, len(data), max(1, len(data) // 60)))
    for at in range(0, len(data), max(1, len(data) // 120)):
        for bad in (b'"', b"\0", b"\xff", b",", b"\n", b"9" * 400, "€٣".encode()):
            yield data[:at] + bad + data[at + 1 :]
    yield from (data + data, data[::-1], data.replace(b",", b";"), data.replace(b".", b","), data.lower())
    yield from (data.decode().encode(encoding) for encoding in ("utf-16", "utf-16-be", "utf-32"))


def refusals(parse: Callable[[bytes], Parsed], data: bytes) -> list[str]:
    """What a format says of a good file that was broken in many ways; any other error than UnreadableFile goes through."""
    said = []
    for broken in garbled(data):
        try:
            parse(broken)
        except UnreadableFile as error:
            said.append(str(error))
    return said
