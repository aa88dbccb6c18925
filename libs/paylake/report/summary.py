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
        **_fraud(figures),
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


def _fraud(figures: Figures) -> dict[str, Any]:
    """Null where no payment was scored, no alert job ran, or the truth is not known."""
    fraud = figures.fraud
    score, alerts = (fraud.score, fraud.alerts) if fraud else (None, None)
    times = {name: getattr(alerts, f"{name}_ms") for name in ("p50", "p95", "p99")} if alerts else None
    return {
        "payments_scored": fraud.scored if fraud else None,
        "payments_flagged": fraud.flagged if fraud else None,
        "alerts": alerts.alerts if alerts else None,
        "alert_latency_ms": times,
        "fraud_precision": score.precision if score else None,
        "fraud_recall": score.recall if score else None,
        "fraud_average_precision": score.average_precision if score else None,
        "fraud_recall_at_2_1_percent": score.recall_in_budget if score else None,
        "fraud_prevented": [
            {"currency": p.currency, "amount": str(p.amount), "prevented_amount": str(p.prevented_amount)}
            for p in (score.prevented if score else ())
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
    lines += _fraud_lines(figures)
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


def _fraud_lines(figures: Figures) -> list[tuple[str, str]]:
    fraud = figures.fraud
    if fraud is None:
        return []
    lines = [("Fraud", f"{fraud.scored:,} payments scored by {', '.join(fraud.models)}, {fraud.flagged:,} flagged")]
    if fraud.alerts:
        a = fraud.alerts
        times = f"{a.p50_ms:.0f} ms (p95 {a.p95_ms:.0f}, p99 {a.p99_ms:.0f})"
        lines.append(("", f"{a.alerts:,} alerts; decided in {times} at {a.rate:,} payments a second"))
    if fraud.score:
        found = fraud.score
        lines.append(
            ("", f"precision {percent(found.right, found.flagged)}, recall {percent(found.right, found.frauds)} over "
                 f"{found.frauds:,} frauds, average precision {found.average_precision:.3f}")
        )  # fmt: skip
    return lines


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
