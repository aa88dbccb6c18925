"""The audit log in a lake: how it grows, what it says of the tables, and whether it is still as it was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake import tables
from paylake.columns.hashing import content_hash
from paylake.contracts import (
    ADJUSTMENTS,
    AGGREGATE_INDEX,
    AUDIT_LOG,
    BREAKS,
    MERCHANT_INDEX,
    RECONCILIATION_INDEX,
    RUN_CONTROLS,
    TRANSACTION_FLAGS,
    USER_SPEND_INDEX,
)
from paylake.contracts.table import TableContract
from paylake.errors import SourceError
from paylake.resolution.acts import canonical
from paylake.resolution.chain import chained, first_fault

AUDITED: tuple[TableContract, ...] = (
    RECONCILIATION_INDEX, BREAKS, AGGREGATE_INDEX, RUN_CONTROLS, ADJUSTMENTS, TRANSACTION_FLAGS, MERCHANT_INDEX,
    USER_SPEND_INDEX,
)  # fmt: skip
"""The tables whose commits the log records, by business date; of restricted ones already a count of rows would tell."""

NIGHTLY = "nightly run"
MAINTENANCE = "table maintenance"


@dataclass(frozen=True)
class Content:
    """What a table holds of a business date: rows, sums of each amount by currency, and an order-free hash."""

    rows: int
    sums: str
    hash: str


NOTHING = Content(0, canonical({}), "0")
"""What a table holds of a date whose rows were all removed."""


def rows(spark: SparkSession, lake: str) -> list[dict[str, Any]]:
    """The log in order, its times as microseconds since 1970; SourceError where a file of it is damaged."""
    log = tables.read(spark, lake, AUDIT_LOG).withColumn("at", F.unix_micros("at")).orderBy("sequence")
    try:
        return [row.asDict() for row in log.collect()]
    except (PySparkException, Py4JJavaError) as error:
        raise SourceError(
            f"The audit log of {lake} cannot be read ({_first_line(error)}): a file of it is damaged or missing; restore it "
            "from its copy."
        ) from None


def append(spark: SparkSession, lake: str, news: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Chain rows to the log in one commit; gives them as they were written."""
    log = tables.read(spark, lake, AUDIT_LOG)
    last = log.orderBy(F.desc("sequence")).select("sequence", "hash").first()
    linked = chained(news, last.asDict() if last is not None else None)
    if linked:
        data = [tuple(row[name] for name in AUDIT_LOG.columns) for row in linked]
        tables.append(spark.createDataFrame(data, AUDIT_LOG.schema).coalesce(1), lake, AUDIT_LOG)
    return linked


def record_commits(
    spark: SparkSession, lake: str, dates: Iterable[date], run_id: str, run_at: datetime, rule_version: str
) -> list[dict[str, Any]]:
    """Say in the log what the tables hold of some business dates, where that is news; gives the rows."""
    wanted = sorted(set(dates))
    said = last_commits(rows(spark, lake))
    news = []
    for contract in AUDITED:
        if not tables.exists(spark, lake, contract):
            continue
        version = tables.latest_version(spark, lake, contract)
        for day, content in sorted(contents(spark, lake, contract, wanted).items()):
            known = said.get((contract.name, day))
            # where no commit came in between, another content is no news but a fault, which `faults` is to find
            if known is not None and (known["table_version"] == version or _content(known) == content):
                continue
            news.append(
                {
                    "entry": "COMMIT", "act": "commit", "act_id": f"{contract.name}/{day}/{version}",
                    "subject": contract.name, "who": NIGHTLY, "at": run_at, "why": "rows of the date after the run",
                    "rule_version": rule_version, "run_id": run_id, "business_date": day, "table_version": version,
                    "row_count": content.rows, "sums": content.sums, "content_hash": content.hash,
                }
            )  # fmt: skip
    return append(spark, lake, news)


