"""Compliance: its rules with the dates from which they hold, its index, its alerts, and the flags of transactions.

What names suspicion lies in a layer of its own, so that a prefix of the lake can be closed to everybody else: who is told of
a report to a regulator must not learn it from a table (31 USC 5318(g)(2)). The rules lie there too, since who knows from
which amount on a pattern is looked at knows how to stay below it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from pyspark.sql.types import ArrayType, BooleanType, DateType, DecimalType, IntegerType, StringType

from paylake.contracts.indexes import versioned
from paylake.contracts.table import MONEY, MONEY_SUM, Check, Field, TableContract, one_of

RESTRICTED = "restricted"
"""The layer of what compliance alone may read."""

EVERYWHERE = "*"
"""The jurisdiction of a rule or policy that holds in every country."""

ANY_CURRENCY = "-"
"""The currency of a rule that concerns no money."""

HAPPENED = ("SUCCESS", "REFUNDED", "CHARGEBACK")
"""Statuses of a payment that took place, whatever came of it later: what counts and sums are made of."""

CASH_IN, CASH_OUT = "IN", "OUT"
"""Cash that is taken in, and cash that is given out, as whoever handles it sees it."""

CASH_CHANNEL = "CASH"
"""In this channel every payment is one of cash."""

CASH_TYPES: dict[str, str] = {
    "CASH_DEPOSIT": CASH_IN,
    "CASH_IN": CASH_IN,
    "CASH_WITHDRAWAL": CASH_OUT,
    "CASH_OUT": CASH_OUT,
    "CASH_ADVANCE": CASH_OUT,
}
"""Types of cash in any channel, and their direction."""

CASH_POINTS = ("ATM", "BRANCH")
"""Where cash and other business are done side by side."""

CASH_POINT_TYPES: dict[str, str] = {"DEPOSIT": CASH_IN, "WITHDRAWAL": CASH_OUT}
"""Types that are cash at a cash point, and there only."""

PAID_BACK_TYPES = ("REFUND", "CASHBACK", "PAYOUT", "REVERSAL")
"""Types that run from the merchant to the user; every other one that gives no cash out runs to the merchant."""

TRANSFER_TYPES = ("TRANSFER", "WIRE", "REMITTANCE")
"""Types that are transmittals of funds; a purchase is none."""

OWN_MESSAGE_CHANNELS = ("CARD", "POS", *CASH_POINTS, CASH_CHANNEL)
"""Channels that the travel rule leaves out, as cards and devices are (FIN-2010-G004, answer 1)."""


class Measure(StrEnum):
    """What a rule looks at."""

    CASH_SUM = "CASH_SUM"
    JUST_BELOW = "JUST_BELOW"
    SUSPICIOUS_SUM = "SUSPICIOUS_SUM"
    TRANSFER = "TRANSFER"
    ROUND_AMOUNT = "ROUND_AMOUNT"
    RISK_SCORE = "RISK_SCORE"


class Window(StrEnum):
    """Over what a rule adds up, per person and currency."""

    PAYMENT = "PAYMENT"
    BUSINESS_DAY = "BUSINESS_DAY"
    CALENDAR_MONTH = "CALENDAR_MONTH"
    DAYS = "DAYS"


@dataclass(frozen=True)
class Rule:
    """A rule of compliance, for business dates from `since` on and before `until`.

    It fires where what it measures is more than `amount` (strict) or at least that; JUST_BELOW counts what lies from `floor`
    up to `amount` and fires from `least_count` on; RISK_SCORE has its points there. `days` is the length of a window of
    DAYS, `due_days` how many days after the end of its window a report is due.
    """

    rule_id: str
    version: str
    measure: Measure
    window: Window
    jurisdictions: tuple[str, ...]
    currency: str
    source: str
    since: date
    until: date | None = None
    amount: Decimal | None = None
    is_strict: bool = True
    floor: Decimal | None = None
    least_count: int | None = None
    days: int | None = None
    due_days: int | None = None

    @property
    def label(self) -> str:
        """The rule and its version, as indexes name what fired."""
        return f"{self.rule_id}/{self.version}"


EUROPEAN_UNION = (
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT",
    "NL", "PL", "PT", "RO", "SE", "SI", "SK",
)  # fmt: skip
CHAPTER_X = date(2011, 3, 1)
"""Since when the US rules stand in 31 CFR Chapter X."""
OWN_SINCE = date(2020, 1, 1)
"""Since when the rules of nobody but the house hold."""


def _round(currency: str, unit: int) -> Rule:
    return Rule(f"ROUND_{currency}", "1", Measure.ROUND_AMOUNT, Window.PAYMENT, (EVERYWHERE,), currency,
                "own rule, after FFIEC BSA/AML Manual, Appendix F", OWN_SINCE, amount=Decimal(unit))  # fmt: skip


RULES: tuple[Rule, ...] = (
    Rule("US_CTR", "1", Measure.CASH_SUM, Window.BUSINESS_DAY, ("US",), "USD", "31 CFR 1010.311 and 1010.313", CHAPTER_X,
         amount=Decimal(10_000), due_days=15),
    Rule("IN_CTR", "1", Measure.CASH_SUM, Window.CALENDAR_MONTH, ("IN",), "INR",
         "Prevention of Money-laundering (Maintenance of Records) Rules 2005, rule 3(1)(A) and (B)", date(2005, 7, 1),
         amount=Decimal(1_000_000), due_days=15),
    Rule("US_STRUCTURING", "1", Measure.JUST_BELOW, Window.DAYS, ("US",), "USD",
         "own rule, after 31 CFR 1010.314 and FFIEC BSA/AML Manual, Appendix F", OWN_SINCE, amount=Decimal(10_000),
         floor=Decimal(9_000), least_count=3, days=7),
    Rule("US_SAR", "1", Measure.SUSPICIOUS_SUM, Window.DAYS, ("US",), "USD", "31 CFR 1020.320(a)(2), for banks", CHAPTER_X,
         amount=Decimal(5_000), is_strict=False),
    Rule("US_TRAVEL", "1", Measure.TRANSFER, Window.PAYMENT, ("US",), "USD", "31 CFR 1010.410(e) and (f)", CHAPTER_X,
         amount=Decimal(3_000), is_strict=False),
    Rule("EU_TRAVEL", "1", Measure.TRANSFER, Window.PAYMENT, EUROPEAN_UNION, "EUR", "Regulation (EU) 2015/847",
         date(2017, 6, 26), until=date(2024, 12, 30), amount=Decimal(1_000)),
    Rule("EU_TRAVEL", "2", Measure.TRANSFER, Window.PAYMENT, EUROPEAN_UNION, "EUR", "Regulation (EU) 2023/1113",
         date(2024, 12, 30), amount=Decimal(1_000)),
    *(_round(currency, unit) for currency, unit in (("EUR", 100), ("GBP", 100), ("INR", 1_000), ("USD", 100))),
    Rule("HIGH_RISK", "1", Measure.RISK_SCORE, Window.PAYMENT, (EVERYWHERE,), ANY_CURRENCY,
         "requirements 2.8, a score above 0.8", OWN_SINCE, least_count=80),
)  # fmt: skip
"""Every rule with a threshold. A rule changes by a new version with its first day, which is the last one's `until`."""

