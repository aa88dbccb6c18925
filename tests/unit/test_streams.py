"""How a query is run again: an absence that passes is waited for, also where it keeps the query from starting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pyspark.errors import AnalysisException, PySparkException, StreamingQueryException

from paylake.errors import SourceError
from paylake.streams import Stop, run_until_done

AWAY = "Service: S3, Status Code: 503"
PATIENCE = timedelta(minutes=1)


class Ended:
    """A query that comes to its end, or fails on the way."""

    def __init__(self, error: PySparkException | None = None) -> None:
        self.error = error

    def awaitTermination(self, _: int) -> bool:  # noqa: N802
        if self.error is not None:
            raise self.error
        return True


def starts(*each: Ended | PySparkException) -> tuple[Callable[[], Any], Iterator[Ended | PySparkException]]:
    """What starts the query: each time the next of these, which some starts raise."""
    left = iter(each)

    def start() -> Any:
        one = next(left)
        if isinstance(one, PySparkException):
            raise one
        return one

    return start, left


def stop_without_waiting(monkeypatch: pytest.MonkeyPatch) -> Stop:
    stop = Stop()
    monkeypatch.setattr(stop, "asked", type("Never", (threading.Event,), {"wait": lambda self, timeout: False})())
    return stop


def test_storage_that_fails_while_the_query_starts_again_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = stop_without_waiting(monkeypatch)
    start, left = starts(Ended(StreamingQueryException(AWAY)), AnalysisException(AWAY), Ended())
    run_until_done(start, stop, PATIENCE)
    assert list(left) == []


def test_an_absence_beyond_the_patience_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = stop_without_waiting(monkeypatch)
    start, left = starts(AnalysisException(AWAY), AnalysisException(AWAY), Ended())
    with pytest.raises(SourceError, match="The lake's storage has been away for 0 s; start it"):
        run_until_done(start, stop, timedelta(0))
    assert len(list(left)) == 1


def test_what_waiting_cannot_mend_ends_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = stop_without_waiting(monkeypatch)
    wrong = AnalysisException("no such column")
    with pytest.raises(AnalysisException) as told:
        run_until_done(starts(wrong)[0], stop, PATIENCE)
    assert told.value is wrong
    text = "Traceback (most recent call last):\n  File x\nValueError: too much\n"
    with pytest.raises(SourceError, match="The stream failed: ValueError: too much"):
        run_until_done(starts(Ended(StreamingQueryException(text)))[0], stop, PATIENCE)
