"""A rule set: which sources are compared, by which keys, in which order. Data in YAML, read and checked here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from paylake.contracts.currencies import CURRENCIES, OTHER_MINOR_UNITS
from paylake.contracts.matching import REASONS
from paylake.errors import SettingsError

EXACT, TOLERANCE, SUM, SUBSET, SIMILAR = "exact", "tolerance", "sum", "subset", "similar"
RULES = (EXACT, TOLERANCE, SUM, SUBSET, SIMILAR)
BASES = ("largest", "smallest")
NAME = re.compile(r"[a-z][a-z0-9_]*")
MOST_IN_A_SUBSET = 12
RESERVED = frozenset({
    "stage", "source", "entry_id", "row", "currency", "amount", "entry_date", "status", "detail", "line_amount", "lists",
    "tier", "match_id", "reason", "difference_amount", "is_ambiguous", "lines", "asked", "expected", "paid", "residual",
})  # fmt: skip
"""Columns of the cascade, which no source may be named after."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source and how its columns are read: each is a SQL expression over the columns of the file or table."""

    name: str
    id: str
    amount: str
    currency: str
    date: str
    keys: Mapping[str, str]
    date_format: str | None = None
    timezone: str = "UTC"
    cut_off: str | None = None
    identities: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A source's part in a stage: which of its entries, and what is compared of them."""

    source: str
    only: str | None = None
    amount: str | None = None
    currency_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far amounts may differ: the larger of minor units (or an amount per currency) and a percentage of a base."""

    minor_units: int = 0
    absolute: Mapping[str, Decimal] = field(default_factory=dict)
    percent: Decimal = Decimal(0)
    base: str = "largest"

    def of(self, currency: str) -> Decimal:
        """The absolute part, in major units of a currency: a minor unit is 0.01 EUR, 1 JPY, 0.001 KWD."""
        return self.absolute.get(currency, Decimal(self.minor_units).scaleb(-OTHER_MINOR_UNITS.get(currency, 2)))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a batch that does not come to its payout is called: the first whose predicate holds."""

    reason: str
    when: str


@dataclass(frozen=True, kw_only=True)
class Tier:
    """A step of the cascade. It takes what the steps before it left open, and uses an entry once."""

    name: str
    rule: str
    by: tuple[str, ...]
    sources: tuple[str, ...]
    tolerance: Tolerance = Tolerance()
    when: str | None = None
    one: str | None = None
    line: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    within_days: int | None = None
    at_most: int = MOST_IN_A_SUBSET
    least_score: Decimal = Decimal("0.85")
    must_tie: bool = False
    """Of a sum, by keys and not by lists: what does not come to the amount stays open, and is no break of this tier."""

    @property
    def many(self) -> str:
        """Of a sum or a subset: the source whose entries add up."""
        return next(name for name in self.sources if name != self.one)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Sources that are compared with each other; the first is the one that the others are measured by."""

    name: str
    scopes: tuple[Scope, ...]
    tiers: tuple[Tier, ...]
    missing: Mapping[str, str] = field(default_factory=dict)
    differs: str | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of its sources, in order."""
        return tuple(scope.source for scope in self.scopes)

    @property
    def key_sets(self) -> tuple[tuple[str, ...], ...]:
        """The keys by which its one-to-one tiers match, strongest first."""
        return tuple(dict.fromkeys(tier.by for tier in self.tiers if tier.rule in (EXACT, TOLERANCE)))


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """A reconciliation: everything that decides its result, but for the entries."""

    name: str
    version: int
    description: str
    sources: Mapping[str, Source]
    stages: tuple[Stage, ...]
    fingerprint: str

    @property
    def rule_version(self) -> str:
        """Version and content: equal rules have equal versions."""
        return f"{self.version}-{self.fingerprint}"


