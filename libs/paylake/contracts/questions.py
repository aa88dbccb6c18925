"""The questions that each team asks of the views, as data: the registry is the tuple `QUESTIONS`.

Their SQL is taken by Spark and Athena alike, and names views only, as they go in a database or in `paylake sql`. What a
person would fill in, such as a date, is taken from the data: the last published date, the time of the run before the last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """What a team asks, and the query that answers it; one that `must_be_empty` finds what is wrong."""

    team: str
    name: str
    asks: str
    sql: str
    must_be_empty: bool = False


FINANCE = "finance"
TREASURY = "treasury"
COMPLIANCE = "compliance and auditors"
SALES = "partnerships and sales"
MARKETING = "marketing and risk"
FRAUD = "fraud analysts"
OPERATIONS = "operations"
ENGINEERS = "data engineers"
TEAMS: tuple[str, ...] = (FINANCE, TREASURY, COMPLIANCE, SALES, MARKETING, FRAUD, OPERATIONS, ENGINEERS)

OF_FINANCE: tuple[Question, ...] = (
    Question(
        FINANCE,
        "daily_proof_fails",
        "Does every published day close? A row is a source and currency whose records or amounts are not all accounted for.",
        """\
SELECT business_date, source, currency, outcome, note, received_records, received_amount
FROM v_daily_proof
WHERE outcome NOT IN ('closed', 'closed with exceptions')
  OR received_records <> matched_records + broken_records + pending_records + redelivered_records + rejected_records
    + unreadable_records
  OR received_amount <> matched_amount + broken_amount + pending_amount + redelivered_amount + rejected_amount
ORDER BY business_date, source, currency""",
        must_be_empty=True,
    ),
    Question(
        FINANCE,
        "daily_proof_exceptions",
        "Which days closed with exceptions, and what explains them?",
        """\
SELECT business_date, source, currency, control_records, received_records, rejected_records, rejected_amount,
  unreadable_records, note
FROM v_daily_proof
WHERE outcome = 'closed with exceptions'
ORDER BY business_date, source, currency""",
    ),
    Question(
        FINANCE,
        "match_rate",
        "How much of each day agrees in all ledgers, by count and by amount?",
        """\
SELECT business_date, currency, transactions, matched_transactions, match_rate_by_count, amount, matched_amount,
  match_rate_by_amount
FROM v_match_rate
ORDER BY business_date, currency NULLS LAST""",
    ),
    Question(
        FINANCE,
        "open_breaks_by_reason",
        "How many breaks are open, for how much, how old, by reason and owner?",
        """\
SELECT reason, owner, currency, age_bucket, COUNT(*) AS breaks, SUM(amount) AS amount,
  MAX(age_business_days) AS oldest_business_days
FROM v_break_ageing
GROUP BY reason, owner, currency, age_bucket
ORDER BY reason NULLS LAST, owner NULLS LAST, currency NULLS LAST, age_bucket""",
    ),
    Question(
        FINANCE,
        "payout_differences",
        "Which payouts are not what their lines come to?",
        """\
SELECT psp, account, payout_id, payout_date, currency, expected_amount, payout_amount, difference_amount, reason, detail
FROM v_payout_tieout
WHERE proof = 'UNPROVED' OR difference_amount <> 0
ORDER BY psp, payout_id, currency""",
    ),
    Question(
        FINANCE,
        "statement_gaps",
        "Between which statements of an account is one missing? `gap_amount` is what it moved.",
        """\
SELECT account, currency, statement_id, opening_date, opening_balance, gap_amount
FROM v_statements
WHERE gap_amount <> 0
ORDER BY account NULLS LAST, currency NULLS LAST, opening_date NULLS LAST, statement_id NULLS LAST""",
        must_be_empty=True,
    ),
    Question(
        FINANCE,
        "files_in_quarantine",
        "Which files of banks and processors do not prove, and by how much?",
        """\
