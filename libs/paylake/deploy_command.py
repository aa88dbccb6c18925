"""`paylake deploy package|submit`: a release for EMR Serverless, and job runs of it."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from paylake import __version__, deploy_package, deploy_submit
from paylake.deployment import job_runs
from paylake.deployment import release as releases
from paylake.deployment.job_runs import ENDS, JobRunError
from paylake.errors import SettingsError, SourceError
from paylake.settings import help_text, parse_settings, setting

ACTIONS = ("package", "submit")
INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class AwsSettings:
    """Where AWS is; credentials come from where AWS's tools look for them."""

    region: str | None = setting(None, "Region of AWS.", env=("AWS_REGION", "AWS_DEFAULT_REGION"))
    s3_endpoint_url: str | None = setting(None, "Another address of S3, such as a VPC endpoint.", env="AWS_ENDPOINT_URL_S3")


@dataclass(frozen=True, kw_only=True)
class PackageSettings(AwsSettings):
    """Build what EMR Serverless takes: the wheel, the entry scripts, a packed environment, and their manifest.

    The environment holds the packages of docker/batch/requirements.txt, checked by their hashes, as wheels for Linux on the
    architecture of --architecture and for Python 3.11, whatever machine packs it. It is for applications of emr-spark-8.0.0
    without an image of paylake; its Python is EMR's own, and so are Spark and Delta. The running Python has to be 3.11 too.
    The same sources give the same bytes; the files carry SOURCE_DATE_EPOCH, else the time of the last commit. --upload puts
    the files that are missing or differ below PREFIX/RELEASE.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake deploy package",
        "paylake deploy package --release 0.2.0 --upload s3://paylake-dev-artefacts-123456789012/jobs",
        "paylake deploy package --no-environment --image paylake-batch:0.2.0",
    )

    out: Path = setting(Path("build/deploy"), "Folder to build in; the release is a folder of it.")
    release: str = setting(__version__, "Name of the release.")
    architecture: str = setting(
        "arm64", "Architecture of the application; Terraform makes it arm64.", choices=tuple(releases.ARCHITECTURES)
    )
    environment: bool = setting(True, "Pack the environment: a download of 250 MB, minutes the first time.")
    interpreter: str = setting("/usr/bin/python3.11", "Python of the machine that unpacks the environment.")
    image: str | None = setting(None, "Build the batch image too, under this tag, by docker/build.sh.")
    upload: str | None = setting(None, "Prefix of S3 to put the release below.")

    def __post_init__(self) -> None:
        """Refuse what cannot be built, or put."""
        releases.checked_release(self.release)
        if not re.fullmatch(r"/(?:[\w.+-]+/)+python3(?:\.\d+)?", self.interpreter):
            raise SettingsError(
                f"--interpreter: {self.interpreter!r} is no full path of a Python; for example /usr/bin/python3.11."
            )
        if self.upload is not None:
            releases.place("--upload", self.upload)


@dataclass(frozen=True, kw_only=True)
class SubmitSettings(AwsSettings):
    """Start a job run on EMR Serverless and follow it to its end. What comes after -- are the job's own flags.

    They are read first as the job will read them, so that a wrong one is refused here. The same request of the same release
    is one run, however often it is submitted: the second time it is found and followed again. Without --image and
    --environment, the application's image is used if it has one, else the release's packed environment.

    Exit codes: 0 the run succeeded, 1 it failed or could not be followed, 2 a wrong setting, 3 it was cancelled,
    130 interrupted here, while it goes on.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake deploy submit build_batch_index --application 00fabc123 \\\n"
        "    --role arn:aws:iam::123456789012:role/paylake-dev-batch \\\n"
        "    --artefacts s3://paylake-dev-artefacts-123456789012/jobs/0.1.0 \\\n"
        "    --log-uri s3://paylake-dev-logs-123456789012/jobs/ \\\n"
        "    -- --business-date 2026-03-31 --lake s3a://paylake-dev-processed-123456789012",
        "paylake deploy submit build_batch_index -- --help",
    )

    application: str = setting(help="Id of the EMR Serverless application.", env="PAYLAKE_EMR_APPLICATION")
    role: str = setting(help="ARN of the role that the job runs as.", env="PAYLAKE_EMR_ROLE")
    artefacts: str = setting(help="Where the release lies: s3://BUCKET/PREFIX/RELEASE.", env="PAYLAKE_ARTEFACTS")
    image: bool = setting(False, "Run in the application's image, and in nothing else.")
    environment: bool = setting(False, "Run in the release's packed environment.")
    log_uri: str | None = setting(None, "Prefix of S3 for the run's logs.", env="PAYLAKE_LOG_URI")
    log_group: str | None = setting(None, "Log group of CloudWatch for the run's logs.")
    log_key: str | None = setting(None, "ARN of the KMS key that encrypts the logs.")
    timeout: timedelta = setting(timedelta(hours=2), "How long the run may last, in whole minutes, 5 at least.")
    poll: timedelta = setting(timedelta(seconds=15), "How often its state is looked at.")
    follow: bool = setting(True, "Wait for its end; else only start it.")
    again: bool = setting(False, "Start a new run, though the same was submitted before.")
    cancel_on_interrupt: bool = setting(False, "Cancel the run when this command is interrupted.")
    endpoint_url: str | None = setting(
        None, "Another address of EMR Serverless, such as a VPC endpoint.", env="AWS_ENDPOINT_URL_EMR_SERVERLESS"
    )

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse, and both ways to run at once."""
        if not re.fullmatch(r"[0-9a-z]{1,64}", self.application):
            raise SettingsError(f"--application: {self.application!r} is no id of an application; for example 00fabc123.")
        if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", self.role):
            raise SettingsError(
                f"--role: {self.role!r} is no ARN of a role; for example arn:aws:iam::123456789012:role/paylake-dev-batch."
            )
        releases.place("--artefacts", self.artefacts)
        if self.log_uri is not None:
            releases.place("--log-uri", self.log_uri)
        if self.image and self.environment:
            raise SettingsError("--image and --environment exclude each other: say one, or neither.")
        if self.timeout < timedelta(minutes=5) or self.timeout % timedelta(minutes=1):
            raise SettingsError("--timeout: EMR Serverless takes whole minutes, 5 at least; for example --timeout 90m.")
        if self.poll <= timedelta(0):
            raise SettingsError("--poll: it must be more than nothing; for example --poll 15s.")


def main(argv: Sequence[str]) -> int:
    """`paylake deploy package` or `paylake deploy submit`."""
    action, rest = (argv[0], list(argv[1:])) if argv else ("", [])
    if action in ("-h", "--help"):
        print("usage: `paylake deploy package` or `paylake deploy submit JOB ... [-- FLAGS OF THE JOB]`\n")
        print("Add --help to one of them for its settings.")
        return 0
    if action not in ACTIONS:
        raise SettingsError(f"paylake deploy knows {' and '.join(ACTIONS)}, but not {action or 'nothing'!r}.")
    return _package(rest) if action == "package" else _submit(rest)


# --- package ---


def _package(argv: Sequence[str]) -> int:
    settings = parse_settings(PackageSettings, argv, prog="paylake deploy package")
    checkout = deploy_package.repository()
    environment = deploy_package.Environment(settings.architecture, settings.interpreter) if settings.environment else None
    folder = settings.out / settings.release
    epoch = deploy_package.time_of(checkout)
    manifest = deploy_package.build(checkout, folder, settings.release, epoch, environment)
    for one in manifest.artefacts:
        print(f"{one.sha256[:12]}  {one.size:>11,}  {one.path}")
    packed = f", with an environment for {manifest.emr_release} on {manifest.architecture}, Python {manifest.python}"
    print(f"Wrote {folder}: {releases.total_size(manifest.artefacts)}{packed if manifest.environment else ''}.")
    if settings.image is not None:
        deploy_package.build_image(checkout, settings.image, settings.architecture)
        print(f"Built the image {settings.image}; push it, and give it to the application.")
    if settings.upload is not None:
        _upload(settings, folder, manifest)
    return 0


def _upload(settings: PackageSettings, folder: Path, manifest: releases.Manifest) -> None:
    below = releases.place("--upload", f"{settings.upload}/{settings.release}")
    s3 = _client("s3", settings.region, settings.s3_endpoint_url)
    try:
        put = deploy_package.upload(s3, folder, manifest, below)
    except _aws_errors() as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise SourceError(f"S3 did not take {below.uri()}: {said}; what was put before stays, so run it again.") from None
    kept = len(manifest.artefacts) + 1 - len(put)
    print(f"Put {len(put)} files to {below.uri()}; {kept} were there. Submit with --artefacts {below.uri()}")


# --- submit ---


def _submit(argv: Sequence[str]) -> int:
    ours, arguments = _split(argv)
    checkout = deploy_package.repository()
    known = deploy_submit.jobs(checkout)
    name, flags = (ours[0], ours[1:]) if ours and not ours[0].startswith("-") else ("", ours)
    if not name and {"-h", "--help"} & set(flags):
        print(help_text(SubmitSettings, "paylake deploy submit JOB"))
        print("jobs:\n" + "\n".join(f"  {job}" for job in known))
        return 0
    if name not in known:
        raise SettingsError(f"paylake deploy submit knows the jobs {', '.join(known)}, but not {name or 'nothing'!r}.")
    job = known[name]
    if {"-h", "--help"} & set(arguments):
        deploy_submit.check_arguments(checkout, job, arguments)
    settings = parse_settings(SubmitSettings, flags, prog=f"paylake deploy submit {name}")
    deploy_submit.check_arguments(checkout, job, arguments)
    return _run(settings, job, arguments)


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What comes before the first --, and what comes after it."""
    tokens = [*argv, "--"]
    at = tokens.index("--")
    return tokens[:at], list(argv[at + 1 :])


