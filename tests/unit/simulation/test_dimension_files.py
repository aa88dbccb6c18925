"""The simulation's people as files: the same for a seed, whole, and without anybody's name or card."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from paylake.contracts.dimensions import BLACKLIST, DIMENSIONS, KYC_STATUSES, POLICY_TYPES
from paylake.dimensions.parsing import required_columns, sent_columns
from paylake.simulation.dimension_files import CHANGED, write_dimensions
from paylake.simulation.dimensions import build_dimensions

DAY = date(2026, 1, 15)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_dimensions(7, "mix", DAY, tmp_path_factory.mktemp("dimensions"))


def rows(files: list[Path], name: str) -> list[dict[str, str]]:
    (path,) = (path for path in files if path.name == f"{name}.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_dimension_has_a_file_with_the_columns_of_its_contract(files: list[Path]) -> None:
    assert [path.name for path in files] == ["users.csv", "merchants.csv", "locations.csv", "policies.csv"]
    for contract in DIMENSIONS:
        columns = set(rows(files, contract.name)[0])
        assert set(required_columns(contract)) <= columns <= set(sent_columns(contract))


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(files: list[Path], tmp_path: Path) -> None:
    again = write_dimensions(7, "mix", DAY, tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files]
    other = write_dimensions(8, "mix", DAY, tmp_path / "other")
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(other, files, strict=True))


def test_everybody_of_the_simulation_is_there_without_name_or_card(files: list[Path]) -> None:
    people = build_dimensions(7, "mix")
    users = rows(files, "users")
    assert [row["user_id"] for row in users] == [customer.user_id for customer in people.customers]
    text = (files[0]).read_text(encoding="utf-8")
    assert not any(c.card_number in text or c.name in text for c in people.customers[:200])
    homes = {f"{row['home_country']}-{row['home_city']}" for row in users}
    assert homes == {row["location_id"] for row in rows(files, "locations")}
    assert {row["kyc_status"] for row in users} == set(KYC_STATUSES)
    assert 0 < sum(row["is_pep"] == "true" for row in users) < 100


def test_a_few_busy_merchants_change_their_risk_level_at_noon(files: list[Path]) -> None:
    merchants = rows(files, "merchants")
    times = Counter(row["merchant_id"] for row in merchants)
    changed = [row for row in merchants if row["valid_from"] == "2026-01-15T12:00:00+00:00"]
    assert len(changed) == sum(count == 2 for count in times.values()) == CHANGED
    levels = {(row["merchant_id"], row["risk_level"]) for row in merchants}
    assert len(levels) == len(merchants)
    assert all(int(row["merchant_id"][5:]) < 40 for row in changed)


def test_there_are_policies_of_every_type_and_state(files: list[Path]) -> None:
    policies = rows(files, "policies")
    assert {row["policy_type"] for row in policies} == set(POLICY_TYPES)
    assert {row["subject_type"] for row in policies} == {"USER", "MERCHANT", "COUNTRY", "ALL"}
    assert {row["subject_type"] for row in policies if row["policy_type"] == BLACKLIST} == {"USER", "MERCHANT"}
    assert {row["active_flag"] for row in policies} == {"true", "false"}
    assert any(row["valid_to"] for row in policies)
    assert any(row["valid_from"].startswith("2026-01-15T12:00") for row in policies)
