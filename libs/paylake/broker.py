"""A real Kafka cluster on this machine, run from Maven's jars.

`start`, `stop`, `status` and `running` care for a KRaft cluster whose whole state lies in one folder:
`cluster.json` (ports and processes), `config/`, `data/` and `log/`.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient

from paylake.errors import SourceError
from paylake.jars import find_jars
from paylake.settings import KafkaSettings
from paylake.topics import client

CONTROLLER_ID = 100
"""Node id of the separate controller that a cluster of several brokers has."""

READY_WITHIN_S = 60.0
STOPPED_WITHIN_S = 20.0

# Below the range from which systems take ports for outgoing connections: a client that keeps asking for a
# broker that is away could otherwise be given the broker's own port and connect to itself.
_PORTS = range(20_000, 32_000)

_JVM = (
    *("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss",
)


@dataclass(frozen=True)
class Process:
    """One JVM of ours; `started` tells it from a later process that was given the same id."""

    node_id: int
    pid: int
    started: str


@dataclass(frozen=True)
class Cluster:
    """A local cluster: its address, and those of its processes that are alive."""

    data_dir: Path
    bootstrap_servers: str
    brokers: int
    processes: tuple[Process, ...]

    @property
    def kafka(self) -> KafkaSettings:
        """The settings that reach this cluster."""
        return KafkaSettings(bootstrap_servers=self.bootstrap_servers)

    def pid(self, node_id: int) -> int:
        """The process id of a broker (1, 2, ...) or of the controller (CONTROLLER_ID)."""
        return next(process.pid for process in self.processes if process.node_id == node_id)


def start(
    data_dir: Path,
    brokers: int = 1,
    jars: Path | None = None,
    port: int | None = None,
    ready_within_s: float = READY_WITHIN_S,
) -> Cluster:
    """Start the cluster of `data_dir`, or whichever of its processes are down, and wait until it answers.

    One broker is its own controller; several get a separate one, replication 3 (or the number of brokers,
    if that is smaller) and one in-sync replica less. `port` is the first broker's, if it is free. A cluster
    keeps its ports over restarts while nobody else takes them. Raises SourceError where it cannot start;
    nothing that this call started is left running then.
    """
    data_dir = data_dir.resolve()
    with _locked(data_dir):
        state = _read_state(data_dir)
        if state is not None and state.brokers != brokers:
            raise SourceError(
                f"{data_dir} holds a cluster of {state.brokers} broker(s), not {brokers}: "
                f"ask for {state.brokers}, or name another folder."
            )
        alive = () if state is None else _alive(data_dir, state.processes)
        if state is None or not alive:
            state = _State(brokers, _choose_ports(brokers, {} if state is None else state.ports, port), ())
        started = [node for node in _nodes(state) if node.node_id not in {process.node_id for process in alive}]
        if started:
            java, class_path = _java(), jars or find_jars("kafka")
            cluster_id = _cluster_id(data_dir)
            for node in started:
                _configure(data_dir, node, state)
            _format(data_dir, java, class_path, cluster_id, started)
            try:
                for node in started:
                    alive = (*alive, _spawn(data_dir, java, class_path, node))
                    # Written after each one: an interrupted start leaves no process that nobody knows.
                    state = _State(state.brokers, state.ports, alive)
                    _write_state(data_dir, state)
                _await_answers(data_dir, state, ready_within_s)
            except BaseException:
                _terminate(data_dir, [p for p in alive if p.node_id in {node.node_id for node in started}])
                raise
        return _cluster(data_dir, state, alive)


def status(data_dir: Path) -> Cluster | None:
    """The cluster of `data_dir` with its living processes, or None if none is alive."""
    data_dir = data_dir.resolve()
    state = _read_state(data_dir)
    alive = () if state is None else _alive(data_dir, state.processes)
    return _cluster(data_dir, state, alive) if state is not None and alive else None


def stop(data_dir: Path) -> bool:
    """Stop the cluster of `data_dir` and wait until it is gone; its data stays. False if nothing ran."""
    data_dir = data_dir.resolve()
    if not data_dir.exists():
        return False
    with _locked(data_dir):
        state = _read_state(data_dir)
        alive = () if state is None else _alive(data_dir, state.processes)
        _terminate(data_dir, alive)
        if state is not None:
            _write_state(data_dir, _State(state.brokers, state.ports, ()))
        return bool(alive)


@contextmanager
def running(data_dir: Path, brokers: int = 1, jars: Path | None = None, port: int | None = None) -> Iterator[Cluster]:
    """A started cluster for the length of a `with` block, stopped however the block ends."""
    cluster = start(data_dir, brokers, jars, port)
    try:
        yield cluster
    finally:
        stop(data_dir)


@dataclass(frozen=True)
class _State:
    """What `cluster.json` holds. `ports` has one per broker, and the controller's under CONTROLLER_ID."""

    brokers: int
    ports: Mapping[int, int]
    processes: tuple[Process, ...]


