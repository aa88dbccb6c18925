"""The jobs in order, for people: `paylake stream`, `paylake nightly`, and `paylake demo`, which runs everything."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from paylake import broker
from paylake.contracts.topics import TOPICS
from paylake.errors import SettingsError
from paylake.settings import KafkaSettings, parse_settings, setting
from paylake.topics import TopicSpec, create_topics

STREAM_JOB = "streaming/reconcile_ledgers.py"
SCORE_JOB = "streaming/score_transactions.py"
BATCH_JOB = "batch/build_batch_index.py"
AGGREGATE_JOB = "aggregate/build_final_aggregate.py"


def job(path: str) -> ModuleType:
    """A job of the checkout as a module; SettingsError where there is no `jobs` folder here or beside the package."""
    for base in (Path.cwd(), *Path(__file__).resolve().parents):
        file = base / "jobs" / path
        if file.is_file():
            spec = importlib.util.spec_from_file_location(f"paylake_job_{file.stem}", file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module  # dataclasses look their own module up
            spec.loader.exec_module(module)
            return module
    raise SettingsError(f"There is no jobs/{path} here; run the command from a checkout of paylake.")


def stream(argv: Sequence[str]) -> int:
    """`paylake stream`: the streaming job, with its own settings."""
    from paylake.session import build_session, log_to_stderr

    module = job(STREAM_JOB)
    settings = parse_settings(module.ReconcileLedgersSettings, argv, prog="paylake stream")
    log_to_stderr()
    module.main(build_session("reconcile_ledgers"), settings)
    return 0


def score(argv: Sequence[str]) -> int:
    """`paylake score`: the streaming job of the fraud scores, with its own settings."""
    from paylake.session import build_session, log_to_stderr

    module = job(SCORE_JOB)
    settings = parse_settings(module.ScoreTransactionsSettings, argv, prog="paylake score")
    log_to_stderr()
    module.main(build_session("score_transactions"), settings)
    return 0


def nightly(argv: Sequence[str]) -> int:
    """`paylake nightly`: the batch and the aggregate job of one business date, one after the other."""
    from paylake.session import build_session, log_to_stderr

    batch, aggregate = job(BATCH_JOB), job(AGGREGATE_JOB)
    settings = parse_settings(_nightly_settings(batch, aggregate), argv, prog="paylake nightly")
    log_to_stderr()
    spark = build_session("nightly")
    batch.main(spark, settings)
    aggregate.main(spark, settings)
    return 0


def _nightly_settings(batch: ModuleType, aggregate: ModuleType) -> type[Any]:
    """The settings of both jobs: what they share is one flag."""

    @dataclass(frozen=True, kw_only=True)
    class NightlySettings(batch.BuildBatchIndexSettings, aggregate.BuildFinalAggregateSettings):  # type: ignore[name-defined, misc]
        """Recompute, prove and publish one business date."""

        EXAMPLES: ClassVar[tuple[str, ...]] = ("paylake nightly --business-date 2026-01-15 --lake build/lake",)

    return NightlySettings


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """Run everything on this machine: broker, topics, payments with chaos, stream, nightly run, report, score."""

    EXAMPLES: ClassVar[tuple[str, ...]] = ("paylake demo", "paylake demo --payments 1000000 --chaos 0.05 --seed 7")

    payments: int = setting(100_000, "payments to simulate; about three records each")
    chaos: str = setting("0.05", "share of the payments that chaos breaks: 0.05 or 5%")
    seed: int = setting(7, "random seed: the same one gives the same bytes")
    duplicates: str = setting("0.01", "share of the records that are delivered twice")
    disorder: str = setting("0.05", "share of the records that arrive out of order")
    lateness: str = setting("0.002", "share of the payments of which a leg arrives minutes late")
    malformed: str = setting("0.0005", "share of the payments of which a record is malformed")
    currencies: str = setting("INR", "INR, or mix: seven currencies by country", choices=("INR", "mix"))
    fraud: str = setting("0.01", "share of the payments that belong to campaigns of fraud: 0.01 or 1%; 0: no fraud channels")
    business_date: date = setting(date(2026, 1, 15), "the simulated business date")
    out: Path = setting(Path("build/demo"), "folder of the demo; emptied first")


@dataclass
class Stages:
    """The stages of a run, announced as they begin, with the seconds that each took."""

    total: int
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[None]:
        """Announce a stage, and say how long it took."""
        say(f"[{len(self.seconds) + 1}/{self.total}] {what} …")
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 1)
        say(f"      {self.seconds[name]:.1f} s")


def say(text: str) -> None:
    """A line for the person who waits."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def demo(argv: Sequence[str]) -> int:
    """`paylake demo`: the whole pipeline on simulated payments, scored against their truth."""
    from paylake.simulation.command import share_of

    settings = parse_settings(DemoSettings, argv, prog="paylake demo")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("kafka").setLevel(logging.ERROR)
    out, began = settings.out, time.monotonic()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    stages = Stages(total=8 + 3 * bool(share_of(settings.fraud)))
    with _broker(stages, out) as kafka:
        figures = _run_stages(settings, kafka, stages)
    seconds = time.monotonic() - began
    say(figures)
    say(f"\nDone in {seconds:.0f} s. Next: open {out}/report.html in a browser; the figures are in {out}/summary.json,")
    say(f"the tables in {out}/lake (for example partial/reconciliation_partial), the broker's log in {out}/broker/log.")
    return 0


