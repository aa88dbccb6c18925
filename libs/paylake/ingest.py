"""Files of banks and processors into the lake: read, proved, and posted or quarantined as a whole.

The lines of every file that can be read are written first; the file's row in `statement_files` comes last and says whether
they count. So a crash in between leaves lines that no view shows, and the next attempt adds only what is not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from paylake import tables
from paylake.columns.identifiers import masked, names_a_card
from paylake.contracts import PAYOUTS, SETTLEMENT_LINES, STATEMENT_FILES, STATEMENT_LINES, STATEMENTS
from paylake.contracts.statements import ACCEPTED, POSTED, PROOF_REASONS, QUARANTINED, SCHEMA_INVALID, UNKNOWN, UNKNOWN_TYPE
from paylake.contracts.table import TableContract
from paylake.errors import SettingsError, SourceError
from paylake.statements.model import Parsed, Payout, Statement, UnreadableFile

OF_FILES = (STATEMENT_FILES, STATEMENTS, STATEMENT_LINES, PAYOUTS, SETTLEMENT_LINES)
AT_ONCE = 200
"""Files whose rows are written together."""


@dataclass(frozen=True)
class Incoming:
    """A file as it came: its name without a folder, and its bytes."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """What identifies it, wherever it comes from."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Ingested:
    """What became of a file. `state` is null where it had been taken before."""

    file: Incoming
    state: str | None
    format: str = "unknown"
    statements: int = 0
    lines: int = 0
    reason: str | None = None
    detail: str | None = None
    parsed: Parsed | None = None


def judged(file: Incoming, parse: Callable[[str, bytes], Parsed]) -> Ingested:
    """A file read and proved: posted when all its totals agree, else quarantined for the first reason that applies."""
    try:
        parsed = parse(file.name, file.data)
    except UnreadableFile as error:
        return Ingested(file, QUARANTINED, reason=SCHEMA_INVALID, detail=str(error))
    proofs: list[Statement | Payout] = [*parsed.statements, *parsed.payouts]
    wrong = {p.reason: p.detail for p in reversed(proofs) if p.reason is not None}
    if unknown := [line for line in parsed.settlement_lines if line.type == UNKNOWN]:
        wrong.setdefault(UNKNOWN_TYPE, f"Line {unknown[0].line} is of the type {unknown[0].psp_type!r}, which nobody knows.")
    reason = next((r for r in PROOF_REASONS if r in wrong), None)
    return Ingested(
        file, QUARANTINED if reason else POSTED, parsed.format,
        statements=len(parsed.statements) + len(parsed.payouts),
        lines=len(parsed.statement_lines) + len(parsed.settlement_lines),
        reason=reason, detail=wrong[reason] if reason else None, parsed=parsed,
    )  # fmt: skip


def ingest(
    spark: SparkSession, lake: str, files: Iterable[Incoming], parse: Callable[[str, bytes], Parsed]
) -> list[Ingested]:
    """What became of each file, in their order; one that was taken before, by its bytes, is left as it is."""
    tables.create(spark, lake, *OF_FILES)
    seen = {row["file_sha256"] for row in tables.read(spark, lake, STATEMENT_FILES).select("file_sha256").collect()}
    found: list[Ingested] = []
    waiting: list[Ingested] = []
    for file in files:
        if file.sha256 in seen:
            found.append(Ingested(file, None))
            continue
        seen.add(file.sha256)
        waiting.append(judged(file, parse))
        found.append(waiting[-1])
        if len(waiting) == AT_ONCE:
            _write(spark, lake, waiting)
            waiting = []
    _write(spark, lake, waiting)
    return found


def incoming_below(spark: SparkSession, place: str) -> Iterator[Incoming]:
    """The files in a folder or under an object prefix and below it, by their paths; SourceError where nothing is there."""
    try:
        found = spark.read.format("binaryFile").option("recursiveFileLookup", True).load(place)
    except AnalysisException:
        raise SourceError(f"There is nothing at {place}; name a folder or an object prefix with files.") from None
    rows = found.select("path", "content").orderBy("path").toLocalIterator()
    return (Incoming(row["path"].rsplit("/", 1)[-1], bytes(row["content"])) for row in rows)


