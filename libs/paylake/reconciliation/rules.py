"""The tolerances by which legs are compared, as dated and versioned data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation

from pyspark.sql import Column
from pyspark.sql import functions as F

from paylake.contracts.currencies import CURRENCIES, OTHER_MINOR_UNITS
from paylake.contracts.table import MONEY
from paylake.errors import SettingsError


@dataclass(frozen=True)
class Rules:
    """How far legs may differ and still agree.

    `tolerated_minor_units` applies to each currency in its own minor unit (0.01 INR, 1 JPY, 0.001 KWD);
    `amount_tolerance` overrides it per currency, in major units; `percent_tolerance` is of the reference leg's amount,
    and the larger of the two counts. `drift_tolerance_s` is in seconds (requirements 2.2: 5).
    """

    tolerated_minor_units: int = 1
    amount_tolerance: Mapping[str, Decimal] = field(default_factory=dict)
    percent_tolerance: Decimal = Decimal(0)
    drift_tolerance_s: Decimal = Decimal(5)

    @property
    def version(self) -> str:
        """The version of the rules: a fingerprint of their content, so that equal rules have equal versions."""
        content = json.dumps(asdict(self), default=lambda number: format(number.normalize(), "f"), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def tolerance(self, currency: Column, reference_amount: Column) -> Column:
        """The largest difference that is tolerated, in major units of `currency`."""
        by_units: dict[int, list[str]] = {}
        for code, digits in OTHER_MINOR_UNITS.items():
            by_units.setdefault(digits, []).append(code)
        case = F.when(F.lit(False), F.lit(None).cast(MONEY))
        for code, amount in self.amount_tolerance.items():
            case = case.when(currency == code, F.lit(amount).cast(MONEY))
        for digits, codes in by_units.items():
            case = case.when(currency.isin(codes), F.lit(self._minor(digits)).cast(MONEY))
        absolute = case.otherwise(F.lit(self._minor(2)).cast(MONEY))
        if not self.percent_tolerance:
            return absolute
        share = (reference_amount * F.lit(self.percent_tolerance / 100)).cast(MONEY)
        return F.greatest(absolute, share)

    def _minor(self, digits: int) -> Decimal:
        return Decimal(self.tolerated_minor_units).scaleb(-digits)


def amounts_by_currency(text: str) -> Mapping[str, Decimal]:
    """`INR=0.05,USD=0.01` as a mapping; SettingsError for anything else."""
    try:
        pairs = (part.split("=") for part in text.split(",") if part)
        amounts = {code.strip().upper(): Decimal(amount) for code, amount in pairs}
        if not all(code in CURRENCIES and amount.is_finite() and amount >= 0 for code, amount in amounts.items()):
            raise ValueError(text)
        return amounts
    except (ValueError, InvalidOperation):
        raise SettingsError(f"An amount tolerance cannot be {text!r}; write for example INR=0.05,USD=0.01.") from None
