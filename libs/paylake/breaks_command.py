"""`paylake breaks list|show|propose|approve|reject|reopen|replay|export`: breaks, and what people do about them."""

from __future__ import annotations

import csv
import getpass
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar

from pyspark.sql import SparkSession

from paylake import breaks, replay
from paylake.breaks import Wanted
from paylake.contracts.resolution import BREAK_EXPORT, RESOLUTIONS, ActKind, State
from paylake.errors import SettingsError
from paylake.resolution.acts import Act
from paylake.resolutions import LimitSettings
from paylake.session import build_session
from paylake.settings import KafkaSettings, parse_settings, setting


@dataclass(frozen=True, kw_only=True)
class BreaksSettings(LimitSettings, KafkaSettings):
    """List and show breaks, propose how to end them, approve or reject it, and send a missing record to its ledger again.

    What somebody does is an act: it is written at once, shown as pending, and applied by the next nightly run.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "paylake breaks list --severity critical",
        "paylake breaks show --break 4f1c…",
        'paylake breaks propose --break 4f1c… --resolution ACCEPT_GATEWAY --why "core cut the fee twice"',
        'paylake breaks approve --break 4f1c… --who ben --why "seen in the statement of 31 March"',
        'paylake breaks replay --break 4f1c… --ledger core --why "lost in the outage"',
        "paylake breaks export --file breaks.csv",
    )

    lake: str = setting("build/lake", "folder or s3a:// prefix of the lake", env=("PAYLAKE_LAKE",))
    break_id: str = setting("", "identifier of a break, as the list shows it", aliases="--break")
    who: str = setting("", "who acts; default: the name of the user", env="PAYLAKE_WHO")
    why: str = setting("", "reason of an act, for whoever audits it")
    resolution: str = setting("", f"how to end the break: {', '.join(RESOLUTIONS)}")
    proposal: str = setting("", "proposal to approve or reject; default: the one that stands")
    ledger: str = setting("", "ledger to replay the missing record to: gateway, core or mobile")
    resend: bool = setting(False, "send a replay again whose sending failed: with the same key, so that it counts once")
    state: str = setting("", f"list only breaks in a state: {', '.join(State)}")
    owner: str = setting("", "list only the breaks of an owner")
    severity: str = setting("", "list only breaks of a severity: Low, Medium, High or Critical")
    kind: str = setting("", "list only breaks of a kind")
    business_date: date | None = setting(None, "list only the breaks of a business date")
    ended: bool = setting(False, "list those too that are resolved or written off")
    limit: int = setting(50, "how many breaks to list")
    file: Path = setting(Path("-"), "file of the export; - is the terminal")

    def wanted(self) -> Wanted:
        """Which breaks the settings ask for."""
        return Wanted(self.state, self.owner, self.severity, self.kind, self.business_date, self.ended)


ACTIONS = ("list", "show", "propose", "approve", "reject", "reopen", "replay", "export")


def main(argv: Sequence[str]) -> int:
    """Run one action; the exit code is 0 when it is done."""
    action, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else ("", argv)
    settings = parse_settings(BreaksSettings, rest, prog=f"paylake breaks {action or '|'.join(ACTIONS)}")
    if action not in ACTIONS:
        raise SettingsError(f"paylake breaks knows {', '.join(ACTIONS)}, but not {action or 'nothing'!r}.")
    if action not in ("list", "export") and not settings.break_id:
        raise SettingsError(f"paylake breaks {action} needs --break and an identifier that `paylake breaks list` shows.")
    act = _act(ActKind(action), settings) if action in {k.value for k in ActKind} else None
    spark = build_session("breaks")
    if act is not None:
        _do(spark, settings, act)
    else:
        {"list": _list, "show": _show, "export": _export}[action](spark, settings)
    return 0


def _act(kind: ActKind, settings: BreaksSettings) -> Act:
    """The act that the settings state; SettingsError where they state none that could be applied."""
    return Act(
        kind=kind,
        subject=settings.break_id,
        who=settings.who or getpass.getuser(),
        at=datetime.now(UTC),
        why=settings.why,
        resolution=settings.resolution.upper() or None if kind is ActKind.PROPOSE else None,
        of=settings.proposal or None,
        ledger=settings.ledger or None if kind is ActKind.REPLAY else None,
    )


def _do(spark: SparkSession, settings: BreaksSettings, act: Act) -> None:
    if act.kind is ActKind.REPLAY:
        _replay(spark, settings, act)
        return
    after = breaks.do(spark, settings.lake, act, settings.limits())
    assert after is not None
    print(f"{act.kind.value}: break {act.subject} becomes {after.state} with the next nightly run (act {act.act_id}).")


def _replay(spark: SparkSession, settings: BreaksSettings, act: Act) -> None:
    topic = replay.replayed(spark, settings.lake, settings, act, settings.limits(), settings.resend)
    print(f"replayed to {topic} with the key {act.act_id}; the break ends when the {act.ledger}'s own record arrives.")


def _list(spark: SparkSession, settings: BreaksSettings) -> None:
    total, rows = breaks.listed(spark, settings.lake, settings.wanted(), settings.limit)
    print(f"{total} breaks; {len(rows)} shown, those that are due first.")
    if not rows:
        return
    print(f"{'break':<33}{'state':<12}{'severity':<9}{'kind':<18}{'amount':>18} {'cur':<4}{'due':<17}{'age':<7}owner")
    for r in rows:
        waits = f"  [pending: {r['pending']}]" if r["pending"] else ""
        print(
            f"{r['break_id']:<33}{r['state']:<12}{r['severity']:<9}{r['kind']:<18}{r['amount']:>18} {r['currency']:<4}"
            f"{r['sla_due_at']:%Y-%m-%d %H:%M} {r['age_bucket']:<7}{r['owner']}{waits}"
        )


def _show(spark: SparkSession, settings: BreaksSettings) -> None:
    for name, value in breaks.shown(spark, settings.lake, settings.break_id).items():
        if value not in (None, "", []):
            print(f"{name:<26} {_readable(value)}")


def _readable(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _export(spark: SparkSession, settings: BreaksSettings) -> None:
    rows = breaks.exported(spark, settings.lake, settings.wanted())
    if str(settings.file) == "-":
        _write_csv(rows, sys.stdout)
        return
    with settings.file.open("w", encoding="utf-8", newline="") as file:
        _write_csv(rows, file)
    print(f"{len(rows)} breaks written to {settings.file}.")


def _write_csv(rows: list[dict[str, str]], file: Any) -> None:
    writer = csv.DictWriter(file, BREAK_EXPORT, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
