"""Campaigns of fraud have their shapes, their share and their truth, and leave plans without fraud alone."""

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from paylake.contracts.topics import PG_TRANSACTIONS
from paylake.errors import SettingsError
from paylake.simulation import Plan, generate
from paylake.simulation.arrivals import gateway_arrivals
from paylake.simulation.attacks import Attacks
from paylake.simulation.campaigns import CAMPAIGNS, PLAYS, SOFT_TARGETS, Campaigns, _Stage, planned_campaigns
from paylake.simulation.dimensions import BANKS, COUNTRIES
from paylake.simulation.generation import chunks
from paylake.simulation.habits import Habits, build_habits, offset_h
from paylake.simulation.payments import CARD, REFUND, TRANSFER
from paylake.simulation.plan import Step

START_MS, DAY_MS, MINUTE_MS = 1_768_435_200_000, 86_400_000, 60_000
MONTH = Plan(payments=20_000, fraud=0.02, chaos=0.0, span=timedelta(days=30), tick_every=timedelta(hours=1))


@pytest.fixture(scope="module")
def habits() -> Habits:
    return build_habits(7, "mix")


def played(habits: Habits, scenario: str, times: int = 60) -> list[Campaigns]:
    """Campaigns of one scenario, each over ten days."""
    rng = np.random.default_rng(3)
    return [PLAYS[scenario](_Stage(rng, habits, 7, START_MS, START_MS + 10 * DAY_MS, None)) for _ in range(times)]


def over(habits: Habits, campaign: Campaigns) -> Any:
    """The amounts as multiples of what their customers usually pay."""
    unit = np.array([10**c.exponent for c in COUNTRIES])[campaign.country]
    return campaign.minor / unit / habits.level[campaign.customer]


def lasted_ms(campaign: Campaigns) -> int:
    return int(campaign.at_ms.max() - campaign.at_ms.min())


@pytest.mark.parametrize("scenario", CAMPAIGNS)
def test_a_campaign_is_of_one_scenario_in_its_time_and_in_each_customer_s_own_currency(
    habits: Habits, scenario: str
) -> None:
    for campaign in played(habits, scenario):
        assert set(campaign.scenario) == {CAMPAIGNS.index(scenario)}
        assert START_MS <= campaign.at_ms.min() <= campaign.at_ms.max() < START_MS + 10 * DAY_MS
        assert (campaign.country == habits.homes[campaign.customer]).all()


def test_card_testing_is_a_burst_of_small_payments_many_declined_then_big_ones(habits: Habits) -> None:
    found = played(habits, "CARD_TESTING")
    for campaign in found:
        country = COUNTRIES[campaign.country[0]]
        limit = max(2 * country.least, 0.15 * country.median) * 10**country.exponent
        tests = campaign.minor <= limit
        assert 6 <= tests.sum() <= 20
        assert 1 <= (~tests).sum() <= 2
        assert np.ptp(campaign.at_ms[tests]) < 10 * MINUTE_MS
        assert campaign.at_ms[~tests].min() > campaign.at_ms[tests].max()
        assert lasted_ms(campaign) < 60 * MINUTE_MS
        assert (len(set(campaign.customer)), set(campaign.channel)) == (1, {CARD})
        assert len(set(campaign.merchant[tests])) <= 2
    assert 0.4 < np.mean(np.concatenate([c.is_failed for c in found])) < 0.65
    assert {len(set(c.device)) for c in found} == {1}


def test_an_account_takeover_makes_a_few_large_transfers_in_an_hour_from_a_device_of_nobody(habits: Habits) -> None:
    found = played(habits, "ACCOUNT_TAKEOVER")
    for campaign in found:
        assert 2 <= campaign.count <= 6
        assert lasted_ms(campaign) < 60 * MINUTE_MS
        assert set(campaign.type) == {TRANSFER}
        assert campaign.device.min() >= habits.fraudsters_devices
        assert over(habits, campaign).min() >= 1.9
    starts = [(c.at_ms.min() / 3_600_000 + offset_h(COUNTRIES[c.country[0]])) % 24 for c in found]
    assert np.mean(np.array(starts) < 6) > 0.6
    assert 0.4 < np.mean([(c.place != c.customer).all() for c in found]) < 0.8


