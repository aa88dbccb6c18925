"""What is known of a payment when it is scored: each feature once, for the stream, for training and for single requests.

A feature uses what had arrived before the payment, and the payment itself. `seen_at`, its time for windows, never goes
back within a customer, merchant, card or device: what arrives late counts as of the latest that had arrived there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from paylake.fraud.sequences import DAY_MS, EVER, Floats, Ints, Sequence, days, seconds

USER, MERCHANT, CARD, DEVICE = ROLES = ("USER", "MERCHANT", "CARD", "DEVICE")
PAYMENT = "PAYMENT"
"""Where a feature looks: at the payments of its customer, merchant, card or device so far, or at the payment alone."""

LEVEL = 1000
"""An amount's level is LEVEL times the natural logarithm of 1 + amount, rounded: whole, so that sums of it are exact."""
BIG = 916
"""Levels above the customer's usual from which on a payment is big: 2.5 times."""
SMALL = 2303
"""Levels below the customer's usual from which on a payment is small: a tenth."""
LEAST_SPREAD = 100.0
"""Levels: a customer who always pays the same still varies by a tenth."""
UNIT = 10_000
"""Units of a major unit of currency: the scale of MONEY."""

MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True)
class RoleRows:
    """Payments, and days' sums of them, of many customers (or merchants, cards, devices), each in order of arrival.

    One element of each array is one row; those of `fraud_…` are the frauds that became known: of which key, from when they
    count, and where they stand in the arrival (`rank`). Codes number values from 0 and are -1 where a value is not known.
    """

    key: Ints
    rank: Ints
    at: Ints
    payments: Ints
    declines: Ints
    refunds: Ints
    levels: Ints
    levels_squared: Ints
    units: Ints
    first_at: Ints
    user: Ints
    merchant: Ints
    device: Ints
    country: Ints
    currency: Ints
    fraud_key: Ints
    fraud_rank: Ints
    fraud_at: Ints

    @cached_property
    def all(self) -> Sequence:
        """The rows of each key."""
        span = int(self.at.max(initial=0)) - int(self.at.min(initial=0)) + 1
        # keys are numbered in their order, so that the running maximum begins anew with each
        clock = np.maximum.accumulate(self.at - self.at.min(initial=0) + self.key * span) - self.key * span
        at = clock + self.at.min(initial=0)
        return Sequence(self.key, at, self.payments, np.minimum(self.first_at, at))

    @cached_property
    def by_currency(self) -> Sequence:
        """The same, per currency."""
        return self.all.by(self.currency)

    @cached_property
    def by_merchant(self) -> Sequence:
        """The same, per merchant."""
        return self.all.by(self.merchant)

    @cached_property
    def by_device(self) -> Sequence:
        """The same, per device."""
        return self.all.by(self.device)

    @cached_property
    def by_country(self) -> Sequence:
        """The same, per country."""
        return self.all.by(self.country)

    @cached_property
    def by_same_amount(self) -> Sequence:
        """The same, per merchant, currency and amount."""
        amount = np.unique(self.units, return_inverse=True)[1].astype(np.int64)
        return self.by_merchant.by(self.currency).by(amount)

    @cached_property
    def usual(self) -> Floats:
        """The mean level of the payments of the same currency before, of 30 days; NaN for the first one."""
        return self.by_currency.mean(self.levels, days(30), self.payments)

    @cached_property
    def spread(self) -> Floats:
        """The standard deviation of these levels, LEAST_SPREAD at least."""
        squares = self.by_currency.mean(self.levels_squared, days(30), self.payments)
        with np.errstate(invalid="ignore"):
            return np.maximum(np.sqrt(np.maximum(squares - self.usual**2, 0)), LEAST_SPREAD)

    @property
    def deviation(self) -> Floats:
        """How many spreads a payment lies above what is usual."""
        return (self.levels - self.usual) / self.spread

    def ratio(self, window_days: int | None = 30) -> Floats:
        """A payment as a multiple of what is usual (the geometric mean)."""
        usual = self.usual if window_days == 30 else self.by_currency.mean(self.levels, EVER, self.payments)
        return np.exp(np.minimum((self.levels - usual) / LEVEL, 30.0))

    @cached_property
    def is_big(self) -> Ints:
        """1 for a payment far above what is usual."""
        with np.errstate(invalid="ignore"):
            return np.asarray((self.levels - self.usual > BIG) & (self.payments == 1), np.int64)

    @cached_property
    def is_test(self) -> Ints:
        """1 for a payment that may try out a card: declined, or far below what is usual."""
        with np.errstate(invalid="ignore"):
            may_test = (self.usual - self.levels > SMALL) | (self.declines > 0)
        return np.asarray(may_test & (self.payments == 1), np.int64)

    @cached_property
    def _known_from(self) -> Ints:
        """The first row that may know of each fraud: it has arrived, and its time has come."""
        last = int(max(self.rank.max(initial=0), self.fraud_rank.max(initial=0))) + 1
        arrived = np.searchsorted(self.key * last + self.rank, self.fraud_key * last + self.fraud_rank)
        return np.maximum(arrived, self.all.first_place(self.fraud_key, self.fraud_at))

    def frauds(self, window_days: int) -> Ints:
        """Frauds that came to count today or on the days before; none that a row could not know of."""
        forgotten_at = self.fraud_at - self.fraud_at % DAY_MS + window_days * DAY_MS
        forgotten = np.maximum(self.all.first_place(self.fraud_key, forgotten_at), self._known_from)
        steps = np.zeros(len(self.key) + 1, np.int64)
        np.add.at(steps, self._known_from, 1)
        np.subtract.at(steps, forgotten, 1)
        return np.cumsum(steps)[:-1]

    def since_fraud(self) -> Floats:
        """Days since the last fraud came to count; NaN where none is known."""
        low = min(int(self.at.min(initial=0)), int(self.fraud_at.min(initial=0)))
        last = np.full(len(self.key) + 1, -1)
        is_of_key = self._known_from < self.all.end_place(self.fraud_key)
        np.maximum.at(last, self._known_from[is_of_key], self.fraud_at[is_of_key] - low)
        # each key lies above the one before it, so that the running maximum begins anew
        above = self.key * (int(max(self.all.at.max(initial=0), self.fraud_at.max(initial=0))) - low + 2)
        seen = np.maximum.accumulate(last[:-1] + above) - above
        return np.where(seen >= 0, (self.all.at - low - seen) / DAY_MS, np.nan)


