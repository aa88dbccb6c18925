"""What the alert channel knows of customers, merchants, places and cards: one row each, small enough to be broadcast.

Policies hold as of the time at which the frames are made, not as of each payment's own: a payment is authorised now.
`limits` maps "jurisdiction|currency" to the least limit, `usual` a currency to the mean amount of a payment.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.dimensions import AML, BLACKLIST, EVERYWHERE, REGIONAL_LIMIT
from paylake.contracts.table import MONEY

HISTORY = timedelta(days=90)
"""How far back devices and usual amounts are looked for."""
LEAST_PAYMENTS = 5
"""So many payments make an amount usual."""
MOST_SUBJECTS = 500_000
"""So many customers, and so many cards, with the latest payments, are known: about 200 bytes each."""
MOST_DEVICES = 20
"""Devices that are known of a customer, the latest."""

WITH_A_LIMIT = (AML, REGIONAL_LIMIT)


def in_force(dimension: DataFrame, as_of: datetime) -> DataFrame:
    """The versions of a dimension that hold at a time."""
    at = F.lit(as_of)
    return dimension.where((F.col("valid_from") <= at) & (F.col("valid_to").isNull() | (F.col("valid_to") > at)))


def active(policies: DataFrame, as_of: datetime) -> DataFrame:
    """The policies that say something of a payment by themselves: blacklists and limits, in force and not suspended."""
    is_limit = F.col("policy_type").isin(*WITH_A_LIMIT) & F.col("limit_amount").isNotNull()
    says = is_limit | ((F.col("policy_type") == BLACKLIST) & F.col("limit_amount").isNull())
    return in_force(policies, as_of).where(F.col("active_flag") & says)


def users(in_force_users: DataFrame, policies: DataFrame, devices: DataFrame, usual: DataFrame, today: date) -> DataFrame:
    """One row per customer of whom anything is known: `user_id`, and the struct `user`.

    A customer is risky where the rating is HIGH or the identification does not count today. The policies of the home
    country are the customer's too.
    """
    is_identified = (F.col("kyc_status") == "VERIFIED") & F.coalesce(F.col("kyc_expires_on") >= F.lit(today), F.lit(True))
    facts = in_force_users.select(
        "user_id", "home_country", ((F.col("risk_rating") == "HIGH") | ~is_identified).alias("is_risky")
    )
    homes = facts.select("user_id", F.col("home_country").alias("country"))
    found = (
        facts.join(_policies_of("USER", "user_id", homes, policies), on="user_id", how="full_outer")
        .join(devices, on="user_id", how="full_outer")
        .join(usual, on="user_id", how="full_outer")
    )
    return _as_struct(found, "user_id", "user", "home_country", "is_risky", "devices", "usual", "listed_in", "limits")


def merchants(in_force_merchants: DataFrame, policies: DataFrame, usual: DataFrame) -> DataFrame:
    """One row per merchant of whom anything is known: `merchant_id`, and the struct `merchant`; the seat's policies too."""
    facts = in_force_merchants.select("merchant_id", (F.col("risk_level") == "HIGH").alias("is_risky"))
    seats = in_force_merchants.select("merchant_id", "country")
    found = facts.join(_policies_of("MERCHANT", "merchant_id", seats, policies), on="merchant_id", how="full_outer").join(
        usual, on="merchant_id", how="full_outer"
    )
    return _as_struct(found, "merchant_id", "merchant", "is_risky", "usual", "listed_in", "limits")


def places(in_force_locations: DataFrame, policies: DataFrame) -> DataFrame:
    """One row per country with a policy or with cities rated HIGH: `jurisdiction`, and the struct `place`."""
    risky = in_force_locations.where("risk_level = 'HIGH'").groupBy(F.col("country").alias("jurisdiction"))
    cities = risky.agg(F.array_sort(F.collect_set("city")).alias("risky_cities"))
    of_country = policies.where("subject_type = 'COUNTRY'").withColumn("jurisdiction_", F.col("subject_id"))
    found = cities.join(_summary(of_country, "jurisdiction_", "jurisdiction"), on="jurisdiction", how="full_outer")
    return _as_struct(found, "jurisdiction", "place", "risky_cities", "listed_in", "limits")


def limits_of_everybody(policies: DataFrame) -> DataFrame:
    """One row: the limits of the policies that concern everybody; null where there are none."""
    of_all = policies.where("subject_type = 'ALL'").withColumn("everybody", F.lit(EVERYWHERE))
    return _summary(of_all, "everybody", "everybody").select("limits")


