"""Checks split a frame: every row is on exactly one side, null is a failure, and a warning keeps its row."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType, LongType, StringType

from paylake.contracts.table import FAILED_CHECKS, Action, Check, Field, TableContract
from paylake.quality import (
    KEY_UNIQUE,
    Finding,
    audit,
    check,
    conform,
    example_key,
    failed_checks,
    findings,
    split,
    with_failed_checks,
)
from tests.builders import as_dicts, frame, rows

FEES = TableContract(
    name="fees",
    layer="raw",
    doc="One row per fee.",
    fields=(
        Field("fee_id", LongType(), "Identifier of the fee."),
        Field("amount", DecimalType(18, 4), "The fee."),
        Field("currency", StringType(), "ISO 4217 code."),
        Field("note", StringType(), "What the scheme says.", nullable=True),
    ),
    key=("fee_id",),
    checks=(
        Check("amount_positive", "amount > 0"),
        Check("note_short", "length(note) < 4", Action.WARN),
    ),
)

SIDES = {
    1: ({}, []),
    2: ({"amount": Decimal(0)}, ["amount_positive"]),
    3: ({"amount": None}, ["amount_present", "amount_positive"]),
    4: ({"currency": None, "amount": Decimal(-1)}, ["currency_present", "amount_positive"]),
    5: ({"note": "far too long"}, []),
    6: ({"note": None}, []),
    None: ({}, ["fee_id_present"]),
}
"""Fee -> what is special about it, and the checks for which it is rejected."""


def test_every_row_is_on_exactly_one_side_with_its_reasons(spark: SparkSession) -> None:
    fees = rows(spark, FEES, *({"fee_id": i, **row} for i, (row, _) in SIDES.items()))
    accepted, rejected = check(fees, FEES)
    assert accepted.columns == fees.columns
    assert {r["fee_id"] for r in accepted.collect()} == {i for i, (_, reasons) in SIDES.items() if not reasons}
    actual = {r["fee_id"]: r[FAILED_CHECKS] for r in rejected.collect()}
    assert actual == {i: reasons for i, (_, reasons) in SIDES.items() if reasons}


def test_a_warning_can_be_asked_for_and_its_null_is_a_failure_too(spark: SparkSession) -> None:
    fees = rows(spark, FEES, *({"fee_id": i, "note": note} for i, note in enumerate(("ok", "long note", None))))
    actual = fees.orderBy("fee_id").select(failed_checks(FEES, (Action.WARN,)).alias("warned"))
    assert [r["warned"] for r in actual.collect()] == [[], ["note_short"], ["note_short"]]


def test_reasons_that_a_row_brings_along_come_first(spark: SparkSession) -> None:
    fees = rows(spark, FEES, {"fee_id": 1}, {"fee_id": 2, "amount": Decimal(-1)})
    brought = fees.withColumn(FAILED_CHECKS, F.array(F.lit("torn")))
    assert [r[FAILED_CHECKS] for r in with_failed_checks(brought, FEES).orderBy("fee_id").collect()] == [
        ["torn"],
        ["torn", "amount_positive"],
    ]


def test_a_row_that_brings_null_for_its_reasons_is_on_one_side(spark: SparkSession) -> None:
    brought = rows(spark, FEES, {}).withColumn(FAILED_CHECKS, F.lit(None).cast("array<string>"))
    accepted, rejected = check(brought, FEES)
    assert len(accepted.collect()) + len(rejected.collect()) == 1


def test_the_split_makes_one_pass_and_starts_no_job(spark: SparkSession) -> None:
    jobs = spark.sparkContext.statusTracker()
    spark.sparkContext.setJobGroup("split", "what check() itself runs")
    check(rows(spark, FEES, {}), FEES)
    assert list(jobs.getJobIdsForGroup("split")) == []
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)


def test_a_stream_is_split_like_a_batch(spark: SparkSession) -> None:
    stream = spark.readStream.format("rate").load().select(
        F.col("value").alias("fee_id"),
        F.lit(1).alias("amount"),
        F.lit("INR").alias("currency"),
        F.lit("x").alias("note"),
    )  # fmt: skip
    accepted, rejected = check(conform(stream, FEES), FEES)
    assert accepted.isStreaming
    assert rejected.isStreaming
    assert rejected.columns == [*FEES.columns, FAILED_CHECKS]


def test_flagged_rows_are_split_by_their_flags_alone(spark: SparkSession) -> None:
    flagged = frame(spark, f"id int, {FAILED_CHECKS} array<string>", [1, []], [2, ["torn"]])
    accepted, rejected = split(flagged)
    assert as_dicts(accepted) == [{"id": 1}]
    assert as_dicts(rejected) == [{"id": 2, FAILED_CHECKS: ["torn"]}]


def test_conform_gives_the_contracts_columns_in_order_with_its_types(spark: SparkSession) -> None:
    loose = frame(
        spark, "extra int, note string, currency string, amount int, fee_id int",
        [1, None, "INR", 5, 7], [1, "n", None, None, None],
    )  # fmt: skip
    conformed = conform(loose, FEES)
    assert [(f.name, f.dataType) for f in conformed.schema] == [(f.name, f.type) for f in FEES.fields]
    assert [tuple(r) for r in conformed.collect()] == [(7, Decimal("5.0000"), "INR", None), (None, None, None, "n")]


def test_conform_fails_without_data_where_a_column_is_missing(spark: SparkSession) -> None:
    with pytest.raises(AnalysisException, match="currency"):
        _ = conform(rows(spark, FEES).drop("currency"), FEES).schema


BROKEN = (
    {"fee_id": 1},
    {"fee_id": 2, "amount": Decimal(0)},
    {"fee_id": 2, "amount": None},
    {"fee_id": 2, "note": "far too long"},
    {"fee_id": None, "note": "ok"},
)
FOUND = {
    Finding("fees", KEY_UNIQUE, Action.REJECT, 2): "fee_id=2",
    Finding("fees", "fee_id_present", Action.REJECT, 1): "fee_id=null",
    Finding("fees", "amount_present", Action.REJECT, 1): "fee_id=2",
    Finding("fees", "amount_positive", Action.REJECT, 2): "fee_id=2",
    Finding("fees", "note_short", Action.WARN, 4): "fee_id=1",
}
"""What BROKEN breaks, each with the least key that does."""


def test_an_audit_counts_rows_repeated_keys_and_the_failures_of_every_check(spark: SparkSession) -> None:
    (audited,) = audit(rows(spark, FEES, *BROKEN), FEES).collect()
    assert audited["rows"] == 5
    assert findings(audited, FEES) == tuple(FOUND)


def test_an_audit_reads_its_source_once(spark: SparkSession) -> None:
    plan = audit(rows(spark, FEES, {}), FEES)._jdf.queryExecution().optimizedPlan().toString()
    assert plan.count("LogicalRDD") == 1
    assert "Expand" not in plan


def test_an_audit_of_nothing_finds_nothing(spark: SparkSession) -> None:
    (audited,) = audit(rows(spark, FEES), FEES).collect()
    assert (audited["rows"], findings(audited, FEES)) == (0, ())


def test_every_finding_has_an_example(spark: SparkSession) -> None:
    fees = rows(spark, FEES, *BROKEN)
    actual = {f: row["key"] for f in FOUND for row in example_key(fees, FEES, f).collect()}
    assert actual == FOUND
