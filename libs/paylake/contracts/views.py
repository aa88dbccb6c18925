"""The views that consumers read: only what a published run says, in SQL that Spark and Athena (Trino) both read.

The last row that a run writes publishes it. Until then its rows lie in the tables already, beside and in place of those
of the run before; a view shows nothing of them, and everything that they closed or replaced.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from string import Formatter

from pyspark.sql.types import TimestampType

from paylake.contracts.calendars import AGE_BUCKETS, BUSINESS_DAYS, OLDEST_BUCKET
from paylake.contracts.indexes import AGGREGATE_INDEX, BREAKS, RECONCILIATION_INDEX, RUN_CONTROLS
from paylake.contracts.resolution import ENDED, LEDGERS_AGREE
from paylake.contracts.statements import PAYOUTS, SETTLEMENT_LINES, STATEMENT_FILES, STATEMENT_LINES, STATEMENTS
from paylake.contracts.table import TableContract
from paylake.contracts.topics import LEDGERS
from paylake.errors import ContractError


@dataclass(frozen=True)
class View:
    """A question over tables and other views; `body` is its SQL, which names each of them in braces."""

    name: str
    doc: str
    reads: tuple[TableContract | View, ...]
    body: str

    def __post_init__(self) -> None:
        """Refuse a view whose SQL reads something else than it says, at import."""
        named = {name for _, name, _, _ in Formatter().parse(self.body) if name is not None}
        if named != {source.name for source in self.reads}:
            raise ContractError(f"{self.name}: its SQL names {sorted(named)}; say the same in `reads`.")

    def sql(self, database: str | None = None) -> str:
        """The view's query; the tables are those of the database, or go by their bare names."""
        place = f"{database}." if database else ""
        return self.body.format(**{source.name: place + source.name for source in self.reads})

    def athena_ddl(self, database: str) -> str:
        """The Athena statement that makes the view, or makes it anew; what it reads has to be there."""
        return f"CREATE OR REPLACE VIEW {database}.{self.name} AS\n{self.sql(database)}"


def _columns(contract: TableContract, leave_out: tuple[str, ...] = (), of: str = "") -> str:
    """The table's columns as a list to select."""
    # Athena reads Delta's timestamps as times with a zone, which none of its views can hold; the zone is UTC
    shown = (
        f"CAST({of}{f.name} AS TIMESTAMP) AS {f.name}" if isinstance(f.type, TimestampType) else f"{of}{f.name}"
        for f in contract.fields
        if f.name not in leave_out
    )
    return _listed(shown)


def _listed(columns: Iterable[str]) -> str:
    return textwrap.fill(", ".join(columns), width=110, subsequent_indent="  ")


def _first_leg(what: str, of: str = "") -> str:
    """The gateway's value, else core's, else mobile's."""
    return f"COALESCE({', '.join(f'{of}{ledger}_{what}' for ledger in LEDGERS)})"


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

V_RECONCILIATION_INDEX = View(
    name="v_reconciliation_index",
    doc="One row per transaction, its current version as published: a version that only an unpublished run closed is "
    "still current, so that a run that crashed shows nothing new and hides nothing old.",
    reads=(RECONCILIATION_INDEX, V_PUBLISHED_RUNS),
    body=f"""\
SELECT {_columns(RECONCILIATION_INDEX, leave_out=("valid_to", "is_current", "closed_by_run_id"), of="i.")}
FROM {{reconciliation_index}} i
WHERE EXISTS (SELECT 1 FROM {{v_published_runs}} p WHERE p.run_id = i.run_id)
  AND NOT EXISTS (SELECT 1 FROM {{v_published_runs}} p WHERE p.run_id = i.closed_by_run_id)""",
)

