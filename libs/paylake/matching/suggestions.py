"""What might belong together without a key that says so: suggestions for people, never matches.

Two kinds: references that are similar for one amount, and entries of one merchant and currency that add up to another one.
An entry that several suggestions would use is in none of them: nobody guesses.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.matching import RECONCILED_ENTRIES, SUGGESTED
from paylake.contracts.statements import LINE_MONEY
from paylake.matching.cascade import OPEN, match_id
from paylake.matching.entries import place
from paylake.matching.rules import SIMILAR, SUBSET, Stage, Tier
from paylake.quality import conform

ENTRY = ("source", "entry_id", "row")
ALONE = f"{OPEN} AND NOT is_ambiguous AND reason <> 'DUPLICATE_POSTING'"


def suggested(classified: DataFrame, stage: Stage) -> DataFrame:
    """One row per entry, as the contract `reconciled_entries` has it, with what the stage's last tiers suggest."""
    steps = {SIMILAR: _similar, SUBSET: _subsets}
    tiers = [tier for tier in stage.tiers if tier.rule in steps]
    found = reduce(lambda legs, tier: _marked(legs, steps[tier.rule](legs, stage, tier), tier), tiers, classified)
    return conform(found, RECONCILED_ENTRIES)


def _marked(legs: DataFrame, suggestions: DataFrame, tier: Tier) -> DataFrame:
    """The entries, with the suggestions (an entry and its group) written on those that they name."""
    once = suggestions.withColumn("_uses", F.count(F.lit(1)).over(Window.partitionBy(*ENTRY)))
    contested = once.withColumn("_contested", F.max("_uses").over(Window.partitionBy("_match_id")) > 1)
    named = contested.where(~F.col("_contested")).select(*ENTRY, "_match_id", "_said")
    is_named = F.col("_match_id").isNotNull()
    return (
        legs.join(named, list(ENTRY), "left")
        .withColumns({
            "status": F.when(is_named, SUGGESTED).otherwise(F.col("status")),
            "tier": F.when(is_named, F.lit(tier.name)).otherwise(F.col("tier")),
            "match_id": F.coalesce("match_id", "_match_id"),
            "detail": F.coalesce("_said", "detail"),
        })
        .select(*legs.columns)
    )  # fmt: skip


def _open(legs: DataFrame, source: str, tier: Tier, prefix: str) -> DataFrame:
    """The entries of a source that stand alone, their columns under a prefix."""
    by = place(tier.by) if tier.by else F.lit("")
    found = legs.where(F.expr(ALONE) & (F.col("source") == source)).withColumn("by", by).where("by IS NOT NULL")
    return found.select(
        *(F.col(c).alias(f"{prefix}_{c}") for c in ("entry_id", "row", "currency", "amount", "entry_date", "by"))
    )


def _days(tier: Tier) -> Column:
    apart = F.abs(F.datediff("l_entry_date", "r_entry_date"))
    return F.lit(True) if tier.within_days is None else apart <= tier.within_days


def similarity(left: Column, right: Column) -> Column:
    """1 for equal texts, down to 0: one less the edits that turn one into the other, per character of the longer one."""
    longest = F.greatest(F.length(left), F.length(right)).cast("decimal(10,0)")
    return (1 - F.levenshtein(left, right) / longest).cast("decimal(5,4)")


def _similar(legs: DataFrame, stage: Stage, tier: Tier) -> DataFrame:
    """Pairs of one amount and currency whose references are alike, where each is the other's only best."""
    first, second = tier.sources
    left, right = _open(legs, first, tier, "l"), _open(legs, second, tier, "r")
    same = (F.col("l_currency") == F.col("r_currency")) & (F.col("l_amount") == F.col("r_amount")) & _days(tier)
    score = similarity(F.upper(F.col("l_by")), F.upper(F.col("r_by")))
    pairs = left.join(right, same).withColumn("score", score).where(F.col("score") >= F.lit(tier.least_score))
    for side in ("l", "r"):
        mine = Window.partitionBy(f"{side}_entry_id", f"{side}_row")
        pairs = pairs.withColumn(f"{side}_best", F.max("score").over(mine))
    best = pairs.where("score = l_best AND score = r_best")
    name = match_id(stage, F.lit(first), F.col("l_entry_id"))
    said = F.concat(F.lit("references are alike by "), F.col("score").cast("string"))
    ends = F.array(*(
        F.struct(F.lit(s).alias("source"), F.col(f"{p}_entry_id").alias("entry_id"), F.col(f"{p}_row").alias("row"))
        for s, p in ((first, "l"), (second, "r"))
    ))  # fmt: skip
    return best.select(name.alias("_match_id"), said.alias("_said"), F.inline(ends))


def _subsets(legs: DataFrame, stage: Stage, tier: Tier) -> DataFrame:
    """Entries of one source that add up to one of another, with the same keys and currency, where only one set does.

    Of the candidates the nearest in time are tried, `at_most` of them (12 at the most: 4,096 sets).
    """
    one, many = str(tier.one), tier.many
    left, right = _open(legs, one, tier, "l"), _open(legs, many, tier, "r")
    same = (F.col("l_currency") == F.col("r_currency")) & (F.col("l_by") == F.col("r_by")) & _days(tier)
    nearest = Window.partitionBy("l_entry_id", "l_row").orderBy(
        F.abs(F.datediff("l_entry_date", "r_entry_date")), "r_entry_date", "r_entry_id", "r_row"
    )
    tried = left.join(right, same).withColumn("_n", F.row_number().over(nearest)).where(F.col("_n") <= tier.at_most)
    part = F.struct(F.col("r_entry_id").alias("entry_id"), F.col("r_row").alias("row"), F.col("r_amount").alias("amount"))
    sets = tried.groupBy("l_entry_id", "l_row", "l_amount").agg(F.array_sort(F.collect_list(part)).alias("parts"))
    money = LINE_MONEY.simpleString()
    sums = sets.withColumn("fitting", F.expr(f"""
        filter(aggregate(
            parts,
            array(struct(
                cast(0 AS {money}) AS total, cast(array() AS array<struct<entry_id:string,row:bigint>>) AS members)),
            (known, part) -> concat(known, transform(known, s -> struct(
                cast(s.total + part.amount AS {money}) AS total,
                concat(s.members, array(struct(part.entry_id AS entry_id, part.row AS row))) AS members)))
        ), s -> s.total = l_amount AND size(s.members) > 1)"""))  # fmt: skip
    only = sums.where(F.size("fitting") == 1).withColumn("members", F.col("fitting")[0]["members"])
    name = match_id(stage, F.lit(one), F.col("l_entry_id"))
    said = F.concat(F.size("members").cast("string"), F.lit(" entries add up to it"))
    own = F.array(F.struct(F.lit(one).alias("source"), F.col("l_entry_id").alias("entry_id"), F.col("l_row").alias("row")))
    theirs = F.transform("members", lambda m: F.struct(F.lit(many).alias("source"), m["entry_id"], m["row"]))
    return only.select(name.alias("_match_id"), said.alias("_said"), F.inline(F.concat(own, theirs)))
