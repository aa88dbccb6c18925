"""BENCHMARKS.md is written from results alone, and says where they fall short."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import report

STEPS = {"records parsed": 0.2, "items committed": 0.5}
COST = {"wall_s": 50.0, "jvm_s": 80.0, "python_s": 1.0, "broker_s": 5.0, "others_s": 1.0}


def batch(number: int, records: int, seconds: float) -> dict[str, Any]:
    steps = {name: seconds / 2 for name in STEPS}
    engine = {"walCommit": 20}
    return {"batch": number, "records": records, "seconds": seconds, "steps": steps, "engine_ms": engine,
            "trigger_s": seconds + 0.1}  # fmt: skip


def run(master: str, rate: int, **more: Any) -> dict[str, Any]:
    truth = {"transactions": 9, "breaks": 2, "precision": 1.0, "recall": 1.0, "entries": 27, "quarantined": 1}
    batches = [batch(0, 1000, 9.9), batch(1, 1000, 4.9), batch(2, 1000, 5.1), batch(3, 0, 0.9)]
    return {
        "master": master, "size": 1000, "warm": True, "batches": batches, "cost": COST, "peak_memory_mib": 900,
        "records": 3000,
        "all_per_second": rate // 2, "steady_per_second": rate, "full_batch_per_second": rate, "truth": truth, **more,
    }  # fmt: skip


def stream(rate: int) -> dict[str, Any]:
    small = {"batches": [batch(4, 10, 2.0), batch(5, 10, 1.0), batch(6, 10, 1.2)]}
    loaded = {"payments": 1000, "records": 3000, "send_s": 1.0, "seconds": 2.0}
    return {"loaded": loaded, "runs": [run("local[1]", rate // 2), run("local[2]", rate, small=small)]}


def engine(seconds: float) -> dict[str, Any]:
    return {"start_s": 1.0, "cold_s": 3 * seconds, "warm_s": [seconds], "warm_min_s": seconds, "warm_median_s": seconds,
            "warm_cpu_s": 2 * seconds, "peak_memory_mib": 700}  # fmt: skip


def nightly(seconds: float) -> dict[str, Any]:
    others = {"paylake, repartitioned": engine(3.0), "Spark, narrow rows": engine(2.5)}
    return {
        "truth": {"NONE": 90, "MISSING_PG": 10}, "rows": {"gateway": 90, "core": 100, "mobile": 100}, "megabytes": 1,
        "engines": {"DuckDB": engine(1.5), "Polars": engine(2.0), "paylake": engine(seconds), **others},
    }  # fmt: skip


def latency(p99_ms: int) -> dict[str, Any]:
    rate = {
        "rate": 10, "sent": 400, "payments": 133, "p50_ms": 700, "p95_ms": 900, "p99_ms": p99_ms, "max_ms": 2000,
        "batches": 40, "records_per_batch": 10, "batch_s": 0.6, "trigger_s": 0.7, "steps": STEPS,
        "engine_ms": {"walCommit": 20},
    }  # fmt: skip
    return {"rates": [rate], "cost": COST, "interval_s": 1.0}


OPEN_ITEMS = {
    "levels": [
        {"open_items": n, "build_s": 1.0, "batches": 9, "median_s": s, "cpu_s": s, "steps": STEPS, "open_items_mib": 1.0}
        for n, s in ((10_000, 1.0), (1_000_000, 11.0))
    ]
}
FILES = {
    "batches": 1000, "asked": 1000, "records": 60_000, "edge": 50, "maintain_every": 200,
    "first_median_s": 0.8, "last_median_s": 1.0,
    "first_steps": STEPS, "last_steps": STEPS, "maintain_s": [3.0, 4.0], "seconds": [0.8], "cost": COST,
    "tables": {"open_items": {"live": 1, "on_disk": 1001, "log": 1100}},
}  # fmt: skip


CASCADE = {
    "payouts": 10_000, "skewed_share": 30,
    **{name: {"entries": 1_000_000, "median_s": 10.0, "cpu_s": 18.0} for name in ("three", "even", "skewed")},
}  # fmt: skip


ACCURACY = {
    "seeds": [1, 2], "cost": COST,
    "sets": [{
        "rules": "ledger_and_bank_statement", "least_entries": 20_000, "entries": 80_000, "groups": 30_000,
        "wrong_groups": 0,
        "suggestions": 12, "overstated": {}, "classes": {"clean": 9, "over": 2},
        "confused": [["AMOUNT_OVER", "matched", 1]],
        "reasons": {"": {"true": 60_000, "found": 60_001, "right": 60_000},
                    "AMOUNT_OVER": {"true": 100, "found": 99, "right": 99}},
    }],
}  # fmt: skip

FRAUD = {
    "cost": COST, "page": "### Protocol A\n\n| model | AUC |\n| --- | ---: |\n| a tree | 0.763 |\n", "models_reproduced": 4,
    "apart": 0.0023, "recall_ceiling": 0.8,
    "ours": {"average_precision": 0.73, "card_precision": 0.309, "auc": 0.889, "recall_at_2_1_percent": 0.77},
}  # fmt: skip

BACKFILL = {
    "rows": 10_000_000, "megabytes": 4_000, "landed_megabytes": 900, "start_s": 9.0, "peak_memory_mib": 3_000,
    "stages": {name: COST for name in ("generate", "land", "replay", "stream", "build one date")},
    "batches": [batch(0, 450_000, 9.9), batch(1, 0, 0.9)],
    "checked": {"entries": 9_999_000, "rejected": 1_000, "outcome": "closed with exceptions", "breaks": 160_000},
}  # fmt: skip


def envelope(results: dict[str, Any], **more: Any) -> dict[str, Any]:
    machine = {"cpu": "A fine one", "cores": 2, "memory_gib": 23.5, "system": "Linux x86_64", "load_before": 0.1}
    return {
        "scale": 1.0, "measured_on": "2026-03-31", "seconds": 240.0, "others_share": 0.01, "machine": machine,
        "versions": {"Spark": "4.2.0"}, "results": results, **more,
    }  # fmt: skip


def _probe(rate: int, p99_ms: float) -> dict[str, Any]:
    return {"rate": rate, "sent": 10, "decided": 10, "p50_ms": 14.0, "p95_ms": 23.0, "p99_ms": p99_ms, "max_ms": 39.0,
            "behind_ms": 1.0, "cost": COST}  # fmt: skip


COST = {"wall_s": 60.0, "jvm_s": 80.0, "python_s": 20.0, "broker_s": 5.0, "others_s": 0.0}
ALERTS = {
    "modes": {"real-time": [_probe(1_000, 24.0), _probe(5_000, 24.0)], "micro-batch": [_probe(1_000, 369.0)]},
    "throughput": {"stages": {"Parquet, parsed, ruled, scored": {"per_second": 120_000, "cpu_us": 15.0}}},
}
SCORES = {
    "batches": [{"payments": 150_000, "seconds": 14.0, "steps": {"features found": 9.0}}],
    "small": [{"payments": 1_000, "seconds": 2.0, "steps": {"features found": 1.0}}],
    "cost": COST,
    "compared": 7_500,
}
FRAUD_SCORING = {
    "trees": 200, "depth": 5, "features": 77, "payments": 60_000, "apart": 0.0,
    "single": {"compiled": {"p50_us": 35, "p99_us": 129}},
    "batch": {"XGBoost": {"wall": 246_000, "cpu": 250_000}},
    "explained": {"shap_us": 158.0, "reasons_us": 59.0},
}  # fmt: skip

NOVELTY = {"train_payments": 200_000, "test_payments": 100_000, "test_frauds": 1_000, "with_neural": True, "page": "| |",
           "single": {"p50_ms": 0.9, "p99_ms": 3.8}, "training_cost": COST}  # fmt: skip


def everything() -> dict[str, Any]:
    results = {"stream": stream(40_000), "nightly": nightly(4.0), "latency": latency(950), "open_items": OPEN_ITEMS,
               "files": FILES, "cascade": CASCADE, "accuracy": ACCURACY, "fraud": FRAUD, "backfill": BACKFILL,
               "scores": SCORES, "fraud_scoring": FRAUD_SCORING, "novelty": NOVELTY, "alerts": ALERTS}  # fmt: skip
    return {name: envelope(found) for name, found in results.items()}


def test_a_page_of_everything_has_every_section_and_no_shortfall() -> None:
    page = report.markdown(everything())
    assert all(f"## {title}" in page for title, _ in report.SECTIONS.values())
    assert "Every aim that was measured is met." in page
    assert "Not measured yet" not in page
    assert "falls short" not in page


@pytest.mark.parametrize(
    ("name", "results", "said"),
    [
        ("stream", stream(20_000), "20,000 records/s, against an aim of 30,000 records/s"),
        ("nightly", nightly(6.0), "6.0 s, 4.0 times DuckDB, against an aim of within 3 times the fastest"),
        ("latency", latency(1_400), "p99 1.4 s, against an aim of 1 s"),
        ("scores", {**SCORES, "batches": SCORES["small"]}, "500 payments/s, against an aim of 10,000 payments/s"),
        ("alerts", {**ALERTS, "modes": {"real-time": [_probe(1_000, 90.0)]}}, "p99 90 ms, against an aim of 20, 40, 60 ms"),
    ],
)
def test_what_falls_short_of_its_aim_is_said_at_the_top(name: str, results: dict[str, Any], said: str) -> None:
    page = report.markdown({**everything(), name: envelope(results)})
    assert said in page[: page.index("## Stream")]
    assert "**falls short**" in page


def test_what_was_not_measured_is_named_with_its_command() -> None:
    page = report.markdown({"files": envelope(FILES)})
    assert "run.py --only stream`" in page
    assert page.count("Not measured yet") == len(report.SECTIONS) - 1


def test_a_figure_from_a_busy_machine_or_a_smaller_size_is_marked() -> None:
    page = report.markdown({"files": envelope(FILES, scale=0.01, others_share=0.4)})
    assert "Other programs used 40%" in page
    assert "At 0.01 of its size" in page


def test_fixed_cost_is_what_remains_of_a_batch_without_records() -> None:
    page = report.markdown({"stream": envelope(stream(40_000))})
    # 10 records take 0.55 s in a step and 1,000 take 2.5 s: 1,970 µs each, and 0.53 s before the first
    assert "| records parsed | 0.55 | 2.50 | 0.53 | 1969.7 |" in page


def test_a_wrong_match_and_a_low_recall_fall_short() -> None:
    bad = {**ACCURACY["sets"][0], "wrong_groups": 1, "overstated": {"EUR": "12.00"},
           "reasons": {"AMOUNT_OVER": {"true": 100, "found": 90, "right": 90}}}  # fmt: skip
    page = report.markdown({"accuracy": envelope({**ACCURACY, "sets": [bad]})})
    assert "wrong automatic matches: 1 of 30,000, against an aim of none" in page
    assert "0.9000 of 100, against an aim of at least 0.95" in page
    assert "matched value overstated: 12.00 EUR" in page


def test_a_fraud_model_that_finds_too_little_of_what_can_be_told_falls_short() -> None:
    page = report.markdown({"fraud": envelope({**FRAUD, "recall_ceiling": 0.9})})
    assert "0.770, 85.6% of what can be told, against an aim of at least 95% of it" in page


def test_every_line_of_a_table_has_as_many_cells_as_its_head() -> None:
    tables: list[list[str]] = [[]]
    for line in report.markdown(everything()).splitlines():
        if line.startswith("|"):
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    assert len(tables) > 8
    assert [rows for rows in tables if len({row.count(" |") for row in rows if "---" not in row}) > 1] == []
