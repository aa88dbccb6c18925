"""What compliance's views show of a few literal rows, in the dialect of Athena's kind; and that Spark reads them too."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from pyspark.sql import SparkSession

from paylake.contracts import AML_ALERT, COMPLIANCE_INDEX, COMPLIANCE_RULES, RUN_CONTROLS, TRANSACTION_FLAGS, TableContract
from paylake.contracts.views import VIEWS
from paylake.contracts.views.compliance import V_AML_ALERTS, V_CASH_REPORTS, V_KYC_DUE, V_STRUCTURING

PUBLISHED = {"run_id": "r1", "business_date": "2028-02-29", "row_kind": "PUBLISHED", "run_at": "2028-03-01 01:00:00"}
OF_RUN = {"entity_type": "USER", "business_date": "2028-02-29", "currency": "USD", "run_id": "r1", "ctr_required": False,
          "structuring_suspected": False, "just_below_threshold_count": 0, "kyc_status": "VERIFIED"}  # fmt: skip


@pytest.fixture
def athena() -> duckdb.DuckDBPyConnection:
    """A database with the views' tables, empty but for one published run."""
    found = duckdb.connect()
    found.execute("CREATE SCHEMA lake")
    for contract in (RUN_CONTROLS, TRANSACTION_FLAGS, COMPLIANCE_RULES, COMPLIANCE_INDEX, AML_ALERT):
        found.execute(contract.duckdb_ddl("lake"))
    fill(found, RUN_CONTROLS, PUBLISHED)
    wanted = {"v_published_runs", "v_compliance_index", "v_aml_alert"}
    for view in VIEWS:
        if view.name in wanted or view in (V_KYC_DUE, V_CASH_REPORTS, V_STRUCTURING, V_AML_ALERTS):
            found.execute(view.athena_ddl("lake"))
    return found


def fill(database: duckdb.DuckDBPyConnection, contract: TableContract, *rows: dict[str, Any]) -> None:
    """Insert rows, of which only some columns are said."""
    for row in rows:
        places = ", ".join("?" for _ in row)
        database.execute(f"INSERT INTO lake.{contract.name} ({', '.join(row)}) VALUES ({places})", list(row.values()))


def test_kyc_is_due_where_it_is_missing_unfinished_expired_or_soon_to_expire(athena: duckdb.DuckDBPyConnection) -> None:
    def user(name: str, **columns: Any) -> dict[str, Any]:
        return {**OF_RUN, "entity_id": name, **columns}

    fill(
        athena, COMPLIANCE_INDEX,
        user("verified"), user("ends later", kyc_expires_on="2028-03-31"), user("ends soon", kyc_expires_on="2028-03-30"),
        user("ends today", kyc_expires_on="2028-02-29"), user("ended", kyc_expires_on="2028-02-28"),
        user("pending", kyc_status="PENDING"), user("pending", kyc_status="PENDING", currency="EUR",
                                                    compliance_flag="REQUIRES_KYC"),
        user("not known", kyc_status=None), user("unpublished", kyc_status="NONE", run_id="r2"),
        user("cured", kyc_status="NONE", business_date="2028-02-28"), user("cured"),
        user("a shop", kyc_status=None, entity_type="MERCHANT"),
    )  # fmt: skip
    found = athena.execute("SELECT user_id, is_expired, is_required FROM lake.v_kyc_due ORDER BY user_id").fetchall()
    assert found == [
        ("ended", True, False), ("ends soon", False, False), ("ends today", False, False), ("not known", False, False),
        ("pending", False, True),
    ]  # fmt: skip


def test_reports_and_alerts_show_what_is_published(athena: duckdb.DuckDBPyConnection) -> None:
    fill(
        athena, COMPLIANCE_INDEX,
        {**OF_RUN, "entity_id": "reported", "ctr_required": True, "ctr_due_on": "2028-03-15"},
        {**OF_RUN, "entity_id": "split", "structuring_suspected": True, "just_below_threshold_count": 1, "is_pep": True},
        {**OF_RUN, "entity_id": "near", "just_below_threshold_count": 1}, {**OF_RUN, "entity_id": "plain"},
    )  # fmt: skip
    alert = {"alert_id": "a1", "entity_type": "USER", "entity_id": "split", "business_date": "2028-02-29", "currency": "USD"}
    fill(athena, AML_ALERT, {**alert, "run_id": "r1"}, {**alert, "alert_id": "a2", "run_id": "r2"})
    shown = {
        view: athena.execute(f"SELECT {columns} FROM lake.{view} ORDER BY 1").fetchall()
        for view, columns in {
            "v_cash_reports": "user_id, CAST(ctr_due_on AS VARCHAR)", "v_structuring": "user_id, structuring_suspected",
            "v_aml_alerts": "alert_id, is_pep",
        }.items()
    }  # fmt: skip
    assert shown == {
        "v_cash_reports": [("reported", "2028-03-15")],
        "v_structuring": [("near", False), ("split", True)],
        "v_aml_alerts": [("a1", True)],
    }


def test_spark_reads_compliances_views(spark: SparkSession) -> None:
    frames: dict[str, Any] = {}
    for view in VIEWS:
        for source in view.reads:
            if isinstance(source, TableContract):
                frames[source.name] = spark.createDataFrame([], source.schema)
        frames[view.name] = spark.sql(view.body, **{source.name: frames[source.name] for source in view.reads})
    assert frames["v_policy_hits"].columns[-3:] == ["kyc_status", "policy_flags", "policy_ids"]
