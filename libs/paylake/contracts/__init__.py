"""What every table promises: the registry is the tuple `ALL`."""

from __future__ import annotations

from paylake.contracts.calendars import BUSINESS_DAYS
from paylake.contracts.dimensions import (
    DIMENSION_DELIVERIES,
    DIMENSIONS_QUARANTINE,
    LOCATIONS,
    MERCHANTS,
    POLICIES,
    USERS,
)
from paylake.contracts.indexes import AGGREGATE_INDEX, BATCH_INDEX, BREAKS, RECONCILIATION_INDEX, RUN_CONTROLS
from paylake.contracts.ledger_entries import CONTROL_TOTALS, LEDGER_ENTRIES, QUARANTINE
from paylake.contracts.matching import RECONCILED_ENTRIES, RECONCILIATION_PROOF
from paylake.contracts.operations import OPERATIONS_INDEX, OPERATIONS_RECONCILE_LEDGERS
from paylake.contracts.reconciliation import OPEN_ITEMS, RECONCILIATION_PARTIAL
from paylake.contracts.resolution import ADJUSTMENTS, AUDIT_LOG
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
    "DIMENSIONS_QUARANTINE",
    "DIMENSION_DELIVERIES",
    "LEDGER_ENTRIES",
    "LOCATIONS",
    "MERCHANTS",
    "OPEN_ITEMS",
    "OPERATIONS_INDEX",
    "OPERATIONS_RECONCILE_LEDGERS",
    "PAYOUTS",
    "POLICIES",
    "QUARANTINE",
    "RECONCILED_ENTRIES",
    "RECONCILIATION_INDEX",
    "RECONCILIATION_PARTIAL",
    "RECONCILIATION_PROOF",
    "RUN_CONTROLS",
    "SETTLEMENT_LINES",
    "STATEMENTS",
    "STATEMENT_FILES",
    "STATEMENT_LINES",
    "USERS",
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
    MERCHANTS,
    USERS,
    LOCATIONS,
    POLICIES,
    DIMENSION_DELIVERIES,
    DIMENSIONS_QUARANTINE,
    OPEN_ITEMS,
    RECONCILIATION_PARTIAL,
    OPERATIONS_RECONCILE_LEDGERS,
    BATCH_INDEX,
    RECONCILIATION_INDEX,
    BREAKS,
    AGGREGATE_INDEX,
    RUN_CONTROLS,
    OPERATIONS_INDEX,
    RECONCILED_ENTRIES,
    RECONCILIATION_PROOF,
    BUSINESS_DAYS,
    ADJUSTMENTS,
    AUDIT_LOG,
)
