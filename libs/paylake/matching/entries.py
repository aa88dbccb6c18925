"""A source's rows as entries: identifier, amount with currency, date and keys, each read or refused with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DateType, DecimalType, FractionalType, IntegralType

from paylake.columns import names
from paylake.columns.money import exact_money
from paylake.contracts.currencies import CURRENCIES
from paylake.contracts.matching import BREAK, EXCLUDED, REJECTED
from paylake.contracts.statements import LINE_MONEY
from paylake.errors import SettingsError
from paylake.matching.rules import SUM, RuleSet, Scope, Source, Stage

CORRUPT = "_corrupt_record"
"""Where a reader of files keeps what is no row of its file."""
SEPARATOR = "\x1f"
ISO_DATE = r"^\d{4}-\d{2}-\d{2}\z"
HAS_OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)\z"
ISO_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*\z"


def key(name: str) -> str:
    """The column that holds a key."""
    return f"key_{name}"


def entries(rows: DataFrame, source: Source, scope: Scope, stage: Stage) -> DataFrame:
    """One row per row of the source, as the cascade takes it: open, out of the stage's scope, or refused.

    Amounts, dates and currencies that cannot be read, and identifiers that are missing or stand twice, refuse the row.
    """
    used = sorted({k for tier in stage.tiers for k in tier.by})
    listed = {k for k in used if k in source.keys and isinstance(_type(rows, source.keys[k]), ArrayType)}
    texts = {k: _text(F.expr(source.keys[k])) for k in used if k in source.keys and k not in listed}
    lists = [part for k in sorted(listed) for part in (F.lit(key(k)), _listed(source.keys[k]))]
    typed = rows.select(
        _text(F.expr(source.id)).alias("entry_id"),
        _amount(rows, scope.amount or source.amount, f"source {source.name}, amount").alias("amount"),
        F.upper(_text(F.expr(source.currency))).alias("currency"),
        _date(rows, source).alias("entry_date"),
        _line(rows, source, stage).alias("line_amount"),
        *(texts.get(k, F.lit(None).cast("string")).alias(key(k)) for k in used),
        (F.create_map(*lists) if lists else F.lit(None).cast("map<string,array<string>>")).alias("lists"),
        (F.lit(True) if scope.only is None else F.coalesce(F.expr(scope.only).cast("boolean"), F.lit(False))).alias("_in"),
        # a written total order of whole rows: which of two equal identifiers comes first never depends on a file
        (F.col(CORRUPT) if CORRUPT in rows.columns else F.lit(None).cast("string")).alias("_corrupt"),
        F.xxhash64(*(F.col(f"`{c}`").cast("string") for c in rows.columns)).alias("_order"),
    )
    same = Window.partitionBy(F.coalesce("entry_id", F.col("_order").cast("string"))).orderBy("_order")
    refused = names.that_hold({
        "the row does not have the columns of the first line": F.col("_corrupt").isNotNull(),
        "no id": F.col("entry_id").isNull(),
        "the id stands twice": F.col("entry_id").isNotNull() & (F.col("row") > 1),
        "the amount cannot be read": F.col("amount").isNull(),
        "the currency is unknown": ~F.coalesce(F.col("currency").isin(*CURRENCIES), F.lit(False)),
        "the date cannot be read": F.col("entry_date").isNull(),
    })  # fmt: skip
    is_refused = F.size("_refused") > 0
    return (
        typed.withColumn("row", F.row_number().over(same).cast("bigint"))
        .withColumn("_refused", refused)
        .select(
            F.lit(stage.name).alias("stage"),
            F.lit(source.name).alias("source"),
            F.coalesce("entry_id", F.concat(F.lit("row "), F.hex("_order"))).alias("entry_id"),
            "row",
            "currency",
            "amount",
            "entry_date",
            F.when(is_refused, REJECTED).when(~F.col("_in"), EXCLUDED).otherwise(BREAK).alias("status"),
            F.when(is_refused, F.array_join("_refused", ", ")).alias("detail"),
            "line_amount",
            *(key(k) for k in used),
            "lists",
        )
    )


def all_entries(rows: Mapping[str, DataFrame], rules: RuleSet, stage: Stage) -> DataFrame:
    """The entries of all sources of a stage.

    A source whose file states no currency (an invoice of fees) takes that of the counterpart under its strongest keys.
    """
    parts = (entries(rows[scope.source], rules.sources[scope.source], scope, stage) for scope in stage.scopes)
    together = reduce(DataFrame.unionByName, parts)
    for scope in stage.scopes:
        if scope.currency_of is not None:
            by = F.coalesce(place(stage.key_sets[0]), apart())
            lent = F.min(F.when(F.col("source") == scope.currency_of, F.col("currency"))).over(Window.partitionBy("_by"))
            borrowed = F.when(F.col("source") == scope.source, F.coalesce(lent, F.col("currency")))
            found = together.withColumn("_by", by).withColumn("currency", borrowed.otherwise(F.col("currency")))
            together = found.select(*together.columns)
    return together


def place(by: Sequence[str]) -> Column:
    """Where an entry stands by its keys; null where it lacks one, since null never equals null."""
    present = reduce(lambda a, b: a & b, (F.col(key(k)).isNotNull() for k in by))
    return F.when(present, F.concat_ws(SEPARATOR, *(key(k) for k in by)))


def apart() -> Column:
    """A place of its own, for an entry that takes no part."""
    return F.concat_ws(SEPARATOR, F.lit(""), "source", "entry_id", "row")


def identities(rows: DataFrame, source: Source) -> DataFrame:
    """One row per identity of a source (a predicate such as gross - fee = net): how many of its rows hold it."""
    held = [
        F.struct(
            F.lit(name).alias("identity"),
            F.count(F.when(F.coalesce(F.expr(predicate), F.lit(False)), 1)).alias("holds"),
            F.count(F.lit(1)).alias("rows"),
        )
        for name, predicate in source.identities.items()
    ]
    return rows.agg(F.array(*held).alias("found")).select(F.lit(source.name).alias("source"), F.inline("found"))


def _text(value: Column) -> Column:
    """A text without the blanks around it; null where nothing is left."""
    return F.nullif(F.trim(value.cast("string")), F.lit(""))


def _listed(expression: str) -> Column:
    """The keys that an entry lists, each once."""
    return F.array_sort(F.array_distinct(F.array_compact(F.transform(F.expr(expression), _text))))


def _type(rows: DataFrame, expression: str) -> DataType:
    return rows.select(F.expr(expression).alias("x")).schema["x"].dataType


def _amount(rows: DataFrame, expression: str, where: str) -> Column:
    found = _type(rows, expression)
    if isinstance(found, DecimalType | IntegralType):
        return F.expr(expression).try_cast(LINE_MONEY)
    if isinstance(found, FractionalType):
        raise SettingsError(
            f"{where}: {expression!r} is {found.simpleString()}, a binary fraction that holds no exact money; "
            "keep amounts as text or as DECIMAL."
        )
    return exact_money(_text(F.expr(expression)), LINE_MONEY)


def _line(rows: DataFrame, source: Source, stage: Stage) -> Column:
    """What an entry adds to the batch that it belongs to, where a tier sums this source."""
    for tier in stage.tiers:
        if tier.rule == SUM and tier.many == source.name and tier.line is not None:
            return _amount(rows, tier.line, f"tier {tier.name!r}, line")
    return F.lit(None).cast(LINE_MONEY)


def _date(rows: DataFrame, source: Source) -> Column:
    """The date in the source's time zone; what happened at its cut-off or later belongs to the next day.

    A time without an offset is the source's own.
    """
    value = F.expr(source.date)
    if isinstance(_type(rows, source.date), DateType):
        return value
    text = _text(value)
    if source.date_format is not None:
        return F.to_date(F.try_to_timestamp(text, F.lit(source.date_format)))
    hours, minutes = (int(part) for part in (source.cut_off or "24:00").split(":")[:2])
    time = text.try_cast("timestamp")
    local = F.when(text.rlike(HAS_OFFSET), F.from_utc_timestamp(time, source.timezone)).otherwise(time)
    until_midnight = F.expr(f"INTERVAL '{24 * 60 - hours * 60 - minutes}' MINUTE")
    timed = F.to_date(local + until_midnight)
    return F.when(text.rlike(ISO_DATE), text.try_cast("date")).when(text.rlike(ISO_TIME), timed)
