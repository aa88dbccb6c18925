"""The `paylake` command: one entry in COMMANDS per sub-command, imported only when it is called."""

from __future__ import annotations

import difflib
import importlib
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import paylake
from paylake.errors import PaylakeError, SettingsError
from paylake.settings import KafkaSettings, parse_settings, setting


class Command(NamedTuple):
    """A sub-command: its line in the help, and "module:function" of a `(argv) -> exit code`."""

    help: str
    target: str


COMMANDS: dict[str, Command] = {
    "demo": Command("run everything below on simulated payments, and report", "paylake.pipeline:demo"),
    "broker": Command("start, stop or look at a local Kafka cluster", "paylake.cli:broker"),
    "topics": Command("create the topics on the cluster that the settings name", "paylake.cli:topics"),
    "key": Command("make the secret key of the card tokens", "paylake.cli:key"),
    "simulate": Command("send simulated payments, with a known truth", "paylake.simulation.command:main"),
    "stream": Command("reconcile the three ledgers as their records arrive", "paylake.pipeline:stream"),
    "score": Command("score the gateway's payments for fraud as they arrive", "paylake.pipeline:score"),
    "publish-scores": Command("publish the scores to Redis and PostgreSQL", "paylake.publish_command:main"),
    "alerts": Command("show live fraud alerts, newest first", "paylake.alerts_command:main"),
    "train": Command("train a model of fraud from a lake, or judge those that there are", "paylake.train_command:main"),
    "review-queue": Command("queue a date's unusual payments, told without labels", "paylake.review_queue_command:main"),
    "nightly": Command("recompute, prove and publish a business date", "paylake.pipeline:nightly"),
    "publish-serving": Command(
        "publish a date's totals and profiles to Redis and DynamoDB", "paylake.publish_serving_command:main"
    ),
    "serve": Command("answer over HTTP with what was published to Redis", "paylake.serve_command:main"),
    "ingest": Command("take bank statements and processors' reports, and prove them", "paylake.ingest_command:main"),
    "dimensions": Command(
        "take merchants, users, locations and policies; show one as of a time", "paylake.dimensions_command:main"
    ),
    "ingest-to-s3": Command("land a ledger's history, without its card numbers", "paylake.history_command:ingest_to_s3"),
    "ingest-to-kafka": Command("replay what landed to the ledgers' topics", "paylake.history_command:ingest_to_kafka"),
    "reconcile": Command("reconcile files or tables by a rule set: try it first", "paylake.reconcile_command:main"),
    "report": Command("write the HTML report and the summary of a lake", "paylake.report.command:main"),
    "quality": Command("validate the published tables, and write their Data Docs", "paylake.quality_command:main"),
    "sql": Command("ask a lake in SQL: its tables, and the views of what is published", "paylake.sql_command:main"),
    "breaks": Command("list, show, resolve, replay and export breaks", "paylake.breaks_command:main"),
    "audit": Command("verify the audit log and what it says of the tables", "paylake.audit_command:main"),
    "period": Command("close the books up to a business date", "paylake.audit_command:period"),
    "catalog": Command("register the tables and views in AWS Glue, for Athena", "paylake.catalog_command:main"),
    "benchmark": Command(
        "judge fraud models on public data, beside published figures", "paylake.fraud_benchmark_command:main"
    ),
    "maintain": Command("compact, shorten and vacuum the batch side's tables by policy", "paylake.maintain_command:main"),
    "erase": Command("ask that a customer be erased from the lake's tables", "paylake.maintain_command:erase"),
    "quarantine": Command("list, show and release rejected records", "paylake.quarantine_command:main"),
    "deploy": Command("package a release for EMR Serverless, and run its jobs there", "paylake.deploy_command:main"),
}

