"""What policies propose for a break, each with its evidence and its confidence (requirements 2.4).

A proposal never rewrites a ledger's record and never names an amount that no ledger holds. The first policy that applies
counts:

* rounding: the amounts differ by at most a few minor units;
* fee: core holds less than the other two, by no more than the fee schedule of its currency allows;
* consensus: two of three agree on the amount (not where all three differ);
* source priority: the gateway is trusted for the status.

Confidence = 0.4 · anomaly + 0.6 · resolution, in basis points. The anomaly is certain (1) where the result is final, and
half so where a leg may still come. The resolution is as sure as the ledgers it rests on are trusted: of two that agree, one
at least has to be right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.contracts.calendars import FIRST_DAY
from paylake.contracts.currencies import OTHER_MINOR_UNITS
from paylake.contracts.taxonomy import AMOUNT_OVER, AMOUNT_UNDER, DATE_DRIFT, STATUS_MISMATCH
from paylake.contracts.topics import CORE, GATEWAY, LEDGERS, MOBILE
from paylake.resolution.acts import POLICY
from paylake.resolution.life import HIGH_RISK

TRUST: dict[str, Decimal] = {GATEWAY: Decimal("0.92"), CORE: Decimal("0.85"), MOBILE: Decimal("0.80")}
"""How often a ledger is right."""
ROUNDING_MINOR_UNITS = 5
LOW_CONFIDENCE = 7_000
"""Below this many basis points a person has to look first."""


@dataclass(frozen=True)
class FeeSchedule:
    """The most that may be kept of a payment: a percentage and a fixed amount; for payments from `since` on."""

    currency: str
    percent: Decimal
    fixed: Decimal
    since: date


FEE_SCHEDULES: tuple[FeeSchedule, ...] = (
    FeeSchedule("INR", Decimal("2.00"), Decimal("3.00"), FIRST_DAY),
    FeeSchedule("USD", Decimal("2.90"), Decimal("0.30"), FIRST_DAY),
    FeeSchedule("EUR", Decimal("1.50"), Decimal("0.25"), FIRST_DAY),
)


@dataclass(frozen=True)
class Proposal:
    """One policy's proposal: when it applies, what it proposes, on what ledgers it rests, and its evidence."""

    policy: str
    applies: Column
    resolution: str
    rests_on: tuple[str, ...]
    evidence: Column


def with_suggestion(rows: DataFrame) -> DataFrame:
    """The rows of an index with what a policy proposes for their break, and why a person has to look at it."""
    proposals = _proposals()
    basis_points = _first(proposals, lambda p: _basis_points(p.rests_on))
    rows = rows.withColumns({
        "suggested_resolution": _first(proposals, lambda p: F.lit(p.resolution)),
        "suggested_by": _first(proposals, lambda p: F.lit(POLICY + p.policy)),
        "suggestion_evidence": _first(proposals, lambda p: p.evidence),
        "suggestion_basis_points": basis_points.cast("int"),
    })  # fmt: skip
    escalated = (
        F.when(F.col("kind").isNull(), F.lit(None).cast("string"))
        .when(F.col("risk_class") == "FRAUD", F.lit("fraud"))
        .when(F.col("risk_score") >= HIGH_RISK, F.concat(F.lit("risk of "), F.col("risk_score").cast("string")))
        .when(F.col("suggestion_basis_points") < LOW_CONFIDENCE, F.lit("a proposal of low confidence"))
    )
    said = ("recon_id", "kind", "suggested_resolution", "suggested_by", "suggestion_evidence")
    identifier = F.left(F.sha2(F.concat_ws("|", *said), 256), F.lit(32))
    return rows.withColumns({
        "escalated_for": escalated,
        "suggestion_id": F.when(F.col("suggested_resolution").isNotNull(), identifier),
    })  # fmt: skip


