"""Test rows, derived from the contracts: a test names only the columns that it is about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from paylake.contracts import (
    BUSINESS_DAYS,
    FRAUD_PARTIAL,
    FRAUD_SIGNALS,
    LABELS,
    LOCATIONS,
    MERCHANTS,
    OPERATIONS_RECONCILE_LEDGERS,
    PAYOUTS,
    POLICIES,
    RECONCILIATION_INDEX,
    SETTLEMENT_LINES,
    STATEMENT_LINES,
    STATEMENTS,
    USERS,
)
from paylake.contracts.table import FAILED_CHECKS, Field, TableContract
from paylake.contracts.topics import LEDGERS, PG_TRANSACTIONS
from paylake.indexes.fraud_index import first_scores, signals_once, standing_labels
from paylake.indexes.payments import Sources, payments

NOON = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
"""When everything happens, unless a test says otherwise."""
TODAY = NOON.date()

BY_TYPE: dict[type[DataType], Any] = {
    StringType: "x",
    IntegerType: 1,
    LongType: 1,
    DoubleType: 1.0,
    BooleanType: False,
    DateType: NOON.date(),
    TimestampType: NOON,
    DecimalType: Decimal("100.0000"),
    ArrayType: [],
}

BY_NAME: dict[str, Any] = {
    "topic": PG_TRANSACTIONS,
    "source": "gateway",
    "described_by": "gateway",
    "transaction_id": "t1",
    "user_id": "u1",
    "merchant_id": "m1",
    "currency": "INR",
    "status": "PENDING",
    "state": "OPEN",
    "finality": "final",
    "outcome": "closed",
    "rail": "INDIA",
    "entry": "ACT",
    "act": "propose",
    "hash": "0" * 64,
    "previous_hash": "0" * 64,
    "row_kind": "PROOF",
    "risk_score": 0,
    "gateway_amount": Decimal("100.0000"),
    FAILED_CHECKS: ["amount_positive"],
}
"""What a required column says where its type's default would break the contract's checks."""

BY_TABLE: dict[str, dict[str, Any]] = {
    "ledger_entries": {"status": "SUCCESS"},
    "fraud_review_queue": {"anomaly_type": "suspicious", "anomaly_score": Decimal("0.500000")},
    "statement_files": {"state": "POSTED"},
    "statements": {"proof": "PROVED"},
    "statement_lines": {"status": "BOOKED"},
    "payouts": {"proof": "PROVED", "expected_amount": Decimal("700.000000")},
    "reconciled_entries": {"status": "EXCLUDED"},
    "reconciliation_proof": {"closes": True},
    "settlement_lines": {"type": "SALE", "fee_amount": Decimal("0.000000")},
    "merchants": {"risk_level": "LOW", "country": "IN", "is_current": True},
    "users": {"home_country": "IN", "kyc_status": "VERIFIED", "risk_rating": "LOW", "is_current": True},
    "locations": {"country": "IN", "risk_level": "LOW", "is_current": True},
    "policies": {"policy_type": "KYC", "subject_type": "ALL", "jurisdiction": "*", "is_current": True},
    "dimension_deliveries": {"dimension": "merchants", "is_deleted": True},
    "dimensions_quarantine": {"dimension": "merchants"},
    "settlement_schedule": {
        "kind": "PAYOUT",
        "state": "EXPECTED",
        "confidence": "CONFIRMED",
        "expected_net_amount": Decimal("900.000000"),
    },  # fmt: skip
    "adjustments": {"original_business_date": date(2026, 3, 30)},
    "merchant_index": {
        "attempts": 4,
        "attempts_amount": Decimal("400.000000"),
        "settled_net_amount": Decimal("-100.000000"),
    },
    "user_spend_index": {
        "attempts": 2,
        "night_share": Decimal("0.500000"),
        "max_consecutive_declines": 1,
        "most_declines_in_an_hour": 1,
    },
    "monitoring_programmes": {"subject": "MERCHANT", "metric": "DISPUTES_AND_FRAUD_TO_NOT_PRESENT_SALES"},
    "transaction_flags": {"policy_flags": ["PEP"]},
    "compliance_rules": {"measure": "RISK_SCORE", "time_window": "PAYMENT"},
    "compliance_index": {"entity_type": "USER"},
    "fraud_partial": {"status": "SUCCESS", "anomaly_type": "normal", "decision": "APPROVE", "score": 0.1, "reasons": []},
    "fraud_index": {"anomaly_type": "normal", "decision": "APPROVE", "score": 0.1, "reasons": []},
    "fraud_signals": {"fraud_score": 0.5, "fraud_id": "f1"},
    "fraud_score_changes": {"fraud_id": "f1", "score_after": 0.5},
    "fraud_profiles": {"role": "USER"},
    "table_maintenance": {"action": "COMPACT", "stage": "DONE"},
    "labels": {"label": "FRAUD", "source": "CHARGEBACK"},
    "aml_alert": {"alert_kind": "STRUCTURING", "direction": "IN", "transaction_ids": ["t1"]},
}


def default(contract: TableContract, field: Field) -> Any:
    """What a column says when a test does not care: nothing, if it may."""
    for known in (BY_TABLE.get(contract.name, {}), BY_NAME):
        if field.name in known and (not field.nullable or field.name == "gateway_amount"):
            return known[field.name]
    return None if field.nullable else BY_TYPE[type(field.type)]


def rows(spark: SparkSession, contract: TableContract, *overrides: dict[str, Any]) -> DataFrame:
    """One row per override, all columns nullable, so that a test can leave out what the contract demands."""
    defaults = {f.name: default(contract, f) for f in contract.fields}
    for row in overrides:
        if unknown := row.keys() - defaults.keys():
            raise AssertionError(f"{contract.name} has no column {sorted(unknown)}")
    data = [tuple({**defaults, **row}.values()) for row in overrides]
    schema = StructType([StructField(f.name, f.type, True) for f in contract.fields])
    return spark.createDataFrame(data, schema)


def sources(spark: SparkSession, business_date: date = TODAY, **frames: DataFrame) -> Sources:
    """What a consumer's index is made of: the frames that a test is about, and no row of the others."""
    contracts = {
        "settlement_lines": SETTLEMENT_LINES, "payouts": PAYOUTS, "statements": STATEMENTS,
        "statement_lines": STATEMENT_LINES, "merchants": MERCHANTS, "users": USERS, "locations": LOCATIONS,
        "policies": POLICIES, "business_days": BUSINESS_DAYS, "operations": OPERATIONS_RECONCILE_LEDGERS,
    }  # fmt: skip
    none = {name: spark.createDataFrame([], contract.schema) for name, contract in contracts.items()}
    none["payments"] = payments(spark.createDataFrame([], RECONCILIATION_INDEX.schema))
    none["scores"] = first_scores(spark.createDataFrame([], FRAUD_PARTIAL.schema))
    none["signals"] = signals_once(spark.createDataFrame([], FRAUD_SIGNALS.schema))
    none["labels"] = standing_labels(spark.createDataFrame([], LABELS.schema))
    return Sources(business_date, **{**none, **frames})


