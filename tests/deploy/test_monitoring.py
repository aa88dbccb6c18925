"""Dashboards that Grafana can read, and metrics that reach Terraform's alarms by way of CloudWatch's agent."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from paylake.health_metrics import Series
from paylake.health_pulse import Pulse
from tests.deploy.support import KUBERNETES, ROOT, Manifest, infra_tool, manifests, named, of_kind, pod_of, run

pytestmark = pytest.mark.infra

DASHBOARDS = sorted((ROOT / "infra" / "monitoring" / "dashboards").glob("*.json"))
TERRAFORM = ROOT / "infra" / "terraform"
METRICS = ROOT / "k8s" / "metrics"
IMAGE = "602401143452.dkr.ecr.eu-central-1.amazonaws.com/eks/observability/cloudwatch-agent:1.300.0"
Asked = set[tuple[str, frozenset[str]]]
"""Metrics, each with the names of the dimensions under which it is looked up."""


def dashboard(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


# --- dashboards ---


def without_its_schema(dashboard: dict[str, Any]) -> list[str]:
    """What a dashboard says that Grafana's model does not know."""
    schema = json.loads((Path(__file__).parent / "grafana-dashboard.schema.json").read_text(encoding="utf-8"))
    return [error.message for error in Draft202012Validator(schema).iter_errors(dashboard)]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_says_only_what_grafana_knows(path: Path) -> None:
    said = dashboard(path)
    assert without_its_schema(said) == []
    wrong = copy.deepcopy(said)
    wrong["panels"][0]["gridPosition"] = wrong["panels"][0].pop("gridPos")
    assert len(without_its_schema(wrong)) == 2


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_no_panel_lies_on_another(path: Path) -> None:
    panels = dashboard(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"], (one, other)


def test_throughput_latency_accuracy_and_anomalies_are_all_shown() -> None:
    shown = {
        panel["title"]: [target["expr"] for target in panel["targets"]]
        for path in DASHBOARDS
        for panel in dashboard(path)["panels"]
    }
    assert "paylake_input_records_total" in shown["Throughput"][0]
    quantiles = [re.findall(r'quantile="([\d.]+)"', expr)[0] for expr in shown["Arrival to decision"]]
    assert quantiles == ["0.5", "0.95", "0.99"]
    for title in ("Precision of the model", "Recall of the model"):
        assert "paylake_fraud_judged_payments" in shown[title][0]
    assert "paylake_recon_differing_transactions" in shown["Accuracy of the stream"][0]
    assert "paylake:fraud_flagged:ratio_rate15m" in shown["Share that does not look normal"]


# --- the way to CloudWatch ---


@pytest.fixture(scope="module")
def agent() -> list[Manifest]:
    """The agent of one stack."""
    return list(yaml.safe_load_all(run(ROOT / "k8s" / "metrics.sh", "paylake-dev", "eu-central-1", IMAGE)))


def configuration(agent: list[Manifest]) -> dict[str, Any]:
    """What the agent does with what it has read."""
    said = json.loads(named(agent, "ConfigMap", "paylake-metrics-agent")["data"]["cwagentconfig.json"])
    found: dict[str, Any] = said["logs"]["metrics_collected"]["prometheus"]
    return found


def scraped(agent: list[Manifest]) -> dict[str, Any]:
    """Whom the agent reads."""
    said = yaml.safe_load(named(agent, "ConfigMap", "paylake-metrics-scrape")["data"]["prometheus.yaml"])
    (only,) = said["scrape_configs"]
    return only  # type: ignore[no-any-return]


def asked_of_cloudwatch() -> Asked:
    """What alarms and dashboards of Terraform look up of the drivers."""
    text = (TERRAFORM / "modules" / "observability" / "main.tf").read_text(encoding="utf-8")
    alarms = re.findall(r'metric\s*= "(paylake_\w+)".*?dimensions\s*= \{(.*?)\}', text, re.DOTALL)
    asked = {(metric, frozenset(re.findall(r"(\w+)\s*=", dimensions))) for metric, dimensions in alarms}
    for metric, rest in re.findall(r'\[local\.metrics, "(paylake_\w+)"([^\]]*)\]', text):
        asked.add((metric, frozenset(re.findall(r'"(\w+)",', rest))))
    return asked


def series() -> dict[str, tuple[str, frozenset[str]]]:
    """Every series of a driver: its name -> its type and labels."""
    said = Series("q", Pulse(timedelta(0), timedelta(0), lambda: 0.0, ("redis",)), lambda: 0.0)
    said.has_executors(1, lambda: 1.0)
    names = {}
    for metric in said.registry._collector_to_names:  # what has no sample yet is not collected
        name = str(getattr(metric, "_name", ""))
        kind = str(getattr(metric, "_type", ""))
        names[f"{name}_total" if kind == "counter" else name] = (kind, frozenset(getattr(metric, "_labelnames", ())))
    return names


def test_alarms_find_their_metrics_under_their_dimensions(agent: list[Manifest]) -> None:
    declared = [
        (metric, frozenset(dimensions), selector)
        for one in configuration(agent)["emf_processor"]["metric_declaration"]
        for selector in one["metric_selectors"]
        for metric in series()
        if re.search(selector, metric)
        for dimensions in one["dimensions"]
    ]
    brought = {(metric, dimensions) for metric, dimensions, _ in declared}
    asked = asked_of_cloudwatch()
    assert len(asked) >= 8
    assert asked - brought == set()
    for metric, dimensions in brought:
        kind, labels = series()[metric]
        assert kind != "histogram", f"the agent drops {metric}"
        assert dimensions <= labels, f"{metric} has no label {', '.join(dimensions - labels)}"
    every = [s for one in configuration(agent)["emf_processor"]["metric_declaration"] for s in one["metric_selectors"]]
    assert set(every) == {selector for _, _, selector in declared}, "a declaration that brings nothing"


def test_the_agent_writes_where_its_role_may(agent: list[Manifest]) -> None:
    said, identity = configuration(agent), (TERRAFORM / "modules" / "identity" / "main.tf").read_text(encoding="utf-8")
    assert said["emf_processor"]["metric_namespace"] == "paylake/paylake-dev"
    assert 'metrics = "paylake/${var.name}"' in (TERRAFORM / "modules" / "observability" / "main.tf").read_text("utf-8")
    assert said["log_group_name"].startswith("/aws/containerinsights/paylake-dev/")
    assert '"/aws/containerinsights/${var.name}/*"' in identity
    pod = pod_of(named(agent, "Deployment", "paylake-metrics"))["spec"]
    components = (TERRAFORM / "stack" / "components.tf").read_text(encoding="utf-8")
    account = f'namespace = "amazon-cloudwatch", name = "{pod["serviceAccountName"]}"'
    assert account in components


def test_the_agent_is_one_that_kubernetes_would_run(agent: list[Manifest], tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(agent), encoding="utf-8")
    run(infra_tool("kubernetes-validate"), "--strict", "-k", KUBERNETES, tmp_path / "all.yaml")
    deployment = named(agent, "Deployment", "paylake-metrics")
    (container,) = pod_of(deployment)["spec"]["containers"]
    assert container["image"] == IMAGE
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert configuration(agent)["prometheus_config_path"] == f"{mounted['scrape']}/prometheus.yaml"
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]["type"]) == (1, "Recreate")
    assert "is no stack of a region" in run(ROOT / "k8s" / "metrics.sh", "Dev;", "eu-central-1", IMAGE, code=2)


