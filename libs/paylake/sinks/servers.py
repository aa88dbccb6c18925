"""Servers that scores are published to: where one is, without its password, and how long its absence is borne."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from paylake.errors import SettingsError, SourceError
from paylake.sinks.arrivals import Row

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

ANSWER_WITHIN_S = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


@dataclass(frozen=True)
class Server:
    """A server as it may be named in public: its kind, host and port."""

    kind: str
    host: str
    port: int

    def __str__(self) -> str:
        """Its name in a sentence."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind} at {host}:{self.port}"


class Away(Exception):
    """The server does not answer, or cannot serve at the moment; what was asked of it may be asked again."""


class Asked(Exception):
    """Somebody asked to stop while a server was away."""


class Sink(Protocol):
    """Where scored payments are published to.

    What it is asked may be asked again, without effect. It raises Away where waiting may help, and every error without its
    cause: Spark passes the whole stack on as text, with what a library quotes of rows.
    """

    @property
    def name(self) -> str:
        """Its word in checkpoints and logs."""

    @property
    def server(self) -> Server:
        """Where it is."""

    def prepare(self) -> None:
        """Make what it needs, where that is missing; SourceError where it cannot be had."""

    def publish(self, rows: Sequence[Row]) -> None:
        """Say what the rows say, unless something newer is said there; SourceError where they are refused."""

    def close(self) -> None:
        """End its connections."""


def server_of(flag: str, kind: str, url: str, schemes: Sequence[str], port: int, example: str) -> Server:
    """The server that a URL names, on `port` where it names none; SettingsError where it names no single one."""
    try:
        parts = urlsplit(url)
        host, given = parts.hostname, parts.port
    except ValueError:
        raise wrong_url(flag, kind, example) from None
    if parts.scheme not in schemes or not host or "," in parts.netloc:
        raise wrong_url(flag, kind, example)
    return Server(kind, host, given or port)


def wrong_url(flag: str, kind: str, example: str) -> SettingsError:
    """What is wrong, without the URL: it may hold a password."""
    return SettingsError(f"{flag}: the value is no URL of one {kind} server; for example {flag} {example}.")


def client_library(name: str, extra: str = "sinks") -> ModuleType:
    """The library that speaks to a server; SettingsError where its extra is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise SettingsError(f"{name} is not installed: get it with pip install 'paylake[{extra}]'.") from None


def patiently(act: Callable[[], Answer], server: Server, patience: timedelta, stop: threading.Event) -> Answer:
    """Do something with a server, and again while it is away, for `patience` at most.

    Raises SourceError once that is over, and Asked where `stop` is set in the meantime.
    """
    began, pause = time.monotonic(), FIRST_PAUSE_S
    while True:
        try:
            return act()
        except Away as error:
            left = patience.total_seconds() - (time.monotonic() - began)
            if left <= 0:
                raise SourceError(
                    f"{server} could not be used for {patience.total_seconds():.0f} s ({error}); see that it runs, and "
                    f"start the job again: it goes on where it stopped."
                ) from None
            if pause == FIRST_PAUSE_S:
                log.warning("%s is away (%s); trying again.", server, error)
        if stop.wait(min(pause, left)):
            raise Asked
        pause = min(2 * pause, LONGEST_PAUSE_S)