COMPLIANCE_RULES = TableContract(
    name="compliance_rules",
    layer=RESTRICTED,
    doc="One row per rule of compliance, version and jurisdiction, with the dates on which it holds.",
    fields=(
        Field("rule_id", StringType(), "Rule."),
        Field("rule_version", StringType(), "Version of the rule."),
        Field("jurisdiction", StringType(), f"ISO 3166 code of the country in which it holds, or {EVERYWHERE}."),
        Field("measure", StringType(), "What it looks at: CASH_SUM, JUST_BELOW, SUSPICIOUS_SUM, TRANSFER, ROUND_AMOUNT or "
              "RISK_SCORE."),
        Field("time_window", StringType(), "Over what it adds up for a person: PAYMENT, BUSINESS_DAY, CALENDAR_MONTH or "
              "DAYS."),
        Field("window_days", IntegerType(), "Length of a window of DAYS.", nullable=True),
        Field("currency", StringType(), f"ISO 4217 code of the only currency that it concerns; {ANY_CURRENCY} where it is "
              "not about money."),
        Field("threshold_amount", MONEY, "Amount from which on it fires; JUST_BELOW: the end of the band; ROUND_AMOUNT: "
              "what an amount is a multiple of.", nullable=True),
        Field("is_strict", BooleanType(), "It fires above the threshold only, and not where it is met exactly."),
        Field("floor_amount", MONEY, "JUST_BELOW: where the band begins.", nullable=True),
        Field("least_count", IntegerType(), "JUST_BELOW: payments or days in the band from which on it fires; RISK_SCORE: "
              "the points.", nullable=True),
        Field("due_days", IntegerType(), "Days after the end of its window within which a report is filed.", nullable=True),
        Field("source", StringType(), "Where the rule comes from."),
        Field("since", DateType(), "First business date on which it holds."),
        Field("until", DateType(), "First business date on which it holds no more; null while no end is known.",
              nullable=True),
    ),
    key=("rule_id", "rule_version", "jurisdiction"),
    checks=(
        Check("measure_known", one_of("measure", [m.value for m in Measure])),
        Check("time_window_known", one_of("time_window", [w.value for w in Window])),
        Check("ends_after_it_begins", "until IS NULL OR until > since"),
        Check("has_a_threshold", f"threshold_amount IS NOT NULL OR measure = '{Measure.RISK_SCORE.value}'"),
    ),
)  # fmt: skip

