"""A contract that could not be kept fails at construction; everything else about a table is derived from it."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql.types import DateType, DecimalType, DoubleType, StringType

from paylake.contracts.table import (
    FAILED_CHECKS,
    Action,
    Check,
    Field,
    TableContract,
    data_dictionary,
    sql_text,
)
from paylake.errors import ContractError

MONEY = DecimalType(18, 4)
FEES = TableContract(
    name="fees",
    layer="raw",
    doc="One row per fee that a scheme's invoice names.",
    fields=(
        Field("fee_id", StringType(), "Identifier of the fee."),
        Field("booked_on", DateType(), "Day of the fee."),
        Field("amount", MONEY, "The fee's amount."),
        Field("currency", StringType(), "ISO 4217 code."),
        Field("note", StringType(), "What the scheme says | if it says anything.", nullable=True),
        Field("file", StringType(), "File that named the fee.", lineage=True),
    ),
    key=("fee_id",),
    partition_by=("booked_on",),
    checks=(
        Check("amount_positive", "amount > 0"),
        Check("note_short", "length(note) < 10", Action.WARN),
    ),
    properties={"delta.appendOnly": "true"},
)


def contract(**changes: Any) -> TableContract:
    """A contract like FEES, with something else about it."""
    return TableContract(**{**{name: getattr(FEES, name) for name in FEES.__dataclass_fields__}, **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fields": (*FEES.fields, FEES.fields[0])}, "fees: a column is named twice"),
        ({"key": ()}, "fees: a table without a key cannot be replayed safely"),
        ({"key": ("invoice",)}, r"fees: \['invoice'\] not among its columns"),
        ({"partition_by": ("month",)}, r"fees: \['month'\] not among its columns"),
        ({"key": ("fee_id", "note")}, r"null never equals null, so \['note'\] in the key"),
        (
            {"fields": tuple(f for f in FEES.fields if f.name != "currency")},
            "fees: amount has no currency beside it",
        ),
        (
            {"fields": (*FEES.fields[:3], Field("tax_currency", StringType(), "Of the tax."), *FEES.fields[4:])},
            "fees: amount has no currency beside it",
        ),
    ],
)
def test_a_contract_that_could_not_be_kept_fails_at_construction(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        contract(**changes)


def test_an_amount_may_have_a_currency_of_its_own() -> None:
    own = (Field("tax_amount", MONEY, "The tax."), Field("tax_currency", StringType(), "Of the tax."))
    assert contract(fields=(*FEES.fields, *own)).columns[-2:] == ("tax_amount", "tax_currency")


def test_an_amount_that_is_no_decimal_fails_at_construction() -> None:
    fields = tuple(Field("amount", DoubleType(), f.doc) if f.name == "amount" else f for f in FEES.fields)
    with pytest.raises(ContractError):
        contract(fields=fields)


def test_two_checks_of_one_name_fail_at_construction() -> None:
    with pytest.raises(ContractError):
        contract(checks=(Check("amount_positive", "amount > 0"), Check("amount_positive", "amount > 1")))


def test_the_schema_carries_order_nullability_and_docs() -> None:
    schema = FEES.schema
    assert [(f.name, f.dataType, f.nullable) for f in schema] == [(f.name, f.type, f.nullable) for f in FEES.fields]
    assert schema["amount"].metadata == {"comment": "The fee's amount."}


def test_content_columns_leave_out_how_a_row_was_learned() -> None:
    assert FEES.content_columns == ("fee_id", "booked_on", "amount", "currency", "note")


def test_every_required_column_has_a_check_before_the_declared_ones() -> None:
    assert [c.name for c in FEES.all_checks] == [
        "fee_id_present",
        "booked_on_present",
        "amount_present",
        "currency_present",
        "file_present",
        "amount_positive",
        "note_short",
    ]


def test_delta_ddl_says_columns_partitions_comment_and_properties() -> None:
    assert FEES.delta_ddl("/lake/raw/fees") == (
        "CREATE TABLE IF NOT EXISTS delta.`/lake/raw/fees` (\n"
        "  `fee_id` string NOT NULL COMMENT 'Identifier of the fee.',\n"
        "  `booked_on` date NOT NULL COMMENT 'Day of the fee.',\n"
        "  `amount` decimal(18,4) NOT NULL COMMENT 'The fee’s amount.',\n"
        "  `currency` string NOT NULL COMMENT 'ISO 4217 code.',\n"
        "  `note` string COMMENT 'What the scheme says | if it says anything.',\n"
        "  `file` string NOT NULL COMMENT 'File that named the fee.'\n"
        ") USING DELTA\n"
        "PARTITIONED BY (`booked_on`)\n"
        "COMMENT 'One row per fee that a scheme’s invoice names.'\n"
        "TBLPROPERTIES ('delta.minReaderVersion' = '1', 'delta.minWriterVersion' = '2', "
        "'delta.checkpointInterval' = '50', 'delta.appendOnly' = 'true')"
    )


def test_athena_ddl_names_place_and_type_and_nothing_else() -> None:
    expected = (
        "CREATE EXTERNAL TABLE IF NOT EXISTS payments.fees\n"
        "LOCATION 's3://lake/raw/fees/'\n"
        "TBLPROPERTIES ('table_type' = 'DELTA')"
    )
    assert FEES.athena_ddl("payments", "s3://lake/raw/fees") == expected
    assert FEES.athena_ddl("payments", "s3://lake/raw/fees/") == expected


def test_a_location_with_an_apostrophe_is_not_another_location() -> None:
    assert "o’brien" not in FEES.athena_ddl("payments", "s3://lake/o'brien/fees")


def test_a_row_for_which_a_predicate_is_null_breaks_the_promise() -> None:
    assert FEES.all_checks[-1].failure == "NOT coalesce((length(note) < 10), false)"


def test_a_quarantine_has_the_same_columns_loose_with_the_reasons_last() -> None:
    payload = Field("payload", StringType(), "What was sent.", nullable=True)
    loose = FEES.quarantine(key=("file",), extra=(payload,), partition_by=("booked_on",))
    assert loose.columns == (*FEES.columns, "payload", FAILED_CHECKS)
    assert {f.name for f in loose.fields if not f.nullable} == {"file", "booked_on", FAILED_CHECKS}
    assert [f.type for f in loose.fields[: len(FEES.fields)]] == [f.type for f in FEES.fields]
    assert [f.lineage for f in loose.fields[: len(FEES.fields)]] == [f.lineage for f in FEES.fields]
    assert (loose.path, loose.key, loose.partition_by) == ("raw/quarantine", ("file",), ("booked_on",))
    assert [c.name for c in loose.checks] == ["has_reason"]


def test_a_sql_text_cannot_end_early() -> None:
    assert sql_text("the bank's") == "'the bank’s'"


def test_the_dictionary_of_a_table_reads_as_a_page() -> None:
    assert data_dictionary([FEES]).split("\n## ", 1)[1] == (
        "`raw/fees`\n\n"
        "One row per fee that a scheme's invoice names.\n\n"
        "Key: `fee_id`. Partitioned by: `booked_on`.\n\n"
        "| column | type | null | what it is |\n"
        "| --- | --- | --- | --- |\n"
        "| `fee_id` | string | no | Identifier of the fee. |\n"
        "| `booked_on` | date | no | Day of the fee. |\n"
        "| `amount` | decimal(18,4) | no | The fee's amount. |\n"
        "| `currency` | string | no | ISO 4217 code. |\n"
        "| `note` | string | yes | What the scheme says | if it says anything. |\n"
        "| `file` | string | no | File that named the fee. |\n\n"
        "| check | holds for every row | otherwise |\n"
        "| --- | --- | --- |\n"
        "| `amount_positive` | `amount > 0` | reject |\n"
        "| `note_short` | `length(note) < 10` | warn |\n"
    )
