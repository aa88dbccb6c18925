"""`paylake quality`: the published tables of a lake against their contracts, on the terminal and as Data Docs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from pyspark.errors import AnalysisException

from paylake import tables
from paylake.contracts import ALL, TableContract
from paylake.errors import ContractError, SettingsError, SourceError
from paylake.expectations import PUBLISHED, Result, great_expectations, published, validate
from paylake.session import build_session, silence_failed_queries
from paylake.settings import parse_settings, setting


@dataclass(frozen=True, kw_only=True)
class QualitySettings:
    """Validate tables of a lake, as published, against their contracts, and write the Data Docs.

    The exit code is 1 where a promise is broken for which rows are rejected; what only warns is listed.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake quality --lake build/demo/lake --out build/demo",
        "paylake quality --tables breaks,run_controls",
    )

    lake: str = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE", aliases="--output_path")
    tables: tuple[str, ...] = setting((), "Tables to validate; without it those that consumers see.")
    out: Path = setting(Path("build/quality"), "Folder to write data_docs/ to; beside a report, the report links to it.")


def main(argv: Sequence[str]) -> int:
    """`paylake quality`."""
    settings = parse_settings(QualitySettings, argv, prog="paylake quality")
    wanted = _named(settings.tables)
    great_expectations()  # before Spark starts, where it is not installed
    spark = build_session("quality")
    silence_failed_queries()
    there = [c for c in wanted or PUBLISHED if tables.exists(spark, settings.lake, c)]
    missing = [c.name for c in wanted if c not in there]
    if missing or not there:
        what = f"no table {missing[0]}" if missing else "no published table"
        raise SourceError(f"There is {what} in the lake {settings.lake}; run the job that writes it first.")
    try:
        frames = {c: published(spark, settings.lake, c) for c in there}
    except AnalysisException as error:
        raise ContractError(
            f"A table in the lake {settings.lake} has not the columns of its contract; the job that writes it adds them: "
            f"{str(error).splitlines()[0]}"
        ) from None
    results = validate(frames, settings.out, datetime.now(UTC))
    print(_table(results))
    print(f"Wrote {settings.out / 'data_docs' / 'index.html'}.")
    return 1 if any(r.failed for r in results) else 0


def _named(names: Iterable[str]) -> list[TableContract]:
    known = {c.name: c for c in ALL}
    for name in names:
        if name not in known:
            raise SettingsError(f"--tables: {name!r} is not a table; there are {', '.join(known)}.")
    return [known[name] for name in names]


def _table(results: Sequence[Result]) -> str:
    width = max(len("table"), *(len(r.table) for r in results))
    lines = [f"{'table':<{width}}{'rows':>14}{'expectations':>14}{'failed':>8}"]
    for r in results:
        broken = ", ".join([*r.failed, *(f"{name} (a warning)" for name in r.warned)])
        lines.append(
            f"{r.table:<{width}}{r.rows:>14,}{r.expectations:>14}{len(r.failed) + len(r.warned):>8}  {broken}".rstrip()
        )
    return "\n".join(lines)
