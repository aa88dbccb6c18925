"""Which processor settles a payment, by which terms, on which sales day, and when both rails are open: columns.

Rules 7 to 9: a sales day is the local one of the processor's zone up to its cut-off; T+n counts days on which both the
processor's and the bank's rail are open, from the next such day on where the sales day is none (TARGET T+2 from Thursday
2026-04-02 is Wednesday 2026-04-08, since Good Friday and Easter Monday are closed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.currencies import OTHER_MINOR_UNITS
from paylake.contracts.settlement import ANY, SETTLEMENT_TERMS, UNASSIGNED, SettlementTerms

DAY_MINUTES = 24 * 60

TERMS_TYPE = (
    "terms_key string, since date, until date, rails string, psp_rail string, bank_rail string, schedule_rule string, "
    "days int, transit_days int, cut_off_minutes int, time_zone string, pays_on int, fee_basis_points int, "
    "fee_fixed_minor int, reserve_basis_points int, reserve_days int, is_on_hold boolean"
)


def terms_rows(terms: Iterable[SettlementTerms] = SETTLEMENT_TERMS) -> list[tuple[object, ...]]:
    """The terms as rows of TERMS_TYPE: each holds from `since` until the next row of its processor and currency.

    The first row of each holds for all time before, too: nothing older is known.
    """
    by_key: dict[str, list[SettlementTerms]] = {}
    for row in sorted(terms, key=lambda t: (t.psp, t.currency, t.since)):
        by_key.setdefault(f"{row.psp}|{row.currency}", []).append(row)
    return [
        (key, t.since if n else date.min, until, t.rails, t.psp_rail.value, t.bank_rail.value, t.rule, t.days,
         t.transit_days, t.cut_off_minutes, t.time_zone, t.pays_on, t.fee_basis_points, t.fee_fixed_minor,
         t.reserve_basis_points, t.reserve_days, t.is_on_hold)
        for key, of_key in by_key.items()
        for n, (t, until) in enumerate(zip(of_key, [*(t.since for t in of_key[1:]), date.max], strict=True))
    ]  # fmt: skip


def with_terms(rows: DataFrame, day: Column, terms: tuple[SettlementTerms, ...] = SETTLEMENT_TERMS) -> DataFrame:
    """The rows (with psp and currency) and the terms that hold for each on its day, in the columns of TERMS_TYPE."""
    known = F.broadcast(rows.sparkSession.createDataFrame(terms_rows(terms), TERMS_TYPE))
    on = (F.col("_key") == F.col("terms_key")) & (F.col("_on") >= F.col("since")) & (F.col("_on") < F.col("until"))
    keyed = rows.withColumns({"_key": _key(terms), "_on": day})
    return keyed.join(known, on=on, how="inner").drop("_key", "_on", "terms_key", "until")


def _key(terms: Iterable[SettlementTerms]) -> Column:
    """Whose terms count: those of processor and currency, else the processor's, else the currency's, else the last."""
    keys = sorted({f"{t.psp}|{t.currency}" for t in terms})
    tried = (
        F.concat_ws("|", "psp", "currency"),
        F.concat_ws("|", "psp", F.lit(ANY)),
        F.concat_ws("|", F.lit(ANY), "currency"),
    )
    return F.coalesce(*(F.when(key.isin(keys), key) for key in tried), F.lit(f"{ANY}|{ANY}"))


def settled_by(merchant_psp: Column, terms: Iterable[SettlementTerms] = SETTLEMENT_TERMS) -> Column:
    """The processor of a payment: the merchant's own, else the first of the terms that claim its system or channel."""
    routed = F.when(F.lit(False), F.lit(None).cast("string"))
    for row in terms:
        claimed = (
            F.lit(ANY in row.settles) | F.col("payment_system").isin(*row.settles) | F.col("channel").isin(*row.settles)
        )
        if row.settles:
            in_currency = F.lit(True) if row.currency == ANY else F.col("currency") == row.currency
            routed = routed.when(F.coalesce(claimed, F.lit(False)) & in_currency, row.psp)
    return F.coalesce(merchant_psp, routed, F.lit(UNASSIGNED))


def sales_day(at: Column) -> Column:
    """The sales day of an instant, by the row's time_zone and cut_off_minutes; the instant of the cut-off is the next day's.

    The clock on the wall gives the day; in a night in which it is set back, an hour that shows twice may give the wrong one,
    so the instants of the cut-offs themselves decide.
    """
    local = F.from_utc_timestamp(at, F.col("time_zone"))
    shown = F.to_date(F.timestamp_add("MINUTE", F.lit(DAY_MINUTES) - F.col("cut_off_minutes"), local))
    before = F.date_sub(shown, 1)
    return F.when(at >= cut_off_at(shown), F.date_add(shown, 1)).when(at < cut_off_at(before), before).otherwise(shown)


