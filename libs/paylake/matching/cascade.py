"""The cascade: each tier groups what is still open, by windows over its keys, and uses an entry once.

A stage's entries are one narrow frame. A tier shuffles it once by its key; entries that take no part are spread by their
own identifier. Nothing depends on the order of rows: ties are broken by date, then identifier.
"""

from __future__ import annotations

from decimal import Decimal
from functools import reduce

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from paylake.contracts.currencies import CURRENCIES
from paylake.contracts.matching import BREAK, MATCHED, MATCHED_WITH_TOLERANCE, PARTIAL
from paylake.contracts.statements import LINE_MONEY
from paylake.matching.entries import SEPARATOR, apart, key, place
from paylake.matching.rules import EXACT, SUM, TOLERANCE, Stage, Tier, Tolerance

OPEN = "match_id IS NULL AND status = 'BREAK'"
UNDECIDED = f"{OPEN} AND reason IS NULL"


def cascade(entries: DataFrame, stage: Stage) -> DataFrame:
    """The stage's entries with the tier and group that took them; what stays open has no group yet."""
    fresh = entries.withColumns({
        "tier": F.lit(None).cast("string"),
        "match_id": F.lit(None).cast("string"),
        "reason": F.lit(None).cast("string"),
        "difference_amount": F.lit(None).cast(LINE_MONEY),
        "is_ambiguous": F.lit(False),
    })  # fmt: skip
    steps = {EXACT: _exact, TOLERANCE: _within_tolerance, SUM: _sum}
    steps_taken = [tier for tier in stage.tiers if tier.rule in steps]
    return reduce(lambda legs, tier: steps[tier.rule](legs, stage, tier).select(*fresh.columns), steps_taken, fresh)


def match_id(stage: Stage, source: Column, entry_id: Column) -> Column:
    """A group's name, from its first member: the same whatever the order of rows."""
    return F.substring(F.sha2(F.concat_ws(SEPARATOR, F.lit(stage.name), source, entry_id), 256), 1, 20)


def surplus(sources: tuple[str, ...], counts: Column) -> Column:
    """True for an entry that has no partner under its key, since its source holds more there than any other does.

    The earliest ones are the postings, by date and identifier, and the later ones duplicates. `counts` says which entries
    of a `_place` count.
    """
    here, in_order = Window.partitionBy("_place"), ("entry_date", "entry_id", "row")
    held = {name: F.count(F.when(counts & (F.col("source") == name), 1)).over(here) for name in sources}
    case = F.when(F.lit(False), F.lit(0))
    for name in sources:
        others = [held[other] for other in sources if other != name]
        case = case.when(F.col("source") == name, F.greatest(F.lit(1), *others))
    number = F.row_number().over(Window.partitionBy("_place", "source", counts).orderBy(*in_order))
    return counts & (number > case)


def _placed(legs: DataFrame, tier: Tier) -> DataFrame:
    """The entries side by side with those of the same key, with `_takes_part` for those that this tier may take."""
    is_candidate = F.expr(UNDECIDED) & F.col("source").isin(*tier.sources) & place(tier.by).isNotNull()
    return (
        legs.withColumn("_is_candidate", is_candidate)
        .withColumn("_place", F.when(F.col("_is_candidate"), place(tier.by)).otherwise(apart()))
        .repartition("_place")
        .withColumn("_takes_part", F.col("_is_candidate") & ~surplus(tier.sources, F.col("_is_candidate")))
    )


def _by(*columns: str) -> WindowSpec:
    return Window.partitionBy(*columns)


def _first(source: str, value: str, window: WindowSpec) -> Column:
    return F.min(F.when(F.col("source") == source, F.col(value))).over(window)


def _sides(tier: Tier, window: WindowSpec) -> dict[str, Column]:
    """A struct per source, for predicates that look at both sides: `bank.entry_date`."""
    parts = ("entry_id", "entry_date", "amount", "currency", *dict.fromkeys(key(k) for k in tier.by))
    return {
        source: F.min(F.when(F.col("source") == source, F.struct(*parts))).over(window) for source in tier.sources
    }  # fmt: skip


