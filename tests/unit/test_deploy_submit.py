"""Job runs on EMR Serverless: started once, followed to their end, and every refusal one sentence."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.server import ThreadedMotoServer

from paylake import cli, deploy_command, deploy_package, deploy_submit
from paylake.deploy_submit import Started
from paylake.deployment.job_runs import JobRunError
from paylake.deployment.release import place
from tests.emr_serverless import Runs, emr_serverless, interrupting

ROOT = Path(__file__).parents[2]
ROLE = "arn:aws:iam::123456789012:role/paylake-dev-batch"
ARTEFACTS = "s3://artefacts/jobs/0.1.0"
FLAGS = ["--business-date", "2026-03-31", "--lake", "s3a://lake"]
WELL = (("PENDING", ""), ("SCHEDULED", ""), ("RUNNING", ""), ("RUNNING", ""), ("SUCCESS", ""))


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An account in memory, with a release that holds the scripts and an environment; and the release's folder."""
    folder = tmp_path_factory.mktemp("release")
    with pytest.MonkeyPatch.context() as patched, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patched.setenv(name, "testing")
        patched.setenv("AWS_REGION", "us-east-1")
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_EMR_SERVERLESS"):
            patched.delenv(name, raising=False)
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="artefacts")
        for name in (*deploy_package.scripts(ROOT), "environment-arm64.tar.gz", "jars/kafka-clients.jar"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(name)
        put(folder, ARTEFACTS)
        yield folder


@pytest.fixture
def aws(account: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """EMR Serverless in that account, whose runs do well unless a test says otherwise."""
    waits(monkeypatch, lambda _: None)
    with emr_serverless("emr-spark-8.0.0", "ARM64") as runs:
        runs.course = WELL
        yield runs


def waits(monkeypatch: pytest.MonkeyPatch, sleep: Callable[[float], None]) -> None:
    """Have the command alone wait like this: other threads of the process sleep as ever."""
    monkeypatch.setattr(deploy_command, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))


def put(folder: Path, artefacts: str) -> None:
    """Put a folder as a release."""
    s3 = boto3.client("s3", region_name="us-east-1")
    deploy_package.upload(s3, folder, deploy_package.describe(folder, "0.1.0", "arm64"), place("--upload", artefacts))


@pytest.fixture
def application(aws: Runs) -> str:
    emr = boto3.client("emr-serverless", region_name="us-east-1")
    return str(emr.create_application(name="batch", releaseLabel="emr-spark-8.0.0", type="SPARK")["applicationId"])


def submit(
    application: str, *ours: str, job: str = "build_batch_index", flags: list[str] = FLAGS, artefacts: str = ARTEFACTS
) -> int:
    where = ["--application", application, "--role", ROLE, "--artefacts", artefacts]
    return cli.main(["deploy", "submit", job, *where, *ours, "--", *flags])


# --- which jobs there are ---


def test_every_script_of_a_release_is_a_job_with_settings() -> None:
    jobs = deploy_submit.jobs(ROOT)
    assert {job.script for job in jobs.values()} == set(deploy_package.scripts(ROOT))
    for job in jobs.values():
        assert deploy_submit._settings_of(ROOT, job).__name__.endswith("Settings")
    assert (jobs["catalog"].script, jobs["catalog"].words) == ("paylake.py", ("catalog", "register"))


@pytest.mark.parametrize(
    ("job", "flags", "sentence"),
    [
        (
            "build_batch_index",
            ["--busines-date", "2026-03-31"],
            "--busines-date is not a known flag: did you mean --business",
        ),
        ("build_batch_index", ["--lake", "s3a://lake"], "--business-date is required"),
        ("build_final_aggregate", ["--business-date", "yesterday"], "--business-date: 'yesterday' is not a date"),
        ("queue_reviews", ["--date", "2026-03-31", "--most", "0"], "--most: 0 is less than 1"),
        ("catalog", ["--lake", "s3a://lake", "--database", "My-Lake"], "--database: 'My-Lake' is not made of"),
        ("create_topics", ["--security-protocol", "SASL_SSL"], "KAFKA_SASL_MECHANISM is required with SASL_SSL"),
        ("no_such_job", [], "knows the jobs build_final_aggregate, "),
    ],
)
def test_wrong_flags_are_refused_before_anything_starts(
    aws: Runs, application: str, job: str, flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(application, job=job, flags=flags) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count("\n") == 1
    assert aws.started == []


def test_the_variables_of_this_machine_are_no_flags_of_the_job(
    aws: Runs, application: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "nonsense")
    assert submit(application) == 0


def test_the_settings_of_a_job_are_shown_without_aws(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["deploy", "submit", "build_batch_index", "--", "--help"])
    assert "--missing-after 30s" in capsys.readouterr().out
    assert cli.main(["deploy", "submit", "--help"]) == 0
    assert "\njobs:\n  build_final_aggregate\n" in capsys.readouterr().out


# --- a run ---


def test_a_run_is_started_and_followed_line_by_line(aws: Runs, application: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(application, "--log-uri", "s3://logs/jobs/", "--timeout", "90m") == 0
    (run,) = aws.started
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"build_batch_index: job run {run.id} of application {application}"
    assert [re.sub(r"^\d+:\d\d:\d\d  ", "", line) for line in said[1:]] == ["PENDING", "SCHEDULED", "RUNNING", "SUCCESS"]
    assert aws.looked[run.id] == len(WELL) - 1
    driver: Any = run.job_driver
    assert driver["sparkSubmit"]["entryPoint"] == f"{ARTEFACTS}/batch/build_batch_index.py"
    assert driver["sparkSubmit"]["entryPointArguments"] == FLAGS
    assert (
        f"spark.archives={ARTEFACTS}/environment-arm64.tar.gz#environment" in driver["sparkSubmit"]["sparkSubmitParameters"]
    )
    assert f",{ARTEFACTS}/jars/kafka-clients.jar " in driver["sparkSubmit"]["sparkSubmitParameters"]
    assert (run.execution_timeout_minutes, run.execution_role_arn) == (90, ROLE)


def test_the_same_request_is_the_same_run_unless_again_is_said(aws: Runs, application: str) -> None:
    assert [submit(application), submit(application), submit(application, "--no-follow")] == [0, 0, 0]
    assert len(aws.started) == 1
    assert submit(application, "--again") == 0
    assert submit(application, flags=["--business-date", "2026-04-01"]) == 0
    assert len(aws.started) == 3


def test_another_release_under_the_same_name_is_another_run(
    aws: Runs, application: str, account: Path, tmp_path: Path
) -> None:
    there = "s3://artefacts/jobs/changing"
    shutil.copytree(account, tmp_path / "release")
    put(tmp_path / "release", there)
    assert submit(application, artefacts=there) == 0
    (tmp_path / "release" / "paylake.py").write_text("changed")
    put(tmp_path / "release", there)
    assert submit(application, artefacts=there) == 0
    assert len(aws.started) == 2


def test_a_failed_run_says_why_and_where_its_logs_are(
    aws: Runs, application: str, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.course = (("RUNNING", ""), ("FAILED", "Job failed, please check complete logs.\nExit code 1."))
    assert submit(application, "--log-uri", "s3://logs/jobs") == 1
    (run,) = aws.started
    shown = capsys.readouterr().err
    assert shown == (
        f"paylake: The job run {run.id} failed: Job failed, please check complete logs. Exit code 1; the driver's log is "
        f"s3://logs/jobs/applications/{application}/jobs/{run.id}/SPARK_DRIVER/stderr.gz.\n"
    )


def test_a_run_that_somebody_cancels_has_an_exit_code_of_its_own(
    aws: Runs, application: str, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.course = (("RUNNING", ""), ("CANCELLING", ""), ("CANCELLED", ""))
    assert submit(application) == 3
    assert "was cancelled; its logs are in the application's page of EMR Studio" in capsys.readouterr().err


@pytest.mark.parametrize("cancel", [False, True])
def test_an_interrupt_lets_the_run_go_on_or_cancels_it(
    aws: Runs, application: str, cancel: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waits(monkeypatch, interrupting(after=2))
    aws.course = (("RUNNING", ""),)
    assert submit(application, *(["--cancel-on-interrupt"] if cancel else [])) == 130
    (run,) = aws.started
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    if cancel:
        assert f"the job run {run.id} is being cancelled" in shown
    else:
        assert f"--application-id {application} --job-run-id {run.id}" in shown
        assert "goes on" in shown
    assert run.state == ("CANCELLED" if cancel else "RUNNING")


def test_a_run_is_not_followed_for_ever(aws: Runs, application: str) -> None:
    aws.course = (("QUEUED", ""),)
    emr = boto3.client("emr-serverless", region_name="us-east-1")
    assert submit(application, "--no-follow") == 0
    clock, lines = iter(range(0, 10_000, 60)), list[str]()
    run = Started(application, aws.started[0].id)
    with pytest.raises(
        JobRunError, match=rf"The job run {run.run} is still QUEUED after 0:05:00, and is no longer followed"
    ):
        deploy_submit.follow(emr, run, lines.append, every_s=15, within_s=300, now=lambda: next(clock), sleep=lambda _: None)
    assert lines == ["0:01:00  QUEUED"]


# --- what is refused ---


def test_an_application_that_is_not_there_is_named(aws: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit("00nowhere") == 2
    shown = capsys.readouterr().err
    assert "paylake: --application: AWS knows no EMR Serverless application 00nowhere in this account and region" in shown
    assert shown.count("\n") == 1


def test_denied_access_says_what_is_needed(aws: Runs, application: str, capsys: pytest.CaptureFixture[str]) -> None:
    aws.denied = True
    assert submit(application) == 1
    shown = capsys.readouterr().err
    assert "AWS denied it (User is not authorized to perform: iam:PassRole): whoever submits needs " in shown
    assert f"iam:PassRole on {ROLE}" in shown


def test_a_release_or_a_script_that_is_missing_is_named(
    aws: Runs, application: str, account: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    s3, there = boto3.client("s3", region_name="us-east-1"), "s3://artefacts/gone"
    put(account, there)
    s3.delete_object(Bucket="artefacts", Key="gone/batch/build_batch_index.py")
    assert submit(application, artefacts=there) == 1
    assert f"The script {there}/batch/build_batch_index.py is not there" in capsys.readouterr().err
    s3.put_object(Bucket="artefacts", Key="gone/manifest.json", Body=b"<html>")
    assert submit(application, artefacts=there) == 1
    assert f"{there}/manifest.json is no manifest of a release" in capsys.readouterr().err
    s3.delete_object(Bucket="artefacts", Key="gone/manifest.json")
    assert submit(application, artefacts=there) == 1
    assert f"There is no release at {there}" in capsys.readouterr().err
    assert aws.started == []


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--application", "x/y"], "--application: 'x/y' is no id of an application"),
        (["--role", "paylake-dev-batch"], "--role: 'paylake-dev-batch' is no ARN of a role"),
        (["--artefacts", "build/deploy"], "--artefacts: 'build/deploy' is no s3:// address"),
        (["--log-uri", "/var/log"], "--log-uri: '/var/log' is no s3:// address"),
        (["--image", "--environment"], "--image and --environment exclude each other"),
        (["--timeout", "90s"], "--timeout: EMR Serverless takes whole minutes, 5 at least"),
        (["--poll", "0s"], "--poll: it must be more than nothing"),
        (["--image"], "has no image of paylake"),
    ],
)
def test_a_wrong_setting_is_one_line(
    aws: Runs, application: str, argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(application, *argv) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("403", r"AWS denied it \(Forbidden\): whoever submits needs .* and s3:GetObject on the release\.$"),
        ("ConflictException", r"AWS knows this request with other content \(Forbidden\); submit it with --again\.$"),
        (
            "ValidationException",
            r"^AWS did not do it: An error occurred \(ValidationException\) when calling .*: Forbidden\.$",
        ),
    ],
)
def test_what_aws_answers_is_one_sentence(code: str, sentence: str) -> None:
    answered = ClientError({"Error": {"Code": code, "Message": "Forbidden."}}, "StartJobRun")
    assert re.search(sentence, str(deploy_submit.refused(answered, "00fabc", ROLE)))


def test_other_addresses_of_aws_are_used(aws: Runs, application: str, account: Path, tmp_path: Path) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        here = "http://{}:{}".format(*server.get_host_and_port())
        nowhere = "http://127.0.0.1:9"
        assert submit(application, "--s3-endpoint-url", here, "--endpoint-url", here) == 0
        patient = ["--no-follow", "--again"]
        assert submit(application, "--s3-endpoint-url", here, "--endpoint-url", nowhere, *patient) == 1
    finally:
        server.stop()
    assert len(aws.started) == 1


def test_no_region_is_one_line(
    aws: Runs, application: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_REGION")
    assert submit(application) == 2
    assert "AWS cannot be asked: You must specify a region; for example --region" in capsys.readouterr().err
