"""Files that people have: CSV, Excel, JSON, Parquet and Delta read as they are, and results written as one CSV each."""

from __future__ import annotations

import codecs
import csv
import io
import shutil
from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from paylake.errors import SourceError
from paylake.matching.entries import CORRUPT
from paylake.statements.model import UnreadableFile
from paylake.statements.tabular import read_table

HEAD_BYTES = 65_536
DELIMITERS = ",;\t|"
MARKS = ((codecs.BOM_UTF8, "UTF-8"), (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))


def read(spark: SparkSession, path: str) -> DataFrame:
    """One row per record of a file, a folder of Parquet files, or a Delta table; CSV, Excel and JSON values stay text.

    Text keeps amounts exact until a rule set says what they are. Raises SourceError for what is missing or empty.
    """
    place = Path(path)
    if not place.exists():
        raise SourceError(f"{path} is not there; check the path.")
    if place.is_dir():
        found = "delta" if (place / "_delta_log").is_dir() else "parquet"
        return spark.read.format(found).load(str(place.absolute()))
    readers = {
        ".csv": _csv, ".tsv": _csv, ".txt": _csv, ".json": _json, ".jsonl": _json, ".ndjson": _json, ".xlsx": _excel,
    }  # fmt: skip
    if place.suffix.lower() == ".parquet":
        return spark.read.parquet(str(place.absolute()))
    if place.suffix.lower() not in readers:
        known = ", ".join([*readers, ".parquet"])
        raise SourceError(f"{path} is no file that can be read here: it must end in {known}, or be a Delta table's folder.")
    return readers[place.suffix.lower()](spark, place)


def _csv(spark: SparkSession, place: Path) -> DataFrame:
    """A CSV with a header, whatever its delimiter and encoding; a row with more or fewer fields is marked corrupt."""
    encoding, delimiter, header = _look(place)
    schema = StructType([StructField(name, StringType()) for name in (*header, CORRUPT)])
    return spark.read.csv(
        str(place.absolute()), schema=schema, header=True, sep=delimiter, encoding=encoding, quote='"', escape='"',
        multiLine=True, mode="PERMISSIVE", columnNameOfCorruptRecord=CORRUPT, enforceSchema=True,
    )  # fmt: skip


def _look(place: Path) -> tuple[str, str, list[str]]:
    """The encoding, delimiter and header of a CSV."""
    with place.open("rb") as file:
        head = file.read(HEAD_BYTES)
    encoding = next((name for mark, name in MARKS if head.startswith(mark)), None) or _encoding(head)
    first = head.decode("utf-8-sig" if encoding == "UTF-8" else encoding, errors="ignore").lstrip("\r\n")
    line = first.splitlines()[0] if first.strip() else ""
    if not line.strip():
        raise SourceError(f"{place} is empty; it needs a first line with the names of its columns.")
    delimiter = max(DELIMITERS, key=line.count)
    header = [name.strip() for name in next(csv.reader(io.StringIO(line), delimiter=delimiter))]
    if twice := sorted({name for name in header if header.count(name) > 1 or not name}):
        what = f"the column {twice[0]!r} twice" if twice[0] else "a column without a name"
        raise SourceError(f"{place} has {what} in its first line; name each column once.")
    return encoding, delimiter, header


def _encoding(head: bytes) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
    except UnicodeDecodeError:
        return "windows-1252"
    return "UTF-8"


def _json(spark: SparkSession, place: Path) -> DataFrame:
    """A JSON array of objects, or one object per line."""
    with place.open("rb") as file:
        head = file.read(HEAD_BYTES).lstrip(b"\xef\xbb\xbf \r\n\t")
    if not head:
        raise SourceError(f"{place} is empty; it needs a JSON array of objects, or one object per line.")
    rows = spark.read.json(
        str(place.absolute()), multiLine=head.startswith(b"["), primitivesAsString=True, columnNameOfCorruptRecord=CORRUPT
    )
    if not set(rows.columns) - {CORRUPT}:
        raise SourceError(f"{place} holds no JSON object that can be read; it needs an array of objects, or one per line.")
    return rows


def _excel(spark: SparkSession, place: Path) -> DataFrame:
    """The first sheet of a workbook, as text; a formula counts with the value that was saved with it."""
    try:
        table = read_table(place.read_bytes())
    except UnreadableFile as error:
        raise SourceError(f"{place} cannot be read: {error}") from None
    schema = StructType([StructField(name, StringType()) for name in table.columns])
    return spark.createDataFrame([tuple(row.text(name) for name in table.columns) for row in table.rows], schema)


def write_csv(rows: DataFrame, path: Path, order: Sequence[str]) -> None:
    """The rows as one CSV file with a header, in a written order; an earlier file is replaced once the new one is whole."""
    parts = path.with_name(f".{path.name}.parts")
    shutil.rmtree(parts, ignore_errors=True)
    rows.orderBy(*order).coalesce(1).write.csv(str(parts.absolute()), header=True, escape='"')
    (part,) = parts.glob("part-*.csv")
    part.replace(path)
    shutil.rmtree(parts)
