"""Scores, anomaly types, decisions and reasons, from known features and a scorer that says what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from paylake.contracts.fraud import REASON_TEXTS, RuleLimits
from paylake.fraud.facts import FACTS_SCHEMA, matrix_of
from paylake.fraud.features import FEATURES_VERSION, NAMES, USER, of_role
from paylake.fraud.scorer import Thresholds
from paylake.fraud.scoring import SCORES_SCHEMA, Judge, score
from paylake.fraud.sequences import Floats


@dataclass(frozen=True)
class Told:
    """Scores every payment alike, because of one feature."""

    says: float
    because: str = "amount"
    version: str = "7"
    name: str = "told"
    features_version: str = FEATURES_VERSION
    thresholds: Thresholds = Thresholds(0.3, 0.7)

    def scores(self, matrix: Floats) -> Floats:
        return np.full(len(matrix), self.says)

    def contributions(self, matrix: Floats) -> Floats:
        return np.where(np.array(NAMES) == self.because, 2.0, -1.0) * np.ones((len(matrix), 1))


def facts(*rows: dict[str, Any]) -> pa.Table:
    """Payments of 100 INR by card at ten o'clock in India, but for what is said; `user` names features of the customer."""
    return pa.Table.from_pylist([_fact(number, row) for number, row in enumerate(rows)], FACTS_SCHEMA)


def _fact(number: int, said: dict[str, Any]) -> dict[str, Any]:
    row = dict(said)
    user = row.pop("user", {})
    return {
        "transaction_id": f"t{number}", "user_id": "u1", "currency": "INR", "units": 1_000_000, "channel": "CARD",
        "type": "PAYMENT", "event_at": datetime(2026, 3, 2, 4, 30, tzinfo=UTC), "utc_minutes": 330, "country": "IN",
        "home_country": "IN", "country_risk": "LOW", "merchant_risk": "MEDIUM", "user_risk": "HIGH",
        "kyc_status": "VERIFIED", "is_blacklisted": False, "limit_units": None,
        "of_user": [float(user.get(f.name, 0.0)) for f in of_role(USER)], **row,
    }  # fmt: skip


def judged(judge: Judge, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    return score(facts(*rows), judge).to_pylist()  # type: ignore[no-any-return]


def feature(name: str, **row: Any) -> float:
    return float(matrix_of(facts(row))[0, NAMES.index(name)])


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("amount", {}, 100.0),
        ("is_round", {}, 1.0),
        ("is_round", {"units": 1_000_001}, 0.0),
        ("hour", {}, 10.0),
        ("hour", {"utc_minutes": None}, 4.0),
        ("is_night", {"utc_minutes": -330}, 1.0),
        ("weekday", {}, 0.0),
        ("weekday", {"utc_minutes": -330}, 6.0),
        ("is_weekend", {"utc_minutes": -330}, 1.0),
        ("is_card", {"channel": None}, 0.0),
        ("is_abroad", {"country": "GB"}, 1.0),
        ("is_abroad", {"home_country": None}, None),
        ("merchant_risk", {}, 1.0),
        ("country_risk", {"country_risk": None}, None),
        ("user_unverified", {"kyc_status": "EXPIRED"}, 1.0),
        ("limit_ratio", {"limit_units": 500_000}, 2.0),
        ("limit_ratio", {}, None),
        ("user_count_2m", {"user": {"user_count_2m": 3}}, 3.0),
        ("device_age", {}, None),
    ],
)
def test_a_fact_is_the_number_that_a_model_sees(name: str, row: dict[str, Any], expected: float | None) -> None:
    found = feature(name, **row)
    assert (None if np.isnan(found) else found) == expected


@pytest.mark.parametrize(
    ("says", "kind", "decision", "confidence"),
    [(0.1, "normal", "APPROVE", 0.9), (0.3, "suspicious", "REVIEW", 0.3), (0.7, "fraudulent", "DECLINE", 0.7)],
)
def test_the_thresholds_belong_to_the_higher_type(says: float, kind: str, decision: str, confidence: float) -> None:
    (row,) = judged(Judge(Told(says)), {})
    assert (row["anomaly_type"], row["decision"], row["confidence"]) == (kind, decision, pytest.approx(confidence))


