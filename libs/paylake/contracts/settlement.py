"""When processors pay what they collect: the terms agreed with each, and the schedule of payouts that treasury plans by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from pyspark.sql.types import DateType, IntegerType, LongType, StringType, TimestampType

from paylake.contracts.calendars import FIRST_DAY, Rail
from paylake.contracts.currencies import CURRENCIES, minor_units
from paylake.contracts.indexes import versioned
from paylake.contracts.statements import LINE_MONEY
from paylake.contracts.table import Check, Field, TableContract, one_of


class Kind(StrEnum):
    """What is to come: a payout, or a reserve that the processor held back from one and has to give back."""

    PAYOUT = "PAYOUT"
    RESERVE_RELEASE = "RESERVE_RELEASE"


class State(StrEnum):
    """Where an expected payment is at the as-of date; `indexes/settlement_schedule.py` says when each holds."""

    EXPECTED = "EXPECTED"
    IN_TRANSIT = "IN_TRANSIT"
    RECEIVED = "RECEIVED"
    SHORT = "SHORT"
    OVER = "OVER"
    LATE = "LATE"
    MISSING = "MISSING"
    RETURNED = "RETURNED"
    ON_HOLD = "ON_HOLD"


class Confidence(StrEnum):
    """How sure an amount is: the processor reports it, or our payments and the terms give it."""

    CONFIRMED = "CONFIRMED"
    CALCULATED = "CALCULATED"


ANY = "*"
"""Every processor, currency or kind of payment that no other row of the terms names."""

UNASSIGNED = "unassigned"
"""The processor of a payment that no terms claim and whose merchant names none."""

GRACE_DAYS = 1
"""Business days after its value date for which a reported payout counts as in transit."""
MISSING_AFTER_DAYS = 5
"""Business days after its value date beyond which what has not come is missing."""
SHORTEST_OWN_ID = 6
"""Characters from which on a payout's identifier stands for itself; a shorter one, as a batch number, needs its account."""


@dataclass(frozen=True)
class SettlementTerms:
    """What is agreed with a processor for sales in a currency, for payments made and payouts sent from `since` on (UTC).

    A sales day ends at the cut-off: so many minutes after its own midnight in `time_zone`, by the clock on the wall, so that
    24 * 60 is the calendar day and 31 * 60 ends it at seven the next morning. Its sales are paid `days` business days later,
    counted in days on which both rails are open; where `pays_on` names a day of the month, on that day or on the month's
    last. A reported payout reaches the bank `transit_days` such days after the processor sends it. `reserve_days` are
    calendar days. `settles` are the channels and payment systems whose payments come to the processor where the merchant
    names no processor.
    """

    psp: str
    currency: str
    psp_rail: Rail
    bank_rail: Rail
    days: int
    fee_basis_points: int
    fee_fixed_minor: int
    source: str
    cut_off_minutes: int = 24 * 60
    time_zone: str = "UTC"
    transit_days: int = 0
    reserve_basis_points: int = 0
    reserve_days: int = 180
    pays_on: int | None = None
    settles: tuple[str, ...] = ()
    is_on_hold: bool = False
    since: date = FIRST_DAY

    @property
    def rule(self) -> str:
        """The terms in one line, for people: T+2 FEDERAL_RESERVE+TARGET, sales until 24:00 UTC."""
        hours, minutes = divmod(self.cut_off_minutes, 60)
        anchor = f", on day {self.pays_on} of the month" if self.pays_on else ""
        return f"T+{self.days} {self.rails}{anchor}, sales until {hours:02d}:{minutes:02d} {self.time_zone}"

    @property
    def rails(self) -> str:
        """The two calendars whose common business days count."""
        return f"{self.psp_rail}+{self.bank_rail}"


def _example(currency: str, basis_points: int, fixed_minor: int) -> SettlementTerms:
    return SettlementTerms(
        "example_processor", currency, Rail.WEEKDAYS, Rail.WEEKDAYS, 2, basis_points, fixed_minor,
        time_zone="Europe/Berlin", transit_days=1, reserve_basis_points=500, settles=(ANY,),
        source="The example processor of the simulation: pays a weekday after the sales day, in the bank a weekday later.",
    )  # fmt: skip


_ASSUMED = "Assumption, to be replaced by the contract: "

