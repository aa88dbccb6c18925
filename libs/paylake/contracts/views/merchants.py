"""What partnerships, sales, marketing and risk read: how merchants do, who is at a scheme's limits, how customers pay."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql.types import LongType

from paylake.contracts.indexes import VERSION_FIELDS
from paylake.contracts.merchants import EXACT_SUM, MERCHANT_INDEX, UNKNOWN_MERCHANT, USER_SPEND_INDEX
from paylake.contracts.programmes import ECM, EVERY_REGION, MERCHANT, MONITORING_PROGRAMMES, VAMP
from paylake.contracts.view import View, listed
from paylake.contracts.views.finance import V_OPEN_BREAKS
from paylake.contracts.views.published import V_RECONCILIATION_INDEX, current

V_MERCHANT_DAILY = replace(
    current(MERCHANT_INDEX),
    name="v_merchant_daily",
    doc="One row per merchant, business date and currency: the current version of merchant_index, as published.",
)

_SUMMED = [f for f in MERCHANT_INDEX.fields if f not in VERSION_FIELDS and not f.nullable]
_COUNTS = [f.name for f in _SUMMED if isinstance(f.type, LongType)]
_AMOUNTS = [f.name for f in _SUMMED if f.type == EXACT_SUM]


def _ratio(part: str, whole: str) -> str:
    """A quotient that is null where there is nothing to divide by; Trino gives it no more decimals than its terms have."""
    return f"CAST(CAST({part} AS DECIMAL(34, 6)) / NULLIF({whole}, 0) AS DECIMAL(24, 6))"


_RATES = {
    "auth_rate": _ratio("m.approved", "m.approved + m.declined"),
    "auth_rate_by_amount": _ratio("m.approved_amount", "m.approved_amount + m.declined_amount"),
    "order_auth_rate": _ratio("m.approved", "m.orders"),
    "order_auth_rate_by_amount": _ratio("m.approved_amount", "m.orders_amount"),
    "average_ticket_amount": _ratio("m.approved_amount", "m.approved"),
    "effective_rate": _ratio("m.fees_amount", "m.sales_amount"),
    "refund_rate": _ratio("m.refunds", "m.sales"),
    "chargeback_rate": _ratio("m.chargebacks", "m.sales"),
    "vamp_ratio": _ratio("t.visa_chargebacks", "t.visa_not_present_sales"),
    "ecm_ratio": _ratio("t.mastercard_chargebacks", "t.sales_of_previous_month"),
}

V_MERCHANT_MONTHLY = View(
    name="v_merchant_monthly",
    doc="One row per merchant, month and currency: the sums of v_merchant_daily, rates of the sums (the average ticket to "
    "six decimals), and the level reached in the card schemes' programmes as they stood on the month's first day. What "
    "concerns programmes counts the merchant's payments in all currencies: VAMP without the fraud reports (TC40) that no "
    "source delivers yet, so that the true ratio may be higher; ECM over the sales of the month before, null without them. "
    "A level is NONE below every threshold, and null where the ratio or the rule is not known.",
    reads=(V_MERCHANT_DAILY, MONITORING_PROGRAMMES),
    # counts are compared as whole numbers: a rounded ratio could reach what the exact one does not
    body=f"""\
WITH months AS (
  SELECT merchant_id, CAST(DATE_TRUNC('MONTH', business_date) AS DATE) AS business_month, currency,
    MAX(business_date) AS last_date, COUNT(CASE WHEN attempts > 0 THEN 1 END) AS active_days,
    MAX_BY(merchant_name, business_date) AS merchant_name, MAX_BY(category, business_date) AS category,
    MAX_BY(risk_level, business_date) AS risk_level, MAX_BY(region, business_date) AS region,
    {listed(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in _COUNTS)},
    {listed(f"CAST(SUM({name}) AS DECIMAL(30, 6)) AS {name}" for name in _AMOUNTS)},
    COUNT(CASE WHEN is_anomalous THEN 1 END) AS anomalous_days
  FROM {{v_merchant_daily}}
  GROUP BY merchant_id, CAST(DATE_TRUNC('MONTH', business_date) AS DATE), currency
), totals AS (
  SELECT merchant_id, business_month, MAX_BY(region, last_date) AS region, SUM(visa_chargebacks) AS visa_chargebacks,
    SUM(visa_not_present_sales) AS visa_not_present_sales, SUM(mastercard_chargebacks) AS mastercard_chargebacks,
    SUM(mastercard_sales) AS mastercard_sales
  FROM months
  GROUP BY merchant_id, business_month
), compared AS (
  SELECT t.merchant_id, t.business_month, t.region, t.visa_chargebacks, t.visa_not_present_sales,
    t.mastercard_chargebacks, p.mastercard_sales AS sales_of_previous_month
  FROM totals t
  LEFT JOIN totals p ON p.merchant_id = t.merchant_id
    AND p.business_month = CAST(t.business_month - INTERVAL '1' MONTH AS DATE)
), judged AS (
  SELECT c.merchant_id, c.business_month, r.programme, r.level, r.step, r.threshold_count, r.threshold_basis_points,
    CASE r.programme WHEN '{VAMP}' THEN c.visa_chargebacks ELSE c.mastercard_chargebacks END AS chargebacks,
    CASE r.programme WHEN '{VAMP}' THEN c.visa_not_present_sales ELSE c.sales_of_previous_month END AS sales
  FROM compared c
  JOIN {{monitoring_programmes}} r ON r.subject = '{MERCHANT}' AND r.programme IN ('{VAMP}', '{ECM}')
    AND r.region IN (c.region, '{EVERY_REGION}') AND c.business_month >= r.since
    AND (r.until IS NULL OR c.business_month <= r.until)
  WHERE c.merchant_id <> '{UNKNOWN_MERCHANT}'
), steps AS (
  SELECT merchant_id, business_month, programme,
    CASE WHEN chargebacks >= threshold_count AND chargebacks * 10000 >= threshold_basis_points * sales THEN level
      ELSE 'NONE' END AS level,
    CASE WHEN chargebacks >= threshold_count AND chargebacks * 10000 >= threshold_basis_points * sales THEN step
      ELSE 0 END AS step
  FROM judged
  WHERE sales > 0
), levels AS (
  SELECT merchant_id, business_month,
    MAX_BY(level, CASE WHEN programme = '{VAMP}' THEN step END) AS vamp_level,
    MAX_BY(level, CASE WHEN programme = '{ECM}' THEN step END) AS ecm_level
  FROM steps
  GROUP BY merchant_id, business_month
)
SELECT m.merchant_id, m.business_month, m.currency, m.merchant_name, m.category, m.risk_level, m.region, m.active_days,
  {listed(f"m.{name}" for name in (*_COUNTS, *_AMOUNTS))}, m.anomalous_days,
  {listed(f"{ratio} AS {name}" for name, ratio in _RATES.items())},
  l.vamp_level, l.ecm_level
