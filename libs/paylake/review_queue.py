"""The queue of payments that look unlike the others: the novelty channel, trained on a lake's days, asked of a date.

A customer's payments stay together, in samples and in parts: what came before a payment is part of how it looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from paylake import tables
from paylake.contracts import FRAUD_PARTIAL, FRAUD_REVIEW_QUEUE
from paylake.contracts.fraud import NORMAL
from paylake.errors import SourceError
from paylake.fraud.arrivals import ORDER
from paylake.fraud.features import FEATURES_VERSION, NAMES
from paylake.fraud.novelty.channel import LEAST_TO_LEARN, WEIGHTS, Channel, train_channel
from paylake.fraud.novelty.queue import SCORED_SCHEMA, review_queue
from paylake.fraud.novelty.response import anomaly_type, explained
from paylake.fraud.novelty.vectors import STEPS, Vectors, in_order

MOST_TO_LEARN = 100_000
"""Payments that are learnt from at most (60 MB of features); of more, those of some customers, drawn by hash, are."""
AT_ONCE = 50_000
"""About so many payments of the date are in memory together; with the sequence model up to five earlier ones for each."""
BUCKETS = 10_000
"""Parts into which customers fall by hash."""
SEED = 0
LITTLE_HISTORY = STEPS
"""A customer with fewer known payments is a newcomer."""
SEATS = 5
"""One place in so many is kept for newcomers, where there are as many."""
SHOWN = 10

OF_PAYMENT = ("transaction_id", "user_id", "merchant_id", "amount", "currency", "event_at", "score", "anomaly_type",
              "model_name", "model_version")  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True)
class Queue:
    """A date's queue: `rows` are those of fraud_review_queue, by rank, without the columns that are alike in all of them.

    `said_of` payments were looked at, `learnt` ones were learnt from. `apart` is true where the earlier half of the date's
    own is among those. `models` are those that were trained.
    """

    on: date
    rows: tuple[Row, ...]
    said_of: int
    learnt: int
    apart: bool
    models: tuple[str, ...]


# --- pure: who learns, who is queued ---


def last_bucket(counts: Mapping[int, int], most: int) -> int:
    """The last bucket that is learnt from: with it and all before it there are at most so many payments.

    `counts` has the payments of each bucket. The first one that has any is always learnt from.
    """
    buckets = sorted(counts)
    within = np.cumsum([counts[bucket] for bucket in buckets]) <= most
    return buckets[max(int(within.sum()) - 1, 0)]


def chosen(scores: pa.Table, known: Mapping[str, int], most: int) -> pa.Table:
    """The queue (`QUEUE_SCHEMA`) of at most `most` payments, of which one in SEATS is kept for newcomers.

    Those are customers with less than LITTLE_HISTORY; of them too only payments that are unusual, and where there are fewer,
    others have their places. `scores` has `SCORED_SCHEMA`. What is chosen of parts, and then of what was chosen, is
    what is chosen of all.
    """
    queue = review_queue(scores, known, scores.num_rows)
    rows = np.arange(queue.num_rows)
    newcomers = rows[np.asarray(queue["known_payments"]) < LITTLE_HISTORY][: most // SEATS]
    others = np.setdiff1d(rows, newcomers)[: most - len(newcomers)]
    return queue.take(pa.array(np.sort(np.concatenate([newcomers, others])), pa.int64()))


def queued(payments: pa.Table, of: Vectors, channel: Channel, most: int) -> list[Row]:
    """A row per payment that is chosen, the most unusual first: those of Queue, without their ranks.

    `payments` has a row per payment of `of`, with the columns of OF_PAYMENT and `known_payments`.
    """
    said = channel.say(of)
    scores = pa.table(
        [payments["transaction_id"], payments["user_id"], pa.array(said.score), payments["anomaly_type"]],
        SCORED_SCHEMA.names,
    )
    known = dict(zip(payments["user_id"].to_pylist(), payments["known_payments"].to_pylist(), strict=True))
    place = {name: row for row, name in enumerate(payments["transaction_id"].to_pylist())}
    at = np.array([place[name] for name in chosen(scores, known, most)["transaction_id"].to_pylist()], np.int64)
    unusual = of.taken(at)
    weights = channel.weights(unusual)
    found = []
    for number, (row, payment) in enumerate(zip(at.tolist(), payments.take(pa.array(at)).to_pylist(), strict=True)):
        score, speakers = float(said.score[row]), said.speakers(row)
        kind = anomaly_type(score)
        why = explained(unusual.matrix[number : number + 1], weights[number : number + 1], kind, speakers)
        found.append(
            {
                **payment,
                "fraud_score": payment["score"],
                "anomaly_score": Decimal(f"{score:.6f}"),
                "anomaly_type": kind,
                "explanation": why,
                "spoken_by": list(speakers),
                "is_newcomer": payment["known_payments"] < LITTLE_HISTORY,
            }
        )
    return found


def best(rows: Sequence[Row], most: int) -> tuple[Row, ...]:
    """What is chosen of the rows that were chosen of each part, each payment once, with their ranks."""
    by_id = {row["transaction_id"]: row for row in reversed(rows)}
    scores = pa.Table.from_pylist(
        [
            # only what the supervised model finds normal was chosen of a part
            {**row, "anomaly_score": float(row["anomaly_score"]), "anomaly_type": NORMAL}
            for row in by_id.values()
        ],
        SCORED_SCHEMA,
    )
    known = {row["user_id"]: row["known_payments"] for row in by_id.values()}
    ids = chosen(scores, known, most)["transaction_id"].to_pylist()
    return tuple({**by_id[name], "rank": rank} for rank, name in enumerate(ids, 1))


def vectors(payments: pa.Table) -> Vectors:
    """The payments, in the order of their rows: that of arrival. `features` and `user_id` are read."""
    flat = np.asarray(payments["features"].combine_chunks().flatten(), float)
    user = np.asarray(payments["user_id"].combine_chunks().dictionary_encode().indices).astype(np.int64)
    return in_order(flat.reshape(payments.num_rows, len(NAMES)), user)


def told(queue: Queue, learn_days: int) -> str:
    """The queue for people: what it rests on, and its first rows."""
    newcomers = sum(row["is_newcomer"] for row in queue.rows)
    source = f"the {learn_days} days before"
    if queue.apart:
        source += " and of the date's own earlier half, which is not queued,"
    lines = [
        f"{queue.on}: {len(queue.rows):,} of {queue.said_of:,} payments are queued, {newcomers:,} of them of newcomers; "
        f"{queue.learnt:,} payments of {source} were learnt from."
    ]
    if len(queue.models) == 1:
        lines.append(f"Only the {queue.models[0]} speaks; `pip install 'paylake[novelty]'` adds the others.")
    elif len(queue.models) < len(WEIGHTS):
        lines.append(f"{' and '.join(queue.models)} speak; the others need customers with more than {STEPS} payments.")
    if not queue.rows:
        return "\n".join([*lines, "Nothing is unusual that the supervised model finds normal."])
    lines.append(f"{'rank':>4}  {'unusual':>7}  {'fraud':>6}  {'known':>5}  {'amount':>16} cur  {'customer':<14}"
                 f"{'merchant':<16}{'payment':<24}why")  # fmt: skip
    return "\n".join([*lines, *map(_line, queue.rows[:SHOWN])])


def _line(row: Row) -> str:
    # whoever sends payments does not write to the terminal
    user, merchant, payment = (
        "".join(c for c in row[name] if c.isprintable()) for name in ("user_id", "merchant_id", "transaction_id")
    )
    return (
        f"{row['rank']:>4}  {row['anomaly_score']:>7.3f}  {row['fraud_score']:>6.3f}  {row['known_payments']:>5}  "
        f"{row['amount']:>16} {row['currency']:<3}  {user:<14}{merchant:<16}{payment:<24}{row['explanation']}"
    )


# --- effects: from the lake, and into it ---


def queue_reviews(
    spark: SparkSession,
    lake: str,
    on: date,
    learn_days: int,
    most: int,
    with_neural: bool | None = None,
    most_to_learn: int = MOST_TO_LEARN,
    at_once: int = AT_ONCE,
) -> Queue:
    """Write the queue of the payments that arrived on a date, learnt from those of so many days before; returns it.

    Where there are too few before, the earlier half of the date's own is learnt from too, and only the later one is queued.
    Only payments with the features of now count, each once, on the first date of its arrival. The same payments give the
    same rows, and where these are written already, nothing is. Raises SourceError where there is no such payment of the
    date, or there are too few to learn from, and SettingsError where a library is missing.
    """
    first = F.lit(on - timedelta(days=learn_days))
    scored = tables.read(spark, lake, FRAUD_PARTIAL).where(F.col("features_version") == FEATURES_VERSION)
    scored = scored.where(F.col("ingest_date").between(first, F.lit(on)))
    is_before = F.col("ingest_date") < F.lit(on)
    before, asked = _apart(scored, is_before)
    count = asked.count()
    if not count:
        raise SourceError(
            f"No payment that arrived on {on} was scored with the features of now ({FEATURES_VERSION}) in the lake {lake}; "
            "score payments with `paylake score` first, or name another --date."
        )
    counts = _counts(before)
    apart = sum(counts.values()) < LEAST_TO_LEARN
    if apart:
        before, asked = _apart(scored, F.unix_micros("recorded_at") < F.lit(_middle(scored.where(~is_before))))
        counts = _counts(before)
    if sum(counts.values()) < LEAST_TO_LEARN:
        raise SourceError(
            f"What is usual takes {LEAST_TO_LEARN} payments to learn, but in the {learn_days} days before {on} and the "
            f"earlier half of {on} the lake {lake} has fewer that were scored with the features of now; name a later "
            "--date, or more --learn-days."
        )
    learnt = _to_learn(before, counts, most_to_learn)
    channel = train_channel(vectors(learnt), seed=SEED, with_neural=with_neural)
    found: list[Row] = []
    said_of = 0
    has_sequences = any(one.model.name == "sequence model" for one in channel.models)
    for payments, of in _parts(before, asked, -(-count // at_once), has_sequences):
        said_of += len(of)
        found += queued(payments, of, channel, most)
    models = tuple(one.model.name for one in channel.models)
    queue = Queue(on, best(found, most), said_of, learnt.num_rows, apart, models)
    _write(spark, lake, queue)
    return queue


def _apart(scored: DataFrame, is_before: Column) -> tuple[DataFrame, DataFrame]:
    """The rows of before, and those of payments that did not arrive before."""
    before = scored.where(is_before)
    return before, scored.where(~is_before).join(before.select("transaction_id"), on="transaction_id", how="left_anti")


def _middle(payments: DataFrame) -> int:
    """The time of arrival, in microseconds, before which half of them arrived."""
    row = payments.agg(F.median(F.unix_micros("recorded_at")).cast("bigint").alias("middle")).first()
    assert row is not None
    return int(row["middle"])


def _counts(payments: DataFrame) -> dict[int, int]:
    """The payments by bucket of their customers."""
    found = payments.groupBy(_hashed(BUCKETS).alias("bucket")).agg(F.count_distinct("transaction_id").alias("payments"))
    return {row["bucket"]: row["payments"] for row in found.collect()}


def _to_learn(before: DataFrame, counts: Mapping[int, int], most: int) -> pa.Table:
    """Payments in order of arrival, with `user_id` and `features`: all, or those of the first customers by hash."""
    bucket = _hashed(BUCKETS)
    drawn = _once(before.where(bucket <= last_bucket(counts, most)))
    # a single bucket can hold more
    return _arrived(drawn.orderBy(bucket, "user_id", *ORDER).limit(most))


def _parts(before: DataFrame, asked: DataFrame, parts: int, has_sequences: bool) -> Iterator[tuple[pa.Table, Vectors]]:
    """The payments to look at, a part of the customers at a time, each with what its customer paid before."""
    for part in range(parts):
        mine, earlier = _once(asked.where(_hashed(parts) == part)), before.where(_hashed(parts) == part)
        known = earlier.groupBy("user_id").agg(F.count_distinct("transaction_id").alias("known_payments"))
        rows = _arrived(mine.join(known, "user_id", "left").fillna(0, ["known_payments"]), *OF_PAYMENT, "known_payments")
        if not rows.num_rows:
            continue
        history = rows.slice(0, 0)
        if has_sequences:
            history = _arrived(_latest(_once(earlier.join(mine.select("user_id").distinct(), "user_id", "left_semi"))))
        both = pa.concat_tables([one.select([*ORDER, "user_id", "features"]) for one in (history, rows)])
        order = pc.sort_indices(both, [(name, "ascending") for name in ORDER])
        is_asked = np.asarray(order) >= history.num_rows
        yield rows, vectors(both.take(order)).taken(np.flatnonzero(is_asked))


def _hashed(parts: int) -> Column:
    return F.pmod(F.xxhash64("user_id"), F.lit(parts))


def _once(payments: DataFrame) -> DataFrame:
    """One row per payment: where it was scored more than once, the first by date of arrival, generation and batch."""
    in_turn = Window.partitionBy("transaction_id").orderBy("ingest_date", *ORDER)
    return payments.withColumn("_nth", F.row_number().over(in_turn)).where("_nth = 1").drop("_nth")


def _latest(payments: DataFrame) -> DataFrame:
    """The last STEPS payments of each customer."""
    in_turn = Window.partitionBy("user_id").orderBy(*(F.col(name).desc() for name in ORDER))
    return payments.withColumn("_nth", F.row_number().over(in_turn)).where(F.col("_nth") <= STEPS).drop("_nth")


def _arrived(payments: DataFrame, *columns: str) -> pa.Table:
    """The payments in memory, in order of arrival."""
    names = dict.fromkeys([*ORDER, "user_id", "features", *columns])
    found: pa.Table = payments.select(*names).toArrow()
    return found.sort_by([(name, "ascending") for name in ORDER])


def _write(spark: SparkSession, lake: str, queue: Queue) -> None:
    alike = {"ingest_date": queue.on, "features_version": FEATURES_VERSION}
    columns = FRAUD_REVIEW_QUEUE.columns
    rows = [tuple({**row, **alike}[name] for name in columns) for row in queue.rows]
    frame = spark.createDataFrame(rows, FRAUD_REVIEW_QUEUE.schema)
    tables.create(spark, lake, FRAUD_REVIEW_QUEUE)
    written = tables.read(spark, lake, FRAUD_REVIEW_QUEUE).where(F.col("ingest_date") == F.lit(queue.on))
    if tables.content_hash(frame, columns) != tables.content_hash(written, columns):
        tables.replace_where(frame, lake, FRAUD_REVIEW_QUEUE, f"ingest_date = DATE'{queue.on}'")
