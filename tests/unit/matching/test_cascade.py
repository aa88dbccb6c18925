"""The cascade on literal entries: who is matched with whom, in which tier, and why the rest is open."""

from __future__ import annotations

import hashlib
import random
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.unit.matching.harness import frames, proof, rules, run, told

LEDGER_AND_BANK = rules("""
name: ledger and bank
version: 1
sources:
  ledger: &source
    {id: id, amount: amount, currency: currency, date: day, keys: {e2e: e2e, reference: reference, merchant: merchant}}
  bank: *source
stages:
  - name: payments
    sources: [ledger, bank]
    tiers:
      - {name: exact, rule: exact, by: e2e}
      - {name: near, rule: tolerance, by: e2e, minor_units: 5}
      - {name: reference, rule: exact, by: reference, within_days: 3}
      - {name: similar, rule: similar, by: reference, within_days: 3}
      - {name: subset, rule: subset, by: merchant, one: bank, within_days: 3}
""")
COLUMNS = "id amount currency day e2e reference merchant"

Entry = tuple[str | None, ...]


def entry(
    name: str, amount: str, currency: str = "EUR", day: str = "2026-03-01", e2e: str | None = None,
    reference: str | None = None, merchant: str | None = None,
) -> Entry:  # fmt: skip
    """A row as a CSV gives it: texts, in the order of the columns."""
    return (name, amount, currency, day, e2e, reference, merchant)


CASES: dict[str, dict[str, list[Entry]]] = {
    "ledger": {
        "equal": [entry("l1", "10.00", e2e="E1")],
        "five cents": [entry("l2", "10.00", e2e="E2")],
        "six cents": [entry("l3", "10.00", e2e="E3")],
        "other currency": [entry("l4", "10.00", e2e="E4")],
        "booked twice": [entry("l5", "10.00", e2e="E5")],
        "twice on both sides": [entry("l6a", "10.00", e2e="E6"), entry("l6b", "20.00", e2e="E6")],
        "two ways": [entry("l7a", "10.00", e2e="E7"), entry("l7b", "10.04", e2e="E7")],
        "by reference": [entry("l8", "10.00", e2e=" ", reference="R8")],
        "reference, too late": [entry("l9", "10.00", reference="R9")],
        "nobody": [entry("l10", "10.00", e2e="E10", reference="R10")],
        "amount and date alone": [entry("l11", "77.00")],
        "dinar": [entry("l12", "1.001", currency="KWD", e2e="E12")],
        "yen": [entry("l13", "100", currency="JPY", e2e="E13")],
        "damaged reference": [entry("l14", "55.00", reference="INVOICE 2026-000414")],
        "three for one": [
            entry("l15a", "1.10", e2e="E15a", merchant="M1"),
            entry("l15b", "2.20", day="2026-03-02", e2e="E15b", merchant="M1"),
            entry("l15c", "3.30", day="2026-03-02", e2e="E15c", merchant="M1"),
            entry("l15d", "9.00", day="2026-03-02", e2e="E15d", merchant="M1"),
        ],
        "two sets for one": [
            entry("l16a", "5.00", e2e="E16a", merchant="M2"),
            entry("l16b", "5.00", e2e="E16b", merchant="M2"),
            entry("l16c", "5.00", e2e="E16c", merchant="M2"),
        ],
        "zero and negative": [entry("l17", "-4.00", e2e="E17")],
        "unreadable": [
            entry("l18", "1,000.00", e2e="E18"),
            entry("l19", "1.00", currency="EURO", e2e="E19"),
            entry("l20", "1.00", day="01/03/2026", e2e="E20"),
            entry("l21", "1.00", e2e="E21"),
            entry("l21", "2.00", e2e="E21"),
        ],
    },
    "bank": {
        "equal": [entry("b1", "10.00", e2e="E1")],
        "five cents": [entry("b2", "9.95", e2e="E2")],
        "six cents": [entry("b3", "10.06", e2e="E3")],
        "other currency": [entry("b4", "10.00", currency="USD", e2e="E4")],
        "booked twice": [entry("b5a", "10.00", e2e="E5"), entry("b5b", "10.00", day="2026-03-02", e2e="E5")],
        "twice on both sides": [entry("b6a", "20.00", e2e="E6"), entry("b6b", "10.00", e2e="E6")],
        "two ways": [entry("b7a", "10.02", e2e="E7"), entry("b7b", "10.06", e2e="E7")],
        "by reference": [entry("b8", "10.00", day="2026-03-03", reference="R8")],
        "reference, too late": [entry("b9", "10.00", day="2026-03-05", reference="R9")],
        "nobody": [entry("b10", "10.00", e2e="E99", reference="R99")],
        "amount and date alone": [entry("b11", "77.00")],
        "dinar": [entry("b12", "1.007", currency="KWD", e2e="E12")],
        "yen": [entry("b13", "105", currency="JPY", e2e="E13")],
        "damaged reference": [entry("b14", "55.00", day="2026-03-02", reference="INVOICE 2026-0OO414")],
        "three for one": [entry("b15", "6.60", day="2026-03-02", merchant="M1")],
        "two sets for one": [entry("b16", "10.00", day="2026-03-02", merchant="M2")],
        "zero and negative": [entry("b17", "-4.00", e2e="E17")],
        "unreadable": [],
    },
}

