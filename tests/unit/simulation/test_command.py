"""The flags of `paylake simulate`."""

from datetime import timedelta

import pytest

from paylake.errors import SettingsError
from paylake.settings import parse_settings
from paylake.simulation.chaos import WEIGHTS
from paylake.simulation.command import SimulateSettings, banks_of, main, plan_of, share_of, with_fraud
from paylake.simulation.dimensions import BANKS
from paylake.simulation.faults import FaultRates
from paylake.simulation.plan import Plan
from paylake.simulation.scenarios import Scenario


def plan(*flags: str) -> Plan:
    return plan_of(parse_settings(SimulateSettings, flags, environ={}))


def test_without_flags_the_plan_is_the_default_one() -> None:
    assert plan() == Plan()


def test_every_flag_reaches_the_plan() -> None:
    asked = plan(
        "--broker", "localhost:9092", "--payments", "20", "--chaos", "40%",
        "--weights", "MISSING_CBS=1,MISSING_PG=0",
        "--duplicates", "0.01", "--disorder", "0.02", "--lateness", "0.03", "--malformed", "0.04",
        "--span", "1h",
        "--tick-every", "30s", "--currencies", "mix", "--scenario", "cbs_outage@60s:0.8:IN,fraud_ring@5s",
        "--fraud", "1%",
    )  # fmt: skip
    assert asked == Plan(
        payments=20,
        chaos=0.4,
        weights={**WEIGHTS, "MISSING_CBS": 1, "MISSING_PG": 0},
        faults=FaultRates(0.01, 0.02, 0.03, 0.04),
        span=timedelta(hours=1),
        tick_every=timedelta(seconds=30),
        currencies="mix",
        scenarios=(Scenario("cbs_outage", 60, 0.8, "IN"), Scenario("fraud_ring", 5)),
        fraud=0.01,
    )


@pytest.mark.parametrize(
    "flags",
    [
        ("--chaos", "140%"),
        ("--chaos", "much"),
        ("--weights", "MISSING_CBS"),
        ("--weights", "MISSING_ALL=3"),
        ("--malformed", "2"),
        ("--currencies", "XYZ"),
        ("--fraud-rate", "1.5"),
        ("--fraud", "some"),
        ("--fraud", "50%"),
        ("--span", "0s"),
        ("--no-such-flag", "1"),
    ],
)
def test_a_wrong_flag_is_a_sentence_and_not_a_traceback(flags: tuple[str, str]) -> None:
    with pytest.raises(SettingsError, match=flags[0].strip("-")):
        plan(*flags)


def test_chaos_is_a_share_or_a_percentage() -> None:
    assert (share_of("0.05"), share_of("5%"), share_of("100%")) == (0.05, 0.05, 1.0)


@pytest.mark.parametrize("chaos", [0.0, 0.05, 0.4])
def test_the_fraud_rate_is_a_share_of_all_payments_and_leaves_other_chaos_as_it_was(chaos: float) -> None:
    rate, weights = with_fraud(chaos, WEIGHTS, 0.02)
    total = sum(weights.values())
    assert rate * weights["FRAUD_ATTEMPT"] / total == pytest.approx(0.02)
    before = chaos * WEIGHTS["MISSING_CBS"] / sum(WEIGHTS.values())
    assert rate * weights["MISSING_CBS"] / total == pytest.approx(before)


def test_banks_are_chosen_by_name() -> None:
    assert banks_of(()) == BANKS
    assert banks_of(("BANK_B",)) == BANKS[1:]
    with pytest.raises(SettingsError, match="BANK_X"):
        banks_of(("BANK_X",))


def test_campaigns_are_no_chaos() -> None:
    asked = plan("--fraud", "0.01")
    assert (asked.chaos, asked.weights) == (Plan().chaos, Plan().weights)


@pytest.mark.parametrize("other", [("--paced",), ("--topic", "transactions")])
def test_a_feed_needs_a_plan_of_three_ledgers(other: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="--feed"):
        main(["--feed", *other])


def test_a_single_stream_has_no_truth() -> None:
    with pytest.raises(SettingsError, match="--topic"):
        main(["--topic", "transactions", "--truth", "somewhere"])
