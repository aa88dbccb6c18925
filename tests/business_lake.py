"""A small lake with known content, made by the pipeline itself: a stream, two nightly runs, what people decided, and files.

Three payments agree, and one in yen; two more are the same payment made twice. Three differ between the ledgers, one
has lost a leg that comes before the second run, and one has a leg in quarantine. Between the runs asha and ben work on
the breaks. Before the second one come files of banks, processors and dimensions, and what is known of fraud: all payments
but one are scored, four of them stand out, four have a label, and one has signals.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from paylake import act_store, breaks, ingest, ingest_dimensions, nightly, resolutions, tables
from paylake.consumers import INDEXES, Index
from paylake.contracts import ALL, BREAKS, FRAUD_PARTIAL, FRAUD_SIGNALS, LABELS
from paylake.contracts.resolution import ActKind
from paylake.reconcile import Horizon
from paylake.reconciliation.rules import Rules
from paylake.reference_tables import REFERENCE_TABLES, reference
from paylake.resolution.acts import Act
from paylake.resolution.life import Limits
from paylake.statements import formats
from paylake.statements.mapping import read_mapping
from tests.builders import NOON, rows
from tests.stream_harness import Log, Reader, feed, open_stream, write_controls

D = date(2026, 3, 31)
FIRST, SECOND = f"{D}-001", f"{D}-002"
FIRST_AT, SECOND_AT = datetime(2026, 4, 2, 1, tzinfo=UTC), datetime(2026, 4, 10, 1, tzinfo=UTC)

REPORT = (
    "Type,Batch,Currency,Gross,Fee,Net,Booked,Payment,Event,Order,Method\n"
    "Sale,B-2026-03-31,INR,100.00,2.50,97.50,2026-03-31 14:00:00,P1,E1,good 0,UPI\n"
    "Sale,B-2026-03-31,INR,100.00,2.50,97.50,2026-03-31 14:00:00,P2,E2,good 1,UPI\n"
    "Refund,B-2026-03-31,INR,100.00,,100.00,2026-03-31 15:00:00,P1,E3,good 0,UPI\n"
    "Transfer,B-2026-03-31,INR,,,95.00,2026-04-01 08:00:00,,,,\n"
)
"""Two sales and a refund of the day, paid as one."""

_MT940 = (
    ":20:REF{n}\r\n:25:10020030/1234567\r\n:28C:{n}/1\r\n:60F:C26030{n}EUR{opening}\r\n"
    ":61:26030{n}030{n}C12,50NTRFREF-{n}//BANK-{n}\r\n:86:RENT\r\n:62F:C26030{n}EUR{closing}\r\n-\r\n"
)
_STRIPE = (
    "balance_transaction_id,created,automatic_payout_effective_at,currency,gross,fee,net,reporting_category,"
    "automatic_payout_id,customer_facing_amount\n"
    "txn_1,2026-03-01 10:00:00,2026-03-04 00:00:00,eur,25,0.95,24.05,charge,{payout},25\n"
    "txn_2,2026-03-04 00:00:00,2026-03-04 00:00:00,eur,-{paid},0,-{paid},payout,{payout},\n"
)
FILES: dict[str, str] = {
    "monday.sta": _MT940.format(n=1, opening="100,00", closing="112,50"),
    "wednesday.sta": _MT940.format(n=3, opening="120,00", closing="132,50"),
    "short.sta": _MT940.format(n=4, opening="132,50", closing="144,99"),
    "paid.csv": _STRIPE.format(payout="po_1", paid="24.05"),
    "short paid.csv": _STRIPE.format(payout="po_2", paid="24.00"),
}
"""The statement between Monday's and Wednesday's is missing; two files do not prove, and one of these is accepted."""


_KNOWN = "valid_from,delivered_at\n"
_SINCE = "2026-01-01T00:00:00+00:00,2026-01-02T00:00:00+00:00\n"
DIMENSIONS: dict[str, str] = {
    "merchants.csv": "merchant_id,merchant_name,category,risk_level,onboarding_date,country," + _KNOWN + "".join(
        f"{m},{name},{category},{risk},2025-05-01,IN,{_SINCE}"
        for m, name, category, risk in (
            ("m1", "Tea House", "dining", "LOW"),
            ("m2", "Radio Shop", "electronics", "LOW"),
            ("m3", "Night Bus", "travel", "HIGH"),
        )
    ),
    "users.csv": "user_id,home_country,kyc_status,risk_rating,is_pep,onboarding_date," + _KNOWN + "".join(
        f"{u},IN,{kyc},LOW,{pep},2025-05-01,{_SINCE}"
        for u, kyc, pep in (("u0", "VERIFIED", "false"), ("u1", "PENDING", "false"), ("u2", "VERIFIED", "true"),
                            ("u9", "VERIFIED", "false"))
    ),
    "policies.csv": "policy_id,policy_type,rule_description,subject_type,subject_id,jurisdiction,rule_version,active_flag,"
    + _KNOWN + f"kyc-in,KYC,Everybody is identified.,ALL,,IN,1,true,{_SINCE}"
    + f"black-u9,BLACKLIST,Lost in a dispute.,USER,u9,*,1,true,{_SINCE}",
}  # fmt: skip
"""u1 is not identified yet, u2 is politically exposed, u9 is blacklisted."""

SCORED: dict[str, Any] = {
    "model_name": "scorecard", "model_version": "1", "features_version": "1", "features": [1.0, 0.25], "confidence": 0.9,
}  # fmt: skip
STANDS_OUT: tuple[dict[str, Any], ...] = (
    {"transaction_id": "off", "amount": Decimal(500), "score": 0.95, "anomaly_type": "fraudulent", "decision": "DECLINE",
     "rules": ["AMOUNT_LIMIT"], "reasons": [("AMOUNT_LIMIT", "Too much.", "amount", 500.0, 100.0)]},
    {"transaction_id": "off", "amount": Decimal(500), "batch": 2},
    {"transaction_id": "double a", "user_id": "u9", "merchant_id": "m9", "amount": Decimal(40), "score": 0.9,
     "anomaly_type": "fraudulent", "decision": "DECLINE"},
    {"transaction_id": "double b", "user_id": "u9", "merchant_id": "m9", "amount": Decimal(40), "score": 0.6,
     "anomaly_type": "suspicious", "decision": "REVIEW", "rules": ["DUPLICATE_AMOUNT"]},
    {"transaction_id": "yen", "amount": Decimal(1000), "currency": "JPY", "score": 0.7, "anomaly_type": "suspicious",
     "decision": "REVIEW"},
)  # fmt: skip
"""`off` came again, and was scored as normal by then; `good 2` was never scored."""

SIGNALS: tuple[dict[str, Any], ...] = (
    {"transaction_id": "good 0", "fraud_id": "s2", "fraud_score": 0.8, "recorded_at": NOON + timedelta(hours=2)},
    {"transaction_id": "good 0", "fraud_id": "s1", "fraud_score": 0.3, "recorded_at": NOON + timedelta(hours=1)},
    {"transaction_id": "good 0", "fraud_id": "s1", "fraud_score": 0.3, "recorded_at": NOON + timedelta(hours=3)},
)
SAID: tuple[dict[str, Any], ...] = (
    {"transaction_id": "off", "label": "FRAUD"},
    {"transaction_id": "twice", "label": "FRAUD"},
    {"transaction_id": "double a", "label": "FRAUD"},
    {"transaction_id": "double a", "label": "GENUINE", "source": "ANALYST"},
    {"transaction_id": "double b", "label": "GENUINE", "source": "ANALYST"},
)
"""`twice` is a fraud that nothing had flagged; of `double a` the customer complained, and an analyst knows better."""


def build(spark: SparkSession, lake: str) -> None:
    """Make the lake; tables that nothing writes are empty."""
    log = Log()
    reader = Reader(log)
    _day(log)
    feed(open_stream(spark, lake), *reader.take())
    write_controls(spark, lake, log.controls())
    _night(spark, lake, FIRST_AT)
    _people(spark, lake)
    log.post("core", "late", amount="12.34", merchant_id="m3", arrives=NOON + timedelta(minutes=5))
    log.tick(NOON + timedelta(minutes=6))
    feed(open_stream(spark, lake), *reader.take())
    write_controls(spark, lake, log.controls())
    _files(spark, lake)
    _dimensions(spark, lake)
    _fraud(spark, lake)
    _night(spark, lake, SECOND_AT, INDEXES)
    for contract in REFERENCE_TABLES:
        reference(spark, lake, contract)
    tables.create(spark, lake, *ALL)


def _dimensions(spark: SparkSession, lake: str) -> None:
    files = [ingest.Incoming(name, text.encode()) for name, text in DIMENSIONS.items()]
    taken = ingest_dimensions.ingest(spark, lake, files)
    assert [(one.name, one.quarantined) for one in taken] == [(name, 0) for name in DIMENSIONS]


def _day(log: Log) -> None:
    for n in range(3):
        log.pay(f"good {n}", amount="100.00", user_id=f"u{n}")
    log.pay("yen", amount="1000", currency="JPY")
    log.pay("double a", amount="40.00", user_id="u9", merchant_id="m9")
    log.pay("double b", amount="40.00", user_id="u9", merchant_id="m9", at=NOON + timedelta(minutes=3))
    _differs(log, "off", gateway="500.00", core="450.00", merchant_id="m2")
    _differs(log, "off too", gateway="20.00", core="19.00", merchant_id="m2")
    log.pay("twice", amount="70.00", merchant_id="m3")
    log.post("core", "twice", amount="35.00", merchant_id="m3", at=NOON + timedelta(seconds=2))
    log.pay("late", without=["core"], amount="12.34", merchant_id="m3")
    log.pay("rejected", without=["core"], amount="5.00", merchant_id="m4")
    log.post("core", "rejected", amount="5.00", status="NOBODY KNOWS")
    log.tick(NOON)
    log.tick(NOON + timedelta(minutes=4))


def _differs(log: Log, transaction_id: str, gateway: str, core: str, **parts: Any) -> None:
    log.pay(transaction_id, without=["core"], amount=gateway, **parts)
    log.post("core", transaction_id, amount=core, **parts)


def _fraud(spark: SparkSession, lake: str) -> None:
    """As the stream leaves it: one row per record, also of one that came again."""
    tables.create(spark, lake, FRAUD_PARTIAL, FRAUD_SIGNALS, LABELS)
    plain = [{"transaction_id": name} for name in ("good 0", "good 1", "off too", "late", "rejected")]
    missed = {"transaction_id": "twice", "amount": Decimal(70), "merchant_id": "m3"}
    scored = [{**SCORED, **row} for row in (*plain, missed, *STANDS_OUT)]
    tables.append(rows(spark, FRAUD_PARTIAL, *scored), lake, FRAUD_PARTIAL)
    tables.append(rows(spark, FRAUD_SIGNALS, *SIGNALS), lake, FRAUD_SIGNALS)
    tables.append(rows(spark, LABELS, *SAID), lake, LABELS)


def _night(spark: SparkSession, lake: str, at: datetime, indexes: Collection[Index] = ()) -> None:
    nightly.build_batch_index(spark, lake, D, Rules(), Horizon().missing_after)
    run = nightly.build_final_aggregate(spark, lake, D, at, indexes=indexes)
    resolutions.settle(spark, lake, D, run.run_id, at, Limits())


def _people(spark: SparkSession, lake: str) -> None:
    """ben agrees to what asha proposes, asha to what a policy does; what she wants to agree to by herself is refused."""
    of = {row["transaction_id"]: row["break_id"] for row in tables.read(spark, lake, BREAKS).collect()}
    write_off = _act(ActKind.PROPOSE, of, "off", "asha", 0, resolution="WRITE_OFF")
    breaks.do(spark, lake, write_off, Limits())
    breaks.do(spark, lake, _act(ActKind.APPROVE, of, "off", "ben", 1), Limits())
    breaks.do(spark, lake, _act(ActKind.APPROVE, of, "off too", "asha", 2), Limits())
    corrected = _act(ActKind.PROPOSE, of, "twice", "asha", 3, resolution="CORRECTED")
    breaks.do(spark, lake, corrected, Limits())
    # written past every interface: the nightly run has the last word
    act_store.write(spark, lake, _act(ActKind.APPROVE, of, "twice", "asha", 4, of=corrected.act_id))


def _act(kind: ActKind, breaks_of: Mapping[str, str], payment: str, who: str, minute: int, **parts: Any) -> Act:
    return Act(kind, breaks_of[payment], who, FIRST_AT + timedelta(minutes=minute), f"{payment}: as agreed", **parts)


def _files(spark: SparkSession, lake: str) -> None:
    taken = ingest.ingest(spark, lake, [ingest.Incoming(name, text.encode()) for name, text in FILES.items()], formats.parse)
    (unpaid,) = (one.file.sha256 for one in taken if one.file.name == "short paid.csv")
    mapping = read_mapping((Path(formats.__file__).with_name("mappings") / "example_processor.yaml").read_text("utf-8"))
    report = ingest.Incoming("report.csv", REPORT.encode())
    (posted,) = ingest.ingest(spark, lake, [report], lambda name, data: formats.parse(name, data, mapping))
    assert posted.state == "POSTED", posted
    ingest.accept(spark, lake, unpaid, "asha", "the processor corrects it next month")
