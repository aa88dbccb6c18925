"""The life of a break: which act moves it from which state to which, and who may do it.

Money above a limit, every write-off and every break of high risk need two people (reconciliation rule 29). The rule stands
here, where the nightly run applies acts, so that no interface can go round it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

from paylake.contracts.resolution import ADJUSTED, LEDGERS_AGREE, MOVES, RESOLUTIONS, SWITCH, ActKind, State
from paylake.contracts.taxonomy import MISSING_IN
from paylake.errors import PaylakeError
from paylake.resolution.acts import Act, canonical

HIGH_RISK = 90
"""From this risk on, and for every fraud, nothing is resolved without two people (requirements 2.4)."""


class ActRefused(PaylakeError):
    """An act that the break's state, or the rule of four eyes, does not allow."""


@dataclass(frozen=True)
class Limits:
    """What may be decided without a second person, and without any: amounts by currency, in major units.

    `alone` is the largest amount of one break whose maker may approve it; `auto` is the most that the switch may resolve
    per currency and day. A currency that is not named has a limit of nothing.
    """

    auto_resolve: bool = False
    alone: Mapping[str, Decimal] = field(default_factory=dict)
    auto: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """A fingerprint of the limits, so that equal limits have equal versions."""
        content = json.dumps(asdict(self), default=lambda number: format(number.normalize(), "f"), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Case:
    """A break as its acts see it: the columns of `breaks` that they read or change."""

    break_id: str
    state: str
    reasons: tuple[str, ...]
    amount: Decimal
    currency: str
    risk_score: int
    risk_class: str
    suggestion_id: str | None = None
    suggested_resolution: str | None = None
    suggested_by: str | None = None
    proposal_id: str | None = None
    proposed_resolution: str | None = None
    maker: str | None = None
    checker: str | None = None
    resolution: str | None = None
    resolution_note: str | None = None
    rejected_suggestion_id: str | None = None
    replayed_to: str | None = None

    @property
    def is_high_risk(self) -> bool:
        """Fraud, or a risk from which nobody decides alone."""
        return self.risk_class == "FRAUD" or self.risk_score >= HIGH_RISK

    def life(self) -> dict[str, Any]:
        """What acts may change, by column."""
        return {name: getattr(self, name) for name in LIFE}

    def life_json(self) -> str:
        """The same as canonical text, for the audit log."""
        return canonical(self.life())


LIFE = (
    "state", "proposal_id", "proposed_resolution", "maker", "checker", "resolution", "resolution_note",
    "rejected_suggestion_id", "replayed_to",
)  # fmt: skip
CASE_COLUMNS = tuple(f.name for f in fields(Case))


def applied(case: Case, act: Act, limits: Limits) -> Case:
    """The break after the act; ActRefused, in a sentence, where the act is not allowed."""
    if case.state not in MOVES[act.kind]:
        allowed = ", ".join(MOVES[act.kind])
        raise ActRefused(f"Break {case.break_id} is {case.state}; it can be {_PAST[act.kind]} while it is {allowed}.")
    return _APPLY[act.kind](replace(case, resolution_note=act.why), act, limits)


def auto_resolved(case: Case) -> Case:
    """The break after the switch has taken up a policy's proposal."""
    resolution = RESOLUTIONS[str(case.suggested_resolution)]
    return replace(
        case, state=resolution.ends_in.value, resolution=resolution.name, maker=case.suggested_by, checker=SWITCH,
        resolution_note="a policy's proposal within the limits",
    )  # fmt: skip


def _propose(case: Case, act: Act, limits: Limits) -> Case:
    return replace(
        case, state=State.IN_REVIEW.value, proposal_id=act.act_id, proposed_resolution=act.resolution, maker=act.who,
        checker=None, resolution=None,
    )  # fmt: skip


def _approve(case: Case, act: Act, limits: Limits) -> Case:
    name, maker = _what_is_meant(case, act)
    resolution = RESOLUTIONS[str(name)]
    if _same_person(str(maker), act.who) and (why := _needs_two(case, resolution.ends_in, limits)):
        raise ActRefused(f"{act.who} proposed the resolution of break {case.break_id} and cannot approve it too: {why}.")
    return replace(case, state=resolution.ends_in.value, resolution=resolution.name, maker=maker, checker=act.who)


def _reject(case: Case, act: Act, limits: Limits) -> Case:
    _what_is_meant(case, act)
    suggestion = case.suggestion_id if case.state == State.SUGGESTED else case.rejected_suggestion_id
    return replace(
        case, state=State.OPEN.value, checker=act.who, proposal_id=None, proposed_resolution=None,
        rejected_suggestion_id=suggestion,
    )  # fmt: skip


def _reopen(case: Case, act: Act, limits: Limits) -> Case:
    if case.resolution in (LEDGERS_AGREE, ADJUSTED):
        raise ActRefused(f"Break {case.break_id} ended because its ledgers agree: there is nothing to reopen.")
    return replace(
        case, state=State.REOPENED.value, resolution=None, maker=None, checker=None, proposal_id=None,
        proposed_resolution=None,
    )  # fmt: skip


def _replay(case: Case, act: Act, limits: Limits) -> Case:
    if MISSING_IN[str(act.ledger)] not in case.reasons:
        raise ActRefused(f"The {act.ledger} has its record of break {case.break_id}: there is nothing to replay to it.")
    return replace(case, replayed_to=act.ledger)


def _what_is_meant(case: Case, act: Act) -> tuple[str | None, str | None]:
    """What an approval or a rejection speaks of: its resolution and its maker; ActRefused where that has changed."""
    in_review = case.state == State.IN_REVIEW
    current = case.proposal_id if in_review else case.suggestion_id
    if current is None:
        raise ActRefused(f"Nothing is proposed for break {case.break_id}; propose something first.")
    if act.of != current:
        raise ActRefused(f"The proposal {act.of} of break {case.break_id} has been replaced by {current}; look at it again.")
    return (case.proposed_resolution, case.maker) if in_review else (case.suggested_resolution, case.suggested_by)


def _needs_two(case: Case, ends_in: State, limits: Limits) -> str | None:
    """Why a second person has to approve; None where nobody has to."""
    if ends_in is State.WRITTEN_OFF:
        return "a write-off needs a second person"
    if case.is_high_risk:
        return f"a risk of {case.risk_score} ({case.risk_class}) needs a second person"
    limit = limits.alone.get(case.currency)
    if limit is None or case.amount > limit:
        return f"{case.amount} {case.currency} is above the limit of {limit or 0} {case.currency} for one person"
    return None


def _same_person(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


_APPLY = {
    ActKind.PROPOSE: _propose,
    ActKind.APPROVE: _approve,
    ActKind.REJECT: _reject,
    ActKind.REOPEN: _reopen,
    ActKind.REPLAY: _replay,
}
_PAST = {
    ActKind.PROPOSE: "proposed for",
    ActKind.APPROVE: "approved",
    ActKind.REJECT: "rejected",
    ActKind.REOPEN: "reopened",
    ActKind.REPLAY: "replayed",
    ActKind.AUTO_RESOLVE: "resolved by policy",
}
