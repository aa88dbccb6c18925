"""(b) Three ledgers of a million rows to one class per payment: paylake beside DuckDB and Polars, on the same files."""

from __future__ import annotations

import os
import statistics
import time
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks import harness, ledgers
from benchmarks.engines import ENGINES, THREADS
from benchmarks.machine import Cost, Meter, peak_memory_mib
from paylake.contracts.topics import LEDGERS

PAYMENTS = 1_000_000
WARM_RUNS = 5


def measure(scale: float) -> dict[str, Any]:
    """Write the files once, and ask every engine in a process of its own; equal answers, or no figures."""
    with harness.workplace("nightly") as folder:
        truth = ledgers.write(folder, harness.scaled(PAYMENTS, scale))
        rows = {ledger: pq.read_metadata(folder / f"{ledger}.parquet").num_rows for ledger in LEDGERS}
        size = sum((folder / f"{ledger}.parquet").stat().st_size for ledger in LEDGERS)
        os.environ["POLARS_MAX_THREADS"] = str(THREADS)
        engines = {}
        for name in ENGINES:
            asked = ["--folder", str(folder), "--engine", name, "--began", str(time.time())]
            engines[name] = harness.own_process("nightly", *asked, master=f"local[{THREADS}]")
            answer = engines[name]
            harness.say(f"nightly: {name}: {answer['warm_median_s']:.2f} s warm, {answer['cold_s']:.2f} s cold")
            found = answer.pop("counts")
            if found != truth:
                raise SystemExit(f"{name} finds {found}, but the files hold {truth}")
        return {"truth": truth, "rows": rows, "megabytes": round(size / 1e6), "engines": engines}


def ask(name: str, folder: Path, began: float) -> dict[str, Any]:
    """An engine's answers: the first one in its process, and the next ones; and its class of every single payment."""
    engine = ENGINES[name](folder)
    started_s = time.time() - began
    meter, costs, answers = Meter(), [], []
    for _ in range(1 + WARM_RUNS):
        with meter.measure() as cost:
            answers.append(engine.counts())
        costs += cost
    seconds, cpu = [c.wall_s for c in costs], [c.jvm_s + c.python_s for c in costs]
    peak = peak_memory_mib()
    if any(answer != answers[0] for answer in answers):
        raise SystemExit(f"{name} answers differently each time: {answers}")
    _compare(engine, name, folder)
    return {
        "counts": {kind: answers[0][kind] for kind in sorted(answers[0])},
        "start_s": round(started_s, 2),
        "cold_s": round(seconds[0], 2),
        "cold_cpu_s": round(cpu[0], 2),
        "warm_s": [round(s, 3) for s in seconds[1:]],
        "warm_min_s": round(min(seconds[1:]), 3),
        "warm_median_s": round(statistics.median(seconds[1:]), 3),
        "warm_cpu_s": round(statistics.median(cpu[1:]), 2),
        "peak_memory_mib": peak,
        "cost": reduce(Cost.__add__, costs).as_dict(),
    }


def _compare(engine: Any, name: str, folder: Path) -> None:
    """Not the counts alone: every payment must have the class that was put there."""
    import duckdb

    said = folder / f"{name}.parquet".replace(" ", "_").replace(",", "")
    engine.write(said)
    files = f"{said}/*.parquet" if said.is_dir() else said
    sides = [f"SELECT transaction_id, kind FROM '{path}'" for path in (files, folder / "truth.parquet")]
    for one, other in (sides, reversed(sides)):
        [(wrong,)] = duckdb.connect().execute(f"SELECT count(*) FROM ({one} EXCEPT ALL {other})").fetchall()
        if wrong:
            raise SystemExit(f"{name} gives {wrong:,} payments another class than they have")


def main() -> None:
    """One engine, in a process of its own."""
    options = harness.arguments(
        __doc__,
        lambda p: p.add_argument("--folder", type=Path, required=True),
        lambda p: p.add_argument("--engine", choices=ENGINES, required=True),
        lambda p: p.add_argument("--began", type=float, required=True),
    )
    harness.write(options.out, ask(options.engine, options.folder, options.began))


if __name__ == "__main__":
    main()
