"""Where acts lie: create-once objects under the lake's `acts/`, in a folder or an object store.

An act is written by whoever acts, and read by the nightly run; nobody changes or deletes one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from paylake.errors import SourceError
from paylake.resolution.acts import Act

FOLDER, SUFFIX = "acts", ".json"


class ActExists(SourceError):
    """An act of this name has been written before."""


def write(spark: SparkSession, lake: str, act: Act) -> None:
    """Write an act, once; ActExists where it is there already, which for a replay means that it was done."""
    if "://" in lake:
        _write_object(spark, f"{_root(lake)}/{act.act_id}{SUFFIX}", act)
        return
    folder = Path(lake) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f".{act.act_id}.{os.getpid()}"
    with written.open("x", encoding="utf-8") as file:
        file.write(act.to_json())
        file.flush()
        os.fsync(file.fileno())
    try:
        # a link appears whole or not at all, and never in place of another
        os.link(written, folder / f"{act.act_id}{SUFFIX}")
    except FileExistsError:
        raise _exists(act) from None
    finally:
        written.unlink()


def names(spark: SparkSession, lake: str) -> set[str]:
    """The names of all acts."""
    if "://" not in lake:
        return {path.name.removesuffix(SUFFIX) for path in (Path(lake) / FOLDER).glob(f"*{SUFFIX}")}
    place, system = _hadoop(spark, _root(lake))
    if not system.exists(place):
        return set()
    found = (status.getPath().getName() for status in system.listStatus(place))
    return {name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX)}


def read(spark: SparkSession, lake: str, wanted: Iterable[str]) -> dict[str, str]:
    """The texts of some acts, by name."""
    if "://" not in lake:
        return {name: (Path(lake) / FOLDER / f"{name}{SUFFIX}").read_text(encoding="utf-8") for name in sorted(wanted)}
    return {name: _read_object(spark, f"{_root(lake)}/{name}{SUFFIX}") for name in sorted(wanted)}


def _root(lake: str) -> str:
    return f"{lake.rstrip('/')}/{FOLDER}"


def _exists(act: Act) -> ActExists:
    return ActExists(f"The act {act.act_id} is written already; an act is done once.")


def _hadoop(spark: SparkSession, path: str) -> tuple[Any, Any]:
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    place = jvm.org.apache.hadoop.fs.Path(path)
    return place, place.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())


def _write_object(spark: SparkSession, path: str, act: Act) -> None:
    place, system = _hadoop(spark, path)
    if system.exists(place):
        raise _exists(act)
    builder = system.createFile(place).overwrite(False).recursive()
    # S3 itself refuses a second object of the name, also one that is written at the same moment
    stream = builder.opt("fs.option.create.conditional.overwrite", "true").build()
    try:
        stream.write(bytearray(act.to_json().encode()))
        stream.close()
    except Py4JJavaError:
        if system.exists(place):
            raise _exists(act) from None
        raise


def _read_object(spark: SparkSession, path: str) -> str:
    place, system = _hadoop(spark, path)
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    file = system.open(place)
    try:
        return str(jvm.org.apache.commons.io.IOUtils.toString(file, "UTF-8"))
    finally:
        file.close()
