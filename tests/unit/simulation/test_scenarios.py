"""Timed scenarios hit their seconds and their region, and stay exact in the truth."""

from datetime import timedelta

import pyarrow as pa
import pytest

from paylake.errors import SettingsError
from paylake.simulation import Plan, generate
from paylake.simulation.scenarios import SCENARIOS, Scenario, parse_scenario

MINUTES = {"span": timedelta(minutes=2), "tick_every": timedelta(minutes=2), "payments": 2_400, "chaos": 0.0}


def kinds(*scenarios: Scenario) -> list[str]:
    plan = Plan(**MINUTES, scenarios=scenarios)  # type: ignore[arg-type]
    return [row["expected_kind"] for chunk in generate(plan) for row in chunk.payments.to_pylist()]


def test_a_scenario_is_read_with_and_without_its_options() -> None:
    assert parse_scenario("cbs_outage@60s:0.8:IN") == Scenario("cbs_outage", 60, 0.8, "IN")
    assert parse_scenario("flash_crash@5.5") == Scenario("flash_crash", 5.5)


@pytest.mark.parametrize("text", ["cbs_outage", "meteor@60s", "cbs_outage@60s:1.5", "cbs_outage@-3s"])
def test_a_wrong_scenario_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingsError, match="scenario"):
        parse_scenario(text)


@pytest.mark.parametrize("name", [name for name, kind in SCENARIOS.items() if kind.chaos_type])
def test_a_scenario_injects_its_chaos_type_for_its_seconds(name: str) -> None:
    scenario = SCENARIOS[name]
    hit = [kind for kind in kinds(Scenario(name, 30)) if kind != "NONE"]
    assert set(hit) == {scenario.chaos_type}
    assert len(hit) == pytest.approx(20 * scenario.seconds, rel=0.15)


def test_intensity_is_the_share_that_is_hit() -> None:
    hit = [kind for kind in kinds(Scenario("cbs_outage", 30, 0.5)) if kind != "NONE"]
    assert len(hit) == pytest.approx(20 * 30 * 0.5, rel=0.2)


def test_a_region_keeps_the_trouble_to_itself() -> None:
    plan = Plan(**MINUTES, currencies="mix", scenarios=(Scenario("mobile_outage", 0, 1.0, "us"),))  # type: ignore[arg-type]
    hit = [r for c in generate(plan) for r in c.payments.to_pylist() if r["expected_kind"] != "NONE"]
    assert {row["currency"] for row in hit} == {"USD"}


@pytest.mark.parametrize(
    ("name", "faults"),
    [("network_partition", {"late"}), ("replay_attack", {"duplicate"}), ("data_corruption", None)],
)
def test_a_scenario_of_faults_is_counted_as_faults(name: str, faults: set[str] | None) -> None:
    plan = Plan(**{**MINUTES, "span": timedelta(hours=1)}, scenarios=(Scenario(name, 30),))  # type: ignore[arg-type]
    seen = pa.concat_tables([chunk.faults for chunk in generate(plan)])["fault"].to_pylist()
    assert seen
    assert faults is None or set(seen) == faults


def test_degradation_grows() -> None:
    plan = Plan(**MINUTES, scenarios=(Scenario("gradual_degradation", 0),))  # type: ignore[arg-type]
    assert "TIMESTAMP_DRIFT" in kinds(*plan.scenarios)
