"""The API over what was published to Redis: read-only JSON, one sentence where there is nothing to say."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.exceptions import HTTPException

import paylake
from paylake.errors import SourceError
from paylake.serving.items import (
    MERCHANT_TOTALS,
    OPERATIONS,
    USER_PROFILES,
    Subject,
    Value,
    newest,
    newest_of_each,
    of_day,
)
from paylake.serving.redis_items import attributes, item_key, places_key
from paylake.sinks.redis_changes import ALERTS
from paylake.sinks.redis_client import sentences
from paylake.sinks.servers import Away, Server

log = logging.getLogger(__name__)

Found = TypeVar("Found")

JOB = "reconcile_ledgers"
MOST_ALERTS, MOST_HOURS = 1_000, 168
LONGEST_NAME = 128
ASKED_EVERY_S = 10.0
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds."""


class AnswerError(Exception):
    """A question that gets another answer than 200: its status, and the sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        """What to say."""
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


# --- what Redis holds ---


@dataclass
class Store:
    """The published figures and alerts of one Redis server."""

    server: Server
    client: Any = field(repr=False)

    def items(self, subject: Subject, owner: str, shown: Callable[[Sequence[str]], Sequence[str]]) -> list[dict[str, Value]]:
        """Those of an owner's items whose places `shown` picks, in its order; none where nothing is published."""

        def ask() -> list[Mapping[str, str]]:
            places = shown(self.client.zrange(places_key(subject, owner), 0, -1))
            pipeline = self.client.pipeline(transaction=False)
            for place in places:
                pipeline.hgetall(item_key(subject, owner, place))
            found: list[Mapping[str, str]] = pipeline.execute()
            return found

        # an item may have come to its end of life before its place
        return [said for known in self._twice(ask) if (said := attributes(subject, known))]

    def alerts(self, most: int) -> list[dict[str, Any]]:
        """The newest alerts, newest first."""
        entries = self._twice(lambda: self.client.xrevrange(ALERTS, count=most))
        return [
            {**{name: text for name, text in said.items() if name != "version"}, "reasons": json.loads(said["reasons"])}
            for _, said in entries
        ]

    def ping(self) -> None:
        """See that it answers."""
        self._twice(self.client.ping)

    def _twice(self, ask: Callable[[], Found]) -> Found:
        """Ask, and once more where the connection was lost: Redis may have been restarted since it was made."""
        try:
            with sentences(self.server):
                return ask()
        except Away:
            with sentences(self.server):
                return ask()


