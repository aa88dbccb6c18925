"""`paylake alerts tail`: the live alerts in a terminal, newest first."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TextIO

from paylake.contracts.fraud import FRAUDULENT, SUSPICIOUS
from paylake.contracts.topics import FRAUD_ALERTS
from paylake.errors import SettingsError, SourceError
from paylake.settings import KafkaSettings, parse_settings, setting
from paylake.topics import ANSWER_WITHIN_S, client

RED, YELLOW, PLAIN = "\x1b[1;31m", "\x1b[33m", "\x1b[0m"
COLOURS = {FRAUDULENT: RED, SUSPICIOUS: YELLOW}
CLEAR = "\x1b[H\x1b[2J"
REMEMBERED = 100_000
"""Event ids that are known again; a repetition comes within minutes."""
REDRAW_S = 0.25

HEAD = f"{'arrived (UTC)':<24}{'decision':<9}{'score':>7}  {'amount':>18} {'cur':<4}{'customer':<14}{'merchant':<16}reasons"


@dataclass(frozen=True, kw_only=True)
class AlertsSettings(KafkaSettings):
    """Show payments that look like fraud, newest first, each once; colours where the output is a terminal."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "paylake alerts tail",
        "paylake alerts tail --from-beginning --no-follow --most 100",
    )

    from_beginning: bool = setting(False, "read all alerts that the topic holds, and not just the latest")
    follow: bool = setting(True, "go on as alerts come, until interrupted")
    most: int = setting(20, "how many alerts to show")


@dataclass
class Shown:
    """The newest alerts, each event once, however often the topic says it."""

    most: int
    alerts: list[dict[str, Any]] = field(default_factory=list)
    _known: dict[str, None] = field(default_factory=dict)

    def take(self, values: Iterable[bytes | None]) -> list[dict[str, Any]]:
        """Take records of the topic; returns the alerts that are new, in the order of the topic."""
        new = [alert for value in values if (alert := _read(value)) is not None and self._is_new(alert["event_id"])]
        self.alerts = sorted([*self.alerts, *new], key=_age, reverse=True)[: self.most]
        return new

    def _is_new(self, event_id: str) -> bool:
        if event_id in self._known:
            return False
        self._known[event_id] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return True


def _age(alert: Mapping[str, Any]) -> tuple[str, str]:
    return str(alert.get("arrived_at", "")), alert["event_id"]


def _read(value: bytes | None) -> dict[str, Any] | None:
    """The alert that a record's value states; None where it states none."""
    try:
        found = json.loads(value or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event_id"), str) else None


def line(alert: Mapping[str, Any], is_coloured: bool) -> str:
    """An alert for people, on one line."""

    def said(name: str) -> str:
        # whoever writes to the topic does not write to the terminal
        return "".join(c for c in str(alert.get(name, "")) if c.isprintable())

    codes = [str(r.get("code", "")) for r in alert.get("reasons") or [] if isinstance(r, dict)]
    reasons = "".join(c for c in ", ".join(codes) if c.isprintable())
    score = alert.get("score")
    share = f"{score:.4f}" if isinstance(score, float | int) else ""
    text = (
        f"{said('arrived_at').replace('T', ' ').rstrip('Z'):<24}{said('decision'):<9}{share:>7}  {said('amount'):>18} "
        f"{said('currency'):<4}{said('user_id'):<14}{said('merchant_id'):<16}{reasons}"
    )
    colour = COLOURS.get(str(alert.get("anomaly_type"))) if is_coloured else None
    return f"{colour}{text}{PLAIN}" if colour else text


def is_coloured(out: TextIO, environ: Mapping[str, str]) -> bool:
    """True on a terminal whose owner has not set NO_COLOR (no-color.org)."""
    return out.isatty() and not environ.get("NO_COLOR")


def main(argv: Sequence[str]) -> int:
    """`paylake alerts tail`."""
    action, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else ("", argv)
    settings = parse_settings(AlertsSettings, rest, prog="paylake alerts tail")
    if action != "tail":
        raise SettingsError(f"paylake alerts knows tail, but not {action or 'nothing'!r}.")
    if settings.most < 1:
        raise SettingsError(f"--most: {settings.most} is less than 1; for example --most 20.")
    tail(settings, sys.stdout)
    return 0


def tail(settings: AlertsSettings, out: TextIO) -> None:
    """Show what the topic holds, and, following, what comes; SourceError where no broker answers."""
    from kafka import KafkaConsumer, TopicPartition

    shown, coloured = Shown(settings.most), is_coloured(out, os.environ)
    with client(KafkaConsumer, settings, ANSWER_WITHIN_S) as consumer:
        numbers = consumer.partitions_for_topic(FRAUD_ALERTS)
        if not numbers:
            raise SourceError(
                f"there is no topic {FRAUD_ALERTS} at {settings.bootstrap_servers}: run `paylake topics create`."
            )
        parts = [TopicPartition(FRAUD_ALERTS, number) for number in sorted(numbers)]
        consumer.assign(parts)
        first, ends = consumer.beginning_offsets(parts), consumer.end_offsets(parts)
        for part in parts:
            consumer.seek(part, first[part] if settings.from_beginning else max(first[part], ends[part] - settings.most))
        while any(consumer.position(part) < ends[part] for part in parts):
            shown.take(_values(consumer, ANSWER_WITHIN_S))
        _draw(shown, out, coloured, is_whole_screen=settings.follow and out.isatty())
        while settings.follow:
            new = shown.take(_values(consumer, REDRAW_S))
            if new and out.isatty():
                _draw(shown, out, coloured, is_whole_screen=True)
                time.sleep(REDRAW_S)
            for alert in [] if out.isatty() else new:
                print(line(alert, coloured), file=out, flush=True)


def _values(consumer: Any, within_s: float) -> list[bytes | None]:
    found = consumer.poll(timeout_ms=int(within_s * 1000))
    return [record.value for records in found.values() for record in records]


def _draw(shown: Shown, out: TextIO, coloured: bool, is_whole_screen: bool) -> None:
    lines = [HEAD, *(line(alert, coloured) for alert in shown.alerts)]
    if not shown.alerts:
        lines.append("no alerts yet")
    print((CLEAR if is_whole_screen else "") + "\n".join(lines), file=out, flush=True)
