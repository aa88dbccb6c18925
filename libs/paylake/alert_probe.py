"""How long a decision takes, measured from outside: payments at a constant rate, whatever comes back, and who listens.

Each payment is stamped with the time at which it was due, so that a sender that falls behind counts against the figures; a
decision repeats that stamp as `arrived_at`, and is stamped by its listener as it comes. Both clocks are this machine's.
Sender and listener are processes of their own: `python -m paylake.alert_probe send|listen`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from paylake.contracts.topics import FRAUD_DECISIONS, PG_TRANSACTIONS
from paylake.errors import SourceError
from paylake.settings import KafkaSettings

DRAIN_S = 3
"""The listener has heard all when nothing came for so long."""
READY_WITHIN_S = 120
"""A query that has just been started decides on its first payment within this, or does not run."""


@dataclass(frozen=True)
class Probe:
    """What came of payments at a rate; times in milliseconds.

    `behind_ms` is the most that the sender was late: where that is much, the figures are of the sender.
    """

    rate: int
    sent: int
    decided: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    behind_ms: float

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def probe(kafka: KafkaSettings, rate: int, seconds: float, warm_up: float, folder: Path) -> Probe:
    """Send payments at a constant rate for some seconds, after a warm-up at that rate, and say how the decisions came.

    A query has to run. Raises SourceError where sender or listener fail.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sent_to, heard_to = folder / "sent.json", folder / "heard.json"
    servers = ["--servers", kafka.bootstrap_servers]
    total = warm_up + seconds
    with _process("listen", *servers, "--out", str(heard_to), "--seconds", str(2 * total + READY_WITHIN_S)) as listener:
        if listener.stdout is None or b"ready" not in listener.stdout.readline():
            raise SourceError("The listener of decisions did not start; see what it says above.")
        with _process("send", *servers, "--out", str(sent_to), "--seconds", str(total), "--rate", str(rate)) as sender:
            _await(sender, "sender", total)
        _await(listener, "listener", total + READY_WITHIN_S)
    sent: dict[str, Any] = json.loads(sent_to.read_text(encoding="utf-8"))
    heard = json.loads(heard_to.read_text(encoding="utf-8"))
    return summary(rate, sent, heard, sent["began_ms"] + warm_up * 1000)


def summary(rate: int, sent: dict[str, Any], heard: Sequence[Sequence[float]], since_ms: float) -> Probe:
    """The figures of the payments that were due from `since_ms` on; `heard` has (event id, due, heard) in milliseconds."""
    first: dict[Any, tuple[float, float]] = {}
    for event_id, due_ms, heard_ms in heard:
        first.setdefault(event_id, (due_ms, heard_ms))
    took = sorted(heard_ms - due_ms for due_ms, heard_ms in first.values() if due_ms >= since_ms)
    if not took:
        raise SourceError(f"No decision came at {rate:,} payments a second: is alert_transactions running?")

    def at(share: float) -> float:
        return took[min(len(took) - 1, int(share * len(took)))]

    due = sum(1 for due_ms in sent["due_ms"] if due_ms >= since_ms)
    return Probe(rate, due, len(took), at(0.5), at(0.95), at(0.99), took[-1], sent["behind_ms"])


@contextmanager
def _process(what: str, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "paylake.alert_probe", what, *argv], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _await(process: subprocess.Popen[bytes], what: str, seconds: float) -> None:
    try:
        code = process.wait(seconds * 2 + 60)
    except subprocess.TimeoutExpired:
        raise SourceError(f"The {what} of the probe did not end in time.") from None
    if code:
        raise SourceError(f"The {what} of the probe failed; see what it says above.")


