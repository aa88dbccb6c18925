"""`paylake simulate`: sends simulated payments to Kafka, with a known truth kept apart."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from paylake.errors import SettingsError
from paylake.settings import KafkaSettings, parse_settings, setting
from paylake.simulation.chaos import WEIGHTS
from paylake.simulation.dimensions import BANKS, BankProfile
from paylake.simulation.faults import FaultRates
from paylake.simulation.feed_publisher import publish_feed
from paylake.simulation.pacing import SimulationControl, perform
from paylake.simulation.plan import Plan
from paylake.simulation.producer import publish
from paylake.simulation.scenarios import parse_scenario


@dataclass(frozen=True, kw_only=True)
class SimulateSettings(KafkaSettings):
    """Send simulated payments to the three ledger topics, some of them broken in a known way.

    By default a whole simulated day goes out as fast as possible, in the order of its own clock, with ticks
    and control totals; the same seed sends the same bytes. With --paced the banks produce in real time, until
    Ctrl-C.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake simulate --payments 20000 --chaos 40% --truth build/truth",
        "paylake simulate --fraud 1% --feed --truth build/truth",
        "paylake simulate --paced --tps 100 --fraud-rate 0.02 --speed 2",
        "paylake simulate --scenario cbs_outage@60s:0.8:Mumbai,fraud_ring@1200s --currencies mix",
        "paylake simulate --paced --topic transactions --tps 100",
    )

    payments: int | None = setting(None, "How many payments; 100000, and without end under --paced.")
    seed: int = setting(7, "The same seed gives the same people, payments and faults.")
    start: datetime = setting(datetime(2026, 1, 15, tzinfo=UTC), "When simulated time starts, unless --paced.")
    span: timedelta = setting(timedelta(hours=24), "How much simulated time the payments are spread over.")
    tick_every: timedelta | None = setting(None, "Time between ticks; 5m, and 1s under --paced.")
    currencies: str = setting("INR", "INR, mix (seven countries), or codes with commas between.")
    truth: Path | None = setting(None, "Folder for the truth: payments/ and faults/, as Parquet.")

    chaos: str = setting("0.05", "Share of the payments that is broken, as 0.4 or 40%.", aliases="--chaos-rate")
    weights: str = setting("", "Weights of chaos types, as MISSING_CBS=20,AMOUNT_MISMATCH=5; others keep theirs.")
    fraud_rate: float | None = setting(
        None,
        "Share of all payments that is a FRAUD_ATTEMPT: a wrong amount in the core ledger, so a break. Not --fraud.",
    )
    fraud: str = setting(
        "0",
        "Share of the payments that belong to campaigns of fraud, as 0.01 or 1%: the ledgers agree on them, only behaviour "
        "betrays them, and all customers get habits. Not --fraud-rate, which breaks amounts.",
    )
    feed: bool = setting(False, "After the payments, send what others say of the frauds: signals and, weeks later, labels.")
    scenario: tuple[str, ...] = setting((), "Timed trouble: NAME@SECONDS[:INTENSITY[:REGION]].")
    duplicates: float = setting(0.0, "Share of the records that is delivered twice.")
    disorder: float = setting(0.0, "Share of the records that arrives seconds late, out of order.")
    lateness: float = setting(0.0, "Share of the payments of which one leg arrives minutes late.")
    malformed: float = setting(0.0, "Share of the payments of which one leg is replaced by a bad record.")
    missing_after: timedelta = setting(timedelta(seconds=30), "Later than this, the truth calls a leg late.")

    paced: bool = setting(False, "Produce in real time instead of as fast as possible.")
    tps: float | None = setting(None, "Payments a second, all banks together, under --paced; 80 without it.")
    speed: float = setting(1.0, "Multiplies the rate under --paced; from 0.1 to 10.")
    banks: tuple[str, ...] = setting((), f"Banks under --paced: {', '.join(b.bank_id for b in BANKS)}; all if none.")
    topic: str = setting("", "Send the gateway's records alone to this one topic: no ledgers, truth, ticks or controls.")
    processes: int = setting(1, "Processes that send, unless --paced.")


