"""What treasury reads: what is due and in transit, reserves, missing payouts, punctuality, forecast errors, cash."""

from __future__ import annotations

from paylake.contracts.calendars import BUSINESS_DAYS
from paylake.contracts.settlement import SETTLEMENT_SCHEDULE
from paylake.contracts.view import View, listed
from paylake.contracts.views.published import V_PUBLISHED_RUNS, current
from paylake.contracts.views.statements import V_STATEMENT_LINES, V_STATEMENTS

DUE_DAYS = 10
"""How many business days ahead v_cash_due looks."""

V_SETTLEMENT_SCHEDULE = current(SETTLEMENT_SCHEDULE)

_AS_OF = "(SELECT MAX(business_date) AS as_of_date FROM {v_published_runs})"
_AHEAD = "e.business_days_passed - a.business_days_passed"


def _sum(of: str, where: str) -> str:
    """The sum of an amount over some rows, as wide in each dialect."""
    return f"CAST(SUM(CASE WHEN {where} THEN {of} ELSE 0 END) AS DECIMAL(34, 6))"


V_CASH_DUE = View(
    name="v_cash_due",
    doc="One row per processor, account, currency and value date from the last published business date to "
    f"{DUE_DAYS} business days of the bank's rail after it: what is still to come. Confirmed and calculated payouts, those "
    "on hold, and releases of reserves, which come within some payout, are columns of their own; nothing of a later day is "
    "in an earlier one.",
    reads=(V_SETTLEMENT_SCHEDULE, BUSINESS_DAYS, V_PUBLISHED_RUNS),
    body=f"""\
SELECT d.as_of_date, {_AHEAD} AS business_days_ahead, s.expected_value_date AS value_date, s.psp, s.account, s.currency,
  {_sum("s.expected_net_amount", "s.kind = 'PAYOUT' AND s.state <> 'ON_HOLD' AND s.confidence = 'CONFIRMED'")}
    AS confirmed_amount,
  {_sum("s.expected_net_amount", "s.kind = 'PAYOUT' AND s.state <> 'ON_HOLD' AND s.confidence = 'CALCULATED'")}
    AS calculated_amount,
  {_sum("s.expected_net_amount", "s.kind = 'PAYOUT' AND s.state = 'ON_HOLD'")} AS on_hold_amount,
  {_sum("s.expected_net_amount - COALESCE(s.actual_amount, 0)", "s.kind = 'RESERVE_RELEASE'")} AS reserve_release_amount
FROM {{v_settlement_schedule}} s
CROSS JOIN {_AS_OF} d
JOIN {{business_days}} e ON e.rail = s.bank_rail AND e.day = s.expected_value_date
JOIN {{business_days}} a ON a.rail = s.bank_rail AND a.day = d.as_of_date
WHERE s.state IN ('EXPECTED', 'IN_TRANSIT', 'ON_HOLD') AND s.expected_value_date >= d.as_of_date
  AND {_AHEAD} <= {DUE_DAYS}
GROUP BY d.as_of_date, {_AHEAD}, s.expected_value_date, s.psp, s.account, s.currency""",
)

_PAYOUT = (
    "payout_id", "psp", "account", "currency", "sales_from", "sales_to", "expected_value_date", "state", "confidence",
    "expected_net_amount",
)  # fmt: skip

V_IN_TRANSIT = View(
    name="v_in_transit",
    doc="One row per payout that the processor reports, that is due, and that is not there yet: in transit, or late.",
    reads=(V_SETTLEMENT_SCHEDULE,),
    body=f"""\
SELECT {listed((*_PAYOUT, "days_late"))}
FROM {{v_settlement_schedule}}
WHERE kind = 'PAYOUT' AND confidence = 'CONFIRMED' AND state IN ('IN_TRANSIT', 'LATE') AND actual_amount IS NULL""",
)

