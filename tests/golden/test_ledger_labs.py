"""Three labs of ledgers that nobody here wrote, reconciled by the rule sets that ship; their answer key is never read.

The figures are those of the data's README, with three corrections that the files themselves show: the sums of lab 02 are
the ledger's and the bank's the other way round; of lab 01 a duplicated payment is counted apart from the exact ones; and 42
of the 250 payouts of lab 03 pay for orders of several currencies, which are a break here and never summed.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.matching.rules import read
from paylake.reconcile_command import reconcile, shipped
from tests.conftest import SHARED_DATA

LABS = SHARED_DATA / "ledgers"
pytestmark = pytest.mark.skipif(
    not LABS.is_dir(), reason="the optional reference data (../shared/data/ledgers) are not here"
)

FILES = {
    "ledger_and_acquirer": {
        "ledger": "01-card-acquirer-settlement/ledger-midaz.csv",
        "acquirer": "01-card-acquirer-settlement/acquirer-settlement.json",
        "fees": "01-card-acquirer-settlement/acquirer-fees.csv",
        "disputes": "01-card-acquirer-settlement/chargebacks.csv",
    },
    "ledger_and_bank_statement": {
        "ledger": "02-bank-statement-vs-ledger/midaz-ledger-export.json",
        "bank": "02-bank-statement-vs-ledger/bank-statement.csv",
    },
    "orders_gateway_payouts": {
        "orders": "03-marketplace-payouts/orders.csv",
        "gateway": "03-marketplace-payouts/gateway-transactions.json",
        "payouts": "03-marketplace-payouts/seller-payouts.csv",
    },
}


def run(spark: SparkSession, name: str, paths: Mapping[str, str]) -> tuple[Any, DataFrame]:
    """A shipped rule set over files; the proof must close."""
    outcome, entries = reconcile(spark, read(shipped()[name], name), paths)
    assert outcome.closes
    return outcome, entries


def lab(spark: SparkSession, name: str) -> tuple[Any, DataFrame]:
    return run(spark, name, {source: str(LABS / file) for source, file in FILES[name].items()})


def counts(entries: DataFrame, stage: str, source: str) -> dict[tuple[str, str, bool], int]:
    """How many entries of a source: by status, by tier or reason, and whether the source has its key again."""
    rows = entries.where((F.col("stage") == stage) & (F.col("source") == source))
    grouped = rows.groupBy("status", F.coalesce("reason", "tier").alias("why"), "is_duplicated").count()
    return {(r["status"], r["why"], r["is_duplicated"]): r["count"] for r in grouped.collect() if r["status"] != "EXCLUDED"}


@pytest.mark.slow
def test_lab_01_card_acquirer_settlement(spark: SparkSession) -> None:
    outcome, entries = lab(spark, "ledger_and_acquirer")
    exact, near = "same order and authorisation, same amount", "same order and authorisation, within tolerance"
    assert counts(entries, "sales", "acquirer") == {
        ("MATCHED", exact, False): 752,
        ("MATCHED_WITH_TOLERANCE", near, False): 18,
        ("MATCHED", exact, True): 14,  # with those of the next line: the 15 payments that were settled again
        ("MATCHED_WITH_TOLERANCE", near, True): 1,
        ("BREAK", "DUPLICATE_POSTING", True): 30,
        ("BREAK", "AMOUNT_OVER", False): 15,
        ("BREAK", "MISSING_IN_LEDGER", False): 170,
    }
    assert counts(entries, "sales", "ledger")["BREAK", "MISSING_IN_ACQUIRER", False] == 140
    assert counts(entries, "fees", "acquirer")["BREAK", "FEE_VARIANCE", False] == 20
    matched = counts(entries, "chargebacks", "ledger")
    assert sum(matched.values()) == 60
    assert {status for status, _, _ in matched} == {"MATCHED"}
    assert outcome.identities == (("acquirer", "gross less fee is net", 1000, 1000),)
    assert total(entries, "sales", "acquirer") == Decimal("937672.83")
    assert total(entries, "fees", "acquirer") == Decimal("27844.99")
    assert total(entries, "chargebacks", "disputes") == Decimal("-484795.29")


def total(entries: DataFrame, stage: str, source: str) -> Decimal:
    """The README's control sum of a file, over whatever currencies it holds: for comparison with it only."""
    rows = entries.where((F.col("stage") == stage) & (F.col("source") == source))
    return Decimal(rows.agg(F.sum("amount")).collect()[0][0])


