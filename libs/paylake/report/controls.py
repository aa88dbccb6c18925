"""What a nightly run proved: its totals per source and currency, its offsets, and where stream and batch differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from paylake.contracts.topics import LEDGERS

PARTS = ("received", "matched", "broken", "pending", "redelivered", "rejected")
FAILED = "failed"


@dataclass(frozen=True)
class Run:
    """A run, or an attempt at one; `published_run_id` is the latest published run of its date, None without one."""

    run_id: str
    business_date: date
    run_at: str
    is_published: bool
    published_run_id: str | None
    stream_generation: int
    stream_batch: int


@dataclass(frozen=True)
class Tally:
    """Records and their amount in one currency."""

    records: int
    amount: Decimal


@dataclass(frozen=True)
class Proof:
    """The proof of one source and currency: what the source booked, and where each record received went."""

    source: str
    currency: str
    control: Tally | None
    received: Tally
    matched: Tally
    broken: Tally
    pending: Tally
    redelivered: Tally
    rejected: Tally
    unreadable_records: int
    outcome: str
    note: str | None


@dataclass(frozen=True)
class Offsets:
    """The topic-partitions that a run proved, summed; `failed` names those that do not close."""

    partitions: int
    records: int
    quarantined: int
    gaps: int
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Controls:
    """A run with its proofs. `differences` is why stream and batch differ -> number of transactions."""

    run: Run
    proofs: tuple[Proof, ...]
    offsets: Offsets
    differences: Mapping[str, int]

    @property
    def are_closed(self) -> bool:
        """There are proofs, none failed, and the run was published."""
        return self.run.is_published and bool(self.proofs) and not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """What does not close: source and currency, or topic-partition."""
        return (
            *(f"{p.source} {p.currency}" for p in self.proofs if p.outcome == FAILED),
            *self.offsets.failed,
        )


def latest_controls(controls: DataFrame, business_date: date | None = None) -> Controls | None:
    """The latest attempt at a run of a business date (None: of any date); None where there was none."""
    chosen = controls if business_date is None else controls.where(F.col("business_date") == F.lit(business_date))
    # a failed attempt leaves its number to the next one: only the time tells them apart
    attempt = F.struct("run_at", "business_date", "run_id")
    last = chosen.agg(F.max(attempt).alias("attempt")).select("attempt.*")
    rows = (
        chosen.join(last, on=["run_at", "business_date", "run_id"], how="left_semi")
        .withColumn("run_at", utc_text(F.col("run_at")))
        .collect()
    )
    if not rows:
        return None
    of_kind: dict[str, list[Row]] = {}
    for r in rows:
        of_kind.setdefault(r["row_kind"], []).append(r)
    first = rows[0]
    run = Run(
        run_id=first["run_id"],
        business_date=first["business_date"],
        run_at=first["run_at"],
        is_published="PUBLISHED" in of_kind,
        published_run_id=_published(controls, first["business_date"]),
        stream_generation=first["stream_generation"],
        stream_batch=first["stream_batch"],
    )
    return Controls(
        run=run,
        proofs=_proofs(of_kind.get("PROOF", [])),
        offsets=_offsets(of_kind.get("OFFSETS", [])),
        differences={r["source"]: r["broken_records"] for r in of_kind.get("DIFFERENCE", [])},
    )


def utc_text(at: Column) -> Column:
    """The time as text: a collected timestamp would be shifted to the time zone of the reading machine."""
    return F.date_format(at, "yyyy-MM-dd HH:mm:ss.SSS")


def _published(controls: DataFrame, business_date: date) -> str | None:
    of_date = (F.col("row_kind") == "PUBLISHED") & (F.col("business_date") == F.lit(business_date))
    last = controls.where(of_date).agg(F.max_by("run_id", F.struct("run_at", "run_id")).alias("run_id"))
    found: str | None = last.collect()[0]["run_id"]
    return found


def _proofs(rows: list[Row]) -> tuple[Proof, ...]:
    """The currency with most records first; within it, the ledgers in their usual order."""
    received: dict[str, int] = {}
    for r in rows:
        received[r["currency"]] = received.get(r["currency"], 0) + r["received_records"]
    found = [
        Proof(
            source=r["source"],
            currency=r["currency"],
            control=None if r["control_records"] is None else Tally(r["control_records"], r["control_amount"]),
            **{part: Tally(r[f"{part}_records"], r[f"{part}_amount"]) for part in PARTS},
            unreadable_records=r["unreadable_records"],
            outcome=r["outcome"],
            note=r["note"],
        )
        for r in rows
    ]
    order = {ledger: i for i, ledger in enumerate(LEDGERS)}
    return tuple(
        sorted(
            found,
            key=lambda p: (-received[p.currency], p.currency, order.get(p.source, len(order)), p.source),
        )
    )


def _offsets(rows: list[Row]) -> Offsets:
    return Offsets(
        partitions=len(rows),
        records=sum(r["received_records"] for r in rows),
        quarantined=sum(r["rejected_records"] for r in rows),
        gaps=sum(r["gap_records"] or 0 for r in rows),
        failed=tuple(sorted(r["source"] for r in rows if r["outcome"] == FAILED)),
    )
