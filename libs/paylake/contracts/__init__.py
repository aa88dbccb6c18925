"""What every table promises: the registry is this tuple."""

from __future__ import annotations

from paylake.contracts.indexes import AGGREGATE_INDEX, BATCH_INDEX, BREAKS, RECONCILIATION_INDEX, RUN_CONTROLS
from paylake.contracts.ledger_entries import CONTROL_TOTALS, LEDGER_ENTRIES, QUARANTINE
from paylake.contracts.operations import OPERATIONS_RECONCILE_LEDGERS
from paylake.contracts.reconciliation import OPEN_ITEMS, RECONCILIATION_PARTIAL
from paylake.contracts.table import TableContract

ALL: tuple[TableContract, ...] = (
    LEDGER_ENTRIES,
    QUARANTINE,
    CONTROL_TOTALS,
    OPEN_ITEMS,
    RECONCILIATION_PARTIAL,
    OPERATIONS_RECONCILE_LEDGERS,
    BATCH_INDEX,
    RECONCILIATION_INDEX,
    BREAKS,
    AGGREGATE_INDEX,
    RUN_CONTROLS,
)
