"""Files of records as people deliver them: CSV, JSON and Parquet, each record as texts with the line that it stands on."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from paylake.errors import SourceError
from paylake.statements.model import UnreadableFile
from paylake.statements.tabular import csv_rows, decode

SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True)
class Record:
    """A record of a file: its values as text by the names of their columns; null where it cannot be taken apart."""

    line: int
    values: Mapping[str, str | None] | None


@dataclass(frozen=True)
class RecordFile:
    """A file taken apart: the names of its columns, and its records in their order."""

    columns: tuple[str, ...]
    records: tuple[Record, ...]


def read(name: str, data: bytes) -> RecordFile:
    """The records of a file, told by how its name ends; SourceError where it is none of SUFFIXES, or is broken."""
    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise SourceError(f"{name} is no file that can be read here: its name must end in {', '.join(SUFFIXES)}.")
    if not data.strip():
        raise SourceError(f"{name} is empty; a file without records still needs the names of its columns.")
    try:
        if suffix == ".parquet":
            return _parquet(data)
        return _json(decode(data)) if suffix in (".json", ".jsonl", ".ndjson") else _csv(decode(data))
    except UnreadableFile as error:
        raise SourceError(f"{name} cannot be read: {error}") from None
    except pa.ArrowException:
        raise SourceError(f"{name} cannot be read: it is no Parquet file, or it is cut off; ask for it again.") from None


def _csv(text: str) -> RecordFile:
    """Delimited text with a header; a row with more or fewer cells than there are columns cannot be taken apart."""
    rows = ((line, cells) for line, cells in csv_rows(text) if any(cells))
    _, header = next(rows, (0, []))
    if twice := sorted({name for name in header if header.count(name) > 1 or not name}):
        what = f"the column {twice[0]!r} twice" if twice[0] else "a column without a name"
        raise UnreadableFile(f"its first line has {what}; name each column once.")
    return RecordFile(
        tuple(header),
        tuple(Record(line, dict(zip(header, cells, strict=True)) if len(cells) == len(header) else None)
              for line, cells in rows),
    )  # fmt: skip


def _json(text: str) -> RecordFile:
    """One object per line, or one array of objects, whose records count from 1."""
    if text.lstrip().startswith("["):
        objects = _parsed(text)
        if not isinstance(objects, list):
            raise UnreadableFile("its JSON array is broken; write an array of objects, or one object per line.")
        return _of(Record(place, _texts(found)) for place, found in enumerate(objects, 1))
    lines = enumerate(text.split("\n"), 1)  # a JSON text may hold other characters that end a line
    return _of(Record(place, _texts(_parsed(line))) for place, line in lines if line.strip())


def _parsed(text: str) -> Any:
    """What a JSON text states, its numbers as they are written; null where it is broken."""
    try:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None


def _parquet(data: bytes) -> RecordFile:
    """The rows of a Parquet file, counted from 1."""
    table = pq.read_table(io.BytesIO(data))
    found = (Record(place, _texts(row)) for place, row in enumerate(table.to_pylist(), 1))
    return RecordFile(tuple(table.column_names), tuple(found))


def _of(records: Iterator[Record]) -> RecordFile:
    found = tuple(records)
    named: Iterable[str] = (name for record in found for name in record.values or ())
    return RecordFile(tuple(dict.fromkeys(named)), found)


def _texts(found: Any) -> dict[str, str | None] | None:
    return {name: _text(value) for name, value in found.items()} if isinstance(found, dict) else None


def _text(value: Any) -> str | None:
    """A value as a CSV would have it."""
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case Decimal():
            return format(value, "f")
        case datetime() | date():
            return value.isoformat()
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)
