"""The knobs of a paced simulation, without a clock and without Kafka."""

from dataclasses import replace
from datetime import timedelta
from itertools import islice

import pyarrow as pa
import pytest

from paylake.errors import SettingsError
from paylake.simulation import Plan, SimulationControl
from paylake.simulation.dimensions import BANKS
from paylake.simulation.generation import chunks
from paylake.simulation.pacing import live_steps

PLAN = Plan(tick_every=timedelta(seconds=1))


def counts(control: SimulationControl, steps: int, limit: int | None = None) -> list[int]:
    return [step.counts[0] for step in islice(live_steps(PLAN, control, 50, limit), steps)]


@pytest.mark.parametrize(("asked", "given"), [(0.01, 0.1), (0.5, 0.5), (10, 10), (99, 10)])
def test_speed_is_clamped(asked: float, given: float) -> None:
    control = SimulationControl()
    control.set_speed(asked)
    assert control.state.speed == given


def test_speed_multiplies_the_rate() -> None:
    assert counts(SimulationControl(), 3) == [50, 50, 50]
    assert counts(SimulationControl(speed=0.5), 4) == [25, 25, 25, 25]
    assert sum(counts(SimulationControl(speed=0.13), 100)) == pytest.approx(650, abs=1)


def test_a_pause_makes_no_payments_and_a_start_goes_on() -> None:
    control = SimulationControl()
    steps = live_steps(PLAN, control, 50, None)
    assert next(steps).counts == (50,)
    control.pause()
    assert next(steps).counts == (0,)
    control.start()
    assert next(steps).counts == (50,)


def test_chaos_changes_while_it_runs_and_must_be_a_share() -> None:
    control = SimulationControl(chaos_rate=0.0)
    steps = live_steps(PLAN, control, 50, None)
    assert next(steps).chaos == 0.0
    control.set_chaos_rate(1.0)
    assert next(steps).chaos == 1.0
    with pytest.raises(SettingsError):
        control.set_chaos_rate(1.1)


def test_it_ends_at_its_limit_or_when_stopped_and_stays_stopped() -> None:
    assert counts(SimulationControl(), 99, limit=120) == [50, 50, 20]
    control = SimulationControl()
    control.stop()
    control.start()
    assert control.state.is_stopped
    assert counts(control, 99) == []


def test_a_bank_s_payments_are_of_its_users_and_amounts_and_what_is_on_its_way_still_arrives() -> None:
    for number, bank in enumerate(BANKS):
        plan = replace(PLAN, bank=bank)
        made = list(chunks(plan, live_steps(plan, SimulationControl(chaos_rate=0.0), 50, 200), None, number))
        rows = pa.concat_tables([chunk.deliveries for chunk in made])
        assert len(rows) == 3 * 200
        values = b"".join(rows["value"].to_pylist())
        assert values.count(f'"bank_id":"{bank.bank_id}"'.encode()) == 3 * 200
        users = {int(part[:4]) for part in values.split(b'"user_id":"')[1:]}
        assert bank.first_user <= min(users) <= max(users) <= bank.last_user
        amounts = pa.concat_tables([chunk.payments for chunk in made])["amount"].to_pylist()
        assert min(amounts) >= 10
        assert max(amounts) <= 10_000
        assert sum(amount <= 100 for amount in amounts) > 130
