"""The one merged product: a transaction as published, its policies, settlement and fraud, and how its break ended."""

from __future__ import annotations

from paylake.contracts.fraud import FRAUD_PARTIAL
from paylake.contracts.indexes import AGGREGATE_INDEX, AGGREGATED_FIELDS, BREAKS, FRAUD_COLUMNS
from paylake.contracts.resolution import ADJUSTED, ENDED, LEDGERS_AGREE, SWITCH
from paylake.contracts.taxonomy import Status
from paylake.contracts.view import View, listed
from paylake.contracts.views.fraud import V_FRAUD_INDEX
from paylake.contracts.views.published import V_RECONCILIATION_INDEX, V_TRANSACTION_FLAGS
from paylake.contracts.views.statements import V_SETTLEMENT_LINES

_AGGREGATED = tuple(f.name for f in AGGREGATED_FIELDS)
_FLAGS = ("policy_ids", "policy_flags", "compliance_flag", "kyc_status")
_LABELS = ("label", "label_source", "label_known_at")
_PLACES = {
    **dict.fromkeys(_AGGREGATED, "s"),
    **dict.fromkeys(_FLAGS, "f"),
    **dict.fromkeys(FRAUD_COLUMNS, "p"),
    **dict.fromkeys(_LABELS, "l"),
}
_COLUMNS = tuple(f"{_PLACES.get(name, 'i')}.{name}" for name in AGGREGATE_INDEX.columns)


def _first(name: str, of: str) -> str:
    """A column of the first row that scored a payment."""
    value = f"CAST({of} AS TIMESTAMP)" if name == "fraud_arrived_at" else of
    return f"MIN_BY({value}, (generation, batch)) AS {name}"


V_AGGREGATE_INDEX = View(
    name="v_aggregate_index",
    doc="One row per transaction with the columns of aggregate_index, taken from v_reconciliation_index: a run replaces "
    "the rows of its date in aggregate_index before it publishes, so that until then (and for good, where it crashed) "
    "what was published of the date lies in the versions only. `run_id` is the run that wrote the version. "
    "`resolved_status` is the status, or AUTO_RESOLVED, MANUALLY_RESOLVED or IGNORED where its break was ended so.",
    reads=(V_RECONCILIATION_INDEX, V_TRANSACTION_FLAGS, V_SETTLEMENT_LINES, FRAUD_PARTIAL, V_FRAUD_INDEX, BREAKS),
    # the score that came first stands for good, so it is taken as it lies; labels change, and stand as they were published
    body=f"""\
SELECT {listed(_COLUMNS)},
  CASE WHEN b.resolution IS NULL THEN i.status
    WHEN b.resolution = 'IGNORE' THEN '{Status.IGNORED}'
    WHEN b.checker = '{SWITCH}' THEN '{Status.AUTO_RESOLVED}'
    ELSE '{Status.MANUALLY_RESOLVED}' END AS resolved_status
FROM {{v_reconciliation_index}} i
LEFT JOIN {{v_transaction_flags}} f ON f.transaction_id = i.transaction_id
LEFT JOIN (
  SELECT merchant_reference, MIN(psp) AS psp, MIN(payout_id) AS payout_id,
    CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END AS settled_currency,
    CAST(CASE WHEN MIN(currency) = MAX(currency) THEN SUM(amount) END AS DECIMAL(24, 6)) AS settled_amount,
    CAST(CASE WHEN MIN(currency) = MAX(currency) THEN SUM(fee_amount) END AS DECIMAL(24, 6)) AS settled_fee_amount
  FROM {{v_settlement_lines}}
  WHERE type = 'SALE' AND merchant_reference IS NOT NULL
  GROUP BY merchant_reference
) s ON s.merchant_reference = i.transaction_id
LEFT JOIN (
  SELECT transaction_id, {listed(_first(name, of) for name, of in FRAUD_COLUMNS.items())}
  FROM {{fraud_partial}}
  GROUP BY transaction_id
) p ON p.transaction_id = i.transaction_id
LEFT JOIN {{v_fraud_index}} l ON l.transaction_id = i.transaction_id
LEFT JOIN (
  SELECT recon_id, kind, resolution, checker
  FROM {{breaks}}
  WHERE state IN ({", ".join(f"'{s.value}'" for s in ENDED)}) AND resolution NOT IN ('{LEDGERS_AGREE}', '{ADJUSTED}')
) b ON b.recon_id = i.recon_id AND b.kind = i.kind""",
)