def test_a_mule_takes_round_transfers_of_many_customers_within_two_hours(habits: Habits) -> None:
    for campaign in played(habits, "MULE_FAN_IN"):
        assert 10 <= len(set(campaign.customer)) == campaign.count <= 40
        assert (len(set(campaign.merchant)), len(set(campaign.country)), set(campaign.type)) == (1, 1, {TRANSFER})
        assert lasted_ms(campaign) < 120 * MINUTE_MS
        assert (campaign.minor % 1_000 == 0).all()
        assert (campaign.device == campaign.customer).all()


def test_a_compromised_merchant_s_frauds_are_spread_over_hours_with_normal_amounts(habits: Habits) -> None:
    found = played(habits, "COMPROMISED_MERCHANT")
    for campaign in found:
        assert 10 <= campaign.count <= 40
        assert len(set(campaign.merchant)) == 1
        assert lasted_ms(campaign) < 12 * 60 * MINUTE_MS
    assert 0.8 < np.median(np.concatenate([over(habits, c) for c in found])) < 2.5
    assert len({int(c.merchant[0]) for c in found}) <= SOFT_TARGETS["COMPROMISED_MERCHANT"][0]


def test_refund_abuse_is_one_customer_with_many_refunds_at_its_own_merchants(habits: Habits) -> None:
    for campaign in played(habits, "REFUND_ABUSE"):
        assert 5 <= campaign.count <= 15
        (customer,) = set(campaign.customer.tolist())
        assert set(campaign.type) == {REFUND}
        assert set(campaign.merchant) <= set(habits.favourites[customer])


def test_a_spike_is_fifty_to_two_hundred_times_the_usual_amount(habits: Habits) -> None:
    for campaign in played(habits, "AMOUNT_SPIKE"):
        assert 1 <= campaign.count <= 3
        assert over(habits, campaign).min() >= 49
        assert over(habits, campaign).max() <= 201


@pytest.mark.parametrize("count", [0, 1, 7, 1_000])
def test_campaigns_have_exactly_as_many_payments_as_asked(habits: Habits, count: int) -> None:
    made = planned_campaigns(np.random.default_rng(1), habits, 7, count, START_MS, START_MS + DAY_MS)
    assert made.count == count
    assert (np.diff(made.at_ms) >= 0).all()


def test_only_customers_of_a_bank_suffer_where_it_produces(habits: Habits) -> None:
    made = planned_campaigns(np.random.default_rng(1), habits, 7, 500, START_MS, START_MS + DAY_MS, BANKS[1])
    assert made.customer.min() >= 4_000


def test_a_span_after_the_plan_s_has_campaigns_of_its_own() -> None:
    attacks = Attacks(replace(MONTH, span=timedelta(hours=1), payments=5_000))
    hour_ms = 60 * MINUTE_MS
    first, second = (attacks.between(START_MS + n * hour_ms, START_MS + (n + 1) * hour_ms) for n in range(2))
    assert (first.count, second.count) == (100, 100)
    assert not np.array_equal(first.customer, second.customer)
    both = attacks.between(START_MS, START_MS + 2 * hour_ms)
    assert np.array_equal(both.customer, np.concatenate([first.customer, second.customer]))


@pytest.fixture(scope="module")
def month() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    chunks = list(generate(MONTH))
    payments, deliveries = (pa.concat_tables([getattr(c, name) for c in chunks]) for name in ("payments", "deliveries"))
    return payments.to_pylist(), deliveries.to_pylist()


def test_the_share_of_frauds_is_the_asked_one_and_every_scenario_is_there(month: Any) -> None:
    payments, _ = month
    seen = Counter(row["fraud_scenario"] for row in payments)
    assert len(payments) == 20_000
    assert seen.total() - seen[None] == pytest.approx(400, abs=10)
    assert set(seen) == {None, *CAMPAIGNS}


