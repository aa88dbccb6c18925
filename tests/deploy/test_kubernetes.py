"""The manifests, without a cluster: strict schemas, what one driver per table needs, and a rollout that turns back."""

from __future__ import annotations

import copy
import inspect
import json
import re
import shlex
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from jobs.streaming.alert_transactions import AlertTransactionsSettings
from jobs.streaming.publish_scores import PublishScoresSettings
from jobs.streaming.reconcile_ledgers import ReconcileLedgersSettings
from jobs.streaming.score_transactions import ScoreTransactionsSettings
from paylake import streams
from paylake.cli import COMMANDS
from paylake.contracts.topics import PG_TRANSACTIONS, TOPICS
from paylake.history_command import IngestToKafkaSettings, IngestToS3Settings
from paylake.serve_command import ServeSettings
from paylake.settings import parse_settings
from tests.deploy.support import (
    KUBERNETES,
    OVERLAYS,
    ROOT,
    Manifest,
    built,
    infra_tool,
    java,
    manifests,
    named,
    of_kind,
    pod_of,
    run,
)

pytestmark = pytest.mark.infra

K8S = ROOT / "k8s"
CONF = K8S / "base" / "streaming" / "conf"
DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/paylake/streaming@{DIGEST}"
JOBS = {
    "reconcile-ledgers": ReconcileLedgersSettings,
    "score-transactions": ScoreTransactionsSettings,
    "publish-scores": PublishScoresSettings,
    "alert-transactions": AlertTransactionsSettings,
}
HISTORY = {"ingest-to-s3": IngestToS3Settings, "ingest-to-kafka": IngestToKafkaSettings}
MIB = {"Mi": 1, "Gi": 1024, "m": 1, "g": 1024}

KEYS = """
import java.nio.file.*;
import java.util.*;
import org.apache.hadoop.fs.s3a.Constants;
import org.apache.spark.internal.config.ConfigEntry;

public class Keys {
    public static void main(String[] files) throws Exception {
        // an entry is known once the object that declares it is loaded
        for (String owner : List.of(
                "internal.config.package$", "internal.config.UI$", "internal.config.Network$", "deploy.k8s.Config$",
                "sql.internal.SQLConf$"))
            Class.forName("org.apache.spark." + owner);
        var s3a = new HashSet<Object>();
        for (var field : Constants.class.getFields())
            if (field.getType() == String.class) s3a.add("spark.hadoop." + field.get(null));
        for (String line : Files.readAllLines(Path.of(files[0]))) {
            String[] said = line.strip().split("\\\\s+", 2);
            if (said[0].isEmpty() || said[0].startsWith("#") || s3a.contains(said[0])) continue;
            ConfigEntry<?> entry = ConfigEntry.findEntry(said[0]);
            if (entry == null) System.out.println("unknown: " + said[0]);
            else try {
                entry.valueConverter().apply(said[1]);
            } catch (Exception wrong) {
                System.out.println("no value of it: " + said[0]);
            }
        }
    }
}
"""


def drivers(overlay: str) -> dict[str, Manifest]:
    """Name of the job -> its Deployment."""
    found = [m for m in of_kind(manifests(overlay), "Deployment") if m["metadata"]["namespace"] == "paylake"]
    return {m["metadata"]["name"].removesuffix("-driver"): m for m in found}


def container(manifest: Manifest) -> Manifest:
    (only,) = pod_of(manifest)["spec"]["containers"]
    return only  # type: ignore[no-any-return]


def variables(overlay: str, manifest: Manifest) -> dict[str, str]:
    """The variables of a workload's container, as the cluster would set them."""
    given: dict[str, str] = {"POD_NAME": "pod-1", "POD_NAMESPACE": "paylake", "POD_IP": "10.40.0.9"}
    for source in container(manifest)["envFrom"]:
        given |= named(manifests(overlay), "ConfigMap", source["configMapRef"]["name"])["data"]
    return given | {v["name"]: v["value"] for v in container(manifest).get("env", ()) if "value" in v}


def command_line(overlay: str, manifest: Manifest) -> list[str]:
    """What a workload's container runs, with its variables filled in."""
    values = variables(overlay, manifest)
    words = [*container(manifest).get("command", ()), *container(manifest).get("args", ())]
    return [re.sub(r"\$\((\w+)\)", lambda found: values[found[1]], word) for word in words]


def conf_of(overlay: str, manifest: Manifest) -> dict[str, str]:
    """The Spark settings of a driver's command line."""
    said = (word.removeprefix("--conf=") for word in command_line(overlay, manifest) if word.startswith("--conf="))
    return dict(word.split("=", 1) for word in said)