EXPECTED = {
    "ledger:l1": "MATCHED exact with bank:b1",
    "bank:b1": "MATCHED exact with ledger:l1",
    "ledger:l2": "MATCHED_WITH_TOLERANCE near with bank:b2 -0.05",
    "bank:b2": "MATCHED_WITH_TOLERANCE near with ledger:l2 -0.05",
    "ledger:l3": "BREAK AMOUNT_OVER with bank:b3 0.06",
    "bank:b3": "BREAK AMOUNT_OVER with ledger:l3 0.06",
    "ledger:l4": "BREAK CURRENCY_MISMATCH with bank:b4",
    "bank:b4": "BREAK CURRENCY_MISMATCH with ledger:l4",
    "ledger:l5": "MATCHED exact with bank:b5a",
    "bank:b5a": "MATCHED exact with ledger:l5",
    "bank:b5b": "BREAK DUPLICATE_POSTING",
    "ledger:l6a": "MATCHED exact with bank:b6b",
    "ledger:l6b": "MATCHED exact with bank:b6a",
    "bank:b6a": "MATCHED exact with ledger:l6b",
    "bank:b6b": "MATCHED exact with ledger:l6a",
    "ledger:l7a": "BREAK AMBIGUOUS_MATCH with bank:b7a bank:b7b ledger:l7b",
    "ledger:l7b": "BREAK AMBIGUOUS_MATCH with bank:b7a bank:b7b ledger:l7a",
    "bank:b7a": "BREAK AMBIGUOUS_MATCH with bank:b7b ledger:l7a ledger:l7b",
    "bank:b7b": "BREAK AMBIGUOUS_MATCH with bank:b7a ledger:l7a ledger:l7b",
    "ledger:l8": "MATCHED reference with bank:b8",
    "bank:b8": "MATCHED reference with ledger:l8",
    "ledger:l9": "BREAK DATE_DRIFT with bank:b9",
    "bank:b9": "BREAK DATE_DRIFT with ledger:l9",
    "ledger:l10": "BREAK MISSING_IN_BANK",
    "bank:b10": "BREAK MISSING_IN_LEDGER",
    "ledger:l11": "BREAK MISSING_IN_BANK",
    "bank:b11": "BREAK MISSING_IN_LEDGER",
    "ledger:l12": "BREAK AMOUNT_OVER with bank:b12 0.006",
    "bank:b12": "BREAK AMOUNT_OVER with ledger:l12 0.006",
    "ledger:l13": "MATCHED_WITH_TOLERANCE near with bank:b13 5",
    "bank:b13": "MATCHED_WITH_TOLERANCE near with ledger:l13 5",
    "ledger:l14": "SUGGESTED MISSING_IN_BANK with bank:b14",
    "bank:b14": "SUGGESTED MISSING_IN_LEDGER with ledger:l14",
    "ledger:l15a": "SUGGESTED MISSING_IN_BANK with bank:b15 ledger:l15b ledger:l15c",
    "ledger:l15b": "SUGGESTED MISSING_IN_BANK with bank:b15 ledger:l15a ledger:l15c",
    "ledger:l15c": "SUGGESTED MISSING_IN_BANK with bank:b15 ledger:l15a ledger:l15b",
    "ledger:l15d": "BREAK MISSING_IN_BANK",
    "bank:b15": "SUGGESTED MISSING_IN_LEDGER with ledger:l15a ledger:l15b ledger:l15c",
    "ledger:l16a": "BREAK MISSING_IN_BANK",
    "ledger:l16b": "BREAK MISSING_IN_BANK",
    "ledger:l16c": "BREAK MISSING_IN_BANK",
    "bank:b16": "BREAK MISSING_IN_LEDGER",
    "ledger:l17": "MATCHED exact with bank:b17",
    "bank:b17": "MATCHED exact with ledger:l17",
    "ledger:l18": "REJECTED SCHEMA_INVALID",
    "ledger:l19": "REJECTED SCHEMA_INVALID",
    "ledger:l20": "REJECTED SCHEMA_INVALID",
    "ledger:l21": "BREAK MISSING_IN_BANK",
    "ledger:l21#2": "REJECTED SCHEMA_INVALID",
}


