"""The indexes beside the reconciliation's own: what a run makes of them, and how it writes their versions."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake import tables, views
from paylake.contracts import (
    AML_ALERT,
    COMPLIANCE_INDEX,
    FRAUD_INDEX,
    FRAUD_PARTIAL,
    FRAUD_SCORE_CHANGES,
    FRAUD_SIGNALS,
    LABELS,
    LOCATIONS,
    MERCHANT_INDEX,
    MERCHANTS,
    OPERATIONS_INDEX,
    OPERATIONS_RECONCILE_LEDGERS,
    PAYOUTS,
    POLICIES,
    SETTLEMENT_LINES,
    SETTLEMENT_SCHEDULE,
    STATEMENT_FILES,
    STATEMENT_LINES,
    STATEMENTS,
    TRANSACTION_FLAGS,
    USER_SPEND_INDEX,
    USERS,
)
from paylake.contracts.table import TableContract
from paylake.contracts.view import View
from paylake.contracts.views.published import V_PUBLISHED_RUNS, V_RECONCILIATION_INDEX
from paylake.contracts.views.statements import V_PAYOUT_TIEOUT, V_SETTLEMENT_LINES, V_STATEMENT_LINES, V_STATEMENTS
from paylake.errors import SettingsError
from paylake.indexes.compliance_index import aml_alert, compliance_index
from paylake.indexes.fraud_index import first_scores, fraud_index, fraud_score_changes, signals_once, standing_labels
from paylake.indexes.merchant_index import merchant_index
from paylake.indexes.operations_index import operations_index
from paylake.indexes.payments import Sources, payments
from paylake.indexes.policy_flags import transaction_flags
from paylake.indexes.settlement_schedule import settlement_schedule
from paylake.indexes.user_spend_index import user_spend_index
from paylake.indexes.versions import with_news

HISTORY = timedelta(days=30)
"""How far back an index looks for what is usual."""

AROUND = timedelta(days=2)
"""How long before or after its business date a payment is scored: the gateway's clock may be wrong, its record late."""


@dataclass(frozen=True)
class Index:
    """An index and its builder. One with business dates is made for the run's date, any other whole, as of that date.

    News of one that is not `awaited` is written when a run publishes, and makes no run publish.
    """

    contract: TableContract
    build: Callable[[Sources], DataFrame]
    is_awaited: bool = True

    @property
    def is_dated(self) -> bool:
        """Each run makes the rows of its business date only."""
        return "business_date" in self.contract.columns


INDEXES: tuple[Index, ...] = (
    Index(TRANSACTION_FLAGS, transaction_flags),
    Index(COMPLIANCE_INDEX, compliance_index),
    Index(AML_ALERT, aml_alert),
    Index(MERCHANT_INDEX, merchant_index),
    Index(USER_SPEND_INDEX, user_spend_index),
    Index(FRAUD_INDEX, fraud_index),
    Index(FRAUD_SCORE_CHANGES, fraud_score_changes),
    Index(SETTLEMENT_SCHEDULE, settlement_schedule),
    Index(OPERATIONS_INDEX, operations_index, is_awaited=False),
)
"""Every consumer's index that a run makes."""


def named(names: Collection[str]) -> tuple[Index, ...]:
    """The indexes of these names; `all` and `none` say what they mean. SettingsError for a name that no index has."""
    known = {index.contract.name: index for index in INDEXES}
    if tuple(names) == ("all",):
        return INDEXES
    if tuple(names) == ("none",):
        return ()
    if unknown := sorted(set(names) - known.keys()):
        raise SettingsError(f"--indexes: {unknown[0]!r} is no index; there are {', '.join(known)}, or all, or none.")
    return tuple(index for name, index in known.items() if name in names)


@dataclass(frozen=True)
class Change:
    """An index as a run would leave it: every version in the scope of the run, checkpointed, with `is_news`."""

    index: Index
    rows: DataFrame
    is_news: bool


@dataclass(frozen=True)
class Changes:
    """What a run would change in the indexes, and what they were made of."""

    sources: Sources
    by_index: tuple[Change, ...]

    @property
    def is_awaited(self) -> bool:
        """There is news for which a run publishes."""
        return any(change.is_news and change.index.is_awaited for change in self.by_index)

    def current(self, contract: TableContract) -> DataFrame:
        """The current rows of an index as the run leaves it; none where the run does not make it."""
        made = (change.rows.where("is_current") for change in self.by_index if change.index.contract is contract)
        return next(made, self.sources.payments.sparkSession.createDataFrame([], contract.schema))


