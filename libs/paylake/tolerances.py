"""The tolerances that a person sets, for the stream and the nightly run alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from paylake.reconciliation.rules import Rules, amounts_by_currency
from paylake.settings import setting


@dataclass(frozen=True, kw_only=True)
class ToleranceSettings:
    """How far legs may differ and still agree: a base for the settings of every job that decides."""

    amount_tolerance: str = setting("", "amounts that may differ, by currency: INR=0.05,USD=0.01; default: one minor unit")
    percent_tolerance: Decimal = setting(Decimal(0), "percentage of the reference leg's amount that may differ")
    drift_tolerance: timedelta = setting(timedelta(seconds=5), "how far the ledgers' times may drift apart")

    def rules(self) -> Rules:
        """The rules that these tolerances make; SettingsError for amounts that cannot be read."""
        return Rules(
            amount_tolerance=amounts_by_currency(self.amount_tolerance),
            percent_tolerance=self.percent_tolerance,
            drift_tolerance_s=Decimal(str(self.drift_tolerance.total_seconds())),
        )
