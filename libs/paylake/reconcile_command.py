"""`paylake reconcile`: any two- or three-way reconciliation of files or tables by a rule set, on one machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from pyspark import StorageLevel
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from paylake import files
from paylake.contracts.matching import BREAK, GROUPED, PARTIAL, REJECTED, SUGGESTED
from paylake.errors import ControlError, SettingsError
from paylake.matching.breaks import classified
from paylake.matching.cascade import cascade
from paylake.matching.entries import CORRUPT, all_entries, identities
from paylake.matching.proof import prove
from paylake.matching.rules import RuleSet, Source, Stage, read
from paylake.matching.suggestions import suggested
from paylake.report.reconciliation import Outcome, StageOutcome, render, summary_lines
from paylake.session import build_session
from paylake.settings import parse_settings, setting

SHIPPED = "rule_sets"
LISTED = 20
"""How many breaks of a stage and currency the page lists; the CSV has all of them."""
ORDER = ("stage", "match_id", "source", "entry_id", "row")


@dataclass(frozen=True, kw_only=True)
class ReconcileSettings:
    """Reconcile files or tables with each other: matches, breaks with their reasons, the proof, and a page to read.

    RULES is a rule set's file, or the name of one that paylake brings along; --list shows those. Each source that
    it names is given a file (CSV, JSON, Parquet) or a Delta table's folder. A column of yours that is named
    otherwise is put right in a copy of the rule set: --show prints it.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake reconcile ledger_and_bank_statement --source ledger=ledger.csv --source bank=statement.csv",
        "paylake reconcile ledger_and_bank_statement --show > mine.yaml",
        "paylake reconcile mine.yaml --source ledger=ledger.csv --source bank=bank.json --dry-run",
    )

    rules: str = setting("", "The rule set, which may also stand without the flag.")
    source: tuple[str, ...] = setting((), "A source and its file, as name=path; once for each source.")
    out: Path = setting(Path("build/reconciliation"), "Folder to write to.")
    dry_run: bool = setting(False, "Reconcile and say what comes out, but write nothing.")
    list: bool = setting(False, "List the rule sets that paylake brings along.")
    show: bool = setting(False, "Print the rule set, to be copied and changed.")


def main(argv: Sequence[str]) -> int:
    """`paylake reconcile RULES --source name=path …`."""
    rest = ["--rules", *argv] if argv and not argv[0].startswith("-") else argv
    settings = parse_settings(ReconcileSettings, rest, prog="paylake reconcile")
    if settings.list:
        for name, text in shipped().items():
            print(f"{name:28} {read(text, name).description}")
        return 0
    text, where = _text(settings.rules)
    rules = read(text, where)
    if settings.show:
        print(text, end="")
        return 0
    paths = _paths(settings.source, rules)
    spark = build_session("reconcile", {"spark.sql.shuffle.partitions": "4"})
    try:
        outcome, entries = reconcile(spark, rules, paths)
    except PySparkException as error:
        raise SettingsError(
            f"An expression of {where} fails on the data: {_said(error)}; try_cast gives null instead."
        ) from None
    for line in summary_lines(outcome):
        print(line)
    if settings.dry_run:
        print("\nNothing was written, as --dry-run asks.")
    else:
        write(outcome, entries, settings.out)
        print(f"\nThe page to read is {settings.out / 'report.html'}; the rows are in {settings.out}/*.csv.")
    if not outcome.closes:
        raise ControlError("The control totals do not close, so something was lost on the way: this is a fault of paylake.")
    return 0


def shipped() -> dict[str, str]:
    """The rule sets that paylake brings along, by name."""
    folder = resources.files("paylake.matching") / SHIPPED
    found = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    return {f.name.removesuffix(".yaml"): f.read_text(encoding="utf-8") for f in found}


def _text(rules: str) -> tuple[str, str]:
    if not rules:
        raise SettingsError(f"Which rule set? Name a file, or one of {', '.join(shipped())}.")
    if rules in shipped():
        return shipped()[rules], rules
    if not Path(rules).is_file():
        raise SettingsError(f"{rules} is no file, and none of {', '.join(shipped())}.")
    return Path(rules).read_text(encoding="utf-8"), rules


def _paths(given: Sequence[str], rules: RuleSet) -> dict[str, str]:
    """Source -> path; SettingsError for a source that the rule set does not name, or that has no path."""
    paths = {}
    for pair in given:
        name, equals, path = pair.partition("=")
        if not equals or not path:
            raise SettingsError(
                f"--source {pair!r} is not name=path, for example --source {next(iter(rules.sources))}=a.csv."
            )
        if name not in rules.sources:
            raise SettingsError(f"--source {name}: the rule set {rules.name!r} has no such source; it has "
                                f"{', '.join(rules.sources)}.")  # fmt: skip
        paths[name] = path
    if missing := [name for name in rules.sources if name not in paths]:
        raise SettingsError(f"The source {missing[0]!r} has no file: add --source {missing[0]}=path.")
    return paths


