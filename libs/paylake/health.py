"""The health of a streaming driver, said over HTTP: /live, /ready, and /metrics for Prometheus.

No answer asks Kafka or the lake: a driver waits for both, and starting it anew would bring neither back.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Protocol
from uuid import UUID

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from paylake import tables, views
from paylake.contracts import BREAKS, RUN_CONTROLS
from paylake.contracts.resolution import ENDED
from paylake.contracts.views.fraud import V_FRAUD_ALERT_PRECISION
from paylake.errors import SettingsError
from paylake.health_metrics import CONTENT_TYPE, Series
from paylake.health_pulse import ONLY, Pulse
from paylake.report.controls import latest_controls
from paylake.settings import setting
from paylake.streams import StopAsked

log = logging.getLogger(__name__)

PROOFS_EVERY = timedelta(minutes=5)
JUDGED_DAYS = timedelta(days=28)
"""Business dates of which judged payments are counted: labels come for weeks."""
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    """Where a streaming driver says how it is."""

    health_port: int = setting(0, "port of /live, /ready and /metrics; 0: none", env=("PAYLAKE_HEALTH_PORT",))
    health_address: str = setting(
        "127.0.0.1", "address that the port is bound to; 0.0.0.0: every one", env=("PAYLAKE_HEALTH_ADDRESS",)
    )
    health_max_age: timedelta = setting(
        timedelta(minutes=5), "age of the last batch up to which the driver is ready", env=("PAYLAKE_HEALTH_MAX_AGE",)
    )
    health_grace: timedelta = setting(
        timedelta(minutes=10), "how long the first batch may take until then", env=("PAYLAKE_HEALTH_GRACE",)
    )


@contextmanager
def watched(
    spark: SparkSession,
    settings: HealthSettings,
    query: str,
    lake: str = "",
    batch: timedelta = timedelta(0),
    names: Sequence[str] = (ONLY,),
) -> Iterator[Series]:
    """The series of the session's queries, served while the block runs where the settings name a port.

    With `lake`, they also say what the last nightly run proved. `batch` is how long a batch lasts by design. `names` are
    those of the session's queries, where it has several. Raises SettingsError where the port cannot be had.
    """
    pulse = Pulse(settings.health_max_age + batch, settings.health_grace + batch, time.time, names)
    series = Series(query, pulse, time.time)
    with ExitStack() as running:
        if settings.health_port:
            server = running.enter_context(serving(series, settings.health_address, settings.health_port))
            log.info("Health is at http://%s:%d/ready, metrics at /metrics.", *server.server_address[:2])
            running.enter_context(_listening(spark, series))
            if wanted := int(spark.conf.get("spark.executor.instances", "0") or 0):
                series.has_executors(wanted, partial(executors, spark))
            if lake:
                running.enter_context(ProofWatch(spark, lake, series))
        yield series


# --- what Spark says ---


class ProgressListener(StreamingQueryListener):
    """Passes what Spark says of its queries on to the series; Spark waits for none of it but the start."""

    def __init__(self, series: Series) -> None:
        """Heard of nothing yet."""
        self.series = series
        # only its start tells a query's name
        self._names: dict[UUID, str] = {}

    def onQueryStarted(self, event: QueryStartedEvent) -> None:
        """A query was started."""
        self._names[event.id] = event.name or ONLY
        self.series.started(self._names[event.id])

    def onQueryProgress(self, event: QueryProgressEvent) -> None:
        """A batch ended."""
        self.series.progressed(json.loads(event.progress.json), self._names.get(event.progress.id, ONLY))

    def onQueryIdle(self, event: QueryIdleEvent) -> None:
        """There is nothing to read."""
        self.series.idle(self._names.get(event.id, ONLY))

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:
        """A query ended."""
        failed = event.exception is not None and StopAsked.__name__ not in event.exception
        self.series.ended(failed, self._names.get(event.id, ONLY))


@contextmanager
def _listening(spark: SparkSession, series: Series) -> Iterator[None]:
    listener = ProgressListener(series)
    spark.streams.addListener(listener)
    try:
        yield
    finally:
        spark.streams.removeListener(listener)


def executors(spark: SparkSession) -> float:
    """How many executors the session has, as its own process knows; not a number once it has ended."""
    try:
        found = spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos()
        return float(len(found) - 1)  # the driver counts itself
    except Exception:  # the session ends before its port does
        return math.nan


# --- what the lake says ---


class ProofWatch:
    """Tells the series every few minutes what the last nightly run proved; a lake that is away leaves them as they are."""

    def __init__(self, spark: SparkSession, lake: str, series: Series, every: timedelta = PROOFS_EVERY) -> None:
        """Not looking yet."""
        self.spark, self.lake, self.series, self.every = spark, lake, series, every
        self._told: tuple[str, bool] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="paylake-proofs", daemon=True)

    def __enter__(self) -> ProofWatch:
        """Start looking."""
        self._thread.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join(timeout=10)

    def look(self) -> None:
        """Look once."""
        controls = latest_controls(tables.read_or_empty(self.spark, self.lake, RUN_CONTROLS))
        if controls is None:
            return
        self.series.proved(controls)
        attempt = controls.run.run_at, controls.run.is_published
        if attempt != self._told:  # indexes change with a run, and reading them costs more than its controls
            since = controls.run.business_date - JUDGED_DAYS
            self.series.found(open_breaks(self.spark, self.lake), judged_payments(self.spark, self.lake, since))
            self._told = attempt

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except Exception as error:  # the figures can wait for storage that is away, and the stream must not
                log.warning("What the last nightly run proved cannot be read (%s); trying again.", type(error).__name__)
            if self._stop.wait(self.every.total_seconds()):
                return


def open_breaks(spark: SparkSession, lake: str) -> dict[tuple[str, ...], int]:
    """Kind and severity -> breaks that neither a run nor a person has ended."""
    breaks = tables.read_or_empty(spark, lake, BREAKS).where(~F.col("state").isin(*ENDED))
    return {(r["kind"], r["severity"]): r["count"] for r in breaks.groupBy("kind", "severity").count().collect()}


def judged_payments(spark: SparkSession, lake: str, since: date) -> dict[tuple[str, ...], int]:
    """Model, version and outcome (caught, missed, false_alarm) -> payments with a label, of business dates after `since`."""
    judged = views.read(spark, lake, V_FRAUD_ALERT_PRECISION).where(F.col("business_date") > F.lit(since))
    outcomes = {
        "caught": F.col("flagged_fraud"),
        "missed": F.col("labelled_fraud") - F.col("flagged_fraud"),
        "false_alarm": F.col("flagged_labelled") - F.col("flagged_fraud"),
    }
    counted = judged.groupBy("model_name", "model_version").agg(*[F.sum(n).alias(name) for name, n in outcomes.items()])
    # a payment that no model has scored says nothing of one
    rows = counted.where("model_name IS NOT NULL AND model_version IS NOT NULL").collect()
    return {(r["model_name"], r["model_version"], outcome): r[outcome] for r in rows for outcome in outcomes}


# --- the server ---


class Ready(Protocol):
    """Whoever knows whether a process is ready."""

    def verdict(self) -> tuple[bool, str]:
        """Ready or not, and why, as a line for people."""


class Health(Protocol):
    """What the server says of a process: `Series` of a driver's, others of the API's."""

    @property
    def pulse(self) -> Ready:
        """Who says whether it is ready."""

    def text(self) -> bytes:
        """Its series, as Prometheus reads them."""


class HealthServer(ThreadingHTTPServer):
    """Answers for one process, each request in a thread of its own, so that a slow reader holds up nobody."""

    daemon_threads = True

    def __init__(self, address: str, port: int, series: Health) -> None:
        """Bind the port."""
        self.series = series
        super().__init__((address, port), _Answers)

    def server_bind(self) -> None:
        """As the base class, without asking a name server for this machine's name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that hung up is no news."""
        log.debug("A reader of the health endpoint went away.", exc_info=True)


class _Answers(BaseHTTPRequestHandler):
    server: HealthServer
    timeout = 10

    def do_GET(self) -> None:
        """Answer one question."""
        path = self.path.partition("?")[0]
        if path == "/live":
            self._say(200, b"The driver answers.\n")
        elif path == "/ready":
            is_ready, why = self.server.series.pulse.verdict()
            self._say(200 if is_ready else 503, f"{why}\n".encode())
        elif path == "/metrics":
            self._say(200, self.server.series.text(), CONTENT_TYPE)
        else:
            self._say(404, b"Here are /live, /ready and /metrics.\n")

    def _say(self, status: int, body: bytes, content_type: str = TEXT) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """Nothing of the versions that answer."""
        return "paylake"

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds: the log is for the stream."""


@contextmanager
def serving(series: Health, address: str, port: int) -> Iterator[HealthServer]:
    """The server, answering while the block runs. Raises SettingsError where the port cannot be had."""
    try:
        server = HealthServer(address, port, series)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"--health-port: {address}:{port} cannot be used ({why}); choose another one, or 0 for none."
        ) from None
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="paylake-health", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