SELECT file_name, format, statements, lines, reason, detail, file_sha256
FROM v_files_in_quarantine
ORDER BY file_name, file_sha256""",
    ),
    Question(
        FINANCE,
        "tolerance_leakage",
        "How much have we let go within tolerances, by day and currency?",
        """\
SELECT business_date, currency, transactions, leaked_amount, largest_amount
FROM v_tolerance_leakage
ORDER BY business_date, currency NULLS LAST""",
    ),
    Question(
        FINANCE,
        "fees_and_rates",
        "What does each processor take, in fees and as a share of sales?",
        """\
SELECT psp, currency, SUM(sales_amount) AS sales_amount, -SUM(fees_amount) AS fees_amount,
  CAST(CAST(-SUM(fees_amount) AS DECIMAL(34, 6)) / NULLIF(SUM(sales_amount), 0) AS DECIMAL(9, 6)) AS effective_rate
FROM v_payout_tieout
GROUP BY psp, currency
ORDER BY psp, currency""",
    ),
    Question(
        FINANCE,
        "fee_variance",
        "Which processors charge more, or less, than agreed, and by how much in all?",
        """\
SELECT psp, currency, variance, COUNT(*) AS sales, SUM(variance_amount) AS variance_amount
FROM v_fee_variance
GROUP BY psp, currency, variance
ORDER BY psp, currency, variance""",
    ),
    Question(
        FINANCE,
        "conflicting_lines",
        "Which entries or payouts do two files tell with different amounts?",
        """\
SELECT file_kind, account, own_reference, currency, smallest_amount, largest_amount
FROM v_conflicting_lines
ORDER BY file_kind, account NULLS LAST, own_reference NULLS LAST""",
        must_be_empty=True,
    ),
)

OF_TREASURY: tuple[Question, ...] = (
    Question(
        TREASURY,
        "payouts_by_day",
        "What do the processors pay out, by day and currency?",
        """\
SELECT payout_date, currency, psp, COUNT(*) AS payouts, SUM(payout_amount) AS payout_amount,
  SUM(fees_amount) AS fees_amount, SUM(reserve_amount) AS reserve_amount
FROM v_payout_tieout
GROUP BY payout_date, currency, psp
ORDER BY payout_date NULLS LAST, currency, psp""",
    ),
    Question(
        TREASURY,
        "account_balances",
        "What did each bank account close with on its last statement?",
        """\
SELECT account, currency, closing_date, closing_balance
FROM (
  SELECT account, currency, closing_date, closing_balance,
    ROW_NUMBER() OVER (
      PARTITION BY account, currency ORDER BY closing_date DESC, sequence DESC, file_sha256, statement DESC) AS latest
  FROM v_statements
) s
WHERE latest = 1
ORDER BY account NULLS LAST, currency NULLS LAST""",
    ),
    Question(
        TREASURY,
        "cash_due",
        "What should come in today and on each of the next ten business days, by currency, and how sure is it?",
        """\
SELECT value_date, business_days_ahead, currency, SUM(confirmed_amount) AS confirmed_amount,
  SUM(calculated_amount) AS calculated_amount, SUM(on_hold_amount) AS on_hold_amount
FROM v_cash_due
GROUP BY value_date, business_days_ahead, currency
ORDER BY value_date, currency""",
    ),
    Question(
        TREASURY,
        "missing_payouts",
        "Which payouts should be there and are not?",
        """\
SELECT psp, payout_id, currency, expected_value_date, days_late, expected_net_amount
FROM v_missing_payouts
ORDER BY days_late DESC, psp, payout_id NULLS LAST""",
    ),
    Question(
        TREASURY,
        "short_payouts",
        "Which payouts came with another amount than was announced?",
        """\
SELECT psp, payout_id, currency, state, expected_net_amount, actual_amount, variance_amount
FROM v_settlement_schedule
WHERE kind = 'PAYOUT' AND state IN ('SHORT', 'OVER', 'RETURNED')
ORDER BY psp, payout_id NULLS LAST""",
    ),
)

OF_COMPLIANCE: tuple[Question, ...] = (
    Question(
        COMPLIANCE,
        "reported_before",
        "What had we reported right before the last run was published? For another time, such as the end of the 5th, write "
        "it in place of the inner query.",
        """\
