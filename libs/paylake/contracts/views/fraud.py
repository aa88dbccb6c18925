"""What fraud analysts read: what looks like fraud, how often that is right, which money it kept, and why it was said.

Whether a payment was fraud is known from labels alone, never from a score or a rule, and labels come for weeks: every figure
that rests on them holds as of the last run of its date.
"""

from __future__ import annotations

from paylake.contracts.fraud import (
    APPROVE,
    DECLINE,
    FRAUD,
    FRAUD_INDEX,
    FRAUD_SCORE_CHANGES,
    GENUINE,
    NORMAL,
    REASONS,
    REVIEW,
)
from paylake.contracts.table import sql_text
from paylake.contracts.view import View
from paylake.contracts.views.published import current

V_FRAUD_INDEX = current(FRAUD_INDEX)
V_FRAUD_SCORE_CHANGES = current(FRAUD_SCORE_CHANGES)

_FLAGGED = f"anomaly_type <> '{NORMAL}'"


def _count(where: str) -> str:
    return f"COUNT(CASE WHEN {where} THEN 1 END)"


def _share(part: str, whole: str) -> str:
    """A part of a whole, null where there is none; Trino gives a quotient no more decimals than its terms have."""
    return f"CAST(CAST({part} AS DECIMAL(34, 6)) / NULLIF({whole}, 0) AS DECIMAL(7, 6))"


V_FRAUD_ALERT_PRECISION = View(
    name="v_fraud_alert_precision",
    doc="One row per business date, model and version: payments that were flagged (not normal), those of them with a label, "
    "and the frauds among them; `labelled_fraud` counts the frauds that were not flagged too. `alert_precision` is the "
    "flagged frauds per flagged payment, the least that it can come to: one without a label counts as none; "
    "`judged_precision` per flagged payment with a label. `alert_recall` is the flagged frauds per labelled fraud.",
    reads=(V_FRAUD_INDEX,),
    body=f"""\
SELECT business_date, model_name, model_version, flagged, flagged_labelled, flagged_fraud, labelled_fraud,
  {_share("flagged_fraud", "flagged")} AS alert_precision,
  {_share("flagged_fraud", "flagged_labelled")} AS judged_precision,
  {_share("flagged_fraud", "labelled_fraud")} AS alert_recall
FROM (
  SELECT business_date, model_name, model_version,
    {_count(_FLAGGED)} AS flagged,
    {_count(f"{_FLAGGED} AND label IS NOT NULL")} AS flagged_labelled,
    {_count(f"{_FLAGGED} AND label = '{FRAUD}'")} AS flagged_fraud,
    {_count(f"label = '{FRAUD}'")} AS labelled_fraud
  FROM {{v_fraud_index}}
  GROUP BY business_date, model_name, model_version
) counts""",
)


def _money(name: str, decision: str, label: str) -> str:
    where = f"decision = '{decision}' AND label = '{label}'"
    amount = f"CAST(SUM(CASE WHEN {where} THEN amount ELSE 0 END) AS DECIMAL(28, 4)) AS {name}_amount"
    return f"{_count(where)} AS {name}_payments, {amount}"


V_FRAUD_PREVENTED = View(
    name="v_fraud_prevented",
    doc="One row per business date and currency with a labelled payment: the money of frauds that were to be declined "
    "(prevented), to be reviewed, or to be approved (missed); and genuine money that was to be declined (blocked) or "
    "reviewed (held up).",
    reads=(V_FRAUD_INDEX,),
    body=f"""\
SELECT business_date, currency,
  {_money("prevented", DECLINE, FRAUD)},
  {_money("reviewed", REVIEW, FRAUD)},
  {_money("missed", APPROVE, FRAUD)},
  {_money("blocked_good", DECLINE, GENUINE)},
  {_money("held_up_good", REVIEW, GENUINE)}
FROM {{v_fraud_index}}
WHERE label IS NOT NULL
GROUP BY business_date, currency""",
)

V_FRAUD_REASONS = View(
    name="v_fraud_reasons",
    doc="One row per business date and classic rule that a payment broke: how many did, how many of them have a label, and "
    "how many were fraud. What else made the model say so is in `reasons` of v_fraud_index.",
    reads=(V_FRAUD_INDEX,),
    # an array of rows is taken apart in other words by each dialect; where a text stands in an array, all say alike
    body=f"""\
SELECT i.business_date, r.code AS reason_code, r.said AS reason_text, COUNT(*) AS payments, COUNT(i.label) AS labelled,
  {_count(f"i.label = '{FRAUD}'")} AS labelled_fraud
FROM {{v_fraud_index}} i
CROSS JOIN (VALUES
  {", ".join(f"({sql_text(r.code)}, {sql_text(r.text)})" for r in REASONS)}
) AS r (code, said)
WHERE ARRAY_POSITION(i.rules, r.code) > 0
GROUP BY i.business_date, r.code, r.said""",
)
