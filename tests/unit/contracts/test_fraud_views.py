"""What the views of fraud say of a few payments: counted by labels alone, and by currency."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import duckdb
import pytest

from paylake.contracts import FRAUD_INDEX, FRAUD_PARTIAL, RECONCILIATION_INDEX, RUN_CONTROLS
from tests.builders import NOON, TODAY
from tests.other_engine import answer, connect, insert

PAYMENTS = (
    # anomaly type, decision, label, amount, currency, rules, model version
    ("fraudulent", "DECLINE", "FRAUD", "10", "INR", ["VELOCITY", "NIGHT"], "1"),
    ("fraudulent", "DECLINE", "FRAUD", "20", "USD", [], "1"),
    ("fraudulent", "DECLINE", "GENUINE", "30", "INR", ["VELOCITY"], "1"),
    ("fraudulent", "DECLINE", None, "40", "EUR", ["VELOCITY"], "1"),
    ("suspicious", "REVIEW", "FRAUD", "50", "INR", [], "1"),
    ("suspicious", "REVIEW", "GENUINE", "60", "INR", [], "1"),
    ("normal", "APPROVE", "FRAUD", "70", "INR", ["NIGHT"], "1"),
    ("normal", "APPROVE", "GENUINE", "80", "INR", [], "1"),
    ("normal", "APPROVE", None, "90", "INR", ["NIGHT"], "2"),
)


@pytest.fixture(scope="module")
def athena() -> duckdb.DuckDBPyConnection:
    """PAYMENTS as published, and one that a crashed run left."""
    athena = connect()
    insert(athena, RUN_CONTROLS, {"run_id": "r1", "row_kind": "PUBLISHED"})
    names = ("anomaly_type", "decision", "label", "amount", "currency", "rules", "model_version")
    rows: list[dict[str, Any]] = [
        {"transaction_id": f"t{n}", "run_id": "r1", **dict(zip(names, row, strict=True))} for n, row in enumerate(PAYMENTS)
    ]
    insert(athena, FRAUD_INDEX, *rows, {**rows[0], "transaction_id": "crashed", "run_id": "r2"})
    return athena


def test_precision_and_recall_are_of_labels_by_date_and_model(athena: duckdb.DuckDBPyConnection) -> None:
    of_date = {"business_date": TODAY, "model_name": "x"}
    assert answer(athena, "SELECT * FROM v_fraud_alert_precision ORDER BY model_version") == [
        {**of_date, "model_version": "1", "flagged": 6, "flagged_labelled": 5, "flagged_fraud": 3, "labelled_fraud": 4,
         "alert_precision": Decimal("0.5"), "judged_precision": Decimal("0.6"), "alert_recall": Decimal("0.75")},
        {**of_date, "model_version": "2", "flagged": 0, "flagged_labelled": 0, "flagged_fraud": 0, "labelled_fraud": 0,
         "alert_precision": None, "judged_precision": None, "alert_recall": None},
    ]  # fmt: skip


def test_money_is_kept_missed_and_blocked_by_currency(athena: duckdb.DuckDBPyConnection) -> None:
    nothing = {
        f"{what}_{unit}": 0
        for what in ("prevented", "reviewed", "missed", "blocked_good", "held_up_good")
        for unit in ("payments", "amount")
    }
    assert answer(athena, "SELECT * FROM v_fraud_prevented ORDER BY currency") == [
        {"business_date": TODAY, "currency": "INR", "prevented_payments": 1, "prevented_amount": 10,
         "reviewed_payments": 1, "reviewed_amount": 50, "missed_payments": 1, "missed_amount": 70,
         "blocked_good_payments": 1, "blocked_good_amount": 30, "held_up_good_payments": 1, "held_up_good_amount": 60},
        {**nothing, "business_date": TODAY, "currency": "USD", "prevented_payments": 1, "prevented_amount": 20},
    ]  # fmt: skip


def test_a_rule_counts_each_payment_that_broke_it(athena: duckdb.DuckDBPyConnection) -> None:
    found = answer(athena, "SELECT * FROM v_fraud_reasons ORDER BY reason_code")
    assert found == [
        {"business_date": TODAY, "reason_code": "NIGHT", "reason_text": "The payment comes at night.", "payments": 3,
         "labelled": 2, "labelled_fraud": 2},
        {"business_date": TODAY, "reason_code": "VELOCITY", "reason_text": "The customer pays more often than usual.",
         "payments": 3, "labelled": 2, "labelled_fraud": 1},
    ]  # fmt: skip


def test_the_aggregate_shows_the_score_that_came_first_and_the_published_label(athena: duckdb.DuckDBPyConnection) -> None:
    insert(athena, RECONCILIATION_INDEX, *({"transaction_id": name, "run_id": "r1"} for name in ("t0", "t8", "crashed")))
    insert(
        athena, FRAUD_PARTIAL,
        {"transaction_id": "t0", "generation": 2, "batch": 1, "score": 0.3},
        {"transaction_id": "t0", "generation": 1, "batch": 9, "score": 0.2, "features": [0.5, float("nan")]},
        {"transaction_id": "t0", "generation": 1, "batch": 10, "score": 0.1},
        {"transaction_id": "crashed", "score": 0.4},
    )  # fmt: skip
    shown = answer(
        athena,
        "SELECT transaction_id, fraud_score, fraud_features[1] AS first_feature, fraud_arrived_at, label "
        "FROM v_aggregate_index ORDER BY transaction_id",
    )
    noon = NOON.replace(tzinfo=None)
    assert [tuple(row.values()) for row in shown] == [
        ("crashed", 0.4, None, noon, None),
        ("t0", 0.2, 0.5, noon, "FRAUD"),
        ("t8", None, None, None, None),
    ]