def _holds(grouped: DataFrame, tier: Tier, window: WindowSpec) -> DataFrame:
    """The candidates with `_holds`: the tier's predicate, and its span of days."""
    holds = F.lit(True)
    if tier.within_days is not None:
        dates = F.max("entry_date").over(window), F.min("entry_date").over(window)
        holds = F.datediff(*dates) <= tier.within_days
    if tier.when is None:
        return grouped.withColumn("_holds", holds)
    sides = _sides(tier, window)
    kept = grouped.columns
    return grouped.withColumns(sides).withColumn("_holds", holds & F.coalesce(F.expr(tier.when), F.lit(False))).select(
        *kept, "_holds"
    )  # fmt: skip


def _grouped(
    candidates: DataFrame, stage: Stage, tier: Tier, taken: Column, status: Column, window: WindowSpec
) -> DataFrame:
    """The entries with the group that the tier made of the candidates that it takes."""
    first, other = tier.sources[0], [s for s in tier.sources if s != tier.sources[0]]
    beyond = F.max(F.when(F.col("source").isin(*other), F.col("amount"))).over(window)
    lowest = F.min(F.when(F.col("source").isin(*other), F.col("amount"))).over(window)
    base = _first(first, "amount", window)
    difference = F.when(beyond - base >= base - lowest, beyond - base).otherwise(lowest - base)
    return candidates.withColumns({
        "_taken": taken,
        "_match_id": match_id(stage, F.lit(first), _first(first, "entry_id", window)),
        "_difference": difference.cast(LINE_MONEY),
    }).withColumns({
        "status": F.when(F.col("_taken"), status).otherwise(F.col("status")),
        "tier": F.when(F.col("_taken"), F.lit(tier.name)).otherwise(F.col("tier")),
        "match_id": F.when(F.col("_taken"), F.col("_match_id")).otherwise(F.col("match_id")),
        "difference_amount": F.when(F.col("_taken"), F.col("_difference")).otherwise(F.col("difference_amount")),
    })  # fmt: skip


def _exact(legs: DataFrame, stage: Stage, tier: Tier) -> DataFrame:
    """Equal keys, currency and amount. Of several equal entries the first of each source pair up, and so on."""
    alike = ("_place", "currency", "amount")
    numbered = _placed(legs, tier).withColumn(
        "_n", F.row_number().over(_by(*alike, "_takes_part", "source").orderBy("entry_date", "entry_id", "row"))
    )
    together = _by(*alike, "_takes_part", "_n")
    candidates = _holds(numbered, tier, together)
    complete = F.count(F.lit(1)).over(together) == len(tier.sources)
    return _grouped(candidates, stage, tier, F.col("_takes_part") & complete & F.col("_holds"), F.lit(MATCHED), together)


def tolerated(tolerance: Tolerance, currency: Column, bases: dict[str, Column]) -> Column:
    """The largest difference that is tolerated."""
    by_amount: dict[Decimal, list[str]] = {}
    for code in CURRENCIES:
        by_amount.setdefault(tolerance.of(code), []).append(code)
    case = F.when(F.lit(False), F.lit(None).cast(LINE_MONEY))
    for amount, codes in sorted(by_amount.items()):
        case = case.when(currency.isin(*codes), F.lit(amount).cast(LINE_MONEY))
    absolute = F.coalesce(case, F.lit(0).cast(LINE_MONEY))
    if not tolerance.percent:
        return absolute
    share = (F.abs(bases[tolerance.base]) * F.lit(tolerance.percent / 100)).cast(LINE_MONEY)
    return F.greatest(absolute, share)


