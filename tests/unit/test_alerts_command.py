"""What `paylake alerts tail` shows of the topic's records."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from paylake import alerts_command, cli
from paylake.alerts_command import HEAD, AlertsSettings, Shown, is_coloured, line
from paylake.broker import Cluster
from paylake.contracts.topics import FRAUD_ALERTS
from paylake.errors import SettingsError, SourceError
from paylake.topics import TopicSpec, create_topics

ALERT: dict[str, Any] = {
    "event_id": "pg-transactions/0/1", "transaction_id": "t1", "user_id": "u1", "merchant_id": "m1", "amount": "1000.0100",
    "currency": "INR", "score": 0.98765, "anomaly_type": "fraudulent", "decision": "DECLINE",
    "reasons": [{"code": "NEW_DEVICE", "text": "…"}, {"code": "NIGHT", "text": "…"}],
    "arrived_at": "2026-03-31T12:00:00.001Z",
}  # fmt: skip
TEXT = "2026-03-31 12:00:00.001 DECLINE   0.9877           1000.0100 INR u1            m1              NEW_DEVICE, NIGHT"


def value(**more: Any) -> bytes:
    return json.dumps({**ALERT, **more}).encode()


def test_an_alert_is_one_line_in_the_colour_of_its_weight() -> None:
    suspicious = {**ALERT, "anomaly_type": "suspicious"}
    assert [line(ALERT, False), line(ALERT, True), line(suspicious, True)] == [
        TEXT, f"\x1b[1;31m{TEXT}\x1b[0m", f"\x1b[33m{TEXT}\x1b[0m",
    ]  # fmt: skip


def test_what_is_in_a_record_does_not_steer_the_terminal() -> None:
    assert "\x1b" not in line({**ALERT, "user_id": "u\x1b[2J", "reasons": [{"code": "\x1b[31m"}]}, False)


def test_each_event_is_shown_once_and_the_newest_come_first() -> None:
    shown = Shown(most=2)
    later = value(event_id="pg-transactions/1/7", arrived_at="2026-03-31T12:00:02.000Z")
    shown.take([later, value(), value(event_id="pg-transactions/0/0", arrived_at="2026-03-31T11:00:00.000Z")])
    new = shown.take([value(), later, b"no json", None, b"[1]"])
    assert new == []
    assert [alert["event_id"] for alert in shown.alerts] == ["pg-transactions/1/7", "pg-transactions/0/1"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_whose_owner_wants_them() -> None:
    cases = [(Terminal(), {}), (Terminal(), {"NO_COLOR": "1"}), (Terminal(), {"NO_COLOR": ""}), (io.StringIO(), {})]
    assert [is_coloured(out, environ) for out, environ in cases] == [True, False, True, False]


@pytest.mark.parametrize("argv", [[], ["head"], ["tail", "--most", "0"]])
def test_what_it_does_not_know_is_a_sentence(argv: list[str]) -> None:
    with pytest.raises(SettingsError):
        alerts_command.main(argv)


def test_a_broker_that_is_away_is_a_sentence() -> None:
    with pytest.raises(SourceError, match="no Kafka broker answered at 127.0.0.1:1"):
        alerts_command.main(["tail", "--bootstrap-servers", "127.0.0.1:1", "--no-follow"])


def test_the_latest_alerts_of_a_topic_are_shown(cluster: Cluster) -> None:
    from kafka import KafkaProducer

    create_topics(cluster.kafka, {FRAUD_ALERTS: TopicSpec(2)})
    producer = KafkaProducer(**cluster.kafka.client_options())
    for number in range(6):
        said = value(event_id=f"pg-transactions/0/{number // 2}", arrived_at=f"2026-03-31T12:00:0{number // 2}.000Z")
        producer.send(FRAUD_ALERTS, said, partition=number % 2)
    producer.close()
    out = io.StringIO()

    servers = cluster.bootstrap_servers
    alerts_command.tail(AlertsSettings(bootstrap_servers=servers, from_beginning=True, follow=False, most=2), out)

    second, first = (line({**ALERT, "arrived_at": f"2026-03-31T12:00:0{n}.000Z"}, False) for n in (2, 1))
    assert out.getvalue() == f"{HEAD}\n{second}\n{first}\n"


def test_the_command_line_knows_it() -> None:
    if "alerts" not in cli.COMMANDS:
        pytest.skip("not registered yet")
    assert cli.COMMANDS["alerts"].target == "paylake.alerts_command:main"
