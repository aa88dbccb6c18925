"""Adyen: the settlement details report, and the payments accounting report.

Settlement details: one row per booking of a payable batch, and MerchantPayout, whose net debit is what leaves the batch
for the merchant's bank account. What a row's Type means is Adyen's list of journal types. PaidOut is no payout to the
merchant: it is a payment to a shopper or a third party, so it is a component of the batch and lessens its payout.

Payments accounting: the life of each payment, record by record. Records such as Received and SentForSettle announce money
and move none (SentForSettle even states the payable amount that Settled states again), so only the records that book money
become lines. The report has no payout rows: its batches, where it names them, have no control.
"""

from __future__ import annotations

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
from paylake.statements.model import Parsed, SettlementLine, UnreadableFile
from paylake.statements.payouts import last_days, payouts, reserve_type
from paylake.statements.tabular import ZERO, Row, Table, read_table

PSP = "adyen"
FORM = "%Y-%m-%d %H:%M:%S"

TYPES = {
    "Settled": SALE,
    "SettledInstallment": SALE,
    "BulkSettlement": SALE,
    "CaptureFailed": SALE,
    "Refunded": REFUND,
    "RefundedInstallment": REFUND,
    "RefundedReversed": REFUND_REVERSAL,
    "RefundFailed": REFUND_REVERSAL,
    "Chargeback": CHARGEBACK,
    "SecondChargeback": CHARGEBACK,
    "ChargebackReversed": CHARGEBACK_REVERSAL,
    "Fee": FEE,
    "MiscCosts": FEE,
    "PaymentCost": FEE,
    "SettleCost": FEE,
    "AuthorisationSchemeFee": FEE,
    "InvoiceDeduction": FEE,
    "MatchedStatement": CORRECTION,
    "ManualCorrected": CORRECTION,
    "BankInstructionReturned": CORRECTION,
    "InternalCompanyPayout": CORRECTION,
    "EpaPaid": CORRECTION,
    "Balancetransfer": CORRECTION,
    "PaidOut": CORRECTION,
    "PaidOutReversed": CORRECTION,
    "MerchantPayout": PAYOUT,
}
"""Adyen's journal type -> what the line is. BankInstructionReturned brings an earlier payout back into this batch."""
RESERVES = ("DepositCorrection", "ReserveAdjustment")
"""The deposit that Adyen keeps against later chargebacks: a debit holds some back, a credit releases it."""
PROMISED = ("SentForSettle", "SentForRefund")
"""Records of a payment's life that state an amount which a later record books."""
ANNOUNCED = (
    "Received", "Authorised", "AuthorisedPending", "Refused", "Retried", "Reversed", "Cancelled", "Expired", "Error",
    "CaptureFailed", "RefundFailed", "RequestForInformation", "NotificationOfChargeback",
)  # fmt: skip
"""Records of a payment's life that book money only where they state a payable amount."""

FEES = ("Commission", "Markup", "Scheme Fees", "Interchange")
DETAILS_COLUMNS = (
    "Merchant Account", "Psp Reference", "Merchant Reference", "Creation Date", "TimeZone", "Type", "Modification Reference",
    "Gross Currency", "Gross Debit (GC)", "Gross Credit (GC)", "Exchange Rate", "Net Currency", "Net Debit (NC)",
    "Net Credit (NC)", *(f"{fee} (NC)" for fee in FEES), "Batch Number",
)  # fmt: skip
ACCOUNTING_COLUMNS = (
    "Merchant Account", "Psp Reference", "Merchant Reference", "Booking Date", "TimeZone", "Record Type",
    "Modification Psp Reference", "Settlement Currency", "Payable (SC)", *(f"{fee} (SC)" for fee in FEES),
)  # fmt: skip

_FOLDED = {name.casefold(): kind for name, kind in TYPES.items()}
_FOLDED_RESERVES = frozenset(name.casefold() for name in RESERVES)
_FOLDED_PROMISED = frozenset(name.casefold() for name in PROMISED)
_FOLDED_ANNOUNCED = frozenset(name.casefold() for name in ANNOUNCED)


def parse(data: bytes) -> Parsed:
    """Either report, told apart by its columns, which may stand in any order; UnreadableFile where it is neither."""
    table = read_table(data)
    return _accounting(table) if "Record Type" in table.columns else _details(table)