def frame(spark: SparkSession, schema: str, *data: Sequence[Any]) -> DataFrame:
    """A frame of a few literal rows."""
    return spark.createDataFrame([tuple(row) for row in data], schema)


def as_dicts(df: DataFrame, *columns: str) -> list[dict[str, Any]]:
    """The rows, or some of their columns, as plain dicts, in the order of their values."""
    found = [row.asDict(recursive=True) for row in (df.select(*columns) if columns else df).collect()]
    return sorted(found, key=repr)


def by_key(df: DataFrame, key: str = "transaction_id") -> dict[Any, dict[str, Any]]:
    """The rows as plain dicts, by a column that names each once."""
    found = [row.asDict(recursive=True) for row in df.collect()]
    keyed = {row[key]: row for row in found}
    assert len(keyed) == len(found), f"{key} is not unique"
    return keyed


def leg(ledger: str, **parts: Any) -> dict[str, Any]:
    """The columns of one ledger's leg, as `open_items` has them."""
    defaults = {
        "amount": Decimal("100.0000"), "currency": "INR", "status": "SUCCESS", "at": NOON,
        "partition": 0, "offset": 0, "is_duplicated": False,
    }  # fmt: skip
    if unknown := parts.keys() - defaults.keys():
        raise AssertionError(f"a leg has no {sorted(unknown)}")
    return {f"{ledger}_{name}": value for name, value in {**defaults, **parts}.items()}


def no_leg(ledger: str) -> dict[str, Any]:
    """The columns of a ledger that has no leg."""
    return dict.fromkeys(leg(ledger))


def legs(**of: dict[str, Any] | None) -> dict[str, Any]:
    """All three legs: alike, unless told otherwise; None where a ledger has none."""
    columns: dict[str, Any] = {}
    for ledger in LEDGERS:
        parts = of.get(ledger, {})
        columns |= no_leg(ledger) if parts is None else leg(ledger, **parts)
    return columns


RECORD: dict[str, Any] = {
    "transaction_id": "t1",
    "user_id": "u1",
    "merchant_id": "m1",
    "amount": "100.00",
    "currency": "INR",
    "status": "SUCCESS",
    "timestamp": "2026-03-31T12:00:00+00:00",
    "type": "PURCHASE",
    "channel": "UPI",
    "payment_system": "UPI",
    "upi_id": "asha@bank",
    "bank_id": "BANK_A",
    "city": "Pune",
    "country": "IN",
    "device_id": "d1",
    "ip_address": "203.0.113.7",
}
"""What a ledger sends."""

LEFT_OUT = object()
"""As an override: the record has no such field."""


def record(**overrides: Any) -> bytes:
    """A ledger's record as bytes."""
    content = {name: value for name, value in {**RECORD, **overrides}.items() if value is not LEFT_OUT}
    return json.dumps(content).encode()


KAFKA = StructType(
    [
        StructField("key", BinaryType()),
        StructField("value", BinaryType()),
        StructField("topic", StringType()),
        StructField("partition", IntegerType()),
        StructField("offset", LongType()),
        StructField("timestamp", TimestampType()),
        StructField("timestampType", IntegerType()),
    ]
)


def kafka_rows(spark: SparkSession, *records: bytes | None | dict[str, Any]) -> DataFrame:
    """What Kafka's source gives: each value at the next offset of the gateway's topic; a dict says more."""
    data = []
    for offset, given in enumerate(records):
        columns = given if isinstance(given, dict) else {"value": given}
        row = {
            "key": b"t1", "value": record(), "topic": PG_TRANSACTIONS, "partition": 0, "offset": offset,
            "timestamp": NOON, "timestampType": 0, **columns,
        }  # fmt: skip
        data.append(tuple(bytearray(v) if isinstance(v, bytes) else v for v in (row[n] for n in KAFKA.names)))
    return spark.createDataFrame(data, KAFKA)


def day(text: str) -> date:
    """A date as written."""
    return date.fromisoformat(text)
