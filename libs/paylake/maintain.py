"""Maintenance of the batch side's tables, as of a business date: what is due is written down, done, and written down again.

A run that crashed in between left what it had begun in table_maintenance; the next one finishes it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any
from urllib.parse import unquote

from pyspark.sql import SparkSession

from paylake import audit, maintain_erasure, storage, tables
from paylake.contracts import ALL, AUDIT_LOG, TABLE_MAINTENANCE
from paylake.contracts.compliance import RESTRICTED
from paylake.contracts.maintenance import LEAST_VACUUM_HOURS, UPKEEP, Action, Stage, Upkeep, Writer
from paylake.contracts.table import TableContract
from paylake.errors import SourceError
from paylake.maintenance.compaction import DataFile, crowded, within
from paylake.maintenance.erasing import Request
from paylake.maintenance.retention import expired
from paylake.maintenance.steps import ALL_TABLES, Figures, Step, told, unfinished

BY_NAME: Mapping[str, TableContract] = {contract.name: contract for contract in ALL}
WAIT = timedelta(hours=LEAST_VACUUM_HOURS) + timedelta(days=1)
"""How long the files of an erased row lie: the seven days of Delta, and the night that removes them."""


def maintain(spark: SparkSession, lake: str, as_of: date, dry_run: bool = False, purge_now: bool = False) -> list[str]:
    """Do what the policies ask of the batch side's tables, and what customers asked for; gives a line for each action.

    Raises SourceError where there is no lake, and ControlError where an erasure would change a total or hide a fault.
    """
    own = [c for c in ALL if UPKEEP[c.name].writer is Writer.BATCH and tables.exists(spark, lake, c)]
    if not own:
        raise SourceError(f"There are no tables of batch jobs in {lake}; name the folder or prefix of a lake.")
    asked = maintain_erasure.requests(spark, lake)
    log = _log(spark, lake)
    begun = {step.subject: step for step in unfinished(log)}
    erasures = [step for r in asked for c in own if (step := _erasure(spark, lake, c, r, as_of, log, begun))]
    due = [*erasures, *(step for c in own for step in _upkeep(spark, lake, c, as_of))]
    # what a crashed run began is done again under the name that it had; on another day too
    due = [begun.pop(step.subject, step) for step in due]
    order = [contract.name for contract in ALL]
    steps = sorted((*begun.values(), *due), key=lambda s: (list(Action).index(s.action), order.index(s.table)))
    if dry_run:
        return [f"would {_line(step)}" for step in steps] + [_would_forget(r) for r in asked] or ["Nothing is due."]
    tables.create(spark, lake, TABLE_MAINTENANCE)
    known = {(row["action_id"], row["stage"]) for row in log}
    _record(spark, lake, (step.row(Stage.BEGUN) for step in steps), known)
    by_id = {request.request_id: request for request in asked}
    done = [step.row(Stage.DONE, _do(spark, lake, step, by_id)) for step in steps]
    _record(spark, lake, done, known)
    lines = [_line(step) for step in steps]
    log = _log(spark, lake)
    for request in asked:
        lines.append(_finish(spark, lake, own, request, as_of, purge_now, log))
    return lines or ["Nothing is due."]


def _upkeep(spark: SparkSession, lake: str, contract: TableContract, as_of: date) -> list[Step]:
    """What the table's own policy asks for."""
    upkeep = UPKEEP[contract.name]
    found: list[tuple[Action, str, str, str | None]] = []
    old = expired(upkeep, as_of)
    if old is not None and (rows := tables.read(spark, lake, contract).where(old).count()):
        what = f"delete {rows} rows of {contract.name} with {old}"
        found.append((Action.RETAIN, f"{upkeep.keep_days} days by {upkeep.aged_by}. {upkeep.because}", what, None))
    files, lying = _active(spark, lake, contract), storage.everything(spark, tables.location(lake, contract))
    if many := crowded(files, contract, as_of):
        where = within(many, contract)
        found.append((Action.COMPACT, "One file where many small ones lie.",
                      f"compact {contract.name}{f', {where}' if where else ''}", where))  # fmt: skip
    if _may_be_old(lying, files) and tables.has_old_files(spark, lake, contract, LEAST_VACUUM_HOURS):
        policy = f"Files that no version of {LEAST_VACUUM_HOURS} hours needs."
        found.append((Action.VACUUM, policy, f"remove old files of {contract.name}", None))
    return [
        Step(action, contract.name, as_of, policy, what, _figures(spark, lake, contract, action), None, detail)
        for action, policy, what, detail in found
    ]


