"""What drivers do for their own tables: the customers who asked for it are taken out of them, and their state stays."""

from __future__ import annotations

import logging
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from paylake import claims, maintain_erasure, storage, tables
from paylake.contracts import (
    BREAKS,
    FRAUD_PARTIAL,
    FRAUD_PROFILES,
    FRAUD_QUARANTINE,
    LABELS,
    LEDGER_ENTRIES,
    OPEN_ITEMS,
    QUARANTINE,
    RECONCILIATION_PARTIAL,
)
from paylake.maintain import maintain
from paylake.stream_upkeep import StreamUpkeep
from tests.builders import rows
from tests.jobs.test_maintain_tables import AS_OF, ASHA, BEN, REQUEST, fill, grow_old, names_somebody

TODAY = date(2026, 4, 10)
LEDGERS = (LEDGER_ENTRIES, QUARANTINE, RECONCILIATION_PARTIAL)
SCORES = (FRAUD_PARTIAL, LABELS, FRAUD_QUARANTINE)
STATE = {"batch": 7, "ends": {"pg": {"0": 12}}}


def people(spark: SparkSession, lake: str) -> dict[str, list[str]]:
    """Table -> the customers in it."""
    named = {c.name: "user_id" for c in (*LEDGERS, OPEN_ITEMS, FRAUD_PARTIAL, LABELS)}
    named |= {FRAUD_QUARANTINE.name: "payload", FRAUD_PROFILES.name: "key"}
    found = {}
    for contract in (*LEDGERS, OPEN_ITEMS, *SCORES, FRAUD_PROFILES):
        column = named[contract.name]
        found[contract.name] = sorted(str(r[0]) for r in tables.read(spark, lake, contract).select(column).collect())
    return found


@pytest.mark.slow
def test_drivers_erase_from_their_own_tables_and_after_seven_days_no_byte_is_left(
    spark: SparkSession, lake: str, caplog: pytest.LogCaptureFixture
) -> None:
    paid = {"amount": Decimal("12.50"), "currency": "INR", "card_token": "tok-1"}
    fill(spark, lake, LEDGER_ENTRIES, {"offset": 1, "user_id": ASHA, **paid}, {"offset": 2, "user_id": BEN, **paid})
    fill(spark, lake, QUARANTINE, {"offset": 3, "user_id": ASHA, "payload": f'{{"user_id":"{ASHA}"}}'}, {"user_id": BEN})
    fill(spark, lake, RECONCILIATION_PARTIAL, {"user_id": ASHA}, {"user_id": BEN})
    fill(spark, lake, FRAUD_PARTIAL, {"user_id": ASHA, "card_token": "tok-1"}, {"user_id": BEN})
    fill(spark, lake, LABELS, {"user_id": ASHA}, {"user_id": BEN})
    fill(spark, lake, FRAUD_QUARANTINE, {"payload": f'{{"user_id":"{ASHA}"}}'}, {"payload": BEN})
    tables.create(spark, lake, OPEN_ITEMS, FRAUD_PROFILES, BREAKS)
    tables.overwrite(rows(spark, OPEN_ITEMS, {"user_id": ASHA}, {"user_id": BEN}), lake, OPEN_ITEMS, STATE)
    sums = rows(
        spark, FRAUD_PROFILES, *({"role": r, "key": k} for r, k in (("USER", ASHA), ("USER", BEN), ("MERCHANT", "m")))
    )
    tables.overwrite(sums, lake, FRAUD_PROFILES, {"through": "2026-04-06"})
    maintain_erasure.ask(spark, lake, REQUEST)
    drivers = (StreamUpkeep(spark, lake, LEDGERS, OPEN_ITEMS), StreamUpkeep(spark, lake, SCORES, FRAUD_PROFILES))
    before = maintain_erasure.totals(spark, lake, LEDGER_ENTRIES)
    for driver in drivers:
        driver.between_batches(TODAY)
    both = sorted([BEN, REQUEST.token])
    assert people(spark, lake) == {
        **dict.fromkeys(("ledger_entries", "quarantine", "reconciliation_partial", "open_items"), both),
        "fraud_partial": both, "labels": both, "fraud_quarantine": [BEN], "fraud_profiles": [BEN, "m"],
    }  # fmt: skip
    assert maintain_erasure.totals(spark, lake, LEDGER_ENTRIES) == before
    cards = {r["user_id"]: r["card_token"] for r in tables.read(spark, lake, LEDGER_ENTRIES).collect()}
    assert cards == {REQUEST.token: None, BEN: "tok-1"}
    assert "; waits for the drivers of" in maintain(spark, lake, AS_OF)[-1]
    grow_old(spark, lake, days=8)
    with caplog.at_level(logging.INFO):
        for driver in drivers:
            driver.between_batches(date(2026, 4, 18))
    assert "erased" not in caplog.text, "a second time nothing of them is found"
    assert names_somebody(lake, ASHA) == [f"acts/erasures/{REQUEST.request_id}.json"]
    assert tables.last_commit(spark, lake, OPEN_ITEMS).metadata == STATE
    assert tables.last_commit(spark, lake, FRAUD_PROFILES).metadata == {"through": "2026-04-06"}
    assert maintain(spark, lake, AS_OF)[-1].endswith("nothing of the customer is left in the lake, and the request is gone.")
    assert names_somebody(lake, ASHA) == []


def test_a_request_that_cannot_be_read_is_told_and_stops_no_stream(
    spark: SparkSession, lake: str, caplog: pytest.LogCaptureFixture
) -> None:
    fill(spark, lake, LABELS, {"user_id": ASHA})
    storage.create_once(spark, f"{Path(lake).absolute()}/acts/erasures/{'cd' * 16}.json", '{"subject": 1}')
    with caplog.at_level(logging.WARNING):
        StreamUpkeep(spark, lake, (), LABELS).between_batches(TODAY)
    assert "A request of erasure is not written as paylake writes it" in caplog.text
    assert [r["user_id"] for r in tables.read(spark, lake, LABELS).collect()] == [ASHA]


@pytest.mark.slow
def test_a_stream_that_was_idle_for_long_starts_often_and_forgets_nothing(spark: SparkSession, lake: str) -> None:
    tables.create(spark, lake, OPEN_ITEMS)
    place = tables.location(lake, OPEN_ITEMS)
    spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES ('delta.checkpointInterval' = '2')")
    tables.overwrite(rows(spark, OPEN_ITEMS, {"user_id": BEN}), lake, OPEN_ITEMS, STATE)
    for start in range(4):
        grow_old(spark, lake, days=3)
        claims.claim(spark, lake, OPEN_ITEMS, f"start {start}", "here")
    assert not Path(f"{place}/_delta_log/{2:020d}.json").exists()
    assert tables.last_commit(spark, lake, OPEN_ITEMS).metadata == STATE
