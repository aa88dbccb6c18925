"""What banks and processors report in files: the files, their statements and payouts, and the lines of both."""

from __future__ import annotations

from pyspark.sql.types import BooleanType, DateType, DecimalType, IntegerType, LongType, StringType, TimestampType

from paylake.contracts.currencies import CURRENCIES
from paylake.contracts.table import Action, Check, Field, TableContract, one_of

LINE_MONEY = DecimalType(24, 6)
"""An amount of a statement or settlement line: processors state up to six decimals."""
RATE = DecimalType(20, 10)

PROVED, UNPROVED, NO_CONTROL = "PROVED", "UNPROVED", "NO_CONTROL"
PROOFS = (PROVED, UNPROVED, NO_CONTROL)
"""The totals agree; they do not, or are missing where the format must carry them; the format carries none."""

BALANCE_PROOF_FAILED = "BALANCE_PROOF_FAILED"
CONTROL_TOTAL_MISMATCH = "CONTROL_TOTAL_MISMATCH"
SCHEMA_INVALID = "SCHEMA_INVALID"
PAYOUT_NOT_TIED = "PAYOUT_NOT_TIED"
PAYOUT_MISSING = "PAYOUT_MISSING"
UNKNOWN_TYPE = "UNKNOWN_TYPE"
PROOF_REASONS = (
    SCHEMA_INVALID, UNKNOWN_TYPE, CONTROL_TOTAL_MISMATCH, BALANCE_PROOF_FAILED, PAYOUT_NOT_TIED, PAYOUT_MISSING,
)  # fmt: skip
"""Why a file is not proved, the first that applies."""

POSTED, QUARANTINED, ACCEPTED = "POSTED", "QUARANTINED", "ACCEPTED"

BOOKED, PENDING, INFORMATION = "BOOKED", "PENDING", "INFORMATION"
ENTRY_STATUSES = (BOOKED, PENDING, INFORMATION)

SALE, REFUND, REFUND_REVERSAL = "SALE", "REFUND", "REFUND_REVERSAL"
CHARGEBACK, CHARGEBACK_REVERSAL, FEE = "CHARGEBACK", "CHARGEBACK_REVERSAL", "FEE"
RESERVE_HELD, RESERVE_RELEASED, CORRECTION = "RESERVE_HELD", "RESERVE_RELEASED", "CORRECTION"
FX, PAYOUT, UNKNOWN = "FX", "PAYOUT", "UNKNOWN"
LINE_TYPES = (
    SALE, REFUND, REFUND_REVERSAL, CHARGEBACK, CHARGEBACK_REVERSAL, FEE, RESERVE_HELD, RESERVE_RELEASED, CORRECTION, FX,
    PAYOUT, UNKNOWN,
)  # fmt: skip
"""What a line of a settlement report is; a processor's word that no format knows is UNKNOWN, and a break."""

_FILE = Field("file_sha256", StringType(), "SHA-256 of the file's bytes, in hexadecimal: the same file has the same one.")
_ORDINAL = Field("statement", IntegerType(), "Which statement of the file, from 1.")
_LINE = Field("line", IntegerType(), "Where in the file: its line, or the number of the entry where a format has no lines.")
_DIFFERENCE = "What is stated minus what the lines come to; zero when proved, null where nothing is stated."

STATEMENT_FILES = TableContract(
    name="statement_files",
    layer="raw",
    doc="One row per file and state: a file is posted or quarantined once, and a quarantined one may be accepted later.",
    fields=(
        _FILE,
        Field("state", StringType(), "POSTED, QUARANTINED, or ACCEPTED by a person although it is not proved."),
        Field("file_name", StringType(), "Name of the file as it came, without its folder."),
        Field("format", StringType(), "Format that the file is read as; `unknown` where none fits."),
        Field("bytes", LongType(), "Size of the file."),
        Field("statements", IntegerType(), "How many statements or payouts the file holds."),
        Field("lines", IntegerType(), "How many lines were read from it."),
        Field("reason", StringType(), "Why it is quarantined: one of the DATA reasons.", nullable=True),
        Field("detail", StringType(), "The same in a sentence, with the difference.", nullable=True),
        Field("accepted_by", StringType(), "Who accepted it.", nullable=True),
        Field("accepted_because", StringType(), "Why.", nullable=True),
    ),
    key=("file_sha256", "state"),
    checks=(
        Check("state_known", one_of("state", (POSTED, QUARANTINED, ACCEPTED))),
        Check("quarantined_for_a_reason", "(state = 'QUARANTINED') = (reason IS NOT NULL)"),
        Check("accepted_by_a_person", "state <> 'ACCEPTED' OR (accepted_by IS NOT NULL AND accepted_because IS NOT NULL)"),
    ),
)

