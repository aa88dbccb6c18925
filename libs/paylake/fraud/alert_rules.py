"""What the alert channel says of a payment the moment it arrives: signs, a scorecard, a decision, and the reasons.

Column expressions only, so that Spark's real-time mode can run them: no shuffle, no window, no Python. What they know of
customers, merchants, countries and cards comes from small frames (`alert_subjects.py`), joined by broadcast.

The scorecard is a naive Bayes classifier in its logistic form: the prior odds of fraud, times a likelihood ratio for each
sign that shows. Prior and ratios are set by judgement and fitted to nothing: they order payments sensibly before any label
exists, and give way to a model's score in `score_transactions`, seconds later. A sign that does not show counts for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from operator import add

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType, StructField, StructType

from paylake.columns import identifiers, money, time
from paylake.contracts.currencies import CURRENCIES
from paylake.contracts.dimensions import EVERYWHERE
from paylake.contracts.fraud import (
    ANOMALY_TYPES,
    APPROVE,
    DECLINE,
    FRAUDULENT,
    MOST_REASONS,
    NORMAL,
    REASON_TEXTS,
    REVIEW,
    SUSPICIOUS,
)
from paylake.contracts.table import MONEY
from paylake.contracts.topics import FRAUD_ALERTS, FRAUD_DECISIONS

RULES_VERSION = "1"
"""Said in every decision; a change of a sign, a ratio or a threshold is a new version."""
SCORED_BY = "scorecard"

PRIOR_ODDS = 1 / 200
"""One fraud in two hundred payments, about what public card data show."""

LIKELIHOOD_RATIOS: Mapping[str, int] = {
    "BLACKLISTED": 1000,
    "POLICY_LIMIT": 20,
    "AMOUNT_LIMIT": 10,
    "NEW_DEVICE": 8,
    "COUNTRY_MISMATCH": 5,
    "AMOUNT_UNUSUAL": 4,
    "COUNTRY_RISK": 3,
    "AMOUNT_UNUSUAL_MERCHANT": 2,
    "MERCHANT_RISK": 2,
    "CUSTOMER_RISK": 2,
    "NIGHT": 2,
}
"""Sign -> how many times as frequent it is among frauds as among genuine payments, by judgement; the strongest first."""

SUSPICIOUS_FROM, FRAUDULENT_FROM = 0.1, 0.5
"""The probabilities from which on a payment is looked at, and is declined."""

UNUSUAL_MULTIPLE, LIMIT_MULTIPLE = 4, 10
"""An amount so many times the usual one is unusual; so many times, and it is above the limit."""

NIGHT_ENDS = "05"
"""Night lasts from midnight until this hour, by the clock of the place that the record's offset names."""

UNREADABLE = "UNREADABLE"
TEXTS: Mapping[str, str] = {
    **{code: REASON_TEXTS[code] for code in LIKELIHOOD_RATIOS},
    UNREADABLE: "The record cannot be read as a payment; the quarantine holds it, and says why.",
}
"""What people read beside a code."""

MAX_RECORD_BYTES = 64 * 1024
WORD = r"^[A-Za-z0-9][A-Za-z0-9 ._:@/+=-]{0,255}\z"
"""What an identifier looks like that the lake accepts."""
MAX_TRANSACTION_ID = 64

SENT = StructType(
    [
        StructField(name, StringType())
        for name in (
            "transaction_id", "user_id", "merchant_id", "amount", "currency", "timestamp", "card_number", "device_id",
            "country", "city",
        )
    ]
)  # fmt: skip
"""What the alert channel reads of a gateway's record."""

REASONS_TYPE = "array<struct<code:string,text:string>>"
SAID = (
    "event_id", "transaction_id", "user_id", "merchant_id", "amount", "currency", "score", "anomaly_type", "decision",
    "reasons", "scored_by", "rules_version", "arrived_at",
)  # fmt: skip
"""The fields of a decision and of an alert, as JSON: the amount as text, `arrived_at` in UTC; what is not known is left out.

`event_id` is where the payment's record lies, topic/partition/offset. The sink delivers at least once: who reads a topic
takes each event id once.
"""


