"""Stripe: the payout reconciliation report, and payments activity. One row per balance transaction.

`net` is what a transaction changes the balance by, and the only amount that counts: on payout rows `gross` can differ from
it. A payout row is written from either side, positive as what arrives at the bank or negative as what leaves the balance.
Its size counts, and its direction is that of the payout's other rows: a positive balance is paid out, a negative one is
collected. A transaction without `automatic_payout_id` is not paid yet, or by a manual payout that Stripe does not tie.

`created` is in UTC unless somebody chose another zone for the report; `created_utc` counts where it is there.

Both reports have the same columns, but only the reconciliation report says what the customer saw (`customer_facing_…`).
Payments activity lists no payout rows, so its payouts have no control.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from paylake.contracts.statements import (
    CHARGEBACK,
    CHARGEBACK_REVERSAL,
    CORRECTION,
    FEE,
    FX,
    PAYOUT,
    REFUND,
    REFUND_REVERSAL,
    SALE,
    UNKNOWN,
)
from paylake.statements.model import Parsed, SettlementLine
from paylake.statements.payouts import last_days, payouts, reserve_type
from paylake.statements.tabular import ZERO, Row, read_table

PSP = "stripe"
FORM = "%Y-%m-%d %H:%M:%S"

TYPES = {
    "charge": SALE,
    "charge_failure": SALE,
    "partial_capture_reversal": SALE,
    "refund": REFUND,
    "refund_failure": REFUND_REVERSAL,
    "dispute": CHARGEBACK,
    "dispute_reversal": CHARGEBACK_REVERSAL,
    "fee": FEE,
    "network_cost": FEE,
    "platform_fee": FEE,
    "stripe_fee": FEE,
    "stripe_fee_tax": FEE,
    "tax": FEE,
    "currency_conversion": FX,
    "payout": PAYOUT,
    "payout_reversal": PAYOUT,
    **dict.fromkeys(
        [
            "advance", "advance_funding", "anticipation_repayment", "climate_order_purchase", "climate_order_refund",
            "connect_collection_transfer", "contribution", "financing_paydown", "financing_paydown_reversal",
            "financing_payout", "financing_payout_reversal", "inbound_transfer", "inbound_transfer_reversal",
            "issuing_authorization_hold", "issuing_authorization_release", "issuing_dispute",
            "issuing_dispute_fraud_liability_debit", "issuing_dispute_provisional_credit",
            "issuing_dispute_provisional_credit_reversal", "issuing_transaction", "other_adjustment", "platform_earning",
            "platform_earning_refund", "topup", "topup_reversal", "transfer", "transfer_reversal",
            "unreconciled_customer_funds",
        ],
        CORRECTION,
    ),
}  # fmt: skip
"""Reporting category -> what the line is. A partial capture's reversal takes back a part of the sale itself."""
RESERVES = frozenset((
    "connect_reserved_funds", "minimum_balance_hold", "payment_network_reserved_funds", "payout_minimum_balance_hold",
    "payout_minimum_balance_release", "risk_reserved_funds",
))  # fmt: skip
"""Categories that hold money back (negative) or release it."""

COLUMNS = (
    "balance_transaction_id", "currency", "gross", "fee", "net", "reporting_category", "automatic_payout_id",
)  # fmt: skip
SHOWN_TO_CUSTOMERS = ("customer_facing_amount", "customer_facing_currency")
REFERENCES = (
    "payment_metadata[external_identifier]", "payment_metadata[order_id]", "payment_metadata[orchestrator_tx_ref]",
    "payment_metadata[gr4vy_tx_ref]",
)  # fmt: skip
"""Where the merchant's own reference stands, the preferred column first."""


def parse(data: bytes) -> Parsed:
    """Either report, with its columns in any order; UnreadableFile where a column that counts is missing."""
    table = read_table(data)
    created = "created_utc" if "created_utc" in table.columns else "created"
    table.require((*COLUMNS, created), "A Stripe report")
    outward = _stated_as_arriving(table.rows)
    lines = tuple(_line(row, created, outward) for row in table.rows)
    states_payouts = any(name in table.columns for name in SHOWN_TO_CUSTOMERS) or any(x.type == PAYOUT for x in lines)
    found = payouts(lines, paid_on=last_days(_effective(table.rows)), states_payouts=states_payouts)
    return Parsed(format="stripe", payouts=found, settlement_lines=lines)


def _line(row: Row, created: str, outward: frozenset[tuple[str | None, str]]) -> SettlementLine:
    """A row: one balance transaction."""
    category, currency = row.required("reporting_category"), row.currency("currency")
    payout_id = row.text("automatic_payout_id")
    gross, fee, net = row.required_amount("gross"), row.amount("fee") or ZERO, row.required_amount("net")
    kind = _type(category, net)
    if kind == PAYOUT:
        net = -(net + fee) if (payout_id, currency) in outward else net
        gross = net + fee
    return SettlementLine(
        line=row.line,
        psp=PSP,
        account=row.text("gateway_account"),
        payout_id=payout_id,
        type=kind,
        psp_type=category,
        currency=currency,
        amount=gross,
        fee_amount=fee,
        net_amount=net,
        created_at=row.moment(created, FORM, "UTC"),
        psp_reference=row.text("charge_id") or row.text("payment_intent_id") or row.text("source_id"),
        line_reference=row.text("source_id") or row.text("balance_transaction_id"),
        merchant_reference=next((found for name in REFERENCES if (found := row.text(name))), None),
        payment_method=row.text("card_brand") or row.text("payment_method_type"),
        detail=row.text("description"),
    )


def _type(category: str, net: Decimal) -> str:
    """What a reporting category is in the one vocabulary."""
    folded = category.casefold()
    if folded in RESERVES:
        return reserve_type(net)
    return TYPES.get(folded, UNKNOWN)


def _stated_as_arriving(rows: tuple[Row, ...]) -> frozenset[tuple[str | None, str]]:
    """The payouts, with their currency, whose own rows have the sign of what they pay, not of what leaves the balance."""
    paid: dict[tuple[str | None, str], Decimal] = defaultdict(Decimal)
    others: dict[tuple[str | None, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        net = row.required_amount("net")
        sums = paid if _type(row.required("reporting_category"), net) == PAYOUT else others
        sums[row.text("automatic_payout_id"), row.currency("currency")] += net
    return frozenset(key for key, net in paid.items() if (net > 0) == (others.get(key, ZERO) >= 0))


def _effective(rows: tuple[Row, ...]) -> Iterator[tuple[str | None, str, date | None]]:
    """When the payout of each row takes effect, as stated."""
    for row in rows:
        stated = row.day("automatic_payout_effective_at", FORM) or row.day("automatic_payout_effective_at_utc", FORM)
        yield row.text("automatic_payout_id"), row.currency("currency"), stated
