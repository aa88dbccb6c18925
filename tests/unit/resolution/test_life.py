"""A break's life: what moves it, who may, and what is refused, each in a sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from paylake.contracts.resolution import SWITCH, ActKind
from paylake.errors import ContractError, SettingsError
from paylake.resolution.acts import Act
from paylake.resolution.gate import Candidate, admitted
from paylake.resolution.life import ActRefused, Case, Limits, applied, auto_resolved
from tests.builders import NOON

OPEN = Case("b1", "OPEN", ("AMOUNT_UNDER",), Decimal("50.0000"), "INR", 40, "SKIMMING")
SUGGESTED = replace(
    OPEN, state="SUGGESTED", suggestion_id="s1", suggested_resolution="ACCEPT_GATEWAY", suggested_by="policy:consensus"
)
MISSING = replace(OPEN, reasons=("MISSING_IN_CORE",), risk_score=90, risk_class="DATA_LOSS")
NO_LIMITS = Limits()


def act(kind: ActKind, who: str = "asha", **parts: Any) -> Act:
    return Act(**{"kind": kind, "subject": "b1", "who": who, "at": NOON, "why": "seen in the statement", **parts})


def proposed(case: Case = OPEN, who: str = "asha", resolution: str = "CORRECTED") -> Case:
    return applied(case, act(ActKind.PROPOSE, who, resolution=resolution), NO_LIMITS)


def test_one_person_proposes_and_another_approves() -> None:
    in_review = proposed()
    assert (in_review.state, in_review.maker, in_review.proposed_resolution) == ("IN_REVIEW", "asha", "CORRECTED")
    done = applied(in_review, act(ActKind.APPROVE, "ben", of=in_review.proposal_id), NO_LIMITS)
    assert (done.state, done.resolution, done.maker, done.checker) == ("RESOLVED", "CORRECTED", "asha", "ben")
    again = applied(done, act(ActKind.REOPEN, "carl"), NO_LIMITS)
    assert (again.state, again.resolution, again.maker, again.checker) == ("REOPENED", None, None, None)


def test_a_write_off_ends_in_a_state_of_its_own() -> None:
    in_review = proposed(resolution="WRITE_OFF")
    assert applied(in_review, act(ActKind.APPROVE, "ben", of=in_review.proposal_id), NO_LIMITS).state == "WRITTEN_OFF"


@pytest.mark.parametrize(
    ("case", "resolution", "limits", "why"),
    [
        (OPEN, "CORRECTED", Limits(), "above the limit of 0 INR"),
        (OPEN, "CORRECTED", Limits(alone={"INR": Decimal("49.99")}), "above the limit of 49.99 INR"),
        (OPEN, "CORRECTED", Limits(alone={"USD": Decimal(1000)}), "above the limit of 0 INR"),
        (OPEN, "WRITE_OFF", Limits(alone={"INR": Decimal(1000)}), "a write-off needs a second person"),
        (
            replace(OPEN, risk_class="FRAUD", risk_score=100),
            "CORRECTED",
            Limits(alone={"INR": Decimal(1000)}),
            "risk of 100",
        ),
        (replace(OPEN, risk_score=90), "CORRECTED", Limits(alone={"INR": Decimal(1000)}), "risk of 90"),
    ],
)
@pytest.mark.parametrize("who", ["asha", " ASHA "])
def test_nobody_approves_alone_what_needs_two(case: Case, resolution: str, limits: Limits, why: str, who: str) -> None:
    in_review = proposed(case, resolution=resolution)
    with pytest.raises(ActRefused, match=why):
        applied(in_review, act(ActKind.APPROVE, who, of=in_review.proposal_id), limits)


def test_up_to_the_limit_one_person_is_enough() -> None:
    in_review = proposed()
    limits = Limits(alone={"INR": Decimal(50)})
    assert applied(in_review, act(ActKind.APPROVE, "asha", of=in_review.proposal_id), limits).state == "RESOLVED"


def test_a_policys_proposal_is_approved_by_one_person() -> None:
    done = applied(SUGGESTED, act(ActKind.APPROVE, of="s1"), NO_LIMITS)
    assert (done.state, done.resolution, done.maker, done.checker) == (
        "RESOLVED", "ACCEPT_GATEWAY", "policy:consensus", "asha",
    )  # fmt: skip


def test_a_rejected_suggestion_is_remembered() -> None:
    found = applied(SUGGESTED, act(ActKind.REJECT, of="s1"), NO_LIMITS)
    assert (found.state, found.rejected_suggestion_id, found.checker) == ("OPEN", "s1", "asha")


def test_what_was_replaced_meanwhile_cannot_be_approved() -> None:
    with pytest.raises(ActRefused, match="The proposal s0 of break b1 has been replaced by s1"):
        applied(SUGGESTED, act(ActKind.APPROVE, of="s0"), NO_LIMITS)


@pytest.mark.parametrize(
    ("state", "kind", "says"),
    [
        ("OPEN", ActKind.APPROVE, "is OPEN; it can be approved while it is SUGGESTED, IN_REVIEW, REOPENED"),
        ("REOPENED", ActKind.APPROVE, "Nothing is proposed for break b1"),
        ("RESOLVED", ActKind.PROPOSE, "is RESOLVED; it can be proposed for while it is OPEN, REOPENED, SUGGESTED"),
        ("OPEN", ActKind.REOPEN, "is OPEN; it can be reopened while it is RESOLVED, WRITTEN_OFF"),
        ("IN_REVIEW", ActKind.PROPOSE, "is IN_REVIEW"),
        ("WRITTEN_OFF", ActKind.REPLAY, "is WRITTEN_OFF"),
    ],
)
def test_an_act_is_refused_in_another_state(state: str, kind: ActKind, says: str) -> None:
    parts = {"resolution": "IGNORE", "ledger": "core"}
    with pytest.raises(ActRefused, match=says):
        applied(replace(OPEN, state=state), act(kind, **parts), NO_LIMITS)


def test_a_break_whose_ledgers_agree_cannot_be_reopened() -> None:
    with pytest.raises(ActRefused, match="its ledgers agree"):
        applied(replace(OPEN, state="RESOLVED", resolution="LEDGERS_AGREE"), act(ActKind.REOPEN), NO_LIMITS)


def test_a_replay_leaves_the_break_open_and_goes_only_where_the_record_is_missing() -> None:
    found = applied(MISSING, act(ActKind.REPLAY, ledger="core"), NO_LIMITS)
    assert (found.state, found.replayed_to) == ("OPEN", "core")
    with pytest.raises(ActRefused, match="The mobile has its record"):
        applied(MISSING, act(ActKind.REPLAY, ledger="mobile"), NO_LIMITS)


# Acts as objects


def test_an_act_survives_being_written() -> None:
    one = act(ActKind.PROPOSE, resolution="IGNORE", why="naïve “quotes”")
    assert Act.from_json(one.to_json()) == one
    assert act(ActKind.REPLAY, ledger="core").act_id == "replay-b1-core"


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"who": " "}, "--who"),
        ({"who": "policy:consensus"}, "no person's name"),
        ({"why": " "}, "needs a reason"),
        ({"resolution": "SHRUG"}, "--resolution: 'SHRUG' is not one of ACCEPT_GATEWAY"),
        ({"kind": ActKind.REPLAY, "ledger": "bank"}, "--ledger: 'bank' is not one of gateway, core, mobile"),
        ({"kind": ActKind.AUTO_RESOLVE}, "Only the nightly run"),
        ({"kind": ActKind.CLOSE_PERIOD, "subject": "March"}, "'March' is no date"),
        ({"at": NOON.replace(tzinfo=None)}, "no offset"),
    ],
)
def test_an_act_that_could_never_be_applied_is_not_made(parts: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        act(**{"kind": ActKind.PROPOSE, "resolution": "IGNORE", **parts})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"act": "shrug"}', '{"act": "propose", "at": "now"}'])
def test_what_is_no_act_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(ContractError, match="not written as paylake writes it"):
        Act.from_json(text)


# The switch

SURE = Candidate(SUGGESTED, 9_900)
ON = Limits(auto_resolve=True, auto={"INR": Decimal(100)})


def candidate(break_id: str, amount: str, basis_points: int = 9_000, **parts: Any) -> Candidate:
    return Candidate(replace(SUGGESTED, break_id=break_id, amount=Decimal(amount), **parts), basis_points)


def test_the_switch_is_off_by_default() -> None:
    assert admitted([SURE], Limits(auto={"INR": Decimal(100)}), {}) == []
    assert admitted([SURE], Limits(auto_resolve=True), {}) == []
    assert admitted([SURE], ON, {}) == [SUGGESTED]


@pytest.mark.parametrize(
    ("parts", "basis_points", "is_admitted"),
    [
        ({}, 8_500, True),
        ({}, 8_499, False),
        ({"risk_score": 59}, 9_000, True),
        ({"risk_score": 60}, 9_000, False),
        ({"risk_score": 10, "risk_class": "FRAUD"}, 9_000, False),
        ({"state": "IN_REVIEW"}, 9_000, False),
        ({"currency": "USD"}, 9_000, False),
    ],
)
def test_the_switch_takes_only_what_is_sure_and_of_little_risk(
    parts: dict[str, Any], basis_points: int, is_admitted: bool
) -> None:
    assert bool(admitted([candidate("b", "1", basis_points, **parts)], ON, {})) is is_admitted


def test_the_switch_resolves_no_more_money_per_currency_and_day_than_its_limit() -> None:
    waiting = [candidate("dear", "90"), candidate("cheap", "20"), candidate("surest", "70", 9_500), candidate("tiny", "10")]
    for order in (waiting, waiting[::-1]):
        assert [c.break_id for c in admitted(order, ON, {})] == ["surest", "tiny", "cheap"]
        assert [c.break_id for c in admitted(order, ON, {"INR": Decimal("75")})] == ["tiny"]


def test_what_the_switch_resolves_names_the_policy_and_the_switch() -> None:
    done = auto_resolved(SUGGESTED)
    assert (done.state, done.resolution, done.maker, done.checker) == (
        "RESOLVED", "ACCEPT_GATEWAY", "policy:consensus", SWITCH,
    )  # fmt: skip


def test_equal_limits_have_equal_versions() -> None:
    assert Limits(alone={"INR": Decimal("1.0")}).version == Limits(alone={"INR": Decimal("1.00")}).version
    assert Limits().version != ON.version


def test_acts_of_different_times_are_different_acts() -> None:
    one = act(ActKind.PROPOSE, resolution="IGNORE")
    assert one.act_id != replace(one, at=NOON + timedelta(microseconds=1)).act_id
