"""The images, without a container engine: their files are linted, and their layers built as the images build them."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.server import ThreadedMotoServer
from packaging.requirements import Requirement

import paylake
from jobs.streaming.publish_scores import PublishScoresSettings
from jobs.streaming.reconcile_ledgers import ReconcileLedgersSettings
from jobs.streaming.score_transactions import ScoreTransactionsSettings
from paylake.jars import find_jars
from paylake.session import JVM_OPTIONS
from paylake.settings import parse_settings
from tests.deploy.support import ROOT, SPARK_HOME, infra_tool, java, run, versions

pytestmark = pytest.mark.infra

DOCKER = ROOT / "docker"
IMAGES = ("streaming", "batch")
LAYER_WITHIN_S = 240.0
EXTRAS = {"streaming": ("local", "aws", "fraud", "sinks", "serving"), "batch": ("aws", "fraud", "quality", "serving")}

LOGIN = """
import java.util.*;
import javax.security.auth.callback.Callback;
import javax.security.auth.login.AppConfigurationEntry;
import software.amazon.msk.auth.iam.*;
import software.amazon.msk.auth.iam.internals.AWSCredentialsCallback;

public class Login {
    public static void main(String[] none) throws Exception {
        var required = AppConfigurationEntry.LoginModuleControlFlag.REQUIRED;
        var entry = new AppConfigurationEntry(IAMLoginModule.class.getName(), required, new HashMap<String, Object>());
        var handler = new IAMClientCallbackHandler();
        handler.configure(new HashMap<>(), "AWS_MSK_IAM", List.of(entry));
        var asked = new AWSCredentialsCallback();
        handler.handle(new Callback[] {asked});
        System.out.println("took " + asked.getAwsCredentials().accessKeyId());
    }
}
"""

JOB = """
import signal, sys, threading
from pyspark.sql import SparkSession

asked = threading.Event()
signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
spark = SparkSession.builder.getOrCreate()

def take(rows, number):
    print(f"batch {number} begins", flush=True)
    rows.count()
    if number == 1:
        asked.wait(60)
    print(f"batch {number} ends", flush=True)

query = (
    spark.readStream.format("rate").load().writeStream.foreachBatch(take)
    .option("checkpointLocation", sys.argv[1]).trigger(processingTime="100 milliseconds").start()
)
while not asked.is_set():
    assert not query.awaitTermination(1), "ended by itself"
while query.status["isTriggerActive"] and query.lastProgress["batchId"] < 1:
    pass
query.stop()
conf = spark._jsparkSession.sessionState().newHadoopConf()
place = spark._jvm.org.apache.hadoop.fs.Path(sys.argv[1])
managers = getattr(spark._jvm, "org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager$")
manager = getattr(managers, "MODULE$").create(place, conf).getClass().getSimpleName()
print(f"manager {manager}; stopped in order", flush=True)
"""

ASKED = """
import json, sys, setuptools
found = {}
setuptools.setup = lambda **given: found.update(given)
exec(open("setup.py").read(), {"__file__": "setup.py", "__name__": "__main__"})
print(json.dumps(found["install_requires"] + [r for extra in sys.argv[1:] for r in found["extras_require"][extra]]))
"""


def dockerfile(image: str) -> str:
    return (DOCKER / image / "Dockerfile").read_text(encoding="utf-8")


def last_stage(image: str) -> str:
    return dockerfile(image).rpartition("\nFROM ")[2]


def artifact(jar: str) -> str:
    """A jar's name without its version."""
    return re.sub(r"-[0-9].*", "", jar)


# --- files ---


def test_linters_find_nothing() -> None:
    run(infra_tool("hadolint"), "--config", DOCKER / ".hadolint.yaml", *sorted(DOCKER.glob("*/Dockerfile")))
    run(infra_tool("shellcheck"), *sorted([*DOCKER.rglob("*.sh"), *(ROOT / "k8s").glob("*.sh")]))


def test_checkov_finds_nothing_and_has_read_both_files() -> None:
    told = run(
        infra_tool("checkov"), "--framework", "dockerfile", "--directory", DOCKER, "--skip-download", "--output", "json"
    )
    summary = json.loads(told)["summary"]
    assert (summary["failed"], summary["parsing_errors"], summary["resource_count"] >= 2) == (0, 0, True)


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN apt-get install curl\n", encoding="utf-8")
    told = run(infra_tool("hadolint"), "--config", DOCKER / ".hadolint.yaml", tmp_path / "Dockerfile", code=1)
    assert "DL3006" in told


