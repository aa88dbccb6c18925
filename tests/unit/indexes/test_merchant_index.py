"""How a merchant did on a date: what is counted, where it is divided, and what is unlike its history."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from paylake.contracts import MERCHANT_INDEX
from paylake.contracts.merchants import APPROVED, DECLINED, REVERSED
from paylake.contracts.statements import LINE_TYPES, PAYOUT
from paylake.contracts.taxonomy import PAYMENT_STATUSES
from paylake.indexes.merchant_index import merchant_index
from paylake.indexes.payments import Sources
from paylake.indexes.versions import VERSION_COLUMNS
from paylake.quality import failed_checks
from tests.builders import as_dicts
from tests.unit.indexes.consumers import DAY, at, in_another_order, money, sources

SAID = {f.name: f for f in MERCHANT_INDEX.fields if f.name not in VERSION_COLUMNS}
NOTHING: dict[str, Any] = {
    **{name: 0 for name in SAID if SAID[name].type.simpleString() in ("bigint", "int")},
    **{name: Decimal("0.000000") for name, f in SAID.items() if name.endswith("amount") and not f.nullable},
    **{name: None for name, f in SAID.items() if f.nullable},
    "anomalies": [], "business_date": DAY, "currency": "INR",
}  # fmt: skip


def exact(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.000001"))


def line(kind: str, amount: str, fee: str = "0", reference: str | None = "sold", **said: Any) -> dict[str, Any]:
    """A line of a processor's report of the date, in rupees."""
    return {
        "type": kind, "amount": exact(amount), "fee_amount": exact(fee), "net_amount": exact(amount) - exact(fee),
        "currency": "INR", "merchant_reference": reference, "created_at": at("10:00"), **said,
    }  # fmt: skip


def history(merchant: str, *counts: int, first: int = 1, declined: int = 0) -> list[dict[str, Any]]:
    """So many payments on each day before the date, going back; some of each day's are declined."""
    return [
        {
            "merchant_id": merchant,
            "paid_at": at("12:00", days=back),
            "payment_status": "FAILED" if n < declined else "SUCCESS",
        }
        for back, count in enumerate(counts, first)
        for n in range(count)
    ]


COUNTED = [
    {"merchant_id": "m1", **said}
    for said in (
        {"amount": money("100"), "paid_at": at("10:00")},
        {"amount": money("50.01"), "payment_status": "CHARGEBACK"},
        {"amount": money("40"), "payment_status": "FAILED"},
        {"amount": money("30"), "payment_status": "PROCESSING"},
        {"amount": money("20"), "payment_status": "REVERSED", "kind": "STATUS_MISMATCH"},
        {"amount": money("10"), "kind": "AMOUNT_MISMATCH", "difference_amount": money("1.5")},
        {"amount": money("9"), "kind": "TIMESTAMP_DRIFT", "user_id": "u2"},
    )
]
RETRIED = [
    {"merchant_id": "retried", "amount": money("10"), **said}
    for said in (
        {"paid_at": at("10:00"), "payment_status": "FAILED"},
        {"paid_at": at("10:10"), "payment_status": "PENDING"},
        {"paid_at": at("10:30"), "payment_status": "FAILED"},  # half an hour later, no more: a retry
        {"paid_at": at("11:00")},  # a retry, approved
        {"paid_at": at("11:01")},  # the next order
        {"paid_at": at("12:00"), "payment_status": "FAILED"},
        {"paid_at": at("12:30:00.000001")},  # too late for a retry
        {"paid_at": at("12:00"), "user_id": "u2"},
        {"paid_at": at("12:01"), "amount": money("11")},
        {"paid_at": at("23:59", days=29), "payment_status": "FAILED", "user_id": "u3"},
        {"paid_at": at("00:01"), "user_id": "u3"},
    )
]
TICKETS = [
    {"merchant_id": "tickets", "currency": currency, "amount": money(amount), "user_id": user}
    for currency, pair in {"JPY": ("2", "3"), "KWD": ("0.001", "0.002"), "INR": ("0.01", "0.02")}.items()
    for user, amount in zip(("u1", "u2"), pair, strict=True)
]
SETTLED = [
    {"merchant_id": "m2", "transaction_id": "old", "paid_at": at("10:00", days=30), "payment_system": "MasterCard"},
    {"merchant_id": "m2", "transaction_id": "sold", "paid_at": at("10:00", days=1)},
]
OF_SETTLED = (
    line("SALE", "100", "2.000001"),
    line("SALE", "100", "2", created_at=at("23:59", days=1)),
    line("REFUND", "-30", "0.1", "old"),
    line("REFUND_REVERSAL", "10", "0", "old"),
    line("CHARGEBACK", "-25", "15", "old"),
    line("CHARGEBACK_REVERSAL", "5"),
    line("FEE", "-7", "0", None),
    line("RESERVE_HELD", "-3", "0", None),
    line("SALE", "40", "1", "never seen", payment_method="visa"),
    line("CHARGEBACK", "-40", "1", "never seen", payment_method="visa"),
    line("SALE", "60", "1", "never seen", currency="EUR", created_at=None, file_sha256="f", payout_id="p"),
    line("SALE", "60", "1", "never seen", currency="USD", created_at=None, file_sha256="f", payout_id="p"),
    line(PAYOUT, "-120", "0.25", None),
    line(PAYOUT, "-99", currency="JPY"),
)
PAYOUTS_OF_THEM = (
    {"file_sha256": "f", "payout_id": "p", "currency": "EUR", "payout_date": DAY},
    {"file_sha256": "f", "payout_id": "p", "currency": "USD", "payout_date": DAY + timedelta(days=1)},
)
OF_EVERY_TYPE = tuple(
    line(kind, f"{(number - 4) * 7}.{number:06d}", "0.000003", reference, currency="CHF")
    for reference in ("sold", "a franc", "nobody's", None)
    for number, kind in enumerate(LINE_TYPES)
)
COMPARED = [
    # median 26, deviations 0 to 6 with median 4; shares of declines 1/16 to 1/10, median 1/13
    *[{"merchant_id": "busy", "payment_status": "FAILED"}] * 50,
    *history("busy", 20, 22, 24, 26, 28, 30, 32, declined=2),
    # six days are no history
    *[{"merchant_id": "new"}] * 30,
    *history("new", 9, 9, 9, 9, 9, 9),
    # silent on the date and on the day before; others were paid on that day
    *history("silent", 10, 10, 10, 10, 10, 10, first=2),
    # all days alike: one more is within the least spread
    *[{"merchant_id": "steady"}] * 4,
    *history("steady", 3, 3, 3, 3, 3, 3, 3),
    # nobody was paid on the two days in the middle, which were not published
    *history("gap", 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1),
    *history("long gone", 5, first=29),
]