def payments(records: DataFrame) -> DataFrame:
    """One row per Kafka record that names a transaction: its typed fields, and `is_readable`.

    `records` has Kafka's columns, and `inner_pad` and `outer_pad` (the keyed hash's pads). A record that is not readable
    keeps its transaction, and nothing else of what was sent. The card's number becomes its token here.
    """
    is_small = F.octet_length("value") <= MAX_RECORD_BYTES
    # as a list of one, as the reconciliation does: the parser would take a first object and drop what follows it
    text = F.concat(F.lit("["), F.col("value").cast("string"), F.lit("]"))
    parsed = records.select(
        F.concat_ws("/", "topic", "partition", "offset").alias("event_id"),
        F.col("timestamp").alias("arrived_at"), "topic", "inner_pad", "outer_pad",
        F.from_json(F.when(is_small, text), ArrayType(SENT)).alias("listed"),
        # not deterministic to the optimiser, which therefore leaves the filter below where it stands: pushed down, it would
        # parse each record ten times
        F.spark_partition_id().alias("held"),
    )  # fmt: skip
    sent = parsed.withColumn("sent", F.when(F.size("listed") == 1, F.try_element_at("listed", F.lit(1)))).drop("listed")
    digits = identifiers.card_digits(F.col("sent.card_number"))
    typed = sent.select(
        "event_id", "arrived_at", "topic", "inner_pad", "outer_pad", "sent", "held",
        money.exact_money(F.col("sent.amount"), MONEY).alias("amount"),
        F.upper(F.trim("sent.currency")).alias("currency"),
        digits.alias("digits"),
    )  # fmt: skip
    checked = typed.withColumn("is_readable", F.coalesce(_is_readable(), F.lit(False)))
    known = {name: _if_readable(F.col(f"sent.{name}")) for name in ("user_id", "merchant_id", "device_id", "city")}
    token = identifiers.hmac_sha256(F.col("inner_pad"), F.col("outer_pad"), F.col("digits"))
    return checked.select(
        "event_id", "arrived_at", "topic", "is_readable", "held", F.col("sent.transaction_id").alias("transaction_id"),
        *(value.alias(name) for name, value in known.items()),
        _if_readable(F.col("amount")).alias("amount"),
        _if_readable(F.col("currency")).alias("currency"),
        _if_readable(F.upper(F.trim("sent.country"))).alias("country"),
        _if_readable(F.substring("sent.timestamp", 12, 2)).alias("hour"),
        F.when(F.col("is_readable") & F.col("digits").isNotNull(), token).alias("card_token"),
    ).where(_names_a_transaction() & (F.col("held") >= 0)).drop("held")  # fmt: skip


def _names_a_transaction() -> Column:
    """True where a transaction's identifier may leave: it is a word, and no card number."""
    name = F.col("transaction_id")
    return name.rlike(WORD) & (F.length(name) <= MAX_TRANSACTION_ID) & ~identifiers.names_a_card(name)


def _is_readable() -> Column:
    """True where the lake, too, would accept what the alert channel reads of a record."""
    words = F.concat_ws("|", "sent.user_id", "sent.merchant_id", "sent.amount")
    return (
        F.col("sent.user_id").rlike(WORD)
        & F.col("sent.merchant_id").rlike(WORD)
        & (F.col("amount") > 0)
        & (F.col("amount") < 1_000_000_000_000)
        & F.col("currency").isin(*CURRENCIES)
        & F.col("sent.timestamp").rlike(time.ISO_8601)
        & (F.col("sent.card_number").isNull() | F.col("digits").isNotNull())
        & ~identifiers.names_a_card(words)
    )


def _if_readable(value: Column) -> Column:
    return F.when(F.col("is_readable"), value)


def signs() -> dict[str, Column]:
    """Reason code -> whether a payment shows it, over a payment joined with what is known of its parties.

    A sign whose facts are missing (an unknown customer, no device, no country) does not show.
    """
    usual = {who: F.try_element_at(F.col(f"{who}.usual"), F.col("currency")) for who in ("user", "merchant", "card")}
    amount, country, home = F.col("amount"), F.col("country"), F.col("user.home_country")
    limits = [_limit(F.col(f"{who}.limits")) for who in ("user", "merchant", "place", "everybody")]
    is_devices_known = F.size("user.devices") > 0
    shown = {
        "BLACKLISTED": reduce(
            Column.__or__, (_is_listed(F.col(f"{who}.listed_in")) for who in ("user", "merchant", "place"))
        ),
        "POLICY_LIMIT": amount >= F.least(*limits),
        "AMOUNT_LIMIT": amount > F.least(*usual.values()) * LIMIT_MULTIPLE,
        "NEW_DEVICE": is_devices_known & ~F.array_contains("user.devices", F.col("device_id")),
        "COUNTRY_MISMATCH": country != home,
        "AMOUNT_UNUSUAL": amount > usual["user"] * UNUSUAL_MULTIPLE,
        "COUNTRY_RISK": F.array_contains("place.risky_cities", F.col("city")),
        "AMOUNT_UNUSUAL_MERCHANT": amount > usual["merchant"] * UNUSUAL_MULTIPLE,
        "MERCHANT_RISK": F.col("merchant.is_risky"),
        "CUSTOMER_RISK": F.col("user.is_risky"),
        "NIGHT": F.col("hour") < NIGHT_ENDS,
    }
    assert shown.keys() == LIKELIHOOD_RATIOS.keys()
    return {code: F.coalesce(shows, F.lit(False)) for code, shows in shown.items()}