def read(text: str, where: str) -> RuleSet:
    """The rule set that a YAML text states; SettingsError with one sentence for whatever does not hold together."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" in line {mark.line + 1}" if mark is not None else ""
        raise SettingsError(f"{where} is no YAML{at}: check its indentation and its quotes.") from None
    return _Reader(where).rule_set(content)


@dataclass(frozen=True)
class _Reader:
    """Reads parts of the content, and says where something is wrong."""

    where: str

    def wrong(self, path: str, what: str) -> SettingsError:
        return SettingsError(f"{self.where}: {path} {what}")

    def mapping(self, value: Any, path: str, required: Iterable[str], optional: Iterable[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.wrong(path, f"must be a mapping with {', '.join(required)}.")
        known = {*required, *optional}
        if unknown := sorted(str(k) for k in value if k not in known):
            raise self.wrong(path, f"has {unknown[0]!r}, which is not one of {', '.join(sorted(known))}.")
        if missing := [k for k in required if value.get(k) in (None, "", [], {})]:
            raise self.wrong(path, f"has no {missing[0]!r}; add it.")
        return value

    def names(self, value: Any, path: str) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise self.wrong(path, "must be a list that is not empty.")
        return value

    def texts(self, value: Any, path: str) -> dict[str, str]:
        if not isinstance(value, dict) or not all(isinstance(v, str | int) for v in value.values()):
            raise self.wrong(path, "must be a mapping of names to SQL expressions.")
        for name in value:
            if not NAME.fullmatch(str(name)):
                raise self.wrong(path, f"has the name {name!r}; use small letters, digits and underscores.")
        return {str(name): str(expression) for name, expression in value.items()}

    def rule_set(self, content: Any) -> RuleSet:
        top = self.mapping(content, "the rule set", ("name", "version", "sources", "stages"), ("description",))
        if not isinstance(top["version"], int):
            raise self.wrong("version", f"is {top['version']!r}; it is a whole number.")
        if not isinstance(top["sources"], dict):
            raise self.wrong("sources", "must be a mapping of names to sources.")
        sources = {str(name): self.source(str(name), value) for name, value in top["sources"].items()}
        stages = tuple(self.stage(value, sources) for value in self.names(top["stages"], "stages"))
        if len({stage.name for stage in stages}) < len(stages):
            raise self.wrong("stages", "have a name twice; name each once.")
        canonical = json.dumps(content, sort_keys=True, default=str, ensure_ascii=False)
        fingerprint = hashlib.sha256(canonical.encode()).hexdigest()[:12]
        return RuleSet(
            name=str(top["name"]), version=top["version"], description=str(top.get("description", "")),
            sources=sources, stages=stages, fingerprint=fingerprint,
        )  # fmt: skip

    def source(self, name: str, value: Any) -> Source:
        path = f"source {name}"
        if not NAME.fullmatch(name) or name in RESERVED:
            raise self.wrong(path, "needs another name: small letters, digits and underscores, and no word of the result.")
        optional = ("date_format", "timezone", "cut_off", "identities")
        found = self.mapping(value, path, ("id", "amount", "currency", "date", "keys"), optional)
        timezone = str(found.get("timezone", "UTC"))
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise self.wrong(path, f"has the time zone {timezone!r}; write for example Europe/Berlin.") from None
        cut_off = found.get("cut_off")
        if cut_off is not None and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", str(cut_off)):
            raise self.wrong(path, f'has the cut-off {cut_off!r}; write it in quotes, for example "17:00".')
        return Source(
            name=name, id=str(found["id"]), amount=str(found["amount"]), currency=str(found["currency"]),
            date=str(found["date"]), keys=self.texts(found["keys"], f"{path}, keys"),
            date_format=found.get("date_format"), timezone=timezone, cut_off=None if cut_off is None else str(cut_off),
            identities={str(k): str(v) for k, v in found.get("identities", {}).items()},
        )  # fmt: skip

    def stage(self, value: Any, sources: Mapping[str, Source]) -> Stage:
        found = self.mapping(value, "a stage", ("name", "sources", "tiers"), ("missing", "differs"))
        path = f"stage {found['name']!r}"
        scopes = tuple(self.scopes(found["sources"], path, sources))
        names = tuple(scope.source for scope in scopes)
        tiers = tuple(self.tier(tier, path, names, sources) for tier in self.names(found["tiers"], f"{path}, tiers"))
        if any(scope.currency_of for scope in scopes) and not any(tier.rule in (EXACT, TOLERANCE) for tier in tiers):
            raise self.wrong(path, "takes a currency from another source, but has no exact or tolerance tier to find it by.")
        missing = found.get("missing", {})
        for name, reason in missing.items():
            if name not in names or reason not in REASONS:
                raise self.wrong(path, f"says {name}: {reason} under missing; reasons are {', '.join(REASONS)}.")
        if (differs := found.get("differs")) is not None and differs not in REASONS:
            raise self.wrong(path, f"says differs: {differs}; reasons are {', '.join(REASONS)}.")
        return Stage(name=str(found["name"]), scopes=scopes, tiers=tiers, missing=missing, differs=differs)

    def scopes(self, value: Any, path: str, sources: Mapping[str, Source]) -> Iterable[Scope]:
        given = dict.fromkeys(value) if isinstance(value, list) else value
        if not isinstance(given, dict) or len(given) < 2:
            raise self.wrong(path, "must name two sources at least, the one to measure by first.")
        for name, part in given.items():
            if name not in sources:
                raise self.wrong(path, f"names the source {name!r}, but there are {', '.join(sources)}.")
            found = self.mapping(part or {}, f"{path}, source {name}", (), ("only", "amount", "currency_of"))
            if (lender := found.get("currency_of")) is not None and (lender == name or lender not in given):
                raise self.wrong(path, f"takes the currency of {lender!r}, which is no other source of the stage.")
            yield Scope(source=name, only=found.get("only"), amount=found.get("amount"), currency_of=lender)

    def tier(self, value: Any, path: str, names: tuple[str, ...], sources: Mapping[str, Source]) -> Tier:
        optional = [f.name for f in fields(Tier) if f.name not in ("name", "rule", "tolerance")]
        found = self.mapping(value, f"{path}, a tier", ("name", "rule"), [*optional, *(f.name for f in fields(Tolerance))])
        path, rule = f"{path}, tier {found['name']!r}", found["rule"]
        if rule not in RULES:
            raise self.wrong(path, f"has the rule {rule!r}; rules are {', '.join(RULES)}.")
        chosen = tuple(found.get("sources", names))
        if len(chosen) < 2 or not set(chosen) <= set(names):
            raise self.wrong(path, f"must take two sources at least, of {', '.join(names)}.")
        by = found.get("by", ())
        by = (by,) if isinstance(by, str) else tuple(by)
        if rule != SUBSET and not by:
            raise self.wrong(path, "has no 'by'; nothing is matched by amount and date alone, so name a key.")
        for key in by:
            if lacking := [name for name in chosen if key not in sources[name].keys]:
                raise self.wrong(path, f"matches on {key!r}, which source {lacking[0]} has not among its keys.")
        one = found.get("one")
        if rule in (SUM, SUBSET) and (one not in chosen or len(chosen) != 2):
            raise self.wrong(path, "needs two sources and 'one': the one whose single entry the others add up to.")
        if rule == SIMILAR and len(chosen) != 2:
            raise self.wrong(path, "compares two sources; name them in 'sources'.")
        outcomes = tuple(self.outcome(o, path) for o in found.get("outcomes", ()))
        if not isinstance(must_tie := found.get("must_tie", False), bool):
            raise self.wrong(path, f"has must_tie {must_tie!r}; it is true or false.")
        return Tier(
            name=str(found["name"]), rule=rule, by=by, sources=chosen, tolerance=self.tolerance(found, path, chosen),
            when=found.get("when"), one=one, line=found.get("line"), outcomes=outcomes,
            within_days=self.whole(found.get("within_days"), f"{path}, within_days"),
            at_most=min(MOST_IN_A_SUBSET, self.whole(found.get("at_most"), f"{path}, at_most") or MOST_IN_A_SUBSET),
            least_score=self.number(found.get("least_score", "0.85"), f"{path}, least_score"),
            must_tie=must_tie,
        )  # fmt: skip

    def outcome(self, value: Any, path: str) -> Outcome:
        found = self.mapping(value, f"{path}, an outcome", ("reason", "when"), ())
        if found["reason"] not in REASONS:
            raise self.wrong(path, f"has the outcome {found['reason']!r}; reasons are {', '.join(REASONS)}.")
        return Outcome(reason=found["reason"], when=str(found["when"]))

    def tolerance(self, found: Mapping[str, Any], path: str, chosen: tuple[str, ...]) -> Tolerance:
        absolute = found.get("absolute", {})
        if not isinstance(absolute, dict) or not set(absolute) <= set(CURRENCIES):
            raise self.wrong(path, "has an 'absolute' that is no mapping of currencies to amounts, such as {EUR: 0.05}.")
        base = found.get("base", "largest")
        if base not in (*BASES, *chosen):
            raise self.wrong(path, f"has the base {base!r}; it is one of {', '.join((*BASES, *chosen))}.")
        return Tolerance(
            minor_units=self.whole(found.get("minor_units"), f"{path}, minor_units") or 0,
            absolute={c: self.number(a, f"{path}, absolute {c}") for c, a in absolute.items()},
            percent=self.number(found.get("percent", 0), f"{path}, percent"), base=base,
        )  # fmt: skip

    def whole(self, value: Any, path: str) -> int | None:
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise self.wrong(path, f"is {value!r}; it is a whole number, and not negative.")
        return value

    def number(self, value: Any, path: str) -> Decimal:
        try:
            number = Decimal(str(value))  # YAML reads 0.05 as a binary fraction; its text is what was written
            if not number.is_finite() or number < 0:
                raise InvalidOperation
        except InvalidOperation:
            raise self.wrong(path, f"is {value!r}; it is a number, and not negative.") from None
        return number
