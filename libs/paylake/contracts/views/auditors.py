"""What auditors read: what was reported when, who decided what, and what a run read, wrote and was decided by."""

from __future__ import annotations

from paylake.contracts.indexes import BREAKS, RECONCILIATION_INDEX, RUN_CONTROLS
from paylake.contracts.resolution import AUDIT_LOG, ENDED, LEDGERS_AGREE
from paylake.contracts.table import one_of
from paylake.contracts.view import View, columns
from paylake.contracts.views.published import V_PUBLISHED_RUNS

V_REPORTED_VERSIONS = View(
    name="v_reported_versions",
    doc="One row per version of a transaction that a run published: it was what we reported from `reported_from` until "
    "`reported_to`, which is null for what we report now. What was reported at a time has reported_from <= time, and "
    "reported_to null or later.",
    reads=(RECONCILIATION_INDEX, V_PUBLISHED_RUNS),
    # a version counts from when its run was published, which is later than valid_from where an attempt crashed before it
    body=f"""\
SELECT {columns(RECONCILIATION_INDEX, leave_out=("valid_from", "valid_to", "is_current", "closed_by_run_id"), of="i.")},
  p.run_at AS reported_from, c.run_at AS reported_to, c.run_id AS replaced_by_run_id
FROM {{reconciliation_index}} i
JOIN {{v_published_runs}} p ON p.run_id = i.run_id
LEFT JOIN {{v_published_runs}} c ON c.run_id = i.closed_by_run_id""",
)

V_ACTS = View(
    name="v_acts",
    doc="One row per act on a break or a period, applied (ACT) or not (REFUSED), with who did it and why, from the chained "
    "log.",
    reads=(AUDIT_LOG,),
    body=f"""\
SELECT {columns(AUDIT_LOG, leave_out=("at", "table_version", "row_count", "sums", "content_hash"))},
  CAST(l.at AS TIMESTAMP) AS done_at
FROM {{audit_log}} l
WHERE entry <> 'COMMIT'""",
)

V_RESOLVED_BREAKS = View(
    name="v_resolved_breaks",
    doc="One row per break that has ended: how, by whom proposed (maker) and approved (checker), and why; without either "
    "where the ledgers came to agree by themselves, which counts once the run that saw it is published.",
    reads=(BREAKS, V_PUBLISHED_RUNS),
    body=f"""\
SELECT break_id, transaction_id, business_date, kind, reason, severity, owner, amount, currency, state, resolution, maker,
  checker, resolution_note, CAST(opened_at AS TIMESTAMP) AS opened_at, opened_by_run_id,
  CAST(resolved_at AS TIMESTAMP) AS resolved_at, resolved_by_run_id
FROM {{breaks}}
WHERE {one_of("state", [s.value for s in ENDED])}
  AND (COALESCE(resolution, '{LEDGERS_AGREE}') <> '{LEDGERS_AGREE}'
    OR resolved_by_run_id IN (SELECT run_id FROM {{v_published_runs}}))""",
)

V_RUN_INPUTS = View(
    name="v_run_inputs",
    doc="One row per topic-partition that a published run read: the offsets that its proof covers, and how many hold a "
    "record.",
    reads=(RUN_CONTROLS, V_PUBLISHED_RUNS),
    body="""\
SELECT c.run_id, c.business_date, p.run_at, c.source, c.first_offset, c.end_offset, c.received_records, c.rejected_records,
  c.gap_records, c.outcome, c.note, c.stream_generation, c.stream_batch
FROM {run_controls} c
JOIN {v_published_runs} p ON p.run_id = c.run_id AND p.run_at = CAST(c.run_at AS TIMESTAMP)
WHERE c.row_kind = 'OFFSETS'""",
)

V_RUN_DIFFERENCES = View(
    name="v_run_differences",
    doc="One row per published run and reason why what the stream had said differs from what the run recomputed.",
    reads=(RUN_CONTROLS, V_PUBLISHED_RUNS),
    body="""\
SELECT c.run_id, c.business_date, p.run_at, c.source AS why, c.broken_records AS transactions
FROM {run_controls} c
JOIN {v_published_runs} p ON p.run_id = c.run_id AND p.run_at = CAST(c.run_at AS TIMESTAMP)
WHERE c.row_kind = 'DIFFERENCE'""",
)

V_RUN_OUTPUTS = View(
    name="v_run_outputs",
    doc="One row per commit of a table that a run recorded in the chained log: the table's version, and what it then held "
    "of the business date.",
    reads=(AUDIT_LOG,),
    body="""\
SELECT sequence, run_id, business_date, subject AS table_name, table_version, row_count, sums, content_hash,
  CAST(l.at AS TIMESTAMP) AS recorded_at, hash
FROM {audit_log} l
WHERE entry = 'COMMIT'""",
)
