"""Rules of the nightly run as it was applied: its order, what happens when a step fails, flags that the jobs really have."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra import contracts_file
from infra.jobs import create_topics
from paylake.catalog_command import CatalogSettings
from paylake.quality_command import QualitySettings
from paylake.settings import parse_settings
from tests.infra.tools import REPOSITORY, Stack

DATE = "2026-01-15"

ORDER = ["WhichDate", "Ingest", "BuildBatchIndex", "BuildFinalAggregate", "PassQualityGate", "RegisterCatalog", "TagTables",
         "AskForTotals", "Publish", "Done"]  # fmt: skip

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
        assert [n for n, s in outer.items() if n != "TellOfFailure" and s["Catch"][0]["Next"] != "TellOfFailure"] == []
        assert machines["nightly"]["States"]["TellOfFailure"]["Next"] == "Failed"
        assert machines["nightly"]["States"]["Failed"]["Type"] == "Fail"

    def test_each_step_calls_a_job_with_flags_that_it_has(self, machines: dict[str, dict[str, Any]]) -> None:
        steps = jobs(machines["nightly"])
        of_the_night = {"BuildBatchIndex", "BuildFinalAggregate", "PassQualityGate", "RegisterCatalog"}
        assert set(steps) == {"IngestStatements", "IngestDimensions"} | of_the_night
        for script, arguments in steps.values():
            if script == "paylake.py":
                kind, words = COMMANDS[arguments[0]]
                parse_settings(kind, arguments[words:], environ={})
                continue
            assert (REPOSITORY / "jobs" / script).is_file()
            module = importlib.import_module(f"jobs.{script.removesuffix('.py').replace('/', '.')}")
            (kind,) = (k for n, k in vars(module).items() if n.endswith("Settings") and k.__module__ == module.__name__)
            settings = parse_settings(kind, arguments, environ={})
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

    def test_the_totals_that_are_published_are_columns_of_the_view(self, machines: dict[str, dict[str, Any]]) -> None:
        import duckdb

        from paylake import catalog
        from paylake.contracts.views import VIEWS

        question = machines["nightly"]["States"]["AskForTotals"]["Arguments"]["QueryString"]
        connection = duckdb.connect()
        catalog.create_empty_tables(connection, "lake")
        for view in VIEWS:
            connection.execute(view.athena_ddl("lake"))
        connection.execute("SET schema = 'lake'")
        asked = connection.execute(question, [DATE])
        columns = {name for name, *_ in asked.description or ()}
        item = machines["nightly"]["States"]["Publish"]["ItemProcessor"]["States"]["PutTotals"]["Arguments"]["Item"]
        assert set(item) == columns
        assert {"merchant_id", "day_currency", "valid_from"} <= columns

    def test_an_older_run_never_overwrites_a_newer_one(self, dev: Stack, machines: dict[str, dict[str, Any]]) -> None:
        put = machines["nightly"]["States"]["Publish"]["ItemProcessor"]["States"]["PutTotals"]
        arguments, dynamodb = put["Arguments"], dev.client("dynamodb")

        def publish(run: str, valid_from: str) -> None:
            row = {"merchant_id": "m1", "day_currency": f"{DATE}#EUR", "run_id": run, "valid_from": valid_from}

            def filled(value: dict[str, str]) -> dict[str, str]:
                return {"S": re.sub(r"\{% \$states\.input\.(\w+) %\}", lambda found: row.get(found[1], "x"), value["S"])}

            dynamodb.put_item(
                TableName=arguments["TableName"],
                Item={name: filled(value) for name, value in arguments["Item"].items()},
                ConditionExpression=arguments["ConditionExpression"],
                ExpressionAttributeValues={n: filled(v) for n, v in arguments["ExpressionAttributeValues"].items()},
            )

        publish("second", "2026-01-16 02:00:00.000")
        for late in ("2026-01-15 02:00:00.000", "2026-01-16 02:00:00.000"):
            with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
                publish("first", late)
        key = {"merchant_id": {"S": "m1"}, "day_currency": {"S": f"{DATE}#EUR"}}
        assert dynamodb.get_item(TableName=arguments["TableName"], Key=key)["Item"]["run_id"]["S"] == "second"
        assert put["Catch"][0]["ErrorEquals"] == ["DynamoDB.ConditionalCheckFailedException"]

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