USER, MERCHANT = "USER", "MERCHANT"
HIGH_RISK, REQUIRES_KYC = "HIGH_RISK", "REQUIRES_KYC"
KYC_VERIFIED, KYC_EXPIRED = "VERIFIED", "EXPIRED"

FLAGS: dict[str, str] = {
    "BLACKLIST_COUNTRY": "a policy lists the country of the payment, of the user's home or of the merchant's seat",
    "BLACKLIST_MERCHANT": "a policy lists the merchant",
    "BLACKLIST_USER": "a policy lists the user",
    "REGIONAL_LIMIT": "the amount reaches the limit of a region",
    "AML_LIMIT": "the amount reaches the limit of a policy against money laundering",
    "REQUIRES_KYC": "a policy asks for identification, and the user's is missing, unfinished or expired",
    "PEP": "the user is a politically exposed person",
    "HIGH_RISK_USER": "the user is rated HIGH",
    "HIGH_RISK_MERCHANT": "the merchant is rated HIGH",
    "HIGH_RISK_LOCATION": "the place of the payment is rated HIGH",
    "HIGH_RISK_SCORE": "the risk score is above the rule's points",
}
"""Words of policy_flags, and what each says of a payment; none of them says that anybody is suspected."""

_FLAGGED = (
    Field("policy_ids", ArrayType(StringType()), "Policies that gave a flag, sorted."),
    Field("policy_flags", ArrayType(StringType()), f"What is to be known, sorted: {', '.join(sorted(FLAGS))}."),
)

_COMPLIANCE_FLAG = Check(
    "compliance_flag_known", f"compliance_flag IS NULL OR compliance_flag IN ('{HIGH_RISK}', '{REQUIRES_KYC}')"
)