class StoreWatch:
    """Asks Redis every few seconds whether it is there, so that /ready need not wait for it."""

    def __init__(self, store: Store, max_age: timedelta, every_s: float = ASKED_EVERY_S) -> None:
        """Not looking yet."""
        self.store, self.max_age, self.every_s = store, max_age, every_s
        self.answered_at: float | None = None
        self._stop = threading.Event()

    def verdict(self) -> tuple[bool, str]:
        """Ready or not, and why, as a line for people."""
        if self.answered_at is None:
            return False, "Redis has not answered yet."
        age = time.time() - self.answered_at
        is_young = age <= self.max_age.total_seconds()
        return is_young, f"Redis answered {age:.0f} s ago{'' if is_young else ', which is too long'}."

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look while the block runs."""
        thread = threading.Thread(target=self._run, name="paylake-store", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(timeout=15)

    def _run(self) -> None:
        while True:
            try:
                self.store.ping()
                self.answered_at = time.time()
            except (Away, SourceError) as error:
                log.warning("%s cannot be asked: %s", self.store.server, error)
            if self._stop.wait(self.every_s):
                return


# --- its series ---


class ApiSeries:
    """What Prometheus reads of the API; a label is never an identifier of a merchant or person."""

    def __init__(self, pulse: StoreWatch) -> None:
        """Nothing was asked yet."""
        self.pulse = pulse
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        version = Gauge("paylake_build_info", "1, with the version that runs.", ["version"], registry=self.registry)
        version.labels(paylake.__version__).set(1)
        ready = Gauge("paylake_api_ready", "1 while /ready says so.", registry=self.registry)
        ready.set_function(lambda: int(pulse.verdict()[0]))
        self.requests = Counter(
            "paylake_api_requests_total", "Questions by what was answered.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "paylake_api_request_seconds", "Time to an answer.", ["route"], buckets=BUCKETS, registry=self.registry
        )

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)


# --- the API ---


def application(store: Store, series: ApiSeries) -> FastAPI:
    """The API, as an ASGI application."""
    # its pages of documentation would load scripts from elsewhere
    app = FastAPI(
        title="paylake", version=paylake.__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json"
    )
    _watch(app, series)
    _say_errors(app)

    @app.get("/api/health")
    def health() -> Response:
        """Whether the figures can be read."""
        store.ping()
        return _answer({"status": "ok"})

    @app.get("/api/merchants/{merchant_id}/totals")
    def merchant_totals(merchant_id: str, date: str = "") -> Response:
        """A merchant's totals of a date, one for each currency; of the newest date without one."""
        day = _day(date)
        found = store.items(
            MERCHANT_TOTALS, _name("merchant", merchant_id), lambda places: of_day(places, day) if day else newest(places)
        )
        if not found:
            when = f" on {day}" if day else ""
            raise AnswerError(404, f"There are no published totals of the merchant {merchant_id}{when}.")
        return _answer({"merchant_id": merchant_id, "totals": found})

    @app.get("/api/users/{user_id}/profile")
    def user_profile(user_id: str) -> Response:
        """How a customer pays: of each currency, the newest date."""
        found = store.items(USER_PROFILES, _name("user", user_id), newest_of_each)
        if not found:
            raise AnswerError(404, f"There is no published profile of the user {user_id}.")
        return _answer({"user_id": user_id, "profiles": found})

    @app.get("/api/operations")
    def operations(job: str = JOB, hours: str = "24") -> Response:
        """A streaming job's last hours, by topic, newest first."""
        most = _count("hours", hours, MOST_HOURS)
        found = store.items(OPERATIONS, _name("job", job), lambda places: newest(places, most))
        if not found:
            raise AnswerError(404, f"There are no published figures of the job {job}.")
        return _answer({"job": job, "operations": found})

    @app.get("/api/alerts")
    def alerts(limit: str = "50") -> Response:
        """The latest alerts, newest first."""
        return _answer({"alerts": store.alerts(_count("limit", limit, MOST_ALERTS))})

    return app


def _answer(said: Mapping[str, Any], status: int = 200) -> JSONResponse:
    # it names customers: nobody on the way shall keep it
    return JSONResponse(dict(said), status, {"Cache-Control": "no-store"})


def _name(what: str, text: str) -> str:
    if not 0 < len(text) <= LONGEST_NAME or not text.isprintable():
        raise AnswerError(400, f"A {what} has a name of 1 to {LONGEST_NAME} printable characters.")
    return text


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise AnswerError(400, "date: say a date as in ?date=2026-03-31.") from None


def _count(what: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and 1 <= int(text) <= most):
        raise AnswerError(400, f"{what}: say a whole number from 1 to {most}, as in ?{what}={min(most, 24)}.")
    return int(text)


def _say_errors(app: FastAPI) -> None:
    """Every answer that is none is one sentence."""

    async def asked_wrong(request: Request, error: Exception) -> Response:
        assert isinstance(error, AnswerError)
        return _answer({"error": error.sentence}, error.status)

    async def away(request: Request, error: Exception) -> Response:
        log.warning("%s: %s", _route(request), error)
        return _answer({"error": "The figures cannot be read at the moment; ask again in a minute."}, 503)

    async def not_here(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            return _answer({"error": "Here is nothing to write to; ask with GET."}, 405)
        return _answer({"error": "There is no such page; /api/openapi.json lists those that there are."}, error.status_code)

    app.add_exception_handler(AnswerError, asked_wrong)
    app.add_exception_handler(Away, away)
    app.add_exception_handler(SourceError, away)
    app.add_exception_handler(HTTPException, not_here)


def _watch(app: FastAPI, series: ApiSeries) -> None:
    @app.middleware("http")
    async def counted(request: Request, ask: Callable[[Request], Awaitable[Response]]) -> Response:
        began = time.monotonic()
        try:
            answer = await ask(request)
        except Exception as error:  # what nobody foresaw, without its text: that may quote what was asked
            log.error("%s failed: %s", _route(request), type(error).__name__)
            answer = _answer({"error": "The question could not be answered; the log of the API says why."}, 500)
        route = _route(request)
        series.requests.labels(route, answer.status_code).inc()
        series.seconds.labels(route).observe(time.monotonic() - began)
        return answer


def _route(request: Request) -> str:
    """The path as it was declared: that of the request names somebody."""
    return str(getattr(request.scope.get("route"), "path", "none"))