def main(argv: list[str]) -> int:
    """`paylake simulate`."""
    settings = parse_settings(SimulateSettings, argv, prog="paylake simulate")
    if settings.topic and settings.truth is not None:
        raise SettingsError("--truth is about three ledgers: leave it out, or leave out --topic.")
    if settings.feed and (settings.paced or settings.topic):
        raise SettingsError("--feed tells of a plan of three ledgers: leave it out, or leave out --paced and --topic.")
    return _paced(settings) if settings.paced else _flat_out(settings)


def plan_of(settings: SimulateSettings) -> Plan:
    """The plan that the settings ask for."""
    chaos, weights = share_of(settings.chaos), {**WEIGHTS, **weights_of(settings.weights)}
    if settings.fraud_rate is not None:
        chaos, weights = with_fraud(chaos, weights, settings.fraud_rate)
    return Plan(
        payments=100_000 if settings.payments is None else settings.payments,
        seed=settings.seed,
        start=settings.start,
        span=settings.span,
        tick_every=settings.tick_every or timedelta(**{"seconds": 1} if settings.paced else {"minutes": 5}),
        chaos=chaos,
        weights=weights,
        faults=FaultRates(settings.duplicates, settings.disorder, settings.lateness, settings.malformed),
        scenarios=tuple(map(parse_scenario, settings.scenario)),
        currencies=settings.currencies,
        missing_after=settings.missing_after,
        topic=settings.topic,
        processes=settings.processes,
        fraud=share_of(settings.fraud, "fraud"),
    )


def share_of(text: str, name: str = "chaos") -> float:
    """The share, 0 to 1, that `0.4` or `40%` states for the setting."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(f"--{name}: {text!r} is not a share of 0 to 1, nor of 0% to 100%; for example 40%.")
    return share


def weights_of(text: str) -> dict[str, float]:
    """The weights that `MISSING_CBS=20,AMOUNT_MISMATCH=5` states."""
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, weight = part.partition("=")
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            raise SettingsError(f"--weights: {part!r} is not NAME=WEIGHT, as in MISSING_CBS=20.") from None
    return weights


def with_fraud(chaos: float, weights: Mapping[str, float], fraud_rate: float) -> tuple[float, dict[str, float]]:
    """Chaos rate and weights under which `fraud_rate` of all payments is fraud; other chaos stays."""
    others = {name: weight for name, weight in weights.items() if name != "FRAUD_ATTEMPT"}
    other_chaos = chaos * sum(others.values()) / (sum(weights.values()) or 1)
    if not 0 <= fraud_rate <= 1 - other_chaos:
        raise SettingsError(f"--fraud-rate: {fraud_rate} is not between 0 and what other chaos leaves over.")
    if not other_chaos:
        return fraud_rate, {**dict.fromkeys(others, 0.0), "FRAUD_ATTEMPT": 1.0}
    return other_chaos + fraud_rate, {
        **others,
        "FRAUD_ATTEMPT": sum(others.values()) * fraud_rate / other_chaos,
    }


def banks_of(names: Sequence[str]) -> tuple[BankProfile, ...]:
    """The profiles of the named banks, or all of them."""
    known = {bank.bank_id: bank for bank in BANKS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingsError(f"--banks: {unknown[0]!r} is not one of {', '.join(known)}.")
    return tuple(known[name] for name in names) or BANKS


def _flat_out(settings: SimulateSettings) -> int:
    shown_at = 0.0

    def show(done: int, planned: int) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= 1 or done == planned:
            shown_at = time.monotonic()
            sys.stderr.write(f"\r{done:,} of {planned:,} payments")

    plan = plan_of(settings)
    totals = publish(plan, settings, settings.truth, show if sys.stderr.isatty() else None)
    print(f"{chr(10) if sys.stderr.isatty() else ''}{totals}")
    if settings.feed and not totals.interrupted:
        print(f"and {publish_feed(plan, settings):,} signals and labels")
    return 130 if totals.interrupted else 0


def _paced(settings: SimulateSettings) -> int:
    plan = plan_of(settings)
    control = SimulationControl(settings.speed, plan.chaos)

    def stop(signum: int, frame: Any) -> None:
        control.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        totals = perform(plan, settings, control, settings.tps, settings.payments, settings.truth, banks_of(settings.banks))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    print(totals)
    return 0