def defaults() -> dict[str, str]:
    """The Spark settings that the drivers share."""
    lines = (CONF / "spark-defaults.conf").read_text(encoding="utf-8").splitlines()
    said = (line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return {key: value for key, value in said}


def mebibytes(size: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\w+)", size).groups()  # type: ignore[union-attr]
    return int(number) * MIB[unit]


def executor() -> Manifest:
    found: Manifest = yaml.safe_load((CONF / "executor-pod.yaml").read_text(encoding="utf-8"))
    return found


# --- schemas ---


def validated(path: Path, code: int) -> str:
    return run(infra_tool("kubernetes-validate"), "--strict", "-k", KUBERNETES, path, code=code)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_field_is_one_that_kubernetes_knows(overlay: str, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(built(f"overlays/{overlay}"), encoding="utf-8")
    told = validated(tmp_path / "all.yaml", code=0)
    assert told.count("INFO") == len(manifests(f"overlays/{overlay}"))
    validated(CONF / "executor-pod.yaml", code=0)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("terminationGracePeriodSeconds:", "terminationGracePeriodSecond:"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"),
        ("maxUnavailable: 1", "maxUnavailabel: 1"),
        ("podSelector: {}", "podSelectors: {}"),
        ("replicas: 1", "replicas: one"),
    ],
)
def test_a_misspelt_field_fails(right: str, wrong: str, tmp_path: Path) -> None:
    # a config map's data may say anything
    resources = [one for one in built("overlays/prod").split("\n---\n") if "\nkind: ConfigMap\n" not in one]
    resource = next(one for one in resources if right in one)
    (tmp_path / "one.yaml").write_text(resource.replace(right, wrong), encoding="utf-8")
    validated(tmp_path / "one.yaml", code=1)


def test_spark_knows_every_setting_and_its_value(spark_home: Path, tmp_path: Path) -> None:
    shared, classes = CONF / "spark-defaults.conf", f"{spark_home}/jars/*"
    own = "\n".join(f"{k} {v}" for d in drivers("overlays/prod").values() for k, v in conf_of("overlays/prod", d).items())
    every = tmp_path / "every.conf"
    every.write_text(
        shared.read_text(encoding="utf-8") + own + "\nspark.decomission.enabled true\nspark.driver.port x\n", "utf-8"
    )
    program = tmp_path / "Keys.java"
    program.write_text(KEYS, encoding="utf-8")
    told = {line for line in java(program, classes, str(every)).splitlines() if line.startswith(("unknown:", "no value"))}
    # the first two are known where Spark has no entry of them: tests/deploy/test_images.py runs with both
    assert told == {
        "unknown: spark.master",
        "unknown: spark.sql.streaming.checkpointFileManagerClass",
        "unknown: spark.decomission.enabled",
        "no value of it: spark.driver.port",
    }


def test_checkov_finds_nothing_that_has_no_reason(tmp_path: Path) -> None:
    files: list[str | Path] = []
    for overlay in OVERLAYS:
        manifest = tmp_path / f"{overlay}.yaml"
        manifest.write_text(released(overlay, tmp_path), encoding="utf-8")
        files += ["--file", manifest]
    told = run(
        infra_tool("checkov"), "--framework", "kubernetes", *files, "--config-file", K8S / ".checkov.yaml",
        "--skip-download", "--output", "json", code=None,
    )  # fmt: skip
    found = json.loads(told)
    failed = {(check["check_id"], check["resource"]) for check in found["results"]["failed_checks"]}
    assert failed == set()
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["resource_count"] >= sum(len(manifests(f"overlays/{overlay}")) for overlay in OVERLAYS)


# --- the form that Apache's operator runs ---


def applications() -> list[Manifest]:
    return of_kind(manifests("overlays/spark-operator"), "SparkApplication")


def without_its_schema(application: Manifest) -> list[str]:
    """What a SparkApplication says that it may not say."""
    schema = json.loads((Path(__file__).parent / "spark-application.schema.json").read_text(encoding="utf-8"))
    return [error.message for error in Draft202012Validator(schema).iter_errors(application)]


def test_the_operators_applications_say_only_what_it_knows(tmp_path: Path) -> None:
    for application in applications():
        assert without_its_schema(application) == []
        for role in ("driver", "executor"):
            pod = {"apiVersion": "v1", "kind": "Pod"} | application["spec"][f"{role}Spec"]["podTemplateSpec"]
            # Spark gives a pod its name and its image
            pod["metadata"] = pod["metadata"] | {"name": role}
            (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod), encoding="utf-8")
            validated(tmp_path / "pod.yaml", code=0)
    (first, *_) = copy.deepcopy(applications())
    first["spec"]["applicationTolerations"]["restartConfig"]["restartPolicys"] = "Always"
    first["spec"]["driverSpec"]["podTemplateSpec"]["speck"] = {}
    assert len(without_its_schema(first)) == 2


