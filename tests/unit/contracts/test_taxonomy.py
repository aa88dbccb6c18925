"""The words of reconciliation: one row per kind of break, and every other spelling leads to one of them."""

from __future__ import annotations

from collections import Counter

import pytest

from paylake.contracts.taxonomy import (
    FAMILY_OF_REASON,
    KIND,
    KINDS,
    MISSING_IN,
    OTHER_SPELLINGS,
    PAYMENT_STATUSES,
    REASONS,
    STATUS_SPELLINGS,
    Family,
    Severity,
    Status,
)
from paylake.contracts.topics import LEDGER_TOPICS, LEDGERS, TOPIC_LEDGERS, TOPICS

CHAOS_TYPES = (
    "MISSING_CBS", "MISSING_MOBILE", "AMOUNT_MISMATCH", "STATUS_MISMATCH", "FRAUD_ATTEMPT", "TIMESTAMP_DRIFT",
    "TRIPLE_MISMATCH",
)  # fmt: skip
"""As the requirements name them (2.5)."""

OUTCOMES = {
    "MISSING_CBS": ("MISSING_CBS", "MISSING_IN_CORE", "High"),
    "MISSING_MOBILE": ("MISSING_MOBILE", "MISSING_IN_MOBILE", "Medium"),
    "MISSING_PG": ("MISSING_PG", "MISSING_IN_GATEWAY", "High"),
    "AMOUNT_MISMATCH": ("MISMATCH", "AMOUNT_OVER", "High"),
    "STATUS_MISMATCH": ("MISMATCH", "STATUS_MISMATCH", "Medium"),
    "FRAUD_ATTEMPT": ("MISMATCH", "AMOUNT_OVER", "Critical"),
    "TIMESTAMP_DRIFT": ("WARNING", "DATE_DRIFT", "Low"),
    "TRIPLE_MISMATCH": ("MISMATCH", "AMOUNT_OVER", "Critical"),
    "CRITICAL_MISSING": ("CRITICAL_MISSING", "MISSING_IN_GATEWAY", "Critical"),
    "CURRENCY_MISMATCH": ("MISMATCH", "CURRENCY_MISMATCH", "High"),
    "DUPLICATE_POSTING": ("MISMATCH", "DUPLICATE_POSTING", "High"),
}
"""Kind -> status, primary reason, severity, as the requirements promise them (2.1, 2.5, A6 to A12)."""


def test_every_kind_is_one_row_and_promises_what_was_required() -> None:
    assert {k.name: (k.status.value, k.reasons[0], k.severity.value) for k in KINDS} == OUTCOMES
    assert Counter(k.name for k in KINDS).most_common(1)[0][1] == 1
    assert {name: kind.name for name, kind in KIND.items()} == {name: name for name in OUTCOMES}


@pytest.mark.parametrize("chaos_type", CHAOS_TYPES)
def test_every_chaos_type_is_a_kind(chaos_type: str) -> None:
    assert chaos_type in KIND


def test_every_reason_belongs_to_a_kind_and_to_one_family() -> None:
    assert {reason for kind in KINDS for reason in kind.reasons} == set(REASONS)
    families = {reason: {k.family for k in KINDS if reason in k.reasons} for reason in REASONS}
    assert {reason: {family} for reason, family in FAMILY_OF_REASON.items()} == families


def test_the_written_precedence_of_the_reasons_is_that_of_the_families() -> None:
    order = list(Family)
    ranks = [order.index(FAMILY_OF_REASON[reason]) for reason in REASONS]
    assert ranks == sorted(ranks)
    assert [order.index(k.family) for k in KINDS] == sorted(order.index(k.family) for k in KINDS)


def test_every_kind_has_an_owner_and_says_what_it_is() -> None:
    assert [k.name for k in KINDS if not k.owner or not k.doc.endswith(".")] == []


def test_every_family_and_severity_is_in_use() -> None:
    assert {k.family for k in KINDS} == set(Family)
    assert {k.severity for k in KINDS} == set(Severity)


def test_other_spellings_lead_to_a_reason_and_hide_none() -> None:
    assert set(OTHER_SPELLINGS.values()) <= set(REASONS)
    assert not set(OTHER_SPELLINGS) & set(REASONS)


def test_a_missing_leg_has_its_own_reason_per_ledger() -> None:
    assert set(MISSING_IN) == set(LEDGERS)
    assert len(set(MISSING_IN.values())) == len(LEDGERS)
    assert set(MISSING_IN.values()) == set(KIND["CRITICAL_MISSING"].reasons)


def test_every_status_spelling_leads_to_a_status_of_the_written_order() -> None:
    assert set(STATUS_SPELLINGS.values()) == set(PAYMENT_STATUSES)
    assert {s: STATUS_SPELLINGS[s] for s in PAYMENT_STATUSES} == {s: s for s in PAYMENT_STATUSES}
    assert [s for s in STATUS_SPELLINGS if s != s.upper().strip()] == []


def test_a_status_of_a_break_is_not_matched_and_not_pending() -> None:
    assert not {k.status for k in KINDS} & {Status.MATCHED, Status.PENDING}


def test_ledgers_and_their_topics_are_one_to_one() -> None:
    assert {name: TOPIC_LEDGERS[LEDGER_TOPICS[name]] for name in LEDGER_TOPICS} == {name: name for name in LEDGERS}
    assert {t.ledger for t in TOPICS.values()} == {*LEDGERS, None}
    assert [name for name, t in TOPICS.items() if t.partitions < 1 or not t.doc.endswith(".")] == []