@dataclass(frozen=True)
class _Node:
    node_id: int
    is_broker: bool
    is_controller: bool

    @property
    def name(self) -> str:
        return f"broker-{self.node_id}" if self.is_broker else "controller"


def _nodes(state: _State) -> list[_Node]:
    """The controller first, since brokers wait for it."""
    if state.brokers == 1:
        return [_Node(1, is_broker=True, is_controller=True)]
    brokers = [_Node(number, is_broker=True, is_controller=False) for number in range(1, state.brokers + 1)]
    return [_Node(CONTROLLER_ID, is_broker=False, is_controller=True), *brokers]


def _cluster(data_dir: Path, state: _State, alive: Iterable[Process]) -> Cluster:
    servers = ",".join(f"127.0.0.1:{state.ports[number]}" for number in range(1, state.brokers + 1))
    return Cluster(data_dir, servers, state.brokers, tuple(alive))


def _read_state(data_dir: Path) -> _State | None:
    path = data_dir / "cluster.json"
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        ports = {int(node_id): int(port) for node_id, port in saved["ports"].items()}
        return _State(int(saved["brokers"]), ports, tuple(Process(**process) for process in saved["processes"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise SourceError(f"{path} cannot be read: see with `ps` that no broker of it runs, then remove it.") from None


def _write_state(data_dir: Path, state: _State) -> None:
    part = data_dir / "cluster.json.part"
    part.write_text(json.dumps(asdict(state), indent=2) + "\n", encoding="utf-8")
    part.replace(data_dir / "cluster.json")


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """One start or stop at a time per folder."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / ".lock").open("w")
    except OSError as error:
        raise SourceError(
            f"the broker's folder {data_dir} cannot be written ({error.strerror}): name another with --data-dir."
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _choose_ports(brokers: int, before: Mapping[int, int], first: int | None) -> dict[int, int]:
    # A process that was just killed may hold its ports for a moment longer than its name.
    deadline = time.monotonic() + 5
    while not all(map(_is_free, before.values())) and time.monotonic() < deadline:
        time.sleep(0.05)
    wanted = dict(before)
    if first is not None and 1 not in before:
        wanted[1] = first
    chosen: dict[int, int] = {}
    for node_id in [*range(1, brokers + 1), CONTROLLER_ID]:
        port = wanted.get(node_id)
        while port is None or port in chosen.values() or not _is_free(port):
            port = random.choice(_PORTS)
        chosen[node_id] = port
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        # As Kafka itself does: connections of an earlier run that are still closing do not matter.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _cluster_id(data_dir: Path) -> str:
    """The id that the folder was formatted with, else a new one of the form that Kafka writes."""
    for written in sorted(data_dir.glob("data/*/meta.properties")):
        found = re.search(r"^cluster\.id=(\S+)", written.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):  # the format command would take it for an option
            return made


def _config_path(data_dir: Path, node: _Node) -> Path:
    return data_dir / "config" / f"{node.name}.properties"


def _log_path(data_dir: Path, node: _Node) -> Path:
    return data_dir / "log" / f"{node.name}.log"


def _node_folder(data_dir: Path, node: _Node) -> Path:
    return data_dir / "data" / node.name


def _configure(data_dir: Path, node: _Node, state: _State) -> None:
    """Write a node's properties. The quorum is static, so that a restart may use other ports."""
    controller_id = 1 if state.brokers == 1 else CONTROLLER_ID
    controller = f"127.0.0.1:{state.ports[CONTROLLER_ID]}"
    listeners = []
    if node.is_broker:
        listeners.append(f"PLAINTEXT://127.0.0.1:{state.ports[node.node_id]}")
    if node.is_controller:
        listeners.append(f"CONTROLLER://{controller}")
    replicas = min(3, state.brokers)
    in_sync = max(1, replicas - 1)
    roles = ",".join(role for role, has in (("broker", node.is_broker), ("controller", node.is_controller)) if has)
    properties = {
        "process.roles": roles,
        "node.id": node.node_id,
        "controller.quorum.voters": f"{controller_id}@{controller}",
        "listeners": ",".join(listeners),
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": _node_folder(data_dir, node).as_posix(),
        "auto.create.topics.enable": "false",
        "num.partitions": 2,
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": 0,
        # Simulated payments carry simulated times: by the broker's own clock they may be a year old, and
        # would be deleted at once, or lie in the future, and would be refused.
        "log.message.timestamp.after.max.ms": 2**63 - 1,
        "log.retention.check.interval.ms": 2**62,
        "log.initial.task.delay.ms": 2**62,
    }
    if node.is_broker:
        properties["inter.broker.listener.name"] = "PLAINTEXT"
    path = _config_path(data_dir, node)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()), encoding="utf-8")


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(f"{home}/bin/java" if home else "java")
    if java is None:
        where = f"JAVA_HOME ({home})" if home else "PATH"
        raise SourceError(f"no java was found through {where}: install a JDK, 17 or newer.")
    return java


def _format(data_dir: Path, java: str, jars: Path, cluster_id: str, nodes: Iterable[_Node]) -> None:
    """Prepare the folders of nodes that never ran, all at the same time."""
    fresh = [node for node in nodes if not (_node_folder(data_dir, node) / "meta.properties").exists()]
    formatting = []
    for node in fresh:
        log = _log_path(data_dir, node)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [java, *_JVM, "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format", "--ignore-formatted"]
        command += ["-t", cluster_id, "-c", str(_config_path(data_dir, node))]
        with log.open("ab") as output:
            formatting.append((node, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)))
    failed = [node for node, process in formatting if process.wait() != 0]
    for node in failed:
        raise _broken(data_dir, node, "could not format its data folder")


