"""What of the banks' and processors' files counts."""

from __future__ import annotations

from paylake.contracts.statements import PAYOUTS, SETTLEMENT_LINES, STATEMENT_FILES, STATEMENT_LINES, STATEMENTS
from paylake.contracts.table import TableContract
from paylake.contracts.view import View, columns, listed

_POSTED = "file_sha256 IN (SELECT file_sha256 FROM {statement_files} WHERE state IN ('POSTED', 'ACCEPTED'))"
"""What of a file counts: its proof closed, or a person accepted it."""

V_STATEMENTS = View(
    name="v_statements",
    doc="One row per statement of a posted file, with the balance that the account's statement before it closed with; where "
    "`gap_amount` is not zero, a statement between them is missing.",
    reads=(STATEMENTS, STATEMENT_FILES),
    # the order of v_cash_position's latest statement: what has no date, or no number, comes before what has
    body=f"""\
SELECT {columns(STATEMENTS)},
  opening_balance - LAG(closing_balance) OVER (
    PARTITION BY account, currency ORDER BY closing_date NULLS FIRST, opening_date NULLS FIRST, sequence NULLS FIRST,
      file_sha256, statement) AS gap_amount
FROM {{statements}}
WHERE {_POSTED}""",
)


def _numbered(contract: TableContract, says: tuple[str, ...], order: str) -> str:
    """The posted rows with `copy`: 1, or more where another file has told the same before.

    Two equal rows of one file are two entries: so it is the second of one file that repeats the second of another.
    """
    same = ", ".join(says)
    return f"""\
SELECT t.*, ROW_NUMBER() OVER (PARTITION BY {same}, nth ORDER BY file_sha256) AS copy
  FROM (
    SELECT {columns(contract)},
      ROW_NUMBER() OVER (PARTITION BY {same}, file_sha256 ORDER BY {order}) AS nth
    FROM {{{contract.name}}}
    WHERE {_POSTED}
  ) t"""


_LINE_SAYS = (
    "account", "currency", "amount", "is_reversal", "status", "booking_date", "value_date", "bank_reference",
    "end_to_end_id", "reference", "remittance",
)  # fmt: skip
_SETTLED_SAYS = (
    "psp", "account", "payout_id", "type", "currency", "amount", "fee_amount", "net_amount", "created_at", "psp_reference",
    "line_reference", "merchant_reference",
)  # fmt: skip
_PAYOUT_SAYS = ("psp", "account", "payout_id", "currency", "expected_amount", "payout_amount")

_PAYOUT_REPEATS = "copy > 1"
_LINE_REPEATS = "copy > 1 AND account IS NOT NULL"
_SETTLED_REPEATS = "copy > 1 AND COALESCE(psp_reference, line_reference) IS NOT NULL"
"""Which row another file has told before; without an account, or any reference, nobody can say that it is the same one."""


def _once(contract: TableContract, name: str, doc: str, says: tuple[str, ...], order: str, repeats: str) -> View:
    """The view of a table of lines in which a row that several files tell counts once."""
    return View(
        name=name,
        doc=doc,
        reads=(contract, STATEMENT_FILES),
        body=f"""\
SELECT {listed(contract.columns)}
FROM (
  {_numbered(contract, says, order)}
) copies
WHERE NOT ({repeats})""",
    )


V_STATEMENT_LINES = _once(
    STATEMENT_LINES,
    "v_statement_lines",
    "One row per entry of a bank statement whose file is posted; an entry that several files tell alike, such as an "
    "intraday report and the day's statement, counts once.",
    _LINE_SAYS,
    "line, part",
    _LINE_REPEATS,
)

V_PAYOUT_TIEOUT = _once(
    PAYOUTS,
    "v_payout_tieout",
    "One row per payout of a posted file: its components, and what is paid less what they come to. A payout that "
    "several files tell alike counts once.",
    _PAYOUT_SAYS,
    "statement",
    _PAYOUT_REPEATS,
)

V_SETTLEMENT_LINES = _once(
    SETTLEMENT_LINES,
    "v_settlement_lines",
    "One row per line of a processor's report whose file is posted; a line that several files tell alike counts once.",
    _SETTLED_SAYS,
    "line",
    _SETTLED_REPEATS,
)

V_REPEATED_LINES = View(
    name="v_repeated_lines",
    doc="One row per entry or settlement line of a posted file that another file has told before: it counts once.",
    reads=(STATEMENT_LINES, SETTLEMENT_LINES, STATEMENT_FILES),
    body=f"""\
SELECT 'STATEMENT' AS file_kind, file_sha256, line, account, currency, amount, bank_reference AS own_reference
FROM (
  {_numbered(STATEMENT_LINES, _LINE_SAYS, "line, part")}
) copies
WHERE {_LINE_REPEATS}
UNION ALL
SELECT 'SETTLEMENT' AS file_kind, file_sha256, line, account, currency, amount, psp_reference AS own_reference
FROM (
  {_numbered(SETTLEMENT_LINES, _SETTLED_SAYS, "line")}
) copies
WHERE {_SETTLED_REPEATS}""",
)

V_CONFLICTING_LINES = View(
    name="v_conflicting_lines",
    doc="One row per key of which posted files tell different amounts or currencies: a bank's own reference of an entry, "
    "or a payout. Nobody can say which is right but the bank or the processor.",
    reads=(STATEMENT_LINES, PAYOUTS, STATEMENT_FILES),
    # within one file a bank may give a whole batch one reference
    body=f"""\
SELECT 'STATEMENT' AS file_kind, account, bank_reference AS own_reference, COUNT(*) AS files,
  MIN(said_amount) AS smallest_amount, MAX(said_amount) AS largest_amount, MIN(said_currency) AS currency
FROM (
  SELECT account, bank_reference, file_sha256, SUM(amount) AS said_amount, MIN(currency) AS said_currency
  FROM {{statement_lines}}
  WHERE {_POSTED} AND status = 'BOOKED' AND account IS NOT NULL AND bank_reference <> 'NONREF'
  GROUP BY account, bank_reference, file_sha256
) told
GROUP BY account, bank_reference
HAVING MIN(said_amount) <> MAX(said_amount) OR MIN(said_currency) <> MAX(said_currency)
UNION ALL
SELECT 'PAYOUT' AS file_kind, account, payout_id AS own_reference, COUNT(*) AS files,
  MIN(expected_amount) AS smallest_amount, MAX(expected_amount) AS largest_amount, currency
FROM {{payouts}}
WHERE {_POSTED}
GROUP BY psp, account, payout_id, currency
HAVING MIN(expected_amount) <> MAX(expected_amount) OR MIN(payout_amount) <> MAX(payout_amount)""",
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
