"""Rules of the nightly run as it was applied: its order, what happens when a step fails, flags that the jobs really have."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from infra import contracts_file
from infra.jobs import create_topics
from paylake.catalog_command import CatalogSettings
from paylake.contracts import RUN_CONTROLS
from paylake.contracts.view import View
from paylake.publish_serving import DynamoTables
from paylake.publish_serving_command import PublishServingSettings
from paylake.quality_command import QualitySettings
from paylake.serving.items import MERCHANT_TOTALS, SUBJECTS, Item
from paylake.settings import parse_settings
from paylake.sinks.servers import Server
from tests.infra.tools import REPOSITORY, Stack

DATE = "2026-01-15"

ORDER = ["WhichDate", "Ingest", "BuildBatchIndex", "BuildFinalAggregate", "QueueReviews", "PassQualityGate",
         "RegisterCatalog", "TagTables", "PublishServing", "MaintainTables", "Done"]  # fmt: skip

GOES_ON_WITHOUT = {"QueueReviews": "TellOfNoQueue"}
"""Steps whose failure is told, and keeps nobody's books open -> the state that tells it."""

READS = {"dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Query"}
"""What only looks."""

COMMANDS = {"quality": (QualitySettings, 1), "catalog": (CatalogSettings, 2)}
"""Commands that run as a script: their settings, and how many words come before the flags."""


