"""The truth against a plain re-reading of what was delivered, with nothing shared but words."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from itertools import combinations
from typing import Any

from paylake.contracts.taxonomy import KIND, KINDS, REASONS, STATUS_SPELLINGS
from paylake.contracts.topics import LEDGERS, TOPIC_LEDGERS
from paylake.simulation import Plan, generate
from paylake.simulation.truth import CHAOS_LEGS

Leg = tuple[datetime, Decimal, str, str]


def read(value: bytes | None) -> Leg | None:
    """Time, amount, currency and status of a record, or None if it is no good."""
    if value is None or len(value) > 10_000:
        return None
    try:
        record = json.loads(value)
        at = datetime.fromisoformat(record["timestamp"])
        amount = Decimal(record["amount"] if isinstance(record["amount"], str) else "Infinity")
        leg = (at, amount, record["currency"], STATUS_SPELLINGS[record["status"]])
    except (ValueError, KeyError):
        return None
    return leg if amount < 10**13 and 2000 < at.year < 2100 else None


def read_legs(deliveries: list[dict[str, Any]]) -> dict[str, dict[str, list[Leg]]]:
    """Payment -> ledger -> its distinct good records, the first posting first."""
    legs: dict[str, dict[str, list[Leg]]] = defaultdict(lambda: defaultdict(list))
    for row in deliveries:
        leg = read(row["value"])
        ledger = TOPIC_LEDGERS[row["topic"]]
        if leg is not None and leg not in legs[row["transaction_id"]][ledger]:
            legs[row["transaction_id"]][ledger].append(leg)
    return {key: {ledger: sorted(found) for ledger, found in by.items()} for key, by in legs.items()}


def reasons_of(by_ledger: dict[str, list[Leg]]) -> set[str]:
    first = {ledger: by_ledger[ledger][0] for ledger in LEDGERS if by_ledger.get(ledger)}
    found = {f"MISSING_IN_{ledger.upper()}" for ledger in LEDGERS if ledger not in first}
    if any(len(postings) > 1 for postings in by_ledger.values()):
        found.add("DUPLICATE_POSTING")
    reference = next(iter(first.values()))
    if len({leg[2] for leg in first.values()}) > 1:
        found.add("CURRENCY_MISMATCH")
    else:
        found |= {"AMOUNT_OVER" for leg in first.values() if leg[1] - reference[1] > Decimal("0.01")}
        found |= {"AMOUNT_UNDER" for leg in first.values() if reference[1] - leg[1] > Decimal("0.01")}
    if len({leg[3] for leg in first.values()}) > 1:
        found.add("STATUS_MISMATCH")
    if any(abs((a[0] - b[0]).total_seconds()) > 5 for a, b in combinations(first.values(), 2)):
        found.add("DATE_DRIFT")
    return found


def test_expected_reasons_and_amounts_are_those_of_the_records_that_arrived_well(rough_day: Any) -> None:
    delivered = read_legs(rough_day.deliveries)
    assert len(rough_day.payments) == rough_day.plan.payments
    for key, truth in rough_day.payments.items():
        assert set(truth["expected_reasons"]) == reasons_of(delivered[key]), truth
        for ledger in LEDGERS:
            postings = delivered[key].get(ledger)
            assert truth[f"{ledger}_amount"] == (postings[0][1] if postings else None)


def test_business_date_is_the_first_ledger_s_utc_date(rough_day: Any) -> None:
    delivered = read_legs(rough_day.deliveries)
    for key, truth in rough_day.payments.items():
        first = next(delivered[key][ledger][0] for ledger in LEDGERS if delivered[key].get(ledger))
        assert truth["business_date"] == first[0].astimezone(UTC).date()


def test_kind_status_and_reasons_agree_with_the_taxonomy(rough_day: Any) -> None:
    order = {reason: place for place, reason in enumerate(REASONS)}
    precedence = [kind.name for kind in KINDS]
    for truth in rough_day.payments.values():
        kind, reasons = truth["expected_kind"], truth["expected_reasons"]
        assert reasons == sorted(reasons, key=order.__getitem__)
        if kind == "NONE":
            assert (truth["expected_status"], reasons) == ("MATCHED", [])
            continue
        assert truth["expected_status"] == KIND[kind].status.value
        assert reasons[0] in KIND[kind].reasons
        possible = {name for name in precedence if KIND[name].reasons[0] in reasons or reasons[0] in KIND[name].reasons}
        assert kind in possible


def test_without_delivery_faults_the_kind_is_the_injected_one() -> None:
    for chunk in generate(Plan(payments=3_000, chaos=1.0, tick_every=Plan().span)):
        for truth in chunk.payments.to_pylist():
            assert truth["expected_kind"] == truth["chaos_type"]
            legs = CHAOS_LEGS.get(truth["chaos_type"])
            if legs is not None:
                assert truth["legs_affected"] == [LEDGERS[leg] for leg in legs]
            else:
                assert len(truth["legs_affected"]) == 1


def test_a_bad_record_adds_a_missing_leg_to_what_chaos_did(rough_day: Any) -> None:
    kinds = Counter(
        (truth["chaos_type"], truth["expected_kind"])
        for truth in rough_day.payments.values()
        if truth["chaos_type"] != truth["expected_kind"]
    )
    assert kinds["NONE", "MISSING_CBS"] > 0
    assert kinds["MISSING_MOBILE", "CRITICAL_MISSING"] > 0
    assert not any(kind == "INVISIBLE" for _, kind in kinds)


def test_a_second_posting_is_later_and_of_another_amount(rough_day: Any) -> None:
    twice = [
        postings
        for by_ledger in read_legs(rough_day.deliveries).values()
        for postings in by_ledger.values()
        if len(postings) > 1
    ]
    assert twice
    for first, second in twice:
        assert 1 <= (second[0] - first[0]).total_seconds() <= 3
        assert abs(first[1] - second[1]) > Decimal("0.01")