def test_a_payment_is_told_with_its_reasons_model_and_features() -> None:
    (row,) = judged(Judge(Told(0.8)), {})
    vector = row.pop("features")
    assert (len(vector), vector[0]) == (len(NAMES), 100.0)
    assert row == {
        "transaction_id": "t0", "score": 0.8, "anomaly_type": "fraudulent", "confidence": 0.8, "decision": "DECLINE",
        "reasons": [{"code": "AMOUNT_LIMIT", "text": REASON_TEXTS["AMOUNT_LIMIT"],
                     "feature": "amount", "observed": 100.0, "baseline": None}],
        "rules": [], "model_name": "told", "model_version": "7", "features_version": FEATURES_VERSION,
        "challenger_score": None, "challenger_version": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "rules", "kind"),
    [
        ({"is_blacklisted": True}, ["BLACKLISTED"], "fraudulent"),
        ({"limit_units": 999_999}, ["POLICY_LIMIT"], "suspicious"),
        ({"limit_units": 1_000_000}, [], "normal"),
        ({"units": 4_000_000_001}, ["AMOUNT_LIMIT"], "normal"),
        ({"units": 4_000_000_001, "currency": "USD"}, ["AMOUNT_LIMIT"], "normal"),
        ({"units": 50_000_001, "currency": "USD"}, ["AMOUNT_LIMIT"], "normal"),
        ({"units": 50_000_000, "currency": "USD"}, [], "normal"),
        ({"user": {"user_count_2m": 6}}, ["VELOCITY"], "suspicious"),
        ({"user": {"user_count_2m": 5}}, [], "normal"),
        ({"user": {"user_count_1m": 6}}, ["RAPID_SUCCESSION"], "suspicious"),
        ({"user": {"user_tests_10m": 5}}, ["CARD_TESTING"], "suspicious"),
        ({"user": {"user_same_amount_10m": 1}}, ["DUPLICATE_AMOUNT"], "normal"),
        ({"user": {"user_countries_1h": 3}}, ["MANY_COUNTRIES"], "suspicious"),
        ({"user": {"user_countries_1h": 2}}, [], "normal"),
    ],
)
def test_a_rule_flags_what_the_model_finds_normal(row: dict[str, Any], rules: list[str], kind: str) -> None:
    (found,) = judged(Judge(Told(0.01)), row)
    assert (found["rules"], found["anomaly_type"]) == (rules, kind)
    assert [one["code"] for one in found["reasons"]][:1] == (rules if kind != "normal" else [])


def test_a_rule_has_its_parameters() -> None:
    limits = RuleLimits(payments=2, amounts=(("INR", 50),))
    (found,) = judged(Judge(Told(0.01), limits=limits), {"user": {"user_count_2m": 3}})
    assert found["rules"] == ["AMOUNT_LIMIT", "VELOCITY"]


def test_a_challenger_sees_a_share_of_the_customers_always_the_same_and_decides_only_where_it_may() -> None:
    users = [{"user_id": f"u{n}"} for n in range(400)]
    shadow = judged(Judge(Told(0.1), Told(0.9, version="8"), challenger_share=25), *users)
    seen = {row["transaction_id"] for row in shadow if row["challenger_score"] is not None}
    assert 60 < len(seen) < 140
    assert {(row["score"], row["model_version"], row["challenger_version"]) for row in shadow} == {
        (0.1, "7", "8"), (0.1, "7", None),
    }  # fmt: skip
    decides = judged(Judge(Told(0.1), Told(0.9, version="8"), 25, challenger_decides=True), *users)
    assert {row["transaction_id"] for row in decides if row["model_version"] == "8"} == seen
    assert {(row["score"], row["anomaly_type"]) for row in decides if row["transaction_id"] in seen} == {(0.9, "fraudulent")}


def test_no_payments_have_no_scores() -> None:
    assert score(FACTS_SCHEMA.empty_table(), Judge(Told(1.0))) == SCORES_SCHEMA.empty_table()