def _erasure(
    spark: SparkSession,
    lake: str,
    contract: TableContract,
    request: Request,
    as_of: date,
    log: Iterable[Mapping[str, Any]],
    begun: Mapping[Any, Step],
) -> Step | None:
    """What a request asks of a table: each table is said to have been looked at once, and again where rows came back."""
    upkeep = UPKEEP[contract.name]
    if not upkeep.personal:
        return None
    told_of = [row for row in log if row["request_id"] == request.request_id and row["table_name"] == contract.name]
    # of a restricted table every look is told, since a row for a find alone would tell of it
    is_told = any(row["as_of"] == as_of for row in told_of) if contract.layer == RESTRICTED else bool(told_of)
    rows = maintain_erasure.rows_of(spark, lake, contract, request)
    count = rows.count()
    if not count and is_told:
        return None
    dates = maintain_erasure.audited_dates(rows, contract)
    if not any(step.request_id == request.request_id and step.table == contract.name for step in begun.values()):
        maintain_erasure.refuse_unless_whole(spark, lake, contract, dates)
    how = " and ".join(sorted({personal.erasure.value for personal in upkeep.personal}))
    waits = not told_of if contract.layer == RESTRICTED else count > 0
    detail = {"dates": [str(day) for day in dates], "gone_by": str(as_of + WAIT) if waits else None}
    what = f"erase {'what there is' if contract.layer == RESTRICTED else f'{count} rows'} of {contract.name}"
    before = _figures(spark, lake, contract, Action.ERASE)
    return Step(Action.ERASE, contract.name, as_of, how, what, before, request.request_id, json.dumps(detail))


def _do(spark: SparkSession, lake: str, step: Step, requests: Mapping[str, Request]) -> Figures:
    """Do a step, or what a crash has left of it; gives what is there afterwards."""
    contract, upkeep = BY_NAME[step.table], UPKEEP[step.table]
    match step.action:
        case Action.ERASE:
            _erase(spark, lake, contract, step, requests)
        case Action.RETAIN:
            _retain(spark, lake, contract, upkeep, step)
        case Action.COMPACT:
            tables.compact(spark, lake, contract, step.detail)
        case Action.VACUUM:
            tables.vacuum(spark, lake, contract, LEAST_VACUUM_HOURS)
    return _figures(spark, lake, contract, step.action)


def _erase(spark: SparkSession, lake: str, contract: TableContract, step: Step, requests: Mapping[str, Request]) -> None:
    assert step.request_id is not None
    request = requests.get(step.request_id)
    dates = {date.fromisoformat(day) for day in json.loads(step.detail or "{}").get("dates", ())}
    if request is not None:
        rows = maintain_erasure.rows_of(spark, lake, contract, request)
        if not rows.isEmpty():
            # after a crash more of them may have come than were seen when it began
            dates |= set(maintain_erasure.audited_dates(rows, contract))
            maintain_erasure.erase(spark, lake, contract, request)
        maintain_erasure.follow_hashes(spark, lake, contract, request)
    _tell_the_audit(spark, lake, contract, sorted(dates), step, f"erasure {step.request_id}")


def _retain(spark: SparkSession, lake: str, contract: TableContract, upkeep: Upkeep, step: Step) -> None:
    old = expired(upkeep, step.as_of)
    if old is None:
        return
    if not tables.read(spark, lake, contract).where(old).isEmpty():
        tables.delete_where(spark, lake, contract, old)
    if contract in audit.AUDITED and tables.exists(spark, lake, AUDIT_LOG):
        said = audit.last_commits(audit.rows(spark, lake))
        first = step.as_of - timedelta(days=upkeep.keep_days or 0)
        dates = [day for table, day in said if table == contract.name and day < first]
        _tell_the_audit(spark, lake, contract, dates, step, step.policy)


def _tell_the_audit(
    spark: SparkSession, lake: str, contract: TableContract, dates: list[date], step: Step, why: str
) -> None:
    if dates and tables.exists(spark, lake, AUDIT_LOG):
        audit.record_maintenance(spark, lake, contract, dates, step.action_id, why)


