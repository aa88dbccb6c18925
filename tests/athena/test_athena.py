"""What `paylake catalog` registers is read by Trino, of whose family Athena's engine is, and says what Spark says.

Glue and S3 are local, the server is Trino with its Delta connector. The lake is `tests/business_lake.py`; what it does
not hold, such as a table of a job that it does not run, is shown by a second one with a full row in each table.
"""

from __future__ import annotations

import re
from typing import Any

import boto3
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from paylake import catalog, cli, tables, views
from paylake.contracts import ALL
from paylake.contracts.questions import QUESTIONS
from paylake.contracts.views import VIEWS
from tests import builders
from tests.athena.conftest import BUCKET, upload
from tests.athena.trino_server import Athena
from tests.other_engine import Rows, comparable, full_rows, in_order, spark_rows


def register(aws: str, lake: str, database: str) -> None:
    """As a release does it."""
    argv = ["--lake", lake, "--database", database, "--create-database", "--region", "us-east-1", "--endpoint-url", aws]
    assert cli.main(["catalog", "register", *argv]) == 0


@pytest.fixture(scope="module")
def athena(aws: str, port: int, business_lake: str) -> Athena:
    """The business lake, registered as `paylake`."""
    register(aws, upload(aws, business_lake, "lake"), "paylake")
    return Athena(port, "paylake")


@pytest.fixture(scope="module")
def frames(spark: SparkSession) -> dict[str, Any]:
    """A full row in each table, as frames."""
    return {contract.name: builders.rows(spark, contract, *full_rows(contract)) for contract in ALL}


@pytest.fixture(scope="module")
def full(aws: str, port: int, frames: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Athena:
    """The same as Delta tables, registered as `full_rows`."""
    lake = tmp_path_factory.mktemp("full")
    for contract in ALL:
        write_deltalake(lake / contract.path, frames[contract.name].toArrow(), partition_by=list(contract.partition_by))
    register(aws, upload(aws, str(lake), "full"), "full_rows")
    return Athena(port, "full_rows")


def everything(athena: Athena, names: list[str]) -> dict[str, Rows]:
    """All rows of tables or views."""
    return {name: comparable(athena.ask(f"SELECT * FROM {name}")) for name in names}


def test_every_table_is_there_and_holds_what_spark_reads(athena: Athena, spark: SparkSession, business_lake: str) -> None:
    found = everything(athena, [contract.name for contract in ALL])
    assert found == {c.name: comparable(spark_rows(tables.read(spark, business_lake, c))) for c in ALL}
    assert len([name for name, rows in found.items() if rows]) >= 25, "the lake has too little to show"


def test_every_view_shows_what_spark_shows(athena: Athena, spark: SparkSession, business_lake: str) -> None:
    found = everything(athena, [view.name for view in VIEWS])
    assert found == {v.name: comparable(spark_rows(views.read(spark, business_lake, v))) for v in VIEWS}


def test_every_question_is_answered_row_by_row_as_spark_answers_it(
    athena: Athena, spark: SparkSession, business_lake: str
) -> None:
    views.register(spark, business_lake)
    assert [q.name for q in QUESTIONS if not q.sql.splitlines()[-1].startswith("ORDER BY ")] == []
    found = {question.name: in_order(athena.ask(question.sql)) for question in QUESTIONS}
    assert found == {question.name: in_order(spark_rows(spark.sql(question.sql))) for question in QUESTIONS}


def test_every_view_and_question_says_the_same_of_a_full_row_in_each_table(
    full: Athena, frames: dict[str, Any], spark: SparkSession
) -> None:
    shown = dict(frames)
    for view in VIEWS:
        shown[view.name] = spark.sql(view.body, **{source.name: shown[source.name] for source in view.reads})
    found = everything(full, [source.name for source in (*ALL, *VIEWS)])
    assert found == {name: comparable(spark_rows(frame)) for name, frame in shown.items()}
    for name, frame in shown.items():
        frame.createOrReplaceTempView(name)
    answered = {question.name: in_order(full.ask(question.sql)) for question in QUESTIONS}
    assert answered == {question.name: in_order(spark_rows(spark.sql(question.sql))) for question in QUESTIONS}


def test_every_check_fails_for_as_many_rows_as_spark_finds(
    full: Athena, frames: dict[str, Any], spark: SparkSession
) -> None:
    asked = {}
    for contract in ALL:
        frames[contract.name].createOrReplaceTempView(contract.name)
        counts = (f"COUNT(CASE WHEN {check.failure} THEN 1 END) AS {check.name}" for check in contract.all_checks)
        asked[contract.name] = f"SELECT {', '.join(counts)} FROM {contract.name}"
    found = {name: full.ask(sql) for name, sql in asked.items()}
    assert found == {name: spark_rows(spark.sql(sql)) for name, sql in asked.items()}


def test_athenas_statements_make_the_same_views_with_the_types_that_are_registered(
    full: Athena, aws: str, port: int
) -> None:
    """A view that says a narrower type than its query gives is stale to Athena; here Trino works the types out itself."""
    boto3.client("glue", endpoint_url=aws, region_name="us-east-1").create_database(DatabaseInput={"Name": "by_statement"})
    by_statement = Athena(port, "by_statement")
    for contract in ALL:
        place = catalog.athena_location(f"s3a://{BUCKET}/full", contract)
        by_statement.ask(f"CALL system.register_table('by_statement', '{contract.name}', '{place}')")
    for view in VIEWS:
        by_statement.ask(view.athena_ddl("by_statement"))
    assert columns(by_statement) == columns(full)


def columns(athena: Athena) -> dict[str, dict[str, str]]:
    """The columns of each view and their types; Trino knows how long a literal is, and any text is as wide as none."""
    found = {view.name: athena.ask(f"SHOW COLUMNS FROM {view.name}") for view in VIEWS}
    return {name: {row["Column"]: re.sub(r"varchar\(\d+\)", "varchar", row["Type"]) for row in rows}
            for name, rows in found.items()}  # fmt: skip
