"""What a run found, as small results that a page can show. Money is summed within one currency only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.taxonomy import KIND, Severity, Status
from paylake.contracts.topics import LEDGERS
from paylake.report.controls import Controls, Run, utc_text
from paylake.report.fraud import FraudFigures
from paylake.report.score import Score
from paylake.report.speed import StreamSpeed

SEVERITIES: tuple[str, ...] = tuple(s.value for s in reversed(Severity))
"""Every severity, the worst first."""


@dataclass(frozen=True)
class MatchRate:
    """How much of one currency agrees in all ledgers. An amount is the gateway's, else core's, else mobile's."""

    currency: str
    transactions: int
    matched: int
    amount: Decimal
    matched_amount: Decimal


@dataclass(frozen=True)
class BreakCount:
    """Open breaks of one kind, primary reason, severity and currency; `amount` is what is at risk."""

    kind: str
    reason: str
    severity: str
    owner: str
    currency: str
    breaks: int
    amount: Decimal


@dataclass(frozen=True)
class AmountAtRisk:
    """The amounts of open breaks of one currency and severity."""

    currency: str
    severity: str
    breaks: int
    amount: Decimal


@dataclass(frozen=True)
class KindRow:
    """Open breaks of one kind over the currencies: counts add up, amounts stay apart."""

    kind: str
    doc: str
    severity: str
    owner: str
    reasons: tuple[str, ...]
    breaks: int
    amounts: Mapping[str, Decimal]


@dataclass(frozen=True)
class HourCount:
    """Transactions booked in one hour of the day (UTC) whose primary reason is this."""

    hour: int
    reason: str
    transactions: int


@dataclass(frozen=True)
class Leg:
    """What one ledger says of a payment; every value is None where it says nothing. `at` is UTC text."""

    ledger: str
    amount: Decimal | None
    currency: str | None
    status: str | None
    at: str | None