def test_a_payment_s_truth_comes_with_the_chunk_in_whose_time_it_happened(month: Any) -> None:
    _, deliveries = month
    records = (json.loads(row["value"]) for row in deliveries if row["topic"] == PG_TRANSACTIONS)
    booked = {record["transaction_id"]: datetime.fromisoformat(record["timestamp"]) for record in records}
    before = MONTH.start
    for chunk in generate(MONTH):
        for payment in chunk.payments["transaction_id"].to_pylist():
            assert before <= booked[payment] < chunk.as_of + timedelta(seconds=2)
        before = chunk.as_of


def test_no_record_says_what_is_fraud(month: Any) -> None:
    _, deliveries = month
    (calm, *_) = generate(Plan(payments=100, tick_every=timedelta(days=1)))
    instruments = {"card_number", "upi_id"}
    fields = set(json.loads(calm.deliveries["value"][0].as_py())) - instruments
    for row in deliveries:
        assert set(json.loads(row["value"])) - instruments == fields
        assert not any(scenario in row["value"].decode() for scenario in CAMPAIGNS)


def test_customers_keep_to_their_habits_but_not_always() -> None:
    table = gateway_arrivals(replace(MONTH, fraud=0.001, payments=40_000))
    rows = [row for row in table.to_pylist() if row["fraud_scenario"] is None]
    usual = build_habits(MONTH.seed, MONTH.currencies)
    own_devices = usual.world.devices[: usual.customers]
    strange = np.mean([row["device_id"] != own_devices[int(row["user_id"]) - 1000] for row in rows])
    assert strange == pytest.approx(0.03, abs=0.005)
    assert np.mean([row["country"] != "IN" for row in rows]) == pytest.approx(0.01, abs=0.004)
    assert np.mean([row["type"] == "REFUND" for row in rows]) == pytest.approx(0.01, abs=0.004)
    favourite = [int(row["merchant_id"][5:]) in usual.favourites[int(row["user_id"]) - 1000] for row in rows]
    assert 0.75 < np.mean(favourite) < 0.95
    levels = np.array([float(row["amount"]) / usual.level[int(row["user_id"]) - 1000] for row in rows])
    assert 0.9 < np.median(levels) < 1.1
    assert 0.002 < np.mean(levels > 20) < 0.02


def test_the_same_seed_gives_the_same_bytes_with_fraud_too() -> None:
    plan = replace(MONTH, payments=3_000, chaos=0.1)

    def said(plan: Plan) -> Any:
        return [(chunk.deliveries, chunk.payments) for chunk in generate(plan)]

    assert said(plan) == said(plan)
    assert said(plan) != said(replace(plan, seed=8))


def test_without_fraud_a_plan_gives_what_it_always_gave() -> None:
    deliveries = pa.concat_tables([chunk.deliveries for chunk in generate(Plan(payments=50))]).to_pylist()
    record = json.loads(next(row["value"] for row in deliveries if row["topic"] == PG_TRANSACTIONS))
    assert record == {
        "transaction_id": "20280ea3-8601-42be-8971-9cbaa9d88809", "amount": "2240.55", "currency": "INR",
        "status": "SUCCESS", "timestamp": "2026-01-15T06:51:25.963+05:30", "user_id": "7815", "channel": "UPI",
        "payment_system": "UPI", "upi_id": "ladli7815@ybl", "bank_id": "BARB", "city": "Jammu", "country": "IN",
        "device_id": "dev-821353c4aac4", "merchant_id": "MCH-A0044", "type": "PAYMENT", "ip_address": "192.0.2.96",
    }  # fmt: skip


def test_a_bank_in_real_time_has_campaigns_among_its_own_customers() -> None:
    plan = Plan(payments=18_000, fraud=0.05, chaos=0.0, span=timedelta(minutes=10), bank=BANKS[0])
    steps = [Step(START_MS + n * 1_000, (START_MS + (n + 1) * 1_000,), (30,), 0.0) for n in range(600)]
    made = pa.concat_tables([chunk.payments for chunk in chunks(plan, steps, None, stream=1)])
    assert len(made) == 18_000
    assert made["fraud_scenario"].is_valid().to_numpy().sum() == pytest.approx(900, abs=60)


@pytest.mark.parametrize("share", [-0.1, 0.5])
def test_a_share_that_cannot_be_is_refused(share: float) -> None:
    with pytest.raises(SettingsError, match="fraud"):
        Plan(fraud=share)
