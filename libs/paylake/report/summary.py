"""The figures for programs, as JSON under stable names, and for a terminal, as a few lines."""

from __future__ import annotations

import json
from typing import Any

from paylake.report.figures import Figures, amounts_at_risk, kind_rows
from paylake.report.score import Score
from paylake.report.wording import headline, label, money, percent


def summary(figures: Figures) -> dict[str, Any]:
    """The figures under stable names: counts and ratios are numbers, money is text, what is not known is null."""
    latency = figures.speed.latency
    return {
        "business_date": figures.run.business_date.isoformat(),
        "run_id": figures.run.run_id,
        "payments": figures.payments,
        "records": figures.controls.offsets.records,
        "records_quarantined": figures.controls.offsets.quarantined,
        "match_rate": figures.matched / figures.payments if figures.payments else 0.0,
        "precision": _ratios(figures.score, "precision"),
        "recall": _ratios(figures.score, "recall"),
        "controls_closed": figures.controls.are_closed,
        "stream_equals_batch": not figures.controls.differences,
        "events_per_second": figures.speed.events_per_second,
        "latency_ms": {"p50": latency.p50, "p95": latency.p95, "p99": latency.p99},
        "seconds": dict(figures.seconds),
        "open_breaks": figures.open_breaks,
        "amounts_at_risk": [
            {"currency": a.currency, "severity": a.severity, "breaks": a.breaks, "amount": str(a.amount)}
            for a in amounts_at_risk(figures.breaks)
        ],
        "matched_amounts": [
            {"currency": r.currency, "amount": str(r.amount), "matched_amount": str(r.matched_amount)}
            for r in figures.match_rates
        ],
    }


def summary_json(figures: Figures) -> str:
    """The summary as the text of a file."""
    return json.dumps(summary(figures), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _ratios(score: Score | None, name: str) -> dict[str, Any]:
    if score is None:
        return {"overall": None, "by_reason": {}}
    by_reason = {kind.kind: getattr(kind, name) for kind in score.kinds}
    return {"overall": getattr(score.overall, name), "by_reason": by_reason}


def print_summary(figures: Figures) -> str:
    """A short readable table for a terminal."""
    lines = [
        ("Business date", f"{figures.run.business_date.isoformat()}, run {figures.run.run_id}"),
        ("Payments", f"{figures.payments:,} in {figures.controls.offsets.records:,} records, "
                     f"{figures.controls.offsets.quarantined:,} of them quarantined"),
        ("Matched", f"{percent(figures.matched, figures.payments)} by count"),
        *(("", f"{percent(r.matched_amount, r.amount)} of {r.currency} {headline(r.amount, r.currency)}")
          for r in figures.match_rates[:3]),
        ("Controls", _controls(figures)),
        ("Stream = batch", _comparison(figures)),
        ("Open breaks", f"{figures.open_breaks:,}"),
        *(("", line) for line in _breaks(figures)),
        ("Stream", f"{figures.speed.events_per_second:,.0f} records per second of batch time"),
    ]  # fmt: skip
    if figures.score is not None:
        overall = figures.score.overall
        lines.append(
            (
                "Against truth",
                f"precision {percent(overall.right, overall.predicted, empty=overall.precision)}, "
                f"recall {percent(overall.right, overall.expected, empty=overall.recall)} over "
                f"{overall.expected:,} breaks",
            )
        )
    lines += [("Seconds", ", ".join(f"{stage} {s:.1f}" for stage, s in figures.seconds.items()))] * bool(figures.seconds)
    width = max(len(name) for name, _ in lines)
    text = "\n".join(f"  {name:{width}}  {value}".rstrip() for name, value in lines)
    return text.replace("\u00a0", " ").replace("\u202f", " ") + "\n"


def _controls(figures: Figures) -> str:
    controls = figures.controls
    if controls.are_closed:
        return f"all {len(controls.proofs)} proofs close; published"
    why = f"NOT CLOSED for {', '.join(controls.failed)}" if controls.failed else "NOT COMPLETE"
    return f"{why}; this run is not published"


def _comparison(figures: Figures) -> str:
    differences = figures.controls.differences
    if not differences:
        return "yes, payment by payment"
    return "NO: " + "; ".join(f"{count:,} payments: {why}" for why, count in sorted(differences.items()))


def _breaks(figures: Figures) -> list[str]:
    """One line per kind: breaks counted over the currencies, and the amount of one currency, the main one first."""
    main = [r.currency for r in figures.match_rates]
    lines = []
    for row in kind_rows(figures.breaks):
        currency = next((c for c in main if c in row.amounts), next(iter(row.amounts)))
        others = len(row.amounts) - 1
        more = f" and {others} more {'currency' if others == 1 else 'currencies'}" if others else ""
        amount = money(row.amounts[currency], currency)
        lines.append(f"{row.breaks:>8,}  {label(row.kind):<20} {row.severity:<9} {amount}{more}")
    return lines