V_RESERVE_LADDER = View(
    name="v_reserve_ladder",
    doc="One row per processor, account, currency and release date: reserves that are still held back, and how much of them "
    "is due already. What was released counts for the oldest first.",
    reads=(V_SETTLEMENT_SCHEDULE, V_PUBLISHED_RUNS),
    body=f"""\
SELECT s.psp, s.account, s.currency, s.reserve_release_date, COUNT(*) AS payouts,
  CAST(SUM(s.expected_net_amount) AS DECIMAL(34, 6)) AS held_amount,
  CAST(SUM(s.expected_net_amount - COALESCE(s.actual_amount, 0)) AS DECIMAL(34, 6)) AS outstanding_amount,
  {_sum("s.expected_net_amount - COALESCE(s.actual_amount, 0)", "s.expected_value_date <= d.as_of_date")} AS due_amount
FROM {{v_settlement_schedule}} s
CROSS JOIN {_AS_OF} d
WHERE s.kind = 'RESERVE_RELEASE' AND s.expected_net_amount > COALESCE(s.actual_amount, 0)
GROUP BY s.psp, s.account, s.currency, s.reserve_release_date""",
)

V_MISSING_PAYOUTS = View(
    name="v_missing_payouts",
    doc="One row per payout that should have come long ago, or that went back: ask the processor.",
    reads=(V_SETTLEMENT_SCHEDULE,),
    body=f"""\
SELECT {listed((*_PAYOUT, "actual_amount", "days_late"))}
FROM {{v_settlement_schedule}}
WHERE kind = 'PAYOUT' AND state IN ('MISSING', 'RETURNED')""",
)

V_PSP_PUNCTUALITY = View(
    name="v_psp_punctuality",
    doc="One row per processor and currency: of the payouts that it reported and that are due, how many came, came in "
    "time, came short, never came, and how many business days late they are on average, also those that never came.",
    reads=(V_SETTLEMENT_SCHEDULE, V_PUBLISHED_RUNS),
    # a quotient keeps no more decimals in Trino than its terms have
    body=f"""\
SELECT psp, currency, due_payouts, received_payouts, on_time_payouts, short_payouts, missing_payouts,
  CAST(CAST(on_time_payouts AS DECIMAL(34, 6)) / due_payouts AS DECIMAL(7, 6)) AS on_time_rate,
  CAST(CAST(days_late AS DECIMAL(34, 6)) / due_payouts AS DECIMAL(12, 6)) AS average_days_late
FROM (
  SELECT s.psp, s.currency, COUNT(*) AS due_payouts,
    COUNT(CASE WHEN s.actual_amount IS NOT NULL AND s.state <> 'RETURNED' THEN 1 END) AS received_payouts,
    COUNT(CASE WHEN s.actual_amount IS NOT NULL AND s.state <> 'RETURNED' AND s.days_late = 0 THEN 1 END) AS on_time_payouts,
    COUNT(CASE WHEN s.state = 'SHORT' THEN 1 END) AS short_payouts,
    COUNT(CASE WHEN s.state IN ('MISSING', 'RETURNED') THEN 1 END) AS missing_payouts,
    SUM(s.days_late) AS days_late
  FROM {{v_settlement_schedule}} s
  CROSS JOIN {_AS_OF} d
  WHERE s.kind = 'PAYOUT' AND s.confidence = 'CONFIRMED' AND s.expected_value_date <= d.as_of_date
    AND s.state <> 'ON_HOLD' AND s.expected_net_amount <> 0
  GROUP BY s.psp, s.currency
) counts""",
)

_PUBLISHED = "EXISTS (SELECT 1 FROM {v_published_runs} p WHERE p.run_id = v.run_id)"

