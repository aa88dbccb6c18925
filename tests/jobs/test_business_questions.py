"""What each business function asks is answered: its questions, in SQL, on a lake whose content is known.

The lake is `tests/business_lake.py`. A function that gets a new question adds it to `contracts/questions.py`, and its answer
here. The answers come from DuckDB, as they would from Athena; `test_other_engine.py` shows that Spark gives the same.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from paylake.contracts.questions import QUESTIONS
from tests.business_lake import FIRST, SECOND, D
from tests.other_engine import answer, connect

pytestmark = pytest.mark.slow

Ask = Callable[..., list[tuple[Any, ...]]]
SQL = {question.name: question.sql for question in QUESTIONS}


@pytest.fixture(scope="module")
def athena(business_lake: str) -> duckdb.DuckDBPyConnection:
    return connect(business_lake)


@pytest.fixture
def ask(athena: duckdb.DuckDBPyConnection) -> Ask:
    """Some columns of the answer to a question, row by row in its order."""

    def asked(name: str, *columns: str) -> list[tuple[Any, ...]]:
        return [tuple(row[column] for column in columns) for row in answer(athena, SQL[name])]

    return asked


def money(text: str) -> Decimal:
    return Decimal(text)


def test_what_must_be_empty_is_but_for_the_statement_that_is_missing(athena: duckdb.DuckDBPyConnection) -> None:
    found = {q.name: answer(athena, q.sql) for q in QUESTIONS if q.must_be_empty}
    assert {name for name, rows in found.items() if rows} == {"statement_gaps"}


def test_finance_knows_how_much_agrees_and_what_is_open_for_how_much_and_with_whom(ask: Ask) -> None:
    assert ask("match_rate", "currency", "transactions", "matched_transactions", "amount", "matched_amount") == [
        ("INR", 10, 6, money("987.34"), money("392.34")),
        ("JPY", 1, 1, money("1000"), money("1000")),
    ]
    assert ask("open_breaks_by_reason", "reason", "owner", "currency", "age_bucket", "breaks", "amount") == [
        ("DUPLICATE_POSTING", "ledger operations", "INR", "0-1", 1, money("70")),
        ("MISSING_IN_CORE", "core banking operations", "INR", "0-1", 1, money("5")),
    ]
    assert ask("daily_proof_exceptions", "business_date", "source") == []


def test_finance_sees_what_files_do_not_prove_and_which_are_missing(ask: Ask) -> None:
    assert ask("payout_differences", "psp", "payout_id", "expected_amount", "payout_amount", "difference_amount") == [
        ("stripe", "po_2", money("24.05"), money("24.00"), money("-0.05"))
    ]
    assert ask("statement_gaps", "account", "currency", "statement_id", "opening_balance", "gap_amount") == [
        ("10020030/1234567", "EUR", "REF3", money("120"), money("7.5"))
    ]
    ((name, reason, detail),) = ask("files_in_quarantine", "file_name", "reason", "detail")
    assert (name, reason) == ("short.sta", "BALANCE_PROOF_FAILED")
    assert "leave -0.01 EUR of the closing balance 144.99 unexplained" in detail


def test_treasury_sees_payouts_and_balances(ask: Ask) -> None:
    assert ask("payouts_by_day", "currency", "psp", "payouts", "payout_amount", "fees_amount") == [
        ("EUR", "stripe", 2, money("48.05"), money("-1.90")),
        ("INR", "example_processor", 1, money("95"), money("-5")),
    ]
    assert ask("account_balances", "account", "currency", "closing_balance") == [
        ("10020030/1234567", "EUR", money("132.50"))
    ]


def test_treasury_sees_what_is_due_and_what_should_be_there(ask: Ask) -> None:
    # eight payments of 787.34 INR are in no report yet: less 2 % and 3 INR each, and a reserve of 5 %
    assert ask("cash_due", "value_date", "currency", "confirmed_amount", "calculated_amount") == [
        (date(2026, 4, 2), "INR", money("95"), money("708.22")), (date(2026, 4, 2), "JPY", money("0"), money("914")),
    ]  # fmt: skip
    assert ask("missing_payouts", "psp", "payout_id", "days_late", "expected_net_amount") == [
        ("stripe", "po_1", 19, money("24.05")), ("stripe", "po_2", 19, money("24")),
    ]  # fmt: skip
    assert ask("short_payouts", "payout_id") == []


def test_finance_knows_what_processors_take_and_what_was_let_go(ask: Ask) -> None:
    assert ask("fees_and_rates", "psp", "sales_amount", "fees_amount", "effective_rate") == [
        ("example_processor", money("200"), money("5"), money("0.025")),
        ("stripe", money("50"), money("1.9"), money("0.038")),
    ]
    assert ask("tolerance_leakage", "currency") == []
    # each sale of 100.00 should have cost 5.00, and 2.50 was taken
    assert ask("fee_variance", "psp", "variance", "sales", "variance_amount") == [
        ("example_processor", "UNDERCHARGE", 2, money("-5"))
    ]


def test_compliance_sees_whom_policies_concern(ask: Ask) -> None:
    assert ask("flagged_money", "compliance_flag", "kyc_status", "currency", "payments", "amount") == [
        ("HIGH_RISK", "PENDING", "INR", 1, money("5")),
        ("HIGH_RISK", "VERIFIED", "INR", 2, money("80")),
        ("REQUIRES_KYC", "PENDING", "INR", 5, money("702.34")),
        ("REQUIRES_KYC", "PENDING", "JPY", 1, money("1000")),
    ]
    assert ask("kyc_due", "user_id", "kyc_status") == [("u1", "PENDING")]
    assert ask("cash_reports", "user_id") == []


def test_auditors_see_what_was_reported_before_and_what_has_changed_since(ask: Ask) -> None:
    reported = ask("reported_before", "transaction_id", "status", "run_id")
    assert {run_id for _, _, run_id in reported} == {FIRST}
    assert {payment: status for payment, status, _ in reported if status != "MATCHED"} == {
        "late": "MISSING_CBS", "off": "MISMATCH", "off too": "MISMATCH", "rejected": "MISSING_CBS", "twice": "MISMATCH",
    }  # fmt: skip
    assert len(reported) == 11
    assert ask("reported_changes", "transaction_id", "status", "new_status", "run_id", "replaced_by_run_id") == [
        ("late", "MISSING_CBS", "MATCHED", FIRST, SECOND)
    ]


def test_auditors_see_who_resolved_what_and_what_was_refused(ask: Ask) -> None:
    assert ask("who_resolved_what", "transaction_id", "amount", "resolution", "maker", "checker", "resolution_note") == [
        ("off", money("50"), "WRITE_OFF", "asha", "ben", "off: as agreed"),
        ("off too", money("1"), "ACCEPT_FEE", "policy:fee", "asha", "off too: as agreed"),
    ]
    assert ask("resolved_alone", "transaction_id") == []
    ((act, who, why),) = ask("refused_acts", "act", "who", "why")
    assert (act, who) == ("approve", "asha")
    assert "cannot approve it too: 70.0000 INR is above the limit of 0 INR for one person" in why


def test_auditors_get_from_a_run_to_what_it_read_and_wrote_and_to_its_rules(ask: Ask) -> None:
    lineage = ask("run_lineage", "run_id", "part", "name", "number", "records")
    assert {run_id for run_id, *_ in lineage} == {SECOND}
    read = {name.partition("/")[0]: 0 for _, part, name, *_ in lineage if part == "read until offset"}
    for _, part, name, end, records in lineage:
        if part == "read until offset":
            assert end == records
            read[name.partition("/")[0]] += records
    assert read == {"pg-transactions": 11, "cbs-transactions": 12, "mobile-transactions": 11}
    wrote = {name: records for _, part, name, _, records in lineage if part == "wrote version"}
    assert {name: wrote[name] for name in ("aggregate_index", "breaks", "reconciliation_index")} == {
        "aggregate_index": 11, "breaks": 5, "reconciliation_index": 12,
    }  # fmt: skip
    assert [(name, number) for _, part, name, number, _ in lineage if part == "pinned stream"] == [
        ("batch", 1), ("generation", 1),
    ]  # fmt: skip
    assert [records for _, part, _, _, records in lineage if part == "decided by rules"] == [1]


def test_sales_see_the_merchants_with_the_most_at_risk(ask: Ask) -> None:
    assert ask("merchants_by_open_exposure", "currency", "place", "merchant_id", "breaks", "exposure_amount") == [
        ("INR", 1, "m3", 1, money("70")), ("INR", 2, "m4", 1, money("5")),
    ]  # fmt: skip


def test_sales_see_what_merchants_sell_and_pay(ask: Ask) -> None:
    assert ask("merchants_by_volume", "merchant_id", "merchant_name", "approved_amount", "effective_rate")[:3] == [
        ("m2", "Radio Shop", money("520"), None), ("m1", "Tea House", money("300"), money("0.025")),
        ("m3", "Night Bus", money("82.34"), None),
    ]  # fmt: skip
    assert ask("unusual_merchants", "merchant_id") == []


def test_marketing_sees_who_spends_and_who_is_declined(ask: Ask) -> None:
    assert ask("largest_spenders", "user_id", "currency", "approved_amount", "top_category")[:2] == [
        ("u1", "INR", money("707.34"), "electronics"), ("u0", "INR", money("100"), "dining"),
    ]  # fmt: skip
    assert ask("repeated_declines", "user_id") == []


def test_marketing_sees_what_is_spent_through_which_channel(ask: Ask) -> None:
    assert ask("spend_by_channel", "currency", "channel", "payments", "customers", "gateway_amount") == [
        ("INR", "UPI", 6, 4, money("392.34")), ("JPY", "UPI", 1, 1, money("1000")),
    ]  # fmt: skip


def test_fraud_analysts_see_what_is_suspicious_at_once(ask: Ask) -> None:
    assert ask("suspicious_breaks", "risk_score", "risk_class", "transaction_id", "escalated_for") == [
        (90, "DATA_LOSS", "rejected", "risk of 90"), (50, "OTHER", "twice", None),
    ]  # fmt: skip
    assert ask("suspected_duplicates", "user_id", "first_transaction_id", "second_transaction_id", "gateway_amount") == [
        ("u9", "double a", "double b", money("40"))
    ]


def test_fraud_analysts_see_what_to_look_at_and_how_often_that_is_right(ask: Ask) -> None:
    assert ask("payments_to_look_at", "transaction_id", "currency", "score", "decision", "rules", "signal_score") == [
        ("yen", "JPY", 0.7, "REVIEW", [], None), ("good 0", "INR", 0.1, "APPROVE", [], 0.8),
    ]  # fmt: skip
    columns = ("model_name", "model_version", "flagged", "flagged_labelled", "flagged_fraud", "labelled_fraud",
               "alert_precision", "judged_precision", "alert_recall")  # fmt: skip
    assert ask("alert_precision", *columns) == [
        ("scorecard", "1", 4, 3, 1, 2, money("0.25"), money("0.333333"), money("0.5"))
    ]
    assert ask("rules_that_were_broken", "reason_code", "payments", "labelled", "labelled_fraud") == [
        ("AMOUNT_LIMIT", 1, 1, 1), ("DUPLICATE_AMOUNT", 1, 1, 0),
    ]  # fmt: skip
    assert ask("score_changes", "transaction_id", "fraud_id", "score_before", "score_after") == [
        ("good 0", "s1", None, 0.3), ("good 0", "s2", 0.3, 0.8),
    ]  # fmt: skip
    columns = ("user_id", "currency", "doubtful", "fraudulent", "highest_score", "known_frauds")
    assert ask("customers_with_frauds", *columns) == [
        ("u1", "INR", 0, 1, 0.95, 2), ("u9", "INR", 1, 1, 0.9, 0), ("u1", "JPY", 1, 0, 0.7, 0),
    ]  # fmt: skip


def test_fraud_analysts_know_from_labels_which_money_was_kept_missed_and_blocked(ask: Ask) -> None:
    # the yen have no label: nobody knows
    assert ask("money_prevented", "currency", "prevented_payments", "prevented_amount", "reviewed_amount", "missed_payments",
               "missed_amount", "blocked_good_payments", "blocked_good_amount", "held_up_good_amount") == [
        ("INR", 1, money("500"), money("0"), 1, money("70"), 1, money("40"), money("40"))
    ]  # fmt: skip


def test_operations_see_what_is_overdue_posted_twice_and_waiting(ask: Ask) -> None:
    assert ask("overdue_breaks", "owner", "transaction_id", "state") == [
        ("core banking operations", "rejected", "OPEN"), ("ledger operations", "twice", "IN_REVIEW"),
    ]  # fmt: skip
    assert ask("duplicate_postings", "business_date", "transaction_id", "amount") == [(D, "twice", money("70"))]
    assert ask("payments_waiting", "business_date") == []
    assert ask("source_freshness", "source_kind", "source", "last_date") == [
        ("BANK ACCOUNT", "10020030/1234567", date(2026, 3, 3)), ("LEDGER", "core", D), ("LEDGER", "gateway", D),
        ("LEDGER", "mobile", D), ("PROCESSOR", "example_processor", date(2026, 4, 1)),
        ("PROCESSOR", "stripe", date(2026, 3, 4)),
    ]  # fmt: skip


def test_data_engineers_see_what_came_twice_or_unreadable(ask: Ask) -> None:
    columns = ("source", "currency", "received_records", "redelivered_records", "rejected_records", "unreadable_records")
    assert ask("rejected_and_redelivered", *columns) == [("core", "INR", 11, 0, 1, 0)]
    assert ask("stream_and_batch", "why") == []
