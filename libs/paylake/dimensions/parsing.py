"""A record of a dimension's file: from texts to the contract's types, or to the reasons why not."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, DecimalType, StringType, StructField, StructType, TimestampType

from paylake.columns import identifiers, money, names, time
from paylake.contracts.table import FAILED_CHECKS, Field, TableContract
from paylake.quality import failed_checks

IS_DELETED = "is_deleted"
OF_A_DELIVERY = ("delivered_at", IS_DELETED)
"""What a record says beside the contract's content: when it was delivered, and whether its id ends."""

DAY = r"^\d{4}-\d{2}-\d{2}\z"


def sent_columns(contract: TableContract) -> tuple[str, ...]:
    """The columns of a dimension's file that are read; what else a file holds stays at the source."""
    return (*contract.content_columns, *OF_A_DELIVERY)


def required_columns(contract: TableContract) -> tuple[str, ...]:
    """The columns that a dimension's file cannot do without."""
    return (*(f.name for f in contract.fields if not f.lineage and not f.nullable), "delivered_at")


def parse(records: DataFrame, contract: TableContract) -> DataFrame:
    """One row per record: the contract's columns, `is_deleted`, where it stands in which file, and the checks it failed.

    `records` has file_sha256, file_name, line and `row`: the record as a JSON object of texts, null where it cannot be taken
    apart. Of a record that ends its id, only the id and the times must be there.
    """
    texts = StructType([StructField(name, StringType()) for name in sent_columns(contract)])
    taken = records.select("file_sha256", "file_name", "line", "row", F.from_json("row", texts).alias("sent"))
    sent = {name: F.nullif(F.trim(F.col(f"sent.{name}")), F.lit("")) for name in texts.names}
    flag = Field(IS_DELETED, BooleanType(), "")
    read = {f.name: (f, sent[f.name]) for f in (*contract.fields, flag) if f.name in sent}
    unreadable = {name: text.isNotNull() & typed(text, f).isNull() for name, (f, text) in read.items()}
    with_card = identifiers.names_a_card(F.concat_ws("|", *sent.values()))
    typed_rows = taken.select(
        "file_sha256", "file_name", "line", "row",
        *(typed(text, f).alias(name) for name, (f, text) in read.items() if name != IS_DELETED),
        F.coalesce(typed(sent[IS_DELETED], flag), F.lit(False)).alias(IS_DELETED),
        names.that_hold({
            "record_unreadable": F.col("row").isNull(),
            "card_number_in_text": with_card,
            **{f"{name}_unreadable": condition for name, condition in unreadable.items()},
        }).alias("unread"),
    ).withColumn("is_current", F.col("valid_to").isNull())  # fmt: skip
    unread = F.col("unread")
    failed = F.when(F.col(IS_DELETED), _failed_of_an_end(contract)).otherwise(failed_checks(contract))
    # what is there and cannot be read is not missing too
    said_already = F.transform(unread, lambda name: F.replace(name, F.lit("_unreadable"), F.lit("_present")))
    is_apart = ~F.array_contains(unread, "record_unreadable")
    has_card = F.array_contains(unread, "card_number_in_text")
    return typed_rows.withColumns({
        FAILED_CHECKS: F.when(is_apart, F.concat(unread, F.array_except(failed, said_already))).otherwise(unread),
        "row": F.when(has_card, identifiers.masked(F.col("row"))).otherwise(F.col("row")),
    }).drop("unread")  # fmt: skip


def typed(text: Column, field: Field) -> Column:
    """The value that a text states, exactly; null where it states none of the field's type.

    A time names its offset; a date in place of a time stands for its midnight in UTC.
    """
    match field.type:
        case DecimalType() as kind:
            return money.exact_money(text, kind)
        case DateType():
            return F.when(text.rlike(DAY), text.try_cast("date"))
        case TimestampType():
            midnight = F.when(text.rlike(DAY), F.concat(text, F.lit("T00:00:00Z")))
            return time.instant(F.coalesce(midnight, text))
        case kind:
            return text.try_cast(kind)


def _failed_of_an_end(contract: TableContract) -> Column:
    """The checks that a record fails which ends its id, and so says nothing else of it."""
    return names.that_hold({f"{name}_present": F.col(name).isNull() for name in (*contract.key, "delivered_at")})
