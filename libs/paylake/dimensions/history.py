"""Type 2 history, derived from deliveries: the same deliveries, in any order, grouping or number, give the same versions.

What was delivered is kept as it was said, one row per thing said of an id from a time on; versions are only derived from
it. Equal neighbours collapse into one version there, and not before: a delivery that comes late, or that corrects an earlier
one, may part them again.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from paylake.contracts.dimensions import DIMENSION_DELIVERIES
from paylake.contracts.table import Field, TableContract
from paylake.quality import conform

VALIDITY = ("valid_from", "valid_to")
SAID_AT = ("delivered_at", "file_sha256", "line")
"""Which of two deliveries that say the same is kept: the last by these."""
STANDS = ("delivered_at", "is_deleted", "content_hash")
"""Which of two deliveries stands that say different things of one id from one time on: the last by these. So what was
delivered later wins, then what ends the id, then the greater hash, which is arbitrary and always the same."""


def id_column(contract: TableContract) -> str:
    """The column that names what a dimension is about."""
    return contract.key[0]


def attributes(contract: TableContract) -> tuple[Field, ...]:
    """What a dimension says of an id: its content without the id and the times."""
    return tuple(f for f in contract.fields if not f.lineage and f.name not in (id_column(contract), *VALIDITY))


def deliveries(accepted: DataFrame, contract: TableContract) -> DataFrame:
    """One row per thing said, as dimension_deliveries has it; a thing that is said again keeps its last delivery."""
    said = F.to_json(F.struct(*(F.col(f.name).cast("string").alias(f.name) for f in attributes(contract))))
    is_deleted = F.col("is_deleted")
    narrow = accepted.select(
        F.lit(contract.name).alias("dimension"),
        F.col(id_column(contract)).alias("id"),
        "valid_from",
        F.when(~is_deleted, F.col("valid_to")).alias("valid_to"),
        "is_deleted",
        F.when(~is_deleted, said).alias("attributes"),
        *SAID_AT,
    )
    content = F.to_json(F.struct(F.unix_micros("valid_to").alias("valid_to"), "is_deleted", "attributes"))
    hashed = narrow.withColumn("content_hash", F.sha2(content, 256))
    return conform(_last(hashed, DIMENSION_DELIVERIES.key, SAID_AT), DIMENSION_DELIVERIES)


def news(delivered: DataFrame, known: DataFrame) -> DataFrame:
    """The deliveries that say what was not known, or say it later than it was last said."""
    was = known.select(*DIMENSION_DELIVERIES.key, F.struct(*SAID_AT).alias("was"))
    joined = delivered.join(was, on=list(DIMENSION_DELIVERIES.key), how="left")
    is_new = F.col("was").isNull() | (F.struct(*SAID_AT) > F.col("was"))
    return conform(joined.where(is_new), DIMENSION_DELIVERIES)


def versions(delivered: DataFrame, contract: TableContract) -> DataFrame:
    """One row per id and version, without overlaps, from all deliveries of the ids.

    A version ends where the next delivery of its id begins, or where it says itself, whichever comes first. Neighbours that
    say the same and leave no gap between them are one version, known by the delivery that began it.
    """
    standing = _last(delivered, ("id", "valid_from"), STANDS)
    in_time = Window.partitionBy("id").orderBy(F.col("valid_from").asc())
    ended = standing.withColumn("valid_to", F.least("valid_to", F.lead("valid_from").over(in_time))).where(
        ~F.col("is_deleted")
    )
    goes_on = F.coalesce(
        (F.lag("attributes").over(in_time) == F.col("attributes"))
        & (F.lag("valid_to").over(in_time) == F.col("valid_from")),
        F.lit(False),
    )  # fmt: skip
    numbered = ended.withColumn("begins", (~goes_on).cast("int")).withColumn("version", F.sum("begins").over(in_time))
    first = F.min_by(F.struct("attributes", "delivered_at", "file_sha256"), "valid_from")
    collapsed = numbered.groupBy("id", "version").agg(
        F.min("valid_from").alias("valid_from"),
        F.max_by("valid_to", "valid_from").alias("valid_to"),
        first.alias("first"),
    )
    texts = StructType([StructField(f.name, StringType()) for f in attributes(contract)])
    said = collapsed.withColumn("said", F.from_json("first.attributes", texts))
    return conform(
        said.select(
            F.col("id").alias(id_column(contract)),
            *(F.col(f"said.{f.name}").cast(f.type).alias(f.name) for f in attributes(contract)),
            *VALIDITY,
            F.col("valid_to").isNull().alias("is_current"),
            "first.delivered_at",
            "first.file_sha256",
        ),
        contract,
    )


def _last(rows: DataFrame, by: Sequence[str], order: Sequence[str]) -> DataFrame:
    """Of the rows that agree in `by`, the last in a total order."""
    latest_first = Window.partitionBy(*by).orderBy(*(F.col(name).desc() for name in order))
    return rows.withColumn("_place", F.row_number().over(latest_first)).where(F.col("_place") == 1).drop("_place")
