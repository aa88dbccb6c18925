"""Payments as they arrive at the gateway, as frames: what is scored, what is known beside it, and the scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from paylake.contracts.dimensions import BLACKLIST, EVERYWHERE, REGIONAL_LIMIT
from paylake.contracts.fraud import FRAUD, LABEL_DELAY
from paylake.contracts.topics import GATEWAY
from paylake.dimensions.as_of import as_of
from paylake.fraud.facts import FACTS_SCHEMA, as_lists, matrix_of
from paylake.fraud.features import CARD, DEVICE, LEVEL, MERCHANT, ROLES, UNIT, USER
from paylake.fraud.replay import DECLINED, KEY_OF, REFUND
from paylake.fraud.role_rows import FOUND_DDL, ROWS_SCHEMA, features_of
from paylake.fraud.scoring import SCORES_DDL, SCORES_SCHEMA, Judge, score

ORDER = ("generation", "batch", "recorded_at", "partition", "offset")
"""The order of arrival."""
SENT = ("transaction_id", "user_id", "merchant_id", "amount", "currency", "status", "type", "channel", "card_token",
        "device_id", "city", "country", "event_at", "ingest_date")  # fmt: skip
"""What is taken from the gateway's record."""
PUT_OFF = "INTERVAL '1' DAY"
"""How far a payment may lie behind the latest arrival and still count at its own time."""

TOLD_APART: dict[str, tuple[str, ...]] = {
    USER: ("merchant_id", "device_id", "country", "currency"),
    MERCHANT: ("currency",),
    CARD: (),
    DEVICE: (),
}
"""Role -> what the sums of its days are told apart by."""
TOLD = ("merchant_id", "device_id", "country", "currency")
LOOKED_AT: dict[str, tuple[str, ...]] = {
    USER: TOLD_APART[USER],
    MERCHANT: (*TOLD_APART[MERCHANT], "user_id"),
    CARD: ("user_id", "merchant_id"),
    DEVICE: ("user_id",),
}
"""Role -> the texts that its features look at; the others do not travel with its rows."""
LONGEST_DAYS = 31
"""Days' sums older than this are one: no window tells them apart."""


@dataclass(frozen=True)
class Dimensions:
    """What is known beside the payments, each as its contract says."""

    merchants: DataFrame
    users: DataFrame
    locations: DataFrame
    policies: DataFrame


def first_arrivals(entries: DataFrame) -> DataFrame:
    """One row per transaction of the gateway's entries: the first that arrived."""
    mine = entries.where(F.col("source") == GATEWAY)
    first = mine.groupBy("transaction_id").agg(
        F.min_by(F.struct(*SENT[1:], *ORDER), F.struct("recorded_at", "partition", "offset")).alias("first")
    )
    return first.select("transaction_id", "first.*")


def with_seen_at(payments: DataFrame, latest: Column) -> DataFrame:
    """The payments with `seen_at`, their time for windows; `latest` is the latest arrival before them, or null.

    Within a batch the order of arrival is that of recorded_at: the latest arrival before a row is known from the row.
    """
    newest = F.greatest(latest, F.col("recorded_at"))  # a null is passed over
    return payments.withColumn("seen_at", F.greatest(F.least("event_at", "recorded_at"), newest - F.expr(PUT_OFF)))


def with_measures(payments: DataFrame) -> DataFrame:
    """The payments with what sums are made of: the amount in whole units, and its level."""
    units = (F.col("amount") * UNIT).cast("bigint")
    level = F.floor(LEVEL * F.log1p(F.col("units") / UNIT) + F.lit(0.5)).cast("bigint")
    return payments.withColumn("units", units).withColumn("levels", level)


