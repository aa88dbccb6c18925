"""The proof of a business date: what the sources say they booked is what came in, and what came in is accounted for.

Per source and currency, by records and by amount:

* control total of the source = postings received + records rejected,
* postings received = matched + broken + pending, where these three are summed from the indexes and not from the raw rows,
* per topic-partition, offsets are contiguous and equal accepted + quarantined.

A posting is a distinct amount and currency that a ledger booked for a transaction; a further record of it is a redelivery or
an update, and counted apart. Sources publish by their own booking times, so a posting counts on the date of its own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from paylake.contracts.currencies import minor_units
from paylake.contracts.table import FAILED_CHECKS
from paylake.contracts.topics import LEDGERS

CLOSED, EXCEPTIONS, FAILED = "closed", "closed with exceptions", "failed"
ZERO = Decimal("0.0000")


@dataclass(frozen=True)
class Sum:
    """A number of records and their amount, in one currency."""

    records: int = 0
    amount: Decimal = ZERO

    def __add__(self, other: Sum) -> Sum:
        """Both together."""
        return Sum(self.records + other.records, self.amount + other.amount)

    def __sub__(self, other: Sum) -> Sum:
        """What is left."""
        return Sum(self.records - other.records, self.amount - other.amount)


@dataclass(frozen=True)
class Proof:
    """The totals of one source and currency, and whether they close."""

    source: str
    currency: str
    control: Sum | None
    postings: Sum = Sum()
    matched: Sum = Sum()
    broken: Sum = Sum()
    pending: Sum = Sum()
    unaccounted: Sum = Sum()
    redelivered: Sum = Sum()
    rejected: Sum = Sum()
    unreadable_records: int = 0
    outcome: str = CLOSED
    note: str | None = None

    @property
    def received(self) -> Sum:
        """Every record that arrived, as far as its amount can be read."""
        readable = self.postings + self.redelivered + self.rejected
        return Sum(readable.records + self.unreadable_records, readable.amount)


class OffsetCount(NamedTuple):
    """Offsets of a topic-partition that are stored: how many, how many accepted, their range, the ranges of their batches
    together, and by how much the offsets of a batch miss the sum that its range has."""

    n: int = 0
    accepted: int = 0
    low: int = 0
    high: int = -1
    spanned: int = 0
    skew: int = 0

    @staticmethod
    def by_partition(rows: Iterable[Row]) -> dict[tuple[str, int], OffsetCount]:
        """The collected rows of `offset_counts`, by topic and partition."""
        return {
            (r["topic"], r["partition"]): OffsetCount(
                r["n"], r["accepted"], r["low"], r["high"], r["spanned"], int(r["skew"])
            )
            for r in rows
        }


@dataclass(frozen=True)
class OffsetProof:
    """The offsets of a topic-partition, and whether each is accounted for."""

    topic: str
    partition: int
    first: int
    end: int
    accepted: int
    quarantined: int
    gaps: int
    outcome: str
    note: str | None = None


def postings(entries: DataFrame) -> DataFrame:
    """One row per posting: source, transaction, currency, amount, its date, how often it came, and whether it is the leg."""
    order = F.struct("event_at", "currency", "amount", "partition", "offset")
    booked = entries.groupBy("source", "transaction_id", "currency", "amount").agg(
        F.min(order).alias("first"), F.count("*").alias("records")
    )
    of_leg = Window.partitionBy("source", "transaction_id")
    return booked.select(
        "source", "transaction_id", "currency", "amount", "records",
        F.to_date("first.event_at").alias("posting_date"),
        (F.col("first") == F.min("first").over(of_leg)).alias("is_leg"),
    )  # fmt: skip


def accounted(booked: DataFrame, index: DataFrame) -> DataFrame:
    """One row per source, currency and class: what the index makes of the postings.

    The amount of a leg is the index's own, so that an amount lost on the way to the index shows; a posting beyond the leg
    (a duplicate) has the amount that was booked.
    """
    state = (
        F.when(F.col("status").isNull(), "unaccounted")
        .when(F.col("status") == "MATCHED", "matched")
        .when(F.col("status") == "PENDING", "pending")
        .otherwise("broken")
    )
    leg_amount = F.coalesce(*(F.when(F.col("source") == ledger, F.col(f"{ledger}_amount")) for ledger in LEDGERS))
    legs = index.select("transaction_id", "status", *(f"{ledger}_amount" for ledger in LEDGERS))
    joined = booked.join(legs, on="transaction_id", how="left")
    in_index = F.when(F.col("is_leg"), leg_amount).otherwise(F.col("amount"))
    return joined.groupBy("source", "currency", state.alias("class")).agg(
        F.count("*").alias("records"),
        F.sum("amount").alias("booked_amount"),
        F.coalesce(F.sum(in_index), F.lit(ZERO)).alias("index_amount"),
        F.sum(F.col("records") - 1).alias("redelivered_records"),
        F.sum((F.col("records") - 1) * F.col("amount")).alias("redelivered_amount"),
    )


def rejected(quarantine: DataFrame, booked: DataFrame, business_date: date) -> DataFrame:
    """One row per source and currency of a date's rejected postings; currency '-' where the amount cannot be trusted.

    A posting that came again, or that another record of it brought into the ledger (`booked`), is counted once at most.
    """
    doubtful = F.exists(
        FAILED_CHECKS, lambda c: c.startswith("amount") | c.startswith("currency") | c.startswith("event_at")
    )
    is_readable = F.col("amount").isNotNull() & F.col("currency").isNotNull() & F.col("event_at").isNotNull() & ~doubtful
    # an unreadable record was booked a little before it was recorded, perhaps before midnight: it may explain either date
    recorded = [F.to_date("recorded_at"), F.to_date(F.timestamp_add("HOUR", F.lit(-1), F.col("recorded_at")))]
    is_of_date = F.when(is_readable, F.to_date("event_at") == F.lit(business_date)).otherwise(
        F.lit(business_date).isin(*recorded)
    )
    posting = ("source", "transaction_id", "currency", "amount")
    # without a trustworthy amount there is no posting to speak of, only the record
    place = F.concat_ws("/", "topic", "partition", "offset")
    rows = quarantine.where(is_of_date).select(
        "source",
        F.coalesce(F.when(is_readable, F.col("transaction_id")), place).alias("transaction_id"),
        *(F.when(is_readable, F.col(name)).alias(name) for name in ("currency", "amount")),
    )
    new = rows.distinct().join(booked.select(*posting), list(posting), "left_anti")
    return new.groupBy("source", F.coalesce("currency", F.lit("-")).alias("currency")).agg(
        F.count("*").alias("records"), F.sum("amount").alias("amount")
    )


def prove(
    control: Mapping[tuple[str, str], Sum],
    classes: Mapping[tuple[str, str, str], Sum],
    booked: Mapping[tuple[str, str], Sum],
    redelivered: Mapping[tuple[str, str], Sum],
    rejected_sums: Mapping[tuple[str, str], Sum],
    unreadable: Mapping[str, int],
) -> list[Proof]:
    """One proof per source and currency that anybody names. Pure: totals in, verdicts out."""
    keys = sorted({*control, *booked, *((s, c) for s, c in rejected_sums if c != "-")})
    proofs = [
        Proof(
            source, currency,
            control=control.get((source, currency)),
            postings=booked.get((source, currency), Sum()),
            redelivered=redelivered.get((source, currency), Sum()),
            rejected=rejected_sums.get((source, currency), Sum()),
            matched=classes.get((source, currency, "matched"), Sum()),
            broken=classes.get((source, currency, "broken"), Sum()),
            pending=classes.get((source, currency, "pending"), Sum()),
            unaccounted=classes.get((source, currency, "unaccounted"), Sum()),
        )
        for source, currency in keys
    ]  # fmt: skip
    short = {s: sum(_shortfall(p) for p in proofs if p.source == s) for s in {p.source for p in proofs}}
    return [_judged(p, unreadable.get(p.source, 0), short[p.source]) for p in proofs]


def _shortfall(proof: Proof) -> int:
    """Records that the source booked and that neither came nor were rejected readably."""
    control = proof.control or Sum()
    return max((control - proof.postings - proof.rejected).records, 0)


def _judged(proof: Proof, unreadable: int, shortfall_of_source: int) -> Proof:
    inside = proof.matched + proof.broken + proof.pending
    if inside != proof.postings:
        lost = proof.postings - inside
        return replace(
            proof,
            outcome=FAILED,
            note=f"received but not in the indexes: {lost.records} records, {_told(lost, proof)}",
        )
    if proof.control is None:
        return replace(proof, outcome=FAILED, note="the source published no control total")
    missing = proof.control - proof.postings
    if missing == Sum():
        stray = proof.rejected.records
        return replace(proof, note=f"{stray} rejected records beyond the control total" if stray else None)
    unseen = missing - proof.rejected
    if unseen == Sum():
        return proof
    if missing.records < 0:
        return replace(proof, outcome=FAILED, note=f"{-missing.records} records more than the source booked")
    if unseen.records == 0:
        return replace(proof, outcome=FAILED, note=f"amount differs from the control total by {_told(unseen, proof)}")
    if unseen.records < 0 < missing.records:
        note = f"{-unseen.records} of the {proof.rejected.records} rejected records were not booked, and nothing says which"
        return replace(proof, outcome=EXCEPTIONS, note=note)
    if unseen.records > 0 and shortfall_of_source <= unreadable:
        note = (
            f"{unseen.records} records lie in quarantine with no amount that can be trusted ({_told(unseen, proof)} in all)"
        )
        return replace(proof, outcome=EXCEPTIONS, unreadable_records=unseen.records, note=note)
    if missing.records == 0:
        return replace(proof, outcome=FAILED, note=f"amount differs from the control total by {_told(missing, proof)}")
    return replace(
        proof,
        outcome=FAILED,
        note=f"{unseen.records} records of {_told(unseen, proof)} were booked but never received",
    )


def _told(total: Sum, proof: Proof) -> str:
    """An amount for people: with its currency's decimals, or with more where it has more."""
    short = total.amount.quantize(Decimal(1).scaleb(-minor_units(proof.currency)), ROUND_DOWN)
    return f"{proof.currency} {short if short == total.amount else total.amount.normalize():,f}"


