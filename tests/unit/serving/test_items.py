"""Items of published figures: their keys, versions and values, and what each store is asked."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from paylake.errors import ContractError
from paylake.serving import dynamodb_items, redis_items
from paylake.serving.items import (
    MERCHANT_TOTALS,
    OPERATIONS,
    SUBJECTS,
    USER_PROFILES,
    Subject,
    item,
    newest,
    newest_of_each,
    of_day,
    withdrawn,
)

AT = "2026-04-02T01:00:00.000000Z"


def row(subject: Subject, **said: Any) -> dict[str, Any]:
    """A row of the subject, null where the test does not care."""
    known = {"merchant_id": "m1", "user_id": "u1", "job": "reconcile_ledgers", "business_date": date(2026, 3, 31),
             "currency": "INR", "hour": "2026-03-31T10:00:00Z", "topic": "pg-transactions", "run_id": "r1"}  # fmt: skip
    return {**dict.fromkeys(subject.columns), **{k: v for k, v in known.items() if k in subject.columns}, **said} | {
        "valid_from": said.get("valid_from", AT)
    }


def test_money_is_exact_text_beside_its_currency() -> None:
    found = item(MERCHANT_TOTALS, row(MERCHANT_TOTALS, approved_amount=Decimal("1E+3"), approved=3, is_anomalous=False))
    assert (found.owner, found.place, found.version) == ("m1", "2026-03-31#INR", AT)
    assert found.attributes == {
        "merchant_id": "m1", "business_date": "2026-03-31", "currency": "INR", "approved": 3, "approved_amount": "1000",
        "is_anomalous": False, "run_id": "r1",
    }  # fmt: skip


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)
def test_every_amount_stands_beside_a_currency(subject: Subject) -> None:
    assert "currency" in subject.columns or not [name for name in subject.columns if name.endswith("amount")]
    assert not [name for name in subject.columns if name.startswith("card")]


def test_hours_and_topics_tell_a_jobs_figures_apart() -> None:
    assert item(OPERATIONS, row(OPERATIONS)).place == "2026-03-31T10:00:00Z#pg-transactions"
    assert item(USER_PROFILES, row(USER_PROFILES, highest_score=0.25)).attributes["highest_score"] == "0.25"  # type: ignore[index]


def test_a_column_that_the_index_does_not_have_is_refused() -> None:
    with pytest.raises(ContractError, match="merchant_index has no column takings"):
        Subject("totals", MERCHANT_TOTALS.contract, MERCHANT_TOTALS.view, "merchant_id", "day", ("takings",))


def test_dynamodb_is_asked_to_write_what_is_newer() -> None:
    asked = dynamodb_items.arguments(item(MERCHANT_TOTALS, row(MERCHANT_TOTALS, approved=3, is_anomalous=True)), "p-", 99)
    assert asked == {
        "TableName": "p-merchant-totals",
        "Item": {
            "merchant_id": {"S": "m1"}, "day_currency": {"S": "2026-03-31#INR"}, "business_date": {"S": "2026-03-31"},
            "currency": {"S": "INR"}, "approved": {"N": "3"}, "is_anomalous": {"BOOL": True}, "run_id": {"S": "r1"},
            "valid_from": {"S": AT}, "expires_at": {"N": "99"},
        },
        "ConditionExpression": "attribute_not_exists(valid_from) OR valid_from < :valid_from",
        "ExpressionAttributeValues": {":valid_from": {"S": AT}},
    }  # fmt: skip


def test_redis_is_told_an_item_and_where_to_find_it_and_says_the_same_again() -> None:
    said = item(MERCHANT_TOTALS, row(MERCHANT_TOTALS, merchant_id="a:b", approved=3, is_anomalous=True))
    keys, arguments = redis_items.arguments(said, 60)
    assert keys == ["paylake:merchant-totals:2026-03-31#INR:a:b", "paylake:merchant-totals:places:a:b"]
    assert arguments[:4] == [AT, "60", "-1001", "2026-03-31#INR"]
    pairs = dict(zip(arguments[4::2], arguments[5::2], strict=True))
    assert pairs["is_anomalous"] == "true"
    assert redis_items.attributes(MERCHANT_TOTALS, {"version": AT, **pairs}) == said.attributes


def test_what_is_taken_back_keeps_its_version_alone() -> None:
    gone = withdrawn(MERCHANT_TOTALS, row(MERCHANT_TOTALS))
    assert redis_items.arguments(gone, 60)[1] == [AT, "60", "-1001", "2026-03-31#INR"]
    stored = dynamodb_items.arguments(gone, "p-", 99)["Item"]
    assert stored == {
        "merchant_id": {"S": "m1"}, "day_currency": {"S": "2026-03-31#INR"}, "is_withdrawn": {"BOOL": True},
        "valid_from": {"S": AT}, "expires_at": {"N": "99"},
    }  # fmt: skip


def test_of_an_owners_places_the_newest_are_shown() -> None:
    places = ["2026-03-30#EUR", "2026-03-31#INR", "2026-03-31#USD", "2026-03-29#INR"]
    assert newest(places) == ["2026-03-31#USD", "2026-03-31#INR"]
    assert newest(places, most=2) == ["2026-03-31#USD", "2026-03-31#INR", "2026-03-30#EUR"]
    assert of_day(places, "2026-03-29") == ["2026-03-29#INR"]
    assert newest_of_each(places) == ["2026-03-30#EUR", "2026-03-31#INR", "2026-03-31#USD"]
    assert newest([]) == newest_of_each([]) == []
