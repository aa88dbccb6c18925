"""Features of the handbook's benchmark: of the transaction, its customer and its terminal, as known when it is decided.

Labels count once they are LABEL_DELAY old. The base features are those of the Fraud Detection Handbook, chapter 3; the
others look at the same three things more closely.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from paylake.fraud.handbook.transactions import DAY, Transactions
from paylake.fraud.windows import History, Positions

LABEL_DELAY = 7 * DAY
SEEN_FRAUD = 35 * DAY
"""How far back a known fraud says something of its terminal: 28 days of compromise, and the delay."""
BIG = 2.5
"""A transaction is big that is this many times its customer's mean so far."""

Features = Mapping[str, NDArray[np.float64]]


def base(of: Transactions) -> Features:
    """The handbook's 15 features by name, in its order; amounts in the currency's units, one value per transaction."""
    customers, terminals = History(of.customer, of.at), History(of.terminal, of.at)
    weekday = (of.first_day.weekday() + of.day) % 7
    found = {
        "amount": of.cents / 100,
        "is_weekend": (weekday >= 5).astype(float),
        "is_night": (of.at % DAY // 3600 <= 6).astype(float),
    }
    for days in (1, 7, 30):
        since = customers.until(days * DAY)
        count = customers.including - since
        found[f"customer_count_{days}d"] = customers.of_event(count)
        spent = customers.sums(of.cents, since, customers.including)
        found[f"customer_mean_{days}d"] = customers.of_event(spent / count / 100)
    known = terminals.until(LABEL_DELAY)
    for days in (1, 7, 30):
        since = terminals.until(LABEL_DELAY + days * DAY)
        found[f"terminal_count_{days}d"] = terminals.of_event(known - since)
        found[f"terminal_risk_{days}d"] = terminals.of_event(_rate(terminals, of, since, known, nothing=0.0))
    return found


def extended(of: Transactions) -> Features:
    """The base features and 27 more by name; NaN where there is nothing to compare with."""
    return {**base(of), **_of_customer(of), **_of_terminal(of)}


def matrix(features: Features) -> NDArray[np.float32]:
    """The features as a column each, in their order."""
    return np.column_stack([np.asarray(values, dtype=np.float32) for values in features.values()])


def _of_customer(of: Transactions) -> dict[str, NDArray[np.float64]]:
    history = History(of.customer, of.at)
    amount, found = history.by_position(of.cents).astype(float), {}
    windows = {"30d": history.until(30 * DAY), "90d": history.until(90 * DAY), "ever": history.first}
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, since in windows.items():
            count = (history.before - since).astype(float)
            mean = history.sums(of.cents, since, history.before) / count
            square = history.sums(of.cents**2, since, history.before) / count
            deviation = np.sqrt(np.maximum(square - mean**2, 0))
            found[f"amount_to_mean_{name}"] = history.of_event(_finite(amount / mean))
            found[f"amount_z_{name}"] = history.of_event(_finite((amount - mean) / deviation))
    found["customer_count_ever"] = history.of_event(count)
    found["customer_mean_ever"] = history.of_event(mean / 100)
    is_big = history.of_event(amount > BIG * mean).astype(np.int64)
    for days in (1, 3, 7, 14):
        big = history.sums(is_big, history.until(days * DAY), history.including)
        found[f"customer_big_{days}d"] = history.of_event(big)
    at = history.by_position(of.at).astype(float)
    gap = np.where(history.before > history.first, at - np.roll(at, 1), np.nan)
    found["seconds_since_last"] = history.of_event(gap)
    return found


def _of_terminal(of: Transactions) -> dict[str, NDArray[np.float64]]:
    history = History(of.terminal, of.at)
    known, found = history.until(LABEL_DELAY), {}
    for days in (8, 10, 14, 21, 28, 35):
        frauds = history.sums(of.is_fraud, history.until(days * DAY), known)
        found[f"terminal_frauds_7d_{days}d"] = history.of_event(frauds)
    for newer, older in ((14, 21), (21, 35)):
        rate = _rate(history, of, history.until(older * DAY), history.until(newer * DAY), nothing=np.nan)
        found[f"terminal_risk_{newer}d_{older}d"] = history.of_event(rate)
    at, is_fraud = history.by_position(of.at).astype(float), history.by_position(of.is_fraud)
    frauds_until = np.concatenate(([0], np.cumsum(is_fraud)))
    # a last element that is never asked for, so that the place behind the last fraud can be looked up
    fraud_at = np.append(at[is_fraud == 1], np.nan)
    since = history.until(SEEN_FRAUD)
    some = frauds_until[known] > frauds_until[since]
    for name, number in (("first", frauds_until[since]), ("last", frauds_until[known] - 1)):
        found[f"seconds_since_{name}_fraud"] = history.of_event(np.where(some, at - fraud_at[number], np.nan))
    for nth in (1, 2, 3):
        is_there = known - nth >= history.first
        label = is_fraud[np.maximum(known - nth, 0)].astype(float)
        found[f"terminal_label_{nth}"] = history.of_event(np.where(is_there, label, np.nan))
    found["terminal_volume_30d"] = history.of_event(history.including - history.until(30 * DAY))
    return found


def _rate(history: History, of: Transactions, begin: Positions, end: Positions, nothing: float) -> NDArray[np.float64]:
    """The share of frauds in a window, by position; `nothing` where the window is empty."""
    count = end - begin
    return np.where(count > 0, history.sums(of.is_fraud, begin, end) / np.maximum(count, 1), nothing)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.nan)