def reconcile(spark: SparkSession, rules: RuleSet, paths: Mapping[str, str]) -> tuple[Outcome, DataFrame]:
    """What comes out of a reconciliation, and one row per entry as the contract `reconciled_entries` has it."""
    rows = {name: files.read(spark, path) for name, path in paths.items()}
    for name, source in rules.sources.items():
        _understand(rows[name], source, paths[name])
    held = [identities(rows[name], source) for name, source in rules.sources.items() if source.identities]
    checked = [tuple(row) for frame in held for row in frame.collect()]
    stages, reconciled = [], []
    for stage in rules.stages:
        try:
            outcome, entries = _stage(rows, rules, stage, paths)
        except (AnalysisException, ParseException) as error:
            raise SettingsError(f"stage {stage.name!r}: a predicate cannot be read: {_said(error)}") from None
        stages.append(outcome)
        reconciled.append(entries)
    together = reconciled[0]
    for more in reconciled[1:]:
        together = together.unionByName(more)
    return Outcome(rules=rules, paths=dict(paths), stages=tuple(stages), identities=tuple(checked)), together


def _stage(
    rows: Mapping[str, DataFrame], rules: RuleSet, stage: Stage, paths: Mapping[str, str]
) -> tuple[StageOutcome, DataFrame]:
    read_in = all_entries(rows, rules, stage).persist(StorageLevel.MEMORY_AND_DISK)
    _teach(read_in, rows, rules, paths)
    found = classified(cascade(read_in, stage), stage).persist(StorageLevel.MEMORY_AND_DISK)
    entries = suggested(found, stage).persist(StorageLevel.MEMORY_AND_DISK)
    proof = [row.asDict() for row in prove(read_in, entries).orderBy("source", "currency").collect()]
    by = ("status", "tier", "reason", "source", "currency")
    sums = entries.groupBy(*by).agg(
        F.count(F.lit(1)).alias("entries"), F.sum("amount").alias("amount"),
        F.count(F.when(F.col("is_duplicated"), 1)).alias("duplicated"),
        F.sum("difference_amount").alias("difference"),
    )  # fmt: skip
    counts = [row.asDict() for row in sums.collect()]
    size = F.abs(F.coalesce("difference_amount", "amount"))
    largest = Window.partitionBy("currency").orderBy(size.desc_nulls_last(), *ORDER)
    open_ones = entries.where(F.col("status").isin(BREAK, PARTIAL)).withColumn("_rank", F.row_number().over(largest))
    listed = [row.asDict() for row in open_ones.where(F.col("_rank") <= LISTED).orderBy("currency", "_rank").collect()]
    found.unpersist()
    return StageOutcome(stage=stage, proof=tuple(proof), counts=tuple(counts), listed=tuple(listed)), entries


def _understand(rows: DataFrame, source: Source, path: str) -> None:
    """SettingsError where an expression of the source cannot be read over the file's columns."""
    columns = [c for c in rows.columns if c != CORRUPT]
    parts = {"id": source.id, "amount": source.amount, "currency": source.currency, "date": source.date}
    parts |= {f"key {name}": expression for name, expression in source.keys.items()}
    parts |= {f"identity {name!r}": expression for name, expression in source.identities.items()}
    for part, expression in parts.items():
        try:
            rows.select(F.expr(expression))
        except AnalysisException:
            raise SettingsError(
                f"source {source.name}, {part}: {expression!r} cannot be read over {path}, whose columns are "
                f"{', '.join(columns)}; change the rule set, or name the column so."
            ) from None


def _teach(entries: DataFrame, rows: Mapping[str, DataFrame], rules: RuleSet, paths: Mapping[str, str]) -> None:
    """SettingsError where none of a source's entries can be read for one and the same reason: its rule is wrong."""
    refused = entries.groupBy("source").agg(
        F.count(F.lit(1)).alias("entries"), F.count(F.when(F.col("status") == REJECTED, 1)).alias("refused"),
        F.min("detail").alias("why"),
    ).where("refused = entries")  # fmt: skip
    for row in refused.collect():
        source = rules.sources[row["source"]]
        if "first line" in row["why"]:
            raise SettingsError(
                f"source {source.name}: no row of {paths[source.name]} has as many fields as its first line; check its "
                "delimiter and its quotes."
            )
        wrong = {"amount": source.amount, "currency": source.currency, "date": source.date, "id": source.id}
        what = next((part for part in wrong if part in row["why"]), "id")
        value = rows[source.name].select(F.expr(wrong[what]).cast("string")).head()
        said = {
            "amount": "write amounts with a point and without separators, as in 1234.50, or convert them in the rule set",
            "currency": "it must be an ISO 4217 code, such as EUR",
            "date": "name the date_format of the source, for example date_format: dd/MM/yyyy",
            "id": "every entry needs its own",
        }
        raise SettingsError(
            f"source {source.name}: no entry of {paths[source.name]} can be used, since {row['why']}; the first "
            f"{what} is {value[0] if value else None!r}: {said[what]}."
        )


def write(outcome: Outcome, entries: DataFrame, out: Path) -> None:
    """The rows as CSV files, the summary as JSON, and the page."""
    out.mkdir(parents=True, exist_ok=True)
    rows = entries.withColumn("reasons", F.array_join("reasons", " "))
    for name, statuses in {
        "matches": GROUPED, "breaks": (BREAK, PARTIAL), "suggestions": (SUGGESTED,), "rejected": (REJECTED,),
    }.items():  # fmt: skip
        files.write_csv(rows.where(F.col("status").isin(*statuses)), out / f"{name}.csv", ORDER)
    (out / "proof.json").write_text(json.dumps(outcome.as_dict(), indent=2, default=str) + "\n", encoding="utf-8")
    (out / "report.html").write_text(render(outcome), encoding="utf-8")


def _said(error: Any) -> str:
    return str(error).strip().splitlines()[0].rstrip("; ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