def test_each_entry_meets_its_own_or_says_why_not(spark: SparkSession) -> None:
    rows = {source: [row for case in cases.values() for row in case] for source, cases in CASES.items()}
    entries, reconciled = run(LEDGER_AND_BANK, frames(spark, COLUMNS, rows))
    assert told(reconciled) == EXPECTED
    assert proof(entries, reconciled) == []


PAYOUT_RULES = """
name: payouts
version: 1
sources:
  payouts: {id: id, amount: amount, currency: currency, date: day, keys: {sale: "split(sales, '[|]')"}}
  sales: {id: id, amount: amount, currency: currency, date: day, keys: {sale: id}}
stages:
  - name: payouts
    sources: [payouts, sales]
    missing: {payouts: ORPHAN_PAYOUT}
    tiers:
      - name: batch
        rule: sum
        by: sale
        one: payouts
        line: cast(amount AS DECIMAL(24, 6)) - 0.30
        minor_units: 2
        outcomes: [{reason: PARTIAL, when: paid = 0.5 * expected}]
"""
PAYOUTS = rules(PAYOUT_RULES)
BY_SALE = rules(PAYOUT_RULES.replace("{sale: id}", "{sale: sales}"))


def test_a_payout_meets_its_lines_net_of_fees(spark: SparkSession) -> None:
    def sale(name: str, amount: str, currency: str = "EUR") -> Entry:
        return (name, amount, currency, "2026-03-01", None)

    sales = [
        sale("s1", "10.30"),
        sale("s2", "20.30"),
        sale("s3", "10.30"),
        sale("s4", "10.32"),
        sale("s5", "8.30"),
        sale("s6", "10.30"),
        sale("s7", "10.30", "USD"),
        sale("s8", "10.30"),
        sale("s9", "10.30"),
        sale("s10", "1.00"),
    ]

    def payout(name: str, amount: str, of: str | None) -> Entry:
        return (name, amount, "EUR", "2026-03-03", of)

    paid = [
        payout("ties", "30.00", "s1|s2"),
        payout("near", "10.00", "s4"),
        payout("half", "4.00", "s5"),
        payout("short", "9.00", "s3"),
        payout("mixed", "20.00", "s6|s7"),
        payout("lines lost", "30.00", "s8|s99"),
        payout("orphan", "5.00", "s77"),
        payout("over", "11.00", "s9"),
        payout("names nothing", "5.00", None),
    ]
    given = frames(spark, "id amount currency day sales", {"payouts": paid, "sales": sales})
    entries, reconciled = run(PAYOUTS, given)
    assert {name: said for name, said in told(reconciled).items() if name.startswith("payouts")} == {
        "payouts:ties": "MATCHED batch with sales:s1 sales:s2",
        "payouts:near": "MATCHED_WITH_TOLERANCE batch with sales:s4 0.02",
        "payouts:half": "PARTIAL PARTIAL with sales:s5 4",
        "payouts:short": "BREAK PAYOUT_SHORT with sales:s3 1",
        "payouts:mixed": "BREAK CURRENCY_MISMATCH with sales:s6 sales:s7",
        "payouts:lines lost": "BREAK BATCH_INCOMPLETE with sales:s8 -20",
        "payouts:orphan": "BREAK ORPHAN_PAYOUT",
        "payouts:over": "BREAK PAYOUT_OVER with sales:s9 -1",
        "payouts:names nothing": "BREAK ORPHAN_PAYOUT",
    }
    assert told(reconciled)["sales:s10"] == "BREAK MISSING_IN_PAYOUTS"
    assert proof(entries, reconciled) == []


