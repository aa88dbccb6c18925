"""What operations read: the streaming jobs' service level, as published and as of now, and how fresh each source is."""

from __future__ import annotations

from paylake.contracts.ledger_entries import CONTROL_TOTALS
from paylake.contracts.operations import OPERATIONS_INDEX, OPERATIONS_RECONCILE_LEDGERS
from paylake.contracts.view import View
from paylake.contracts.views.published import current
from paylake.contracts.views.statements import V_PAYOUT_TIEOUT, V_STATEMENTS

V_OPERATIONS_INDEX = current(OPERATIONS_INDEX)

V_SERVICE_LEVEL = View(
    name="v_service_level",
    doc="One row per day and topic of v_operations_index: records, the share rejected, the longest queue, the worst "
    "percentiles and the records per second of batch time.",
    reads=(V_OPERATIONS_INDEX,),
    body="""\
SELECT CAST(hour AS DATE) AS service_date, job, topic, SUM(records) AS records, SUM(rejected) AS rejected,
  CAST(CAST(SUM(rejected) AS DECIMAL(34, 6)) / NULLIF(SUM(records), 0) AS DECIMAL(7, 6)) AS rejected_share,
  MAX(largest_lag) AS largest_lag, MAX(latency_p95_ms) AS latency_p95_ms, MAX(latency_p99_ms) AS latency_p99_ms,
  CAST(CAST(SUM(records) AS DECIMAL(34, 6)) * 1000 / NULLIF(SUM(batch_ms), 0) AS DECIMAL(18, 1)) AS records_per_second
FROM {v_operations_index}
GROUP BY CAST(hour AS DATE), job, topic""",
)

V_SERVICE_NOW = View(
    name="v_service_now",
    doc="One row per topic: the last minute that the streaming job has written, without waiting for a nightly run.",
    reads=(OPERATIONS_RECONCILE_LEDGERS,),
    body="""\
SELECT topic, last_minute, generation, last_batch, records, rejected, lag, latency_p50_ms, latency_p95_ms, latency_p99_ms,
  records_per_second
FROM (
  SELECT topic, CAST(minute AS TIMESTAMP) AS last_minute, generation, last_batch, records, rejected, lag, latency_p50_ms,
    latency_p95_ms, latency_p99_ms, records_per_second,
    ROW_NUMBER() OVER (PARTITION BY topic ORDER BY minute DESC, generation DESC, last_batch DESC) AS newest
  FROM {operations_reconcile_ledgers}
) minutes
WHERE newest = 1""",
)

V_SOURCE_FRESHNESS = View(
    name="v_source_freshness",
    doc="One row per source that reports totals, statements or payouts: the last date that it has told us of.",
    reads=(CONTROL_TOTALS, V_STATEMENTS, V_PAYOUT_TIEOUT),
    body="""\
SELECT 'LEDGER' AS source_kind, source, MAX(CAST(hour AS DATE)) AS last_date
FROM {control_totals}
GROUP BY source
UNION ALL
SELECT 'BANK ACCOUNT' AS source_kind, account AS source, MAX(closing_date) AS last_date
FROM {v_statements}
WHERE account IS NOT NULL
GROUP BY account
UNION ALL
SELECT 'PROCESSOR' AS source_kind, psp AS source, MAX(payout_date) AS last_date
FROM {v_payout_tieout}
GROUP BY psp""",
)
