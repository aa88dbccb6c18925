"""Which figures of the results a reader is shown first, and how each stands against its aim."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Any]

EVENTS_PER_SECOND = 30_000
TIMES_THE_FASTEST = 3.0
LATENCY_MS = 1_000
SKEW = 1.5
RECALL, PRECISION = 0.95, 0.97
FRAUD = {"average_precision": 0.72, "card_precision": 0.305, "auc": 0.88}
FRAUD_OF_CEILING, FRAUD_APART = 0.95, 0.003
SCORES_PER_SECOND = 10_000
ALERT_MS = {"p50": 20, "p95": 40, "p99": 60}
ALERTS_PER_SECOND = 100_000
BACKFILL = ("land", "replay", "stream", "build one date")
"""The stages of a backfill; its files come from somewhere else."""


@dataclass(frozen=True)
class Line:
    """What was measured, what came out, and what was aimed at; `met` is None where nothing was."""

    what: str
    result: str
    aim: str = "for the record"
    met: bool | None = None


def lines(found: Mapping[str, Results]) -> list[Line]:
    """The short table, as data."""
    makers = {"stream": _stream_lines, "nightly": _nightly_lines, "latency": _latency_lines,
              "open_items": _open_items_lines, "files": _files_lines, "cascade": _cascade_lines,
              "accuracy": _accuracy_lines, "fraud": _fraud_lines, "scores": _scores_lines,
              "alerts": _alerts_lines, "backfill": _backfill_lines}  # fmt: skip
    return [line for name, lines_of in makers.items() if name in found for line in lines_of(found[name]["results"])]


def _stream_lines(results: Results) -> list[Line]:
    runs = results["runs"]
    best = best_run(runs)
    rate = best["full_batch_per_second"]
    said = [
        Line(f"Stream, batches of {best['size']:,}, {task_threads(best['master'])}", f"{rate:,.0f} records/s",
             f"{EVENTS_PER_SECOND:,} records/s on 2 cores", rate >= EVENTS_PER_SECOND),
    ]  # fmt: skip
    said += [
        Line(
            f"Stream, batches of {run['size']:,}, {task_threads(run['master'])}{_coldness(run)}",
            f"{run['full_batch_per_second']:,.0f} records/s",
        )
        for run in runs
        if run is not best
    ]
    if small := small_batches(best):
        said.append(
            Line("Stream, a warm batch of 1,000 records", f"{median(small, 'seconds'):.2f} s, nearly all fixed cost")
        )
    return said


def _coldness(run: Results) -> str:
    return "" if run["warm"] else ", a process that has just started"


def _nightly_lines(results: Results) -> list[Line]:
    engines = results["engines"]
    fastest = fastest_engine(engines)
    ratio = engines["paylake"]["warm_median_s"] / engines[fastest]["warm_median_s"]
    rows = sum(results["rows"].values())
    what = f"Nightly, {rows / 1e6:.1f} million rows to one class per payment, warm"
    result = f"{engines['paylake']['warm_median_s']:.1f} s, {ratio:.1f} times {fastest}"
    return [Line(what, result, f"within {TIMES_THE_FASTEST:.0f} times the fastest", ratio <= TIMES_THE_FASTEST)]


def _latency_lines(results: Results) -> list[Line]:
    return [
        Line(
            f"Latency, arrival to visible, at {rate['rate']:,} records/s",
            f"p50 {rate['p50_ms'] / 1000:.1f} s, p95 {rate['p95_ms'] / 1000:.1f} s, p99 {rate['p99_ms'] / 1000:.1f} s",
            f"{LATENCY_MS / 1000:.0f} s",
            rate["p99_ms"] <= LATENCY_MS,
        )
        for rate in results["rates"]
    ]


def _open_items_lines(results: Results) -> list[Line]:
    said = ", ".join(f"{level['median_s']:.1f} s with {level['open_items']:,}" for level in results["levels"])
    return [Line("Batch of 1,000 records with open items", said)]


def _files_lines(results: Results) -> list[Line]:
    said = f"{results['first_median_s']:.2f} s at first, {results['last_median_s']:.2f} s at last"
    return [Line(f"Small batches, {results['batches']:,} in a row", said)]


# --- what is picked from the results ---


def _cascade_lines(results: Results) -> list[Line]:
    three, ratio = results["three"], results["skewed"]["median_s"] / results["even"]["median_s"]
    return [
        Line(f"Cascade, three ledgers, {three['entries'] / 1e6:.1f} million entries",
             f"{three['median_s']:.1f} s, {1e6 * three['cpu_s'] / three['entries']:.1f} CPU-s per million"),
        Line(f"Cascade, one payout with {results['skewed_share']} % of the lines", f"{ratio:.2f} times the even run",
             f"within {SKEW:g} times", ratio <= SKEW),
    ]  # fmt: skip


def _accuracy_lines(results: Results) -> list[Line]:
    counts, wrong = all_breaks(results["sets"]), sum(one["wrong_groups"] for one in results["sets"])
    recall, precision = counts["right"] / max(counts["true"], 1), counts["right"] / max(counts["found"], 1)
    matches = sum(one["groups"] for one in results["sets"])
    return [
        Line("Accuracy, wrong automatic matches", f"{wrong:,} of {matches:,}", "none", wrong == 0),
        Line("Accuracy, recall of breaks by their reason", f"{recall:.4f} of {counts['true']:,}", f"at least {RECALL:g}",
             recall >= RECALL),
        Line("Accuracy, precision of breaks by their reason", f"{precision:.4f} of {counts['found']:,}",
             f"at least {PRECISION:g}", precision >= PRECISION),
    ]  # fmt: skip


def all_breaks(sets: Iterable[Results]) -> dict[str, int]:
    """How many breaks there are, how many were found, and how many of those have the right reason."""
    total = {"true": 0, "found": 0, "right": 0}
    for one in sets:
        for reason, counts in one["reasons"].items():
            for kind in total if reason else ():
                total[kind] += counts.get(kind, 0)
    return total


def _fraud_lines(results: Results) -> list[Line]:
    words = {"average_precision": "average precision", "card_precision": "card precision at 100", "auc": "AUC"}
    ours, of_ceiling = results["ours"], results["ours"]["recall_at_2_1_percent"] / results["recall_ceiling"]
    return [
        Line(f"Fraud, {results['models_reproduced']} published models again", f"within {results['apart']:.4f}",
             f"within {FRAUD_APART:g}", results["apart"] <= FRAUD_APART),
        *(Line(f"Fraud, {words[name]}", f"{ours[name]:.3f}", f"at least {aim:g}", ours[name] >= aim)
          for name, aim in FRAUD.items()),
        Line("Fraud, recall at 2.1 % false positives",
             f"{ours['recall_at_2_1_percent']:.3f}, {of_ceiling:.1%} of what can be told",
             f"at least {FRAUD_OF_CEILING:.0%} of it", of_ceiling >= FRAUD_OF_CEILING),
    ]  # fmt: skip


def _scores_lines(results: Results) -> list[Line]:
    warm = max((b["payments"] / b["seconds"] for b in results["batches"]), default=0.0)
    small = statistics.median(b["seconds"] for b in results["small"])
    return [
        Line("Scores, a full warm batch", f"{warm:,.0f} payments/s", f"{SCORES_PER_SECOND:,} payments/s on 2 cores",
             warm >= SCORES_PER_SECOND),
        Line("Scores, a warm batch of 1,000 payments", f"{small:.1f} s"),
    ]  # fmt: skip


def _alerts_lines(results: Results) -> list[Line]:
    said = [
        Line(f"Alerts, payment to decision, at {r['rate']:,}/s",
             ", ".join(f"{n} {r[f'{n}_ms']:.0f} ms" for n in ALERT_MS), "20, 40, 60 ms",
             all(r[f"{n}_ms"] <= ms for n, ms in ALERT_MS.items()))
        for r in results["modes"]["real-time"] if r["rate"] <= 5_000
    ]  # fmt: skip
    rate = results["throughput"]["stages"]["Parquet, parsed, ruled, scored"]["per_second"]
    return [*said, Line("Alerts, parsed, ruled and scored", f"{rate:,} records/s", f"{ALERTS_PER_SECOND:,} records/s",
                        rate >= ALERTS_PER_SECOND)]  # fmt: skip


def _backfill_lines(results: Results) -> list[Line]:
    seconds = sum(results["stages"][name]["wall_s"] for name in BACKFILL)
    rate = results["rows"] / seconds if seconds else 0.0
    return [Line(f"Backfill, {results['rows']:,} records, from files to a published date",
                 f"{seconds / 60:.1f} min, {rate:,.0f} records/s")]  # fmt: skip


def best_run(runs: Sequence[Results]) -> Results:
    """The run that the aim is about: the largest batches on two cores, in a warm process."""
    return max(runs, key=lambda run: (run["warm"], run["master"] == "local[2]", run["size"]))


def small_batches(run: Results) -> list[Results]:
    """The warm small batches, without the first and without those that only read a tick."""
    taken = [b for b in run.get("small", {}).get("batches", []) if b["records"]]
    return full_batches(taken) if len(taken) > 1 else taken


def full_batches(batches: Sequence[Results]) -> list[Results]:
    """Batches about as large as the largest, the first one left out where there are others."""
    most = max((b["records"] for b in batches), default=0)
    full = [b for b in batches if b["records"] > 0.9 * most]
    return full[1:] or full


def fastest_engine(engines: Mapping[str, Results]) -> str:
    """The faster one of the engines beside which paylake is measured."""
    return min(("DuckDB", "Polars"), key=lambda name: engines[name]["warm_median_s"])


def median(batches: Sequence[Results], key: str) -> float:
    """The median of one of the batches' figures."""
    return float(statistics.median(b[key] for b in batches))


def step_median(batches: Sequence[Results], step: str) -> float:
    """The median of the seconds that a step took in the batches."""
    if step == "Spark around it":
        return float(statistics.median(b["trigger_s"] - b["seconds"] for b in batches))
    return float(statistics.median(b["steps"].get(step, 0.0) for b in batches))


def steps_of(batches: Iterable[Results]) -> list[str]:
    """The steps of the batches, in the order in which they come."""
    return names_in(b["steps"] for b in batches)


def names_in(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names that any of the mappings has, each once, in their order."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def task_threads(master: str) -> str:
    """Spark's local master in words."""
    return "1 task thread" if master == "local[1]" else f"{master.removeprefix('local[').rstrip(']')} task threads"
