"""Timed scenarios: for some seconds, and perhaps in one region, things go wrong more often."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paylake.errors import SettingsError
from paylake.simulation.chaos import TYPE, Floats, Ints
from paylake.simulation.dimensions import COUNTRIES, Dimensions
from paylake.simulation.faults import Odds
from paylake.simulation.payments import TruePayments


@dataclass(frozen=True)
class ScenarioKind:
    """What a scenario does while it lasts: it injects a chaos type, or it makes a delivery fault likely."""

    seconds: int
    chaos_type: str | None = None
    fault: str | None = None
    grows: bool = False


SCENARIOS: dict[str, ScenarioKind] = {
    "cbs_outage": ScenarioKind(30, chaos_type="MISSING_CBS"),
    "mobile_outage": ScenarioKind(25, chaos_type="MISSING_MOBILE"),
    "network_partition": ScenarioKind(40, fault="lateness"),
    "gradual_degradation": ScenarioKind(60, chaos_type="TIMESTAMP_DRIFT", grows=True),
    "fraud_ring": ScenarioKind(45, chaos_type="FRAUD_ATTEMPT"),
    "flash_crash": ScenarioKind(20, chaos_type="AMOUNT_MISMATCH"),
    "data_corruption": ScenarioKind(35, fault="malformed"),
    "replay_attack": ScenarioKind(30, fault="duplicates"),
}
"""The timed scenarios of requirements 2.5, with their durations."""


@dataclass(frozen=True)
class Scenario:
    """One scenario of a plan: from `after_s` on, a payment of the region is hit with probability `intensity`.

    `region` is a country code or a city; empty means everywhere.
    """

    name: str
    after_s: float
    intensity: float = 1.0
    region: str = ""

    @property
    def kind(self) -> ScenarioKind:
        return SCENARIOS[self.name]


def parse_scenario(text: str) -> Scenario:
    """The scenario that `name@60s:0.8:REGION` states; intensity and region may be left out."""
    found = re.fullmatch(r"(\w+)@(\d+(?:\.\d+)?)s?(?::(\d*\.?\d+))?(?::(.+))?", text.strip())
    if found is None or found[1] not in SCENARIOS:
        raise SettingsError(
            f"scenario: {text!r} is not name@SECONDS[:INTENSITY[:REGION]], as in cbs_outage@60s:0.8:IN, "
            f"with a name of {', '.join(SCENARIOS)}."
        )
    intensity = float(found[3] or 1)
    if not 0 <= intensity <= 1:
        raise SettingsError(f"scenario: the intensity of {text!r} is not between 0 and 1.")
    return Scenario(found[1], float(found[2]), intensity, found[4] or "")


def play(
    rng: np.random.Generator,
    scenario: Scenario,
    start_ms: int,
    payments: TruePayments,
    people: Dimensions,
    types: Ints,
    strain: Floats,
    odds: Odds,
) -> tuple[Ints, Floats, Odds]:
    """Chaos types, strains and odds of the payments, as the scenario changes them."""
    since_ms = start_ms + round(scenario.after_s * 1000)
    progress = (payments.at_ms - since_ms) / (scenario.kind.seconds * 1000)
    reached = (progress >= 0) & (progress < 1) & _in_region(scenario.region, payments, people)
    if scenario.kind.fault:
        return types, strain, odds.raised(scenario.kind.fault, reached, scenario.intensity)
    assert scenario.kind.chaos_type
    hit = reached & (rng.random(payments.count) < scenario.intensity)
    changed = np.where(hit, TYPE[scenario.kind.chaos_type], types)
    return changed, np.where(hit & scenario.kind.grows, progress, strain), odds


def _in_region(region: str, payments: TruePayments, people: Dimensions) -> NDArray[np.bool_]:
    wanted = region.lower()
    is_inside = [
        wanted in ("", customer.city.lower(), COUNTRIES[customer.country].code.lower()) for customer in people.customers
    ]
    inside: NDArray[np.bool_] = np.array(is_inside)[payments.customer]
    return inside
