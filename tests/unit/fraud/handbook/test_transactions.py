"""Files of transactions, and what is said of those that are none."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from paylake.card_transactions import read
from paylake.cli import main
from paylake.errors import SettingsError
from tests.unit.fraud.handbook.builders import FIRST, table


def test_a_folder_is_read_as_one_in_order_of_time(tmp_path: Path) -> None:
    pq.write_table(table({"day": 3, "amount_cents": 30}), tmp_path / "a.parquet")
    pq.write_table(table({"day": 1, "amount_cents": 10}, {"day": 2, "amount_cents": 20}), tmp_path / "b.parquet")
    found = read(tmp_path)
    assert found.cents.tolist() == [10, 20, 30]
    assert found.day.tolist() == [0, 1, 2]
    assert (found.last_day - FIRST.date()).days == 3


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (table({}).drop_columns("terminal_id"), r"file has no column terminal_id; it needs transaction_id"),
        (table({}, {"amount_cents": None}), "1 values of amount_cents in .* are null"),
        (table({"amount_cents": -1}), "an amount_cents in .* is negative"),
        (table(), "holds no transaction"),
        (table({}).set_column(3, "terminal_id", pa.array(["north"])), "a column of .* has a type that does not convert"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(tmp_path: Path, rows: pa.Table, sentence: str) -> None:
    pq.write_table(rows, tmp_path / "file")
    with pytest.raises(SettingsError, match=sentence):
        read(tmp_path / "file")


def test_a_file_that_is_not_there_or_is_no_parquet(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no parquet file at"):
        read(tmp_path)
    (tmp_path / "text").write_text("no parquet")
    with pytest.raises(SettingsError, match="is not a parquet file"):
        read(tmp_path / "text")


def test_the_command_refuses_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(table({}), tmp_path / "file.parquet")
    for argv, sentence in {
        ("benchmark",): "needs one more word: `paylake benchmark fraud`",
        ("benchmark", "fraud", "--folds", "0"): "--folds: 0 is less than 1",
        ("benchmark", "fraud", "--data", str(tmp_path)): "three weeks from .* are not in the data",
    }.items():
        assert main(argv) == 2
        assert re.search(sentence, capsys.readouterr().err)
