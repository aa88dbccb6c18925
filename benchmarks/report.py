"""BENCHMARKS.md from the results: first what a manager asks, then how each figure came about."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.figures import (
    Results,
    all_breaks,
    best_run,
    fastest_engine,
    full_batches,
    lines,
    median,
    names_in,
    small_batches,
    step_median,
    steps_of,
    task_threads,
)

QUIET_SHARE = 0.1
"""Other programs' share of the machine's CPU above which a figure is marked as taken on a busy machine."""


def markdown(found: Mapping[str, Results]) -> str:
    """The whole page, from each measurement's envelope: results, machine, versions, scale, date."""
    parts = ["# Benchmarks", _preface(), "## In short", _summary(found), _shortfalls(found)]
    for name, (title, body) in SECTIONS.items():
        parts.append(f"## {title}")
        if name in found:
            parts += [_provenance(name, found[name]), *body(found[name]["results"])]
        else:
            parts.append(f"Not measured yet: `make bench` does, or `.venv/bin/python benchmarks/run.py --only {name}`.")
    parts += ["## Machine and versions", _machines(found), "## How to repeat", _repeat(found)]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; every column but the first is a figure and stands on the right."""
    marks = ["---", *(["---:"] * (len(head) - 1))]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, marks, *rows))


# --- the short table ---


def _preface() -> str:
    return (
        "What paylake takes in time and in CPU, measured by its own `make bench`. No figure stands here whose "
        "result was not "
        "checked first: the stream's decisions against the simulation's truth, every engine's classes against each other, "
        "payment by payment. Every check, write and look-up was on."
    )


def _summary(found: Mapping[str, Results]) -> str:
    words = {True: "met", False: "**falls short**", None: ""}
    head = "| what | result | aim | |\n| --- | --- | --- | --- |"
    return "\n".join([head, *(f"| {x.what} | {x.result} | {x.aim} | {words[x.met]} |" for x in lines(found))])


def _shortfalls(found: Mapping[str, Results]) -> str:
    short = [f"{line.what}: {line.result}, against an aim of {line.aim}" for line in lines(found) if line.met is False]
    if not short:
        return "Every aim that was measured is met." if lines(found) else ""
    return "**Where a figure falls short of its aim.** " + "; ".join(short) + "."


# --- the sections ---


def _stream(results: Results) -> list[str]:
    runs, loaded = results["runs"], results["loaded"]
    best = best_run(runs)
    overview = table(
        ["run", "full batches, records/s", "after the first", "all", "wall s", "CPU-s JVM", "Python", "broker", "others",
         "CPU µs per record", "peak MiB"],
        (
            [_run_name(run), f"{run['full_batch_per_second']:,.0f}", f"{run['steady_per_second']:,.0f}",
             f"{run['all_per_second']:,.0f}", *_costs(run["cost"]),
             f"{1e6 * (run['cost']['jvm_s'] + run['cost']['python_s']) / max(run['records'], 1):.0f}",
             f"{run['peak_memory_mib']:,.0f}"]
            for run in runs
        ),
    )  # fmt: skip
    truth = best["truth"]
    parts = [
        f"{loaded['records']:,} records of {loaded['payments']:,} payments wait in Kafka, on the same machine, 5 % of the "
        "payments broken, with duplicates, disorder, late and malformed records. A process per number of task threads reads "
        "them several times, each time into a lake of its own: the first time it is cold, and the Java compiler "
        "takes half of "
        "the machine. A first batch counts in the column *all* only. A batch's time is "
        "Spark's whole trigger, from asking the broker for its offsets to the checkpoint's commit.",
        overview,
        f"Checked: {truth['transactions']:,} payments decided, {truth['breaks']:,} of them broken; precision "
        f"{truth['precision']:.3f}, recall {truth['recall']:.3f}; {truth['entries']:,} entries and {truth['quarantined']:,} "
        "quarantined records.",
        _scaling(runs),
        "### Each batch",
        *(_batches(run) for run in runs),
    ]
    small = small_batches(best)
    if small:
        parts += ["### Whose is the fixed cost", *_fixed_cost(runs, best, small)]
    return parts


def _scaling(runs: Sequence[Results]) -> str:
    by_size: dict[int, dict[str, Results]] = {}
    for run in (run for run in runs if run["warm"]):
        by_size.setdefault(run["size"], {})[run["master"]] = run
    pairs = [(size, masters) for size, masters in by_size.items() if len(masters) > 1]
    said = []
    for size, masters in pairs:
        one, two = (masters[name]["full_batch_per_second"] for name in ("local[1]", "local[2]"))
        said.append(
            f"Batches of {size:,} go {two / one if one else 0:.2f} times as fast with two task threads as with one. "
            "With one, the "
            "second core still compiles, collects garbage, runs the driver and the broker: it is not one core against two."
        )
    return " ".join(said)


def _batches(run: Results) -> str:
    """A line per batch of one run."""
    taken = run["batches"]
    steps = steps_of(taken)
    rows = (
        [b["batch"], f"{b['records']:,}", *(f"{b['steps'].get(s, 0):.2f}" for s in steps),
         f"{b['trigger_s'] - b['seconds']:.2f}", f"{b['trigger_s']:.2f}", f"{b['records'] / b['trigger_s']:,.0f}"]
        for b in taken
    )  # fmt: skip
    head = ["batch", "records", *(f"{s}, s" for s in steps), "Spark around it, s", "total, s", "records/s"]
    return f"{_run_name(run)} (the last batches are a remainder and the closing tick):\n\n" + table(head, rows)


def _fixed_cost(runs: Sequence[Results], best: Results, small: Sequence[Results]) -> list[str]:
    """The batch's time as a fixed part and a part per record, step by step, through the small and the large batches."""
    large = full_batches(best["batches"])
    steps = [*steps_of([*small, *large]), "Spark around it"]
    fixed, rows = {}, []
    for step in steps:
        low, high = step_median(small, step), step_median(large, step)
        n_low, n_high = median(small, "records"), median(large, "records")
        per_record = (high - low) / max(n_high - n_low, 1)
        fixed[step] = low - per_record * n_low
        between = [
            f"{step_median(full_batches(run['batches']), step):.2f}"
            for run in runs
            if run["warm"] and run["master"] == "local[2]"
        ]
        rows.append([step, f"{low:.2f}", *between, f"{fixed[step]:.2f}", f"{1e6 * per_record:.1f}"])
    sizes = [f"{run['size']:,} records, s" for run in runs if run["warm"] and run["master"] == "local[2]"]
    total = sum(fixed.values())
    owner, share = max(fixed.items(), key=lambda item: item[1])
    text = (
        f"{len(small)} warm batches of about {median(small, 'records'):,.0f} records, read from Kafka by the same "
        "process into "
        f"the same lake after the run above, are nearly nothing but fixed cost: **{total:.1f} s per batch**. The "
        "largest part, "
        f"{share:.1f} s, is *{owner}*."
    )
    parts = [text, table(["step", "1,000 records, s", *sizes, "fixed, s", "µs per record"], rows)]
    if inside := best["small"].get("inside"):
        phases = {n: inside[n] for n in ("analysis", "optimization", "planning", "compilation")}
        parts.append(
            f"Inside such a batch Spark runs {inside['jobs']:.0f} jobs for {inside['commands']:.0f} commands and compiles "
            f"{inside['classes compiled']:.0f} generated classes. "
            + ", ".join(f"{name} takes {seconds:.2f} s" for name, seconds in phases.items())
            + ". These are sums over commands, which may run side by side or inside each other."
        )
    if engine := _engine(small):
        parts.append("Spark's own engine around the batch, in milliseconds: " + engine + ".")
    return parts


