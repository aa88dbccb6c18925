"""Files of labelled card transactions."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from paylake.errors import SettingsError
from paylake.fraud.handbook.transactions import SHAPE, Transactions, in_order


def read(path: Path) -> Transactions:
    """The transactions of a parquet file, or of all in a folder.

    Raises SettingsError where there is none, a column is missing or of another type, a value null, or an amount negative.
    """
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise SettingsError(f"--data: there is no parquet file at {path}; give a file or a folder of them.")
    return in_order(pa.concat_tables([_table(file) for file in files]), path)


def _table(file: Path) -> pa.Table:
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid):
        raise SettingsError(f"--data: {file} is not a parquet file; give one in the shape of the handbook's data.") from None
    missing = [name for name in SHAPE if name not in table.column_names]
    if missing:
        raise SettingsError(f"--data: {file} has no column {missing[0]}; it needs {', '.join(SHAPE)}.")
    try:
        return table.select(list(SHAPE)).cast(pa.schema(SHAPE))
    except pa.ArrowInvalid as error:
        raise SettingsError(f"--data: a column of {file} has a type that does not convert: {error}.") from None
