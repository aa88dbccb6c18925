"""Processors' published samples, each with a result that was worked out by hand: see psp_samples.csv.

The figures are what the samples' own rows come to. Most samples are cut out of larger reports, so most are not proved.
"""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from paylake.statements.formats import parse
from paylake.statements.model import Parsed

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1].parent / "shared" / "data" / "psp"
with (HERE / "psp_samples.csv").open(encoding="utf-8", newline="") as golden:
    EXPECTED = list(csv.DictReader(golden))

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the optional folder ../shared/data/psp is not here")


def read(name: str) -> Parsed:
    return parse(name, (SAMPLES / name).read_bytes())


def one(values: set[str]) -> str:
    """What all payouts of a file agree on; blank where it has none."""
    assert len(values) <= 1
    return next(iter(values), "")


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda row: row["file"])
def test_a_sample_comes_to_what_was_worked_out_by_hand(expected: dict[str, str]) -> None:
    found = read(expected["file"])
    differences = {p.difference_amount for p in found.payouts} - {None}
    assert {
        "file": expected["file"],
        "payouts": str(len(found.payouts)),
        "lines": str(len(found.settlement_lines)),
        "open_lines": str(sum(line.payout_id is None for line in found.settlement_lines)),
        "proof": one({p.proof for p in found.payouts}),
        "reason": one({p.reason or "" for p in found.payouts}),
    } == {name: value for name, value in expected.items() if name != "difference"}
    assert differences == ({Decimal(expected["difference"])} if expected["difference"] else set())


def test_every_sample_has_its_golden_row_and_none_gives_a_traceback() -> None:
    assert sorted(path.name for path in SAMPLES.glob("*.csv")) == [row["file"] for row in EXPECTED]


@pytest.mark.parametrize("name", [row["file"] for row in EXPECTED])
def test_every_line_keeps_the_contract(name: str) -> None:
    found = read(name)
    assert [line.line for line in found.settlement_lines if line.net_amount != line.amount - line.fee_amount] == []
    assert len({line.line for line in found.settlement_lines}) == len(found.settlement_lines)
    for payout in found.payouts:
        nets = [x.net_amount for x in found.settlement_lines if x.payout_id == payout.payout_id and x.type != "PAYOUT"]
        assert payout.expected_amount == sum(nets)


def test_the_published_stripe_payout() -> None:
    found = read("stripe_settlement_report.csv")
    (payout,) = found.payouts
    assert (payout.payout_id, payout.currency, payout.expected_amount, payout.payout_amount) == (
        "po_test123", "USD", Decimal("23.05"), Decimal("23.05"),
    )  # fmt: skip
    assert [(x.type, x.net_amount, x.currency) for x in found.settlement_lines if x.payout_id is None] == [
        ("CHARGEBACK_REVERSAL", Decimal("3.35"), "USD")
    ]