def test_the_operator_replaces_the_deployments_and_changes_nothing_else() -> None:
    resources = manifests("overlays/spark-operator")
    assert [
        m["metadata"]["name"] for m in of_kind(resources, "Deployment", "Service") if "driver" in m["metadata"]["name"]
    ] == []
    assert {a["metadata"]["name"].removesuffix("-driver") for a in applications()} == JOBS.keys()
    left_out = {"spark.master", "spark.submit.deployMode", "spark.kubernetes.executor.podTemplateFile"}
    for application in applications():
        spec, job = application["spec"], application["metadata"]["name"].removesuffix("-driver")
        deployment = drivers("overlays/prod")[job]
        said = conf_of("overlays/prod", deployment)
        assert (defaults().items() - spec["sparkConf"].items()) == {(key, defaults()[key]) for key in left_out}
        for key in said.keys() & spec["sparkConf"].keys():
            assert spec["sparkConf"][key] == said[key], key
        assert said.keys() - spec["sparkConf"].keys() == {
            "spark.driver.host",
            "spark.driver.bindAddress",
            "spark.kubernetes.driver.pod.name",
        }
        words = command_line("overlays/prod", deployment)
        script = spec["pyFiles"].removeprefix("local://")
        assert [script, *spec["driverArgs"]] == words[words.index(script) :]
        pods = {role: spec[f"{role}Spec"]["podTemplateSpec"]["spec"] for role in ("driver", "executor")}
        assert pods["executor"] == executor()["spec"]
        ours = pod_of(deployment)["spec"]
        same = ("terminationGracePeriodSeconds", "securityContext", "nodeSelector")
        assert {name: pods["driver"][name] for name in same} == {name: ours[name] for name in same}
        probes = ("startupProbe", "livenessProbe", "readinessProbe", "securityContext", "envFrom")
        (theirs,) = pods["driver"]["containers"]
        assert all(setting in container(deployment)["env"] for setting in theirs["env"])
        assert {setting["name"] for setting in theirs["env"]} == {"PAYLAKE_HEALTH_PORT", "PAYLAKE_HEALTH_ADDRESS"}
        assert {name: theirs[name] for name in probes} == {name: container(deployment)[name] for name in probes}


# --- one driver per table ---


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_there_is_never_a_second_driver(overlay: str) -> None:
    found = drivers(f"overlays/{overlay}")
    assert found.keys() == JOBS.keys()
    for deployment in found.values():
        assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
    scaled = {
        m["spec"]["scaleTargetRef"]["name"] for m in of_kind(manifests(f"overlays/{overlay}"), "HorizontalPodAutoscaler")
    }
    assert scaled == {"anomaly-detector"}


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("job", JOBS)
def test_a_drivers_flags_and_settings_are_those_of_its_job(job: str, overlay: str) -> None:
    deployment = drivers(f"overlays/{overlay}")[job]
    words = command_line(f"overlays/{overlay}", deployment)
    (script,) = [word for word in words if word.endswith(".py")]
    assert script == f"/opt/paylake/jobs/streaming/{job.replace('-', '_')}.py"
    assert (ROOT / script.removeprefix("/opt/paylake/")).exists()
    settings: Any = parse_settings(JOBS[job], words[words.index(script) + 1 :], variables(f"overlays/{overlay}", deployment))
    assert settings.lake.startswith("s3a://")
    assert settings.checkpoint == "", "the job's own place below the lake, which nothing expires"
    assert (settings.health_port, settings.health_address) == (8090, "0.0.0.0"), "where probes and Prometheus ask"
    if job == "publish-scores":
        assert settings.redis == f"rediss://paylake-{overlay}-serving@redis.invalid:6379/0"
        assert (settings.redis_iam, settings.region) == (f"paylake-{overlay}", "eu-central-1")
        return
    assert settings.token_key.startswith("aws-secret:")
    options = settings.spark_options()
    assert (options["kafka.security.protocol"], options["kafka.sasl.mechanism"]) == ("SASL_SSL", "AWS_MSK_IAM")
    assert all(server.endswith(":9098") for server in settings.bootstrap_servers.split(","))