def changes(
    spark: SparkSession,
    lake: str,
    indexes: Collection[Index],
    business_date: date,
    latest: DataFrame,
    days: DataFrame,
    run_id: str,
    run_at: datetime,
) -> Changes:
    """What a run would change in each index. What a crashed run left behind is news too: it has to be published.

    An index without business dates says what is so by the last date that is published: a later run of an earlier date
    leaves it as it is.
    """
    sources = _sources(spark, lake, business_date, latest, days)
    runs = views.read(spark, lake, V_PUBLISHED_RUNS).select("run_id", "business_date").collect()
    is_left = F.col("is_current") & ~F.col("run_id").isin([r["run_id"] for r in runs])
    is_last = business_date >= max((r["business_date"] for r in runs), default=business_date)
    found = []
    for index in indexes:
        if not index.is_dated and not is_last:
            continue
        tables.create(spark, lake, index.contract)
        known = tables.read(spark, lake, index.contract)
        if index.is_dated:
            known = known.where(F.col("business_date") == F.lit(business_date))
        # both are read several times, and a plan over checkpoints is short
        made = index.build(sources).localCheckpoint()
        rows = with_news(made, _once(known), index.contract, run_id, run_at).localCheckpoint()
        found.append(Change(index, rows, not rows.where(F.col("is_news") | is_left).isEmpty()))
    return Changes(sources, tuple(found))


def write(lake: str, business_date: date, found: Changes) -> None:
    """Write the indexes that have news, each in one commit that replaces what lies in the run's scope."""
    for change in found.by_index:
        if change.is_news:
            contract = change.index.contract
            if change.index.is_dated:
                tables.replace_where(change.rows, lake, contract, f"business_date = DATE'{business_date}'")
            else:
                tables.overwrite(change.rows, lake, contract)


def _sources(spark: SparkSession, lake: str, business_date: date, latest: DataFrame, days: DataFrame) -> Sources:
    """What the indexes of a date are made of: `latest` is the date's own transactions, as the run would publish them."""
    published = views.read(spark, lake, V_RECONCILIATION_INDEX)
    before = published.where(
        (F.col("business_date") >= F.lit(business_date - HISTORY)) & (F.col("business_date") < F.lit(business_date))
    )
    lines = _once(_posted(spark, lake, V_SETTLEMENT_LINES, SETTLEMENT_LINES))
    earlier = before.unionByName(_older(published, lines, business_date))
    since, until = F.lit(business_date - AROUND), F.lit(business_date + AROUND)
    scores = tables.read_or_empty(spark, lake, FRAUD_PARTIAL).where(F.col("ingest_date").between(since, until))
    signals = tables.read_or_empty(spark, lake, FRAUD_SIGNALS).where(F.col("event_date") >= since)
    labels = tables.read_or_empty(spark, lake, LABELS)
    return Sources(
        business_date=business_date,
        # several indexes read them: once is enough
        payments=payments(earlier).unionByName(payments(latest)).localCheckpoint(),
        settlement_lines=lines,
        payouts=_once(_posted(spark, lake, V_PAYOUT_TIEOUT, PAYOUTS)),
        statements=_once(_posted(spark, lake, V_STATEMENTS, STATEMENTS)),
        statement_lines=_once(_posted(spark, lake, V_STATEMENT_LINES, STATEMENT_LINES)),
        merchants=_once(tables.read_or_empty(spark, lake, MERCHANTS)),
        users=_once(tables.read_or_empty(spark, lake, USERS)),
        locations=_once(tables.read_or_empty(spark, lake, LOCATIONS)),
        policies=_once(tables.read_or_empty(spark, lake, POLICIES)),
        business_days=days,
        operations=_once(tables.read_or_empty(spark, lake, OPERATIONS_RECONCILE_LEDGERS)),
        scores=_once(first_scores(_about(latest, scores))),
        signals=_once(signals_once(_about(latest, signals))),
        labels=_once(standing_labels(_about(latest, labels))),
    )


def _about(payments: DataFrame, rows: DataFrame) -> DataFrame:
    """The rows about some payments."""
    return rows.join(payments.select("transaction_id"), on="transaction_id", how="left_semi")


def _once(rows: DataFrame) -> DataFrame:
    """The rows, computed once, for plans that stay short. Where there is none, whatever they are joined with is planned
    without them.
    """
    found = rows.localCheckpoint()
    return found.where(F.lit(False)) if found.isEmpty() else found


def _older(published: DataFrame, lines: DataFrame, business_date: date) -> DataFrame:
    """The payments before the history that lines of the date name: a chargeback comes months after its sale."""
    of_date = lines.where(F.to_date("created_at") == F.lit(business_date))
    named = of_date.select(F.col("merchant_reference").alias("transaction_id")).distinct()
    old = published.where(F.col("business_date") < F.lit(business_date - HISTORY))
    return old.join(named, on="transaction_id", how="left_semi")


def _posted(spark: SparkSession, lake: str, view: View, contract: TableContract) -> DataFrame:
    if not all(tables.exists(spark, lake, needed) for needed in (STATEMENT_FILES, contract)):
        return spark.createDataFrame([], contract.schema)
    return views.read(spark, lake, view)