@dataclass(frozen=True)
class OpenItem:
    """An open break with its payment's legs side by side."""

    transaction_id: str
    merchant_id: str | None
    kind: str
    reasons: tuple[str, ...]
    severity: str
    owner: str
    currency: str
    amount: Decimal
    quarantined_legs: tuple[str, ...]
    legs: tuple[Leg, ...]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Everything that a report shows of one business date."""

    lake: str
    controls: Controls
    match_rates: tuple[MatchRate, ...]
    breaks: tuple[BreakCount, ...]
    hours: tuple[HourCount, ...]
    top_items: tuple[OpenItem, ...]
    speed: StreamSpeed
    score: Score | None
    seconds: Mapping[str, float]
    fraud: FraudFigures | None = None

    @property
    def run(self) -> Run:
        """The run that the report is about."""
        return self.controls.run

    @property
    def payments(self) -> int:
        """Transactions of the business date."""
        return sum(r.transactions for r in self.match_rates)

    @property
    def matched(self) -> int:
        """Transactions on which all ledgers agree."""
        return sum(r.matched for r in self.match_rates)

    @property
    def open_breaks(self) -> int:
        """Breaks that nobody has resolved."""
        return sum(b.breaks for b in self.breaks)


def match_rates(transactions: DataFrame) -> tuple[MatchRate, ...]:
    """One per currency, the one with most transactions first."""
    is_matched = F.col("status") == Status.MATCHED.value
    rows = (
        transactions.groupBy(first_leg("currency").alias("currency"))
        .agg(
            F.count("*").alias("transactions"),
            F.count_if(is_matched).alias("matched"),
            F.sum(first_leg("amount")).alias("amount"),
            F.coalesce(F.sum(F.when(is_matched, first_leg("amount"))), F.lit(Decimal(0))).alias("matched_amount"),
        )
        .orderBy(F.desc("transactions"), "currency")
        .collect()
    )
    return tuple(MatchRate(**r.asDict()) for r in rows)


def open_breaks(breaks: DataFrame) -> tuple[BreakCount, ...]:
    """One per kind, reason, severity and currency of the open breaks; the worst and most frequent first."""
    rows = (
        breaks.groupBy("kind", "reason", "severity", "owner", "currency")
        .agg(F.count("*").alias("breaks"), F.sum("amount").alias("amount"))
        .collect()
    )
    found = [BreakCount(**r.asDict()) for r in rows]
    return tuple(sorted(found, key=lambda b: (SEVERITIES.index(b.severity), -b.breaks, b.kind, b.reason, b.currency)))


def amounts_at_risk(breaks: Iterable[BreakCount]) -> tuple[AmountAtRisk, ...]:
    """One per currency and severity, the currency with most breaks and the worst severity first."""
    sums: dict[tuple[str, str], tuple[int, Decimal]] = {}
    per_currency: dict[str, int] = {}
    for b in breaks:
        count, amount = sums.get((b.currency, b.severity), (0, Decimal(0)))
        sums[b.currency, b.severity] = count + b.breaks, amount + b.amount
        per_currency[b.currency] = per_currency.get(b.currency, 0) + b.breaks
    found = [AmountAtRisk(*key, *value) for key, value in sums.items()]
    return tuple(sorted(found, key=lambda a: (-per_currency[a.currency], a.currency, SEVERITIES.index(a.severity))))


def kind_rows(breaks: Iterable[BreakCount]) -> list[KindRow]:
    """One per kind and severity, in the order of `breaks`."""
    groups: dict[tuple[str, str], list[BreakCount]] = {}
    for b in breaks:
        groups.setdefault((b.severity, b.kind), []).append(b)
    rows = []
    for (severity, kind), group in groups.items():
        amounts: dict[str, Decimal] = {}
        for b in group:
            amounts[b.currency] = amounts.get(b.currency, Decimal(0)) + b.amount
        rows.append(
            KindRow(
                kind=kind,
                doc=KIND[kind].doc if kind in KIND else "",
                severity=severity,
                owner=group[0].owner,
                reasons=tuple(dict.fromkeys(b.reason for b in group)),
                breaks=sum(b.breaks for b in group),
                amounts=amounts,
            )
        )
    return sorted(rows, key=lambda r: (SEVERITIES.index(r.severity), -r.breaks, r.kind))


def breaks_by_hour(transactions: DataFrame) -> tuple[HourCount, ...]:
    """One per hour of the booking time and primary reason, where there are any."""
    rows = (
        transactions.where("reason IS NOT NULL")
        .groupBy(F.hour(first_leg("at")).alias("hour"), "reason")
        .agg(F.count("*").alias("transactions"))
        .orderBy("hour", "reason")
        .collect()
    )
    return tuple(HourCount(**r.asDict()) for r in rows)


def top_open_items(breaks: DataFrame, transactions: DataFrame, per_currency: int) -> tuple[OpenItem, ...]:
    """The open breaks with most at risk in each currency, the currency with most open breaks first."""
    by_amount = Window.partitionBy("currency").orderBy(F.desc("amount"), "transaction_id", "break_id")
    in_currency = Window.partitionBy("currency")
    top = (
        breaks.withColumns({"place": F.row_number().over(by_amount), "of": F.count("*").over(in_currency)})
        .where(F.col("place") <= per_currency)
        .select(
            "transaction_id", "kind", "reasons", "severity", "owner", "currency", "amount", "quarantined_legs",
            "place", "of",
        )
    )  # fmt: skip
    legs = transactions.select(
        "transaction_id",
        "merchant_id",
        *(F.col(f"{ledger}_{what}") for ledger in LEDGERS for what in ("amount", "currency", "status")),
        *(utc_text(F.col(f"{ledger}_at")).alias(f"{ledger}_at") for ledger in LEDGERS),
    )
    rows = top.join(legs, on="transaction_id", how="left").orderBy(F.desc("of"), "currency", "place").collect()
    return tuple(
        OpenItem(
            transaction_id=r["transaction_id"],
            merchant_id=r["merchant_id"],
            kind=r["kind"],
            reasons=tuple(r["reasons"]),
            severity=r["severity"],
            owner=r["owner"],
            currency=r["currency"],
            amount=r["amount"],
            quarantined_legs=tuple(r["quarantined_legs"] or ()),
            legs=tuple(
                Leg(ledger, *(r[f"{ledger}_{what}"] for what in ("amount", "currency", "status", "at")))
                for ledger in LEDGERS
            ),
        )
        for r in rows
    )


def first_leg(what: str) -> Column:
    """The gateway's value, else core's, else mobile's."""
    has_amount = [F.when(F.col(f"{ledger}_amount").isNotNull(), F.col(f"{ledger}_{what}")) for ledger in LEDGERS]
    return F.coalesce(*has_amount)
