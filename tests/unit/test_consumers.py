"""Which indexes a run makes."""

from __future__ import annotations

import pytest

from paylake.consumers import INDEXES, named
from paylake.contracts import MERCHANT_INDEX, OPERATIONS_INDEX
from paylake.errors import SettingsError


def test_indexes_are_asked_for_by_name() -> None:
    assert named(("all",)) == INDEXES
    assert named(("none",)) == ()
    asked = named((OPERATIONS_INDEX.name, MERCHANT_INDEX.name))
    assert [index.contract for index in asked] == [MERCHANT_INDEX, OPERATIONS_INDEX]
    with pytest.raises(SettingsError, match="'merchants' is no index; there are transaction_flags, "):
        named(("merchants",))
