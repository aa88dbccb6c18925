"""The edge to Redis: features of the newest payments, and alerts, each written by one script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from paylake.errors import SourceError
from paylake.sinks.arrivals import Row
from paylake.sinks.redis_changes import IF_NEWER, Change, changes
from paylake.sinks.servers import ANSWER_WITHIN_S, Away, Server, client_library, server_of, wrong_url

FLAG, KIND, EXAMPLE = "--redis", "Redis", "redis://127.0.0.1:6379/0"
PORT = 6379
CHANGES_AT_ONCE = 2_000
"""Scripts in one round trip: their answers wait in memory."""


@dataclass
class RedisSink:
    """One Redis server. Not a cluster: the script of an alert writes to two keys."""

    server: Server
    seconds_to_live: int
    alerts_kept: int
    client: Any = field(repr=False)
    name: str = "redis"

    @staticmethod
    def of(url: str, password: str | None, time_to_live: timedelta, alerts_kept: int) -> RedisSink:
        """The sink that a URL names; SettingsError where it names none, or the library is not installed."""
        server = server_of(FLAG, KIND, url, ("redis", "rediss"), PORT, EXAMPLE)
        parts = urlsplit(url)
        database = parts.path.strip("/") or "0"
        if parts.query or not database.isdecimal():
            raise wrong_url(FLAG, KIND, EXAMPLE)
        library = client_library("redis")
        client = library.Redis(
            host=server.host,
            port=server.port,
            db=int(database),
            username=unquote(parts.username) if parts.username else None,
            password=password or (unquote(parts.password) if parts.password else None),
            ssl=parts.scheme == "rediss",
            decode_responses=True,
            socket_timeout=ANSWER_WITHIN_S,
            socket_connect_timeout=ANSWER_WITHIN_S,
            # how long an absence is borne is for the caller to say
            retry=client_library("redis.retry").Retry(client_library("redis.backoff").NoBackoff(), 0),
        )
        return RedisSink(server, max(int(time_to_live.total_seconds()), 1), alerts_kept, client)

    def prepare(self) -> None:
        """See that it answers."""
        with self._sentences():
            self.client.ping()

    def publish(self, rows: Sequence[Row]) -> None:
        """Write the features of the rows' customers, merchants, cards and devices, and their alerts."""
        told = changes(rows)
        for first in range(0, len(told), CHANGES_AT_ONCE):
            with self._sentences():
                self._write(told[first : first + CHANGES_AT_ONCE])

    def close(self) -> None:
        """End the connections."""
        self.client.close()

    def _write(self, told: Sequence[Change]) -> None:
        pipeline = self.client.pipeline(transaction=False)
        script = self.client.register_script(IF_NEWER)
        for change in told:
            keys, arguments = change.arguments(self.seconds_to_live, self.alerts_kept)
            script(keys=keys, args=arguments, client=pipeline)
        # the library's own error would quote the command, with what it says of a payment
        for answer in pipeline.execute(raise_on_error=False):
            if isinstance(answer, Exception):
                raise answer

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Tell what the library raises as Away or SourceError, without its cause: that may quote what was sent."""
        errors = client_library("redis.exceptions")
        try:
            yield
        except (errors.AuthenticationError, errors.AuthorizationError, errors.NoPermissionError):
            raise SourceError(
                f"{self.server} refuses the user or the password; see {FLAG} and PAYLAKE_REDIS_PASSWORD."
            ) from None
        except errors.TimeoutError:
            raise Away(f"no answer within {ANSWER_WITHIN_S} s") from None
        except errors.NoScriptError:
            raise Away("it has just been restarted") from None
        except (errors.BusyLoadingError, errors.TryAgainError):
            raise Away("it is still loading its data") from None
        except errors.ConnectionError:
            raise Away("no connection") from None
        except errors.RedisError as error:
            raise SourceError(f"{self.server} refuses what is published ({str(error)[:200]}); see its settings.") from None
