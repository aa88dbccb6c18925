"""Servers by their URL, without what is secret in it, and how long their absence is borne."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from jobs.streaming.publish_scores import PublishScoresSettings
from paylake.cli import main
from paylake.errors import SettingsError, SourceError
from paylake.settings import parse_settings
from paylake.sinks.postgres_sink import PostgresSink
from paylake.sinks.redis_sink import RedisSink
from paylake.sinks.servers import Asked, Away, Server, patiently

SERVER = Server("Redis", "127.0.0.1", 6379)
HIDDEN = "hidden%40word"


def redis_sink(url: str, password: str | None = None) -> RedisSink:
    return RedisSink.of(url, password, timedelta(days=1), 10)


def postgres_sink(url: str, password: str | None = None) -> PostgresSink:
    return PostgresSink.of(url, password, 2)


def test_a_server_is_named_by_host_and_port_alone() -> None:
    redis = redis_sink(f"redis://somebody:{HIDDEN}@cache.example/3")
    postgres = postgres_sink(f"postgresql://somebody:{HIDDEN}@[::1]:5433/paylake?sslmode=require")
    assert (str(redis.server), str(postgres.server)) == ("Redis at cache.example:6379", "PostgreSQL at [::1]:5433")
    assert "hidden" not in f"{redis!r} {postgres!r}"
    assert postgres.parameters["password"] == "hidden@word"
    assert postgres.parameters["sslmode"] == "require"
    known = redis.client.connection_pool.connection_kwargs
    assert (known["password"], known["db"]) == ("hidden@word", 3)


def test_a_password_of_its_own_counts_before_the_urls() -> None:
    assert postgres_sink(f"postgresql://u:{HIDDEN}@h/d", "other").parameters["password"] == "other"
    assert redis_sink(f"redis://u:{HIDDEN}@h", "other").client.connection_pool.connection_kwargs["password"] == "other"


@pytest.mark.parametrize(
    ("said", "redis", "postgres"),
    [
        ({"REDIS_HOST": "cache"}, "Redis at cache:6379", None),
        (
            {"REDIS_HOST": "cache:7000", "POSTGRES_URL": "postgresql://u@db/d"},
            "Redis at cache:7000",
            "PostgreSQL at db:5432",
        ),
        ({"REDIS_HOST": "cache", "PAYLAKE_REDIS_URL": "redis://other"}, "Redis at other:6379", None),
    ],
)
def test_servers_are_named_by_the_usual_variables_too(said: dict[str, str], redis: str, postgres: str | None) -> None:
    settings = parse_settings(PublishScoresSettings, [], environ=said)
    assert str(redis_sink(settings.redis).server) == redis
    assert (str(postgres_sink(settings.postgres).server) if settings.postgres else None) == postgres


@pytest.mark.parametrize(
    ("flag", "url"),
    [
        ("--redis", f"http://u:{HIDDEN}@h"),
        ("--redis", f"redis://u:{HIDDEN}@h:port"),
        ("--redis", f"redis://u:{HIDDEN}@h/0?ssl_cert_reqs=none"),
        ("--redis", f"redis://u:{HIDDEN}@h/zero"),
        ("--postgres", f"redis://u:{HIDDEN}@h"),
        ("--postgres", f"postgresql://u:{HIDDEN}%zz@h/d"),
        ("--postgres", f"postgresql://u:{HIDDEN}@h,h2/d"),
        ("--postgres", f"postgresql://u:{HIDDEN}@h/d?what=x"),
        ("--postgres", f"postgresql://u:{HIDDEN}@[::1/d"),
    ],
)
def test_a_wrong_url_is_one_sentence_that_does_not_repeat_it(
    flag: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish-scores", flag, url]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"paylake: {flag}: the value is no URL of one ")
    assert f"for example {flag} " in shown
    assert shown.count("\n") == 1
    assert "hidden" not in shown


def test_a_place_to_publish_to_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish-scores"]) == 2
    assert "--redis URL, --postgres URL, or both." in capsys.readouterr().err
    assert main(["publish-scores", "--redis", "redis://h", "--alerts-kept", "0"]) == 2
    assert "--alerts-kept: 0 is not from 1 to 10000000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("library", "open_sink", "url"), [("redis", redis_sink, "redis://h"), ("psycopg", postgres_sink, "postgresql://h/d")]
)
def test_a_missing_extra_is_named(
    library: str, open_sink: Callable[[str], object], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SettingsError, match=r"pip install 'paylake\[sinks\]'"):
        open_sink(url)


def away_until(times: int) -> Callable[[], str]:
    """An act that works once it has been tried so many times."""
    tries = iter(range(times))

    def act() -> str:
        if next(tries, None) is not None:
            raise Away("no connection")
        return "done"

    return act


def test_what_fails_is_tried_again_within_the_patience() -> None:
    assert patiently(away_until(2), SERVER, timedelta(seconds=20), threading.Event()) == "done"


def test_a_patience_that_is_over_is_one_sentence() -> None:
    with pytest.raises(SourceError, match=r"^Redis at 127.0.0.1:6379 could not be used for 0 s \(no connection\); see that"):
        patiently(away_until(2), SERVER, timedelta(0), threading.Event())


def test_who_asks_to_stop_does_not_wait_for_a_server() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Asked):
        patiently(away_until(1), SERVER, timedelta(hours=1), stop)
