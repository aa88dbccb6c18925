"""The lake in Glue: every table and view as its contract says, written once, and again only where something differs."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pyspark.sql.types import StringType

from paylake import catalog, cli
from paylake.catalog import Outcome, Registered
from paylake.contracts import ALL, BREAKS, BUSINESS_DAYS, CONTROL_TOTALS, OPEN_ITEMS
from paylake.contracts.table import Field
from paylake.contracts.view import View
from paylake.contracts.views import V_MATCH_RATE, VIEWS
from paylake.errors import ContractError, SettingsError

LAKE = "s3a://money/lake"
REGISTER = ["catalog", "register", "--lake", LAKE, "--region", "eu-central-1"]

CONTROL_TOTALS_INPUT = {
    "Name": "control_totals",
    "Description": "One row per hour of a source and currency: how much the source says it booked.",
    "TableType": "EXTERNAL_TABLE",
    "Parameters": {"EXTERNAL": "TRUE", "spark.sql.sources.provider": "delta"},
    "PartitionKeys": [],
    "StorageDescriptor": {
        "Columns": [
            {"Name": "source", "Type": "string", "Comment": "Ledger that publishes the total."},
            {"Name": "currency", "Type": "string", "Comment": "ISO 4217 code."},
            {"Name": "hour", "Type": "timestamp", "Comment": "Start of the hour of the source's own booking times, UTC."},
            {"Name": "records", "Type": "bigint", "Comment": "Postings that the source booked; a redelivery is no posting."},
            {"Name": "amount", "Type": "decimal(28,4)", "Comment": "Sum of their amounts."},
            {"Name": "offset", "Type": "bigint",
             "Comment": CONTROL_TOTALS.fields[-1].doc},
        ],
        "Location": "s3://money/lake/raw/control_totals/",
        "SerdeInfo": {"Parameters": {"serialization.format": "1", "path": "s3://money/lake/raw/control_totals/"}},
    },
}  # fmt: skip


@pytest.fixture
def glue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Glue in memory, with an empty database `paylake`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_GLUE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("glue", region_name="eu-central-1")
        client.create_database(DatabaseInput={"Name": "paylake"})
        yield client


@pytest.fixture(scope="module")
def wanted() -> tuple[dict[str, Any], ...]:
    return catalog.inputs(LAKE, "paylake")


def kept(glue: Any, name: str) -> dict[str, Any]:
    """What Glue has of a table, but for its own times and numbers."""
    table: dict[str, Any] = glue.get_table(DatabaseName="paylake", Name=name)["Table"]
    ours = ("Name", "Description", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor", "ViewOriginalText")
    return {key: table[key] for key in ours if key in table}


def outcomes(done: list[Registered]) -> dict[Outcome, int]:
    found = [one.outcome for one in done]
    return {outcome: found.count(outcome) for outcome in dict.fromkeys(found)}


def without(wanted: tuple[dict[str, Any], ...], name: str) -> tuple[dict[str, Any], ...]:
    return tuple(one for one in wanted if one["Name"] != name)


# what is said


def test_a_table_is_registered_with_its_real_columns_where_athena_finds_it(
    glue: Any, wanted: tuple[dict[str, Any], ...]
) -> None:
    catalog.register(glue, "paylake", wanted)
    assert kept(glue, "control_totals") == CONTROL_TOTALS_INPUT


def test_what_a_table_is_partitioned_by_is_named_apart_and_nested_types_are_hives() -> None:
    breaks = catalog.table_input(BREAKS, "s3://money")
    assert [key["Name"] for key in breaks["PartitionKeys"]] == ["business_date"]
    columns = {column["Name"]: column["Type"] for column in breaks["StorageDescriptor"]["Columns"]}
    assert "business_date" not in columns
    assert columns["reasons"] == "array<string>"
    items = catalog.table_input(OPEN_ITEMS, "s3://money")["StorageDescriptor"]["Columns"]
    assert next(c["Type"] for c in items if c["Name"] == "discrepancies") == (
        "array<struct<field:string,gateway:string,core:string,mobile:string,severity:string>>"
    )


def test_no_text_is_longer_than_glue_takes() -> None:
    long = replace(BUSINESS_DAYS, doc="x" * 3000, fields=(*BUSINESS_DAYS.fields, Field("c", StringType(), "y" * 256)))
    said = catalog.table_input(long, LAKE)
    assert (len(said["Description"]), said["StorageDescriptor"]["Columns"][-1]["Comment"]) == (2048, "y" * 254 + "…")


def test_a_view_is_registered_as_athena_keeps_its_own(wanted: tuple[dict[str, Any], ...]) -> None:
    (view,) = ({**one} for one in wanted if one["Name"] == "v_match_rate")
    encoded = re.fullmatch(r"/\* Presto View: (.*) \*/", view.pop("ViewOriginalText"))
    assert encoded is not None
    content = json.loads(base64.b64decode(encoded[1]))
    names = (
        "business_date", "currency", "transactions", "matched_transactions", "amount", "matched_amount",
        "match_rate_by_count", "match_rate_by_amount",
    )  # fmt: skip
    trino = ("date", "varchar", "bigint", "bigint", "decimal(28,4)", "decimal(28,4)", "decimal(7,6)", "decimal(7,6)")
    hive = ("date", "string", *trino[2:])
    assert content == {
        "originalSql": V_MATCH_RATE.sql("paylake"),
        "catalog": "awsdatacatalog",
        "schema": "paylake",
        "columns": [{"name": name, "type": kind} for name, kind in zip(names, trino, strict=True)],
        "comment": V_MATCH_RATE.doc,
        "runAsInvoker": True,
    }
    assert view == {
        "Name": "v_match_rate",
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "ViewExpandedText": "/* Presto View */",
        "StorageDescriptor": {
            "Columns": [{"Name": name, "Type": kind} for name, kind in zip(names, hive, strict=True)],
            "Location": "",
            "SerdeInfo": {},
        },
    }


def test_a_views_types_are_those_that_its_query_gives() -> None:
    import duckdb

    asked = {
        "TIMESTAMP": ("timestamp", "timestamp(3)"),
        "VARCHAR[]": ("array<string>", "array(varchar)"),
        "STRUCT(a VARCHAR, b INTEGER)[]": ("array<struct<a:string,b:int>>", "array(row(a varchar, b integer))"),
        "HUGEINT": ("bigint", "bigint"),
    }
    view = View("v_x", "One row per x.", (BREAKS,), "SELECT * FROM {breaks}")
    columns = {f"c{n}": duckdb.sqltype(kind) for n, kind in enumerate(asked)}
    said = catalog.view_input(view, columns, "paylake")["StorageDescriptor"]["Columns"]
    assert [c["Type"] for c in said] == [hive for hive, _ in asked.values()]
    with pytest.raises(ContractError, match=r"v_x\.at is a TIMESTAMP WITH TIME ZONE, which no view of Athena can hold"):
        catalog.view_input(view, {"at": duckdb.sqltype("TIMESTAMPTZ")}, "paylake")


# what is done


def test_everything_is_registered_once_and_a_second_time_nothing_is_written(
    glue: Any, wanted: tuple[dict[str, Any], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = catalog.register(glue, "paylake", wanted)
    assert outcomes(done) == {Outcome.CREATED: len(ALL) + len(VIEWS)}
    assert [one.name for one in done] == [source.name for source in (*ALL, *VIEWS)]
    for name in ("create_table", "update_table", "create_database"):
        monkeypatch.setattr(glue, name, lambda **_: pytest.fail("nothing was to be written"))
    assert outcomes(catalog.register(glue, "paylake", wanted)) == {Outcome.UNCHANGED: len(wanted)}


def test_a_column_that_a_contract_gains_updates_its_table_alone_and_keeps_what_others_said(
    glue: Any, wanted: tuple[dict[str, Any], ...]
) -> None:
    shorter = replace(CONTROL_TOTALS, fields=CONTROL_TOTALS.fields[:-1])
    of_others = catalog.table_input(shorter, LAKE) | {"Owner": "finance"}
    of_others["Parameters"] = {**of_others["Parameters"], "classification": "delta"}
    glue.create_table(DatabaseName="paylake", TableInput=of_others)
    catalog.register(glue, "paylake", without(wanted, "control_totals"))
    done = catalog.register(glue, "paylake", wanted)
    assert [one for one in done if one.outcome is not Outcome.UNCHANGED] == [
        Registered("control_totals", Outcome.UPDATED, ("columns",))
    ]
    expected = {**CONTROL_TOTALS_INPUT, "Parameters": {**CONTROL_TOTALS_INPUT["Parameters"], "classification": "delta"}}  # type: ignore[dict-item]
    assert kept(glue, "control_totals") == expected
    assert glue.get_table(DatabaseName="paylake", Name="control_totals")["Table"]["Owner"] == "finance"


def test_another_lake_or_another_query_is_an_update_that_says_so(glue: Any, wanted: tuple[dict[str, Any], ...]) -> None:
    catalog.register(glue, "paylake", wanted)
    moved = {one.name: one.changed for one in catalog.register(glue, "paylake", catalog.inputs("s3a://new", "paylake"))}
    assert moved["breaks"] == ("location", "parameters")
    assert moved["v_match_rate"] == ()
    catalog.register(glue, "paylake", wanted)
    (said,) = (one for one in wanted if one["Name"] == "v_match_rate")
    glue.update_table(DatabaseName="paylake", TableInput={**said, "Description": "hides the view from Trino"})
    assert {one.changed for one in catalog.register(glue, "paylake", wanted)} == {(), ("description",)}
    assert "Description" not in kept(glue, "v_match_rate")
    other = [{**one, "ViewOriginalText": "/* Presto View: e30= */"} for one in wanted if one["Name"] == "v_match_rate"]
    (changed,) = catalog.register(glue, "paylake", other)
    assert changed == Registered("v_match_rate", Outcome.UPDATED, ("query",))


def test_a_name_that_something_else_has_is_refused_before_anything_is_written(
    glue: Any, wanted: tuple[dict[str, Any], ...]
) -> None:
    csv = {"Name": "v_match_rate", "TableType": "EXTERNAL_TABLE", "StorageDescriptor": {"Location": "s3://other/"}}
    glue.create_table(DatabaseName="paylake", TableInput=csv)
    with pytest.raises(ContractError, match=r"Glue's paylake\.v_match_rate is no view of Athena but something else"):
        catalog.register(glue, "paylake", wanted)
    assert [table["Name"] for table in glue.get_tables(DatabaseName="paylake")["TableList"]] == ["v_match_rate"]


def test_a_table_that_athenas_own_statement_made_is_taken_over(glue: Any, wanted: tuple[dict[str, Any], ...]) -> None:
    place = "s3://money/lake/raw/control_totals/"
    by_statement = {"Name": "control_totals", "TableType": "EXTERNAL_TABLE", "Parameters": {"table_type": "DELTA"},
                    "StorageDescriptor": {"Location": place}}  # fmt: skip
    glue.create_table(DatabaseName="paylake", TableInput=by_statement)
    done = {one.name: one.outcome for one in catalog.register(glue, "paylake", wanted)}
    assert done["control_totals"] is Outcome.UPDATED


# the command


def test_the_command_says_what_it_did_and_a_dry_run_does_nothing(glue: Any, capsys: pytest.CaptureFixture[str]) -> None:
    new = [*REGISTER, "--database", "books"]
    n = len(ALL) + len(VIEWS)
    assert cli.main(new) == 2
    assert "Glue has no database books; add --create-database to make it." in capsys.readouterr().err
    assert cli.main([*new, "--create-database", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.endswith(
        f"{n} tables and views of books: {n} created, 0 updated, 0 unchanged; "
        "nothing was written, since this is a dry run.\n"
    )
    assert [d["Name"] for d in glue.get_databases()["DatabaseList"]] == ["paylake"]
    assert cli.main([*new, "--create-database"]) == 0
    assert "created    v_match_rate\n" in capsys.readouterr().out
    glue.update_table(DatabaseName="books", TableInput=catalog.table_input(CONTROL_TOTALS, "s3://elsewhere"))
    assert cli.main(new) == 0
    assert "updated    control_totals        " in (said := capsys.readouterr().out)
    assert said.endswith(f"books: 0 created, 1 updated, {n - 1} unchanged.\n")


def test_the_statements_make_everything_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["catalog", "ddl", "--lake", LAKE, "--database", "books"]) == 0
    made = re.findall(
        r"^CREATE (?:OR REPLACE )?(\w+).*?\b(?:books\.)?(\w+)(?: AS|;)?$", capsys.readouterr().out, re.MULTILINE
    )
    assert made == [
        ("DATABASE", "books"),
        *(("EXTERNAL", contract.name) for contract in ALL),
        *(("VIEW", view.name) for view in VIEWS),
    ]
    assert "LOCATION 's3://money/lake/raw/control_totals/'" in catalog.statements(LAKE, "books")[3]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["catalog"], "paylake catalog knows register and ddl, but not 'nothing'."),
        (["catalog", "drop", "--lake", LAKE], "paylake catalog knows register and ddl, but not 'drop'."),
        (["catalog", "ddl", "--lake", "build/lake"], "Athena reads S3 only, and build/lake is no s3a:// prefix"),
        (["catalog", "ddl", "--lake", LAKE, "--database", "my-lake"], "--database: 'my-lake' is not made of small letters"),
    ],
)
def test_a_wrong_setting_is_one_line(argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("package", ["boto3", "duckdb"])
def test_what_is_not_installed_is_named(
    package: str, glue: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert cli.main(REGISTER) == 2
    assert (
        f"paylake catalog register needs {package}: install it with pip install 'paylake[aws]'." in capsys.readouterr().err
    )


def test_what_aws_answers_is_one_sentence(glue: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["catalog", "register", "--lake", LAKE]) == 1
    shown = capsys.readouterr().err
    assert "AWS Glue did not do it: You must specify a region; what was done before stays, so run it again." in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("lake", ["s3://money/lake", "s3a://money/lake/", "s3n://money/lake//"])
def test_athena_knows_s3_by_one_name(lake: str) -> None:
    assert catalog.athena_location(lake, CONTROL_TOTALS) == "s3://money/lake/raw/control_totals/"


@pytest.mark.parametrize("lake", ["s3a://", "s3a:///lake", "hdfs://money/lake", "/tmp/s3a://lake"])
def test_another_place_is_refused(lake: str) -> None:
    with pytest.raises(SettingsError, match="Athena reads S3 only"):
        catalog.athena_location(lake, CONTROL_TOTALS)
