"""The edge to Redis: features of the newest payments, and alerts, each written by one script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from paylake.sinks.arrivals import Row
from paylake.sinks.redis_changes import IF_NEWER, Change, changes
from paylake.sinks.redis_client import connected, sentences
from paylake.sinks.servers import Server

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
    def of(
        url: str, password: str | None, time_to_live: timedelta, alerts_kept: int, iam: str = "", region: str = ""
    ) -> RedisSink:
        """The sink that a URL names; SettingsError where it names none, or the library is not installed."""
        server, client = connected(url, password, iam, region)
        return RedisSink(server, max(int(time_to_live.total_seconds()), 1), alerts_kept, client)

    def prepare(self) -> None:
        """See that it answers."""
        with sentences(self.server):
            self.client.ping()

    def publish(self, rows: Sequence[Row]) -> None:
        """Write the features of the rows' customers, merchants, cards and devices, and their alerts."""
        told = changes(rows)
        for first in range(0, len(told), CHANGES_AT_ONCE):
            with sentences(self.server):
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