def role_rows(payments: DataFrame, *, is_asked: bool, keys: Mapping[str, str] = KEY_OF) -> DataFrame:
    """A row of ROWS_SCHEMA per payment and role that it has: those of which the column that `keys` names is not null."""
    texts = sorted({name for names in LOOKED_AT.values() for name in names})
    roles = F.array(
        *(
            F.struct(
                F.lit(role).alias("role"),
                F.col(column).alias("key"),
                *((F.col(name) if name in LOOKED_AT[role] else F.lit(None).cast("string")).alias(name) for name in texts),
            )
            for role, column in keys.items()
        )
    )
    measures = payments.select(
        *ORDER, "seen_at", "units", "levels",
        (F.col("transaction_id") if is_asked else F.lit(None).cast("string")).alias("transaction_id"),
        F.lit(is_asked).alias("is_asked"),
        (F.col("levels") * F.col("levels")).alias("levels_squared"),
        F.lit(1).cast("bigint").alias("payments"),
        (F.col("status") == DECLINED).cast("bigint").alias("declines"),
        F.coalesce(F.col("type") == REFUND, F.lit(False)).cast("bigint").alias("refunds"),
        F.col("seen_at").alias("first_at"),
        F.explode(F.filter(roles, lambda one: one["key"].isNotNull())).alias("of"),
    ).select("*", "of.*")  # fmt: skip
    return measures.select(*ROWS_SCHEMA.names)


def of_asked_keys(payments: DataFrame, asked: DataFrame) -> tuple[DataFrame, dict[str, str]]:
    """Those of the payments that share customer, merchant, card or device with an asked row of ROWS_SCHEMA.

    Returned with the columns, by role, that hold the key where it is an asked one.
    """
    keys = {role: f"asked_{column}" for role, column in KEY_OF.items()}
    found = payments
    for role, column in KEY_OF.items():
        wanted = asked.where(F.col("role") == role).select(F.col("key").alias(keys[role])).distinct()
        found = found.join(F.broadcast(wanted), F.col(column) == F.col(keys[role]), "left")
    return found.where(F.coalesce(*keys.values()).isNotNull()), keys


def label_rows(labels: DataFrame) -> DataFrame:
    """Two rows of ROWS_SCHEMA, of the customer and of the merchant, per payment of which a label says fraud, once."""
    frauds = labels.where((F.col("label") == FRAUD) & F.col("counts_from").isNotNull())
    place = F.struct(*ORDER)
    first = frauds.groupBy("transaction_id").agg(
        F.min_by(F.struct("user_id", "merchant_id", "counts_from", *ORDER), place).alias("first")
    )
    roles = F.array(*(F.struct(F.lit(r).alias("role"), F.col(f"first.{KEY_OF[r]}").alias("key")) for r in (USER, MERCHANT)))
    none = F.lit(0).cast("bigint")
    rows = first.select(
        F.explode(roles).alias("of"), *(f"first.{name}" for name in ORDER),
        F.col("first.counts_from").alias("seen_at"), F.col("first.counts_from").alias("first_at"),
        F.lit(False).alias("is_asked"),
        *(none.alias(n) for n in ("units", "levels", "levels_squared", "payments", "declines", "refunds")),
    ).select("*", "of.*")  # fmt: skip
    return _in_shape(rows)


def profile_rows(profiles: DataFrame) -> DataFrame:
    """A row of ROWS_SCHEMA per day's sum: it arrived before every payment that is read by itself."""
    return _in_shape(
        profiles.withColumns({
            "is_asked": F.lit(False), "generation": F.lit(-1), "batch": F.lit(-1).cast("bigint"),
            "recorded_at": F.col("last_at"), "partition": F.lit(0), "offset": F.lit(0).cast("bigint"),
            "seen_at": F.col("last_at"), "units": F.lit(0).cast("bigint"),
            **{name: F.nullif(name, F.lit("")) for name in TOLD},
        })
    )  # fmt: skip


def _in_shape(rows: DataFrame) -> DataFrame:
    """The columns of ROWS_SCHEMA; null where the rows have none."""
    return rows.select(*(F.col(n) if n in rows.columns else F.lit(None).cast("string").alias(n) for n in ROWS_SCHEMA.names))


