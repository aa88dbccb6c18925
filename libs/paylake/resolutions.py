"""The nightly application of acts: only here are they validated for good, chained to the audit log and applied to breaks.

The log is written first, and breaks are brought to what it says: a run that crashes in between is mended by the next one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from paylake import act_store, audit, tables
from paylake.contracts import ADJUSTMENTS, AUDIT_LOG, BREAKS, RUN_CONTROLS
from paylake.contracts.resolution import ENDED, SWITCH, ActKind, State
from paylake.errors import ContractError
from paylake.reconciliation.rules import amounts_by_currency
from paylake.resolution.acts import Act, canonical
from paylake.resolution.gate import Candidate, admitted
from paylake.resolution.life import CASE_COLUMNS, LIFE, ActRefused, Case, Limits, applied, auto_resolved
from paylake.settings import setting


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """What may be decided alone: a base for the settings of whatever applies or writes acts."""

    auto_resolve: bool = setting(False, "apply policies' proposals that are sure and of little risk, within --auto-limits")
    auto_limits: str = setting("", "the most that --auto-resolve may resolve per currency and day: INR=10000,EUR=100")
    alone_limits: str = setting("", "largest amount of a break whose proposer may approve it: INR=500; default: none")

    def limits(self) -> Limits:
        """The limits that these settings make; SettingsError for amounts that cannot be read."""
        return Limits(self.auto_resolve, amounts_by_currency(self.alone_limits), amounts_by_currency(self.auto_limits))


@dataclass(frozen=True)
class Settled:
    """What came of the acts: rows of the log by their entry, and how many the switch resolved."""

    applied: int
    refused: int
    auto_resolved: int
    commits: int


def settle(spark: SparkSession, lake: str, business_date: date, run_id: str, run_at: datetime, limits: Limits) -> Settled:
    """Apply the acts that wait, let the switch resolve what it may, and record what the tables hold; once each."""
    tables.create(spark, lake, AUDIT_LOG, BREAKS, ADJUSTMENTS)
    log = audit.rows(spark, lake)
    base = {"run_id": run_id, "rule_version": limits.version}
    said = _people(spark, lake, {row["act_id"] for row in log}, limits, base)
    said += _switch(spark, lake, log, {row["subject"] for row in said}, run_at, limits, base)
    audit.append(spark, lake, said)
    _catch_up(spark, lake, run_id, run_at)
    dates = {business_date, *(row["business_date"] for row in said), *_unrecorded(log)} - {None}
    commits = audit.record_commits(spark, lake, dates, run_id, run_at, limits.version)
    count = {entry: sum(row["entry"] == entry for row in said) for entry in ("ACT", "REFUSED")}
    auto = sum(row["act"] == ActKind.AUTO_RESOLVE.value for row in said)
    return Settled(count["ACT"] - auto, count["REFUSED"], auto, len(commits))


def pending(spark: SparkSession, lake: str) -> list[Act]:
    """The acts that no nightly run has seen yet, in the order in which they were done."""
    known: set[str] = set()
    if tables.exists(spark, lake, AUDIT_LOG):
        known = {row["act_id"] for row in tables.read(spark, lake, AUDIT_LOG).select("act_id").collect()}
    texts = act_store.read(spark, lake, act_store.names(spark, lake) - known)
    acts = []
    for text in texts.values():
        try:
            acts.append(Act.from_json(text))
        except ContractError:
            continue  # the nightly run refuses it, and says why
    return sorted(acts, key=_turn)


def case_of(row: Mapping[str, Any]) -> Case:
    """A row of `breaks` as its acts see it."""
    said = {name: row[name] for name in CASE_COLUMNS}
    return Case(**{**said, "reasons": tuple(said["reasons"])})


def _turn(act: Act) -> tuple[datetime, str]:
    return act.at, act.act_id


def _people(
    spark: SparkSession, lake: str, known: set[str], limits: Limits, base: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The log's rows for the acts that wait: applied or refused, each with the break before and after."""
    texts = act_store.read(spark, lake, act_store.names(spark, lake) - known)
    if not texts:
        return []
    acts, said = [], []
    for name, text in texts.items():
        try:
            act = Act.from_json(text)
            if act.act_id != name:
                raise ContractError(f"The act {name} is not the one that was written under this name.")
            acts.append(act)
        except ContractError as error:
            said.append({**base, **_unreadable(name, str(error))})
    cases, dates = _cases(spark, lake, {act.subject for act in acts})
    for act in sorted(acts, key=_turn):
        row = {
            **base, "act_id": act.act_id, "act": act.kind.value, "subject": act.subject, "who": act.who, "at": act.at,
            "why": act.why, "business_date": dates.get(act.subject),
        }  # fmt: skip
        before = cases.get(act.subject)
        try:
            if act.kind is ActKind.CLOSE_PERIOD:
                until = _closable(spark, lake, act)
                said.append({**row, "entry": "ACT", "after": canonical({"closed_until": until})})
                continue
            if before is None:
                raise ActRefused(f"There is no break {act.subject}.")
            after = applied(before, act, limits)
        except ActRefused as error:
            said.append({**row, "entry": "REFUSED", "why": str(error), **(_money(before) if before else {})})
            continue
        cases[act.subject] = after
        said.append({**row, "entry": "ACT", "before": before.life_json(), "after": after.life_json(), **_money(before)})
    return said