V_FORECAST_ERROR = View(
    name="v_forecast_error",
    doc="One row per processor: how far what was calculated lay from what came, as the mean and the worst share of what "
    "came, over its currencies and sales days. What was calculated is the version that stood last before the processor's "
    "first report of the sales day: the table keeps every version with the times from which and until which it was known. "
    "Only sales days count whose payouts have all come, and only payouts of one sales day.",
    reads=(SETTLEMENT_SCHEDULE, V_SETTLEMENT_SCHEDULE, V_PUBLISHED_RUNS),
    body=f"""\
SELECT psp, COUNT(*) AS sales_days, CAST(AVG(error_ratio) AS DECIMAL(18, 6)) AS mean_absolute_percentage_error,
  MAX(error_ratio) AS largest_percentage_error
FROM (
  SELECT c.psp, CAST(ABS(SUM(v.expected_net_amount) - c.actual_amount) / ABS(c.actual_amount) AS DECIMAL(18, 6))
    AS error_ratio
  FROM (
    SELECT s.psp, s.currency, s.sales_from, CAST(SUM(s.actual_amount) AS DECIMAL(24, 6)) AS actual_amount
    FROM {{v_settlement_schedule}} s
    WHERE s.kind = 'PAYOUT' AND s.confidence = 'CONFIRMED' AND s.sales_from = s.sales_to
    GROUP BY s.psp, s.currency, s.sales_from
    HAVING COUNT(*) = COUNT(s.actual_amount) AND SUM(s.actual_amount) <> 0
  ) c
  JOIN (
    SELECT v.psp, v.currency, v.sales_from, MIN(v.valid_from) AS reported_at
    FROM {{settlement_schedule}} v
    WHERE v.kind = 'PAYOUT' AND v.confidence = 'CONFIRMED' AND v.sales_from = v.sales_to AND {_PUBLISHED}
    GROUP BY v.psp, v.currency, v.sales_from
  ) r ON r.psp = c.psp AND r.currency = c.currency AND r.sales_from = c.sales_from
  JOIN {{settlement_schedule}} v ON v.psp = c.psp AND v.currency = c.currency AND v.sales_from = c.sales_from
    AND v.valid_from < r.reported_at AND (v.valid_to IS NULL OR v.valid_to >= r.reported_at)
  WHERE v.kind = 'PAYOUT' AND v.confidence <> 'CONFIRMED' AND {_PUBLISHED}
  GROUP BY c.psp, c.currency, c.sales_from, c.actual_amount
) errors
GROUP BY psp""",
)

V_CASH_POSITION = View(
    name="v_cash_position",
    doc="One row per posted statement of an account: opening balance, receipts and disbursements that are booked, and the "
    "closing balance, of which what has a later value date is pending and not available. `is_last` marks the account's "
    "latest.",
    reads=(V_STATEMENTS, V_STATEMENT_LINES),
    body=f"""\
SELECT account, currency, opening_date, closing_date, opening_balance, receipts_amount, disbursements_amount,
  closing_balance, pending_amount, CAST(closing_balance - pending_amount AS DECIMAL(34, 6)) AS available_balance,
  ROW_NUMBER() OVER (
    PARTITION BY account, currency ORDER BY closing_date DESC, opening_date DESC, sequence DESC, file_sha256, statement
  ) = 1 AS is_last
FROM (
  SELECT s.file_sha256, s.statement, s.sequence, s.account, s.currency, s.opening_date, s.closing_date, s.opening_balance,
    s.closing_balance,
    {_sum("l.amount", "l.amount > 0")} AS receipts_amount,
    {_sum("-l.amount", "l.amount < 0")} AS disbursements_amount,
    {_sum("l.amount", "l.value_date > s.closing_date")} AS pending_amount
  FROM {{v_statements}} s
  LEFT JOIN {{v_statement_lines}} l
    ON l.file_sha256 = s.file_sha256 AND l.statement = s.statement AND l.currency = s.currency AND l.status = 'BOOKED'
  GROUP BY s.file_sha256, s.statement, s.sequence, s.account, s.currency, s.opening_date, s.closing_date,
    s.opening_balance, s.closing_balance
) booked""",
)
