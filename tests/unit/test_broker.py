"""The local Kafka cluster: really started, asked and stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from paylake import broker
from paylake.broker import Cluster
from paylake.errors import SourceError
from paylake.topics import TopicSpec, create_topics, end_offsets


def test_starting_again_finds_the_running_cluster(cluster: Cluster) -> None:
    assert broker.start(cluster.data_dir) == cluster
    assert broker.status(cluster.data_dir) == cluster


def test_a_record_comes_back_whatever_its_time_is(cluster: Cluster) -> None:
    create_topics(cluster.kafka, {"trip": TopicSpec(2)})
    long_ago, far_ahead = 1_000, 4_000_000_000_000
    producer = KafkaProducer(**cluster.kafka.client_options(), acks="all")
    for value, when in ((b"first", long_ago), (b"second", far_ahead)):
        producer.send("trip", value, partition=1, timestamp_ms=when).get(timeout=10)
    producer.close()
    assert end_offsets(cluster.kafka, ["trip"]) == {"trip": {0: 0, 1: 2}}

    consumer = KafkaConsumer(**cluster.kafka.client_options(), auto_offset_reset="earliest")
    consumer.assign([TopicPartition("trip", 1)])
    records = [next(consumer) for _ in range(2)]
    consumer.close()
    assert [(record.value, record.timestamp) for record in records] == [
        (b"first", long_ago),
        (b"second", far_ahead),
    ]


def test_another_number_of_brokers_is_refused(cluster: Cluster) -> None:
    with pytest.raises(SourceError, match=r"holds a cluster of 1 broker\(s\), not 3"):
        broker.start(cluster.data_dir, brokers=3)


@pytest.mark.parametrize("killed", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_cluster_starts_again_with_its_address_and_its_records(tmp_path: Path, killed: bool) -> None:
    with broker.running(tmp_path) as first:
        create_topics(first.kafka, {"kept": TopicSpec(1)})
        producer = KafkaProducer(**first.kafka.client_options(), acks="all")
        producer.send("kept", b"record").get(timeout=10)
        producer.close()
        if killed:
            os.kill(first.pid(1), signal.SIGKILL)
            wait_until_gone(tmp_path)
        else:
            assert broker.stop(tmp_path)
        second = broker.start(tmp_path)
        assert second.bootstrap_servers == first.bootstrap_servers
        assert second.pid(1) != first.pid(1)
        assert end_offsets(second.kafka, ["kept"]) == {"kept": {0: 1}}
    assert broker.status(tmp_path) is None
    assert not broker.stop(tmp_path)


A_COMMAND_THAT_HOLDS_A_CLUSTER = """
import sys, time
from pathlib import Path
from paylake import broker, cli

def hold(argv):
    with broker.running(Path(argv[0])):
        print("running", flush=True)
        time.sleep(60)

cli.hold = hold
cli.COMMANDS["hold"] = cli.Command("", "paylake.cli:hold")
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=[pytest.mark.slow, pytest.mark.thorough])],
)
def test_no_process_is_left_behind_a_command_that_is_ended(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    command = [sys.executable, "-c", A_COMMAND_THAT_HOLDS_A_CLUSTER, "hold", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "running\n"
        pid = json.loads((tmp_path / "cluster.json").read_text("utf-8"))["processes"][0]["pid"]
        holder.send_signal(sent)
        assert holder.wait(timeout=30) == code
    assert broker._started(pid) is None


def test_a_process_that_was_given_our_old_id_is_left_alone(tmp_path: Path) -> None:
    running = "import time; print('running', flush=True); time.sleep(60)"
    stranger = subprocess.Popen([sys.executable, "-c", running], stdout=subprocess.PIPE, text=True)
    try:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == "running\n"
        started = broker._started(stranger.pid)
        ours = {"node_id": 1, "pid": stranger.pid, "started": started}
        state = {"brokers": 1, "ports": {"1": 20001, "100": 20002}, "processes": [ours]}
        (tmp_path / "cluster.json").write_text(json.dumps(state), encoding="utf-8")
        assert broker.status(tmp_path) is None
        assert not broker.stop(tmp_path)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


def test_a_process_that_is_only_just_becoming_java_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {"node_id": 1, "pid": os.getpid(), "started": broker._started(os.getpid())}
    state = {"brokers": 1, "ports": {"1": 20001, "100": 20002}, "processes": [ours]}
    (tmp_path / "cluster.json").write_text(json.dumps(state), encoding="utf-8")
    assert broker.status(tmp_path) is None
    monkeypatch.setattr(broker, "_command_line", lambda pid: "")
    found = broker.status(tmp_path)
    assert found is not None
    assert found.pid(1) == os.getpid()


def test_a_broker_that_cannot_start_points_to_its_log(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "broker-1"
    folder.mkdir(parents=True)
    of_another_node = "version=1\nnode.id=7\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\n"
    (folder / "meta.properties").write_text(of_another_node, encoding="utf-8")
    with pytest.raises(SourceError, match="broker-1 ended while it started") as caught:
        broker.start(tmp_path)
    assert str(tmp_path / "log" / "broker-1.log") in str(caught.value)
    assert "7" in str(caught.value).rpartition("says:")[2]
    assert broker.status(tmp_path) is None


def test_a_folder_without_the_brokers_classes_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="could not format its data folder: see .*StorageTool"):
        broker.start(tmp_path, jars=tmp_path)


def test_an_unreadable_state_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text("{", encoding="utf-8")
    with pytest.raises(SourceError, match="cluster.json cannot be read"):
        broker.status(tmp_path)


def test_the_telling_line_of_a_log_is_its_last_error(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    log.write_text("INFO on\nERROR no space left\n\tat kafka.Kafka\nINFO off\n", encoding="utf-8")
    assert broker.last_words(log) == "ERROR no space left"
    assert broker.last_words(tmp_path / "none.log") == "(nothing)"


@pytest.mark.slow
def test_three_brokers_outlive_one_of_them(tmp_path: Path) -> None:
    with broker.running(tmp_path, brokers=3) as cluster:
        assert {process.node_id for process in cluster.processes} == {1, 2, 3, broker.CONTROLLER_ID}
        create_topics(cluster.kafka, {"safe": TopicSpec(3)})
        admin = KafkaAdminClient(**cluster.kafka.client_options())
        parts = admin.describe_topics(["safe"])[0]["partitions"]
        admin.close()
        assert all(len(part["replicas"]) == 3 for part in parts)

        os.kill(cluster.pid(2), signal.SIGKILL)
        producer = KafkaProducer(**cluster.kafka.client_options(), acks="all")
        for partition in range(3):
            producer.send("safe", b"still", partition=partition).get(timeout=60)
        producer.close()

        whole = broker.start(tmp_path, brokers=3)
        assert whole.bootstrap_servers == cluster.bootstrap_servers
        assert whole.pid(1) == cluster.pid(1)
        assert len(whole.processes) == 4
        assert end_offsets(whole.kafka, ["safe"]) == {"safe": {0: 1, 1: 1, 2: 1}}
    assert broker.status(tmp_path) is None


def wait_until_gone(data_dir: Path) -> None:
    deadline = time.monotonic() + 10
    while broker.status(data_dir) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
