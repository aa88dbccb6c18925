"""Quarantined records, and how a corrected one enters again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paylake.errors import SettingsError
from paylake.payments.parsing import RECORD, SENT_AS_IS

MASK = "[masked]"


@dataclass(frozen=True)
class Place:
    """Where a record lies in Kafka: it names the record for good."""

    topic: str
    partition: int
    offset: int

    @staticmethod
    def parse(text: str) -> Place:
        """The place that `topic/partition/offset` names; SettingsError for anything else."""
        topic, _, rest = text.partition("/")
        partition, _, offset = rest.partition("/")
        if not (topic and partition.isdigit() and offset.isdigit()):
            raise SettingsError(f"{text!r} is no place of a record; write topic/partition/offset as the list shows it.")
        return Place(topic, int(partition), int(offset))

    def __str__(self) -> str:
        """As people and `released_from` write it."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def corrected(quarantined: Mapping[str, Any], correction: str, place: Place) -> dict[str, Any]:
    """The record to send instead: the quarantined row's payload with the correction's fields, referring to its old place.

    Raises SettingsError where the correction is no JSON object, names an unknown field, or leaves a masked field as it is.
    """
    try:
        changes = json.loads(correction)
    except ValueError:
        changes = None
    if not isinstance(changes, dict):
        raise SettingsError(
            '--correct must be a JSON object with the fields to put right, for example \'{"amount": "10.00"}\'.'
        )
    if unknown := sorted(set(changes) - {*RECORD.names}):
        raise SettingsError(
            f"--correct names {unknown[0]!r}, which is no field of a record; known are {', '.join(RECORD.names)}."
        )
    sent = _readable(quarantined["payload"])
    kept = {name: quarantined[name] for name in SENT_AS_IS if MASK in str(sent.get(name)) and quarantined[name]}
    record = {**sent, **kept, **changes}
    if masked := sorted(name for name, value in record.items() if MASK in str(value)):
        raise SettingsError(f"The quarantine keeps {masked[0]!r} masked; state it in --correct (null leaves it out).")
    return {name: value for name, value in {**record, "released_from": str(place)}.items() if value is not None}


def _readable(payload: str | None) -> dict[str, Any]:
    """The payload's fields; none where it is no JSON object."""
    try:
        record = json.loads(payload or "")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
