"""Sends a simulation to Kafka as fast as it goes: records in order of arrival, then totals and the tick."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from paylake.contracts.topics import PG_TRANSACTIONS
from paylake.settings import KafkaSettings
from paylake.simulation.announcer import Announcer
from paylake.simulation.generation import generate
from paylake.simulation.parallel import publish_in_parallel
from paylake.simulation.plan import Plan
from paylake.simulation.sender import Sender
from paylake.simulation.totals import Progress, Totals
from paylake.simulation.truth_writer import TruthWriter


def publish(plan: Plan, kafka: KafkaSettings, truth_dir: Path | None = None, progress: Progress | None = None) -> Totals:
    """Send the whole plan as fast as it goes, and write its truth under `truth_dir`.

    `progress` is called with the payments done and the payments planned. Ctrl-C ends it early and cleanly.
    Raises SourceError when Kafka cannot be reached or refuses a record.
    """
    if plan.processes > 1 and not plan.topic:
        return publish_in_parallel(plan, kafka, truth_dir, progress)
    with ExitStack() as stack:
        sender = Sender(kafka)
        stack.callback(sender.close)
        announcer = None if plan.topic else Announcer(kafka)
        if announcer is not None:
            stack.callback(announcer.close)
        truth = None if truth_dir is None else TruthWriter(truth_dir)
        if truth is not None:
            stack.callback(truth.close)
        started, payments, records = time.perf_counter(), 0, 0
        try:
            for chunk in generate(plan):
                deliveries = single_stream(chunk.deliveries, plan.topic) if plan.topic else chunk.deliveries
                sender.send(deliveries)
                sender.flush()
                if announcer is not None:
                    announcer.reached(0, chunk.as_of, chunk.controls, chunk.is_last)
                if truth is not None:
                    truth.add(chunk)
                payments, records = payments + len(chunk.payments), records + len(deliveries)
                if progress is not None:
                    progress(payments, plan.payments)
        except KeyboardInterrupt:
            return Totals(payments, records, time.perf_counter() - started, interrupted=True)
        return Totals(payments, records, time.perf_counter() - started)


def single_stream(deliveries: pa.Table, topic: str) -> pa.Table:
    """The gateway's records alone, as a stream of payments on `topic`."""
    gateway = deliveries.filter(pc.equal(deliveries["topic"], PG_TRANSACTIONS))
    return gateway.set_column(0, deliveries.schema.field("topic"), pa.array([topic] * len(gateway), pa.string()))
