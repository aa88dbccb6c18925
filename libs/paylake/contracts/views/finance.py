"""What finance reads: open breaks and their age, the daily proof, the match rate."""

from __future__ import annotations

from paylake.contracts.calendars import AGE_BUCKETS, BUSINESS_DAYS, OLDEST_BUCKET
from paylake.contracts.indexes import BREAKS, RECONCILIATION_INDEX, RUN_CONTROLS
from paylake.contracts.resolution import ADJUSTMENTS, AUDIT_LOG, ENDED, LEDGERS_AGREE
from paylake.contracts.settlement import SETTLEMENT_FEES
from paylake.contracts.topics import LEDGERS
from paylake.contracts.view import View, columns, first_leg
from paylake.contracts.views.aggregate import V_AGGREGATE_INDEX
from paylake.contracts.views.published import V_PUBLISHED_RUNS, V_RECONCILIATION_INDEX
from paylake.contracts.views.statements import V_SETTLEMENT_LINES

V_OPEN_BREAKS = View(
    name="v_open_breaks",
    doc="One row per break of a published current version, with its age in days at the last published business date. "
    "What the break is comes from the version, since a run changes and resolves rows of breaks in place before it "
    "publishes; only its identifier, its dates and its life come from breaks. One that a person or a policy has ended is "
    "not open; nor is one whose period is closed and whose ledgers agree since.",
    reads=(V_RECONCILIATION_INDEX, BREAKS, V_PUBLISHED_RUNS),
    # each dialect has a date_diff of its own; the days of an interval are the same in both
    body=f"""\
SELECT b.break_id, i.recon_id, i.transaction_id, i.business_date, i.kind, i.family, i.reason, i.reasons, i.severity,
  i.owner,
  CAST(CASE i.family WHEN 'AMOUNT' THEN i.difference_amount WHEN 'DATE' THEN 0
    ELSE {first_leg("amount", of="i.")} END AS DECIMAL(18, 4)) AS amount,
  {first_leg("currency", of="i.")} AS currency,
  i.quarantined_legs, i.risk_score, i.risk_class, b.rail, b.expected_settlement_date, b.state, b.suggestion_id,
  b.suggested_resolution, b.suggested_by, b.suggestion_evidence, b.suggestion_basis_points, b.escalated_for,
  b.proposal_id, b.proposed_resolution, b.maker, CAST(b.sla_due_at AS TIMESTAMP) AS sla_due_at,
  CAST(b.opened_at AS TIMESTAMP) AS opened_at, b.opened_by_run_id, d.as_of_date,
  CAST(EXTRACT(DAY FROM (CAST(d.as_of_date AS TIMESTAMP) - CAST(i.business_date AS TIMESTAMP))) AS INTEGER) AS age_days
FROM {{v_reconciliation_index}} i
LEFT JOIN {{breaks}} b ON b.recon_id = i.recon_id AND b.kind = i.kind
CROSS JOIN (SELECT MAX(business_date) AS as_of_date FROM {{v_published_runs}}) d
WHERE i.kind IS NOT NULL
  AND (b.state IS NULL OR b.state NOT IN ({", ".join(f"'{s.value}'" for s in ENDED)})
    OR COALESCE(b.resolution, '{LEDGERS_AGREE}') = '{LEDGERS_AGREE}')""",
)

_AGE = "GREATEST(a.business_days_passed - e.business_days_passed, 0)"

V_BREAK_AGEING = View(
    name="v_break_ageing",
    doc="One row per break of v_open_breaks with its age at the last published business date, in business days of its rail "
    "since its money was to settle, and the bucket of the age. Beyond 30 a break is escalated, beyond 90 reviewed for being "
    "written off.",
    reads=(V_OPEN_BREAKS, BUSINESS_DAYS),
    body=f"""\
SELECT o.break_id, o.transaction_id, o.business_date, o.kind, o.reason, o.severity, o.owner, o.amount, o.currency, o.state,
  o.rail, o.expected_settlement_date, o.sla_due_at, o.as_of_date, {_AGE} AS age_business_days,
  CASE {" ".join(f"WHEN {_AGE} <= {last} THEN '{name}'" for last, name in AGE_BUCKETS)} ELSE '{OLDEST_BUCKET}' END
    AS age_bucket
FROM {{v_open_breaks}} o
JOIN {{business_days}} e ON e.rail = o.rail AND e.day = o.expected_settlement_date
JOIN {{business_days}} a ON a.rail = o.rail AND a.day = o.as_of_date""",
)