def _within_tolerance(legs: DataFrame, stage: Stage, tier: Tier) -> DataFrame:
    """Equal keys and currency, amounts within the tolerance.

    By amount, the entries of a key fall into clusters whose neighbours are within the tolerance. A cluster with one entry of
    each source is a match; one with several entries of a source could be matched in several ways, and is left open.
    """
    alike = ("_place", "currency")
    numbered = _placed(legs, tier).withColumn(
        "_n", F.row_number().over(_by(*alike, "_takes_part", "source", "amount").orderBy("entry_date", "entry_id", "row"))
    )
    # the second of two equal entries of a source is a duplicate, and no candidate
    candidates = numbered.withColumn("_candidate", F.col("_takes_part") & (F.col("_n") == 1))
    in_order = _by(*alike, "_candidate").orderBy("amount", "source", "entry_id")
    before = F.lag("amount").over(in_order)
    widest = tolerated(
        tier.tolerance, F.col("currency"),
        dict.fromkeys(("largest", "smallest", *tier.sources), F.greatest(F.abs(before), F.abs(F.col("amount")))),
    )  # fmt: skip
    begins = (F.coalesce(F.col("amount") - before > widest, F.lit(True))).cast("int")
    clustered = candidates.withColumn("_begins", begins).withColumn("_cluster", F.sum("_begins").over(in_order))
    together = _by(*alike, "_candidate", "_cluster")
    bases = {
        "largest": F.max(F.abs("amount")).over(together),
        "smallest": F.min(F.abs("amount")).over(together),
        **{source: _first(source, "amount", together) for source in tier.sources},
    }
    measured = clustered.withColumns({
        "_entries": F.count(F.lit(1)).over(together),
        "_sources": F.size(F.collect_set("source").over(together)),
        "_spread": F.max("amount").over(together) - F.min("amount").over(together),
        "_tolerated": tolerated(tier.tolerance, F.col("currency"), bases),
    })  # fmt: skip
    held = _holds(measured, tier, together)
    full, single = F.col("_sources") == len(tier.sources), F.col("_entries") == F.col("_sources")
    fits = F.col("_candidate") & full & F.col("_holds")
    marked = held.withColumn("is_ambiguous", F.col("is_ambiguous") | (fits & ~single))
    taken = fits & single & (F.col("_spread") <= F.col("_tolerated"))
    status = F.when(F.col("_spread") == 0, F.lit(MATCHED)).otherwise(F.lit(MATCHED_WITH_TOLERANCE))
    return _grouped(marked, stage, tier, taken, status, together)


def _sum(legs: DataFrame, stage: Stage, tier: Tier) -> DataFrame:
    """One entry (a payout, a bank credit) and the lines under its key, which must come to its amount.

    The residual, lines less payout, is recorded. Several entries under one key are parts of one payout where they come to
    the lines together; where they are equal and the first alone does, the later ones are duplicates. Else, and where a line
    is claimed by entries that list different lines, all are left open: ambiguous. A tier that must tie takes what comes to
    the amount, and judges nothing else.
    """
    one = str(tier.one)
    batches = _batches(legs, tier)
    outcome = F.when(F.col("_currencies") > 1, "CURRENCY_MISMATCH")
    outcome = outcome.when(F.col("asked") > F.col("_known"), "BATCH_INCOMPLETE")
    outcome = outcome.when(_ties(tier, F.col("paid")), F.lit(None))
    for known in tier.outcomes:
        outcome = outcome.when(F.coalesce(F.expr(known.when), F.lit(False)), known.reason)
    outcome = outcome.when(F.col("residual") > 0, "PAYOUT_SHORT").otherwise("PAYOUT_OVER")
    status = (
        F.when(F.col("_outcome") == PARTIAL, PARTIAL).when(F.col("_outcome").isNotNull(), BREAK)
        .when(F.col("residual") == 0, MATCHED).otherwise(MATCHED_WITH_TOLERANCE)
    )  # fmt: skip
    takes_part = F.col("_takes_part") & ~F.col("_is_again")
    is_whole = (F.col("_ones") > 0) & (F.col("lines") > 0)
    taken = takes_part & is_whole & F.col("_is_clear") & ~F.col("_is_contested")
    if tier.must_tie:
        # several against several may come to one sum by errors that cancel each other out
        taken = taken & outcome.isNull() & (F.col("_ones") == 1)
    judges = F.lit(not tier.must_tie)
    # across currencies there is no difference to speak of
    residual = F.when(F.col("_currencies") == 1, F.col("residual"))
    return batches.withColumns({
        "_taken": taken,
        "_outcome": outcome,
        "_match_id": match_id(stage, F.lit(one), _first(one, "entry_id", _by("_place"))),
        "_is_unclear": judges & takes_part & (F.col("_is_contested") | ~F.col("_is_clear")),
        "_is_again": judges & F.col("_is_again"),
    }).withColumns({
        "is_ambiguous": F.col("is_ambiguous") | F.col("_is_unclear"),
        "status": F.when(F.col("_taken"), status).otherwise(F.col("status")),
        "tier": F.when(F.col("_taken"), F.lit(tier.name)).otherwise(F.col("tier")),
        "match_id": F.when(F.col("_taken"), F.col("_match_id")).otherwise(F.col("match_id")),
        "reason": F.when(F.col("_taken"), F.col("_outcome"))
        .when(F.col("_is_again"), "DUPLICATE_POSTING").otherwise(F.col("reason")),
        "difference_amount": F.when(F.col("_taken"), residual).otherwise(F.col("difference_amount")),
    })  # fmt: skip


