"""The flags of a job that decides make the rules by which it decides."""

from __future__ import annotations

from decimal import Decimal

import pytest

from paylake.errors import SettingsError
from paylake.reconciliation.rules import Rules
from paylake.settings import parse_settings
from paylake.tolerances import ToleranceSettings


def test_without_flags_the_rules_are_the_default_ones() -> None:
    assert parse_settings(ToleranceSettings, []).rules().version == Rules().version


def test_every_flag_reaches_the_rules() -> None:
    flags = ["--amount-tolerance", "INR=0.05,USD=0.01", "--percent-tolerance", "0.5", "--drift-tolerance", "1500ms"]
    assert parse_settings(ToleranceSettings, flags).rules() == Rules(
        amount_tolerance={"INR": Decimal("0.05"), "USD": Decimal("0.01")},
        percent_tolerance=Decimal("0.5"),
        drift_tolerance_s=Decimal("1.5"),
    )


def test_an_amount_of_no_currency_is_refused() -> None:
    with pytest.raises(SettingsError, match="INR=0.05,USD=0.01"):
        parse_settings(ToleranceSettings, ["--amount-tolerance", "0.05"]).rules()