def accept(spark: SparkSession, lake: str, sha256: str, by: str, because: str) -> Ingested:
    """Post a quarantined file all the same, on a person's word; SettingsError where no such file waits."""
    known = tables.read(spark, lake, STATEMENT_FILES).where(F.col("file_sha256").startswith(sha256)).collect()
    if len({row["file_sha256"] for row in known}) != 1:
        raise SettingsError(f"{sha256!r} names {len(known)} files; `paylake ingest list` shows those in quarantine.")
    states = {row["state"]: row for row in known}
    if QUARANTINED not in states or ACCEPTED in states:
        raise SettingsError(
            f"The file {known[0]['file_name']} is {' and '.join(sorted(states))}, so nothing waits for a word."
        )
    if not by.strip() or not because.strip():
        raise SettingsError("Who accepts it, and why? Say --by NAME and --because REASON.")
    row = {**states[QUARANTINED].asDict(), "state": ACCEPTED, "accepted_by": by, "accepted_because": because}
    row |= {"reason": None, "detail": None}
    _insert(spark, lake, STATEMENT_FILES, [tuple(row[name] for name in STATEMENT_FILES.columns)])
    return Ingested(Incoming(row["file_name"], b""), ACCEPTED, row["format"], row["statements"], row["lines"])


def quarantined(spark: SparkSession, lake: str) -> DataFrame:
    """One row per file in quarantine that nobody has accepted."""
    if not tables.exists(spark, lake, STATEMENT_FILES):
        raise SourceError(f"No file was ever taken into the lake {lake}; `paylake ingest FILE` takes the first.")
    files = tables.read(spark, lake, STATEMENT_FILES)
    accepted = files.where(F.col("state") == ACCEPTED).select("file_sha256")
    return files.where(F.col("state") == QUARANTINED).join(accepted, "file_sha256", "left_anti")


def _write(spark: SparkSession, lake: str, taken: Sequence[Ingested]) -> None:
    rows: dict[TableContract, list[tuple[Any, ...]]] = {contract: [] for contract in OF_FILES}
    for one in taken:
        sha256 = one.file.sha256
        rows[STATEMENT_FILES].append((
            sha256, one.state, one.file.name, one.format, len(one.file.data), one.statements, one.lines, one.reason,
            one.detail, None, None,
        ))  # fmt: skip
        if one.parsed is not None:
            parts: tuple[tuple[Any, ...], ...] = (
                one.parsed.statements,
                one.parsed.statement_lines,
                one.parsed.payouts,
                one.parsed.settlement_lines,
            )
            for contract, found in zip(OF_FILES[1:], parts, strict=True):
                if found:
                    said = attrgetter(*(field.name for field in fields(found[0])))
                    rows[contract] += [(sha256, *said(part)) for part in found]
    for contract in (*OF_FILES[1:], STATEMENT_FILES):
        if rows[contract]:
            _insert(spark, lake, contract, rows[contract])


def _insert(spark: SparkSession, lake: str, contract: TableContract, rows: list[tuple[Any, ...]]) -> None:
    """The rows whose key is not there yet. No card number rests: a text that names one is masked."""
    # by columns: row by row, every value would be checked in Python
    of_arrow = spark.createDataFrame([], contract.schema).toArrow().schema
    columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), of_arrow, strict=True)]
    frame = spark.createDataFrame(pa.Table.from_arrays(columns, schema=of_arrow), contract.schema)
    texts = [f.name for f in contract.fields if isinstance(f.type, StringType) and f.name not in contract.key]
    safe = frame.withColumns({
        name: F.when(names_a_card(F.col(name)), masked(F.col(name))).otherwise(F.col(name)) for name in texts
    })  # fmt: skip
    on = " AND ".join(f"t.`{name}` = s.`{name}`" for name in contract.key)
    tables.merge(safe, lake, contract, on=on, update=None)
