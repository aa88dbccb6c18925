"""The rules of compliance as rows, as of a date, and beside the payments that they concern."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.contracts.compliance import EVERYWHERE, RULES, Measure, Rule
from paylake.contracts.table import MONEY


def compliance_rule_rows(rules: Iterable[Rule] = RULES) -> list[tuple[Any, ...]]:
    """The rows of `compliance_rules`: one per rule, version and jurisdiction."""
    return [
        (
            r.rule_id, r.version, jurisdiction, r.measure.value, r.window.value, r.days, r.currency, r.amount, r.is_strict,
            r.floor, r.least_count, r.due_days, r.source, r.since, r.until,
        )
        for r in rules
        for jurisdiction in r.jurisdictions
    ]  # fmt: skip


def rules_on(day: date, rules: Iterable[Rule], *measures: Measure) -> list[Rule]:
    """The rules of some measures that hold on a business date."""
    return [r for r in rules if r.measure in measures and r.since <= day and (r.until is None or day < r.until)]


def with_rules(rows: DataFrame, rules: list[Rule]) -> DataFrame:
    """One row per row and rule that concerns its `currency` and `jurisdiction`, the rule as the struct `rule`."""
    if not rules:
        return rows.withColumn("rule", as_struct(RULES[0])).where(F.lit(False))
    concerned = F.filter(F.array(*(as_struct(r) for r in rules)), _concerns)
    return rows.withColumn("rule", F.explode(concerned))


def exceeds(amount: Column, rule: Column) -> Column:
    """True where an amount exceeds the rule's threshold, or meets it where that is enough."""
    return (amount > rule["amount"]) | (~rule["is_strict"] & (amount == rule["amount"]))


def _concerns(rule: Column) -> Column:
    there = F.array_contains(rule["jurisdictions"], F.col("jurisdiction"))
    is_there = F.coalesce(there, F.lit(False)) | F.array_contains(rule["jurisdictions"], F.lit(EVERYWHERE))
    return (rule["currency"] == F.col("currency")) & is_there


def as_struct(rule: Rule) -> Column:
    """The rule as a literal struct."""
    return F.struct(
        F.lit(rule.label).alias("label"),
        F.lit(rule.rule_id).alias("rule_id"),
        F.lit(rule.measure.value).alias("measure"),
        F.lit(rule.window.value).alias("window"),
        F.array(*(F.lit(j) for j in rule.jurisdictions)).alias("jurisdictions"),
        F.lit(rule.currency).alias("currency"),
        F.lit(rule.amount).cast(MONEY).alias("amount"),
        F.lit(rule.is_strict).alias("is_strict"),
        F.lit(rule.floor).cast(MONEY).alias("floor"),
        F.lit(rule.least_count).cast("int").alias("least_count"),
        F.lit(rule.days).cast("int").alias("days"),
        F.lit(rule.due_days).cast("int").alias("due_days"),
    )