TRANSACTION_FLAGS = versioned(
    "transaction_flags",
    "One row per version of flagged transaction: what policies, KYC and ratings say of it, as of the payment's own time. A "
    "transaction without a flag has no row.",
    fields=(
        Field("transaction_id", StringType(), "Identifier of the payment, the same in every ledger."),
        Field("business_date", DateType(), "Business date of the transaction."),
        *_FLAGGED,
        Field("compliance_flag", StringType(), "HIGH_RISK (a score above the rule's points, or on a BLACKLIST policy), else "
              "REQUIRES_KYC (a KYC policy applies, and the user is not identified), else null.", nullable=True),
        Field("kyc_status", StringType(), "The user's KYC status as of the payment; null where the user is not known.",
              nullable=True),
    ),
    key=("transaction_id",),
    partition_by=("business_date",),
    checks=(_COMPLIANCE_FLAG, Check("has_a_flag", "cardinality(policy_flags) > 0")),
)  # fmt: skip

COMPLIANCE_INDEX = replace(
    versioned(
        "compliance_index",
        "One row per version of user or merchant, business date and currency: who they are, how their money moved, and "
        "which rules and policies it met. Counts and sums are of payments that took place, either way, in the one currency.",
        fields=(
            Field("entity_type", StringType(), "USER or MERCHANT."),
            Field("entity_id", StringType(), "The user or the merchant."),
            Field("business_date", DateType(), "Business date."),
            Field("currency", StringType(), "ISO 4217 code of everything that the row counts and sums."),
            Field("kyc_status", StringType(), "VERIFIED, PENDING, EXPIRED, REJECTED or NONE at the end of the date; null "
                  "for a merchant, and where the user is not known.", nullable=True),
            Field("kyc_level", StringType(), "How thoroughly identified, in the source's word.", nullable=True),
            Field("kyc_expires_on", DateType(), "Last day on which the identification counts.", nullable=True),
            Field("is_kyc_expired", BooleanType(), "That day is before the business date, or the status says so; null where "
                  "kyc_status is.", nullable=True),
            Field("risk_rating", StringType(), "The user's rating, the merchant's risk level: LOW, MEDIUM or HIGH.",
                  nullable=True),
            Field("is_pep", BooleanType(), "Politically exposed person; null for a merchant.", nullable=True),
            Field("country", StringType(), "ISO 3166 code of the user's home, of the merchant's seat.", nullable=True),
            Field("country_risk", StringType(), "Highest risk level of the places known in that country.", nullable=True),
            Field("payment_count", IntegerType(), "Payments of the date."),
            Field("amount", MONEY_SUM, "Their sum."),
            Field("largest_1h_count", IntegerType(), "Most payments within one hour that ends with a payment of the date, "
                  "by event time; what lies exactly an hour before is not counted."),
            Field("largest_1h_amount", MONEY_SUM, "Largest sum within such an hour; not of the same hour, necessarily."),
            Field("largest_24h_count", IntegerType(), "The same within 24 hours, which reach into the date before."),
            Field("largest_24h_amount", MONEY_SUM, "Largest sum within such 24 hours."),
            Field("last_7d_count", IntegerType(), "Payments of the date and the 6 business dates before it."),
            Field("last_7d_amount", MONEY_SUM, "Their sum."),
            Field("last_30d_count", IntegerType(), "Payments of the date and the 29 business dates before it."),
            Field("last_30d_amount", MONEY_SUM, "Their sum."),
            Field("cash_in_amount", MONEY_SUM, "Cash taken in on the business day, with that of the days without business "
                  "before it (31 CFR 1010.313(b)), by the currency's rail; null where the date is no business day: its cash "
                  "counts on the next one.", nullable=True),
            Field("cash_out_amount", MONEY_SUM, "Cash given out, counted alike.", nullable=True),
            Field("month_cash_in_amount", MONEY_SUM, "Cash taken in from the first of the calendar month to the date."),
            Field("month_cash_out_amount", MONEY_SUM, "Cash given out from the first of the calendar month to the date."),
            Field("just_below_threshold_count", IntegerType(), "Payments of the business day's cash in the band below a "
                  "reporting threshold, which they do not exceed."),
            Field("round_amount_ratio", DecimalType(7, 6), "Share of the date's payments whose amount is a multiple of the "
                  "currency's unit; null without payments or unit.", nullable=True),
            Field("counterparties_in_count", IntegerType(), "Distinct others who paid the entity on the date: fan-in."),
            Field("counterparties_out_count", IntegerType(), "Distinct others whom the entity paid on the date: fan-out."),
            Field("travel_rule_count", IntegerType(), "Transfers of the date that information has to travel with."),
            Field("travel_rule_required", BooleanType(), "There is one."),
            Field("travel_rule_complete", BooleanType(), "Both ends of each can be named: the payer is identified and "
                  "their bank stated, the payee is a known merchant; null where none is required.", nullable=True),
            Field("ctr_required", BooleanType(), "A report of cash is to be filed: the user's cash in or out exceeds a "
                  "rule's threshold, and some of it is new on the date."),
            Field("ctr_due_on", DateType(), "By when it is to be filed.", nullable=True),
            Field("structuring_suspected", BooleanType(), "Cash is split to stay below a threshold, as a rule sees it, and "
                  "some of it is new on the date; aml_alert has what it rests on."),
            *_FLAGGED,
            Field("compliance_flag", StringType(), "HIGH_RISK where a payment of the date has it; else, for a user, "
                  "REQUIRES_KYC where one has that; else null.", nullable=True),
            Field("rule_ids", ArrayType(StringType()), "Rules that fired, as rule/version, sorted."),
        ),
        key=("entity_type", "entity_id", "business_date", "currency"),
        partition_by=("business_date",),
        checks=(
            Check("entity_type_known", one_of("entity_type", [USER, MERCHANT])),
            _COMPLIANCE_FLAG,
            Check("only_required_travels", "travel_rule_required = (travel_rule_complete IS NOT NULL)"),
            Check("report_has_a_due_date", "ctr_required = (ctr_due_on IS NOT NULL)"),
            Check("longer_windows_hold_more", "amount <= last_7d_amount AND last_7d_amount <= last_30d_amount"),
            Check("a_day_holds_its_hours", "largest_1h_amount <= largest_24h_amount"),
        ),
    ),
    layer=RESTRICTED,
)  # fmt: skip

