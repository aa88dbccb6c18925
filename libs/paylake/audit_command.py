"""`paylake audit verify` and `paylake period close`: whether the books are as written, and until when they are shut."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import ClassVar

from paylake import audit, breaks
from paylake.contracts.resolution import ActKind
from paylake.errors import ControlError, SettingsError
from paylake.resolution.acts import Act
from paylake.resolution.life import Limits
from paylake.session import build_session
from paylake.settings import parse_settings, setting


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """Follow the hash chain of the audit log, and compare the tables with what it says of them.

    The hash of the last row that is printed can be kept elsewhere: a log that was cut at its end is whole, but has another.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = ("paylake audit verify --lake build/demo/lake",)

    lake: str = setting("build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",))


@dataclass(frozen=True, kw_only=True)
class PeriodSettings:
    """Close the books up to a business date: what was published of it stays, and what changes is booked after it."""

    EXAMPLES: ClassVar[tuple[str, ...]] = ('paylake period close --until 2026-03-31 --why "month end"',)

    until: date = setting(help="last business date of the period")
    lake: str = setting("build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",))
    who: str = setting("", "who closes it; default: the name of the user", env="PAYLAKE_WHO")
    why: str = setting("", "reason, for whoever audits it")


def main(argv: Sequence[str]) -> int:
    """`paylake audit verify`; fails where anything is not as it was written."""
    settings = parse_settings(AuditSettings, _rest("audit", "verify", argv), prog="paylake audit verify")
    spark = build_session("audit")
    found = audit.faults(spark, settings.lake)
    if found:
        raise ControlError("The books are not as they were written:\n" + "\n".join(f"  {fault}" for fault in found))
    log = audit.rows(spark, settings.lake)
    head = f"; the last one has the hash {log[-1]['hash']}" if log else ""
    print(f"{len(log)} rows of audit_log are whole, and the tables are as they say{head}.")
    return 0


def period(argv: Sequence[str]) -> int:
    """`paylake period close`."""
    settings = parse_settings(PeriodSettings, _rest("period", "close", argv), prog="paylake period close")
    act = Act(
        ActKind.CLOSE_PERIOD, settings.until.isoformat(), settings.who or getpass.getuser(), datetime.now(UTC), settings.why
    )
    breaks.do(build_session("period"), settings.lake, act, Limits())
    print(f"The books up to {settings.until} are closed with the next nightly run (act {act.act_id}).")
    return 0


def _rest(command: str, action: str, argv: Sequence[str]) -> Sequence[str]:
    if argv and argv[0] == action:
        return argv[1:]
    if argv and argv[0] in ("-h", "--help"):
        return argv
    raise SettingsError(f"`paylake {command}` needs one more word: `paylake {command} {action}`.")