def _nightly(results: Results) -> list[str]:
    engines = results["engines"]
    fastest = fastest_engine(engines)
    base = engines[fastest]["warm_median_s"]
    rows = (
        [name, f"{e['warm_median_s']:.2f}", f"{e['warm_min_s']:.2f}", f"{e['warm_median_s'] / base:.1f}",
         f"{e['warm_cpu_s']:.1f}", f"{e['cold_s']:.1f}", f"{e['start_s']:.1f}", f"{e['peak_memory_mib']:,.0f}"]
        for name, e in engines.items()
    )  # fmt: skip
    rows_of = ", ".join(f"{ledger} {n:,}" for ledger, n in results["rows"].items())
    classes = ", ".join(f"{kind} {n:,}" for kind, n in sorted(results["truth"].items(), key=lambda item: -item[1]))
    own, narrow = engines["paylake"], engines["Spark, narrow rows"]
    times = own["warm_median_s"] / narrow["warm_median_s"]
    together = engines["paylake, repartitioned"]
    return [
        f"Three Parquet files ({rows_of} rows; {results['megabytes']} MB) to one class per payment, under the same "
        "rules, which "
        "each engine states in its own terms. Two threads each, every engine in a process of its own; five warm "
        "runs after the "
        "cold one. The last two rows are experiments in Spark and not what paylake does.",
        table(["engine", "warm median, s", "warm best, s", "times the fastest", "CPU-s", "first run, s", "start, s",
               "peak MiB"], rows),
        f"Checked: each engine gives every single payment the class that was put into the files: {classes}.",
        "**What another shape would give.** Rows of fixed width under a hashed key, brought together and "
        "aggregated once, take "
        f"{narrow['warm_median_s']:.2f} s and {narrow['warm_cpu_s']:.1f} CPU-s, {times:.1f} "
        f"times faster than paylake's own functions. paylake's functions over rows that were brought together first take "
        f"{together['warm_median_s']:.2f} s and {together['warm_cpu_s']:.1f} CPU-s. paylake's `combine` keeps the "
        "whole of a "
        "ledger's first posting by a written order, as a struct; Spark cannot hold a struct or a text in the "
        "buffer of a hash "
        "aggregate, so it sorts the rows, before the shuffle and after it. The narrow shape knows the class only: not the "
        "descriptive columns, nor which of two contradicting postings came first.",
    ]  # fmt: skip


