"""Keeps the truth on disk, away from every topic."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from paylake.simulation.generation import Chunk
from paylake.simulation.truth import FAULTS_SCHEMA, PAYMENTS_SCHEMA

TRUTH_ROWS = 200_000


class TruthWriter:
    """Writes the truth as Parquet under `<folder>/payments` and `<folder>/faults`, replacing any older."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._schemas = {"payments": PAYMENTS_SCHEMA, "faults": FAULTS_SCHEMA}
        self._kept: dict[str, list[pa.Table]] = {name: [] for name in self._schemas}
        self._parts = dict.fromkeys(self._schemas, 0)
        for name in self._schemas:
            (folder / name).mkdir(parents=True, exist_ok=True)
            for part in (folder / name).glob("part-*.parquet"):
                part.unlink()

    def add(self, chunk: Chunk) -> None:
        """Keep the truth of a chunk; any thread may add."""
        with self._lock:
            for name, rows in (("payments", chunk.payments), ("faults", chunk.faults)):
                self._kept[name].append(rows)
                if sum(map(len, self._kept[name])) >= TRUTH_ROWS:
                    self._write(name)

    def close(self) -> None:
        """Write the rest; a table without rows gets one empty part, so that it can be read."""
        for name, kept in self._kept.items():
            if sum(map(len, kept)) or not self._parts[name]:
                self._write(name)

    def _write(self, name: str) -> None:
        rows = pa.concat_tables([self._schemas[name].empty_table(), *self._kept[name]])
        pq.write_table(rows, self._folder / name / f"part-{self._parts[name]}.parquet")
        self._parts[name] += 1
        self._kept[name] = []
