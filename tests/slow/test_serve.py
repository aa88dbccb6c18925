"""`paylake serve` as a process over a real Redis: what was published, while Redis goes and comes, until it is to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any

import pytest

from paylake.publish_serving import RedisItems
from paylake.serving.items import MERCHANT_TOTALS, OPERATIONS, USER_PROFILES, Item
from paylake.sinks.redis_client import connected
from paylake.sinks.redis_sink import RedisSink
from tests.slow.test_sinks import PASSWORD, READY_WITHIN_S, TestServer, cache, client, free_port  # noqa: F401
from tests.unit.sinks.scored_payments import alerting

AT = "2026-04-01T02:00:00.000000Z"


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and text."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    status, text = answer.status, answer.read().decode()
    connection.close()
    return status, text


def until(port: int, path: str, status: int) -> str:
    """What it says once it says it with this status."""
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            found, text = ask(port, path)
        except ConnectionRefusedError:
            found, text = 0, "refused"
        if found == status:
            return text
        assert time.monotonic() < deadline, f"{path}: {found} {text}"
        time.sleep(0.1)


@pytest.fixture
def api(cache: TestServer) -> Iterator[tuple[subprocess.Popen[str], int, int]]:  # noqa: F811
    """The process, its port, and its health port."""
    port, health_port = free_port(), free_port()
    command = [sys.executable, "-m", "paylake.cli", "serve", "--port", str(port), "--health-port", str(health_port)]
    # the password comes from the environment alone
    url = cache.url.replace(cache.url.partition("//")[2].partition("@")[0] + "@", "")
    environment = {**os.environ, "PAYLAKE_REDIS_URL": url, "PAYLAKE_REDIS_PASSWORD": PASSWORD}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, port, health_port
        finally:
            process.kill()


def test_the_api_says_what_was_published(
    cache: TestServer, api: tuple[subprocess.Popen[str], int, int]  # noqa: F811
) -> None:  # fmt: skip
    client(cache).flushall()
    process, port, health_port = api
    items = RedisItems(*connected(cache.url), seconds_to_live=3600, patience=timedelta(seconds=10))
    figures: dict[str, Any] = {
        "currency": "INR",
        "approved": 3,
        "approved_amount": "1234567890.120000",
        "is_anomalous": False,
    }
    of_m1 = {"merchant_id": "m1", **figures}
    items.put(
        [
            Item(MERCHANT_TOTALS, "m1", "2026-03-30#INR", AT, {**of_m1, "approved": 2}),
            Item(MERCHANT_TOTALS, "m1", "2026-03-31#INR", AT, of_m1),
            Item(USER_PROFILES, "u 1", "2026-03-30#INR", AT, {"user_id": "u 1", "is_declined_repeatedly": True}),
            Item(OPERATIONS, "reconcile_ledgers", "2026-03-31T10:00:00Z#pg-transactions", AT, {"records": 7}),
        ]
    )
    sink = RedisSink.of(cache.url, None, timedelta(hours=1), alerts_kept=10)
    sink.publish([alerting("t1", batch=1), alerting("t2", batch=2)])
    sink.close()

    until(port, "/api/health", 200)
    assert until(health_port, "/ready", 200).startswith("Redis answered ")
    assert ask(health_port, "/live")[0] == 200
    assert json.loads(ask(port, "/api/merchants/m1/totals")[1]) == {"merchant_id": "m1", "totals": [of_m1]}
    assert json.loads(ask(port, "/api/merchants/m1/totals?date=2026-03-30")[1])["totals"][0]["approved"] == 2
    assert json.loads(ask(port, "/api/users/u%201/profile")[1])["profiles"] == [
        {"user_id": "u 1", "is_declined_repeatedly": True}
    ]
    assert ask(port, "/api/users/u1/profile") == (404, '{"error":"There is no published profile of the user u1."}')
    assert json.loads(ask(port, "/api/operations")[1])["operations"] == [{"records": 7}]
    alerts = json.loads(ask(port, "/api/alerts?limit=1")[1])["alerts"]
    assert [(a["transaction_id"], a["reasons"][0]["code"]) for a in alerts] == [("t2", "VELOCITY")]

    # a run takes the totals back; what an older one said stays away, and the same again is nothing new
    gone = Item(MERCHANT_TOTALS, "m1", "2026-03-31#INR", "2026-04-02T02:00:00.000000Z", None)
    assert [items.put([one]) for one in (gone, gone, replace(gone, version=AT, attributes=of_m1))] == [1, 0, 0]
    assert json.loads(ask(port, "/api/merchants/m1/totals")[1])["totals"][0]["approved"] == 2
    items.close()

    cache.kill()
    assert "ask again in a minute" in until(port, "/api/health", 503)
    assert ask(health_port, "/ready")[0] == 200, "it was there a moment ago"
    cache.start()
    assert ask(port, "/api/health")[0] == 200
    assert 'route="/api/merchants/{merchant_id}/totals",status="200"' in ask(health_port, "/metrics")[1]

    process.send_signal(signal.SIGTERM)
    assert process.wait(READY_WITHIN_S) == 0
    assert process.stderr is not None
    said = process.stderr.read()
    assert f"The API is at http://127.0.0.1:{port}/api/health." in said
    for hidden in ("Traceback", "m1", "u1", PASSWORD):
        assert hidden not in said
