"""What an item's legs mean: every reason that holds, one primary reason, the kind of break, and its risk.

All checks run, so that no failing check hides another (requirements 2.2). Amounts are compared only within one currency.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from itertools import combinations
from operator import and_, or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from paylake.columns import names
from paylake.columns.money import spread_ratio
from paylake.columns.time import seconds_between
from paylake.contracts import taxonomy
from paylake.contracts.reconciliation import DISCREPANCY
from paylake.contracts.table import MONEY
from paylake.contracts.taxonomy import KINDS, MISSING_IN, Severity, Status
from paylake.contracts.topics import CORE, GATEWAY, LEDGERS, MOBILE
from paylake.reconciliation.rules import Rules

FRAUD_RATIO = 10
"""A spread beyond this many times the smallest amount is fraud (requirements 2.3)."""


def is_complete() -> Column:
    """True where all three legs are there."""
    return _all(F.col(f"{ledger}_amount").isNotNull() for ledger in LEDGERS)


def decide(items: DataFrame, rules: Rules) -> DataFrame:
    """The items with the decision columns; `is_overdue` (boolean) says that an incomplete item's deadline has passed."""
    return (
        items.transform(_with_facts_compared, rules)
        .transform(_with_reasons)
        .transform(_with_kind)
        .transform(_with_risk)
        .transform(_with_discrepancies)
        .withColumn("rule_version", F.lit(rules.version))
    )


def _all(conditions: Iterable[Column]) -> Column:
    return reduce(and_, conditions)


def _any(conditions: Iterable[Column]) -> Column:
    return reduce(or_, conditions)


def _legs(part: str) -> list[Column]:
    return [F.col(f"{ledger}_{part}") for ledger in LEDGERS]


def _differ(part: str) -> Column:
    """True where two ledgers that have a leg say different things."""
    pairs = combinations(_legs(part), 2)
    return F.coalesce(_any(F.coalesce(a != b, F.lit(False)) for a, b in pairs), F.lit(False))


def _with_facts_compared(items: DataFrame, rules: Rules) -> DataFrame:
    """What the legs have in common and how far apart they are."""
    same_currency = ~_differ("currency")
    currency = F.when(same_currency, F.coalesce(*_legs("currency")))
    smallest, largest = F.least(*_legs("amount")), F.greatest(*_legs("amount"))
    reference = F.coalesce(F.col(f"{GATEWAY}_amount"), F.col(f"{CORE}_amount"), F.col(f"{MOBILE}_amount"))
    legs = sum((c.isNotNull().cast("int") for c in _legs("amount")), F.lit(0))
    return (
        items.withColumns({
            "_legs": legs,
            "_is_settled": (legs == len(LEDGERS)) | F.col("is_overdue"),
            "currency": currency,
            "_reference": reference,
            "_smallest": F.when(same_currency, smallest),
            "_largest": F.when(same_currency, largest),
        })
        .withColumns({
            "difference_amount": (F.col("_largest") - F.col("_smallest")).cast(MONEY),
            "_tolerance": rules.tolerance(F.col("currency"), F.col("_reference")),
            "_drift_s": seconds_between(F.least(*_legs("at")), F.greatest(*_legs("at"))),
        })
        .withColumns({
            "_amounts_differ": F.coalesce(F.col("difference_amount") > F.col("_tolerance"), F.lit(False)),
            "_drifts": F.coalesce(F.col("_drift_s") > F.lit(rules.drift_tolerance_s), F.lit(False)),
        })
    )  # fmt: skip


def _with_reasons(items: DataFrame) -> DataFrame:
    """Every reason that holds, in order of precedence; none while the item still waits."""
    over, under = F.col("_largest") - F.col("_reference"), F.col("_reference") - F.col("_smallest")
    tolerance = F.col("_tolerance")
    holds = {
        taxonomy.DUPLICATE_POSTING: _any(F.coalesce(c, F.lit(False)) for c in _legs("is_duplicated")),
        taxonomy.CURRENCY_MISMATCH: _differ("currency"),
        **{MISSING_IN[ledger]: F.col(f"{ledger}_amount").isNull() for ledger in LEDGERS},
        taxonomy.AMOUNT_OVER: F.col("_amounts_differ") & ((over > tolerance) | (over >= under)),
        taxonomy.AMOUNT_UNDER: F.col("_amounts_differ") & ((under > tolerance) | (under > over)),
        taxonomy.STATUS_MISMATCH: _differ("status"),
        taxonomy.DATE_DRIFT: F.col("_drifts"),
    }
    # a flag per reason, since what follows asks for each of them many times
    flags = {f"_holds_{reason}": F.col("_is_settled") & holds[reason] for reason in taxonomy.REASONS}
    return items.withColumns(flags).withColumn(
        "reasons", names.that_hold({reason: _has(reason) for reason in taxonomy.REASONS})
    ).withColumn("reason", F.try_element_at("reasons", F.lit(1)))  # fmt: skip


def _has(reason: str) -> Column:
    return F.col(f"_holds_{reason}")