SELECT r.business_date, r.transaction_id, r.status, r.kind, r.reason, r.gateway_amount, r.core_amount, r.mobile_amount,
  r.currency, r.run_id, r.rule_version, r.reported_from, r.reported_to
FROM v_reported_versions r
CROSS JOIN (
  SELECT MAX(run_at) AS as_of
  FROM v_published_runs
  WHERE run_at < (SELECT MAX(run_at) FROM v_published_runs)
) t
WHERE r.reported_from <= t.as_of AND (r.reported_to IS NULL OR r.reported_to > t.as_of)
ORDER BY r.business_date, r.transaction_id""",
    ),
    Question(
        COMPLIANCE,
        "reported_changes",
        "What that we had reported has changed since, from what to what, and by which run?",
        """\
SELECT old.business_date, old.transaction_id, old.run_id, old.status, old.reason, new.run_id AS replaced_by_run_id,
  new.status AS new_status, new.reason AS new_reason, old.reported_to AS changed_at
FROM v_reported_versions old
JOIN v_reported_versions new ON new.recon_id = old.recon_id AND new.run_id = old.replaced_by_run_id
ORDER BY old.business_date, old.transaction_id, old.reported_to NULLS LAST""",
    ),
    Question(
        COMPLIANCE,
        "who_resolved_what",
        "Which breaks did people end, how, on whose proposal, with whose approval, and why?",
        """\
SELECT business_date, transaction_id, reason, amount, currency, state, resolution, maker, checker, resolution_note,
  resolved_at
FROM v_resolved_breaks
WHERE maker IS NOT NULL OR checker IS NOT NULL
ORDER BY business_date, transaction_id, reason""",
    ),
    Question(
        COMPLIANCE,
        "resolved_alone",
        "Did anybody approve what they had proposed? A row is within the limits that the nightly run was given for one "
        "person alone, or wrong; without such limits there is none.",
        """\
SELECT business_date, transaction_id, reason, amount, currency, resolution, maker, checker, resolved_at
FROM v_resolved_breaks
WHERE LOWER(maker) = LOWER(checker)
ORDER BY business_date, transaction_id, reason""",
        must_be_empty=True,
    ),
    Question(
        COMPLIANCE,
        "refused_acts",
        "What did somebody try that was not applied, and why not?",
        """\
SELECT sequence, act, subject, who, why, amount, currency, run_id
FROM v_acts
WHERE entry = 'REFUSED'
ORDER BY sequence""",
    ),
    Question(
        COMPLIANCE,
        "run_lineage",
        "From a run to what it read (offsets per topic-partition), what it wrote (versions of tables, rows) and the rules "
        "that decided; here of the last published run.",
        """\
SELECT l.run_id, l.part, l.name, l.number, l.records
FROM (
  SELECT run_id, 'read until offset' AS part, source AS name, end_offset AS number, received_records AS records
  FROM v_run_inputs
  UNION ALL
  SELECT run_id, 'pinned stream', 'generation', MAX(stream_generation), CAST(NULL AS BIGINT)
  FROM v_published_runs
  GROUP BY run_id
  UNION ALL
  SELECT run_id, 'pinned stream', 'batch', MAX(stream_batch), CAST(NULL AS BIGINT)
  FROM v_published_runs
  GROUP BY run_id
  UNION ALL
  SELECT run_id, 'wrote version', table_name, table_version, row_count
  FROM v_run_outputs
  UNION ALL
  SELECT run_id, 'decided by rules', rule_version, CAST(NULL AS BIGINT), COUNT(*)
  FROM v_reported_versions
  GROUP BY run_id, rule_version
) l
JOIN (SELECT run_id FROM v_published_runs ORDER BY run_at DESC, run_id DESC LIMIT 1) r ON r.run_id = l.run_id
ORDER BY l.part, l.name, l.number NULLS LAST""",
    ),
    Question(
        COMPLIANCE,
        "flagged_money",
        "Which money met a blacklist, a high risk, or a customer who is not identified?",
        """\