def cut_off_at(day: Column) -> Column:
    """When a sales day ends, as an instant: where the clock shows the time twice the first, where it skips it an hour on."""
    local = F.timestamp_add("MINUTE", F.col("cut_off_minutes"), day.cast("timestamp"))
    return F.to_utc_timestamp(local, F.col("time_zone"))


def half_up(amount: Column, currency: Column) -> Column:
    """An amount in whole minor units of its currency, halves away from zero: as a cast to fewer decimals rounds."""
    return _by_minor_units(currency, lambda places: amount.cast(f"decimal(24,{places})").cast("decimal(24,6)"))


def minor_unit(currency: Column) -> Column:
    """The smallest amount of a currency: 0.01, 1 or 0.001."""
    return _by_minor_units(currency, lambda places: F.lit(f"1e-{places}").cast("decimal(9,6)"))


def _by_minor_units(currency: Column, value: Callable[[int], Column]) -> Column:
    case = F.when(F.lit(False), value(2))
    for places in sorted(set(OTHER_MINOR_UNITS.values())):
        case = case.when(currency.isin([c for c, n in OTHER_MINOR_UNITS.items() if n == places]), value(places))
    return case.otherwise(value(2))


def two_rail_days(business_days: DataFrame, terms: Iterable[SettlementTerms] = SETTLEMENT_TERMS) -> DataFrame:
    """One row per pair of rails and day: how many days on which both are open have passed up to it, itself included.

    `open_day` is the first such day from it on, and `nth_open_day` the number of that.
    """
    pairs = sorted({t.rails for t in terms})
    one = business_days.select("day", F.col("rail").alias("_psp"), F.col("is_business_day").alias("_psp_open"))
    other = business_days.select("day", F.col("rail").alias("_bank"), F.col("is_business_day").alias("_bank_open"))
    both = one.join(other, on="day", how="inner").withColumn("rails", F.concat_ws("+", "_psp", "_bank"))
    both = both.where(F.col("rails").isin(pairs)).withColumn("is_open", F.col("_psp_open") & F.col("_bank_open"))
    in_order = Window.partitionBy("rails").orderBy("day")
    # backwards, since a frame that reaches to the end would be summed anew for each row
    from_then = Window.partitionBy("rails").orderBy(F.desc("day"))
    passed = F.sum(F.col("is_open").cast("int")).over(in_order).cast("int")
    return both.select(
        "rails",
        "day",
        "is_open",
        passed.alias("open_days_passed"),
        F.min(F.when(F.col("is_open"), F.col("day"))).over(from_then).alias("open_day"),
        (passed + F.when(F.col("is_open"), 0).otherwise(1)).alias("nth_open_day"),
    )


def with_value_date(rows: DataFrame, days: DataFrame) -> DataFrame:
    """The rows (with rails, pays_on, `_base` and `_after`) and their expected_value_date: `_after` open days after `_base`.

    A base that is no open day counts as the next one. With an anchor it is the month's day from then on, or the month's last
    where the month is shorter, moved to the next open day. `_expected` is the date's number. `days` are two_rail_days; a row
    outside their years is left out.
    """
    numbered = with_open_days(rows, F.col("_base"), days, _number="nth_open_day")
    nth = days.where("is_open").select(
        F.col("rails").alias("_with"), F.col("nth_open_day").alias("_nth"), F.col("day").alias("_due")
    )
    on = (F.col("rails") == F.col("_with")) & (F.col("_nth") == F.col("_number") + F.col("_after"))
    due = numbered.join(F.broadcast(nth), on=on, how="inner")
    anchored = _anchored(F.col("_due"), F.col("pays_on"))
    dated = with_open_days(due, anchored, days, expected_value_date="open_day", _expected="nth_open_day")
    return dated.where("expected_value_date IS NOT NULL").drop("_base", "_after", "_number", "_with", "_nth", "_due")


def _anchored(day: Column, pays_on: Column) -> Column:
    """The first day of payment that is not before the day; the day itself where there is no anchor."""

    def in_month(first: Column) -> Column:
        return F.least(F.date_add(first, pays_on - 1), F.last_day(first))

    first = F.trunc(day, "month")
    this = in_month(first)
    return F.when(pays_on.isNull(), day).when(this >= day, this).otherwise(in_month(F.add_months(first, 1)))


def with_open_days(rows: DataFrame, day: Column, days: DataFrame, **columns: str) -> DataFrame:
    """The rows (with rails) and some columns of two_rail_days for a day of theirs, as name=column; null for no day."""
    known = days.select(
        F.col("rails").alias("_of"), F.col("day").alias("_day"), *(F.col(c).alias(name) for name, c in columns.items())
    )
    on = (F.col("rails") == F.col("_of")) & (day == F.col("_day"))
    return rows.join(F.broadcast(known), on=on, how="left").drop("_of", "_day")
