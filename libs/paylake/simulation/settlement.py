"""What a processor and a bank send after a business day: settlement reports, statements, and their truth kept apart.

Under the folder lie `reports` (a CSV per payout, read by the mapping `example_processor`), `statements` (camt.053, a file
per day of the bank) and `truth` (Parquet), which no job reads. Each business date stands for itself: the bank's statements
after one date do not continue those after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from paylake.contracts.currencies import minor_units
from paylake.errors import SettingsError
from paylake.simulation.bank import CLEAN, DamageRates, Entry, accounts, booked, camt
from paylake.simulation.payouts import Payout, Terms, settled
from paylake.simulation.truth import MONEY

MAPPING = "example_processor"
"""The mapping by which the reports are read."""

NEEDED = ("transaction_id", "amount", "currency", "business_date", "outcome")

PAYOUTS_SCHEMA = pa.schema([
    pa.field("payout_id", pa.string(), nullable=False),
    pa.field("currency", pa.string(), nullable=False),
    pa.field("amount", MONEY, nullable=False),
    pa.field("value_date", pa.date32(), nullable=False),
    pa.field("received_amount", MONEY),
    pa.field("damage", pa.string(), nullable=False),
])  # fmt: skip
"""One row per payout: what it pays, and what the bank has booked for it; of a merged one only the sum of both is booked,
and `received_amount` is null. Amounts are in major units of `currency`."""

ENTRIES_SCHEMA = pa.schema([
    pa.field("bank_reference", pa.string(), nullable=False),
    pa.field("currency", pa.string(), nullable=False),
    pa.field("amount", MONEY, nullable=False),
    pa.field("booking_date", pa.date32(), nullable=False),
    pa.field("payout_ids", pa.list_(pa.string()), nullable=False),
    pa.field("damage", pa.string(), nullable=False),
])  # fmt: skip
"""One row per entry of the bank: the payouts that it pays, and what was done to it."""


@dataclass(frozen=True)
class SettlementFiles:
    """What was written: reports by payout, statements by day, the truth."""

    reports: tuple[Path, ...]
    statements: tuple[Path, ...]
    truth: tuple[Path, ...]


def write_settlement(
    payments: Path | pa.Table,
    business_date: date,
    seed: int,
    folder: Path,
    damage: DamageRates | None = None,
    terms: Terms | None = None,
) -> SettlementFiles:
    """Write the files that follow the simulated payments of a business date; the same input gives the same bytes.

    `payments` is the simulation's truth of payments, or the folder or file that holds it. The files of the same date that an
    earlier call wrote are replaced. Raises SettingsError where none of the payments settled on the date.
    """
    rows = payments if isinstance(payments, pa.Table) else pq.read_table(payments, columns=list(NEEDED))
    reports = list(settled(rows.select(list(NEEDED)), business_date, seed, terms or Terms()))
    if not reports:
        raise SettingsError(f"business-date: no payment of {business_date} succeeded, so nothing settles.")
    rng = np.random.default_rng([seed, business_date.toordinal(), 4])
    entries = booked(rng, [report.payout for report in reports], damage or DamageRates())
    places = {name: folder / name for name in ("reports", "statements", "truth")}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
        for old in place.glob(f"*-of-{business_date}*"):
            old.unlink()
    written = []
    for report in reports:
        written.append(places["reports"] / f"payout-of-{business_date}-{report.payout.payout_id}.csv")
        pa_csv.write_csv(report.lines, written[-1], pa_csv.WriteOptions(quoting_style="needed"))
    statements = []
    for day, of_day in accounts(rng, entries):
        statements.append(places["statements"] / f"camt053-of-{business_date}-on-{day}.xml")
        statements[-1].write_bytes(camt(day, of_day))
    truth = {
        "payouts": _payout_truth([report.payout for report in reports], entries),
        "entries": _entry_truth(entries),
    }
    for name, table in truth.items():
        pq.write_table(table, places["truth"] / f"{name}-of-{business_date}.parquet")
    return SettlementFiles(
        tuple(written), tuple(statements), tuple(places["truth"] / f"{name}-of-{business_date}.parquet" for name in truth)
    )


def _amount(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-minor_units(currency))


def _payout_truth(payouts: Sequence[Payout], entries: Sequence[Entry]) -> pa.Table:
    def row(payout: Payout) -> dict[str, object]:
        own = [entry for entry in entries if payout.payout_id in entry.payout_ids]
        received = None if any(len(entry.payout_ids) > 1 for entry in own) else sum(entry.minor for entry in own)
        return {
            "payout_id": payout.payout_id, "currency": payout.currency, "value_date": payout.value_date,
            "amount": _amount(payout.minor, payout.currency),
            "received_amount": None if received is None else _amount(received, payout.currency),
            "damage": own[0].damage if own else CLEAN,
        }  # fmt: skip

    return pa.Table.from_pylist([row(payout) for payout in payouts], PAYOUTS_SCHEMA)


def _entry_truth(entries: Sequence[Entry]) -> pa.Table:
    rows = [
        {
            "bank_reference": entry.reference, "currency": entry.currency, "amount": _amount(entry.minor, entry.currency),
            "booking_date": entry.day, "payout_ids": list(entry.payout_ids), "damage": entry.damage,
        }
        for entry in entries
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, ENTRIES_SCHEMA)