def folded(payments: DataFrame, profiles: DataFrame, through: Column) -> DataFrame:
    """The days' sums with the days up to `through`: `payments` are those that were in none yet, with their measures.

    A day is that of a customer's (or merchant's, …) own time, which never goes back: see `sequences`.
    """
    rows = role_rows(payments, is_asked=False)
    arrived = Window.partitionBy("role", "key").orderBy(*ORDER).rowsBetween(Window.unboundedPreceding, 0)
    own = rows.withColumn("at", F.max("seen_at").over(arrived))
    # an empty text stands for none: these columns are part of the key
    told_by = {name: [role for role, names in TOLD_APART.items() if name in names] for name in TOLD}
    whose = {n: F.coalesce(F.when(F.col("role").isin(told_by[n]), F.col(n)), F.lit("")) for n in TOLD}
    days = own.withColumns({**whose, "day": F.to_date("at"), "first_at": F.col("at"), "last_at": F.col("at")})
    sums = ("payments", "declines", "refunds", "levels", "levels_squared")
    told = ("role", "key", *TOLD, "day")
    columns = [*told, *sums, "first_at", "last_at"]
    both = days.select(*columns).unionByName(profiles.select(*columns))
    old = F.col("day") < F.date_sub(through, LONGEST_DAYS)
    merged = both.withColumn("day", F.when(old, F.to_date(F.lit("1970-01-01"))).otherwise(F.col("day")))
    return merged.groupBy(*told).agg(
        *(F.sum(name).alias(name) for name in sums), F.min("first_at").alias("first_at"), F.max("last_at").alias("last_at")
    )