@dataclass(frozen=True)
class Payments:
    """Payments with what dimensions and policies say of each; one element of each array is one payment.

    Risks are 0, 1 and 2 for low, medium and high. What is not known is NaN.
    """

    units: Ints
    minutes: Ints
    """Minutes since 1970 on the clocks of the place."""
    is_card: Floats
    is_transfer: Floats
    is_refund: Floats
    is_abroad: Floats
    country_risk: Floats
    merchant_risk: Floats
    user_risk: Floats
    user_unverified: Floats
    is_blacklisted: Floats
    limit_units: Floats

    @property
    def hour(self) -> Ints:
        """Hour of the day, there."""
        return self.minutes // 60 % 24

    @property
    def weekday(self) -> Ints:
        """Monday is 0; 1 January 1970 was a Thursday."""
        return (self.minutes // (24 * 60) + 3) % 7


Looks = Callable[[RoleRows], NDArray[np.generic]]
Alone = Callable[[Payments], NDArray[np.generic]]


@dataclass(frozen=True)
class Feature:
    """One number of a payment: its name, where it looks, what it is, and the reason that it gives when it weighs.

    `baseline` names the feature that holds what is usual, if there is one. `looks` computes it from the rows of its role,
    or `alone` from the payment.
    """

    name: str
    role: str
    doc: str
    reason: str
    looks: Looks | None = None
    baseline: str = ""
    alone: Alone | None = None


def _count(window: int) -> Looks:
    return lambda h: h.all.total(h.payments, seconds(window), now=True)


def _share(part: Looks, whole: Looks) -> Looks:
    def shares(h: RoleRows) -> Floats:
        all_of_it = np.asarray(whole(h), dtype=float)
        return np.where(all_of_it > 0, part(h) / np.maximum(all_of_it, 1), 0.0)

    return shares


def _before(sequence: Callable[[RoleRows], Sequence]) -> Looks:
    return lambda h: sequence(h).total(h.payments, EVER, now=False)


def _payments(window: int) -> Looks:
    return lambda h: h.all.total(h.payments, days(window), now=True)


def _refunds(window: int) -> Looks:
    return lambda h: h.all.total(h.refunds, days(window), now=True)


def _frauds(window: int) -> Looks:
    return lambda h: h.frauds(window)


def _device_count(h: RoleRows) -> Floats:
    return np.where(h.device >= 0, h.by_device.total(h.payments, EVER, now=False).astype(float), np.nan)


def _spent(window: int) -> Looks:
    return lambda h: h.by_currency.total(h.units, seconds(window), now=True) / UNIT


def _declines(window: int) -> Looks:
    return lambda h: h.all.total(h.declines, seconds(window), now=False)


def _country_change(h: RoleRows) -> Floats:
    """1 where the payment comes from another country than the one before; NaN where either is not known."""
    before = h.all.last(h.country, h.payments > 0)
    return np.where((before >= 0) & (h.country >= 0), (h.country != before).astype(float), np.nan)


def _burst(h: RoleRows) -> Floats:
    """Customers of the last hour beside the mean hour of the week before; a merchant without one counts as one an hour."""
    week = (h.all.total(h.payments, days(8), now=False) - h.all.total(h.payments, days(1), now=False)) / (7 * 24)
    return h.all.distinct(h.user, seconds(HOUR)) / np.maximum(week, 1.0)


OF_USER: tuple[Feature, ...] = (
    Feature("user_count_1m", USER, "Payments of the customer in 60 s.", "RAPID_SUCCESSION", _count(MINUTE)),
    Feature("user_count_2m", USER, "Payments of the customer in 2 minutes.", "RAPID_SUCCESSION", _count(2 * MINUTE)),
    Feature("user_count_5m", USER, "Payments of the customer in 5 minutes.", "VELOCITY", _count(5 * MINUTE)),
    Feature("user_count_1h", USER, "Payments of the customer in an hour.", "VELOCITY", _count(HOUR)),
    Feature("user_count_24h", USER, "Payments of the customer in 24 hours.", "VELOCITY", _count(DAY)),
    Feature("user_count_7d", USER, "Payments of the customer today and on 6 days before.", "VELOCITY",
            _payments(7)),
    Feature("user_count_30d", USER, "Payments of the customer today and on 29 days before.", "VELOCITY",
            _payments(30)),
    Feature("user_count_ever", USER, "Payments of the customer before.", "VELOCITY",
            _before(lambda h: h.all)),
    Feature("user_spent_1m", USER, "Amount in 60 s, in major units of the payment's currency.", "AMOUNT_UNUSUAL",
            _spent(MINUTE)),
    Feature("user_spent_5m", USER, "Amount in 5 minutes, likewise.", "AMOUNT_UNUSUAL", _spent(5 * MINUTE)),
    Feature("user_spent_24h", USER, "Amount in 24 hours, likewise.", "AMOUNT_UNUSUAL", _spent(DAY)),
    Feature("user_usual_amount", USER, "Geometric mean of the customer's payments of 30 days in this currency.",
            "AMOUNT_UNUSUAL", lambda h: np.expm1(np.minimum(h.usual / LEVEL, 30.0))),
    Feature("user_amount_ratio", USER, "The amount as a multiple of what is usual.", "AMOUNT_UNUSUAL", lambda h: h.ratio(),
            baseline="user_usual_amount"),
    Feature("user_amount_ratio_ever", USER, "The amount as a multiple of what was usual ever.", "AMOUNT_UNUSUAL",
            lambda h: h.ratio(None), baseline="user_usual_amount"),
    Feature("user_amount_deviation", USER, "Standard deviations by which the amount is above what is usual.",
            "AMOUNT_UNUSUAL", lambda h: h.deviation, baseline="user_usual_amount"),
    Feature("user_big_24h", USER, "Payments of 24 hours above 2.5 times what was usual.", "AMOUNT_UNUSUAL",
            lambda h: h.all.total(h.is_big, seconds(DAY), now=True)),
    Feature("user_tests_10m", USER, "Payments of 10 minutes before, declined or below a tenth of what is usual.",
            "CARD_TESTING", lambda h: h.all.total(h.is_test, seconds(10 * MINUTE), now=False)),
    Feature("user_gap", USER, "Seconds since the customer's last payment.", "VELOCITY",
            lambda h: h.all.since_last(h.payments > 0)),
    Feature("user_age", USER, "Days since the customer's first payment.", "CUSTOMER_RISK", lambda h: h.all.since_first()),
    Feature("user_declines_10m", USER, "Declined payments of 10 minutes before.", "DECLINES", _declines(10 * MINUTE)),
    Feature("user_declines_24h", USER, "Declined payments of 24 hours before.", "DECLINES", _declines(DAY)),
    Feature("user_refunds_7d", USER, "Refunds of today and of 6 days before, this one among them.", "REFUNDS",
            _refunds(7)),
    Feature("user_refund_share_30d", USER, "Share of refunds among the payments of 30 days.", "REFUNDS",
            _share(_refunds(30), _payments(30))),
    Feature("user_merchants_1h", USER, "Merchants that the customer paid in an hour.", "VELOCITY",
            lambda h: h.all.distinct(h.merchant, seconds(HOUR))),
    Feature("user_countries_1h", USER, "Countries of the customer's payments in an hour.", "MANY_COUNTRIES",
            lambda h: h.all.distinct(h.country, seconds(HOUR))),
    Feature("user_countries_24h", USER, "Countries of the customer's payments in 24 hours.", "MANY_COUNTRIES",
            lambda h: h.all.distinct(h.country, seconds(DAY))),
    Feature("user_devices_24h", USER, "Devices of the customer in 24 hours.", "NEW_DEVICE",
            lambda h: h.all.distinct(h.device, seconds(DAY))),
    Feature("user_country_change", USER, "1 where the customer's last payment came from another country.",
            "MANY_COUNTRIES", _country_change),
    Feature("user_merchant_count", USER, "Payments of the customer to this merchant before.", "NEW_MERCHANT",
            _before(lambda h: h.by_merchant)),
    Feature("user_merchant_share", USER, "Share of these among all of the customer's payments before.", "NEW_MERCHANT",
            _share(_before(lambda h: h.by_merchant),
                   _before(lambda h: h.all))),
    Feature("user_device_count", USER, "Payments of the customer from this device before; NaN where none is named.",
            "NEW_DEVICE",
            _device_count),
    Feature("user_device_share", USER, "Share of these among all of the customer's payments before.", "NEW_DEVICE",
            _share(_before(lambda h: h.by_device),
                   _before(lambda h: h.all))),
    Feature("user_country_count", USER, "Payments of the customer from this country before.", "COUNTRY_MISMATCH",
            _before(lambda h: h.by_country)),
    Feature("user_same_amount_10m", USER, "Payments of the same amount to the same merchant in 10 minutes before.",
            "DUPLICATE_AMOUNT", lambda h: h.by_same_amount.total(h.payments, seconds(10 * MINUTE), now=False)),
    Feature("user_frauds_30d", USER, "Frauds of the customer that came to count within 30 days.", "CUSTOMER_FRAUDS",
            _frauds(30)),
    Feature("user_since_fraud", USER, "Days since the last one came to count.", "CUSTOMER_FRAUDS",
            lambda h: h.since_fraud()),
)  # fmt: skip

OF_MERCHANT: tuple[Feature, ...] = (
    Feature("merchant_count_1h", MERCHANT, "Payments to the merchant in an hour.", "MERCHANT_BURST", _count(HOUR)),
    Feature("merchant_count_24h", MERCHANT, "Payments to the merchant in 24 hours.", "MERCHANT_BURST", _count(DAY)),
    Feature("merchant_count_30d", MERCHANT, "Payments to the merchant today and on 29 days before.", "MERCHANT_RISK",
            _payments(30)),
    Feature("merchant_users_1h", MERCHANT, "Customers of the merchant in an hour.", "MERCHANT_BURST",
            lambda h: h.all.distinct(h.user, seconds(HOUR))),
    Feature("merchant_burst", MERCHANT, "These beside the mean hour of the week before.", "MERCHANT_BURST", _burst),
    Feature("merchant_usual_amount", MERCHANT, "Geometric mean of the merchant's payments of 30 days in this currency.",
            "AMOUNT_UNUSUAL_MERCHANT", lambda h: np.expm1(np.minimum(h.usual / LEVEL, 30.0))),
    Feature("merchant_amount_deviation", MERCHANT, "Standard deviations by which the amount is above the merchant's usual.",
            "AMOUNT_UNUSUAL_MERCHANT", lambda h: h.deviation, baseline="merchant_usual_amount"),
    Feature("merchant_declines_1h", MERCHANT, "Declined payments of the hour before.", "CARD_TESTING", _declines(HOUR)),
    Feature("merchant_tests_10m", MERCHANT, "Payments of 10 minutes before that were declined, or tiny for the merchant.",
            "CARD_TESTING", lambda h: h.all.total(h.is_test, seconds(10 * MINUTE), now=False)),
    Feature("merchant_refund_share_7d", MERCHANT, "Share of refunds among its payments of a week.", "REFUNDS",
            _share(_refunds(7), _payments(7))),
    Feature("merchant_same_amount_24h", MERCHANT, "Payments of the same amount to the merchant in 24 hours before.",
            "MERCHANT_BURST", lambda h: h.by_same_amount.total(h.payments, seconds(DAY), now=False)),
    Feature("merchant_age", MERCHANT, "Days since the merchant's first payment.", "MERCHANT_RISK",
            lambda h: h.all.since_first()),
    Feature("merchant_frauds_1d", MERCHANT, "Frauds at the merchant that came to count today.", "MERCHANT_FRAUDS",
            _frauds(1)),
    Feature("merchant_frauds_7d", MERCHANT, "Frauds at the merchant that came to count within 7 days.", "MERCHANT_FRAUDS",
            _frauds(7)),
    Feature("merchant_frauds_30d", MERCHANT, "Frauds at the merchant that came to count within 30 days.", "MERCHANT_FRAUDS",
            _frauds(30)),
    Feature("merchant_fraud_share_30d", MERCHANT, "These as a share of its payments of 30 days.", "MERCHANT_FRAUDS",
            _share(_frauds(30), _payments(30))),
    Feature("merchant_since_fraud", MERCHANT, "Days since the last fraud at the merchant came to count.", "MERCHANT_FRAUDS",
            lambda h: h.since_fraud()),
)  # fmt: skip

OF_CARD: tuple[Feature, ...] = (
    Feature("card_count_10m", CARD, "Payments with the card in 10 minutes.", "CARD_TESTING", _count(10 * MINUTE)),
    Feature("card_count_24h", CARD, "Payments with the card in 24 hours.", "VELOCITY", _count(DAY)),
    Feature("card_merchants_1h", CARD, "Merchants paid with the card in an hour.", "CARD_TESTING",
            lambda h: h.all.distinct(h.merchant, seconds(HOUR))),
    Feature("card_declines_1h", CARD, "Declined payments with the card in the hour before.", "DECLINES", _declines(HOUR)),
    Feature("card_users_24h", CARD, "Customers who paid with the card in 24 hours.", "CARD_TESTING",
            lambda h: h.all.distinct(h.user, seconds(DAY))),
)  # fmt: skip

OF_DEVICE: tuple[Feature, ...] = (
    Feature("device_count_1h", DEVICE, "Payments from the device in an hour.", "VELOCITY", _count(HOUR)),
    Feature("device_users_24h", DEVICE, "Customers who used the device in 24 hours.", "SHARED_DEVICE",
            lambda h: h.all.distinct(h.user, seconds(DAY))),
    Feature("device_age", DEVICE, "Days since the device's first payment.", "NEW_DEVICE", lambda h: h.all.since_first()),
)  # fmt: skip


def _alone(name: str, doc: str, reason: str, alone: Alone) -> Feature:
    return Feature(name, PAYMENT, doc, reason, alone=alone)


OF_PAYMENT: tuple[Feature, ...] = (
    _alone("amount", "The amount, in major units of its currency.", "AMOUNT_LIMIT", lambda p: p.units / UNIT),
    _alone("is_round", "1 for a whole multiple of 100 major units.", "AMOUNT_LIMIT", lambda p: p.units % (100 * UNIT) == 0),
    _alone("hour", "Hour of the day where the payment was made; of UTC where that is not known.", "NIGHT", lambda p: p.hour),
    _alone("is_night", "1 from 23:00 to 5:59 there.", "NIGHT", lambda p: (p.hour >= 23) | (p.hour < 6)),
    _alone("weekday", "Day of the week there, Monday is 0.", "NIGHT", lambda p: p.weekday),
    _alone("is_weekend", "1 on Saturday and Sunday there.", "NIGHT", lambda p: p.weekday >= 5),
    _alone("is_card", "1 for a payment by card; others are made without one.", "PAYMENT_KIND", lambda p: p.is_card),
    _alone("is_transfer", "1 for a transfer.", "PAYMENT_KIND", lambda p: p.is_transfer),
    _alone("is_refund", "1 for a refund.", "REFUNDS", lambda p: p.is_refund),
    _alone("is_abroad", "1 where the country is not the customer's home.", "COUNTRY_MISMATCH", lambda p: p.is_abroad),
    _alone("country_risk", "Risk of the place: 0 low, 1 medium, 2 high.", "COUNTRY_RISK", lambda p: p.country_risk),
    _alone("merchant_risk", "Risk level of the merchant, likewise.", "MERCHANT_RISK", lambda p: p.merchant_risk),
    _alone("user_risk", "Risk rating of the customer, likewise.", "CUSTOMER_RISK", lambda p: p.user_risk),
    _alone("user_unverified", "1 where the customer's identification is not VERIFIED.", "CUSTOMER_RISK",
           lambda p: p.user_unverified),
    _alone("is_blacklisted", "1 where customer, merchant or country is on the blacklist.", "BLACKLISTED",
           lambda p: p.is_blacklisted),
    _alone("limit_ratio", "The amount beside the lowest policy limit of its currency that concerns it.", "POLICY_LIMIT",
           lambda p: p.units / p.limit_units),
)  # fmt: skip

FEATURES: tuple[Feature, ...] = (*OF_PAYMENT, *OF_USER, *OF_MERCHANT, *OF_CARD, *OF_DEVICE)
NAMES: tuple[str, ...] = tuple(f.name for f in FEATURES)
FEATURES_VERSION = hashlib.sha256("\n".join(f"{f.name}|{f.role}|{f.doc}" for f in FEATURES).encode()).hexdigest()[:12]
"""Changes with any definition: a feature that means something else has to say so."""


def of_role(role: str) -> tuple[Feature, ...]:
    """The features that look at one role, in their order."""
    return tuple(f for f in FEATURES if f.role == role)


def role_matrix(role: str, rows: RoleRows) -> Floats:
    """One row per row of `rows`, one column per feature of the role."""
    found = [np.asarray(f.looks(rows), dtype=float) for f in of_role(role) if f.looks is not None]
    return np.column_stack(found) if found else np.empty((len(rows.key), 0))


def payment_matrix(payments: Payments) -> Floats:
    """One row per payment, one column per feature of the payment alone."""
    return np.column_stack([np.asarray(f.alone(payments), dtype=float) for f in OF_PAYMENT if f.alone is not None])


def as_mapping(vector: Floats) -> Mapping[str, float]:
    """A vector's features by name."""
    return dict(zip(NAMES, map(float, vector), strict=True))
