"""What of the banks' and processors' files counts."""

from __future__ import annotations

from paylake.contracts.statements import PAYOUTS, SETTLEMENT_LINES, STATEMENT_FILES, STATEMENT_LINES, STATEMENTS
from paylake.contracts.view import View, columns

_POSTED = "file_sha256 IN (SELECT file_sha256 FROM {statement_files} WHERE state IN ('POSTED', 'ACCEPTED'))"
"""What of a file counts: its proof closed, or a person accepted it."""

V_STATEMENTS = View(
    name="v_statements",
    doc="One row per statement of a posted file, with the balance that the account's statement before it closed with; where "
    "`gap_amount` is not zero, a statement between them is missing.",
    reads=(STATEMENTS, STATEMENT_FILES),
    body=f"""\
SELECT {columns(STATEMENTS)},
  opening_balance - LAG(closing_balance) OVER (
    PARTITION BY account, currency ORDER BY closing_date, opening_date, sequence, file_sha256, statement) AS gap_amount
FROM {{statements}}
WHERE {_POSTED}""",
)

V_STATEMENT_LINES = View(
    name="v_statement_lines",
    doc="One row per entry of a bank statement whose file is posted.",
    reads=(STATEMENT_LINES, STATEMENT_FILES),
    body=f"SELECT {columns(STATEMENT_LINES)}\nFROM {{statement_lines}}\nWHERE {_POSTED}",
)

V_PAYOUT_TIEOUT = View(
    name="v_payout_tieout",
    doc="One row per payout of a posted file: its components, and what is paid less what they come to.",
    reads=(PAYOUTS, STATEMENT_FILES),
    body=f"SELECT {columns(PAYOUTS)}\nFROM {{payouts}}\nWHERE {_POSTED}",
)

V_SETTLEMENT_LINES = View(
    name="v_settlement_lines",
    doc="One row per line of a processor's report whose file is posted.",
    reads=(SETTLEMENT_LINES, STATEMENT_FILES),
    body=f"SELECT {columns(SETTLEMENT_LINES)}\nFROM {{settlement_lines}}\nWHERE {_POSTED}",
)

V_FILES_IN_QUARANTINE = View(
    name="v_files_in_quarantine",
    doc="One row per file that did not prove and that nobody has accepted: nothing of it counts.",
    reads=(STATEMENT_FILES,),
    body=f"""\
SELECT {columns(STATEMENT_FILES, leave_out=("state", "accepted_by", "accepted_because"))}
FROM {{statement_files}}
WHERE state = 'QUARANTINED'
  AND file_sha256 NOT IN (SELECT file_sha256 FROM {{statement_files}} WHERE state = 'ACCEPTED')""",
)