def _spawn(data_dir: Path, java: str, jars: Path, node: _Node) -> Process:
    """Start a node in a session of its own: a Ctrl-C in the terminal is for our code, not half a cluster."""
    log = _log_path(data_dir, node)
    log.parent.mkdir(parents=True, exist_ok=True)
    config = str(_config_path(data_dir, node))
    command = [java, *_JVM, "-cp", f"{jars}/*", "kafka.Kafka", config]
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawn(java, command, os.environ, file_actions=files, setsid=True)
    return Process(node.node_id, pid, _started(pid) or "")


def _started(pid: int) -> str | None:
    """When the process `pid` started, as the system puts it, or None if there is none (a zombie is none)."""
    try:
        # After the command's name in brackets: state is the first field and the start time the twentieth.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    asked = subprocess.run(["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True)
    state, _, when = asked.stdout.strip().partition(" ")
    return None if not when or state.startswith("Z") else when.strip()


def _command_line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout


def _is_ours(data_dir: Path, process: Process) -> bool:
    """Whether the recorded process still is the one that we started: same start, and our properties file."""
    with suppress(ChildProcessError, PermissionError):
        os.waitpid(process.pid, os.WNOHANG)
    if _started(process.pid) != process.started:
        return False
    command_line = _command_line(process.pid)
    # Linux shows none for the moment in which a process that was just spawned becomes java.
    return not command_line or f"{data_dir}/config/" in command_line


def _alive(data_dir: Path, processes: Iterable[Process]) -> tuple[Process, ...]:
    return tuple(process for process in processes if _is_ours(data_dir, process))


def _terminate(data_dir: Path, processes: Iterable[Process]) -> None:
    """End our processes, brokers before the controller that they sign off at; kill what does not end."""
    order = sorted(processes, key=lambda process: process.node_id == CONTROLLER_ID)
    brokers = [process for process in order if process.node_id != CONTROLLER_ID]
    for group in (brokers, [process for process in order if process not in brokers]):
        for end in (signal.SIGTERM, signal.SIGKILL):
            for process in _alive(data_dir, group):
                with suppress(ProcessLookupError):
                    os.kill(process.pid, end)
            deadline = time.monotonic() + STOPPED_WITHIN_S
            while _alive(data_dir, group) and time.monotonic() < deadline:
                time.sleep(0.05)


def _await_answers(data_dir: Path, state: _State, within_s: float) -> None:
    """Return when every broker is in the metadata that each of them gives."""
    nodes = {node.node_id: node for node in _nodes(state)}
    waiting = [node_id for node_id, node in nodes.items() if node.is_broker]
    deadline = time.monotonic() + within_s
    while waiting:
        living = {process.node_id for process in _alive(data_dir, state.processes)}
        for node in nodes.values():
            if node.node_id not in living:
                raise _broken(data_dir, node, "ended while it started")
        if time.monotonic() > deadline:
            raise _broken(data_dir, nodes[waiting[0]], f"did not answer within {within_s:.0f} s")
        if _knows(state.ports[waiting[0]], state.brokers):
            waiting.pop(0)
        else:
            time.sleep(0.1)


def _knows(port: int, brokers: int) -> bool:
    """Whether the broker at `port` answers a metadata request and names so many brokers."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return False
    try:
        with client(KafkaAdminClient, KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}"), 2.0) as admin:
            return len(admin.describe_cluster()["brokers"]) == brokers
    except SourceError:
        return False


def _broken(data_dir: Path, node: _Node, what: str) -> SourceError:
    log = _log_path(data_dir, node)
    return SourceError(f"Kafka's {node.name} {what}: see {log}, which says: {last_words(log)}")


def last_words(log: Path) -> str:
    """The line of a log that most likely says what went wrong: the last error, else the last line."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(nothing)"
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("\tat ", "\t..."))]
    telling = [line for line in lines if re.search(r"ERROR|FATAL|Exception|Error\b|error:", line)]
    return (telling or lines or ["(nothing)"])[-1][:400]
