"""What a processor and a bank send after a simulated day: proved files, and a truth that ties out."""

from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from paylake.errors import SettingsError
from paylake.ingest import Incoming, Ingested, judged
from paylake.simulation import Plan, generate
from paylake.simulation.bank import NO_DAMAGE, DamageRates
from paylake.simulation.payouts import Fee, Terms, business_day, fees, plain
from paylake.simulation.settlement import MAPPING, SettlementFiles, write_settlement
from paylake.statements import formats
from paylake.statements.mapping import read_mapping

DAY = date(2026, 1, 15)
TERMS = Terms(refunds=500, chargebacks=100, cut_offs=4)


@pytest.fixture(scope="module")
def payments() -> pa.Table:
    plan = Plan(payments=3_000, chaos=0.2, currencies="INR,EUR,JPY,KWD")
    return pa.concat_tables([chunk.payments for chunk in generate(plan)])


def taken(files: SettlementFiles) -> tuple[list[Ingested], list[Ingested]]:
    """The reports and the statements as `paylake ingest` judges them."""
    text = (resources.files("paylake.statements") / "mappings" / f"{MAPPING}.yaml").read_text(encoding="utf-8")
    mapping = read_mapping(text)
    reports = [
        judged(Incoming(p.name, p.read_bytes()), lambda n, data: formats.parse(n, data, mapping)) for p in files.reports
    ]
    return reports, [judged(Incoming(p.name, p.read_bytes()), formats.parse) for p in files.statements]


def truth(files: SettlementFiles, name: str) -> list[dict[str, Any]]:
    return pq.read_table(next(path for path in files.truth if path.name.startswith(name))).to_pylist()


@pytest.mark.parametrize("damage", [NO_DAMAGE, DamageRates()], ids=["whole", "damaged"])
def test_every_file_proves_itself_and_is_posted(payments: pa.Table, tmp_path: Path, damage: DamageRates) -> None:
    reports, statements = taken(write_settlement(payments, DAY, 7, tmp_path, damage, TERMS))
    assert [(one.state, one.detail) for one in (*reports, *statements)] == [("POSTED", None)] * (
        len(reports) + len(statements)
    )
    proofs = [
        p.proof for one in (*reports, *statements) if one.parsed for p in (*one.parsed.payouts, *one.parsed.statements)
    ]
    assert set(proofs) == {"PROVED"}
    kinds = {line.type for one in reports if one.parsed for line in one.parsed.settlement_lines}
    assert kinds == {"SALE", "REFUND", "CHARGEBACK", "FEE", "RESERVE_HELD", "RESERVE_RELEASED", "PAYOUT"}


def test_without_damage_each_payout_is_one_credit_that_names_it(payments: pa.Table, tmp_path: Path) -> None:
    reports, statements = taken(write_settlement(payments, DAY, 7, tmp_path, NO_DAMAGE, TERMS))
    paid = {p.payout_id: (p.currency, p.payout_amount) for one in reports if one.parsed for p in one.parsed.payouts}
    assert len(paid) == len(reports) >= 16
    (statement,) = statements
    assert statement.parsed is not None
    lines = statement.parsed.statement_lines
    assert {str(line.remittance).split()[-1]: (line.currency, line.amount) for line in lines} == paid
    assert len(lines) == len(paid)
    assert {line.value_date for line in lines} == {date(2026, 1, 19)}  # a Thursday, and two business days


def test_only_what_succeeded_settles_and_each_payment_once(payments: pa.Table, tmp_path: Path) -> None:
    reports, _ = taken(write_settlement(payments, DAY, 7, tmp_path, NO_DAMAGE, TERMS))
    sales = [line for one in reports if one.parsed for line in one.parsed.settlement_lines if line.type == "SALE"]
    succeeded = {
        row["transaction_id"]: (row["currency"], row["amount"])
        for row in payments.to_pylist()
        if row["outcome"] == "SUCCESS" and row["business_date"] == DAY
    }
    assert {line.merchant_reference: (line.currency, line.amount) for line in sales} == succeeded
    assert len(sales) == len(succeeded) < payments.num_rows
    assert {line.created_at.date() for line in sales if line.created_at} == {DAY}


