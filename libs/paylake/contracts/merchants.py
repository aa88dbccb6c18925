"""How each merchant does, and how each customer pays, by business date and currency."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
)

from paylake.contracts.indexes import versioned
from paylake.contracts.programmes import REGIONS
from paylake.contracts.table import MONEY, MONEY_SUM, Check, Field, one_of

APPROVED: tuple[str, ...] = ("SUCCESS", "REFUNDED", "CHARGEBACK")
DECLINED: tuple[str, ...] = ("FAILED",)
REVERSED: tuple[str, ...] = ("REVERSED",)
"""What became of a payment, by its status; every other status is undecided.

What was paid back was approved before; what was reversed may have been approved or not.
"""

UNKNOWN_MERCHANT = "UNKNOWN"
"""The merchant of settlement lines whose payment is not found."""

RETRY_MINUTES = 30
"""A declined payment that is tried again within these is one order with the next attempt."""

HISTORY_DAYS, LEAST_HISTORY_DAYS = 28, 7
"""How far back a merchant is compared with itself, and how much of it there has to be."""

LEAST_DECIDED = 20
"""A day's decline rate counts where so many payments were decided: below, one decline more is no news."""

ANOMALOUS_FROM = Decimal("3.5")
"""The modified z-score from which on a value is an outlier (Iglewicz and Hoaglin, 1993)."""

VOLUME_HIGH, VOLUME_LOW, DECLINES_HIGH = "VOLUME_HIGH", "VOLUME_LOW", "DECLINES_HIGH"
ANOMALIES: tuple[str, ...] = (VOLUME_HIGH, VOLUME_LOW, DECLINES_HIGH)

REPEATED_DECLINES = 3
"""So many declines within an hour are repeated ones."""

SHORT_DAYS, LONG_DAYS = 7, 30
"""The days over which a customer's spending rolls."""

LAST_NIGHT_HOUR = 4
"""Night lasts from midnight until five, UTC: the hours 0 to 4 (requirements 2.3)."""

EXACT_SUM = DecimalType(30, 6)
"""A sum of one currency of what ledgers and processors state, the latter with up to six decimals."""
QUOTIENT = DecimalType(24, 6)
"""An amount over an amount. It may be far above one, and must never overflow."""
SHARE = DecimalType(7, 6)
"""A part of a whole, 0 to 1."""
Z_SCORE = DecimalType(16, 4)


def _count(name: str, doc: str) -> Field:
    return Field(name, LongType(), doc)


def _sum(name: str, doc: str) -> Field:
    return Field(name, EXACT_SUM, doc)


def _null(name: str, kind: DataType, doc: str) -> Field:
    return Field(name, kind, doc, nullable=True)


def _share(name: str) -> Check:
    return Check(f"{name}_is_a_share", f"{name} IS NULL OR {name} BETWEEN 0 AND 1")