V_AGGREGATE_INDEX = View(
    name="v_aggregate_index",
    doc="One row per transaction with the columns of aggregate_index, taken from v_reconciliation_index: a run replaces "
    "the rows of its date in aggregate_index before it publishes, so that until then (and for good, where it crashed) "
    "what was published of the date lies in the versions only. `run_id` is the run that wrote the version.",
    reads=(V_RECONCILIATION_INDEX,),
    body=f"""\
SELECT {_listed(AGGREGATE_INDEX.columns)}
FROM {{v_reconciliation_index}}""",
)

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
    ELSE {_first_leg("amount", of="i.")} END AS DECIMAL(18, 4)) AS amount,
  {_first_leg("currency", of="i.")} AS currency,
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
SELECT {_columns(RUN_CONTROLS, leave_out=("row_kind", "first_offset", "end_offset", "gap_records"), of="c.")}
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
  SELECT business_date, {_first_leg("currency")} AS currency,
    COUNT(*) AS transactions,
    COUNT(CASE WHEN status = 'MATCHED' THEN 1 END) AS matched_transactions,
    CAST(SUM({_first_leg("amount")}) AS DECIMAL(28, 4)) AS amount,
    CAST(SUM(CASE WHEN status = 'MATCHED' THEN {_first_leg("amount")} ELSE 0 END)
      AS DECIMAL(28, 4)) AS matched_amount
  FROM {{v_aggregate_index}}
  GROUP BY business_date, {_first_leg("currency")}
) sums""",
)

_POSTED = "file_sha256 IN (SELECT file_sha256 FROM {statement_files} WHERE state IN ('POSTED', 'ACCEPTED'))"
"""What of a file counts: its proof closed, or a person accepted it."""

V_STATEMENTS = View(
    name="v_statements",
    doc="One row per statement of a posted file, with the balance that the account's statement before it closed with; where "
    "`gap_amount` is not zero, a statement between them is missing.",
    reads=(STATEMENTS, STATEMENT_FILES),
    body=f"""\
SELECT {_columns(STATEMENTS)},
  opening_balance - LAG(closing_balance) OVER (
    PARTITION BY account, currency ORDER BY closing_date, opening_date, sequence, file_sha256, statement) AS gap_amount
FROM {{statements}}
WHERE {_POSTED}""",
)

V_STATEMENT_LINES = View(
    name="v_statement_lines",
    doc="One row per entry of a bank statement whose file is posted.",
    reads=(STATEMENT_LINES, STATEMENT_FILES),
    body=f"SELECT {_columns(STATEMENT_LINES)}\nFROM {{statement_lines}}\nWHERE {_POSTED}",
)

V_PAYOUT_TIEOUT = View(
    name="v_payout_tieout",
    doc="One row per payout of a posted file: its components, and what is paid less what they come to.",
    reads=(PAYOUTS, STATEMENT_FILES),
    body=f"SELECT {_columns(PAYOUTS)}\nFROM {{payouts}}\nWHERE {_POSTED}",
)

V_SETTLEMENT_LINES = View(
    name="v_settlement_lines",
    doc="One row per line of a processor's report whose file is posted.",
    reads=(SETTLEMENT_LINES, STATEMENT_FILES),
    body=f"SELECT {_columns(SETTLEMENT_LINES)}\nFROM {{settlement_lines}}\nWHERE {_POSTED}",
)

VIEWS: tuple[View, ...] = (
    V_PUBLISHED_RUNS,
    V_RECONCILIATION_INDEX,
    V_AGGREGATE_INDEX,
    V_OPEN_BREAKS,
    V_BREAK_AGEING,
    V_DAILY_PROOF,
    V_MATCH_RATE,
    V_STATEMENTS,
    V_STATEMENT_LINES,
    V_PAYOUT_TIEOUT,
    V_SETTLEMENT_LINES,
)
"""Every view, each after what it reads."""


def view_dictionary(views: Iterable[View]) -> str:
    """The data dictionary's chapter on views, as Markdown: what each shows, and its query."""
    parts = ["\n# Views\n\nWhat consumers read: published runs only, in Athena and in `paylake sql`.\n"]
    for view in views:
        read = ", ".join(f"`{source.name}`" for source in view.reads)
        parts.append(f"\n## `{view.name}`\n\n{view.doc}\n\nReads: {read}.\n\n```sql\n{view.sql()}\n```\n")
    return "".join(parts)