def test_what_is_no_spark_logs_in_by_its_role_too() -> None:
    given = variables("overlays/prod", drivers("overlays/prod")["reconcile-ledgers"])
    options = parse_settings(ReconcileLedgersSettings, [], given).client_options()
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "AWS_MSK_IAM")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_setting_of_a_place_is_one_that_paylake_reads(overlay: str) -> None:
    known = {"AWS_REGION", "AWS_DEFAULT_REGION"}
    known |= {
        name for kind in (*JOBS.values(), *HISTORY.values()) for field in fields(kind) for name in field.metadata["env"]
    }
    given = named(manifests(f"overlays/{overlay}"), "ConfigMap", "paylake-settings")["data"]
    assert given.keys() <= known
    # kafka-python's login by a role asks for the first, the AWS SDK of Java for the second
    assert given["AWS_DEFAULT_REGION"] == given["AWS_REGION"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_jobs_and_services_run_commands_that_there_are(overlay: str) -> None:
    resources = manifests(f"overlays/{overlay}")
    topics = command_line(f"overlays/{overlay}", named(resources, "Job", "topics"))
    assert topics == ["paylake", "topics", "create"]
    history = named(resources, "CronJob", "history")
    assert history["spec"]["suspend"], "somebody asks for it"
    assert command_line(f"overlays/{overlay}", history)[:2] == ["paylake", "ingest-to-kafka"]
    api = container(named(resources, "Deployment", "anomaly-detector"))
    assert api["args"][:2] == ["paylake", "serve"]
    assert {"topics", "serve", *HISTORY} <= COMMANDS.keys()
    # the image itself names the health port
    given = named(resources, "ConfigMap", "serving-settings")["data"]
    settings = parse_settings(ServeSettings, api["args"][2:], given)
    ports = {port["name"]: port["containerPort"] for port in api["ports"]}
    assert (settings.host, settings.port) == ("0.0.0.0", ports["http"])
    assert settings.redis == f"rediss://paylake-{overlay}-serving@redis.invalid:6379/0"
    assert (settings.redis_iam, settings.region) == (f"paylake-{overlay}", "eu-central-1")


def test_a_driver_has_time_to_end_its_batch() -> None:
    batch_s = inspect.signature(streams._stop_between_batches).parameters["limit_s"].default
    query_s = int(defaults()["spark.sql.streaming.stopTimeout"].removesuffix("s"))
    for deployment in drivers("overlays/prod").values():
        assert batch_s + query_s + 30 <= pod_of(deployment)["spec"]["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_health_is_asked_of_the_process_itself(overlay: str) -> None:
    for deployment in of_kind(manifests(f"overlays/{overlay}"), "Deployment"):
        asked = container(deployment)
        ports = {port["name"]: port["containerPort"] for port in asked["ports"]}
        paths = {probe: asked[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert ports["health"] == 8090
        assert {get["port"] for get in paths.values()} == {"health"}
        assert [get["path"] for get in paths.values()] == ["/live", "/live", "/ready"]
        annotations = pod_of(deployment)["metadata"]["annotations"]
        assert (annotations["prometheus.io/port"], annotations["prometheus.io/path"]) == ("8090", "/metrics")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_executors_find_their_driver_before_it_is_ready(overlay: str) -> None:
    resources = manifests(f"overlays/{overlay}")
    for job, deployment in drivers(f"overlays/{overlay}").items():
        service = named(resources, "Service", f"{job}-driver")
        assert (
            conf_of(f"overlays/{overlay}", deployment)["spark.driver.host"] == f"{service['metadata']['name']}.paylake.svc"
        )
        assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
        labels = pod_of(deployment)["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
        others = [pod_of(d)["metadata"]["labels"] for name, d in drivers(f"overlays/{overlay}").items() if name != job]
        assert not any(service["spec"]["selector"].items() <= other.items() for other in others)
        ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
        assert str(ports["driver"]) == defaults()["spark.driver.port"]
        assert str(ports["blocks"]) == defaults()["spark.driver.blockManager.port"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_as_large_as_what_runs_in_them(overlay: str) -> None:
    for deployment in drivers(f"overlays/{overlay}").values():
        conf = conf_of(f"overlays/{overlay}", deployment)
        asked = container(deployment)["resources"]
        assert asked["requests"]["memory"] == asked["limits"]["memory"]
        # a JVM takes more than its heap, and Python runs beside it
        assert mebibytes(conf["spark.driver.memory"]) + 768 <= mebibytes(asked["limits"]["memory"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_real_time_mode_has_a_core_for_each_partition(overlay: str) -> None:
    conf = conf_of(f"overlays/{overlay}", drivers(f"overlays/{overlay}")["alert-transactions"])
    assert int(conf["spark.executor.instances"]) * int(conf["spark.executor.cores"]) >= TOPICS[PG_TRANSACTIONS].partitions


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_executors_end_with_their_driver_and_hand_over_before_they_go(overlay: str) -> None:
    conf = defaults()
    assert conf["spark.decommission.enabled"] == conf["spark.storage.decommission.enabled"] == "true"
    # a spot node gives two minutes' notice, and a drained one waits as long as its pod says
    assert 30 <= int(conf["spark.kubernetes.executor.terminationGracePeriodSeconds"].removesuffix("s")) <= 120
    assert conf["spark.kubernetes.executor.podTemplateFile"].endswith("/executor-pod.yaml")
    assert executor()["spec"]["nodeSelector"] == {"eks.amazonaws.com/capacityType": "SPOT"}
    for deployment in drivers(f"overlays/{overlay}").values():
        assert pod_of(deployment)["spec"]["nodeSelector"] == {"eks.amazonaws.com/capacityType": "ON_DEMAND"}
        own = conf_of(f"overlays/{overlay}", deployment)
        assert own["spark.kubernetes.driver.pod.name"] == "pod-1", "Kubernetes deletes what the driver's pod owns"
        probe = container(deployment)["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= 600, "a node for the executors may take minutes"


def test_names_are_asked_of_the_clusters_own_service() -> None:
    (rule,) = named([m for m in manifests("overlays/prod") if m["metadata"].get("namespace") == "paylake"],
                    "NetworkPolicy", "names")["spec"]["egress"]  # fmt: skip
    (door,) = rule["to"]
    assert door["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
    assert door["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {("UDP", 53), ("TCP", 53)}


def test_what_the_cluster_calls_in_the_image_is_there() -> None:
    dockerfile = (ROOT / "docker" / "streaming" / "Dockerfile").read_text(encoding="utf-8")
    copied = {}
    for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            whole = target.rstrip("/") if not target.endswith("/") else target + Path(source).name
            copied[whole] = ROOT / source
    called = {word for d in drivers("overlays/prod").values() for word in command_line("overlays/prod", d)}
    called |= {word for value in defaults().values() for word in re.findall(r"/opt/paylake/[\w./-]+", value)}
    for path in sorted(word for word in called if word.startswith("/opt/paylake/")):
        if path.startswith("/opt/paylake/kubernetes/"):
            assert (CONF / Path(path).name).exists(), path
            continue
        target = next(target for target in copied if path == target or path.startswith(f"{target}/"))
        assert (copied[target] / Path(path).relative_to(target)).exists(), path


# --- who may do what ---


def test_the_driver_may_make_executors_and_nothing_else() -> None:
    resources = manifests("overlays/prod")
    (role,) = of_kind(resources, "Role", "ClusterRole")
    (binding,) = of_kind(resources, "RoleBinding", "ClusterRoleBinding")
    assert [rule["resources"] for rule in role["rules"]] == [["pods"]]
    assert "*" not in json.dumps(role["rules"])
    assert {(s["kind"], s["name"], s["namespace"]) for s in binding["subjects"]} == {
        ("ServiceAccount", job, "paylake") for job in JOBS
    }
    for job, deployment in drivers("overlays/prod").items():
        executors = conf_of("overlays/prod", deployment)["spark.kubernetes.authenticate.executor.serviceAccountName"]
        assert pod_of(deployment)["spec"]["serviceAccountName"] == executors == job
    with_token = {
        m["metadata"]["name"]
        for m in of_kind(resources, "Deployment", "Job", "CronJob")
        if pod_of(m)["spec"]["automountServiceAccountToken"]
    }
    assert with_token == {f"{job}-driver" for job in JOBS}
    assert executor()["spec"]["automountServiceAccountToken"] is False


def test_terraform_gives_a_role_to_every_account_that_needs_aws() -> None:
    stack = (ROOT / "infra" / "terraform" / "stack" / "components.tf").read_text(encoding="utf-8")
    roles = set(re.findall(r'service_account = \{ namespace = "([\w-]+)", name = "([\w-]+)" \}', stack))
    accounts = {
        (m["metadata"]["namespace"], m["metadata"]["name"]) for m in of_kind(manifests("overlays/prod"), "ServiceAccount")
    }
    # a state machine of the stack can create the topics too
    assert accounts - roles <= {("paylake", "topics")}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_restricted(overlay: str) -> None:
    resources = manifests(f"overlays/{overlay}")
    for namespace in of_kind(resources, "Namespace"):
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for workload in [*of_kind(resources, "Deployment", "Job", "CronJob"), executor()]:
        pod, asked = pod_of(workload)["spec"], container(workload)
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert asked["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"name": "tmp", "mountPath": "/tmp"} in asked["volumeMounts"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_secret_is_in_a_manifest(overlay: str) -> None:
    assert of_kind(manifests(f"overlays/{overlay}"), "Secret") == []
    given = [d for m in of_kind(manifests(f"overlays/{overlay}"), "ConfigMap") for d in m["data"] if d.isupper()]
    assert [name for name in given if re.search(r"PASSWORD|SECRET|_KEY$|ACCESS_KEY", name)] == []


@pytest.mark.parametrize("namespace", ["paylake", "fraud-detection"])
def test_what_is_not_allowed_is_denied(namespace: str) -> None:
    policies = [m for m in of_kind(manifests("overlays/prod"), "NetworkPolicy") if m["metadata"]["namespace"] == namespace]
    (deny,) = [m["spec"] for m in policies if m["metadata"]["name"] == "default-deny"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in policies:
        assert {} not in policy["spec"].get("ingress", []) + policy["spec"].get("egress", []), "open to everything"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_network_is_the_one_that_terraform_makes(overlay: str) -> None:
    root = (ROOT / "infra" / "terraform" / "live" / overlay / "main.tf").read_text(encoding="utf-8")
    made = re.search(r'^\s*cidr\s*= "(.*)"$', root, re.MULTILINE)[1]  # type: ignore[index]
    policies = of_kind(manifests(f"overlays/{overlay}"), "NetworkPolicy")
    blocks = set(re.findall(r'"cidr": "([^"]+)"', json.dumps(policies)))
    assert blocks == {made, "0.0.0.0/0", "169.254.170.23/32"}


def openings(policy: str, way: str, component: str) -> set[str]:
    """The ports on which a policy of the drivers' namespace lets a component through."""
    spec = named(
        [m for m in manifests("overlays/prod") if m["metadata"].get("namespace") == "paylake"], "NetworkPolicy", policy
    )
    rules = [rule for rule in spec["spec"][way] if component in json.dumps(rule)]
    return {str(port["port"]) for rule in rules for port in rule["ports"]}


def test_drivers_and_executors_reach_each_other_and_aws() -> None:
    conf = defaults()
    driver = {conf["spark.driver.port"], conf["spark.driver.blockManager.port"]}
    blocks = {conf["spark.blockManager.port"]}
    assert openings("driver", "ingress", '"executor"') == openings("executor", "egress", '"driver"') == driver
    assert openings("driver", "egress", '"executor"') == openings("executor", "ingress", "executor") == blocks
    assert openings("executor", "egress", '"executor"') == blocks
    assert openings("kafka-and-aws", "egress", "ipBlock") == {"9098", "443", "80"}
    assert openings("servers", "egress", "ipBlock") == {"6379"}
    assert openings("driver", "ingress", "monitoring") == {"8090"}


def test_the_api_is_where_people_expect_it_and_grows_with_its_load() -> None:
    resources = manifests("overlays/prod")
    (api,) = [m for m in of_kind(resources, "Deployment") if m["metadata"]["namespace"] == "fraud-detection"]
    assert pod_of(api)["metadata"]["labels"]["app"] == "anomaly-detector"
    assert "replicas" not in api["spec"], "every rollout would undo what the autoscaler did"
    scaler = named(resources, "HorizontalPodAutoscaler", "anomaly-detector")["spec"]
    assert [metric["resource"]["name"] for metric in scaler["metrics"]] == ["cpu", "memory"]
    assert scaler["scaleTargetRef"]["name"] == api["metadata"]["name"]
    assert 2 < scaler["minReplicas"] < scaler["maxReplicas"]
    asked = container(api)["resources"]
    memory = next(
        m["resource"]["target"]["averageUtilization"] for m in scaler["metrics"] if m["resource"]["name"] == "memory"
    )
    # the scaler measures by what a pod asks for, and must act before the limit ends it
    assert memory / 100 * mebibytes(asked["requests"]["memory"]) < mebibytes(asked["limits"]["memory"])


def test_budgets_let_one_go_at_a_time() -> None:
    resources = manifests("overlays/prod")
    for name, pods in {"drivers": len(JOBS), "anomaly-detector": 1}.items():
        budget = named(resources, "PodDisruptionBudget", name)
        assert budget["spec"]["maxUnavailable"] == 1
        wanted = budget["spec"]["selector"]["matchLabels"].items()
        labels = [
            pod_of(m)["metadata"]["labels"]
            for m in of_kind(resources, "Deployment")
            if m["metadata"]["namespace"] == budget["metadata"]["namespace"]
        ]
        assert sum(wanted <= label.items() for label in labels) == pods


# --- what is released ---


def settings_folder(overlay: str, folder: Path) -> Path:
    """An environment's settings, with addresses filled in."""
    place = folder / f"settings-{overlay}"
    place.mkdir(exist_ok=True)
    for name in ("paylake.env", "serving.env"):
        text = (K8S / "overlays" / overlay / name).read_text(encoding="utf-8")
        (place / name).write_text(text.replace(".invalid", ""), encoding="utf-8")
    return place


def released(overlay: str, folder: Path) -> str:
    return run(K8S / "manifest.sh", overlay, IMAGE, settings_folder(overlay, folder))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_released_names_its_image_by_digest_everywhere(overlay: str, tmp_path: Path) -> None:
    resources = [m for m in yaml.safe_load_all(released(overlay, tmp_path)) if m]
    images = {container(m)["image"] for m in of_kind(resources, "Deployment", "Job", "CronJob")}
    executors = {
        v["value"]
        for m in of_kind(resources, "Deployment")
        for v in container(m).get("env", ())
        if v["name"] == "EXECUTOR_IMAGE"
    }
    assert images == executors == {IMAGE}


def test_an_image_without_a_digest_and_an_address_still_open_are_refused(tmp_path: Path) -> None:
    assert "names no digest" in run(K8S / "manifest.sh", "prod", "registry/paylake:1.0", code=2)
    assert "still to be filled in" in run(K8S / "manifest.sh", "prod", IMAGE, code=1)
    assert "there is no environment qa" in run(K8S / "manifest.sh", "qa", IMAGE, code=2)


def test_the_page_asks_for_history_with_flags_that_there_are() -> None:
    page = (ROOT / "docs" / "operations" / "backfill.md").read_text(encoding="utf-8")
    asked = [json.loads(words) for words in re.findall(r"containers\[0\]\.args = (\[.*?\])", page)]
    assert [words[:2] for words in asked] == [["paylake", name] for name in HISTORY]
    given = variables("overlays/prod", named(manifests("overlays/prod"), "CronJob", "history"))
    land, replay = (parse_settings(HISTORY[words[1]], words[2:], given) for words in asked)
    assert land.landing == replay.landing == "s3a://paylake-prod-raw.invalid/landing"
    assert land.token_key == "aws-secret:paylake-prod/token-key"
    assert replay.security_protocol == "SASL_SSL"


STACK = {
    "lake": "s3a://paylake-dev-processed-1",
    "landing": "s3a://paylake-dev-raw-1/landing",
    "token_key": "aws-secret:paylake-dev/card",
    "bootstrap_servers": "b-1.x:9098,b-2.x:9098",
    "cache_address": "cache.x",
    "name": "paylake-dev",
}


def asked_of_terraform(folder: Path, stack: dict[str, Any], code: int) -> str:
    """What settings.py says of a stack's outputs."""
    (folder / "outputs.json").write_text(json.dumps({"stack": {"value": stack}}), encoding="utf-8")
    told = f"python3 {K8S / 'settings.py'} eu-central-1 {folder / 'made'} < {folder / 'outputs.json'}"
    return run("bash", "-c", told, code=code)


def test_what_terraform_made_becomes_the_drivers_settings(tmp_path: Path) -> None:
    asked_of_terraform(tmp_path, STACK, code=0)
    manifest = [m for m in yaml.safe_load_all(run(K8S / "manifest.sh", "dev", IMAGE, tmp_path / "made")) if m]
    given = named(manifest, "ConfigMap", "paylake-settings")["data"]
    settings = parse_settings(ReconcileLedgersSettings, [], given)
    assert (settings.lake, settings.token_key) == (STACK["lake"], STACK["token_key"])
    assert settings.bootstrap_servers == STACK["bootstrap_servers"]
    assert parse_settings(IngestToKafkaSettings, [], given).landing == STACK["landing"]
    shipped = named(manifests("overlays/dev"), "ConfigMap", "paylake-settings")["data"]
    assert given.keys() == shipped.keys(), "what the overlay shows as an example"
    publisher = parse_settings(PublishScoresSettings, [], given)
    assert (publisher.redis, publisher.redis_iam) == ("rediss://paylake-dev-serving@cache.x:6379/0", "paylake-dev")
    of_the_api = parse_settings(ServeSettings, [], named(manifest, "ConfigMap", "serving-settings")["data"])
    assert (of_the_api.redis, of_the_api.redis_iam) == (publisher.redis, publisher.redis_iam)
    assert '"${var.name}-serving"' in (ROOT / "infra" / "terraform" / "modules" / "serving" / "main.tf").read_text("utf-8")


def test_a_stack_without_a_server_to_publish_to_gets_no_publisher_and_no_api(tmp_path: Path) -> None:
    asked_of_terraform(tmp_path, STACK | {"cache_address": None}, code=0)
    told = run(K8S / "manifest.sh", "dev", IMAGE, tmp_path / "made")
    assert "so publish-scores gets no pod" in told
    assert "so the API gets no pod" in told
    manifest = [m for m in yaml.safe_load_all(told.split("\n", 2)[2]) if m]
    replicas = {m["metadata"]["name"]: m["spec"].get("replicas") for m in of_kind(manifest, "Deployment")}
    assert replicas.pop("publish-scores-driver") == replicas.pop("anomaly-detector") == 0
    assert 0 not in replicas.values()


def test_postgresql_is_one_component_away(tmp_path: Path) -> None:
    shutil.copytree(K8S, tmp_path / "k8s")
    overlay = tmp_path / "k8s" / "overlays" / "dev"
    with (overlay / "kustomization.yaml").open("a", encoding="utf-8") as file:
        file.write("components:\n  - ../../components/postgres\n")
    with (overlay / "paylake.env").open("a", encoding="utf-8") as file:
        file.write("PAYLAKE_POSTGRES_URL=postgresql://paylake@db.x/paylake\n")
    text = run(K8S / "kustomize.sh", "build", overlay)
    (tmp_path / "all.yaml").write_text(text, encoding="utf-8")
    validated(tmp_path / "all.yaml", code=0)
    resources = [m for m in yaml.safe_load_all(text) if m]
    pod = pod_of(named(resources, "Deployment", "publish-scores-driver"))["spec"]
    (said,) = pod["containers"]
    files = {v["name"]: v["value"] for v in said["env"] if v["name"].startswith("PAYLAKE_POSTGRES")}
    assert files == {"PAYLAKE_POSTGRES_PASSWORD_FILE": "/etc/paylake/postgres/password"}
    mounted = {m["name"]: m["mountPath"] for m in said["volumeMounts"]}
    assert mounted["postgres"] == "/etc/paylake/postgres"
    ports = named(resources, "NetworkPolicy", "servers")["spec"]["egress"][0]["ports"]
    assert [port["port"] for port in ports] == [6379, 5432]
    assert of_kind(resources, "Secret") == [], "its password is made on the cluster"
    others = [d for d in of_kind(resources, "Deployment") if d["metadata"]["name"] != "publish-scores-driver"]
    assert "postgres" not in json.dumps(others)


def test_a_stack_at_rest_gives_no_settings(tmp_path: Path) -> None:
    assert "has no Kafka now" in asked_of_terraform(tmp_path, STACK | {"bootstrap_servers": None}, code=1)
    assert "no outputs of a stack" in asked_of_terraform(tmp_path, {"bootstrap_servers": "b-1.x:9098"}, code=1)


KUBECTL = """#!/usr/bin/env bash
# stands where kubectl would, writes down what it was asked, and says that BROKEN is not healthy until it is taken back
echo "$*" >> "$ASKED"
case "$*" in
  *"rollout status deployment/$BROKEN "*) grep -q "rollout undo deployment/$BROKEN" "$ASKED" ;;
  *) ;;
esac
"""


def rolled_out(folder: Path, broken: str, code: int) -> list[str]:
    """What a rollout asks of kubectl where one workload does not become healthy."""
    kubectl, asked = folder / "bin" / "kubectl", folder / "asked"
    kubectl.parent.mkdir()
    kubectl.write_text(KUBECTL, encoding="utf-8")
    kubectl.chmod(0o755)
    path = f"{kubectl.parent}:{Path(shutil.which('bash') or '').parent}"
    run(K8S / "rollout.sh", "all.yaml", env={"PATH": path, "ASKED": str(asked), "BROKEN": broken}, code=code)
    return asked.read_text(encoding="utf-8").splitlines()


def test_a_rollout_goes_stage_by_stage_over_every_workload(tmp_path: Path) -> None:
    asked = rolled_out(tmp_path, broken="none", code=0)
    assert "apply --filename all.yaml --selector !paylake/stage" in asked[1]
    waited = [shlex.split(line)[4].removeprefix("deployment/") for line in asked if "rollout status" in line]
    found = {m["metadata"]["labels"]["paylake/stage"]: m for m in of_kind(manifests("overlays/prod"), "Deployment")}
    assert waited == [found[stage]["metadata"]["name"] for stage in sorted(found)]
    assert not any("undo" in line for line in asked)
    assert all(
        f"--namespace {m['metadata']['namespace']} rollout status deployment/{m['metadata']['name']}" in "\n".join(asked)
        for m in found.values()
    )


def test_a_rollout_that_does_not_become_healthy_is_taken_back(tmp_path: Path) -> None:
    asked = rolled_out(tmp_path, broken="alert-transactions-driver", code=1)
    undone = [shlex.split(line)[4].removeprefix("deployment/") for line in asked if "rollout undo" in line]
    before = ["publish-scores-driver", "score-transactions-driver", "anomaly-detector"]
    assert undone == ["alert-transactions-driver", *before]
    assert not any("reconcile-ledgers-driver" in line or "stage=5" in line for line in asked), "the last stage was begun"
