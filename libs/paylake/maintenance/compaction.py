"""Which partitions hold so many small files that one large file would be read faster."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple
from urllib.parse import unquote

from pyspark.sql.types import DateType

from paylake.contracts.table import TableContract

SMALL_BYTES = 64 * 2**20
MANY = 4
"""A partition is crowded with this many small files: a night's versions leave one or two."""


class DataFile(NamedTuple):
    """A data file: its path, with the partition's folder in it, and its bytes."""

    path: str
    size: int


def crowded(files: Iterable[DataFile], contract: TableContract, as_of: date) -> list[str]:
    """The values of the partition column whose files are to be merged, in order; [""] for a whole table without partitions.

    A partition of a date counts only before `as_of`: the others are still being written.
    """
    small = Counter(partition_of(file.path, contract) for file in files if file.size < SMALL_BYTES)
    found = sorted(value for value, count in small.items() if value is not None and count >= MANY)
    return [value for value in found if date.fromisoformat(value) < as_of] if _is_dated(contract) else found


def partition_of(path: str, contract: TableContract) -> str | None:
    """The value of the partition column in a file's path; "" in a table without, None where the value is null."""
    if not contract.partition_by:
        return ""
    found = re.search(rf"/{contract.partition_by[0]}=([^/]+)/", path)
    value = unquote(found[1]) if found else None
    return None if value == "__HIVE_DEFAULT_PARTITION__" else value


def within(partitions: Iterable[str], contract: TableContract) -> str | None:
    """The predicate that these partitions fulfil; None for a table without partitions."""
    if not contract.partition_by:
        return None
    kind = "DATE" if _is_dated(contract) else ""
    values = ", ".join(f"{kind}'{value}'" for value in partitions)
    return f"{contract.partition_by[0]} IN ({values})"


def _is_dated(contract: TableContract) -> bool:
    return any(f.name in contract.partition_by and isinstance(f.type, DateType) for f in contract.fields)
