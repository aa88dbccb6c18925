"""Breaks: what a run opens, changes, ends or reopens. What people decided stays while the facts that they saw do."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.contracts.indexes import BREAKS
from paylake.contracts.resolution import ADJUSTED, BREAK_FIELDS, ENDED, LEDGERS_AGREE, State
from paylake.contracts.topics import LEDGERS
from paylake.quality import conform
from paylake.resolution.ageing import sla_due_at, with_settlement
from paylake.resolution.policies import with_suggestion

SEEN = ("reasons", "amount", "currency")
"""What somebody who decides on a break relies on: a decision stands while these stay."""

DECIDED = ("proposal_id", "proposed_resolution", "maker", "checker", "resolution")
"""What is void once the facts have changed."""


def news(
    latest: DataFrame, known: DataFrame, business_days: DataFrame, run_id: str, run_at: datetime, agreed: str = LEDGERS_AGREE
) -> DataFrame:
    """One row per break that a run opens, changes, ends or reopens; none where there is no news.

    `agreed` says how a break ends whose ledgers agree: LEDGERS_AGREE, or ADJUSTED where its period is closed.
    """
    found = with_settlement(_found(latest), business_days)
    facts = [c for c in found.columns if c != "break_id"]
    old = known.select("break_id", *(F.col(c).alias(f"_{c}") for c in known.columns if c != "break_id"))
    compared = found.join(old, on="break_id", how="full_outer").withColumns(_moves())
    compared = compared.withColumn("state", _state())
    same = F.col("state").eqNullSafe(F.col("_state"))
    for fact in facts:
        same = same & F.col(fact).eqNullSafe(F.col(f"_{fact}"))
    changed = compared.where(F.when(F.col("_is_found"), ~same).otherwise(F.col("_ends")))
    return conform(_rows(changed, facts, run_id, run_at, agreed), BREAKS)


def _found(latest: DataFrame) -> DataFrame:
    """One row per break of the latest results, with all that a run says of it but its dates."""
    amounts_differ = F.array_contains("reasons", "AMOUNT_OVER") | F.array_contains("reasons", "AMOUNT_UNDER")
    reference = F.coalesce(*(F.col(f"{ledger}_amount") for ledger in LEDGERS))
    amount = (
        F.when((F.col("family") == "AMOUNT") & amounts_differ, F.col("difference_amount"))
        .when(F.col("family") == "DATE", F.lit(0))
        .otherwise(reference)
    )
    dated = ("rail", "expected_settlement_date")
    return with_suggestion(latest.where("kind IS NOT NULL")).select(
        F.left(F.sha2(F.concat_ws("|", "recon_id", "kind"), 256), F.lit(32)).alias("break_id"),
        "recon_id", "transaction_id", "business_date", "kind", "family", "reason", "reasons", "severity", "owner",
        amount.cast("decimal(18,4)").alias("amount"),
        F.coalesce(*(F.col(f"{ledger}_currency") for ledger in LEDGERS)).alias("currency"),
        "quarantined_legs",
        *(f.name for f in BREAK_FIELDS if f.name not in dated),
    )  # fmt: skip


def _moves() -> dict[str, Column]:
    """What becomes of a break that was known, as flags."""
    is_found = F.col("recon_id").isNotNull()
    ended = F.coalesce(F.col("_state").isin([s.value for s in ENDED]), F.lit(False))
    ended_by_run = F.coalesce(F.col("_resolution").isin(LEDGERS_AGREE, ADJUSTED), F.lit(True))
    seen_changed = F.col("_recon_id").isNotNull() & is_found & ~_all_same(SEEN)
    in_review = F.col("_state").eqNullSafe(F.lit(State.IN_REVIEW.value))
    reopens = is_found & ended & (ended_by_run | seen_changed)
    return {
        "_is_found": is_found,
        "_is_ended": ended,
        "_reopens": reopens,
        "_is_void": reopens | (in_review & seen_changed),
        "_ends": ~is_found & ~F.col("_state").eqNullSafe(F.lit(State.RESOLVED.value)),
    }


def _all_same(columns: tuple[str, ...]) -> Column:
    same = F.lit(True)
    for name in columns:
        same = same & F.col(name).eqNullSafe(F.col(f"_{name}"))
    return same


def _state() -> Column:
    """The state after the run. A reopened break stays so until somebody acts, also where a policy proposes something."""
    is_suggested = F.col("suggestion_id").isNotNull() & ~F.col("suggestion_id").eqNullSafe(F.col("_rejected_suggestion_id"))
    kept = F.col("_is_ended") | F.col("_state").isin(State.REOPENED.value, State.IN_REVIEW.value)
    return (
        F.when(~F.col("_is_found"), State.RESOLVED.value)
        .when(F.col("_reopens"), State.REOPENED.value)
        .when(F.coalesce(kept, F.lit(False)) & ~F.col("_is_void"), F.col("_state"))
        .when(is_suggested, State.SUGGESTED.value)
        .otherwise(State.OPEN.value)
    )


def _rows(changed: DataFrame, facts: list[str], run_id: str, run_at: datetime, agreed: str) -> DataFrame:
    """The changed breaks as the table has them."""
    is_found, reopens, void = F.col("_is_found"), F.col("_reopens"), F.col("_is_void")
    opened_at = F.coalesce("_opened_at", F.lit(run_at))
    reopened_at = F.when(reopens, F.lit(run_at)).otherwise(F.col("_reopened_at"))
    severity = F.coalesce("severity", "_severity")
    decided = {name: F.when(~void, F.col(f"_{name}")) for name in DECIDED}
    decided["resolution"] = F.when(~is_found, F.lit(agreed)).otherwise(decided["resolution"])
    return changed.select(
        "break_id",
        "state",
        *(F.when(is_found, F.col(c)).otherwise(F.col(f"_{c}")).alias(c) for c in facts),
        *(column.alias(name) for name, column in decided.items()),
        *(F.col(f"_{name}").alias(name) for name in ("resolution_note", "rejected_suggestion_id", "replayed_to")),
        sla_due_at(F.coalesce(reopened_at, opened_at), severity).alias("sla_due_at"),
        opened_at.alias("opened_at"),
        F.when(~is_found, F.lit(run_at)).when(~reopens, F.col("_resolved_at")).alias("resolved_at"),
        reopened_at.alias("reopened_at"),
        F.coalesce("_opened_by_run_id", F.lit(run_id)).alias("opened_by_run_id"),
        F.when(~is_found, F.lit(run_id)).when(~reopens, F.col("_resolved_by_run_id")).alias("resolved_by_run_id"),
        F.when(reopens, F.lit(run_id)).otherwise(F.col("_reopened_by_run_id")).alias("reopened_by_run_id"),
        F.coalesce("_act_sequence", F.lit(0)).alias("act_sequence"),
    )