SELECT business_date, compliance_flag, kyc_status, currency, COUNT(*) AS payments, SUM(amount) AS amount
FROM v_policy_hits
WHERE compliance_flag IS NOT NULL
GROUP BY business_date, compliance_flag, kyc_status, currency
ORDER BY business_date, compliance_flag NULLS LAST, kyc_status NULLS LAST, currency NULLS LAST""",
    ),
    Question(
        COMPLIANCE,
        "kyc_due",
        "Which customers have to be identified, or identified again?",
        """\
SELECT user_id, country, kyc_status, kyc_expires_on, risk_rating, is_expired
FROM v_kyc_due
WHERE is_required
ORDER BY user_id""",
    ),
    Question(
        COMPLIANCE,
        "cash_reports",
        "Whose cash has to be reported, under which rule, and by when?",
        """\
SELECT user_id, business_date, currency, cash_in_amount, cash_out_amount, ctr_due_on, rule_ids
FROM v_cash_reports
ORDER BY ctr_due_on NULLS LAST, user_id, currency""",
    ),
)

OF_SALES: tuple[Question, ...] = (
    Question(
        SALES,
        "merchants_by_open_exposure",
        "Which 20 merchants of each currency have the most money in open breaks?",
        """\
SELECT currency, place, merchant_id, breaks, exposure_amount
FROM (
  SELECT o.currency, a.merchant_id, COUNT(*) AS breaks, SUM(o.amount) AS exposure_amount,
    ROW_NUMBER() OVER (PARTITION BY o.currency ORDER BY SUM(o.amount) DESC, a.merchant_id NULLS LAST) AS place
  FROM v_open_breaks o
  JOIN v_aggregate_index a ON a.transaction_id = o.transaction_id
  GROUP BY o.currency, a.merchant_id
) m
WHERE place <= 20
ORDER BY currency NULLS LAST, place""",
    ),
    Question(
        SALES,
        "merchants_by_volume",
        "Who are our largest merchants of the last published day, what do their customers get through, what do they pay us?",
        """\
SELECT merchant_id, merchant_name, currency, attempts, approved, approved_amount, order_auth_rate, effective_rate
FROM v_merchant_daily
WHERE business_date = (SELECT MAX(business_date) FROM v_published_runs) AND merchant_id <> 'UNKNOWN'
ORDER BY currency, approved_amount DESC, merchant_id""",
    ),
    Question(
        SALES,
        "unusual_merchants",
        "Which merchants' volume or declines are unlike their own days?",
        """\
SELECT business_date, merchant_id, merchant_name, currency, attempts, volume_z_score, decline_rate_z_score, anomalies
FROM v_merchant_anomalies
ORDER BY business_date DESC, distance DESC, merchant_id""",
    ),
)

OF_MARKETING: tuple[Question, ...] = (
    Question(
        MARKETING,
        "spend_by_channel",
        "How much is paid through which channel and scheme, by how many customers?",
        """\
SELECT business_date, currency, channel, payment_system, COUNT(*) AS payments, COUNT(DISTINCT user_id) AS customers,
  SUM(gateway_amount) AS gateway_amount
FROM v_aggregate_index
WHERE status = 'MATCHED'
GROUP BY business_date, currency, channel, payment_system
ORDER BY business_date, currency NULLS LAST, channel NULLS LAST, payment_system NULLS LAST""",
    ),
    Question(
        MARKETING,
        "largest_spenders",
        "Who spends most, where, and how does it compare with their own last 30 days?",
        """\
SELECT user_id, currency, approved_amount, top_category, ratio_to_own_mean, new_merchants
FROM v_user_spend
WHERE business_date = (SELECT MAX(business_date) FROM v_published_runs) AND approved > 0
ORDER BY currency, approved_amount DESC, user_id""",
    ),
    Question(
        MARKETING,
        "repeated_declines",
        "Who is declined again and again within an hour, and at how many merchants?",
        """\