def _ties(tier: Tier, paid: Column) -> Column:
    """Whether the lines of a batch come to an amount, within the tolerance."""
    expected = F.col("expected")
    bases = {"largest": F.greatest(expected, paid), "smallest": F.least(expected, paid), str(tier.one): paid,
             tier.many: expected}  # fmt: skip
    within = F.abs(expected - paid) <= tolerated(tier.tolerance, F.col("currency"), bases)
    return (F.col("_currencies") == 1) & F.coalesce(within, F.lit(False))


def _batches(legs: DataFrame, tier: Tier) -> DataFrame:
    """The entries with what their batch comes to: `expected` of the lines, `paid`, `residual`, `lines` and `asked`.

    `_is_again` marks duplicates, which no sum counts; `_is_clear` is false where several entries are neither the parts of
    one payout nor a payout and its duplicates.
    """
    by_place, in_order = _by("_place"), ("entry_date", "entry_id", "row")
    alike = _by("_place", "_takes_part", "source", key(tier.by[0]), "currency", "amount", "line_amount")
    is_second = F.row_number().over(alike.orderBy(*in_order)) > 1
    # who lists keys means one line by each: the second of two equal ones is a duplicate
    again = F.col("_takes_part") & F.col("_is_listed") & (F.col("source") == tier.many) & is_second
    is_one, is_line = (
        F.col("_takes_part") & ~F.col("_is_again") & (F.col("source") == name) for name in (str(tier.one), tier.many)
    )
    placed = _keyed(legs, tier) if tier.must_tie else _claims(legs, tier)
    measured = placed.withColumn("_is_again", again).withColumns({
        "_ones": F.count(F.when(is_one, 1)).over(by_place),
        "_first": F.min(F.when(is_one, F.struct(*in_order, "amount"))).over(by_place),
        "_together": F.sum(F.when(is_one, F.col("amount"))).over(by_place).cast(LINE_MONEY),
        "_are_equal": F.size(F.collect_set(F.when(is_one, F.col("amount"))).over(by_place)) == 1,
        "lines": F.count(F.when(is_line, 1)).over(by_place),
        "asked": F.max(F.when(is_one, F.col("_asked"))).over(by_place),
        "_known": F.size(F.collect_set(F.when(is_line, F.col(key(tier.by[0])))).over(by_place)),
        "_currencies": F.size(F.collect_set(F.when(F.col("_takes_part"), F.col("currency"))).over(by_place)),
        "expected": F.sum(F.when(is_line, F.coalesce("line_amount", "amount"))).over(by_place).cast(LINE_MONEY),
    })  # fmt: skip
    first = F.col("_first")["amount"]
    is_later = F.struct(*in_order) != F.struct(*(F.col("_first")[name] for name in in_order))
    return measured.withColumns({
        "_is_split": (F.col("_ones") > 1) & _ties(tier, F.col("_together")),
        "_is_repeated": (F.col("_ones") > 1) & F.col("_are_equal") & _ties(tier, first),
    }).withColumns({
        "_is_again": F.col("_is_again")
        | (is_one & F.col("_is_repeated") & ~F.col("_is_split") & ~F.col("_is_contested") & is_later),
        "_is_clear": (F.col("_ones") <= 1) | F.col("_is_split") | F.col("_is_repeated"),
        "paid": F.when(F.col("_is_split"), F.col("_together")).otherwise(first),
    }).withColumn("residual", (F.col("expected") - F.col("paid")).cast(LINE_MONEY))  # fmt: skip