def _switch(
    spark: SparkSession,
    lake: str,
    log: Iterable[Mapping[str, Any]],
    touched: set[str],
    run_at: datetime,
    limits: Limits,
    base: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The log's rows for what the switch resolves; a break on which people act at the same time is left to them."""
    if not limits.auto_resolve:
        return []
    suggested = tables.read(spark, lake, BREAKS).where(F.col("state") == State.SUGGESTED.value)
    found = [row for row in suggested.collect() if row["break_id"] not in touched]
    candidates = [Candidate(case_of(row.asDict()), row["suggestion_basis_points"]) for row in found]
    dates = {row["break_id"]: row["business_date"] for row in found}
    said = []
    for case in admitted(candidates, limits, _spent(log, run_at)):
        after = auto_resolved(case)
        said.append(
            {
                **base, "entry": "ACT", "act_id": f"auto-{case.suggestion_id}-{run_at:%Y%m%dT%H%M%S%f}",
                "act": ActKind.AUTO_RESOLVE.value, "subject": case.break_id, "who": SWITCH, "at": run_at,
                "why": f"{case.suggested_by} proposes {case.suggested_resolution}", "before": case.life_json(),
                "after": after.life_json(), "business_date": dates[case.break_id], **_money(case),
            }
        )  # fmt: skip
    return said


def _spent(log: Iterable[Mapping[str, Any]], run_at: datetime) -> dict[str, Decimal]:
    """What the switch has resolved on the day of the run already, by currency."""
    spent: dict[str, Decimal] = defaultdict(Decimal)
    for row in log:
        if row["act"] == ActKind.AUTO_RESOLVE.value:
            at = datetime.fromtimestamp(row["at"] // 1_000_000, UTC)
            if at.date() == run_at.astimezone(UTC).date():
                spent[row["currency"]] += row["amount"]
    return spent


def _catch_up(spark: SparkSession, lake: str, run_id: str, run_at: datetime) -> None:
    """Bring breaks to what the log says of them: nothing where they are there already."""
    breaks = tables.read(spark, lake, BREAKS)
    news = _decided(tables.read(spark, lake, AUDIT_LOG), breaks)
    if news.isEmpty():
        return
    at, run = F.lit(run_at), F.lit(run_id)
    ended = F.col("state").isin([s.value for s in ENDED])
    reopened = (F.col("state") == State.REOPENED.value) & F.col("_was_ended")
    changed = news.withColumns({
        "resolved_at": F.when(ended & ~F.col("_was_ended"), at).when(~reopened, F.col("resolved_at")),
        "resolved_by_run_id": F.when(ended & ~F.col("_was_ended"), run).when(~reopened, F.col("resolved_by_run_id")),
        "reopened_at": F.when(reopened, at).otherwise(F.col("reopened_at")),
        "reopened_by_run_id": F.when(reopened, run).otherwise(F.col("reopened_by_run_id")),
    })  # fmt: skip
    tables.merge(
        changed, lake, BREAKS, on="t.break_id = s.break_id AND t.business_date = s.business_date",
        update={c: f"s.`{c}`" for c in BREAKS.columns},
    )  # fmt: skip


def _decided(log: DataFrame, breaks: DataFrame) -> DataFrame:
    """The breaks on which the log holds a later act than they show, as that act left them."""
    of_breaks = log.where("entry = 'ACT' AND after IS NOT NULL").where(F.col("act") != ActKind.CLOSE_PERIOD.value)
    last = of_breaks.groupBy(F.col("subject").alias("break_id")).agg(
        F.max("sequence").alias("_sequence"), F.max_by("after", "sequence").alias("_after")
    )
    waiting = breaks.join(F.broadcast(last), on="break_id").where(
        F.col("_sequence") > F.coalesce(F.col("act_sequence"), F.lit(0))
    )
    was_ended = F.col("state").isin([s.value for s in ENDED])
    said = F.from_json("_after", ", ".join(f"{name} string" for name in LIFE))
    return (
        waiting.withColumns({"_was_ended": was_ended, "_said": said})
        .withColumns({name: F.col(f"_said.{name}") for name in LIFE})
        .withColumn("act_sequence", F.col("_sequence"))
    )


def _cases(spark: SparkSession, lake: str, subjects: set[str]) -> tuple[dict[str, Case], dict[str, date]]:
    found: list[Row] = tables.read(spark, lake, BREAKS).where(F.col("break_id").isin(sorted(subjects))).collect()
    return {r["break_id"]: case_of(r.asDict()) for r in found}, {r["break_id"]: r["business_date"] for r in found}


def _closable(spark: SparkSession, lake: str, act: Act) -> str:
    """The date up to which a period is closed; ActRefused where not all of it is published."""
    until = act.closed_date()
    last = tables.read(spark, lake, RUN_CONTROLS).where("row_kind = 'PUBLISHED'").agg(F.max("business_date")).first()
    if last is None or last[0] is None or last[0] < until:
        raise ActRefused(f"{until} is not published yet, and a period is closed only up to a date that is.")
    return until.isoformat()


def _unrecorded(log: list[dict[str, Any]]) -> set[date | None]:
    """The business dates of acts after the last commit that the log records: a run crashed before it could."""
    commits = [row["sequence"] for row in log if row["entry"] == "COMMIT"]
    return {row["business_date"] for row in log if row["entry"] == "ACT" and row["sequence"] > max(commits, default=0)}


def _money(case: Case) -> dict[str, Any]:
    return {"amount": case.amount, "currency": case.currency}


def _unreadable(name: str, why: str) -> dict[str, Any]:
    """The row of an object that is no act; its time is unknown, and stands as the epoch."""
    return {
        "entry": "REFUSED", "act_id": name, "act": ActKind.PROPOSE.value, "subject": name, "who": "unknown",
        "at": datetime(1970, 1, 1, tzinfo=UTC), "why": why,
    }  # fmt: skip