SELECT business_date, user_id, currency, declined, most_declines_in_an_hour, merchants
FROM v_repeated_declines
ORDER BY most_declines_in_an_hour DESC, user_id""",
    ),
)

OF_FRAUD: tuple[Question, ...] = (
    Question(
        FRAUD,
        "suspicious_breaks",
        "Which open breaks carry the highest risk?",
        """\
SELECT risk_score, risk_class, transaction_id, business_date, reason, severity, amount, currency, escalated_for
FROM v_open_breaks
WHERE risk_score >= 50
ORDER BY risk_score DESC, business_date, transaction_id""",
    ),
    Question(
        FRAUD,
        "suspected_duplicates",
        "Which payments were made twice: the same customer, merchant, amount and currency within ten minutes?",
        """\
SELECT a.user_id, a.merchant_id, a.gateway_amount, a.gateway_currency, a.transaction_id AS first_transaction_id,
  b.transaction_id AS second_transaction_id, a.gateway_at AS first_at, b.gateway_at AS second_at
FROM v_aggregate_index a
JOIN v_aggregate_index b ON b.user_id = a.user_id AND b.merchant_id = a.merchant_id
  AND b.gateway_amount = a.gateway_amount AND b.gateway_currency = a.gateway_currency
WHERE (b.gateway_at > a.gateway_at OR (b.gateway_at = a.gateway_at AND b.transaction_id > a.transaction_id))
  AND b.gateway_at <= a.gateway_at + INTERVAL '10' MINUTE
ORDER BY a.user_id, a.gateway_at NULLS LAST, a.transaction_id, b.transaction_id""",
    ),
    Question(
        FRAUD,
        "payments_to_look_at",
        "Which payments look most like fraud, and nobody has said yet what they were?",
        """\
SELECT business_date, transaction_id, user_id, merchant_id, amount, currency, score, anomaly_type, decision, rules,
  signal_score
FROM v_fraud_index
WHERE label IS NULL AND (anomaly_type <> 'normal' OR signal_score >= 0.5)
ORDER BY score DESC, business_date, transaction_id""",
    ),
    Question(
        FRAUD,
        "alert_precision",
        "How many of the flagged payments were fraud, and how many frauds were flagged, so far?",
        """\
SELECT business_date, model_name, model_version, flagged, flagged_labelled, flagged_fraud, labelled_fraud,
  alert_precision, judged_precision, alert_recall
FROM v_fraud_alert_precision
ORDER BY business_date, model_name, model_version""",
    ),
    Question(
        FRAUD,
        "money_prevented",
        "How much money of frauds was to be declined, how much was missed, and how much good money was blocked?",
        """\
SELECT business_date, currency, prevented_payments, prevented_amount, reviewed_amount, missed_payments, missed_amount,
  blocked_good_payments, blocked_good_amount, held_up_good_amount
FROM v_fraud_prevented
ORDER BY business_date, currency""",
    ),
    Question(
        FRAUD,
        "rules_that_were_broken",
        "Which rules do payments break, how often, and how often was it fraud?",
        """\
SELECT business_date, reason_code, reason_text, payments, labelled, labelled_fraud
FROM v_fraud_reasons
ORDER BY business_date, payments DESC, reason_code""",
    ),
    Question(
        FRAUD,
        "score_changes",
        "How has the outside service changed its mind about a payment, and why?",
        """\
SELECT transaction_id, changed_at, fraud_id, score_before, score_after, reason_code
FROM v_fraud_score_changes
ORDER BY transaction_id, changed_at, fraud_id""",
    ),
    Question(
        FRAUD,
        "customers_with_frauds",
        "Whose payments look like fraud, or were fraud, on one date?",
        """\