def _proposals() -> list[Proposal]:
    amounts = _only(AMOUNT_OVER, AMOUNT_UNDER) & _all_legs()
    gateway, core, mobile = (F.col(f"{ledger}_amount") for ledger in (GATEWAY, CORE, MOBILE))
    said = F.concat_ws(", ", *(F.concat(F.lit(f"{ledger} "), _money(ledger)) for ledger in LEDGERS))
    small = F.col("difference_amount") <= _rounding(F.col("currency"))
    fee = _largest_fee(F.col("currency"), gateway)
    found = [
        Proposal(
            "rounding", amounts & small, "ACCEPT_ROUNDING", LEDGERS,
            F.concat(said, F.lit(f": they differ by at most {ROUNDING_MINOR_UNITS} minor units")),
        ),
        Proposal(
            "fee", amounts & (gateway == mobile) & (gateway > core) & (gateway - core <= fee), "ACCEPT_FEE",
            (GATEWAY, MOBILE),
            F.concat(said, F.lit(": core is lower by no more than the fee schedule's "), fee.cast("string")),
        ),
    ]  # fmt: skip
    for odd, (one, other) in {MOBILE: (GATEWAY, CORE), CORE: (GATEWAY, MOBILE), GATEWAY: (CORE, MOBILE)}.items():
        agree = (F.col(f"{one}_amount") == F.col(f"{other}_amount")) & (F.col(f"{one}_amount") != F.col(f"{odd}_amount"))
        why = F.concat(said, F.lit(f": {one} and {other} agree"))
        found.append(Proposal("consensus", amounts & agree, f"ACCEPT_{one.upper()}", (one, other), why))
    statuses = F.concat_ws(", ", *(F.concat(F.lit(f"{ledger} "), F.col(f"{ledger}_status")) for ledger in LEDGERS))
    by_status = _only(STATUS_MISMATCH) & _all_legs()
    why = F.concat(statuses, F.lit(": the gateway is trusted for the status"))
    return [*found, Proposal("source_priority", by_status, "ACCEPT_GATEWAY", (GATEWAY,), why)]


def _first(proposals: list[Proposal], value: Callable[[Proposal], Column]) -> Column:
    """What the first proposal that applies says; null where none does."""
    return reduce(lambda case, p: case.when(p.applies, value(p)), proposals, F.when(F.lit(False), F.lit(None)))


def _only(*reasons: str) -> Column:
    """True where one of the reasons holds, and nothing else but a drift of the times."""
    others = F.size(F.array_except("reasons", F.array(*(F.lit(r) for r in (*reasons, DATE_DRIFT))))) == 0
    return F.arrays_overlap("reasons", F.array(*(F.lit(r) for r in reasons))) & others


def _all_legs() -> Column:
    return reduce(and_, (F.col(f"{ledger}_amount").isNotNull() for ledger in LEDGERS))


def _money(ledger: str) -> Column:
    return F.concat_ws(" ", F.col(f"{ledger}_amount").cast("string"), F.col(f"{ledger}_currency"))


def _rounding(currency: Column) -> Column:
    """A few minor units of the currency, in major ones."""
    case = F.when(F.lit(False), F.lit(Decimal(0)))
    for code, digits in OTHER_MINOR_UNITS.items():
        case = case.when(currency == code, F.lit(Decimal(ROUNDING_MINOR_UNITS).scaleb(-digits)))
    return case.otherwise(F.lit(Decimal(ROUNDING_MINOR_UNITS).scaleb(-2))).cast("decimal(18,4)")


def _largest_fee(currency: Column, amount: Column) -> Column:
    """The most that the schedule of the currency lets be kept; nothing where there is no schedule."""
    case = F.when(F.lit(False), F.lit(Decimal(0)).cast("decimal(18,4)"))
    for schedule in sorted(FEE_SCHEDULES, key=lambda s: s.since, reverse=True):
        holds = (currency == schedule.currency) & (F.col("business_date") >= F.lit(schedule.since))
        case = case.when(holds, (amount * F.lit(schedule.percent / 100) + F.lit(schedule.fixed)).cast("decimal(18,4)"))
    return case.otherwise(F.lit(Decimal(0)).cast("decimal(18,4)"))


def _basis_points(rests_on: tuple[str, ...]) -> Column:
    """The confidence in a proposal that rests on some ledgers."""
    wrong = reduce(lambda share, ledger: share * (1 - TRUST[ledger]), rests_on, Decimal(1))
    resolution = int((1 - wrong) * 6_000)
    return F.when(F.col("finality") == "final", 4_000 + resolution).otherwise(2_000 + resolution)