def with_features(payments: DataFrame, rows: DataFrame) -> DataFrame:
    """The payments with the features of each role, as lists: of_user, of_merchant, of_card, of_device."""

    def find(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        read = list(batches)
        if read:
            yield from features_of(pa.Table.from_batches(read).cast(ROWS_SCHEMA)).to_batches()

    # a key's rows meet in one partition; what Spark then makes of small partitions changes no result
    found = rows.repartition("role", "key").mapInArrow(find, FOUND_DDL)
    of_payment = found.groupBy("transaction_id").agg(
        *(F.first(F.when(F.col("role") == role, F.col("found")), ignorenulls=True).alias(f"of_{role.lower()}")
          for role in ROLES)
    )  # fmt: skip
    return payments.join(of_payment, "transaction_id", "left")


def with_facts(payments: DataFrame, known: Dimensions) -> DataFrame:
    """The payments with what dimensions and policies said of them when they were booked; null where nothing."""
    merchants = known.merchants.select("merchant_id", "valid_from", "valid_to", F.col("risk_level").alias("merchant_risk"))
    users = known.users.select(
        "user_id", "valid_from", "valid_to", "home_country", "kyc_status", F.col("risk_rating").alias("user_risk")
    )
    places = known.locations.select(
        "location_id", "valid_from", "valid_to", "utc_offset", F.col("risk_level").alias("country_risk")
    )
    located = payments.withColumn("location_id", F.concat_ws("-", "country", "city"))
    told = as_of(
        as_of(located, F.broadcast(merchants), "merchant_id", "event_at"), F.broadcast(users), "user_id", "event_at"
    )
    told = as_of(told, F.broadcast(places), "location_id", "event_at")
    sign = F.when(F.left("utc_offset", F.lit(1)) == "-", -1).otherwise(1)
    minutes = sign * (F.substring("utc_offset", 2, 2).try_cast("int") * 60 + F.substring("utc_offset", 5, 2).try_cast("int"))
    return told.withColumn("utc_minutes", minutes).transform(_with_policies, known.policies)


def _with_policies(payments: DataFrame, policies: DataFrame) -> DataFrame:
    """The payments with `is_blacklisted` and the lowest limit, `limit_units`. Policies are few: they come as one list."""
    fields = ("policy_type", "subject_type", "subject_id", "jurisdiction", "limit_amount", "limit_currency", "valid_from",
              "valid_to")  # fmt: skip
    asked = policies.where(F.col("active_flag") & F.col("policy_type").isin(BLACKLIST, REGIONAL_LIMIT))
    listed = asked.agg(F.collect_list(F.struct(*fields)).alias("policies"))

    def concerns(one: Column) -> Column:
        subject = {"USER": F.col("user_id"), "MERCHANT": F.col("merchant_id"), "COUNTRY": F.col("country")}
        named = F.lit(False)
        for kind, column in subject.items():
            named = named | ((one["subject_type"] == kind) & (one["subject_id"] == column))
        in_force = (one["valid_from"] <= F.col("event_at")) & (
            one["valid_to"].isNull() | (F.col("event_at") < one["valid_to"])
        )
        here = one["jurisdiction"].isin(EVERYWHERE) | (one["jurisdiction"] == F.col("country"))
        return in_force & here & (named | (one["subject_type"] == "ALL"))

    limits = F.filter(
        "policies",
        lambda one: (one["policy_type"] == REGIONAL_LIMIT) & (one["limit_currency"] == F.col("currency")) & concerns(one),
    )
    return (
        payments.crossJoin(F.broadcast(listed))
        .withColumns({
            "is_blacklisted": F.exists("policies", lambda one: (one["policy_type"] == BLACKLIST) & concerns(one)),
            "limit_units": F.array_min(F.transform(limits, lambda one: (one["limit_amount"] * UNIT).cast("bigint"))),
        })
        .drop("policies", "location_id")
    )  # fmt: skip


def scored(facts: DataFrame, judge: Judge) -> DataFrame:
    """The payments of `facts` (the columns of FACTS_SCHEMA among theirs) as they arrived, with their scores as SCORES_SCHEMA
    has them.
    """
    kept = [*SENT, *ORDER, "seen_at"]
    said = StructType.fromDDL(SCORES_DDL)
    assert isinstance(said, StructType)
    found = StructType([*(facts.schema[name] for name in kept), *(said[n] for n in said.names if n not in kept)])
    needed = dict.fromkeys([*kept, *FACTS_SCHEMA.names])

    def judged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            told = pa.Table.from_batches([batch])
            scores = score(told.select(FACTS_SCHEMA.names).cast(FACTS_SCHEMA), judge).cast(SCORES_SCHEMA)
            whole = [told[name] if name in kept else scores[name] for name in found.names]
            yield from pa.table(whole, names=found.names).combine_chunks().to_batches()

    return facts.select(*needed).mapInArrow(judged, found)


def attached(labels: DataFrame, payments: DataFrame) -> DataFrame:
    """The labels with whose payment it was and from when they count; null where the payment was not scored yet."""
    whose = payments.groupBy("transaction_id").agg(
        F.min_by(F.struct("user_id", "merchant_id", "seen_at"), F.struct("generation", "batch")).alias("of")
    )
    due = F.timestamp_add("SECOND", F.lit(int(LABEL_DELAY.total_seconds())), F.col("of.seen_at"))
    counts_from = F.when(F.col("of").isNotNull(), F.greatest("recorded_at", "known_at", due))
    joined = labels.drop("user_id", "merchant_id", "counts_from").join(whose, "transaction_id", "left")
    return joined.select(
        *(n for n in labels.columns if n not in ("user_id", "merchant_id", "counts_from")),
        "of.user_id", "of.merchant_id", counts_from.alias("counts_from"),
    )  # fmt: skip


def recomputed(payments: DataFrame, labels: DataFrame, known: Dimensions) -> DataFrame:
    """One row per scored payment, with its features computed again from all payments in the order in which they arrived.

    They are those that were logged, to the last digit, unless labels or dimensions were delivered for earlier times since.
    """
    measured = with_measures(payments)
    rows = role_rows(measured, is_asked=True).unionByName(label_rows(labels))
    facts = with_facts(with_features(measured, rows), known)

    def vectors(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            table = pa.Table.from_batches([batch]).cast(FACTS_SCHEMA)
            features = as_lists(matrix_of(table))
            yield pa.record_batch([table["transaction_id"].combine_chunks(), features], ["transaction_id", "features"])

    return facts.select(*FACTS_SCHEMA.names).mapInArrow(vectors, "transaction_id string, features array<double>")