def _latency(results: Results) -> list[str]:
    rates = results["rates"]
    rows = (
        [f"{r['rate']:,}", f"{r['payments']:,}", *(f"{r[k]:,.0f}" for k in ("p50_ms", "p95_ms", "p99_ms", "max_ms")),
         r["batches"], f"{r['records_per_batch']:,}", f"{r['trigger_s']:.2f}"]
        for r in rates
    )  # fmt: skip
    steps = names_in(r["steps"] for r in rates)
    engine = names_in(r["engine_ms"] for r in rates)
    made_of = [
        *([s, *(f"{1000 * r['steps'].get(s, 0):,.0f}" for r in rates)] for s in steps),
        *([f"Spark: {e}", *(f"{r['engine_ms'].get(e, 0):,.0f}" for r in rates)] for e in engine),
    ]
    floor = min(r["trigger_s"] for r in rates)
    longest = max(((s, r["steps"][s]) for r in rates for s in r["steps"]), key=lambda item: item[1])
    return [
        "The driver runs as in production, with its own ticks and a trigger of "
        f"{results['interval_s']:.0f} s; another process sends records at an even pace. A payment counts from the Kafka "
        "timestamp of its last record to the moment at which the commit that holds its decision appears in the log of "
        "`reconciliation_partial`.",
        table(["records/s", "payments", "p50, ms", "p95, ms", "p99, ms", "longest, ms", "batches", "records per batch",
               "batch, s"], rows),
        f"**The floor is one batch, {floor:.1f} s here.** A record that arrives while a batch runs waits for its "
        "end and then "
        "for its own batch: between one and two batches, and more when a batch takes longer than the trigger's "
        "interval. The "
        f"longest step is *{longest[0]}*, {longest[1]:.1f} s.",
        "The median batch, in milliseconds:",
        table(["part", *(f"at {r['rate']:,} records/s" for r in rates)], made_of),
    ]  # fmt: skip


