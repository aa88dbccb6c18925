"""One simulated day with everything that can go wrong, shared by the tests of the simulation."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from paylake.simulation import Chunk, FaultRates, Plan, generate


@dataclass(frozen=True)
class Day:
    """A plan, and everything that came of it."""

    plan: Plan
    chunks: list[Chunk]
    deliveries: list[dict[str, Any]]
    payments: dict[str, dict[str, Any]]
    faults: list[dict[str, Any]]


def simulate_day(plan: Plan) -> Day:
    chunks = list(generate(plan))
    truth = pa.concat_tables([chunk.payments for chunk in chunks]).to_pylist()
    return Day(
        plan=plan,
        chunks=chunks,
        deliveries=pa.concat_tables([chunk.deliveries for chunk in chunks]).to_pylist(),
        payments={row["transaction_id"]: row for row in truth},
        faults=pa.concat_tables([chunk.faults for chunk in chunks]).to_pylist(),
    )


@pytest.fixture(scope="session")
def rough_day() -> Day:
    return simulate_day(
        Plan(
            payments=6_000,
            chaos=0.4,
            seed=11,
            tick_every=timedelta(hours=1),
            currencies="mix",
            faults=FaultRates(duplicates=0.02, disorder=0.1, lateness=0.02, malformed=0.03),
        )
    )


@pytest.fixture(scope="session")
def calm_day() -> Day:
    return simulate_day(Plan(payments=2_000, chaos=0.0, tick_every=timedelta(hours=1)))
