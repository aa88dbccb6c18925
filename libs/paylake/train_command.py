"""`paylake train`: a model of fraud from a lake's scored and labelled payments, or a judgement of those that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pyspark.sql import SparkSession

from paylake import model_registry, shadow
from paylake.errors import ContractError, SettingsError, SourceError
from paylake.fraud import drift, judging
from paylake.fraud.model_card import MEASURES
from paylake.fraud.scorer import BoostedTrees
from paylake.fraud.training import BAD, MATURITY, Blocks, Examples, Recipe, Trained, latest_block, train
from paylake.labelled_payments import labelled_payments
from paylake.session import build_session
from paylake.settings import parse_settings, setting

LATEST = timedelta(days=7)
"""How far back payments count as the latest, for drift."""
STAYS = "No need to train anew."


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Train a model of fraud on what the lake knew at a time, judge it by time, keep it, and let it reign if it wins.

    It learns from payments that are so old that a fraud would have been reported. With --evaluate nothing is trained:
    champion and challenger are judged on the latest such payments, and drift is shown.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake train --lake build/demo/lake --maturity 0d --train-span 12h --test-span 3h",
        "paylake train --as-of 2026-03-31T00:00:00+00:00 --no-promote",
        "paylake train --evaluate",
        "paylake train --shadow --lake build/lake",
        "paylake train --reinstate 3",
    )

    lake: str = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE", aliases="--output_path")
    mlflow_uri: str = setting(
        model_registry.DEFAULT_URI, "Registry of the models: SQLite file or MLflow server.", env="MLFLOW_TRACKING_URI"
    )
    as_of: datetime | None = setting(None, "Know only what was known at this time; default: now.")
    maturity: timedelta = setting(
        MATURITY, "Age from which on a payment that nobody reported counts as good; 0d where labels are truth at once."
    )
    train_span: timedelta = setting(timedelta(days=28), "Stretch of payments that each judged model learns from.")
    test_span: timedelta = setting(timedelta(days=7), "Stretch that it is judged on.")
    false_positives: float = setting(0.01, "Largest share of good payments that may be flagged.")
    trees: int = setting(200, "How many trees.")
    seed: int = setting(0, "Seed of the training: the same data and seed give the same model.")
    threads: int = setting(1, "Threads of the training; no more than there are free cores.")
    promote: bool = setting(True, "Let the model reign where it wins, or is the first.")
    if_needed: bool = setting(
        False, "Train only where the champion is old, payments have moved, or it finds less than it did."
    )
    evaluate: bool = setting(False, "Judge champion and challenger on the latest payments, and train nothing.")

    shadow: bool = setting(False, "Compare what champion and challenger said of the same payments as they arrived.")
    reinstate: str = setting("", "Version that reigned before, to let it reign again at once; nothing is trained.")

    def __post_init__(self) -> None:
        for name, least in (("trees", 1), ("threads", 1)):
            if getattr(self, name) < least:
                raise SettingsError(f"--{name}: {getattr(self, name)} is less than {least}.")
        if not 0 < self.false_positives < 1:
            raise SettingsError(f"--false-positives: {self.false_positives} is not between 0 and 1; for example 0.01.")
        if min(self.train_span, self.test_span) <= timedelta(0):
            raise SettingsError("--train-span and --test-span must be above 0; for example --train-span 28d.")

    def blocks(self) -> Blocks:
        """The stretches of time."""
        return Blocks(train=self.train_span, test=self.test_span, maturity=self.maturity)


def main(argv: Sequence[str]) -> int:
    """`paylake train`."""
    settings = parse_settings(TrainSettings, argv, prog="paylake train")
    settings.blocks()
    if settings.reinstate:
        before = model_registry.reinstate(settings.mlflow_uri, settings.reinstate)
        print(f"Version {settings.reinstate} reigns in place of version {before}; streams take it with their next batch.")
        return 0
    spark = build_session("train")
    print(work_of(settings)(spark, settings))
    return 0


def work_of(settings: TrainSettings) -> Callable[[SparkSession, TrainSettings], str]:
    """What the settings ask for."""
    if settings.shadow:
        return compared
    return evaluated if settings.evaluate else trained


def compared(spark: SparkSession, settings: TrainSettings) -> str:
    """Champion and challenger on the payments that both scored in the stream."""
    return shadow.table(shadow.shadows(spark, settings.lake, settings.as_of or datetime.now(UTC)))


def trained(spark: SparkSession, settings: TrainSettings) -> str:
    """Train, register and perhaps promote; returns what to tell the person who asked."""
    as_of = settings.as_of or datetime.now(UTC)
    blocks = settings.blocks()
    # as far back as the earliest fold's training
    back = 2 * blocks.maturity + blocks.train + (blocks.most + 1) * blocks.test
    examples, facts = labelled_payments(spark, settings.lake, back, as_of)
    champion = model_registry.comparable_champion(settings.mlflow_uri)
    if settings.if_needed and champion is not None:
        _, why = _wear(settings.mlflow_uri, champion, examples, latest_block(examples, _ms(as_of), blocks), as_of)
        if not why:
            return STAYS
    recipe = Recipe(trees=settings.trees, seed=settings.seed, threads=settings.threads)
    found = train(examples, _ms(as_of), recipe, blocks, budget=settings.false_positives, champion=champion)
    version = model_registry.register(settings.mlflow_uri, found, facts)
    return f"{_measures_table({f'version {version}': found})}\n{_promoted(settings, version)}"


def evaluated(spark: SparkSession, settings: TrainSettings) -> str:
    """Champion and challenger on the latest payments that have their labels, and what has drifted since training."""
    as_of, blocks, uri = settings.as_of or datetime.now(UTC), settings.blocks(), settings.mlflow_uri
    versions = {alias: model_registry.version_of(uri, alias) for alias in ("champion", "challenger")}
    models = {alias: model_registry.trees_of(uri, version) for alias, version in versions.items() if version}
    if not models:
        raise SourceError("There is no model to evaluate: `paylake train` makes one.")
    examples, _ = labelled_payments(spark, settings.lake, blocks.maturity + blocks.test + LATEST, as_of)
    test = latest_block(examples, _ms(as_of), blocks)
    found = {f"{alias} {model.version}": _measured(model, test) for alias, model in models.items()}
    told = f"{len(test):,} payments, {int((test.label == BAD).sum())} of them frauds\n{_table(found)}"
    if "champion" not in models:
        return told
    moved, why = _wear(uri, models["champion"], examples, test, as_of)
    advice = "Train anew: " + " ".join(why) if why else STAYS
    head = f"How far payments have moved since version {versions['champion']} was trained:"
    return f"{told}\n\n{head}\n{drift.table(moved)}\n{advice}"


def _measured(model: BoostedTrees, test: Examples) -> dict[str, float]:
    return judging.measured(test.label, model.scores(test.matrix), test.at_ms, test.user, model.thresholds)


def _wear(
    uri: str, champion: BoostedTrees, examples: Examples, test: Examples, as_of: datetime
) -> tuple[list[drift.Shift], list[str]]:
    """How far the latest payments are from those of the training, and why the champion should be replaced."""
    then, tags = model_registry.reference_of(uri, champion.version), model_registry.tags_of(uri, champion.version)
    last = min(int(examples.at_ms.max()), _ms(as_of))
    late = examples.taken((examples.at_ms > last - round(LATEST.total_seconds() * 1000)) & (examples.at_ms <= last))
    scores = champion.scores(late.matrix)
    moved = drift.shifts(then, late.matrix, scores)
    days = drift.flagged_days(late.at_ms, scores, champion.thresholds.suspicious)
    return moved, drift.retrain(
        moved,
        drift.score_alerts(days, then.flagged),
        age_days=(_ms(as_of) - int(tags["as_of_ms"])) / judging.DAY_MS,
        trained=float(tags["average_precision"]),
        now=_measured(champion, test)["average_precision"],
        frauds=int((test.label == BAD).sum()),
    )


def _promoted(settings: TrainSettings, version: str) -> str:
    if not settings.promote:
        return f"Version {version} challenges; `paylake train` without --no-promote would let the better one reign."
    try:
        model_registry.promote(settings.mlflow_uri, version)
    except ContractError as error:
        return f"Version {version} challenges: {error}"
    return f"Version {version} reigns."


def _measures_table(found: Mapping[str, Trained]) -> str:
    folds = ", ".join(f"{name} on {len(t.folds)} folds" for name, t in found.items())
    means = {name: {measure: mean for measure, (mean, _, _) in t.intervals.items()} for name, t in found.items()}
    return f"{folds}\n{_table(means)}"


def _table(found: Mapping[str, Mapping[str, float]]) -> str:
    width = max(len(words) for words in MEASURES.values())
    lines = [" " * width + "".join(f"{name:>16}" for name in found)]
    lines += [f"{words:<{width}}" + "".join(f"{m[key]:>16.3f}" for m in found.values()) for key, words in MEASURES.items()]
    return "\n".join(lines)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
