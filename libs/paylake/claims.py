"""Who drives a stream: each driver that starts claims it anew, and whoever is no longer the last may write nothing more.

A claim is a create-once object in the folder of the table that the stream commits to, and a transaction in the table's own
log. The object says it to whoever looks. The log makes it hold, also where the older driver slept between its look and its
commit: under one application, Delta takes no commit with a lower number than the last.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from delta.exceptions import ConcurrentTransactionException
from pyspark.sql import SparkSession

from paylake import storage, tables
from paylake.contracts.table import TableContract
from paylake.errors import SourceError

APPLICATION = "driver"
COMMITS_PER_DRIVER = 2**31
TRIES = 5
"""A driver looks for later claims after each commit: before one stops, it can be in the way once."""
SETTLE_S = 2.0
"""Longer than a commit that has looked for its name, and found it free, takes to be written."""


@dataclass
class Claim:
    """A driver's claim: its number, above those of all drivers before it, and how many commits it has numbered."""

    spark: SparkSession
    place: str
    number: int
    commits: int = 0

    def check(self) -> None:
        """Raise SourceError where a later driver has claimed the stream."""
        latest = max(_numbers(self.spark, self.place))
        if latest > self.number:
            who = storage.read_json(self.spark, _path(self.place, latest))
            raise SourceError(
                f"Another driver, started at {who['at']} on {who['host']}, has taken over {self.place}; this one stops, and "
                "the other does what it had begun. Keep one of them."
            )

    def next_txn(self) -> tables.Txn:
        """The number of the driver's next commit."""
        self.commits += 1
        return tables.Txn(APPLICATION, self.number * COMMITS_PER_DRIVER + self.commits)


def of_this_process(spark: SparkSession, lake: str, contract: TableContract) -> Claim:
    """Claim the stream for this process, from now on."""
    host = f"{socket.gethostname()} (process {os.getpid()})"
    return claim(spark, lake, contract, datetime.now(UTC).isoformat(timespec="microseconds"), host)


def claim(spark: SparkSession, lake: str, contract: TableContract, at: str, host: str) -> Claim:
    """Claim the stream that commits to a table: from now on no driver before this one can commit to it.

    `at` and `host` tell a person which driver it is. Raises SourceError where other drivers keep committing.
    """
    place = tables.location(lake, contract)
    # above the table's versions too, so that claims that were lost are never claimed again
    first = max(tables.latest_version(spark, lake, contract), *_numbers(spark, place)) + 1
    said = json.dumps({"at": at, "host": host}, sort_keys=True)
    number = next(n for n in count(first) if storage.create_once(spark, _path(place, n), said))
    found = Claim(spark, place, number)
    txn = _commit(found, lake, contract)
    if "://" in lake:
        _stands(spark, f"{place}/_delta_log/{tables.latest_version(spark, lake, contract):020d}.json", txn)
    found.check()
    return found


def _commit(found: Claim, lake: str, contract: TableContract) -> tables.Txn:
    """Commit the claim, which says again what the last commit said: the log soon forgets the commits of an idle stream."""
    nothing: list[tuple[Any, ...]] = []
    for _ in range(TRIES):
        txn, said = found.next_txn(), tables.last_commit(found.spark, lake, contract)
        try:
            tables.append(found.spark.createDataFrame(nothing, contract.schema), lake, contract, txn, tables.again(said))
        except ConcurrentTransactionException:  # the driver before was about to commit, and was first
            continue
        return txn
    raise SourceError(f"Other drivers keep writing to {found.place}; stop them, and start this one again.")


def _stands(spark: SparkSession, commit: str, txn: tables.Txn) -> None:
    """Raise SourceError where another driver wrote the same commit at the same moment, which S3 lets the later one do."""
    time.sleep(SETTLE_S)
    if f'"version":{txn.version}' not in storage.read_text(spark, commit):
        raise SourceError(f"Another driver wrote {commit} at the same moment; keep one of them, and start it again.")


def _folder(place: str) -> str:
    # Delta's vacuum passes by folders whose names begin like this
    return f"{place}/_drivers"


def _path(place: str, number: int) -> str:
    return f"{_folder(place)}/{number:012d}.json"


def _numbers(spark: SparkSession, place: str) -> set[int]:
    return {0, *(int(name) for name in storage.names(spark, _folder(place)) if name.isdigit())}
