"""The rows of `run_controls`: what a run proved, and, last, that it is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake import tables
from paylake.contracts import OPEN_ITEMS, RUN_CONTROLS
from paylake.errors import SourceError
from paylake.indexes import proof
from paylake.indexes.proof import OffsetProof, Proof, Sum
from paylake.stream_state import StreamState


@dataclass(frozen=True)
class Pin:
    """The state of the stream that a run reads, so that its inputs cannot move while it works."""

    version: int
    state: StreamState

    @staticmethod
    def latest(spark: SparkSession, lake: str) -> Pin:
        """The stream as of its last commit; SourceError where it has none."""
        commit = tables.last_commit(spark, lake, OPEN_ITEMS)
        if commit.metadata is None:
            raise SourceError(f"The stream has not written to {lake} yet; run `paylake stream` before the nightly run.")
        return Pin(commit.version, StreamState.from_metadata(commit.metadata))


@dataclass(frozen=True)
class Run:
    """What a nightly run came to."""

    run_id: str
    outcome: str
    published: bool
    changed: bool
    proofs: tuple[Proof, ...]
    offsets: tuple[OffsetProof, ...]
    differences: Mapping[str, int]


def published(spark: SparkSession, lake: str, business_date: date) -> list[str]:
    """The published runs of a business date, in order."""
    rows = tables.read(spark, lake, RUN_CONTROLS).where(
        (F.col("business_date") == F.lit(business_date)) & (F.col("row_kind") == "PUBLISHED")
    )
    return sorted(r["run_id"] for r in rows.select("run_id").collect())


def already_proved(spark: SparkSession, lake: str, run_id: str, rows: list[dict[str, Any]]) -> bool:
    """True where a published run has said the same of its totals."""
    ignored = {"run_id", "run_at", "stream_generation", "stream_batch"}
    columns = [c for c in RUN_CONTROLS.columns if c not in ignored]
    of_run = tables.read(spark, lake, RUN_CONTROLS).where(F.col("run_id") == run_id)
    at = of_run.where("row_kind = 'PUBLISHED'").select("run_at")  # an attempt that failed has the number, and another time
    said = of_run.where("row_kind != 'PUBLISHED'").join(F.broadcast(at), on="run_at", how="left_semi")
    known = {tuple(r[c] for c in columns) for r in said.select(*columns).collect()}
    return known == {tuple(row[c] for c in columns) for row in rows}


def control_rows(run: Run, business_date: date, run_at: datetime, pin: Pin) -> list[dict[str, Any]]:
    """The rows of `run_controls` that say what was proved."""
    base = _blank_row(run, business_date, run_at, pin)
    rows = []
    for p in run.proofs:
        row = {
            **base,
            "row_kind": "PROOF",
            "source": p.source,
            "currency": p.currency,
            "outcome": p.outcome,
            "note": p.note,
        }
        for name in ("received", "matched", "broken", "pending", "redelivered", "rejected"):
            total: Sum = getattr(p, name)
            row |= {f"{name}_records": total.records, f"{name}_amount": total.amount}
        if p.control is not None:
            row |= {"control_records": p.control.records, "control_amount": p.control.amount}
        rows.append({**row, "unreadable_records": p.unreadable_records})
    for o in run.offsets:
        rows.append({
            **base, "row_kind": "OFFSETS", "source": f"{o.topic}/{o.partition}", "outcome": o.outcome, "note": o.note,
            "received_records": o.accepted + o.quarantined, "rejected_records": o.quarantined,
            "first_offset": o.first, "end_offset": o.end, "gap_records": o.gaps,
        })  # fmt: skip
    for why, count in sorted(run.differences.items()):
        rows.append({**base, "row_kind": "DIFFERENCE", "source": why, "outcome": run.outcome, "broken_records": count})
    return rows


def published_row(run: Run, business_date: date, run_at: datetime, pin: Pin) -> dict[str, Any]:
    note = f"{sum(run.differences.values())} transactions differ between stream and batch" if run.differences else None
    return {
        **_blank_row(run, business_date, run_at, pin),
        "row_kind": "PUBLISHED",
        "outcome": run.outcome,
        "note": note,
    }


def _blank_row(run: Run, business_date: date, run_at: datetime, pin: Pin) -> dict[str, Any]:
    """A row of `run_controls` without any total."""
    empty = {f.name: None if f.nullable else 0 for f in RUN_CONTROLS.fields}
    amounts = {f.name: proof.ZERO for f in RUN_CONTROLS.fields if f.name.endswith("_amount") and not f.nullable}
    said = {
        "run_id": run.run_id, "business_date": business_date, "run_at": run_at, "source": "all", "currency": "-",
        "stream_generation": pin.state.generation, "stream_batch": pin.state.batch,
    }  # fmt: skip
    return {**empty, **amounts, **said}


def append(spark: SparkSession, lake: str, rows: list[dict[str, Any]]) -> None:
    data = [tuple(row[name] for name in RUN_CONTROLS.columns) for row in rows]
    tables.append(spark.createDataFrame(data, RUN_CONTROLS.schema).coalesce(1), lake, RUN_CONTROLS)


def proof_table(run: Run) -> str:
    """The proofs as a text table, for people."""
    names = ("received", "matched", "broken", "pending", "rejected")
    lines = [f"{'source':<10}{'cur':<5}{'control':>26}" + "".join(f"{name:>11}" for name in names) + "  outcome"]
    for p in run.proofs:
        control = f"{p.control.records} / {p.control.amount}" if p.control else "none"
        rejected = p.rejected.records + p.unreadable_records
        counts = (p.received.records, p.matched.records, p.broken.records, p.pending.records, rejected)
        verdict = f"{p.outcome}: {p.note}" if p.note else p.outcome
        lines.append(f"{p.source:<10}{p.currency:<5}{control:>26}" + "".join(f"{n:>11}" for n in counts) + f"  {verdict}")
    lines += [f"{o.topic}/{o.partition}: {o.note}" for o in run.offsets if o.note]
    return "\n".join(lines)