def await_decisions(kafka: KafkaSettings, within_s: float = READY_WITHIN_S) -> None:
    """Send a payment a second until one is decided, so that a query's start is not measured; SourceError after a while."""
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

    producer = KafkaProducer(**kafka.client_options(), acks=1)
    consumer = KafkaConsumer(**kafka.client_options())
    parts = [TopicPartition(FRAUD_DECISIONS, n) for n in sorted(consumer.partitions_for_topic(FRAUD_DECISIONS) or ())]
    consumer.assign(parts)
    for part, end in consumer.end_offsets(parts).items():
        consumer.seek(part, end)
    (key, value), *_ = payments(10, 1, 1, datetime.now(UTC))
    deadline = time.monotonic() + within_s
    try:
        while time.monotonic() < deadline:
            producer.send(PG_TRANSACTIONS, value, key)
            if consumer.poll(timeout_ms=1000):
                return
    finally:
        producer.close()
        consumer.close()
    raise SourceError(f"No payment was decided within {within_s:.0f} s: is alert_transactions running?")


def payments(number: int, seconds: float, seed: int, now: datetime) -> list[tuple[bytes, bytes]]:
    """Key and value of simulated gateway records that were booked just now."""
    from paylake.simulation import Plan, generate

    span = timedelta(seconds=max(1.0, seconds))
    plan = Plan(payments=number, seed=seed, chaos=0, start=now - span, span=span)
    rows = (row for chunk in generate(plan) for row in chunk.deliveries.select(["topic", "key", "value"]).to_pylist())
    return [(row["key"], row["value"]) for row in rows if row["topic"] == PG_TRANSACTIONS]


def send(kafka: KafkaSettings, rate: int, seconds: float) -> dict[str, Any]:
    """Send payments at a constant rate; a pause of the broker makes them late, and not fewer."""
    from kafka import KafkaProducer

    wanted = int(rate * seconds)
    drawn = payments(min(wanted, 20_000), seconds, int(time.time()), datetime.now(UTC))
    producer = KafkaProducer(**kafka.client_options(), acks=1, linger_ms=0, batch_size=65_536, buffer_memory=1 << 27)
    began_ms, behind, due_ms = time.time() * 1000 + 200, 0.0, []
    for number in range(wanted):
        due = began_ms + 1000 * number / rate
        if (ahead := due - time.time() * 1000) > 0:
            time.sleep(ahead / 1000)
        else:
            behind = max(behind, -ahead)
        key, value = drawn[number % len(drawn)]
        producer.send(PG_TRANSACTIONS, value, key, timestamp_ms=int(due))
        due_ms.append(int(due))
    producer.flush()
    producer.close()
    return {"began_ms": began_ms, "behind_ms": round(behind, 1), "due_ms": due_ms}


def listen(kafka: KafkaSettings, seconds: float) -> list[tuple[str, float, float]]:
    """Every decision that comes until there is a pause: its event id, when its payment was due, and when it was heard.

    Gives up after some seconds where none comes at all.
    """
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(**kafka.client_options(), fetch_min_bytes=1, fetch_max_wait_ms=100, max_poll_records=5000)
    parts = [TopicPartition(FRAUD_DECISIONS, n) for n in sorted(consumer.partitions_for_topic(FRAUD_DECISIONS) or ())]
    consumer.assign(parts)
    for part, end in consumer.end_offsets(parts).items():
        consumer.seek(part, end)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    raw, ends_at = [], time.monotonic() + seconds
    while time.monotonic() < ends_at:
        found = consumer.poll(timeout_ms=50)
        now_ms = time.time() * 1000
        if found:
            ends_at = time.monotonic() + DRAIN_S
        raw += [(record.value, now_ms) for records in found.values() for record in records]
    consumer.close()
    heard = []
    for value, now_ms in raw:
        said = json.loads(value)
        heard.append((said["event_id"], datetime.fromisoformat(said["arrived_at"]).timestamp() * 1000, round(now_ms, 1)))
    return heard


def main() -> None:
    """Sender or listener, as a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("send", "listen"))
    parser.add_argument("--servers", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=int, default=0)
    options = parser.parse_args()
    kafka = KafkaSettings(bootstrap_servers=options.servers)
    said: Any = send(kafka, options.rate, options.seconds) if options.what == "send" else listen(kafka, options.seconds)
    options.out.write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main()
