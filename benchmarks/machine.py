"""The machine and its versions, and what a stretch of work costs it: wall clock, CPU-seconds by kind of process, memory."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paylake.jars import find_jars

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, Any]:
    """What the figures were measured on, without its name or its folders."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 1),
    }


def versions() -> dict[str, str]:
    """Of everything that takes part."""
    found = {
        "Python": platform.python_version(),
        "JDK": _jdk(),
        "Spark": importlib.metadata.version("pyspark"),
        "Delta": importlib.metadata.version("delta-spark"),
        "Kafka": _kafka(),
    }
    packages = ("DuckDB", "Polars", "scikit-learn", "XGBoost-CPU", "ONNXRuntime", "MLflow-skinny")
    return found | {name: importlib.metadata.version(name.lower()) for name in packages}


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = {key: re.search(rf"^{key}\s*:\s*(.+)$", lines, re.MULTILINE) for key in ("model name", "model", "cpu MHz")}
    name = found["model name"][1] if found["model name"] else platform.processor()
    return f"{name}, model {found['model'][1]}" if found["model"] else name


def _jdk() -> str:
    home = os.environ.get("JAVA_HOME")
    said = subprocess.run([f"{home}/bin/java" if home else "java", "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "([^"]+)"', said)
    return found[1] if found else "unknown"


def _kafka() -> str:
    name = next(iter(sorted(find_jars("kafka").glob("kafka_2.13-*.jar")))).stem
    return name.removeprefix("kafka_2.13-")


@dataclass(frozen=True)
class Cost:
    """Wall-clock seconds, and CPU-seconds of Spark's JVM, of Python, of the broker and of everything else that ran."""

    wall_s: float
    jvm_s: float
    python_s: float
    broker_s: float
    others_s: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, name) + getattr(other, name) for name in vars(self)))

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 2) for name, value in vars(self).items()}


@dataclass
class Meter:
    """Reads what this process, its children and a broker have used so far."""

    broker_pids: Iterable[int] = ()
    _known: dict[int, tuple[str, float]] = field(default_factory=dict)

    def read(self) -> Cost:
        used = {"java": 0.0, "python": 0.0}
        brokers = set(self.broker_pids)
        for pid in set(_tree(os.getpid())) - brokers:
            self._known[pid] = _process(pid)
        for name, seconds in self._known.values():
            used["java" if name == "java" else "python"] += seconds
        broker = sum(_process(pid)[1] for pid in brokers)
        ours = used["java"] + used["python"] + broker
        return Cost(time.monotonic(), used["java"], used["python"], broker, _everything() - ours)

    @contextmanager
    def measure(self) -> Iterator[list[Cost]]:
        """A list that holds the cost of the block once it has ended."""
        found: list[Cost] = []
        before = self.read()
        yield found
        after = self.read()
        found.append(Cost(*(getattr(after, n) - getattr(before, n) for n in vars(after))))


def peak_memory_mib() -> float:
    """The most memory that this process and its living children have held, each at its own peak."""
    peaks = (re.search(r"VmHWM:\s+(\d+)", _read(f"/proc/{pid}/status")) for pid in _tree(os.getpid()))
    return round(sum(int(found[1]) for found in peaks if found) / 1024)


def _tree(pid: int) -> list[int]:
    children = (_read(f"/proc/{pid}/task/{task}/children").split() for task in _tasks(pid))
    return [pid, *(p for line in children for child in line for p in _tree(int(child)))]


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return []


def _process(pid: int) -> tuple[str, float]:
    """The name of a process, and the CPU-seconds that it has used."""
    head, _, rest = _read(f"/proc/{pid}/stat").rpartition(")")
    fields = rest.split()
    return head.partition("(")[2], (int(fields[11]) + int(fields[12])) / TICKS_PER_S if fields else 0.0


def _everything() -> float:
    """CPU-seconds of the whole machine, idle and waiting left out."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, _read("/proc/stat").splitlines()[0].split()[1:])
    return (user + nice + system + irq + softirq) / TICKS_PER_S


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""
