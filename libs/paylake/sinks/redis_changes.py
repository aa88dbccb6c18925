"""What Redis is told of scored payments: the features of each customer, merchant, card and device, and the alerts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from paylake.contracts.fraud import NORMAL
from paylake.fraud.features import CARD, DEVICE, FEATURES, FEATURES_VERSION, MERCHANT, ROLES, USER
from paylake.serving.redis_items import HASH_IF_NEWER
from paylake.sinks.arrivals import Row, arrival, newest

ALERTS = "paylake:alerts"
"""Stream of the newest alerts."""
LIVE_ALERTS = f"{ALERTS}:live"
"""Channel on which each alert is said once more, as JSON, to whoever listens at that moment."""

COLUMN_OF_ROLE = {USER: "user_id", MERCHANT: "merchant_id", CARD: "card_token", DEVICE: "device_id"}
PLACES = {role: [(n, f.name) for n, f in enumerate(FEATURES) if f.role == role] for role in ROLES}
"""Of each role, where its features stand in the vector."""

IF_NEWER = f"""\
{HASH_IF_NEWER}\
if KEYS[2] then
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[3], '*', 'version', ARGV[1], unpack(ARGV, 5))
  redis.call('PUBLISH', KEYS[2] .. ':live', ARGV[4])
end
return 1
"""
"""Write a hash where what it says is newer than what is there, and say an alert then and only then.

KEYS: the hash, and for an alert the stream. ARGV: version, seconds to live, entries that the stream keeps, the alert as
JSON, then names and values in turn.
"""


@dataclass(frozen=True)
class Change:
    """A hash that is to say these fields, unless it says something newer."""

    key: str
    version: str
    fields: dict[str, str]
    is_alert: bool = False

    def arguments(self, seconds_to_live: int, alerts_kept: int) -> tuple[list[str], list[str]]:
        """The keys and the arguments of IF_NEWER."""
        keys = [self.key, ALERTS] if self.is_alert else [self.key]
        said = json.dumps(self.fields) if self.is_alert else ""
        pairs = [text for pair in self.fields.items() for text in pair]
        return keys, [self.version, str(seconds_to_live), str(alerts_kept), said, *pairs]


def changes(rows: Iterable[Row]) -> list[Change]:
    """What the rows change in Redis: each key's newest features, and the alerts in their order of arrival."""
    ordered = sorted(rows, key=arrival)
    return [*_feature_changes(ordered), *(_alert(row) for row in ordered if row["anomaly_type"] != NORMAL)]


def _feature_changes(rows: Sequence[Row]) -> list[Change]:
    # the places of another version's features are not known here
    named = [row for row in rows if row["features_version"] == FEATURES_VERSION]
    return [
        _features(role, key, row)
        for role, column in COLUMN_OF_ROLE.items()
        for key, row in newest(named, key=lambda row: row[column]).items()  # noqa: B023
    ]


def _features(role: str, key: str, row: Row) -> Change:
    """The features of a role as they were with its newest payment, that one among them; what is not known is left out."""
    vector = row["features"]
    known = {name: repr(vector[place]) for place, name in PLACES[role] if not math.isnan(vector[place])}
    said = {
        "transaction_id": row["transaction_id"],
        "seen_at": row["seen_at"].isoformat(),
        "currency": row["currency"],
        "features_version": row["features_version"],
    }
    return Change(f"paylake:features:{role.lower()}:{key}", arrival(row).text, said | known)


def _alert(row: Row) -> Change:
    """A payment that does not look normal; amounts and scores are text."""
    said = {
        "transaction_id": row["transaction_id"],
        "user_id": row["user_id"],
        "merchant_id": row["merchant_id"],
        "amount": str(row["amount"]),
        "currency": row["currency"],
        "event_at": row["event_at"].isoformat(),
        "arrived_at": row["recorded_at"].isoformat(),
        "score": repr(row["score"]),
        "anomaly_type": row["anomaly_type"],
        "decision": row["decision"],
        "reasons": json.dumps([_reason(reason) for reason in row["reasons"]]),
        "model_name": row["model_name"],
        "model_version": row["model_version"],
    }
    return Change(f"paylake:alert:{row['transaction_id']}", arrival(row).text, said, is_alert=True)


def _reason(reason: dict[str, Any]) -> dict[str, str]:
    return {"code": reason["code"], "text": reason["text"]}
