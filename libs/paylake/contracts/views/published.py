"""Which runs are published, and what they say of each transaction.

The last row that a run writes publishes it. Until then its rows lie in the tables already, beside and in place of those
of the run before; a view shows nothing of them, and everything that they closed or replaced.
"""

from __future__ import annotations

from paylake.contracts.compliance import TRANSACTION_FLAGS
from paylake.contracts.indexes import RECONCILIATION_INDEX, RUN_CONTROLS
from paylake.contracts.table import TableContract
from paylake.contracts.view import View, columns

V_PUBLISHED_RUNS = View(
    name="v_published_runs",
    doc="One row per published run; `is_last` marks the run that its business date stands by.",
    reads=(RUN_CONTROLS,),
    body="""\
SELECT run_id, business_date, CAST(run_at AS TIMESTAMP) AS run_at, outcome, note, stream_generation, stream_batch,
  ROW_NUMBER() OVER (PARTITION BY business_date ORDER BY run_at DESC, run_id DESC) = 1 AS is_last
FROM {run_controls}
WHERE row_kind = 'PUBLISHED'""",
)

IS_PUBLISHED = """\
EXISTS (SELECT 1 FROM {v_published_runs} p WHERE p.run_id = i.run_id)
  AND NOT EXISTS (SELECT 1 FROM {v_published_runs} p WHERE p.run_id = i.closed_by_run_id)"""


def current(contract: TableContract) -> View:
    """The view of an index that shows its current versions, as published, under the index's name after v_."""
    return View(
        name=f"v_{contract.name}",
        doc=f"{contract.doc.split(':')[0].rstrip('.').replace('One row per version of', 'One row per', 1)}: "
        "its current version, as published.",
        reads=(contract, V_PUBLISHED_RUNS),
        body=f"""\
SELECT {columns(contract, leave_out=("valid_to", "is_current", "closed_by_run_id"), of="i.")}
FROM {{{contract.name}}} i
WHERE {IS_PUBLISHED}""",
    )


V_RECONCILIATION_INDEX = View(
    name="v_reconciliation_index",
    doc="One row per transaction, its current version as published: a version that only an unpublished run closed is "
    "still current, so that a run that crashed shows nothing new and hides nothing old.",
    reads=(RECONCILIATION_INDEX, V_PUBLISHED_RUNS),
    body=f"""\
SELECT {columns(RECONCILIATION_INDEX, leave_out=("valid_to", "is_current", "closed_by_run_id"), of="i.")}
FROM {{reconciliation_index}} i
WHERE {IS_PUBLISHED}""",
)

V_TRANSACTION_FLAGS = current(TRANSACTION_FLAGS)