def test_the_same_seed_writes_the_same_bytes_whatever_the_order_of_payments(payments: pa.Table, tmp_path: Path) -> None:
    def written(rows: pa.Table, seed: int, name: str) -> dict[str, bytes]:
        files = write_settlement(rows, DAY, seed, tmp_path / name, terms=TERMS)
        return {path.name: path.read_bytes() for path in (*files.reports, *files.statements)}

    once, again = written(payments, 7, "a"), written(payments.take(pa.array(range(len(payments)))[::-1]), 7, "b")
    assert once == again
    assert written(payments, 8, "a") != once
    assert {p.name for p in (tmp_path / "a").glob("*/*") if "truth" not in p.parts} == written(payments, 8, "a").keys()


def test_each_kind_of_damage_happens_and_the_truth_knows_whose_the_money_is(payments: pa.Table, tmp_path: Path) -> None:
    files = write_settlement(payments, DAY, 7, tmp_path, DamageRates(), TERMS)
    _, statements = taken(files)
    lines = {line.bank_reference: line for one in statements if one.parsed for line in one.parsed.statement_lines}
    entries, payouts = truth(files, "entries"), {row["payout_id"]: row for row in truth(files, "payouts")}
    assert {row["bank_reference"]: row["amount"] for row in entries} == {name: line.amount for name, line in lines.items()}
    assert {row["damage"] for row in entries} == {*vars(DamageRates()), "none"}
    by_kind = defaultdict(list)
    for row in entries:
        by_kind[row["damage"]].append((row, str(lines[row["bank_reference"]].remittance)))
    for row, said in by_kind["merged"]:
        assert len(row["payout_ids"]) == 2
        assert row["amount"] == sum(payouts[p]["amount"] for p in row["payout_ids"])
        assert all(p in said for p in row["payout_ids"])
    for kind in ("lost_character", "truncated", "no_reference"):
        for row, said in by_kind[kind]:
            assert row["payout_ids"][0] not in said
    received = {p["payout_id"]: (p["received_amount"], p["amount"]) for p in payouts.values()}
    for kind, test in {
        "split": lambda got, due: got == due,
        "short": lambda got, due: got < due,
        "duplicated": lambda got, due: got == 2 * due,
        "late": lambda got, due: got == due,
    }.items():
        assert by_kind[kind]
        assert all(test(*received[row["payout_ids"][0]]) for row, _ in by_kind[kind])
    assert Counter(len(row["payout_ids"]) for row, _ in by_kind["split"]) == {1: 2}
    assert {row["booking_date"] for row, _ in by_kind["late"]} == {date(2026, 1, 20)}
    assert [row["amount"] < 0 for row, _ in by_kind["charge"]] == [True]
    assert all(not row["payout_ids"] for kind in ("orphan", "charge") for row, _ in by_kind[kind])


def test_fees_are_rounded_half_up_in_minor_units() -> None:
    # 1.4 % of 0.25, 0.75 and 12.50 is 0.0035, 0.0105 and 0.175
    assert fees(np.array([25, 75, 1250]), Fee(140, 25)).tolist() == [25, 26, 43]
    assert plain(np.array([1230, -5, 0]), 2).to_pylist() == ["12.30", "-0.05", "0.00"]
    assert plain(np.array([-5]), 0).to_pylist() == ["-5"]


def test_business_days_leave_out_weekends() -> None:
    friday, saturday = date(2026, 1, 16), date(2026, 1, 17)
    assert business_day(friday, 2) == business_day(friday, 1).replace(day=20)
    assert business_day(saturday, 2) == date(2026, 1, 21)


def test_a_day_without_payments_is_told(payments: pa.Table, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no payment of 2026-01-17 succeeded"):
        write_settlement(payments, date(2026, 1, 17), 7, tmp_path)
    with pytest.raises(SettingsError, match="short: 2 is not between 0 and 1"):
        DamageRates(short=2)


def test_a_payout_is_money_exactly(payments: pa.Table, tmp_path: Path) -> None:
    files = write_settlement(payments, DAY, 7, tmp_path, NO_DAMAGE, TERMS)
    rows = truth(files, "payouts")
    assert all(isinstance(row["amount"], Decimal) and row["received_amount"] == row["amount"] for row in rows)
