"""The demonstration's model: trained on simulated payments of other seeds and days than those that it will score."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paylake import model_registry
from paylake.errors import SettingsError
from paylake.fraud.features import UNIT
from paylake.fraud.replay import replayed
from paylake.fraud.training import BAD, NEVER, Blocks, Examples, Recipe, train
from paylake.simulation.arrivals import gateway_arrivals
from paylake.simulation.plan import Plan

PAYMENTS, SEEDS, START = 200_000, (1011, 1012, 1013, 1014), datetime(2025, 12, 1, tzinfo=UTC)
FRAUD = 0.01
DAY = timedelta(days=1)
RECIPE = Recipe(trees=120, depth=5, learning_rate=0.1, max_bin=512, keep_genuine=0.2)
"""Smaller than the default, so that `make demo` keeps its time."""


def train_demo_model(
    uri: str = model_registry.DEFAULT_URI,
    payments: int = PAYMENTS,
    seeds: Sequence[int] = SEEDS,
    start: datetime = START,
    fraud: float = FRAUD,
    currencies: str = "INR",
) -> str:
    """Simulate, train, register and promote; returns the version that reigns afterwards.

    Each seed gives one day, from `start` on, of customers and merchants of its own: so each test is on people of whom the
    model knows nothing, as those of the demonstration are. Labels are the simulation's truth. A registry whose
    champion is better keeps it. Raises SettingsError for fewer than three seeds.
    """
    if len(seeds) < 3:
        raise SettingsError(f"The demonstration's model needs three seeds and more, a day each, but got {len(seeds)}.")
    plans = [
        Plan(payments=payments // len(seeds), seed=seed, start=start + number * DAY, span=DAY, fraud=fraud,
             currencies=currencies, chaos=0.0)
        for number, seed in enumerate(seeds)
    ]  # fmt: skip
    days = [examples_of(gateway_arrivals(plan), number) for number, plan in enumerate(plans)]
    known = joined(days)
    as_of_ms = round((start + len(seeds) * DAY).timestamp() * 1000)
    blocks = Blocks(train=2 * DAY, test=DAY, maturity=timedelta(0), calibrate=1 / len(seeds))
    trained = train(known, as_of_ms, RECIPE, blocks, champion=model_registry.comparable_champion(uri))
    facts = {"data": f"simulated payments, a day per seed, seeds {', '.join(map(str, seeds))}", "labels": "the truth"}
    version = model_registry.register(uri, trained, facts)
    if trained.is_better:
        model_registry.promote(uri, version)
    return model_registry.version_of(uri) or version


def examples_of(arrivals: pa.Table, number: int) -> Examples:
    """Simulated payments with their features and their truth; `number` tells their customers from other simulations'."""
    at_ms = np.asarray(arrivals["recorded_at"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).combine_chunks())
    is_fraud = np.asarray(arrivals["fraud_scenario"].combine_chunks().is_valid())
    units = np.asarray(
        pc.multiply(arrivals["amount"].cast(pa.decimal128(18, 4)), pa.scalar(UNIT, pa.int64()))
        .cast(pa.int64())
        .combine_chunks()
    )
    user = np.asarray(arrivals["user_id"].combine_chunks().dictionary_encode().indices).astype(np.int64)
    return Examples(
        matrix=replayed(arrivals),
        features_at_ms=at_ms,
        at_ms=at_ms,
        label=is_fraud.astype(np.int64) * BAD,
        known_at_ms=np.where(is_fraud, at_ms, NEVER),
        units=units,
        currency=np.asarray(arrivals["currency"].to_pylist(), dtype=str),
        user=user + number * 1_000_000,
        weight=np.ones(len(at_ms)),
    )


def joined(parts: Sequence[Examples]) -> Examples:
    """The examples of several simulations as one."""
    return Examples(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))
