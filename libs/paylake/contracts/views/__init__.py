"""The views that consumers read, each after what it reads: the registry is the tuple `VIEWS`."""

from __future__ import annotations

from paylake.contracts.view import View
from paylake.contracts.views.finance import V_BREAK_AGEING, V_DAILY_PROOF, V_MATCH_RATE, V_OPEN_BREAKS
from paylake.contracts.views.published import V_AGGREGATE_INDEX, V_PUBLISHED_RUNS, V_RECONCILIATION_INDEX
from paylake.contracts.views.statements import V_PAYOUT_TIEOUT, V_SETTLEMENT_LINES, V_STATEMENT_LINES, V_STATEMENTS
from paylake.contracts.views.treasury import (
    V_CASH_DUE,
    V_CASH_POSITION,
    V_FORECAST_ERROR,
    V_IN_TRANSIT,
    V_MISSING_PAYOUTS,
    V_PSP_PUNCTUALITY,
    V_RESERVE_LADDER,
    V_SETTLEMENT_SCHEDULE,
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
    V_SETTLEMENT_SCHEDULE,
    V_CASH_DUE,
    V_IN_TRANSIT,
    V_RESERVE_LADDER,
    V_MISSING_PAYOUTS,
    V_PSP_PUNCTUALITY,
    V_FORECAST_ERROR,
    V_CASH_POSITION,
)
