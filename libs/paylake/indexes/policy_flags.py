"""Which policies a payment met, and what is to be known of who pays and who is paid, as of the payment's own time.

A policy concerns a payment where it is in force at the payment's time and not suspended, holds where the payment takes place
(its country, else the user's home), names one of its parties or everybody, and where its limit, if it has one, is in the
payment's currency and reached. AML and REGIONAL_LIMIT without a limit say nothing of a single payment.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

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
from paylake.contracts.table import TableContract
from paylake.indexes.compliance_rules import rules_on
from paylake.indexes.payments import Sources
from paylake.indexes.versions import VERSION_COLUMNS

COUNTRY, ALL = "COUNTRY", "ALL"
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
        "transaction_id",
        F.explode(F.array_compact(F.array(*(F.when(holds, F.lit(flag)) for flag, holds in facts.items())))).alias("flag"),
        F.lit(None).cast("string").alias("policy_id"),
    )
    found = reduce(
        DataFrame.unionByName, [of_facts, _of_places(payments, sources), _of_policies(payments, sources.policies)]
    )
    flagged = found.groupBy("transaction_id").agg(
        F.array_sort(F.collect_set("policy_id")).alias("policy_ids"),
        F.array_sort(F.collect_set("flag")).alias("policy_flags"),
    )
    is_high_risk = F.exists("policy_flags", lambda flag: flag.startswith("BLACKLIST_") | (flag == "HIGH_RISK_SCORE"))
    with_flag = flagged.withColumn(
        "compliance_flag",
        F.when(is_high_risk, HIGH_RISK).when(F.array_contains("policy_flags", REQUIRES_KYC), REQUIRES_KYC),
    )
    known = payments.select("transaction_id", "business_date", "kyc_status")
    return content(with_flag.join(known, on="transaction_id", how="inner"), TRANSACTION_FLAGS)


def with_parties(payments: DataFrame, sources: Sources) -> DataFrame:
    """The payments with what was known of user and merchant when they paid, and the jurisdiction: where it took place."""
    users = sources.users.select(
        "user_id", "home_country", "kyc_status", "kyc_expires_on", F.col("risk_rating").alias("user_risk"), "is_pep",
        "valid_from", "valid_to",
    )  # fmt: skip
    merchants = sources.merchants.select(
        "merchant_id", F.col("country").alias("seat_country"), F.col("risk_level").alias("merchant_risk"), "valid_from",
        "valid_to",
    )  # fmt: skip
    known = as_of(as_of(payments, users, "user_id", "paid_at"), merchants, "merchant_id", "paid_at")
    return known.withColumn("jurisdiction", F.coalesce("country", "home_country"))


def is_identified(on: Column) -> Column:
    """True where a user is verified on a date; the day on which it expires still counts."""
    is_expired = F.coalesce(F.col("kyc_expires_on") < on, F.lit(False))
    return F.coalesce(F.col("kyc_status") == KYC_VERIFIED, F.lit(False)) & ~is_expired


def is_expired(on: Column) -> Column:
    """True where a user's identification counts no more on a date; null where the user is not known."""
    is_over = F.coalesce(F.col("kyc_expires_on") < on, F.lit(False))
    return F.when(F.col("kyc_status").isNotNull(), is_over | (F.col("kyc_status") == KYC_EXPIRED))


def as_of(rows: DataFrame, dimension: DataFrame, key: str, at: str) -> DataFrame:
    """Every row once, with the dimension's other columns as they were at the time in `at`; nulls where nothing was valid."""
    asked = [name for name in dimension.columns if name not in (key, "valid_from", "valid_to")]
    fact, version = rows.alias("fact"), F.broadcast(dimension.alias("version"))
    same = F.col(f"fact.{key}") == F.col(f"version.{key}")
    joined = fact.join(version, on=same & _is_valid(f"fact.{at}"), how="left")
    return joined.select("fact.*", *(f"version.{name}" for name in asked))


def content(rows: DataFrame, contract: TableContract) -> DataFrame:
    """The content columns of a versioned contract, in order, with its types."""
    said = (f for f in contract.fields if f.name not in VERSION_COLUMNS)
    return rows.select(*(F.col(f.name).cast(f.type).alias(f.name) for f in said))


def _of_places(payments: DataFrame, sources: Sources) -> DataFrame:
    """The payments in a city that was rated HIGH at the time."""
    risky = sources.locations.where("risk_level = 'HIGH'").select("city", "country", "valid_from", "valid_to")
    same = (F.col("fact.city") == F.col("version.city")) & (F.col("fact.country") == F.col("version.country"))
    there = payments.alias("fact").join(
        F.broadcast(risky.alias("version")), on=same & _is_valid("fact.paid_at"), how="left_semi"
    )
    return there.select(
        "transaction_id", F.lit("HIGH_RISK_LOCATION").alias("flag"), F.lit(None).cast("string").alias("policy_id")
    )


def _of_policies(payments: DataFrame, policies: DataFrame) -> DataFrame:
    """One row per payment and policy that gives it a flag."""
    subjects = F.array_distinct(
        F.array(
            _subject(USER, F.col("user_id")),
            _subject(MERCHANT, F.col("merchant_id")),
            *(_subject(COUNTRY, F.col(name)) for name in ("jurisdiction", "home_country", "seat_country")),
            _subject(ALL, F.lit("")),
        )
    )
    named = payments.withColumn("subject", F.explode(subjects)).alias("fact")
    is_complete = F.col("limit_amount").isNotNull() | ~F.col("policy_type").isin(*WITH_A_LIMIT)
    version = policies.where(F.col("active_flag") & is_complete).alias("version")
    same = (F.col("fact.subject.type") == F.col("version.subject_type")) & (
        F.col("fact.subject.id") == F.coalesce("version.subject_id", F.lit(""))
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
    )
    return met.select("transaction_id", flag.alias("flag"), "policy_id").where("flag IS NOT NULL")


def _subject(kind: str, of: Column) -> Column:
    return F.struct(F.lit(kind).alias("type"), of.alias("id"))


def _is_valid(at: str) -> Column:
    """True where the version was valid at a time."""
    has_ended = F.coalesce(F.col("version.valid_to") <= F.col(at), F.lit(False))
    return (F.col("version.valid_from") <= F.col(at)) & ~has_ended