FROM months m
JOIN compared t ON t.merchant_id = m.merchant_id AND t.business_month = m.business_month
LEFT JOIN levels l ON l.merchant_id = m.merchant_id AND l.business_month = m.business_month""",
)

V_MERCHANT_ANOMALIES = View(
    name="v_merchant_anomalies",
    doc="One row per merchant, business date and currency that is unlike the merchant's own last 28 days, with what is: "
    "VOLUME_HIGH, VOLUME_LOW or DECLINES_HIGH. `distance` is the larger of the scores, to sort by.",
    reads=(V_MERCHANT_DAILY,),
    body="""\
SELECT merchant_id, business_date, currency, merchant_name, category, risk_level, attempts, approved, declined,
  approved_amount, auth_rate, history_days, volume_z_score, decline_rate_z_score, anomalies,
  GREATEST(ABS(COALESCE(volume_z_score, 0)), ABS(COALESCE(decline_rate_z_score, 0))) AS distance
FROM {v_merchant_daily}
WHERE is_anomalous""",
)

V_MERCHANT_EXPOSURE = View(
    name="v_merchant_exposure",
    doc="One row per merchant and currency with open breaks: how many, how much is at risk in them, how old they are; "
    "`place` is 1 for the merchant with the most at risk in its currency.",
    reads=(V_OPEN_BREAKS, V_RECONCILIATION_INDEX, V_MERCHANT_DAILY),
    body="""\
SELECT e.merchant_id, n.merchant_name, n.category, n.risk_level, e.currency, e.open_breaks, e.critical_breaks, e.amount,
  e.oldest_business_date, e.oldest_age_days,
  ROW_NUMBER() OVER (PARTITION BY e.currency ORDER BY e.amount DESC, e.open_breaks DESC, e.merchant_id) AS place
FROM (
  SELECT i.merchant_id, o.currency, COUNT(*) AS open_breaks,
    COUNT(CASE WHEN o.severity = 'Critical' THEN 1 END) AS critical_breaks, CAST(SUM(o.amount) AS DECIMAL(28, 4)) AS amount,
    MIN(o.business_date) AS oldest_business_date, MAX(o.age_days) AS oldest_age_days
  FROM {v_open_breaks} o
  JOIN {v_reconciliation_index} i ON i.recon_id = o.recon_id
  GROUP BY i.merchant_id, o.currency
) e
LEFT JOIN (
  SELECT merchant_id, MAX_BY(merchant_name, business_date) AS merchant_name, MAX_BY(category, business_date) AS category,
    MAX_BY(risk_level, business_date) AS risk_level
  FROM {v_merchant_daily}
  GROUP BY merchant_id
) n ON n.merchant_id = e.merchant_id""",
)

V_USER_SPEND = replace(
    current(USER_SPEND_INDEX),
    name="v_user_spend",
    doc="One row per customer, business date and currency: the current version of user_spend_index, as published.",
)

V_REPEATED_DECLINES = View(
    name="v_repeated_declines",
    doc="One row per customer, business date and currency with three declines within an hour: how many, how long the "
    "longest run was, and what was approved on the same date.",
    reads=(V_USER_SPEND,),
    body="""\
SELECT user_id, business_date, currency, home_country, attempts, declined, declined_amount, repeated_declines,
  most_declines_in_an_hour, max_consecutive_declines, merchants, new_merchants, countries, approved, approved_amount,
  ratio_to_own_mean
FROM {v_user_spend}
WHERE is_declined_repeatedly""",
)