def offset_counts(entries: DataFrame, quarantine: DataFrame) -> DataFrame:
    """One row per topic-partition: offsets accepted and quarantined, their range, and the offsets that batches skipped."""
    place = ("topic", "partition", "generation", "batch", "offset")
    rows = entries.select(*place, F.lit(1).alias("accepted")).unionByName(
        quarantine.select(*place, F.lit(0).alias("accepted"))
    )
    per_batch = rows.groupBy("topic", "partition", "generation", "batch").agg(
        F.count("*").alias("n"),
        F.sum("accepted").alias("accepted"),
        F.min("offset").alias("low"),
        F.max("offset").alias("high"),
        F.sum("offset").cast("decimal(38,0)").alias("total"),
    )
    return per_batch.groupBy("topic", "partition").agg(
        F.sum("n").alias("n"),
        F.sum("accepted").alias("accepted"),
        F.min("low").alias("low"),
        F.max("high").alias("high"),
        F.sum(F.col("high") - F.col("low") + 1).alias("spanned"),
        F.max(F.abs(2 * F.col("total") - (F.col("low") + F.col("high")) * F.col("n"))).alias("skew"),
    )


def prove_offsets(
    counts: Mapping[tuple[str, int], OffsetCount],
    starts: Mapping[str, Mapping[int, int]],
    ends: Mapping[str, Mapping[int, int]],
    transactional: Iterable[str] = (),
) -> list[OffsetProof]:
    """One proof per topic-partition that the stream read.

    In a topic with transactions, markers take offsets; only there may one be without a record.
    """
    proofs = []
    for topic, partitions in sorted(ends.items()):
        for partition, end in sorted(partitions.items()):
            n, accepted, low, high, spanned, skew = counts.get((topic, partition), OffsetCount())
            first = starts.get(topic, {}).get(partition, 0)
            low = low if n else first
            gaps = end - first - n
            # without a gap, the offsets of each batch add up to what their range says
            twice = n > spanned or low < first or high >= end or (n == spanned and skew != 0)
            outcome, note = CLOSED, None
            if twice:
                outcome, note = FAILED, "an offset was stored twice, or lies outside what the stream read"
            elif gaps and topic not in set(transactional):
                outcome, note = (
                    FAILED,
                    f"{gaps} offsets hold no record, and the topic is not declared transactional",
                )
            elif gaps:
                note = f"{gaps} offsets hold no record of a transactional topic"
            proofs.append(OffsetProof(topic, partition, first, end, accepted, n - accepted, gaps, outcome, note))
    return proofs


def outcome_of(proofs: Iterable[Proof | OffsetProof]) -> str:
    """The worst outcome of a run's proofs."""
    outcomes = {p.outcome for p in proofs}
    return FAILED if FAILED in outcomes else EXCEPTIONS if EXCEPTIONS in outcomes else CLOSED
