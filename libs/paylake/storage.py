"""Files and small objects in whatever storage Hadoop knows: a folder of this machine, or an s3a:// prefix."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from paylake.errors import SourceError


class Stored(NamedTuple):
    """A file: where it lies, how many bytes it has, and when it was written (seconds since 1970; 0 where nobody asked)."""

    path: str
    size: int
    written_at: int = 0

    @property
    def name(self) -> str:
        """Its name without its folder."""
        return self.path.rstrip("/").rpartition("/")[2]


def files(spark: SparkSession, path: str) -> list[Stored]:
    """The file at a path, or the files of a folder and below, by name; those that begin with _ or . are left out.

    Raises SourceError where there is nothing, or it cannot be reached.
    """
    place, system = _hadoop(spark, path)
    try:
        if not system.exists(place):
            raise SourceError(f"{path} is not there; check the path.")
        found, listed = [], system.listFiles(place, True)
        while listed.hasNext():
            status = listed.next()
            found.append(Stored(str(status.getPath().toString()), int(status.getLen())))
    except Py4JJavaError as error:
        raise SourceError(f"{path} cannot be reached ({reason(error)}); check the address and the permissions.") from None
    above = len(str(system.makeQualified(place).toString()))
    return sorted(f for f in found if not any(part[:1] in ("_", ".") for part in f.path[above:].split("/")))


def everything(spark: SparkSession, folder: str) -> list[Stored]:
    """Every file of a folder and below, by path, also those that readers pass over; none where it is not there."""
    place, system = _hadoop(spark, folder)
    if not system.exists(place):
        return []
    found, listed = [], system.listFiles(place, True)
    while listed.hasNext():
        status = listed.next()
        found.append(Stored(str(status.getPath().toString()), int(status.getLen()), status.getModificationTime() // 1000))
    return sorted(found)


def sha256(spark: SparkSession, path: str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; it is read as a stream, whatever its size."""
    place, system = _hadoop(spark, path)
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    stream = system.open(place)
    try:
        return str(jvm.org.apache.commons.codec.digest.DigestUtils.sha256Hex(stream))
    finally:
        stream.close()


def write_json(spark: SparkSession, path: str, content: Mapping[str, Any]) -> None:
    """A small object that is there as a whole or not at all."""
    place, system = _hadoop(spark, path)
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    # an object store shows an object once it is closed; a folder shows a file that is being written
    part = place if "://" in path else jvm.org.apache.hadoop.fs.Path(f"{path}.part")
    stream = system.create(part, True)
    stream.write(bytearray(json.dumps(content, indent=1, sort_keys=True).encode()))
    stream.close()
    if part is not place:
        system.rename(part, place)


def read_json(spark: SparkSession, path: str) -> dict[str, Any]:
    """A small object that `write_json` wrote."""
    found: dict[str, Any] = json.loads(read_text(spark, path))
    return found


def read_text(spark: SparkSession, path: str) -> str:
    """A small object's text."""
    place, system = _hadoop(spark, path)
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    stream = system.open(place)
    try:
        return str(jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
    finally:
        stream.close()


def create_once(spark: SparkSession, path: str, text: str) -> bool:
    """Write a small object that nobody may replace; False where there is one of its name, also one of the same moment.

    Raises SourceError where it cannot be written.
    """
    if "://" not in path:
        return _link_once(Path(path), text)
    place, system = _hadoop(spark, path)
    try:
        if system.exists(place):
            return False
        builder = system.createFile(place).overwrite(False).recursive()
        # S3 itself refuses a second object of the name, also one that is written at the same moment
        stream = builder.opt("fs.option.create.conditional.overwrite", "true").build()
        try:
            stream.write(bytearray(text.encode()))
            stream.close()
        except Py4JJavaError:
            if not system.exists(place):
                raise
            # where the answer was lost, the client asks again, and is refused for the sake of its own object
            return read_text(spark, path) == text
    except Py4JJavaError as error:
        raise SourceError(f"{path} could not be written ({reason(error)}); do it again.") from None
    return True


def _link_once(path: Path, text: str) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{path.stem}.{os.getpid()}")
    with written.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        # a link appears whole or not at all, and never in place of another
        os.link(written, path)
    except FileExistsError:
        return False
    finally:
        written.unlink()
    return True


def names(spark: SparkSession, folder: str) -> set[str]:
    """The names of a folder's JSON objects, without their ending; none where it is not there."""
    place, system = _hadoop(spark, folder)
    if not system.exists(place):
        return set()
    found = (str(status.getPath().getName()) for status in system.listStatus(place))
    return {name.removesuffix(".json") for name in found if name.endswith(".json")}


def exists(spark: SparkSession, pattern: str) -> bool:
    """True where something lies at a path, or at one that a pattern names."""
    place, system = _hadoop(spark, pattern)
    return bool(system.globStatus(place))


def remove(spark: SparkSession, pattern: str) -> None:
    """Remove the folders that a pattern names, with all that is in them."""
    place, system = _hadoop(spark, pattern)
    for status in system.globStatus(place) or ():
        system.delete(status.getPath(), True)


def reason(error: Py4JJavaError) -> str:
    """What a failure in the JVM says, without its stack."""
    cause = error.java_exception
    while cause.getCause() is not None:
        cause = cause.getCause()
    return str(cause.getMessage() or cause.getClass().getSimpleName()).partition("\n")[0][:200]


def _hadoop(spark: SparkSession, path: str) -> tuple[Any, Any]:
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    place = jvm.org.apache.hadoop.fs.Path(path)
    return place, place.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
