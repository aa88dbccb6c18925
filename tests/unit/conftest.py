"""What the tests of the broker and of its topics share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from paylake import broker
from paylake.broker import Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster of one broker, for the tests of one file."""
    with broker.running(tmp_path_factory.mktemp("kafka with a space")) as running:
        yield running
