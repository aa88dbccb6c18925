"""History lands without card numbers, file by file and once, and its replay builds what the live route builds."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from paylake import cli, pipeline, tables, views
from paylake.contracts import QUARANTINE, RECONCILIATION_INDEX, RUN_CONTROLS
from paylake.contracts.table import FAILED_CHECKS
from paylake.contracts.topics import TOPIC_LEDGERS
from paylake.contracts.views import V_RECONCILIATION_INDEX
from paylake.errors import SourceError
from paylake.history import SOURCES, Landing
from paylake.settings import KafkaSettings, parse_settings
from paylake.simulation import Chunk, FaultRates, Plan, generate, publish
from paylake.simulation.dimensions import build_dimensions
from paylake.token_key import create_key_file
from tests.builders import record
from tests.slow import support
from tests.unit.payments.test_parsing import VISA, card_in

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
KEY = b"thirty-two-bytes-of-a-secret-key"


@pytest.fixture
def landing(spark: SparkSession, tmp_path: Path) -> Landing:
    since, until = datetime(2000, 1, 1, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)
    return Landing(spark, str(tmp_path / "landing"), KEY, since, until)


def lines(*records: bytes) -> bytes:
    return b"".join(value + b"\n" for value in records)


def rows_of(place: Path) -> list[dict[str, Any]]:
    """Everything that landed of a topic."""
    return [row for file in sorted(place.rglob("*.parquet")) for row in pq.read_table(file, partitioning=None).to_pylist()]


@pytest.mark.slow
def test_files_of_every_form_land_once_apart_where_rejected_and_without_a_card_number(
    landing: Landing, tmp_path: Path
) -> None:
    files = tmp_path / "exports"
    files.mkdir()
    next_day = record(transaction_id="t2", timestamp="2026-04-01T00:30:00+00:00")
    text = lines(record(card_number=VISA), b"", record(city=f"Pune {VISA}"), next_day, b"no JSON " + VISA.encode())
    (files / "a.jsonl").write_bytes(text)
    (files / "b.jsonl.gz").write_bytes(gzip.compress(lines(record(transaction_id="t3"))))
    fields = {name: [value] for name, value in json.loads(record(transaction_id="t4", card_number=VISA)).items()}
    pq.write_table(pa.table(fields), files / "c.parquet")
    (files / "d.jsonl").write_bytes(text)

    landed = list(landing.land([str(files)], "gateway", NOW))

    said = [(f.name, f.records, f.rejected, f.blank, f.days, f.is_new) for f in landed]
    assert said == [
        ("a.jsonl", 4, 2, 1, {"2026-03-31": 3, "2026-04-01": 1}, True),
        ("b.jsonl.gz", 1, 0, 0, {"2026-03-31": 1}, True),
        ("c.parquet", 1, 0, 0, {"2026-03-31": 1}, True),
        ("d.jsonl", 4, 2, 0, {}, False),
    ]
    place = Path(landing.root) / "pg-transactions"
    assert {p.name for p in place.glob("event_date=*")} == {
        "event_date=2026-03-31", "event_date=2026-04-01", "event_date=rejected",
    }  # fmt: skip
    rows = rows_of(place)
    assert len(rows) == 6
    assert [row for row in rows if card_in(row["value"].decode())] == []
    assert sorted(row["key"] or b"" for row in rows) == [b"", b"t1", b"t1", b"t2", b"t3", b"t4"]


@pytest.mark.thorough
@pytest.mark.slow
def test_what_an_interrupted_landing_left_counts_once(landing: Landing, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(record()))
    (first,) = landing.land([str(tmp_path / "a.jsonl")], "gateway", NOW)
    (Path(landing.root) / "_files" / f"{first.sha256}.json").unlink()
    (second,) = landing.land([str(tmp_path / "a.jsonl")], "gateway", NOW)
    assert second == first
    assert len(rows_of(Path(landing.root))) == 1


@pytest.mark.thorough
@pytest.mark.slow
def test_a_record_without_a_time_is_filed_where_its_file_is_or_where_a_person_says(landing: Landing, tmp_path: Path) -> None:
    (tmp_path / "mixed.jsonl").write_bytes(lines(record(), b"cut {"))
    (tmp_path / "bad.jsonl").write_bytes(lines(b"cut {"))
    (mixed,) = landing.land([str(tmp_path / "mixed.jsonl")], "core", NOW)
    (bad,) = replace(landing, filed_on=date(2026, 3, 30)).land([str(tmp_path / "bad.jsonl")], "core", NOW)
    assert (mixed.days, mixed.filed_at) == ({"2026-03-31": 2}, "2026-03-31T12:00:00.000000Z")
    assert (bad.days, bad.filed_at) == ({"2026-03-30": 1}, "2026-03-30T12:00:00+00:00")
    with pytest.raises(SourceError, match="was landed before, for cbs-transactions"):
        list(landing.land([str(tmp_path / "bad.jsonl")], "gateway", NOW))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.txt", b"{}", "is no file of records: it must end in .json, .jsonl, .ndjson"),
        ("a.jsonl.gz", b"no gzip", "cannot be read to its end"),
        ("nothing.jsonl", None, "is not there; check the path."),
    ],
)
def test_a_file_that_cannot_land_is_named_in_a_sentence(
    landing: Landing, tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=name) as failed:
        list(landing.land([str(tmp_path / name)], "gateway", NOW))
    assert sentence in str(failed.value)
    assert "\n" not in str(failed.value)


def test_money_as_a_binary_fraction_does_not_land(landing: Landing, tmp_path: Path) -> None:
    pq.write_table(pa.table({"transaction_id": ["t1"], "amount": [10.5]}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="amount is a binary fraction"):
        list(landing.land([str(tmp_path / "a.parquet")], "gateway", NOW))


def test_wrong_settings_are_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for argv, sentence in (
        (["ingest-to-s3", "a.jsonl", "--ledger", "gatway"], "'gatway' is not one of gateway, core, mobile, controls"),
        (["ingest-to-s3", "a.jsonl"], "--ledger"),
        (["ingest-to-s3", "--ledger", "core"], "Which files?"),
        (["ingest-to-kafka", "--from", "2026-01-02", "--to", "2026-01-01"], "is after --to"),
    ):
        assert cli.main(argv) == 2
        shown = capsys.readouterr().err
        assert sentence in shown
        assert shown.count("\n") == 1


# --- three days, in any order, beside the live route ---

DAYS = tuple(date(2026, 1, day) for day in (13, 14, 15))
PLAN = Plan(
    payments=450, seed=5, chaos=0.3, faults=FaultRates(0.05, 0.05, 0.02, 0.03),
    start=datetime(2026, 1, 13, tzinfo=UTC), span=timedelta(hours=71), tick_every=timedelta(minutes=30),
)  # fmt: skip


def exported(plan: Plan, folder: Path) -> Iterator[tuple[date, str, Path]]:
    """The simulated records as the ledgers would export them: a file per ledger and day, in three forms."""
    chunks = list(generate(plan))
    values: dict[tuple[date, str], list[bytes]] = defaultdict(list)
    for row in (row for chunk in chunks for row in chunk.deliveries.to_pylist()):
        value = b"null" if row["value"] is None else row["value"]
        values[(_booked_on(value, row["timestamp"].date()), TOPIC_LEDGERS[row["topic"]])].append(value)
    folder.mkdir()
    for (day, ledger), found in sorted(values.items()):
        if ledger == "gateway":
            (folder / f"gateway-{day}.jsonl").write_bytes(lines(*found))
            yield day, ledger, folder / f"gateway-{day}.jsonl"
        elif ledger == "core":
            (folder / f"core-{day}.jsonl.gz").write_bytes(gzip.compress(lines(*found)))
            yield day, ledger, folder / f"core-{day}.jsonl.gz"
        else:
            yield from ((day, ledger, path) for path in _as_parquet(found, folder, day))
    for day in DAYS:
        (folder / f"totals-{day}.jsonl").write_bytes(lines(*_totals(chunks, day)))
        yield day, "controls", folder / f"totals-{day}.jsonl"


def _booked_on(value: bytes, arrived_on: date) -> date:
    try:
        day = datetime.fromisoformat(json.loads(value)["timestamp"]).astimezone(UTC).date()
    except (ValueError, KeyError, TypeError):
        return arrived_on
    return day if day in DAYS else arrived_on


def _as_parquet(values: list[bytes], folder: Path, day: date) -> Iterator[Path]:
    """What Parquet can hold as columns of text; the rest as lines."""
    good, rest = [], []
    for value in values:
        try:
            content = json.loads(value)
            is_flat = len(value) < 10_000 and all(isinstance(v, str) for v in content.values())
        except (ValueError, AttributeError):
            is_flat = False
        (good if is_flat else rest).append(value)
    pq.write_table(pa.Table.from_pylist(_evenly([json.loads(v) for v in good])), folder / f"mobile-{day}.parquet")
    yield folder / f"mobile-{day}.parquet"
    (folder / f"mobile-{day}.jsonl").write_bytes(lines(*rest))
    yield folder / f"mobile-{day}.jsonl"


def _evenly(records: list[dict[str, str]]) -> list[dict[str, str | None]]:
    names = sorted({name for found in records for name in found})
    return [{name: found.get(name) for name in names} for found in records]


def _totals(chunks: list[Chunk], day: date) -> list[bytes]:
    found = [total for chunk in chunks for total in chunk.controls]
    return [total.value for total in found if datetime.fromisoformat(total.hour).date() == day]


def nightly(spark: SparkSession, kafka: KafkaSettings, lake: str, day: date) -> None:
    batch, aggregate = pipeline.job(pipeline.BATCH_JOB), pipeline.job(pipeline.AGGREGATE_JOB)
    of_day = ("--lake", lake, "--business-date", day.isoformat())
    where = ("--bootstrap-servers", kafka.bootstrap_servers)
    batch.main(spark, parse_settings(batch.BuildBatchIndexSettings, (*of_day, *where)))
    flags = (*of_day, "--run-at", support.RUN_AT, "--indexes", "none")
    aggregate.main(spark, parse_settings(aggregate.BuildFinalAggregateSettings, flags))


def published(spark: SparkSession, lake: str) -> Counter[str]:
    """What v_reconciliation_index says, without what tells how it was learned."""
    rows = views.read(spark, lake, V_RECONCILIATION_INDEX).select(*RECONCILIATION_INDEX.content_columns)
    return Counter(repr(row) for row in rows.collect())


def quarantined(spark: SparkSession, lake: str) -> Counter[tuple[Any, ...]]:
    rows = tables.read(spark, lake, QUARANTINE).select("topic", "transaction_id", "amount", FAILED_CHECKS).collect()
    # an empty message cannot be exported as a line
    why = lambda reasons: ("unreadable",) if {"record_empty", "json_malformed"} & {*reasons} else tuple(reasons)  # noqa: E731
    return Counter((r["topic"], r["transaction_id"], r["amount"], why(r[FAILED_CHECKS])) for r in rows)


@pytest.mark.slow
@pytest.mark.thorough
def test_three_days_in_any_order_with_files_twice_build_what_the_live_route_builds(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, live, replayed = tmp_path / "token.key", str(tmp_path / "live"), str(tmp_path / "replayed")
    create_key_file(key)
    with support.kafka_with_topics(tmp_path / "live-broker") as cluster:
        publish(PLAN, cluster.kafka)
        support.stream_here(spark, cluster.kafka, live, key, "--ticks", "elsewhere")
        for day in DAYS:
            nightly(spark, cluster.kafka, live, day)

    files = list(exported(PLAN, tmp_path / "exports"))
    with support.kafka_with_topics(tmp_path / "broker") as cluster:
        place = ["--lake", replayed, "--token-key", str(key)]
        servers = ["--lake", replayed, "--bootstrap-servers", cluster.bootstrap_servers]
        for day in (DAYS[2], DAYS[0], DAYS[1]):
            for ledger in SOURCES:
                of_day = [str(path) for when, whose, path in files if (when, whose) == (day, ledger)]
                # a file of nothing but bad records cannot tell its date by others
                assert cli.main(["ingest-to-s3", *of_day, "--ledger", ledger, "--date", str(day), *place]) == 0
            assert cli.main(["ingest-to-kafka", *servers, "--from", str(day), "--to", str(day)]) == 0
        assert cli.main(["ingest-to-s3", *of_day, "--ledger", "controls", *place]) == 0
        assert "landed before" in capsys.readouterr().out
        # the same records in a file of other bytes, and a replay that was interrupted before it could say what it did
        again = tmp_path / "exports" / "again.jsonl"
        again.write_bytes((tmp_path / "exports" / f"gateway-{DAYS[0]}.jsonl").read_bytes() + b"\n")
        assert cli.main(["ingest-to-s3", str(again), "--ledger", "gateway", *place]) == 0
        next(Path(replayed, "landing", "_replayed").rglob(f"{DAYS[1]}/*.json")).unlink()
        assert cli.main(["ingest-to-kafka", *servers]) == 0
        assert f"{DAYS[2]}: sent before." in capsys.readouterr().out
        support.stream_here(spark, cluster.kafka, replayed, key)
        for day in DAYS:
            nightly(spark, cluster.kafka, replayed, day)

    assert published(spark, replayed) == published(spark, live)
    assert sum(published(spark, live).values()) > 400
    assert set(quarantined(spark, replayed)) == set(quarantined(spark, live))
    for lake in (live, replayed):
        rows = tables.read(spark, lake, RUN_CONTROLS).where("row_kind = 'PUBLISHED'").collect()
        assert {row["business_date"] for row in rows} == {*DAYS}
    cards = {customer.card_number.encode() for customer in build_dimensions(PLAN.seed, PLAN.currencies).customers}
    landed = [row["value"] for row in rows_of(Path(replayed, "landing"))]
    assert len(landed) > 1_250
    assert [value for value in landed if any(card in value for card in cards)] == []