def test_prometheus_own_tool_takes_the_scrape_configuration(tmp_path: Path) -> None:
    text = (METRICS / "prometheus.yaml").read_text(encoding="utf-8")
    said = yaml.safe_load(text)
    # Debian's build knows no Kubernetes
    assert said["scrape_configs"][0].pop("kubernetes_sd_configs") == [
        {"role": "pod", "namespaces": {"names": ["paylake", "fraud-detection"]}}
    ]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
    promtool = shutil.which("promtool")
    if promtool is None:
        sentence = "needs promtool: apt-get install prometheus"
        if os.environ.get("PAYLAKE_SERVERS") == "required":
            pytest.fail(sentence)
        pytest.skip(sentence)
    run(promtool, "check", "config", tmp_path / "prometheus.yaml")
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(said).replace("relabel_configs", "relabel_config", 1), "utf-8")
    run(promtool, "check", "config", tmp_path / "wrong.yaml", code=1)


def kept(scrape: dict[str, Any], pod: Manifest) -> list[str]:
    """The ports of a pod that the agent reads."""
    found = []
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", ({"name": ""},)):
            known = {"__meta_kubernetes_pod_container_port_name": port["name"]}
            for name, value in pod["metadata"].get("annotations", {}).items():
                known[f"__meta_kubernetes_pod_annotation_{re.sub(r'[./]', '_', name)}"] = value
            rules = [rule for rule in scrape["relabel_configs"] if rule.get("action") == "keep"]
            if all(re.fullmatch(rule["regex"], known.get(rule["source_labels"][0], "")) for rule in rules):
                found.append(port["name"])
    return found


def test_each_driver_and_the_api_is_read_once_and_nothing_else_is(agent: list[Manifest]) -> None:
    resources = manifests("overlays/prod")
    scrape = scraped(agent)
    for workload in of_kind(resources, "Deployment", "Job"):
        read = kept(scrape, pod_of(workload))
        assert read == ([] if workload["kind"] == "Job" else ["health"]), workload["metadata"]["name"]
    operated = of_kind(manifests("overlays/spark-operator"), "SparkApplication")
    for application in operated:
        assert kept(scrape, application["spec"]["driverSpec"]["podTemplateSpec"]) == ["health"]
        assert kept(scrape, application["spec"]["executorSpec"]["podTemplateSpec"]) == []
    assert {m["metadata"]["namespace"] for m in of_kind(resources, "Deployment")} <= set(
        scrape["kubernetes_sd_configs"][0]["namespaces"]["names"]
    )


def test_the_network_lets_the_agent_in(agent: list[Manifest]) -> None:
    labels = pod_of(named(agent, "Deployment", "paylake-metrics"))["metadata"]["labels"]
    for name in ("driver", "anomaly-detector"):
        rules = named(manifests("overlays/prod"), "NetworkPolicy", name)["spec"]["ingress"]
        doors = [
            rule["ports"]
            for rule in rules
            for door in rule["from"]
            if door.get("namespaceSelector", {}).get("matchLabels") == {"kubernetes.io/metadata.name": "amazon-cloudwatch"}
            and door["podSelector"]["matchLabels"].items() <= labels.items()
        ]
        assert doors == [[{"protocol": "TCP", "port": 8090}]]