STATEMENTS = TableContract(
    name="statements",
    layer="raw",
    doc="One row per statement of a bank's file: its balances, and whether its entries explain them.",
    fields=(
        _FILE,
        _ORDINAL,
        Field("statement_id", StringType(), "What the bank calls it.", nullable=True),
        Field("account", StringType(), "Account as stated: IBAN, or the bank's own number.", nullable=True),
        Field("currency", StringType(), "ISO 4217 code of the balances and the entries.", nullable=True),
        Field("sequence", StringType(), "Number of the statement and its page, as stated.", nullable=True),
        Field("opening_date", DateType(), "Date of the opening balance.", nullable=True),
        Field("closing_date", DateType(), "Date of the closing balance.", nullable=True),
        Field("opening_balance", LINE_MONEY, "Booked balance before the entries; negative in debit.", nullable=True),
        Field("closing_balance", LINE_MONEY, "Booked balance after the entries.", nullable=True),
        Field("entries", IntegerType(), "Booked entries that were read."),
        Field("entries_amount", LINE_MONEY, "Their sum; credits to the account are positive."),
        Field("difference_amount", LINE_MONEY, _DIFFERENCE, nullable=True),
        Field("proof", StringType(), "PROVED, UNPROVED, or NO_CONTROL where the format carries no total."),
        Field("reason", StringType(), "Why it is not proved.", nullable=True),
        Field("detail", StringType(), "The same in a sentence.", nullable=True),
    ),
    key=("file_sha256", "statement"),
    checks=(
        Check("proof_known", one_of("proof", PROOFS)),
        Check("unproved_for_a_reason", "(proof = 'UNPROVED') = (reason IS NOT NULL)"),
    ),
)

STATEMENT_LINES = TableContract(
    name="statement_lines",
    layer="raw",
    doc="One row per entry of a bank statement, or per payment of an entry that the bank split up completely.",
    fields=(
        _FILE,
        _LINE,
        Field("part", IntegerType(), "Which payment of the entry, from 1; 0 for an entry as a whole."),
        _ORDINAL,
        Field("account", StringType(), "Account as stated.", nullable=True),
        Field("currency", StringType(), "ISO 4217 code."),
        Field("amount", LINE_MONEY, "Change of the account: credits are positive, also of a reversed debit."),
        Field("is_reversal", BooleanType(), "True where the entry takes back an earlier one."),
        Field("status", StringType(), "BOOKED, PENDING (provisional) or INFORMATION; only booked entries count."),
        Field("booking_date", DateType(), "When the bank booked it.", nullable=True),
        Field("value_date", DateType(), "From when it bears interest.", nullable=True),
        Field("transaction_code", StringType(), "What kind of entry, in the bank's code.", nullable=True),
        Field("end_to_end_id", StringType(), "Identifier that the payer gave the payment.", nullable=True),
        Field("reference", StringType(), "Reference for the account's owner.", nullable=True),
        Field("bank_reference", StringType(), "Reference of the bank that holds the account.", nullable=True),
        Field("counterparty", StringType(), "Name of the other side.", nullable=True),
        Field("remittance", StringType(), "What the payment says it is for, in one line.", nullable=True),
    ),
    key=("file_sha256", "line", "part"),
    checks=(
        Check("currency_known", one_of("currency", CURRENCIES)),
        Check("status_known", one_of("status", ENTRY_STATUSES)),
    ),
)

_COMPONENT = "Sum of its lines of this type, signed as they change the payout."