def test_a_line_that_two_payouts_claim_is_nobodys(spark: SparkSession) -> None:
    sales = [(f"s{n}", "10.30", "EUR", "2026-03-01", None) for n in (1, 2, 3)]
    paid = [("p1", "20.00", "EUR", "2026-03-03", "s1|s2"), ("p2", "20.00", "EUR", "2026-03-03", "s2|s3")]
    entries, reconciled = run(PAYOUTS, frames(spark, "id amount currency day sales", {"payouts": paid, "sales": sales}))
    assert set(told(reconciled).values()) == {"BREAK AMBIGUOUS_MATCH"}
    assert proof(entries, reconciled) == []


def test_a_payout_in_parts_ties_out_and_a_repeated_one_is_a_duplicate(spark: SparkSession) -> None:
    sales = [(f"l{n}", "10.30", "EUR", "2026-03-01", f"s{n}") for n in (1, 2, 3, 4, 7)]
    sales += [("l2 again", "10.30", "EUR", "2026-03-02", "s2"), ("l7 again", "10.30", "EUR", "2026-03-02", "s7")]
    paid = [
        ("p1", "12.00", "EUR", "2026-03-03", "s1|s2"), ("p2", "8.00", "EUR", "2026-03-05", "s2|s1"),
        ("p3", "10.00", "EUR", "2026-03-03", "s3"), ("p4", "10.00", "EUR", "2026-03-04", "s3"),
        ("p5", "3.00", "EUR", "2026-03-03", "s4"), ("p6", "4.00", "EUR", "2026-03-04", "s4"),
        ("p7", "20.00", "EUR", "2026-03-03", "s7|s99"),
    ]  # fmt: skip
    given = frames(spark, "id amount currency day sales", {"payouts": paid, "sales": sales})
    entries, reconciled = run(BY_SALE, given)
    found = told(reconciled)
    assert {name: said for name, said in found.items() if name.startswith("payouts")} == {
        "payouts:p1": "MATCHED batch with payouts:p2 sales:l1 sales:l2",
        "payouts:p2": "MATCHED batch with payouts:p1 sales:l1 sales:l2",
        "payouts:p3": "MATCHED batch with sales:l3",
        "payouts:p4": "BREAK DUPLICATE_POSTING",
        "payouts:p5": "BREAK AMBIGUOUS_MATCH",
        "payouts:p6": "BREAK AMBIGUOUS_MATCH",
        # a sale that is booked twice stands for no other sale
        "payouts:p7": "BREAK BATCH_INCOMPLETE with sales:l7 -10",
    }
    assert (found["sales:l2 again"], found["sales:l7 again"]) == ("BREAK DUPLICATE_POSTING", "BREAK DUPLICATE_POSTING")
    assert proof(entries, reconciled) == []


PARTS = rules("""
name: parts
version: 1
sources:
  ledger: &source {id: id, amount: amount, currency: currency, date: day, keys: {key: key}}
  bank: *source
stages:
  - name: payments
    sources: [ledger, bank]
    tiers:
      - {name: exact, rule: exact, by: key}
      - {name: parts, rule: sum, by: key, one: ledger, must_tie: true}
""")


