"""Each promise of a ledger entry has a row that keeps it and a row that breaks it, and only it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from paylake.contracts import LEDGER_ENTRIES, QUARANTINE
from paylake.contracts.table import FAILED_CHECKS
from paylake.quality import audit, check, findings
from tests.builders import NOON, rows

EXAMPLES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "source_known": (
        [{"source": s} for s in ("gateway", "core", "mobile")],
        [{"source": "Gateway"}, {"source": ""}],
    ),
    "transaction_id_shape": (
        [{"transaction_id": "t"}, {"transaction_id": "t" * 64}],
        [{"transaction_id": ""}, {"transaction_id": "t" * 65}],
    ),
    "amount_positive": (
        [{"amount": Decimal("0.0001")}],
        [{"amount": Decimal(0)}, {"amount": Decimal("-0.0001")}],
    ),
    "amount_plausible": (
        [{"amount": Decimal("999999999999.9999")}],
        [{"amount": Decimal(1_000_000_000_000)}],
    ),
    "currency_known": ([{"currency": "KWD"}], [{"currency": "inr"}, {"currency": "XXX"}, {"currency": ""}]),
    "status_known": ([{"status": "CHARGEBACK"}], [{"status": "success"}, {"status": "FLUX"}]),
    "event_at_plausible": (
        [{"event_at": NOON - timedelta(days=30)}, {"event_at": NOON + timedelta(days=1)}],
        [
            {"event_at": NOON - timedelta(days=30, microseconds=1)},
            {"event_at": NOON + timedelta(days=1, microseconds=1)},
            {"event_at": datetime(1900, 1, 1, tzinfo=UTC)},
        ],
    ),
}
"""Check -> rows that keep it, rows that break it."""


def test_every_declared_check_has_an_example_of_each_side() -> None:
    assert set(EXAMPLES) == {c.name for c in LEDGER_ENTRIES.checks}


def test_a_row_fails_the_check_that_it_breaks_and_no_other(spark: SparkSession) -> None:
    cases = [
        {"offset": 0, "_fails": []},
        *({**row, "_fails": []} for keeps, _ in EXAMPLES.values() for row in keeps),
        *({**row, "_fails": [name]} for name, (_, breaks) in EXAMPLES.items() for row in breaks),
    ]
    overrides = [{**{k: v for k, v in c.items() if k != "_fails"}, "offset": i} for i, c in enumerate(cases)]
    accepted, rejected = check(rows(spark, LEDGER_ENTRIES, *overrides), LEDGER_ENTRIES)
    actual = {r["offset"]: [] for r in accepted.collect()} | {r["offset"]: r[FAILED_CHECKS] for r in rejected.collect()}
    assert actual == {i: c["_fails"] for i, c in enumerate(cases)}


def test_a_column_that_is_null_fails_its_presence_and_each_check_that_reads_it(spark: SparkSession) -> None:
    required = [f.name for f in LEDGER_ENTRIES.fields if not f.nullable]
    nulls = rows(spark, LEDGER_ENTRIES, *({name: None} for name in required))
    _, rejected = check(nulls, LEDGER_ENTRIES)
    by_reason = {r[FAILED_CHECKS][0]: r[FAILED_CHECKS][1:] for r in rejected.collect()}
    assert by_reason == {f"{name}_present": [] for name in required} | {
        "source_present": ["source_known"],
        "transaction_id_present": ["transaction_id_shape"],
        "amount_present": ["amount_positive", "amount_plausible"],
        "currency_present": ["currency_known"],
        "status_present": ["status_known"],
        "event_at_present": ["event_at_plausible"],
        "recorded_at_present": ["event_at_plausible"],
    }


def test_the_audit_counts_what_the_split_rejects(spark: SparkSession) -> None:
    entries = rows(spark, LEDGER_ENTRIES, {}, {"amount": None}, {"amount": Decimal(-1)}, {"currency": "XXX", "status": "y"})
    (audited,) = audit(entries, LEDGER_ENTRIES).collect()
    assert {f.check: f.rows for f in findings(audited, LEDGER_ENTRIES)} == {
        "key_unique": 3,
        "amount_present": 1,
        "amount_positive": 2,
        "amount_plausible": 1,
        "currency_known": 1,
        "status_known": 1,
    }


def test_the_quarantine_takes_whatever_an_entry_could_not_be() -> None:
    assert QUARANTINE.columns == (*LEDGER_ENTRIES.columns, "payload", "payload_bytes", FAILED_CHECKS)
    assert {f.name for f in QUARANTINE.fields if not f.nullable} == {
        "topic", "partition", "offset", "ingest_date", FAILED_CHECKS,
    }  # fmt: skip
