"""(f) The cascade over three ledgers of a million entries, and a batch tier with lines even and with one payout of 30 %."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks import harness, stage
from benchmarks.machine import Meter
from paylake.matching.breaks import classified
from paylake.matching.cascade import cascade
from paylake.matching.entries import all_entries
from paylake.matching.rules import RuleSet, read
from paylake.reconcile_command import shipped

ENTRIES = 1_000_000
PAYOUTS = 10_000
SKEWED_SHARE = 30
RUNS = 3

BATCHES = """
name: payouts
version: 1
sources:
  payouts: {id: id, amount: amount, currency: currency, date: day, keys: {payout: id}}
  sales: {id: id, amount: amount, currency: currency, date: day, keys: {payout: payout}}
stages:
  - name: payouts
    sources: [payouts, sales]
    tiers: [{name: batch, rule: sum, by: payout, one: payouts}]
"""


def measure(scale: float) -> dict[str, Any]:
    """In a process of its own."""
    return harness.own_process("cascade", "--scale", str(scale))


def run(scale: float) -> dict[str, Any]:
    """Each reconciliation several times on a warm process; what comes out is compared with what was put in."""
    spark, entries = stage.session("cascade"), harness.scaled(ENTRIES, scale, 1_000)
    payouts = harness.scaled(PAYOUTS, scale, 20)
    with harness.workplace("cascade") as folder:

        def kept(frame: DataFrame, name: str) -> DataFrame:
            frame.write.parquet(str(folder / name))
            return spark.read.parquet(str(folder / name))

        ledgers = {name: kept(ledger(spark, name, entries), name) for name in ("gateway", "core", "mobile")}
        results = {"three": timed(read(shipped()["three_ledgers"], "three_ledgers"), ledgers, three_truth(entries))}
        for name, share in (("even", 0), ("skewed", SKEWED_SHARE)):
            lines = kept(batch_lines(spark, entries, payouts, share), f"lines-{name}")
            paid = lines.groupBy(F.col("payout").alias("id")).agg(F.sum("amount").alias("amount"))
            paid = kept(paid.select("id", "amount", F.lit("EUR").alias("currency"), F.lit("2026-03-02").alias("day")), name)
            results[name] = timed(
                read(BATCHES, "batches"), {"payouts": paid, "sales": lines}, {"MATCHED": entries + paid.count()}
            )
    return {"entries": entries, "payouts": payouts, "skewed_share": SKEWED_SHARE, **results}


def ledger(spark: SparkSession, name: str, entries: int) -> DataFrame:
    """Of a hundred payments of core, one is off by a cent and one by five; mobile lacks one."""
    number, place = F.col("id"), F.col("id") % 100
    cents = F.lit(1_000) + F.pmod(F.xxhash64("id"), F.lit(90_000))
    if name == "core":
        cents = cents + F.when(place == 0, 1).when(place == 1, 500).otherwise(0)
    rows = spark.range(entries).select(
        F.concat(F.lit("transaction-"), number.cast("string")).alias("transaction_id"),
        (cents / F.lit(100).cast("decimal(10,0)")).cast("decimal(18,4)").alias("amount"),
        F.lit("EUR").alias("currency"),
        F.lit("2026-03-01").cast("date").alias("timestamp"),
        place.alias("place"),
    )
    return rows.where("place <> 2" if name == "mobile" else "true").drop("place")


def three_truth(entries: int) -> dict[str, int]:
    """How many entries have each status."""
    place = [len(range(n, entries, 100)) for n in range(3)]
    return {
        "MATCHED": 3 * (entries - sum(place)),
        "MATCHED_WITH_TOLERANCE": 3 * place[0],
        "BREAK": 3 * place[1] + 2 * place[2],
    }


def batch_lines(spark: SparkSession, entries: int, payouts: int, share: int) -> DataFrame:
    """Lines of payouts: spread evenly, or with a share of them, in percent, in one payout."""
    number = F.col("id")
    payout = F.when(number % 100 < share, F.lit(0)).otherwise(F.pmod(F.xxhash64("id"), F.lit(payouts)))
    return spark.range(entries).select(
        F.concat(F.lit("line-"), number.cast("string")).alias("id"),
        F.concat(F.lit("payout-"), payout.cast("string")).alias("payout"),
        (number % 1_000 + 1).cast("decimal(18,4)").alias("amount"),
        F.lit("EUR").alias("currency"),
        F.lit("2026-03-01").cast("date").alias("day"),
    )


def timed(rules: RuleSet, rows: dict[str, DataFrame], truth: dict[str, int]) -> dict[str, Any]:
    """The median of several runs, each checked against the truth."""
    chosen = rules.stages[0]

    def counts() -> dict[str, int]:
        found = classified(cascade(all_entries(rows, rules, chosen), chosen), chosen)
        return {row["status"]: row["count"] for row in found.groupBy("status").count().collect()}

    costs = [_once(counts, truth) for _ in range(1 + RUNS)][1:]
    cpu = [cost["jvm_s"] + cost["python_s"] for cost in costs]
    wall = statistics.median(cost["wall_s"] for cost in costs)
    harness.say(f"cascade: {rules.name}: {wall:.1f} s")
    return {
        "entries": sum(truth.values()),
        "median_s": round(wall, 2),
        "cpu_s": round(statistics.median(cpu), 1),
        "costs": costs,
    }


def _once(counts: Callable[[], dict[str, int]], truth: dict[str, int]) -> dict[str, float]:
    with Meter().measure() as cost:
        found = counts()
    if found != {status: n for status, n in truth.items() if n}:
        raise SystemExit(f"the cascade finds {found}, but {truth} was put in")
    return cost[0].as_dict()


def main() -> None:
    """One measurement, as `run.py` asks for it."""
    options = harness.arguments(__doc__)
    harness.write(options.out, run(options.scale))


if __name__ == "__main__":
    main()
