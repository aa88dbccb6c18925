"""From a plan to everything that reaches the topics, chunk by chunk, and the truth about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from paylake.simulation.attacks import Attacks
from paylake.simulation.campaigns import with_campaigns
from paylake.simulation.chaos import Ints, Legs, break_legs, chaos_types, project
from paylake.simulation.controls import ControlTotal, OpenControls, control_totals
from paylake.simulation.dimensions import build_dimensions
from paylake.simulation.faults import Odds, Postings, deliver, postings_of
from paylake.simulation.habits import build_habits, draw_usual
from paylake.simulation.payments import TruePayments, draw_payments
from paylake.simulation.plan import Plan, Step, planned_steps
from paylake.simulation.records import record_values
from paylake.simulation.scenarios import play
from paylake.simulation.truth import (
    FAULTS_SCHEMA,
    PAYMENTS_SCHEMA,
    fault_truth,
    payment_truth,
    topics_of,
)

LAST_SECOND_PAYMENTS = 5

DELIVERIES_SCHEMA = pa.schema(
    [
        pa.field("topic", pa.string(), nullable=False),
        pa.field("key", pa.binary(), nullable=False),
        pa.field("value", pa.binary()),
        pa.field("timestamp", pa.timestamp("ms", "UTC"), nullable=False),
        pa.field("transaction_id", pa.string(), nullable=False),
    ]
)
"""One row per record that reaches a topic; `timestamp` is its arrival."""


@dataclass(frozen=True)
class Chunk:
    """What happens until a tick: deliveries in order of arrival, and the totals of the hours that are over.

    The truth comes once: a payment's with the chunk in whose time it happened, faults now and then. A
    delivery never comes after its tick.
    """

    as_of: datetime
    deliveries: pa.Table
    payments: pa.Table
    faults: pa.Table
    controls: tuple[ControlTotal, ...]
    is_last: bool = False


@dataclass(frozen=True)
class _Block:
    """Everything about the payments of one step."""

    deliveries: pa.Table
    counts: tuple[int, ...]
    payments: pa.Table
    faults: pa.Table
    postings: Postings


@dataclass(frozen=True)
class Booked:
    """What happened in a step, and what the sources booked of it, before any of it is delivered."""

    payments: TruePayments
    types: Ints
    legs: Legs
    postings: Postings
    odds: Odds


def generate(plan: Plan) -> Iterator[Chunk]:
    """The whole plan, one chunk per tick; the last comes two simulated minutes after the last payment."""
    return chunks(plan, planned_steps(plan), plan.last_ms)


def chunks(plan: Plan, steps: Iterable[Step], last_ms: int | None, stream: int = 0) -> Iterator[Chunk]:
    """The chunks of the given steps.

    Where no `last_ms` is known, the last chunk brings forward what is still on its way. `stream` tells apart
    producers that share a seed.
    """
    waiting = DELIVERIES_SCHEMA.empty_table()
    controls = OpenControls()
    as_of_ms = plan.start_ms
    attacks = Attacks(plan, stream)
    for number, step in enumerate(steps):
        block = _draw(plan, step, block_rng(plan, number, stream), last_ms, attacks)
        controls.add(control_totals(block.postings))
        waiting = _by_arrival(pa.concat_tables([waiting, block.deliveries]))
        happened, faults = 0, block.faults
        for as_of_ms, count in zip(step.ticks_ms, block.counts, strict=True):
            arrived = int(np.searchsorted(arrivals_ms(waiting), as_of_ms, side="right"))
            payments = block.payments[happened : happened + count]
            yield Chunk(_time(as_of_ms), waiting[:arrived], payments, faults, controls.close(as_of_ms))
            waiting, happened, faults = waiting[arrived:], happened + count, faults[:0]
    yield Chunk(
        as_of=_time(last_ms if last_ms is not None else as_of_ms),
        deliveries=_no_later_than(waiting, last_ms if last_ms is not None else as_of_ms),
        payments=PAYMENTS_SCHEMA.empty_table(),
        faults=FAULTS_SCHEMA.empty_table(),
        controls=controls.close(None),
        is_last=True,
    )


def block_rng(plan: Plan, number: int, stream: int = 0) -> np.random.Generator:
    """The chance of one step; book draws from it first, then deliver."""
    return np.random.default_rng([plan.seed, 2, stream, number])


def book(plan: Plan, step: Step, rng: np.random.Generator, last_ms: int | None, attacks: Attacks) -> Booked:
    """The payments of a step and their postings."""
    people = build_dimensions(plan.seed, plan.currencies)
    at_ms = _times(rng, step)
    if step.ticks_ms[-1] == plan.end_ms and last_ms is not None:
        _to_the_end(rng, at_ms, step.counts[-1], plan.end_ms)
    if plan.fraud:
        habits, since_ms, until_ms = build_habits(plan.seed, plan.currencies), step.since_ms, step.ticks_ms[-1]
        usual = draw_usual(rng, at_ms, until_ms, habits, plan.seed, plan.bank)
        payments = with_campaigns(rng, usual, attacks.between(since_ms, until_ms))
    else:
        payments = draw_payments(rng, at_ms, people, plan.bank)
    types = chaos_types(rng, payments.count, step.chaos, plan.weights)
    strain = rng.random(payments.count)
    odds = Odds.of(plan.faults, payments.count)
    for scenario in plan.scenarios:
        types, strain, odds = play(rng, scenario, plan.start_ms, payments, people, types, strain, odds)
    legs = break_legs(rng, project(rng, payments), types, strain)
    return Booked(payments, types, legs, postings_of(rng, legs), odds)


def latest_ms(last_ms: int | None) -> int:
    """When the last record of a plan arrives at the latest."""
    return int(np.iinfo(np.int64).max) if last_ms is None else last_ms


def _draw(plan: Plan, step: Step, rng: np.random.Generator, last_ms: int | None, attacks: Attacks) -> _Block:
    booked = book(plan, step, rng, last_ms, attacks)
    payments, types, legs, postings = booked.payments, booked.types, booked.legs, booked.postings
    people = build_dimensions(plan.seed, plan.currencies)
    values = record_values(payments, people, postings, plan.bank.bank_id if plan.bank else None)
    deliveries = deliver(rng, postings, values, booked.odds, latest_ms(last_ms))
    missing_after_ms = round(plan.missing_after.total_seconds() * 1000)
    ids = pa.array(payments.ids[postings.payment[deliveries.posting]])
    return _Block(
        deliveries=pa.table(
            [
                topics_of(postings.ledger[deliveries.posting]),
                ids,
                deliveries.values,
                pa.array(deliveries.arrival_ms).cast(pa.timestamp("ms", "UTC")),
                ids.cast(pa.string()),
            ],
            schema=DELIVERIES_SCHEMA,
        ),
        counts=tuple(np.diff(np.searchsorted(payments.at_ms, step.ticks_ms), prepend=0).tolist()),
        payments=payment_truth(payments, types, legs, postings, deliveries, missing_after_ms),
        faults=fault_truth(payments, postings, deliveries),
        postings=postings,
    )


def _times(rng: np.random.Generator, step: Step) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """When the step's payments happen, in order."""
    starts_ms = (step.since_ms, *step.ticks_ms[:-1])
    each = [
        rng.integers(since_ms, until_ms, count)
        for since_ms, until_ms, count in zip(starts_ms, step.ticks_ms, step.counts, strict=True)
    ]
    return np.sort(np.concatenate(each).astype(np.int64))


def _to_the_end(
    rng: np.random.Generator, at_ms: np.ndarray[tuple[int], np.dtype[np.int64]], available: int, end_ms: int
) -> None:
    """Move the last few payments into the last second, so that some legs fall on the next day."""
    moved = min(available, LAST_SECOND_PAYMENTS)
    at_ms[len(at_ms) - moved :] = np.sort(rng.integers(end_ms - 1_000, end_ms, moved))


def arrivals_ms(deliveries: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """When each record arrives, in epoch milliseconds."""
    arrivals: np.ndarray[tuple[int], np.dtype[np.int64]] = (
        deliveries["timestamp"].cast(pa.int64()).to_numpy(zero_copy_only=False)
    )
    return arrivals


def _by_arrival(deliveries: pa.Table) -> pa.Table:
    return deliveries.take(pa.array(np.argsort(arrivals_ms(deliveries), kind="stable"))).combine_chunks()


def _no_later_than(deliveries: pa.Table, end_ms: int) -> pa.Table:
    column = pa.array(np.minimum(arrivals_ms(deliveries), end_ms)).cast(pa.timestamp("ms", "UTC"))
    return deliveries.set_column(3, DELIVERIES_SCHEMA.field("timestamp"), column)


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
