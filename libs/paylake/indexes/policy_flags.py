"""Which policies a payment met, and what is to be known of who pays and who is paid, as of the payment's own time.

A policy concerns a payment where it is in force at the payment's time and not suspended, holds where the payment takes place
(its country, else the user's home), names one of its parties or everybody, and where its limit, if it has one, is in the
payment's currency and reached. AML and REGIONAL_LIMIT without a limit say nothing of a single payment.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.contracts.compliance import (
    EVERYWHERE,
    HIGH_RISK,
    KYC_EXPIRED,
    KYC_VERIFIED,
    MERCHANT,
    REQUIRES_KYC,
    RULES,
    TRANSACTION_FLAGS,
    USER,
    Measure,
    Rule,
)
from paylake.dimensions.as_of import as_of
from paylake.indexes.compliance_rules import rules_on
from paylake.indexes.payments import Sources
from paylake.indexes.versions import content

OF_A_PAYMENT = ("transaction_id", "business_date", "kyc_status")
"""What a flag is said of, and what is said beside it."""

COUNTRY, CITY, ALL = "COUNTRY", "CITY", "ALL"
WITH_A_LIMIT = ("AML", "REGIONAL_LIMIT")
"""Types of policy that say something of a payment by their limit only."""


def transaction_flags(sources: Sources, rules: Iterable[Rule] = RULES) -> DataFrame:
    """One row per transaction of the business date that has a flag, with the content columns of `transaction_flags`."""
    of_date = F.col("business_date") == F.lit(sources.business_date)
    payments = with_parties(sources.payments.where(of_date), sources)
    points = [int(r.least_count or 0) for r in rules_on(sources.business_date, rules, Measure.RISK_SCORE)]
    facts = {
        "PEP": F.col("is_pep"),
        "HIGH_RISK_USER": F.col("user_risk") == "HIGH",
        "HIGH_RISK_MERCHANT": F.col("merchant_risk") == "HIGH",
        "HIGH_RISK_SCORE": F.col("risk_score") > F.lit(min(points, default=100)),
    }
    of_facts = payments.select(
        *OF_A_PAYMENT,
        F.explode(F.array_compact(F.array(*(F.when(holds, F.lit(flag)) for flag, holds in facts.items())))).alias("flag"),
        F.lit(None).cast("string").alias("policy_id"),
    )
    found = of_facts.unionByName(_met(payments, _looked_up(sources)))
    flagged = found.groupBy(*OF_A_PAYMENT).agg(
        F.array_sort(F.collect_set("policy_id")).alias("policy_ids"),
        F.array_sort(F.collect_set("flag")).alias("policy_flags"),
    )
    is_high_risk = F.exists("policy_flags", lambda flag: flag.startswith("BLACKLIST_") | (flag == "HIGH_RISK_SCORE"))
    requires_kyc = F.array_contains("policy_flags", REQUIRES_KYC)
    compliance_flag = F.when(is_high_risk, HIGH_RISK).when(requires_kyc, REQUIRES_KYC)
    return content(flagged.withColumn("compliance_flag", compliance_flag), TRANSACTION_FLAGS)


def with_parties(payments: DataFrame, sources: Sources) -> DataFrame:
    """The payments with what was known of user and merchant when they paid, and the jurisdiction: where it took place."""
    merchants = sources.merchants.select(
        "merchant_id", F.col("country").alias("seat_country"), F.col("risk_level").alias("merchant_risk"), "valid_from",
        "valid_to",
    )  # fmt: skip
    return as_of(with_user(payments, sources), merchants, "merchant_id", "paid_at")


def with_user(payments: DataFrame, sources: Sources) -> DataFrame:
    """The payments with what was known of the user alone, and the jurisdiction: their country, else the user's home."""
    users = sources.users.select(
        "user_id", "home_country", "kyc_status", "kyc_expires_on", F.col("risk_rating").alias("user_risk"), "is_pep",
        "valid_from", "valid_to",
    )  # fmt: skip
    known = as_of(payments, users, "user_id", "paid_at")
    return known.withColumn("jurisdiction", F.coalesce("country", "home_country"))


