"""A reconciliation by a rule set, told to people: a few lines for the terminal, and a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from paylake import __version__
from paylake.contracts.matching import BREAK, EXCLUDED, GROUPED, MATCHED, PARTIAL, REASONS, REJECTED, STATUSES, SUGGESTED
from paylake.matching.rules import RuleSet, Stage
from paylake.report.wording import label, money, percent

Row = Mapping[str, Any]
OPEN = (BREAK, PARTIAL, SUGGESTED, REJECTED)


@dataclass(frozen=True)
class StageOutcome:
    """What came out of a stage: the proof, counts by status, tier, reason, source and currency, and the largest breaks."""

    stage: Stage
    proof: Sequence[Row]
    counts: Sequence[Row]
    listed: Sequence[Row]

    @property
    def closes(self) -> bool:
        """Every proof of the stage closes."""
        return all(row["closes"] for row in self.proof)

    def entries(self, *statuses: str, source: str | None = None) -> int:
        """How many entries have one of these statuses."""
        return sum(r["entries"] for r in self.counts if r["status"] in statuses and source in (None, r["source"]))

    @property
    def taken(self) -> list[Row]:
        """Per tier: the groups that it made, of them those whose entries have duplicates, and the difference by currency."""
        return [self._tier(tier.name) for tier in self.stage.tiers]

    def _tier(self, name: str) -> Row:
        """A group has one entry of the tier's first source; of a batch, the entry that is paid."""
        tier = next(tier for tier in self.stage.tiers if tier.name == name)
        per_source = {s: self._of_tier(name, s) for s in tier.sources}
        first = tier.one or tier.sources[0]
        groups = sum(r["entries"] for r in per_source[first])
        duplicated = max(sum(r["duplicated"] for r in rows) for rows in per_source.values())
        differences: dict[str, Decimal] = {}
        for row in per_source[first]:
            if row["difference"]:
                differences[row["currency"]] = differences.get(row["currency"], Decimal(0)) + row["difference"]
        entries = {s: sum(r["entries"] for r in rows) for s, rows in per_source.items()}
        return {"name": name, "rule": tier.rule, "groups": groups, "duplicated": duplicated, "entries": entries,
                "differences": differences}  # fmt: skip

    def _of_tier(self, name: str, source: str) -> list[Row]:
        return [r for r in self.counts if r["tier"] == name and r["source"] == source and r["status"] not in (BREAK,)]

    @property
    def broken(self) -> list[Row]:
        """Per reason: how many entries of each source, and their amount by currency."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.counts:
            if row["status"] in OPEN and row["reason"]:
                of = found.setdefault(row["reason"], {"reason": row["reason"], "entries": {}, "amounts": {}})
                of["entries"][row["source"]] = of["entries"].get(row["source"], 0) + row["entries"]
                key = (row["source"], row["currency"] or "-")
                of["amounts"][key] = of["amounts"].get(key, Decimal(0)) + (row["amount"] or 0)
        return sorted(found.values(), key=lambda r: (_rank(r["reason"]), r["reason"]))


@dataclass(frozen=True)
class Outcome:
    """Everything that a reconciliation by a rule set has found."""

    rules: RuleSet
    paths: Mapping[str, str]
    stages: Sequence[StageOutcome]
    identities: Sequence[tuple[str, str, int, int]]

    @property
    def closes(self) -> bool:
        """Every control total closes."""
        return all(stage.closes for stage in self.stages)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for machines."""
        return {
            "rule_set": self.rules.name,
            "rule_version": self.rules.rule_version,
            "sources": dict(self.paths),
            "closes": self.closes,
            "identities": [dict(zip(("source", "identity", "holds", "rows"), row, strict=True)) for row in self.identities],
            "stages": [
                {
                    "stage": s.stage.name,
                    "tiers": s.taken,
                    "breaks": [{**b, "amounts": {f"{k[0]} {k[1]}": v for k, v in b["amounts"].items()}} for b in s.broken],
                    "proof": list(s.proof),
                }
                for s in self.stages
            ],
        }


def _rank(reason: str) -> int:
    known = [*REASONS]
    return known.index("MISSING" if reason.startswith("MISSING_IN_") else reason)


def meaning(reason: str) -> str:
    """What a reason means, in a sentence."""
    return REASONS["MISSING" if reason.startswith("MISSING_IN_") else reason].doc


def severity(reason: str) -> str:
    """How bad it is."""
    return REASONS["MISSING" if reason.startswith("MISSING_IN_") else reason].severity.value


def summary_lines(outcome: Outcome) -> Iterator[str]:
    """The outcome for a terminal: per stage what matched in which tier, what is open and why, and whether it closes."""
    yield f"{outcome.rules.name}, rules {outcome.rules.rule_version}"
    for source, identity, holds, rows in outcome.identities:
        yield f"  {source}: {identity}: {holds:,} of {rows:,} rows"
    for stage in outcome.stages:
        yield f"\n{stage.stage.name}: {' and '.join(stage.stage.sources)}"
        for tier in (t for t in stage.taken if t["groups"]):
            more = f", {tier['duplicated']:,} of them with duplicates" if tier["duplicated"] else ""
            apart = "; difference " + " and ".join(money(v, c) for c, v in sorted(tier["differences"].items()))
            yield f"  {tier['groups']:>9,}  {tier['name']}{more}{apart if tier['differences'] else ''}"
        for row in stage.broken:
            sides = ", ".join(f"{n:,} of {source}" for source, n in sorted(row["entries"].items()))
            yield f"  {max(row['entries'].values()):>9,}  open: {row['reason']} ({sides})"
        for source in stage.stage.sources:
            if excluded := stage.entries(EXCLUDED, source=source):
                yield f"  {excluded:>9,}  of {source} are outside this stage"
        said = "closes by count and amount, for each source and currency." if stage.closes else "DOES NOT CLOSE."
        yield f"  Proof: {sum(row['in_records'] for row in stage.proof):,} entries came in; {said}"


def render(outcome: Outcome) -> str:
    """The page. Every text from the data is escaped."""
    environment = Environment(
        loader=PackageLoader("paylake", "report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"money": money, "label": label}
    environment.globals |= {"percent": percent, "meaning": meaning, "severity": severity}
    return environment.get_template("reconciliation.html.j2").render(
        o=outcome, version=__version__, statuses=STATUSES, grouped=GROUPED, matched=MATCHED, open_statuses=OPEN,
    )  # fmt: skip