def _with_kind(items: DataFrame) -> DataFrame:
    """The kind of break, its status, family, severity and owner: the first kind of the taxonomy that applies."""
    amounts_differ = _has(taxonomy.AMOUNT_OVER) | _has(taxonomy.AMOUNT_UNDER)
    ratio = spread_ratio(F.col("_smallest"), F.col("_largest"))
    tolerance = F.col("_tolerance")
    each_differs = _all(F.coalesce(F.abs(a - b) > tolerance, F.lit(False)) for a, b in combinations(_legs("amount"), 2))
    applies = {
        "DUPLICATE_POSTING": _has(taxonomy.DUPLICATE_POSTING),
        "CURRENCY_MISMATCH": _has(taxonomy.CURRENCY_MISMATCH),
        "CRITICAL_MISSING": (F.col("_legs") == 1) & F.col("_is_settled"),
        "MISSING_PG": _has(taxonomy.MISSING_IN_GATEWAY),
        "MISSING_CBS": _has(taxonomy.MISSING_IN_CORE),
        "MISSING_MOBILE": _has(taxonomy.MISSING_IN_MOBILE),
        "FRAUD_ATTEMPT": amounts_differ & (ratio > FRAUD_RATIO),
        "TRIPLE_MISMATCH": amounts_differ & each_differs,
        "AMOUNT_MISMATCH": amounts_differ,
        "STATUS_MISMATCH": _has(taxonomy.STATUS_MISMATCH),
        "TIMESTAMP_DRIFT": _has(taxonomy.DATE_DRIFT),
    }
    kind = reduce(lambda case, k: case.when(applies[k.name], k.name), KINDS, F.when(F.lit(False), F.lit(None)))
    settled = F.when(F.col("_is_settled"), F.lit(Status.MATCHED.value)).otherwise(F.lit(Status.PENDING.value))
    return items.withColumn("kind", kind).withColumns({
        "status": F.coalesce(_of_kind("status"), settled),
        "family": F.when(F.col("kind").isNotNull(), _family()),
        "severity": _of_kind("severity"),
        "owner": _of_kind("owner"),
    })  # fmt: skip


def _of_kind(attribute: str) -> Column:
    """An attribute of the row's kind, looked up in the taxonomy."""
    case = F.when(F.lit(False), F.lit(None).cast("string"))
    for kind in KINDS:
        value = getattr(kind, attribute)
        case = case.when(F.col("kind") == kind.name, F.lit(getattr(value, "value", value)))
    return case


def _family() -> Column:
    case = F.when(F.lit(False), F.lit(None).cast("string"))
    for reason, family in taxonomy.FAMILY_OF_REASON.items():
        case = case.when(F.col("reason") == reason, F.lit(family.value))
    return case


def _with_risk(items: DataFrame) -> DataFrame:
    """A score of 0 to 100 by the ladder of requirements 2.3: the first rung that applies; 0 without a break."""
    ratio = F.when(F.col("_amounts_differ"), spread_ratio(F.col("_smallest"), F.col("_largest")))
    is_broken = F.col("kind").isNotNull()
    ladder: tuple[tuple[Column, int, str, str], ...] = (
        (F.col("kind") == "CRITICAL_MISSING", 95, "DATA_LOSS", "one source only"),
        (_has(taxonomy.MISSING_IN_CORE), 90, "DATA_LOSS", "no core leg"),
        (_has(taxonomy.MISSING_IN_MOBILE), 60, "DATA_LOSS", "no mobile leg"),
        (ratio > FRAUD_RATIO, 100, "FRAUD", "spread above 10"),
        (ratio > 1, 75, "AMOUNT", "spread above 1"),
        (ratio > 0, 40, "SKIMMING", "spread above 0"),
        (_has(taxonomy.STATUS_MISMATCH), 30, "STATUS", "status differs"),
        (_has(taxonomy.DATE_DRIFT) & (F.size("reasons") == 1), 20, "TIMING", "time drift"),
        (is_broken, 50, "OTHER", "any other break"),
    )
    score, risk_class, points = F.when(F.lit(False), 0), F.when(F.lit(False), ""), F.when(F.lit(False), "")
    for condition, value, name, why in ladder:
        score = score.when(is_broken & condition, value)
        risk_class = risk_class.when(is_broken & condition, name)
        points = points.when(is_broken & condition, f"{why}: {value}")
    return items.withColumns({"risk_score": score.otherwise(0), "risk_class": risk_class, "risk_points": points})


def _with_discrepancies(items: DataFrame) -> DataFrame:
    """Each field on which the ledgers disagree, with what each one says (requirements C3)."""
    presence = _has(taxonomy.MISSING_IN_GATEWAY) | _has(taxonomy.MISSING_IN_CORE) | _has(taxonomy.MISSING_IN_MOBILE)
    amounts = _has(taxonomy.AMOUNT_OVER) | _has(taxonomy.AMOUNT_UNDER)
    present = [F.when(c.isNotNull(), "present").otherwise("missing") for c in _legs("amount")]
    duplicated = [F.when(c, "posted more than once") for c in _legs("is_duplicated")]
    fields = (
        ("posting", _has(taxonomy.DUPLICATE_POSTING), duplicated, Severity.HIGH),
        ("currency", _has(taxonomy.CURRENCY_MISMATCH), _legs("currency"), Severity.HIGH),
        ("presence", presence, present, Severity.HIGH),
        ("amount", amounts, _legs("amount"), Severity.HIGH),
        ("status", _has(taxonomy.STATUS_MISMATCH), _legs("status"), Severity.MEDIUM),
        ("timestamp", _has(taxonomy.DATE_DRIFT), _legs("at"), Severity.LOW),
    )
    found = [
        F.when(
            condition,
            F.struct(
                F.lit(name).alias("field"),
                *(v.cast("string").alias(ledger) for v, ledger in zip(values, LEDGERS, strict=True)),
                F.lit(severity.value).alias("severity"),
            ),
        )
        for name, condition, values, severity in fields
    ]
    compact = F.array_compact(F.array(*found))
    none = F.array().cast(f"array<{DISCREPANCY.simpleString()}>")
    return items.withColumn("discrepancies", F.when(F.size("reasons") > 0, compact).otherwise(none))