SETTLEMENT_TERMS: tuple[SettlementTerms, ...] = (
    _example("INR", 200, 300),
    _example("USD", 290, 30),
    _example("GBP", 150, 20),
    _example("EUR", 140, 25),
    _example("SGD", 340, 50),
    _example("AED", 290, 100),
    _example("AUD", 175, 30),
    _example("JPY", 360, 0),
    _example("KWD", 250, 100),
    _example(ANY, 290, 30),
    SettlementTerms(
        "adyen", "EUR", Rail.TARGET, Rail.TARGET, 2, 60, 11, time_zone="Europe/Amsterdam",
        source=_ASSUMED + "the sales day closes between midnight and 07:00 in the account's zone, and is paid 1 to 20 "
        "business days later (Adyen, settlement delay); a payout's date is the day of its value.",
    ),
    SettlementTerms(
        "stripe", "USD", Rail.FEDERAL_RESERVE, Rail.FEDERAL_RESERVE, 2, 290, 30,
        source=_ASSUMED + "two business days and 2.9 % + 0.30 are what Stripe's price list for the USA names; its days end "
        "at midnight UTC, and a payout's date is the day of its arrival.",
    ),
    SettlementTerms(
        ANY, "EUR", Rail.TARGET, Rail.TARGET, 2, 150, 25,
        source=_ASSUMED + "T+2 in TARGET days.",
    ),
    SettlementTerms(
        ANY, "USD", Rail.FEDERAL_RESERVE, Rail.FEDERAL_RESERVE, 2, 290, 30,
        source=_ASSUMED + "T+2 in days of the Federal Reserve.",
    ),
    SettlementTerms(
        ANY, "INR", Rail.INDIA, Rail.INDIA, 1, 200, 300, time_zone="Asia/Kolkata",
        source=_ASSUMED + "T+1 in days of the Indian banks, as payments in INR settle.",
    ),
    SettlementTerms(
        ANY, ANY, Rail.WEEKDAYS, Rail.WEEKDAYS, 2, 290, 30,
        source=_ASSUMED + "T+2 in weekdays, where nobody has told us more.",
    ),
)  # fmt: skip
"""The terms in force; a later row of the same processor and currency replaces an earlier one from its first day on.

The row of processor and currency counts, else the processor's for any currency, else any processor's for the currency, else
the last. Fees and reserves here are for planning: what a processor reports counts, whatever the terms say.
"""

COMPONENTS = (
    "gross_amount", "refunds_amount", "chargebacks_amount", "fees_amount", "reserve_held_amount", "reserve_released_amount",
    "adjustments_amount", "fx_amount", "difference_amount",
)  # fmt: skip
"""What comes to the expected net amount, each signed as it changes it."""

