"""What people do about breaks and periods: acts, each a small JSON object that is written once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from paylake.contracts.resolution import RESOLUTIONS, ActKind
from paylake.contracts.topics import LEDGERS
from paylake.errors import ContractError, SettingsError

ZERO_HASH = "0" * 64
POLICY = "policy:"
"""How the name of a policy begins; no person may be called so."""
LONGEST_REASON = 1000


@dataclass(frozen=True)
class Act:
    """Who did what to which break (or, for a period, up to which date), when and why.

    `of` names the proposal or suggestion that is approved or rejected, so that nobody approves what has changed meanwhile.
    """

    kind: ActKind
    subject: str
    who: str
    at: datetime
    why: str
    resolution: str | None = None
    of: str | None = None
    ledger: str | None = None

    def __post_init__(self) -> None:
        """Refuse an act that could never be applied; SettingsError says what to put right."""
        if not self.who.strip() or self.who.startswith(POLICY):
            raise SettingsError(f"--who: {self.who!r} is no person's name; write who acts, for example --who asha.")
        if not self.why.strip() or len(self.why) > LONGEST_REASON:
            raise SettingsError(f"--why: an act needs a reason of up to {LONGEST_REASON} characters, for whoever audits it.")
        if self.kind is ActKind.AUTO_RESOLVE:
            raise SettingsError("Only the nightly run resolves breaks by itself; propose or approve instead.")
        if self.at.tzinfo is None:
            raise SettingsError(f"{self.at} names no offset from UTC; an act's time has to.")
        if self.kind is ActKind.PROPOSE and self.resolution not in RESOLUTIONS:
            raise SettingsError(f"--resolution: {self.resolution!r} is not one of {', '.join(RESOLUTIONS)}.")
        if self.kind is ActKind.REPLAY and self.ledger not in LEDGERS:
            raise SettingsError(f"--ledger: {self.ledger!r} is not one of {', '.join(LEDGERS)}.")
        if self.kind is ActKind.CLOSE_PERIOD:
            self.closed_date()

    def closed_date(self) -> date:
        """The last business date of a period that the act closes."""
        try:
            return date.fromisoformat(self.subject)
        except ValueError:
            raise SettingsError(f"{self.subject!r} is no date up to which a period can be closed.") from None

    @property
    def act_id(self) -> str:
        """The act's name: of a replay its break and ledger, since it is done once; else a fingerprint of its content."""
        if self.kind is ActKind.REPLAY:
            return f"replay-{self.subject}-{self.ledger}"
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:32]

    def to_json(self) -> str:
        """The canonical text of the act: equal acts have equal texts."""
        return canonical(
            {
                "act": self.kind.value, "subject": self.subject, "who": self.who, "why": self.why, "of": self.of,
                "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
                "resolution": self.resolution, "ledger": self.ledger,
            }
        )  # fmt: skip

    @staticmethod
    def from_json(text: str) -> Act:
        """The act that a text states; ContractError, in a sentence, for anything else."""
        try:
            said = json.loads(text)
            kind, at = ActKind(said.pop("act")), datetime.fromisoformat(said.pop("at"))
            return Act(kind=kind, at=at, **said)
        except SettingsError as error:
            raise ContractError(str(error)) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ContractError(f"An act is not written as paylake writes it ({error}); nobody may edit acts.") from None


def canonical(content: dict[str, Any]) -> str:
    """A JSON text that is the same for the same content: sorted, compact, amounts as text."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
