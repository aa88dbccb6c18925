"""The fast table of arrivals says what the gateway's records say."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from paylake.contracts.taxonomy import STATUS_SPELLINGS
from paylake.contracts.topics import PG_TRANSACTIONS
from paylake.simulation import FaultRates, Plan, generate
from paylake.simulation.arrivals import ARRIVALS_SCHEMA, gateway_arrivals

ROUGH = Plan(
    payments=17_000,
    chaos=0.4,
    currencies="mix",
    span=timedelta(days=2),
    faults=FaultRates(duplicates=0.02, disorder=0.1, lateness=0.02, malformed=0.03),
)


def read(value: bytes | None) -> dict[str, Any] | None:
    """A good gateway record, or None."""
    try:
        record: dict[str, Any] = json.loads(value or b"")
        at = datetime.fromisoformat(record["timestamp"])
        amount = Decimal(record["amount"] if isinstance(record["amount"], str) else "Infinity")
        status = STATUS_SPELLINGS[record["status"]]
        fits = 2000 < at.year < 2100 and amount < 10**13 and "padding" not in record and "currency" in record
        return {**record, "event_at": at.astimezone(UTC), "amount": amount, "status": status} if fits else None
    except (ValueError, KeyError):
        return None


def told(plan: Plan) -> list[dict[str, Any]]:
    """The first good gateway record of each payment, in order of arrival, and the truth of its fraud."""
    chunks = list(generate(plan))
    truth = pa.concat_tables([chunk.payments for chunk in chunks]).to_pylist()
    scenario = {row["transaction_id"]: row["fraud_scenario"] for row in truth}
    found: dict[str, dict[str, Any]] = {}
    for row in pa.concat_tables([chunk.deliveries for chunk in chunks]).to_pylist():
        record = read(row["value"]) if row["topic"] == PG_TRANSACTIONS else None
        if record is not None:
            of = {**record, "recorded_at": row["timestamp"], "fraud_scenario": scenario[record["transaction_id"]]}
            found.setdefault(record["transaction_id"], of)
    return list(found.values())


@pytest.mark.parametrize("plan", [ROUGH, replace(ROUGH, fraud=0.02), replace(ROUGH, fraud=0.02, faults=FaultRates())])
def test_arrivals_are_the_first_good_gateway_records_in_order_of_arrival(plan: Plan) -> None:
    said, arrived = told(plan), gateway_arrivals(plan)
    names = [name for name in ARRIVALS_SCHEMA.names if name != "card_token"]
    assert arrived.schema == ARRIVALS_SCHEMA
    assert arrived.select(names).to_pylist() == [{name: record[name] for name in names} for record in said]


def test_a_card_token_stands_for_one_card_and_is_not_its_number() -> None:
    plan = replace(ROUGH, payments=2_000, faults=FaultRates())
    said, arrived = told(plan), gateway_arrivals(plan).to_pylist()
    cards = {(record.get("card_number"), row["card_token"]) for record, row in zip(said, arrived, strict=True)}
    assert {token for number, token in cards if number is None} == {None}
    numbers, tokens = zip(*(pair for pair in cards if pair[0] is not None), strict=True)
    assert len(set(numbers)) == len(set(tokens)) == len(numbers)
    assert not any(number in token for number, token in cards if number is not None)


def test_a_plan_without_payments_has_no_arrivals() -> None:
    assert gateway_arrivals(Plan(payments=0)) == ARRIVALS_SCHEMA.empty_table()
