"""The views that consumers read, each after what it reads: the registry is the tuple `VIEWS`."""

from __future__ import annotations

from paylake.contracts.view import View
from paylake.contracts.views.auditors import (
    V_ACTS,
    V_REPORTED_VERSIONS,
    V_RESOLVED_BREAKS,
    V_RUN_DIFFERENCES,
    V_RUN_INPUTS,
    V_RUN_OUTPUTS,
)
from paylake.contracts.views.finance import V_BREAK_AGEING, V_DAILY_PROOF, V_MATCH_RATE, V_OPEN_BREAKS
from paylake.contracts.views.published import V_AGGREGATE_INDEX, V_PUBLISHED_RUNS, V_RECONCILIATION_INDEX
from paylake.contracts.views.statements import (
    V_FILES_IN_QUARANTINE,
    V_PAYOUT_TIEOUT,
    V_SETTLEMENT_LINES,
    V_STATEMENT_LINES,
    V_STATEMENTS,
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
    V_FILES_IN_QUARANTINE,
    V_REPORTED_VERSIONS,
    V_ACTS,
    V_RESOLVED_BREAKS,
    V_RUN_INPUTS,
    V_RUN_DIFFERENCES,
    V_RUN_OUTPUTS,
)
