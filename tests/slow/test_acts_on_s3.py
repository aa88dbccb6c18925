"""Acts on an object store: each is written once, also where several write it at the same moment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from paylake.jars import jar_folder
from tests.faulty_s3 import faulty_s3

ROOT = Path(__file__).parents[2]

# a process of its own, since a session cannot take the jars of S3A once it runs
WRITERS = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from paylake import act_store
from paylake.contracts.resolution import ActKind
from paylake.resolution.acts import Act
from paylake.session import build_session

spark = build_session("acts", json.loads(sys.argv[1]), jar_sets=("spark", "s3"))
lake = "s3a://acts/lake"
assert act_store.names(spark, lake) == set()
acts = [Act(ActKind.REPLAY, "b1", f"writer {n}", datetime(2026, 3, 31, tzinfo=UTC), "lost", ledger="core") for n in range(4)]

def write(act):
    try:
        act_store.write(spark, lake, act)
    except act_store.ActExists:
        return None
    return act

with ThreadPoolExecutor(4) as pool:
    written = [act for act in pool.map(write, acts) if act is not None]
assert len(written) == 1, written
assert write(acts[0]) is None
assert act_store.names(spark, lake) == {"replay-b1-core"}
assert act_store.read(spark, lake, ["replay-b1-core"]) == {"replay-b1-core": written[0].to_json()}
print("once")
"""


@pytest.mark.slow
def test_an_object_is_written_once_however_many_write_it() -> None:
    if jar_folder("s3") is None:
        pytest.skip("needs the jars of S3A: run make test-slow")
    with faulty_s3(0, bucket="acts", share=0.0) as store:
        argv = [sys.executable, "-c", WRITERS, json.dumps(store.conf)]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["once"]), done.stderr[-3000:]
