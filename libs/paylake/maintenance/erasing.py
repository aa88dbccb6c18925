"""Requests of erasure, and how a customer is found in a table and taken out of it, as SQL over a frame of one customer.

The frame `s` has the columns `_subject` (who is erased) and `_token` (what stands there afterwards): a customer's identifier
in a statement's own text would stay in the table's log.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from paylake.contracts.maintenance import Erasure, Personal
from paylake.contracts.table import TableContract
from paylake.errors import ContractError, SettingsError

SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@:+-]{1,63}")
LONGEST_REASON = 1000
_PATTERN = r"concat('(?<![A-Za-z0-9_-])\\Q', s._subject, '\\E(?![A-Za-z0-9_-])')"
"""A customer as a word of its own: `u1` does not stand in `u10`, nor in `u-1`."""


@dataclass(frozen=True)
class Request:
    """Who asks that which customer be erased, when and why. The identifier is random, so that it tells nothing of them."""

    request_id: str
    subject: str
    who: str
    at: datetime
    why: str

    def __post_init__(self) -> None:
        """Refuse a request that nobody could carry out or audit; SettingsError says what to put right."""
        if not SUBJECT.fullmatch(self.subject):
            raise SettingsError(
                "--subject: a customer's identifier has 2 to 64 letters, digits or _ . @ : + -, as the ledgers send it."
            )
        if not self.who.strip():
            raise SettingsError("--who: a request needs a person's name; write who asks, for example --who asha.")
        if not self.why.strip() or len(self.why) > LONGEST_REASON:
            raise SettingsError(f"--why: a request needs a reason of up to {LONGEST_REASON} characters.")
        if self.subject in f"{self.why} {self.who}":
            raise SettingsError("--why: the reason is kept for ever, so it may not name the customer; name a ticket.")
        if self.at.tzinfo is None:
            raise SettingsError(f"{self.at} names no offset from UTC; a request's time has to.")

    @property
    def token(self) -> str:
        """What stands in a kept row in place of the customer: it leads to nobody once the request is gone."""
        return f"erased-{self.request_id}"

    def to_json(self) -> dict[str, Any]:
        """The request as it is stored until it is done."""
        return {
            "request_id": self.request_id, "subject": self.subject, "who": self.who, "why": self.why,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
        }  # fmt: skip

    @staticmethod
    def from_json(said: dict[str, Any]) -> Request:
        """The request that was stored; ContractError, in a sentence, for anything else."""
        try:
            return Request(**{**said, "at": datetime.fromisoformat(said["at"])})
        except (SettingsError, KeyError, TypeError, ValueError) as error:
            raise ContractError(
                f"A request of erasure is not written as paylake writes it ({type(error).__name__}); ask with paylake erase."
            ) from None

    def evidence(self) -> str:
        """What may be kept of the request when it is done: who asked, when and why, and not for whom."""
        return json.dumps({k: v for k, v in self.to_json().items() if k != "subject"}, sort_keys=True)


def holds(personal: Personal) -> str:
    """The predicate over `t` and `s` of the rows in which the customer stands."""
    found = f"t.`{personal.column}` RLIKE {_PATTERN}" if personal.in_text else f"t.`{personal.column}` = s._subject"
    return f"{found} AND ({personal.where})"


def stands_in(text: str) -> str:
    """The predicate that a column of text names the customer."""
    return f"{text} RLIKE {_PATTERN}"


def instead(personal: Personal, contract: TableContract, hashed: tuple[str, ...] = ()) -> dict[str, str] | None:
    """Column -> expression of the row without the customer; None where the row goes.

    `hashed` are the columns of which the row's content_hash speaks: the old hash would let the customer be guessed.
    """
    if personal.erasure is Erasure.DELETE:
        return None
    column = f"t.`{personal.column}`"
    new = f"regexp_replace({column}, {_PATTERN}, s._token)" if personal.in_text else "s._token"
    changed = {personal.column: new, **{name: f"CAST(NULL AS {_type(name, contract)})" for name in personal.clears}}
    if hashed:
        values = (changed.get(name, f"t.`{name}`") for name in hashed)
        changed["content_hash"] = f"xxhash64({', '.join(f'{value}, {value} IS NULL' for value in values)})"
    return changed


def _type(name: str, contract: TableContract) -> str:
    return next(f.type.simpleString() for f in contract.fields if f.name == name)