def is_identified(on: Column) -> Column:
    """True where a user is verified on a date; the day on which it expires still counts."""
    is_expired = F.coalesce(F.col("kyc_expires_on") < on, F.lit(False))
    return F.coalesce(F.col("kyc_status") == KYC_VERIFIED, F.lit(False)) & ~is_expired


def is_expired(on: Column) -> Column:
    """True where a user's identification counts no more on a date; null where the user is not known."""
    is_over = F.coalesce(F.col("kyc_expires_on") < on, F.lit(False))
    return F.when(F.col("kyc_status").isNotNull(), is_over | (F.col("kyc_status") == KYC_EXPIRED))


def _looked_up(sources: Sources) -> DataFrame:
    """The policies that say something of a single payment, and the cities that are rated HIGH, looked up as policies are."""
    is_complete = F.col("limit_amount").isNotNull() | ~F.col("policy_type").isin(*WITH_A_LIMIT)
    columns = ("policy_id", "policy_type", "subject_type", "jurisdiction", "limit_amount", "limit_currency")
    policies = sources.policies.where(F.col("active_flag") & is_complete).select(
        *columns, F.coalesce("subject_id", F.lit("")).alias("subject_id"), "valid_from", "valid_to"
    )
    cities = sources.locations.where("risk_level = 'HIGH'").select(
        F.lit(CITY).alias("policy_type"), F.lit(CITY).alias("subject_type"), F.lit(EVERYWHERE).alias("jurisdiction"),
        F.concat_ws("|", "country", "city").alias("subject_id"), "valid_from", "valid_to",
    )  # fmt: skip
    return policies.unionByName(cities, allowMissingColumns=True)


def _met(payments: DataFrame, looked_up: DataFrame) -> DataFrame:
    """One row per payment and policy, or city, that gives it a flag."""
    subjects = F.array(
        _subject(USER, F.col("user_id")),
        _subject(MERCHANT, F.col("merchant_id")),
        *(_subject(COUNTRY, F.col(name)) for name in ("jurisdiction", "home_country", "seat_country")),
        _subject(CITY, F.concat_ws("|", "country", "city")),
        _subject(ALL, F.lit("")),
    )
    named = payments.withColumn("subject", F.explode(F.array_distinct(subjects))).alias("fact")
    version = looked_up.alias("version")
    same = (F.col("fact.subject.type") == F.col("version.subject_type")) & (
        F.col("fact.subject.id") == F.col("version.subject_id")
    )
    is_there = (F.col("version.jurisdiction") == EVERYWHERE) | (F.col("version.jurisdiction") == F.col("fact.jurisdiction"))
    is_reached = F.col("version.limit_amount").isNull() | (
        (F.col("version.limit_currency") == F.col("fact.currency")) & (F.col("fact.amount") >= F.col("version.limit_amount"))
    )
    met = named.join(F.broadcast(version), on=same & is_there & is_reached & _is_valid("fact.paid_at"), how="inner")
    flag = (
        F.when(F.col("policy_type") == "BLACKLIST", F.concat(F.lit("BLACKLIST_"), F.col("subject_type")))
        .when(F.col("policy_type") == "REGIONAL_LIMIT", F.lit("REGIONAL_LIMIT"))
        .when(F.col("policy_type") == "AML", F.lit("AML_LIMIT"))
        .when((F.col("policy_type") == "KYC") & ~is_identified(F.col("business_date")), F.lit(REQUIRES_KYC))
        .when(F.col("policy_type") == CITY, F.lit("HIGH_RISK_LOCATION"))
    )
    return met.select(*OF_A_PAYMENT, flag.alias("flag"), "policy_id").where("flag IS NOT NULL")


def _subject(kind: str, of: Column) -> Column:
    return F.struct(F.lit(kind).alias("type"), of.alias("id"))


def _is_valid(at: str) -> Column:
    """True where the version was valid at a time."""
    has_ended = F.coalesce(F.col("version.valid_to") <= F.col(at), F.lit(False))
    return (F.col("version.valid_from") <= F.col(at)) & ~has_ended
