"""The report as one HTML page that needs nothing beside it: styles and plots are inside, no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined

from paylake import __version__
from paylake.contracts.taxonomy import DATE_DRIFT
from paylake.report.charts import COLOURS, hour_heatmap, reason_bars
from paylake.report.controls import Controls
from paylake.report.figures import (
    SEVERITIES,
    AmountAtRisk,
    BreakCount,
    Figures,
    Leg,
    OpenItem,
    amounts_at_risk,
    kind_rows,
)
from paylake.report.score import NONE
from paylake.report.wording import duration, headline, label, money, percent

LEDGER_NAMES: dict[str, str] = {"gateway": "Gateway", "core": "Core banking", "mobile": "Mobile app"}


@dataclass(frozen=True)
class Card:
    """A headline: what, the figure, and what stands behind it."""

    title: str
    value: str
    note: str
    is_bad: bool = False


@dataclass(frozen=True)
class Cell:
    """One ledger's leg in the comparison, with what differs from the others."""

    leg: Leg
    in_quarantine: bool
    odd: frozenset[str]

    @property
    def is_missing(self) -> bool:
        """The ledger has no record of the payment."""
        return self.leg.amount is None


def render(figures: Figures, data_docs: str | None = None) -> str:
    """The page, with a link to the Data Docs where there are some. Every text from the data is escaped."""
    environment = Environment(
        loader=PackageLoader("paylake", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"money": money, "headline": headline, "label": label, "duration": duration}
    environment.globals |= {"percent": percent}
    return environment.get_template("report.html.j2").render(
        f=figures,
        c=figures.controls,
        run=figures.run,
        date=f"{figures.run.business_date.day} {figures.run.business_date:%B %Y}",
        version=__version__,
        verdict=verdict(figures.controls),
        cards=cards(figures),
        proofs=[(c, list(rows)) for c, rows in groupby(figures.controls.proofs, key=lambda p: p.currency)],
        kinds=kind_rows(figures.breaks),
        currencies=list(dict.fromkeys(r.currency for r in amounts_at_risk(figures.breaks))),
        empty="No break is open." if figures.run.published_run_id else "No figures of this date are published.",
        closing=sum(p.outcome != "failed" for p in figures.controls.proofs),
        risks=risk_table(amounts_at_risk(figures.breaks)),
        severities=SEVERITIES,
        colours=COLOURS,
        reason_bars=reason_bars(figures.breaks) if figures.breaks else None,
        reason_text=reason_text(figures.breaks),
        hour_heatmap=hour_heatmap(figures.hours) if figures.hours else None,
        hour_text=hour_text(figures),
        items=[
            (currency, [(item, cells(item)) for item in items])
            for currency, items in groupby(figures.top_items, key=lambda i: i.currency)
        ],
        ledgers=LEDGER_NAMES,
        none=NONE,
        data_docs=data_docs,
    )


def verdict(controls: Controls) -> str:
    """The plain sentence on whether the figures are proved."""
    run = controls.run
    if controls.are_closed:
        exceptions = sum(p.outcome != "closed" for p in controls.proofs)
        noted = f" {exceptions} of them close with a noted exception." if exceptions else ""
        return (
            f"All {len(controls.proofs)} control totals close, by records and by amount: "
            f"every record received is accounted for, and run {run.run_id} is published.{noted}"
        )
    why = f"do not close for {', '.join(controls.failed)}" if controls.failed else "were not completed"
    shown = (
        f"the figures below are those of run {run.published_run_id}"
        if run.published_run_id
        else "there are no figures to show"
    )
    return f"Control totals of run {run.run_id} {why}. Nothing of it is published; {shown}."


def cards(figures: Figures) -> list[Card]:
    """The headlines, with amounts of the currency of most payments; the tables have the others."""
    found = []
    if figures.match_rates:
        found += _match_cards(figures)
    read = figures.controls.offsets
    found.append(Card("Records read", f"{read.records:,}", f"{read.quarantined:,} of them in quarantine"))
    if figures.score is not None:
        overall = figures.score.overall
        recall = percent(overall.right, overall.expected, empty=overall.recall)
        precision = percent(overall.right, overall.predicted, empty=overall.precision)
        found.append(Card("True breaks found", recall, f"{precision} of those reported are true"))
    if figures.fraud is not None:
        fraud = figures.fraud
        note = f"of {fraud.scored:,} payments, flagged as suspicious or fraudulent"
        if fraud.score is not None:
            note = f"{percent(fraud.score.right, fraud.score.frauds)} of the true frauds among {fraud.scored:,} payments"
        found.append(Card("Flagged as fraud", f"{fraud.flagged:,}", note))
    return found


def _match_cards(figures: Figures) -> list[Card]:
    main = figures.match_rates[0]
    by_count, by_amount = (
        percent(figures.matched, figures.payments),
        percent(main.matched_amount, main.amount),
    )
    critical = sum(b.breaks for b in figures.breaks if b.severity == "Critical")
    found = [
        Card("Matched by count", by_count, f"{figures.matched:,} of {figures.payments:,} payments"),
        Card(
            "Matched by amount",
            by_amount,
            f"{main.currency}: {headline(main.matched_amount, main.currency)} of {headline(main.amount, main.currency)}",
        ),
        Card("Open breaks", f"{figures.open_breaks:,}", f"{critical:,} of them critical", critical > 0),
    ]
    at_risk: dict[str, Decimal] = {}
    for risk in amounts_at_risk(figures.breaks):
        at_risk[risk.currency] = at_risk.get(risk.currency, Decimal(0)) + risk.amount
    if at_risk:
        currency = main.currency if main.currency in at_risk else next(iter(at_risk))
        others = len(at_risk) - 1
        note = f"and more in {others} other {'currency' if others == 1 else 'currencies'}" if others else "in open breaks"
        found.append(Card(f"At risk, {currency}", headline(at_risk[currency], currency), note))
    return found


def risk_table(risks: Iterable[AmountAtRisk]) -> list[tuple[str, dict[str, AmountAtRisk], int, Decimal]]:
    """One row per currency: its severities, its breaks, and its amounts together."""
    rows = []
    for currency, group in groupby(risks, key=lambda r: r.currency):
        of_severity = {r.severity: r for r in group}
        values = of_severity.values()
        rows.append((currency, of_severity, sum(r.breaks for r in values), sum((r.amount for r in values), Decimal(0))))
    return rows


def reason_text(breaks: Iterable[BreakCount]) -> str:
    """What the bars show, in words."""
    counts: Counter[str] = Counter()
    for b in breaks:
        counts[b.reason] += b.breaks
    return "; ".join(f"{label(reason)}: {count:,}" for reason, count in counts.most_common()) + "."


def hour_text(figures: Figures) -> str:
    """What the heatmap shows, in words."""
    counts: Counter[int] = Counter()
    for h in figures.hours:
        counts[h.hour] += h.transactions
    if not counts:
        return "No transaction is broken."
    hour, count = counts.most_common(1)[0]
    return (
        f"{sum(counts.values()):,} broken transactions; most, {count:,}, were booked from {hour:02d}:00 to "
        f"{(hour + 1) % 24:02d}:00 UTC."
    )


def cells(item: OpenItem) -> list[Cell]:
    """The legs of an item, each with the values that stand alone among them."""
    present = [leg for leg in item.legs if leg.amount is not None]
    odd_amounts = _odd(leg.amount for leg in present)
    odd_currencies = _odd(leg.currency for leg in present)
    odd_statuses = _odd(leg.status for leg in present)
    odd_times = _odd_times(leg.at for leg in present) if DATE_DRIFT in item.reasons else set()
    return [
        Cell(
            leg,
            leg.ledger in item.quarantined_legs,
            frozenset(
                what
                for what, is_odd in (
                    ("amount", leg.amount in odd_amounts),
                    ("currency", leg.currency in odd_currencies),
                    ("status", leg.status in odd_statuses),
                    ("time", leg.at in odd_times),
                )
                if is_odd and leg.amount is not None
            ),
        )
        for leg in item.legs
    ]


def _odd(values: Iterable[object]) -> set[object]:
    """The values that differ from what most say; all of them where no value is said by most."""
    counts = Counter(values)
    if len(counts) < 2:
        return set()
    most = max(counts.values())
    return {value for value, count in counts.items() if count < most or most == 1}


def _odd_times(times: Iterable[str | None]) -> set[str | None]:
    """The times furthest from the middle one: times are never quite equal."""
    known = sorted(datetime.fromisoformat(at) for at in times if at)
    if len(known) < 2:
        return set()
    middle = known[len(known) // 2]
    furthest = max(abs(at - middle) for at in known)
    odd = {at for at in known if abs(at - middle) == furthest} if len(known) > 2 else set(known)
    return {at.isoformat(sep=" ", timespec="milliseconds") for at in odd}
