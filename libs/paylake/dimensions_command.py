"""`paylake dimensions ingest|show`: merchants, users, locations and policies taken from files, and shown as of a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pyspark.sql import Row

from paylake.contracts.dimensions import DIMENSIONS
from paylake.contracts.table import TableContract
from paylake.errors import SettingsError
from paylake.ingest_command import incoming
from paylake.ingest_dimensions import NAMES, Ingested, Rejected, ingest, known_versions
from paylake.session import build_session
from paylake.settings import parse_settings, setting

LAKE = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE", aliases="--output_path")


@dataclass(frozen=True, kw_only=True)
class IngestDimensionsSettings:
    """Take files of merchants, users, locations and policies: CSV, JSON (an object per line, or an array) or Parquet.

    A file's name begins with its dimension's, as in merchants_2026-03-31.csv. Its columns are those of the table in
    docs/data_dictionary.md, with `delivered_at`, without `is_current` and `file_sha256`; `valid_to` may be left out, and
    `is_deleted` true says that an id ends at `valid_from`. Times name their offset; a date stands for its midnight in UTC.

    A record that breaks the table's contract is quarantined with the reasons, and every other one is taken. Files may come
    in any order, and more than once.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake dimensions ingest merchants.csv users.parquet --lake build/lake",
        "paylake dimensions ingest export.json --dimension policies --delivered-at 2026-03-31T18:00:00+00:00",
    )

    file: tuple[str, ...] = setting((), "Files or folders, which may also stand without the flag.")
    lake: str = LAKE
    dimension: str | None = setting(None, "Read every file as this one, in place of going by the names.", choices=NAMES)
    delivered_at: datetime | None = setting(None, "When the source delivered records that do not say it.")


@dataclass(frozen=True, kw_only=True)
class ShowDimensionsSettings:
    """Show what is known of an id: the version that held at a time, or all of them."""

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake dimensions show MCH-A0004 --as-of 2026-01-15T12:00:00+00:00",
        "paylake dimensions show 1007 --dimension users",
    )

    id: str = setting("", "Merchant, user, location or policy, which may also stand without the flag.")
    lake: str = LAKE
    dimension: str | None = setting(None, "Look in this one only.", choices=NAMES)
    as_of: datetime | None = setting(None, "Show the version that held then; without it, all versions.")


ACTIONS = ("ingest", "show")


def main(argv: Sequence[str]) -> int:
    """`paylake dimensions ingest FILE…`, `paylake dimensions show ID --as-of TIME`."""
    action = argv[0] if argv and argv[0] in ACTIONS else ""
    if not action:
        ways = " or ".join(f"`paylake dimensions {known}`" for known in ACTIONS)
        if argv and argv[0] in ("-h", "--help"):
            print(f"usage: {ways}\n\nAdd --help to one of them for its settings.")
            return 0
        raise SettingsError(f"`paylake dimensions` needs one more word: {ways}.")
    return _ingest(argv[1:]) if action == "ingest" else _show(argv[1:])


def _flagged(argv: Sequence[str], flag: str) -> list[str]:
    """The arguments, with the flag that those before the first one may leave out."""
    free = next((n for n, a in enumerate(argv) if a.startswith("-")), len(argv))
    return [*(f"{flag}={a}" for a in argv[:free]), *argv[free:]]


def _ingest(argv: Sequence[str]) -> int:
    settings = parse_settings(IngestDimensionsSettings, _flagged(argv, "--file"), prog="paylake dimensions ingest")
    if not settings.file:
        raise SettingsError("Which files? For example paylake dimensions ingest merchants.csv; --help says what they hold.")
    files = incoming(settings.file)
    taken = ingest(build_session("dimensions"), settings.lake, files, settings.dimension, settings.delivered_at)
    for one in taken:
        _report(one)
    return 0


def _report(one: Ingested) -> None:
    print(f"{one.name}: {one.records:,} {one.dimension}, {one.accepted:,} accepted ({one.recorded:,} recorded, "
          f"{one.accepted - one.recorded:,} known already), {one.quarantined:,} in quarantine.")  # fmt: skip
    for rejected in one.examples:
        print(f"  line {rejected.line}: {'; '.join(_reasons(one.dimension, rejected))}")
    if one.quarantined > len(one.examples):
        print(f"  and {one.quarantined - len(one.examples):,} more; `paylake sql` shows them in dimensions_quarantine.")
    if one.ignored:
        print(f"  not taken along: {', '.join(one.ignored)}.")


def _reasons(dimension: str, rejected: Rejected) -> list[str]:
    """The checks that a record failed, as clauses."""
    contract = next(contract for contract in DIMENSIONS if contract.name == dimension)
    return [_reason(contract, rejected.row or {}, name) for name in rejected.failed]


def _reason(contract: TableContract, row: dict[str, str], name: str) -> str:
    column = name.removesuffix("_unreadable")
    found = next((f for f in contract.fields if f.name == column), None)
    if found is not None:
        return f"{column} {row.get(column)!r} is not {_SHAPES.get(found.type.typeName(), 'readable')}"
    predicates = {check.name: check.predicate for check in contract.checks}
    if name in predicates:
        return f"{name} does not hold: {predicates[name]}"
    return _SAYINGS.get(name) or f"{name.removesuffix('_present')} is missing"


_SHAPES = {
    "date": "a date such as 2026-03-31",
    "timestamp": "a time with an offset such as 2026-03-31T18:30:00+05:30, nor a date",
    "boolean": "true or false",
    "decimal": "an amount that can be kept exactly, such as 1000.50",
}
_SAYINGS = {
    "record_unreadable": "it has more or fewer cells than there are columns, or is no JSON object",
    "card_number_in_text": "a text holds a card number",
    "is_deleted_unreadable": "is_deleted is neither true nor false",
}


def _show(argv: Sequence[str]) -> int:
    settings = parse_settings(ShowDimensionsSettings, _flagged(argv, "--id"), prog="paylake dimensions show")
    if not settings.id:
        raise SettingsError("Which one? For example paylake dimensions show MCH-A0004 --as-of 2026-01-15T12:00:00+00:00.")
    spark = build_session("dimensions")
    versions = known_versions(spark, settings.lake, settings.id, settings.dimension, settings.as_of)
    when = f" as of {settings.as_of.isoformat()}" if settings.as_of else ""
    for contract, row in versions:
        _print_version(contract, row)
    print(f"{len(versions):,} version{'' if len(versions) == 1 else 's'} of {settings.id}{when}.")
    return 0 if versions else 1


def _print_version(contract: TableContract, row: Row) -> None:
    print(f"{contract.name}:")
    for name, value in row.asDict().items():
        if value is not None:
            print(f"  {name:<16} {value}")
    print()