def _keyed(legs: DataFrame, tier: Tier) -> DataFrame:
    """The entries at the place of their key, for a tier that knows no lists: no join, and so a plan that stays small."""
    takes_part = F.expr(UNDECIDED) & F.col("source").isin(*tier.sources) & place(tier.by).isNotNull()
    return legs.withColumns({
        "_takes_part": takes_part,
        "_place": F.when(takes_part, place(tier.by)).otherwise(apart()),
        "_asked": F.lit(None).cast("int"),
        "_is_listed": F.lit(False),
        "_is_contested": F.lit(False),
    }).repartition("_place")  # fmt: skip


def _claims(legs: DataFrame, tier: Tier) -> DataFrame:
    """The entries at the place of the batch that claims them.

    Where the one entry lists its lines, each listed key is a claim; entries with equal lists claim together. A line that is
    claimed by different lists is contested.
    """
    one = str(tier.one)
    listed = F.col("lists")[F.lit(key(tier.by[0]))]
    itself = F.struct("entry_id", "row")
    is_candidate = F.expr(UNDECIDED) & F.col("source").isin(*tier.sources)
    leads = F.min(itself).over(Window.partitionBy(listed))
    claims = (
        legs.where(is_candidate & (F.col("source") == one) & listed.isNotNull())
        .select(itself.alias("_is"), leads.alias("_leads"), F.explode(listed).alias("_claimed"))
        .withColumn("_contested", F.min("_leads").over(_by("_claimed")) != F.max("_leads").over(_by("_claimed")))
    )
    by_line = claims.groupBy("_claimed").agg(F.min("_leads").alias("_claimant"))
    by_claimant = claims.groupBy("_is").agg(F.min("_leads").alias("_leads"), F.max("_contested").alias("_contested"))
    joined = legs.join(by_line, (F.col(key(tier.by[0])) == F.col("_claimed")) & (F.col("source") == tier.many), "left").join(
        by_claimant, (itself == F.col("_is")) & (F.col("source") == one), "left"
    )
    is_list = (F.col("source") == one) & listed.isNotNull()
    leader = F.coalesce("_leads", itself)
    own = F.concat_ws(SEPARATOR, F.lit("claim"), leader["entry_id"], leader["row"])
    theirs = F.concat_ws(SEPARATOR, F.lit("claim"), "_claimant.entry_id", "_claimant.row")
    where = F.when(is_list, own).when(F.col("_claimed").isNotNull(), theirs).otherwise(place(tier.by))
    takes_part = is_candidate & where.isNotNull()
    return (
        joined.withColumns({
            "_takes_part": takes_part,
            "_place": F.when(takes_part, where).otherwise(apart()),
            "_asked": F.when(is_list, F.size(listed)),
            "_is_listed": F.col("_claimed").isNotNull(),
        })
        .repartition("_place")
        .withColumn("_is_contested", F.coalesce(F.max("_contested").over(_by("_place")), F.lit(False)))
    )  # fmt: skip