def _details(table: Table) -> Parsed:
    table.require(DETAILS_COLUMNS, "An Adyen settlement details report")
    lines = tuple(_booking(row) for row in table.rows)
    # in the account's own time zone, as stated
    paid_on = last_days(
        (line.payout_id, line.currency, row.day("Creation Date", FORM))
        for row, line in zip(table.rows, lines, strict=True)
        if line.type == PAYOUT
    )
    return Parsed(format="adyen", payouts=payouts(lines, paid_on=paid_on), settlement_lines=lines)


def _booking(row: Row) -> SettlementLine:
    """A row of the settlement details report: a booking of a batch."""
    net = _credit_less_debit(row, "Net Debit (NC)", "Net Credit (NC)")
    if net is None:
        raise UnreadableFile(
            f"Line {row.line} states neither 'Net Debit (NC)' nor 'Net Credit (NC)', so nobody knows what it moves."
        )
    currency, gross_currency = row.currency("Net Currency"), row.text("Gross Currency")
    gross = _credit_less_debit(row, "Gross Debit (GC)", "Gross Credit (GC)")
    fee = _fees(row, "NC")
    return SettlementLine(
        line=row.line,
        psp=PSP,
        account=row.text("Merchant Account"),
        payout_id=_batch(row, "Batch Number"),
        type=_type(row.required("Type"), net),
        psp_type=row.required("Type"),
        currency=currency,
        # stated in the payout's currency the gross amount proves the row; in another one it cannot
        amount=gross if gross is not None and gross_currency == currency else net + fee,
        fee_amount=fee,
        net_amount=net,
        gross_currency=gross_currency,
        gross_amount=gross,
        exchange_rate=row.rate("Exchange Rate"),
        created_at=row.moment("Creation Date", FORM, row.required("TimeZone")),
        psp_reference=row.text("Psp Reference"),
        line_reference=row.text("Modification Reference"),
        merchant_reference=row.text("Merchant Reference"),
        payment_method=row.text("Payment Method"),
    )


def _accounting(table: Table) -> Parsed:
    table.require(ACCOUNTING_COLUMNS, "An Adyen payments accounting report")
    lines = tuple(_record(row) for row in table.rows if _books(row))
    found = payouts(lines, states_payouts=False)
    return Parsed(format="adyen", payouts=found, settlement_lines=lines)


def _books(row: Row) -> bool:
    """Whether a record of a payment's life books money; one that nobody knows is never left out."""
    word = row.required("Record Type").casefold()
    return word not in _FOLDED_PROMISED and (word not in _FOLDED_ANNOUNCED or bool(row.amount("Payable (SC)")))


def _record(row: Row) -> SettlementLine:
    """A record of the payments accounting report that books money."""
    net = row.required_amount("Payable (SC)")
    fee = _fees(row, "SC")
    return SettlementLine(
        line=row.line,
        psp=PSP,
        account=row.text("Merchant Account"),
        payout_id=_batch(row, "Payable Batch"),
        type=_type(row.required("Record Type"), net),
        psp_type=row.required("Record Type"),
        currency=row.currency("Settlement Currency"),
        amount=net + fee,
        fee_amount=fee,
        net_amount=net,
        gross_currency=row.text("Payment Currency"),
        exchange_rate=row.rate("Exchange Rate"),
        created_at=row.moment("Booking Date", FORM, row.required("TimeZone")),
        psp_reference=row.text("Psp Reference"),
        line_reference=row.text("Modification Psp Reference"),
        merchant_reference=row.text("Merchant Reference"),
        payment_method=row.text("Payment Method"),
    )


def _type(word: str, net: Decimal) -> str:
    """What a journal type is in the one vocabulary."""
    folded = word.casefold()
    if folded in _FOLDED_RESERVES:
        return reserve_type(net)
    return _FOLDED.get(folded, UNKNOWN)


def _batch(row: Row, column: str) -> str | None:
    """The batch of a row; batches are numbered by merchant account, so the account is part of the name."""
    number = row.text(column)
    return f"{row.required('Merchant Account')}/{number}" if number else None


def _credit_less_debit(row: Row, debit: str, credit: str) -> Decimal | None:
    taken, given = row.amount(debit), row.amount(credit)
    return None if taken is None and given is None else (given or ZERO) - (taken or ZERO)


def _fees(row: Row, currency: str) -> Decimal:
    """Commission where pricing is blended, else markup, scheme fees and interchange; positive lessens the payout."""
    return sum((row.amount(f"{fee} ({currency})") or ZERO for fee in FEES), ZERO)