MERCHANT_INDEX = versioned(
    name="merchant_index",
    doc="One row per version of a merchant's business date and currency: payments, settled money, breaks, and what is "
    "unlike its own last 28 days. A merchant that had payments in those days has a row also where it has none now.",
    fields=(
        Field("merchant_id", StringType(), "Merchant who is paid; UNKNOWN for settlement lines whose payment is not found."),
        Field("business_date", DateType(), "Business date of the payments, and date (UTC) of the settlement lines."),
        Field("currency", StringType(), "ISO 4217 code of every amount; nothing is summed across currencies."),
        _null("merchant_name", StringType(), "Trading name, at the end of the business date."),
        _null("category", StringType(), "Line of business, at the end of the business date."),
        _null("risk_level", StringType(), "LOW, MEDIUM or HIGH, at the end of the business date."),
        _null("region", StringType(), "Visa region of the merchant's country; its programme's limits depend on it."),
        _count("attempts", "Payments, whatever became of them."),
        _sum("attempts_amount", "Their amount."),
        _count("approved", "Payments that were approved, those paid back since included."),
        _sum("approved_amount", "Their amount."),
        _count("declined", "Payments that were declined."),
        _sum("declined_amount", "Their amount."),
        _count("pending", "Payments that nobody has decided yet."),
        _sum("pending_amount", "Their amount."),
        _count("reversed", "Payments that were cancelled or reversed; whether the issuer had approved them is not known."),
        _sum("reversed_amount", "Their amount."),
        _count(
            "orders",
            "Decided payments without those that repeat a declined one of the same customer, amount, currency and business "
            "date at most 30 minutes later: an order ends with its approval.",
        ),
        _sum("orders_amount", "Their amount, each order's once."),
        _null("auth_rate", SHARE, "Approved per decided payment; null where none is decided."),
        _null("auth_rate_by_amount", SHARE, "The same by amount."),
        _null("order_auth_rate", SHARE, "Approved payments per order: what customers got in the end; null without orders."),
        _null("order_auth_rate_by_amount", SHARE, "The same by amount."),
        _null(
            "average_ticket_amount",
            EXACT_SUM,
            "Approved amount per approved payment, rounded to the currency's minor unit, half of it away from zero.",
        ),
        _count("settlement_lines", "Lines of settlement reports of the date, without those of payouts."),
        _count("sales", "Sales that a processor settled."),
        _sum("sales_amount", "Their amount before fees."),
        _count("refunds", "Refunds that a processor booked, on the day of the refund."),
        _sum("refunds_amount", "Their amount, less what was reversed; positive lessens what is paid out."),
        _count("chargebacks", "Chargebacks that a processor booked, on the day of the chargeback."),
        _count("chargebacks_reversed", "Chargebacks that were given back."),
        _sum("chargebacks_amount", "Amount of the chargebacks, less what was reversed; positive lessens what is paid out."),
        _sum("fees_amount", "Fees of every line and fee lines; positive lessens what is paid out."),
        _sum("other_amount", "Reserve, corrections, conversion, and the net of lines of unknown types; as it adds."),
        _sum("settled_net_amount", "Sales less refunds, chargebacks and fees, with the others: what is to be paid out."),
        _null("effective_rate", QUOTIENT, "Fees over settled sales; null without sales."),
        _null("refund_rate", QUOTIENT, "Refunds per settled sale, by count; null without sales."),
        _null("chargeback_rate", QUOTIENT, "Chargebacks per settled sale, by count; null without sales."),
        _count(
            "visa_not_present_sales",
            "Settled Visa sales with the card not present: every payment through channel CARD is taken for one, since "
            "the ledgers are of e-commerce and carry no terminal.",
        ),
        _count("visa_chargebacks", "Chargebacks of Visa payments, whose network is the payment's, else the line's method."),
        _count("mastercard_sales", "Settled sales of Mastercard payments."),
        _count("mastercard_chargebacks", "Chargebacks of Mastercard payments."),
        _count("broken", "Payments with a break."),
        _sum("broken_amount", "Amount at risk in them, as breaks counts it."),
        Field("history_days", IntegerType(), "Published dates among the 28 days before, from the merchant's first one on."),
        _null(
            "volume_z_score",
            Z_SCORE,
            "How far the number of attempts is from the median of the history, in 1.4826 median absolute deviations, at "
            "least one attempt and 5 % of the median; null with fewer than 7 days.",
        ),
        _null(
            "decline_rate_z_score",
            Z_SCORE,
            "The same of declined per decided payments, at least one percentage point; null where the date or fewer than 7 "
            "days of the history have 20 decided payments.",
        ),
        _null("is_anomalous", BooleanType(), "A score is 3.5 or more; null where no score is known."),
        Field("anomalies", ArrayType(StringType()), "What is unlike the history: VOLUME_HIGH, VOLUME_LOW, DECLINES_HIGH."),
    ),
    key=("merchant_id", "business_date", "currency"),
    partition_by=("business_date",),
    checks=(
        Check("every_attempt_is_counted_once", "attempts = approved + declined + pending + reversed"),
        Check("every_amount_is_counted_once",
              "attempts_amount = approved_amount + declined_amount + pending_amount + reversed_amount"),
        Check("settled_money_closes", "settled_net_amount = sales_amount - refunds_amount - chargebacks_amount "
              "- fees_amount + other_amount"),
        Check("orders_end_with_an_approval", "orders BETWEEN approved AND approved + declined"),
        Check("region_known", f"region IS NULL OR {one_of('region', REGIONS)}"),
        *map(_share, ("auth_rate", "auth_rate_by_amount", "order_auth_rate", "order_auth_rate_by_amount")),
    ),
)  # fmt: skip

