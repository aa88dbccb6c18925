"""Past and expected payouts and releases of reserves by value date, with what came (requirement E8).

What is in it:

* each payout that a posted report names, CONFIRMED. Its value date is the day on which the processor sends it, moved on by
  the terms' days in transit to a day on which both rails are open. Where its report states no such day, that of its last
  line counts; a payout without any date, or outside the years of the calendars, cannot be scheduled and is left out. Where
  several files report one payout, the one with the most lines counts;
* the payments that succeeded and that no payout of a posted report pays yet, by processor, currency and sales day,
  CALCULATED: amounts less the terms' fees (rounded half up, payment by payment) and reserve (of the sum). Only sales days
  that the payments cover from their beginning are in it;
* of each that holds back a reserve, its release: reserve_days after the last sales day (of a reported payout without one,
  after the day it was sent), on the next day on which both rails are open. What the processor says it released of an account
  and currency goes to the oldest reserves first.

Its states at the as-of date, the first that holds:

* RETURNED: as much went back as came. SHORT, OVER: what came is not what was expected. LATE: it came after its value date.
  RECEIVED: it came; also a payout of nothing, from its value date on.
* ON_HOLD: the terms are on hold, or a policy blacklists the merchant, whose payments are kept apart.
* EXPECTED: its value date is to come; a calculated one also on that day, and a release of which a part came early.
* IN_TRANSIT: reported, and not more than GRACE_DAYS business days past its value date.
* LATE: not there, up to MISSING_AFTER_DAYS past it. MISSING: longer.

A payout of a negative amount is taken from the account: then a debit pays it, and a credit gives it back.
"""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.settlement import (
    COMPONENTS,
    GRACE_DAYS,
    MISSING_AFTER_DAYS,
    SETTLEMENT_SCHEDULE,
    SETTLEMENT_TERMS,
    Confidence,
    Kind,
    SettlementTerms,
    State,
)
from paylake.contracts.statements import FX, RESERVE_HELD, SALE
from paylake.indexes.payments import Sources
from paylake.indexes.payout_receipts import receipts
from paylake.indexes.settlement_terms import (
    cut_off_at,
    half_up,
    minor_unit,
    sales_day,
    settled_by,
    two_rail_days,
    with_open_days,
    with_terms,
    with_value_date,
)
from paylake.indexes.versions import content

SUCCEEDED = "SUCCESS"
PAYMENT_DAYS = 30
"""How many days before the business date the payments of Sources reach."""

BASIS = "0.0001"
"""A basis point."""


def settlement_schedule(sources: Sources, terms: tuple[SettlementTerms, ...] = SETTLEMENT_TERMS) -> DataFrame:
    """One row per payout and release of a reserve as of the business date; the content columns of SETTLEMENT_SCHEDULE."""
    days = two_rail_days(sources.business_days, terms)
    reported = _reported(sources, terms)
    received = receipts(sources.statement_lines, reported, sources.business_date)
    planned = with_value_date(reported.unionByName(_calculated(sources, terms)), days)
    paid = planned.join(received, on="schedule_id", how="left")
    both = _with_releases(_with_release_dates(paid, days), sources.business_date)
    return content(_with_state(both, days, sources.business_date), SETTLEMENT_SCHEDULE)


PLANNED = (
    "schedule_id", "payout_id", "psp", "account", "currency", "sales_from", "sales_to", "cut_off_at", "sent_on",
    "schedule_rule", "psp_rail", "bank_rail", "rails", "pays_on", "reserve_days", "is_on_hold", "confidence", "payments",
    *COMPONENTS, "expected_net_amount", "_base", "_after",
)  # fmt: skip
"""What is known of a payout before its dates and the bank: `_after` open days after `_base` it is due."""


