"""`paylake maintain` and `paylake erase`: maintenance of the batch side's tables, and what customers ask to be forgotten."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake import maintain, maintain_erasure
from paylake.errors import SettingsError
from paylake.maintenance.erasing import Request
from paylake.session import build_session
from paylake.settings import parse_settings, setting


@dataclass(frozen=True, kw_only=True)
class MaintainTablesSettings:
    """Compact, shorten and vacuum the tables of the batch side by their policies, and erase who asked for it.

    Partitions of business dates before --as-of that hold many small files are compacted; rows older than their table's
    policy go; files that no version of the last seven days needs are removed. Requests of `paylake erase` are carried out.
    Each action leaves two rows in table_maintenance; a second run with nothing new leaves none. The tables of streaming
    jobs are left to their drivers.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "spark-submit jobs/batch/maintain_tables.py --lake s3a://bucket/lake --as-of 2026-03-31",
        "paylake maintain --lake build/demo/lake --as-of 2026-03-31 --dry-run",
        "paylake maintain --as-of 2026-03-31 --purge-now",
    )

    as_of: date = setting(help="Business date: only what is older is compacted, and ages count from it.")
    lake: str = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE", aliases="--output_path")
    dry_run: bool = setting(False, "Say what would be done, and write nothing.")
    purge_now: bool = setting(
        False,
        "Remove what erasure left behind at once, not after seven days. A query that is running then fails, and nobody can "
        "look back or undo: use it while nobody reads.",
    )


@dataclass(frozen=True, kw_only=True)
class EraseSettings:
    """Ask that a customer be erased: the next maintenance does it, and proves it in table_maintenance.

    The request names the customer in clear and is removed when nothing of them is left; all else names the request only.
    """

    EXAMPLES: ClassVar[Sequence[str]] = ('paylake erase cust-000042 --who asha --why "Art. 17, ticket 4711"',)

    subject: str = setting(help="The customer's identifier, as the ledgers send it (user_id).")
    lake: str = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE", aliases="--output_path")
    who: str = setting("", "Who asks; default: the name of the user.", env="PAYLAKE_WHO")
    why: str = setting(help="Reason, without the customer's name or identifier, for whoever audits it.")


def main(argv: Sequence[str]) -> int:
    """`paylake maintain`."""
    settings = parse_settings(MaintainTablesSettings, argv, prog="paylake maintain")
    for line in work(build_session("maintain"), settings):
        print(line)
    return 0


def work(spark: SparkSession, settings: MaintainTablesSettings) -> list[str]:
    """Do what is due; returns what to tell, a line each."""
    return maintain.maintain(spark, settings.lake, settings.as_of, settings.dry_run, settings.purge_now)


def erase(argv: Sequence[str]) -> int:
    """`paylake erase SUBJECT`."""
    rest = list(argv)
    if rest and not rest[0].startswith("-"):
        rest = ["--subject", *rest]
    settings = parse_settings(EraseSettings, rest, prog="paylake erase")
    request = Request(
        secrets.token_hex(16), settings.subject, settings.who or getpass.getuser(), datetime.now(UTC), settings.why
    )
    spark = build_session("erase")
    known = [r for r in maintain_erasure.requests(spark, settings.lake) if r.subject == settings.subject]
    if known:
        raise SettingsError(f"This customer's erasure was asked already: request {known[0].request_id} waits to be done.")
    maintain_erasure.ask(spark, settings.lake, request)
    print(f"Request {request.request_id} is carried out by the next maintenance (paylake maintain).")
    return 0