SETTLEMENT_SCHEDULE = versioned(
    name="settlement_schedule",
    doc="One row per version of a past or expected payout or release of a reserve: when, how much, how sure, what came.",
    fields=(
        Field("schedule_id", StringType(), "Deterministic identifier of the payout or release."),
        Field("kind", StringType(), "PAYOUT, or RESERVE_RELEASE: it comes within some payout, and is not paid on its own."),
        Field("payout_id", StringType(), "Batch or payout, as the processor calls it; null until it reports one. Of a "
              "release: the payout from which it was held back.", nullable=True),
        Field("psp", StringType(), "Processor that pays."),
        Field("account", StringType(), "Merchant account at the processor.", nullable=True),
        Field("bank_account", StringType(), "Account on which it was received, last.", nullable=True),
        Field("currency", StringType(), "ISO 4217 code of every amount."),
        Field("sales_from", DateType(), "First sales day in it, in the processor's zone.", nullable=True),
        Field("sales_to", DateType(), "Last sales day in it.", nullable=True),
        Field("cut_off_at", TimestampType(), "When the last sales day ends, UTC.", nullable=True),
        Field("schedule_rule", StringType(), "The terms by which it is dated, in one line."),
        Field("psp_rail", StringType(), "Calendar of the processor's side."),
        Field("bank_rail", StringType(), "Calendar of the bank's side."),
        Field("expected_value_date", DateType(), "When the bank should credit it: a day on which both rails are open."),
        Field("actual_value_date", DateType(), "Value date of the last credit for it.", nullable=True),
        Field("state", StringType(), "EXPECTED, IN_TRANSIT, RECEIVED, SHORT, OVER, LATE, MISSING, RETURNED or ON_HOLD."),
        Field("confidence", StringType(), "CONFIRMED by the processor's report, or CALCULATED from payments and terms."),
        Field("payments", LongType(), "Payments in it; of a reported payout its lines; of a release 0."),
        Field("gross_amount", LINE_MONEY, "Sales."),
        Field("refunds_amount", LINE_MONEY, "Refunds, negative."),
        Field("chargebacks_amount", LINE_MONEY, "Chargebacks, negative."),
        Field("fees_amount", LINE_MONEY, "Fees, negative."),
        Field("reserve_held_amount", LINE_MONEY, "Reserve held back, negative."),
        Field("reserve_released_amount", LINE_MONEY, "Reserve given back."),
        Field("adjustments_amount", LINE_MONEY, "Corrections, and what no format knows."),
        Field("fx_amount", LINE_MONEY, "Conversion of currencies."),
        Field("difference_amount", LINE_MONEY, "What the processor states beyond all this; zero unless a person accepted "
              "its report unproved."),
        Field("expected_net_amount", LINE_MONEY, "What should come: their sum."),
        Field("actual_amount", LINE_MONEY, "What came up to the as-of date, less what went back; null where nothing did.",
              nullable=True),
        Field("variance_amount", LINE_MONEY, "actual_amount - expected_net_amount.", nullable=True),
        Field("days_late", IntegerType(), "Business days of both rails from the value date to the receipt, or to the as-of "
              "date where the money is not there; 0 while on hold."),
        Field("reserve_release_date", DateType(), "When what it holds back should be given back.", nullable=True),
        Field("statement_entries", IntegerType(), "Bank entries that are tied to it."),
        Field("statement_file_sha256", StringType(), "File of the last of them.", nullable=True),
        Field("statement_line", IntegerType(), "Line of the last of them.", nullable=True),
    ),
    key=("schedule_id",),
    partition_by=("expected_value_date",),
    checks=(
        Check("kind_known", one_of("kind", [k.value for k in Kind])),
        Check("currency_known", one_of("currency", CURRENCIES)),
        Check("state_known", one_of("state", [s.value for s in State])),
        Check("confidence_known", one_of("confidence", [c.value for c in Confidence])),
        Check("components_close", f"expected_net_amount = {' + '.join(COMPONENTS)}"),
        Check("variance_is_the_difference", "(actual_amount IS NULL AND variance_amount IS NULL) "
              "OR COALESCE(variance_amount = actual_amount - expected_net_amount, false)"),
        Check("late_or_not", "days_late >= 0"),
        Check("future_is_not_received", "actual_amount IS NOT NULL OR actual_value_date IS NULL"),
    ),
)  # fmt: skip

SETTLEMENT_FEES = TableContract(
    name="settlement_fees",
    layer="final",
    doc="One row per processor, currency and first day of its terms: what a sale should cost. Terms for any processor or "
    "any currency are assumptions, and are not among them.",
    fields=(
        Field("psp", StringType(), "Processor."),
        Field("currency", StringType(), "ISO 4217 code of the sale."),
        Field("since", DateType(), "First day (UTC) of sales on which the terms hold."),
        Field("until", DateType(), "First day on which they hold no more; null while no end is known.", nullable=True),
        Field("fee_basis_points", IntegerType(), "Share of the sale, in basis points."),
        Field("fee_fixed_amount", LINE_MONEY, "Amount per sale, in major units of `currency`."),
        Field("minor_units", IntegerType(), "Decimal places to which the share is rounded, half of a unit away from zero."),
    ),
    key=("psp", "currency", "since"),
    checks=(
        Check("currency_known", one_of("currency", CURRENCIES)),
        Check("ends_after_it_begins", "until IS NULL OR until > since"),
        Check("places_of_iso_4217", "minor_units BETWEEN 0 AND 4"),
    ),
)


def fee_rows() -> list[tuple[object, ...]]:
    """The rows of `settlement_fees`, as SETTLEMENT_TERMS say."""
    named = sorted(
        (t for t in SETTLEMENT_TERMS if ANY not in (t.psp, t.currency)), key=lambda t: (t.psp, t.currency, t.since)
    )
    rows: list[tuple[object, ...]] = []
    for n, terms in enumerate(named):
        later = named[n + 1] if n + 1 < len(named) else None
        is_replaced = later is not None and (later.psp, later.currency) == (terms.psp, terms.currency)
        until = later.since if later is not None and is_replaced else None
        places = minor_units(terms.currency)
        fixed = Decimal(terms.fee_fixed_minor).scaleb(-places)
        rows.append((terms.psp, terms.currency, terms.since, until, terms.fee_basis_points, fixed, places))
    return rows