def states(machine: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Name, state, and whether it stands within another, of a machine and all machines in it."""
    for name, state in machine["States"].items():
        yield name, state, False
        for inner in (*state.get("Branches", ()), *([state["ItemProcessor"]] if "ItemProcessor" in state else ())):
            yield from ((n, s, True) for n, s, _ in states(inner))


def jobs(machine: Mapping[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """Step -> script and arguments, on a date."""
    found = {}
    for name, state, _ in states(machine):
        driver = state.get("Arguments", {}).get("JobDriver")
        if driver:
            arguments = [a.replace("{% $business_date %}", DATE) for a in driver["SparkSubmit"]["EntryPointArguments"]]
            found[name] = (re.sub(r"^s3://[^/]+/jobs/0.1.0/", "", driver["SparkSubmit"]["EntryPoint"]), arguments)
    return found


def paths(view: View) -> Iterator[str]:
    """The tables, by their paths, that a view rests on."""
    for source in view.reads:
        yield from paths(source) if isinstance(source, View) else (source.path,)


def settings_of(module: Any) -> Any:
    """The settings of a job: its own class, else that of its command."""
    kinds = [kind for name, kind in vars(module).items() if name.endswith("Settings")]
    (kind,) = [kind for kind in kinds if kind.__module__ == module.__name__] or kinds
    return kind


class TheNight:
    """What has to hold of the run, in the stack in which it was applied."""

    @pytest.fixture
    def machines(self, dev: Stack) -> dict[str, dict[str, Any]]:
        """nightly, deadline, topics -> definition."""
        return {
            m["name"].removeprefix("paylake-dev-"): json.loads(m["definition"])
            for m in dev.of_type("aws_sfn_state_machine").values()
        }

    def test_it_goes_from_files_to_what_dashboards_read(self, machines: dict[str, dict[str, Any]]) -> None:
        nightly = machines["nightly"]
        walked, at = [], nightly["StartAt"]
        while at:
            walked.append(at)
            at = nightly["States"][at].get("Next")
        assert walked == ORDER

    def test_every_way_leads_somewhere(self, machines: dict[str, dict[str, Any]]) -> None:
        for machine in machines.values():
            stack = [machine]
            while stack:
                one = stack.pop()
                assert one["StartAt"] in one["States"]
                for state in one["States"].values():
                    targets = [state.get("Next"), *(c["Next"] for c in state.get("Catch", ()))]
                    assert {t for t in targets if t} <= set(one["States"])
                    assert "Next" in state or state.get("End") or state["Type"] in ("Succeed", "Fail")
                    stack.extend(
                        [*state.get("Branches", ()), *([state["ItemProcessor"]] if "ItemProcessor" in state else ())]
                    )

    def test_what_fails_is_tried_again_and_then_told(self, machines: dict[str, dict[str, Any]]) -> None:
        tasks = [(name, state) for m in machines.values() for name, state, _ in states(m) if state["Type"] == "Task"]
        assert [name for name, state in tasks if not state.get("Retry")] == []
        outer = {n: s for n, s in machines["nightly"]["States"].items() if s["Type"] in ("Task", "Map", "Parallel")}
        catching = {n: s["Catch"][0]["Next"] for n, s in outer.items() if n != "TellOfFailure"}
        assert {n: told for n, told in catching.items() if told != "TellOfFailure"} == GOES_ON_WITHOUT
        for name, told in GOES_ON_WITHOUT.items():
            assert machines["nightly"]["States"][told]["Next"] == machines["nightly"]["States"][name]["Next"]
        assert machines["nightly"]["States"]["TellOfFailure"]["Next"] == "Failed"
        assert machines["nightly"]["States"]["Failed"]["Type"] == "Fail"

    def test_each_step_calls_a_job_with_flags_that_it_has(self, machines: dict[str, dict[str, Any]]) -> None:
        steps = jobs(machines["nightly"])
        assert set(steps) == {
            "IngestStatements",
            "IngestDimensions",
            *set(ORDER) - {"WhichDate", "Ingest", "TagTables", "Done"},
        }
        for script, arguments in steps.values():
            if script == "paylake.py":
                kind, words = COMMANDS[arguments[0]]
                parse_settings(kind, arguments[words:], environ={})
                continue
            assert (REPOSITORY / "jobs" / script).is_file()
            module = importlib.import_module(f"jobs.{script.removesuffix('.py').replace('/', '.')}")
            settings = parse_settings(settings_of(module), arguments, environ={})
            assert settings.lake == "s3a://paylake-dev-processed-123456789012"

    def test_the_job_of_the_topics_speaks_iam(self, machines: dict[str, dict[str, Any]]) -> None:
        ((script, arguments),) = jobs(machines["topics"]).values()
        assert script == "create_topics.py"
        settings = parse_settings(create_topics.CreateTopicsSettings, arguments, environ={})
        assert settings.spark_options()["kafka.sasl.mechanism"] == "AWS_MSK_IAM"

    def test_a_step_logs_encrypted_to_cloudwatch_and_to_the_log_bucket(self, machines: dict[str, dict[str, Any]]) -> None:
        steps = [s for m in machines.values() for _, s, _ in states(m) if "JobDriver" in s.get("Arguments", {})]
        for step in steps:
            monitoring = step["Arguments"]["ConfigurationOverrides"]["MonitoringConfiguration"]
            assert monitoring["S3MonitoringConfiguration"]["LogUri"] == "s3://paylake-dev-logs-123456789012/jobs/"
            assert monitoring["CloudWatchLoggingConfiguration"]["LogGroupName"] == "/paylake-dev/jobs"
            assert all(part["EncryptionKeyArn"] for part in monitoring.values())

    def test_each_step_runs_as_its_own_role(self, machines: dict[str, dict[str, Any]]) -> None:
        roles = {
            name: state["Arguments"]["ExecutionRoleArn"].rpartition("/")[2]
            for name, state, _ in states(machines["nightly"])
            if "ExecutionRoleArn" in state.get("Arguments", {})
        }
        assert roles["BuildFinalAggregate"] == "paylake-dev-batch"
        assert roles["PassQualityGate"] == "paylake-dev-quality"
        assert roles["RegisterCatalog"] == "paylake-dev-catalog"
        assert roles["PublishServing"] == "paylake-dev-serving"

    def test_every_table_and_view_is_tagged_and_cards_apart(self, machines: dict[str, dict[str, Any]]) -> None:
        items = machines["nightly"]["States"]["TagTables"]["Items"]
        whole = {i["resource"]["Table"]["Name"]: i["sensitivity"] for i in items if "Table" in i["resource"]}
        parts = {
            i["resource"]["TableWithColumns"]["Name"]: i["resource"]["TableWithColumns"]["ColumnNames"]
            for i in items
            if "TableWithColumns" in i["resource"]
        }
        assert whole == contracts_file.described()["tables"]
        assert parts == contracts_file.card_columns()

    def test_it_publishes_to_the_tables_and_to_redis_as_a_user_without_a_password(
        self, dev: Stack, machines: dict[str, dict[str, Any]]
    ) -> None:
        _, arguments = jobs(machines["nightly"])["PublishServing"]
        settings = parse_settings(PublishServingSettings, arguments, environ={})
        assert (settings.dynamodb, settings.region, settings.redis_iam) == ("paylake-dev-", "eu-central-1", "paylake-dev")
        (cache,) = dev.of_type("aws_elasticache_replication_group").values()
        assert settings.redis == f"rediss://paylake-dev-serving@{cache['primary_endpoint_address']}:6379/0"
        (user,) = (u for u in dev.of_type("aws_elasticache_user").values() if u["user_name"] == "paylake-dev-serving")
        # IAM demands it
        assert user["user_id"] == user["user_name"]
        talks = dev.of_type("aws_vpc_security_group_ingress_rule")
        assert any('"batch-cache"' in address and rule["from_port"] == 6379 for address, rule in talks.items())

    def test_what_it_publishes_is_read_from_the_lake_and_written_by_its_role_alone(self, dev: Stack) -> None:
        policies = {
            address.rpartition('component["')[2].removesuffix('"]'): json.loads(policy["policy"])["Statement"]
            for address, policy in dev.of_type("aws_iam_role_policy").items()
            if "component[" in address
        }
        writing = {
            (name, action, resource)
            for name, statements in policies.items()
            for s in statements
            for action in s["Action"]
            for resource in s["Resource"]
            if action.startswith("dynamodb:") and action not in READS
        }
        tables = dev.of_type("aws_dynamodb_table").values()
        assert {r for _, _, r in writing} == {table["arn"] for table in tables}
        assert {(name, action) for name, action, _ in writing} == {("serving", "dynamodb:PutItem")}
        read = {r.partition("/")[2] for s in policies["serving"] if s["Sid"] == "ReadLake" for r in s["Resource"]}
        needed = {path for subject in SUBJECTS for path in paths(subject.view)} | {RUN_CONTROLS.path}
        assert read == {f"{path}/*" for path in needed}

    def test_an_older_run_never_overwrites_a_newer_one(self, dev: Stack) -> None:
        tables = DynamoTables(dev.client("dynamodb"), Server("DynamoDB", "here", 443), "paylake-dev-", 9_999_999_999,
                              timedelta(0))  # fmt: skip

        def put(run: str, valid_from: str) -> int:
            said = {"merchant_id": "m1", "run_id": run, "approved_amount": "1.00", "currency": "EUR"}
            return tables.put([Item(MERCHANT_TOTALS, "m1", f"{DATE}#EUR", valid_from, said)])

        second = "2026-01-16T02:00:00.000000Z"
        assert [put("second", second), put("first", "2026-01-15T02:00:00.000000Z"), put("second", second)] == [1, 0, 0]
        key = {"merchant_id": {"S": "m1"}, "day_currency": {"S": f"{DATE}#EUR"}}
        stored = tables.client.get_item(TableName="paylake-dev-merchant-totals", Key=key)["Item"]
        assert (stored["run_id"]["S"], stored["approved_amount"]["S"]) == ("second", "1.00")

    def test_the_schedule_starts_it_and_asks_at_the_deadline(self, dev: Stack, machines: dict[str, dict[str, Any]]) -> None:
        scheduler = dev.client("scheduler")
        names = [schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"]]
        found = {name: scheduler.get_schedule(Name=name, GroupName="paylake-dev") for name in names}
        assert set(found) == {"nightly", "deadline"}
        for name, schedule in found.items():
            assert schedule["State"] == "ENABLED"
            assert schedule["Target"]["Arn"] == dev.outputs["machine_arns"][name]
            assert schedule["Target"]["DeadLetterConfig"]["Arn"].endswith("paylake-dev-missed-starts")
            assert json.loads(schedule["Target"]["Input"]) == {"scheduled": "<aws.scheduler.scheduled-time>"}
        late = machines["deadline"]["States"]["Report"]["Arguments"]
        (alarm,) = (
            a for a in dev.of_type("aws_cloudwatch_metric_alarm").values() if a["alarm_name"] == "paylake-dev-nightly-late"
        )
        assert (late["Namespace"], late["MetricData"][0]["MetricName"]) == (alarm["namespace"], alarm["metric_name"])
