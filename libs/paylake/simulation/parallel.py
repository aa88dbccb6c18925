"""Sends one plan from several processes, which share its partitions."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import time
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paylake.contracts.topics import LEDGER_TOPICS
from paylake.errors import SourceError
from paylake.settings import KafkaSettings
from paylake.simulation.announcer import Announcer
from paylake.simulation.controls import ControlTotal
from paylake.simulation.generation import generate
from paylake.simulation.plan import Plan
from paylake.simulation.sender import Sender
from paylake.simulation.totals import Progress, Totals
from paylake.simulation.truth_writer import TruthWriter


@dataclass(frozen=True)
class _Report:
    """A worker's message: it has flushed what comes before `as_of`, or it failed."""

    worker: int
    as_of: datetime
    payments: int = 0
    records: int = 0
    controls: tuple[ControlTotal, ...] = ()
    is_last: bool = False
    failure: str = ""


def publish_in_parallel(plan: Plan, kafka: KafkaSettings, truth_dir: Path | None, progress: Progress | None) -> Totals:
    """Each process generates everything and sends some partitions, so that order per partition holds."""
    context = multiprocessing.get_context("spawn")
    reports: Queue[_Report] = context.Queue()
    workers = [
        context.Process(target=_work, args=(number, plan, kafka, truth_dir, reports), daemon=True)
        for number in range(plan.processes)
    ]
    announcer = Announcer(kafka, plan.processes)
    started, payments, records, running = time.perf_counter(), 0, 0, len(workers)
    try:
        for worker in workers:
            worker.start()
        while running:
            try:
                report = reports.get(timeout=1)
            except queue.Empty:
                if any(worker.exitcode for worker in workers):
                    raise SourceError("a process of the simulation died; see its message above.") from None
                continue
            if report.failure:
                raise SourceError(report.failure)
            announcer.reached(report.worker, report.as_of, report.controls, report.is_last)
            payments, records = payments + report.payments, records + report.records
            running -= report.is_last
            if progress is not None:
                progress(payments, plan.payments)
    except KeyboardInterrupt:
        return Totals(payments, records, time.perf_counter() - started, interrupted=True)
    finally:
        for worker in workers:
            if running and worker.is_alive():
                worker.terminate()
            if worker.pid is not None:
                worker.join()
        announcer.close()
    return Totals(payments, records, time.perf_counter() - started)


def _work(number: int, plan: Plan, kafka: KafkaSettings, truth_dir: Path | None, reports: Queue[_Report]) -> None:
    """What one process does: the first one also keeps the truth and reports what is to be announced."""
    is_first = number == 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group, and the parent ends us
    topics = list(LEDGER_TOPICS.values())
    try:
        sender = Sender(kafka)
        truth = TruthWriter(truth_dir) if is_first and truth_dir is not None else None
        for chunk in generate(plan):
            topic = pc.index_in(chunk.deliveries["topic"], pa.array(topics)).to_numpy()
            place = topic + len(topics) * np.array(sender.partitions(chunk.deliveries), np.int64)
            mine = chunk.deliveries.filter(pa.array(place % plan.processes == number))
            sender.send(mine)
            sender.flush()
            if truth is not None:
                truth.add(chunk)
                if chunk.is_last:
                    truth.close()
            reports.put(
                _Report(
                    worker=number,
                    as_of=chunk.as_of,
                    payments=len(chunk.payments) if is_first else 0,
                    records=len(mine),
                    controls=chunk.controls if is_first else (),
                    is_last=chunk.is_last,
                )
            )
        sender.close()
    except SourceError as error:
        reports.put(_Report(number, plan.start, failure=str(error)))