def _reported(sources: Sources, terms: tuple[SettlementTerms, ...]) -> DataFrame:
    """One row per payout that posted reports name."""
    fullest = Window.partitionBy("psp", "account", "payout_id", "currency").orderBy(
        F.desc("lines"), "file_sha256", "statement"
    )
    payouts = sources.payouts.withColumn("_nth", F.row_number().over(fullest)).where("_nth = 1")
    of_type = {name: F.sum(F.when(F.col("type") == name, F.col("amount"))) for name in (RESERVE_HELD, FX)}
    sold_at = F.when(F.col("type") == SALE, F.col("created_at"))
    lines = sources.settlement_lines.groupBy("file_sha256", "payout_id", "currency").agg(
        of_type[RESERVE_HELD].alias("_held"), of_type[FX].alias("_fx"), F.min(sold_at).alias("_first"),
        F.max(sold_at).alias("_last"), F.max("created_at").alias("_made"),
    )  # fmt: skip
    of_file = payouts.join(lines, on=["file_sha256", "payout_id", "currency"], how="left")
    sent_on = F.coalesce("payout_date", F.to_date("_made"))
    known = with_terms(of_file.withColumn("sent_on", sent_on), F.col("sent_on"), terms)
    zero = F.lit(0).cast("decimal(24,6)")
    held, fx = F.coalesce("_held", zero), F.coalesce("_fx", zero)
    net = F.coalesce("payout_amount", "expected_amount")
    said = known.withColumns({
        "schedule_id": _id(Kind.PAYOUT, "psp", "account", "payout_id", "currency"),
        "sales_from": sales_day(F.col("_first")),
        "sales_to": sales_day(F.col("_last")),
        "confidence": F.lit(Confidence.CONFIRMED.value),
        "payments": F.col("lines"),
        "gross_amount": F.col("sales_amount"),
        "reserve_held_amount": held,
        "reserve_released_amount": F.col("reserve_amount") - held,
        "adjustments_amount": F.col("corrections_amount") - fx + F.col("unknown_amount"),
        "fx_amount": fx,
        "difference_amount": net - F.col("expected_amount"),
        "expected_net_amount": net,
        "_base": F.col("sent_on"),
        "_after": F.col("transit_days"),
        # an anchor has moved the day on which the processor sends; nothing moves the transfer again
        "pays_on": F.lit(None).cast("int"),
    })  # fmt: skip
    return said.withColumn("cut_off_at", cut_off_at(F.col("sales_to"))).select(*_typed())


def _calculated(sources: Sources, terms: tuple[SettlementTerms, ...]) -> DataFrame:
    """One row per processor, currency, sales day and terms of the payments that no posted payout pays; held ones apart."""
    begins = F.lit(sources.business_date - timedelta(days=PAYMENT_DAYS)).cast("timestamp")
    # a line without a payout is in the processor's hands, and still to be paid
    paid = sources.settlement_lines.where("payout_id IS NOT NULL").select(
        F.col("merchant_reference").alias("transaction_id")
    )
    open_payments = sources.payments.where(F.col("payment_status") == SUCCEEDED).join(
        paid, on="transaction_id", how="left_anti"
    )
    routed = _with_merchants(open_payments, sources).withColumn("psp", settled_by(F.col("_psp"), terms))
    priced = with_terms(routed, F.to_date("paid_at"), terms).withColumn("_day", sales_day(F.col("paid_at")))
    whole = priced.where(cut_off_at(F.date_sub(F.col("_day"), 1)) >= begins)
    bps = F.lit(BASIS).cast("decimal(9,4)")
    fee = half_up(F.col("amount") * F.col("fee_basis_points").cast("decimal(6,0)") * bps, F.col("currency")) + (
        F.col("fee_fixed_minor").cast("decimal(9,0)") * minor_unit(F.col("currency"))
    )
    group = (
        "psp", "currency", "_day", "since", "schedule_rule", "psp_rail", "bank_rail", "rails", "days", "pays_on",
        "cut_off_minutes", "time_zone", "reserve_basis_points", "reserve_days", "_is_held",
    )  # fmt: skip
    sums = (
        whole.withColumn("_is_held", F.col("is_on_hold") | F.col("_is_blacklisted"))
        .groupBy(*group)
        .agg(
            F.count("*").alias("payments"),
            F.sum("amount").cast("decimal(24,6)").alias("gross_amount"),
            (-F.sum(fee)).cast("decimal(24,6)").alias("fees_amount"),
        )
    )
    reserve = half_up(F.col("gross_amount") * F.col("reserve_basis_points").cast("decimal(6,0)") * bps, F.col("currency"))
    zero = F.lit(0).cast("decimal(24,6)")
    nothing = {c: zero for c in COMPONENTS if c not in ("gross_amount", "fees_amount", "reserve_held_amount")}
    said = sums.withColumns({
        **nothing,
        "reserve_held_amount": -reserve,
        "schedule_id": _id(Kind.PAYOUT, "psp", "currency", "_day", "since", "_is_held"),
        "payout_id": F.lit(None).cast("string"),
        "account": F.lit(None).cast("string"),
        "sales_from": F.col("_day"),
        "sales_to": F.col("_day"),
        "cut_off_at": cut_off_at(F.col("_day")),
        "sent_on": F.col("_day"),
        "is_on_hold": F.col("_is_held"),
        "confidence": F.lit(Confidence.CALCULATED.value),
        "_base": F.col("_day"),
        "_after": F.col("days"),
    })  # fmt: skip
    net = F.col("gross_amount") + F.col("fees_amount") + F.col("reserve_held_amount")
    return said.withColumn("expected_net_amount", net).select(*_typed())