def _open_items(results: Results) -> list[str]:
    levels = results["levels"]
    steps = names_in(level["steps"] for level in levels)
    rows = (
        [f"{level['open_items']:,}", f"{level['median_s']:.2f}", f"{level['cpu_s']:.1f}", f"{level['open_items_mib']:,.1f}",
         *(f"{level['steps'].get(s, 0):.2f}" for s in steps)]
        for level in levels
    )  # fmt: skip
    low, high = levels[0], levels[-1]
    per = 1e6 * (high["median_s"] - low["median_s"]) / max(high["open_items"] - low["open_items"], 1)
    return [
        "Payments of which the gateway alone has spoken stay open; then come batches of 1,000 records of other "
        "payments, on a "
        "warm process, without Kafka. Every batch reads `open_items` and writes it anew.",
        table(["open items", "batch, s", "CPU-s", "table, MiB", *(f"{s}, s" for s in steps)], rows),
        f"Each open item adds {per:.1f} µs to every batch, in *items decided* and *items "
        f"committed*: so {1e6 / per if per > 0 else 0:,.0f} "
        "open items add one second.",
    ]  # fmt: skip


def _files(results: Results) -> list[str]:
    steps = names_in([results["first_steps"], results["last_steps"]])
    edge = results["edge"]
    rows = [[s, f"{results['first_steps'].get(s, 0):.2f}", f"{results['last_steps'].get(s, 0):.2f}"] for s in steps]
    rows.append(["batch", f"{results['first_median_s']:.2f}", f"{results['last_median_s']:.2f}"])
    kept, records = results["maintain_s"], results["records"] / max(results["batches"], 1)
    growth = results["last_median_s"] / results["first_median_s"] if results["first_median_s"] else 0.0
    return [
        f"{results['batches']:,} batches of about {records:.0f} records, one per simulated "
        f"second, on a warm process, without Kafka; the driver's own maintenance after every {results['maintain_every']}.",
        table(["median, s", f"first {edge} batches", f"last {edge} batches"], rows),
        f"The last batches take {growth:.2f} times as long as the first. Maintenance ran {len(kept)} times, "
        f"{statistics.median(kept) if kept else 0:.1f} s each.",
        table(["table", "files that it consists of", "files on disk", "log entries"],
              ([name, f["live"], f["on_disk"], f["log"]] for name, f in results["tables"].items())),
        "Files on disk that the table no longer consists of await the vacuum, which leaves a day of history.",
        f"As one measurement among all, time ended it before {results['asked']:,} batches; `--only files` takes them all."
        if results["batches"] < results["asked"]
        else "",
    ]  # fmt: skip


def _cascade(results: Results) -> list[str]:
    named = {
        "three": "three ledgers, exact then tolerance",
        "even": f"{results['payouts']:,} payouts and their lines",
        "skewed": f"the same, one payout with {results['skewed_share']} % of the lines",
    }
    rows = [
        [what, f"{r['entries']:,}", f"{r['median_s']:.1f}", f"{r['cpu_s']:.1f}", f"{1e6 * r['cpu_s'] / r['entries']:.1f}"]
        for what, r in ((what, results[name]) for name, what in named.items())
    ]
    ratio = results["skewed"]["median_s"] / results["even"]["median_s"]
    return [
        "`paylake reconcile`'s functions over Parquet files, on a warm process, to a status and "
        "reasons for every entry; what comes out is compared with what was put in.",
        table(["reconciliation", "entries", "median, s", "CPU-s", "CPU-s per million"], rows),
        f"With the skew it takes {ratio:.2f} times as long as without, against an aim of 1.5 at most.",
    ]  # fmt: skip


