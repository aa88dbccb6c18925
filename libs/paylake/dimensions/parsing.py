"""A record of a dimension's file: from texts to the contract's types, or to the reasons why not."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from paylake.columns import identifiers, money, names, time
from paylake.contracts.table import FAILED_CHECKS, Field, TableContract
from paylake.quality import failed_checks

IS_DELETED = "is_deleted"
OF_A_DELIVERY = ("delivered_at", IS_DELETED)
"""What a record says beside the contract's content: when it was delivered, and whether its id ends."""

_IS_DELETED = Field(IS_DELETED, BooleanType(), "True where the record says that its id ends.")

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
    fields = (*(f for f in contract.fields if f.name in sent_columns(contract)), _IS_DELETED)
    texts = StructType([StructField(f.name, StringType()) for f in fields])
    taken = records.withColumn("raw", F.from_json("row", texts))
    sent = {f.name: F.nullif(F.trim(F.col(f"raw.{f.name}")), F.lit("")) for f in fields}
    read = taken.select(
        "file_sha256", "file_name", "line", "row",
        F.struct(*(text.alias(name) for name, text in sent.items())).alias("sent"),
        *(typed(sent[f.name], f.type).alias(f.name) for f in fields),
    ).withColumns({
        "is_current": F.col("valid_to").isNull(),
        "unread": names.that_hold({
            "record_unreadable": F.col("row").isNull(),
            "card_number_in_text": identifiers.names_a_card(F.concat_ws("|", *(F.col(f"sent.{f.name}") for f in fields))),
            **{f"{f.name}_unreadable": F.col(f"sent.{f.name}").isNotNull() & F.col(f.name).isNull()
               for f in fields if not isinstance(f.type, StringType)},
        }),
    })  # fmt: skip
    unread = F.col("unread")
    is_end = F.coalesce(F.col(IS_DELETED), F.lit(False))
    failed = F.when(is_end, _failed_of_an_end(contract)).otherwise(failed_checks(contract))
    # what is there and cannot be read is not missing too
    said_already = F.transform(unread, lambda name: F.replace(name, F.lit("_unreadable"), F.lit("_present")))
    is_apart = ~F.array_contains(unread, "record_unreadable")
    has_card = F.array_contains(unread, "card_number_in_text")
    return read.withColumns({
        IS_DELETED: is_end,
        FAILED_CHECKS: F.when(is_apart, F.concat(unread, F.array_except(failed, said_already))).otherwise(unread),
        "row": F.when(has_card, identifiers.masked(F.col("row"))).otherwise(F.col("row")),
    }).drop("sent", "unread")  # fmt: skip


def typed(text: Column, kind: DataType) -> Column:
    """The value that a text states, exactly; null where it states none of the type.

    A time names its offset; a date in place of a time stands for its midnight in UTC.
    """
    match kind:
        case DecimalType():
            return money.exact_money(text, kind)
        case DateType():
            return F.when(text.rlike(DAY), text.try_cast("date"))
        case TimestampType():
            midnight = F.when(text.rlike(DAY), F.concat(text, F.lit("T00:00:00Z")))
            return time.instant(F.coalesce(midnight, text))
        case _:
            return text.try_cast(kind)


def _failed_of_an_end(contract: TableContract) -> Column:
    """The checks that a record fails which ends its id, and so says nothing else of it."""
    return names.that_hold({f"{name}_present": F.col(name).isNull() for name in (*contract.key, "delivered_at")})
