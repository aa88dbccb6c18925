"""`paylake serve`: the API over what was published."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

import uvicorn

from paylake import health
from paylake.errors import SettingsError
from paylake.health import HealthSettings
from paylake.serve import ApiSeries, Store, StoreWatch, application
from paylake.session import log_to_stderr
from paylake.settings import parse_settings, setting
from paylake.sinks.redis_client import URL_VARIABLES, connected

log = logging.getLogger(__name__)

END_WITHIN_S = 20
"""How long an answer may take that was asked for before the end."""
MOST_AT_ONCE = 200


# without a repr, which would show a URL's password
@dataclass(frozen=True, kw_only=True, repr=False)
class ServeSettings(HealthSettings):
    """Answer dashboards and applications over HTTP, with what was published to Redis: JSON, and nothing to write to.

    GET /api/merchants/ID/totals, /api/users/ID/profile, /api/operations, /api/alerts, /api/health. Who may call is for the
    network to say: bind it to an address that only callers reach. /ready on the health port asks that Redis has answered
    within --health-max-age.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake serve --redis redis://127.0.0.1:6379/0",
        "paylake serve --redis redis://127.0.0.1 --port 9000 --health-port 8090",
        "curl http://127.0.0.1:8080/api/merchants/MER000001/totals",
    )

    host: str = setting("127.0.0.1", "Address to answer at; 0.0.0.0: every one.")
    port: int = setting(8080, "Port to answer at.")
    redis: str = setting(help="URL of the Redis server that was published to.", env=URL_VARIABLES)
    redis_password: str | None = setting(
        None, "Password for Redis, in place of the URL's", env="PAYLAKE_REDIS_PASSWORD", secret=True
    )
    redis_iam: str = setting(
        "", "ElastiCache group that the URL's user logs in to by its role, without a password.", env="PAYLAKE_REDIS_IAM"
    )
    region: str = setting("", "AWS region of that group.", env=("AWS_REGION", "AWS_DEFAULT_REGION"))


def main(argv: Sequence[str]) -> int:
    """`paylake serve`."""
    settings = parse_settings(ServeSettings, argv, prog="paylake serve")
    log_to_stderr()
    serve(settings)
    return 0


def serve(settings: ServeSettings) -> None:
    """Answer until asked to stop; SettingsError where a port cannot be had, or a URL is none."""
    store = Store(*connected(settings.redis, settings.redis_password, settings.redis_iam, settings.region))
    watch = StoreWatch(store, settings.health_max_age)
    series = ApiSeries(watch)
    config = uvicorn.Config(
        application(store, series), log_config=None, access_log=False, server_header=False,
        limit_concurrency=MOST_AT_ONCE, timeout_graceful_shutdown=END_WITHIN_S,
    )  # fmt: skip
    if threading.current_thread() is threading.main_thread():
        # uvicorn says a signal again once it has ended in order
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with ExitStack() as running:
        listening = running.enter_context(_listening(settings.host, settings.port))
        if settings.health_port:
            running.enter_context(health.serving(series, settings.health_address, settings.health_port))
        running.enter_context(watch.looking())
        log.info("The API is at http://%s:%d/api/health.", *listening.getsockname()[:2])
        uvicorn.Server(config).run([listening])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=MOST_AT_ONCE)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"--port: {host}:{port} cannot be used ({why}); choose another one.") from None
    # head and content are two packets, of which the second would wait for the caller to acknowledge the first: 40 ms
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
