"""Sends what others say of a simulation's payments to the topics of signals and labels, at simulated times."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from paylake.settings import KafkaSettings
from paylake.simulation.arrivals import gateway_arrivals
from paylake.simulation.fraud_feed import feed_deliveries, fraud_labels, fraud_signals
from paylake.simulation.plan import Plan
from paylake.simulation.sender import Sender


def publish_feed(plan: Plan, kafka: KafkaSettings, since: datetime | None = None, until: datetime | None = None) -> int:
    """Send the signals and labels of a plan that arrive from `since` on and before `until`; returns how many.

    Raises SourceError when Kafka cannot be reached or refuses a record.
    """
    payments = gateway_arrivals(plan)
    deliveries = feed_deliveries(fraud_labels(payments, plan.seed), fraud_signals(payments, plan.seed))
    arrival = deliveries["timestamp"]
    if since is not None:
        deliveries = deliveries.filter(pc.greater_equal(arrival, pa.scalar(since, arrival.type)))
        arrival = deliveries["timestamp"]
    if until is not None:
        deliveries = deliveries.filter(pc.less(arrival, pa.scalar(until, arrival.type)))
    sender = Sender(kafka)
    try:
        sender.send(deliveries)
        sender.flush()
    finally:
        sender.close()
    return len(deliveries)
