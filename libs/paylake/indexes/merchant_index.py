"""How each merchant did on a business date: payments, settled money, breaks, and what is unlike its own history."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from paylake.columns.names import that_hold
from paylake.contracts.currencies import OTHER_MINOR_UNITS
from paylake.contracts.merchants import (
    ANOMALOUS_FROM,
    DECLINES_HIGH,
    HISTORY_DAYS,
    LEAST_DECIDED,
    LEAST_HISTORY_DAYS,
    MERCHANT_INDEX,
    RETRY_MINUTES,
    UNKNOWN_MERCHANT,
    VOLUME_HIGH,
    VOLUME_LOW,
)
from paylake.contracts.programmes import COUNTRIES_OF_REGION
from paylake.contracts.statements import (
    CHARGEBACK,
    CHARGEBACK_REVERSAL,
    CORRECTION,
    FEE,
    FX,
    PAYOUT,
    REFUND,
    REFUND_REVERSAL,
    RESERVE_HELD,
    RESERVE_RELEASED,
    SALE,
    UNKNOWN,
)
from paylake.contracts.taxonomy import KINDS, Family
from paylake.indexes.outcomes import (
    at_the_end_of,
    count_where,
    is_approved,
    is_declined,
    is_reversed,
    share,
    sum_where,
)
from paylake.indexes.payments import Sources
from paylake.indexes.versions import content

KEY = ["merchant_id", "currency"]

VISA, MASTERCARD = ("VISA",), ("MASTERCARD", "MC")
"""How ledgers and processors write a network, in capitals and without spaces."""

DEVIATIONS = Decimal("1.4826")
"""Median absolute deviations of a normal distribution in one standard deviation."""
LEAST_SPREAD_OF_VOLUME, LEAST_SPREAD_OF_MEDIAN, LEAST_SPREAD_OF_RATE = Decimal(1), Decimal("0.05"), Decimal("0.01")
"""A merchant whose days are all alike is not unusual for a little more: one attempt, 5 % of the median, one point."""


def merchant_index(sources: Sources) -> DataFrame:
    """One row per merchant and currency with payments on the date or in the 28 days before, or settlement lines on it."""
    day = sources.business_date
    before = F.col("business_date").between(F.lit(day - timedelta(days=HISTORY_DAYS)), F.lit(day - timedelta(days=1)))
    traffic = _traffic(sources.payments.where(F.col("business_date") == F.lit(day)))
    settled = _settled(_lines_of(sources))
    history = _history(sources.payments.where(before))
    joined = traffic.join(settled, on=KEY, how="full_outer").join(history, on=KEY, how="full_outer")
    sums = [c for frame in (traffic, settled) for c in frame.columns if c not in KEY]
    filled = joined.withColumns({
        **{name: F.coalesce(name, F.lit(0)) for name in sums},
        "business_date": F.lit(day),
        "volumes": F.coalesce("volumes", F.array().cast("array<decimal(20,6)>")),
        "decline_rates": F.coalesce("decline_rates", F.array().cast("array<decimal(20,6)>")),
    })  # fmt: skip
    described = filled.join(_merchants(sources.merchants, day), on="merchant_id", how="left")
    return content(_with_anomalies(_with_rates(described)), MERCHANT_INDEX)


def _traffic(payments: DataFrame) -> DataFrame:
    """One row per merchant and currency: what became of the payments of a date, and what is broken."""
    approved, declined, is_reversal, retry = is_approved(), is_declined(), is_reversed(), F.col("is_retry")
    classes = {
        "approved": approved,
        "declined": declined,
        "reversed": is_reversal,
        "pending": ~(approved | declined | is_reversal),
        "attempts": F.lit(True),
        "orders": (approved | declined) & ~retry,
        "broken": F.col("kind").isNotNull(),
    }
    risked = payments.withColumn("amount_at_risk", _amount_at_risk()).withColumn("is_retry", _is_retry())
    counts = [count_where(condition).alias(name) for name, condition in classes.items()]
    amounts = [
        sum_where(condition, "amount_at_risk" if name == "broken" else "amount").alias(f"{name}_amount")
        for name, condition in classes.items()
    ]
    return risked.groupBy(*KEY).agg(*counts, *amounts)


def _is_retry() -> Column:
    """True where the attempt repeats a declined one of the same date: nothing decided lies between them."""
    decided = is_approved() | is_declined()
    same = Window.partitionBy("user_id", "merchant_id", "currency", "amount", decided)
    in_turn = same.orderBy("paid_at", "transaction_id")
    earlier = F.lag(F.when(is_declined(), F.unix_micros("paid_at"))).over(in_turn)
    soon = F.unix_micros("paid_at") - earlier <= RETRY_MINUTES * 60 * 1_000_000
    return decided & F.coalesce(soon, F.lit(False))


def _amount_at_risk() -> Column:
    """What a break risks, as `breaks` counts it: the difference, nothing for a drift of time, else the whole payment."""
    of = {family: [kind.name for kind in KINDS if kind.family is family] for family in (Family.AMOUNT, Family.DATE)}
    return (
        F.when(F.col("kind").isin(*of[Family.AMOUNT]), F.col("difference_amount"))
        .when(F.col("kind").isin(*of[Family.DATE]), F.lit(0))
        .otherwise(F.col("amount"))
    )


def _lines_of(sources: Sources) -> DataFrame:
    """The settlement lines of the date, each with its payment's merchant, or UNKNOWN.

    A line without a time of its own counts on the day of its payout. What a payout's own line pays is the sum of the
    others, so only its fee counts.
    """
    batch = ["file_sha256", "payout_id", "currency"]
    paid = sources.payouts.select(*batch, "payout_date")
    told = sources.settlement_lines.where((F.col("type") != PAYOUT) | (F.col("fee_amount") != 0))
    dated = told.join(paid, on=batch, how="left")
    at = F.coalesce(F.to_date("created_at"), F.col("payout_date"))
    payments = sources.payments.select(
        F.col("transaction_id").alias("merchant_reference"), "merchant_id", "channel", "payment_system"
    )
    return (
        dated.where(at == F.lit(sources.business_date))
        .join(payments, on="merchant_reference", how="left")
        .withColumn("merchant_id", F.coalesce("merchant_id", F.lit(UNKNOWN_MERCHANT)))
        .withColumn("network", _network(F.coalesce("payment_system", "payment_method")))
    )


def _network(name: Column) -> Column:
    return F.upper(F.regexp_replace(name, r"[^A-Za-z]", ""))


def _settled(lines: DataFrame) -> DataFrame:
    """One row per merchant and currency: what processors settled of them."""
    kind = F.col("type")
    taken_back, disputed = kind.isin(REFUND, REFUND_REVERSAL), kind.isin(CHARGEBACK, CHARGEBACK_REVERSAL)
    other = kind.isin(RESERVE_HELD, RESERVE_RELEASED, CORRECTION, FX)
    visa, mastercard = F.col("network").isin(*VISA), F.col("network").isin(*MASTERCARD)
    not_present = F.upper("channel") == "CARD"
    fees_of_lines, fee_lines = sum_where(kind != UNKNOWN, "fee_amount"), sum_where(kind == FEE)
    return lines.groupBy(*KEY).agg(
        count_where(kind != PAYOUT).alias("settlement_lines"),
        count_where(kind == SALE).alias("sales"),
        sum_where(kind == SALE).alias("sales_amount"),
        count_where(kind == REFUND).alias("refunds"),
        (-sum_where(taken_back)).alias("refunds_amount"),
        count_where(kind == CHARGEBACK).alias("chargebacks"),
        count_where(kind == CHARGEBACK_REVERSAL).alias("chargebacks_reversed"),
        (-sum_where(disputed)).alias("chargebacks_amount"),
        (fees_of_lines - fee_lines).alias("fees_amount"),
        (sum_where(other) + sum_where(kind == UNKNOWN, "net_amount")).alias("other_amount"),
        count_where((kind == SALE) & visa & not_present).alias("visa_not_present_sales"),
        count_where((kind == CHARGEBACK) & visa).alias("visa_chargebacks"),
        count_where((kind == SALE) & mastercard).alias("mastercard_sales"),
        count_where((kind == CHARGEBACK) & mastercard).alias("mastercard_chargebacks"),
    )


def _history(payments: DataFrame) -> DataFrame:
    """One row per merchant and currency: the attempts of each published date since its first, and its decline rates.

    A date without any payment at all was not published, and is no day without attempts.
    """
    decided = count_where(is_approved() | is_declined())
    rate = F.when(decided >= LEAST_DECIDED, share(count_where(is_declined()), decided).cast("decimal(20,6)"))
    days = payments.groupBy(*KEY, "business_date").agg(F.count(F.lit(1)).alias("attempts"), rate.alias("decline_rate"))
    by_merchant = days.groupBy(*KEY).agg(
        F.min("business_date").alias("first_date"),
        F.map_from_entries(F.collect_list(F.struct("business_date", "attempts"))).alias("attempts_of"),
        F.collect_list("decline_rate").alias("decline_rates"),
    )
    published = payments.agg(F.collect_set("business_date").alias("published_dates"))
    since = F.filter("published_dates", lambda day: day >= F.col("first_date"))
    attempts = F.transform(since, lambda day: F.coalesce(F.try_element_at("attempts_of", day), F.lit(0)))
    return by_merchant.crossJoin(F.broadcast(published)).select(
        *KEY, attempts.cast("array<decimal(20,6)>").alias("volumes"), "decline_rates"
    )


def _merchants(merchants: DataFrame, day: date) -> DataFrame:
    region = F.lit(None).cast("string")
    for name, countries in COUNTRIES_OF_REGION.items():
        region = F.when(F.col("country").isin(*countries), F.lit(name)).otherwise(region)
    return at_the_end_of(day, merchants).select(
        "merchant_id", "merchant_name", "category", "risk_level", region.alias("region")
    )


def _with_rates(rows: DataFrame) -> DataFrame:
    """The rows with their rates; every rate is null where there is nothing to divide by."""
    net = F.col("sales_amount") - F.col("refunds_amount") - F.col("chargebacks_amount") - F.col("fees_amount")
    decided_amount = F.col("approved_amount") + F.col("declined_amount")
    return rows.withColumns({
        "auth_rate": share("approved", F.col("approved") + F.col("declined")),
        "auth_rate_by_amount": share("approved_amount", decided_amount),
        "order_auth_rate": share("approved", "orders"),
        "order_auth_rate_by_amount": share("approved_amount", "orders_amount"),
        "average_ticket_amount": _in_minor_units(share("approved_amount", "approved")),
        "effective_rate": share("fees_amount", "sales_amount"),
        "refund_rate": share("refunds", "sales"),
        "chargeback_rate": share("chargebacks", "sales"),
        "settled_net_amount": net + F.col("other_amount"),
    })  # fmt: skip


def _in_minor_units(amount: Column) -> Column:
    """The amount with as many decimals as its currency has, half a unit away from zero."""
    found = amount.cast("decimal(30,2)").cast("decimal(30,6)")
    for places in sorted(set(OTHER_MINOR_UNITS.values())):
        of_places = [currency for currency, units in OTHER_MINOR_UNITS.items() if units == places]
        cut = amount.cast(f"decimal(30,{places})").cast("decimal(30,6)")
        found = F.when(F.col("currency").isin(*of_places), cut).otherwise(found)
    return found


def _with_anomalies(rows: DataFrame) -> DataFrame:
    """The rows with how far they are from the merchant's own days, and the words for what is too far."""
    decided = F.col("approved") + F.col("declined")
    rate = F.when(decided >= LEAST_DECIDED, share("declined", decided))
    volumes, rates = F.col("volumes"), F.col("decline_rates")
    of_volume = F.greatest(F.lit(LEAST_SPREAD_OF_VOLUME), _median(volumes) * F.lit(LEAST_SPREAD_OF_MEDIAN))
    scored = rows.withColumns({
        "history_days": F.size(volumes),
        "volume_z_score": _z_score(F.col("attempts"), volumes, of_volume).cast("decimal(16,4)"),
        "decline_rate_z_score": _z_score(rate, rates, F.lit(LEAST_SPREAD_OF_RATE)).cast("decimal(16,4)"),
    })  # fmt: skip
    volume, declines = F.col("volume_z_score"), F.col("decline_rate_z_score")
    words = {
        VOLUME_HIGH: volume >= ANOMALOUS_FROM,
        VOLUME_LOW: volume <= -ANOMALOUS_FROM,
        DECLINES_HIGH: declines >= ANOMALOUS_FROM,
    }
    is_scored = volume.isNotNull() | declines.isNotNull()
    named = scored.withColumn("anomalies", that_hold(words))
    return named.withColumn("is_anomalous", F.when(is_scored, F.size("anomalies") > 0))


def _z_score(value: Column, history: Column, least_spread: Column) -> Column:
    """The value's distance from the history's median in robust standard deviations; null where the history is short."""
    median = _median(history)
    spread = _median(F.transform(history, lambda one: F.abs(one - median))) * F.lit(DEVIATIONS)
    return F.when(F.size(history) >= LEAST_HISTORY_DAYS, (value - median) / F.greatest(spread, least_spread))


def _median(values: Column) -> Column:
    """The exact median of an array of decimals; null where it is empty."""
    ordered, size = F.sort_array(values), F.size(values)
    halves = F.get(ordered, F.shiftright(size - 1, 1)) + F.get(ordered, F.shiftright(size, 1))
    return (halves / 2).cast("decimal(20,6)")
