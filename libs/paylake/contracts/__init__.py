"""What every table promises: the registry is the tuple `ALL`."""

from __future__ import annotations

from paylake.contracts.calendars import BUSINESS_DAYS
from paylake.contracts.indexes import AGGREGATE_INDEX, BATCH_INDEX, BREAKS, RECONCILIATION_INDEX, RUN_CONTROLS
from paylake.contracts.ledger_entries import CONTROL_TOTALS, LEDGER_ENTRIES, QUARANTINE
from paylake.contracts.matching import RECONCILED_ENTRIES, RECONCILIATION_PROOF
from paylake.contracts.operations import OPERATIONS_RECONCILE_LEDGERS
from paylake.contracts.reconciliation import OPEN_ITEMS, RECONCILIATION_PARTIAL
from paylake.contracts.resolution import ADJUSTMENTS, AUDIT_LOG
from paylake.contracts.settlement import SETTLEMENT_SCHEDULE
from paylake.contracts.statements import PAYOUTS, SETTLEMENT_LINES, STATEMENT_FILES, STATEMENT_LINES, STATEMENTS
from paylake.contracts.table import TableContract

__all__ = [
    "ADJUSTMENTS",
    "AGGREGATE_INDEX",
    "ALL",
    "AUDIT_LOG",
    "BATCH_INDEX",
    "BREAKS",
    "BUSINESS_DAYS",
    "CONTROL_TOTALS",
    "LEDGER_ENTRIES",
    "OPEN_ITEMS",
    "OPERATIONS_RECONCILE_LEDGERS",
    "PAYOUTS",
    "QUARANTINE",
    "RECONCILED_ENTRIES",
    "RECONCILIATION_INDEX",
    "RECONCILIATION_PARTIAL",
    "RECONCILIATION_PROOF",
    "RUN_CONTROLS",
    "SETTLEMENT_LINES",
    "SETTLEMENT_SCHEDULE",
    "STATEMENTS",
    "STATEMENT_FILES",
    "STATEMENT_LINES",
    "TableContract",
]

ALL: tuple[TableContract, ...] = (
    LEDGER_ENTRIES,
    QUARANTINE,
    CONTROL_TOTALS,
    STATEMENT_FILES,
    STATEMENTS,
    STATEMENT_LINES,
    PAYOUTS,
    SETTLEMENT_LINES,
    OPEN_ITEMS,
    RECONCILIATION_PARTIAL,
    OPERATIONS_RECONCILE_LEDGERS,
    BATCH_INDEX,
    RECONCILIATION_INDEX,
    BREAKS,
    AGGREGATE_INDEX,
    SETTLEMENT_SCHEDULE,
    RUN_CONTROLS,
    RECONCILED_ENTRIES,
    RECONCILIATION_PROOF,
    BUSINESS_DAYS,
    ADJUSTMENTS,
    AUDIT_LOG,
)