SELECT business_date, user_id, currency, attempts, scored, doubtful, fraudulent, highest_score, known_frauds
FROM v_user_spend
WHERE doubtful + fraudulent > 0 OR known_frauds > 0
ORDER BY business_date, highest_score DESC, user_id, currency""",
    ),
)

OF_OPERATIONS: tuple[Question, ...] = (
    Question(
        OPERATIONS,
        "overdue_breaks",
        "On which open breaks should somebody have acted by the time of the last run?",
        """\
SELECT owner, severity, transaction_id, reason, state, amount, currency, sla_due_at, age_business_days
FROM v_break_ageing
WHERE sla_due_at < (SELECT MAX(run_at) FROM v_published_runs)
ORDER BY sla_due_at NULLS LAST, transaction_id""",
    ),
    Question(
        OPERATIONS,
        "duplicate_postings",
        "Which payments has a ledger posted more than once?",
        """\
SELECT business_date, transaction_id, reason, amount, currency, owner, state
FROM v_open_breaks
WHERE kind = 'DUPLICATE_POSTING'
ORDER BY business_date, transaction_id""",
    ),
    Question(
        OPERATIONS,
        "payments_waiting",
        "How many payments still wait for a leg, and for how much?",
        """\
SELECT business_date, COALESCE(gateway_currency, core_currency, mobile_currency) AS currency, COUNT(*) AS payments,
  SUM(COALESCE(gateway_amount, core_amount, mobile_amount)) AS amount
FROM v_aggregate_index
WHERE status = 'PENDING'
GROUP BY business_date, COALESCE(gateway_currency, core_currency, mobile_currency)
ORDER BY business_date, currency NULLS LAST""",
    ),
    Question(
        OPERATIONS,
        "service_level",
        "How many records came, how many were rejected, how long did the slowest wait, and what was the longest queue?",
        """\
SELECT service_date, topic, records, rejected, latency_p95_ms, latency_p99_ms, largest_lag
FROM v_service_level
ORDER BY service_date, topic""",
    ),
    Question(
        OPERATIONS,
        "source_freshness",
        "Until when has each ledger, bank account and processor told us something?",
        """\
SELECT source_kind, source, last_date
FROM v_source_freshness
ORDER BY source_kind, source NULLS LAST""",
    ),
)

OF_ENGINEERS: tuple[Question, ...] = (
    Question(
        ENGINEERS,
        "stream_and_batch",
        "Why did what the stream had said differ from what the nightly run recomputed?",
        """\
SELECT business_date, run_id, why, transactions
FROM v_run_differences
ORDER BY business_date, run_id, why""",
        must_be_empty=True,
    ),
    Question(
        ENGINEERS,
        "rejected_and_redelivered",
        "Which share of the records did a source send twice, or so that nobody can read them?",
        """\
SELECT business_date, source, currency, received_records, redelivered_records, rejected_records, unreadable_records
FROM v_daily_proof
WHERE redelivered_records + rejected_records + unreadable_records > 0
ORDER BY business_date, source, currency""",
    ),
)

QUESTIONS: tuple[Question, ...] = (
    *OF_FINANCE,
    *OF_TREASURY,
    *OF_COMPLIANCE,
    *OF_SALES,
    *OF_MARKETING,
    *OF_FRAUD,
    *OF_OPERATIONS,
    *OF_ENGINEERS,
)


def questions_page(questions: Iterable[Question]) -> str:
    """The page of the questions, as Markdown: by team, each with its query."""
    asked = tuple(questions)
    parts = [
        "# Questions\n\nWhat each team would ask, in SQL that Athena takes as it stands. `paylake sql --question NAME` "
        "answers one of them.\n\nDerived from `libs/paylake/contracts/questions.py`; `make dictionary` writes it anew.\n"
    ]
    for team in TEAMS:
        of_team = [q for q in asked if q.team == team]
        if of_team:
            parts.append(f"\n## {team.capitalize()}\n")
        for q in of_team:
            empty = " No row is good news." if q.must_be_empty else ""
            parts.append(f"\n### `{q.name}`\n\n{q.asks}{empty}\n\n```sql\n{q.sql}\n```\n")
    return "".join(parts)
