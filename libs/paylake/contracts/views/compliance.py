"""What compliance and auditors read. All but the views of flags rest on the restricted tables, and are as restricted."""

from __future__ import annotations

from paylake.contracts.compliance import AML_ALERT, COMPLIANCE_INDEX, COMPLIANCE_RULES, REQUIRES_KYC, USER
from paylake.contracts.view import View, columns, first_leg
from paylake.contracts.views.aggregate import V_AGGREGATE_INDEX
from paylake.contracts.views.published import V_PUBLISHED_RUNS, V_TRANSACTION_FLAGS, current

V_COMPLIANCE_INDEX = current(COMPLIANCE_INDEX)
V_AML_ALERT = current(AML_ALERT)

V_POLICY_HITS = View(
    name="v_policy_hits",
    doc="One row per flagged transaction with its money and its parties: which policies it met, as of its own time.",
    reads=(V_TRANSACTION_FLAGS, V_AGGREGATE_INDEX),
    body=f"""\
SELECT f.transaction_id, f.business_date, a.user_id, a.merchant_id, a.type, a.channel, a.city, a.country,
  {first_leg("amount", of="a.")} AS amount, {first_leg("currency", of="a.")} AS currency,
  a.risk_score, f.compliance_flag, f.kyc_status, f.policy_flags, f.policy_ids
FROM {{v_transaction_flags}} f
JOIN {{v_aggregate_index}} a ON a.transaction_id = f.transaction_id AND a.business_date = f.business_date""",
)

V_KYC_DUE = View(
    name="v_kyc_due",
    doc="One row per user who has paid and whose identification is missing, unfinished, expired, or expires within 30 days "
    "of the last published business date, as of the user's last business date; `is_required` where a policy asks for it.",
    reads=(V_COMPLIANCE_INDEX, V_PUBLISHED_RUNS),
    body=f"""\
SELECT l.entity_id AS user_id, l.business_date AS last_business_date, l.country, l.kyc_status, l.kyc_level,
  l.kyc_expires_on, l.risk_rating, l.is_pep, l.is_required, d.as_of_date,
  COALESCE(l.kyc_expires_on < d.as_of_date OR l.kyc_status = 'EXPIRED', FALSE) AS is_expired
FROM (
  SELECT u.*, MAX(COALESCE(compliance_flag = '{REQUIRES_KYC}', FALSE)) OVER (PARTITION BY entity_id, business_date)
    AS is_required, ROW_NUMBER() OVER (PARTITION BY entity_id ORDER BY business_date DESC, currency) AS place
  FROM {{v_compliance_index}} u
  WHERE entity_type = '{USER}'
) l
CROSS JOIN (SELECT MAX(business_date) AS as_of_date FROM {{v_published_runs}}) d
WHERE l.place = 1
  AND (l.kyc_status IS NULL OR l.kyc_status <> 'VERIFIED' OR l.kyc_expires_on <= d.as_of_date + INTERVAL '30' DAY)""",
)

V_CASH_REPORTS = View(
    name="v_cash_reports",
    doc="One row per user, business date and currency whose cash has to be reported, and by when.",
    reads=(V_COMPLIANCE_INDEX,),
    body="""\
SELECT entity_id AS user_id, business_date, currency, cash_in_amount, cash_out_amount, month_cash_in_amount,
  month_cash_out_amount, ctr_due_on, kyc_status, kyc_level, country, rule_ids
FROM {v_compliance_index}
WHERE ctr_required""",
)

V_STRUCTURING = View(
    name="v_structuring",
    doc="One row per user, business date and currency with cash just below a reporting threshold, or suspected of being "
    "split to stay below it.",
    reads=(V_COMPLIANCE_INDEX,),
    body="""\
SELECT entity_id AS user_id, business_date, currency, just_below_threshold_count, structuring_suspected, cash_in_amount,
  cash_out_amount, last_7d_amount, last_30d_amount, round_amount_ratio, kyc_status, risk_rating, country, rule_ids
FROM {v_compliance_index}
WHERE just_below_threshold_count > 0 OR structuring_suspected""",
)

V_AML_ALERTS = View(
    name="v_aml_alerts",
    doc="One row per published alert, with who is suspected as the compliance index knows them. Confidential: nobody who is "
    "named here may learn of it.",
    reads=(V_AML_ALERT, V_COMPLIANCE_INDEX),
    body="""\
SELECT a.alert_id, a.business_date, a.alert_kind, a.entity_type, a.entity_id, c.country, c.country_risk, c.kyc_status,
  c.risk_rating, c.is_pep, a.currency, a.direction, a.first_date, a.last_date, a.payment_count, a.day_count, a.amount,
  a.transaction_ids, a.is_sar_candidate, a.rule_ids
FROM {v_aml_alert} a
LEFT JOIN {v_compliance_index} c ON c.entity_type = a.entity_type AND c.entity_id = a.entity_id
  AND c.business_date = a.business_date AND c.currency = a.currency""",
)

V_COMPLIANCE_RULES = View(
    name="v_compliance_rules",
    doc="One row per rule of compliance, version and jurisdiction, with the dates on which it holds.",
    reads=(COMPLIANCE_RULES,),
    body=f"SELECT {columns(COMPLIANCE_RULES)}\nFROM {{compliance_rules}}",
)