@pytest.mark.parametrize("image", IMAGES)
def test_every_base_is_an_argument_that_versions_names(image: str) -> None:
    bases = re.findall(r"^FROM (\S+)", dockerfile(image), re.MULTILINE)
    assert {re.fullmatch(r"\$\{(\w+)\}", base)[1] for base in bases} <= versions().keys()  # type: ignore[index]


def test_bases_are_pinned_by_digest_and_the_rest_by_version() -> None:
    for name, image in versions().items():
        assert re.search(r":[\w.-]+", image), f"{name} has no tag"
        if name in ("MAVEN_IMAGE", "PYTHON_IMAGE", "JAVA_IMAGE"):
            assert re.search(r"@sha256:[0-9a-f]{64}$", image), f"{name} has no digest"
        elif name != "EMR_IMAGE":
            assert not image.endswith(":latest"), f"{name} is whatever is newest"


@pytest.mark.skipif("@sha256:" in versions()["EMR_IMAGE"], reason="every base has a digest now")
def test_a_base_without_a_digest_is_refused_before_anything_is_built() -> None:
    told = run(DOCKER / "build.sh", "batch", code=1)
    assert "names no digest for public.ecr.aws/" in told


def test_a_build_is_given_every_version_that_its_file_asks_for(tmp_path: Path) -> None:
    docker, asked = tmp_path / "docker", tmp_path / "asked"
    docker.write_text(f'#!/usr/bin/env bash\nprintf "%s\\n" "$@" > {asked}\n', encoding="utf-8")
    docker.chmod(0o755)
    run(DOCKER / "build.sh", "streaming", "--push", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    words = asked.read_text(encoding="utf-8").splitlines()
    assert words[:4] == ["buildx", "build", "--file", "docker/streaming/Dockerfile"]
    assert words[-2:] == ["--push", "."]
    given = dict(word.split("=", 1) for before, word in zip(words, words[1:], strict=False) if before == "--build-arg")
    assert given.keys() == set(re.findall(r"^ARG (\w+)$", dockerfile("streaming"), re.MULTILINE))
    assert {name: given[name] for name in given.keys() & versions().keys()}.items() <= versions().items()
    assert given["VERSION"] == paylake.__version__


def test_an_unknown_image_is_refused_in_a_sentence() -> None:
    assert "there is no image nightly" in run(DOCKER / "build.sh", "nightly", code=2)


@pytest.mark.parametrize(("image", "user"), [("streaming", "10001:10001"), ("batch", "hadoop:hadoop")])
def test_the_image_ends_as_its_user_and_owns_nothing(image: str, user: str) -> None:
    stage = last_stage(image)
    assert re.findall(r"^USER (\S+)", stage, re.MULTILINE)[-1] == user
    assert "--chown" not in stage


def test_no_build_tool_is_left_in_the_streaming_image() -> None:
    stage = last_stage("streaming")
    assert "pip uninstall --yes setuptools wheel pip" in stage
    assert not re.search(r"apt-get|pip install|mvn|gcc", stage)
    assert "pip uninstall --yes setuptools wheel pip" in dockerfile("streaming").partition("FROM ${JAVA_IMAGE}")[0]


@pytest.mark.parametrize("image", IMAGES)
def test_what_a_dockerfile_copies_enters_its_build(image: str) -> None:
    allowed = (DOCKER / image / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    kept = {line[1:] for line in allowed.splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile(image), re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(source == keep or source.startswith(f"{keep}/") or keep.startswith(f"{source}/") for keep in kept)


# --- Python packages ---


@pytest.mark.parametrize("image", IMAGES)
def test_locked_packages_satisfy_what_setup_asks_for(image: str) -> None:
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", (DOCKER / image / "requirements.txt").read_text("utf-8"), re.MULTILINE))
    for requirement in requirements(image):
        name = requirement.name.lower().replace("_", "-")
        assert name in locked, f"{requirement} is not in docker/{image}/requirements.txt: run docker/lock.sh"
        assert locked[name] in requirement.specifier, f"{requirement}, but {locked[name]} is locked: run docker/lock.sh"


def requirements(image: str) -> list[Requirement]:
    """What setup.py asks for in an image."""
    told = run(sys.executable, "-c", ASKED, *EXTRAS[image])
    return [Requirement(line) for line in json.loads(told.splitlines()[-1])]


def test_the_streaming_image_runs_the_spark_of_the_pom() -> None:
    pom = (ROOT / "pom.xml").read_text(encoding="utf-8")
    locked = (DOCKER / "streaming" / "requirements.txt").read_text(encoding="utf-8")
    for name, package in {"spark.version": "pyspark", "delta.version": "delta-spark"}.items():
        version = re.search(rf"<{name}>(.*)</{name}>", pom)[1]  # type: ignore[index]
        assert f"\n{package}=={version} " in locked


@pytest.mark.parametrize("image", IMAGES)
def test_every_locked_package_has_a_hash(image: str) -> None:
    text = (DOCKER / image / "requirements.txt").read_text(encoding="utf-8")
    packages = [block for block in re.split(r"\n(?=[\w.-]+==)", text) if "==" in block]
    assert len(packages) > 50
    assert [block.splitlines()[0] for block in packages if "--hash=sha256:" not in block] == []


# --- jars ---


def test_the_streaming_layer_has_what_the_image_adds_once(spark_home: Path) -> None:
    every = [jar.name for jar in (spark_home / "jars").glob("*.jar")]
    added = set(every) - {jar.name for jar in (SPARK_HOME / "jars").iterdir()}
    artifacts = [artifact(name) for name in every]
    assert [name for name in sorted(added) if artifacts.count(artifact(name)) != 1] == []
    needed = {"delta-spark_4.2_2.13", "spark-sql-kafka", "hadoop-aws", "aws-msk-iam-auth", "spark-hadoop-cloud_2.13"}
    assert needed <= {artifact(name) for name in added}
    assert "commons-logging" not in artifacts


def test_the_batch_layer_leaves_spark_and_delta_to_emr(fetched: dict[str, Path]) -> None:
    artifacts = {artifact(jar.name) for jar in fetched["batch"].glob("*.jar")}
    assert {"spark-sql-kafka", "kafka-clients", "aws-msk-iam-auth"} <= artifacts
    assert [a for a in artifacts if a.startswith(("delta-", "spark-core", "spark-sql_", "hadoop-"))] == []


MVN = """#!/usr/bin/env bash
# stands where Maven would, and brings the jars that Maven has brought before
for word in "$@"; do
  case $word in -DoutputDirectory=*) folder=${word#*=} ;; *) ;; esac
done
mkdir "$folder" && ln -s "$FETCHED"/*.jar "$folder"
"""


def test_a_jar_that_the_list_does_not_know_is_refused(fetched: dict[str, Path], tmp_path: Path) -> None:
    mvn = tmp_path / "bin" / "mvn"
    mvn.parent.mkdir()
    mvn.write_text(MVN, encoding="utf-8")
    mvn.chmod(0o755)
    env = {"PATH": f"{mvn.parent}:{os.environ['PATH']}", "FETCHED": str(fetched["batch"])}
    shutil.copytree(DOCKER / "jars", tmp_path / "docker" / "jars")
    shutil.copy(ROOT / "pom.xml", tmp_path)
    known = tmp_path / "docker" / "jars" / "batch.sha256"
    first, *rest = known.read_text(encoding="utf-8").splitlines(keepends=True)
    known.write_text("".join(rest), encoding="utf-8")
    told = run(tmp_path / "docker" / "jars" / "fetch.sh", "batch", tmp_path / "jars", env=env, code=1)
    assert f"does not know {first.split()[1]}" in told
    another = "0" * 64
    known.write_text(another + first[64:] + "".join(rest), encoding="utf-8")
    told = run(tmp_path / "docker" / "jars" / "fetch.sh", "batch", tmp_path / "jars", env=env, code=1)
    assert "did NOT match" in told


def test_kafka_logs_in_by_an_iam_role_with_the_layers_jars(spark_home: Path, tmp_path: Path) -> None:
    program = tmp_path / "Login.java"
    program.write_text(LOGIN, encoding="utf-8")
    who = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_REGION": "eu-central-1"}
    assert "took nobody" in java(program, f"{spark_home}/jars/*", env=who)


def test_the_bill_of_materials_names_packages_and_jars(fetched: dict[str, Path], tmp_path: Path) -> None:
    wheel_into(tmp_path / "site-packages")
    for image in IMAGES:
        layer = tmp_path / image
        shutil.copytree(fetched[image], layer / "jars", copy_function=os.link)
        shutil.copytree(tmp_path / "site-packages", layer / "site-packages", copy_function=os.link)
        shutil.copy(DOCKER / image / "requirements.txt", layer)
        bill = ROOT / "build" / "sbom" / f"{image}.cdx.json"
        bill.parent.mkdir(parents=True, exist_ok=True)
        run(infra_tool("syft"), "scan", f"dir:{layer}", "--quiet", "--output", f"cyclonedx-json={bill}")
        told = json.loads(bill.read_text(encoding="utf-8"))
        assert told["bomFormat"] == "CycloneDX"
        found = {part["name"] for part in told["components"]}
        assert {"paylake", "kafka-clients", "aws-msk-iam-auth", "boto3", "numpy"} <= found
        assert ("pyspark" in found) == (image == "streaming")


def wheel_into(folder: Path) -> None:
    """Install the wheel as the images do: from no more than what enters their build."""
    source = folder.parent / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "libs" / "paylake", source / "libs" / "paylake", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    run(*pip, "--no-deps", "--no-build-isolation", "--target", folder, source)
    shutil.rmtree(source)


# --- the container's process ---


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What lies in /opt/paylake, as far as its processes need it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "conf").mkdir()
    for script in (DOCKER / "streaming").glob("*.sh"):
        (tmp_path / "bin" / script.name).symlink_to(script)
    (tmp_path / "conf" / "log4j2.properties").symlink_to(ROOT / "libs" / "paylake" / "log4j2.properties")
    return tmp_path


def surroundings(home: Path, spark_home: Path) -> dict[str, str]:
    """The variables that the image sets, for other folders."""
    return {
        "PATH": f"{spark_home}/bin:{os.environ['PATH']}",
        "PAYLAKE_HOME": str(home),
        "SPARK_HOME": str(spark_home),
        "SPARK_CONF_DIR": str(home / "conf"),
        "PYSPARK_PYTHON": sys.executable,
        "TMPDIR": str(home),
    }


@pytest.fixture
def bucket() -> Iterator[str]:
    """The address of an S3 server that has the bucket `lake`."""
    import boto3

    # it would tell of each request
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        boto3.client(
            "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nothing"
        ).create_bucket(Bucket="lake")
        yield address
    finally:
        server.stop()


def cluster_settings(home: Path) -> Path:
    """The cluster's Spark settings, for the folders of this test."""
    text = (ROOT / "k8s" / "base" / "streaming" / "conf" / "spark-defaults.conf").read_text(encoding="utf-8")
    path = home / "spark-defaults.conf"
    path.write_text(text.replace("/opt/paylake/", f"{home}/"), encoding="utf-8")
    return path


def test_a_driver_with_the_clusters_settings_keeps_its_checkpoint_on_s3_and_ends_its_batch_when_asked(
    home: Path, spark_home: Path, bucket: str
) -> None:
    job = home / "job.py"
    job.write_text(JOB, encoding="utf-8")
    s3 = {
        "aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider", "access.key": "nobody",
        "secret.key": "nothing", "endpoint": bucket, "endpoint.region": "us-east-1", "path.style.access": "true",
    }  # fmt: skip
    argv = [
        str(home / "bin" / "entrypoint.sh"), "driver", "--master", "local[2]",
        "--properties-file", str(cluster_settings(home)), "--conf", "spark.driver.host=127.0.0.1",
        "--conf", "spark.driver.port=0", "--conf", "spark.driver.blockManager.port=0", "--conf", "spark.driver.memory=1g",
        *[part for name, value in s3.items() for part in ("--conf", f"spark.hadoop.fs.s3a.{name}={value}")],
        str(job), "s3a://lake/checkpoint",
    ]  # fmt: skip
    process = subprocess.Popen(
        argv, env=surroundings(home, spark_home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(process.stdout or ()), daemon=True)
    reader.start()
    try:
        deadline = time.monotonic() + LAYER_WITHIN_S
        while not any(line.startswith("batch 1 begins") for line in said):
            assert process.poll() is None, "".join(said)
            assert time.monotonic() < deadline, "".join(said)
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LAYER_WITHIN_S) == 0, "".join(said)
        reader.join(timeout=10)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert "batch 1 ends\n" in said
    assert said[-1] == "manager AbortableStreamBasedCheckpointFileManager; stopped in order\n"


def test_a_job_of_ours_runs_in_it_and_its_exit_code_is_the_containers(home: Path, spark_home: Path) -> None:
    job = ROOT / "jobs" / "streaming" / "reconcile_ledgers.py"
    told = run(
        home / "bin" / "entrypoint.sh", "driver", "--master", "local[1]", job, "--lak", "x",
        env=surroundings(home, spark_home), code=1,
    )  # fmt: skip
    assert "paylake: --lak is not a known flag: did you mean --lake?" in told


def test_an_executor_starts_with_the_arguments_that_spark_knows(home: Path, spark_home: Path) -> None:
    given = {
        "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@127.0.0.1:9", "SPARK_EXECUTOR_ID": "1",
        "SPARK_EXECUTOR_CORES": "1", "SPARK_EXECUTOR_MEMORY": "256m", "SPARK_APPLICATION_ID": "spark-1",
        "SPARK_EXECUTOR_POD_IP": "127.0.0.1", "SPARK_RESOURCE_PROFILE_ID": "0", "SPARK_EXECUTOR_POD_NAME": "executor-1",
        "SPARK_JAVA_OPT_0": f"-Dlog4j2.configurationFile={home}/log4j2.properties", "SPARK_JAVA_OPT_10": "-Dlast=10",
        "SPARK_JAVA_OPT_2": "-Dspark.rpc.io.connectionTimeout=2s",
    }  # fmt: skip
    logged = (ROOT / "libs" / "paylake" / "log4j2.properties").read_text(encoding="utf-8")
    (home / "log4j2.properties").write_text(logged.replace("= fatal", "= error"), encoding="utf-8")
    told = run(home / "bin" / "entrypoint.sh", "executor", env=surroundings(home, spark_home) | given, code=1)
    assert "Usage" not in told
    assert "Connection refused" in told


def test_an_executor_that_is_to_go_is_told_and_waited_for(home: Path) -> None:
    said = home / "said"
    # a process of nobody's: one that its parent has not asked for would look alive
    loop = f"trap 'sleep 0.3; echo handed over > {said}; exit' PWR; while :; do sleep 0.05; done"
    started = run("bash", "-c", f'setsid bash -c "{loop}" > /dev/null 2>&1 & echo $!')
    time.sleep(0.3)
    run(home / "bin" / "decommission.sh", started.strip(), "20", within_s=15)
    assert said.read_text(encoding="utf-8") == "handed over\n"


@pytest.mark.parametrize(("argv", "code", "said"), [((), 2, "say driver, executor or a command"), (("echo", "hi"), 0, "hi")])
def test_any_other_command_takes_the_containers_place(home: Path, argv: tuple[str, ...], code: int, said: str) -> None:
    assert said in run(home / "bin" / "entrypoint.sh", *argv, env={"PAYLAKE_HOME": str(home)}, code=code)


def test_the_cluster_compiles_what_the_local_session_compiles() -> None:
    text = (ROOT / "k8s" / "base" / "streaming" / "conf" / "spark-defaults.conf").read_text(encoding="utf-8")
    for role in ("driver", "executor"):
        options = re.search(rf"^spark\.{role}\.extraJavaOptions\s+(.*)$", text, re.MULTILINE)[1]  # type: ignore[index]
        assert options.startswith(JVM_OPTIONS)


# --- compose ---

COMPOSE = ("compose.yaml", "compose.cluster.yaml")


def compose(name: str) -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))
    return found


