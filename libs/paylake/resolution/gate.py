"""The switch: which proposals of policies may be applied without anybody (requirements 2.4).

Only proposals of at least 85 % confidence on breaks of a risk below 60, never a fraud, and per currency and day no more
money than its limit. The surest come first, then the smallest; the order is written, so that a rerun chooses the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from paylake.contracts.resolution import State
from paylake.resolution.life import Case, Limits

LEAST_BASIS_POINTS = 8_500
RISK_BELOW = 60


@dataclass(frozen=True)
class Candidate:
    """A break for which a policy proposes something, and how sure it is (0 to 10,000)."""

    case: Case
    basis_points: int


def admitted(candidates: Iterable[Candidate], limits: Limits, spent: Mapping[str, Decimal]) -> list[Case]:
    """The breaks that the switch may resolve today; `spent` is what it has resolved today already, by currency."""
    if not limits.auto_resolve:
        return []
    left = {currency: limit - spent.get(currency, Decimal(0)) for currency, limit in limits.auto.items()}
    chosen = []
    for candidate in sorted(candidates, key=lambda c: (-c.basis_points, c.case.amount, c.case.break_id)):
        case = candidate.case
        if is_safe(candidate) and case.amount <= left.get(case.currency, Decimal(-1)):
            left[case.currency] -= case.amount
            chosen.append(case)
    return chosen


def is_safe(candidate: Candidate) -> bool:
    """True where the proposal is sure enough, and the break of little enough risk, to be applied without anybody."""
    case = candidate.case
    return (
        case.state == State.SUGGESTED
        and candidate.basis_points >= LEAST_BASIS_POINTS
        and case.risk_score < RISK_BELOW
        and not case.is_high_risk
    )
