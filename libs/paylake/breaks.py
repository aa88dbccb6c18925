"""What people see of breaks and do about them, as functions: for the command line, and for whoever else shows them.

Nothing here changes a table. What somebody does is checked against the break as it stands, with the acts that wait, and
written as an act; the nightly run checks it again and applies it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake import act_store, tables, views
from paylake.contracts import BREAKS, RUN_CONTROLS
from paylake.contracts.calendars import Rail
from paylake.contracts.resolution import BREAK_EXPORT, ENDED, ActKind
from paylake.contracts.views.published import V_PUBLISHED_RUNS
from paylake.errors import SourceError
from paylake.resolution.acts import Act
from paylake.resolution.calendars import age_bucket, age_business_days
from paylake.resolution.life import ActRefused, Case, Limits, applied
from paylake.resolutions import case_of, pending


@dataclass(frozen=True)
class Wanted:
    """Which breaks to list: those that nobody has ended, unless told otherwise; the most pressing first."""

    state: str = ""
    owner: str = ""
    severity: str = ""
    kind: str = ""
    business_date: date | None = None
    ended: bool = False


def listed(spark: SparkSession, lake: str, wanted: Wanted, limit: int | None = None) -> tuple[int, list[dict[str, Any]]]:
    """How many breaks there are, and the most pressing of them as dicts: columns of `breaks`, age and what is pending."""
    found = _wanted(tables.read(spark, lake, BREAKS), wanted)
    total = found.count()
    ordered = found.orderBy("sla_due_at", F.desc("risk_score"), "break_id")
    rows = [r.asDict() for r in (ordered if limit is None else ordered.limit(limit)).collect()]
    return total, _aged(spark, lake, rows)


def shown(spark: SparkSession, lake: str, break_id: str) -> dict[str, Any]:
    """One break with its age and what is pending; SourceError where there is none."""
    return _aged(spark, lake, [_row(spark, lake, break_id)])[0]


def exported(spark: SparkSession, lake: str, wanted: Wanted) -> list[dict[str, str]]:
    """The breaks as the export has them: 14 columns, as text (requirements C15). No column can hold a card number."""
    _, rows = listed(spark, lake, wanted)
    return [{name: _text(row[name]) for name in BREAK_EXPORT} for row in rows]


def do(spark: SparkSession, lake: str, act: Act, limits: Limits) -> Case | None:
    """Write an act, if the break as it stands allows it; gives the break as it will be. The nightly run has the last word.

    An approval or rejection that names no proposal means the one that stands now. Raises ActRefused where it is not allowed.
    """
    if act.kind is ActKind.CLOSE_PERIOD:
        _published_until(spark, lake, act.closed_date())
        act_store.write(spark, lake, act)
        return None
    before = standing(spark, lake, act.subject, limits)
    if act.kind in (ActKind.APPROVE, ActKind.REJECT) and act.of is None:
        act = replace(act, of=before.proposal_id if before.state == "IN_REVIEW" else before.suggestion_id)
    after = applied(before, act, limits)
    act_store.write(spark, lake, act)
    return after


def standing(spark: SparkSession, lake: str, break_id: str, limits: Limits) -> Case:
    """The break as it will be once the acts that wait are applied; one that will be refused changes nothing."""
    case = case_of(_row(spark, lake, break_id))
    for act in pending(spark, lake):
        if act.subject == break_id:
            try:
                case = applied(case, act, limits)
            except ActRefused:
                continue
    return case


def _wanted(breaks: DataFrame, wanted: Wanted) -> DataFrame:
    for name in ("state", "owner", "severity", "kind"):
        if value := getattr(wanted, name):
            breaks = breaks.where(F.lower(name) == value.lower())
    if wanted.business_date is not None:
        breaks = breaks.where(F.col("business_date") == F.lit(wanted.business_date))
    if wanted.ended or wanted.state:
        return breaks
    return breaks.where(~F.col("state").isin([s.value for s in ENDED]))


def _aged(spark: SparkSession, lake: str, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their age at the last published business date, and the acts that wait, as `pending`."""
    as_of = _as_of(spark, lake)
    waiting: dict[str, list[str]] = {}
    for act in pending(spark, lake):
        waiting.setdefault(act.subject, []).append(f"{act.kind.value} by {act.who}")
    found = []
    for row in rows:
        expected, rail = row["expected_settlement_date"], row["rail"]
        age = age_business_days(Rail(rail), expected, as_of) if as_of and expected else 0
        pending_acts = ", ".join(waiting.get(row["break_id"], []))
        found.append({**row, "age_business_days": age, "age_bucket": age_bucket(age), "pending": pending_acts})
    return found


def _row(spark: SparkSession, lake: str, break_id: str) -> dict[str, Any]:
    found = tables.read(spark, lake, BREAKS).where(F.col("break_id") == break_id).collect()
    if not found:
        raise SourceError(f"There is no break {break_id!r} in {lake}; `paylake breaks list` shows those that there are.")
    return found[0].asDict()


def _as_of(spark: SparkSession, lake: str) -> date | None:
    if not tables.exists(spark, lake, RUN_CONTROLS):
        return None
    row = views.read(spark, lake, V_PUBLISHED_RUNS).agg(F.max("business_date").alias("as_of")).first()
    return row["as_of"] if row is not None else None


def _published_until(spark: SparkSession, lake: str, until: date) -> None:
    last = _as_of(spark, lake)
    if last is None or last < until:
        raise ActRefused(
            f"{until} is not published yet (the last date is {last}); a period is closed only up to one that is."
        )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else str(value)