def test_compose_files_follow_the_specification(tmp_path: Path) -> None:
    check = [infra_tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    run(*check, *[DOCKER / name for name in COMPOSE])
    misspelt = tmp_path / "compose.yaml"
    misspelt.write_text((DOCKER / "compose.yaml").read_text("utf-8").replace("healthcheck:", "healthchek:", 1), "utf-8")
    assert "healthchek" in run(*check, misspelt, code=1)


def test_ports_and_volumes_are_those_that_people_know() -> None:
    one, three = (compose(name) for name in COMPOSE)
    ports = [port for file in (one, three) for s in file["services"].values() for port in s.get("ports", ())]  # type: ignore[attr-defined]
    assert all(port.startswith("127.0.0.1:") for port in ports), "a port is open to the network"
    published = {name: s["ports"][0].split(":")[1] for name, s in one["services"].items() if "ports" in s}  # type: ignore[index]
    assert published == {"kafka": "9092", "redis": "6379", "postgres": "5432", "prometheus": "9090", "grafana": "3000"}
    brokers = {name: s["ports"][0].split(":")[1] for name, s in three["services"].items()}  # type: ignore[index]
    assert brokers == {"kafka-controller": "19093", "kafka-1": "9092", "kafka-2": "9093", "kafka-3": "9094"}
    assert set(three["volumes"]) == {"kafka_1_data", "kafka_2_data", "kafka_3_data", "kafka_controller_data"}
    assert one["services"]["kafka"]["image"].startswith("${KAFKA_IMAGE")  # type: ignore[attr-defined]
    assert versions()["KAFKA_IMAGE"] == "apache/kafka:4.1.1"


def test_the_stream_of_compose_says_what_its_job_understands() -> None:
    stream = compose("compose.yaml")["services"]["stream"]
    environment, (runs, *options, script) = stream["environment"], stream["command"]  # type: ignore[misc]
    assert (runs, options, script) == (
        "driver",
        ["--master", "local[2]"],
        "/opt/paylake/jobs/streaming/reconcile_ledgers.py",
    )
    settings = parse_settings(ReconcileLedgersSettings, [], environment)  # type: ignore[arg-type]
    assert settings.bootstrap_servers == "kafka:19092"
    assert settings.lake.startswith("/var/lib/paylake/")
    assert settings.checkpoint.startswith("/var/lib/paylake/")
    mounted = stream["volumes"]
    assert "../libs:/opt/paylake/src:ro" in mounted  # type: ignore[operator]
    assert environment["PYTHONPATH"] == "/opt/paylake/src"  # type: ignore[index]


def test_the_scores_of_compose_go_to_its_own_servers() -> None:
    services = compose("compose.yaml")["services"]
    for name, kind in {"scores": ScoreTransactionsSettings, "publish": PublishScoresSettings}.items():
        *_, script = services[name]["command"]  # type: ignore[misc]
        assert (ROOT / script.removeprefix("/opt/paylake/")).exists()
        settings: Any = parse_settings(kind, [], services[name]["environment"])  # type: ignore[arg-type]
        assert settings.lake == services["stream"]["environment"]["PAYLAKE_LAKE"]  # type: ignore[index]
    sinks = settings.sinks()
    assert {str(sink.server) for sink in sinks} == {"Redis at redis:6379", "PostgreSQL at postgres:5432"}
    assert {"redis", "postgres", "scores"} <= set(services["publish"]["depends_on"])  # type: ignore[call-overload]


def test_every_variable_of_compose_is_set_or_has_a_default() -> None:
    for name in COMPOSE:
        text = (DOCKER / name).read_text(encoding="utf-8")
        named = set(re.findall(r"\$\{(\w+)(?::\?[^}]*)?\}", text))
        assert named <= versions().keys()


def test_prometheus_reads_the_endpoint_of_the_stream() -> None:
    scraped = yaml.safe_load((DOCKER / "compose" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert scraped[0]["static_configs"][0]["targets"] == [
        "stream:8090",
        "scores:8090",
        "publish:8090",
        "host.docker.internal:8090",
    ]


NODES = [(name, node) for name in COMPOSE for node in compose(name)["services"] if node.startswith("kafka")]


@pytest.mark.parametrize(("file", "node"), NODES)
def test_kafkas_own_start_up_takes_each_nodes_settings(file: str, node: str, tmp_path: Path) -> None:
    assert formatted(kafka_environment(file, node), tmp_path) == 0


def test_kafkas_own_start_up_refuses_what_does_not_fit(tmp_path: Path) -> None:
    settings = kafka_environment("compose.cluster.yaml", "kafka-1")
    assert formatted(settings | {"KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE"}, tmp_path) != 0


def kafka_environment(file: str, node: str) -> dict[str, str]:
    given = compose(file)["services"][node]["environment"]
    assert isinstance(given, dict)
    # the image has a cluster's name of its own where none is given
    return {"CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw"} | given


def formatted(environment: dict[str, str], folder: Path) -> int:
    """How the program ends that turns an image's variables into Kafka's configuration, and formats the node's disk by it."""
    for name in ("default", "mounted", "final", "data"):
        (folder / name).mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (folder / "default" / name).touch()
    folders = [f"--{name}-configs-dir={folder / name}" for name in ("default", "mounted", "final")]
    wrapper = ["java", "-cp", f"{find_jars('kafka')}/*", "kafka.docker.KafkaDockerWrapper", "setup", *folders]
    environment = {"PATH": os.environ["PATH"]} | environment | {"KAFKA_LOG_DIRS": str(folder / "data")}
    return subprocess.run(wrapper, env=environment, capture_output=True, timeout=60).returncode