@contextmanager
def _broker(stages: Stages, out: Path) -> Iterator[KafkaSettings]:
    """A broker with paylake's topics, stopped in every case."""
    with stages.stage("broker", "Starting a Kafka broker and creating the topics"):
        running = broker.running(out / "broker")
        cluster = running.__enter__()
    try:
        create_topics(cluster.kafka, {name: TopicSpec(topic.partitions) for name, topic in TOPICS.items()})
        yield cluster.kafka
    finally:
        running.__exit__(None, None, None)


def _run_stages(settings: DemoSettings, kafka: KafkaSettings, stages: Stages) -> str:
    from paylake import demo_fraud
    from paylake.ledger_driver import LedgerDriver, Schedule
    from paylake.reconcile import BatchReport, Horizon
    from paylake.reconciliation.rules import Rules
    from paylake.session import build_session
    from paylake.simulation import FaultRates, Plan, publish
    from paylake.simulation.command import share_of
    from paylake.simulation.feed_publisher import publish_feed
    from paylake.token_key import create_key_file

    out, lake, truth = settings.out, str(settings.out / "lake"), settings.out / "truth"
    rates = {name: share_of(getattr(settings, name)) for name in ("duplicates", "disorder", "lateness", "malformed")}
    plan = Plan(
        payments=settings.payments,
        seed=settings.seed,
        chaos=share_of(settings.chaos),
        faults=FaultRates(**rates),
        currencies=settings.currencies,
        start=datetime.combine(settings.business_date, datetime.min.time(), tzinfo=UTC),
        fraud=share_of(settings.fraud),
    )
    with stages.stage("simulate", f"Simulating {settings.payments:,} payments in three ledgers"):
        totals = publish(plan, kafka, truth, _progress("records sent"))
        if plan.fraud:
            publish_feed(plan, kafka, until=plan.start + plan.span)
    create_key_file(out / "token.key")
    with stages.stage("spark", "Starting Spark"):
        spark = build_session("paylake-demo")
    driver = LedgerDriver.open(spark, kafka, lake, "", str(out / "token.key"), Rules(), Horizon())
    done = [0]

    def on_batch(report: BatchReport, seconds: float) -> None:
        done[0] += report.records
        rate = report.records / seconds
        say(f"      batch {report.batch}: {done[0]:>9,} of {totals.records:,} records, {rate:>8,.0f} per second")

    driver.on_batch = on_batch
    with stages.stage("stream", "Matching the three ledgers as a stream, up to a closing tick"):
        driver.run(Schedule(available_now=True, max_offsets_per_trigger=150_000, driver_ticks=False))
    with stages.stage("files", "Taking dimensions, the processor's reports and the bank's statements"):
        say(f"      {_take_files(spark, lake, settings, truth)}")
    if plan.fraud:
        with stages.stage("training", "Training a fraud model on other simulated days"):
            say(f"      {demo_fraud.train(settings.out, settings.currencies)}")
        with stages.stage("scores", "Scoring the gateway's payments as a stream, with that model"):
            demo_fraud.score(spark, kafka, lake, settings.out, say)
    batch, aggregate = job(BATCH_JOB), job(AGGREGATE_JOB)
    kafka_flags = {"bootstrap_servers": kafka.bootstrap_servers}
    with stages.stage("nightly", f"Recomputing, proving and publishing {settings.business_date}"):
        batch.main(spark, batch.BuildBatchIndexSettings(business_date=settings.business_date, lake=lake, **kafka_flags))
        aggregate.main(spark, aggregate.BuildFinalAggregateSettings(business_date=settings.business_date, lake=lake))
    with stages.stage("quality", "Validating what is published, with Data Docs"):
        say(f"      {_validate(spark, lake, out)}")
    alerts = None
    if plan.fraud:
        with stages.stage("alerts", "Deciding on the same payments by rules, then on live ones in real-time mode"):
            alerts = demo_fraud.alert(spark, kafka, lake, settings.out, plan.start)
    with stages.stage("report", "Scoring against the truth and writing the report"):
        return _report(spark, lake, settings, truth, stages.seconds, alerts)


