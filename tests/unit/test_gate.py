"""The gate before publishing: whole or refused, with a sentence per broken promise."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from paylake.contracts import BUSINESS_DAYS, SETTLEMENT_LINES
from paylake.errors import ControlError
from paylake.gate import refuse_unless_kept
from tests.builders import day, rows


def test_rows_that_keep_their_promises_pass(spark: SparkSession, caplog: pytest.LogCaptureFixture) -> None:
    refuse_unless_kept({BUSINESS_DAYS: rows(spark, BUSINESS_DAYS, {}), SETTLEMENT_LINES: rows(spark, SETTLEMENT_LINES)})
    assert caplog.messages == []


def test_every_broken_promise_of_every_table_is_named(spark: SparkSession) -> None:
    first, second = {"day": day("2026-03-30")}, {"day": day("2026-03-31")}
    days = rows(spark, BUSINESS_DAYS, first, second, second, {"rail": "RIVER"}, {"rail": "CANAL"})
    lines = rows(spark, SETTLEMENT_LINES, {"line": 1, "currency": None}, {"line": 2})
    with pytest.raises(ControlError) as raised:
        refuse_unless_kept({BUSINESS_DAYS: days, SETTLEMENT_LINES: lines})
    assert str(raised.value).splitlines() == [
        "Nothing is published, since its rows break what their tables promise:",
        "business_days: 1 row repeats the key of another one, for example rail=INDIA, day=2026-03-31.",
        "business_days: 2 rows fail rail_known, for example rail=CANAL, day=2026-03-31.",
        "settlement_lines: 1 row fails currency_present, for example file_sha256=x, line=1.",
        "settlement_lines: 1 row fails currency_known, for example file_sha256=x, line=1.",
    ]


def test_a_promise_that_only_warns_is_said_and_passes(spark: SparkSession, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="paylake.gate"):
        refuse_unless_kept({SETTLEMENT_LINES: rows(spark, SETTLEMENT_LINES, {"fee_amount": Decimal("7.000000")})})
    assert caplog.messages == ["settlement_lines: 1 row fails net_is_amount_less_fee, for example file_sha256=x, line=1."]
