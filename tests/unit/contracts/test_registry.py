"""Every table of the registry: named, documented, checked, its money exact, its promises readable by Spark."""

from __future__ import annotations

import re
from functools import reduce
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DecimalType, DoubleType, FloatType, StructType

from paylake.contracts import (
    ALL,
    MERCHANT_INDEX,
    PAYOUTS,
    RECONCILED_ENTRIES,
    RECONCILIATION_PROOF,
    SETTLEMENT_FEES,
    SETTLEMENT_LINES,
    SETTLEMENT_SCHEDULE,
    STATEMENT_LINES,
    STATEMENTS,
)
from paylake.contracts.table import DELTA_PROPERTIES, Action, TableContract, data_dictionary
from paylake.contracts.view import view_dictionary
from paylake.contracts.views import VIEWS
from paylake.quality import audit, failed_checks
from tests.builders import rows

DICTIONARY = Path(__file__).parents[3] / "docs" / "data_dictionary.md"
OF_FILES = (
    STATEMENTS, STATEMENT_LINES, PAYOUTS, SETTLEMENT_LINES, RECONCILED_ENTRIES, RECONCILIATION_PROOF, MERCHANT_INDEX,
    SETTLEMENT_FEES,
    SETTLEMENT_SCHEDULE,
)  # fmt: skip
"""What banks and processors state, with up to six decimals."""

SENTENCE = re.compile(r"[A-Z0-9].*[.]", re.DOTALL)
MONEY_NAME = re.compile(r"(^|_)(amount|fee|price|tax|balance)$")

every_table = pytest.mark.parametrize("contract", ALL, ids=lambda c: c.name)


def leaves(kind: DataType) -> list[DataType]:
    """The types that a column is made of."""
    if isinstance(kind, ArrayType):
        return leaves(kind.elementType)
    if isinstance(kind, StructType):
        return [leaf for f in kind for leaf in leaves(f.dataType)]
    return [kind]


def test_no_two_tables_share_a_place() -> None:
    assert len({c.path for c in ALL}) == len(ALL)


@every_table
def test_a_table_has_a_key_a_check_and_a_layer_of_the_design(contract: TableContract) -> None:
    assert contract.key
    assert contract.checks
    assert contract.layer in {"raw", "partial", "final", "restricted"}
    names = [c.name for c in contract.all_checks]
    assert len(set(names)) == len(names)


@every_table
def test_a_table_and_each_of_its_columns_say_what_they_are(contract: TableContract) -> None:
    assert SENTENCE.fullmatch(contract.doc), contract.doc
    unsaid = [f.name for f in contract.fields if not f.doc[:1].strip() or not f.doc.endswith(".")]
    assert unsaid == []


@every_table
def test_columns_are_named_in_snake_case(contract: TableContract) -> None:
    assert [c for c in contract.columns if not re.fullmatch(r"_?[a-z][a-z0-9]*(_[a-z0-9]+)*", c)] == []


@every_table
def test_money_is_decimal_with_a_currency_beside_it(contract: TableContract) -> None:
    money = [f for f in contract.fields if MONEY_NAME.search(f.name)]
    places = {f.name: 6 if contract in OF_FILES or f.name.startswith("settled_") else 4 for f in money}
    assert [f.name for f in money if not (isinstance(f.type, DecimalType) and f.type.scale == places[f.name])] == []
    names = set(contract.columns)
    alone = [f.name for f in money if not {"currency", f.name.rsplit("_", 1)[0] + "_currency"} & names]
    assert alone == []


@every_table
def test_a_table_that_holds_money_holds_no_binary_fraction(contract: TableContract) -> None:
    types = {f.name: leaves(f.type) for f in contract.fields}
    if any(isinstance(t, DecimalType) for found in types.values() for t in found):
        inexact = {n for n, found in types.items() for t in found if isinstance(t, (FloatType, DoubleType))}
        assert inexact <= PROBABILITIES


PROBABILITIES = {
    "score", "confidence", "signal_score", "challenger_score", "features", "reasons", "fraud_score", "fraud_features",
    "highest_score",
}  # fmt: skip
"""Columns beside money that are no money: what a model says, and what it was told."""


@every_table
def test_no_table_asks_a_reader_for_more_than_version_one(contract: TableContract) -> None:
    properties = {**DELTA_PROPERTIES, **contract.properties}
    assert properties["delta.minReaderVersion"] == "1"
    asks_more = {"delta.enableDeletionVectors", "delta.columnMapping.mode", "delta.enableTypeWidening"}
    assert not asks_more & properties.keys()
    assert [f.name for f in contract.fields if "ntz" in f.type.simpleString() or "variant" in f.type.simpleString()] == []


def test_every_promise_can_be_read_by_spark_on_an_empty_frame(spark: SparkSession) -> None:
    for contract in ALL:
        assert audit(spark.createDataFrame([], contract.schema), contract).columns == ["rows", "repeated", "failed"]


def test_the_builders_row_keeps_every_contract(spark: SparkSession) -> None:
    failures = [
        rows(spark, contract, {}).select(F.lit(contract.name).alias("table"), failed_checks(contract).alias("failed"))
        for contract in ALL
    ]
    actual = {row["table"]: row["failed"] for row in reduce(DataFrame.union, failures).collect()}
    assert actual == {contract.name: [] for contract in ALL}


@every_table
def test_reject_is_what_a_failed_promise_does(contract: TableContract) -> None:
    warns = {c.name for c in contract.all_checks if c.action is not Action.REJECT}
    # a line that a processor states so unproves its file, and nothing of it is lost
    assert warns == ({"net_is_amount_less_fee"} if contract is SETTLEMENT_LINES else set())


def test_the_data_dictionary_is_current() -> None:
    assert DICTIONARY.read_text(encoding="utf-8") == data_dictionary(ALL) + view_dictionary(VIEWS), "run `make dictionary`"
