"""Breaks found by reason on a few hundred generated entries, whose truth the engine never sees."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from benchmarks import accuracy
from benchmarks.figures import PRECISION, RECALL, all_breaks
from benchmarks.ledger_sets import SETS, DataSet, Expected, ledger_and_bank


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("ledger_and_bank_statement", marks=pytest.mark.slow),
        pytest.param("ledger_and_acquirer", marks=[pytest.mark.slow, pytest.mark.thorough]),
        pytest.param("orders_gateway_payouts", marks=pytest.mark.slow),
    ],
)
def test_no_match_is_wrong_and_breaks_have_their_reasons(spark: SparkSession, tmp_path: Path, name: str) -> None:
    data = SETS[name](400, 5)
    found = accuracy.score(data, accuracy.reconciled(spark, data, tmp_path))
    counts = all_breaks([found])
    assert (found["wrong_groups"], found["overstated"]) == (0, {})
    assert counts["true"] > 50
    assert Decimal(counts["right"]) / counts["true"] >= Decimal(str(RECALL)), found["confused"]
    assert Decimal(counts["right"]) / counts["found"] >= Decimal(str(PRECISION)), found["confused"]


@pytest.mark.parametrize("name", SETS)
def test_every_row_has_its_truth_and_no_row_tells_it(name: str) -> None:
    data = SETS[name](300, 5)
    ids = {(source, next(iter(row.values()))) for source, rows in data.sources.items() for row in rows}
    assert {(source, entry_id) for _, source, entry_id in data.truth} == ids
    columns = {column for rows in data.sources.values() for row in rows for column in row}
    assert not columns & {"scenario", "class", "truth", "reason"}
    assert sum(data.classes.values()) >= 300


def test_the_same_seed_makes_the_same_rows() -> None:
    once, again, other = ledger_and_bank(200, 5), ledger_and_bank(200, 5), ledger_and_bank(200, 6)
    assert (once.sources, once.truth) == (again.sources, again.truth)
    assert once.sources != other.sources


def test_a_group_of_others_is_a_wrong_match_and_its_value_is_overstated() -> None:
    truth = {
        **{("s", side, "1"): Expected("", "one") for side in ("a", "b")},
        **{("s", side, "2"): Expected("", "two") for side in ("a", "b")},
        ("s", "b", "3"): Expected("MISSING_IN_A", ""),
    }
    data = DataSet("two sides", truth=truth)

    def row(source: str, entry_id: str, match_id: str | None, reason: str | None = None) -> dict[str, object]:
        return {
            "stage": "s", "source": source, "entry_id": entry_id, "currency": "EUR", "amount": Decimal("7.00"),
            "status": "MATCHED" if match_id else "BREAK", "match_id": match_id, "reason": reason,
        }  # fmt: skip

    found = [row("a", "1", "x"), row("b", "1", "x"), row("a", "2", "y"), row("b", "3", "y"),
             row("b", "2", None, "MISSING_IN_A")]  # fmt: skip
    scored = accuracy.score(data, found)
    assert (scored["groups"], scored["wrong_groups"], scored["overstated"]) == (2, 1, {"EUR": "14.00"})
    assert scored["reasons"]["MISSING_IN_A"] == {"true": 1, "found": 1, "right": 0}
    assert scored["confused"] == [["MISSING_IN_A", "matched", 1], ["matched", "MISSING_IN_A", 1]]
