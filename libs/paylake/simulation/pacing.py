"""Simulations in real time: each bank produces at its own rate, and people turn the knobs while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from paylake.errors import SettingsError
from paylake.settings import KafkaSettings
from paylake.simulation.announcer import Announcer
from paylake.simulation.dimensions import BANKS, BankProfile
from paylake.simulation.generation import Chunk, arrivals_ms, chunks
from paylake.simulation.plan import Plan, Step
from paylake.simulation.producer import single_stream
from paylake.simulation.sender import Sender
from paylake.simulation.totals import Totals
from paylake.simulation.truth_writer import TruthWriter

SLOWEST, FASTEST = 0.1, 10.0
LINGER_MS = 5
NAP_S = 0.005
CAMPAIGNS_SPAN = timedelta(minutes=4)
"""Nobody watches for the hours that campaigns take in simulated time."""


@dataclass(frozen=True)
class ControlState:
    """Where the knobs stand."""

    is_running: bool
    is_stopped: bool
    speed: float
    chaos_rate: float


class SimulationControl:
    """The knobs of a paced simulation; any thread may turn them, and a change holds within a tick.

    A pause stops new payments, while what is on its way still arrives. A stopped simulation stays stopped.
    """

    def __init__(self, speed: float = 1.0, chaos_rate: float = 0.05, is_running: bool = True) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._state = ControlState(is_running, False, _clamped(speed), _rate(chaos_rate))

    @property
    def state(self) -> ControlState:
        with self._lock:
            return self._state

    def start(self) -> None:
        self._change(is_running=True)

    def pause(self) -> None:
        self._change(is_running=False)

    def stop(self) -> None:
        self._change(is_running=False, is_stopped=True)
        self._stopped.set()

    def set_speed(self, speed: float) -> None:
        """Multiply the rate by `speed`, clamped to 0.1 to 10."""
        self._change(speed=_clamped(speed))

    def set_chaos_rate(self, rate: float) -> None:
        """Break this share of the payments. Raises SettingsError unless it is between 0 and 1."""
        self._change(chaos_rate=_rate(rate))

    def nap(self, seconds: float) -> None:
        """Wait so long, or until somebody stops the simulation."""
        self._stopped.wait(seconds)

    def _change(self, **changes: bool | float) -> None:
        with self._lock:
            if not self._state.is_stopped:
                self._state = replace(self._state, **changes)  # type: ignore[arg-type]


def perform(
    plan: Plan,
    kafka: KafkaSettings,
    control: SimulationControl,
    tps: float | None = None,
    limit: int | None = None,
    truth_dir: Path | None = None,
    banks: tuple[BankProfile, ...] = BANKS,
) -> Totals:
    """Produce in real time from now on, one producer per bank, until `limit` payments or until it is stopped.

    Together the banks make `tps` payments a second, in the proportion of their own rates, or just those. Of
    the plan, `payments`, `start`, `span`, `chaos` and `bank` play no part: the clock and the control decide. Campaigns of
    fraud are shortened to minutes, and as many as the rate without `speed` makes them.
    """
    now = datetime.fromtimestamp(time.time(), UTC)
    together = sum(bank.per_second for bank in banks)
    rates = [bank.per_second * (tps or together) / together for bank in banks]
    limits = _shared(limit, rates)
    started = time.perf_counter()
    with ExitStack() as stack:
        announcer = None if plan.topic else Announcer(kafka, len(banks))
        if announcer is not None:
            stack.callback(announcer.close)
        truth = None if truth_dir is None else TruthWriter(truth_dir)
        if truth is not None:
            stack.callback(truth.close)
        producers = [
            _BankProducer(i, _of_bank(plan, now, bank, rate), kafka, control, announcer, truth)
            for i, (bank, rate) in enumerate(zip(banks, rates, strict=True))
        ]
        pool = stack.enter_context(ThreadPoolExecutor(len(banks)))
        running = [
            pool.submit(producer.run, rate, limit) for producer, rate, limit in zip(producers, rates, limits, strict=True)
        ]
        try:
            done = [future.result() for future in running]
        finally:
            control.stop()
    payments, records = (sum(counts) for counts in zip(*done, strict=True))
    reached = limit is not None and payments >= limit
    return Totals(payments, records, time.perf_counter() - started, interrupted=not reached)


def live_steps(plan: Plan, control: SimulationControl, per_second: float, limit: int | None) -> Iterator[Step]:
    """A step per tick for as long as the simulation runs; each takes the knobs as they then stand."""
    every_ms = round(plan.tick_every.total_seconds() * 1000)
    since_ms, owed, made = plan.start_ms, 0.0, 0
    while not control.state.is_stopped and (limit is None or made < limit):
        state = control.state
        if state.is_running:
            owed += per_second * state.speed * every_ms / 1000
        count = int(owed) if limit is None else min(int(owed), limit - made)
        owed, made = owed - count, made + count
        yield Step(since_ms, (since_ms + every_ms,), (count,), state.chaos_rate)
        since_ms += every_ms


@dataclass(frozen=True)
class _BankProducer:
    """One bank's producer, with a connection of its own."""

    number: int
    plan: Plan
    kafka: KafkaSettings
    control: SimulationControl
    announcer: Announcer | None
    truth: TruthWriter | None

    def run(self, per_second: float, limit: int | None) -> tuple[int, int]:
        """Send until the end; returns the number of payments and of records."""
        steps = live_steps(self.plan, self.control, per_second, limit)
        payments = records = 0
        sender = Sender(self.kafka, linger_ms=LINGER_MS)
        try:
            for chunk in chunks(self.plan, steps, None, self.number):
                records += self._send(chunk, sender)
                payments += len(chunk.payments)
        except BaseException:
            self.control.stop()  # the other banks would otherwise go on without ticks
            raise
        finally:
            sender.close()
        return payments, records

    def _send(self, chunk: Chunk, sender: Sender) -> int:
        """Send each record when its time has come, then announce the chunk's end."""
        topic = self.plan.topic
        deliveries = single_stream(chunk.deliveries, topic) if topic else chunk.deliveries
        due_ms, sent = arrivals_ms(deliveries), 0
        while sent < len(deliveries):
            is_over = chunk.is_last or self.control.state.is_stopped
            ready = len(deliveries) if is_over else int(np.searchsorted(due_ms, _now_ms(), side="right"))
            sender.send(deliveries[sent:ready])
            sent = ready
            if sent < len(deliveries):
                self.control.nap(max(NAP_S, (int(due_ms[sent]) - _now_ms()) / 1000))
        sender.flush()
        self._until(lambda: _now_ms() >= round(chunk.as_of.timestamp() * 1000))
        if self.truth is not None:
            self.truth.add(chunk)
        if self.announcer is not None:
            self.announcer.reached(self.number, chunk.as_of, chunk.controls, chunk.is_last)
        return sent

    def _until(self, reached: Callable[[], bool]) -> None:
        while not reached() and not self.control.state.is_stopped:
            self.control.nap(NAP_S)


def _of_bank(plan: Plan, start: datetime, bank: BankProfile, per_second: float) -> Plan:
    """The plan of one bank, whose campaigns are planned for a few minutes at a time."""
    payments = round(per_second * CAMPAIGNS_SPAN.total_seconds())
    return replace(plan, start=start, bank=bank, span=CAMPAIGNS_SPAN, payments=payments)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _shared(limit: int | None, rates: list[float]) -> list[int | None]:
    """The limit of each bank, in proportion to its rate; together they make `limit`."""
    if limit is None:
        return [None] * len(rates)
    ends = np.rint(np.cumsum(rates) / sum(rates) * limit).astype(int)
    return [int(share) for share in np.diff(ends, prepend=0)]


def _clamped(speed: float) -> float:
    return min(max(speed, SLOWEST), FASTEST)


def _rate(rate: float) -> float:
    if not 0 <= rate <= 1:
        raise SettingsError(f"chaos: {rate} is not between 0 and 1.")
    return rate
