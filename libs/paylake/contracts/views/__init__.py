"""The views that consumers read, each after what it reads: the registry is the tuple `VIEWS`."""

from __future__ import annotations

from paylake.contracts.view import View
from paylake.contracts.views.aggregate import V_AGGREGATE_INDEX
from paylake.contracts.views.auditors import (
    V_ACTS,
    V_REPORTED_VERSIONS,
    V_RESOLVED_BREAKS,
    V_RUN_DIFFERENCES,
    V_RUN_INPUTS,
    V_RUN_OUTPUTS,
)
from paylake.contracts.views.compliance import (
    V_AML_ALERT,
    V_AML_ALERTS,
    V_CASH_REPORTS,
    V_COMPLIANCE_INDEX,
    V_COMPLIANCE_RULES,
    V_KYC_DUE,
    V_POLICY_HITS,
    V_STRUCTURING,
)
from paylake.contracts.views.finance import (
    V_BREAK_AGEING,
    V_DAILY_PROOF,
    V_LATE_ARRIVALS,
    V_MATCH_RATE,
    V_OPEN_BREAKS,
    V_PERIOD_CLOSE,
    V_TOLERANCE_LEAKAGE,
    V_UNMATCHED_BY_SOURCE,
)
from paylake.contracts.views.merchants import (
    V_MERCHANT_ANOMALIES,
    V_MERCHANT_DAILY,
    V_MERCHANT_EXPOSURE,
    V_MERCHANT_MONTHLY,
    V_REPEATED_DECLINES,
    V_USER_SPEND,
)
from paylake.contracts.views.operations import V_OPERATIONS_INDEX, V_SERVICE_LEVEL, V_SERVICE_NOW, V_SOURCE_FRESHNESS
from paylake.contracts.views.published import V_PUBLISHED_RUNS, V_RECONCILIATION_INDEX, V_TRANSACTION_FLAGS
from paylake.contracts.views.statements import (
    V_CONFLICTING_LINES,
    V_FILES_IN_QUARANTINE,
    V_PAYOUT_TIEOUT,
    V_REPEATED_LINES,
    V_SETTLEMENT_LINES,
    V_STATEMENT_LINES,
    V_STATEMENTS,
)
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
    V_TRANSACTION_FLAGS,
    V_SETTLEMENT_LINES,
    V_AGGREGATE_INDEX,
    V_OPEN_BREAKS,
    V_BREAK_AGEING,
    V_DAILY_PROOF,
    V_MATCH_RATE,
    V_UNMATCHED_BY_SOURCE,
    V_TOLERANCE_LEAKAGE,
    V_LATE_ARRIVALS,
    V_PERIOD_CLOSE,
    V_REPORTED_VERSIONS,
    V_ACTS,
    V_RESOLVED_BREAKS,
    V_RUN_INPUTS,
    V_RUN_DIFFERENCES,
    V_RUN_OUTPUTS,
    V_STATEMENTS,
    V_STATEMENT_LINES,
    V_PAYOUT_TIEOUT,
    V_REPEATED_LINES,
    V_CONFLICTING_LINES,
    V_FILES_IN_QUARANTINE,
    V_OPERATIONS_INDEX,
    V_SERVICE_LEVEL,
    V_SERVICE_NOW,
    V_SOURCE_FRESHNESS,
    V_SETTLEMENT_SCHEDULE,
    V_CASH_DUE,
    V_IN_TRANSIT,
    V_RESERVE_LADDER,
    V_MISSING_PAYOUTS,
    V_PSP_PUNCTUALITY,
    V_FORECAST_ERROR,
    V_CASH_POSITION,
    V_MERCHANT_DAILY,
    V_MERCHANT_MONTHLY,
    V_MERCHANT_ANOMALIES,
    V_MERCHANT_EXPOSURE,
    V_USER_SPEND,
    V_REPEATED_DECLINES,
    V_COMPLIANCE_INDEX,
    V_AML_ALERT,
    V_POLICY_HITS,
    V_KYC_DUE,
    V_CASH_REPORTS,
    V_STRUCTURING,
    V_AML_ALERTS,
    V_COMPLIANCE_RULES,
)
