"""The nightly run: recomputed, proved and published to the last decimal; or not published at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake import nightly, run_controls, tables
from paylake.contracts import (
    AGGREGATE_INDEX,
    BATCH_INDEX,
    BREAKS,
    CONTROL_TOTALS,
    LEDGER_ENTRIES,
    RECONCILIATION_INDEX,
    RECONCILIATION_PARTIAL,
    RUN_CONTROLS,
)
from paylake.contracts.table import TableContract
from paylake.errors import ControlError
from paylake.reconcile import Horizon
from paylake.reconciliation.rules import Rules
from tests import stream_harness as harness
from tests.builders import NOON, as_dicts, by_key
from tests.stream_harness import Log, Reader, Simulated, copied, feed, open_stream, write_controls

D, NEXT_DAY = date(2026, 3, 31), date(2026, 4, 1)
FINAL_TABLES = (BATCH_INDEX, RECONCILIATION_INDEX, BREAKS, AGGREGATE_INDEX, RUN_CONTROLS)


def run_at(n: int) -> datetime:
    return datetime(2026, 4, 2, n, tzinfo=UTC)


def recompute(spark: SparkSession, lake: str, day: date = D, rules: Rules | None = None) -> bool:
    return nightly.build_batch_index(spark, lake, day, rules or Rules(), Horizon().missing_after)


def publish(spark: SparkSession, lake: str, n: int, day: date = D) -> nightly.Run:
    return nightly.build_final_aggregate(spark, lake, day, run_at(n))


def newest_versions(spark: SparkSession, lake: str) -> dict[str, int]:
    """The version of every final table: any write, also an empty one, raises it."""
    places = {t.name: f"delta.`{tables.location(lake, t)}`" for t in FINAL_TABLES}
    rows = {name: spark.sql(f"DESCRIBE HISTORY {place} LIMIT 1").first() for name, place in places.items()}
    return {name: row["version"] for name, row in rows.items() if row is not None}


def published(spark: SparkSession, lake: str) -> list[str]:
    rows = tables.read(spark, lake, RUN_CONTROLS).where("row_kind = 'PUBLISHED'")
    return sorted(r["run_id"] for r in rows.collect())


def unpublished_current(spark: SparkSession, lake: str) -> list[tuple[str, str]]:
    """The current versions that no consumer sees, since their run was never published."""
    current = tables.read(spark, lake, RECONCILIATION_INDEX).where("is_current")
    seen = published(spark, lake)
    return [(r["transaction_id"], r["run_id"]) for r in current.collect() if r["run_id"] not in seen]


def fails_at(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, when: Callable[..., bool] = lambda *a: True) -> None:
    """The next matching call of a function of a module kills the run; later ones do not."""
    real = getattr(module, name)

    def die(*args: Any, **kwargs: Any) -> Any:
        if when(*args):
            monkeypatch.setattr(module, name, real)
            raise harness.Crash(name)
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, die)


# Truth


@pytest.fixture(scope="module")
def day(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Simulated, list[nightly.Run]]:
    return harness.simulated_and_published(spark, tmp_path_factory.getbasetemp())


@pytest.mark.slow
def test_the_nightly_run_says_of_every_payment_what_was_injected(
    spark: SparkSession, day: tuple[Simulated, list[nightly.Run]]
) -> None:
    simulated, _ = day
    facts = ("business_date", "gateway_amount", "core_amount", "mobile_amount")
    expected = {
        key: (None if t["expected_kind"] == "NONE" else t["expected_kind"], t["expected_status"], t["expected_reasons"],
              "final", *(t[f] for f in facts))
        for key, t in simulated.truth.items()
        if t["expected_kind"] != "INVISIBLE"
    }  # fmt: skip
    assert len({t["business_date"] for t in simulated.truth.values()} - {None}) == 2
    current = by_key(tables.read(spark, simulated.lake, RECONCILIATION_INDEX).where("is_current"))
    said = ("kind", "status", "reasons", "finality", *facts)
    assert {key: tuple(row[c] for c in said) for key, row in current.items()} == expected
    merged = by_key(tables.read(spark, simulated.lake, AGGREGATE_INDEX))
    assert {key: tuple(row[c] for c in said) for key, row in merged.items()} == expected


@pytest.mark.slow
def test_every_injected_break_is_an_open_break_and_nothing_else_is(
    spark: SparkSession, day: tuple[Simulated, list[nightly.Run]]
) -> None:
    simulated, _ = day
    expected = {
        (key, t["expected_kind"]) for key, t in simulated.truth.items() if t["expected_kind"] not in ("NONE", "INVISIBLE")
    }
    found = tables.read(spark, simulated.lake, BREAKS).select("transaction_id", "kind", "state").collect()
    assert sorted((r["transaction_id"], r["kind"]) for r in found) == sorted(expected)
    assert {r["state"] for r in found} == {"OPEN", "SUGGESTED"}


@pytest.mark.slow
def test_stream_and_batch_do_not_differ_and_the_totals_close(day: tuple[Simulated, list[nightly.Run]]) -> None:
    _, runs = day
    assert [run.differences for run in runs] == [{}, {}]
    assert [run.published for run in runs] == [True, True]
    for run in runs:
        for p in run.proofs:
            assert p.matched + p.broken + p.pending == p.postings
            assert p.control is not None
            assert p.control.records == p.postings.records + p.rejected.records + p.unreadable_records, p
        assert {(o.outcome, o.gaps) for o in run.offsets} == {("closed", 0)}


# A day's books: small, with everything that money can meet


@dataclass
class Books:
    """A lake that was streamed and recomputed, but not published, and records that tests harm."""

    lake: str
    log: Log
    reader: Reader
    again: list[harness.Record] = field(default_factory=list)


def books_of_the_day(spark: SparkSession, lake: str) -> Books:
    log = Log()
    reader = Reader(log)
    books = Books(lake, log, reader)
    for hour in (0, 9, 23):
        log.pay(f"matched {hour}", at=NOON.replace(hour=hour), amount="1000.10")
    log.pay("yen", amount="1000", currency="JPY")
    log.pay("dinar", amount="10.005", currency="KWD")
    log.post("gateway", "off", amount="500.00")
    log.post("core", "off", amount="450.00")
    log.post("mobile", "off", amount="500.00", at=NOON + timedelta(seconds=60))
    log.post("gateway", "duplicate", amount="70.00")
    log.post("core", "duplicate", amount="70.00")
    log.post("core", "duplicate", amount="35.00", at=NOON + timedelta(seconds=2))
    log.post("mobile", "duplicate", amount="70.00")
    for n in range(3):
        books.again.append(log.post("mobile", "matched 9", amount="1000.10", at=NOON.replace(hour=9), partition=n % 2))
    log.post("gateway", "late", amount="12.34")
    log.post("mobile", "late", amount="12.34")
    late_evening = NOON.replace(hour=23, minute=59, second=58)
    log.pay("dated", without=["gateway"], amount="8.00", at=late_evening)
    log.post("gateway", "midnight", amount="9.00", at=late_evening)
    log.pay("midnight", without=["gateway"], amount="9.00", at=NOON.replace(day=1, month=4, hour=0))
    log.pay("rejected", without=["core"], amount="5.00")
    log.post("core", "rejected", amount="5.00", status="NOBODY KNOWS")
    log.tick(NOON)
    log.tick(NOON + timedelta(seconds=40))
    feed(open_stream(spark, lake), *reader.take())
    write_controls(spark, lake, log.controls())
    recompute(spark, lake)
    return books


@pytest.fixture(scope="module")
def books(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Books:
    return books_of_the_day(spark, str(tmp_path_factory.mktemp("books") / "lake"))


def entry(record: harness.Record) -> str:
    return f"topic = '{record.topic}' AND partition = {record.partition} AND offset = {record.offset}"


def set_in(spark: SparkSession, lake: str, contract: TableContract, assignment: str, where: str) -> None:
    spark.sql(f"UPDATE delta.`{tables.location(lake, contract)}` SET {assignment} WHERE {where}")


def lose_a_paisa_in_the_entries(spark: SparkSession, books: Books, lake: str) -> None:
    where = "transaction_id = 'matched 0' AND source = 'core'"
    set_in(spark, lake, LEDGER_ENTRIES, "amount = amount - 0.01", where)
    assert recompute(spark, lake)


def lose_a_paisa_in_the_batch_index(spark: SparkSession, books: Books, lake: str) -> None:
    set_in(spark, lake, BATCH_INDEX, "core_amount = core_amount - 0.01", "transaction_id = 'matched 0'")


def lose_the_last_decimal_in_the_batch_index(spark: SparkSession, books: Books, lake: str) -> None:
    set_in(spark, lake, BATCH_INDEX, "mobile_amount = mobile_amount + 0.0001", "transaction_id = 'off'")


def lose_a_payment_in_the_batch_index(spark: SparkSession, books: Books, lake: str) -> None:
    # also in what the stream said: otherwise its word stands in
    for contract in (BATCH_INDEX, RECONCILIATION_PARTIAL):
        tables.delete_where(spark, lake, contract, "transaction_id = 'matched 23'")


def misstate_a_control_total(spark: SparkSession, books: Books, lake: str) -> None:
    set_in(spark, lake, CONTROL_TOTALS, "amount = amount + 0.01", "source = 'gateway' AND currency = 'JPY'")


def lose_a_control_total(spark: SparkSession, books: Books, lake: str) -> None:
    tables.delete_where(spark, lake, CONTROL_TOTALS, "source = 'gateway' AND currency = 'KWD'")


def lose_a_redelivered_row(spark: SparkSession, books: Books, lake: str) -> None:
    tables.delete_where(spark, lake, LEDGER_ENTRIES, entry(books.again[0]))


def store_one_redelivery_in_anothers_place(spark: SparkSession, books: Books, lake: str) -> None:
    first, _, third = books.again
    set_in(spark, lake, LEDGER_ENTRIES, f"offset = {third.offset}", entry(first))


DAMAGES: dict[str, tuple[Callable[..., None], str]] = {
    "a paisa in ledger_entries": (
        lose_a_paisa_in_the_entries,
        r"core +INR .*amount differs from the control total by INR 0\.01",
    ),
    "a paisa in batch_index": (lose_a_paisa_in_the_batch_index, r"not in the indexes: 0 records, INR 0\.01"),
    "the last decimal in batch_index": (lose_the_last_decimal_in_the_batch_index, r"0 records, INR -0\.0001"),
    "a payment in the indexes": (lose_a_payment_in_the_batch_index, r"not in the indexes: 1 records, INR 1,000\.10"),
    "a paisa in a control total": (misstate_a_control_total, r"amount differs from the control total by JPY 0\.01"),
    "a control total": (lose_a_control_total, "published no control total"),
    "a redelivered row": (lose_a_redelivered_row, "1 offsets hold no record"),
    "a row stored in another's place": (store_one_redelivery_in_anothers_place, "offset"),
}


MOST_TELLING = ("a paisa in ledger_entries", "a payment in the indexes", "a control total", "a redelivered row")
LOSSES = [
    pytest.param(loss, marks=[pytest.mark.slow, *([] if loss in MOST_TELLING else [pytest.mark.thorough])])
    for loss in DAMAGES
]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_fails_the_run_which_says_what_and_publishes_nothing(
    spark: SparkSession, books: Books, tmp_path: Path, loss: str
) -> None:
    damage, says = DAMAGES[loss]
    lake = copied(books.lake, tmp_path / "lake")
    damage(spark, books, lake)
    with pytest.raises(ControlError, match=says):
        publish(spark, lake, 1)
    assert published(spark, lake) == []
    assert {r["outcome"] for r in tables.read(spark, lake, RUN_CONTROLS).collect()} >= {"failed"}
    for contract in (RECONCILIATION_INDEX, BREAKS, AGGREGATE_INDEX):
        assert as_dicts(tables.read(spark, lake, contract)) == []


@pytest.mark.slow
def test_once_a_control_total_is_corrected_the_run_publishes_and_a_rerun_writes_nothing(
    spark: SparkSession, books: Books, tmp_path: Path
) -> None:
    lake = copied(books.lake, tmp_path / "lake")
    misstate_a_control_total(spark, books, lake)
    with pytest.raises(ControlError):
        publish(spark, lake, 1)
    set_in(spark, lake, CONTROL_TOTALS, "amount = amount - 0.01", "source = 'gateway' AND currency = 'JPY'")
    assert publish(spark, lake, 2).published
    before = newest_versions(spark, lake)
    again = publish(spark, lake, 3)
    assert (again.run_id, again.changed, published(spark, lake)) == (f"{D}-001", False, [f"{D}-001"])
    assert newest_versions(spark, lake) == before


@pytest.mark.slow
def test_a_crash_before_the_aggregate_is_written_is_mended_by_the_rerun(
    spark: SparkSession, books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = copied(books.lake, tmp_path / "lake")
    fails_at(monkeypatch, tables, "replace_where", lambda df, lake, contract, *rest: contract is AGGREGATE_INDEX)
    with pytest.raises(harness.Crash):
        publish(spark, lake, 1)
    assert published(spark, lake) == []
    assert publish(spark, lake, 2).published
    shared = ("recon_id", "content_hash", "status", "kind")
    current = as_dicts(tables.read(spark, lake, RECONCILIATION_INDEX).where("is_current"), *shared)
    assert as_dicts(tables.read(spark, lake, AGGREGATE_INDEX), *shared) == current
    assert current


@pytest.mark.slow
def test_a_record_that_turns_bad_across_midnight_closes_with_an_exception(spark: SparkSession, lake: str) -> None:
    log = Log()
    log.pay("whole", at=NOON)
    before, behind = datetime(2026, 3, 31, 23, 59, 59, 900_000, UTC), datetime(2026, 4, 1, 0, 0, 0, 300_000, UTC)
    log.pay("cut", without=["core"], at=before, arrives=behind)
    log.post("core", "cut", at=before, arrives=behind, damaged=b'{"transaction_id": "cu')
    log.tick(NOON)
    log.tick(NOON + timedelta(seconds=40))
    feed(open_stream(spark, lake), *Reader(log).take())
    write_controls(spark, lake, log.controls())
    recompute(spark, lake)
    assert publish(spark, lake, 1).outcome == "closed with exceptions"


# The same date, night after night


@dataclass
class Nights:
    """What each night left behind."""

    lake: str
    runs: list[nightly.Run]
    recomputed: list[bool]
    versions: list[dict[str, int]]
    published: list[list[str]]


@pytest.fixture(scope="module")
def nights(spark: SparkSession, books: Books, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """1: the first run. 2: no news. 3: late legs, and a crash before publishing. 4: again. 5: no news. 6: the next day."""
    lake = copied(books.lake, tmp_path_factory.mktemp("nights") / "lake")
    found = Nights(lake, [], [], [], [])

    def night(n: int, day: date = D) -> None:
        found.recomputed.append(recompute(spark, lake, day))
        found.runs.append(publish(spark, lake, n, day))
        found.versions.append(newest_versions(spark, lake))
        found.published.append(published(spark, lake))

    night(1)
    night(2)
    log = Log(records=list(books.log.records))
    log._next.update(books.log._next)
    log._booked.update(books.log._booked)
    log.post("core", "late", amount="12.34", arrives=NOON + timedelta(minutes=5))
    log.post("gateway", "dated", amount="8.00", at=datetime(2026, 4, 1, 0, 0, 1, tzinfo=UTC))
    log.tick(NOON + timedelta(minutes=6))
    feed(open_stream(spark, lake), *Reader.at(log, books.reader.ends(), books.reader.position["paylake-clock", 0]).take())
    write_controls(spark, lake, log.controls())
    with pytest.MonkeyPatch.context() as patch:
        fails_at(patch, run_controls, "append")
        with pytest.raises(harness.Crash):
            night(3)
    found.published.append(published(spark, lake))
    night(4)
    night(5)
    night(6, NEXT_DAY)
    return found


FIRST, SECOND, NEXT = f"{D}-001", f"{D}-002", f"{NEXT_DAY}-001"


@pytest.mark.slow
def test_a_second_run_without_news_writes_nothing(nights: Nights) -> None:
    assert [r.changed for r in nights.runs] == [True, False, True, False, True]
    assert nights.versions[1] == nights.versions[0]
    assert nights.versions[3] == nights.versions[2]
    assert nights.recomputed == [False, False, True, False, False, False]


@pytest.mark.slow
def test_each_run_is_published_once_also_after_a_crash_before_publishing(nights: Nights) -> None:
    assert nights.published == [[FIRST], [FIRST], [FIRST], [FIRST, SECOND], [FIRST, SECOND], [FIRST, SECOND, NEXT]]
    assert [r.run_id for r in nights.runs] == [FIRST, FIRST, SECOND, SECOND, NEXT]
    assert {r.outcome for r in nights.runs} == {"closed"}


def history(spark: SparkSession, lake: str, transaction_id: str) -> list[dict[str, Any]]:
    rows = tables.read(spark, lake, RECONCILIATION_INDEX).where(F.col("transaction_id") == transaction_id)
    columns = ("status", "valid_from", "valid_to", "is_current", "run_id", "closed_by_run_id", "business_date")
    return sorted(as_dicts(rows, *columns), key=lambda r: r["valid_from"])


def naive(at: datetime) -> datetime:
    return at.replace(tzinfo=None)


@pytest.mark.slow
def test_a_late_leg_makes_one_new_version_and_closes_the_old_one(spark: SparkSession, nights: Nights) -> None:
    first, third = naive(run_at(1)), naive(run_at(3))
    assert history(spark, nights.lake, "late") == [
        {"status": "MISSING_CBS", "valid_from": first, "valid_to": third, "is_current": False, "run_id": FIRST,
         "closed_by_run_id": SECOND, "business_date": D},
        {"status": "MATCHED", "valid_from": third, "valid_to": None, "is_current": True, "run_id": SECOND,
         "closed_by_run_id": None, "business_date": D},
    ]  # fmt: skip


@pytest.mark.slow
def test_what_did_not_change_keeps_its_version(spark: SparkSession, nights: Nights) -> None:
    index = tables.read(spark, nights.lake, RECONCILIATION_INDEX).where("transaction_id NOT IN ('late', 'dated')")
    assert {(r["run_id"], r["is_current"], r["valid_to"]) for r in index.collect()} == {(FIRST, True, None)}
    assert index.count() == index.select("transaction_id").distinct().count() == 9


@pytest.mark.slow
def test_a_late_leg_resolves_its_break_and_no_other(spark: SparkSession, nights: Nights) -> None:
    rows = as_dicts(
        tables.read(spark, nights.lake, BREAKS),
        "transaction_id", "kind", "state", "opened_by_run_id", "resolved_by_run_id", "amount", "currency",
    )  # fmt: skip
    found = {r.pop("transaction_id"): tuple(r.values()) for r in rows}
    assert found == {
        "late": ("MISSING_CBS", "RESOLVED", FIRST, SECOND, Decimal("12.3400"), "INR"),
        "dated": ("MISSING_PG", "RESOLVED", FIRST, SECOND, Decimal("8.0000"), "INR"),
        "off": ("AMOUNT_MISMATCH", "SUGGESTED", FIRST, None, Decimal("50.0000"), "INR"),
        "duplicate": ("DUPLICATE_POSTING", "OPEN", FIRST, None, Decimal("70.0000"), "INR"),
        "rejected": ("MISSING_CBS", "OPEN", FIRST, None, Decimal("5.0000"), "INR"),
    }


@pytest.mark.slow
def test_a_business_date_stays_what_it_was_once_final(spark: SparkSession, nights: Nights) -> None:
    """The gateway's late leg is of the next day, which would have been the payment's date."""
    assert [(r["status"], r["business_date"]) for r in history(spark, nights.lake, "dated")] == [
        ("MISSING_PG", D),
        ("MATCHED", D),
    ]


@pytest.mark.slow
def test_legs_around_midnight_make_one_row_of_the_gateways_date(spark: SparkSession, nights: Nights) -> None:
    assert [(r["status"], r["business_date"]) for r in history(spark, nights.lake, "midnight")] == [("MATCHED", D)]
    next_day = nights.runs[-1]
    assert {(p.source, p.postings.records, p.outcome) for p in next_day.proofs} == {
        ("core", 1, "closed"), ("gateway", 1, "closed"), ("mobile", 1, "closed"),
    }  # fmt: skip


@pytest.mark.slow
def test_a_break_whose_leg_lies_in_quarantine_says_so(spark: SparkSession, nights: Nights) -> None:
    rows = tables.read(spark, nights.lake, BREAKS).where("size(quarantined_legs) > 0")
    assert as_dicts(rows, "transaction_id", "quarantined_legs") == [
        {"transaction_id": "rejected", "quarantined_legs": ["core"]}
    ]


@pytest.mark.slow
def test_every_current_version_belongs_to_a_published_run(spark: SparkSession, nights: Nights) -> None:
    assert unpublished_current(spark, nights.lake) == []


@pytest.mark.slow
def test_a_crash_before_publishing_is_mended_also_where_the_totals_stay_the_same(
    spark: SparkSession, nights: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two changes of the rules, each of which moves one broken payment to another reason and no sum."""
    lake = copied(nights.lake, tmp_path / "lake")
    assert recompute(spark, lake, rules=Rules(drift_tolerance_s=Decimal(600)))
    assert publish(spark, lake, 7).run_id == f"{D}-003"
    assert recompute(spark, lake, rules=Rules(amount_tolerance={"INR": Decimal(60)}))
    fails_at(monkeypatch, run_controls, "append")
    with pytest.raises(harness.Crash):
        publish(spark, lake, 8)
    publish(spark, lake, 9)
    assert unpublished_current(spark, lake) == []


@pytest.mark.slow
@pytest.mark.parametrize("contract", [*FINAL_TABLES, CONTROL_TOTALS], ids=lambda c: c.name)
def test_a_final_table_is_on_disk_as_its_contract_says(spark: SparkSession, nights: Nights, contract: TableContract) -> None:
    harness.assert_as_promised(spark, nights.lake, contract)


@pytest.mark.slow
@pytest.mark.parametrize("contract", [*FINAL_TABLES, CONTROL_TOTALS], ids=lambda c: c.name)
def test_an_independent_reader_finds_equal_sums_in_a_final_table(
    spark: SparkSession, nights: Nights, contract: TableContract
) -> None:
    harness.assert_equal_sums(spark, nights.lake, contract)
