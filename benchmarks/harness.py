"""How a measurement runs: its command line, its folder, its results, and processes of its own. Starts quickly."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "bench"


def arguments(doc: str, *more: Callable[[argparse.ArgumentParser], Any]) -> argparse.Namespace:
    """The command line of a measurement: its scale, where its results go, and what else it takes."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--scale", type=float, default=1.0, help="1 for figures; 0.01 to see that it works")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    for add in more:
        add(parser)
    return parser.parse_args()


def scaled(number: int, scale: float, least: int = 1) -> int:
    """A size at a scale."""
    return max(least, round(number * scale))


def write(path: Path, results: Mapping[str, Any]) -> None:
    """The results as a JSON file that is there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def say(text: str) -> None:
    """A line for the person who waits."""
    print(f"{datetime.now():%H:%M:%S} {text}", flush=True)


def own_process(module: str, *argv: str, master: str = "local[2]") -> dict[str, Any]:
    """Run a module in a process of its own, and return the results that it wrote; its messages pass through."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results.json"
        command = [sys.executable, "-m", f"benchmarks.{module}", "--out", str(out), *argv]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PAYLAKE_MASTER": master, "PYTHONPATH": path}
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found


@contextmanager
def workplace(name: str) -> Iterator[Path]:
    """An empty folder for what a measurement leaves on disk, and no longer needs afterwards."""
    folder = OUT / "work" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def median_steps(batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The median seconds of each step over some batches, in the order of the steps."""
    rows = [batch["steps"] for batch in batches]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: round(statistics.median(row.get(name, 0.0) for row in rows), 4) for name in names}


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-round(len(ordered) * share * 1_000_000) // 1_000_000) - 1)]