def _with_merchants(payments: DataFrame, sources: Sources) -> DataFrame:
    """The payments with the processor that their merchant named then, and whether a policy blacklists the merchant now."""
    at_the_time = (F.col("m.merchant_id") == F.col("p.merchant_id")) & _holds("m", F.col("p.paid_at"))
    end = F.lit(sources.business_date + timedelta(days=1)).cast("timestamp")
    blacklisted = (
        sources.policies.alias("b")
        .where("policy_type = 'BLACKLIST' AND subject_type = 'MERCHANT' AND active_flag")
        .where((F.col("b.valid_from") < end) & (F.col("b.valid_to").isNull() | (F.col("b.valid_to") >= end)))
        .select(F.col("subject_id").alias("_blacklisted"))
        .distinct()
    )
    return (
        payments.alias("p")
        .join(sources.merchants.alias("m"), on=at_the_time, how="left")
        .select("p.*", F.col("m.psp").alias("_psp"))
        .join(blacklisted, on=F.col("merchant_id") == F.col("_blacklisted"), how="left")
        .withColumn("_is_blacklisted", F.col("_blacklisted").isNotNull())
    )


def _holds(version: str, at: Column) -> Column:
    until = F.col(f"{version}.valid_to")
    return (F.col(f"{version}.valid_from") <= at) & (until.isNull() | (until > at))


def _with_release_dates(payouts: DataFrame, days: DataFrame) -> DataFrame:
    """The payouts with the open day on which what they hold back is due; null where nothing is held back."""
    last = F.date_add(F.coalesce("sales_to", "sent_on"), F.col("reserve_days"))
    from_day = F.when(F.col("reserve_held_amount") < 0, last)
    return with_open_days(payouts, from_day, days, reserve_release_date="open_day", _release="nth_open_day")


def _with_releases(payouts: DataFrame, as_of: date) -> DataFrame:
    """The payouts, and for each that holds back a reserve a row of its release, with what was released of it."""
    account = Window.partitionBy("psp", "account", "currency")
    earlier = account.orderBy("reserve_release_date", "schedule_id").rowsBetween(Window.unboundedPreceding, -1)
    is_out = (F.col("confidence") == Confidence.CONFIRMED.value) & (F.col("expected_value_date") <= F.lit(as_of))
    zero = F.lit(0).cast("decimal(24,6)")
    is_release = F.col("kind") == Kind.RESERVE_RELEASE.value
    summed = payouts.withColumns({
        "_held": F.when(F.col("reserve_release_date").isNotNull(), -F.col("reserve_held_amount")).otherwise(zero),
        "_released": F.sum(F.when(is_out, F.col("reserve_released_amount"))).over(account),
    })  # fmt: skip
    left = F.col("_released") - F.coalesce(F.sum("_held").over(earlier), zero)
    covered = F.least(F.col("_held"), F.coalesce(left, zero)).cast("decimal(24,6)")
    kinds = F.array(F.lit(Kind.PAYOUT.value), F.when(F.col("_held") > 0, Kind.RESERVE_RELEASE.value))
    both = summed.withColumn("_covered", covered).withColumn("kind", F.explode(F.array_compact(kinds)))
    held, none = F.col("_held"), F.lit(None)
    of_release = {
        **dict.fromkeys(COMPONENTS, zero),
        "reserve_released_amount": held,
        "expected_net_amount": held,
        "actual_amount": F.when(F.col("_covered") > 0, F.col("_covered")),
        "schedule_id": _id(Kind.RESERVE_RELEASE, "schedule_id"),
        "expected_value_date": F.col("reserve_release_date"),
        "_expected": F.col("_release"),
        "payments": F.lit(0),
        **dict.fromkeys(("actual_value_date", "is_given_back", "statement_entries", "bank_account"), none),
        **dict.fromkeys(("statement_file_sha256", "statement_line"), none),
    }
    return both.withColumns({c: F.when(is_release, of).otherwise(F.col(c)) for c, of in of_release.items()})


