"""Files of records: their texts exactly, with the line of each, whatever the format."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from paylake.errors import SourceError
from paylake.record_files import Record, RecordFile, read


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def test_a_csv_keeps_its_lines_and_what_cannot_be_taken_apart() -> None:
    data = '\ufeffid;name\r\n1;"Müller; Söhne"\r\n\r\n2;a;b\r\n3;\r\n'.encode()
    assert read("x.csv", data) == RecordFile(
        ("id", "name"),
        (Record(2, {"id": "1", "name": "Müller; Söhne"}), Record(4, None), Record(5, {"id": "3", "name": ""})),
    )


def test_json_keeps_numbers_as_they_are_written() -> None:
    data = b'{"id": 1, "limit": 1000.10, "on": true, "none": null}\n\nno json\n{"id": "2", "list": [1, 2]}\n[1]\n'
    assert read("x.jsonl", data) == RecordFile(
        ("id", "limit", "on", "none", "list"),
        (
            Record(1, {"id": "1", "limit": "1000.10", "on": "true", "none": None}),
            Record(3, None),
            Record(4, {"id": "2", "list": '["1", "2"]'}),
            Record(5, None),
        ),
    )


def test_an_array_of_objects_is_read_too() -> None:
    assert read("x.json", b' [{"id": "1"}, 5]').records == (Record(1, {"id": "1"}), Record(2, None))


def test_parquet_values_are_written_as_a_csv_would_have_them() -> None:
    at = datetime(2026, 3, 31, 12, tzinfo=UTC)
    table = pa.table({
        "at": pa.array([at], pa.timestamp("us", "UTC")), "on": [date(2026, 3, 31)], "limit": [Decimal("1E+3")],
        "flag": [False], "none": pa.array([None], pa.string()),
    })  # fmt: skip
    assert read("x.parquet", parquet(table)).records == (
        Record(1, {"at": "2026-03-31T12:00:00+00:00", "on": "2026-03-31", "limit": "1000", "flag": "false", "none": None}),
    )


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.xlsx", b"x", "x.xlsx is no file that can be read here: its name must end in .csv"),
        ("x.csv", b" \n", "x.csv is empty"),
        ("x.csv", b"id,id\n1,2\n", "its first line has the column 'id' twice"),
        ("x.csv", b"id,\n1,2\n", "its first line has a column without a name"),
        ("x.csv", b'id\n"1\n', "x.csv cannot be read: Line 2 is no row of delimited text"),
        ("x.json", b'[{"id": 1}', "x.json cannot be read: its JSON array is broken"),
        ("x.parquet", b"PAR1", "x.parquet cannot be read: it is no Parquet file, or it is cut off"),
    ],
)
def test_a_file_that_is_broken_as_a_whole_is_told_in_a_sentence(name: str, data: bytes, said: str) -> None:
    with pytest.raises(SourceError) as error:
        read(name, data)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
