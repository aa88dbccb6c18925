"""What is due on which table, decided without a table."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from paylake.contracts import ALL, AUDIT_LOG, BATCH_INDEX, DIMENSION_DELIVERIES, USER_SPEND_INDEX
from paylake.contracts.maintenance import LEAST_VACUUM_HOURS, UPKEEP, Upkeep, Writer
from paylake.errors import ContractError
from paylake.maintain_erasure import FOLDER
from paylake.maintenance.compaction import MANY, SMALL_BYTES, DataFile, crowded, partition_of, within
from paylake.maintenance.retention import expired, first_kept

ROOT = Path(__file__).parents[3]
AS_OF = date(2026, 3, 31)
BY_NAME = {c.name: c for c in ALL}

NAMES_A_CUSTOMER = {"user_id", "entity_id", "subject_id", "payload", "row", "attributes", "counterparty", "remittance"}
"""Columns in which a customer may stand, whatever the table."""


def many(folder: str, count: int = MANY, size: int = 10) -> list[DataFile]:
    return [DataFile(f"file:/lake/t/{folder}part-{n}.parquet", size) for n in range(count)]


def test_every_table_has_a_policy_and_no_policy_lacks_its_table() -> None:
    assert sorted(UPKEEP) == sorted(BY_NAME)


def test_a_policy_names_columns_that_its_table_has() -> None:
    wrong = []
    for name, upkeep in UPKEEP.items():
        named = {upkeep.aged_by, *(c for p in upkeep.personal for c in (p.column, *p.clears))} - {None}
        said = {word for p in upkeep.personal for word in re.findall(r"^(\w+) =", p.where)}
        wrong += [f"{name}.{column}" for column in (named | said) - set(BY_NAME[name].columns)]
    assert wrong == []


def test_where_a_customer_may_stand_the_policy_says_what_becomes_of_them() -> None:
    texts = {c.name: {f.name for f in c.fields if f.type.simpleString() == "string"} for c in ALL}
    found = {name: columns & NAMES_A_CUSTOMER for name, columns in texts.items()}
    said = {name: {p.column for p in upkeep.personal} | {c for p in upkeep.personal for c in p.clears}
            for name, upkeep in UPKEEP.items()}  # fmt: skip
    assert {name: columns - said[name] for name, columns in found.items() if columns - said[name]} == {}


def test_what_is_cleared_may_be_null() -> None:
    for name, upkeep in UPKEEP.items():
        nullable = {f.name for f in BY_NAME[name].fields if f.nullable}
        assert {c for p in upkeep.personal for c in p.clears} <= nullable, name


def test_the_streams_tables_are_those_that_they_write_on_aws() -> None:
    page = (ROOT / "infra" / "terraform" / "stack" / "components.tf").read_text(encoding="utf-8")
    for component, writer in (("reconcile", Writer.RECONCILE), ("score", Writer.SCORE), ("batch", Writer.BATCH)):
        block = re.search(rf"\n    {component} = {{(.*?)\n    }}", page, re.DOTALL)
        assert block is not None
        listed = re.search(r"lake_writes\s*= \[(.*?)\]", block[1], re.DOTALL)
        assert listed is not None
        prefixes = re.findall(r'"([^"]+)"', listed[1])
        written = {c.name for c in ALL if any(f"{c.path}/".startswith(prefix) for prefix in prefixes)}
        assert {name for name, upkeep in UPKEEP.items() if upkeep.writer is writer} == written, component


@pytest.mark.parametrize("component", ["reconcile", "score", "batch"])
def test_whoever_erases_may_read_the_requests_on_aws(component: str) -> None:
    page = (ROOT / "infra" / "terraform" / "stack" / "components.tf").read_text(encoding="utf-8")
    block = re.search(rf"\n    {component} = {{(.*?)\n    }}", page, re.DOTALL)
    assert block is not None
    listed = re.search(r"lake_reads\s*= \[(.*?)\]", block[1], re.DOTALL)
    assert listed is not None
    assert any(f"{FOLDER}/".startswith(prefix) for prefix in re.findall(r'"([^"]+)"', listed[1]))


def test_files_of_batch_tables_lie_for_seven_days_at_least() -> None:
    assert LEAST_VACUUM_HOURS >= 7 * 24
    shorter = {c.name for c in ALL if "delta.deletedFileRetentionDuration" in c.properties}
    assert {name for name in shorter if UPKEEP[name].writer is Writer.BATCH} == set()


def test_the_log_of_a_streams_table_names_no_customer() -> None:
    """Its driver erases rows and removes files; what the log says of files it cannot take back."""
    for contract in (c for c in ALL if UPKEEP[c.name].writer is not Writer.BATCH and UPKEEP[c.name].personal):
        told = contract.properties.get("delta.dataSkippingStatsColumns", "")
        if contract.properties.get("delta.dataSkippingNumIndexedCols") == "0":
            continue
        hidden = {name for personal in UPKEEP[contract.name].personal for name in (personal.column, *personal.clears)}
        assert told, contract.name
        assert not hidden & {*told.split(","), *contract.partition_by}, contract.name
        assert set(told.split(",")) <= set(contract.columns), contract.name


def test_no_book_is_shortened() -> None:
    with pytest.raises(ContractError, match="breaks is a book: no job shortens it"):
        Upkeep("breaks", "because", aged_by="business_date", keep_days=3650, is_book=True)
    assert all(u.keep_days is None for u in UPKEEP.values() if u.is_book)
    books = {"reconciliation_index", "breaks", "aggregate_index", "run_controls", "audit_log", "adjustments"}
    assert all(UPKEEP[name].is_book for name in books)


def test_a_policy_of_ages_is_whole() -> None:
    with pytest.raises(ContractError, match="name both"):
        Upkeep("breaks", "because", aged_by="business_date")
    with pytest.raises(ContractError, match="a day at least"):
        Upkeep("breaks", "because", aged_by="business_date", keep_days=0)


def test_the_last_day_of_a_table_is_kept_and_the_one_before_goes() -> None:
    upkeep = Upkeep("t", "because", aged_by="day", keep_days=30)
    assert first_kept(upkeep, AS_OF) == date(2026, 3, 1)
    assert expired(upkeep, AS_OF) == "day < DATE'2026-03-01'"
    assert expired(UPKEEP["breaks"], AS_OF) is None


def test_only_days_before_the_business_date_are_merged() -> None:
    files = [f for day in ("2026-03-30", "2026-03-31", "2026-04-01") for f in many(f"business_date={day}/")]
    assert crowded(files, BATCH_INDEX, AS_OF) == ["2026-03-30"]
    assert within(["2026-03-29", "2026-03-30"], BATCH_INDEX) == "business_date IN (DATE'2026-03-29', DATE'2026-03-30')"


@pytest.mark.parametrize(
    ("count", "size", "found"),
    [(MANY, 10, ["2026-03-30"]), (MANY - 1, 10, []), (MANY, SMALL_BYTES, []), (MANY, SMALL_BYTES - 1, ["2026-03-30"])],
)
def test_few_files_or_large_ones_are_left(count: int, size: int, found: list[str]) -> None:
    assert crowded(many("business_date=2026-03-30/", count, size), USER_SPEND_INDEX, AS_OF) == found


def test_a_table_without_partitions_is_merged_whole_and_one_by_words_at_any_time() -> None:
    assert crowded(many(""), AUDIT_LOG, AS_OF) == [""]
    assert within([""], AUDIT_LOG) is None
    assert crowded(many("dimension=users/"), DIMENSION_DELIVERIES, AS_OF) == ["users"]
    assert within(["users"], DIMENSION_DELIVERIES) == "dimension IN ('users')"


def test_the_partition_is_read_from_the_path_as_it_is_encoded() -> None:
    assert partition_of("s3a://b/lake/t/dimension=a%20b/part-0.parquet", DIMENSION_DELIVERIES) == "a b"
    assert partition_of("s3a://b/t/dimension=__HIVE_DEFAULT_PARTITION__/part-0.parquet", DIMENSION_DELIVERIES) is None
