"""What an item's legs mean: every reason, the first by precedence, the kind, its risk, and what each ledger says."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import BooleanType, StructField, StructType

from paylake.contracts.reconciliation import DECISION_FIELDS, ITEM_FIELDS
from paylake.contracts.taxonomy import KIND, REASONS
from paylake.contracts.topics import LEDGERS
from paylake.reconciliation.decisions import decide
from paylake.reconciliation.rules import Rules
from tests.builders import NOON, by_key, legs

RULES = Rules()
SAID = [f.name for f in DECISION_FIELDS if f.name != "rule_version"]
FACTS = {"business_date": NOON.date(), "described_by": "gateway", "user_id": "u1", "merchant_id": "m1"}

Legs = dict[str, Any]


def money(text: str, **more: Any) -> Legs:
    """A leg of another amount."""
    return {"amount": Decimal(text), **more}


def after(seconds: str, **more: Any) -> Legs:
    """A leg that was booked some seconds later."""
    return {"at": NOON + timedelta(microseconds=int(Decimal(seconds) * 1_000_000)), **more}


def items(spark: SparkSession, *cases: tuple[str, dict[str, Legs | None], bool | None]) -> DataFrame:
    """One item per case: its name, what is special about its legs, and whether its deadline has passed."""
    schema = StructType(
        [*(StructField(f.name, f.type, True) for f in ITEM_FIELDS), StructField("is_overdue", BooleanType())]
    )
    data = []
    for name, of, is_overdue in cases:
        columns = {**FACTS, **legs(**of), "transaction_id": name, "is_overdue": is_overdue}
        data.append(tuple(columns.get(column) for column in schema.names))
    return spark.createDataFrame(data, schema)


def decided(
    spark: SparkSession, *cases: tuple[str, dict[str, Legs | None], bool | None], rules: Rules = RULES
) -> dict[str, dict[str, Any]]:
    """Case -> the decision on it."""
    rows = by_key(decide(items(spark, *cases), rules))
    return {name: {column: row[column] for column in SAID} for name, row in rows.items()}


def discrepancy(field: str, severity: str, *said: str | None) -> dict[str, Any]:
    """What each ledger says of a field."""
    return {"field": field, **dict(zip(LEDGERS, said, strict=True)), "severity": severity}


def decision(kind: str | None, *reasons: str, **parts: Any) -> dict[str, Any]:
    """A whole decision, with what the taxonomy says of its kind."""
    known = KIND[kind] if kind else None
    return {
        "status": known.status.value if known else "MATCHED",
        "kind": kind,
        "reason": reasons[0] if reasons else None,
        "reasons": list(reasons),
        "family": known.family.value if known else None,
        "severity": known.severity.value if known else None,
        "owner": known.owner if known else None,
        "discrepancies": [],
        "difference_amount": Decimal("0.0000"),
        "currency": "INR",
        "risk_score": 0,
        "risk_class": None,
        "risk_points": None,
    } | parts


H = "100.0000"
ONE_OF_EACH: dict[str, tuple[dict[str, Legs | None], dict[str, Any]]] = {
    "all alike": ({}, decision(None)),
    "one posting too many": (
        {"core": {"is_duplicated": True}},
        decision(
            "DUPLICATE_POSTING", "DUPLICATE_POSTING",
            discrepancies=[discrepancy("posting", "High", None, "posted more than once", None)],
            risk_score=50, risk_class="OTHER", risk_points="any other break: 50",
        ),
    ),
    "another currency": (
        {"core": {"currency": "USD"}},
        decision(
            "CURRENCY_MISMATCH", "CURRENCY_MISMATCH", currency=None, difference_amount=None,
            discrepancies=[discrepancy("currency", "High", "INR", "USD", "INR")],
            risk_score=50, risk_class="OTHER", risk_points="any other break: 50",
        ),
    ),
    "one ledger only": (
        {"gateway": None, "core": None},
        decision(
            "CRITICAL_MISSING", "MISSING_IN_GATEWAY", "MISSING_IN_CORE",
            discrepancies=[discrepancy("presence", "High", "missing", "missing", "present")],
            risk_score=95, risk_class="DATA_LOSS", risk_points="one source only: 95",
        ),
    ),
    "no gateway": (
        {"gateway": None},
        decision(
            "MISSING_PG", "MISSING_IN_GATEWAY",
            discrepancies=[discrepancy("presence", "High", "missing", "present", "present")],
            risk_score=50, risk_class="OTHER", risk_points="any other break: 50",
        ),
    ),
    "no core": (
        {"core": None},
        decision(
            "MISSING_CBS", "MISSING_IN_CORE",
            discrepancies=[discrepancy("presence", "High", "present", "missing", "present")],
            risk_score=90, risk_class="DATA_LOSS", risk_points="no core leg: 90",
        ),
    ),
    "no mobile": (
        {"mobile": None},
        decision(
            "MISSING_MOBILE", "MISSING_IN_MOBILE",
            discrepancies=[discrepancy("presence", "High", "present", "present", "missing")],
            risk_score=60, risk_class="DATA_LOSS", risk_points="no mobile leg: 60",
        ),
    ),
    "a hundred times as much": (
        {"core": money("10000.00")},
        decision(
            "FRAUD_ATTEMPT", "AMOUNT_OVER", difference_amount=Decimal("9900.0000"),
            discrepancies=[discrepancy("amount", "High", H, "10000.0000", H)],
            risk_score=100, risk_class="FRAUD", risk_points="spread above 10: 100",
        ),
    ),
    "three amounts": (
        {"core": money("80.00"), "mobile": money("120.00")},
        decision(
            "TRIPLE_MISMATCH", "AMOUNT_OVER", "AMOUNT_UNDER", difference_amount=Decimal("40.0000"),
            discrepancies=[discrepancy("amount", "High", H, "80.0000", "120.0000")],
            risk_score=40, risk_class="SKIMMING", risk_points="spread above 0: 40",
        ),
    ),
    "less in core": (
        {"core": money("90.00")},
        decision(
            "AMOUNT_MISMATCH", "AMOUNT_UNDER", difference_amount=Decimal("10.0000"),
            discrepancies=[discrepancy("amount", "High", H, "90.0000", H)],
            risk_score=40, risk_class="SKIMMING", risk_points="spread above 0: 40",
        ),
    ),
    "more in mobile": (
        {"mobile": money("250.00")},
        decision(
            "AMOUNT_MISMATCH", "AMOUNT_OVER", difference_amount=Decimal("150.0000"),
            discrepancies=[discrepancy("amount", "High", H, H, "250.0000")],
            risk_score=75, risk_class="AMOUNT", risk_points="spread above 1: 75",
        ),
    ),
    "another status": (
        {"core": {"status": "FAILED"}},
        decision(
            "STATUS_MISMATCH", "STATUS_MISMATCH",
            discrepancies=[discrepancy("status", "Medium", "SUCCESS", "FAILED", "SUCCESS")],
            risk_score=30, risk_class="STATUS", risk_points="status differs: 30",
        ),
    ),
    "a time that drifts": (
        {"core": after("61")},
        decision(
            "TIMESTAMP_DRIFT", "DATE_DRIFT",
            discrepancies=[discrepancy(
                "timestamp", "Low", "2026-03-31 12:00:00", "2026-03-31 12:01:01", "2026-03-31 12:00:00"
            )],
            risk_score=20, risk_class="TIMING", risk_points="time drift: 20",
        ),
    ),
}  # fmt: skip


def test_every_kind_of_break_has_its_whole_decision(spark: SparkSession) -> None:
    actual = decided(spark, *((name, of, True) for name, (of, _) in ONE_OF_EACH.items()))
    for name, (_, expected) in ONE_OF_EACH.items():
        assert actual[name] == expected, name
    assert {d["kind"] for d in actual.values()} == {*KIND, None}


SEVERAL: dict[str, tuple[dict[str, Legs | None], str, list[str], int]] = {
    "everything at once": (
        {
            "gateway": None,
            "core": {"is_duplicated": True},
            "mobile": after("6", amount=Decimal("50.0000"), status="PENDING"),
        },
        "DUPLICATE_POSTING",
        ["DUPLICATE_POSTING", "MISSING_IN_GATEWAY", "AMOUNT_UNDER", "STATUS_MISMATCH", "DATE_DRIFT"],
        40,
    ),
    "duplicate and currency": (
        {"core": {"is_duplicated": True, "currency": "USD"}},
        "DUPLICATE_POSTING",
        ["DUPLICATE_POSTING", "CURRENCY_MISMATCH"],
        50,
    ),
    "currency and missing": (
        {"core": {"currency": "USD"}, "mobile": None},
        "CURRENCY_MISMATCH",
        ["CURRENCY_MISMATCH", "MISSING_IN_MOBILE"],
        60,
    ),
    "currency and far amounts": (
        {"core": money("99999.00", currency="USD")},
        "CURRENCY_MISMATCH",
        ["CURRENCY_MISMATCH"],
        50,
    ),
    "missing and fraud": (
        {"core": money("5000.00"), "mobile": None},
        "MISSING_MOBILE",
        ["MISSING_IN_MOBILE", "AMOUNT_OVER"],
        60,
    ),
    "duplicate of the only leg": (
        {"core": None, "mobile": None, "gateway": {"is_duplicated": True}},
        "DUPLICATE_POSTING",
        ["DUPLICATE_POSTING", "MISSING_IN_CORE", "MISSING_IN_MOBILE"],
        90,
    ),
    "amount, status and time": (
        {"core": after("100", amount=Decimal("90.0000"), status="FAILED")},
        "AMOUNT_MISMATCH",
        ["AMOUNT_UNDER", "STATUS_MISMATCH", "DATE_DRIFT"],
        40,
    ),
    "status and time": (
        {"mobile": after("9", status="PROCESSING")},
        "STATUS_MISMATCH",
        ["STATUS_MISMATCH", "DATE_DRIFT"],
        30,
    ),
    "over and under, two alike": (
        {"gateway": money("100.00"), "core": money("50.00"), "mobile": money("50.00")},
        "AMOUNT_MISMATCH",
        ["AMOUNT_UNDER"],
        40,
    ),
}
"""Case -> what is special about its legs, its kind, every reason in order of precedence, its risk."""


def test_no_reason_hides_another_and_the_first_by_precedence_is_primary(spark: SparkSession) -> None:
    actual = decided(spark, *((name, of, True) for name, (of, *_) in SEVERAL.items()))
    for name, (_, kind, reasons, risk) in SEVERAL.items():
        d = actual[name]
        assert (d["kind"], d["reasons"], d["reason"], d["risk_score"]) == (kind, reasons, reasons[0], risk), name
        assert d["reasons"] == sorted(d["reasons"], key=REASONS.index)
        assert d["family"] == KIND[kind].family.value
    fields = [d["field"] for d in actual["everything at once"]["discrepancies"]]
    assert fields == ["posting", "presence", "amount", "status", "timestamp"]


@pytest.mark.parametrize("is_overdue", [False, None], ids=["in time", "nobody knows the time"])
def test_an_item_that_still_waits_is_pending_whatever_its_legs_say(spark: SparkSession, is_overdue: bool | None) -> None:
    waits = {
        "one leg": {"core": None, "mobile": None},
        "two that differ": {"core": money("7.00", currency="USD", is_duplicated=True, status="FAILED"), "mobile": None},
        "two amounts": {"core": money("7.00"), "mobile": None},
    }
    actual = decided(spark, *((name, of, is_overdue) for name, of in waits.items()))
    pending = decision(None, status="PENDING")
    assert actual == {
        "one leg": pending,
        "two that differ": {**pending, "currency": None, "difference_amount": None},
        "two amounts": {**pending, "difference_amount": Decimal("93.0000")},
    }


def test_an_item_that_is_whole_is_decided_before_its_deadline(spark: SparkSession) -> None:
    actual = decided(spark, ("alike", {}, False), ("unlike", {"core": {"status": "FAILED"}}, None))
    assert [(d["status"], d["kind"]) for d in actual.values()] == [("MATCHED", None), ("MISMATCH", "STATUS_MISMATCH")]


BOUNDARIES: list[tuple[str, str, str, Rules, bool]] = [
    ("INR", "100.00", "100.01", Rules(), True),
    ("INR", "100.00", "99.99", Rules(), True),
    ("INR", "100.00", "100.0101", Rules(), False),
    ("INR", "100.00", "100.02", Rules(), False),
    ("INR", "100.00", "99.98", Rules(), False),
    ("JPY", "100", "101", Rules(), True),
    ("JPY", "100", "102", Rules(), False),
    ("KWD", "1.000", "1.001", Rules(), True),
    ("KWD", "1.000", "1.002", Rules(), False),
    ("INR", "100.00", "100.01", Rules(tolerated_minor_units=0), False),
    ("INR", "1000.00", "1005.00", Rules(percent_tolerance=Decimal("0.5")), True),
    ("INR", "1000.00", "1005.01", Rules(percent_tolerance=Decimal("0.5")), False),
    ("INR", "1000.00", "1001.00", Rules(amount_tolerance={"INR": Decimal(1)}), True),
    ("INR", "1000.00", "1001.01", Rules(amount_tolerance={"INR": Decimal(1)}), False),
    ("USD", "1000.00", "1001.00", Rules(amount_tolerance={"INR": Decimal(1)}), False),
    ("INR", "99999999999999.9998", "99999999999999.9999", Rules(), True),
]
"""Currency, the gateway's and core's amount, rules, whether they agree."""


def test_an_amount_agrees_to_its_tolerance_and_not_a_hair_further(spark: SparkSession) -> None:
    by_rules: dict[str, tuple[Rules, list[int]]] = {}
    for i, (*_, rules, _) in enumerate(BOUNDARIES):
        by_rules.setdefault(rules.version, (rules, []))[1].append(i)
    frames = []
    for rules, cases in by_rules.values():
        said = []
        for i in cases:
            currency, gateway, core, *_ = BOUNDARIES[i]
            same = money(gateway, currency=currency)
            said.append((str(i), {"gateway": same, "core": money(core, currency=currency), "mobile": same}, False))
        frames.append(decide(items(spark, *said), rules).select("transaction_id", "status"))
    united = frames[0]
    for df in frames[1:]:
        united = united.union(df)
    actual = {int(row["transaction_id"]): row["status"] for row in united.collect()}
    assert actual == {i: "MATCHED" if agrees else "MISMATCH" for i, (*_, agrees) in enumerate(BOUNDARIES)}


def test_a_time_agrees_to_its_tolerance_and_not_a_microsecond_further(spark: SparkSession) -> None:
    drifts = {"0": None, "5": None, "5.000001": "TIMESTAMP_DRIFT", "5.001": "TIMESTAMP_DRIFT", "-5": None,
              "-5.001": "TIMESTAMP_DRIFT", "86400": "TIMESTAMP_DRIFT"}  # fmt: skip
    actual = decided(spark, *((s, {"mobile": after(s)}, False) for s in drifts))
    assert {s: d["kind"] for s, d in actual.items()} == drifts
    across = {"core": after("-3"), "mobile": after("3")}
    assert decided(spark, ("both ways", across, False))["both ways"]["kind"] == "TIMESTAMP_DRIFT"


def test_the_rungs_of_the_risk_ladder_begin_above_their_bounds(spark: SparkSession) -> None:
    bounds = {
        "1100.00": (75, "AMOUNT_MISMATCH"),  # a spread of exactly ten
        "1100.01": (100, "FRAUD_ATTEMPT"),
        "200.00": (40, "AMOUNT_MISMATCH"),  # of exactly one
        "200.01": (75, "AMOUNT_MISMATCH"),
        "100.02": (40, "AMOUNT_MISMATCH"),
        "100.01": (0, None),  # tolerated
    }
    actual = decided(spark, *((core, {"core": money(core)}, False) for core in bounds))
    assert {core: (d["risk_score"], d["kind"]) for core, d in actual.items()} == bounds


def test_a_payment_that_a_ledger_lacks_is_never_matched(spark: SparkSession) -> None:
    absent = [
        (f"{a} {b} {late}", {a: None, b: None}, late) for a in LEDGERS for b in LEDGERS for late in (True, False, None)
    ]
    actual = decided(spark, *absent)
    assert {d["status"] for name, d in actual.items() if "True" not in name} == {"PENDING"}
    assert {d["status"] for name, d in actual.items() if "True" in name} == {
        "MISSING_PG", "MISSING_CBS", "MISSING_MOBILE", "CRITICAL_MISSING",
    }  # fmt: skip


def test_the_plan_gives_a_decisions_columns_without_any_data(spark: SparkSession) -> None:
    planned = {f.name: f.dataType for f in decide(items(spark), RULES).schema}
    assert {f.name: planned.get(f.name) for f in DECISION_FIELDS} == {f.name: f.type for f in DECISION_FIELDS}


def test_a_decision_names_the_version_of_its_rules(spark: SparkSession) -> None:
    rules = Rules(drift_tolerance_s=Decimal(7))
    assert [r["rule_version"] for r in decide(items(spark, ("t", {}, False)), rules).collect()] == [rules.version]