def devices(entries: DataFrame) -> DataFrame:
    """One row per customer: `user_id`, and `devices`, the latest that payments were made with.

    `entries` are payments with `user_id`, `device_id` and `recorded_at`.
    """
    seen = entries.where("device_id IS NOT NULL").groupBy("user_id", "device_id").agg(F.max("recorded_at").alias("at"))
    latest = Window.partitionBy("user_id").orderBy(F.col("at").desc(), F.col("device_id"))
    kept = seen.withColumn("place", F.row_number().over(latest)).where(F.col("place") <= MOST_DEVICES)
    found = kept.groupBy("user_id").agg(F.array_sort(F.collect_set("device_id")).alias("devices"), F.max("at").alias("at"))
    return found.orderBy(F.desc("at"), "user_id").limit(MOST_SUBJECTS).select("user_id", "devices")


def usual_of_users(spent: DataFrame, since: date) -> DataFrame:
    """One row per customer: the usual amounts by `user_spend_index` (its current rows)."""
    return _usual(spent, "user_id", since, F.col("approved_amount"), F.col("approved"))


def usual_of_merchants(taken: DataFrame, since: date) -> DataFrame:
    """One row per merchant: the usual amounts by `merchant_index` (its current rows)."""
    return _usual(taken, "merchant_id", since, F.col("approved_amount"), F.col("approved"))


def usual_of_cards(entries: DataFrame) -> DataFrame:
    """One row per card: `card_token`, and the struct `card` with its usual amounts, from payments of the ledgers."""
    paid = entries.where("card_token IS NOT NULL AND status = 'SUCCESS'")
    sums = paid.groupBy("card_token", "currency").agg(
        F.sum("amount").alias("amount"), F.count("*").alias("payments"), F.max("recorded_at").alias("at")
    )
    by_card = _by_currency(sums, "card_token", F.max("at").alias("at")).orderBy(F.desc("at"), "card_token")
    return _as_struct(by_card.limit(MOST_SUBJECTS), "card_token", "card", "usual")


def _usual(index: DataFrame, key: str, since: date, amount: Column, payments: Column) -> DataFrame:
    recent = index.where(F.col("is_current") & (F.col("business_date") >= F.lit(since)))
    sums = recent.groupBy(key, "currency").agg(F.sum(amount).alias("amount"), F.sum(payments).alias("payments"))
    return _by_currency(sums, key)


def _by_currency(sums: DataFrame, key: str, *more: Column) -> DataFrame:
    """One row per key: currency -> mean amount, of the currencies with enough payments."""
    means = sums.where(F.col("payments") >= LEAST_PAYMENTS).withColumn(
        "mean", (F.col("amount") / F.col("payments")).cast(MONEY)
    )
    entries = F.map_from_entries(F.array_sort(F.collect_list(F.struct("currency", "mean"))))
    return means.groupBy(key).agg(entries.alias("usual"), *more)


def _policies_of(subject_type: str, key: str, homes: DataFrame, policies: DataFrame) -> DataFrame:
    """One row per subject that a policy names, itself or by its country."""
    own = policies.where(F.col("subject_type") == subject_type).withColumn(key, F.col("subject_id"))
    by_country = (
        policies.where("subject_type = 'COUNTRY'").join(homes, F.col("subject_id") == F.col("country")).drop("country")
    )
    return _summary(own.unionByName(by_country), key, key)


def _summary(policies: DataFrame, by: str, name: str) -> DataFrame:
    """One row per subject: where it is on a blacklist, and its least limit by jurisdiction and currency."""
    where = F.concat_ws("|", "jurisdiction", "limit_currency")
    limited = policies.groupBy(F.col(by).alias(name), where.alias("where")).agg(
        F.min("limit_amount").alias("limit"),
        F.max(F.when(F.col("policy_type") == BLACKLIST, F.col("jurisdiction"))).alias("listed_in"),
    )
    pairs = F.collect_list(F.when(F.col("limit").isNotNull(), F.struct("where", "limit")))
    return limited.groupBy(name).agg(
        F.array_sort(F.collect_set("listed_in")).alias("listed_in"), F.map_from_entries(F.array_sort(pairs)).alias("limits")
    )


def _as_struct(found: DataFrame, key: str, name: str, *fields: str) -> DataFrame:
    return found.where(F.col(key).isNotNull()).select(key, F.struct(*fields).alias(name))
