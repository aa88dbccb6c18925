"""What policies propose, on what evidence, and how sure they are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from paylake.contracts import BATCH_INDEX
from paylake.resolution.policies import with_suggestion
from tests.builders import by_key, legs, rows

UNDER = {"kind": "AMOUNT_MISMATCH", "reasons": ["AMOUNT_UNDER"], "risk_class": "SKIMMING", "risk_score": 40}


def amounts(gateway: str, core: str, mobile: str, **more: Any) -> dict[str, Any]:
    values = [Decimal(text) for text in (gateway, core, mobile)]
    found = legs(gateway={"amount": values[0]}, core={"amount": values[1]}, mobile={"amount": values[2]})
    return {**UNDER, **found, "currency": "INR", "difference_amount": max(values) - min(values), **more}


CASES: dict[str, dict[str, Any]] = {
    "core is wrong": amounts("500.00", "450.00", "500.00"),
    "gateway is wrong": amounts("450.00", "500.00", "500.00"),
    "mobile is wrong": amounts("500.00", "500.00", "450.00"),
    "all differ": amounts("129284.57", "103427.66", "155141.48", kind="TRIPLE_MISMATCH"),
    "rounding": amounts("500.00", "500.03", "500.00"),
    "fee": amounts("500.00", "487.00", "500.00"),
    "more than the fee": amounts("500.00", "486.99", "500.00"),
    "fraud": amounts("500.00", "50000.00", "500.00", kind="FRAUD_ATTEMPT", risk_class="FRAUD", risk_score=100),
    "may still change": amounts("500.00", "450.00", "500.00", finality="provisional"),
    "status": {**UNDER, "kind": "STATUS_MISMATCH", "reasons": ["STATUS_MISMATCH", "DATE_DRIFT"],
               **legs(core={"status": "FAILED"})},
    "status too": amounts("500.00", "450.00", "500.00", reasons=["AMOUNT_UNDER", "STATUS_MISMATCH"]),
    "a leg is missing": {**UNDER, "kind": "MISSING_CBS", "reasons": ["MISSING_IN_CORE"], **legs(core=None),
                         "risk_score": 90},
    "matched": {"kind": None, "reasons": [], **legs()},
}  # fmt: skip


def test_each_policy_proposes_what_its_evidence_allows_and_nothing_else(spark: SparkSession) -> None:
    broken = rows(spark, BATCH_INDEX, *({"transaction_id": name, **row} for name, row in CASES.items()))
    # what an index has beside its contract when breaks are made of it
    indexed = with_suggestion(broken.withColumn("recon_id", broken["transaction_id"]))
    found = {
        key: (r["suggested_by"], r["suggested_resolution"], r["suggestion_basis_points"], r["escalated_for"])
        for key, r in by_key(indexed).items()
    }
    assert found == {
        "core is wrong": ("policy:consensus", "ACCEPT_GATEWAY", 9904, None),
        "gateway is wrong": ("policy:consensus", "ACCEPT_CORE", 9820, None),
        "mobile is wrong": ("policy:consensus", "ACCEPT_GATEWAY", 9928, None),
        "all differ": (None, None, None, None),
        "rounding": ("policy:rounding", "ACCEPT_ROUNDING", 9985, None),
        "fee": ("policy:fee", "ACCEPT_FEE", 9904, None),
        "more than the fee": ("policy:consensus", "ACCEPT_GATEWAY", 9904, None),
        "fraud": ("policy:consensus", "ACCEPT_GATEWAY", 9904, "fraud"),
        "may still change": ("policy:consensus", "ACCEPT_GATEWAY", 7904, None),
        "status": ("policy:source_priority", "ACCEPT_GATEWAY", 9520, None),
        "status too": (None, None, None, None),
        "a leg is missing": (None, None, None, "risk of 90"),
        "matched": (None, None, None, None),
    }
    said = by_key(indexed)
    assert said["core is wrong"]["suggestion_evidence"] == (
        "gateway 500.0000 INR, core 450.0000 INR, mobile 500.0000 INR: gateway and mobile agree"
    )
    assert said["fee"]["suggestion_evidence"].endswith("core is lower by no more than the fee schedule's 13.0000")
    assert said["status"]["suggestion_evidence"] == (
        "gateway SUCCESS, core FAILED, mobile SUCCESS: the gateway is trusted for the status"
    )
    assert len({r["suggestion_id"] for r in said.values() if r["suggestion_id"]}) == 9