def _run(settings: SubmitSettings, job: job_runs.Job, arguments: Sequence[str]) -> int:
    place = releases.place("--artefacts", settings.artefacts)
    s3 = _client("s3", settings.region, settings.s3_endpoint_url)
    emr = _client("emr-serverless", settings.region, settings.endpoint_url)
    monitoring = job_runs.Monitoring(settings.log_uri, settings.log_group, settings.log_key)
    try:
        manifest = deploy_submit.read_manifest(s3, place)
        deploy_submit.check_script(s3, place, manifest, job)
        application = emr.get_application(applicationId=settings.application)["application"]
        runtime = job_runs.runtime_of(application, manifest, place, image=settings.image, environment=settings.environment)
        minutes = settings.timeout // timedelta(minutes=1)
        asked = job_runs.request(settings.application, settings.role, job, arguments, place, runtime, monitoring, minutes)
        fresh = datetime.now(UTC).isoformat() if settings.again else ""
        started = deploy_submit.start(emr, asked, job_runs.client_token(asked, manifest, fresh))
        print(f"{job.name}: job run {started.run} of application {started.application}", flush=True)
        if not settings.follow:
            return 0
        return _follow(emr, started, settings, monitoring)
    except _aws_errors() as error:
        raise deploy_submit.refused(error, settings.application, settings.role) from None


