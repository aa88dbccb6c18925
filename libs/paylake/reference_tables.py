"""Tables whose rows are data of the code: kept as the code says, so that SQL can join them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from paylake import tables
from paylake.contracts import BUSINESS_DAYS, COMPLIANCE_RULES, MONITORING_PROGRAMMES, SETTLEMENT_FEES
from paylake.contracts.programmes import programme_rows
from paylake.contracts.settlement import fee_rows
from paylake.contracts.table import TableContract
from paylake.indexes.compliance_rules import compliance_rule_rows
from paylake.resolution.calendars import business_day_rows

REFERENCE_TABLES: dict[TableContract, Callable[[], Sequence[tuple[Any, ...]]]] = {
    BUSINESS_DAYS: business_day_rows,
    COMPLIANCE_RULES: compliance_rule_rows,
    MONITORING_PROGRAMMES: programme_rows,
    SETTLEMENT_FEES: fee_rows,
}
"""Table -> what gives its rows."""


def reference(spark: SparkSession, lake: str, contract: TableContract) -> DataFrame:
    """The table, written where it is not there or the code says something else by now."""
    tables.create(spark, lake, contract)
    rows = REFERENCE_TABLES[contract]()
    said = {"rows": hashlib.sha256(repr(rows).encode()).hexdigest()}
    if tables.last_commit(spark, lake, contract).metadata != said:
        tables.overwrite(spark.createDataFrame(rows, contract.schema).coalesce(1), lake, contract, said)
    return tables.read(spark, lake, contract)