@pytest.fixture(scope="module")
def given(spark: SparkSession) -> Sources:
    """All that the tests are about, each with merchants or a currency of its own."""
    franc = {"merchant_id": "francs", "transaction_id": "a franc", "currency": "CHF", "payment_status": "FAILED"}
    lines = tuple({**one, "line": number} for number, one in enumerate((*OF_SETTLED, *OF_EVERY_TYPE)))
    return sources(spark, *COUNTED, *RETRIED, *TICKETS, *SETTLED, *COMPARED, franc, lines=lines, payouts=PAYOUTS_OF_THEM)


@pytest.fixture(scope="module")
def found(given: Sources) -> dict[tuple[str, str], dict[str, Any]]:
    """The index of the date, by merchant and currency."""
    rows = as_dicts(merchant_index(given))
    keyed = {(row["merchant_id"], row["currency"]): row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


Found = dict[tuple[str, str], dict[str, Any]]


def test_payments_are_counted_by_what_became_of_them_and_described_as_of_the_end_of_the_date(found: Found) -> None:
    assert found["m1", "INR"] == {
        **NOTHING, "merchant_id": "m1", "merchant_name": "Tea House", "category": "dining", "risk_level": "HIGH",
        "region": "AP", "attempts": 7, "attempts_amount": exact("259.01"), "approved": 4,
        "approved_amount": exact("169.01"), "declined": 1, "declined_amount": exact("40"), "pending": 1,
        "pending_amount": exact("30"), "reversed": 1, "reversed_amount": exact("20"), "orders": 5,
        "orders_amount": exact("209.01"), "auth_rate": exact("0.8"), "auth_rate_by_amount": exact("0.808622"),
        "order_auth_rate": exact("0.8"), "order_auth_rate_by_amount": exact("0.808622"),
        # 169.01 / 4 = 42.2525
        "average_ticket_amount": exact("42.25"), "broken": 3, "broken_amount": exact("21.5"),
    }  # fmt: skip


def test_a_retry_within_half_an_hour_is_the_same_order_until_it_is_approved_or_the_date_ends(found: Found) -> None:
    said = ("attempts", "approved", "orders", "orders_amount", "order_auth_rate", "auth_rate")
    assert tuple(found["retried", "INR"][name] for name in said) == (
        10, 6, 7, exact("71"), exact("0.857143"), exact("0.666667"),
    )  # fmt: skip


def test_settled_money_counts_on_the_day_of_its_line_for_the_merchant_of_its_payment(found: Found) -> None:
    unknown = {**NOTHING, "merchant_id": "UNKNOWN"}
    assert found["UNKNOWN", "EUR"] == {
        **unknown, "currency": "EUR", "settlement_lines": 1, "sales": 1, "sales_amount": exact("60"),
        "fees_amount": exact("1"), "settled_net_amount": exact("59"), "effective_rate": exact("0.016667"),
        "refund_rate": exact("0"), "chargeback_rate": exact("0"),
    }  # fmt: skip
    assert found["UNKNOWN", "INR"] == {
        **unknown, "settlement_lines": 4, "sales": 1, "sales_amount": exact("40"),
        "chargebacks": 1, "chargebacks_amount": exact("40"), "fees_amount": exact("9.25"), "other_amount": exact("-3"),
        "settled_net_amount": exact("-12.25"), "effective_rate": exact("0.23125"), "refund_rate": exact("0"),
        "chargeback_rate": exact("1"), "visa_chargebacks": 1,
    }  # fmt: skip
    assert found["m2", "INR"] == {
        **NOTHING, "merchant_id": "m2", "merchant_name": "Books", "category": "books", "risk_level": "LOW",
        "region": "EU", "history_days": 1, "settlement_lines": 5, "sales": 1, "sales_amount": exact("100"), "refunds": 1,
        "refunds_amount": exact("20"), "chargebacks": 1, "chargebacks_reversed": 1, "chargebacks_amount": exact("20"),
        "fees_amount": exact("17.100001"), "settled_net_amount": exact("42.899999"),
        "effective_rate": exact("0.171000"), "refund_rate": exact("1"), "chargeback_rate": exact("1"),
        "visa_not_present_sales": 1, "mastercard_chargebacks": 1,
    }  # fmt: skip
    assert not {("UNKNOWN", "USD"), ("m2", "JPY")} & found.keys()


def test_the_merchants_come_to_what_the_lines_do(found: Found) -> None:
    of_francs = {merchant: row for (merchant, currency), row in found.items() if currency == "CHF"}
    others = [one for one in OF_EVERY_TYPE if one["type"] != PAYOUT]
    fees_of_payouts = sum((one["fee_amount"] for one in OF_EVERY_TYPE if one["type"] == PAYOUT), Decimal(0))
    net = sum((one["net_amount"] for one in others), -fees_of_payouts)
    assert set(of_francs) == {"m2", "francs", "UNKNOWN"}
    assert sum(row["settlement_lines"] for row in of_francs.values()) == len(others)
    assert sum((row["settled_net_amount"] for row in of_francs.values()), Decimal(0)) == net


def test_every_row_keeps_the_contract_once_it_is_a_version(spark: SparkSession, found: Found) -> None:
    said = StructType([field for field in MERCHANT_INDEX.schema if field.name in SAID])
    rows = spark.createDataFrame([tuple(row[name] for name in SAID) for row in found.values()], said)
    of_versions = {f"{name}_present" for name in VERSION_COLUMNS}
    versions = rows.selectExpr("*", *(f"NULL AS {name}" for name in VERSION_COLUMNS))
    failed = {name for row in versions.select(failed_checks(MERCHANT_INDEX)).collect() for name in row[0]}
    assert failed - of_versions == set()


def test_every_status_of_a_payment_is_counted_once() -> None:
    known = [*APPROVED, *DECLINED, *REVERSED]
    assert len(set(known)) == len(known)
    assert set(PAYMENT_STATUSES) - set(known) == {"PENDING", "PROCESSING"}


def test_a_date_is_compared_with_the_published_days_of_the_merchant(found: Found) -> None:
    said = ("attempts", "history_days", "volume_z_score", "decline_rate_z_score", "is_anomalous", "anomalies")
    compared = {name: tuple(found[name, "INR"][c] for c in said) for name in ("busy", "new", "silent", "steady", "gap")}
    assert compared == {
        "busy": (50, 7, Decimal("4.0469"), Decimal("60.7066"), True, ["VOLUME_HIGH", "DECLINES_HIGH"]),
        "new": (30, 6, None, None, None, []),
        "silent": (0, 7, Decimal("-10.0000"), None, True, ["VOLUME_LOW"]),
        "steady": (4, 7, Decimal("1.0000"), None, False, []),
        "gap": (0, 9, Decimal("-1.0000"), None, False, []),
    }
    assert ("long gone", "INR") not in found


def test_an_average_ticket_has_the_decimals_of_its_currency(found: Found) -> None:
    assert {currency: row["average_ticket_amount"] for (name, currency), row in found.items() if name == "tickets"} == {
        "JPY": exact("3"), "KWD": exact("0.002"), "INR": exact("0.02"),
    }  # fmt: skip


def test_rows_in_another_order_say_the_same(given: Sources, found: Found) -> None:
    again = as_dicts(merchant_index(in_another_order(given)))
    assert sorted(again, key=repr) == sorted(found.values(), key=repr)
