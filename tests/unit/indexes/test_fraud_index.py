"""What is said of a payment's fraud: which score stands, which signal is the latest, and whose label counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from paylake.contracts import FRAUD_INDEX, FRAUD_PARTIAL, FRAUD_SCORE_CHANGES, FRAUD_SIGNALS, LABELS, RECONCILIATION_INDEX
from paylake.contracts.fraud import LABEL_FIELDS, SIGNAL_FIELDS
from paylake.indexes.fraud_index import first_scores, fraud_index, fraud_score_changes, signals_once, standing_labels
from paylake.indexes.payments import Sources, payments
from paylake.indexes.versions import VERSION_COLUMNS, aggregate
from paylake.quality import failed_checks
from tests import builders
from tests.builders import NOON, TODAY, as_dicts, by_key, rows

Row = dict[str, Any]
REASON = {"code": "VELOCITY", "text": "Too often.", "feature": "n", "observed": 9.0, "baseline": 2.0}
FLAGGED = {"score": 0.9, "anomaly_type": "fraudulent", "decision": "DECLINE", "confidence": 0.9}


def at(clock: str) -> datetime:
    """A time of April, when signals and labels come."""
    return datetime.fromisoformat(f"2026-04-{clock}").replace(tzinfo=UTC)


def naive(clock: str) -> datetime:
    """As Spark gives a time back."""
    return at(clock).replace(tzinfo=None)


SCORED: tuple[Row, ...] = (
    {"transaction_id": "flagged", **FLAGGED, "reasons": [tuple(REASON.values())], "rules": ["VELOCITY"], "batch": 7},
    # scored again when the record came a second time, with what was known by then
    {"transaction_id": "flagged", "batch": 8},
    {"transaction_id": "flagged", "generation": 2, "batch": 3},
    {"transaction_id": "by a rule", "rules": ["AMOUNT_LIMIT"]},
    {"transaction_id": "signalled"},
    {"transaction_id": "labelled"},
    {"transaction_id": "plain"},
    {"transaction_id": "of yesterday", **FLAGGED},
    {"transaction_id": "not published", **FLAGGED},
)
PAID: tuple[Row, ...] = (
    *({"transaction_id": name} for name in ("flagged", "by a rule", "signalled", "labelled", "plain", "not scored")),
    {"transaction_id": "of yesterday", "business_date": datetime(2026, 3, 30).date()},
)


def signal(payment: str, fraud_id: str, score: float, clock: str, reason: str | None = None) -> Row:
    return {"transaction_id": payment, "fraud_id": fraud_id, "fraud_score": score, "recorded_at": at(clock),
            "reason_code": reason}  # fmt: skip


SIGNALS: tuple[Row, ...] = (
    signal("signalled", "s1", 0.2, "01T10:00", "SLOW"),
    signal("signalled", "s2", 0.7, "01T11:00"),
    # the same again, after the others
    signal("signalled", "s1", 0.2, "01T12:00", "SLOW"),
    signal("signalled", "s3", 0.7, "01T11:30", "SURE"),
    # two at one time: the later identifier
    signal("flagged", "b", 0.4, "01T10:00"),
    signal("flagged", "a", 0.8, "01T10:00"),
    # the service corrects its own word
    signal("by a rule", "r", 0.1, "01T10:00"),
    signal("by a rule", "r", 0.3, "01T10:05", "MORE"),
    signal("not scored", "n", 0.6, "01T10:00"),
    signal("of yesterday", "y", 0.6, "01T10:00"),
)


def label(payment: str, word: str, source: str, clock: str) -> Row:
    return {"transaction_id": payment, "label": word, "source": source, "known_at": at(clock)}


SAID: tuple[Row, ...] = (
    # a person who looked at it wins, although the issuer spoke last
    label("labelled", "GENUINE", "ANALYST", "02T09:00"),
    label("labelled", "FRAUD", "CHARGEBACK", "20T09:00"),
    label("labelled", "FRAUD", "ISSUER_REPORT", "21T09:00"),
    label("flagged", "FRAUD", "CHARGEBACK", "09T09:00"),
    label("flagged", "GENUINE", "CHARGEBACK", "10T09:00"),
    label("by a rule", "GENUINE", "ISSUER_REPORT", "09T09:00"),
    label("by a rule", "FRAUD", "ISSUER_REPORT", "09T09:00"),
    label("not scored", "FRAUD", "CHARGEBACK", "09T09:00"),
)


def given_sources(spark: SparkSession, scored: Any = SCORED, signals: Any = SIGNALS, said: Any = SAID) -> Sources:
    """The sources as a run would read them: what is told, of the payments that are published."""
    return builders.sources(
        spark,
        payments=payments(rows(spark, RECONCILIATION_INDEX, *({"business_date": TODAY, **paid} for paid in PAID))),
        scores=first_scores(rows(spark, FRAUD_PARTIAL, *scored)),
        signals=signals_once(rows(spark, FRAUD_SIGNALS, *signals)),
        labels=standing_labels(rows(spark, LABELS, *said)),
    )


def expected(payment: str, **said: Any) -> Row:
    """A row of the index: as the builders score a payment, but for what is said."""
    silent = dict.fromkeys(f.name for f in (*SIGNAL_FIELDS, *LABEL_FIELDS))
    default = {f.name: builders.default(FRAUD_PARTIAL, f) for f in FRAUD_PARTIAL.fields if f.name in FRAUD_INDEX.columns}
    return {**default, **silent, "event_at": NOON.replace(tzinfo=None), "business_date": TODAY, "transaction_id": payment,
            **said}  # fmt: skip


INDEX: dict[str, Row] = {
    "flagged": expected(
        "flagged", **FLAGGED, reasons=[REASON], rules=["VELOCITY"],
        signal_score=0.4, signal_reason_code=None, signal_at=naive("01T10:00"),
        label="GENUINE", label_source="CHARGEBACK", label_known_at=naive("10T09:00"),
    ),
    "by a rule": expected(
        "by a rule", rules=["AMOUNT_LIMIT"],
        signal_score=0.3, signal_reason_code="MORE", signal_at=naive("01T10:05"),
        label="FRAUD", label_source="ISSUER_REPORT", label_known_at=naive("09T09:00"),
    ),
    "signalled": expected("signalled", signal_score=0.7, signal_reason_code="SURE", signal_at=naive("01T11:30")),
    "labelled": expected("labelled", label="GENUINE", label_source="ANALYST", label_known_at=naive("02T09:00")),
}  # fmt: skip


def change(payment: str, fraud_id: str, clock: str, before: float | None, after: float, reason: str | None = None) -> Row:
    return {"transaction_id": payment, "fraud_id": fraud_id, "business_date": TODAY, "changed_at": naive(clock),
            "score_before": before, "score_after": after, "reason_code": reason}  # fmt: skip


CHANGES = sorted(
    (
        change("signalled", "s1", "01T10:00", None, 0.2, "SLOW"),
        change("signalled", "s2", "01T11:00", 0.2, 0.7),
        change("flagged", "a", "01T10:00", None, 0.8),
        change("flagged", "b", "01T10:00", 0.8, 0.4),
        change("by a rule", "r", "01T10:05", None, 0.3, "MORE"),
        change("not scored", "n", "01T10:00", None, 0.6),
    ),
    key=repr,
)


def test_a_row_says_what_stands_of_each_payment_that_stands_out(spark: SparkSession) -> None:
    assert by_key(fraud_index(given_sources(spark))) == INDEX


def test_a_signal_that_says_something_else_than_the_one_before_is_a_change(spark: SparkSession) -> None:
    assert as_dicts(fraud_score_changes(given_sources(spark))) == CHANGES


@given(st.data())
@settings(max_examples=5)
def test_order_and_repetition_change_nothing(spark: SparkSession, data: st.DataObject) -> None:
    def shuffled(told: tuple[Row, ...]) -> list[Row]:
        again = data.draw(st.lists(st.sampled_from(told), max_size=4))
        return data.draw(st.permutations([*told, *again]))

    def later(told: list[Row]) -> list[Row]:
        """Beside what was told, the same signals at a later arrival."""
        moved = data.draw(st.lists(st.sampled_from([s for s in told if s["fraud_id"] != "r"]), max_size=4))
        return [*told, *({**s, "recorded_at": at("15T00:00"), "offset": n} for n, s in enumerate(moved))]

    turned = given_sources(spark, shuffled(SCORED), later(shuffled(SIGNALS)), shuffled(SAID))
    assert by_key(fraud_index(turned)) == INDEX
    assert as_dicts(fraud_score_changes(turned)) == CHANGES


def test_without_scores_signals_and_labels_nothing_is_said(spark: SparkSession) -> None:
    nothing = builders.sources(spark, payments=given_sources(spark).payments)
    assert as_dicts(fraud_index(nothing)) == []
    assert as_dicts(fraud_score_changes(nothing)) == []


@pytest.mark.parametrize("contract", [FRAUD_INDEX, FRAUD_SCORE_CHANGES], ids=lambda c: c.name)
def test_every_row_keeps_the_contract_once_it_is_a_version(spark: SparkSession, contract: Any) -> None:
    build = fraud_index if contract is FRAUD_INDEX else fraud_score_changes
    versions = build(given_sources(spark)).selectExpr("*", *(f"NULL AS {name}" for name in VERSION_COLUMNS))
    failed = {name for row in versions.select(failed_checks(contract)).collect() for name in row[0]}
    assert failed - {f"{name}_present" for name in VERSION_COLUMNS} == set()


def test_the_aggregate_has_the_score_of_every_payment_and_labels_as_the_index_says_them(spark: SparkSession) -> None:
    sources = given_sources(spark, scored=[{**s, "features": [0.5, 3.0]} for s in SCORED])
    current = rows(spark, RECONCILIATION_INDEX, *PAID)
    flags = spark.createDataFrame([], "transaction_id string, policy_ids array<string>, policy_flags array<string>, "
                                  "compliance_flag string, kyc_status string")  # fmt: skip
    found = by_key(aggregate(current, flags, sources.settlement_lines, sources.scores, fraud_index(sources)))
    said = ("fraud_score", "fraud_anomaly_type", "fraud_decision", "fraud_model_version", "fraud_features_version",
            "fraud_features", "fraud_arrived_at", "label", "label_source", "label_known_at")  # fmt: skip
    noon = NOON.replace(tzinfo=None)
    assert {key: tuple(row[name] for name in said) for key, row in found.items()} == {
        "flagged": (0.9, "fraudulent", "DECLINE", "x", "x", [0.5, 3.0], noon, "GENUINE", "CHARGEBACK", naive("10T09:00")),
        "plain": (0.1, "normal", "APPROVE", "x", "x", [0.5, 3.0], noon, None, None, None),
        "by a rule": (0.1, "normal", "APPROVE", "x", "x", [0.5, 3.0], noon, "FRAUD", "ISSUER_REPORT", naive("09T09:00")),
        "signalled": (0.1, "normal", "APPROVE", "x", "x", [0.5, 3.0], noon, None, None, None),
        "labelled": (0.1, "normal", "APPROVE", "x", "x", [0.5, 3.0], noon, "GENUINE", "ANALYST", naive("02T09:00")),
        "of yesterday": (0.9, "fraudulent", "DECLINE", "x", "x", [0.5, 3.0], noon, None, None, None),
        "not scored": (None,) * 10,
    }
