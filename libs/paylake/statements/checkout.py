"""Checkout.com: the settlement breakdown report. One row per movement of a payout, in the holding currency.

A row states its gross, its deduction (fees and taxes, negative) and its net, with more decimals than the currency has. Rows
such as Authorization have no gross: they are fees. What is paid out stands on a row of type Payout, or only in another
report: a file without such a row has no control. A Payout row is written from either side, as in Stripe's reports: its size
counts, and its direction is that of the payout's other rows. A reserve that is held from a sale is within its deduction.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from paylake.contracts.statements import (
    CHARGEBACK,
    CHARGEBACK_REVERSAL,
    CORRECTION,
    FEE,
    PAYOUT,
    REFUND,
    REFUND_REVERSAL,
    SALE,
    UNKNOWN,
)
from paylake.statements.model import Parsed, SettlementLine
from paylake.statements.payouts import last_days, payouts, reserve_type
from paylake.statements.tabular import ZERO, Row, read_table
from paylake.statements.values import ISO

PSP = "checkout"

TYPES = {
    **dict.fromkeys(("charge", "partial charge", "capture", "partial capture"), SALE),
    **dict.fromkeys(("refund", "partial refund"), REFUND),
    "refund reversal": REFUND_REVERSAL,
    "chargeback": CHARGEBACK,
    "chargeback reversal": CHARGEBACK_REVERSAL,
    **dict.fromkeys(
        (
            "authorization", "void", "authentication", "card verification", "network token", "account updater",
            "merchant payout fee", "tiered pricing adjustment",
        ),
        FEE,
    ),
    **dict.fromkeys(("adjustment", "cover negative position", "invoice settlement"), CORRECTION),
    "payout": PAYOUT,
}  # fmt: skip
"""Checkout.com's word -> what the line is."""
RESERVES = frozenset((
    "security deposit reservation", "security deposit release", "operational funding reservation",
    "operational funding release", "rolling reserve reservation", "rolling reserve release",
))  # fmt: skip

COLUMNS = (
    "Client Entity ID", "Type", "Payment ID", "Reference", "Processed On", "Holding Currency", "Payout ID",
    "Gross In Holding Currency", "Deduction In Holding Currency", "Net In Holding Currency",
)  # fmt: skip


def parse(data: bytes) -> Parsed:
    """The report, with its columns in any order; UnreadableFile where a column that counts is missing."""
    table = read_table(data)
    table.require(COLUMNS, "A Checkout.com settlement breakdown report")
    balances: dict[tuple[str | None, str], Decimal] = defaultdict(Decimal)
    for row in table.rows:
        if _type(row) != PAYOUT:
            balances[_key(row)] += row.required_amount("Net In Holding Currency")
    lines = tuple(_line(row, balances[_key(row)]) for row in table.rows)
    states_payouts = any(line.type == PAYOUT for line in lines)
    paid_on = last_days((*_key(row), row.day("Payout Date", ISO)) for row in table.rows)
    found = payouts(lines, paid_on=paid_on, states_payouts=states_payouts)
    return Parsed(format="checkout", payouts=found, settlement_lines=lines)


def _line(row: Row, balance: Decimal) -> SettlementLine:
    """A row: one movement. `balance` is what the other rows of its payout come to."""
    payout_id, currency = _key(row)
    gross = row.required_amount("Gross In Holding Currency")
    fee = -(row.amount("Deduction In Holding Currency") or ZERO)
    net = row.required_amount("Net In Holding Currency")
    kind = _type(row)
    if kind == PAYOUT and (net > 0) == (balance >= 0):
        gross, net = -gross, -gross - fee
    utc, local = row.moment("Processed On UTC", ISO, "UTC"), row.text("Timezone") or "UTC"
    return SettlementLine(
        line=row.line,
        psp=PSP,
        account=row.text("Client Entity ID"),
        payout_id=payout_id,
        type=kind,
        psp_type=row.required("Type"),
        currency=currency,
        amount=gross,
        fee_amount=fee,
        net_amount=net,
        gross_currency=row.text("Processing Currency"),
        gross_amount=row.amount("Gross In Processing Currency"),
        exchange_rate=row.rate("FX Rate Applied"),
        created_at=utc or row.moment("Processed On", ISO, local),
        psp_reference=row.text("Payment ID"),
        line_reference=row.text("Action ID"),
        merchant_reference=row.text("Reference"),
        payment_method=row.text("Payment Method"),
    )


def _key(row: Row) -> tuple[str | None, str]:
    return row.text("Payout ID"), row.currency("Holding Currency")


def _type(row: Row) -> str:
    """What a row is in the one vocabulary. A Payout row without a gross is the fee of the payout."""
    word = row.required("Type").casefold()
    if word in RESERVES:
        return reserve_type(row.required_amount("Net In Holding Currency"))
    kind = TYPES.get(word, UNKNOWN)
    return FEE if kind == PAYOUT and not row.required_amount("Gross In Holding Currency") else kind