def _accuracy(results: Results) -> list[str]:
    parts = [
        "Data sets made from simulated payments, of "
        f"{min(one['least_entries'] for one in results['sets']):,} entries per source or more, each with the seeds "
        f"{', '.join(map(str, results['seeds']))}. The truth of each entry (its reason, or the group that it belongs to) is "
        "stated by the generator and never seen by the engine. A break is found where the entry has that very reason. A "
        "match is wrong where a group that was made automatically is not exactly the true one. What nobody can know from "
        "the files (a damaged reference, an amount that merely looks alike) must stay open: it is a suggestion at most. "
        "The generator shares no code with the engine, but knows what the rule sets agree: tolerances, a payout's cost, the "
        "band of an instalment. So the figures say how well the engine keeps its rules, not how well they fit your files.",
    ]
    for one in results["sets"]:
        overstated = ", ".join(f"{amount} {currency}" for currency, amount in one["overstated"].items()) or "0"
        parts += [
            f"### {one['rules'].replace('_', ' ').capitalize()}",
            f"{one['entries']:,} entries; {one['groups']:,} automatic matches, of which **{one['wrong_groups']:,} are "
            f"wrong**; matched value overstated: {overstated}. {one['suggestions']:,} suggestions wait for a person.",
            table(
                ["reason", "true", "found", "right", "precision", "recall"],
                [
                    *(_reason_row(name, counts) for name, counts in one["reasons"].items() if name),
                    _reason_row("**all breaks**", all_breaks([one])),
                    _reason_row("matched", one["reasons"].get("", {})),
                ],
            ),
            "What was taken for something else: "
            + "; ".join(f"{true} for {said}, {count:,}" for true, said, count in one["confused"])
            + "."
            if one["confused"]
            else "",
            "How hard it is made, in payments of each class: "
            + ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in sorted(one["classes"].items()))
            + ".",
        ]
    return [*parts, "The classes are stated, with what is true of them, in `benchmarks/ledger_sets.py`."]  # fmt: skip


def _reason_row(name: str, counts: Results) -> list[str]:
    true, found, right = (counts.get(kind, 0) for kind in ("true", "found", "right"))
    return [name, f"{true:,}", f"{found:,}", f"{right:,}", _share(right, found), _share(right, true)]


def _share(part: int, whole: int) -> str:
    """To four places, and never rounded up to a whole that it is not."""
    return f"{part * 10_000 // whole / 10_000:.4f}" if whole else ""


def _fraud(results: Results) -> list[str]:
    cost = results["cost"]
    return [
        results["page"].rstrip(),
        f"`paylake benchmark fraud`: features, models and their folds in {cost['wall_s']:,.0f} s, "
        f"{cost['python_s']:,.0f} CPU-s.",
    ]


def _backfill(results: Results) -> list[str]:
    rows, checked = results["rows"], results["checked"]
    stages = [
        [name, f"{c['wall_s']:,.1f}", f"{rows / c['wall_s'] if c['wall_s'] else 0:,.0f}",
         f"{1e6 * (c['jvm_s'] + c['python_s']) / rows:.1f}", *_costs(c)[1:]]
        for name, c in results["stages"].items()
    ]  # fmt: skip
    batches = sum(1 for b in results["batches"] if b["records"])
    return [
        f"{rows:,} records of one date of 2024 as JSON lines ({results['megabytes']:,} MB), with the ledgers' control "
        "totals, 5 % of the payments broken, duplicates, disorder, late and malformed records. `paylake ingest-to-s3` lands "
        f"them ({results['landed_megabytes']:,} MB), `paylake ingest-to-kafka` replays them, the stream takes them in "
        f"{batches} batches, and the nightly run recomputes, proves and publishes the date. One process that has just "
        f"started ({results['start_s']:.0f} s more), at most {results['peak_memory_mib']:,.0f} MiB; the broker runs on the "
        "same machine.",
        table(["stage", "wall s", "records/s", "CPU-s per million", "CPU-s JVM", "Python", "broker", "others"], stages),
        f"Checked: {checked['entries']:,} entries and {checked['rejected']:,} quarantined records, {checked['breaks']:,} "
        f"breaks, all as simulated; run published, *{checked['outcome']}*.",
    ]