STRUCTURING = "STRUCTURING"
"""The kind of alert that cash split below a threshold gives."""

AML_ALERT = replace(
    versioned(
        "aml_alert",
        "One row per version of alert: somebody whom a rule suspects on a business date, and the payments that it rests on. "
        "Confidential: nobody who is named here may learn of it.",
        fields=(
            Field("alert_id", StringType(), "Deterministic identifier: kind, person, currency, direction, rule and date."),
            Field("business_date", DateType(), "Business date whose payments gave the alert, or added to it."),
            Field("alert_kind", StringType(), f"What is suspected: {STRUCTURING}."),
            Field("entity_type", StringType(), "USER: the person who handled the cash."),
            Field("entity_id", StringType(), "The user."),
            Field("currency", StringType(), "ISO 4217 code."),
            Field("direction", StringType(), "IN or OUT."),
            Field("first_date", DateType(), "Business date of the first payment that it rests on."),
            Field("last_date", DateType(), "Business date of the last one."),
            Field("payment_count", IntegerType(), "Payments in the band below the threshold."),
            Field("day_count", IntegerType(), "Business days whose cash together lies in it."),
            Field("amount", MONEY_SUM, "Sum of the payments that it rests on."),
            Field("transaction_ids", ArrayType(StringType()), "Those payments, sorted."),
            Field("is_sar_candidate", BooleanType(), "The sum reaches that of a rule on reports of suspicious activity."),
            Field("rule_ids", ArrayType(StringType()), "Rules that fired, as rule/version, sorted."),
        ),
        key=("alert_id",),
        partition_by=("business_date",),
        checks=(
            Check("alert_kind_known", one_of("alert_kind", [STRUCTURING])),
            Check("direction_known", one_of("direction", [CASH_IN, CASH_OUT])),
            Check("rests_on_something", "cardinality(transaction_ids) > 0"),
        ),
    ),
    layer=RESTRICTED,
)  # fmt: skip