def _follow(emr: Any, started: deploy_submit.Started, settings: SubmitSettings, monitoring: job_runs.Monitoring) -> int:
    # a run may wait for capacity before its own time begins
    within = settings.timeout + timedelta(minutes=15)
    try:
        run = deploy_submit.follow(
            emr,
            started,
            lambda line: print(line, flush=True),
            every_s=settings.poll.total_seconds(),
            within_s=within.total_seconds(),
            now=time.monotonic,
            sleep=time.sleep,
        )
    except KeyboardInterrupt:
        if settings.cancel_on_interrupt:
            emr.cancel_job_run(applicationId=started.application, jobRunId=started.run)
            print(f"paylake: interrupted; the job run {started.run} is being cancelled.", file=sys.stderr)
        else:
            how = job_runs.how_to_cancel(*started)
            print(
                f"paylake: interrupted; the job run {started.run} goes on. Submit the same again to follow it, "
                f"or cancel it: {how}",
                file=sys.stderr,
            )
        return INTERRUPTED
    code = ENDS[run["state"]]
    if code == ENDS["FAILED"]:
        raise JobRunError(job_runs.ended(run, monitoring))
    if code:
        print(f"paylake: {job_runs.ended(run, monitoring)}", file=sys.stderr)
    return code


# --- AWS ---


def _client(service: str, region: str | None, endpoint_url: str | None) -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError as error:
        raise SettingsError(f"paylake deploy needs {error.name}: install it with pip install 'paylake[aws]'.") from None
    # a run is followed for hours: one refused or lost request is no reason to give up
    patient = Config(retries={"mode": "standard", "max_attempts": 8})
    try:
        return boto3.client(service, region_name=region, endpoint_url=endpoint_url, config=patient)
    except (BotoCoreError, ValueError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise SettingsError(f"AWS cannot be asked: {said}; for example --region eu-central-1.") from None


def _aws_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)
