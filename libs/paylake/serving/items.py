"""Items: one row of a published index each, by its owner and its place among the owner's, with the version that it is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql.types import BooleanType, IntegerType, LongType

from paylake.contracts.merchants import MERCHANT_INDEX, USER_SPEND_INDEX
from paylake.contracts.operations import OPERATIONS_INDEX
from paylake.contracts.table import TableContract
from paylake.contracts.view import View
from paylake.contracts.views.merchants import V_MERCHANT_DAILY, V_USER_SPEND
from paylake.contracts.views.operations import V_OPERATIONS_INDEX
from paylake.errors import ContractError

Value = str | int | bool
"""A count, yes or no, or text: money is decimal text beside its item's currency, and so are ratios and scores."""


@dataclass(frozen=True)
class Subject:
    """What a kind of item shows: the columns of an index, of which `owner` names whose figures they are.

    `place` is the name under which a store keeps what tells an owner's items apart: the rest of the index's key.
    """

    name: str
    contract: TableContract
    view: View
    owner: str
    place: str
    shown: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a column that the index does not have, at import."""
        if unknown := {self.owner, *self.shown} - set(self.contract.columns):
            raise ContractError(f"{self.name}: {self.contract.name} has no column {sorted(unknown)[0]}.")

    @property
    def place_columns(self) -> tuple[str, ...]:
        """The columns that tell an owner's items apart, a date or time first."""
        return tuple(name for name in self.contract.key if name not in (self.owner, "valid_from"))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of an item."""
        return (self.owner, *self.place_columns, *self.shown, "run_id")

    def value(self, name: str, text: str) -> Value:
        """An attribute's value, from a store that knows text alone."""
        kind = next((f.type for f in self.contract.fields if f.name == name), None)
        if isinstance(kind, BooleanType):
            return text == "true"
        return int(text) if isinstance(kind, (IntegerType, LongType)) else text


MERCHANT_TOTALS = Subject(
    "merchant-totals", MERCHANT_INDEX, V_MERCHANT_DAILY, "merchant_id", "day_currency",
    ("merchant_name", "category", "attempts", "attempts_amount", "approved", "approved_amount", "declined",
     "declined_amount", "refunds", "refunds_amount", "chargebacks", "chargebacks_amount", "fees_amount",
     "settled_net_amount", "broken", "broken_amount", "auth_rate", "is_anomalous"),
)  # fmt: skip
USER_PROFILES = Subject(
    "user-profiles", USER_SPEND_INDEX, V_USER_SPEND, "user_id", "day_currency",
    ("home_country", "attempts", "approved", "approved_amount", "declined", "declined_amount",
     "largest_ticket_amount", "merchants", "new_merchants", "countries", "top_category", "abroad", "at_night",
     "is_declined_repeatedly", "spend_7_days_amount", "spend_30_days_amount", "ratio_to_own_mean", "doubtful",
     "fraudulent", "highest_score"),
)  # fmt: skip
OPERATIONS = Subject(
    "operations", OPERATIONS_INDEX, V_OPERATIONS_INDEX, "job", "hour_topic",
    ("batches", "records", "rejected", "largest_lag", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "batch_ms"),
)  # fmt: skip

SUBJECTS: tuple[Subject, ...] = (MERCHANT_TOTALS, USER_PROFILES, OPERATIONS)


@dataclass(frozen=True)
class Item:
    """What a run says of an owner's place: `attributes`, or None where a run has taken back what was said there before.

    `version` is when that became known, as text that sorts as times do: a store takes an item only over an older one.
    """

    subject: Subject
    owner: str
    place: str
    version: str
    attributes: Mapping[str, Value] | None


def item(subject: Subject, row: Mapping[str, Any]) -> Item:
    """The item that a row says: the subject's columns and `valid_from`, times as text; what is null is left out."""
    said = {name: _value(row[name]) for name in subject.columns if row[name] is not None}
    return Item(subject, str(said[subject.owner]), _place(subject, row), row["valid_from"], said)


def withdrawn(subject: Subject, row: Mapping[str, Any]) -> Item:
    """The item that takes back what was said of a row's key: the key's columns, and `valid_from` as of which it is gone."""
    return Item(subject, str(row[subject.owner]), _place(subject, row), row["valid_from"], None)


def _place(subject: Subject, row: Mapping[str, Any]) -> str:
    return "#".join(str(_value(row[name])) for name in subject.place_columns)


def _value(value: Any) -> Value:
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else repr(value)


# --- what is shown of an owner's places ---


def newest(places: Iterable[str], most: int = 1) -> list[str]:
    """Of an owner's places, those of the newest dates or hours, the newest first."""
    ordered = sorted(places, reverse=True)
    when = list(dict.fromkeys(map(_when, ordered)))[:most]
    return [place for place in ordered if _when(place) in when]


def of_day(places: Iterable[str], day: str) -> list[str]:
    """Of an owner's places, those of a date."""
    return sorted(place for place in places if _when(place) == day)


def newest_of_each(places: Iterable[str]) -> list[str]:
    """Of an owner's places, the newest of each currency or topic, by its name."""
    last = {place.partition("#")[2]: place for place in sorted(places)}
    return [last[of] for of in sorted(last)]


def _when(place: str) -> str:
    return place.partition("#")[0]