def _is_listed(listed_in: Column) -> Column:
    """True where a blacklist holds everywhere, or where the payment takes place."""
    here = F.array_contains(listed_in, F.col("jurisdiction"))
    return F.coalesce(F.array_contains(listed_in, EVERYWHERE) | here, F.lit(False))


def _limit(limits: Column) -> Column:
    """The least limit that holds everywhere, or where the payment takes place, in its currency; null where there is none."""
    everywhere = F.concat(F.lit(f"{EVERYWHERE}|"), F.col("currency"))
    here = F.concat_ws("|", "jurisdiction", "currency")
    return F.least(F.try_element_at(limits, everywhere), F.try_element_at(limits, here))


def score(shown: Mapping[str, Column]) -> Column:
    """The scorecard's probability of fraud, 0 to 1, to six places, from the signs that show."""
    weights = (F.when(shows, math.log(LIKELIHOOD_RATIOS[code])).otherwise(0.0) for code, shows in shown.items())
    log_odds = reduce(add, weights, F.lit(math.log(PRIOR_ODDS)))
    return F.round(1 / (1 + F.exp(-log_odds)), 6)


def reasons(shown: Mapping[str, Column]) -> Column:
    """Up to four reasons, the strongest first, with code and text; empty where no sign shows."""
    found = F.array(*(F.when(shows, _reason(code)) for code, shows in shown.items()))
    # the list is made for the few payments that show anything: it runs outside generated code
    listed = F.slice(F.array_compact(found), 1, MOST_REASONS)
    return F.when(reduce(Column.__or__, shown.values()), listed).otherwise(F.array().cast(REASONS_TYPE))


def _reason(code: str) -> Column:
    return F.struct(F.lit(code).alias("code"), F.lit(TEXTS[code]).alias("text"))


def decided(known: DataFrame) -> DataFrame:
    """One row per payment, with what is said of it: the columns of SAID.

    `known` are `payments` with the structs `user`, `merchant`, `place`, `card` and `everybody` beside them (null where
    nothing is known), and `jurisdiction`. What is on a blacklist is declined whatever its score, and what reaches a
    policy's limit is at least reviewed. What cannot be read is reviewed, without a score.
    """
    shows = {code: F.col(f"shows.{code}") for code in LIKELIHOOD_RATIOS}
    signed = known.withColumn("shows", F.struct(*(shown.alias(code) for code, shown in signs().items())))
    scored = signed.withColumn("score", _if_readable(score(shows)))
    typed = scored.withColumn(
        "anomaly_type",
        _if_readable(
            F.when(shows["BLACKLISTED"] | (F.col("score") >= FRAUDULENT_FROM), FRAUDULENT)
            .when(shows["POLICY_LIMIT"] | (F.col("score") >= SUSPICIOUS_FROM), SUSPICIOUS)
            .otherwise(NORMAL)
        ),
    )
    decision = F.when(F.col("anomaly_type") == NORMAL, APPROVE).when(F.col("anomaly_type") == FRAUDULENT, DECLINE)
    return typed.select(
        "event_id", "transaction_id", "user_id", "merchant_id", F.col("amount").cast("string").alias("amount"), "currency",
        "score", "anomaly_type", decision.otherwise(REVIEW).alias("decision"),
        F.when(F.col("is_readable"), reasons(shows)).otherwise(F.array(_reason(UNREADABLE))).alias("reasons"),
        F.lit(SCORED_BY).alias("scored_by"), F.lit(RULES_VERSION).alias("rules_version"), "arrived_at",
    )  # fmt: skip


def published(said: DataFrame) -> DataFrame:
    """The Kafka records of the decisions: `topic`, `key` (the transaction) and `value` (JSON).

    Every payment has one in `fraud-decisions`; one that looks like fraud has the same in `fraud-alerts`.
    """
    is_alert = F.col("anomaly_type").isin(*ANOMALY_TYPES[1:])
    both, one = F.array(F.lit(FRAUD_DECISIONS), F.lit(FRAUD_ALERTS)), F.array(F.lit(FRAUD_DECISIONS))
    return said.select(
        F.explode(F.when(is_alert, both).otherwise(one)).alias("topic"),
        F.col("transaction_id").alias("key"),
        F.to_json(F.struct(*SAID)).alias("value"),
    )