USER_SPEND_INDEX = versioned(
    name="user_spend_index",
    doc="One row per version of a customer's business date and currency: what was paid where, what was declined, "
    "and what looked like fraud, or was.",
    fields=(
        Field("user_id", StringType(), "Customer who pays; has a row for each date and currency with a payment."),
        Field("business_date", DateType(), "Business date of the payments."),
        Field("currency", StringType(), "ISO 4217 code of every amount; every count is of payments in it too."),
        _null("home_country", StringType(), "ISO 3166 code of the customer's home, at the end of the business date."),
        _count("attempts", "Payments, whatever became of them."),
        _count("approved", "Payments that were approved, those paid back since included."),
        Field("approved_amount", MONEY_SUM, "Their amount: what was spent."),
        _count("declined", "Payments that were declined."),
        Field("declined_amount", MONEY_SUM, "Their amount."),
        _null("largest_ticket_amount", MONEY, "Largest approved payment; null where none was approved."),
        _count("merchants", "Different merchants of all payments."),
        _count("new_merchants", "Those of them without a payment of the customer in the currency in the 30 days before."),
        _count("categories", "Different lines of business of the merchants, as far as they are known."),
        _count("countries", "Different countries of the payments."),
        _count("channels", "Different channels of the payments."),
        _null(
            "top_category",
            StringType(),
            "Line of business with the largest approved amount, the first by name of equals; null where none is known.",
        ),
        _count("abroad", "Payments in another country than the customer's home; 0 where either is not known."),
        _count("at_night", "Payments from midnight until before five, UTC."),
        Field("night_share", SHARE, "Payments at night per payment."),
        _count(
            "max_consecutive_declines",
            "Longest run of declines without an approval in between; undecided ones do not count.",
        ),
        _count(
            "most_declines_in_an_hour",
            "Most declines of any hour that ends with a decline of the date; it may begin before.",
        ),
        _count("repeated_declines", "Declines that had at least two others in the hour up to them."),
        Field("is_declined_repeatedly", BooleanType(), "There was one: three declines within an hour, by event time."),
        Field("spend_7_days_amount", MONEY_SUM, "Approved amount of the date and the 6 days before."),
        Field("spend_30_days_amount", MONEY_SUM, "Approved amount of the date and the 29 days before."),
        _null(
            "ratio_to_own_mean",
            QUOTIENT,
            "Approved amount of the date over the mean of a day in the 30 days before, from the first with an approved "
            "payment on; null where there is none.",
        ),
        _null("last_paid_at", TimestampType(), "Latest approved payment of the date and the 30 days before, UTC."),
        _null("scored", LongType(), "Payments that were scored for fraud; 0 where none was, null in versions from before."),
        _null("doubtful", LongType(), "Of these, those that the score or a rule calls suspicious: to be reviewed."),
        _null("fraudulent", LongType(), "Of these, those that they call fraudulent: to be declined."),
        _null("highest_score", DoubleType(), "Highest probability of fraud of one payment; null where none is scored."),
        _null("known_frauds", LongType(), "Payments of which a label says that they were fraud, scored or not."),
    ),
    key=("user_id", "business_date", "currency"),
    partition_by=("business_date",),
    checks=(
        Check("has_a_payment", "attempts > 0"),
        Check("no_more_outcomes_than_attempts", "approved + declined <= attempts"),
        Check("runs_are_of_declines", "max_consecutive_declines BETWEEN 0 AND declined"),
        Check("repeated_is_three_in_an_hour", f"is_declined_repeatedly = (most_declines_in_an_hour >= {REPEATED_DECLINES})"),
        Check("only_scored_ones_stand_out", "scored IS NULL OR doubtful + fraudulent <= scored"),
        Check("no_more_frauds_than_attempts", "known_frauds IS NULL OR known_frauds <= attempts"),
        Check("highest_score_share", "highest_score IS NULL OR highest_score BETWEEN 0 AND 1"),
        _share("night_share"),
    ),
)
