"""The API over a store of literal answers: shapes, sentences, and what its series count."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any

import pytest
import uvicorn

from paylake import serve_command
from paylake.errors import SettingsError, SourceError
from paylake.serve import ApiSeries, Store, StoreWatch, application
from paylake.serving.items import Subject, Value
from paylake.sinks.servers import Away, Server

SERVER = Server("Redis", "127.0.0.1", 6379)
PLACES = {
    ("merchant-totals", "m1"): ["2026-03-30#INR", "2026-03-31#INR", "2026-03-31#USD"],
    ("user-profiles", "u1"): ["2026-03-29#USD", "2026-03-30#INR", "2026-03-31#INR"],
    ("operations", "reconcile_ledgers"): [f"2026-03-31T{hour:02}:00:00Z#pg-transactions" for hour in range(10)],
}


class Known(Store):
    """Items that say where they are, and what the client may be asked."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(SERVER, None)
        self.error = error

    def items(self, subject: Subject, owner: str, shown: Callable[[Sequence[str]], Sequence[str]]) -> list[dict[str, Value]]:
        self.ping()
        return [{"place": place} for place in shown(PLACES.get((subject.name, owner), []))]

    def alerts(self, most: int) -> list[dict[str, Any]]:
        return [{"transaction_id": f"t{n}", "reasons": []} for n in range(most)]

    def ping(self) -> None:
        if self.error:
            raise self.error


@dataclass
class Api:
    """The API in a thread, on a port of its own."""

    store: Known
    series: ApiSeries
    port: int

    def ask(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """Status and content."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.headers["cache-control"] == "no-store"
        content = json.loads(answer.read())
        connection.close()
        return answer.status, content


@pytest.fixture(scope="module")
def served() -> Iterator[Api]:
    store = Known()
    series = ApiSeries(StoreWatch(store, timedelta(minutes=5)))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application(store, series), log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield Api(store, series, listening.getsockname()[1])
    server.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.fixture
def api(served: Api) -> Iterator[Api]:
    yield served
    served.store.error = None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/health", {"status": "ok"}),
        ("/api/merchants/m1/totals",
         {"merchant_id": "m1", "totals": [{"place": "2026-03-31#USD"}, {"place": "2026-03-31#INR"}]}),
        ("/api/merchants/m1/totals?date=2026-03-30", {"merchant_id": "m1", "totals": [{"place": "2026-03-30#INR"}]}),
        ("/api/users/u1/profile",
         {"user_id": "u1", "profiles": [{"place": "2026-03-31#INR"}, {"place": "2026-03-29#USD"}]}),
        ("/api/operations?hours=1",
         {"job": "reconcile_ledgers", "operations": [{"place": "2026-03-31T09:00:00Z#pg-transactions"}]}),
        ("/api/alerts?limit=1", {"alerts": [{"transaction_id": "t0", "reasons": []}]}),
    ],
)  # fmt: skip
def test_what_is_known_is_json(path: str, said: dict[str, Any], api: Api) -> None:
    assert api.ask(path) == (200, said)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/merchants/m2/totals", 404, "There are no published totals of the merchant m2."),
        ("/api/merchants/m1/totals?date=2025-01-01", 404, "There are no published totals of the merchant m1 on 2025-01-01."),
        ("/api/users/u9/profile", 404, "There is no published profile of the user u9."),
        ("/api/operations?job=other", 404, "There are no published figures of the job other."),
        ("/api/merchants/m1/totals?date=31.3.2026", 400, "date: say a date as in ?date=2026-03-31."),
        ("/api/alerts?limit=1001", 400, "limit: say a whole number from 1 to 1000, as in ?limit=24."),
        ("/api/operations?hours=-1", 400, "hours: say a whole number from 1 to 168, as in ?hours=24."),
        (f"/api/users/{'x' * 129}/profile", 400, "A user has a name of 1 to 128 printable characters."),
        ("/api/users/a%0Ab/profile", 400, "A user has a name of 1 to 128 printable characters."),
        ("/docs", 404, "There is no such page; /api/openapi.json lists those that there are."),
    ],
)
def test_what_is_not_known_is_one_sentence(path: str, status: int, said: str, api: Api) -> None:
    assert api.ask(path) == (status, {"error": said})


def test_there_is_nothing_to_write_to(api: Api) -> None:
    assert api.ask("/api/merchants/m1/totals", "POST") == (405, {"error": "Here is nothing to write to; ask with GET."})


@pytest.mark.parametrize("error", [Away("no connection"), SourceError("Redis at 127.0.0.1:6379 refuses the user.")])
def test_a_store_that_is_away_is_told_without_its_address(error: Exception, api: Api) -> None:
    api.store.error = error
    told = {"error": "The figures cannot be read at the moment; ask again in a minute."}
    assert api.ask("/api/health") == api.ask("/api/merchants/m1/totals") == (503, told)


def test_what_nobody_foresaw_is_one_sentence_too(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.store.error = RuntimeError("of m1")
    assert api.ask("/api/merchants/m1/totals") == (
        500, {"error": "The question could not be answered; the log of the API says why."},
    )  # fmt: skip
    assert "/api/merchants/{merchant_id}/totals failed: RuntimeError" in caplog.text
    assert "m1" not in caplog.text


def test_questions_are_counted_by_what_was_asked_and_never_of_whom(api: Api) -> None:
    for path in ("/api/merchants/m8/totals", "/nowhere/m9"):
        api.ask(path)
    text = api.series.text().decode()
    assert 'paylake_api_requests_total{route="/api/merchants/{merchant_id}/totals",status="404"}' in text
    assert 'paylake_api_requests_total{route="none",status="404"}' in text
    assert not [owner for owner in ("m8", "m9") if owner in text]
    assert "paylake_api_ready 0.0" in text


def test_it_is_ready_while_redis_has_answered_lately() -> None:
    watch = StoreWatch(Known(), timedelta(minutes=5))
    assert watch.verdict() == (False, "Redis has not answered yet.")
    watch.answered_at = 0.0
    assert watch.verdict()[0] is False
    assert watch.verdict()[1].endswith("which is too long.")


def test_an_answer_does_not_wait_for_the_caller_to_acknowledge_its_head() -> None:
    with serve_command._listening("127.0.0.1", 0) as listening:
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with pytest.raises(SettingsError, match=r"--port: 127.0.0.1:\d+ cannot be used \(Address already in use"):
            serve_command._listening(*listening.getsockname())