def _take_files(spark: Any, lake: str, settings: DemoSettings, truth: Path) -> str:
    """Write what partners would send of the simulated day, take it, and say what became of it."""
    from paylake import ingest, ingest_command, ingest_dimensions
    from paylake.simulation.bank import NO_DAMAGE
    from paylake.simulation.dimension_files import write_dimensions
    from paylake.simulation.settlement import MAPPING, write_settlement
    from paylake.statements import formats

    place = settings.out / "files"
    dimensions = write_dimensions(settings.seed, settings.currencies, settings.business_date, place / "dimensions")
    files = write_settlement(truth / "payments", settings.business_date, settings.seed, place / "settlement", NO_DAMAGE)
    rows = ingest_dimensions.ingest(spark, lake, ingest_command.incoming([str(p) for p in dimensions]))
    reports = ingest_command.incoming([str(p) for p in files.reports])
    statements = ingest_command.incoming([str(p) for p in files.statements])
    mapping = Path(formats.__file__).with_name("mappings") / f"{MAPPING}.yaml"
    taken = ingest.ingest(spark, lake, reports, ingest_command.parser(None, mapping))
    taken += ingest.ingest(spark, lake, statements, ingest_command.parser(None, None))
    posted = sum(one.state == "POSTED" for one in taken)
    return f"{sum(one.records for one in rows):,} dimension records, {posted} of {len(taken)} files proved and posted"


def _validate(spark: Any, lake: str, out: Path) -> str:
    """Put the tables that people read first to their suites, and say what came of it."""
    from paylake.contracts import AGGREGATE_INDEX, BREAKS, RUN_CONTROLS, SETTLEMENT_SCHEDULE
    from paylake.expectations import published, validate

    frames = {c: published(spark, lake, c) for c in (AGGREGATE_INDEX, BREAKS, SETTLEMENT_SCHEDULE, RUN_CONTROLS)}
    results = validate(frames, out, datetime.now(UTC))
    failed = [f"{one.table}: {name}" for one in results for name in one.failed]
    checked = sum(one.expectations for one in results)
    return f"{checked} expectations of {len(results)} tables; failed: {', '.join(failed) or 'none'}"


def _report(spark: Any, lake: str, settings: DemoSettings, truth: Path, seconds: Mapping[str, float], alerts: Any) -> str:
    from paylake.report.command import collect_figures, print_summary, write_report

    payments = spark.read.parquet(str(truth / "payments"))
    figures = collect_figures(spark, lake, settings.business_date, payments, seconds, alerts)
    write_report(figures, settings.out)
    return print_summary(figures)


def _progress(what: str) -> Any:
    """A progress line, ten times per run."""
    shown = [0]

    def show(done: int, total: int) -> None:
        tenth = done * 10 // max(total, 1)
        if tenth > shown[0]:
            shown[0] = tenth
            say(f"      {done:,} of {total:,} {what}")

    return show
