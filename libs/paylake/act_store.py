"""Where acts lie: create-once objects under the lake's `acts/`, in a folder or an object store.

An act is written by whoever acts, and read by the nightly run; nobody changes or deletes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pyspark.sql import SparkSession

from paylake import storage
from paylake.errors import SourceError
from paylake.resolution.acts import Act

FOLDER, SUFFIX = "acts", ".json"


class ActExists(SourceError):
    """An act of this name has been written before."""


def write(spark: SparkSession, lake: str, act: Act) -> None:
    """Write an act, once; ActExists where it is there already, which for a replay means that it was done."""
    if not storage.create_once(spark, f"{_root(lake)}/{act.act_id}{SUFFIX}", act.to_json()):
        raise ActExists(f"The act {act.act_id} is written already; an act is done once.")


def names(spark: SparkSession, lake: str) -> set[str]:
    """The names of all acts."""
    if "://" not in lake:
        return {path.name.removesuffix(SUFFIX) for path in (Path(lake) / FOLDER).glob(f"*{SUFFIX}")}
    return storage.names(spark, _root(lake))


def read(spark: SparkSession, lake: str, wanted: Iterable[str]) -> dict[str, str]:
    """The texts of some acts, by name."""
    if "://" not in lake:
        return {name: (Path(lake) / FOLDER / f"{name}{SUFFIX}").read_text(encoding="utf-8") for name in sorted(wanted)}
    return {name: storage.read_text(spark, f"{_root(lake)}/{name}{SUFFIX}") for name in sorted(wanted)}


def _root(lake: str) -> str:
    return f"{lake.rstrip('/')}/{FOLDER}"
