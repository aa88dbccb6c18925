"""How each customer paid on a business date: where, how much, what was declined, and what looked like fraud."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.fraud import FRAUD, FRAUDULENT, SUSPICIOUS
from paylake.contracts.merchants import (
    LAST_NIGHT_HOUR,
    LONG_DAYS,
    REPEATED_DECLINES,
    SHORT_DAYS,
    USER_SPEND_INDEX,
)
from paylake.indexes.outcomes import at_the_end_of, count_where, is_approved, is_declined, share, sum_where
from paylake.indexes.payments import Sources
from paylake.indexes.versions import content

KEY = ["user_id", "currency"]
HOUR_MICROS = 3600 * 1_000_000


def user_spend_index(sources: Sources) -> DataFrame:
    """One row per customer and currency with a payment on the business date."""
    day, date_of = sources.business_date, F.col("business_date")
    merchants = at_the_end_of(day, sources.merchants).select("merchant_id", "category")
    users = at_the_end_of(day, sources.users).select("user_id", "home_country")
    of_date = (
        sources.payments.where(date_of == F.lit(day))
        .join(merchants, on="merchant_id", how="left")
        .join(users, on="user_id", how="left")
        .join(sources.scores.select("transaction_id", "score", "anomaly_type"), on="transaction_id", how="left")
        .join(sources.labels.select("transaction_id", "label"), on="transaction_id", how="left")
    )
    before = sources.payments.where(date_of.between(F.lit(_back(day, LONG_DAYS)), F.lit(_back(day, 1))))
    around = sources.payments.where(date_of.between(F.lit(_back(day, 1)), F.lit(day)))
    rows = (
        _spending(of_date)
        .join(_top_category(of_date), on=KEY, how="left")
        .join(_declines(around, day), on=KEY, how="left")
        .join(_before(before, day), on=KEY, how="left")
        .withColumn("business_date", F.lit(day))
    )
    return content(_compared(rows), USER_SPEND_INDEX)


def _back(day: date, days: int) -> date:
    return day - timedelta(days=days)


def _spending(payments: DataFrame) -> DataFrame:
    """One row per customer and currency of a date: what came of the payments, where and when, and what looked like fraud."""
    approved, declined, at_night = is_approved(), is_declined(), F.hour("paid_at") <= LAST_NIGHT_HOUR
    return payments.groupBy(*KEY).agg(
        F.max("home_country").alias("home_country"),
        F.count(F.lit(1)).alias("attempts"),
        count_where(approved).alias("approved"),
        sum_where(approved).alias("approved_amount"),
        count_where(declined).alias("declined"),
        sum_where(declined).alias("declined_amount"),
        F.max(F.when(approved, F.col("amount"))).alias("largest_ticket_amount"),
        F.max(F.when(approved, F.col("paid_at"))).alias("paid_at_of_date"),
        count_where(F.col("country") != F.col("home_country")).alias("abroad"),
        count_where(at_night).alias("at_night"),
        # sets of a customer's date are small; several counts of distinct values would copy every row for each
        F.collect_set("merchant_id").alias("merchants_of_date"),
        F.size(F.collect_set("category")).alias("categories"),
        F.size(F.collect_set("country")).alias("countries"),
        F.size(F.collect_set("channel")).alias("channels"),
        F.count("score").alias("scored"),
        count_where(F.col("anomaly_type") == SUSPICIOUS).alias("doubtful"),
        count_where(F.col("anomaly_type") == FRAUDULENT).alias("fraudulent"),
        F.max("score").alias("highest_score"),
        count_where(F.col("label") == FRAUD).alias("known_frauds"),
    )


def _top_category(payments: DataFrame) -> DataFrame:
    """One row per customer and currency with an approved payment at a known line of business."""
    spent = payments.where(is_approved() & F.col("category").isNotNull())
    by_category = spent.groupBy(*KEY, "category").agg(F.sum("amount").alias("amount"))
    # the least struct: the largest amount, and of equals the first name
    least = F.min(F.struct((-F.col("amount")).alias("negative"), "category"))
    return by_category.groupBy(*KEY).agg(least["category"].alias("top_category"))


def _declines(payments: DataFrame, day: date) -> DataFrame:
    """One row per customer and currency of the date and the one before: how declines follow each other on the date."""
    of_date = (F.col("business_date") == F.lit(day)) & is_declined()
    of_customer = Window.partitionBy(*KEY)
    in_turn = of_customer.orderBy("paid_at", "transaction_id").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    hour = of_customer.orderBy(F.unix_micros("paid_at")).rangeBetween(-HOUR_MICROS, Window.currentRow)
    followed = payments.withColumns({
        "in_hour": count_where(is_declined()).over(hour),
        "so_far": count_where(of_date).over(in_turn),
    })  # fmt: skip
    up_to_approval = F.coalesce(F.max(F.when(is_approved(), F.col("so_far"))).over(in_turn), F.lit(0))
    in_run = followed.withColumn("in_run", F.col("so_far") - up_to_approval).where(of_date)
    return in_run.groupBy(*KEY).agg(
        F.max("in_run").alias("max_consecutive_declines"),
        F.max("in_hour").alias("most_declines_in_an_hour"),
        count_where(F.col("in_hour") >= REPEATED_DECLINES).alias("repeated_declines"),
    )


def _before(payments: DataFrame, day: date) -> DataFrame:
    """One row per customer and currency of the 30 days before the date: what was spent, and where."""
    approved, date_of = is_approved(), F.col("business_date")
    return payments.groupBy(*KEY).agg(
        sum_where(approved).alias("spent_before"),
        sum_where(approved & (date_of > F.lit(_back(day, SHORT_DAYS)))).alias("spent_in_short"),
        sum_where(approved & (date_of > F.lit(_back(day, LONG_DAYS)))).alias("spent_in_long"),
        F.date_diff(F.lit(day), F.min(F.when(approved, date_of))).alias("days_before"),
        F.max(F.when(approved, F.col("paid_at"))).alias("paid_at_before"),
        F.collect_set("merchant_id").alias("merchants_before"),
    )


def _compared(rows: DataFrame) -> DataFrame:
    """The rows of the date beside what was before; a customer without history has nothing to compare with."""
    known = F.coalesce("merchants_before", F.array().cast("array<string>"))
    most = F.coalesce("most_declines_in_an_hour", F.lit(0))
    return rows.withColumns({
        "merchants": F.size("merchants_of_date"),
        "new_merchants": F.size(F.array_except("merchants_of_date", known)),
        "night_share": share("at_night", "attempts"),
        "max_consecutive_declines": _or_zero("max_consecutive_declines"),
        "most_declines_in_an_hour": most,
        "repeated_declines": _or_zero("repeated_declines"),
        "is_declined_repeatedly": most >= REPEATED_DECLINES,
        "spend_7_days_amount": F.col("approved_amount") + _or_zero("spent_in_short"),
        "spend_30_days_amount": F.col("approved_amount") + _or_zero("spent_in_long"),
        "ratio_to_own_mean": share("approved_amount", share("spent_before", "days_before")),
        "last_paid_at": F.greatest("paid_at_of_date", "paid_at_before"),
    })  # fmt: skip


def _or_zero(column: str) -> Column:
    return F.coalesce(column, F.lit(0))