def test_a_sum_that_must_tie_leaves_everything_else_to_the_tiers_after_it(spark: SparkSession) -> None:
    def entry(name: str, amount: str, key: str, currency: str = "EUR") -> Entry:
        return (name, amount, currency, "2026-03-01", key)

    ledger = [entry("l1", "10.00", "a"), entry("l2", "10.00", "b"), entry("l3", "10.00", "c"), entry("l4", "10.00", "d")]
    ledger += [entry("l5", "10.00", "e"), entry("l6", "20.00", "e")]
    bank = [
        entry("b1", "6.00", "a"), entry("b2", "4.00", "a"), entry("b3", "9.00", "b"),
        entry("b4", "10.00", "c"), entry("b5", "10.00", "c"), entry("b6", "6.00", "d"), entry("b7", "4.00", "d", "USD"),
        entry("b8", "11.00", "e"), entry("b9", "19.00", "e"),
    ]  # fmt: skip
    given = frames(spark, "id amount currency day key", {"ledger": ledger, "bank": bank})
    entries, reconciled = run(PARTS, given)
    assert {name: said for name, said in told(reconciled).items() if name.startswith("ledger") or "b5" in name} == {
        "ledger:l1": "MATCHED parts with bank:b1 bank:b2",
        "ledger:l2": "BREAK AMOUNT_UNDER with bank:b3 -1",
        "ledger:l3": "MATCHED exact with bank:b4",
        "bank:b5": "BREAK DUPLICATE_POSTING",
        "ledger:l4": "BREAK AMOUNT_UNDER with bank:b6 -4",
        **{f"ledger:{a}": f"BREAK AMBIGUOUS_MATCH with bank:b8 bank:b9 ledger:{b}" for a, b in (("l5", "l6"), ("l6", "l5"))},
    }
    assert proof(entries, reconciled) == []


THREE = rules("""
name: three ledgers
version: 1
sources:
  gateway: &source {id: id, amount: amount, currency: currency, date: day, keys: {id: id}}
  core: *source
  mobile: *source
stages:
  - name: payments
    sources: [gateway, core, mobile]
    tiers:
      - {name: exact, rule: exact, by: id}
      - {name: near, rule: tolerance, by: id, minor_units: 1}
""")


def test_three_ledgers_meet_at_once(spark: SparkSession) -> None:
    def leg(name: str, amount: str) -> Entry:
        return (name, amount, "INR", "2026-03-01")

    given = frames(
        spark,
        "id amount currency day",
        {
            "gateway": [
                leg("all", "5.00"),
                leg("near", "5.00"),
                leg("two", "5.00"),
                leg("apart", "5.00"),
                leg("alone", "5.00"),
            ],
            "core": [leg("all", "5.00"), leg("near", "5.01"), leg("two", "5.00"), leg("apart", "9.00")],
            "mobile": [leg("all", "5.00"), leg("near", "5.01"), leg("apart", "5.00"), leg("mine", "1.00")],
        },
    )
    entries, reconciled = run(THREE, given)
    said = told(reconciled)
    assert {name: said[name] for name in said if name.startswith("gateway") or name.endswith("mine")} == {
        "gateway:all": "MATCHED exact with core:all mobile:all",
        "gateway:near": "MATCHED_WITH_TOLERANCE near with core:near mobile:near 0.01",
        "gateway:two": "BREAK MISSING_IN_MOBILE with core:two",
        "gateway:apart": "BREAK AMOUNT_OVER with core:apart mobile:apart 4",
        "gateway:alone": "BREAK MISSING_IN_CORE MISSING_IN_MOBILE",
        "mobile:mine": "BREAK MISSING_IN_GATEWAY MISSING_IN_CORE",
    }
    assert proof(entries, reconciled) == []


TIMES = rules("""
name: times
version: 1
sources:
  ledger: {id: id, amount: amount, currency: currency, date: day, keys: {id: id}, timezone: Europe/Berlin, cut_off: "17:00"}
  bank: {id: id, amount: amount, currency: currency, date: day, keys: {id: id}, date_format: dd.MM.yyyy}
stages:
  - name: payments
    sources: [ledger, bank]
    tiers:
      - {name: exact, rule: exact, by: id, within_days: 0}
      - {name: share, rule: tolerance, by: id, percent: 10, base: smallest}
""")


