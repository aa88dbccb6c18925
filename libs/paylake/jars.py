"""Where the jars lie that Maven left on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from paylake.errors import SourceError


def jar_folder(name: str, environ: Mapping[str, str] | None = None) -> Path | None:
    """The folder of one set of jars ("kafka", "spark", "s3", "emr"); None where this machine has no such set.

    It lies in the folder that PAYLAKE_JARS names, else in a `jars` folder found upward from the current
    folder, else upward from this package's checkout.
    """
    named = _named(environ)
    above = [Path.cwd(), *Path.cwd().parents, *Path(__file__).resolve().parents]
    for folder in [Path(named)] if named else [parent / "jars" for parent in above]:
        if any((folder / name).glob("*.jar")):
            return (folder / name).resolve()
    return None


def find_jars(name: str, environ: Mapping[str, str] | None = None) -> Path:
    """The folder of one set of jars, as `jar_folder` finds it. Raises SourceError where there is none."""
    found = jar_folder(name, environ)
    if found is None:
        named = _named(environ)
        looked = f"PAYLAKE_JARS ({named})" if named else f"a jars folder at or above {Path.cwd()}"
        target = "dev-setup" if name in ("spark", "kafka") else "test-slow"
        raise SourceError(
            f"the {name} jars are not in {looked}: run `make {target}`, or let PAYLAKE_JARS name their folder."
        )
    return found


def _named(environ: Mapping[str, str] | None) -> str | None:
    return (os.environ if environ is None else environ).get("PAYLAKE_JARS")