def _scores(results: Results) -> list[str]:
    steps = names_in(b["steps"] for b in results["batches"])
    rows = [
        [f"{b['payments']:,}", f"{b['seconds']:.1f}", f"{b['payments'] / b['seconds']:,.0f}",
         *(f"{b['steps'].get(name, 0):.1f}" for name in steps)]
        for b in [*results["batches"], *results["small"]]
    ]  # fmt: skip
    payments, cost = sum(b["payments"] for b in results["batches"]), results["cost"]
    return [
        "Parsing, features of all windows, the trained model, reasons, and the rows in `fraud_partial`; the first batches "
        "run in a process that has just started. The last ones are small, and show the fixed cost: what a score's age is "
        "made of.",
        table(["payments", "seconds", "payments/s", *steps], rows),
        f"CPU-seconds per million payments: {1e6 * cost['jvm_s'] / payments:,.0f} in the JVM, "
        f"{1e6 * cost['python_s'] / payments:,.0f} in Python. Checked: {results['compared']:,} logged vectors come out "
        "again from history, to 1e-9.",
    ]  # fmt: skip


def _alerts(results: Results) -> list[str]:
    rows = [
        [mode, f"{r['rate']:,}", *(f"{r[k]:,.0f}" for k in ("p50_ms", "p95_ms", "p99_ms", "max_ms", "behind_ms")),
         f"{r['cost']['jvm_s']:.0f}", f"{r['cost']['broker_s']:.0f}"]
        for mode, rates in results["modes"].items() for r in rates
    ]  # fmt: skip
    stages = [[n, f"{s['per_second']:,}", s["cpu_us"]] for n, s in results["throughput"]["stages"].items()]
    return [
        "Open loop: each payment is stamped with the time at which it was due, also where its sender was late. "
        "Sender and listener count as other programs.",
        table(["mode", "payments/s", "p50, ms", "p95, ms", "p99, ms", "longest, ms", "sender late by at most, ms",
               "CPU-s JVM", "broker"], rows),
        table(["to nowhere", "records/s", "CPU µs per record"], stages),
    ]  # fmt: skip


def _fraud_scoring(results: Results) -> list[str]:
    e = results["explained"]
    return [
        f"{results['trees']} trees of depth {results['depth']}, {results['features']} features, {results['payments']:,} "
        f"simulated payments. On 10,000 rows at the trees' edges the two forms differ by {results['apart']:.1e}.",
        table(["one payment", "median, µs", "99 of 100, µs"],
              ([n, r["p50_us"], r["p99_us"]] for n, r in results["single"].items())),
        table(["batch, one thread", "rows/s", "rows per CPU-s"],
              ([n, f"{r['wall']:,}", f"{r['cpu']:,}"] for n, r in results["batch"].items())),
        f"Exact TreeSHAP takes {e['shap_us']:.0f} CPU-µs a payment and its wording {e['reasons_us']:.0f}; only flagged "
        "payments get it.",
    ]  # fmt: skip


def _novelty(results: Results) -> list[str]:
    single = results["single"]
    return [
        f"Models without labels beside the demonstration's trees: {results['train_payments']:,} simulated payments to learn "
        f"from, {results['test_payments']:,} of other seeds with {results['test_frauds']:,} frauds to judge by."
        + ("" if results["with_neural"] else " **Without the extra `novelty`: the isolation forest alone.**"),
        results["page"],
        f"One answer takes {single['p50_ms']:.1f} ms (99 of 100: {single['p99_ms']:.1f} ms); training "
        f"{results['training_cost']['python_s']:,.0f} CPU-s.",
    ]


