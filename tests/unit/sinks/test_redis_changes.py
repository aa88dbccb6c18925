"""What Redis is told: the newest features of each key, and each alert once."""

from __future__ import annotations

import json
from decimal import Decimal

from paylake.sinks.arrivals import arrival
from paylake.sinks.redis_changes import ALERTS, changes
from tests.unit.sinks.scored_payments import alerting, scored, vector


def test_each_role_has_its_own_features_as_the_newest_payment_had_them() -> None:
    old = scored("t1", after=1, device_id="d1", features=vector(user_count_1h=1, merchant_count_1h=5, device_age=0.25))
    new = scored("t2", after=2, features=vector(user_count_1h=2, amount=100), currency="USD")
    by_key = {change.key: change for change in changes([new, old])}
    assert by_key.keys() == {"paylake:features:user:u1", "paylake:features:merchant:m1", "paylake:features:device:d1"}
    assert by_key["paylake:features:user:u1"].fields == {
        "transaction_id": "t2", "seen_at": "2026-03-31T12:00:00+00:00", "currency": "USD",
        "features_version": new["features_version"], "user_count_1h": "2",
    }  # fmt: skip
    assert by_key["paylake:features:user:u1"].version == arrival(new).text
    assert "merchant_count_1h" not in by_key["paylake:features:merchant:m1"].fields, "it is not known with the newest one"
    assert by_key["paylake:features:device:d1"].fields["device_age"] == "0.25"


def test_a_card_is_named_by_its_token() -> None:
    keys = [change.key for change in changes([scored(card_token="ab12")])]
    assert "paylake:features:card:ab12" in keys


def test_features_of_another_version_have_no_names_here_but_their_alert_has() -> None:
    (only,) = changes([alerting(features=[1.0], features_version="older")])
    assert (only.key, only.is_alert) == ("paylake:alert:t1", True)


def test_alerts_come_in_their_order_of_arrival_and_normal_payments_make_none() -> None:
    rows = [alerting("late", after=2, anomaly_type="suspicious"), scored("fine", after=1), alerting("early")]
    alerts = [change for change in changes(rows) if change.is_alert]
    assert [change.key for change in alerts] == ["paylake:alert:early", "paylake:alert:late"]
    said = alerts[0].fields
    assert json.loads(said["reasons"]) == [{"code": "VELOCITY", "text": "Too often."}]
    assert (said["amount"], said["currency"], said["decision"], said["score"]) == ("100.0000", "INR", "DECLINE", "0.97")


def test_an_alert_names_the_stream_and_repeats_itself_as_json() -> None:
    (alert,) = [c for c in changes([alerting(amount=Decimal("10.5000"))]) if c.is_alert]
    keys, arguments = alert.arguments(seconds_to_live=60, alerts_kept=5)
    assert keys == ["paylake:alert:t1", ALERTS]
    assert arguments[:3] == [alert.version, "60", "5"]
    assert json.loads(arguments[3]) == alert.fields
    assert dict(zip(arguments[4::2], arguments[5::2], strict=True)) == alert.fields
    features = changes([scored()])[0]
    assert features.arguments(60, 5)[0] == ["paylake:features:user:u1"]
