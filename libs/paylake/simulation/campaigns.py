"""Campaigns of fraud over time: who attacks whom, when and how. The truth of a plan's frauds comes from here alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paylake.simulation.dimensions import COUNTRIES, BankProfile
from paylake.simulation.habits import FRAUDSTERS_DEVICES, Habits, customers_of, in_range, offset_h, picked, round_steps
from paylake.simulation.payments import (
    CARD,
    NETBANKING,
    PAYMENT,
    REFUND,
    TRANSFER,
    UPI,
    Bools,
    Circumstances,
    Floats,
    Ints,
    TruePayments,
)

CARD_TESTING, ACCOUNT_TAKEOVER, MULE_FAN_IN, COMPROMISED_MERCHANT, REFUND_ABUSE, AMOUNT_SPIKE = CAMPAIGNS = (
    "CARD_TESTING",
    "ACCOUNT_TAKEOVER",
    "MULE_FAN_IN",
    "COMPROMISED_MERCHANT",
    "REFUND_ABUSE",
    "AMOUNT_SPIKE",
)
"""Every scenario of fraud; arrays hold a scenario as its index here, and -1 for a genuine payment."""

ROUND: tuple[str, ...] = (
    *2 * (CARD_TESTING,),
    *4 * (ACCOUNT_TAKEOVER,),
    MULE_FAN_IN,
    COMPROMISED_MERCHANT,
    REFUND_ABUSE,
    *4 * (AMOUNT_SPIKE,),
)
"""The campaigns of a round; the rounds of a plan follow each other, each in an order of its own."""

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
USED_AGAIN_SHARE, USED_AGAIN = 0.3, 40
"""How often fraudsters take one of the few devices that they use again and again."""
SOFT_TARGETS: dict[str, tuple[int, int, int]] = {
    CARD_TESTING: (20, 5, 250),
    ACCOUNT_TAKEOVER: (40, 100, 400),
    MULE_FAN_IN: (30, 100, 400),
    COMPROMISED_MERCHANT: (12, 10, 150),
}
"""Scenario -> how many merchants it comes back to, of the ranks from and to: attackers return where it worked."""


@dataclass(frozen=True)
class Campaigns:
    """The payments of campaigns, in order of time: one entry per payment in each array, as in TruePayments."""

    at_ms: Ints
    customer: Ints
    country: Ints
    merchant: Ints
    minor: Ints
    channel: Ints
    type: Ints
    place: Ints
    device: Ints
    scenario: Ints
    is_failed: Bools

    @property
    def count(self) -> int:
        return len(self.at_ms)

    @staticmethod
    def joined(parts: Sequence[Campaigns]) -> Campaigns:
        """All payments of the parts, in order of time."""
        if not parts:
            empty: dict[str, Any] = {f.name: np.zeros(0, np.int64) for f in fields(Campaigns)}
            return Campaigns(**empty | {"is_failed": np.zeros(0, np.bool_)})
        columns = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Campaigns)]
        order = np.argsort(columns[0], kind="stable")
        return Campaigns(*(column[order] for column in columns))

    def between(self, since_ms: int, until_ms: int) -> Campaigns:
        """The payments from a time on, and before another."""
        first, end = np.searchsorted(self.at_ms, [since_ms, until_ms])
        return Campaigns(*(getattr(self, f.name)[first:end] for f in fields(self)))


def planned_campaigns(
    rng: np.random.Generator,
    habits: Habits,
    seed: int,
    count: int,
    since_ms: int,
    until_ms: int,
    bank: BankProfile | None = None,
) -> Campaigns:
    """Campaigns of `count` payments in all, within the time; only customers of the bank suffer, if one is given.

    Where so few payments are left that a campaign does not fit, another one takes its place.
    """
    stage = _Stage(rng, habits, seed, since_ms, until_ms, bank)
    made: list[Campaigns] = []
    left, has_room = count, True
    while left and has_room:
        has_room = False
        for place in rng.permutation(len(ROUND)):
            campaign = PLAYS[ROUND[place]](stage)
            if campaign.count <= left:
                made.append(campaign)
                left, has_room = left - campaign.count, True
    while left:
        campaign = _amount_spike(stage, most=min(left, 3))
        made.append(campaign)
        left -= campaign.count
    return Campaigns.joined(made)


def with_campaigns(rng: np.random.Generator, usual: TruePayments, campaigns: Campaigns) -> TruePayments:
    """The payments in order of time, as many of them as campaigns have replaced by theirs.

    Where campaigns have more than there are, the last of theirs do not happen.
    """
    assert usual.circumstances
    frauds = Campaigns(*(getattr(campaigns, f.name)[: usual.count] for f in fields(Campaigns)))
    places = np.sort(rng.permutation(usual.count)[: frauds.count])
    around = usual.circumstances

    def changed(of: TruePayments | Circumstances) -> dict[str, Any]:
        own = {f.name for f in fields(of)}
        return {f.name: _put(getattr(of, f.name), places, getattr(frauds, f.name)) for f in fields(frauds) if f.name in own}

    mixed = replace(usual, **changed(usual), circumstances=replace(around, **changed(around)))
    return mixed.taken(np.argsort(mixed.at_ms, kind="stable"))


def _put(values: NDArray[Any], places: Ints, others: NDArray[Any]) -> NDArray[Any]:
    result = values.copy()
    result[places] = others
    return result


@dataclass(frozen=True)
class _Stage:
    """Where campaigns are played: the time, and whose customers suffer."""

    rng: np.random.Generator
    habits: Habits
    seed: int
    since_ms: int
    until_ms: int
    bank: BankProfile | None

    def victims(self, count: int) -> Ints:
        """Different customers, the active ones more often; fewer than `count` where some came up twice."""
        return np.unique(picked(self.habits.active, self.rng.random(count), customers_of(self.bank)))

    def victim(self) -> int:
        return int(self.victims(1)[0])

    def merchant(self, scenario: str) -> int:
        return int(self.rng.choice(_soft_targets(self.seed, scenario)))

    def device(self) -> int:
        """A device of fraudsters, who sometimes use it again."""
        most = USED_AGAIN if self.rng.random() < USED_AGAIN_SHARE else FRAUDSTERS_DEVICES
        return int(self.habits.fraudsters_devices + self.rng.integers(most))

    def elsewhere(self, customer: int) -> int:
        """A place in another country."""
        country = (self.habits.homes[customer] + self.rng.integers(1, len(COUNTRIES))) % len(COUNTRIES)
        return int(self.rng.integers(*self.habits.abroad[country]))

    def times(self, after_ms: Ints, home: int, at_night: bool) -> Ints:
        """When payments happen that follow a campaign's start by so long; at night begins between midnight and five at home.

        In a short time, campaigns are shortened to half of it.
        """
        whole_ms = self.until_ms - self.since_ms
        squeezed_ms = (after_ms * min(1.0, whole_ms / 2 / (int(after_ms.max()) + 1))).astype(np.int64)
        starts_ms = self.rng.integers(self.since_ms, self.until_ms - int(squeezed_ms.max()), 24)
        local_ms = starts_ms + int(offset_h(COUNTRIES[home]) * HOUR_MS)
        chosen = np.argmax(local_ms // HOUR_MS % 24 < 5) if at_night else 0
        times_ms: Ints = starts_ms[chosen] + squeezed_ms
        return times_ms

    def rows(
        self,
        scenario: str,
        after_ms: Ints,
        customer: Ints | int,
        merchant: Ints | int,
        major: Floats,
        *,
        channel: Ints | int = CARD,
        type: int = PAYMENT,
        place: Ints | int | None = None,
        device: Ints | int | None = None,
        failed: Floats | float = 0.03,
        at_night: bool = False,
    ) -> Campaigns:
        """A campaign's payments; place and device are the customer's own where none is given."""
        count = len(after_ms)
        whose = np.broadcast_to(np.asarray(customer, np.int64), count)

        def spread(values: Ints | int) -> Ints:
            return np.broadcast_to(np.asarray(values, np.int64), count)

        return Campaigns(
            at_ms=self.times(after_ms, int(self.habits.homes[whose[0]]), at_night),
            customer=whose,
            country=self.habits.homes[whose],
            merchant=spread(merchant),
            minor=in_range(major, self.habits.homes[whose]),
            channel=spread(channel),
            type=spread(type),
            place=whose if place is None else spread(place),
            device=whose if device is None else spread(device),
            scenario=spread(CAMPAIGNS.index(scenario)),
            is_failed=self.rng.random(count) < failed,
        )


def _card_testing(stage: _Stage) -> Campaigns:
    """Six to twenty small payments within minutes, most of them declined, then one or two big ones."""
    rng, victim = stage.rng, stage.victim()
    small, big = int(rng.integers(6, 21)), int(rng.integers(1, 3))
    lasts_ms = int(rng.integers(2, 11)) * MINUTE_MS
    later_ms = lasts_ms + rng.integers(3 * MINUTE_MS, 50 * MINUTE_MS, big)
    usual = stage.habits.level[victim]
    country = COUNTRIES[stage.habits.homes[victim]]
    tests = rng.uniform(country.least, max(2 * country.least, 0.15 * country.median), small)
    shops = np.array([stage.merchant(CARD_TESTING) for _ in range(int(rng.integers(1, 3)))])
    return stage.rows(
        CARD_TESTING,
        np.concatenate([rng.integers(0, lasts_ms, small), later_ms]),
        victim,
        np.concatenate([rng.choice(shops, small), np.full(big, stage.merchant(ACCOUNT_TAKEOVER))]),
        np.concatenate([tests, usual * rng.uniform(4, 25, big)]),
        place=stage.elsewhere(victim) if rng.random() < 0.4 else None,
        device=stage.device() if rng.random() < 0.9 else None,
        failed=np.where(np.arange(small + big) < small, 0.6, 0.25),
    )


def _account_takeover(stage: _Stage) -> Campaigns:
    """Two to six large transfers within an hour, from a new device, often at night and from another country."""
    rng, victim = stage.rng, stage.victim()
    count = int(rng.integers(2, 7))
    return stage.rows(
        ACCOUNT_TAKEOVER,
        np.sort(rng.integers(0, HOUR_MS, count)),
        victim,
        stage.merchant(ACCOUNT_TAKEOVER),
        stage.habits.level[victim] * np.exp(rng.uniform(np.log(2), np.log(20), count)),
        channel=int(rng.integers(UPI if stage.habits.homes[victim] == 0 else CARD, 4)),
        type=TRANSFER,
        place=stage.elsewhere(victim) if rng.random() < 0.6 else None,
        device=stage.device(),
        failed=0.12,
        at_night=rng.random() < 0.7,
    )


def _mule_fan_in(stage: _Stage) -> Campaigns:
    """Ten to forty customers of a country, fooled, pay one payee round amounts within an hour or two."""
    rng, home = stage.rng, int(stage.habits.homes[stage.victim()])
    crowd = stage.victims(2000)
    crowd = crowd[stage.habits.homes[crowd] == home]
    customer = rng.permutation(crowd)[: int(rng.integers(10, 41))]
    lasts_ms = int(rng.integers(HOUR_MS, 2 * HOUR_MS))
    count = len(customer)
    return stage.rows(
        MULE_FAN_IN,
        np.sort(rng.integers(0, lasts_ms, count)),
        customer,
        stage.merchant(MULE_FAN_IN),
        round_steps(np.full(count, home)) * rng.integers(1, 11, count),
        channel=UPI if home == 0 else NETBANKING,
        type=TRANSFER,
    )


def _compromised_merchant(stage: _Stage) -> Campaigns:
    """For hours a merchant's payments are partly frauds, of amounts close to normal, half of them from strange devices."""
    rng = stage.rng
    customer = rng.permutation(stage.victims(100))[: int(rng.integers(10, 41))]
    count = len(customer)
    lasts_ms = int(rng.integers(3, 13)) * HOUR_MS
    strange = np.array([stage.device() for _ in range(4)])
    return stage.rows(
        COMPROMISED_MERCHANT,
        np.sort(rng.integers(0, lasts_ms, count)),
        customer,
        stage.merchant(COMPROMISED_MERCHANT),
        stage.habits.level[customer] * np.exp(rng.normal(0.4, 0.6, count)),
        device=np.where(rng.random(count) < 0.5, rng.choice(strange, count), customer),
        failed=0.08,
    )