PAYOUTS = TableContract(
    name="payouts",
    layer="raw",
    doc="One row per payout of a processor's report, by batch and currency: its components, and whether they come to it.",
    fields=(
        _FILE,
        _ORDINAL,
        Field("psp", StringType(), "Processor that reports, such as adyen or stripe."),
        Field("account", StringType(), "Merchant account at the processor.", nullable=True),
        Field("payout_id", StringType(), "Batch or payout, as the processor calls it."),
        Field("currency", StringType(), "ISO 4217 code of the payout and of every component."),
        Field("payout_date", DateType(), "When the processor pays, as stated.", nullable=True),
        Field("lines", IntegerType(), "Lines that belong to it, without the payout's own."),
        Field("sales_amount", LINE_MONEY, _COMPONENT),
        Field("refunds_amount", LINE_MONEY, _COMPONENT + " Reversed refunds are in it."),
        Field("chargebacks_amount", LINE_MONEY, _COMPONENT + " Reversed chargebacks are in it."),
        Field("fees_amount", LINE_MONEY, "Fees of every line and fee lines, negative as they lessen the payout."),
        Field("reserve_amount", LINE_MONEY, "Reserve released less reserve held."),
        Field("corrections_amount", LINE_MONEY, _COMPONENT + " Currency conversion is in it."),
        Field("unknown_amount", LINE_MONEY, "Net of lines of types that no format knows."),
        Field("expected_amount", LINE_MONEY, "Sum of the components: what the payout should be."),
        Field("payout_amount", LINE_MONEY, "What the processor says it pays; null where no line says so.", nullable=True),
        Field("difference_amount", LINE_MONEY, _DIFFERENCE, nullable=True),
        Field("proof", StringType(), "PROVED or UNPROVED, or NO_CONTROL where the format has no payout lines."),
        Field("reason", StringType(), "Why it is not proved.", nullable=True),
        Field("detail", StringType(), "The same in a sentence.", nullable=True),
    ),
    key=("file_sha256", "statement"),
    checks=(
        Check("proof_known", one_of("proof", PROOFS)),
        Check("unproved_for_a_reason", "(proof = 'UNPROVED') = (reason IS NOT NULL)"),
        Check("components_close", "expected_amount = sales_amount + refunds_amount + chargebacks_amount + fees_amount "
              "+ reserve_amount + corrections_amount + unknown_amount"),
    ),
)  # fmt: skip

SETTLEMENT_LINES = TableContract(
    name="settlement_lines",
    layer="raw",
    doc="One row per line of a processor's settlement report.",
    fields=(
        _FILE,
        _LINE,
        Field("psp", StringType(), "Processor that reports, such as adyen or stripe."),
        Field("account", StringType(), "Merchant account at the processor.", nullable=True),
        Field("payout_id", StringType(), "Payout that pays the line; null while none does.", nullable=True),
        Field("type", StringType(), "What the line is, in one vocabulary; UNKNOWN is a break."),
        Field("psp_type", StringType(), "The processor's word for it."),
        Field("currency", StringType(), "ISO 4217 code of amount, fee and net: that of the payout."),
        Field("amount", LINE_MONEY, "Before fees; a sale is positive, a refund and the payout's own line negative."),
        Field("fee_amount", LINE_MONEY, "Fees taken from the line; positive lessens the payout."),
        Field("net_amount", LINE_MONEY, "What the line adds to the payout: amount - fee_amount."),
        Field("gross_currency", StringType(), "ISO 4217 code of the transaction itself.", nullable=True),
        Field("gross_amount", LINE_MONEY, "Amount of the transaction in `gross_currency`, signed.", nullable=True),
        Field("exchange_rate", RATE, "Rate from gross_currency to currency, as stated.", nullable=True),
        Field("created_at", TimestampType(), "When the processor made the line, UTC.", nullable=True),
        Field("psp_reference", StringType(), "The processor's reference of the original payment.", nullable=True),
        Field("line_reference", StringType(), "Its reference of this refund, dispute or other change.", nullable=True),
        Field("merchant_reference", StringType(), "The merchant's own reference.", nullable=True),
        Field("payment_method", StringType(), "Scheme or method, as stated.", nullable=True),
        Field("detail", StringType(), "What the line says of itself.", nullable=True),
    ),
    key=("file_sha256", "line"),
    checks=(
        Check("currency_known", one_of("currency", CURRENCIES)),
        Check("type_known", one_of("type", LINE_TYPES)),
        # a line that breaks it unproves its file, and is kept as the processor states it
        Check("net_is_amount_less_fee", "net_amount = amount - fee_amount", Action.WARN),
    ),
)  # fmt: skip
