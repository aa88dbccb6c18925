"""Rule sets as data: what is read, and the one sentence for each thing that does not hold together."""

from __future__ import annotations

from decimal import Decimal

import pytest
import yaml

from paylake.errors import SettingsError
from paylake.matching.rules import Tolerance, read
from paylake.reconcile_command import shipped

RULES = """
name: ledger and bank
version: 3
sources:
  ledger: {id: id, amount: amount, currency: currency, date: day, keys: {reference: ref}}
  bank: {id: id, amount: amount, currency: currency, date: day, keys: {reference: ref, batch: batch}}
stages:
  - name: payments
    sources: [ledger, bank]
    tiers:
      - {name: exact, rule: exact, by: reference}
      - {name: near, rule: tolerance, by: reference, minor_units: 5, absolute: {KWD: 0.001}, percent: 0.1, base: ledger}
"""


def changed(*path: object, to: object) -> str:
    """The rules with one part replaced; `None` takes it away."""
    content = yaml.safe_load(RULES)
    part = content
    for step in path[:-1]:
        part = part[step]
    if to is None:
        del part[path[-1]]
    else:
        part[path[-1]] = to
    return yaml.safe_dump(content, sort_keys=False)


def test_a_rule_set_is_read() -> None:
    rules = read(RULES, "mine.yaml")
    stage = rules.stages[0]
    assert (rules.name, rules.version, [*rules.sources]) == ("ledger and bank", 3, ["ledger", "bank"])
    assert stage.sources == ("ledger", "bank")
    assert stage.key_sets == (("reference",),)
    assert stage.tiers[1].tolerance == Tolerance(
        minor_units=5, absolute={"KWD": Decimal("0.001")}, percent=Decimal("0.1"), base="ledger"
    )


def test_equal_rules_have_equal_versions_and_others_have_others() -> None:
    assert read(RULES, "a").rule_version == read(RULES + "\n# a comment\n", "b").rule_version
    assert read(RULES, "a").rule_version != read(changed("stages", 0, "tiers", 1, "minor_units", to=4), "a").rule_version


@pytest.mark.parametrize(
    ("currency", "expected"), [("EUR", "0.05"), ("JPY", "5"), ("KWD", "0.001"), ("BHD", "0.005"), ("CLP", "5")]
)
def test_a_tolerance_is_in_the_currencys_own_minor_units(currency: str, expected: str) -> None:
    assert read(RULES, "a").stages[0].tiers[1].tolerance.of(currency) == Decimal(expected)


TIER = ("stages", 0, "tiers", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "mine.yaml is no YAML"),
        ("- a", "the rule set must be a mapping"),
        (changed("version", to=None), "has no 'version'; add it"),
        (changed("sources", "bank", "keys", to=None), "source bank has no 'keys'"),
        (changed("sources", "bank", "timezone", to="Mars/Base"), "write for example Europe/Berlin"),
        (changed("sources", "bank", "cut_off", to="25:00"), "write it in quotes"),
        (changed("sources", "bank", "kees", to="x"), "has 'kees', which is not one of"),
        (changed("stages", 0, "sources", to=["ledger"]), "must name two sources at least"),
        (changed("stages", 0, "sources", to=["ledger", "bnk"]), "names the source 'bnk', but there are ledger, bank"),
        (changed(*TIER, "rule", to="guess"), "rules are exact, tolerance, sum, subset, similar"),
        (changed(*TIER, "by", to=None), "nothing is matched by amount and date alone"),
        (changed(*TIER, "by", to="batch"), "matches on 'batch', which source ledger has not"),
        (changed(*TIER, "base", to="average"), "it is one of largest, smallest, ledger, bank"),
        (changed(*TIER, "minor_units", to=-1), "it is a whole number, and not negative"),
        (changed(*TIER, "percent", to="many"), "it is a number, and not negative"),
        (changed(*TIER, "absolute", to={"EURO": 1}), "mapping of currencies to amounts"),
        (changed(*TIER, "rule", to="sum"), "needs two sources and 'one'"),
        (changed("stages", 0, "missing", to={"bank": "LOST"}), "reasons are SCHEMA_INVALID"),
    ],
)
def test_what_does_not_hold_together_is_said_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(text, "mine.yaml")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", shipped())
def test_every_rule_set_that_ships_is_read_and_says_what_it_is_for(name: str) -> None:
    assert read(shipped()[name], name).description.endswith(".")