V_DAILY_PROOF = View(
    name="v_daily_proof",
    doc="One row per business date, source and currency: what the last published run of the date proved.",
    reads=(RUN_CONTROLS, V_PUBLISHED_RUNS),
    # an attempt that failed leaves its number to the next one: only the time tells them apart
    body=f"""\
SELECT {columns(RUN_CONTROLS, leave_out=("row_kind", "first_offset", "end_offset", "gap_records"), of="c.")}
FROM {{run_controls}} c
JOIN {{v_published_runs}} p ON p.run_id = c.run_id AND p.run_at = CAST(c.run_at AS TIMESTAMP)
WHERE c.row_kind = 'PROOF' AND p.is_last""",
)

V_MATCH_RATE = View(
    name="v_match_rate",
    doc="One row per business date and currency: how much of it agrees in all ledgers, by count and by amount; an amount "
    "and its currency are the gateway's, else core's, else mobile's, and what still waits counts as not matched.",
    reads=(V_AGGREGATE_INDEX,),
    # Trino gives a quotient no more decimals than its terms have, so one of them gets six
    body=f"""\
SELECT business_date, currency, transactions, matched_transactions, amount, matched_amount,
  CAST(CAST(matched_transactions AS DECIMAL(34, 6)) / transactions AS DECIMAL(7, 6)) AS match_rate_by_count,
  CAST(CAST(matched_amount AS DECIMAL(34, 6)) / NULLIF(amount, 0) AS DECIMAL(7, 6)) AS match_rate_by_amount
FROM (
  SELECT business_date, {first_leg("currency")} AS currency,
    COUNT(*) AS transactions,
    COUNT(CASE WHEN status = 'MATCHED' THEN 1 END) AS matched_transactions,
    CAST(SUM({first_leg("amount")}) AS DECIMAL(28, 4)) AS amount,
    CAST(SUM(CASE WHEN status = 'MATCHED' THEN {first_leg("amount")} ELSE 0 END)
      AS DECIMAL(28, 4)) AS matched_amount
  FROM {{v_aggregate_index}}
  GROUP BY business_date, {first_leg("currency")}
) sums""",
)

V_UNMATCHED_BY_SOURCE = View(
    name="v_unmatched_by_source",
    doc="One row per business date, ledger and currency: the transactions that the ledger should have and has not, past "
    "their deadline, with the amount that the others book.",
    reads=(V_AGGREGATE_INDEX,),
    body="\nUNION ALL\n".join(
        f"""\
SELECT business_date, '{ledger}' AS source, {first_leg("currency")} AS currency, COUNT(*) AS transactions,
  CAST(SUM({first_leg("amount")}) AS DECIMAL(28, 4)) AS amount
FROM {{v_aggregate_index}}
WHERE {ledger}_amount IS NULL AND kind IS NOT NULL
GROUP BY business_date, {first_leg("currency")}"""
        for ledger in LEDGERS
    ),
)

V_TOLERANCE_LEAKAGE = View(
    name="v_tolerance_leakage",
    doc="One row per business date and currency: what matched although its amounts differ, and by how much in all.",
    reads=(V_AGGREGATE_INDEX,),
    body="""\
SELECT business_date, currency, COUNT(*) AS transactions, CAST(SUM(difference_amount) AS DECIMAL(28, 4)) AS leaked_amount,
  MAX(difference_amount) AS largest_amount
FROM {v_aggregate_index}
WHERE status = 'MATCHED' AND difference_amount <> 0
GROUP BY business_date, currency""",
)

