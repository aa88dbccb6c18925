"""Records of dimensions' files: typed exactly, or rejected for every reason that applies."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from paylake.contracts import MERCHANTS, POLICIES
from paylake.contracts.table import FAILED_CHECKS, TableContract
from paylake.dimensions.parsing import parse, required_columns, sent_columns
from tests.builders import frame

POLICY = {
    "policy_id": "P1", "policy_type": "REGIONAL_LIMIT", "rule_description": "No more than that.", "subject_type": "COUNTRY",
    "subject_id": "IN", "jurisdiction": "IN", "limit_amount": "100000.50", "limit_currency": "INR", "rule_version": "3",
    "active_flag": "true", "valid_from": "2026-03-31", "valid_to": "2026-12-31T18:30:00+05:30",
    "delivered_at": "2026-03-31T12:00:00Z",
}  # fmt: skip
MERCHANT = {
    "merchant_id": "m1", "merchant_name": "Asha Stores", "category": "grocery", "risk_level": "LOW",
    "onboarding_date": "2025-01-31", "country": "IN", "valid_from": "2025-01-31", "delivered_at": "2026-03-31T12:00:00Z",
}  # fmt: skip


def parsed(spark: SparkSession, contract: TableContract, *records: dict[str, str] | None) -> list[dict[str, Any]]:
    """The records after parsing, in their order."""
    texts = [("f", "x.csv", n, None if r is None else json.dumps(r)) for n, r in enumerate(records, 1)]
    read = parse(frame(spark, "file_sha256 string, file_name string, line int, row string", *texts), contract)
    return [row.asDict() for row in read.orderBy("line").collect()]


def test_a_policy_is_typed_exactly_and_each_broken_promise_is_named(spark: SparkSession) -> None:
    broken: dict[str, dict[str, str]] = {
        "policy_type_known": {"policy_type": "RULE"},
        "subject_type_known": {"subject_type": "BANK"},
        "subject_named_unless_all": {"subject_type": "ALL"},
        "country_subject_shape": {"subject_id": "IND"},
        "jurisdiction_shape": {"jurisdiction": "in"},
        "limit_has_a_currency": {"limit_currency": " "},
        "limit_currency_known": {"limit_currency": "XXX"},
        "limit_not_negative": {"limit_amount": "-1"},
        "regional_limit_has_an_amount": {"limit_amount": "", "limit_currency": ""},
        "blacklist_names_a_subject": {"policy_type": "BLACKLIST", "subject_type": "ALL", "subject_id": ""},
        "ends_after_it_begins": {"valid_to": "2026-03-31"},
        "valid_from_unreadable": {"valid_from": "2026-03-31T12:00:00", "valid_to": ""},
        "limit_amount_unreadable": {"limit_amount": "1.00001"},
        "is_deleted_unreadable": {"is_deleted": "perhaps"},
        "active_flag_present": {"active_flag": ""},
        "delivered_at_present": {"delivered_at": ""},
        "card_number_in_text": {"rule_description": "see 4111 1111 1111 1111"},
    }
    row, *found = parsed(spark, POLICIES, POLICY, *({**POLICY, **change} for change in broken.values()))
    missing = {name: row[FAILED_CHECKS] for name, row in zip(broken, found, strict=True) if name not in row[FAILED_CHECKS]}
    assert missing == {}
    assert "4111" not in found[-1]["row"]

    assert row[FAILED_CHECKS] == []
    assert row["limit_amount"] == Decimal("100000.5000")
    assert row["valid_from"].astimezone(UTC) == datetime(2026, 3, 31, tzinfo=UTC)
    assert row["valid_to"].astimezone(UTC) == datetime(2026, 12, 31, 13, tzinfo=UTC)
    assert (row["active_flag"], row["is_deleted"], row["is_current"]) == (True, False, False)


def test_a_record_fails_for_what_is_wrong_with_it_and_nothing_else(spark: SparkSession) -> None:
    ends = {"merchant_id": "m1", "valid_from": "2026-03-31", "delivered_at": "2026-03-31", "is_deleted": "true"}
    cases: dict[str, tuple[dict[str, str] | None, list[str]]] = {
        "good": (MERCHANT, []),
        "no day of the calendar": (MERCHANT | {"onboarding_date": "2025-02-30"}, ["onboarding_date_unreadable"]),
        "no day at all": (MERCHANT | {"onboarding_date": ""}, ["onboarding_date_present"]),
        "cut off": (None, ["record_unreadable"]),
        "letters in a code": (MERCHANT | {"mcc": "54I1"}, ["mcc_four_digits"]),
        "one that ends says nothing else": (ends, []),
        "one that ends nobody": (ends | {"merchant_id": " "}, ["merchant_id_present"]),
    }
    found = parsed(spark, MERCHANTS, *(record for record, _ in cases.values()))
    assert {name: row[FAILED_CHECKS] for name, row in zip(cases, found, strict=True)} == {
        name: failed for name, (_, failed) in cases.items()
    }
    assert [row["is_deleted"] for row in found] == [False] * 5 + [True] * 2


def test_the_columns_of_a_file_are_those_of_the_contract() -> None:
    assert "is_current" not in sent_columns(MERCHANTS)
    assert set(MERCHANT) == set(required_columns(MERCHANTS))
    assert date.fromisoformat(MERCHANT["valid_from"])