def test_a_day_ends_at_the_sources_cut_off_in_its_own_zone(spark: SparkSession) -> None:
    times = {
        "before": ("2026-03-28T16:59:59+01:00", "28.03.2026"),
        "at": ("2026-03-28T16:00:00Z", "29.03.2026"),  # 17:00 in Berlin
        "summer": ("2026-03-29T15:00:00Z", "30.03.2026"),  # 17:00 in Berlin, where the clock went forward that night
        "its own": ("2026-03-29 16:59:59", "29.03.2026"),
        "month end": ("2026-03-31T17:00:00+02:00", "01.04.2026"),
        "leap day": ("2028-02-28T17:00:00+01:00", "29.02.2028"),
        "a date": ("2026-03-31", "31.03.2026"),
    }
    given = frames(spark, "id amount currency day", {
        "ledger": [("share", "100.00", "EUR", "2026-03-01"), *((n, "1.00", "EUR", day) for n, (day, _) in times.items())],
        "bank": [("share", "110.50", "EUR", "01.03.2026"), *((n, "1.00", "EUR", day) for n, (_, day) in times.items())],
    })  # fmt: skip
    entries, reconciled = run(TIMES, given)
    assert {name: said for name, said in told(reconciled).items() if name.startswith("ledger")} == {
        **{f"ledger:{name}": f"MATCHED exact with bank:{name}" for name in times},
        # 10 % of the smaller one are 10.00: too far apart, though not by 10 % of the larger one
        "ledger:share": "BREAK AMOUNT_OVER with bank:share 10.5",
    }
    assert proof(entries, reconciled) == []


def generated(seed: int, entries: int) -> dict[str, list[Entry]]:
    """Entries that share keys, amounts and references far more often than real ones."""
    numbers = random.Random(seed)

    def one(source: str, n: int) -> Entry:
        amount = f"{numbers.choice((5, 10, 10, 20))}.{numbers.choice(('00', '00', '02', '04', '07'))}"
        return (
            f"{source}{n}", amount, numbers.choice(("EUR", "EUR", "EUR", "JPY")), f"2026-03-{numbers.randint(1, 9):02}",
            numbers.choice((None, *(f"E{k}" for k in range(entries // 3)))), f"R{numbers.randint(0, entries // 2)}",
            numbers.choice(("M1", "M2", None)),
        )  # fmt: skip

    return {source: [one(source, n) for n in range(entries)] for source in ("ledger", "bank")}


@pytest.mark.slow
def test_no_entry_is_used_twice_and_no_order_matters(spark: SparkSession) -> None:
    rows, kept, hashes = generated(3, 240), spark.conf.get("spark.sql.shuffle.partitions"), set()
    try:
        for shuffle, partitions in ((1, 1), (2, 7), (3, 200)):
            spark.conf.set("spark.sql.shuffle.partitions", str(partitions))
            given = frames(spark, COLUMNS, rows, shuffle, min(partitions, 7))
            entries, reconciled = run(LEDGER_AND_BANK, given)
            found = sorted(map(tuple, reconciled.collect()), key=repr)
            hashes.add(hashlib.sha256(repr(found).encode()).hexdigest())
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", str(kept))
    assert len(hashes) == 1
    assert proof(entries, reconciled) == []
    grouped: dict[str, list[Any]] = {}
    for row in reconciled.where("status IN ('MATCHED', 'MATCHED_WITH_TOLERANCE')").collect():
        grouped.setdefault(row["match_id"], []).append(row)
    assert len(grouped) > 30
    for members in grouped.values():
        assert sorted(row["source"] for row in members) == ["bank", "ledger"]
        assert len({row["currency"] for row in members}) == 1
        amounts = [row["amount"] for row in members]
        assert max(amounts) - min(amounts) <= (5 if members[0]["currency"] == "JPY" else Decimal("0.05"))