SECTIONS: dict[str, tuple[str, Callable[[Results], list[str]]]] = {
    "stream": ("Stream: how many records a second", _stream),
    "nightly": ("Nightly: beside DuckDB and Polars", _nightly),
    "latency": ("Latency: from arrival to visible", _latency),
    "open_items": ("Open items: what a full table costs", _open_items),
    "files": ("Files: after many batches", _files),
    "cascade": ("Cascade: reconciliation by a rule set", _cascade),
    "accuracy": ("Accuracy: breaks by reason", _accuracy),
    "fraud": ("Fraud: the public benchmark", _fraud),
    "scores": ("Fraud: scores in the stream", _scores),
    "fraud_scoring": ("Fraud: one payment, a batch, its reasons", _fraud_scoring),
    "novelty": ("Fraud: models without labels", _novelty),
    "alerts": ("Alerts: from payment to decision", _alerts),
    "backfill": ("Backfill: history from files to a published date", _backfill),
}

# --- machine, versions, repetition ---


def _provenance(name: str, envelope: Results) -> str:
    others = envelope["others_share"]
    busy = f" **Other programs used {others:.0%} of the machine meanwhile.**" if others > QUIET_SHARE else ""
    scale = "" if envelope["scale"] == 1 else f" **At {envelope['scale']:g} of its size: not a figure to quote.**"
    return f"Measured on {envelope['measured_on']}, in {envelope['seconds'] / 60:.0f} min.{busy}{scale}"


def _machines(found: Mapping[str, Results]) -> str:
    said: dict[str, None] = {}
    for envelope in found.values():
        m, v = envelope["machine"], envelope["versions"]
        text = f"{m['cores']} cores ({m['cpu']}), {m['memory_gib']:.0f} GiB memory, {m['system']}; "
        said[text + ", ".join(f"{name} {version}" for name, version in v.items())] = None
    loads = ", ".join(f"{name} {envelope['machine']['load_before']}" for name, envelope in found.items())
    return "\n".join(f"* {text}" for text in said) + (f"\n* Load before each measurement: {loads}" if loads else "")


def _repeat(found: Mapping[str, Results]) -> str:
    minutes = {name: f"{envelope['seconds'] / 60:.0f} min" for name, envelope in found.items()}
    commands = "\n".join(
        f"* `.venv/bin/python benchmarks/run.py --only {name}`" + (f" ({minutes[name]})" if name in minutes else "")
        for name in SECTIONS
    )
    return (
        "`make bench` measures everything anew on this machine and writes this page; leave the machine alone meanwhile. One "
        f"measurement at a time keeps the others' results:\n\n{commands}\n\n"
        "Seeds are fixed, so the records are the same each time. Medians are quoted unless said otherwise; CPU-seconds are "
        "those of Spark's JVM, of Python and of the broker apart, and *others* is whatever else ran. Single times vary by "
        "some 15 % from run to run; CPU-seconds vary less. Where the machine is a share of a larger one, both vary by a "
        "third from hour to hour: compare what was measured in the same hour."
    )


# --- small helpers ---


def _costs(cost: Results) -> list[str]:
    return [f"{cost[name]:,.0f}" for name in ("wall_s", "jvm_s", "python_s", "broker_s", "others_s")]


def _run_name(run: Results) -> str:
    return f"batches of {run['size']:,}, {task_threads(run['master'])}{'' if run['warm'] else ', cold'}"


def _engine(batches: Sequence[Results]) -> str:
    names = names_in(b.get("engine_ms", {}) for b in batches)
    return ", ".join(f"{n} {statistics.median(b.get('engine_ms', {}).get(n, 0) for b in batches):.0f}" for n in names)
