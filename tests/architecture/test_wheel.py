"""The wheel, installed away from the checkout, holds and imports all that the source tree has."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "libs" / "paylake"

IMPORT_ALL = """
import importlib, json, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import paylake
names = [module.name for module in pkgutil.walk_packages(paylake.__path__, "paylake.")]
for name in names:
    importlib.import_module(name)
print(json.dumps([paylake.__file__, paylake.__version__, sorted(names)]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that a fresh wheel is installed into."""
    # From a copy: setuptools reuses what an earlier build left in build/, deleted modules included.
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(PACKAGE, source / "libs" / "paylake", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    target = tmp_path_factory.mktemp("elsewhere")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(source), str(source))
    (wheel,) = source.glob("*.whl")
    run(*pip, "install", "--no-deps", "--target", str(target), str(wheel))
    return target


def run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_imports_from_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    origin, version, names = json.loads(run(sys.executable, "-c", IMPORT_ALL, str(installed), cwd=tmp_path))
    assert Path(origin).is_relative_to(installed)
    assert version == "0.1.0"
    assert names == modules_of(PACKAGE)


def test_data_files_and_the_command_are_in_it(installed: Path) -> None:
    in_source = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if is_data(path)}
    assert Path("py.typed") in in_source
    assert in_source == {p.relative_to(installed / "paylake") for p in (installed / "paylake").rglob("*") if is_data(p)}
    assert (installed / "bin" / "paylake").exists()


def test_every_folder_of_the_source_tree_is_a_package() -> None:
    without = [f for f in PACKAGE.rglob("*") if f.is_dir() and any(f.glob("*.py")) and not (f / "__init__.py").exists()]
    assert without == []


def modules_of(package: Path) -> list[str]:
    """The dotted names below `paylake`, as the files say."""
    relative = (path.relative_to(package.parent).with_suffix("") for path in package.rglob("*.py"))
    dotted = (".".join(path.parts).removesuffix(".__init__") for path in relative)
    return sorted(name for name in dotted if name != "paylake")


def is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".py", ".pyc")
