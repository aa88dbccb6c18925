"""What the cascade leaves open, and why: one primary reason per entry, and every reason that holds."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.matching import BREAK, REJECTED
from paylake.contracts.statements import LINE_MONEY
from paylake.matching.cascade import OPEN, UNDECIDED, match_id, surplus
from paylake.matching.entries import apart, place
from paylake.matching.rules import Stage


def classified(legs: DataFrame, stage: Stage) -> DataFrame:
    """The entries with `reason`, `reasons` and `is_duplicated`: each open one with everything that holds.

    By the stage's keys, strongest first: entries that share a key and cannot agree are one break. An entry whose
    counterpart is taken by another one of its source is a duplicate. What stands alone is missing on the other side.
    """
    fresh = legs.withColumns({"reasons": F.array().cast("array<string>"), "is_duplicated": F.lit(False)})
    compared = reduce(lambda found, on: _compared(found, stage, on), stage.key_sets, fresh)
    reasons = (
        F.when(F.size("reasons") > 0, F.col("reasons"))
        .when(F.col("status") == REJECTED, F.array(F.lit("SCHEMA_INVALID")))
        .when(F.col("reason").isNotNull(), F.array("reason"))
        .when(~F.expr(OPEN), F.array().cast("array<string>"))
        .when(F.col("is_ambiguous"), F.array(F.lit("AMBIGUOUS_MATCH")))
        .otherwise(_missing(stage))
    )
    return compared.withColumn("reasons", reasons).withColumn("reason", F.try_element_at("reasons", F.lit(1)))


def _missing(stage: Stage, absent: dict[str, Column] | None = None) -> Column:
    """The sources in which an entry has no counterpart, each as a reason."""
    found = []
    for name in stage.sources:
        is_absent = F.col("source") != name if absent is None else absent[name]
        default = F.lit(f"MISSING_IN_{name.upper()}")
        # a reason that the rule set gives the source's own entries stands for them, whoever lacks the counterpart
        own = reduce(lambda case, item: case.when(F.col("source") == item[0], item[1]), stage.missing.items(),
                     F.when(F.lit(False), ""))  # fmt: skip
        found.append(F.when(is_absent, F.coalesce(own, default)))
    return F.array_distinct(F.array_compact(F.array(*found)))


def _compared(legs: DataFrame, stage: Stage, on: tuple[str, ...]) -> DataFrame:
    """The entries that are still open, looked at with all others of their key, matched ones included."""
    here = Window.partitionBy("_place")
    of_source = Window.partitionBy("_place", "source")
    where = F.when(F.col("status").isin("EXCLUDED", "REJECTED"), F.lit(None)).otherwise(place(on))
    is_open = F.expr(UNDECIDED) & (F.size("reasons") == 0)
    placed = (
        legs.withColumn("_place", F.coalesce(where, apart()))
        .repartition("_place")
        .withColumn("_was_open", is_open & where.isNotNull())
        .withColumn("_is_surplus", surplus(stage.sources, F.col("_was_open")))
        .withColumn("_open", F.col("_was_open") & ~F.col("_is_surplus"))
        .withColumns({
            "_open_sources": F.size(F.collect_set(F.when(F.col("_open"), F.col("source"))).over(here)),
            "_all_sources": F.collect_set("source").over(here),
            "_currencies": F.size(F.collect_set(F.when(F.col("_open"), F.col("currency"))).over(here)),
            "_open_entries": F.count(F.when(F.col("_open"), 1)).over(here),
            "_grouped": F.count(F.when(F.col("match_id").isNotNull(), 1)).over(of_source),
            "_alike": F.row_number().over(
                Window.partitionBy("_place", "source", "_was_open", "currency", "amount").orderBy("entry_date", "entry_id")
            ),
            "_faces_others": F.col("_is_surplus") & (F.size(F.collect_set("source").over(here)) > 1),
            "_has_ambiguity": F.max(F.col("is_ambiguous") & F.col("_open")).over(here),
            "_first": F.min(F.when(F.col("_open"), _rank(stage))).over(here),
        })
    )  # fmt: skip
    together = F.col("_open") & (F.col("_open_sources") > 1)
    paired = F.col("_open_entries") == F.col("_open_sources")
    base = F.min(F.when(F.col("_open") & (_rank(stage) == F.col("_first")), F.col("amount"))).over(here)
    other = F.col("_open") & (_rank(stage) != F.col("_first"))
    over = F.max(F.when(other, F.col("amount"))).over(here) - base
    under = F.min(F.when(other, F.col("amount"))).over(here) - base
    base_id = F.min(F.when(F.col("_open") & (_rank(stage) == F.col("_first")), F.col("entry_id"))).over(here)
    named = reduce(lambda case, n: case.when(F.col("_first") == n, stage.sources[n]), range(len(stage.sources)),
                   F.when(F.lit(False), ""))  # fmt: skip
    difference = F.when(F.abs(over) >= F.abs(under), over).otherwise(under)
    absent = {name: ~F.array_contains("_all_sources", name) for name in stage.sources}
    nothing = F.array().cast("array<string>")
    apart_in_amount = (
        F.lit(stage.differs) if stage.differs else F.when(F.col("_difference") >= 0, "AMOUNT_OVER").otherwise("AMOUNT_UNDER")
    )
    pair = F.when(F.col("_currencies") > 1, F.array(F.lit("CURRENCY_MISMATCH")))
    absent_ones = _missing(stage, absent)
    differs = F.when((F.col("_currencies") == 1) & (F.col("_difference") != 0), F.array(apart_in_amount))
    drifts = F.when((F.col("_currencies") == 1) & (F.size(absent_ones) == 0), F.array(F.lit("DATE_DRIFT")))
    pair = F.concat(pair.otherwise(nothing), absent_ones, F.coalesce(differs, drifts, nothing))
    duplicate = F.col("_was_open") & ((F.col("_grouped") > 0) | (F.col("_alike") > 1) | F.col("_faces_others"))
    reasons = (
        F.when(together & (F.col("_has_ambiguity") | ~F.col("_paired")), F.array(F.lit("AMBIGUOUS_MATCH")))
        .when(together, pair)
        .when(~together & duplicate, F.array(F.lit("DUPLICATE_POSTING")))
        .otherwise(F.col("reasons"))
    )
    return placed.withColumns({
        "_paired": paired,
        "_difference": F.when(F.col("_currencies") == 1, difference).cast(LINE_MONEY),
        "_base_id": base_id,
        "_base": named,
    }).withColumns({
        "reasons": reasons,
        "is_duplicated": F.col("is_duplicated") | (F.count(F.lit(1)).over(of_source) > 1) & where.isNotNull(),
        "difference_amount": F.when(together & F.col("_paired"), F.col("_difference")).otherwise(F.col("difference_amount")),
        "match_id": F.when(together, match_id(stage, F.col("_base"), F.col("_base_id"))).otherwise(F.col("match_id")),
        "status": F.when(together, BREAK).otherwise(F.col("status")),
    }).select(*legs.columns)  # fmt: skip


def _rank(stage: Stage) -> Column:
    """The order of an entry's source in the stage."""
    return F.array_position(F.array(*(F.lit(name) for name in stage.sources)), F.col("source")) - 1
