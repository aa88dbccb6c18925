"""`paylake publish-serving`: what its settings demand, and what they never show."""

from __future__ import annotations

import pytest

from paylake.cli import main
from paylake.publish_serving import Published

DATE = ("--business-date", "2026-03-31")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (DATE, "--redis URL, --dynamodb PREFIX, or both."),
        (("--redis", "redis://h"), "--business-date is required"),
        ((*DATE, "--dynamodb", "p-"), "--region is required with --dynamodb"),
        ((*DATE, "--redis", "redis://u:hidden@h:port"), "--redis: the value is no URL of one Redis server"),
        ((*DATE, "--redis", "redis://h", "--time-to-live", "1h"), "--time-to-live is less than a day"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "PAYLAKE_REDIS_URL", "PAYLAKE_DYNAMODB_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    assert main(["publish-serving", *flags]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "hidden" not in shown
    assert shown.count("\n") == 1


def test_it_tells_how_much_was_new() -> None:
    done = Published()
    done.seen["Redis", "merchant-totals"] = 5
    done.written["Redis", "merchant-totals"] = 2
    assert done.told() == "Redis, merchant-totals: 2 written, 3 already as new"