def _finish(
    spark: SparkSession,
    lake: str,
    own: list[TableContract],
    request: Request,
    as_of: date,
    purge_now: bool,
    log: list[Mapping[str, Any]],
) -> str:
    """Prove that nothing of a customer is left, and forget the request; or say what it waits for."""
    details = [json.loads(row["detail"] or "{}") for row in log if row["request_id"] == request.request_id]
    gone_by = max((d["gone_by"] for d in details if d.get("gone_by")), default=None)
    is_verified = any(row["request_id"] == request.request_id and row["action"] == Action.VERIFY.value for row in log)
    if gone_by is not None and as_of < date.fromisoformat(gone_by) and not (purge_now or is_verified):
        return f"Request {request.request_id}: rows are erased; their old files go from {gone_by} on."
    personal = [c for c in own if UPKEEP[c.name].personal]
    left = {c.name: maintain_erasure.purge(spark, lake, c, request, purge_now) for c in personal}
    if any(left.values()):
        found = sorted(name for name, files in left.items() if files and BY_NAME[name].layer != RESTRICTED)
        where = f" of {', '.join(found)}" if found else ""
        return f"Request {request.request_id}: old files{where} still hold the customer; they go with a later run."
    looked = {"tables": sorted(c.name for c in personal), "files_with_customer": 0}
    known = {(row["action_id"], row["stage"]) for row in log}
    _prove(spark, lake, Action.VERIFY, request, as_of, "no file of these tables holds the customer", looked, known)
    waits = [
        c for c in ALL
        if UPKEEP[c.name].writer is not Writer.BATCH and UPKEEP[c.name].personal and tables.exists(spark, lake, c)
        and maintain_erasure.remains(spark, lake, c, request)
    ]  # fmt: skip
    if waits:
        by_writer = ", ".join(f"{c.name} ({UPKEEP[c.name].writer})" for c in waits)
        return f"Request {request.request_id}: done for the batch side; waits for the drivers of {by_writer}."
    _prove(spark, lake, Action.CLOSE, request, as_of, "request removed", json.loads(request.evidence()), known)
    maintain_erasure.forget(spark, lake, request)
    return f"Request {request.request_id}: nothing of the customer is left in the lake, and the request is gone."


def _prove(
    spark: SparkSession,
    lake: str,
    action: Action,
    request: Request,
    as_of: date,
    outcome: str,
    detail: Mapping[str, Any],
    known: set[tuple[str, str]],
) -> None:
    """One row of evidence per request and action, whatever the day."""
    told_before = {row["request_id"] for row in _log(spark, lake) if row["action"] == action.value}
    if request.request_id in told_before:
        return
    step = Step(action, ALL_TABLES, as_of, "Erasure on request.", outcome, Figures(), request.request_id,
                json.dumps(detail, sort_keys=True))  # fmt: skip
    _record(spark, lake, [step.row(Stage.DONE)], known)


def _figures(spark: SparkSession, lake: str, contract: TableContract, action: Action) -> Figures:
    """What may be said of a table as it is now."""
    files = _active(spark, lake, contract)
    if action is Action.VACUUM:
        lying = [f for f in storage.everything(spark, tables.location(lake, contract)) if _is_data(f)]
        sizes = [f.size for f in lying]
    else:
        sizes = [f.size for f in files]
    rows = tables.row_count(spark, lake, contract)
    version = tables.latest_version(spark, lake, contract)
    return told(contract, Figures(rows, len(sizes), sum(sizes), version), action)


def _active(spark: SparkSession, lake: str, contract: TableContract) -> list[DataFile]:
    """The data files of the table's latest version, with their bytes."""
    sizes = {_plain(f.path): f.size for f in storage.everything(spark, tables.location(lake, contract))}
    return [DataFile(path, sizes[_plain(path)]) for path in tables.data_files(spark, lake, contract)]


def _plain(path: str) -> str:
    """A path from wherever it came: file:/a and file:///a are one."""
    return unquote(path.partition(":")[2].lstrip("/"))


def _may_be_old(lying: Iterable[storage.Stored], active: Iterable[DataFile]) -> bool:
    """True where a file that no reader of the latest version needs was written long ago, by the clock that Delta uses."""
    needed = {_plain(file.path) for file in active}
    limit = time.time() - LEAST_VACUUM_HOURS * 3600
    return any(f.written_at < limit for f in lying if _is_data(f) and _plain(f.path) not in needed)


def _is_data(file: storage.Stored) -> bool:
    return file.path.endswith(".parquet") and maintain_erasure.LOG not in file.path


def _log(spark: SparkSession, lake: str) -> list[Mapping[str, Any]]:
    return [row.asDict() for row in tables.read_or_empty(spark, lake, TABLE_MAINTENANCE).collect()]


def _record(spark: SparkSession, lake: str, rows: Iterable[Mapping[str, Any]], known: set[tuple[str, str]]) -> None:
    """Append rows that are not there yet, in one commit."""
    news = [row for row in rows if (row["action_id"], row["stage"]) not in known]
    if news:
        data = [tuple(row[name] for name in TABLE_MAINTENANCE.columns) for row in news]
        tables.append(spark.createDataFrame(data, TABLE_MAINTENANCE.schema).coalesce(1), lake, TABLE_MAINTENANCE)


def _line(step: Step) -> str:
    return f"{step.outcome}{f' for request {step.request_id}' if step.request_id else ''}"


def _would_forget(request: Request) -> str:
    return f"would prove that nothing is left for request {request.request_id}, and remove it"
