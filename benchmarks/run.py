"""`make bench`: measure, keep each measurement's results as JSON under build/bench, and write BENCHMARKS.md from them."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import backfill, harness, report  # noqa: E402
from benchmarks.machine import machine, versions  # noqa: E402

MEASUREMENTS = tuple(report.SECTIONS)


def main() -> None:
    """Measure what was asked for, or everything, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="this measurement; the others' results stay")
    parser.add_argument("--scale", type=float, default=1.0, help="1 for figures; 0.01 to see that everything works")
    parser.add_argument("--rows", type=int, help="records of the backfill, in place of 10,000,000")
    parser.add_argument("--report-only", action="store_true", help="write the page from the results that are there")
    options = parser.parse_args()
    if options.rows and options.only != ["backfill"]:
        parser.error("--rows is the backfill's: add --only backfill")
    if options.rows:
        options.scale = options.rows / backfill.ROWS
    results = harness.OUT if options.scale == 1 else harness.OUT / "tried"
    for name in () if options.report_only else options.only or MEASUREMENTS:
        harness.say(f"{name}: begins")
        envelope = measured(name, options.scale, alone=options.only == [name])
        harness.write(results / f"{name}.json", envelope)
        harness.say(f"{name}: done in {envelope['seconds'] / 60:.1f} min")
    files = {name: results / f"{name}.json" for name in MEASUREMENTS}
    kept = {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.is_file()}
    page = harness.ROOT / "BENCHMARKS.md" if options.scale == 1 else results / "BENCHMARKS.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(report.markdown(kept), encoding="utf-8")
    harness.say(f"wrote {page.relative_to(harness.ROOT)}")


def measured(name: str, scale: float, alone: bool) -> dict[str, Any]:
    """A measurement's results, with everything that a reader needs in order to believe them."""
    envelope: dict[str, Any] = {"measurement": name, "scale": scale, "measured_on": f"{datetime.now(UTC):%Y-%m-%d}"}
    envelope |= {"machine": machine(), "versions": versions()}
    began = time.monotonic()
    more = {"alone": alone} if name == "files" else {}
    results = importlib.import_module(f"benchmarks.{name}").measure(scale, **more)
    costs = list(_costs(results))
    available = sum(cost["wall_s"] for cost in costs) * envelope["machine"]["cores"]
    share = sum(cost["others_s"] for cost in costs) / available if available else 0.0
    return envelope | {"seconds": round(time.monotonic() - began, 1), "others_share": round(share, 3), "results": results}


def _costs(results: Any) -> Iterator[dict[str, float]]:
    """Every stretch of work whose cost was taken, wherever it stands in the results."""
    if isinstance(results, dict):
        if "others_s" in results:
            yield results
        results = results.values()
    if not isinstance(results, str | int | float | None):
        for value in results:
            yield from _costs(value)


if __name__ == "__main__":
    main()