V_LATE_ARRIVALS = View(
    name="v_late_arrivals",
    doc="One row per published version that replaced an earlier published one of the transaction: what it said before, what "
    "it says since, and how many days after its business date that was learned.",
    reads=(RECONCILIATION_INDEX, V_PUBLISHED_RUNS),
    body="""\
SELECT transaction_id, recon_id, business_date, status_before, status AS status_after, reason AS reason_after, known_at,
  run_id, CAST(EXTRACT(DAY FROM (CAST(CAST(known_at AS DATE) AS TIMESTAMP) - CAST(business_date AS TIMESTAMP))) AS INTEGER)
    AS days_late
FROM (
  SELECT i.transaction_id, i.recon_id, i.business_date, i.status, i.reason, CAST(i.valid_from AS TIMESTAMP) AS known_at,
    i.run_id, LAG(i.status) OVER (PARTITION BY i.recon_id ORDER BY i.valid_from, i.run_id) AS status_before
  FROM {reconciliation_index} i
  WHERE EXISTS (SELECT 1 FROM {v_published_runs} p WHERE p.run_id = i.run_id)
) versions
WHERE status_before IS NOT NULL""",
)

V_PERIOD_CLOSE = View(
    name="v_period_close",
    doc="One row per business date of the closed period, source and currency: the totals as they were published, which "
    "nothing changes any more, and what has been booked as adjustments since.",
    reads=(V_DAILY_PROOF, AUDIT_LOG, ADJUSTMENTS),
    body="""\
SELECT p.business_date, p.source, p.currency, p.run_id, p.received_records, p.received_amount, p.matched_records,
  p.matched_amount, p.broken_records, p.broken_amount, p.pending_records, p.pending_amount,
  COALESCE(a.adjustments, 0) AS adjustments, CAST(COALESCE(a.adjusted_amount, 0) AS DECIMAL(28, 4)) AS adjusted_amount
FROM {v_daily_proof} p
JOIN (
  SELECT MAX(CAST(subject AS DATE)) AS closed_until
  FROM {audit_log}
  WHERE entry = 'ACT' AND act = 'close_period'
) c ON p.business_date <= c.closed_until
LEFT JOIN (
  SELECT original_business_date, source, currency, COUNT(*) AS adjustments, SUM(amount) AS adjusted_amount
  FROM {adjustments}
  GROUP BY original_business_date, source, currency
) a ON a.original_business_date = p.business_date AND a.source = p.source AND a.currency = p.currency""",
)

_SHARE = "l.amount * t.fee_basis_points / 10000"
_EXPECTED_FEE = f"""\
CAST(t.fee_fixed_amount + CASE t.minor_units WHEN 0 THEN ROUND({_SHARE}, 0) WHEN 3 THEN ROUND({_SHARE}, 3)
    WHEN 4 THEN ROUND({_SHARE}, 4) ELSE ROUND({_SHARE}, 2) END AS DECIMAL(24, 6))"""

V_FEE_VARIANCE = View(
    name="v_fee_variance",
    doc="One row per settled sale whose fee is not by the processor's terms of its day: OVERCHARGE or UNDERCHARGE, and "
    "by how much. Sales of processors without terms of their own are not judged.",
    reads=(V_SETTLEMENT_LINES, SETTLEMENT_FEES),
    body=f"""\
SELECT psp, payout_id, merchant_reference, psp_reference, currency, amount, fee_amount, expected_fee_amount,
  CAST(fee_amount - expected_fee_amount AS DECIMAL(24, 6)) AS variance_amount,
  CASE WHEN fee_amount > expected_fee_amount THEN 'OVERCHARGE' ELSE 'UNDERCHARGE' END AS variance, created_at
FROM (
  SELECT l.psp, l.payout_id, l.merchant_reference, l.psp_reference, l.currency, l.amount, l.fee_amount, l.created_at,
    {_EXPECTED_FEE} AS expected_fee_amount
  FROM {{v_settlement_lines}} l
  JOIN {{settlement_fees}} t ON t.psp = l.psp AND t.currency = l.currency AND CAST(l.created_at AS DATE) >= t.since
    AND (t.until IS NULL OR CAST(l.created_at AS DATE) < t.until)
  WHERE l.type = 'SALE'
) fees
WHERE fee_amount <> expected_fee_amount""",
)
