"""What starts a job run, which run it is, and what is said of its end."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paylake.deployment.job_runs import Job, Monitoring, Runtime, client_token, ended, request, runtime_of, spark_parameters
from paylake.deployment.release import place
from paylake.errors import SettingsError
from tests.unit.deployment.test_release import MANIFEST

ROOT = Path(__file__).parents[3]
RELEASE = place("--artefacts", "s3://artefacts/jobs/0.1.0")
ROLE = "arn:aws:iam::123456789012:role/paylake-dev-batch"
JOB = Job("build_batch_index", "batch/build_batch_index.py")
PACKED = Runtime(
    "s3://artefacts/jobs/0.1.0/environment-arm64.tar.gz", ("s3://artefacts/jobs/0.1.0/jars/kafka-clients-3.9.1.jar",)
)
APPLICATION = {"applicationId": "00fabc", "releaseLabel": "emr-spark-8.0.0", "architecture": "ARM64"}
WITH_IMAGE = {**APPLICATION, "imageConfiguration": {"imageUri": "registry/paylake/batch:0.1.0"}}
LOGS = Monitoring("s3://logs/jobs/", "/paylake-dev/jobs", "arn:aws:kms:::key/k")


def options(parameters: str) -> set[str]:
    """The options of spark-submit, each with its value."""
    return {f"--{option.strip()}" for option in parameters.split("--") if option.strip()}


def asked(**other: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "application": "00fabc", "role": ROLE, "job": JOB, "arguments": ["--business-date", "2026-03-31"],
        "release": RELEASE, "runtime": Runtime(), "monitoring": LOGS, "timeout_minutes": 120,
    }  # fmt: skip
    return request(**{**usual, **other})


def test_spark_is_set_up_as_in_the_night() -> None:
    schedule = (ROOT / "infra/terraform/modules/schedule/main.tf").read_text(encoding="utf-8")
    (night,) = re.findall(r'spark = join\(" ", \[(.*?)\]\)', schedule, re.DOTALL)
    ours = options(spark_parameters(JOB, Runtime()))
    assert {option for option in ours if option.startswith("--conf")} == set(re.findall(r'"(--conf [^"]+)"', night))
    # Delta's Python module lies in its jar, and comes onto Python's path by the last option alone
    assert ours - {option for option in ours if option.startswith("--conf")} == {
        "--jars local:///usr/share/aws/delta/lib/delta-spark.jar,local:///usr/share/aws/delta/lib/delta-storage.jar",
        "--py-files local:///usr/share/aws/delta/lib/delta-spark.jar",
    }
    assert "local:///usr/share/aws/delta/lib/" in schedule
    assert "--jars" in night
    assert spark_parameters(Job("create_topics", "create_topics.py", needs_delta=False), Runtime()) == (
        "--conf spark.executor.instances=1"
    )


def test_the_packed_environment_comes_as_aws_documents_it() -> None:
    added = options(spark_parameters(JOB, PACKED)) - options(spark_parameters(JOB, Runtime()))
    assert added == {
        "--jars local:///usr/share/aws/delta/lib/delta-spark.jar,local:///usr/share/aws/delta/lib/delta-storage.jar,"
        "s3://artefacts/jobs/0.1.0/jars/kafka-clients-3.9.1.jar",
        "--conf spark.archives=s3://artefacts/jobs/0.1.0/environment-arm64.tar.gz#environment",
        "--conf spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON=./environment/bin/python",
        "--conf spark.emr-serverless.driverEnv.PYSPARK_PYTHON=./environment/bin/python",
        "--conf spark.executorEnv.PYSPARK_PYTHON=./environment/bin/python",
    }


def test_a_request_is_what_a_step_of_the_night_asks_for() -> None:
    job = Job("catalog", "paylake.py", ("catalog", "register"))
    found = asked(job=job, arguments=["--lake", "s3a://lake"])
    assert found["jobDriver"]["sparkSubmit"]["entryPoint"] == "s3://artefacts/jobs/0.1.0/paylake.py"
    assert found["jobDriver"]["sparkSubmit"]["entryPointArguments"] == ["catalog", "register", "--lake", "s3a://lake"]
    assert found["configurationOverrides"]["monitoringConfiguration"] == {
        "s3MonitoringConfiguration": {"logUri": "s3://logs/jobs/", "encryptionKeyArn": "arn:aws:kms:::key/k"},
        "cloudWatchLoggingConfiguration": {
            "enabled": True,
            "logGroupName": "/paylake-dev/jobs",
            "logStreamNamePrefix": "catalog",
            "encryptionKeyArn": "arn:aws:kms:::key/k",
        },
    }
    assert (found["name"], found["executionRoleArn"], found["executionTimeoutMinutes"]) == ("catalog", ROLE, 120)
    assert "configurationOverrides" not in asked(monitoring=Monitoring())


def test_the_same_request_of_the_same_release_has_the_same_token() -> None:
    token = client_token(asked(), MANIFEST)
    assert client_token(asked(), MANIFEST) == token
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", token)
    others = [
        client_token(asked(arguments=["--business-date", "2026-04-01"]), MANIFEST),
        client_token(asked(application="00fabd"), MANIFEST),
        client_token(asked(role=ROLE + "2"), MANIFEST),
        client_token(asked(runtime=PACKED), MANIFEST),
        client_token(asked(), replace(MANIFEST, artefacts=MANIFEST.artefacts[1:])),
        client_token(asked(), MANIFEST, "2026-04-01T00:00:00"),
    ]
    assert len({token, *others}) == 7


def test_a_run_takes_the_applications_image_or_else_the_environment() -> None:
    def chosen(application: dict[str, Any], **wish: bool) -> Runtime:
        return runtime_of(application, MANIFEST, RELEASE, **{"image": False, "environment": False, **wish})

    assert chosen(WITH_IMAGE) == chosen(WITH_IMAGE, image=True) == Runtime()
    assert chosen(APPLICATION) == chosen(WITH_IMAGE, environment=True) == PACKED
    with pytest.raises(SettingsError, match="--image: the application 00fabc has no image of paylake"):
        chosen(APPLICATION, image=True)


@pytest.mark.parametrize(
    ("differs", "sentence"),
    [
        (
            {"architecture": "X86_64"},
            "The application 00fabc is X86_64, and .* is for ARM64: package it with --architecture x",
        ),
        ({"architecture": None}, "The application 00fabc is X86_64"),
        ({"releaseLabel": "emr-7.9.0"}, "The application 00fabc is of emr-7.9.0, and .* emr-spark-8.0.0 with Python 3.11"),
    ],
)
def test_an_environment_for_other_machines_is_refused(differs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        runtime_of({**APPLICATION, **differs}, MANIFEST, RELEASE, image=False, environment=False)


def test_a_release_without_an_environment_needs_an_image() -> None:
    bare = replace(MANIFEST, architecture=None, artefacts=MANIFEST.artefacts[:1])
    with pytest.raises(SettingsError, match="s3://artefacts/jobs/0.1.0 has no packed environment"):
        runtime_of(APPLICATION, bare, RELEASE, image=False, environment=False)


def test_the_end_is_told_with_where_the_logs_are() -> None:
    run = {"applicationId": "00fabc", "jobRunId": "00r1", "state": "FAILED", "stateDetails": "Job failed.\nExit 1."}
    assert ended(run, LOGS) == (
        "The job run 00r1 failed: Job failed. Exit 1; the driver's log is "
        "s3://logs/jobs/applications/00fabc/jobs/00r1/SPARK_DRIVER/stderr.gz."
    )
    assert "was cancelled; the driver's log is in the log group /g." in ended(
        {**run, "state": "CANCELLED", "stateDetails": ""}, Monitoring(log_group="/g")
    )
    assert "no --log-uri was given" in ended(run, Monitoring())
