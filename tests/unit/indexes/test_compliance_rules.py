"""The rules of compliance as data: dated without gaps or overlaps, sourced, and each in force when it should be."""

from __future__ import annotations

from itertools import groupby, pairwise

from pyspark.sql import SparkSession

from paylake.contracts import COMPLIANCE_RULES
from paylake.contracts.compliance import RULES, Measure
from paylake.indexes.compliance_rules import compliance_rule_rows, rules_on
from paylake.quality import check
from tests.builders import day


def test_the_version_of_the_date_holds_and_the_one_before_no_more() -> None:
    dates = ("2017-06-25", "2017-06-26", "2024-12-29", "2024-12-30")
    found = {d: [r.label for r in rules_on(day(d), RULES, Measure.TRANSFER) if r.currency == "EUR"] for d in dates}
    assert found == {
        "2017-06-25": [], "2017-06-26": ["EU_TRAVEL/1"], "2024-12-29": ["EU_TRAVEL/1"], "2024-12-30": ["EU_TRAVEL/2"],
    }  # fmt: skip


def test_each_version_of_a_rule_begins_where_the_last_one_ends() -> None:
    for _, versions in groupby(sorted(RULES, key=lambda r: (r.rule_id, r.since)), key=lambda r: r.rule_id):
        assert [(a.label, a.until) for a, b in pairwise(versions) if a.until != b.since] == []


def test_a_rule_has_what_its_measure_needs() -> None:
    wanted = {
        Measure.CASH_SUM: ("amount", "due_days"),
        Measure.JUST_BELOW: ("amount", "floor", "least_count", "days"),
        Measure.SUSPICIOUS_SUM: ("amount",),
        Measure.TRANSFER: ("amount",),
        Measure.ROUND_AMOUNT: ("amount",),
        Measure.RISK_SCORE: ("least_count",),
    }
    assert [r.label for r in RULES for name in wanted[r.measure] if getattr(r, name) is None] == []


def test_the_rows_of_the_table_keep_its_contract(spark: SparkSession) -> None:
    rows = spark.createDataFrame(compliance_rule_rows(), COMPLIANCE_RULES.schema)
    checked = check(rows, COMPLIANCE_RULES)
    assert (checked.accepted.count(), checked.rejected.count()) == (len(compliance_rule_rows()), 0)
    us = {(r["rule_id"], str(r["threshold_amount"]), r["is_strict"]) for r in rows.where("jurisdiction = 'US'").collect()}
    assert us == {
        ("US_CTR", "10000.0000", True), ("US_STRUCTURING", "10000.0000", True), ("US_SAR", "5000.0000", False),
        ("US_TRAVEL", "3000.0000", False),
    }  # fmt: skip
