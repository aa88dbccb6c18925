"""What the views over merchants and customers say of a few rows, in Spark and in another dialect."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from pyspark.sql import DataFrame, SparkSession

from paylake.contracts import MERCHANT_INDEX, MONITORING_PROGRAMMES, USER_SPEND_INDEX
from paylake.contracts.programmes import PROGRAMMES, programme_rows
from paylake.contracts.view import View
from paylake.contracts.views import (
    V_MERCHANT_ANOMALIES,
    V_MERCHANT_DAILY,
    V_MERCHANT_EXPOSURE,
    V_MERCHANT_MONTHLY,
    V_REPEATED_DECLINES,
    V_USER_SPEND,
)
from tests.builders import as_dicts, by_key, day, frame, rows

NO_COUNTS = {f.name: 0 for f in MERCHANT_INDEX.fields if f.type.simpleString() == "bigint"}
NO_AMOUNTS = {f.name: Decimal(0) for f in MERCHANT_INDEX.fields if f.name.endswith("amount") and not f.nullable}


def of(merchant: str, business_date: str, currency: str = "INR", **said: Any) -> dict[str, Any]:
    """A row of v_merchant_daily."""
    place = {"merchant_id": merchant, "business_date": day(business_date), "currency": currency}
    return {**NO_COUNTS, **NO_AMOUNTS, "region": "AP", **place, **said}


def exact(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.000001"))


def read(spark: SparkSession, view: View, *frames: DataFrame) -> DataFrame:
    """The view over frames, in the order of what it reads."""
    return spark.sql(view.body, **{source.name: found for source, found in zip(view.reads, frames, strict=True)})


DAILY = (
    of("m1", "2026-02-27", mastercard_sales=9_000),
    of("m1", "2026-02-28", "USD", mastercard_sales=1_000),
    of(
        "m1", "2026-03-01", attempts=10, approved=6, declined=2, pending=2, orders=7, approved_amount=exact("100"),
        declined_amount=exact("25"), orders_amount=exact("110"), sales=5, sales_amount=exact("90"), refunds=1,
        fees_amount=exact("3"), is_anomalous=True, anomalies=["VOLUME_HIGH"], volume_z_score=Decimal("4.5"),
        merchant_name="Old Tea",
    ),
    of(
        "m1", "2026-03-31", approved=1, approved_amount=exact("0.01"), mastercard_chargebacks=150, visa_chargebacks=1_500,
        visa_not_present_sales=68_181, merchant_name="Tea House", is_anomalous=False,
    ),
    of("m1", "2026-03-30", "USD", mastercard_chargebacks=50, merchant_name="Tea Hut"),
    # 2.199983 %, which is 2.2 % in six decimals of the ratio
    of("m2", "2026-03-31", visa_chargebacks=1_500, visa_not_present_sales=68_182, mastercard_sales=10_000),
    of("m2", "2026-04-01", visa_chargebacks=1_500, visa_not_present_sales=100_000, mastercard_chargebacks=300),
    of("m3", "2026-03-31", visa_chargebacks=1_499, visa_not_present_sales=1_500, region="LAC", mastercard_sales=10_000),
    of("m3", "2026-04-01", mastercard_chargebacks=350, region="LAC", mastercard_sales=0),
    of("m4", "2026-03-31", visa_chargebacks=2_000, visa_not_present_sales=2_000, region=None),
    of("m5", "2026-03-31", mastercard_sales=20_000),
    of("m5", "2026-04-01", mastercard_chargebacks=400),
    of("m5", "2026-06-01", mastercard_chargebacks=400),
    of("UNKNOWN", "2026-03-31", visa_chargebacks=2_000, visa_not_present_sales=2_000),
)  # fmt: skip


@pytest.fixture(scope="module")
def monthly(spark: SparkSession) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The view over DAILY, by merchant, month and currency."""
    rules = spark.createDataFrame(programme_rows(), MONITORING_PROGRAMMES.schema)
    found = as_dicts(read(spark, V_MERCHANT_MONTHLY, rows(spark, MERCHANT_INDEX, *DAILY), rules))
    return {(row["merchant_id"], row["business_month"].month, row["currency"]): row for row in found}


Monthly = dict[tuple[Any, ...], dict[str, Any]]


def test_a_month_is_the_sum_of_its_days_with_rates_of_the_sums(monthly: Monthly) -> None:
    row = monthly["m1", 3, "INR"]
    said = (
        "business_month", "active_days", "merchant_name", "attempts", "approved", "approved_amount", "anomalous_days",
        "auth_rate", "auth_rate_by_amount", "order_auth_rate", "average_ticket_amount", "effective_rate", "refund_rate",
    )  # fmt: skip
    assert tuple(row[name] for name in said) == (
        date(2026, 3, 1), 1, "Tea House", 10, 7, exact("100.01"), 1, exact("0.777778"), exact("0.800016"), exact("1"),
        exact("14.287143"), exact("0.033333"), exact("0.2"),
    )  # fmt: skip
    empty = monthly["m1", 2, "USD"]
    assert {empty[name] for name in ("auth_rate", "average_ticket_amount", "effective_rate", "vamp_ratio", "ecm_ratio")} == {
        None
    }