def _with_state(rows: DataFrame, days: DataFrame, as_of: date) -> DataFrame:
    """The rows with state, days_late and variance at the as-of date."""
    expected, actual = F.col("expected_net_amount"), F.col("actual_amount")
    is_debit = expected < 0
    has_come = actual.isNotNull()
    came_to_nothing = F.when(is_debit, actual >= 0).otherwise(actual <= 0)
    is_returned = F.coalesce(F.col("is_given_back") & came_to_nothing, F.lit(False))
    is_due = F.col("expected_value_date") <= F.lit(as_of)
    is_payout = F.col("kind") == Kind.PAYOUT.value
    # a part of a reserve may come early, and does not make the rest short before it is due
    is_part = has_come & ~is_payout & ~is_due & (actual < expected)
    is_there = has_come & ~is_returned
    # what the processor releases has no date of its own; a release that is covered is not late
    is_covered = ~is_payout & (actual == expected)
    end = F.when(is_there & is_payout, F.col("actual_value_date")).when(is_covered, F.col("expected_value_date"))
    ended = with_open_days(rows, F.coalesce(end, F.lit(as_of)), days, _ended="open_days_passed")
    is_held = F.col("is_on_hold") & ~is_there
    late = F.when(is_held | (expected == 0), 0).otherwise(F.greatest(F.col("_ended") - F.col("_expected"), F.lit(0)))
    less = F.when(is_debit, actual > expected).otherwise(actual < expected)
    is_confirmed = F.col("confidence") == Confidence.CONFIRMED.value
    state = (
        F.when(is_returned, State.RETURNED.value)
        .when(has_come & ~is_part & less, State.SHORT.value)
        .when(has_come & ~is_part & (actual != expected), State.OVER.value)
        .when(is_there & ~is_part & (F.col("_late") > 0), State.LATE.value)
        .when(is_there & ~is_part, State.RECEIVED.value)
        .when((expected == 0) & is_due, State.RECEIVED.value)
        .when(F.col("is_on_hold"), State.ON_HOLD.value)
        .when(~is_due | is_part, State.EXPECTED.value)
        .when(is_confirmed & is_payout & (F.col("_late") <= GRACE_DAYS), State.IN_TRANSIT.value)
        .when(F.col("_late") == 0, State.EXPECTED.value)
        .when(F.col("_late") <= MISSING_AFTER_DAYS, State.LATE.value)
        .otherwise(State.MISSING.value)
    )
    return ended.withColumn("_late", late).withColumns({
        "state": state,
        "days_late": F.col("_late"),
        "variance_amount": actual - expected,
        "statement_entries": F.coalesce("statement_entries", F.lit(0)),
    })  # fmt: skip


def _id(kind: Kind, *columns: str) -> Column:
    parts = (F.coalesce(F.col(c).cast("string"), F.lit("")) for c in columns)
    return F.left(F.sha2(F.concat_ws("|", F.lit(kind.value), *parts), 256), F.lit(32))


def _typed() -> list[Column]:
    """PLANNED with the types of the contract, so that reported and calculated payouts are one frame."""
    types = {f.name: f.type for f in SETTLEMENT_SCHEDULE.fields}
    return [F.col(c).cast(types[c]).alias(c) if c in types else F.col(c) for c in PLANNED]
