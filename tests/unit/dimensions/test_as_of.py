"""Joins as of the event: the version that held then, at most one, and no row lost."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake.dimensions.as_of import as_of
from paylake.errors import ContractError
from tests.builders import frame

PAYMENTS = "payment string, merchant_id string, at timestamp_ltz, country string"
MERCHANTS = "merchant_id string, valid_from timestamp_ltz, valid_to timestamp_ltz, risk string"


def test_each_payment_finds_the_version_that_held_at_its_time(spark: SparkSession) -> None:
    day = "2026-03-31 "
    payments = frame(spark, "payment string, merchant_id string, at string",
                     ("too early", "m1", day + "07:59:59"), ("first moment", "m1", day + "08:00:00"),
                     ("last moment", "m1", day + "11:59:59.999999"), ("of the next", "m1", day + "12:00:00"),
                     ("in the gap", "m1", day + "15:00:00"), ("after it", "m1", day + "20:00:00"),
                     ("nobody's", "m2", day + "12:00:00"), ("no merchant", None, day + "12:00:00"),
                     ("no time", "m1", None))  # fmt: skip
    merchants = frame(spark, "merchant_id string, valid_from string, valid_to string, risk string",
                      ("m1", day + "08:00:00", day + "12:00:00", "LOW"), ("m1", day + "12:00:00", day + "14:00:00", "HIGH"),
                      ("m1", day + "18:00:00", None, "MEDIUM"), ("m3", day + "00:00:00", None, "LOW"))  # fmt: skip
    joined = as_of(
        payments.withColumn("at", F.col("at").cast("timestamp")),
        merchants.withColumns({name: F.col(name).cast("timestamp") for name in ("valid_from", "valid_to")}),
        key="merchant_id",
        at="at",
    )
    assert joined.columns == ["payment", "merchant_id", "at", "risk"]
    assert {row["payment"]: row["risk"] for row in joined.collect()} == {
        "too early": None, "first moment": "LOW", "last moment": "LOW", "of the next": "HIGH", "in the gap": None,
        "after it": "MEDIUM", "nobody's": None, "no merchant": None, "no time": None,
    }  # fmt: skip
    assert joined.count() == payments.count()
    assert "BroadcastHashJoin" in joined._jdf.queryExecution().toString()


def test_a_name_that_would_come_twice_is_refused(spark: SparkSession) -> None:
    payments, merchants = frame(spark, PAYMENTS), frame(spark, MERCHANTS.replace("risk", "country"))
    with pytest.raises(ContractError, match="by merchant_id have country; rename"):
        as_of(payments, merchants, "merchant_id", "at")