def test_a_month_is_judged_over_all_currencies_by_the_programmes_of_its_time(monthly: Monthly) -> None:
    said = ("vamp_ratio", "vamp_level", "ecm_ratio", "ecm_level")
    assert {key: tuple(row[name] for name in said) for key, row in monthly.items()} == {
        ("m1", 2, "INR"): (None, None, None, None),
        ("m1", 2, "USD"): (None, None, None, None),
        # 200 of 10,000 sales of February in both currencies
        ("m1", 3, "INR"): (exact("0.022"), "EXCESSIVE", exact("0.02"), "ECM"),
        ("m1", 3, "USD"): (exact("0.022"), "EXCESSIVE", exact("0.02"), "ECM"),
        ("m2", 3, "INR"): (exact("0.022"), "NONE", None, None),
        ("m2", 4, "INR"): (exact("0.015"), "EXCESSIVE", exact("0.03"), "HECM"),
        ("m3", 3, "INR"): (exact("0.999333"), "NONE", None, None),
        # 300 chargebacks are enough for the higher level, 3.5 % are not needed
        ("m3", 4, "INR"): (None, None, exact("0.035"), "HECM"),
        ("m4", 3, "INR"): (exact("1"), None, None, None),
        ("m5", 3, "INR"): (None, None, None, None),
        ("m5", 4, "INR"): (None, None, exact("0.02"), "ECM"),
        # nothing is known of May
        ("m5", 6, "INR"): (None, None, None, None),
        ("UNKNOWN", 3, "INR"): (exact("1"), None, None, None),
    }


def test_another_dialect_says_the_same_of_a_month(monthly: Monthly) -> None:
    other = duckdb.connect()
    for name, contract, found in (
        ("v_merchant_daily", MERCHANT_INDEX, [{f.name: row.get(f.name) for f in MERCHANT_INDEX.fields} for row in DAILY]),
        ("monitoring_programmes", MONITORING_PROGRAMMES,
         [dict(zip(MONITORING_PROGRAMMES.columns, row, strict=True)) for row in programme_rows()]),
    ):  # fmt: skip
        types = {f.name: f.type.simpleString().replace("array<string>", "VARCHAR[]") for f in contract.fields}
        other.execute(f"CREATE TABLE {name} ({', '.join(f'{column} {kind}' for column, kind in types.items())})")
        other.executemany(
            f"INSERT INTO {name} VALUES ({', '.join('?' * len(types))})", [list(row.values()) for row in found]
        )
    answer = other.execute(V_MERCHANT_MONTHLY.sql())
    columns = [column[0] for column in answer.description]
    said = [dict(zip(columns, row, strict=True)) for row in answer.fetchall()]
    assert {(row["merchant_id"], row["business_month"].month, row["currency"]): row for row in said} == monthly


def test_anomalies_are_the_days_that_are_anomalous(spark: SparkSession) -> None:
    known = of("m9", "2026-03-31", is_anomalous=None)
    found = read(spark, V_MERCHANT_ANOMALIES, rows(spark, MERCHANT_INDEX, *DAILY, known))
    assert as_dicts(found, "merchant_id", "business_date", "anomalies", "distance") == [
        {
            "merchant_id": "m1",
            "business_date": day("2026-03-01"),
            "anomalies": ["VOLUME_HIGH"],
            "distance": Decimal("4.5000"),
        }
    ]


def test_exposure_ranks_the_merchants_of_a_currency_by_what_is_at_risk(spark: SparkSession) -> None:
    broken = frame(
        spark,
        "recon_id string, currency string, severity string, amount decimal(18,4), business_date date, age_days int",
        ("r1", "INR", "Critical", Decimal(70), day("2026-03-30"), 1),
        ("r2", "INR", "Low", Decimal(20), day("2026-03-31"), 0),
        ("r3", "INR", "High", Decimal(95), day("2026-03-31"), 0),
        ("r4", "USD", "High", Decimal(1), day("2026-03-31"), 0),
    )
    of_merchant = frame(spark, "recon_id string, merchant_id string", ("r1", "m1"), ("r2", "m1"), ("r3", "m2"), ("r4", "m2"))
    found = read(spark, V_MERCHANT_EXPOSURE, broken, of_merchant, rows(spark, MERCHANT_INDEX, *DAILY))
    said = ("merchant_id", "merchant_name", "currency", "open_breaks", "critical_breaks", "amount", "oldest_business_date",
            "oldest_age_days", "place")  # fmt: skip
    assert sorted(tuple(row[name] for name in said) for row in as_dicts(found)) == [
        ("m1", "Tea House", "INR", 2, 1, Decimal("90.0000"), day("2026-03-30"), 1, 2),
        ("m2", None, "INR", 1, 0, Decimal("95.0000"), day("2026-03-31"), 0, 1),
        ("m2", None, "USD", 1, 0, Decimal("1.0000"), day("2026-03-31"), 0, 1),
    ]


def test_repeated_declines_are_the_customers_who_had_them(spark: SparkSession) -> None:
    spend = rows(spark, USER_SPEND_INDEX, {"user_id": "often", "is_declined_repeatedly": True}, {"user_id": "once"})
    assert list(by_key(read(spark, V_REPEATED_DECLINES, spend), "user_id")) == ["often"]


def test_the_current_versions_have_names_of_their_own() -> None:
    assert [view.name for view in (V_MERCHANT_DAILY, V_USER_SPEND)] == ["v_merchant_daily", "v_user_spend"]
    assert "closed_by_run_id" not in V_MERCHANT_DAILY.body.split("FROM")[0]


def test_no_two_rules_of_a_level_are_in_force_at_once() -> None:
    levels: dict[tuple[str, ...], list[tuple[date, date]]] = {}
    for rule in PROGRAMMES:
        key = (rule.programme, rule.subject, rule.region, rule.level)
        levels.setdefault(key, []).append((rule.since, rule.until or date.max))
    overlaps = [
        key for key, times in levels.items() for (_, end), (begin, _) in zip(sorted(times), sorted(times)[1:], strict=False)
        if begin <= end
    ]  # fmt: skip
    assert overlaps == []


def test_the_programmes_columns_are_those_of_their_table() -> None:
    assert MONITORING_PROGRAMMES.columns == tuple(vars(PROGRAMMES[0]))