@pytest.mark.thorough
@pytest.mark.slow
def test_lab_02_bank_statement(spark: SparkSession, tmp_path: Path) -> None:
    _, entries = lab(spark, "ledger_and_bank_statement")
    exact, near = "same end-to-end id, same amount", "same end-to-end id, within tolerance"
    bank = counts(entries, "payments", "bank")
    assert {
        (status, why): sum(n for (s, w, _), n in bank.items() if (s, w) == (status, why)) for status, why, _ in bank
    } == {
        ("MATCHED", exact): 722,
        ("MATCHED_WITH_TOLERANCE", near): 18,
        ("MATCHED", "same reference, same amount"): 9,
        ("BREAK", "AMOUNT_OVER"): 11,
        ("BREAK", "DUPLICATE_POSTING"): 30,
        ("BREAK", "MISSING_IN_LEDGER"): 210,
    }
    assert counts(entries, "payments", "ledger")["BREAK", "MISSING_IN_BANK", False] == 240
    assert total(entries, "payments", "ledger") == Decimal("473118.46")
    assert total(entries, "payments", "bank") == Decimal("455037.16")

    # without the answer key, and in another order of rows
    _, blind = run(spark, "ledger_and_bank_statement", without_scenario(FILES["ledger_and_bank_statement"], tmp_path))
    assert sorted(map(str, blind.collect())) == sorted(map(str, entries.collect()))


def without_scenario(paths: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Copies of the files without the `scenario` column, their rows the other way round."""
    copies = {}
    for source, file in paths.items():
        text, copy = (LABS / file).read_text(encoding="utf-8"), folder / f"{source}.csv"
        rows = json.loads(text) if file.endswith(".json") else [*csv.DictReader(text.splitlines())]
        columns = [name for name in rows[0] if name != "scenario"]
        with copy.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(reversed(rows))
        copies[source] = str(copy)
    return copies


@pytest.mark.slow
def test_lab_03_marketplace_payouts(spark: SparkSession) -> None:
    outcome, entries = lab(spark, "orders_gateway_payouts")
    batch = "the transactions that the payout names"
    assert counts(entries, "payouts", "payouts") == {
        ("MATCHED", batch, False): 186,
        ("MATCHED_WITH_TOLERANCE", batch, False): 14,
        (
            "BREAK",
            "CURRENCY_MISMATCH",
            False,
        ): 42,  # with the two lines above, and 8 short ones: 250 payouts for three orders
        ("PARTIAL", "PARTIAL", False): 100,
        ("BREAK", "PAYOUT_SHORT", False): 78,  # 8 of three orders, and the 70 that were lessened by refunds
        ("BREAK", "ORPHAN_PAYOUT", False): 580,
    }
    short = entries.where("stage = 'payouts' AND source = 'gateway' AND reason = 'PAYOUT_SHORT'").groupBy("match_id").count()
    assert {r["count"]: r["n"] for r in short.groupBy("count").agg(F.count("*").alias("n")).collect()} == {3: 8, 1: 70}
    assert outcome.identities == (("gateway", "gross less fee is net", 1000, 1000),)
    assert total(entries, "sales", "orders") == Decimal("1094544.35")
    assert total(entries, "payouts", "gateway") == Decimal("1061789.66")
    assert total(entries, "payouts", "payouts") == Decimal("1172320.09")