def _refund_abuse(stage: _Stage) -> Campaigns:
    """A customer takes five to fifteen refunds within days, of merchants that it often pays."""
    rng, customer = stage.rng, stage.victim()
    count = int(rng.integers(5, 16))
    lasts_ms = int(rng.integers(6, 97)) * HOUR_MS
    return stage.rows(
        REFUND_ABUSE,
        np.sort(rng.integers(0, lasts_ms, count)),
        customer,
        rng.choice(stage.habits.favourites[customer, :3], count),
        stage.habits.level[customer] * np.exp(rng.normal(0.3, 0.5, count)),
        type=REFUND,
    )


def _amount_spike(stage: _Stage, most: int = 3) -> Campaigns:
    """One to three payments of 50 to 200 times what the customer usually pays, within the hour."""
    rng, victim = stage.rng, stage.victim()
    count = int(rng.integers(1, most + 1))
    return stage.rows(
        AMOUNT_SPIKE,
        np.sort(rng.integers(0, HOUR_MS, count)),
        victim,
        stage.merchant(ACCOUNT_TAKEOVER),
        stage.habits.level[victim] * rng.uniform(50, 200, count),
        device=stage.device() if rng.random() < 0.5 else None,
        failed=0.15,
    )


PLAYS: dict[str, Callable[[_Stage], Campaigns]] = {
    CARD_TESTING: _card_testing,
    ACCOUNT_TAKEOVER: _account_takeover,
    MULE_FAN_IN: _mule_fan_in,
    COMPROMISED_MERCHANT: _compromised_merchant,
    REFUND_ABUSE: _refund_abuse,
    AMOUNT_SPIKE: _amount_spike,
}
"""Scenario -> what one campaign of it is."""


@lru_cache(maxsize=64)
def _soft_targets(seed: int, scenario: str) -> tuple[int, ...]:
    count, first, end = SOFT_TARGETS[scenario]
    rng = np.random.default_rng([seed, 6, CAMPAIGNS.index(scenario)])
    return tuple(rng.choice(np.arange(first, end), count, replace=False).tolist())