def record_maintenance(
    spark: SparkSession, lake: str, contract: TableContract, dates: Iterable[date], action_id: str, why: str
) -> list[dict[str, Any]]:
    """Say in the log what maintenance left of some dates of an audited table, as of its last commit; gives the rows."""
    said, wanted = last_commits(rows(spark, lake)), sorted(set(dates))
    now = contents(spark, lake, contract, wanted) if wanted else {}
    version, at = tables.latest_version(spark, lake, contract), tables.committed_at(spark, lake, contract)
    news = [
        {
            "entry": "COMMIT", "act": "commit", "act_id": f"{contract.name}/{day}/{version}", "subject": contract.name,
            "who": MAINTENANCE, "at": at, "why": why, "rule_version": action_id, "run_id": action_id,
            "business_date": day, "table_version": version, "row_count": content.rows, "sums": content.sums,
            "content_hash": content.hash,
        }
        for day in wanted
        if (known := said.get((contract.name, day))) and not agrees(known, content := now.get(day, NOTHING))
    ]  # fmt: skip
    return append(spark, lake, news)


def agrees(row: Mapping[str, Any], content: Content | None) -> bool:
    """True where a table holds of a date what a row of the log says; None holds nothing."""
    return _content(row) == (content or NOTHING)


def last_commits(log: Iterable[Mapping[str, Any]]) -> dict[tuple[str, date], Mapping[str, Any]]:
    """The last row of the log about each table and business date."""
    return {(row["subject"], row["business_date"]): row for row in log if row["entry"] == "COMMIT"}


def contents(spark: SparkSession, lake: str, contract: TableContract, dates: list[date]) -> dict[date, Content]:
    """What the table holds of each date; of adjustments, every date."""
    found = tables.read(spark, lake, contract)
    if contract is not ADJUSTMENTS:
        found = found.where(F.col("business_date").isin(dates)) if dates else found.limit(0)
    amounts = {f.name: currency_of(f.name, contract) for f in contract.fields if f.name.endswith("amount")}
    currencies = sorted(set(amounts.values()))
    grouped = found.groupBy("business_date", *(F.col(c).alias(f"_{c}") for c in currencies)).agg(
        F.count("*").alias("n"),
        F.sum(content_hash(*contract.columns).cast("decimal(38,0)")).alias("h"),
        *(F.sum(name).alias(name) for name in amounts),
    )
    return _by_date(grouped, amounts)


def faults(spark: SparkSession, lake: str) -> list[str]:
    """What is not as the log says, a sentence each: its own chain first, then the tables; nothing where all is whole."""
    log = rows(spark, lake)
    if broken := first_fault(log):
        return [broken]
    found = []
    last = last_commits(log)
    for contract in AUDITED:
        said = {day: row for (table, day), row in last.items() if table == contract.name}
        if not said:
            continue
        try:
            now = contents(spark, lake, contract, sorted(said))
        except (PySparkException, Py4JJavaError) as error:
            found.append(f"{contract.name} cannot be read ({_first_line(error)}): a file of it is damaged or missing.")
            continue
        found += [
            f"{contract.name} of {day} is not what row {row['sequence']} of audit_log says: {row['row_count']} rows were "
            f"written, and {now[day].rows if day in now else 0} rows with another content are there."
            for day, row in sorted(said.items())
            if not agrees(row, now.get(day))
        ]
    return found


def _content(row: Mapping[str, Any]) -> Content:
    return Content(row["row_count"], row["sums"], row["content_hash"])


def currency_of(amount: str, contract: TableContract) -> str:
    """The column beside an amount that holds its currency."""
    own = amount.removesuffix("amount") + "currency"
    return own if own in contract.columns else "currency"


def _by_date(grouped: DataFrame, amounts: Mapping[str, str]) -> dict[date, Content]:
    counts: dict[date, int] = {}
    hashes: dict[date, Decimal] = {}
    sums: dict[date, dict[str, dict[str, Decimal]]] = {}
    for row in grouped.collect():
        day = row["business_date"]
        counts[day] = counts.get(day, 0) + row["n"]
        hashes[day] = hashes.get(day, Decimal(0)) + row["h"]
        of_day = sums.setdefault(day, {})
        for name, currency in amounts.items():
            if row[name] is not None:
                of_name = of_day.setdefault(name, {})
                code = row[f"_{currency}"] or "-"
                of_name[code] = of_name.get(code, Decimal(0)) + row[name]
    return {day: Content(n, canonical(sums[day]), str(hashes[day])) for day, n in counts.items()}


def _first_line(error: Exception) -> str:
    java = getattr(error, "java_exception", None)
    text = str(java) if java is not None else str(error)
    return text.strip().splitlines()[0][:200]