HELP = """\
usage: paylake COMMAND [--name value ...]

Three payment ledgers, reconciled from Kafka into a proven index on Delta tables.

commands:
{commands}

`paylake COMMAND --help` lists its settings: each is a flag, else an environment variable, else a default.

examples:
  paylake demo --payments 20000 --chaos 0.10
  paylake broker start && paylake topics create
  paylake simulate --help
  paylake nightly --business-date 2026-03-31
  paylake ingest-to-s3 exports/gateway/ --ledger gateway && paylake ingest-to-kafka
  paylake reconcile ledger_and_bank_statement --source ledger=ledger.csv --source bank=statement.csv
  paylake sql "SELECT * FROM v_match_rate"
  KAFKA_BOOTSTRAP_SERVERS=b-1.example:9096 KAFKA_SECURITY_PROTOCOL=SASL_SSL paylake topics create

exit codes: 0 done, 1 failed, 2 a wrong setting, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command and return the process's exit code; foreseen errors become one line."""
    if argv is None:
        # A plain `kill` would end Python at once, and leave a broker behind that a `with` block was to stop.
        signal.signal(signal.SIGTERM, _terminated)
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except PaylakeError as error:
        print(f"paylake: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    except KeyboardInterrupt:
        print("paylake: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, had enough
        sys.stderr.close()
        return 1


def _terminated(signum: int, frame: Any) -> None:
    raise SystemExit(128 + signum)


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        width = max(map(len, COMMANDS))
        lines = "\n".join(f"  {name:{width}}  {command.help}" for name, command in COMMANDS.items())
        print(HELP.format(commands=lines), end="")
        return 0
    if arguments[0] == "--version":
        print(f"paylake {paylake.__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        raise SettingsError(_no_such("command", name, COMMANDS))
    return _load(name, COMMANDS[name])(rest)


def _load(name: str, command: Command) -> Callable[[list[str]], int]:
    module, _, function = command.target.partition(":")
    try:
        loaded: Callable[[list[str]], int] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("pyspark", "delta", "pandas"):
            raise SettingsError(f"`paylake {name}` needs {missing}: install it with pip install 'paylake[local]'.") from None
        if missing in ("fastapi", "uvicorn"):
            raise SettingsError(
                f"`paylake {name}` needs {missing}: install it with pip install 'paylake[serving]'."
            ) from None
        if missing in ("mlflow", "onnx", "onnxruntime", "sklearn", "sqlalchemy", "xgboost"):
            raise SettingsError(f"`paylake {name}` needs {missing}: install it with pip install 'paylake[fraud]'.") from None
        raise
    return loaded


def _no_such(what: str, given: str, known: Sequence[str] | dict[str, Any]) -> str:
    near = difflib.get_close_matches(given, list(known), n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
    return f"{given!r} is not a {what}: {hint}"


def _action(command: str, argv: Sequence[str], known: Sequence[str]) -> str:
    """The word after a command that has several; `--help` alone lists them."""
    if argv and argv[0] in known:
        return argv[0]
    if argv and not argv[0].startswith("-"):
        raise SettingsError(_no_such(f"{command} command", argv[0], known))
    ways = " or ".join(f"`paylake {command} {action}`" for action in known)
    if argv and argv[0] in ("-h", "--help"):
        print(f"usage: {ways}\n\nAdd --help to one of them for its settings.")
        raise SystemExit(0)
    raise SettingsError(f"`paylake {command}` needs one more word: {ways}.")


# --- broker ---


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """A local Kafka cluster, made of the jars that `make dev-setup` fetches."""

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake broker status",
        "paylake broker stop --data-dir /tmp/three",
    )

    data_dir: Path = setting(Path("build/broker"), "Folder of the cluster's data and logs.", env="PAYLAKE_BROKER_DIR")


@dataclass(frozen=True, kw_only=True)
class BrokerStartSettings(BrokerSettings):
    """Start a local Kafka cluster and wait until it answers; one that runs already is left as it is.

    One broker is its own controller. Several get a separate controller, and keep three copies of each record,
    of which two must be in sync.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake broker start",
        "paylake broker start --data-dir /tmp/three --brokers 3 --port 19092",
    )

    brokers: int = setting(1, "How many brokers.", aliases="--nodes")
    port: int = setting(9092, "Port of the first broker; another is found if it is taken.")


def broker(argv: list[str]) -> int:
    """`paylake broker start|stop|status`."""
    from paylake import broker as kafka

    action = _action("broker", argv, ("start", "stop", "status"))
    prog = f"paylake broker {action}"
    if action == "start":
        wanted = parse_settings(BrokerStartSettings, argv[1:], prog=prog)
        if not 1 <= wanted.brokers <= 9:
            raise SettingsError(f"--brokers: {wanted.brokers} is not from 1 to 9; for example --brokers 3.")
        if not 1024 <= wanted.port <= 65535:
            raise SettingsError(f"--port: {wanted.port} is not from 1024 to 65535; for example --port 9092.")
        cluster = kafka.start(wanted.data_dir, wanted.brokers, port=wanted.port)
        print(f"Kafka runs at {cluster.bootstrap_servers}; its logs are in {wanted.data_dir / 'log'}.")
        if cluster.bootstrap_servers != KafkaSettings().bootstrap_servers:
            print(f"export KAFKA_BOOTSTRAP_SERVERS={cluster.bootstrap_servers}")
        return 0
    settings = parse_settings(BrokerSettings, argv[1:], prog=prog)
    if action == "stop":
        stopped = kafka.stop(settings.data_dir)
        print("Kafka is stopped." if stopped else f"No Kafka of {settings.data_dir} was running.")
        return 0
    found = kafka.status(settings.data_dir)
    if found is None:
        print(f"No Kafka of {settings.data_dir} is running.")
        return 1
    print(f"Kafka runs at {found.bootstrap_servers}.")
    for process in found.processes:
        role = "controller" if process.node_id == kafka.CONTROLLER_ID else f"broker {process.node_id}"
        print(f"  {role}: process {process.pid}")
    return 0


# --- topics ---


@dataclass(frozen=True, kw_only=True)
class TopicsSettings(KafkaSettings):
    """Create the topics that do not exist yet, with the partitions and retention of their contracts."""

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake topics create",
        "paylake topics create --bootstrap-servers 127.0.0.1:19092 --replication-factor 3",
    )

    replication_factor: int | None = setting(
        None, "Copies of each record; without it 3, or fewer where there are fewer brokers."
    )


def topics(argv: list[str]) -> int:
    """`paylake topics create`."""
    from paylake.contracts.topics import TOPICS
    from paylake.topics import TopicSpec, create_topics

    action = _action("topics", argv, ("create",))
    settings = parse_settings(TopicsSettings, argv[1:], prog=f"paylake topics {action}")
    specs = {
        name: TopicSpec(topic.partitions, settings.replication_factor, {"retention.ms": str(topic.retention_ms)})
        for name, topic in TOPICS.items()
    }
    made = create_topics(settings, specs)
    for name in made.created:
        print(f"created {name}")
    for name in made.existing:
        print(f"already there: {name}")
    return 0


# --- key ---


@dataclass(frozen=True, kw_only=True)
class KeySettings:
    """Make a random key file for the card tokens, for its owner only; one that exists is left as it is."""

    EXAMPLES: ClassVar[Sequence[str]] = ("paylake key create build/token.key",)

    token_key: Path = setting(Path("build/token.key"), "The file to make.", env="PAYLAKE_TOKEN_KEY_FILE")


def key(argv: list[str]) -> int:
    """`paylake key create [FILE]`."""
    from paylake.token_key import create_key_file

    action = _action("key", argv, ("create",))
    rest = argv[1:]
    if rest and not rest[0].startswith("-"):
        rest = ["--token-key", *rest]
    settings = parse_settings(KeySettings, rest, prog=f"paylake key {action}")
    made = create_key_file(settings.token_key)
    print(f"created {settings.token_key}" if made else f"already there: {settings.token_key}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
